//! What tasks use, as far as it was sampled: only what is on the screen is asked for, a few
//! samples at a time on each host, and a host that does not answer less and less often.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::docker::StatsSample;
use crate::docker::stats::Rates;
use crate::model::state::ServiceKey;
use crate::model::{ContainerName, InstanceName, TaskId, TimeMs};

use super::event::Ticket;
use super::state::List;
use super::text;

/// Between two samples of a task, in milliseconds; a little more, differently for each.
pub(crate) const EVERY_MS: u64 = 3_000;
/// How much more at most.
const JITTER_MS: u64 = 400;
/// For how long a sample stands for now, in milliseconds: then it is old, and shown as that.
pub(crate) const FRESH_MS: u64 = 8_000;
/// Between two samples of a task that is a row of a list among others, in milliseconds.
const LIST_EVERY_MS: u64 = 10_000;
/// For how long such a row has to be on the screen before it is sampled, in milliseconds: who
/// scrolls past asks for nothing.
const LIST_REST_MS: u64 = 700;
/// For how long a sample stands in a list: three that did not come, in milliseconds.
pub(crate) const LIST_FRESH_MS: u64 = 3 * LIST_EVERY_MS;
/// Samples kept of each container.
const POINTS_MAX: usize = 160;
/// Tasks whose samples are kept.
const BOOKS_MAX: usize = 256;
/// For how long samples are kept of a task that is not on the screen, in milliseconds.
const KEPT_MS: u64 = 5 * 60_000;
/// Samples under way at one host at a time.
const HOST_MAX: usize = 2;
/// Samples under way in all.
const ALL_MAX: usize = 16;
/// How long a host is left alone after a failure, in milliseconds; doubles with each further one.
const AFTER_ERROR_MS: u64 = 10_000;
/// How often that doubles.
const DOUBLINGS_MAX: u32 = 3;

/// What can be drawn over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// CPU units.
    Cpu,
    /// Bytes.
    Memory,
    /// Bytes a second, as all that follow.
    Received,
    Sent,
    Read,
    Written,
}

impl Measure {
    /// A value with its unit.
    pub(crate) fn said(self, value: f64) -> String {
        match self {
            Self::Cpu => format!("{} vCPU", text::vcpu_used(value)),
            Self::Memory => text::bytes(value as u64),
            Self::Received | Self::Sent | Self::Read | Self::Written => {
                format!("{}/s", text::bytes(value as u64))
            }
        }
    }
}

/// One sample, and the rates since the one before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// When it came, in this machine's clock.
    pub at: TimeMs,
    pub sample: StatsSample,
    pub rates: Rates,
}

impl Point {
    pub(crate) fn get(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Cpu => Some(self.sample.cpu_units),
            Measure::Memory => Some(self.sample.memory_bytes as f64),
            Measure::Received => self.rates.received,
            Measure::Sent => self.rates.sent,
            Measure::Read => self.rates.read,
            Measure::Written => self.rates.written,
        }
    }
}

/// The last samples of something, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    points: VecDeque<Point>,
}

impl Trace {
    fn push(&mut self, point: Point) {
        // The clock was set back: what came before is nowhere on the axis.
        if self.last().is_some_and(|last| last.at > point.at) {
            self.points.clear();
        }
        if self.points.len() >= POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(point);
    }

    /// The newest, however old it is.
    pub(crate) fn last(&self) -> Option<&Point> {
        self.points.back()
    }

    /// The newest, if it says what is so now.
    pub(crate) fn fresh(&self, now: TimeMs) -> Option<&Point> {
        self.within(FRESH_MS, now)
    }

    /// The newest, if it is no older than that.
    pub(crate) fn within(&self, age_ms: u64, now: TimeMs) -> Option<&Point> {
        self.last().filter(|last| now.since_ms(last.at) <= age_ms)
    }

