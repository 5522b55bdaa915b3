//! Whose instances a task goes to: launch types, and the shares of capacity providers.

use super::feasible::Rejection;
use crate::model::capacity::{CapacityProviderStrategyItem, LaunchType, is_fargate};
use crate::model::{CapacityProviderName, Instance};

/// Whose instances a task may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Any of the cluster's that do not serve FARGATE.
    Ec2,
    /// Those that serve FARGATE.
    Fargate,
    /// Those of a capacity provider.
    Provider(CapacityProviderName),
}

impl Ground {
    /// The ground of a launch type, or of an item of a strategy where one is given.
    #[must_use]
    pub fn of(launch_type: LaunchType, provider: Option<&CapacityProviderName>) -> Self {
        match (launch_type, provider) {
            (_, Some(provider)) if is_fargate(provider) => Self::Fargate,
            (LaunchType::Ec2, Some(provider)) => Self::Provider(provider.clone()),
            (LaunchType::Ec2, None) => Self::Ec2,
            (LaunchType::Fargate, _) => Self::Fargate,
        }
    }

    /// Why the instance is not on this ground; `None` if it is.
    #[must_use]
    pub fn refuses(&self, instance: &Instance) -> Option<Rejection> {
        match self {
            Self::Fargate => (!instance.fargate).then_some(Rejection::NotFargate),
            Self::Ec2 | Self::Provider(_) if instance.fargate => Some(Rejection::FargateOnly),
            Self::Ec2 => None,
            Self::Provider(name) => {
                let there = instance.capacity_provider.as_ref() == Some(name);
                (!there).then(|| Rejection::OtherProvider {
                    wants: name.clone(),
                    has: instance.capacity_provider.clone(),
                })
            }
        }
    }
}

/// How many of `total` tasks each item of a strategy should have: the base first, then one after
/// the other the item with the fewest per weight, the earlier one of equals.
#[must_use]
pub fn shares(items: &[CapacityProviderStrategyItem], total: u32) -> Vec<u32> {
    let mut counts = vec![0u32; items.len()];
    let mut left = total;
    for (count, item) in counts.iter_mut().zip(items) {
        let base = item.base.min(left);
        *count = base;
        left -= base;
    }
    let weights: u32 = items.iter().map(|item| item.weight).sum();
    if weights == 0 {
        return counts;
    }
    // Each whole round gives every item its weight exactly; only the rest is dealt out singly.
    let rounds = left / weights;
    let mut beyond: Vec<u32> = items.iter().map(|item| item.weight * rounds).collect();
    for _ in 0..left % weights {
        let fewest = (0..items.len())
            .filter(|&at| items.get(at).is_some_and(|item| item.weight > 0))
            .min_by(|&a, &b| per_weight(items, &beyond, a, b));
        if let Some(count) = fewest.and_then(|at| beyond.get_mut(at)) {
            *count += 1;
        }
    }
    counts
        .iter()
        .zip(beyond)
        .map(|(base, more)| base + more)
        .collect()
}

/// Which of two items has fewer tasks for its weight.
fn per_weight(
    items: &[CapacityProviderStrategyItem],
    counts: &[u32],
    a: usize,
    b: usize,
) -> std::cmp::Ordering {
    let of = |at: usize| {
        let weight = items.get(at).map_or(1, |item| item.weight);
        (
            u64::from(counts.get(at).copied().unwrap_or(0)),
            u64::from(weight),
        )
    };
    let ((a_count, a_weight), (b_count, b_weight)) = (of(a), of(b));
    (a_count * b_weight, a).cmp(&(b_count * a_weight, b))
}

/// Deals tasks out to the items of a strategy.
#[derive(Clone, Debug)]
pub struct Deal {
    target: Vec<u32>,
    have: Vec<u32>,
    full: Vec<bool>,
}

impl Deal {
    /// `have` is how many of `total` each item has already. No items = one item that has all.
    #[must_use]
    pub fn new(items: &[CapacityProviderStrategyItem], total: u32, have: Vec<u32>) -> Self {
        let target = if items.is_empty() {
            vec![u32::MAX]
        } else {
            shares(items, total)
        };
        let full = vec![false; target.len()];
        Self { target, have, full }
    }

