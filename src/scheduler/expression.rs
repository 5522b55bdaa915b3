//! ECS's cluster query language, in which `memberOf` constraints are written.
//!
//! `SUBJECT OPERATOR [ARGUMENT]`, joined by `&&`, `||` and `!` (or `and`, `or`, `not`) and grouped
//! by parentheses; `&&` binds tighter than `||`.
//!
//! | subject | is | compares as |
//! |---|---|---|
//! | `attribute:NAME` | the instance's attribute | text; for `<` and its like as numbers where both are, as versions where both are or the name ends in `version`, else as text |
//! | `agentConnected` | whether its engine answers | `true` or `false` |
//! | `agentVersion` | the version of this program | version |
//! | `ec2InstanceId` | the instance's name | text |
//! | `registeredAt` | when its engine first answered | time: `2026-05-04`, `2026-05-04T12:00:00[Z\|+02:00]` or seconds since 1970; UTC where no zone is named |
//! | `runningTasksCount` | how many of our tasks run on it, those included whose stop is not confirmed | whole number |
//! | `task:group` | the groups of our tasks on it, until their stop is confirmed | text; holds if it does for one of them |
//!
//! Operators are `== != > >= < <= exists !exists in !in =~ !~`, or in words `equals not_equals
//! greater_than greater_than_equal less_than less_than_equal exists not_exists in not_in matches
//! not_matches`. A pattern (`=~`) must match the whole value, as Java's `matches` does in ECS;
//! what Java has beyond regular languages (look-around, back references) is refused. An instance
//! without the attribute differs from every value: `!=`, `!~` and `!in` hold for it.

mod parse;
#[cfg(test)]
mod tests;
mod value;
mod why;

use regex::Regex;

use crate::model::{Instance, TimeMs};
use value::Version;

/// ECS's limit for an expression, in characters.
pub const EXPRESSION_MAX: usize = 2_000;

/// Groups may nest this deep; deeper ones are refused rather than risking the stack.
const DEPTH_MAX: usize = 32;

/// What the value of `agentVersion` is: this program is the agent of every instance.
const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct ExpressionError {
    /// Where, counted in characters from 1.
    pub column: usize,
    /// What was found there, and what was expected.
    pub message: String,
}

/// What an expression may look at: an instance, and what runs on it.
pub trait Facts {
    /// The instance.
    fn instance(&self) -> &Instance;
    /// How many of our tasks have been RUNNING on it and have not been confirmed to have stopped.
    fn running_tasks(&self) -> u32;
    /// Whether `test` holds for the group of any of our tasks on it whose stop is not confirmed.
    fn any_group(&self, test: &dyn Fn(&str) -> bool) -> bool;
}

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Expression(Term);

#[derive(Clone, Debug)]
enum Term {
    /// `attribute:NAME`.
    Attribute {
        name: String,
        test: Test,
    },
    /// `ec2InstanceId`.
    Name(Test),
    /// `agentConnected`.
    Connected(Test),
    /// `agentVersion`.
    AgentVersion(Test),
    /// `registeredAt`; `None` asks whether it was registered at all.
    RegisteredAt(Order, TimeMs),
    Registered(bool),
    /// `runningTasksCount`.
    Running(Counted),
    /// `task:group`.
    Group {
        wanted: bool,
        test: Test,
    },
    Not(Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
}

/// A test of a text that may be absent.
#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    /// Never [`Order::Equal`] or [`Order::NotEqual`].
    Ordered(Order, String),
    Matches(Regex),
    NotMatches(Regex),
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    NotExists,
}

