//! Schedules: PutSchedule, DeleteSchedule, RunSchedule, and the runs that are due.
//!
//! A run is due at a set moment. Looked at within [`LATE_MAX_MS`] of it, it is run; later, it was
//! missed, which is told and not made up for. While tasks of an earlier run are not stopped, a
//! run is skipped, unless the schedule allows overlap.

use std::sync::Arc;

use super::find::{self, invalid};
use super::observe::place;
use super::services::expressions;
use super::tasks;
use super::work::Work;
use crate::controller::command::schedule::{NamedSchedule, PutSchedule, run_task};
use crate::controller::command::{CommandError, ErrorKind, Response};
use crate::model::calendar::{Expression, Zone};
use crate::model::schedule::{Overlap, RunOutcome, Schedule, ScheduledRun};
use crate::model::validate::Fault;
use crate::model::{Change, ClusterName, EventKind, ScheduleName, Severity, Task, TaskId, TimeMs};

/// How late a run may be and still be run, in milliseconds: a restart of the control plane costs
/// no run, an outage does.
pub(super) const LATE_MAX_MS: u64 = 300_000;
/// How long until a run that found no place is tried again, in milliseconds. It is tried until
/// it is too late, or the next one is due.
pub(super) const RETRY_MS: u64 = 15_000;
/// So many missed runs are counted; there may be more.
pub(super) const MISSED_MAX: u32 = 1_000;
/// Schedules of one cluster.
pub(super) const SCHEDULES_MAX: usize = 1_000;

pub(super) fn put(
    work: &mut Work,
    request: PutSchedule,
    who: &str,
) -> Result<Response, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), "")?;
    let mut faults = request.faults();
    faults.extend(expressions(&request.placement_constraints));
    find::refuse(ErrorKind::InvalidParameterException, &faults)?;
    let (expression, zone) = request
        .calendar()
        .map_err(|_| invalid("scheduleExpression"))?;
    let before = of_name(work, &cluster, &request.name);
    if !only_turns_off(before.as_deref(), &request) {
        tasks::ready(work, &cluster, &request.clone().run())?;
    }
    if before.is_none() && here(work, &cluster).count() >= SCHEDULES_MAX {
        return Err(invalid(format!(
            "Cluster {cluster} has {SCHEDULES_MAX} schedules, which is the most that are allowed."
        )));
    }
    let same_times = before.as_ref().is_some_and(|old| {
        old.schedule_expression == request.schedule_expression
            && old.schedule_expression_timezone == request.schedule_expression_timezone
    });
    let since = match &before {
        Some(old) if same_times => old.since,
        _ => work.now,
    };
    let unbroken = before.as_ref().filter(|old| same_times && old.enabled);
    let next_at = match unbroken {
        _ if !request.enabled => None,
        Some(old) => old.next_at,
        None => expression.next(&zone, since, work.now),
    };
    if request.enabled && next_at.is_none() && unbroken.is_none() {
        let message = format!("{} never comes again", request.schedule_expression);
        let fault = Fault {
            path: "scheduleExpression".to_owned(),
            message,
        };
        find::refuse(ErrorKind::InvalidParameterException, &[fault])?;
    }
    let schedule = Arc::new(Schedule {
        cluster,
        since,
        next_at,
        rate_ms: expression.period_ms(),
        retry_at: unbroken.and_then(|old| old.retry_at),
        runs: before
            .as_ref()
            .map(|old| old.runs.clone())
            .unwrap_or_default(),
        name: request.name,
        schedule_expression: request.schedule_expression,
        schedule_expression_timezone: request.schedule_expression_timezone,
        task_definition: request.task_definition,
        task_count: request.task_count,
        enabled: request.enabled,
        overlap: request.overlap,
        placement_constraints: request.placement_constraints,
        placement_strategy: request.placement_strategy,
        launch_type: request.launch_type,
        capacity_provider_strategy: request.capacity_provider_strategy,
        overrides: request.overrides.filter(|it| !it.is_empty()),
        tags: request.tags,
    });
    if before.as_deref() != Some(&*schedule) {
        work.put(Change::Schedule(schedule.clone()));
        let message = told(before.as_deref(), &schedule, &zone, who);
        work.operator(&schedule.cluster, message);
    }
    Ok(Response::Schedule(schedule))
}

/// Whether it disables a schedule, or leaves a disabled one, and changes nothing else: that must be
/// possible although the schedule could not run any more.
fn only_turns_off(before: Option<&Schedule>, request: &PutSchedule) -> bool {
    let same = before.map(|old| PutSchedule {
        cluster: request.cluster.clone(),
        enabled: false,
        ..PutSchedule::of(old)
    });
    same.as_ref() == Some(request)
}

