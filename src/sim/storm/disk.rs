//! A store that outlives the control plane, fails when told to, and looks at all that is written.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::change::{Born, wrong};
use super::ledger::Ledger;
use super::torn::{Batch, Cut, Seen, WHOLE};
use super::trace::Record;
use crate::model::id::mix;
use crate::model::{Change, State, TimeMs};
use crate::store::memory::MemoryStore;
use crate::store::{Archive, Store, StoreError};

/// Every so many writes it is looked whether planning once more comes to nothing.
const THOROUGH_EVERY: u64 = 4;

/// Of so many writes that fail, one is also looked at as a power cut in the middle of its batch.
const TORN_ONE_IN: u64 = 3;

/// How a write goes wrong. Here a batch is whole or not at all, as the store's contract is; that the
/// real store keeps it over a batch that was cut in the middle, [`Batch::survives`] looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFault {
    /// Nothing was kept; some of it may be on the disk.
    Fails,
    /// All was kept, and nobody is told.
    Torn,
    /// There is no room for so many writes: nothing is kept of them, and it passes.
    Full(u64),
}

/// A disk under a control plane. Clones are the same disk.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Platter>>);

/// What a disk keeps, and what it was promised to.
pub struct Platter {
    store: MemoryStore,
    /// What is kept, as a state.
    pub state: State,
    /// What was acknowledged.
    pub ledger: Ledger,
    /// The tasks that ever were.
    pub born: Born,
    /// What goes wrong after so many more writes.
    pub fault: Option<(u64, WriteFault)>,
    writes: u64,
    record: Record,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(record: Record) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            store: MemoryStore::new(),
            state: State::default(),
            ledger: Ledger::default(),
            born: Born::default(),
            fault: None,
            writes: 0,
            record,
        })))
    }

    /// What is on it.
    pub fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept, as a state.
    #[must_use]
    pub fn state(&self) -> State {
        self.platter().state.clone()
    }
}

impl Store for Disk {
    fn is_instant(&self) -> bool {
        true
    }

    fn load(&mut self) -> Result<(State, u64), StoreError> {
        let mut platter = self.platter();
        let (state, seq) = platter.store.load()?;
        platter.record.note(&format!("store: read up to {seq}"));
        if state != platter.state {
            let record = platter.record.clone();
            record.fail("what is read from the store is not what was written");
        }
        if let Some(broken) = platter.ledger.broken(&state) {
            platter.record.fail(broken);
        }
        Ok((state, seq))
    }

    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.platter().append(at, changes, after)
    }

    fn archive(&self) -> Arc<dyn Archive> {
        self.platter().store.archive()
    }
}

impl Platter {
    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        let fault = match &mut self.fault {
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if fault == Some(WriteFault::Fails) {
            self.fault = None;
            let count = changes.len();
            self.record
                .note(&format!("store: {count} changes could not be written"));
            self.tear(at, changes, after);
            return Err(failed("input/output error"));
        }
        if let Some(WriteFault::Full(writes)) = fault {
            self.fault = match writes {
                0 | 1 => None,
                more => Some((0, WriteFault::Full(more - 1))),
            };
            self.record.note(&format!(
                "store: there is no room for {} changes",
                changes.len()
            ));
            return Err(StoreError::Unwritable {
                place: "in the simulation".to_owned(),
                message: "database or disk is full".to_owned(),
                in_doubt: false,
            });
        }
        let seq = self.store.append(at, changes, after)?;
        self.writes += 1;
        self.tell(changes);
        self.look(at, changes, after);
        self.state = after.clone();
        if fault == Some(WriteFault::Torn) {
            self.fault = None;
            self.record
                .note("store: it was written, and the answer did not come");
            return Err(failed("the connection to the disk was lost"));
        }
        Ok(seq)
    }

    /// One of several writes that fail is cut off in its middle, on the disk of the real store.
    fn tear(&self, at: TimeMs, changes: &[Change], after: &State) {
        // By numbers that are not drawn from the storm's seed: what happens in it stays the same.
        let drawn = mix(self.writes);
        if changes.is_empty() || !drawn.is_multiple_of(TORN_ONE_IN) {
            return;
        }
        let cut = Cut {
            left: mix(drawn) % WHOLE,
            rubbish: mix(drawn).is_multiple_of(2),
        };
        let batch = Batch {
            kept: &self.state,
            at,
            changes,
            after,
        };
        self.record.note(&format!("store: it was torn, {cut:?}"));
        match batch.survives(cut) {
            Ok(Seen::Kept) => self.record.count_torn(),
            Ok(Seen::Wrong(wrong)) => {
                self.record.count_torn();
                self.record.fail(wrong);
            }
            Ok(Seen::Nothing) => {}
            Err(trouble) => self.record.trouble(format!(
                "a write could not be torn on the disk of this machine: {trouble}"
            )),
        }
    }

    fn look(&mut self, at: TimeMs, changes: &[Change], after: &State) {
        if let Some(id) = self.born.twice(&self.state, changes) {
            self.record.fail(format!("a second task has the id {id}"));
        }
        let thorough = self.writes.is_multiple_of(THOROUGH_EVERY);
        if let Some(wrong) = wrong(&self.state, after, at, thorough) {
            self.record.fail(wrong);
        }
        if let Some(broken) = self.ledger.broken(after) {
            self.record.fail(broken);
        }
        self.ledger.keep(after);
    }

    /// What has come to its end, as it is kept, is not held on to.
    pub fn keep(&mut self) {
        self.ledger.keep(&self.state);
    }

    fn tell(&self, changes: &[Change]) {
        self.record.count_changes(changes.len());
        for change in changes {
            self.record.fold(format_args!("{change:?}"));
            match change {
                Change::Event(event) => self.record.note(&format!("  {}", event.message)),
                Change::Task(task) => {
                    let before = self.state.tasks.get(&task.id);
                    let stands = (
                        task.last_status,
                        task.desired_status,
                        task.lost_at.is_some(),
                    );
                    let stood =
                        before.map(|it| (it.last_status, it.desired_status, it.lost_at.is_some()));
                    if stood != Some(stands) {
                        self.record.note(&format!(
                            "  task {} of {} on {}: {:?}, wanted {:?}{}",
                            task.id.short(),
                            task.group,
                            task.instance,
                            task.last_status,
                            task.desired_status,
                            if task.lost_at.is_some() { ", lost" } else { "" },
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}

fn failed(message: &str) -> StoreError {
    StoreError::Failed {
        place: "in the simulation".to_owned(),
        message: message.to_owned(),
    }
}
