//! The wall clock was set: waits go on as if it had not been.
//!
//! What is waited for is kept as a moment of the wall clock. So when that is set forward or back,
//! while the control plane runs or while it was away, every moment that a wait is counted from or to
//! is moved along with it: a host's grace, a health check's, a back-off, the time in which a
//! deployment proves itself, a protection. An hour forward gives nothing up for lost, an hour back
//! holds nothing up for an hour. What is over keeps its moments, and none of them stays in the
//! future. Schedules go by the clock as it is: that is what they are for.

use super::work::Work;
use crate::model::{
    ClusterName, Connection, EventKind, Instance, Service, Severity, State, Task, TimeMs,
};

/// How far behind the newest thing that happened the clock may be at start before it counts as set
/// back, in milliseconds: what a clock that is kept right by small steps may be off.
const BEHIND_MS_MAX: u64 = 2_000;

/// A moment, moved; the beginning of time stands for "never".
fn moved(at: TimeMs, by_ms: i64) -> TimeMs {
    match at {
        TimeMs(0) => at,
        TimeMs(ms) => TimeMs(ms.saturating_add_signed(by_ms)),
    }
}

fn move_some(at: &mut Option<TimeMs>, by_ms: i64) {
    *at = at.map(|at| moved(at, by_ms));
}

/// At start: the clock is behind what is stored, so it was set back meanwhile.
pub(super) fn at_start(work: &mut Work) {
    let behind = newest(&work.state).since_ms(work.now);
    if behind > BEHIND_MS_MAX {
        stepped(work, i64::try_from(behind).map_or(i64::MIN, |ms| -ms));
    }
}

/// When the last thing happened, as it was written down.
fn newest(state: &State) -> TimeMs {
    let told = state.events.iter().map(|event| event.at);
    let heard = state
        .instances
        .values()
        .map(|instance| match instance.connection {
            Connection::Connected { since } | Connection::Disconnected { since, .. } => since,
        });
    told.rev().take(1).chain(heard).max().unwrap_or_default()
}

/// The clock shows `by_ms` more than it did a moment ago, or less.
pub(super) fn stepped(work: &mut Work, by_ms: i64) {
    let instances: Vec<_> = work.state.instances.values().cloned().collect();
    for before in instances {
        let mut instance = Instance::clone(&before);
        match &mut instance.connection {
            Connection::Connected { since } | Connection::Disconnected { since, .. } => {
                *since = moved(*since, by_ms);
            }
        }
        move_some(&mut instance.heard_at, by_ms);
        move_some(&mut instance.settles_at, by_ms);
        work.put_instance(instance);
    }
    let services: Vec<_> = work.state.services.values().cloned().collect();
    for before in services {
        let mut service = Service::clone(&before);
        move_service(&mut service, by_ms);
        work.put_service(service);
    }
    let tasks: Vec<_> = work.state.tasks.values().cloned().collect();
    for before in tasks {
        let mut task = Task::clone(&before);
        match task.is_stopped() {
            true => over(&mut task, work.now),
            false => move_task(&mut task, by_ms),
        }
        work.put_task(task);
    }
    let (way, seconds) = match by_ms {
        0.. => ("forward", by_ms / 1_000),
        _ => ("back", -(by_ms / 1_000)),
    };
    let message = format!(
        "The clock of the control plane's machine was set {way} by {seconds} s. Graces, back-offs \
         and deployments go on as if it had not been; schedules go by the clock as it is now."
    );
    let about = &ClusterName::default_cluster();
    work.event(Severity::Warning, EventKind::Operator, about, message);
}

fn move_service(service: &mut Service, by_ms: i64) {
    let backoff = &mut service.backoff;
    for at in [
        &mut backoff.until,
        &mut backoff.round_at,
        &mut backoff.failed_at,
    ] {
        *at = moved(*at, by_ms);
    }
    if let Some(rebalance) = &mut service.rebalance {
        rebalance.until = moved(rebalance.until, by_ms);
        move_some(&mut rebalance.asked_at, by_ms);
        move_some(&mut rebalance.begun_at, by_ms);
    }
    if let Some(unplaced) = &mut service.unplaced {
        unplaced.since = moved(unplaced.since, by_ms);
    }
    for deployment in &mut service.deployments {
        deployment.created_at = moved(deployment.created_at, by_ms);
        deployment.updated_at = moved(deployment.updated_at, by_ms);
    }
}

