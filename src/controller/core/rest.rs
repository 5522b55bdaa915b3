//! A scheduler that does not come to rest contradicts itself, which is a fault of ours. Debug
//! builds stop there; a release build tells of it, and looks again a little later.

use std::collections::BTreeSet;

use super::PLAN_ROUNDS_MAX;
use super::about::About;
use super::work::Work;
use crate::model::{Change, ClusterName, EventKind, ServiceName, Severity, TimeMs};

/// When it is looked at again, in milliseconds.
const AGAIN_MS: u64 = 10_000;
/// It is told of a service so often at most, in milliseconds.
const TOLD_MS: u64 = 600_000;

/// What a plan still changes: services, or tasks that no service has.
pub(super) type Restless = BTreeSet<(ClusterName, Option<ServiceName>)>;

/// What does not come to rest, if these are the changes of the last plan that is made.
pub(super) fn without(changes: &[Change]) -> Restless {
    let subjects = changes.iter().filter_map(|change| match change {
        Change::Service(it) => Some((it.cluster.clone(), Some(it.name.clone()))),
        Change::Task(it) => Some((it.cluster.clone(), it.service.clone())),
        _ => None,
    });
    subjects.collect()
}

/// Tells of it, and gives when to look again.
pub(super) fn tell(work: &mut Work, restless: Restless) -> TimeMs {
    let now = work.now;
    for (cluster, service) in restless {
        let (what, ask) = match &service {
            Some(name) => (format!("(service {name})"), format!("qd explain {name}")),
            None => (
                "A task that was run by hand".to_owned(),
                "qd task ls".to_owned(),
            ),
        };
        let message = format!(
            "{what} does not come to rest: after {PLAN_ROUNDS_MAX} plans in a row the scheduler \
             still changed something about it. It goes on in {} s. This is a fault of qd: please \
             report it with what `{ask}` says.",
            AGAIN_MS / 1_000
        );
        let mut told = work.state.events.iter().rev();
        let recent = told.by_ref().take_while(|it| now.since_ms(it.at) < TOLD_MS);
        let known = recent.filter(|it| it.cluster == cluster && it.message == message);
        if known.count() == 0 {
            let about = About {
                service,
                ..About::from(&cluster)
            };
            work.event(Severity::Error, EventKind::Service, about, message);
        }
    }
    now.plus_ms(AGAIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Change;
    use crate::model::snapshot::Live;
    use crate::scheduler::{Index, fixture};

    #[test]
    fn what_does_not_come_to_rest_is_told_of_now_and_then() {
        let mut state = fixture::state([]);
        let service = std::sync::Arc::new(fixture::service("web", 1));
        state.apply(&Change::Service(service.clone()));
        let changes = [Change::Service(service)];
        for (later_ms, told) in [(0, 1), (10_000, 1), (600_000, 2)] {
            let now = fixture::START.plus_ms(later_ms);
            let mut work = Work::new(Index::new(&state), &state, &Live::default(), now, 1);
            let again = tell(&mut work, without(&changes));
            assert_eq!(again, now.plus_ms(10_000));
            state = work.state;
            assert_eq!(state.events.len(), told, "{later_ms}");
        }
        let event = state.events.iter().next_back().unwrap();
        assert_eq!(event.service, Some(fixture::service_name("web")));
        assert!(
            event
                .message
                .starts_with("(service web) does not come to rest: after 4 plans in a row"),
            "{}",
            event.message
        );
    }
}
