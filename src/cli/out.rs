//! Printing: aligned columns, JSON, questions. A reader that goes away ends the command quietly.
//!
//! Names, reasons and lines come from containers, engines and other clients. Whatever they hold,
//! what is printed here moves no cursor and changes no terminal, wherever it is piped.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::error::{CliError, CliResult};
use crate::model::tag::Tag;
use crate::tui::ansi;

/// Prints text, made harmless, and the end of the line on standard output.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn line(text: impl AsRef<str>) -> CliResult {
    raw(format!("{}\n", ansi::lines(text.as_ref())).as_bytes())
}

/// Prints what a container wrote, after words of ours: on a terminal with its colours.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn log_line(before: &str, text: &str) -> CliResult {
    if !on_terminal() {
        return line(format!("{before}{text}"));
    }
    let before = ansi::plain(before);
    raw(format!("{before}{}\n", ansi::line(text).painted()).as_bytes())
}

/// Writes bytes on standard output, at once.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn raw(bytes: &[u8]) -> CliResult {
    let mut out = io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> CliResult {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::Pipe,
        _ => CliError::Failed(format!("standard output: {error}")),
    })
}

/// Prints a remark on standard error, where it does not disturb a program that reads the output.
pub fn note(text: impl AsRef<str>) {
    // Nothing can be said about a standard error that is gone.
    let _ = writeln!(io::stderr(), "{}", ansi::lines(text.as_ref()));
}

/// Prints a value as JSON. Characters that a terminal might obey are escaped, so the value is the
/// same for whoever reads it.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn json(value: &Value) -> CliResult {
    raw(format!("{}\n", escaped(&format!("{value:#}"))).as_bytes())
}

/// Prints a value as JSON in one line.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn json_line(value: &Value) -> CliResult {
    raw(format!("{}\n", escaped(&value.to_string())).as_bytes())
}

/// JSON text in which every character that is not plain, and stands in some string therefore, is
/// written by its number. JSON writers do so below U+0020 only.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || ansi::is_plain(c) {
            out.push(c);
            continue;
        }
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// Whether standard output is a terminal.
#[must_use]
pub fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a question can be asked: both ends of the conversation are a terminal.
#[must_use]
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and takes only a clear yes for one. The answer is read on a thread of its own, so that
/// an interrupt is heard meanwhile.
pub async fn ask(question: &str) -> bool {
    let answer = answer(&format!("{question} [y/N]")).await;
    matches!(answer.to_lowercase().as_str(), "y" | "yes")
}

/// What is typed at a question; nothing if it cannot be read.
pub async fn answer(question: &str) -> String {
    let mut error = io::stderr();
    let question = ansi::lines(question);
    let _ = write!(error, "{question} ").and_then(|()| error.flush());
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    match answer.await {
        Ok(Ok(answer)) => answer.trim().to_owned(),
        // What cannot be read is no clear answer.
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

/// States an effect and asks on a terminal, unless `yes`. Off a terminal the command itself is
/// clear enough.
///
/// # Errors
/// [`CliError::Failed`] when the answer is no.
pub async fn confirm(effect: &str, yes: bool) -> CliResult {
    if yes || !can_ask() {
        return Ok(());
    }
    note(effect);
    if ask("Go on?").await {
        Ok(())
    } else {
        Err(CliError::Failed("nothing was changed".into()))
    }
}

/// Columns under a heading.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|&text| text.to_owned()).collect()],
        }
    }

    /// Adds a row. An empty cell is shown as `-`.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| match ansi::plain(cell.trim()) {
                    text if text.is_empty() => "-".to_owned(),
                    text => text.into_owned(),
                })
                .collect(),
        );
    }

    /// Whether it has no row under its headings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// The aligned lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let mut text = String::new();
                for (cell, width) in row.iter().zip(&widths) {
                    text.push_str(cell);
                    text.push_str(&" ".repeat(width - cell.width() + 2));
                }
                text.truncate(text.trim_end().len());
                text
            })
            .collect()
    }

    /// Prints it, or `nothing` on standard error where it has no row.
    ///
    /// # Errors
    /// [`CliError::Pipe`] when the reader went away.
    pub fn print(&self, nothing: &str) -> CliResult {
        if self.is_empty() {
            note(nothing);
            return Ok(());
        }
        line(self.lines().join("\n"))
    }
}

/// A number with its noun: `1 task`, `3 tasks`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("{number} {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Tags as they are written: `team=web, stage=test`.
#[must_use]
pub fn tags(tags: &[Tag]) -> String {
    let each = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value));
    each.collect::<Vec<_>>().join(", ")
}

/// Names with their values, one a line, the values aligned.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn facts(facts: &[(&str, String)]) -> CliResult {
    let width = facts
        .iter()
        .map(|(name, _)| name.width())
        .max()
        .unwrap_or(0);
    for (name, value) in facts {
        let mut lines = value.lines();
        let first = lines.next().unwrap_or("-");
        line(format!("{name:width$}  {first}"))?;
        for more in lines {
            line(format!("{:width$}  {more}", ""))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_holds_nothing_that_a_terminal_obeys_and_means_the_same() {
        let value = serde_json::json!({"a\u{9b}2J": "\u{1b}]0;x\u{7}\u{202e}\u{e0041}ü日\u{7f}"});
        let text = escaped(&format!("{value:#}"));
        assert!(
            text.chars().all(|c| c == '\n' || ansi::is_plain(c)),
            "{text}"
        );
        assert!(text.contains("ü日"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn a_cell_is_as_wide_as_it_looks_whatever_is_in_it() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row(["\u{1b}[2Ja\u{202e}b\u{9b}1A".into(), "1".into()]);
        assert_eq!(table.lines(), ["NAME  X", "ab    1"]);
    }

    #[test]
    fn columns_are_aligned_by_what_is_seen_and_lines_end_clean() {
        let mut table = Table::new(&["NAME", "COUNT", "NOTE"]);
        table.row(["wäb".into(), "3/3".into(), String::new()]);
        table.row(["船".into(), "10/10".into(), "two\nlines".into()]);
        assert_eq!(
            table.lines(),
            [
                "NAME  COUNT  NOTE",
                "wäb   3/3    -",
                "船    10/10  two lines"
            ]
        );
    }
}
