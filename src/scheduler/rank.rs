//! Which of the instances that fit is the best one: those tried last after all others, then the
//! strategies in their listed order, then the fewest tasks overall, then a hash of (seed, group,
//! instance), so that runs replay.
//!
//! A [`Ranker`] keeps the nodes that fit in order, and looks again only at those that changed
//! since it last looked. Its key of a node is the comparison written out, with zero where a
//! spread counts what several nodes share; nodes that share all of that are one bucket, ordered
//! by their keys, and only the best of each bucket stands in the order of buckets. So a placement
//! costs the logarithm of the number of instances, and re-keys the buckets that share a value
//! with the chosen node: one, for one spread over zones. `random` draws among all that fit.

mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::feasible::Ask;
use super::index::Index;
use super::node::Node;
use super::strategy::{Measure, STRATEGIES_MAX, measures};
use crate::model::Instance;
use crate::model::id::mix;
use crate::model::service::PlacementStrategy;

pub(crate) use words::whose;

/// Where the fewest tasks overall stand in a key: after whether it is tried last, and the
/// strategies.
const TASKS_AT: usize = STRATEGIES_MAX + 1;
/// Where the lot stands in a key.
const LOT_AT: usize = STRATEGIES_MAX + 2;

/// So many of those that come after the chosen one are named with it.
const NEXT_MAX: usize = 2;

/// How a node stands; the smaller, the better.
type Key = [u64; STRATEGIES_MAX + 3];

/// A stable hash of a text (FNV-1a, then mixed).
#[must_use]
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let mut value = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        value = (value ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(value)
}

#[derive(Debug)]
enum Criterion {
    /// Over what several nodes may share.
    Spread {
        field: String,
        /// Which of `counts` each node belongs to.
        member: Vec<usize>,
        counts: Vec<u32>,
        /// The buckets of each of those.
        buckets: Vec<Vec<usize>>,
    },
    /// Over the nodes themselves.
    SpreadNodes {
        field: String,
    },
    PackCpu,
    PackMemory,
    Random {
        salt: u64,
    },
}

/// Where a ranker's counts of the group's tasks come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The caller says.
    Given,
    /// The index says.
    Index,
}

/// Nodes that are alike in everything that a spread counts.
#[derive(Debug, Default)]
struct Bucket {
    /// A node of it, for what they share.
    example: usize,
    order: BTreeSet<(Key, usize)>,
    /// Its place in the order of buckets.
    top: Option<(Key, usize)>,
}

/// Chooses instances for one group's tasks, one after the other.
#[derive(Debug)]
pub(crate) struct Ranker {
    source: Source,
    /// What the caller asked for, to know it again.
    seed: u64,
    name: String,
    /// Whose tasks spreading counts, in words.
    pub whose: String,
    strategies: Vec<PlacementStrategy>,
    criteria: Vec<Criterion>,
    /// Nodes that no standing filter refuses, in order.
    candidates: Vec<usize>,
    /// How many instances the cluster has.
    asked: usize,
    /// The last tie-break, by node.
    lot: Vec<u64>,
    /// How many tasks of the group spreading counts on each node.
    counted: Vec<u32>,
    total: u64,
    /// How many tasks of the group are on each node, for `distinctInstance`.
    pub group: Vec<u32>,
    /// The instance that each node's standing was judged by.
    judged: Vec<Arc<Instance>>,
    /// Each node's key; `None` if it does not fit.
    keys: Vec<Option<Key>>,
    bucket_of: Vec<usize>,
    buckets: Vec<Bucket>,
    tops: BTreeSet<(Key, usize, usize)>,
    fitting: usize,
    /// How much of the index's journal was read.
    seen: u64,
    /// Nodes whose counts changed here.
    dirty: Vec<usize>,
}

