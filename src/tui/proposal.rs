//! A change that is asked about: what it comes to, and what was told about that so far.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::client::{PlanReport, PlannedStep};
use crate::controller::core::Action;
use crate::model::state::ServiceKey;
use crate::model::{ClusterName, InstanceName, State, TaskDefinitionId, TimeMs};

use super::event::Ticket;
use super::ghosts::Ghosts;
use super::state::{Act, Pane};
use super::text::count;

/// From how many steps on equal ones of a round share a row.
const STEPS_MAX: usize = 60;
/// How many rows of steps are kept; the rest is counted.
const ROWS_MAX: usize = 400;
/// How many instances a sentence names.
const NAMED: usize = 3;
/// How many services get a sentence of their own.
const SENTENCES: usize = 8;
/// How long a plan that has just become another one is not taken for read, in milliseconds.
const UNREAD_MS: u64 = 700;

/// A question before something is changed: the acts, and the plan of them.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    /// What is done, all of it or nothing.
    pub acts: Vec<Act>,
    /// The list whose marked rows it is about.
    pub marked: Option<Pane>,
    /// Sentences on what of that is left out, and why.
    pub left_out: Vec<String>,
    /// What of it has changed while the text that asks for it was edited.
    pub meanwhile: Vec<String>,
    /// What that comes to, or why nobody can say; `None` while it is planned.
    pub plan: Option<Result<Foreseen, String>>,
    /// Number of the change that the plan, or its refusal, is about.
    pub planned_on: u64,
    /// Which plan is waited for, and since when.
    pub asked: Option<(Ticket, TimeMs)>,
    /// How long the last plan took, in milliseconds.
    pub took_ms: u64,
    /// What the answer to the acts comes back with, once they were sent.
    pub sent: Option<Ticket>,
    /// Where the fleet had moved away from the plan that was to be carried out.
    pub departed: Vec<String>,
    /// When the plan shown became another one.
    pub changed_at: Option<TimeMs>,
    /// What was typed of the name that a protected cluster wants.
    pub typed: String,
    /// The first line shown.
    pub top: usize,
}

impl Proposal {
    pub(crate) fn new(acts: Vec<Act>) -> Self {
        Self {
            acts,
            marked: None,
            left_out: Vec::new(),
            meanwhile: Vec::new(),
            plan: None,
            planned_on: 0,
            asked: None,
            took_ms: 0,
            sent: None,
            departed: Vec::new(),
            changed_at: None,
            typed: String::new(),
            top: 0,
        }
    }

    /// Whether it is about leaving the console, which no plan says anything about.
    pub(crate) fn quits(&self) -> bool {
        self.acts.contains(&Act::Quit)
    }

    /// The name that is to be typed before it is done: in a protected cluster that of the thing it
    /// is about, or of the clusters where it is about several. What is known to stop nothing healthy
    /// goes without.
    pub(crate) fn wanted_name(&self, state: &State) -> Option<String> {
        if self.quits() {
            return None;
        }
        let clusters = self.acts.iter().filter_map(|act| act.cluster(state));
        let guards = |name: &&ClusterName| state.clusters.get(*name).is_some_and(|it| it.protected);
        let guarding: BTreeSet<&ClusterName> = clusters.filter(guards).collect();
        let harmless = matches!(&self.plan, Some(Ok(foreseen)) if foreseen.healthy_stops == 0);
        let deletes = self.acts.iter().any(|act| matches!(act, Act::Delete(_)));
        if guarding.is_empty() || (harmless && !deletes) {
            return None;
        }
        Some(match self.acts.as_slice() {
            [one] => one.thing(),
            _ => {
                let names: Vec<&str> = guarding.iter().map(|it| it.as_str()).collect();
                names.join(" ")
            }
        })
    }

    /// Whether it may be done without a plan: there is none to be had, or none that holds.
    pub(crate) fn may_go_blind(&self) -> bool {
        self.sent.is_none()
            && !self.quits()
            && (matches!(self.plan, Some(Err(_))) || !self.departed.is_empty())
    }

    /// Whether the plan became another one so lately that nobody can have read it.
    pub(crate) fn is_unread(&self, now: TimeMs) -> bool {
        self.changed_at
            .is_some_and(|at| now.since_ms(at) < UNREAD_MS)
    }

    /// Takes a plan, or why there is none, in the place of the one before.
    pub(crate) fn take(&mut self, told: Result<Foreseen, String>, now: TimeMs) {
        let other = match (&self.plan, &told) {
            (Some(Ok(old)), Ok(new)) => !old.is_as(new),
            (Some(Err(_)), Ok(_)) | (Some(Ok(_)), Err(_)) => true,
            _ => false,
        };
        if other || (self.plan.is_none() && !self.departed.is_empty()) {
            self.changed_at = Some(now);
        }
        self.plan = Some(told);
    }
}

