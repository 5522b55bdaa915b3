//! Which containers are to be looked at anew, and which answers are too old to count. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::step::Key;

/// Gathers requests to inspect: one container is inspected once at a time, and once more if
/// something happened to it meanwhile.
#[derive(Debug, Default)]
pub struct Inspector {
    queue: VecDeque<String>,
    queued: BTreeSet<String>,
    running: BTreeMap<String, Run>,
    /// Actions that ended and whose effect has not been seen, by container.
    settling: BTreeMap<String, (Key, u64)>,
    /// Counts changes, so that a list can be told from what is newer than it.
    count: u64,
    changed: BTreeMap<String, u64>,
}

#[derive(Debug, Default)]
struct Run {
    again: bool,
    destroyed: bool,
}

/// What an answer is worth.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// It may be taken in.
    pub is_current: bool,
    /// The action whose effect it shows.
    pub settled: Option<Key>,
}

impl Inspector {
    /// Something happened to that container.
    pub fn want(&mut self, id: String) {
        if let Some(run) = self.running.get_mut(&id) {
            run.again = true;
        } else if self.queued.insert(id.clone()) {
            self.queue.push_back(id);
        }
    }

    /// An action on that container ended: it stays under way until its effect is seen.
    pub fn settle(&mut self, id: String, key: Key) {
        self.count += 1;
        self.settling.insert(id.clone(), (key, self.count));
        self.want(id);
    }

    /// As [`settle`](Self::settle) for a container that was just made: an inspection that is
    /// asked for already was asked for after it was made, so it will do.
    pub fn settle_made(&mut self, id: String, key: Key) {
        self.count += 1;
        self.settling.insert(id.clone(), (key, self.count));
        if !self.running.contains_key(&id) {
            self.want(id);
        }
    }

    /// The next container to inspect, if fewer than `most` are being inspected.
    pub fn next(&mut self, most: usize) -> Option<String> {
        if self.running.len() >= most {
            return None;
        }
        let id = self.queue.pop_front()?;
        self.queued.remove(&id);
        self.running.insert(id.clone(), Run::default());
        Some(id)
    }

    /// An inspection answered.
    pub fn done(&mut self, id: &str) -> Taken {
        let run = self.running.remove(id).unwrap_or_default();
        if run.again {
            self.want(id.to_owned());
        }
        let settled = if run.again {
            None
        } else {
            self.settling.remove(id).map(|(key, _)| key)
        };
        Taken {
            is_current: !run.destroyed,
            settled,
        }
    }

    /// An inspection failed; the next list tells.
    pub fn failed(&mut self, id: &str) {
        self.running.remove(id);
    }

    /// The container was removed: an answer that is still to come is out of date.
    pub fn destroyed(&mut self, id: &str) {
        if let Some(run) = self.running.get_mut(id) {
            run.destroyed = true;
        }
    }

    /// What is known of that container changed.
    pub fn changed(&mut self, id: &str) {
        self.count += 1;
        self.changed.insert(id.to_owned(), self.count);
    }

    /// How many changes there were: a list that is asked for now is as new as this.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether what is known of that container is newer than a list asked for at `asked`.
    #[must_use]
    pub fn is_newer(&self, id: &str, asked: u64) -> bool {
        self.changed.get(id).is_some_and(|count| *count > asked)
    }

    /// A list asked for at `asked` was taken in. The actions whose effect it shows.
    pub fn take_list(&mut self, asked: u64) -> Vec<Key> {
        self.changed.retain(|_, count| *count > asked);
        let mut settled = Vec::new();
        self.settling.retain(|_, (key, count)| {
            let is_older = *count <= asked;
            if is_older {
                settled.push(key.clone());
            }
            !is_older
        });
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "c".to_owned()
    }

    #[test]
    fn requests_are_gathered_and_what_happens_meanwhile_is_looked_at_once_more() {
        let mut inspector = Inspector::default();
        inspector.want(id());
        inspector.want(id());
        assert_eq!(inspector.next(4), Some(id()));
        assert_eq!(inspector.next(4), None);
        inspector.want(id());
        inspector.want(id());
        assert_eq!(inspector.next(4), None, "never twice at a time");
        inspector.done("c");
        assert_eq!(inspector.next(4), Some(id()));
        assert!(inspector.done("c").is_current);
        assert_eq!(inspector.next(4), None);
    }

    #[test]
    fn an_action_is_under_way_until_an_answer_shows_its_effect() {
        let mut inspector = Inspector::default();
        inspector.want(id());
        assert_eq!(inspector.next(1), Some(id()));
        // This inspection was asked for before the action ended: it may not show it.
        inspector.settle(id(), Key::Network);
        assert_eq!(inspector.done("c").settled, None);
        assert_eq!(inspector.next(1), Some(id()));
        assert_eq!(inspector.done("c").settled, Some(Key::Network));
    }

    #[test]
    fn a_list_does_not_undo_what_is_newer_than_it() {
        let mut inspector = Inspector::default();
        let asked = inspector.count();
        inspector.changed("c");
        inspector.settle("d".to_owned(), Key::Network);
        assert!(inspector.is_newer("c", asked));
        assert_eq!(inspector.take_list(asked), []);
        let asked = inspector.count();
        assert!(!inspector.is_newer("c", asked));
        assert_eq!(inspector.take_list(asked), [Key::Network]);
    }

    #[test]
    fn an_answer_from_before_the_removal_is_not_taken_in() {
        let mut inspector = Inspector::default();
        inspector.want(id());
        assert_eq!(inspector.next(1), Some(id()));
        inspector.destroyed("c");
        assert!(!inspector.done("c").is_current);
    }
}
