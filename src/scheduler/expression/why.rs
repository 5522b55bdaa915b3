//! Which parts of an expression keep an instance from matching, and what the instance has there.

use std::collections::BTreeMap;
use std::fmt;

use super::{Counted, Expression, Facts, Order, Term, Test};

/// So many parts are named; of more, the first ones.
const PARTS_MAX: usize = 3;
/// Attributes that begin so are found out, not configured.
const FOUND_OUT: &str = "ecs.";

impl Expression {
    /// Why it does not match: `it has disk = hdd`, with the parts that decide where it has several.
    /// Empty if it matches.
    #[must_use]
    pub fn why(&self, facts: &impl Facts) -> String {
        let mut parts = Vec::new();
        self.0.failing(facts, true, &mut parts);
        let compound = matches!(self.0, Term::And(_) | Term::Or(_) | Term::Not(_));
        let told = parts.iter().take(PARTS_MAX);
        let told = told.map(|(term, wanted)| {
            let has = term.has(facts);
            match (compound, wanted) {
                (false, _) => has,
                (true, true) => format!("{term} fails: {has}"),
                (true, false) => format!("{term} holds: {has}"),
            }
        });
        told.collect::<Vec<_>>().join("; ")
    }

    /// Attributes with which the instance would match; `None` where no attribute makes it.
    #[must_use]
    pub fn attributes(&self, facts: &impl Facts) -> Option<BTreeMap<String, String>> {
        let mut attributes = BTreeMap::new();
        (self.0.mend(facts, true, &mut attributes)).then_some(attributes)
    }
}

impl Term {
    /// The parts without children because of which it does not come to `wanted`, each with what
    /// it would have to come to.
    fn failing<'a>(&'a self, facts: &impl Facts, wanted: bool, parts: &mut Vec<(&'a Term, bool)>) {
        if self.holds(facts) == wanted {
            return;
        }
        match self {
            Self::Not(term) => term.failing(facts, !wanted, parts),
            Self::And(terms) | Self::Or(terms) => {
                for term in terms {
                    term.failing(facts, wanted, parts);
                }
            }
            leaf => parts.push((leaf, wanted)),
        }
    }

    /// Finds attributes for it to come to `wanted`. Whether there are such.
    fn mend(
        &self,
        facts: &impl Facts,
        wanted: bool,
        attributes: &mut BTreeMap<String, String>,
    ) -> bool {
        if self.holds(facts) == wanted {
            return true;
        }
        match self {
            Self::Not(term) => term.mend(facts, !wanted, attributes),
            Self::And(terms) if wanted => terms.iter().all(|it| it.mend(facts, true, attributes)),
            Self::Or(terms) if wanted => terms.iter().any(|term| {
                let mut tried = attributes.clone();
                let mends = term.mend(facts, true, &mut tried);
                if mends {
                    *attributes = tried;
                }
                mends
            }),
            Self::Attribute { name, test } if wanted && !name.starts_with(FOUND_OUT) => {
                let value = match test {
                    Test::Equal(value) => Some(value),
                    Test::In(values) => values.first(),
                    _ => None,
                };
                let before = value.and_then(|value| attributes.insert(name.clone(), value.clone()));
                value.is_some() && before.is_none_or(|before| Some(&before) == value)
            }
            _ => false,
        }
    }

    /// What the instance has where this looks.
    fn has(&self, facts: &impl Facts) -> String {
        let instance = facts.instance();
        match self {
            Self::Attribute { name, .. } => match instance.attribute(name) {
                Some(value) => format!("it has {name} = {value}"),
                None => format!("it has no {name}"),
            },
            Self::Name(_) => format!("it is {}", instance.name),
            Self::Connected(_) if instance.is_connected() => "its engine answers".to_owned(),
            Self::Connected(_) => "its engine does not answer".to_owned(),
            Self::AgentVersion(_) => format!("it has {}", super::AGENT_VERSION),
            Self::RegisteredAt(..) | Self::Registered(_) => match instance.registered_at {
                Some(at) => format!("it registered at {} s", at.0 / 1000),
                None => "it never registered".to_owned(),
            },
            Self::Running(_) => match facts.running_tasks() {
                1 => "1 task runs on it".to_owned(),
                count => format!("{count} tasks run on it"),
            },
            Self::Group { .. } if facts.any_group(&|_| true) => "by the tasks on it".to_owned(),
            Self::Group { .. } => "no task is on it".to_owned(),
            // They have parts of their own.
            Self::Not(_) | Self::And(_) | Self::Or(_) => String::new(),
        }
    }
}

/// As it is written, for a term without children.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute { name, test } => write!(f, "attribute:{name} {test}"),
            Self::Name(test) => write!(f, "ec2InstanceId {test}"),
            Self::Connected(test) => write!(f, "agentConnected {test}"),
            Self::AgentVersion(test) => write!(f, "agentVersion {test}"),
            Self::RegisteredAt(order, at) => write!(f, "registeredAt {order} {}", at.0 / 1000),
            Self::Registered(true) => f.write_str("registeredAt exists"),
            Self::Registered(false) => f.write_str("registeredAt !exists"),
            Self::Running(test) => write!(f, "runningTasksCount {test}"),
            Self::Group { wanted: true, test } => write!(f, "task:group {test}"),
            Self::Group { test, .. } => write!(f, "not(task:group {test})"),
            Self::Not(term) => write!(f, "not({term})"),
            Self::And(_) | Self::Or(_) => f.write_str("(…)"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(wanted) => write!(f, "== {wanted}"),
            Self::NotEqual(wanted) => write!(f, "!= {wanted}"),
            Self::Ordered(order, wanted) => write!(f, "{order} {wanted}"),
            Self::Matches(pattern) => write!(f, "=~ {}", written(pattern.as_str())),
            Self::NotMatches(pattern) => write!(f, "!~ {}", written(pattern.as_str())),
            Self::In(list) => write!(f, "in [{}]", list.join(", ")),
            Self::NotIn(list) => write!(f, "!in [{}]", list.join(", ")),
            Self::Exists => f.write_str("exists"),
            Self::NotExists => f.write_str("!exists"),
        }
    }
}

/// A pattern without what makes it match the whole value.
fn written(pattern: &str) -> &str {
    let inner = pattern.strip_prefix(WHOLE.0);
    inner
        .and_then(|inner| inner.strip_suffix(WHOLE.1))
        .unwrap_or(pattern)
}

/// What is put around a pattern, so that it matches the whole value.
pub(super) const WHOLE: (&str, &str) = (r"\A(?:", r")\z");

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |list: &[u64]| {
            let each: Vec<String> = list.iter().map(u64::to_string).collect();
            each.join(", ")
        };
        match self {
            Self::Ordered(order, wanted) => write!(f, "{order} {wanted}"),
            Self::In(wanted) => write!(f, "in [{}]", list(wanted)),
            Self::NotIn(wanted) => write!(f, "!in [{}]", list(wanted)),
            Self::Always(true) => f.write_str("exists"),
            Self::Always(false) => f.write_str("!exists"),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Less => "<",
            Self::LessEqual => "<=",
        })
    }
}
