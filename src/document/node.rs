//! The value tree.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use super::path::{Path, Step};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is: JSON's kinds, to which TOML's come down as well.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string; also TOML's dates, which JSON writes as strings.
    String(String),
    /// A list.
    Array(Vec<Node>),
    /// An object or table, in the order of the text.
    Object(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value as JSON, places left out.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::String(text) => Value::String(text.clone()),
            Kind::Array(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Kind::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The entry of that key, if this is an object that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of that key, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entries of an object; nothing for any other value.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Object(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Kind::String(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, in a word for people: `a string`, `a table`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(number) if number.is_f64() => "a fraction",
            Kind::Number(_) => "a number",
            Kind::String(_) => "a string",
            Kind::Array(_) => "a list",
            Kind::Object(_) => "a table",
        }
    }

    /// The value at a path below this one.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| match step {
            Step::Key(key) => node.get(key),
            Step::Index(index) => node.items()?.get(*index),
        })
    }

    /// Where a path below this value leads: the value's bytes, or, where it is not there, those
    /// of the nearest value above it.
    #[must_use]
    pub fn place(&self, path: &Path) -> Range<usize> {
        let mut node = self;
        for step in path.steps() {
            let below = match step {
                Step::Key(key) => node.get(key),
                Step::Index(index) => node.items().and_then(|items| items.get(*index)),
            };
            match below {
                Some(below) => node = below,
                None => break,
            }
        }
        node.span.clone()
    }
    /// Where the key stands that a path ends with; for any other path, [`Node::place`].
    #[must_use]
    pub fn key_place(&self, path: &Path) -> Range<usize> {
        let Some((Step::Key(key), above)) = path.steps().split_last() else {
            return self.place(path);
        };
        let holder = self.at(&Path::from(above.to_vec()));
        match holder.and_then(|node| node.entry(key)) {
            Some(entry) => entry.key_span.clone(),
            None => self.place(path),
        }
    }
}
