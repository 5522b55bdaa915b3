//! Which engine answers for which instance, now.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::docker::Engine;
use crate::model::{InstanceName, TimeMs};

/// An instance's engine while it answers, and a signal when that changes.
pub type EngineWatch = watch::Receiver<Option<Arc<dyn Engine>>>;

/// When an engine last answered anything. Its agent notes it with each heartbeat, far more often
/// than that is news for anybody. Copies share one moment.
#[derive(Clone, Debug, Default)]
pub struct Heard(Arc<AtomicU64>);

impl Heard {
    /// It answered now.
    pub fn note(&self, now: TimeMs) {
        self.0.store(now.0, Ordering::Relaxed);
    }

    /// When it did; `None` if it never has.
    #[must_use]
    pub fn at(&self) -> Option<TimeMs> {
        let at = TimeMs(self.0.load(Ordering::Relaxed));
        (at != TimeMs::default()).then_some(at)
    }
}

type Entries = BTreeMap<InstanceName, (EngineWatch, Heard)>;

/// Instance name → its current engine. Copies share one directory.
#[derive(Clone)]
pub struct EngineDirectory {
    entries: Arc<watch::Sender<Entries>>,
}

impl Default for EngineDirectory {
    fn default() -> Self {
        Self {
            entries: Arc::new(watch::Sender::new(BTreeMap::new())),
        }
    }
}

impl EngineDirectory {
    /// Enters an instance, in place of one of the same name.
    pub fn enter(&self, instance: InstanceName, engine: EngineWatch, heard: Heard) {
        self.entries.send_modify(|entries| {
            entries.insert(instance, (engine, heard));
        });
    }

    /// When each instance's engine last answered anything.
    #[must_use]
    pub fn heard(&self) -> BTreeMap<InstanceName, TimeMs> {
        let entries = self.entries.borrow();
        let all = entries.iter();
        all.filter_map(|(name, (_, heard))| Some((name.clone(), heard.at()?)))
            .collect()
    }

    /// Strikes an instance out.
    pub fn strike_out(&self, instance: &InstanceName) {
        self.entries.send_modify(|entries| {
            entries.remove(instance);
        });
    }

    /// The engine of that instance; `None` while it does not answer, or if there is no such
    /// instance.
    #[must_use]
    pub fn engine(&self, instance: &InstanceName) -> Option<Arc<dyn Engine>> {
        let entries = self.entries.borrow();
        entries.get(instance)?.0.borrow().clone()
    }
}