impl Ranker {
    /// `counted` are the nodes of the tasks that spreading counts (one entry per task), `group`
    /// those of the tasks that `distinctInstance` counts.
    pub fn new(
        index: &Index,
        ask: &Ask,
        strategies: &[PlacementStrategy],
        who: (u64, &str),
        counted: &[usize],
        group: &[usize],
    ) -> Self {
        let mut ranker = Self::empty(Source::Given, strategies, who);
        let size = index.nodes.len();
        ranker.counted = tally(size, counted);
        ranker.group = tally(size, group);
        ranker.build(index, ask);
        ranker
    }

    /// One for tasks that are run by hand: the index counts the group's tasks. It can be kept,
    /// and used again as long as it [`Ranker::serves`].
    pub fn of_group(
        index: &Index,
        ask: &Ask,
        strategies: &[PlacementStrategy],
        who: (u64, &str),
    ) -> Self {
        let mut ranker = Self::empty(Source::Index, strategies, who);
        ranker.build(index, ask);
        ranker
    }

    /// Whether this is the ranker of that group and those strategies.
    pub fn serves(&self, strategies: &[PlacementStrategy], who: (u64, &str)) -> bool {
        (self.seed, self.name.as_str()) == who && self.strategies == strategies
    }

    fn empty(source: Source, strategies: &[PlacementStrategy], who: (u64, &str)) -> Self {
        let (seed, name) = who;
        Self {
            source,
            seed,
            name: name.to_owned(),
            whose: name.to_owned(),
            strategies: strategies.to_vec(),
            criteria: Vec::new(),
            candidates: Vec::new(),
            asked: 0,
            lot: Vec::new(),
            counted: Vec::new(),
            total: 0,
            group: Vec::new(),
            judged: Vec::new(),
            keys: Vec::new(),
            bucket_of: Vec::new(),
            buckets: Vec::new(),
            tops: BTreeSet::new(),
            fitting: 0,
            seen: 0,
            dirty: Vec::new(),
        }
    }

    /// Looks at every node.
    fn build(&mut self, index: &Index, ask: &Ask) {
        let nodes = &index.nodes;
        if self.source == Source::Index {
            let counts = |node: &Node| node.group(&ask.cluster, &self.name);
            self.counted = nodes.iter().map(|node| counts(node).counted).collect();
            self.group = nodes.iter().map(|node| counts(node).wanted).collect();
        }
        self.total = self.counted.iter().copied().map(u64::from).sum();
        let seed = hash(self.seed, &self.name);
        self.criteria = measures(&self.strategies)
            .into_iter()
            .map(|measure| Criterion::new(index, measure, seed, &self.counted))
            .collect();
        let of_cluster = |node: &&Node| node.instance.cluster == ask.cluster;
        self.asked = nodes.iter().filter(of_cluster).count();
        self.candidates = (0..nodes.len())
            .filter(|&at| nodes.get(at).is_some_and(|node| stands(ask, node)))
            .collect();
        let names = nodes.iter().map(|node| node.instance.name.as_str());
        self.lot = names.map(|name| hash(seed, name)).collect();
        self.judged = nodes.iter().map(|node| node.instance.clone()).collect();
        self.sort_into_buckets(index, ask);
        self.seen = index.journal_end();
        self.dirty.clear();
    }

    fn sort_into_buckets(&mut self, index: &Index, ask: &Ask) {
        let size = index.nodes.len();
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        self.keys = vec![None; size];
        self.bucket_of = Vec::with_capacity(size);
        self.buckets = Vec::new();
        self.tops = BTreeSet::new();
        for at in 0..size {
            let shared: Vec<usize> = self.criteria.iter().filter_map(|c| c.value(at)).collect();
            let next = self.buckets.len();
            let bucket = *known.entry(shared).or_insert(next);
            if bucket == next {
                self.buckets.push(Bucket {
                    example: at,
                    ..Bucket::default()
                });
                for criterion in &mut self.criteria {
                    criterion.enter(at, bucket);
                }
            }
            self.bucket_of.push(bucket);
        }
        let mut orders: Vec<Vec<(Key, usize)>> = vec![Vec::new(); self.buckets.len()];
        self.fitting = 0;
        for &at in &self.candidates {
            let key = index.nodes.get(at).and_then(|node| self.key(ask, at, node));
            if let (Some(key), Some(&bucket)) = (key, self.bucket_of.get(at)) {
                self.fitting += 1;
                if let Some(order) = orders.get_mut(bucket) {
                    order.push((key, at));
                }
                if let Some(slot) = self.keys.get_mut(at) {
                    *slot = Some(key);
                }
            }
        }
        for (at, order) in orders.into_iter().enumerate() {
            if let Some(bucket) = self.buckets.get_mut(at) {
                bucket.order = order.into_iter().collect();
            }
            self.set_top(at);
        }
    }

