//! Tasks that a rollout may stop to let something start.

use std::collections::VecDeque;

use super::index::Index;
use super::reconcile::{Member, Place};
use super::rollout::Turn;
use crate::model::TimeMs;

/// Members that may go, best first: those that serve nobody, then those that serve and are to be
/// replaced, of which only so many as the floor allows. Which of them is open until it is taken: it
/// depends on what starts meanwhile where, and a plan must find again what the last one left.
#[derive(Debug, Default)]
pub(crate) struct Victims {
    idle: VecDeque<usize>,
    serving: VecDeque<usize>,
    /// How many that serve may still be taken.
    pub budget: usize,
}

impl Victims {
    /// The one to take first.
    pub fn first(&self) -> Option<usize> {
        let serving = self.serving.front().filter(|_| self.budget > 0);
        self.idle.front().or(serving).copied()
    }

    /// How many may be taken.
    pub fn len(&self) -> usize {
        self.idle.len() + self.budget.min(self.serving.len())
    }

    /// Each one, and whether it serves; all that may be taken, though not together.
    pub fn iter(&self) -> impl Iterator<Item = (usize, bool)> {
        let serving = self.serving.iter().filter(|_| self.budget > 0);
        let idle = self.idle.iter().map(|at| (*at, false));
        idle.chain(serving.map(|at| (*at, true)))
    }

    /// Notes that one is stopped.
    pub fn take(&mut self, victim: usize) {
        let place = |of: &VecDeque<usize>| of.iter().position(|at| *at == victim);
        if let Some(at) = place(&self.idle) {
            self.idle.remove(at);
        } else if let Some(at) = place(&self.serving) {
            self.serving.remove(at);
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
        let mut idle = self.scale_in(index, &unhealthy, unhealthy.len());
        idle.extend(waiting);
        Victims {
            idle: idle.into(),
            serving: self.scale_in(index, &serving, serving.len()).into(),
            budget: self.relied_on(now).saturating_sub(floor) as usize,
        }
    }
}
