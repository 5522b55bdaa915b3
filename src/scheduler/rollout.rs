//! How many now: starts and stops of one service within its floor and ceiling.
//!
//! Counting is over RUNNING and PENDING tasks that are wanted and not lost. Starts come first
//! where the ceiling allows it; a task that serves is stopped only when the desired number
//! serves without it, or when nothing could start otherwise, and then never below the floor. What
//! started of late counts there only when it has proven itself: an image that crashes after a second
//! must displace neither what a deployment replaces nor what serves on a DRAINING instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bad::Failures;
use super::feasible::Ask;
use super::form::{self, Born};
use super::ground::Ground;
use super::index::Index;
use super::rank::{self, Ranker};
use super::reconcile::{self, Member, Place};
use super::scale_in::ScaleIn;
use super::victims::Victims;
use crate::model::grants::{self, MissingGrant};
use crate::model::id::IdSource;
use crate::model::service::Service;
use crate::model::task_definition::TaskDefinition;
use crate::model::{CapacityProviderName, InstanceName, LastStatus, State, Task, TaskId, TimeMs};

/// Why a service's task is stopped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    Surplus,
    Replaced,
    Draining(InstanceName),
    Unhealthy,
    Misplaced(InstanceName),
    Rebalanced,
    Deleted,
}

/// One service's part of a pass.
pub(crate) struct Turn<'a> {
    pub before: &'a Arc<Service>,
    pub service: Service,
    pub members: Vec<Member<'a>>,
    pub starts: Vec<Task>,
    /// Members to stop, by their place in `members`.
    pub stops: Vec<(usize, Why)>,
    /// Where and when tasks of the primary deployment's revision failed of late.
    pub failures: Failures,
    /// How the search for a place went, where one was needed; of several ways the first in which
    /// something found none.
    pub search: Option<Search>,
    /// The other ways in which something found none, with how much in each.
    pub also_short: Vec<(Search, u32)>,
    /// What its definition asks for and its task role does not grant: nothing starts from it.
    pub ungranted: Vec<MissingGrant>,
    /// How many wanted tasks found no place.
    pub missing: u32,
    /// How many of those no confirmed stop will make place for.
    pub unplaced: u32,
    /// Of a DAEMON: the instances that should have a task and have no room for it.
    pub lacking: BTreeSet<usize>,
    pub(super) victims: Victims,
}

/// What a placement needs, made once per service and pass.
pub(crate) struct Search {
    /// The capacity provider whose instances are searched, where a strategy names some.
    pub provider: Option<CapacityProviderName>,
    /// ECS's group of the tasks.
    pub group: Arc<str>,
    pub ask: Ask,
    pub ranker: Ranker,
}

/// What a service's tasks ask of an instance.
pub(crate) fn ask(
    service: &Service,
    definition: &TaskDefinition,
    provider: Option<&CapacityProviderName>,
) -> Ask {
    let constraints = &service.placement_constraints;
    Ask::new(
        &service.cluster,
        Ground::of(service.launch_type, provider),
        definition.resources(),
        constraints.iter().chain(&definition.placement_constraints),
    )
    .on(definition.runtime_platform.as_ref())
}

impl<'a> Turn<'a> {
    pub fn new(before: &'a Arc<Service>, members: Vec<Member<'a>>) -> Self {
        Self {
            before,
            service: before.as_ref().clone(),
            members,
            starts: Vec::new(),
            stops: Vec::new(),
            failures: Failures::default(),
            search: None,
            also_short: Vec::new(),
            ungranted: Vec::new(),
            missing: 0,
            unplaced: 0,
            lacking: BTreeSet::new(),
            victims: Victims::default(),
        }
    }