    /// Nodes that no standing filter refuses.
    pub fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    /// How many tasks of the group are on a node.
    pub fn group_on(&self, at: usize) -> u32 {
        self.group.get(at).copied().unwrap_or(0)
    }

    /// The best node that fits, and why it is the best.
    pub fn best(&mut self, index: &Index, ask: &Ask) -> Option<(usize, Arc<str>)> {
        self.catch_up(index, ask);
        let first = self.first();
        let ((key, at), next) = first.split_first()?;
        let mut reason = self.reason(index, *at);
        self.say_next(&mut reason, index, key, next);
        Some((*at, reason.into()))
    }

    /// The best nodes that fit, in order: one, and those that are named with it. As many buckets
    /// hold them, and in each of those they are among as many first ones.
    fn first(&self) -> Vec<(Key, usize)> {
        const MOST: usize = NEXT_MAX + 1;
        let mut first = Vec::with_capacity(MOST * MOST);
        let random = |criterion: &Criterion| matches!(criterion, Criterion::Random { .. });
        if self.criteria.iter().any(random) {
            for &at in &self.candidates {
                first.extend(self.full(at).map(|key| (key, at)));
                if first.len() == MOST * MOST {
                    first.sort_unstable();
                    first.truncate(MOST);
                }
            }
        } else {
            let buckets = self.tops.iter().take(MOST);
            for bucket in buckets.filter_map(|(.., number)| self.buckets.get(*number)) {
                let order = bucket.order.iter().take(MOST);
                first.extend(order.map(|(key, at)| (self.share(*key, bucket.example), *at)));
            }
        }
        first.sort_unstable();
        first.truncate(MOST);
        first
    }

    /// Takes a placed task into account, where the index does not.
    pub fn placed(&mut self, at: usize) {
        if self.source == Source::Index {
            return;
        }
        if let Some(count) = self.group.get_mut(at) {
            *count += 1;
        }
        let counted = self.counted.get(at).copied().unwrap_or(0);
        self.count(at, counted.saturating_add(1));
        self.dirty.push(at);
    }

    /// Takes into account that a task of the group is to leave a node.
    pub fn left(&mut self, at: usize) {
        if let Some(count) = self.group.get_mut(at) {
            *count = count.saturating_sub(1);
        }
        self.dirty.push(at);
    }

    /// Every node that fits, the best first, each with why it stands where it does.
    pub fn order(&self, index: &Index) -> Vec<(usize, String)> {
        let candidates = self.candidates.iter();
        let mut fitting: Vec<(Key, usize)> = candidates
            .filter_map(|&at| Some((self.full(at)?, at)))
            .collect();
        fitting.sort_unstable();
        let all = fitting.into_iter();
        all.map(|(_, at)| (at, self.reason(index, at))).collect()
    }

    /// Looks again at what changed since the last look.
    fn catch_up(&mut self, index: &Index, ask: &Ask) {
        if self.judged.len() != index.nodes.len() {
            return self.build(index, ask);
        }
        let Some(changed) = index.journal_since(self.seen) else {
            return self.build(index, ask);
        };
        let mut changed: Vec<usize> = changed.to_vec();
        changed.append(&mut self.dirty);
        changed.sort_unstable();
        changed.dedup();
        self.seen = index.journal_end();
        for at in changed {
            if !self.look(index, ask, at) {
                return self.build(index, ask);
            }
        }
    }

