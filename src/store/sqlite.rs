//! The change log in SQLite. The only file that names rusqlite.
//!
//! Write-ahead log with a full sync at every commit: what `append` returned for survives a power
//! cut. Two tables: `change(seq, at_ms, body)` and `checkpoint(seq, at_ms, body)`, bodies in JSON.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};

use super::{Archive, LogSize, Store, StoreError, folder, retention};
use crate::model::{Change, Happening, HistoryAsk, State, TimeMs};

/// Name of the database in the state folder.
pub const FILE: &str = "state.db";
/// What the names of SQLite's files beside it end in.
const BESIDE: [&str; 2] = ["-wal", "-shm"];
/// Number of the tables' layout, kept in the database's `user_version`.
pub const SCHEMA: i64 = 2;
/// Pages that are given back to the disk with one checkpoint at most.
const VACUUM_PAGES_MAX: u32 = 4_096;
/// How long a write waits for another process that reads or writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The change log and its checkpoints in one SQLite database.
#[derive(Debug)]
pub struct SqliteStore {
    place: PathBuf,
    connection: Connection,
    last: u64,
    last_at: TimeMs,
    last_checkpoint: u64,
    /// What the log may take on disk.
    bytes_max: u64,
}

impl SqliteStore {
    /// Opens the database in the state folder, or makes it: for its owner alone, whatever the
    /// folder's mode.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it cannot be opened or written, [`StoreError::Unreadable`] if a
    /// newer version wrote it or it is no database.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_within(dir, retention::LOG_BYTES_MAX)
    }

    /// The same with a bound of one's own on what the log may take on disk, in bytes.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_within(dir: &Path, bytes_max: u64) -> Result<Self, StoreError> {
        let place = dir.join(FILE);
        keep_private(&place)?;
        let connection = Connection::open(&place).map_err(|error| failed(&place, &error))?;
        let mut store = Self {
            place,
            connection,
            last: 0,
            last_at: TimeMs(0),
            last_checkpoint: 0,
            bytes_max,
        };
        store.prepare()?;
        let (last, at) = store.newest("change")?;
        let (checkpoint, checkpoint_at) = store.newest("checkpoint")?;
        store.last = last.max(checkpoint);
        store.last_at = at.max(checkpoint_at);
        store.last_checkpoint = checkpoint;
        Ok(store)
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        let place = self.place.clone();
        let fail = |error: rusqlite::Error| failed(&place, &error);
        self.connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        // Read before anything is written: a newer version's database stays as it is.
        self.check_schema()?;
        // Of a new database only: one that was made without it keeps its size and fills it anew.
        self.connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(fail)?;
        self.connection
            .pragma_update(
                None,
                "journal_size_limit",
                integer(retention::WAL_BYTES_MAX),
            )
            .map_err(fail)?;
        self.connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(fail)?;
        self.connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(fail)?;
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fail)?;
        tx.execute_batch(
            "create table if not exists change(
                 seq integer primary key, at_ms integer not null, body text not null) strict;
             create index if not exists change_at on change(at_ms);
             create index if not exists change_event on change(at_ms)
                 where substr(body, 1, 17) = '{\"change\":\"event\"';
             create table if not exists checkpoint(
                 seq integer primary key, at_ms integer not null, body text not null) strict;",
        )
        .map_err(fail)?;
        tx.pragma_update(None, "user_version", SCHEMA)
            .map_err(fail)?;
        tx.commit().map_err(fail)
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let found: i64 = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| failed(&self.place, &error))?;
        if found > SCHEMA {
            return Err(unreadable(
                &self.place,
                format!(
                    "a newer version of Quarterdeck wrote it (layout {found}, this version knows up \
                 to {SCHEMA}). Use that version, or another state folder with --state"
                ),
            ));
        }
        Ok(())
    }

    /// Number and time of a table's last row; zeroes if it is empty.
    fn newest(&self, table: &str) -> Result<(u64, TimeMs), StoreError> {
        self.connection
            .query_row(
                &format!("select seq, at_ms from {table} order by seq desc limit 1"),
                [],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
            )
            .optional()
            .map(|row| row.map_or((0, TimeMs(0)), |(seq, at)| (number(seq), time(at))))
            .map_err(|error| failed(&self.place, &error))
    }

    fn log(&self) -> Log<'_> {
        Log {
            place: &self.place,
            connection: &self.connection,
        }
    }
}

