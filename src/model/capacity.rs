//! What a task is launched on: launch types, and capacity providers as named groups of instances.

use serde::{Deserialize, Serialize};

use super::id::CapacityProviderName;

/// Whose business the instance is (ECS: `launchType`).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum LaunchType {
    /// The user's: constraints and strategies choose among the cluster's instances.
    #[default]
    Ec2,
    /// The scheduler's: the task names its cpu and memory, and never sees an instance.
    Fargate,
}

impl LaunchType {
    /// The word that ECS sends.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::Fargate => "FARGATE",
        }
    }
}

/// One share of a capacity provider strategy (ECS: `CapacityProviderStrategyItem`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CapacityProviderStrategyItem {
    /// The group of instances.
    pub capacity_provider: CapacityProviderName,
    /// So many tasks go there first; at most one item of a strategy may have a base. 0 to 100,000.
    #[serde(default)]
    pub base: u32,
    /// Its share of what the base leaves, against the other items' weights. 0 to 1,000.
    #[serde(default)]
    pub weight: u32,
}

/// ECS's own capacity providers: to name one is to ask for the launch type FARGATE.
pub const FARGATE_PROVIDERS: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// The launch type of what follows a strategy.
#[must_use]
pub fn launch_type_of(strategy: &[CapacityProviderStrategyItem]) -> LaunchType {
    let fargate = |item: &CapacityProviderStrategyItem| is_fargate(&item.capacity_provider);
    if strategy.iter().any(fargate) {
        LaunchType::Fargate
    } else {
        LaunchType::Ec2
    }
}

/// The launch type, or each capacity provider's share where a strategy names some, in words.
#[must_use]
pub fn launch_words(
    launch_type: Option<LaunchType>,
    strategy: &[CapacityProviderStrategyItem],
) -> Vec<String> {
    if strategy.is_empty() {
        return launch_type
            .iter()
            .map(|it| it.as_str().to_owned())
            .collect();
    }
    let each = strategy.iter().map(|item| {
        let base = match item.base {
            0 => String::new(),
            base => format!("base {base}, "),
        };
        format!("{}: {base}weight {}", item.capacity_provider, item.weight)
    });
    each.collect()
}

/// Whether it is one of [`FARGATE_PROVIDERS`].
#[must_use]
pub fn is_fargate(provider: &CapacityProviderName) -> bool {
    FARGATE_PROVIDERS.contains(&provider.as_str())
}
