//! Takes a table apart member by member and collects all that is wrong.

use std::ops::Range;

use crate::document::{Document, Fault, Faults, Kind, Node, nearest};

/// Collects faults while a document is read. Rooms above that have a table of their own in the
/// config file read it through this, see [`load_with`](super::load_with).
pub struct Reader<'a> {
    document: &'a Document,
    faults: Faults,
    /// How many there were, also those beyond what is told.
    pushed: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Document) -> Self {
        Self {
            document,
            faults: Faults::default(),
            pushed: 0,
        }
    }

    /// What is wrong.
    pub(super) fn into_faults(self) -> Faults {
        self.faults
    }

    /// A fault at these bytes.
    #[must_use]
    pub fn fault(&self, span: &Range<usize>, what: impl Into<String>) -> Fault {
        self.document.fault(span.clone(), what)
    }

    /// How many faults were taken in so far, also those beyond what is told.
    pub(super) fn pushed(&self) -> usize {
        self.pushed
    }

    /// Takes a fault in.
    pub fn push(&mut self, fault: Fault) {
        self.pushed += 1;
        self.faults.push(fault);
    }

    /// Says that a value is of another kind than the one expected.
    pub fn wrong_kind(&mut self, node: &Node, name: &str, expected: &str) {
        let fault = self.fault(&node.span, format!("{name} is {}", node.kind_name()));
        self.push(fault.expected(expected));
    }

    /// Whether `node` is a table; names every key of it that is not among `known`.
    pub fn table(&mut self, node: &Node, name: &str, known: &[&str]) -> bool {
        if !matches!(node.kind, Kind::Object(_)) {
            self.wrong_kind(node, name, "a table");
            return false;
        }
        for entry in node.entries() {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let what = format!("{name} has no member \"{}\"", entry.key);
            let fault = self
                .fault(&entry.key_span, what)
                .or_nearest(nearest(&entry.key, known.iter().copied()));
            let fault = match fault.nearest {
                Some(_) => fault,
                None => fault.expected(format!("one of {}", known.join(", "))),
            };
            self.push(fault);
        }
        true
    }

    /// The tables of a list of tables; none if it is absent.
    pub fn tables(&mut self, node: &'a Node, key: &str) -> &'a [Node] {
        let Some(list) = node.get(key) else {
            return &[];
        };
        match list.items() {
            Some(items) => items,
            None => {
                let expected = format!("a list of tables, each begun by [[{key}]]");
                self.wrong_kind(list, key, &expected);
                &[]
            }
        }
    }

    /// A string, if it is there.
    pub fn text(&mut self, node: &'a Node, key: &str) -> Option<(&'a str, Range<usize>)> {
        let value = node.get(key)?;
        match value.as_str() {
            Some(text) => Some((text, value.span.clone())),
            None => {
                self.wrong_kind(value, key, "a string");
                None
            }
        }
    }

    /// A string that must be there.
    pub fn required(
        &mut self,
        node: &'a Node,
        name: &str,
        key: &str,
    ) -> Option<(&'a str, Range<usize>)> {
        if node.get(key).is_none() {
            let fault = self.fault(&node.span, format!("{name} has no \"{key}\""));
            self.push(fault.expected(format!("{key} = \"…\"")));
            return None;
        }
        self.text(node, key)
    }

    /// A boolean; false if it is absent.
    pub fn flag(&mut self, node: &Node, key: &str) -> bool {
        match node.get(key) {
            None => false,
            Some(Node {
                kind: Kind::Bool(value),
                ..
            }) => *value,
            Some(value) => {
                self.wrong_kind(value, key, "true or false");
                false
            }
        }
    }

    /// A whole number from 0; 0 if it is absent.
    pub fn amount(&mut self, node: &Node, key: &str, expected: &str) -> u64 {
        let Some(value) = node.get(key) else {
            return 0;
        };
        let number = match &value.kind {
            Kind::Number(number) => number.as_u64(),
            _ => None,
        };
        match (&value.kind, number) {
            (_, Some(number)) => number,
            (Kind::Number(number), None) => {
                let fault = self.fault(&value.span, format!("{key} is {number}"));
                self.push(fault.expected(format!("{expected}, from 0")));
                0
            }
            (_, None) => {
                self.wrong_kind(value, key, expected);
                0
            }
        }
    }

    /// Checks a text against the rules of its type.
    pub fn checked<T: std::str::FromStr>(&mut self, text: &str, span: &Range<usize>) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let fault = self.fault(span, error.to_string());
                self.push(fault);
                None
            }
        }
    }
}
