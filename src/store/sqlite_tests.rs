//! How large the log grows, and what a crash may tear off it.

use super::*;
use crate::store::story;

#[test]
fn the_log_stays_below_its_bound_in_bytes_and_what_is_left_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let bound = 2 << 20;
    let mut store = SqliteStore::open_within(dir.path(), bound).unwrap();
    let mut most = 0;
    let mut end = State::default();
    for _ in 0..40 {
        end = story::fill(&mut store, retention::CHECKPOINT_EVERY);
        most = most.max(bytes_used(&store.connection).unwrap());
    }
    // One checkpoint's worth of changes comes on top.
    assert!(most < bound + bound / 4, "{most} bytes at the most");
    let last = 40 * retention::CHECKPOINT_EVERY;
    let begins = store.log().begins().unwrap().unwrap();
    assert!(store.archive().state_at(begins).is_ok());
    let kept = Connection::open(dir.path().join(FILE)).unwrap();
    let changes: i64 = kept
        .query_row("select count(*) from change", [], |row| row.get(0))
        .unwrap();
    assert!((1_000..20_000).contains(&changes), "{changes} changes kept");
    drop((store, kept));
    let on_disk = std::fs::metadata(dir.path().join(FILE)).unwrap().len();
    assert!(on_disk < bound + bound / 2, "{on_disk} bytes on disk");
    let again = SqliteStore::open(dir.path()).unwrap().load().unwrap();
    assert_eq!(again, (end, last));
}

/// What a power cut may leave of the write-ahead file: any beginning of it, and rubbish after
/// that.
#[test]
fn a_torn_tail_costs_the_commits_in_it_and_nothing_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(dir.path()).unwrap();
    let mut states = vec![(State::default(), 0)];
    for n in 1..=20 {
        states.push((story::fill(&mut store, 1), n));
    }
    let wal = std::fs::read(dir.path().join("state.db-wal")).unwrap();
    let database = std::fs::read(dir.path().join(FILE)).unwrap();
    let whole = wal.len();
    let mut seen = std::collections::BTreeSet::new();
    for cut in (0..=whole).step_by(1_733).chain([whole]) {
        for rubbish in [0, 700] {
            let torn = tempfile::tempdir().unwrap();
            std::fs::write(torn.path().join(FILE), &database).unwrap();
            let mut tail = wal[..cut].to_vec();
            tail.resize(cut + rubbish, 0xa5);
            std::fs::write(torn.path().join("state.db-wal"), tail).unwrap();
            // The layout itself may be in the tail: then it is made anew.
            let mut store = SqliteStore::open(torn.path()).unwrap();
            let found = store.load().unwrap();
            assert!(states.contains(&found), "cut at {cut}: up to {}", found.1);
            seen.insert(found.1);
            // It goes on from there.
            let next = found.1 + 1;
            story::fill(&mut store, 1);
            assert_eq!(store.load().unwrap().1, next);
        }
    }
    assert_eq!(seen.last(), Some(&20), "whole, all is there");
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn a_disk_that_fails_while_it_keeps_what_was_written_leaves_doubt_and_a_full_one_none() {
    let error = |code| SqliteError::SqliteFailure(ffi::Error::new(code), Some("under test".into()));
    let in_doubt = |error: &SqliteError| match uncommitted(Path::new("state.db"), error) {
        StoreError::Unwritable { in_doubt, .. } => Some(in_doubt),
        _ => None,
    };
    assert_eq!(in_doubt(&error(ffi::SQLITE_IOERR_FSYNC)), Some(true));
    assert_eq!(in_doubt(&error(ffi::SQLITE_FULL)), Some(false));
    assert_eq!(in_doubt(&error(ffi::SQLITE_CORRUPT)), None);
}