    /// Looks at one node again; false if that is not enough.
    fn look(&mut self, index: &Index, ask: &Ask, at: usize) -> bool {
        let (Some(node), Some(judged)) = (index.nodes.get(at), self.judged.get_mut(at)) else {
            return false;
        };
        if !Arc::ptr_eq(judged, &node.instance) {
            let same = judged.name == node.instance.name
                && judged.cluster == node.instance.cluster
                && judged.attributes == node.instance.attributes;
            if !same {
                return false;
            }
            *judged = node.instance.clone();
            match (self.candidate(at), stands(ask, node)) {
                (Ok(place), false) => {
                    self.candidates.remove(place);
                }
                (Err(place), true) => self.candidates.insert(place, at),
                _ => {}
            }
        }
        if self.source == Source::Index {
            let count = node.group(&ask.cluster, &self.name);
            if let Some(group) = self.group.get_mut(at) {
                *group = count.wanted;
            }
            self.count(at, count.counted);
        }
        let key = match self.candidate(at) {
            Ok(_) => self.key(ask, at, node),
            Err(_) => None,
        };
        self.set_key(at, key);
        true
    }

    /// Where a node stands among the candidates, or would.
    fn candidate(&self, at: usize) -> Result<usize, usize> {
        // Where no node before it is refused, that is its own place: no search over them all.
        if self.candidates.get(at) == Some(&at) {
            return Ok(at);
        }
        self.candidates.binary_search(&at)
    }

    /// Sets how many tasks of the group spreading counts on a node.
    fn count(&mut self, at: usize, counted: u32) {
        let Some(slot) = self.counted.get_mut(at) else {
            return;
        };
        let before = std::mem::replace(slot, counted);
        if before == counted {
            return;
        }
        self.total = (self.total + u64::from(counted)).saturating_sub(u64::from(before));
        let mut moved = Vec::new();
        for criterion in &mut self.criteria {
            if let Criterion::Spread {
                member,
                counts,
                buckets,
                ..
            } = criterion
                && let Some(&value) = member.get(at)
                && let (Some(count), Some(of)) = (counts.get_mut(value), buckets.get(value))
            {
                *count = (*count + counted).saturating_sub(before);
                moved.extend_from_slice(of);
            }
        }
        for bucket in moved {
            self.set_top(bucket);
        }
    }

    fn set_key(&mut self, at: usize, key: Option<Key>) {
        let (Some(slot), Some(&number)) = (self.keys.get_mut(at), self.bucket_of.get(at)) else {
            return;
        };
        let before = std::mem::replace(slot, key);
        if before == key {
            return;
        }
        let Some(bucket) = self.buckets.get_mut(number) else {
            return;
        };
        if let Some(before) = before {
            bucket.order.remove(&(before, at));
            self.fitting -= 1;
        }
        if let Some(key) = key {
            bucket.order.insert((key, at));
            self.fitting += 1;
        }
        self.set_top(number);
    }

    /// Sets a bucket's place in the order of buckets.
    fn set_top(&mut self, number: usize) {
        let Some(bucket) = self.buckets.get(number) else {
            return;
        };
        let first = bucket.order.first();
        let top = first.map(|(key, at)| (self.share(*key, bucket.example), *at));
        if top == bucket.top {
            return;
        }
        if let Some((key, at)) = bucket.top {
            self.tops.remove(&(key, at, number));
        }
        if let Some((key, at)) = top {
            self.tops.insert((key, at, number));
        }
        if let Some(bucket) = self.buckets.get_mut(number) {
            bucket.top = top;
        }
    }

