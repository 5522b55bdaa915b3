//! Health logs, as far as they were read: only that of the task whose page is on the screen, one
//! reading at a time, and a host that does not answer less and less often.

use crate::client::ContainerHealth;
use crate::model::{ContainerName, TaskId, TimeMs};

use super::event::Ticket;

/// Between an answer and the next reading, in milliseconds: the shortest interval of a check.
pub(crate) const EVERY_MS: u64 = 5_000;
/// How long a host is left alone after a failure, in milliseconds; doubles with each further one.
const AFTER_ERROR_MS: u64 = 10_000;
/// How often that doubles.
const DOUBLINGS_MAX: u32 = 3;

/// What is known of one task's health checks, and what is being asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    task: Option<TaskId>,
    /// The reading under way.
    asked: Option<Ticket>,
    /// When the next one is due.
    due: TimeMs,
    failures: u32,
    /// When something that is wanted becomes due.
    pub wakes_at: Option<TimeMs>,
    /// The last log that came, and when, in this machine's clock.
    read: Option<(TimeMs, Vec<ContainerHealth>)>,
    /// Why the last reading failed.
    error: Option<String>,
}

/// What is known of a container's health checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known<'a> {
    /// What came last, and when, in this machine's clock.
    pub read: Option<(TimeMs, &'a ContainerHealth)>,
    /// Why nothing newer is known.
    pub error: Option<&'a str>,
}

/// What is to be asked for, and what no longer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    pub begin: Option<(Ticket, TaskId)>,
    pub give_up: Option<Ticket>,
}

impl Checks {
    /// What is known of a container; nothing of another task than the one that is wanted.
    pub(crate) fn of(&self, task: TaskId, name: &ContainerName) -> Known<'_> {
        if self.task != Some(task) {
            return Known::default();
        }
        let read = self.read.as_ref().and_then(|(at, all)| {
            let found = all.iter().find(|it| it.name == *name)?;
            Some((*at, found))
        });
        let error = self.error.as_deref();
        Known { read, error }
    }

    /// Brings what is under way in line with what is on the screen.
    pub(crate) fn want(&mut self, task: Option<TaskId>, now: TimeMs, tickets: &mut Ticket) -> Asks {
        let mut asks = Asks::default();
        if self.task != task {
            asks.give_up = self.asked.take();
            *self = Self {
                task,
                due: now,
                ..Self::default()
            };
        }
        self.wakes_at = None;
        let (Some(task), None) = (self.task, self.asked) else {
            return asks;
        };
        // The clock may have been set back.
        self.due = self.due.min(now.plus_ms(self.pause_ms()));
        if self.due > now {
            self.wakes_at = Some(self.due);
            return asks;
        }
        *tickets += 1;
        self.asked = Some(*tickets);
        asks.begin = Some((*tickets, task));
        asks
    }

    /// Takes an answer in; `false` if nobody waits for it any more.
    pub(crate) fn took(
        &mut self,
        now: TimeMs,
        ticket: Ticket,
        result: Result<Vec<ContainerHealth>, String>,
    ) -> bool {
        if self.asked != Some(ticket) {
            return false;
        }
        self.asked = None;
        match result {
            Ok(logs) => {
                self.read = Some((now, logs));
                (self.error, self.failures) = (None, 0);
            }
            Err(why) => {
                self.error = Some(why);
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.due = now.plus_ms(self.pause_ms());
        true
    }

    fn pause_ms(&self) -> u64 {
        match self.failures {
            0 => EVERY_MS,
            n => AFTER_ERROR_MS << (n - 1).min(DOUBLINGS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> ContainerName {
        ContainerName::new("app").unwrap()
    }

    fn answer() -> Vec<ContainerHealth> {
        vec![ContainerHealth {
            name: name(),
            health_log: None,
        }]
    }

    #[test]
    fn one_is_read_at_a_time_and_calmly() {
        let (mut checks, mut tickets) = (Checks::default(), 0);
        let mut readings = 0;
        for now in (0..60_000).step_by(100).map(TimeMs) {
            if let Some((ticket, task)) = checks.want(Some(TaskId(1)), now, &mut tickets).begin {
                assert_eq!(task, TaskId(1));
                readings += 1;
                let again = checks.want(Some(TaskId(1)), now, &mut tickets);
                assert_eq!(again, Asks::default(), "one is under way");
                assert!(checks.took(now, ticket, Ok(answer())));
            }
        }
        assert_eq!(readings, 12);
    }

    #[test]
    fn an_answer_for_another_page_is_dropped_and_its_asking_given_up() {
        let (mut checks, mut tickets) = (Checks::default(), 0);
        let first = checks.want(Some(TaskId(1)), TimeMs(0), &mut tickets).begin;
        let other = checks.want(Some(TaskId(2)), TimeMs(1), &mut tickets);
        assert_eq!(other.give_up, first.map(|it| it.0));
        assert_eq!(other.begin, Some((2, TaskId(2))));
        assert!(!checks.took(TimeMs(2), 1, Ok(answer())));
        assert!(checks.took(TimeMs(2), 2, Ok(answer())));
        assert_eq!(checks.of(TaskId(1), &name()), Known::default());
        assert!(checks.of(TaskId(2), &name()).read.is_some());
        let none = checks.want(None, TimeMs(9_000), &mut tickets);
        assert_eq!((none, checks.wakes_at), (Asks::default(), None));
        assert_eq!(checks.of(TaskId(2), &name()), Known::default());
    }

    #[test]
    fn a_host_that_fails_is_asked_less_often_and_the_last_log_stays_with_the_reason() {
        let (mut checks, mut tickets) = (Checks::default(), 0);
        let mut now = TimeMs(0);
        let mut pauses = Vec::new();
        for round in 0..6 {
            let begun = checks.want(Some(TaskId(1)), now, &mut tickets).begin;
            let result = match round {
                0 => Ok(answer()),
                _ => Err("no route to host".to_owned()),
            };
            assert!(checks.took(now, begun.unwrap().0, result));
            checks.want(Some(TaskId(1)), now, &mut tickets);
            let next = checks.wakes_at.unwrap();
            pauses.push(next.since_ms(now));
            now = next;
        }
        assert_eq!(pauses, [5_000, 10_000, 20_000, 40_000, 80_000, 80_000]);
        let known = checks.of(TaskId(1), &name());
        assert_eq!(known.error, Some("no route to host"));
        assert_eq!(known.read.map(|(at, _)| at), Some(TimeMs(0)));
        // The clock was set back by a day: it is not waited a day.
        checks.want(Some(TaskId(1)), TimeMs(0), &mut tickets);
        assert_eq!(checks.wakes_at, Some(TimeMs(80_000)));
    }
}