    /// The members that `test` accepts.
    pub fn which(&self, test: impl Fn(&Member<'a>) -> bool) -> Vec<usize> {
        let all = self.members.iter().enumerate();
        all.filter(|(_, m)| test(m)).map(|(at, _)| at).collect()
    }

    pub(super) fn count(&self, test: impl Fn(&Member<'a>) -> bool) -> u32 {
        let count = self.members.iter().filter(|m| test(m)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// RUNNING and PENDING tasks, those this pass starts included.
    pub(super) fn occupancy(&self) -> u32 {
        let starts = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.count(Member::wanted).saturating_add(starts)
    }

    pub(super) fn ceiling(&self) -> u32 {
        let desired = self.service.desired_count;
        let ceiling = self.service.deployment_configuration.ceiling(desired);
        ceiling.max(desired)
    }

    /// How many serve and can be relied on when others are to go.
    pub(super) fn relied_on(&self, now: TimeMs) -> u32 {
        self.count(|m| m.serving() && !self.is_on_trial(m, now))
    }

    /// Whether a member serves and is still to prove that it works.
    pub(super) fn is_on_trial(&self, member: &Member<'_>, now: TimeMs) -> bool {
        member.serving() && reconcile::is_on_trial(&self.service, member.task, now)
    }

    /// Tasks of the deployment that is wanted, where they are wanted.
    pub fn keepers(&self) -> u32 {
        self.count(|m| m.wanted() && m.place == Place::Keeper)
    }

    /// Protected tasks that should stop: what a deployment or a draining instance is to be rid of,
    /// and more than the service wants.
    pub fn held(&self) -> Vec<usize> {
        let mut held = self.which(|m| {
            m.wanted() && m.protected && matches!(m.place, Place::Old | Place::Draining)
        });
        let rebalance = self.service.rebalance.as_ref();
        let extra = rebalance.map_or(0, |it| it.extra.len());
        let surplus = self.keepers().saturating_sub(self.service.desired_count) as usize;
        let surplus = surplus.saturating_sub(extra);
        let keepers = self.which(|m| m.wanted() && m.protected && m.place == Place::Keeper);
        held.extend(keepers.into_iter().take(surplus));
        held
    }

    pub(super) fn stop(&mut self, index: &mut Index, at: usize, why: Why) {
        if let Some(member) = self.members.get_mut(at)
            && !member.stopping
        {
            member.stopping = true;
            index.stopping(member.task);
            self.stops.push((at, why));
        }
    }

    fn stop_all(&mut self, index: &mut Index, which: Vec<usize>, why: &Why) {
        for at in which {
            self.stop(index, at, why.clone());
        }
    }

    /// Why a member that is not kept is to go.
    pub(super) fn why(&self, at: usize) -> Why {
        match self.members.get(at).map(|m| (m.place, &m.task.instance)) {
            Some((Place::Old, _)) => Why::Replaced,
            Some((Place::Draining, instance)) => Why::Draining(instance.clone()),
            Some((Place::Unhealthy, _)) => Why::Unhealthy,
            Some((Place::Misplaced, instance)) => Why::Misplaced(instance.clone()),
            Some((Place::Keeper, _)) | None => Why::Surplus,
        }
    }

    /// A deleted service: everything it has is to stop, what is lost included.
    pub fn delete(&mut self, index: &mut Index) {
        self.service.rebalance = None;
        let all = self.which(|_| true);
        self.stop_all(index, all, &Why::Deleted);
    }

    /// Stops what can be stopped without need, then starts what is missing.
    pub fn advance(&mut self, state: &State, index: &mut Index, now: TimeMs, ids: &mut IdSource) {
        self.stop_surplus(index, now);
        if reconcile::given_up(&self.service) {
            self.shrink_old(index);
            return;
        }
        self.stop_replaced(index, now);
        self.victims = self.line_up_victims(index, now);
        self.trim(index);
        let need = self.need(now);
        if need > 0 {
            self.start(state, index, now, ids, need);
        }
    }

    /// Tries once more for what found no place, where the tasks that others have placed since can
    /// be the company it asks for. Whether more were started.
    pub fn start_again(
        &mut self,
        state: &State,
        index: &mut Index,
        now: TimeMs,
        ids: &mut IdSource,
    ) -> bool {
        let search = self.search.as_ref();
        if self.missing == 0 || !search.is_some_and(|search| search.ask.depends_on_tasks()) {
            return false;
        }
        let before = self.starts.len();
        let need = std::mem::take(&mut self.missing);
        self.start(state, index, now, ids, need);
        self.starts.len() > before
    }

    /// How many failed tasks wait for their back-off.
    pub(super) fn held_back(&self, now: TimeMs) -> u32 {
        let backoff = &self.service.backoff;
        if now < backoff.until { backoff.held } else { 0 }
    }

    /// How many to start now: failed tasks wait for their back-off, all else does not.
    fn need(&self, now: TimeMs) -> u32 {
        let missing = self.service.desired_count.saturating_sub(self.keepers());
        missing.saturating_sub(self.held_back(now))
    }

    fn stop_surplus(&mut self, index: &mut Index, now: TimeMs) {
        let (extra, moved) = self.open_extra(now);
        let why = if moved { Why::Rebalanced } else { Why::Surplus };
        let desired = self.service.desired_count as usize + extra.len();
        let keepers = self.which(|m| m.wanted() && m.place == Place::Keeper);
        if keepers.len() > desired {
            // What is lost goes first: it must not come back to a service that has shrunk.
            let lost = self.which(|m| m.lost);
            self.stop_all(index, lost, &Why::Surplus);
            let surplus = keepers.len() - desired;
            let may_go = self
                .which(|m| m.may_go() && m.place == Place::Keeper && !extra.contains(&m.task.id));
            let surplus = surplus.min(may_go.len());
            let mut choice = ScaleIn::new(index, self, &may_go);
            if moved {
                choice = choice.by_zones();
            }
            let mut chosen = self.surplus(choice, &may_go, surplus);
            self.keep_floor(&mut chosen);
            self.stop_all(index, chosen, &why);
        }
        for at in self.which(|m| m.lost && m.place != Place::Keeper) {
            let why = self.why(at);
            self.stop(index, at, why);
        }
    }

    /// Of those to stop, leaves out what serves below the floor: it goes when others serve.
    fn keep_floor(&self, chosen: &mut Vec<usize>) {
        let desired = self.service.desired_count;
        let floor = self.service.deployment_configuration.floor(desired);
        let mut budget = self.count(Member::serving).saturating_sub(floor);
        let mut may_stop = |at: &usize| {
            if !self.members.get(*at).is_some_and(Member::serving) {
                return true;
            }
            let spare = budget > 0;
            budget = budget.saturating_sub(1);
            spare
        };
        chosen.retain(&mut may_stop);
    }

    /// After a deployment was given up, what it should have replaced serves on, but no more of it
    /// than the service wants.
    fn shrink_old(&mut self, index: &mut Index) {
        let desired = self.service.desired_count as usize;
        let old = self.count(|m| m.wanted() && m.place != Place::Keeper);
        let surplus = (old as usize).saturating_sub(desired);
        let old = self.which(|m| m.may_go() && m.place != Place::Keeper);
        let surplus = surplus.min(old.len());
        let mut chosen = self.scale_in(index, &old, surplus);
        self.keep_floor(&mut chosen);
        self.stop_all(index, chosen, &Why::Surplus);
        self.trim_those(index, Member::may_go);
    }

    /// A service that shrank, or got tasks back, in the middle of a rollout can be over its
    /// ceiling: stops what may be stopped above the floor, then what does not serve yet.
    fn trim(&mut self, index: &mut Index) {
        for _ in self.ceiling()..self.occupancy() {
            let Some(victim) = self.victims.first() else {
                break;
            };
            self.victims.take(victim);
            let why = self.why(victim);
            self.stop(index, victim, why);
        }
        self.trim_those(index, |m| {
            m.may_go() && m.place == Place::Keeper && !m.serving()
        });
    }

    /// Stops what `test` accepts as far as the service is over its ceiling, what serves last.
    fn trim_those(&mut self, index: &mut Index, test: impl Fn(&Member<'a>) -> bool) {
        let over = self.occupancy().saturating_sub(self.ceiling()) as usize;
        if over > 0 {
            let which = self.which(test);
            let over = over.min(which.len());
            let mut chosen = self.scale_in(index, &which, over);
            self.keep_floor(&mut chosen);
            self.stop_all(index, chosen, &Why::Surplus);
        }
    }

    fn stop_replaced(&mut self, index: &mut Index, now: TimeMs) {
        // What does not serve yet and is not wanted any more serves nobody by starting.
        for at in self.which(|m| {
            m.may_go()
                && match m.place {
                    Place::Old => !m.serving(),
                    Place::Draining => m.task.last_status < LastStatus::Running,
                    Place::Keeper | Place::Unhealthy | Place::Misplaced => false,
                }
        }) {
            let why = self.why(at);
            self.stop(index, at, why);
        }
        let desired = self.service.desired_count;
        let excess = self.relied_on(now).saturating_sub(desired) as usize;
        let leavers = self.which(|m| m.serving() && m.may_go() && m.place != Place::Keeper);
        for at in self.scale_in(index, &leavers, excess.min(leavers.len())) {
            let why = self.why(at);
            self.stop(index, at, why);
        }
        // An unhealthy task stays until another serves in its stead.
        let stay = desired.saturating_sub(self.count(Member::serving)) as usize;
        let unhealthy = self.which(|m| m.wanted() && m.place == Place::Unhealthy);
        let go = unhealthy.len().saturating_sub(stay);
        let chosen = self.scale_in(index, &unhealthy, go);
        self.stop_all(index, chosen, &Why::Unhealthy);
    }

    fn start(
        &mut self,
        state: &State,
        index: &mut Index,
        now: TimeMs,
        ids: &mut IdSource,
        need: u32,
    ) {
        let Some(primary) = self.service.primary() else {
            return;
        };
        let Some(definition) = state.task_definitions.get(&primary.task_definition) else {
            self.missing = need;
            return;
        };
        // The config may have changed since the service was written.
        self.ungranted = grants::missing(&state.roles, definition, None);
        if !self.ungranted.is_empty() {
            self.missing = need;
            return;
        }
        let mut ways = self.ways(state, index, definition);
        // Only after other services' starts: this pass has placed some already.
        for start in &self.starts {
            if let Some(node) = index.position(&start.instance) {
                ways.iter_mut().for_each(|way| way.ranker.placed(node));
            }
        }
        let mut deal = self.deal(self.service.desired_count);
        let ceiling = self.ceiling();
        let mut occupancy = self.occupancy();
        let mut left = need;
        while left > 0 {
            let victim = match (occupancy < ceiling, self.victims.first()) {
                (true, _) => None,
                (false, Some(victim)) => Some(victim),
                // The ceiling is reached and the floor too: the next step comes by itself.
                (false, None) => break,
            };
            let Some(turn) = deal.next() else { break };
            let Some(search) = ways.get_mut(turn) else {
                break;
            };
            let Some((node, why)) = search.ranker.best(index, &search.ask) else {
                if self.swap(index, search) {
                    occupancy = occupancy.saturating_sub(1);
                } else {
                    deal.full(turn);
                }
                continue;
            };
            if let Some(victim) = victim {
                self.victims.take(victim);
                for way in &mut ways {
                    self.stop_victim(index, way, victim);
                }
                occupancy = occupancy.saturating_sub(1);
            }
            let Some(search) = ways.get_mut(turn) else {
                break;
            };
            self.start_on(index, search, definition, (node, why), (ids.task_id(), now));
            for (_, way) in ways.iter_mut().enumerate().filter(|(at, _)| *at != turn) {
                way.ranker.placed(node);
            }
            deal.took(turn);
            occupancy += 1;
            left -= 1;
        }
        self.fall_short(ways, &deal, left);
    }

    /// Starts a task of the primary deployment on a node.
    pub(super) fn start_on(
        &mut self,
        index: &mut Index,
        search: &mut Search,
        definition: &TaskDefinition,
        (node, placement): (usize, Arc<str>),
        (id, now): (TaskId, TimeMs),
    ) {
        let (Some(primary), Some(at)) = (self.service.primary(), index.nodes.get(node)) else {
            return;
        };
        let task = form::task(Born {
            id,
            group: search.group.clone(),
            service: &self.service,
            deployment: &primary.id,
            definition,
            resources: search.ask.resources.clone(),
            instance: at.instance.name.clone(),
            placement,
            capacity_provider: search.provider.clone(),
            now,
        });
        index.hold(node, &task);
        search.ranker.placed(node);
        self.starts.push(task);
    }

    /// What a placement with one of the service's capacity providers needs, or without any.
    pub fn search_in(
        &self,
        state: &State,
        index: &Index,
        definition: &TaskDefinition,
        provider: Option<&CapacityProviderName>,
    ) -> Search {
        let service = &self.service;
        let mut ask = ask(service, definition, provider);
        ask.last = self.failures.hosts();
        let nodes = |test: &dyn Fn(&Member<'_>) -> bool| -> Vec<usize> {
            let members = self.members.iter().filter(|m| test(m));
            members.filter_map(|m| m.node).collect()
        };
        let mut ranker = Ranker::new(
            index,
            &ask,
            &service.placement_strategy,
            (rank::hash(0, &state.control_plane), service.name.as_str()),
            &nodes(&|m| m.wanted() && m.place == Place::Keeper),
            &nodes(&|m| !m.stopping),
        );
        ranker.whose = rank::whose(service, &self.members);
        Search {
            provider: provider.cloned(),
            group: format!("service:{}", service.name).into(),
            ask,
            ranker,
        }
    }

    pub(super) fn stop_victim(&mut self, index: &mut Index, search: &mut Search, victim: usize) {
        let why = self.why(victim);
        self.stop(index, victim, why);
        if let Some(node) = self.members.get(victim).and_then(|m| m.node) {
            search.ranker.left(node);
        }
    }

    /// With `distinctInstance`, a task that may go can stand on the only instances left: stops
    /// one whose instance then takes the new task at once.
    fn swap(&mut self, index: &mut Index, search: &mut Search) -> bool {
        if !search.ask.distinct {
            return false;
        }
        let candidates: BTreeSet<usize> = search.ranker.candidates().iter().copied().collect();
        let takes = |&(victim, _): &(usize, bool)| {
            self.members
                .get(victim)
                .and_then(|m| m.node)
                .filter(|node| candidates.contains(node) && search.ranker.group_on(*node) == 1)
                .and_then(|node| index.nodes.get(node))
                .is_some_and(|node| search.ask.fits(node, 0))
        };
        let found = self.victims.iter().find(takes);
        match found {
            Some((victim, _)) => {
                self.victims.take(victim);
                self.stop_victim(index, search, victim);
                true
            }
            None => false,
        }
    }
}
