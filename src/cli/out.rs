//! Printing: aligned columns, JSON, questions. A reader that goes away ends the command quietly.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::error::{CliError, CliResult};
use crate::model::tag::Tag;

/// Prints text and the end of the line on standard output.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn line(text: impl AsRef<str>) -> CliResult {
    raw(format!("{}\n", text.as_ref()).as_bytes())
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
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Prints a value as JSON.
///
/// # Errors
/// [`CliError::Pipe`] when the reader went away.
pub fn json(value: &Value) -> CliResult {
    line(format!("{value:#}"))
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
                .map(|cell| match cell.trim() {
                    "" => "-".to_owned(),
                    text => text.replace('\n', " "),
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

/// What a container wrote, fit for a terminal: colours stay, anything else that would move the
/// cursor or change the terminal is left out.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            if c == '\t' || !c.is_control() {
                plain.push(c);
            }
            continue;
        }
        match rest.peek() {
            Some('[') => {
                rest.next();
                let mut sequence = String::new();
                let mut last = None;
                for c in rest.by_ref() {
                    if ('\u{40}'..='\u{7e}').contains(&c) {
                        last = Some(c);
                        break;
                    }
                    sequence.push(c);
                }
                let digits = sequence.chars().all(|c| c.is_ascii_digit() || c == ';');
                if last == Some('m') && digits {
                    plain.push_str(&format!("\u{1b}[{sequence}m"));
                }
            }
            // Titles, links and the like run to a bell or a string terminator.
            Some(']' | 'P' | '_' | '^' | 'X') => {
                let mut before = ' ';
                for c in rest.by_ref() {
                    if c == '\u{7}' || (before == '\u{1b}' && c == '\\') {
                        break;
                    }
                    before = c;
                }
            }
            _ => {
                rest.next();
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_a_container_writes_cannot_move_the_cursor() {
        assert_eq!(
            harmless("a\u{1b}[31mred\u{1b}[0m\u{1b}[2Jb\u{1b}]0;title\u{7}c\rd\te"),
            "a\u{1b}[31mred\u{1b}[0mbcd\te"
        );
        assert_eq!(harmless("\u{1b}"), "");
    }
}
