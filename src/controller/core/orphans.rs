//! Instances that a configuration would take out of the fleet from under their tasks.

use std::collections::BTreeMap;

use super::Fleet;
use crate::model::{ClusterName, InstanceName, InstanceStatus, State};

impl Fleet {
    /// Its instances with their clusters. One in the state stays if it is here with its cluster:
    /// one that changes its cluster leaves the one and joins the other.
    pub(super) fn homes(&self) -> BTreeMap<&InstanceName, &ClusterName> {
        let instances = self.instances.iter();
        instances.map(|i| (&i.name, &i.cluster)).collect()
    }
}

/// The instances that this fleet no longer has (or has in another cluster) though tasks that are
/// not STOPPED are on them, with the number of those. One that is DRAINING is not among them: an
/// operator has given it up, so that a host which is gone for good can leave too.
///
/// To be asked before [`Input::Configure`](super::Input::Configure), which stops counting on such
/// tasks while their containers may well be running: far more often the wrong configuration was
/// read.
#[must_use]
pub fn orphans(state: &State, fleet: &Fleet) -> Vec<(InstanceName, usize)> {
    let homes = fleet.homes();
    let leaving = state.instances.values().filter(|instance| {
        let stays = homes.get(&instance.name) == Some(&&instance.cluster);
        !stays && instance.status != InstanceStatus::Draining
    });
    let mut counts: BTreeMap<&InstanceName, usize> =
        leaving.map(|instance| (&instance.name, 0)).collect();
    for task in state.tasks.values().filter(|task| !task.is_stopped()) {
        if let Some(count) = counts.get_mut(&task.instance) {
            *count += 1;
        }
    }
    let orphaned = counts.into_iter().filter(|(_, count)| *count > 0);
    orphaned
        .map(|(name, count)| (name.clone(), count))
        .collect()
}
