//! Marked rows: what is done to all of them at once, and how that is asked.

use std::collections::BTreeMap;

use crate::model::state::ServiceKey;
use crate::model::{InstanceStatus, TaskId, validate};

use super::super::effect::Effect;
use super::super::fleet::service_of;
use super::super::keymap::Action;
use super::super::marks::{self, MARKED_MAX};
use super::super::proposal::Proposal;
use super::super::state::{Act, Model, Pane};
use super::super::text::{count, number};
use super::act::{Question, called, question};
use super::{fleet, proposal};

/// How many names a question lists; the rest is counted.
const NAMES_MAX: usize = 12;
/// How many of several acts are told about one by one; the rest is counted.
const TOLD_MAX: usize = 16;
/// How many reasons for what is left out are told.
const REASONS_MAX: usize = 3;

/// Marks the selected row, or lets go of it, and goes on to the next one.
pub(super) fn mark(model: &mut Model) {
    if !marks::toggle_selected(model) {
        full(model);
    }
}

/// Marks all rows that pass the filter; lets go of all marks if those are marked.
pub(super) fn mark_all(model: &mut Model) {
    let before = model.marks.count(model.focus);
    let fits = marks::mark_shown(model);
    if model.marks.count(model.focus) == before {
        model.marks.clear(model.focus);
    } else if !fits {
        full(model);
    }
}

fn full(model: &mut Model) {
    let most = number(MARKED_MAX as u64);
    model.toast_bad(format!("No more than {most} rows are marked at once."));
}

/// Does what a key asks for to all that is marked in the focused list; `None` where nothing is
/// marked, or the key is about the selected row alone.
pub(super) fn act(model: &mut Model, action: Action) -> Option<Vec<Effect>> {
    let marked = model.marks.count(model.focus);
    if marked == 0 {
        return None;
    }
    let (acts, left) = match action {
        Action::Stop => stops(model),
        Action::Drain => drains(model),
        Action::Fault if model.is_simulated() => {
            let all = model.marks.instances.iter().cloned();
            return Some(all.map(Effect::Fault).collect());
        }
        Action::Restart | Action::Rollback | Action::Rebalance | Action::Delete => {
            on_services(model, action)
        }
        Action::Scale | Action::Update => {
            let rows = count(marked as u64, "row");
            model.toast(format!(
                "That is done to one service at a time: esc lets go of the {rows} marked."
            ));
            return Some(Vec::new());
        }
        _ => return None,
    };
    if acts.is_empty() {
        let why = left.into_iter().next();
        model.toast_bad(why.unwrap_or_else(|| "Nothing of that can be changed.".to_owned()));
    } else {
        proposal::propose_marked(model, acts, left);
    }
    Some(Vec::new())
}

/// What is done, and sentences on what is not.
type Chosen = (Vec<Act>, Vec<String>);

fn stops(model: &Model) -> Chosen {
    let marked = model.fleet.tasks_of(&model.marks.tasks).into_iter();
    let (stopped, runs): (Vec<_>, Vec<_>) = marked.partition(|row| row.task.is_stopped());
    let acts = runs.into_iter().map(|row| Act::Stop(row.task.id)).collect();
    (
        acts,
        left_as_it_is(stopped.len(), "task", "stopped already"),
    )
}

/// Drains what does not drain yet; only where everything drains, it is all activated again.
fn drains(model: &Model) -> Chosen {
    let rows = model.fleet.instances.iter().map(|row| &row.instance);
    let marked = rows.filter(|it| model.marks.instances.contains(&it.name));
    let (draining, active): (Vec<_>, Vec<_>) =
        marked.partition(|it| it.status == InstanceStatus::Draining);
    if active.is_empty() {
        let acts = draining
            .into_iter()
            .map(|it| Act::Activate(it.name.clone()));
        return (acts.collect(), Vec::new());
    }
    let acts = active.into_iter().map(|it| Act::Drain(it.name.clone()));
    let left = left_as_it_is(draining.len(), "instance", "draining already");
    (acts.collect(), left)
}

fn left_as_it_is(how_many: usize, what: &str, why: &str) -> Vec<String> {
    let things = count(how_many as u64, what);
    let verb = if how_many == 1 { "is" } else { "are" };
    let words = || format!("{things} {verb} left as {verb}: {why}.");
    (how_many > 0).then(words).into_iter().collect()
}

fn on_services(model: &Model, action: Action) -> Chosen {
    let (mut acts, mut left) = (Vec::new(), Vec::new());
    let (keys, by_hand) = services(model);
    for key in keys {
        let refused = match model.snapshot.state.services.get(&key) {
            Some(service) if action == Action::Rebalance => validate::cannot_rebalance(service),
            _ => None,
        };
        match refused.map_or_else(|| fleet::service_act(model, action, &key), Err) {
            Ok(act) => acts.push(act),
            Err(why) => left.push(format!("Service {} is left out: {why}.", key.1)),
        }
    }
    let more = left.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        left.truncate(REASONS_MAX);
        let others = count(more as u64, "more service");
        left.push(format!("So are {others}."));
    }
    left.extend(left_as_it_is(by_hand, "task", "run by hand, of no service"));
    (acts, left)
}

/// The services that are marked, or that marked tasks belong to; and how many tasks have none.
fn services(model: &Model) -> (Vec<ServiceKey>, usize) {
    let marks = &model.marks;
    let mut by_hand = 0;
    let keys: Vec<_> = match model.focus {
        Pane::Tasks => {
            let marked = model.fleet.tasks_of(&marks.tasks).into_iter();
            let marked = marked.map(|row| &row.task);
            let mut keys: Vec<_> = marked
                .inspect(|it| by_hand += usize::from(it.service.is_none()))
                .filter_map(|it| service_of(it))
                .collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        }
        _ => marks.services.iter().cloned().collect(),
    };
    (keys, by_hand)
}