fn told(before: Option<&Schedule>, now: &Schedule, zone: &Zone, who: &str) -> String {
    let did = match before {
        None => "created",
        Some(old) if old.enabled && !now.enabled => "disabled",
        Some(old) if !old.enabled && now.enabled => "enabled",
        Some(_) => "changed",
    };
    let next = match now.next_at {
        Some(at) => format!(", next {}", zone.words(at)),
        None => String::new(),
    };
    format!(
        "(schedule {}) was {did} by {who}: {} runs {}{next}.",
        now.name,
        now.times(),
        now.task_definition
    )
}

pub(super) fn delete(
    work: &mut Work,
    request: &NamedSchedule,
    who: &str,
) -> Result<Response, CommandError> {
    let schedule = named(work, request)?;
    let (cluster, name) = (schedule.cluster.clone(), schedule.name.clone());
    work.put(Change::ScheduleRemoved(cluster.clone(), name.clone()));
    let message = format!("(schedule {name}) was deleted by {who}; what it has started goes on.");
    work.operator(&cluster, message);
    Ok(Response::Schedule(schedule))
}

/// Runs one now, besides its times. Refused, with nothing changed, where it starts nothing.
pub(super) fn run_now(
    work: &mut Work,
    request: &NamedSchedule,
    who: &str,
) -> Result<Response, CommandError> {
    let mut schedule = (*named(work, request)?).clone();
    if let Some(why) = in_the_way(work, &schedule) {
        return Err(invalid(format!(
            "Schedule {} runs already: {why}. Stop that first, or let its runs overlap.",
            schedule.name
        )));
    }
    let run = match attempt(work, &schedule, who)? {
        Attempt::Started(tasks, message) => ScheduledRun {
            tasks,
            ..entry(work.now, work.now, RunOutcome::Started, message)
        },
        Attempt::NoPlace(why) => return Err(invalid(why)),
    };
    record(work, &mut schedule, run);
    let schedule = Arc::new(schedule);
    work.put(Change::Schedule(schedule.clone()));
    Ok(Response::Schedule(schedule))
}

fn here<'a>(work: &'a Work, cluster: &ClusterName) -> impl Iterator<Item = &'a Arc<Schedule>> {
    let all = work.state.schedules.values();
    all.filter(move |it| &it.cluster == cluster)
}

fn of_name(work: &Work, cluster: &ClusterName, name: &ScheduleName) -> Option<Arc<Schedule>> {
    let key = (cluster.clone(), name.clone());
    work.state.schedules.get(&key).cloned()
}

fn named(work: &Work, request: &NamedSchedule) -> Result<Arc<Schedule>, CommandError> {
    let cluster = find::cluster(work, request.cluster.as_deref(), "")?;
    let name = ScheduleName::new(&request.name).ok();
    let found = name.and_then(|name| of_name(work, &cluster, &name));
    found.ok_or_else(|| {
        let known = here(work, &cluster).map(|it| it.name.as_str());
        let help = find::help(&request.name, known);
        CommandError::new(
            ErrorKind::ResourceNotFoundException,
            format!(
                "There is no schedule {} in cluster {cluster}.{help}",
                request.name
            ),
        )
    })
}

/// Runs what is due, and tells when to look again.
pub(super) fn due(work: &mut Work) -> Option<TimeMs> {
    let now = work.now;
    let concerned = |it: &&Arc<Schedule>| {
        it.look_at().is_some_and(|at| at <= now) || is_ahead_of_its_rate(it, now)
    };
    let all: Vec<Arc<Schedule>> = work
        .state
        .schedules
        .values()
        .filter(concerned)
        .cloned()
        .collect();
    for schedule in all {
        look(work, &schedule);
    }
    let all = work.state.schedules.values();
    all.filter_map(|schedule| schedule.look_at()).min()
}

/// The clock was set back: a rate counts real time, so it does not wait until the clock is there
/// again. (A cron's times are the clock's, and each comes once.)
fn is_ahead_of_its_rate(schedule: &Schedule, now: TimeMs) -> bool {
    match (schedule.next_at, schedule.rate_ms) {
        (Some(next), Some(period)) => next > now.plus_ms(period),
        _ => false,
    }
}