fn unreadable(place: &Path, message: String) -> StoreError {
    StoreError::Unreadable {
        place: place.display().to_string(),
        message,
    }
}

/// The tables as they are read, by the one who writes them and by who looks back.
struct Log<'a> {
    place: &'a Path,
    connection: &'a Connection,
}

impl Log<'_> {
    /// The earliest moment that can be shown.
    fn begins(&self) -> Result<Option<TimeMs>, StoreError> {
        let oldest = |table: &str| {
            let oldest = format!("select seq, at_ms from {table} order by seq limit 1");
            self.connection
                .query_row(&oldest, [], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()
                .map_err(|error| failed(self.place, &error))
        };
        if let Some((1, at)) = oldest("change")? {
            return Ok(Some(time(at)));
        }
        Ok(oldest("checkpoint")?.map(|(_, at)| time(at)))
    }

    /// How many changes it holds: they are numbered without a gap.
    fn changes(&self) -> Result<u64, StoreError> {
        let ends = "select min(seq), max(seq) from change";
        let (first, last): (Option<i64>, Option<i64>) = self
            .connection
            .query_row(ends, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| failed(self.place, &error))?;
        Ok(first
            .zip(last)
            .map_or(0, |(first, last)| number(last) + 1 - number(first)))
    }

    fn state_at(&self, at: TimeMs) -> Result<(State, u64), StoreError> {
        let (base, mut state) = self.base(at)?;
        let last = self.replay(base, &mut state, at)?;
        Ok((state, last))
    }

    fn happenings(&self, asked: &HistoryAsk, most: usize) -> Result<Vec<Happening>, StoreError> {
        let fail = |error: rusqlite::Error| failed(self.place, &error);
        let mut statement = self
            .connection
            .prepare_cached(
                "select seq, at_ms, body from change
                 where substr(body, 1, 17) = '{\"change\":\"event\"'
                   and at_ms >= ?1 and at_ms <= ?2 and seq < ?3
                 order by at_ms desc, seq desc limit ?4",
            )
            .map_err(fail)?;
        let before = asked.before.unwrap_or(u64::MAX);
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let mut rows = statement
            .query(params![
                integer(asked.since.0),
                integer(asked.until.0),
                integer(before),
                integer(most)
            ])
            .map_err(fail)?;
        let mut happenings = Vec::new();
        while let Some(row) = rows.next().map_err(fail)? {
            let seq = number(row.get::<_, i64>(0).map_err(fail)?);
            let body: String = row.get(2).map_err(fail)?;
            let change = serde_json::from_str(&body).map_err(|error| {
                unreadable(self.place, format!("change {seq} is damaged: {error}"))
            })?;
            if let Change::Event(event) = change {
                let at = time(row.get::<_, i64>(1).map_err(fail)?);
                happenings.push(Happening { seq, at, event });
            }
        }
        Ok(happenings)
    }

    /// The newest checkpoint at or before a moment; the empty state if the log is whole.
    fn base(&self, at: TimeMs) -> Result<(u64, State), StoreError> {
        let found = self
            .connection
            .query_row(
                "select seq, body from checkpoint where at_ms <= ?1 order by seq desc limit 1",
                [integer(at.0)],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()
            .map_err(|error| failed(self.place, &error))?;
        if let Some((seq, body)) = found {
            let state = serde_json::from_str(&body).map_err(|error| {
                unreadable(self.place, format!("checkpoint {seq} is damaged: {error}"))
            })?;
            return Ok((number(seq), state));
        }
        let first: Option<i64> = self
            .connection
            .query_row("select min(seq) from change", [], |row| row.get(0))
            .map_err(|error| failed(self.place, &error))?;
        let begins = self.begins()?;
        match first {
            None if begins.is_none() => Ok((0, State::default())),
            Some(1) => Ok((0, State::default())),
            _ => Err(StoreError::too_old(
                self.place.display().to_string(),
                at,
                begins,
            )),
        }
    }

    fn replay(&self, base: u64, state: &mut State, at: TimeMs) -> Result<u64, StoreError> {
        let fail = |error: rusqlite::Error| failed(self.place, &error);
        let mut statement = self
            .connection
            .prepare_cached(
                "select seq, body from change where seq > ?1 and at_ms <= ?2 order by seq",
            )
            .map_err(fail)?;
        let mut rows = statement
            .query(params![integer(base), integer(at.0)])
            .map_err(fail)?;
        let mut last = base;
        while let Some(row) = rows.next().map_err(fail)? {
            let seq = number(row.get::<_, i64>(0).map_err(fail)?);
            if seq != last + 1 {
                return Err(unreadable(
                    self.place,
                    format!(
                        "change {} is missing: the log goes from {last} to {seq}",
                        last + 1
                    ),
                ));
            }
            let body = row.get_ref(1).map_err(fail)?;
            let change: Change = body
                .as_str()
                .map_err(|error| error.to_string())
                .and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))
                .map_err(|error| {
                    unreadable(self.place, format!("change {seq} is damaged: {error}"))
                })?;
            state.apply(&change);
            last = seq;
        }
        Ok(last)
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.log().state_at(TimeMs(u64::MAX))
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        if changes.is_empty() {
            return Ok(self.last);
        }
        let mut bodies = Vec::with_capacity(changes.len());
        for change in changes {
            let body = serde_json::to_string(change).map_err(|error| StoreError::Failed {
                place: self.place.display().to_string(),
                message: format!("a change cannot be written as JSON: {error}"),
            })?;
            bodies.push(body);
        }
        // The log's times never step back, so "everything up to a moment" is one piece of it.
        let at = self.last_at.max(at);
        let first = self.last + 1;
        let last = self.last + u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let checkpoint = retention::checkpoint_due(self.last_checkpoint, last, after);
        let place = self.place.clone();
        let fail = |error: rusqlite::Error| failed(&place, &error);
        let tx = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fail)?;
        insert_changes(&tx, first, at, &bodies).map_err(fail)?;
        if checkpoint {
            let body = serde_json::to_string(after).map_err(|error| StoreError::Failed {
                place: place.display().to_string(),
                message: format!("the state cannot be written as JSON: {error}"),
            })?;
            insert_checkpoint(&tx, last, at, &body).map_err(fail)?;
            shrink(&tx, self.bytes_max).map_err(fail)?;
        }
        tx.commit().map_err(|error| uncommitted(&place, &error))?;
        self.last = last;
        self.last_at = at;
        if checkpoint {
            self.last_checkpoint = last;
        }
        Ok(last)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        Arc::new(SqliteArchive(self.place.clone()))
    }
}