    /// A node's key as far as it is the node's own; `None` if it does not fit.
    fn key(&self, ask: &Ask, at: usize, node: &Node) -> Option<Key> {
        if !ask.fits(node, self.group_on(at)) {
            return None;
        }
        let mut key = Key::default();
        let own = self.criteria.iter().map(|criterion| match criterion {
            Criterion::SpreadNodes { .. } => u64::from(self.counted.get(at).copied().unwrap_or(0)),
            Criterion::PackCpu => node.free_cpu().0,
            Criterion::PackMemory => node.free_memory().0,
            Criterion::Spread { .. } | Criterion::Random { .. } => 0,
        });
        let own = std::iter::once(u64::from(ask.penalty(node))).chain(own);
        for (slot, value) in key.iter_mut().zip(own) {
            *slot = value;
        }
        key[TASKS_AT] = u64::from(node.tasks);
        key[LOT_AT] = self.lot.get(at).copied().unwrap_or(0);
        Some(key)
    }

    /// A key with what the node's bucket shares.
    fn share(&self, mut key: Key, at: usize) -> Key {
        for (slot, criterion) in key.iter_mut().skip(1).zip(&self.criteria) {
            if let Some(count) = criterion.count(at) {
                *slot = u64::from(count);
            }
        }
        key
    }

    /// The whole key of a node that fits, what is drawn included.
    fn full(&self, at: usize) -> Option<Key> {
        let key = self.keys.get(at).copied().flatten()?;
        let mut key = self.share(key, at);
        let name = self.judged.get(at).map(|instance| instance.name.as_str());
        for (slot, criterion) in key.iter_mut().skip(1).zip(&self.criteria) {
            if let Criterion::Random { salt } = criterion {
                *slot = hash(mix(salt.wrapping_add(self.total)), name.unwrap_or_default());
            }
        }
        Some(key)
    }
}

fn stands(ask: &Ask, node: &Node) -> bool {
    node.instance.cluster == ask.cluster && ask.standing(node).is_empty()
}

fn tally(size: usize, nodes: &[usize]) -> Vec<u32> {
    let mut counts = vec![0; size];
    for &at in nodes {
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    }
    counts
}

impl Criterion {
    fn new(index: &Index, measure: Measure, seed: u64, counted: &[u32]) -> Self {
        match measure {
            Measure::Spread(field) => Self::spread(index, field, counted),
            Measure::SpreadNodes(field) => Self::SpreadNodes { field },
            Measure::FreeCpu => Self::PackCpu,
            Measure::FreeMemory => Self::PackMemory,
            Measure::Lot => Self::Random {
                salt: hash(seed, "random"),
            },
        }
    }

    fn spread(index: &Index, field: String, counted: &[u32]) -> Self {
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        let mut member = Vec::with_capacity(index.nodes.len());
        for node in &index.nodes {
            let next = values.len();
            // Instances without the attribute are one failure domain of their own.
            let value = node.instance.attribute(&field).unwrap_or_default();
            member.push(*values.entry(value).or_insert(next));
        }
        let mut counts = vec![0u32; values.len()];
        for (value, here) in member.iter().zip(counted) {
            if let Some(count) = counts.get_mut(*value) {
                *count += here;
            }
        }
        Self::Spread {
            field,
            member,
            buckets: vec![Vec::new(); counts.len()],
            counts,
        }
    }

    /// Which value a node shares with others.
    fn value(&self, at: usize) -> Option<usize> {
        match self {
            Self::Spread { member, .. } => member.get(at).copied(),
            _ => None,
        }
    }

    /// How many tasks that value has.
    fn count(&self, at: usize) -> Option<u32> {
        match self {
            Self::Spread { counts, .. } => counts.get(self.value(at)?).copied(),
            _ => None,
        }
    }

    /// Notes that the bucket of a node has its value.
    fn enter(&mut self, at: usize, bucket: usize) {
        let value = self.value(at);
        if let Self::Spread { buckets, .. } = self
            && let Some(of) = value.and_then(|value| buckets.get_mut(value))
        {
            of.push(bucket);
        }
    }
}