/// A test of a number that is always there.
#[derive(Clone, Debug)]
enum Counted {
    Ordered(Order, u64),
    In(Vec<u64>),
    NotIn(Vec<u64>),
    Always(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

impl Order {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Greater => order.is_gt(),
            Self::GreaterEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
        }
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionError`] with the column at which the text stops making sense.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        parse::expression(text).map(Self)
    }

    /// Whether the instance meets it, with what runs on it.
    #[must_use]
    pub fn matches(&self, facts: &impl Facts) -> bool {
        self.0.holds(facts)
    }

    /// Whether the starts and stops of tasks change what it says of an instance:
    /// `runningTasksCount` and `task:group` do.
    #[must_use]
    pub fn depends_on_tasks(&self) -> bool {
        self.0.depends_on_tasks()
    }
}

impl Term {
    fn holds(&self, facts: &impl Facts) -> bool {
        let instance = facts.instance();
        match self {
            Self::Attribute { name, test } => {
                test.holds(instance.attribute(name), name.ends_with("version"))
            }
            Self::Name(test) => test.holds(Some(instance.name.as_str()), false),
            Self::Connected(test) => {
                let connected = if instance.is_connected() {
                    "true"
                } else {
                    "false"
                };
                test.holds(Some(connected), false)
            }
            Self::AgentVersion(test) => test.holds(Some(AGENT_VERSION), true),
            Self::RegisteredAt(order, at) => match instance.registered_at {
                Some(registered) => order.holds(registered.cmp(at)),
                None => *order == Order::NotEqual,
            },
            Self::Registered(wanted) => instance.registered_at.is_some() == *wanted,
            Self::Running(test) => test.holds(u64::from(facts.running_tasks())),
            Self::Group { wanted, test } => {
                facts.any_group(&|group| test.holds(Some(group), false)) == *wanted
            }
            Self::Not(term) => !term.holds(facts),
            Self::And(terms) => terms.iter().all(|term| term.holds(facts)),
            Self::Or(terms) => terms.iter().any(|term| term.holds(facts)),
        }
    }

    fn depends_on_tasks(&self) -> bool {
        match self {
            Self::Running(_) | Self::Group { .. } => true,
            Self::Not(term) => term.depends_on_tasks(),
            Self::And(terms) | Self::Or(terms) => terms.iter().any(Self::depends_on_tasks),
            Self::Attribute { .. }
            | Self::Name(_)
            | Self::Connected(_)
            | Self::AgentVersion(_)
            | Self::RegisteredAt(..)
            | Self::Registered(_) => false,
        }
    }
}

impl Test {
    /// `version` = as versions rather than as numbers.
    fn holds(&self, value: Option<&str>, version: bool) -> bool {
        match self {
            Self::Equal(wanted) => value.is_some_and(|v| same(v, wanted, version)),
            Self::NotEqual(wanted) => !value.is_some_and(|v| same(v, wanted, version)),
            Self::Ordered(order, wanted) => {
                value.is_some_and(|v| order.holds(compare(v, wanted, version)))
            }
            Self::Matches(pattern) => value.is_some_and(|v| pattern.is_match(v)),
            Self::NotMatches(pattern) => !value.is_some_and(|v| pattern.is_match(v)),
            Self::In(list) => value.is_some_and(|v| list.iter().any(|w| same(v, w, version))),
            Self::NotIn(list) => !value.is_some_and(|v| list.iter().any(|w| same(v, w, version))),
            Self::Exists => value.is_some(),
            Self::NotExists => value.is_none(),
        }
    }
}

impl Counted {
    fn holds(&self, value: u64) -> bool {
        match self {
            Self::Ordered(order, wanted) => order.holds(value.cmp(wanted)),
            Self::In(list) => list.contains(&value),
            Self::NotIn(list) => !list.contains(&value),
            Self::Always(holds) => *holds,
        }
    }
}

fn same(value: &str, wanted: &str, version: bool) -> bool {
    value == wanted
        || (version
            && match (Version::read(value), Version::read(wanted)) {
                (Some(value), Some(wanted)) => value.cmp(&wanted).is_eq(),
                _ => false,
            })
}

fn compare(value: &str, wanted: &str, version: bool) -> std::cmp::Ordering {
    let numbers = match (value.parse::<f64>(), wanted.parse::<f64>()) {
        (Ok(value), Ok(wanted)) if !version && value.is_finite() && wanted.is_finite() => {
            Some(value.total_cmp(&wanted))
        }
        _ => None,
    };
    let versions = || match (Version::read(value), Version::read(wanted)) {
        (Some(value), Some(wanted)) => Some(value.cmp(&wanted)),
        _ => None,
    };
    numbers.or_else(versions).unwrap_or(value.cmp(wanted))
}
