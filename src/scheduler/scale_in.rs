//! Which of a service's tasks stop first: the mirror of placement.
//!
//! Those not yet RUNNING go first, then those that run and do not serve, then those that serve;
//! within each, first what stands on no known instance, then what stands on a bad host of its
//! revision. Beyond that the service's own strategies decide, in their listed order: `spread` takes where the most
//! tasks are, `binpack` from the instance with the most left free, so that packed ones stay
//! packed, `random` draws. Of equals, the instance with the most tasks in all gives its newest.
//!
//! Every choice counts for the next one: the task counts for no spread any more, and what it holds
//! counts as free. So `binpack` goes on with the instance that it began to empty; and because
//! that is so of every task whose stop is asked for, taking four tasks is the same as taking two
//! and, before their stop is confirmed, two more.
//!
//! As with the ranker of placement, instances that are alike in all that a spread shares are one
//! bucket. Only the chosen task's instance changes within its bucket; a bucket as a whole can
//! only lose by another's choice, so its place among the buckets is put right when it comes up.
//! A choice costs the logarithm of the number of instances, and a look at the buckets that share a
//! value with the chosen task's: none, for one spread over zones.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::index::Index;
use super::node::Node;
use super::rank::hash;
use super::reconcile::{Member, Place};
use super::rollout::Turn;
use super::strategy::{Measure, STRATEGIES_MAX, measures};
use crate::model::{InstanceName, LastStatus, Resources, TaskId, TimeMs};

/// How much there is of what each strategy looks at, then the tasks in all; the most goes first.
type Key = [u64; STRATEGIES_MAX + 1];

/// A task that may go, on its instance; of equals, the newest goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Drawn, where a strategy draws.
    lot: u64,
    age: (TimeMs, TaskId),
    /// Its place among the members.
    member: usize,
}

/// An instance's next candidate against those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    key: Key,
    age: (TimeMs, TaskId),
    host: usize,
}

/// One instance with tasks of the service, as if what leaves it had left.
#[derive(Debug, Default)]
struct Host {
    /// Which of `counts` it belongs to, for each strategy that spreads over what instances share.
    shared: Vec<Option<usize>>,
    /// The hosts that share all of it.
    bucket: usize,
    /// How many tasks of the service spreading counts here.
    counted: u64,
    free_cpu: i128,
    free_memory: i128,
    tasks: u32,
}

impl Host {
    fn new(node: &Node) -> Self {
        let mut host = Self {
            free_cpu: i128::from(node.room.cpu.0) - i128::from(node.used_cpu.0),
            free_memory: i128::from(node.room.memory.0) - i128::from(node.used_memory.0),
            tasks: node.tasks,
            ..Self::default()
        };
        node.leaving().for_each(|task| host.leaves(&task.resources));
        host
    }

    fn leaves(&mut self, resources: &Resources) {
        self.free_cpu += i128::from(resources.cpu.0);
        self.free_memory += i128::from(resources.memory.0);
        self.tasks = self.tasks.saturating_sub(1);
    }
}

/// Chooses tasks of one service to stop, one after the other.
#[derive(Debug)]
pub(crate) struct ScaleIn<'t> {
    members: &'t [Member<'t>],
    measures: Vec<Measure>,
    bad: BTreeSet<InstanceName>,
    /// How many tasks each value has that a spread shares.
    counts: Vec<u64>,
    hosts: Vec<Host>,
    host_of: BTreeMap<Option<usize>, usize>,
    buckets: BTreeMap<Vec<Option<usize>>, usize>,
}

impl Turn<'_> {
    /// Picks `count` of `among` to stop, in the order in which they should.
    pub fn scale_in(&self, index: &Index, among: &[usize], count: usize) -> Vec<usize> {
        if count == 0 || among.is_empty() {
            return Vec::new();
        }
        ScaleIn::new(index, self, among).take(among, count)
    }
}

impl<'t> ScaleIn<'t> {
    /// For choices among these members. Spreading counts the service's wanted tasks of their
    /// kinds, protected ones too: those to be kept, say, and not those that a deployment
    /// replaces anyway.
    pub fn new(index: &Index, turn: &'t Turn<'t>, among: &[usize]) -> Self {
        let members = &turn.members;
        let mut kinds: Vec<Place> = among
            .iter()
            .filter_map(|&at| Some(members.get(at)?.place))
            .collect();
        kinds.dedup();
        let mut this = Self {
            members,
            measures: measures(&turn.service.placement_strategy),
            bad: turn.failures.hosts(),
            counts: Vec::new(),
            hosts: Vec::new(),
            host_of: BTreeMap::new(),
            buckets: BTreeMap::new(),
        };
        let mut values = BTreeMap::new();
        for member in members {
            if !member.wanted() || !kinds.contains(&member.place) {
                continue;
            }
            let at = match this.host_of.get(&member.node) {
                Some(at) => *at,
                None => this.add_host(index, member.node, &mut values),
            };
            if let Some(host) = this.hosts.get_mut(at) {
                host.counted += 1;
                for value in host.shared.iter().flatten() {
                    if let Some(count) = this.counts.get_mut(*value) {
                        *count += 1;
                    }
                }
            }
        }
        this
    }

