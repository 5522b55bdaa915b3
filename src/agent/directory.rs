//! Which engine answers for which instance, now.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::docker::Engine;
use crate::model::InstanceName;

/// An instance's engine while it answers, and a signal when that changes.
pub type EngineWatch = watch::Receiver<Option<Arc<dyn Engine>>>;

/// Instance name → its current engine. Copies share one directory.
#[derive(Clone)]
pub struct EngineDirectory {
    entries: Arc<watch::Sender<BTreeMap<InstanceName, EngineWatch>>>,
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
    pub fn enter(&self, instance: InstanceName, engine: EngineWatch) {
        self.entries.send_modify(|entries| {
            entries.insert(instance, engine);
        });
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
        entries.get(instance)?.borrow().clone()
    }
}