/// What an act does, with how many things of which kind.
fn verb(act: &Act, how_many: usize) -> String {
    let of = |what| count(how_many as u64, what);
    match act {
        Act::Scale(..) => format!("Scale {}", of("service")),
        Act::Update(..) => format!("Update {}", of("service")),
        Act::Restart(_) => format!("Restart {}", of("service")),
        Act::Rollback(..) => format!("Roll {} back", of("service")),
        Act::Rebalance(_) => format!("Balance the zones of {}", of("service")),
        Act::Delete(_) => format!("Delete {}", of("service")),
        Act::Stop(_) => format!("Stop {}", of("task")),
        Act::Drain(_) => format!("Drain {}", of("instance")),
        Act::Activate(_) => format!("Activate {}", of("instance")),
        Act::Apply(_) => format!("Apply {}", of("change")),
        Act::Quit => "Quit".to_owned(),
    }
}

/// The acts of each kind, in the order in which the kinds come up.
fn kinds(acts: &[Act]) -> Vec<Vec<&Act>> {
    let mut kinds: Vec<Vec<&Act>> = Vec::new();
    for act in acts {
        let same =
            |of: &&mut Vec<&Act>| std::mem::discriminant(of[0]) == std::mem::discriminant(act);
        match kinds.iter_mut().find(same) {
            Some(of) => of.push(act),
            None => kinds.push(vec![act]),
        }
    }
    kinds
}

/// What acts come to, as a title.
pub(crate) fn title(model: &Model, acts: &[Act]) -> String {
    let titles = kinds(acts).into_iter().map(|of| match of.as_slice() {
        [one] => question(model, one).title,
        all => verb(all[0], all.len()),
    });
    titles.collect::<Vec<_>>().join(", ")
}

/// What several acts are about, by name; nothing for a single one, whose title says it.
pub(crate) fn names(model: &Model, acts: &[Act]) -> Vec<String> {
    if acts.len() < 2 {
        return Vec::new();
    }
    let kinds = kinds(acts);
    let one_kind = kinds.len() == 1;
    let line = |of: &Vec<&Act>| {
        let shown = of.iter().take(NAMES_MAX).map(|act| name(model, act));
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = of.len().saturating_sub(NAMES_MAX);
        let more = (more > 0).then(|| format!(" and {} more", number(more as u64)));
        let kind = (!one_kind).then(|| format!("{}: ", verb(of[0], of.len())));
        let (kind, more) = (kind.unwrap_or_default(), more.unwrap_or_default());
        format!("{kind}{shown}{more}")
    };
    kinds.iter().map(line).collect()
}

fn name(model: &Model, act: &Act) -> String {
    if let Some(key) = act.service() {
        return called(model, key);
    }
    let Act::Stop(id) = act else {
        return act.thing();
    };
    let task = model.snapshot.state.tasks.get(id);
    let of = task.and_then(|task| task.service.as_ref());
    match of {
        Some(service) => format!("{} of {service}", id.short()),
        None => id.short(),
    }
}

/// What is asked about acts that are done together.
pub(crate) fn asked(model: &Model, proposal: &Proposal) -> Question {
    let mut asked = match proposal.acts.as_slice() {
        [one] => question(model, one),
        acts => together(model, acts),
    };
    asked.notes.extend(proposal.left_out.iter().cloned());
    asked
}

fn together(model: &Model, acts: &[Act]) -> Question {
    let told = acts.iter().take(TOLD_MAX);
    let told: Vec<_> = told.map(|act| (act, question(model, act))).collect();
    let mut estimate: Vec<String> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut of_note: BTreeMap<&str, usize> = BTreeMap::new();
    for note in told.iter().flat_map(|(_, it)| &it.notes) {
        *of_note.entry(note).or_default() += 1;
    }
    for (act, it) in &told {
        for line in &it.estimate {
            if !estimate.contains(line) {
                estimate.push(line.clone());
            }
        }
        // What a task of many is, its name says, and the line below how many start again.
        let said = it.notes.iter().filter(|_| !matches!(act, Act::Stop(_)));
        for note in said {
            match of_note.get(note.as_str()) {
                Some(n) if *n == told.len() => {
                    let note = each(note);
                    if !notes.contains(&note) {
                        notes.push(note);
                    }
                }
                _ => notes.push(format!("{}: {note}", name(model, act))),
            }
        }
    }
    let more = acts.len().saturating_sub(TOLD_MAX);
    if more > 0 {
        estimate.push(format!("And the same for {} more.", number(more as u64)));
    }
    notes.extend(by_hand(model, acts));
    let deletes = acts.iter().any(|act| matches!(act, Act::Delete(_)));
    Question {
        title: title(model, acts),
        estimate,
        notes,
        danger: deletes || told.iter().any(|(_, it)| it.danger),
    }
}

/// What is true of every one of them.
fn each(note: &str) -> String {
    let mut chars = note.chars();
    let first = chars.next().into_iter().flat_map(char::to_lowercase);
    format!("Each of them: {}", first.chain(chars).collect::<String>())
}

/// Of the tasks that are stopped, how many nothing starts again.
fn by_hand(model: &Model, acts: &[Act]) -> Option<String> {
    let alone = |id: &TaskId| {
        let task = model.snapshot.state.tasks.get(id);
        task.is_some_and(|task| task.service.is_none())
    };
    let stops = acts
        .iter()
        .filter(|act| matches!(act, Act::Stop(id) if alone(id)));
    match stops.count() {
        0 => None,
        1 => Some("One of them was run by hand: nothing starts it again.".to_owned()),
        n => Some(format!(
            "{n} of them were run by hand: nothing starts them again."
        )),
    }
}