/// The same database, opened anew for every look: a look back never waits for a write, nor a write
/// for it, and what it reads stays as it was at its beginning.
struct SqliteArchive(PathBuf);

impl SqliteArchive {
    fn look<T>(&self, at: impl FnOnce(&Log<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let place = self.0.as_path();
        let fail = |error: rusqlite::Error| failed(place, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(place, flags).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        let reading = connection.unchecked_transaction().map_err(fail)?;
        at(&Log {
            place,
            connection: &reading,
        })
    }
}

impl Archive for SqliteArchive {
    fn begins(&self) -> Result<Option<TimeMs>, StoreError> {
        self.look(|log| log.begins())
    }

    fn state_at(&self, at: TimeMs) -> Result<(State, u64), StoreError> {
        self.look(|log| log.state_at(at))
    }

    fn happenings(&self, asked: &HistoryAsk, most: usize) -> Result<Vec<Happening>, StoreError> {
        self.look(|log| log.happenings(asked, most))
    }

    fn size(&self) -> Result<LogSize, StoreError> {
        let changes = self.look(|log| log.changes())?;
        let mut bytes = 0;
        for end in [""].iter().chain(&BESIDE) {
            let mut path = self.0.as_os_str().to_owned();
            path.push(end);
            match std::fs::metadata(&path) {
                Ok(file) => bytes += file.len(),
                // The files beside the database come and go.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(StoreError::Failed {
                        place: self.0.display().to_string(),
                        message: error.to_string(),
                    });
                }
            }
        }
        Ok(LogSize { bytes, changes })
    }
}

