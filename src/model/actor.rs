//! Who asks for changes, and what the audit trail keeps of it.

use serde::{Deserialize, Serialize};

use super::access::AccessRole;

/// The most characters that are kept of who asks.
const USER_MAX: usize = 200;

/// Through what a change is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// The console.
    Console,
    /// A command of `qd`.
    CommandLine,
    /// The API on the socket, by another client.
    Api,
}

impl Surface {
    /// The words for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::CommandLine => "command line",
            Self::Api => "API",
        }
    }

    /// The name that it travels under, `command-line`.
    #[must_use]
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::CommandLine => "command-line",
            Self::Api => "api",
        }
    }

    /// What a name that came over the wire stands for. Who does not say is another client.
    #[must_use]
    pub fn from_wire(name: Option<&str>) -> Self {
        [Self::Console, Self::CommandLine]
            .into_iter()
            .find(|surface| Some(surface.wire_name()) == name)
            .unwrap_or(Self::Api)
    }
}

/// Who asks for a change, and through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The user of the machine, and where they came from if that is known: `deploy (ssh from
    /// 10.0.0.5)`.
    pub user: String,
    /// Through what.
    pub surface: Surface,
    /// What may be asked for.
    pub role: AccessRole,
}

impl Actor {
    /// The control plane's own user, named so, who comes that way. What is no readable character
    /// of the name is replaced, and what is too long is cut: it goes into messages and onto
    /// screens.
    #[must_use]
    pub fn new(user: &str, surface: Surface) -> Self {
        let readable = |c: char| if c.is_control() { '?' } else { c };
        let user = user.trim().chars().take(USER_MAX).map(readable).collect();
        Self {
            user,
            surface,
            role: AccessRole::Owner,
        }
    }

    /// The same, held to a role.
    #[must_use]
    pub fn held_to(self, role: AccessRole) -> Self {
        Self { role, ..self }
    }
}

/// What came of what an operator asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, and nothing was changed.
    Refused,
}

/// One line of the audit trail: the part of an event that says whose doing it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Who ([`Actor::user`]).
    pub user: String,
    /// Through what.
    pub surface: Surface,
    /// What was asked for, by the name of its operation: `UpdateService`.
    pub operation: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The role that who asked is held to; left out for the control plane's own user.
    #[serde(default, skip_serializing_if = "AccessRole::is_owner")]
    pub role: AccessRole,
}

/// Who does not say through what is another client.
impl From<&str> for Actor {
    fn from(user: &str) -> Self {
        Self::new(user, Surface::Api)
    }
}

impl From<String> for Actor {
    fn from(user: String) -> Self {
        Self::from(user.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_readable_and_bounded() {
        let actor = Actor::new(" ann\u{1b}[31m\n ", Surface::Console);
        assert_eq!(actor.user, "ann?[31m");
        let actor = Actor::new(&"é".repeat(1_000), Surface::Api);
        assert_eq!(actor.user.chars().count(), USER_MAX);
    }

    #[test]
    fn a_surface_survives_the_wire_and_a_stranger_is_the_api() {
        for surface in [Surface::Console, Surface::CommandLine, Surface::Api] {
            assert_eq!(Surface::from_wire(Some(surface.wire_name())), surface);
        }
        assert_eq!(Surface::from_wire(Some("boto3")), Surface::Api);
        assert_eq!(Surface::from_wire(None), Surface::Api);
    }
}