fn look(work: &mut Work, before: &Arc<Schedule>) {
    let mut schedule = (**before).clone();
    let Some(first) = schedule.next_at else {
        return;
    };
    let (expression, zone) = match PutSchedule::of(&schedule).calendar() {
        Ok(calendar) => calendar,
        // Accepted once and no longer understood: another version of this program wrote it.
        Err(faults) => {
            let why = faults.first().map_or_else(String::new, ToString::to_string);
            schedule.next_at = None;
            let run = entry(first, work.now, RunOutcome::Failed, why.clone());
            record(work, &mut schedule, run);
            warn(work, &schedule, &format!("does not run any more: {why}"));
            work.put(Change::Schedule(Arc::new(schedule)));
            return;
        }
    };
    if is_ahead_of_its_rate(&schedule, work.now) {
        schedule.since = schedule.since.min(work.now);
        schedule.retry_at = None;
        schedule.next_at = expression.next(&zone, schedule.since, work.now);
        work.put(Change::Schedule(Arc::new(schedule)));
        return;
    }
    let passed = passed(&expression, &zone, schedule.since, first, work.now);
    let in_time = work.now.since_ms(passed.latest) <= LATE_MAX_MS;
    let missed = passed.before + u32::from(!in_time);
    if missed > 0 {
        miss(work, &mut schedule, &zone, first, missed);
    }
    if !in_time {
        schedule.retry_at = None;
        schedule.next_at = passed.next;
    } else {
        run(work, &mut schedule, &zone, passed.latest, passed.next);
    }
    work.put(Change::Schedule(Arc::new(schedule)));
}

/// The moments at which a schedule was due and nobody looked.
struct Passed {
    /// The last of them.
    latest: TimeMs,
    /// How many came before it; [`MISSED_MAX`] is that or more.
    before: u32,
    /// The next one.
    next: Option<TimeMs>,
}

fn passed(
    expression: &Expression,
    zone: &Zone,
    since: TimeMs,
    first: TimeMs,
    now: TimeMs,
) -> Passed {
    let mut passed = Passed {
        latest: first,
        before: 0,
        next: expression.next(zone, since, first),
    };
    while let Some(next) = passed.next.filter(|next| *next <= now) {
        passed.latest = next;
        passed.before += 1;
        if passed.before >= MISSED_MAX {
            // Too many to count: go on where it is not too late yet.
            let recent = TimeMs(now.0.saturating_sub(LATE_MAX_MS + 1));
            let mut from = recent.max(next);
            while let Some(due) = expression.next(zone, since, from).filter(|due| *due <= now) {
                passed.latest = due;
                from = due;
            }
            passed.next = expression.next(zone, since, now);
            break;
        }
        passed.next = expression.next(zone, since, next);
    }
    passed
}

fn miss(work: &mut Work, schedule: &mut Schedule, zone: &Zone, first: TimeMs, count: u32) {
    let why = "nothing carried the control plane when it was due";
    let run = ScheduledRun {
        count,
        ..entry(first, work.now, RunOutcome::Missed, why.to_owned())
    };
    record(work, schedule, run);
    let first = zone.words(first);
    let runs = match count {
        1 => format!("its run of {first}"),
        MISSED_MAX.. => format!("{count} runs or more, the first of {first}"),
        _ => format!("{count} runs, the first of {first}"),
    };
    let told = format!("missed {runs}: {why}. Missed runs are not made up for.");
    warn(work, schedule, &told);
}

/// Runs what is due now, unless tasks of an earlier run are in the way.
fn run(work: &mut Work, schedule: &mut Schedule, zone: &Zone, due: TimeMs, next: Option<TimeMs>) {
    let now = work.now;
    let (outcome, tasks, message) = if let Some(why) = in_the_way(work, schedule) {
        skipped(work, schedule, zone, due, &why);
        (RunOutcome::Skipped, Vec::new(), why)
    } else {
        let mark = work.mark();
        match attempt(work, schedule, &schedule.started_by()) {
            Ok(Attempt::Started(tasks, message)) => {
                if !message.is_empty() {
                    warn(work, schedule, &format!("was run in part: {message}"));
                }
                (RunOutcome::Started, tasks, message)
            }
            Ok(Attempt::NoPlace(why)) => {
                let last = due.plus_ms(LATE_MAX_MS);
                let last = next.map_or(last, |next| last.min(next));
                if now.plus_ms(RETRY_MS) < last {
                    if schedule.retry_at.is_none() {
                        let told = format!("finds no place and is tried again: {why}");
                        warn(work, schedule, &told);
                    }
                    schedule.next_at = Some(due);
                    schedule.retry_at = Some(now.plus_ms(RETRY_MS));
                    return;
                }
                failed(work, schedule, zone, due, &why);
                (RunOutcome::Failed, Vec::new(), why)
            }
            Err(error) => {
                work.rewind(mark);
                failed(work, schedule, zone, due, &error.message);
                (RunOutcome::Failed, Vec::new(), error.message)
            }
        }
    };
    let run = ScheduledRun {
        tasks,
        ..entry(due, now, outcome, message)
    };
    record(work, schedule, run);
    schedule.retry_at = None;
    schedule.next_at = next;
}