    /// One value for each column, the last one now. A column is empty where nothing was known.
    pub(crate) fn columns(&self, measure: Measure, now: TimeMs, width: usize) -> Vec<Option<f64>> {
        // Columns end at whole steps, so that a redraw between two samples changes nothing.
        let end = (now.0 / EVERY_MS + 1) * EVERY_MS;
        let mut points = self.points.iter().rev().peekable();
        let mut values: Vec<Option<f64>> = (0..width as u64)
            .map(|back| {
                let until = end.saturating_sub(back * EVERY_MS);
                while points.next_if(|point| point.at.0 >= until).is_some() {}
                let point = points.peek()?;
                let held = until.saturating_sub(point.at.0) <= FRESH_MS;
                if held { point.get(measure) } else { None }
            })
            .collect();
        values.reverse();
        values
    }
}

/// What is known of one task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub containers: Vec<(ContainerName, Trace)>,
    /// All its containers together.
    pub sum: Trace,
    /// Why the last sample failed.
    pub error: Option<String>,
    /// The sample under way.
    asked: Option<(Ticket, InstanceName)>,
    /// When the next one is due.
    due: TimeMs,
    /// When it was last on the screen.
    seen: TimeMs,
}

impl Book {
    fn took(&mut self, now: TimeMs, samples: Vec<(ContainerName, StatsSample)>) {
        self.error = None;
        self.containers
            .retain(|(name, _)| samples.iter().any(|(other, _)| other == name));
        let mut sum = Point {
            at: now,
            sample: StatsSample::default(),
            rates: Rates::default(),
        };
        for (at, (name, sample)) in samples.into_iter().enumerate() {
            let known = self.containers.iter().position(|(other, _)| *other == name);
            let slot = known.unwrap_or_else(|| {
                self.containers.push((name, Trace::default()));
                self.containers.len() - 1
            });
            let trace = &mut self.containers[slot].1;
            let before = trace.last().map(|point| point.sample);
            let rates = before.map(|before| Rates::between(&before, &sample));
            let rates = rates.unwrap_or_default();
            sum = if at == 0 {
                Point {
                    at: now,
                    sample,
                    rates,
                }
            } else {
                add(sum, sample, rates)
            };
            trace.push(Point {
                at: now,
                sample,
                rates,
            });
        }
        if !self.containers.is_empty() {
            self.sum.push(sum);
        }
    }
}

/// A sum with one more in it. What is not known of one is not known of the sum.
pub(crate) fn add(sum: Point, sample: StatsSample, rates: Rates) -> Point {
    let both = |a: Option<f64>, b: Option<f64>| Some(a? + b?);
    let limit = match (sum.sample.memory_limit_bytes, sample.memory_limit_bytes) {
        (0, _) | (_, 0) => 0,
        (a, b) => a + b,
    };
    Point {
        at: sum.at,
        sample: StatsSample {
            cpu_units: sum.sample.cpu_units + sample.cpu_units,
            memory_bytes: sum.sample.memory_bytes + sample.memory_bytes,
            memory_limit_bytes: limit,
            ..sum.sample
        },
        rates: Rates {
            received: both(sum.rates.received, rates.received),
            sent: both(sum.rates.sent, rates.sent),
            read: both(sum.rates.read, rates.read),
            written: both(sum.rates.written, rates.written),
        },
    }
}

/// How a host has answered.
#[derive(Clone, Copy, Debug, Default)]
struct Host {
    failures: u32,
    not_before: TimeMs,
}

/// How often what is on the screen is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// A page about figures.
    #[default]
    Page,
    /// A list that has figures among other columns.
    List,
}

impl Pace {
    fn every_ms(self) -> u64 {
        match self {
            Self::Page => EVERY_MS,
            Self::List => LIST_EVERY_MS,
        }
    }

    fn rest_ms(self) -> u64 {
        match self {
            Self::Page => 0,
            Self::List => LIST_REST_MS,
        }
    }
}

/// What was sampled, and what is being sampled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pace: Pace,
    books: HashMap<TaskId, Book>,
    hosts: HashMap<InstanceName, Host>,
    /// When something that is wanted becomes due.
    pub wakes_at: Option<TimeMs>,
    /// Grows with every answer.
    pub edition: u64,
}

/// What is to be asked for, and what no longer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    pub begin: Vec<(Ticket, TaskId)>,
    pub give_up: Vec<Ticket>,
}

