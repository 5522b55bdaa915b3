//! A power cut in the middle of a write, and what the real store makes of it.
//!
//! The disk of a storm keeps what it keeps in memory, and batches whole. So that the contract is
//! not only taken for granted, the store on a real disk is given what is kept and the batch that
//! was being written; its write-ahead file is cut off somewhere in that batch; and what is read
//! then has to be all that was acknowledged, and nothing of the batch.

use std::fs;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Change, State, TimeMs};
use crate::store::{SqliteStore, Store, StoreError};

/// The whole of a batch, in the share of it that is left.
pub(super) const WHOLE: u64 = 1_000;
/// Bytes of rubbish that a cut may leave after what was written.
const RUBBISH_BYTES: usize = 700;
/// A write-ahead file that long may have been taken into the database already: it is not cut.
const WAL_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A cut in the middle of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How much of the batch is on the disk, in thousandths.
    pub left: u64,
    /// Whether rubbish follows.
    pub rubbish: bool,
}

/// So many folders that runs which were killed left behind are passed over.
const LEFT_OVER_MAX: usize = 1_000;

/// Folders of this process that were made.
static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// A folder that goes with its user.
struct Folder(PathBuf);

impl Folder {
    fn new() -> IoResult<Self> {
        Self::within(&std::env::temp_dir(), &FOLDERS)
    }

    /// The next one that is not there yet: a run that was killed may have had our process id.
    fn within(place: &Path, numbers: &AtomicU64) -> IoResult<Self> {
        let mut refusal = IoError::from(ErrorKind::AlreadyExists);
        for _ in 0..=LEFT_OVER_MAX {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let name = format!("qd-sim-{}-{number}", std::process::id());
            let folder = place.join(name);
            match fs::DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%error, "a folder of a simulation stays");
        }
    }
}

const DATABASE: &str = "state.db";
const WAL: &str = "state.db-wal";

/// What was kept, and the batch that was being written when the power went.
pub(super) struct Batch<'a> {
    pub kept: &'a State,
    pub at: TimeMs,
    pub changes: &'a [Change],
    pub after: &'a State,
}

/// What was seen of a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// All that was acknowledged is there, nothing of the batch, and it goes on.
    Kept,
    /// Something must not be.
    Wrong(String),
    /// Nothing: the batch was too long to be cut.
    Nothing,
}

impl Batch<'_> {
    /// Whether the real store keeps what it has to over such a cut.
    ///
    /// # Errors
    /// [`Trouble`]: this machine's disk did not let it be seen, which says nothing of the store.
    pub fn survives(&self, cut: Cut) -> Result<Seen, Trouble> {
        let (whole, torn) = (Folder::new()?, Folder::new()?);
        let Some(last) = self.tear(cut, &whole, &torn)? else {
            return Ok(Seen::Nothing);
        };
        match self.read_from(&torn, last) {
            Ok(seen) => Ok(seen),
            Err(error) if error.may_pass() => Err(error.into()),
            Err(error) => Ok(Seen::Wrong(format!(
                "what a torn batch left cannot be used: {error}"
            ))),
        }
    }

    /// Writes what is kept and then the batch, and leaves what is on the disk after the cut. The
    /// number of the last change that is kept; `None` if it could not be cut.
    fn tear(&self, cut: Cut, whole: &Folder, torn: &Folder) -> Result<Option<u64>, Trouble> {
        let everything = all_of(self.kept);
        let last = SqliteStore::open(&whole.0)?.append(self.at, &everything, self.kept)?;
        // Opened anew, so that its write-ahead file has this batch and little else.
        let mut store = SqliteStore::open(&whole.0)?;
        let before = bytes(&whole.file(WAL))?.len();
        store.append(self.at, self.changes, self.after)?;
        let mut wal = bytes(&whole.file(WAL))?;
        if wal.len() > WAL_BYTES_MAX {
            return Ok(None);
        }
        let share = usize::try_from(cut.left).unwrap_or(usize::MAX);
        let batch = wal.len().saturating_sub(before);
        wal.truncate(before + batch.saturating_mul(share) / WHOLE as usize);
        if cut.rubbish {
            wal.resize(wal.len() + RUBBISH_BYTES, 0xa5);
        }
        fs::write(torn.file(DATABASE), bytes(&whole.file(DATABASE))?)?;
        fs::write(torn.file(WAL), wal)?;
        Ok(Some(last))
    }

    /// What the store makes of it.
    fn read_from(&self, torn: &Folder, last: u64) -> Result<Seen, StoreError> {
        let mut found = SqliteStore::open(&torn.0)?;
        let (state, upto) = found.load()?;
        if upto > last {
            let part = upto - last;
            let what = format!("{part} changes of a torn batch were read");
            return Ok(Seen::Wrong(what));
        }
        if upto < last || state != *self.kept {
            let what = "a torn batch took what was acknowledged with it".to_owned();
            return Ok(Seen::Wrong(what));
        }
        found.append(self.at, self.changes, self.after)?;
        let goes_on = found.load()?.0 == *self.after;
        Ok(match goes_on {
            true => Seen::Kept,
            false => Seen::Wrong("nothing can be written after a torn batch".to_owned()),
        })
    }
}