    /// For a move to another zone: bad hosts do not go first. What a zone gains is to come from the
    /// fullest, not from where tasks fail.
    pub fn by_zones(mut self) -> Self {
        self.bad.clear();
        self
    }

    /// `values` are those met so far, by the strategy that spreads over them.
    fn add_host<'i>(
        &mut self,
        index: &'i Index,
        node: Option<usize>,
        values: &mut BTreeMap<(usize, &'i str), usize>,
    ) -> usize {
        let at = self.hosts.len();
        self.host_of.insert(node, at);
        let node = node.and_then(|at| index.nodes.get(at));
        let mut host = node.map_or_else(Host::default, Host::new);
        for (strategy, measure) in self.measures.iter().enumerate() {
            let Measure::Spread(field) = measure else {
                host.shared.push(None);
                continue;
            };
            let value = node.and_then(|node| node.instance.attribute(field));
            let next = self.counts.len();
            let value = *values
                .entry((strategy, value.unwrap_or_default()))
                .or_insert(next);
            if value == next {
                self.counts.push(0);
            }
            host.shared.push(Some(value));
        }
        let next = self.buckets.len();
        host.bucket = *self.buckets.entry(host.shared.clone()).or_insert(next);
        self.hosts.push(host);
        at
    }

    /// Picks `count` of these members, in the order in which they should stop. What was picked
    /// before counts as gone.
    pub fn take(&mut self, among: &[usize], count: usize) -> Vec<usize> {
        let mut classes: BTreeMap<(u8, u8), Vec<usize>> = BTreeMap::new();
        for &at in among {
            if let Some(member) = self.members.get(at) {
                classes.entry(self.class(member)).or_default().push(at);
            }
        }
        let mut chosen = Vec::new();
        for class in classes.values() {
            self.take_of(class, count, &mut chosen);
        }
        chosen
    }

    /// The smaller, the sooner it goes.
    fn class(&self, member: &Member<'_>) -> (u8, u8) {
        let stage = match member.task.last_status {
            LastStatus::Running if member.serving() => 2,
            LastStatus::Running => 1,
            _ => 0,
        };
        // Failures are counted for the revision that is wanted; they say nothing of another.
        let bad = member.place == Place::Keeper && self.bad.contains(&member.task.instance);
        let standing = match member.node {
            None => 0,
            Some(_) if bad => 1,
            Some(_) => 2,
        };
        (stage, standing)
    }

    /// Goes on choosing, within one class, until `count` are chosen.
    fn take_of(&mut self, class: &[usize], count: usize, chosen: &mut Vec<usize>) {
        let mut queues = self.queues(class);
        let mut buckets = vec![BinaryHeap::new(); self.buckets.len()];
        for (&host, queue) in &queues {
            let bucket = self.hosts.get(host).map_or(0, |host| host.bucket);
            let offer = queue.last().map(|next| self.offer(host, next));
            if let Some(bucket) = buckets.get_mut(bucket) {
                bucket.extend(offer);
            }
        }
        let tops = buckets.iter().enumerate();
        let tops = tops.filter_map(|(at, bucket)| Some((self.share(*bucket.peek()?), at)));
        let mut tops: BinaryHeap<(Offer, usize)> = tops.collect();
        while chosen.len() < count
            && let Some((stood, at)) = tops.pop()
        {
            let Some((bucket, best)) = buckets
                .get_mut(at)
                .and_then(|bucket| bucket.peek().copied().map(|best| (bucket, best)))
            else {
                continue;
            };
            let stands = self.share(best);
            if stands < stood {
                tops.push((stands, at));
                continue;
            }
            bucket.pop();
            if let Some(queue) = queues.get_mut(&best.host) {
                if let Some(candidate) = queue.pop() {
                    self.gone(best.host, candidate.member);
                    chosen.push(candidate.member);
                }
                bucket.extend(queue.last().map(|next| self.offer(best.host, next)));
            }
            tops.extend(bucket.peek().map(|best| (self.share(*best), at)));
        }
    }

    /// The candidates of each host, the one that goes first at the end.
    fn queues(&self, class: &[usize]) -> BTreeMap<usize, Vec<Candidate>> {
        let draws = self.measures.contains(&Measure::Lot);
        let mut queues: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
        for &at in class {
            let Some(member) = self.members.get(at) else {
                continue;
            };
            let id = member.task.id;
            let candidate = Candidate {
                lot: if draws { lot(id) } else { 0 },
                age: (member.task.created_at, id),
                member: at,
            };
            if let Some(host) = self.host_of.get(&member.node) {
                queues.entry(*host).or_default().push(candidate);
            }
        }
        queues.values_mut().for_each(|queue| queue.sort_unstable());
        queues
    }