    fn lack(&self, at: usize) -> i64 {
        let of = |counts: &[u32]| i64::from(counts.get(at).copied().unwrap_or(0));
        of(&self.target) - of(&self.have)
    }

    /// The item that lacks the most of its share and is not full, the earlier one of equals.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        let open = self.full.iter().enumerate().filter(|(_, full)| !**full);
        open.map(|(at, _)| at)
            .filter(|&at| self.lack(at) > 0)
            .min_by_key(|&at| (-self.lack(at), at))
    }

    /// One more task went to the item.
    pub fn took(&mut self, at: usize) {
        if let Some(have) = self.have.get_mut(at) {
            *have = have.saturating_add(1);
        }
    }

    /// The item has no room for more; another does not take its share.
    pub fn full(&mut self, at: usize) {
        if let Some(full) = self.full.get_mut(at) {
            *full = true;
        }
    }

    /// The item that has the most over its share of those that may give, the later one of equals:
    /// scale-in takes there.
    #[must_use]
    pub fn most_over(&self, may: impl Fn(usize) -> bool) -> Option<usize> {
        (0..self.target.len())
            .filter(|&at| may(at))
            .max_by_key(|&at| (-self.lack(at), at))
    }

    /// The first item that is full.
    #[must_use]
    pub fn first_full(&self) -> Option<usize> {
        self.full.iter().position(|full| *full)
    }

    /// How many tasks of its share the item lacks, if it is full.
    #[must_use]
    pub fn lack_of_full(&self, at: usize) -> Option<u32> {
        let full = self.full.get(at).is_some_and(|full| *full);
        full.then(|| u32::try_from(self.lack(at)).unwrap_or(0))
    }

    /// One task of the item is to go.
    pub fn gave(&mut self, at: usize) {
        if let Some(have) = self.have.get_mut(at) {
            *have = have.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(name: &str, base: u32, weight: u32) -> CapacityProviderStrategyItem {
        CapacityProviderStrategyItem {
            capacity_provider: CapacityProviderName::new(name).unwrap(),
            base,
            weight,
        }
    }

    #[test]
    fn the_base_comes_first_and_weights_share_the_rest() {
        let of = |items: &[CapacityProviderStrategyItem], totals: &[u32]| -> Vec<Vec<u32>> {
            totals.iter().map(|total| shares(items, *total)).collect()
        };
        let items = [item("steady", 2, 1), item("spot", 0, 3)];
        assert_eq!(
            of(&items, &[0, 1, 2, 3, 4, 5, 6, 10]),
            [
                [0, 0],
                [1, 0],
                [2, 0],
                [3, 0],
                [3, 1],
                [3, 2],
                [3, 3],
                [4, 6]
            ]
        );
        // A weight of 0 takes the base and nothing else.
        assert_eq!(of(&[item("a", 3, 0), item("b", 0, 1)], &[5]), [[3, 2]]);
    }

    proptest! {
        /// One task more never takes one away from anybody, and nobody is more than one task
        /// beyond their weight.
        #[test]
        fn shares_grow_one_by_one_and_follow_the_weights(
            weights in prop::collection::vec(0u32..20, 1..5),
            base in 0u32..5,
            total in 0u32..200,
        ) {
            let mut items: Vec<_> = weights.iter().map(|weight| item("p", 0, *weight)).collect();
            items[0].base = base;
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let (now, next) = (shares(&items, total), shares(&items, total + 1));
            prop_assert_eq!(now.iter().sum::<u32>(), total);
            prop_assert_eq!(next.iter().sum::<u32>(), total + 1);
            prop_assert!(now.iter().zip(&next).all(|(now, next)| now <= next));
            let rest = total.saturating_sub(base);
            let sum: u32 = weights.iter().sum();
            for (at, weight) in weights.iter().enumerate() {
                let own = now[at] - if at == 0 { base.min(total) } else { 0 };
                let exact = f64::from(rest) * f64::from(*weight) / f64::from(sum);
                // The rule is of quotients, so a light item can lead by its whole first task.
                prop_assert!(f64::from(own) <= exact + 1.0 + f64::from(*weight), "{now:?}");
            }
        }
    }
}
