//! Tasks that a rollout may stop to let something start.

use std::collections::VecDeque;

use super::index::Index;
use super::reconcile::{Member, Place};
use super::rollout::Turn;
use crate::model::TimeMs;

/// Members that may go, best first: those that serve nobody, those that serve, are to be replaced
/// and have not proven themselves (of a host that is drained soon after it was given something), and
/// those that serve and are relied on; of both only so many as the floor allows. Which of them is open until it is taken: it
/// depends on what starts meanwhile where, and a plan must find again what the last one left.
#[derive(Debug, Default)]
pub(crate) struct Victims {
    idle: VecDeque<usize>,
    tried: VecDeque<usize>,
    /// How many that have not proven themselves may still be taken.
    spare: usize,
    serving: VecDeque<usize>,
    /// How many that are relied on may still be taken.
    pub budget: usize,
}

impl Victims {
    /// The one to take first.
    pub fn first(&self) -> Option<usize> {
        let tried = self.tried.front().filter(|_| self.spare > 0);
        let serving = self.serving.front().filter(|_| self.budget > 0);
        self.idle.front().or(tried).or(serving).copied()
    }

    /// How many may be taken.
    pub fn len(&self) -> usize {
        let tried = self.spare.min(self.tried.len());
        self.idle.len() + tried + self.budget.min(self.serving.len())
    }

    /// Each one, and whether it serves; all that may be taken, though not together.
    pub fn iter(&self) -> impl Iterator<Item = (usize, bool)> {
        let tried = self.tried.iter().filter(|_| self.spare > 0);
        let serving = self.serving.iter().filter(|_| self.budget > 0);
        let idle = self.idle.iter().map(|at| (*at, false));
        idle.chain(tried.chain(serving).map(|at| (*at, true)))
    }

    /// Notes that one is stopped.
    pub fn take(&mut self, victim: usize) {
        let drop_from = |of: &mut VecDeque<usize>| {
            let at = of.iter().position(|at| *at == victim);
            at.and_then(|at| of.remove(at)).is_some()
        };
        if drop_from(&mut self.idle) {
            return;
        }
        if drop_from(&mut self.tried) {
            self.spare = self.spare.saturating_sub(1);
        } else if drop_from(&mut self.serving) {
            self.budget = self.budget.saturating_sub(1);
        }
    }
}

impl Turn<'_> {
    /// Who may be stopped to let something start: the unhealthy, what does not serve on a
    /// draining instance, and above the floor those that serve and are to be replaced.
    pub(super) fn line_up_victims(&self, index: &Index, now: TimeMs) -> Victims {
        let desired = self.service.desired_count;
        let floor = self.service.deployment_configuration.floor(desired);
        let leaves = |m: &Member<'_>| !matches!(m.place, Place::Keeper | Place::Unhealthy);
        let unhealthy = self.which(|m| m.wanted() && m.place == Place::Unhealthy);
        let waiting = self.which(|m| m.may_go() && !m.serving() && m.place == Place::Draining);
        let serving = self.which(|m| m.serving() && m.may_go() && leaves(m));
        let (tried, relied_on): (Vec<usize>, Vec<usize>) = serving
            .into_iter()
            .partition(|at| (self.members.get(*at)).is_some_and(|m| self.is_on_trial(m, now)));
        let mut idle = self.scale_in(index, &unhealthy, unhealthy.len());
        idle.extend(waiting);
        Victims {
            idle: idle.into(),
            tried: self.scale_in(index, &tried, tried.len()).into(),
            spare: self.count(Member::serving).saturating_sub(floor) as usize,
            serving: self.scale_in(index, &relied_on, relied_on.len()).into(),
            budget: self.relied_on(now).saturating_sub(floor) as usize,
        }
    }
}