/// Why a cut could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

/// A file's bytes; none if there is no such file.
fn bytes(file: &Path) -> IoResult<Vec<u8>> {
    match fs::read(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The changes that make a state out of nothing.
fn all_of(state: &State) -> Vec<Change> {
    let mut all = vec![Change::ControlPlane(state.control_plane.clone())];
    all.extend(state.clusters.values().cloned().map(Change::Cluster));
    all.extend(state.roles.values().cloned().map(Change::Role));
    all.extend(state.instances.values().cloned().map(Change::Instance));
    let definitions = state.task_definitions.values().cloned();
    all.extend(definitions.map(Change::TaskDefinition));
    all.extend(state.services.values().cloned().map(Change::Service));
    all.extend(state.tasks.values().cloned().map(Change::Task));
    all.extend(state.schedules.values().cloned().map(Change::Schedule));
    all.extend(state.events.iter().cloned().map(Change::Event));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::fixture;

    #[test]
    fn a_cut_anywhere_leaves_what_was_kept_and_one_after_the_batch_is_seen() {
        let kept = fixture::state([fixture::instance("ops-1", "a", 4096, 4096, &[])]);
        let mut after = kept.clone();
        let ids = &mut fixture::ids();
        let definition = fixture::definition("web", 1, 128, 128, &[]);
        let mut changes = vec![Change::Service(fixture::service("web", 40).into())];
        for _ in 0..40 {
            let task = fixture::task(ids.task_id(), "web", &definition, "ops-1");
            changes.push(Change::Task(task.into()));
        }
        after.apply_all(&changes);
        let batch = Batch {
            kept: &kept,
            at: fixture::START,
            changes: &changes,
            after: &after,
        };
        for left in [0, 1, 333, 500, 900, 999] {
            for rubbish in [false, true] {
                let seen = batch.survives(Cut { left, rubbish }).unwrap();
                assert_eq!(seen, Seen::Kept, "{left}");
            }
        }
        let whole = Cut {
            left: WHOLE,
            rubbish: false,
        };
        let told = batch.survives(whole).unwrap();
        assert_eq!(
            told,
            Seen::Wrong("41 changes of a torn batch were read".to_owned()),
            "what was not torn is there"
        );
    }

    #[test]
    fn folders_that_killed_runs_left_are_passed_over_and_a_disk_without_room_is_not() {
        let place = tempfile::tempdir().unwrap();
        let numbers = AtomicU64::new(0);
        let left: Vec<_> = (0..3)
            .map(|_| Folder::within(place.path(), &numbers).unwrap())
            .collect();
        let next = Folder::within(place.path(), &AtomicU64::new(0)).unwrap();
        assert!(left.iter().all(|it| it.0 != next.0), "{:?}", next.0);
        let nowhere = place.path().join("gone");
        let refusal = Folder::within(&nowhere, &numbers).err().unwrap();
        assert_eq!(refusal.kind(), ErrorKind::NotFound);
    }
}