fn failed(work: &mut Work, schedule: &Schedule, zone: &Zone, due: TimeMs, why: &str) {
    let due = zone.words(due);
    let message = format!(
        "(schedule {}) failed its run of {due}: {why}",
        schedule.name
    );
    work.event(Severity::Error, EventKind::Task, &schedule.cluster, message);
}

/// Told for the first of a row, the second, the fourth, … : a task that hangs must not drive
/// everything else out of the list of events.
fn skipped(work: &mut Work, schedule: &Schedule, zone: &Zone, due: TimeMs, why: &str) {
    let row = match schedule.runs.first() {
        Some(last) if last.outcome == RunOutcome::Skipped => last.count + 1,
        _ => 1,
    };
    if !row.is_power_of_two() {
        return;
    }
    let runs = match row {
        1 => format!("its run of {}", zone.words(due)),
        _ => format!("{row} runs in a row"),
    };
    warn(work, schedule, &format!("skipped {runs}: {why}."));
}

fn warn(work: &mut Work, schedule: &Schedule, what: &str) {
    let message = format!("(schedule {}) {what}", schedule.name);
    work.event(
        Severity::Warning,
        EventKind::Task,
        &schedule.cluster,
        message,
    );
}

/// The tasks of earlier runs that are not stopped, in words, where they forbid another run.
fn in_the_way(work: &Work, schedule: &Schedule) -> Option<String> {
    if schedule.overlap == Overlap::Allow {
        return None;
    }
    let ids = schedule.runs.iter().flat_map(|run| &run.tasks);
    let tasks: Vec<&Arc<Task>> = ids
        .filter_map(|id| work.state.tasks.get(id))
        .filter(|task| !task.is_stopped())
        .collect();
    let first = tasks.first()?;
    let others = match tasks.len() - 1 {
        0 => String::new(),
        1 => " and another".to_owned(),
        more => format!(" and {more} others"),
    };
    Some(format!(
        "(task {}){others} of an earlier run is still {} on {}",
        first.id,
        first.last_status.as_str(),
        place(first)
    ))
}

/// What came of trying.
enum Attempt {
    /// Tasks were started; why not all of them, if so.
    Started(Vec<TaskId>, String),
    /// None found a place; why.
    NoPlace(String),
}

fn attempt(work: &mut Work, schedule: &Schedule, who: &str) -> Result<Attempt, CommandError> {
    match tasks::run(work, &run_task(schedule), who)? {
        Response::Tasks(tasks, failures) => {
            let why = failures.first().map_or("", |it| it.detail.as_str());
            Ok(match tasks.len() {
                0 => Attempt::NoPlace(why.to_owned()),
                _ if failures.is_empty() => {
                    Attempt::Started(tasks.iter().map(|it| it.id).collect(), String::new())
                }
                started => Attempt::Started(
                    tasks.iter().map(|it| it.id).collect(),
                    format!(
                        "{started} of {} tasks found a place. {why}",
                        schedule.task_count
                    ),
                ),
            })
        }
        _ => Ok(Attempt::Started(Vec::new(), String::new())),
    }
}

fn entry(due_at: TimeMs, at: TimeMs, outcome: RunOutcome, message: String) -> ScheduledRun {
    ScheduledRun {
        due_at,
        at,
        outcome,
        count: 1,
        tasks: Vec::new(),
        message,
    }
}

/// Notes a run, newest first. Runs that were skipped one after the other are one entry. Of too
/// many the oldest goes, first of those that have no task any more.
fn record(work: &Work, schedule: &mut Schedule, run: ScheduledRun) {
    let runs = &mut schedule.runs;
    match runs.first_mut() {
        Some(last) if run.outcome == RunOutcome::Skipped && last.outcome == RunOutcome::Skipped => {
            let count = last.count.saturating_add(1);
            *last = ScheduledRun { count, ..run };
        }
        _ => runs.insert(0, run),
    }
    while runs.len() > crate::model::schedule::RUNS_MAX {
        let alive = |id: &TaskId| work.state.tasks.get(id).is_some_and(|it| !it.is_stopped());
        let over = runs.iter().rposition(|run| !run.tasks.iter().any(alive));
        runs.remove(over.unwrap_or(runs.len() - 1));
    }
}
