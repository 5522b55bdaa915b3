//! What a list is narrowed to: words, regular expressions, `!` and `column:value`.

use regex::{Regex, RegexBuilder};

use crate::model::members::nearest;

use super::text;

/// The most bytes that a compiled expression takes.
const REGEX_BYTES: usize = 1 << 20;
/// The deepest that groups stand in each other.
const REGEX_DEPTH: u32 = 16;
/// The fewest letters that a column's name may be cut to.
const HEAD_LEAST: usize = 3;
/// What makes an expression of a word. A dot does not: addresses have dots.
const SIGNS: [char; 12] = ['^', '$', '*', '+', '?', '(', ')', '[', ']', '{', '|', '\\'];

/// One filter, read. Every term must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    terms: Vec<Term>,
    /// What of it could not be read, and is therefore left out.
    pub wrong: Option<String>,
}

#[derive(Clone, Debug)]
struct Term {
    negated: bool,
    /// Index of the column it is about; `None` is about the whole row.
    column: Option<usize>,
    pattern: Pattern,
}

#[derive(Clone, Debug)]
enum Pattern {
    /// In lower case.
    Word(String),
    Regex(Regex),
}

impl Pattern {
    fn occurs(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => text.to_lowercase().contains(word),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl Filter {
    /// Reads what was typed over a list with columns of these heads. What cannot be read hides
    /// nothing: it is left out, and said in `wrong`.
    pub(crate) fn read(typed: &str, heads: &[&str]) -> Self {
        let mut filter = Self::default();
        let mut rest = typed.trim_start();
        while !rest.is_empty() {
            let (token, after) = split(rest);
            rest = after.trim_start();
            match term(token, heads) {
                Ok(term) => filter.terms.extend(term),
                Err(why) => filter.wrong = filter.wrong.or(Some(why)),
            }
        }
        filter
    }

    /// Whether it asks for nothing: everything passes.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes, by all that it says and what it says in a column.
    pub(crate) fn passes(
        &self,
        whole: impl FnOnce() -> String,
        cell: impl Fn(usize) -> String,
        cells: usize,
    ) -> bool {
        #[cfg(test)]
        super::fleet::looked::at(1);
        if self.terms.is_empty() {
            return true;
        }
        let whole = whole();
        self.terms.iter().all(|term| {
            let occurs = match (term.column, &term.pattern) {
                (Some(column), pattern) => pattern.occurs(&cell(column)),
                (None, Pattern::Word(_)) => term.pattern.occurs(&whole),
                // So that ^ and $ mean the ends of a cell.
                (None, Pattern::Regex(_)) => {
                    (0..cells).any(|at| term.pattern.occurs(&cell(at)))
                        || term.pattern.occurs(&whole)
                }
            };
            occurs != term.negated
        })
    }
}

/// The first term, and what follows it. Within `/…/` spaces do not end it.
fn split(text: &str) -> (&str, &str) {
    let word = text.find(char::is_whitespace).unwrap_or(text.len());
    let slash = text[..word].find('/').filter(|at| opens(&text[..*at]));
    let end = slash.and_then(|at| {
        let inside = &text[at + 1..];
        let closes = |i: &usize| {
            let after = &inside[i + 1..];
            after.is_empty() || after.starts_with(char::is_whitespace)
        };
        let mut slashes = inside.match_indices('/').map(|(i, _)| i);
        slashes.find(closes).map(|i| at + i + 2)
    });
    text.split_at(end.unwrap_or(word))
}

/// Whether an expression may follow that: nothing, `!`, `column:` or both.
fn opens(before: &str) -> bool {
    let before = before.strip_prefix('!').unwrap_or(before);
    let name = before.strip_suffix(':');
    before.is_empty() || name.is_some_and(is_name)
}

/// Whether it is a column's name to the letter: fields of JSON lines have signs in theirs.
fn heads_it(name: &str, heads: &[&str]) -> bool {
    let name = name.to_uppercase();
    heads.iter().any(|head| **head == name)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphabetic())
}

/// One term; none if it asks for nothing (yet).
fn term(token: &str, heads: &[&str]) -> Result<Option<Term>, String> {
    let (negated, token) = match token.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, token),
    };
    let (column, wanted) = match token.split_once(':') {
        Some((name, value))
            // Where there are no columns, a colon is a sign like others.
            if !heads.is_empty()
                && (is_name(name) || heads_it(name, heads))
                && !value.starts_with("//") =>
        {
            match column(name, heads) {
                Some(at) => (Some(at), value),
                // A task definition and its revision: web:7.
                None if value.parse::<u32>().is_ok() => (None, token),
                None => return Err(unknown(name, heads)),
            }
        }
        _ => (None, token),
    };
    let inside = wanted.strip_prefix('/').and_then(|w| w.strip_suffix('/'));
    let pattern = match inside {
        Some(inside) => Pattern::Regex(regex(inside)?),
        None if wanted.contains(SIGNS) => Pattern::Regex(regex(wanted)?),
        None => Pattern::Word(wanted.to_lowercase()),
    };
    Ok((!wanted.is_empty()).then_some(Term {
        negated,
        column,
        pattern,
    }))
}

