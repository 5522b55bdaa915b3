//! Tags: what users note on things (ECS: `tags`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::validate::Fault;

/// A note on a thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// Name, unique on the thing; 1 to 128 characters.
    pub key: String,
    /// Value; up to 256 characters.
    #[serde(default)]
    pub value: String,
}

/// Whose tags a service's new tasks get (ECS: `propagateTags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PropagateTags {
    /// Nobody's.
    #[default]
    None,
    /// The task definition's.
    TaskDefinition,
    /// The service's.
    Service,
}

impl PropagateTags {
    /// Whether nobody's tags are handed down.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// ECS's limit for tags of one thing.
pub const TAGS_MAX: usize = 50;
/// ECS's limit for a key, in characters.
pub const KEY_MAX: usize = 128;
/// ECS's limit for a value, in characters.
pub const VALUE_MAX: usize = 256;

/// What is wrong with the tags at `path`, by ECS's rules.
#[must_use]
pub fn faults(path: &str, tags: &[Tag]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |path: String, message: String| faults.push(Fault { path, message });
    if tags.len() > TAGS_MAX {
        let message = format!("{} tags; at most {TAGS_MAX} are allowed", tags.len());
        add(path.to_owned(), message);
    }
    let mut seen = BTreeSet::new();
    for (index, tag) in tags.iter().enumerate() {
        let at = |member: &str| format!("{path}[{index}].{member}");
        for (member, text, most) in [("key", &tag.key, KEY_MAX), ("value", &tag.value, VALUE_MAX)] {
            let length = text.chars().count();
            if length > most {
                let message = format!("is {length} characters long; at most {most} are allowed");
                add(at(member), message);
            }
            let allowed =
                |c: &char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(*c);
            if let Some(found) = text.chars().find(|c| !allowed(c)) {
                let message = format!(
                    "has the character '{found}'; letters, numbers, spaces and _ . : / = + - @ \
                     are allowed"
                );
                add(at(member), message);
            }
            if text.to_lowercase().starts_with("aws:") {
                add(
                    at(member),
                    "must not begin with aws:, which is Amazon's own".to_owned(),
                );
            }
        }
        if tag.key.is_empty() {
            add(at("key"), "must not be empty".to_owned());
        } else if !seen.insert(&tag.key) {
            add(at("key"), format!("{} is given twice", tag.key));
        }
    }
    faults
}

/// Tags after some more were put on: a key that is there gets the new value.
#[must_use]
pub fn merged(tags: &[Tag], more: &[Tag]) -> Vec<Tag> {
    let mut all = tags.to_vec();
    for tag in more {
        match all.iter_mut().find(|known| known.key == tag.key) {
            Some(known) => known.value.clone_from(&tag.value),
            None => all.push(tag.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn tags_follow_ecss_rules() {
        let told = |tags: &[Tag]| -> Vec<String> {
            let faults = faults("tags", tags);
            faults.iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            told(&[tag("team", "web"), tag("größe", ""), tag("a b", "x@y:1")]),
            [""; 0]
        );
        assert_eq!(told(&[tag("", "x")]), ["tags[0].key: must not be empty"]);
        assert_eq!(
            told(&[tag("a", "1"), tag("a", "2")]),
            ["tags[1].key: a is given twice"]
        );
        assert_eq!(
            told(&[tag("AWS:x", "1")]),
            ["tags[0].key: must not begin with aws:, which is Amazon's own"]
        );
        assert!(told(&[tag("a;b", "1")])[0].contains("has the character ';'"));
        assert!(told(&[tag(&"k".repeat(129), "1")])[0].contains("at most 128"));
        assert!(told(&[tag("k", &"v".repeat(257))])[0].contains("at most 256"));
        let many: Vec<Tag> = (0..51).map(|n| tag(&format!("k{n}"), "")).collect();
        assert_eq!(told(&many), ["tags: 51 tags; at most 50 are allowed"]);
        assert_eq!(told(&many[..50]), [""; 0]);
    }

    #[test]
    fn a_key_that_is_there_gets_the_new_value() {
        let before = [tag("a", "1"), tag("b", "2")];
        let after = merged(&before, &[tag("b", "3"), tag("c", "4")]);
        assert_eq!(after, [tag("a", "1"), tag("b", "3"), tag("c", "4")]);
    }
}
