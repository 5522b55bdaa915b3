//! Zone rebalancing: moves a service's tasks from the fullest zone to the emptiest, one started
//! before one is stopped.
//!
//! It begins only where a service is at rest, and makes a move only where the zones' counts then
//! differ by less: two more tasks in the zone that loses one than in the zone that gains one. So
//! it comes to an end, whatever the numbers are. An instance that has just come back is left
//! alone for [`REBALANCE_WAIT_MS`], unless a person asked. A task that it started and that fails
//! has cost nothing: none was stopped for it, and the next try waits a minute, then two, up to an
//! hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::index::Index;
use super::plan::Plan;
use super::reconcile::{Member, Place};
use super::rollout::{Search, Turn};
use super::scale_in::ScaleIn;
use super::words;
use crate::model::id::IdSource;
use crate::model::service::{Rebalance, ZoneRebalancing};
use crate::model::task_definition::TaskDefinition;
use crate::model::{ClusterName, Connection, State, TaskId, TimeMs, grants, validate};

/// How long an instance must have answered before tasks are moved to it, in milliseconds.
pub const REBALANCE_WAIT_MS: u64 = 60_000;
/// So many tasks of a service are moved at once, at most; a tenth of it, and one at least.
const AT_ONCE_MAX: u32 = 10;
/// After so many failures in a row it goes on by itself only, if at all.
const GIVEN_UP: u32 = 3;

/// The zones of each cluster that have an instance which takes tasks and answers.
pub(super) struct Zones(BTreeMap<ClusterName, BTreeSet<String>>);

impl Zones {
    pub fn new(index: &Index) -> Self {
        let mut zones: BTreeMap<ClusterName, BTreeSet<String>> = BTreeMap::new();
        let instances = index.nodes.iter().map(|node| &node.instance);
        for instance in instances.filter(|it| it.takes_tasks()) {
            let of = match zones.get_mut(&instance.cluster) {
                Some(of) => of,
                None => zones.entry(instance.cluster.clone()).or_default(),
            };
            if !of.contains(instance.zone()) {
                of.insert(instance.zone().to_owned());
            }
        }
        Self(zones)
    }
}

/// How many tasks of a service each zone has.
pub(super) type Counts = BTreeMap<String, u32>;

fn balanced(counts: &Counts) -> bool {
    let most = counts.values().max().copied().unwrap_or(0);
    let least = counts.values().min().copied().unwrap_or(0);
    most.saturating_sub(least) < 2
}

fn zone_of(index: &Index, node: Option<usize>) -> &str {
    let node = node.and_then(|at| index.nodes.get(at));
    node.map_or("", |node| node.instance.zone())
}