/// The column of that name: in full, without its plural s, or cut short.
fn column(name: &str, heads: &[&str]) -> Option<usize> {
    let name = name.to_uppercase();
    let exact = heads.iter().position(|head| **head == name);
    exact.or_else(|| {
        heads
            .iter()
            .position(|head| name.len() >= HEAD_LEAST && head.starts_with(&name))
    })
}

fn unknown(name: &str, heads: &[&str]) -> String {
    let known = match nearest(name, heads.iter().copied()) {
        Some(near) => format!("{}:?", near.to_lowercase()),
        None => format!("there are {}", heads.join(", ").to_lowercase()),
    };
    format!("no column {name}: {known}")
}

/// An expression, within bounds.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(REGEX_BYTES)
        .dfa_size_limit(REGEX_BYTES)
        .nest_limit(REGEX_DEPTH)
        .build()
        .map_err(|error| {
            let why = match error {
                regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
                other => {
                    let words = other.to_string();
                    let last = words.lines().last().unwrap_or_default().trim();
                    last.strip_prefix("error: ").unwrap_or(last).to_owned()
                }
            };
            let why = text::clean(&why).into_owned();
            format!("no regex: {why}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: [&str; 3] = ["SERVICE", "STATE", "ZONES"];
    const ROWS: [[&str; 3]; 3] = [
        ["web", "STEADY", "eu-1a eu-1b"],
        ["webhooks", "NO PLACE", "eu-1a"],
        ["api", "STEADY", "10.0.0.1"],
    ];

    fn passing(typed: &str) -> Vec<&'static str> {
        let filter = Filter::read(typed, &HEADS);
        let rows = ROWS.iter().filter(|row| {
            let cell = |at: usize| row[at].to_owned();
            filter.passes(|| row.join(" "), cell, HEADS.len())
        });
        rows.map(|row| row[0]).collect()
    }

    fn wrong(typed: &str) -> String {
        Filter::read(typed, &HEADS).wrong.unwrap_or_default()
    }

    #[test]
    fn every_word_must_occur_and_those_with_a_mark_must_not() {
        assert_eq!(passing("WEB eu-1a"), ["web", "webhooks"]);
        assert_eq!(passing("web steady"), ["web"]);
        assert_eq!(passing("!web"), ["api"]);
        assert_eq!(passing("!"), ["web", "webhooks", "api"]);
        assert_eq!(passing("10.0"), ["api"]);
    }

    #[test]
    fn expressions_stand_between_slashes_or_show_by_their_signs() {
        assert_eq!(passing("^web$"), ["web"]);
        assert_eq!(passing("/no place/"), ["webhooks"]);
        assert_eq!(passing("!/no place/ web"), ["web"]);
        assert_eq!(passing("state:/^no p/"), ["webhooks"]);
        assert_eq!(passing("service:a|hooks"), ["webhooks", "api"]);
        assert_eq!(passing("/w.b/"), ["web", "webhooks"]);
    }

    #[test]
    fn a_column_is_named_in_full_or_by_its_beginning() {
        assert_eq!(passing("zone:1b"), ["web"]);
        assert_eq!(passing("!sta:steady"), ["webhooks"]);
        assert_eq!(passing("zone:web"), [""; 0]);
        assert_eq!(passing("state:"), ["web", "webhooks", "api"]);
        assert_eq!(passing("web:7"), [""; 0], "a revision is a word");
        assert_eq!(wrong("web:7 unix:///run/docker.sock"), "");
    }

    #[test]
    fn what_cannot_be_read_is_said_and_hides_nothing() {
        assert_eq!(passing("web( api"), ["api"]);
        assert_eq!(wrong("web("), "no regex: unclosed group");
        assert_eq!(passing("sate:x"), ["web", "webhooks", "api"]);
        assert_eq!(wrong("sate:x"), "no column sate: state:?");
        assert!(!wrong(&"(".repeat(60)).is_empty());
        let known = "no column xyzzy: there are service, state, zones";
        assert_eq!(wrong("xyzzy:x"), known);
        let huge = r"(\w{900}){900}";
        assert_eq!(wrong(huge), "no regex: it is too large");
    }
}
