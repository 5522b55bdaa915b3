//! The form of the scripts in `tests/scenarios/`: lines of what happens, below each, after a `|`,
//! what is seen then. What the words mean is the affair of the rooms that run them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::model::TaskId;

/// Holds that a script gives its own text again, or, with `SCENARIO_UPDATE` set, writes what was
/// really seen in its place. `command` carries the words of one line out, by the line's number,
/// and gives what is to be shown.
pub(crate) fn hold(name: &str, command: impl FnMut(&[&str], usize) -> Vec<String>) {
    let file = format!("{}/tests/scenarios/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap();
    let seen = replay(&text, command);
    if std::env::var_os("SCENARIO_UPDATE").is_some() {
        std::fs::write(file, &seen).unwrap();
        return;
    }
    assert!(seen == text, "the script now reads\n---\n{seen}---\n");
}

/// Runs a script and gives its text again, with what was really seen.
fn replay(text: &str, mut command: impl FnMut(&[&str], usize) -> Vec<String>) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('|') {
            continue;
        }
        writeln!(out, "{line}").unwrap();
        let before = line.split('#').next().unwrap();
        let words: Vec<&str> = before.split_whitespace().collect();
        if !words.is_empty() {
            for shown in command(&words, number + 1) {
                writeln!(out, "| {shown}").unwrap();
            }
        }
    }
    out
}

/// The value after a word, such as 50 in `min 50`.
pub(crate) fn after<T: std::str::FromStr>(words: &[&str], word: &str) -> Option<T> {
    let at = words.iter().position(|w| *w == word)?;
    words.get(at + 1)?.parse().ok()
}

/// Tasks by the order in which they were first told of: ids are long and say nothing.
#[derive(Default)]
pub(crate) struct Numbers(BTreeMap<TaskId, usize>);

impl Numbers {
    /// `(task #3)` for a long id.
    pub fn short(&mut self, message: &str) -> String {
        let mut parts = message.split("(task ");
        let mut line = parts.next().unwrap().to_owned();
        for part in parts {
            let (id, rest) = part.split_once(')').unwrap();
            let next = self.0.len() + 1;
            let number = *self.0.entry(id.parse().unwrap()).or_insert(next);
            write!(line, "(task #{number}){rest}").unwrap();
        }
        line
    }
}