impl Usage {
    /// What is known of a task.
    pub(crate) fn book(&self, task: TaskId) -> Option<&Book> {
        self.books.get(&task)
    }

    /// Whether nothing is known and nothing under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.books.is_empty()
    }

    /// Brings what is under way in line with what is on the screen.
    pub(crate) fn want(
        &mut self,
        wanted: &[(TaskId, InstanceName)],
        pace: Pace,
        now: TimeMs,
        tickets: &mut Ticket,
    ) -> Asks {
        let mut asks = Asks::default();
        let hurries = self.pace == Pace::List && pace == Pace::Page;
        self.pace = pace;
        for (task, _) in wanted.iter().take(BOOKS_MAX) {
            let due = now.plus_ms(pace.rest_ms());
            let fresh = || Book {
                due,
                ..Book::default()
            };
            let book = self.books.entry(*task).or_insert_with(fresh);
            book.seen = now;
            // The clock may have been set back.
            book.due = book.due.min(now.plus_ms(pace.every_ms() + JITTER_MS));
            if hurries {
                book.due = book.due.min(now);
            }
        }
        let shown: HashSet<TaskId> = wanted.iter().map(|(task, _)| *task).collect();
        let gone = self
            .books
            .iter_mut()
            .filter(|(task, _)| !shown.contains(task));
        for (_, book) in gone {
            asks.give_up
                .extend(book.asked.take().map(|(ticket, _)| ticket));
        }
        self.forget(now);
        self.wakes_at = None;
        let mut busy: HashMap<InstanceName, usize> = HashMap::new();
        for (_, host) in self.books.values().filter_map(|book| book.asked.as_ref()) {
            *busy.entry(host.clone()).or_default() += 1;
        }
        let mut all: usize = busy.values().sum();
        // Whoever has waited longest comes first, so that everybody gets a turn at a slow host.
        let mut turns: Vec<&(TaskId, InstanceName)> = wanted.iter().collect();
        turns.sort_by_key(|(task, _)| self.books.get(task).map(|book| book.due));
        for (task, host) in turns {
            let Some(book) = self.books.get_mut(task).filter(|book| book.asked.is_none()) else {
                continue;
            };
            let spared = self
                .hosts
                .get(host)
                .map_or(TimeMs(0), |host| host.not_before);
            let due = book.due.max(spared);
            if due > now {
                self.wakes_at = Some(self.wakes_at.map_or(due, |at| at.min(due)));
                continue;
            }
            // What finds no place now is asked for when an answer makes one.
            let here = busy.entry(host.clone()).or_default();
            if *here < HOST_MAX && all < ALL_MAX {
                *here += 1;
                all += 1;
                *tickets += 1;
                book.asked = Some((*tickets, host.clone()));
                asks.begin.push((*tickets, *task));
            }
        }
        asks
    }

    /// Takes an answer in; `false` if nobody waits for it any more.
    pub(crate) fn took(
        &mut self,
        now: TimeMs,
        ticket: Ticket,
        samples: Result<Vec<(ContainerName, StatsSample)>, String>,
    ) -> bool {
        let mut books = self.books.iter_mut();
        let asked = |book: &Book| book.asked.as_ref().is_some_and(|(of, _)| *of == ticket);
        let Some((task, book)) = books.find(|(_, book)| asked(book)) else {
            return false;
        };
        let Some((_, name)) = book.asked.take() else {
            return false;
        };
        self.edition += 1;
        let host = self.hosts.entry(name).or_default();
        book.due = now.plus_ms(self.pace.every_ms() + (task.0 % u128::from(JITTER_MS)) as u64);
        match samples {
            Ok(samples) => {
                *host = Host::default();
                book.took(now, samples);
            }
            Err(why) => {
                let wait = AFTER_ERROR_MS << host.failures.min(DOUBLINGS_MAX);
                host.failures = host.failures.saturating_add(1);
                host.not_before = now.plus_ms(wait);
                book.error = Some(why);
            }
        }
        true
    }

    /// Lets go of what was not on the screen for long, and of the oldest if it is too much.
    fn forget(&mut self, now: TimeMs) {
        self.books
            .retain(|_, book| now.since_ms(book.seen) <= KEPT_MS);
        while self.books.len() > BOOKS_MAX {
            let oldest = self.books.iter().min_by_key(|(_, book)| book.seen);
            let Some(task) = oldest.map(|(task, _)| *task) else {
                return;
            };
            self.books.remove(&task);
        }
        let counts = |host: &Host| host.failures > 0 && now.since_ms(host.not_before) <= KEPT_MS;
        self.hosts.retain(|_, host| counts(host));
    }
}