/// The log holds environments and commands, which are nobody else's business. SQLite gives the
/// files beside the database the database's own mode when it makes them; those of an earlier
/// run may be there.
fn keep_private(place: &Path) -> Result<(), StoreError> {
    let fail = |error: std::io::Error| StoreError::Failed {
        place: place.display().to_string(),
        message: error.to_string(),
    };
    folder::keep_private(place).map_err(fail)?;
    for beside in BESIDE {
        let mut path = place.as_os_str().to_owned();
        path.push(beside);
        match folder::close_to_others(Path::new(&path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
    }
    Ok(())
}

fn insert_changes(
    tx: &Transaction<'_>,
    first: u64,
    at: TimeMs,
    bodies: &[String],
) -> rusqlite::Result<()> {
    let mut statement =
        tx.prepare_cached("insert into change(seq, at_ms, body) values (?1, ?2, ?3)")?;
    for (seq, body) in (first..).zip(bodies) {
        statement.execute(params![integer(seq), integer(at.0), body])?;
    }
    Ok(())
}

/// Writes a checkpoint, and in the same transaction forgets what it makes dispensable.
fn insert_checkpoint(
    tx: &Transaction<'_>,
    seq: u64,
    at: TimeMs,
    body: &str,
) -> rusqlite::Result<()> {
    tx.execute(
        "insert into checkpoint(seq, at_ms, body) values (?1, ?2, ?3)",
        params![integer(seq), integer(at.0), body],
    )?;
    let dropped = retention::thin(&checkpoints(tx)?, seq);
    for old in dropped {
        tx.execute("delete from checkpoint where seq = ?1", [integer(old)])?;
    }
    let aged: Option<i64> = tx.query_row(
        "select max(seq) from change where at_ms < ?1",
        [integer(retention::aged_before(at).0)],
        |row| row.get(0),
    )?;
    let aged = aged.map_or(0, number);
    if let Some(upto) = retention::forget_up_to(&checkpoints(tx)?, seq, aged) {
        tx.execute("delete from change where seq <= ?1", [integer(upto)])?;
        tx.execute("delete from checkpoint where seq < ?1", [integer(upto)])?;
    }
    Ok(())
}

/// Forgets from the oldest end on until the log is small enough, and gives a part of what is free
/// back to the disk: little enough that the next decision does not wait for it.
fn shrink(tx: &Transaction<'_>, bytes_max: u64) -> rusqlite::Result<()> {
    let mut left = checkpoints(tx)?;
    while left.len() > 1 && bytes_used(tx)? > bytes_max {
        left.remove(0);
        if let Some(upto) = left.first().copied() {
            tx.execute("delete from change where seq <= ?1", [integer(upto)])?;
            tx.execute("delete from checkpoint where seq < ?1", [integer(upto)])?;
        }
    }
    tx.execute_batch(&format!("pragma incremental_vacuum({VACUUM_PAGES_MAX})"))
}

/// What the log takes, in bytes, without what is free in its file.
fn bytes_used(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number(ask("page_count")?).saturating_sub(number(ask("freelist_count")?));
    Ok(pages.saturating_mul(number(ask("page_size")?)))
}

fn checkpoints(tx: &Transaction<'_>) -> rusqlite::Result<Vec<u64>> {
    let mut statement = tx.prepare_cached("select seq from checkpoint order by seq")?;
    let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
    rows.map(|row| row.map(number)).collect()
}

fn failed(place: &Path, error: &rusqlite::Error) -> StoreError {
    let (place, message) = (place.display().to_string(), error.to_string());
    if may_pass(error) {
        let in_doubt = false;
        StoreError::Unwritable {
            place,
            message,
            in_doubt,
        }
    } else {
        StoreError::Failed { place, message }
    }
}

/// What a commit ran into: all was handed to the disk by then, and an error of the disk itself does
/// not say how much of it is kept.
fn uncommitted(place: &Path, error: &rusqlite::Error) -> StoreError {
    let disk = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
    match failed(place, error) {
        StoreError::Unwritable { place, message, .. } => StoreError::Unwritable {
            place,
            message,
            in_doubt: disk,
        },
        other => other,
    }
}

/// Whether it is for the machine to come right again, and not for us: space, the disk, another
/// process that holds the file. What is wrong with the data itself never passes.
fn may_pass(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
        )
    )
}