    /// How a candidate stands, as far as it does not share that with other hosts.
    fn offer(&self, at: usize, next: &Candidate) -> Offer {
        let mut key = Key::default();
        if let Some(host) = self.hosts.get(at) {
            let free = |amount: i128| u64::try_from(amount.max(0)).unwrap_or(u64::MAX);
            let own = self.measures.iter().map(|measure| match measure {
                Measure::Spread(_) => 0,
                Measure::SpreadNodes(_) => host.counted,
                Measure::FreeCpu => free(host.free_cpu),
                Measure::FreeMemory => free(host.free_memory),
                Measure::Lot => next.lot,
            });
            for (slot, value) in key.iter_mut().zip(own) {
                *slot = value;
            }
            key[STRATEGIES_MAX] = u64::from(host.tasks);
        }
        Offer {
            key,
            age: next.age,
            host: at,
        }
    }

    /// An offer with what its host shares.
    fn share(&self, mut offer: Offer) -> Offer {
        let shared = self.hosts.get(offer.host).map(|host| host.shared.iter());
        for (slot, value) in offer.key.iter_mut().zip(shared.into_iter().flatten()) {
            if let Some(count) = value.and_then(|value| self.counts.get(value)) {
                *slot = *count;
            }
        }
        offer
    }

    fn gone(&mut self, host: usize, member: usize) {
        let (Some(host), Some(member)) = (self.hosts.get_mut(host), self.members.get(member))
        else {
            return;
        };
        host.counted = host.counted.saturating_sub(1);
        host.leaves(&member.task.resources);
        for value in host.shared.iter().flatten() {
            if let Some(count) = self.counts.get_mut(*value) {
                *count = count.saturating_sub(1);
            }
        }
    }
}

/// A task's lot. Ids are drawn from the seed, and a task keeps its own, so runs replay and two
/// passes agree.
pub(super) fn lot(task: TaskId) -> u64 {
    hash(0, &task.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use crate::model::service::{PlacementStrategy, PlacementStrategyKind};
    use crate::model::{Change, State};
    use crate::scheduler::{fixture, plan};

    /// A service of that many RUNNING tasks, all alike, dealt out to the instances in turn.
    fn service_of(state: &mut State, tasks: usize, wants: u32, fields: &[&str]) {
        let definition = fixture::definition("web", 1, 1, 1, &[]);
        let mut service = fixture::service("web", wants);
        service.deployments[0].rollout_state = crate::model::RolloutState::Completed;
        service.placement_strategy = fields
            .iter()
            .map(|field| PlacementStrategy {
                kind: PlacementStrategyKind::Spread,
                field: Some((*field).to_owned()),
            })
            .collect();
        let deployment = service.deployments[0].id.clone();
        let instances: Vec<_> = state.instances.keys().cloned().collect();
        let mut ids = fixture::ids();
        for instance in instances.iter().cycle().take(tasks) {
            let id = ids.task_id();
            let mut task = fixture::task(id, "web", &definition, instance.as_str());
            task.service = Some(service.name.clone());
            task.deployment = Some(deployment.clone());
            state.apply(&Change::Task(task.into()));
        }
        state.apply(&Change::TaskDefinition(definition.into()));
        state.apply(&Change::Service(service.into()));
    }

    /// How many instances have how many tasks that stay.
    fn left(state: &State) -> BTreeMap<usize, usize> {
        let plan = plan(state, fixture::START, &mut fixture::ids());
        let stops: BTreeSet<_> = plan.stops.iter().map(|stop| stop.task).collect();
        let mut tasks: BTreeMap<_, usize> = BTreeMap::new();
        for task in state.tasks.values() {
            let stays = !stops.contains(&task.id);
            *tasks.entry(&task.instance).or_default() += usize::from(stays);
        }
        let mut instances = BTreeMap::new();
        for count in tasks.into_values() {
            *instances.entry(count).or_default() += 1;
        }
        instances
    }

    /// Also where every instance is a bucket of its own and shares a value with many.
    #[test]
    fn half_of_a_large_service_goes_evenly() {
        let zone = |n: usize| ["a", "b", "c", "d"][n % 4];
        let strategies: [&[&str]; 3] = [
            &[],
            &["instanceId", "attribute:rack"],
            &["availabilityZone", "attribute:rack"],
        ];
        for fields in strategies {
            let instances = (0..1000).map(|n| {
                let rack = format!("r{n}");
                let with = [("rack", rack.as_str())];
                fixture::instance(&format!("i{n:04}"), zone(n), 100, 100, &with)
            });
            let mut state = fixture::state(instances);
            service_of(&mut state, 10_000, 5_000, fields);
            assert_eq!(left(&state), BTreeMap::from([(5, 1000)]), "{fields:?}");
        }
    }
}