/// Whose tasks a page of figures is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Service(ServiceKey),
    Instance(InstanceName),
}

/// What the tasks are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Task,
    Cpu,
    Memory,
    Network,
    Disk,
}

impl Order {
    /// The next one, round and round.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Task => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Network,
            Self::Network => Self::Disk,
            Self::Disk => Self::Task,
        }
    }

    /// What counts of a task's newest sample; the most comes first, the unknown last.
    pub(crate) fn of(self, point: &Point) -> Option<f64> {
        let both = |a, b| Some(point.get(a)? + point.get(b)?);
        match self {
            Self::Task => None,
            Self::Cpu => point.get(Measure::Cpu),
            Self::Memory => point.get(Measure::Memory),
            Self::Network => both(Measure::Received, Measure::Sent),
            Self::Disk => both(Measure::Read, Measure::Written),
        }
    }
}

/// The figures of a service's or an instance's tasks.
#[derive(Clone, Debug)]
pub(crate) struct StatsPage {
    pub scope: Scope,
    pub order: Order,
    pub list: List<TaskId>,
    /// Its tasks, in order.
    pub rows: Vec<TaskId>,
    /// Which fleet, figures and order they were chosen by.
    pub chosen_by: Option<(u64, u64, Order)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str) -> InstanceName {
        InstanceName::new(name).unwrap()
    }

    fn sample(at: u64, received: u64) -> Vec<(ContainerName, StatsSample)> {
        let sample = StatsSample {
            at: TimeMs(at),
            cpu_units: 256.0,
            rx_bytes: received,
            ..StatsSample::default()
        };
        vec![(ContainerName::new("app").unwrap(), sample)]
    }

    fn wanted(tasks: u128, name: &str) -> Vec<(TaskId, InstanceName)> {
        (1..=tasks).map(|n| (TaskId(n), host(name))).collect()
    }

    #[test]
    fn a_host_has_few_samples_under_way_and_every_task_gets_its_turn() {
        let (mut usage, mut tickets) = (Usage::default(), 0);
        let all = wanted(5, "a");
        let mut turns: HashMap<TaskId, u32> = HashMap::new();
        let mut now = TimeMs(1_000);
        let mut under_way = Vec::new();
        for _ in 0..40 {
            under_way.extend(usage.want(&all, Pace::Page, now, &mut tickets).begin);
            assert!(under_way.len() <= HOST_MAX, "{under_way:?}");
            if !under_way.is_empty() {
                let (ticket, task) = under_way.remove(0);
                *turns.entry(task).or_default() += 1;
                assert!(usage.took(now, ticket, Ok(sample(now.0, 0))));
            }
            now = now.plus_ms(500);
        }
        assert_eq!(turns.len(), 5);
        assert!(turns.values().all(|n| *n >= 4), "{turns:?}");
    }

    #[test]
    fn a_host_that_fails_is_asked_less_and_less_and_others_as_before() {
        let (mut usage, mut tickets) = (Usage::default(), 0);
        let mut all = wanted(1, "dead");
        all.push((TaskId(9), host("well")));
        let mut asked = HashMap::new();
        for second in 0..200 {
            let now = TimeMs(second * 1_000);
            for (ticket, task) in usage.want(&all, Pace::Page, now, &mut tickets).begin {
                asked.entry(task).or_insert_with(Vec::new).push(second);
                let answer = match task {
                    TaskId(9) => Ok(sample(now.0, 0)),
                    _ => Err("no answer".to_owned()),
                };
                usage.took(now, ticket, answer);
            }
        }
        assert_eq!(asked[&TaskId(1)], [0, 10, 30, 70, 150]);
        assert!(asked[&TaskId(9)].len() >= 50);
        assert_eq!(
            usage.book(TaskId(1)).unwrap().error.as_deref(),
            Some("no answer")
        );
    }

    #[test]
    fn what_leaves_the_screen_is_given_up_and_kept_for_a_while() {
        let (mut usage, mut tickets) = (Usage::default(), 0);
        let all = wanted(1, "a");
        let begun = usage.want(&all, Pace::Page, TimeMs(0), &mut tickets).begin;
        assert!(usage.took(TimeMs(0), begun[0].0, Ok(sample(1, 0))));
        let again = usage
            .want(&all, Pace::Page, TimeMs(5_000), &mut tickets)
            .begin;
        let asks = usage.want(&[], Pace::Page, TimeMs(6_000), &mut tickets);
        assert_eq!(asks.give_up, [again[0].0]);
        assert!(
            !usage.took(TimeMs(6_000), again[0].0, Ok(sample(2, 0))),
            "nobody waits"
        );
        assert!(
            usage
                .book(TaskId(1))
                .is_some_and(|book| book.sum.last().is_some())
        );
        assert_eq!(usage.wakes_at, None, "nothing is due");
        usage.want(&[], Pace::Page, TimeMs(6_000 + KEPT_MS), &mut tickets);
        assert!(usage.is_empty());
    }

    #[test]
    fn columns_are_by_time_and_empty_where_nothing_was_known() {
        let mut book = Book::default();
        for (at, received) in [(0, 0), (3_000, 3_000), (6_000, 9_000), (30_000, 1)] {
            book.took(TimeMs(at), sample(at + 1, received));
        }
        let now = TimeMs(30_500);
        let columns = book.sum.columns(Measure::Cpu, now, 12);
        let known: Vec<bool> = columns.iter().map(Option::is_some).collect();
        let (yes, no) = (true, false);
        assert_eq!(
            known,
            [no, yes, yes, yes, yes, no, no, no, no, no, no, yes],
            "held for a moment, then unknown: {columns:?}"
        );
        let received = book.sum.columns(Measure::Received, now, 12);
        assert_eq!(received[3], Some(2_000.0), "{received:?}");
        assert_eq!(received[11], None, "the counter went back: it started anew");
        assert!(book.sum.fresh(TimeMs(38_000)).is_some());
        assert!(
            book.sum.fresh(TimeMs(38_001)).is_none(),
            "old, and not shown as new"
        );
        // The clock of this machine is set back.
        book.took(TimeMs(10), sample(40_000, 2));
        assert_eq!(book.sum.points.len(), 1);
    }

    #[test]
    fn a_row_that_scrolls_past_is_not_sampled_and_one_that_rests_is_seldom() {
        let (mut usage, mut tickets) = (Usage::default(), 0);
        let one = wanted(1, "a");
        let none = |asks: Asks| asks.begin.is_empty();
        assert!(none(usage.want(
            &one,
            Pace::List,
            TimeMs(1_000),
            &mut tickets
        )));
        assert_eq!(usage.wakes_at, Some(TimeMs(1_000 + LIST_REST_MS)));
        let rested = TimeMs(1_000 + LIST_REST_MS);
        let begun = usage.want(&one, Pace::List, rested, &mut tickets).begin;
        assert_eq!(begun.len(), 1);
        assert!(usage.took(rested, begun[0].0, Ok(sample(1, 0))));
        let later = rested.plus_ms(LIST_EVERY_MS - 1);
        assert!(none(usage.want(&one, Pace::List, later, &mut tickets)));
        // A page about figures does not wait for the list's turn.
        let begun = usage.want(&one, Pace::Page, later, &mut tickets).begin;
        assert_eq!(begun.len(), 1);
        let book = usage.book(TaskId(1)).unwrap();
        assert!(
            book.sum
                .within(LIST_FRESH_MS, rested.plus_ms(LIST_FRESH_MS))
                .is_some()
        );
        let old = rested.plus_ms(LIST_FRESH_MS + 1);
        assert!(book.sum.within(LIST_FRESH_MS, old).is_none());
    }
}