impl Turn<'_> {
    /// The tasks started above the desired count whose counterparts are not to be stopped yet: they
    /// do not serve, or have not for long enough. Where the service has another number of tasks
    /// than that explains, they are tasks like all others from now on. And whether there are some
    /// whose counterparts are to be stopped now.
    pub(super) fn open_extra(&mut self, now: TimeMs) -> (BTreeSet<TaskId>, bool) {
        let keepers = self.keepers();
        let Some(rebalance) = &mut self.service.rebalance else {
            return (BTreeSet::new(), false);
        };
        let keeper = |m: &&Member<'_>| m.wanted() && m.place == Place::Keeper;
        let members = self.members.iter().filter(keeper);
        let there: Vec<&Member<'_>> = members
            .filter(|m| rebalance.extra.contains(&m.task.id))
            .collect();
        let count = u32::try_from(there.len()).unwrap_or(u32::MAX);
        if keepers != self.service.desired_count.saturating_add(count) {
            rebalance.extra.clear();
            return (BTreeSet::new(), false);
        }
        if there.iter().any(|m| m.serving() && m.proves_at() <= now) {
            rebalance.failures = 0;
        }
        let open = there.iter().filter(|m| !m.serving() || m.proves_at() > now);
        rebalance.extra = open.map(|m| m.task.id).collect();
        let done = rebalance.extra.len() < there.len();
        (rebalance.extra.clone(), done)
    }

    /// Starts tasks in zones that have fewer than others, if nothing else is to be done.
    pub(super) fn rebalance(
        &mut self,
        plan: &mut Plan,
        state: &State,
        index: &mut Index,
        zones: &Zones,
        (now, ids): (TimeMs, &mut IdSource),
    ) {
        // A person is not kept waiting for what fails again and again.
        let given_up = |it: &&mut Rebalance| it.failures >= GIVEN_UP;
        if let Some(rebalance) = self.service.rebalance.as_mut().filter(given_up) {
            rebalance.asked_at = None;
        }
        let asked = self.service.rebalance.as_ref().and_then(|r| r.asked_at);
        let wished = asked.is_some()
            || self.service.availability_zone_rebalancing == ZoneRebalancing::Enabled;
        if !wished || validate::cannot_rebalance(&self.service).is_some() {
            let done = |r: &Rebalance| r.extra.is_empty();
            if self.service.rebalance.as_ref().is_some_and(done) {
                self.service.rebalance = None;
            }
            return;
        }
        if !self.at_rest() {
            return;
        }
        let mut counts = self.zone_counts(index, zones);
        let told = counts.clone();
        let tried = self.service.rebalance.as_ref().map(|it| it.until);
        let until = tried.into_iter().chain([self.service.backoff.until]).max();
        let until = until.unwrap_or_default();
        let mut waits = false;
        if !balanced(&counts) {
            if until > now {
                plan.wake(until);
                return;
            }
            let wait = if asked.is_some() {
                0
            } else {
                REBALANCE_WAIT_MS
            };
            let later = self.move_tasks(state, index, &mut counts, wait, (now, ids));
            later.into_iter().for_each(|at| plan.wake(at));
            // What is tried last now may be the place for a move then.
            if let Some(at) = self
                .failures
                .first_ends()
                .filter(|_| self.starts.is_empty())
            {
                plan.wake(at);
            }
            waits = later.is_some();
        }
        let extra: BTreeSet<TaskId> = self.starts.iter().map(|task| task.id).collect();
        if extra.is_empty() && waits {
            return;
        }
        let before = self.service.rebalance.take();
        let failures = before.as_ref().map_or(0, |it| it.failures);
        let begun = before.as_ref().is_some_and(|r| r.begun_at.is_some());
        if !extra.is_empty() {
            if !begun {
                plan.events
                    .push(words::unbalanced(&self.service, &told, now));
            }
            self.service.rebalance = Some(Rebalance {
                asked_at: asked,
                begun_at: before.and_then(|r| r.begun_at).or(Some(now)),
                extra,
                failures,
                until: TimeMs::default(),
            });
        } else if before.is_some() {
            let (even, last) = (balanced(&told), self.failures.hosts());
            plan.events
                .push(words::rebalanced(&self.service, &told, even, &last, now));
        }
    }

    fn zone_counts(&self, index: &Index, zones: &Zones) -> Counts {
        let all = zones.0.get(&self.service.cluster).into_iter().flatten();
        let mut counts: Counts = all.map(|zone| (zone.clone(), 0)).collect();
        for member in self.members.iter().filter(|m| m.wanted()) {
            let zone = zone_of(index, member.node);
            match counts.get_mut(zone) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(zone.to_owned(), 1);
                }
            }
        }
        counts
    }

    /// Starts what should move, each in the place that placement would choose. When to look
    /// again, where an instance has not answered for long enough.
    fn move_tasks(
        &mut self,
        state: &State,
        index: &mut Index,
        counts: &mut Counts,
        wait_ms: u64,
        (now, ids): (TimeMs, &mut IdSource),
    ) -> Option<TimeMs> {
        let primary = self.service.primary()?;
        let definition = state.task_definitions.get(&primary.task_definition)?;
        if !grants::missing(&state.roles, definition, None).is_empty() {
            return None;
        }
        let mut later = None;
        let mut ways = self.ways(state, index, definition);
        for way in 0..ways.len() {
            // What a move would stop, in its order.
            let mut leavers = self.leavers(index, way).into_iter();
            while self.may_move() {
                let Some(search) = ways.get_mut(way) else {
                    break;
                };
                let best = settled_best(index, search, counts, (wait_ms, now));
                let (Some((node, why)), Some(leaver)) = (best, leavers.next()) else {
                    break;
                };
                let (from, to) = (zone_of(index, leaver), zone_of(index, Some(node)));
                if !worth_it(counts, from, to) {
                    break;
                }
                if let Some(at) = settled_at(index, node, wait_ms).filter(|at| *at > now) {
                    later = later.into_iter().chain([at]).min();
                    break;
                }
                let why = format!("zone rebalancing: {from} had more; {why}").into();
                let (from, to) = (from.to_owned(), to.to_owned());
                counts.entry(from).and_modify(|count| *count -= 1);
                *counts.entry(to).or_default() += 1;
                let (place, born) = ((node, why), (ids.task_id(), now));
                self.start_extra(index, &mut ways, way, definition, place, born);
            }
        }
        later
    }

    fn start_extra(
        &mut self,
        index: &mut Index,
        ways: &mut [Search],
        way: usize,
        definition: &TaskDefinition,
        place: (usize, Arc<str>),
        born: (TaskId, TimeMs),
    ) {
        let node = place.0;
        if let Some(search) = ways.get_mut(way) {
            self.start_on(index, search, definition, place, born);
        }
        for (_, other) in ways.iter_mut().enumerate().filter(|(at, _)| *at != way) {
            other.ranker.placed(node);
        }
    }

    /// Whether one more may be started above the desired count.
    fn may_move(&self) -> bool {
        let at_once = (self.service.desired_count / 10).clamp(1, AT_ONCE_MAX);
        let started = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        started < at_once && self.occupancy() < self.ceiling()
    }

    /// The nodes of the tasks that a move would stop, of those that a capacity provider has; of all
    /// without one.
    fn leavers(&self, index: &Index, way: usize) -> Vec<Option<usize>> {
        let any = self.service.capacity_provider_strategy.is_empty();
        let among = self.which(|m| m.may_go() && (any || self.item_of(m.task) == Some(way)));
        let most = among.len().min(AT_ONCE_MAX as usize);
        let mut choice = ScaleIn::new(index, self, &among).by_zones();
        let chosen = choice.take(&among, most).into_iter();
        chosen
            .map(|at| self.members.get(at).and_then(|m| m.node))
            .collect()
    }
}

