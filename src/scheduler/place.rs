//! Places tasks that are run by hand, by the rules that services' tasks follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::bad::Failures;
use super::feasible::{self, Ask, Rejection};
use super::ground::{Deal, Ground};
use super::index::Index;
use super::rank::{self, Ranker};
use crate::model::service::{PlacementConstraint, PlacementStrategy, Refusal};
use crate::model::task_definition::TaskDefinition;
use crate::model::{
    CapacityProviderName, CapacityProviderStrategyItem, ClusterName, InstanceName, LaunchType,
    State, TimeMs,
};

/// What is to be placed.
#[derive(Clone, Debug)]
pub struct PlaceRequest<'a> {
    /// Cluster whose instances are asked.
    pub cluster: &'a ClusterName,
    /// What each task is a copy of; its own constraints count too.
    pub definition: &'a TaskDefinition,
    /// ECS's group: what spreading and `distinctInstance` count.
    pub group: &'a str,
    /// Constraints of the request.
    pub constraints: &'a [PlacementConstraint],
    /// Strategies of the request; none = spread over zones, then over instances.
    pub strategies: &'a [PlacementStrategy],
    /// Launch type.
    pub launch_type: LaunchType,
    /// Shares of the tasks by capacity provider; none = any instance of the launch type.
    pub capacity_provider_strategy: &'a [CapacityProviderStrategyItem],
    /// How many tasks.
    pub count: u32,
}

/// Where one task goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The instance.
    pub instance: InstanceName,
    /// The capacity provider that was chosen first, where a strategy names some.
    pub capacity_provider: Option<CapacityProviderName>,
    /// Why this one, in words: the task's `placement`.
    pub reason: Arc<str>,
}

/// What came of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Places, one per task, in the order in which they were chosen.
    pub placed: Vec<Placed>,
    /// How many tasks found no place.
    pub unplaced: u32,
    /// If any: every instance's reasons, the nearest misses first.
    pub refusals: Vec<Refusal>,
    /// If any: ECS's word for the nearest miss, such as `RESOURCE:MEMORY`.
    pub failure: Option<&'static str>,
    /// If any: why, in one line.
    pub message: String,
}

/// Finds an instance for each task, or says what every instance lacks. Instances on which tasks of
/// that definition failed too often before `now` are tried last.
#[must_use]
pub fn place(state: &State, now: TimeMs, request: &PlaceRequest<'_>) -> Placement {
    place_with(&mut Index::new(state), state, now, request)
}

/// [`place`] with the index that is kept beside the state. The tasks are still to be made, and
/// their changes to be applied to both.
#[must_use]
pub fn place_with(
    index: &mut Index,
    state: &State,
    now: TimeMs,
    request: &PlaceRequest<'_>,
) -> Placement {
    let items = request.capacity_provider_strategy;
    let bad = bad_hosts(index, now, request);
    let mut way = |provider: Option<&CapacityProviderName>| {
        let (ask, ranker) = look(index, state, &bad, request, provider);
        (provider.cloned(), ask, ranker)
    };
    let mut ways: Vec<_> = if items.is_empty() {
        vec![way(None)]
    } else {
        let providers = items.iter().map(|item| &item.capacity_provider);
        providers.map(|provider| way(Some(provider))).collect()
    };
    let mut deal = Deal::new(items, request.count, vec![0; ways.len()]);
    let mut placement = Placement::default();
    for _ in 0..request.count {
        let Some((at, provider, reason)) = best(index, &mut ways, &mut deal) else {
            break;
        };
        if let Some((_, ask, _)) = ways.first() {
            index.hold_for_new(at, &ask.resources, request.group);
        }
        if let Some(node) = index.nodes.get(at) {
            placement.placed.push(Placed {
                instance: node.instance.name.clone(),
                capacity_provider: provider,
                reason,
            });
        }
        for (_, _, ranker) in &mut ways {
            ranker.placed(at);
        }
    }
    let placed = u32::try_from(placement.placed.len()).unwrap_or(u32::MAX);
    let left = request.count.saturating_sub(placed);
    if left > 0
        && let Some((_, ask, ranker)) = ways.get(deal.first_full().unwrap_or(0))
    {
        refuse(&mut placement, index, ask, ranker, left);
    }
    index.settle();
    for (_, ask, ranker) in ways {
        index.keep(ask, ranker);
    }
    placement
}

