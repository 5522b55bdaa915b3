//! One service's tasks among its capacity providers.

use super::ground::Deal;
use super::index::Index;
use super::reconcile::{Member, Place};
use super::rollout::{Search, Turn};
use super::scale_in::ScaleIn;
use crate::model::capacity::launch_words;
use crate::model::task_definition::TaskDefinition;
use crate::model::{CapacityProviderName, State, Task};

impl Turn<'_> {
    pub(super) fn item_of(&self, task: &Task) -> Option<usize> {
        let items = self.service.capacity_provider_strategy.iter();
        let mut names = items.map(|item| Some(&item.capacity_provider));
        names.position(|name| name == task.capacity_provider.as_ref())
    }

    /// How the service's wanted tasks and those that this pass has started share `total`.
    pub fn deal(&self, total: u32) -> Deal {
        let items = &self.service.capacity_provider_strategy;
        Deal::new(items, total, self.have())
    }

    /// Which capacity provider one more task goes to, and why; `None` without a strategy.
    pub fn providers_turn(&self) -> Option<String> {
        let items = &self.service.capacity_provider_strategy;
        let have = self.have();
        let at = self.deal(self.keepers().saturating_add(1)).next()?;
        let item = items.get(at)?;
        let why = match have.get(at) {
            Some(count) if *count < item.base => "it has not its base yet",
            _ => "it is the furthest below its share",
        };
        let each = launch_words(None, items).into_iter().zip(have);
        let each: Vec<String> = each
            .map(|(words, count)| format!("{words}, has {count}"))
            .collect();
        Some(format!(
            "One more task is for capacity provider {}, for {why} ({}).",
            item.capacity_provider,
            each.join("; ")
        ))
    }

    /// How many tasks each item of the strategy has.
    fn have(&self) -> Vec<u32> {
        let items = &self.service.capacity_provider_strategy;
        let mut have = vec![0; items.len().max(1)];
        let wanted = |m: &&Member<'_>| m.wanted() && m.place == Place::Keeper;
        let members = self.members.iter().filter(wanted);
        let members = members.map(|member| &**member.task);
        for at in members
            .chain(&self.starts)
            .filter_map(|task| self.item_of(task))
        {
            if let Some(count) = have.get_mut(at) {
                *count += 1;
            }
        }
        have
    }

    /// One way for each item of the service's strategy; the one of its launch type without any.
    pub fn ways(&self, state: &State, index: &Index, definition: &TaskDefinition) -> Vec<Search> {
        let way = |provider: Option<&CapacityProviderName>| {
            self.search_in(state, index, definition, provider)
        };
        let items = &self.service.capacity_provider_strategy;
        if items.is_empty() {
            return vec![way(None)];
        }
        let providers = items.iter().map(|item| &item.capacity_provider);
        providers.map(|provider| way(Some(provider))).collect()
    }

    /// What a placement of one more task needs.
    pub fn search(&self, state: &State, index: &Index, definition: &TaskDefinition) -> Search {
        let one_more = self.keepers().saturating_add(1);
        let turn = self.deal(one_more).next();
        let items = &self.service.capacity_provider_strategy;
        let item = items.get(turn.unwrap_or(0));
        let provider = item.map(|item| &item.capacity_provider);
        self.search_in(state, index, definition, provider)
    }

    /// `count` of the service's `keepers` to stop: those of no provider of its strategy first,
    /// then where a provider has the most over its share; within each as `choice` goes.
    pub(super) fn surplus(
        &self,
        mut choice: ScaleIn<'_>,
        keepers: &[usize],
        count: usize,
    ) -> Vec<usize> {
        let items = self.service.capacity_provider_strategy.len();
        if items == 0 {
            return choice.take(keepers, count);
        }
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); items + 1];
        for &at in keepers {
            let item = self.members.get(at).and_then(|m| self.item_of(m.task));
            if let Some(group) = groups.get_mut(item.unwrap_or(items)) {
                group.push(at);
            }
        }
        let mut take = vec![0; items + 1];
        let mut deal = self.deal(self.service.desired_count);
        for _ in 0..count {
            // A provider whose tasks are protected has none to give; others give in its stead.
            let gives = |at: usize| {
                let (has, taken) = (groups.get(at), take.get(at));
                has.zip(taken)
                    .is_some_and(|(has, taken)| *taken < has.len())
            };
            let strangers = Some(items).filter(|&at| gives(at));
            let Some(from) = strangers.or_else(|| deal.most_over(gives)) else {
                break;
            };
            deal.gave(from);
            if let Some(taken) = take.get_mut(from) {
                *taken += 1;
            }
        }
        let mut chosen = Vec::with_capacity(count);
        for at in std::iter::once(items).chain(0..items) {
            if let (Some(group), Some(&count)) = (groups.get(at), take.get(at)) {
                chosen.extend(choice.take(group, count));
            }
        }
        chosen
    }
}
