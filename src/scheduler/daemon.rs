//! DAEMON services: one task on every ACTIVE instance that answers and meets the constraints.
//!
//! They are planned before all others, so that no replica takes their room. A task is replaced by
//! stopping it first, within the floor, on the instance where it is; on a DRAINING instance it
//! stops after every replica there. What is lost with its instance is replaced nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::reconcile::{self, Member, Place};
use super::rollout::{Search, Turn, Why};
use super::room::{Hopes, Released};
use crate::model::grants;
use crate::model::id::IdSource;
use crate::model::service::SchedulingStrategy;
use crate::model::task_definition::TaskDefinition;
use crate::model::{InstanceStatus, LastStatus, Resources, State, TimeMs};

/// Why a daemon's task is where it is.
pub(super) const PLACEMENT: &str = "DAEMON: one task on each instance that meets the constraints";

impl Turn<'_> {
    /// What [`Turn::advance`] is for replicas.
    pub fn advance_daemon(
        &mut self,
        state: &State,
        index: &mut Index,
        now: TimeMs,
        ids: &mut IdSource,
    ) {
        let primary = self.service.primary();
        let definition = primary.and_then(|p| state.task_definitions.get(&p.task_definition));
        let Some(definition) = definition else {
            self.unplaced = self
                .service
                .desired_count
                .saturating_sub(self.keepers())
                .max(1);
            return;
        };
        let mut search = self.search(state, index, definition);
        let answering: BTreeSet<usize> = search.ranker.candidates().iter().copied().collect();
        let targets = self.targets(index, &answering);
        self.service.desired_count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        self.misplaced(index, &targets);
        self.stop_strays(state, index);
        // The config may have changed since the service was written.
        self.ungranted = grants::missing(&state.roles, definition, None);
        if !self.ungranted.is_empty() {
            self.unplaced = self.service.desired_count.saturating_sub(self.keepers());
        } else if !reconcile::given_up(&self.service) {
            let floor = self
                .service
                .deployment_configuration
                .floor(self.service.desired_count);
            // What still serves on a DRAINING instance goes in its own time: it holds no floor.
            let stands = |m: &Member<'_>| {
                let wanted_there = m.node.is_some_and(|at| targets.contains(&at));
                m.serving() && wanted_there && !self.is_on_trial(m, now)
            };
            let budget = self.count(stands).saturating_sub(floor);
            let born = (now, ids);
            self.cover(index, &mut search, definition, (&answering, budget), born);
        }
        self.search = Some(search);
    }

    /// The instances that should have a task: those that answer, and those that are silent and
    /// whose task is not given up yet.
    fn targets(&self, index: &Index, answering: &BTreeSet<usize>) -> BTreeSet<usize> {
        let silent = self
            .members
            .iter()
            .filter(|m| m.wanted())
            .filter_map(|m| m.node);
        let silent = silent.filter(|at| {
            index.nodes.get(*at).is_some_and(|node| {
                node.instance.status == InstanceStatus::Active && !node.instance.is_connected()
            })
        });
        silent.chain(answering.iter().copied()).collect()
    }

    fn misplaced(&mut self, index: &Index, targets: &BTreeSet<usize>) {
        for member in &mut self.members {
            let Some(at) = member.node.filter(|at| !targets.contains(at)) else {
                continue;
            };
            let active = index
                .nodes
                .get(at)
                .is_some_and(|node| node.instance.status == InstanceStatus::Active);
            if active && !member.lost {
                member.place = Place::Misplaced;
            }
        }
    }

    /// Stops what is lost and no longer wanted, what stands where it should not, what is there
    /// twice, and on DRAINING instances what is the last to stop there.
    fn stop_strays(&mut self, state: &State, index: &mut Index) {
        for at in self.which(|m| m.lost && m.place != Place::Keeper) {
            let why = self.why(at);
            self.stop(index, at, why);
        }
        for at in self.which(|m| m.may_go() && m.place == Place::Misplaced) {
            let why = self.why(at);
            self.stop(index, at, why);
        }
        for at in self.which(|m| m.may_go()) {
            let Some(member) = self.members.get(at) else {
                continue;
            };
            let name = &member.task.instance;
            let draining = state
                .instances
                .get(name)
                .is_some_and(|instance| instance.status == InstanceStatus::Draining);
            let first = member.task.last_status < LastStatus::Running;
            if draining && (first || !replicas_on(state, name)) {
                let why = Why::Draining(name.clone());
                self.stop(index, at, why);
            }
        }
        let mut kept: BTreeMap<usize, usize> = BTreeMap::new();
        let mut keepers = self.which(|m| m.wanted() && m.place == Place::Keeper);
        keepers.sort_by_key(|&at| {
            self.members
                .get(at)
                .map(|m| (!m.serving(), m.task.created_at))
        });
        for at in keepers {
            let node = self.members.get(at).and_then(|m| m.node);
            if let Some(node) = node
                && *kept.entry(node).or_insert(at) != at
            {
                self.stop(index, at, Why::Surplus);
            }
        }
    }

    /// Sees to it that each instance that answers gets its task; so many that serve may be stopped
    /// for that.
    fn cover(
        &mut self,
        index: &mut Index,
        search: &mut Search,
        definition: &TaskDefinition,
        (answering, mut budget): (&BTreeSet<usize>, u32),
        (now, ids): (TimeMs, &mut IdSource),
    ) {
        let group = format!("service:{}", self.service.name);
        let held = self.held_back(now);
        let missing = self.service.desired_count.saturating_sub(self.keepers());
        let mut startable = missing.saturating_sub(held);
        let mut by_node: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, member) in self.members.iter().enumerate() {
            if let Some(node) = member.node {
                by_node.entry(node).or_default().push(at);
            }
        }
        let hopes = Hopes::new(&self.members);
        for &node in answering {
            let on_it = by_node.get(&node).map_or(&[][..], Vec::as_slice);
            let here = |turn: &Self, test: &dyn Fn(&Member<'_>) -> bool| -> Vec<usize> {
                let holds = |at: &usize| turn.members.get(*at).is_some_and(test);
                on_it.iter().copied().filter(holds).collect()
            };
            if !here(self, &|m| m.wanted() && m.place == Place::Keeper).is_empty() {
                continue;
            }
            let going = here(self, &|m| m.stopping && !m.out_of_reach());
            let others = here(self, &|m| m.wanted());
            if going.is_empty() && others.is_empty() {
                let fits = index.nodes.get(node).is_some_and(|n| search.ask.fits(n, 0));
                match (fits, startable) {
                    (false, _) => {
                        self.lacking.insert(node);
                    }
                    (true, 0) => reserve(index, node, &group, &search.ask.resources, &[]),
                    (true, _) => {
                        startable -= 1;
                        let place = (node, PLACEMENT.into());
                        self.start_on(index, search, definition, place, (ids.task_id(), now));
                    }
                }
                continue;
            }
            // Whether there will be room is no matter of whether something may start by now.
            if !others.is_empty() && !self.room_after(index, search, &hopes, node, &others) {
                self.lacking.insert(node);
            } else if startable > 0 {
                self.make_way(index, &others, &mut budget);
            }
            let all: Vec<Resources> = going
                .iter()
                .chain(&others)
                .filter_map(|&at| self.members.get(at))
                .map(|m| m.task.resources.clone())
                .collect();
            if !self.lacking.contains(&node) {
                reserve(index, node, &group, &search.ask.resources, &all);
            }
        }
        self.unplaced = u32::try_from(self.lacking.len()).unwrap_or(u32::MAX);
    }

    /// Whether a replacement will have room on an instance when these are gone.
    fn room_after(
        &self,
        index: &Index,
        search: &Search,
        hopes: &Hopes,
        node: usize,
        others: &[usize],
    ) -> bool {
        let mut released = Released::default();
        for member in others.iter().filter_map(|&at| self.members.get(at)) {
            released.add(&member.task.resources);
        }
        let fewer = u32::try_from(others.len()).unwrap_or(u32::MAX);
        hopes.fits(index, search, node, &released, fewer)
    }

    /// Stops what is to be replaced on an instance, as far as the floor allows.
    fn make_way(&mut self, index: &mut Index, others: &[usize], budget: &mut u32) {
        for &at in others {
            let Some(member) = self.members.get(at).filter(|m| m.may_go()) else {
                continue;
            };
            if member.serving() {
                if *budget == 0 {
                    continue;
                }
                *budget -= 1;
            }
            let why = self.why(at);
            self.stop(index, at, why);
        }
    }
}

/// Whether a task of a REPLICA service is still there.
fn replicas_on(state: &State, instance: &crate::model::InstanceName) -> bool {
    state.instance_tasks(instance).any(|task| {
        let service = task.service.as_ref();
        let service = service.and_then(|name| state.service(&task.cluster, name));
        !task.is_stopped()
            && service.is_some_and(|s| s.scheduling_strategy == SchedulingStrategy::Replica)
    })
}

/// Keeps room for a task that is to start later, beyond what those that go first will give back.
fn reserve(index: &mut Index, node: usize, group: &str, needs: &Resources, going: &[Resources]) {
    let mut left = needs.clone();
    for resources in going {
        left.cpu = left.cpu.saturating_sub(resources.cpu);
        left.memory = left.memory.saturating_sub(resources.memory);
        left.ports.retain(|port| !resources.ports.contains(port));
    }
    index.hold_for_new(node, &left, group);
}