fn move_task(task: &mut Task, by_ms: i64) {
    task.created_at = moved(task.created_at, by_ms);
    for at in [
        &mut task.started_at,
        &mut task.stopping_at,
        &mut task.lost_at,
        &mut task.protected_until,
    ] {
        move_some(at, by_ms);
    }
}

/// What is kept of a stopped task for so long is kept from now on, if it ended in the future.
fn over(task: &mut Task, now: TimeMs) {
    for at in [&mut task.stopping_at, &mut task.stopped_at] {
        *at = at.map(|at| at.min(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Change;
    use crate::model::service::Unplaced;
    use crate::model::snapshot::Live;
    use crate::scheduler::{Index, fixture};

    const SET_MS: i64 = 600_000;

    fn at(later_ms: u64) -> TimeMs {
        fixture::START.plus_ms(later_ms)
    }

    /// A service that backs off for 5 s more, and a task that has been up for 4 s.
    fn waiting() -> State {
        let mut state = fixture::state([fixture::instance("ops-1", "a", 4096, 4096, &[])]);
        let mut service = fixture::service("web", 2);
        service.backoff.failures = 4;
        (service.backoff.round_at, service.backoff.until) = (at(2_000), at(15_000));
        service.unplaced = Some(Unplaced {
            count: 1,
            since: at(1_000),
            refusals: Vec::new(),
            message: String::new(),
        });
        let definition = fixture::definition("web", 1, 128, 128, &[]);
        let mut task = fixture::task(fixture::ids().task_id(), "web", &definition, "ops-1");
        (task.created_at, task.started_at) = (at(3_000), Some(at(6_000)));
        state.apply(&Change::TaskDefinition(definition.into()));
        state.apply(&Change::Service(service.into()));
        state.apply(&Change::Task(task.into()));
        state
    }

    fn after(now: TimeMs, step: impl Fn(&mut Work)) -> State {
        let state = waiting();
        let mut work = Work::new(Index::new(&state), &state, &Live::default(), now, 1);
        step(&mut work);
        let (changes, state, _, index) = work.finish();
        assert_eq!(index, Index::new(&state));
        assert!(!changes.is_empty());
        state
    }

    #[test]
    fn waits_are_as_long_as_before_whichever_way_the_clock_was_set() {
        for by_ms in [SET_MS, -SET_MS] {
            let now = moved(at(10_000), by_ms);
            let state = after(now, |work| stepped(work, by_ms));
            let service = state.services.values().next().unwrap();
            assert_eq!(service.backoff.until.since_ms(now), 5_000);
            assert_eq!(now.since_ms(service.backoff.round_at), 8_000);
            assert_eq!(service.backoff.failed_at, TimeMs(0), "never");
            assert_eq!(
                now.since_ms(service.unplaced.as_ref().unwrap().since),
                9_000
            );
            let task = state.tasks.values().next().unwrap();
            assert_eq!(now.since_ms(task.started_at.unwrap()), 4_000);
            assert_eq!(now.since_ms(task.created_at), 7_000);
            let told = &state.events.back().unwrap().message;
            assert!(told.contains("600 s"), "{told}");
        }
    }

    #[test]
    fn a_clock_that_is_behind_what_is_stored_at_start_was_set_back() {
        let mut events = waiting();
        let told = crate::model::Event {
            at: at(10_000),
            severity: Severity::Info,
            kind: EventKind::Service,
            cluster: ClusterName::default_cluster(),
            service: None,
            task: None,
            instance: None,
            audit: None,
            message: "the last thing".to_owned(),
        };
        events.apply(&Change::Event(told.into()));
        let start = |now| {
            let mut work = Work::new(Index::new(&events), &events, &Live::default(), now, 1);
            at_start(&mut work);
            work.finish().1
        };
        let now = moved(at(10_000), -SET_MS);
        let state = start(now);
        let service = state.services.values().next().unwrap();
        assert_eq!(service.backoff.until.since_ms(now), 5_000);
        assert_eq!(start(at(60_000)), events, "the time that it was away");
        assert_eq!(start(at(9_000)), events, "a little behind is nothing");
    }
}
