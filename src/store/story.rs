//! One story that every store must hold to.

use std::sync::Arc;

use super::{Store, retention};
use crate::model::{
    Change, Cluster, ClusterName, Event, EventKind, Happening, HistoryAsk, Partition, Severity,
    State, TimeMs,
};

/// When the story begins.
const START: u64 = 1_000_000;

/// The `n`th change of a log that touches two kinds of thing.
fn change(n: u64) -> Change {
    if n.is_multiple_of(7) {
        let name = format!("cluster-{}", n / 7 % 50);
        Change::Cluster(Arc::new(Cluster::new(
            ClusterName::new(name).unwrap(),
            Partition::default(),
            false,
            TimeMs(n),
        )))
    } else {
        Change::Event(Arc::new(Event {
            at: TimeMs(n),
            severity: Severity::Info,
            kind: EventKind::Service,
            cluster: ClusterName::default_cluster(),
            service: None,
            task: None,
            instance: None,
            audit: None,
            message: format!("event {n}"),
        }))
    }
}

/// Appends `count` changes, in steps of ten if they are many, each step a millisecond or more
/// after the one before.
pub fn fill(store: &mut dyn Store, count: u64) -> State {
    let (mut state, first) = store.load().unwrap();
    let step = if count < 1_000 { 1 } else { 10 };
    let numbers: Vec<u64> = (first + 1..=first + count).collect();
    for chunk in numbers.chunks(step) {
        let changes: Vec<Change> = chunk.iter().copied().map(change).collect();
        state.apply_all(&changes);
        let last = chunk[chunk.len() - 1];
        let at = TimeMs(START + last);
        assert_eq!(store.append(at, &changes, &state).unwrap(), last);
    }
    state
}

/// Tells the story on an empty store and gives the state it ends with.
pub fn tell(store: &mut dyn Store) -> (State, u64) {
    assert_eq!(store.load().unwrap(), (State::default(), 0), "starts empty");
    assert_eq!(
        store.append(TimeMs(START), &[], &State::default()).unwrap(),
        0,
        "nothing to append is no change"
    );

    let early = fill(store, 10);
    let middle = fill(store, 3 * retention::CHECKPOINT_EVERY);
    let last = 10 + 3 * retention::CHECKPOINT_EVERY;
    assert_eq!(store.load().unwrap(), (middle.clone(), last));
    assert_eq!(store.archive().size().unwrap().changes, last);

    // A batch is one step: all of it has the same moment.
    let mut end = middle.clone();
    let batch: Vec<Change> = (last + 1..=last + 5).map(change).collect();
    end.apply_all(&batch);
    let after = START + last + 100;
    assert_eq!(store.append(TimeMs(after), &batch, &end).unwrap(), last + 5);

    // Any moment can be rebuilt: before the first checkpoint, after one, before everything.
    assert_eq!(
        store.archive().state_at(TimeMs(START + 10)).unwrap(),
        (early, 10)
    );
    assert_eq!(
        store.archive().state_at(TimeMs(after - 1)).unwrap(),
        (middle, last)
    );
    assert_eq!(
        store.archive().state_at(TimeMs(START)).unwrap(),
        (State::default(), 0)
    );

    looks_back(store, last);

    // A clock that steps back does not disorder the log.
    let late = change(last + 6);
    end.apply(&late);
    store.append(TimeMs(START), &[late], &end).unwrap();
    assert_eq!(
        store.archive().state_at(TimeMs(after)).unwrap(),
        (end.clone(), last + 6)
    );
    assert_eq!(store.load().unwrap(), (end.clone(), last + 6));

    forgets(store, end, last + 6)
}

/// Events come newest first, with their place in the log, and page by page without a gap.
fn looks_back(store: &mut dyn Store, last: u64) {
    let archive = store.archive();
    assert_eq!(archive.begins().unwrap(), Some(TimeMs(START + 1)));
    let numbers = |asked: &HistoryAsk, most| -> Vec<u64> {
        let found = archive.happenings(asked, most).unwrap();
        let right = |it: &Happening| it.event.message == format!("event {}", it.seq);
        assert!(found.iter().all(right));
        found.iter().map(|it| it.seq).collect()
    };
    let early = HistoryAsk {
        since: TimeMs(START + 2),
        until: TimeMs(START + 9),
        ..HistoryAsk::default()
    };
    assert_eq!(numbers(&early, 100), [9, 8, 6, 5, 4, 3, 2]);
    assert_eq!(numbers(&early, 3), [9, 8, 6]);
    let rest = HistoryAsk {
        before: Some(6),
        ..early
    };
    assert_eq!(numbers(&rest, 100), [5, 4, 3, 2]);
    let newest = numbers(&HistoryAsk::default(), 1);
    assert!(newest[0] > last, "the newest is of the last batch");
}

/// What is both old and many is forgotten, and asking for it says so.
fn forgets(store: &mut dyn Store, mut state: State, mut last: u64) -> (State, u64) {
    let batch = 20_000;
    let much_later = START + 2 * retention::KEPT_MS;
    for round in 0..=retention::KEPT_CHANGES / batch {
        let changes: Vec<Change> = (last + 1..=last + batch).map(change).collect();
        state.apply_all(&changes);
        last = store
            .append(TimeMs(much_later + round), &changes, &state)
            .unwrap();
    }
    let refusal = store
        .archive()
        .state_at(TimeMs(START + 10))
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("the log begins at"), "{refusal}");
    let begins = store.archive().begins().unwrap().unwrap();
    assert!(begins > TimeMs(START + 10), "{begins:?}");
    assert!(store.archive().state_at(begins).is_ok());
    assert_eq!(store.load().unwrap(), (state.clone(), last));
    (state, last)
}
