//! Places that are given out by name: nobody takes those of others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Places, so many for each name and so many in all.
#[derive(Debug)]
pub(crate) struct Places<K> {
    each: usize,
    all: usize,
    held: Mutex<HashMap<K, usize>>,
}

impl<K: Clone + Eq + Hash> Places<K> {
    pub fn new(each: usize, all: usize) -> Arc<Self> {
        Arc::new(Self {
            each,
            all,
            held: Mutex::default(),
        })
    }

    /// A place until it is dropped, if there is one left.
    pub fn enter(self: &Arc<Self>, name: &K) -> Option<Place<K>> {
        let mut held = self.held();
        if held.values().sum::<usize>() >= self.all {
            return None;
        }
        let own = held.entry(name.clone()).or_default();
        if *own >= self.each {
            return None;
        }
        *own += 1;
        Some(Place {
            of: self.clone(),
            name: name.clone(),
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place<K: Clone + Eq + Hash> {
    of: Arc<Places<K>>,
    name: K,
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.of.held();
        if let Some(own) = held.get_mut(&self.name) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_cannot_take_the_places_of_others_and_all_are_bounded() {
        let places = Places::new(2, 3);
        let (a, b) = (places.enter(&"a").unwrap(), places.enter(&"a").unwrap());
        assert!(places.enter(&"a").is_none());
        let c = places.enter(&"b").unwrap();
        assert!(places.enter(&"c").is_none(), "that is all");
        drop(a);
        assert!(places.enter(&"a").is_some());
        drop((b, c));
        assert!(places.held().is_empty(), "nothing is left behind");
    }
}