/// A plan, with its words made once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Foreseen {
    pub report: PlanReport,
    /// How many of the tasks that stop serve now.
    pub healthy_stops: usize,
    /// What it comes to, a sentence for each service.
    pub sentences: Vec<String>,
    /// Its starts and stops, in order.
    pub rows: Vec<StepRow>,
    /// How many steps have no row.
    pub more: usize,
    /// The same for the stowage map.
    pub ghosts: Arc<Ghosts>,
}

/// One step, or several equal ones of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepRow {
    pub round: u32,
    pub action: Action,
    /// What starts or stops: `web:7`.
    pub what: String,
    /// Where.
    pub place: String,
    pub why: String,
}

impl Foreseen {
    pub(crate) fn new(report: PlanReport, acts: &[Act], state: &State) -> Self {
        let sentences = sentences(&report, acts, state);
        let mut rows = rows(&report.steps);
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        let ghosts = Arc::new(Ghosts::new(&report, state));
        let stops = report.steps.iter();
        let healthy_stops = stops.filter(|it| stops_healthy(it, state)).count();
        Self {
            report,
            healthy_stops,
            sentences,
            rows,
            more,
            ghosts,
        }
    }

    /// Whether both come to the same starts and stops in the same places.
    fn is_as(&self, other: &Self) -> bool {
        let steps = |it: &Self| -> Vec<_> {
            let steps = it.report.steps.iter();
            let key = |it: &PlannedStep| {
                let what = (it.subject.clone(), it.task_definition.clone());
                (it.round, it.action, it.instance.clone(), what)
            };
            let mut keys: Vec<_> = steps.map(key).collect();
            keys.sort();
            keys
        };
        self.report.effects == other.report.effects && steps(self) == steps(other)
    }
}

fn stops_healthy(step: &PlannedStep, state: &State) -> bool {
    let task = step.task.and_then(|id| state.tasks.get(&id));
    let serves = |task: &Arc<crate::model::Task>| task.is_serving() && state.hears(task);
    step.action == Action::Stop && task.is_some_and(serves)
}

/// What a plan does, a sentence for each service or family.
fn sentences(report: &PlanReport, acts: &[Act], state: &State) -> Vec<String> {
    let mut subjects: Vec<Moved<'_>> = Vec::new();
    for step in &report.steps {
        let moved = moved(step, state);
        if !subjects.contains(&moved) {
            subjects.push(moved);
        }
    }
    if subjects.is_empty() {
        let words = match report.effects.moves.is_empty() {
            true => "Starts and stops nothing.",
            false => "What this starts and stops would start and stop anyhow.",
        };
        return vec![words.to_owned()];
    }
    let rest = subjects.split_off(subjects.len().min(SENTENCES));
    let mut lines: Vec<String> = subjects
        .into_iter()
        .map(|subject| {
            // Of equal names it is said which is which.
            let same = |it: &PlannedStep| it.subject == subject.1 && moved(it, state) != subject;
            let called = match (report.steps.iter().any(same), subject.0) {
                (true, Some(cluster)) => format!("{} of {cluster}", subject.1),
                _ => subject.1.to_owned(),
            };
            sentence(report, subject, &called, acts, state)
        })
        .collect();
    if !rest.is_empty() {
        lines.push(summary(report, &rest, state));
    }
    lines
}

/// A service or family, and the cluster in which it is moved.
type Moved<'a> = (Option<&'a ClusterName>, &'a str);

fn moved<'a>(step: &'a PlannedStep, state: &'a State) -> Moved<'a> {
    let instance = state.instances.get(&step.instance);
    (instance.map(|it| &it.cluster), &step.subject)
}