/// SQLite's integers are signed; everything stored here is well below their end.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

fn time(integer: i64) -> TimeMs {
    TimeMs(number(integer))
}

#[cfg(test)]
use rusqlite::{Error as SqliteError, ffi};
#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod bounds_tests;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::story;

    fn raw(dir: &Path) -> Connection {
        Connection::open(dir.join(FILE)).unwrap()
    }

    #[test]
    fn the_store_story_holds_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(dir.path()).unwrap();
        let end = story::tell(&mut store);
        drop(store);
        let again = SqliteStore::open(dir.path()).unwrap().load().unwrap();
        assert_eq!(again, end, "what was appended is there after a restart");
    }

    #[test]
    fn a_commit_is_synced_in_full_to_a_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        let ask = |name| {
            store
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        assert_eq!(ask("journal_mode"), "wal".to_owned().into());
        assert_eq!(ask("synchronous"), 2.into());
    }

    #[test]
    fn what_is_on_disk_is_for_its_owner_alone_even_in_an_open_folder() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let dir = tempfile::tempdir().unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let modes = || {
            let mode = |name: &str| {
                let about = std::fs::metadata(dir.path().join(name)).unwrap();
                about.mode() & 0o777
            };
            [FILE, "state.db-wal", "state.db-shm"].map(mode)
        };
        let mut store = SqliteStore::open(dir.path()).unwrap();
        story::fill(&mut store, 3);
        assert_eq!(modes(), [0o600; 3]);
        // What an earlier version left, and did not get to close.
        for name in [FILE, "state.db-wal", "state.db-shm"] {
            let readable = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(dir.path().join(name), readable).unwrap();
        }
        let _second = SqliteStore::open(dir.path()).unwrap();
        assert_eq!(modes(), [0o600; 3]);
    }

    #[test]
    fn a_newer_layout_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        drop(SqliteStore::open(dir.path()).unwrap());
        raw(dir.path())
            .pragma_update(None, "user_version", SCHEMA + 1)
            .unwrap();
        let refusal = SqliteStore::open(dir.path()).unwrap_err().to_string();
        assert!(
            refusal.contains("newer version of Quarterdeck"),
            "{refusal}"
        );
        let found: i64 = raw(dir.path())
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(found, SCHEMA + 1);
    }

    #[test]
    fn a_damaged_or_missing_row_is_named_and_never_skipped() {
        for (damage, expected) in [
            (
                "update change set body = '{\"change\":' where seq = 7",
                "change 7 is damaged",
            ),
            ("delete from change where seq = 7", "change 7 is missing"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut store = SqliteStore::open(dir.path()).unwrap();
            story::fill(&mut store, 20);
            raw(dir.path()).execute_batch(damage).unwrap();
            let refusal = store.load().unwrap_err().to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_named_and_no_older_one_stands_in() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(dir.path()).unwrap();
        story::fill(&mut store, 2 * retention::CHECKPOINT_EVERY + 1);
        raw(dir.path())
            .execute_batch("update checkpoint set body = 'x' where seq = 2000")
            .unwrap();
        let refusal = store.load().unwrap_err().to_string();
        assert!(refusal.contains("checkpoint 2000 is damaged"), "{refusal}");
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "x".repeat(4096)).unwrap();
        let refusal = SqliteStore::open(dir.path()).unwrap_err().to_string();
        assert!(refusal.contains("not a database"), "{refusal}");
    }
}