fn bad_hosts(index: &Index, now: TimeMs, request: &PlaceRequest<'_>) -> BTreeSet<InstanceName> {
    let id = request.definition.id();
    let failed = index.failed.get(&id).into_iter();
    let failed = failed.flat_map(BTreeMap::values);
    let here = failed.filter(|task| &task.cluster == request.cluster);
    Failures::of(here.map(AsRef::as_ref), &id, now).hosts()
}

/// What a task of a request asks of the instances of one capacity provider, or of all, and how
/// they stand.
fn look(
    index: &mut Index,
    state: &State,
    bad: &BTreeSet<InstanceName>,
    request: &PlaceRequest<'_>,
    provider: Option<&CapacityProviderName>,
) -> (Ask, Ranker) {
    let who = (rank::hash(0, &state.control_plane), request.group);
    let mut ask = Ask::new(
        request.cluster,
        Ground::of(request.launch_type, provider),
        request.definition.resources(),
        (request.constraints.iter()).chain(&request.definition.placement_constraints),
    )
    .on(request.definition.runtime_platform.as_ref());
    ask.last.clone_from(bad);
    let ranker = index
        .take_kept(&ask, request.strategies, who)
        .unwrap_or_else(|| Ranker::of_group(index, &ask, request.strategies, who));
    (ask, ranker)
}

/// What is asked of every instance by one task of a request, and how all of them stand to it; where a
/// strategy names capacity providers, by the first of them that `placed` one, or of all.
pub(crate) fn looked(
    index: &mut Index,
    state: &State,
    now: TimeMs,
    request: &PlaceRequest<'_>,
    placed: &Placement,
) -> (Ask, Ranker) {
    let bad = bad_hosts(index, now, request);
    let taken = placed.placed.first();
    let taken = taken.and_then(|placed| placed.capacity_provider.clone());
    let first = request.capacity_provider_strategy.first();
    let provider = taken.or_else(|| first.map(|item| item.capacity_provider.clone()));
    look(index, state, &bad, request, provider.as_ref())
}

type Way = (Option<CapacityProviderName>, Ask, Ranker);

/// The best node of the way whose turn it is; a way that has none is full.
fn best(
    index: &Index,
    ways: &mut [Way],
    deal: &mut Deal,
) -> Option<(usize, Option<CapacityProviderName>, Arc<str>)> {
    loop {
        let turn = deal.next()?;
        let (provider, ask, ranker) = ways.get_mut(turn)?;
        if let Some((at, reason)) = ranker.best(index, ask) {
            deal.took(turn);
            return Some((at, provider.clone(), reason));
        }
        deal.full(turn);
    }
}

fn refuse(placement: &mut Placement, index: &Index, ask: &Ask, ranker: &Ranker, left: u32) {
    let group: BTreeMap<usize, u32> = ranker.group.iter().copied().enumerate().collect();
    let all = ask.all_rejections(index, &group);
    placement.unplaced = left;
    placement.refusals = feasible::refusals(index, &all);
    placement.failure = Some(match all.first().and_then(|(_, reasons)| reasons.first()) {
        Some(nearest) => Rejection::ecs_reason(nearest),
        None => "EMPTY CAPACITY",
    });
    placement.message = if all.is_empty() {
        "No Container Instances were found in your cluster.".to_owned()
    } else {
        format!(
            "No container instance met all of its requirements: {}.",
            feasible::summary(&all)
        )
    };
}