/// What a plan does to those that get no sentence of their own.
fn summary(report: &PlanReport, subjects: &[Moved<'_>], state: &State) -> String {
    let all = report.steps.iter();
    let of: Vec<_> = all
        .filter(|it| subjects.contains(&moved(it, state)))
        .collect();
    let steps = |action| of.iter().filter(move |it| it.action == action);
    let healthy = steps(Action::Stop).filter(|it| stops_healthy(it, state));
    format!(
        "And for {}: stops {}, {} of them healthy; starts {}.",
        count(subjects.len() as u64, "more service"),
        count(steps(Action::Stop).count() as u64, "task"),
        healthy.count(),
        steps(Action::Start).count(),
    )
}

fn sentence(
    report: &PlanReport,
    wanted: Moved<'_>,
    subject: &str,
    acts: &[Act],
    state: &State,
) -> String {
    let is = |(cluster, name): &ServiceKey| (Some(cluster), name.as_str()) == wanted;
    let steps = |action| {
        let of = report.steps.iter().filter(move |it| it.action == action);
        of.filter(|it| moved(it, state) == wanted)
    };
    let (starts, stops) = (steps(Action::Start).count(), steps(Action::Stop).count());
    let healthy = steps(Action::Stop).filter(|it| stops_healthy(it, state));
    let healthy = healthy.count();
    let course = report
        .services
        .iter()
        .find(|it| (Some(&it.cluster), it.service.as_str()) == wanted);
    let before = course.map_or(0, |it| it.before as usize).max(healthy);
    let scaled = acts.iter().find_map(|act| match act {
        Act::Scale(key, to) if is(key) => {
            let from = state.services.get(key)?.desired_count;
            Some(format!(
                "{subject} goes from {from} to {}",
                count(u64::from(*to), "task")
            ))
        }
        _ => None,
    });
    // Who it is about is said once.
    let of = if scaled.is_some() {
        String::new()
    } else {
        format!(" of {subject}")
    };
    let mut parts = Vec::new();
    if stops > 0 {
        let how_many = if healthy == 0 {
            let tasks = count(stops as u64, "task");
            format!("{tasks}{of}, none of them healthy")
        } else if healthy == stops {
            format!("{healthy} of {before} healthy tasks{of}")
        } else {
            let more = stops - healthy;
            let verb = if more == 1 { "is" } else { "are" };
            let silent = |it: &&PlannedStep| {
                let task = it.task.and_then(|id| state.tasks.get(&id));
                task.is_some_and(|task| !state.hears(task))
            };
            let how = match steps(Action::Stop).any(|it| silent(&it)) {
                true => "not known to be healthy",
                false => "not healthy",
            };
            format!("{healthy} of {before} healthy tasks{of} and {more} that {verb} {how}")
        };
        let place = places(steps(Action::Stop).map(|it| &it.instance));
        parts.push(format!("stops {how_many}, on {place}"));
    }
    if starts > 0 {
        let place = places(steps(Action::Start).map(|it| &it.instance));
        let how_many = match (stops, starts) {
            (0, _) if scaled.is_none() => format!("{}{of}", count(starts as u64, "task")),
            _ => starts.to_string(),
        };
        parts.push(format!("starts {how_many}, on {place}"));
    }
    let line = parts.join("; ");
    match scaled {
        Some(scaled) => format!("{scaled}: {line}."),
        None => format!("{}.", capital(&line)),
    }
}

/// The text with its first letter as a capital.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// `h1, h2 and 3 more instances`.
fn places<'a>(all: impl Iterator<Item = &'a InstanceName>) -> String {
    let mut names: Vec<&InstanceName> = all.collect();
    names.sort_unstable();
    names.dedup();
    let shown: Vec<&str> = names.iter().map(|it| it.as_str()).collect();
    match shown.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        all if all.len() <= NAMED => {
            let (last, rest) = (all[all.len() - 1], &all[..all.len() - 1]);
            format!("{} and {last}", rest.join(", "))
        }
        all => {
            let more = count((all.len() - NAMED + 1) as u64, "more instance");
            format!("{} and {more}", all[..NAMED - 1].join(", "))
        }
    }
}

fn rows(steps: &[PlannedStep]) -> Vec<StepRow> {
    let what = |subject: &str, definition: &TaskDefinitionId| {
        if definition.family.as_str() == subject {
            definition.to_string()
        } else {
            format!("{subject} {definition}")
        }
    };
    if steps.len() <= STEPS_MAX {
        let row = |it: &PlannedStep| StepRow {
            round: it.round,
            action: it.action,
            what: what(&it.subject, &it.task_definition),
            place: it.instance.to_string(),
            why: it.reason.clone(),
        };
        return steps.iter().map(row).collect();
    }
    let mut groups: BTreeMap<_, Vec<&InstanceName>> = BTreeMap::new();
    for it in steps {
        let of = (it.round, &it.subject, it.action, &it.task_definition);
        groups.entry(of).or_default().push(&it.instance);
    }
    let row = |((round, subject, action, definition), all): ((_, &String, _, _), Vec<_>)| StepRow {
        round,
        action,
        what: what(subject, definition),
        place: format!("×{}", all.len()),
        why: format!("on {}", places(all.into_iter())),
    };
    groups.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_as_far_as_a_person_reads() {
        let said = |names: &[&str]| {
            let names: Vec<InstanceName> = names
                .iter()
                .filter_map(|n| InstanceName::new(*n).ok())
                .collect();
            places(names.iter())
        };
        assert_eq!(said(&["b"]), "b");
        assert_eq!(said(&["b", "a", "b"]), "a and b");
        assert_eq!(said(&["a", "b", "c"]), "a, b and c");
        assert_eq!(said(&["a", "b", "c", "d"]), "a, b and 2 more instances");
        assert_eq!(capital("stops"), "Stops");
    }
}
