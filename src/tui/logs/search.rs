//! A search in logs: the words or the expression, and the lines that have it.

use std::ops::Range;

use regex::Regex;

use super::super::filter;
use super::numbers::Numbers;

/// The most places that are marked in one line.
const MARKS_MAX: usize = 64;

/// What is searched for, and where it was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// As typed: words, or `/…/` for an expression.
    pub typed: String,
    pattern: Option<Regex>,
    /// Why what was typed is no expression.
    pub wrong: Option<String>,
    /// The lines that have it.
    pub found: Numbers,
    /// The line that the search is at.
    pub at: Option<u64>,
}

impl Search {
    /// Reads what was typed anew; what was found is to be looked for again.
    pub(crate) fn read(&mut self) {
        self.found.clear();
        self.at = None;
        let expression = self.typed.strip_prefix('/');
        let pattern = match expression {
            // The second slash may not have been typed yet.
            Some(rest) => filter::regex(rest.strip_suffix('/').unwrap_or(rest)),
            None => filter::regex(&regex::escape(&self.typed)),
        };
        let asks = self.typed.trim_matches('/');
        (self.pattern, self.wrong) = match pattern {
            _ if asks.is_empty() => (None, None),
            Ok(pattern) => (Some(pattern), None),
            Err(why) => (None, Some(why)),
        };
    }

    /// Whether anything is searched for.
    pub(crate) fn is_on(&self) -> bool {
        !self.typed.is_empty()
    }

    /// Whether a line is looked at to any end.
    pub(crate) fn looks(&self) -> bool {
        self.pattern.is_some()
    }

    /// Whether a text has it.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_some_and(|pattern| pattern.is_match(text))
    }

    /// Where a text has it.
    pub(crate) fn places(&self, text: &str) -> Vec<Range<usize>> {
        let Some(pattern) = &self.pattern else {
            return Vec::new();
        };
        let found = pattern.find_iter(text).take(MARKS_MAX);
        found.map(|m| m.range()).filter(|r| !r.is_empty()).collect()
    }
}