/// Whether the zones are nearer to each other after a move.
fn worth_it(counts: &Counts, from: &str, to: &str) -> bool {
    let count = |zone| counts.get(zone).copied().unwrap_or(0);
    count(from) >= count(to).saturating_add(2)
}

/// The best node; where that has not answered for long enough, the next best that has, if its
/// zone has no more tasks.
fn settled_best(
    index: &Index,
    search: &mut Search,
    counts: &Counts,
    (wait_ms, now): (u64, TimeMs),
) -> Option<(usize, Arc<str>)> {
    let (best, why) = search.ranker.best(index, &search.ask)?;
    let settled = |node| settled_at(index, node, wait_ms).is_none_or(|at| at <= now);
    if settled(best) {
        return Some((best, why));
    }
    let count = |node| counts.get(zone_of(index, Some(node))).copied().unwrap_or(0);
    let mut others = search.ranker.order(index).into_iter();
    let other = others.find(|(node, _)| settled(*node) && count(*node) <= count(best));
    Some(other.map_or((best, why), |(node, why)| (node, why.into())))
}

/// From when on an instance has answered for long enough; `None` if it is of no matter.
fn settled_at(index: &Index, node: usize, wait_ms: u64) -> Option<TimeMs> {
    match index.nodes.get(node)?.instance.connection {
        Connection::Connected { since } if wait_ms > 0 => Some(since.plus_ms(wait_ms)),
        _ => None,
    }
}
