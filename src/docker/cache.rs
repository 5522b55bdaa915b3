//! What was last seen of an engine's containers, so that a list need not inspect them all.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::Health;

/// Containers as last inspected. It holds at most what the engine's last list held.
///
/// An entry is good while the list says the same of the container as when it was inspected and
/// the engine has announced nothing about it since. Without announcements only what has ended is
/// taken from here.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<String, Entry>,
    /// Streams of announcements that are being read.
    watchers: usize,
}

#[derive(Debug, Default)]
struct Entry {
    /// Grows with every announcement: an inspection begun before one is not kept.
    generation: u64,
    seen: Option<(String, ObservedContainer)>,
    /// What any inspection last told, for when none is to be had.
    last: Option<ObservedContainer>,
}

/// Proof that announcements are being read; they are not any more once it is dropped.
#[derive(Debug)]
pub struct Watching(std::sync::Arc<Cache>);

impl Drop for Watching {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.watchers = inner.watchers.saturating_sub(1);
    }
}

impl Cache {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while holding it; a poisoned lock still holds good entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that announcements are read from now on. What was seen before is forgotten, for some
    /// may have been missed.
    #[must_use]
    pub fn watch(self: &std::sync::Arc<Self>) -> Watching {
        let mut inner = self.inner();
        inner.watchers += 1;
        for entry in inner.entries.values_mut() {
            entry.generation += 1;
            entry.seen = None;
        }
        drop(inner);
        Watching(std::sync::Arc::clone(self))
    }

    /// Something happened to this container.
    pub fn announced(&self, id: &str) {
        let mut inner = self.inner();
        if let Some(entry) = inner.entries.get_mut(id) {
            entry.generation += 1;
            entry.seen = None;
        }
    }

    /// What is known of a container of which the list says `summary`, or else the generation
    /// under which an inspection may be kept.
    pub fn look_up(&self, id: &str, summary: &str) -> Result<ObservedContainer, u64> {
        let mut inner = self.inner();
        let watched = inner.watchers > 0;
        let entry = inner.entries.entry(id.to_owned()).or_default();
        match &entry.seen {
            Some((said, seen)) if said == summary && (watched || seen.state.has_ended()) => {
                Ok(seen.clone())
            }
            _ => Err(entry.generation),
        }
    }

    /// Keeps an inspection, unless something happened since it was begun.
    pub fn keep(&self, summary: String, generation: u64, seen: &ObservedContainer) {
        // A start that fails leaves a container created, with an error and no announcement; a
        // removal that fails leaves one of which the list goes on to say that it is being removed.
        let passing = matches!(
            seen.state,
            ContainerState::Created | ContainerState::Removing
        );
        let settled = !passing && seen.health != Some(Health::Unknown);
        let mut inner = self.inner();
        let Some(entry) = inner.entries.get_mut(&seen.runtime_id) else {
            return;
        };
        entry.last = Some(seen.clone());
        if entry.generation == generation && settled {
            entry.seen = Some((summary, seen.clone()));
        }
    }

    /// What was last seen of a container, however long ago.
    #[must_use]
    pub fn last(&self, id: &str) -> Option<ObservedContainer> {
        self.inner().entries.get(id)?.last.clone()
    }

    /// Forgets containers that are no longer listed.
    pub fn retain(&self, listed: &HashSet<&str>) {
        self.inner()
            .entries
            .retain(|id, _| listed.contains(id.as_str()));
    }
}

/// The part of a status text that does not change by itself: `Exited (137) 5 minutes ago` is
/// `(137)`, `Up 3 hours (healthy)` is `(healthy)`.
#[must_use]
pub fn lasting(status: &str) -> &str {
    match (status.find('('), status.rfind(')')) {
        (Some(open), Some(close)) if open < close => &status[open..=close],
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn container(state: ContainerState) -> ObservedContainer {
        ObservedContainer {
            runtime_id: "a".to_owned(),
            name: String::new(),
            owner: None,
            image: String::new(),
            image_digest: None,
            state,
            exit_code: None,
            oom_killed: false,
            error: String::new(),
            started_at: None,
            finished_at: None,
            health: None,
            network_bindings: Vec::new(),
            cpu: crate::model::CpuUnits(0),
            memory: crate::model::MemoryMib(0),
            host_ports: Vec::new(),
            volumes: Vec::new(),
            address: None,
        }
    }

    fn keep(cache: &Cache, state: ContainerState) {
        let generation = cache.look_up("a", "s").unwrap_err();
        cache.keep("s".to_owned(), generation, &container(state));
    }

    #[test]
    fn what_runs_is_remembered_only_while_announcements_are_read() {
        let cache = Arc::new(Cache::default());
        keep(&cache, ContainerState::Running);
        assert!(cache.look_up("a", "s").is_err());
        let watching = cache.watch();
        keep(&cache, ContainerState::Running);
        assert!(cache.look_up("a", "s").is_ok());
        assert!(cache.look_up("a", "other").is_err());
        drop(watching);
        assert!(cache.look_up("a", "s").is_err());
        keep(&cache, ContainerState::Exited);
        assert!(cache.look_up("a", "s").is_ok());
    }

    #[test]
    fn an_announcement_during_an_inspection_voids_it() {
        let cache = Arc::new(Cache::default());
        let _watching = cache.watch();
        let generation = cache.look_up("a", "s").unwrap_err();
        cache.announced("a");
        cache.keep(
            "s".to_owned(),
            generation,
            &container(ContainerState::Running),
        );
        assert!(cache.look_up("a", "s").is_err());
    }

    #[test]
    fn what_is_not_listed_is_forgotten_and_what_is_on_its_way_never_kept() {
        let cache = Cache::default();
        for passing in [ContainerState::Created, ContainerState::Removing] {
            keep(&cache, passing);
            assert!(cache.look_up("a", "s").is_err());
        }
        keep(&cache, ContainerState::Exited);
        cache.retain(&HashSet::new());
        assert!(cache.look_up("a", "s").is_err());
    }

    #[test]
    fn the_time_in_a_status_does_not_count() {
        assert_eq!(lasting("Exited (137) 5 minutes ago"), "(137)");
        assert_eq!(
            lasting("Up 3 hours (health: starting)"),
            "(health: starting)"
        );
        assert_eq!(lasting("Up 3 hours"), "");
        assert_eq!(lasting("Created"), "");
    }
}
