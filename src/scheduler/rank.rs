//! Which of the instances that fit is the best one: strategies in their listed order, then the
//! fewest tasks overall, then a hash of (seed, group, instance), so that runs replay.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::feasible::Ask;
use super::index::Index;
use super::node::Node;
use crate::model::id::mix;
use crate::model::instance::attribute;
use crate::model::service::{PlacementStrategy, PlacementStrategyKind};

/// What a service that names no strategy gets: over zones, then over instances.
#[must_use]
pub fn default_strategies() -> Vec<PlacementStrategy> {
    [
        format!("attribute:{}", attribute::AVAILABILITY_ZONE),
        "instanceId".to_owned(),
    ]
    .into_iter()
    .map(|field| PlacementStrategy {
        kind: PlacementStrategyKind::Spread,
        field: Some(field),
    })
    .collect()
}

/// A stable hash of a text (FNV-1a, then mixed).
#[must_use]
pub(crate) fn hash(seed: u64, text: &str) -> u64 {
    let mut value = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        value = (value ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(value)
}

enum Criterion {
    Spread {
        field: String,
        /// Which of `counts` each node belongs to.
        member: Vec<usize>,
        counts: Vec<u32>,
    },
    PackCpu,
    PackMemory,
    Random {
        salt: u64,
    },
}

/// Chooses instances for one group's tasks, one after the other.
pub(crate) struct Ranker {
    criteria: Vec<Criterion>,
    /// Nodes that no standing filter refuses.
    candidates: Vec<usize>,
    /// How many instances the cluster has.
    asked: usize,
    /// The last tie-break, by node.
    lot: Vec<u64>,
    /// How many tasks of the group are on each node, for `distinctInstance`.
    pub group: Vec<u32>,
    name: String,
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
        let (seed, name) = who;
        let default;
        let strategies = if strategies.is_empty() {
            default = default_strategies();
            &default
        } else {
            strategies
        };
        let seed = hash(seed, name);
        let mut on_node = vec![0; index.nodes.len()];
        for &at in group {
            if let Some(count) = on_node.get_mut(at) {
                *count += 1;
            }
        }
        Self {
            criteria: strategies
                .iter()
                .map(|strategy| Criterion::new(index, strategy, seed, counted))
                .collect(),
            candidates: (0..index.nodes.len())
                .filter(|&at| {
                    index.nodes.get(at).is_some_and(|node| {
                        node.instance.cluster == ask.cluster && ask.standing(node).is_empty()
                    })
                })
                .collect(),
            asked: index
                .nodes
                .iter()
                .filter(|node| node.instance.cluster == ask.cluster)
                .count(),
            lot: index
                .nodes
                .iter()
                .map(|node| hash(seed, node.instance.name.as_str()))
                .collect(),
            group: on_node,
            name: name.to_owned(),
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
    pub fn best(&self, index: &Index, ask: &Ask) -> Option<(usize, String)> {
        let mut fitting = 0usize;
        let mut best: Option<usize> = None;
        for &at in &self.candidates {
            let Some(node) = index.nodes.get(at) else {
                continue;
            };
            if !ask.fits(node, self.group_on(at)) {
                continue;
            }
            fitting += 1;
            best = match best {
                Some(other) if self.compare(index, at, other).is_gt() => Some(other),
                _ => Some(at),
            };
        }
        let at = best?;
        Some((at, self.reason(index, at, fitting)))
    }

    /// Takes a placed task into account.
    pub fn placed(&mut self, at: usize) {
        if let Some(count) = self.group.get_mut(at) {
            *count += 1;
        }
        for criterion in &mut self.criteria {
            match criterion {
                Criterion::Spread { member, counts, .. } => {
                    if let Some(count) = member.get(at).and_then(|&m| counts.get_mut(m)) {
                        *count += 1;
                    }
                }
                Criterion::Random { salt } => *salt = mix(*salt),
                Criterion::PackCpu | Criterion::PackMemory => {}
            }
        }
    }

    /// Takes into account that a task of the group is to leave a node.
    pub fn left(&mut self, at: usize) {
        if let Some(count) = self.group.get_mut(at) {
            *count = count.saturating_sub(1);
        }
    }

    /// Every node that fits, the best first, each with why it stands where it does.
    pub fn order(&self, index: &Index, ask: &Ask) -> Vec<(usize, String)> {
        let mut fitting: Vec<usize> = self
            .candidates
            .iter()
            .copied()
            .filter(|&at| {
                let node = index.nodes.get(at);
                node.is_some_and(|node| ask.fits(node, self.group_on(at)))
            })
            .collect();
        fitting.sort_by(|&a, &b| self.compare(index, a, b));
        let count = fitting.len();
        fitting
            .into_iter()
            .map(|at| (at, self.reason(index, at, count)))
            .collect()
    }

    fn compare(&self, index: &Index, a: usize, b: usize) -> Ordering {
        let (Some(left), Some(right)) = (index.nodes.get(a), index.nodes.get(b)) else {
            return a.cmp(&b);
        };
        let last = |at: usize, node: &Node| (node.tasks, self.lot.get(at).copied(), at);
        self.criteria
            .iter()
            .map(|criterion| criterion.key(a, left).cmp(&criterion.key(b, right)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| last(a, left).cmp(&last(b, right)))
    }

    fn reason(&self, index: &Index, at: usize, fitting: usize) -> String {
        let mut parts: Vec<String> = self
            .criteria
            .iter()
            .map(|criterion| criterion.reason(index, at, &self.name))
            .collect();
        parts.push(format!("{fitting} of {} instances fit", self.asked));
        parts.join("; ")
    }
}

impl Criterion {
    fn new(index: &Index, strategy: &PlacementStrategy, seed: u64, counted: &[usize]) -> Self {
        let field = strategy.field.as_deref().unwrap_or_default();
        match strategy.kind {
            PlacementStrategyKind::Spread => Self::spread(index, field, counted),
            PlacementStrategyKind::Binpack if field.eq_ignore_ascii_case("cpu") => Self::PackCpu,
            PlacementStrategyKind::Binpack => Self::PackMemory,
            PlacementStrategyKind::Random => Self::Random {
                salt: hash(seed, "random").wrapping_add(counted.len() as u64),
            },
        }
    }

    fn spread(index: &Index, field: &str, counted: &[usize]) -> Self {
        let mut values: BTreeMap<&str, usize> = BTreeMap::new();
        let mut member = Vec::with_capacity(index.nodes.len());
        for node in &index.nodes {
            let next = values.len();
            // Instances without the attribute are one failure domain of their own.
            let value = node.instance.attribute(field).unwrap_or_default();
            member.push(*values.entry(value).or_insert(next));
        }
        let mut counts = vec![0; values.len()];
        for at in counted {
            if let Some(count) = member.get(*at).and_then(|&m| counts.get_mut(m)) {
                *count += 1;
            }
        }
        Self::Spread {
            field: field.to_owned(),
            member,
            counts,
        }
    }

    /// The smaller, the better.
    fn key(&self, at: usize, node: &Node) -> u64 {
        match self {
            Self::Spread { member, counts, .. } => member
                .get(at)
                .and_then(|&m| counts.get(m))
                .map_or(0, |&count| u64::from(count)),
            Self::PackCpu => node.free_cpu().0,
            Self::PackMemory => node.free_memory().0,
            Self::Random { salt } => hash(*salt, node.instance.name.as_str()),
        }
    }

    fn reason(&self, index: &Index, at: usize, name: &str) -> String {
        let Some(node) = index.nodes.get(at) else {
            return String::new();
        };
        match self {
            Self::Spread { field, .. } => {
                let count = self.key(at, node);
                let tasks = if count == 1 { "task" } else { "tasks" };
                let value = node.instance.attribute(field).unwrap_or("(none)");
                let field = field.strip_prefix("attribute:").unwrap_or(field);
                format!("spread over {field}: {value} had {count} {tasks} of {name}")
            }
            Self::PackCpu => format!("binpack: {} CPU units free, the least", node.free_cpu()),
            Self::PackMemory => {
                format!("binpack: {} MiB free, the least", node.free_memory())
            }
            Self::Random { .. } => "drawn at random".to_owned(),
        }
    }
}
