//! What somebody who asks is allowed to ask for.

use serde::{Deserialize, Serialize};

/// A role of people and programs; each may do all that the one before it may. Not to be confused
/// with a task's [`Role`](super::Role).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum AccessRole {
    /// Looks, and changes nothing.
    Viewer,
    /// Changes services, tasks, schedules, deployments and instances, and opens shells.
    Operator,
    /// Besides, what cannot be taken back: clusters and the end of task definitions.
    Admin,
    /// The user whose control plane it is, and root: on the socket, or in this very process.
    #[default]
    Owner,
}

impl AccessRole {
    /// The roles that a config can give.
    pub const GIVEN: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Whether it is the control plane's own user, who is held to nothing.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for it so
    pub fn is_owner(&self) -> bool {
        *self == Self::Owner
    }

    /// Whether it may do what needs that role.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}

impl std::fmt::Display for AccessRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::AccessRole::{self, Admin, Operator, Owner, Viewer};

    #[test]
    fn each_may_what_the_one_before_may_and_no_more() {
        let all = [Viewer, Operator, Admin, Owner];
        for (at, role) in all.into_iter().enumerate() {
            for (needed_at, needed) in all.into_iter().enumerate() {
                assert_eq!(role.allows(needed), at >= needed_at, "{role} for {needed}");
            }
            let word = serde_json::to_value(role).unwrap();
            assert_eq!(word, role.as_str());
            assert_eq!(serde_json::from_value::<AccessRole>(word).unwrap(), role);
        }
    }
}
