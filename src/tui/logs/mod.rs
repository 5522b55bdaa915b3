//! Logs being read: what is kept, what of it is shown, and where in it the reader is.

mod book;
mod numbers;
mod painted;
mod search;

use crate::agent::streams::LogTarget;
use crate::client::LogItem;
use crate::docker::LogStream;

use super::event::Ticket;
use super::filter::Filter;
use super::text;

pub(crate) use book::{Entry, LogText, Logbook, Lost};
pub(crate) use painted::{Ink, Painted};
pub(crate) use search::Search;

use numbers::Numbers;

/// The mark of the task, and a space.
const MARK_COLUMNS: usize = 2;
/// `12:34:56 `.
const TIME_COLUMNS: usize = 9;
/// `1f3a9c20 `.
const TASK_COLUMNS: usize = 9;
/// The most columns that a container's name gets, with the space after it.
pub(crate) const CONTAINER_COLUMNS: usize = 11;
/// What a filter can ask of a line beside its text.
const HEADS: [&str; 5] = ["LEVEL", "TASK", "CONTAINER", "INSTANCE", "OUTPUT"];

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub columns: usize,
    pub rows: usize,
}

/// A row of an entry: where the window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub number: u64,
    pub row: usize,
}

/// What is being typed, with what is gone back to when it is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    Search { top: Option<Spot> },
    Filter { before: String },
}

/// Log lines being read.
#[derive(Clone, Debug)]
pub(crate) struct LogPage {
    pub ticket: Ticket,
    pub target: LogTarget,
    pub title: String,
    pub book: Logbook,
    pub wrap: bool,
    /// Columns that are left out at the left while lines are not wrapped.
    pub left: usize,
    /// What is at the top; `None` follows the end.
    pub top: Option<Spot>,
    pub search: Search,
    /// The filter as typed.
    pub wanted: String,
    pub filter: Filter,
    /// The entries that pass the filter, while there is one.
    passing: Numbers,
    pub typing: Option<Typing>,
}

impl LogPage {
    pub(crate) fn new(ticket: Ticket, target: LogTarget, title: String) -> Self {
        Self {
            ticket,
            target,
            title,
            book: Logbook::default(),
            wrap: false,
            left: 0,
            top: None,
            search: Search::default(),
            wanted: String::new(),
            filter: Filter::default(),
            passing: Numbers::default(),
            typing: None,
        }
    }

    /// Takes items in, each looked at once.
    pub(crate) fn take(&mut self, items: Vec<LogItem>) {
        let known = self.book.end_number();
        for item in items {
            self.book.push(item);
        }
        self.look(known);
    }

    /// Marks the end of the stream.
    pub(crate) fn end(&mut self, error: Option<String>) {
        let known = self.book.end_number();
        self.book.end(error);
        self.look(known);
    }

    /// Looks at the entries from `known` on for filter and search.
    fn look(&mut self, known: u64) {
        let first = self.book.kept();
        self.passing.forget_before(first);
        self.search.found.forget_before(first);
        let filtered = self.is_filtered();
        if !filtered && !self.search.looks() {
            return;
        }
        for number in known.max(first)..self.book.end_number() {
            let Some(entry) = self.book.get(number) else {
                continue;
            };
            if filtered && !self.passes(entry) {
                continue;
            }
            let found = match entry {
                Entry::Line(line) => self.search.looks() && self.found_in(line),
                _ => false,
            };
            if filtered {
                self.passing.push(number);
            }
            if found {
                self.search.found.push(number);
            }
        }
    }

    /// Looks at everything anew: what passes, or what is searched for, has changed.
    pub(crate) fn look_again(&mut self) {
        self.passing.clear();
        self.search.found.clear();
        self.look(0);
    }

    /// Reads the filter anew.
    pub(crate) fn read_filter(&mut self) {
        self.filter = Filter::read(&self.wanted, &HEADS);
        self.look_again();
    }

    pub(crate) fn is_filtered(&self) -> bool {
        !self.filter.is_empty()
    }

    /// How many lines the filter hides.
    pub(crate) fn hidden(&self) -> usize {
        if self.is_filtered() {
            self.book.len() - self.passing.len()
        } else {
            0
        }
    }

    /// What is not a line passes always: what is missing must be seen.
    fn passes(&self, entry: &Entry) -> bool {
        let Entry::Line(line) = entry else {
            return true;
        };
        let cell = |at: usize| match HEADS[at] {
            "TASK" => line.origin.task.to_string(),
            "CONTAINER" => line.origin.container.to_string(),
            "INSTANCE" => line.origin.instance.to_string(),
            "OUTPUT" => output(line.stream).to_owned(),
            _ => String::new(),
        };
        self.filter.passes(|| line.text.to_string(), cell, 0)
    }

    fn found_in(&self, line: &LogText) -> bool {
        self.search.matches(&self.painted(line).text)
    }

    /// A line as it is shown, without what stands before it.
    pub(crate) fn painted(&self, line: &LogText) -> Painted {
        let mut painted = Painted::new();
        let ink = match line.stream {
            LogStream::Stdout => Ink::Plain,
            LogStream::Stderr => Ink::Stderr,
        };
        painted.push(&line.text, ink);
        painted
    }

    /// The same of an entry, if it is a line.
    pub(crate) fn painted_entry(&self, number: u64) -> Option<Painted> {
        match self.book.get(number)? {
            Entry::Line(line) => Some(self.painted(line)),
            _ => None,
        }
    }

    /// What is being typed now.
    pub(crate) fn input(&mut self) -> Option<&mut String> {
        match self.typing.as_ref()? {
            Typing::Search { .. } => Some(&mut self.search.typed),
            Typing::Filter { .. } => Some(&mut self.wanted),
        }
    }

    /// The first entry shown that has this number or a greater one.
    fn at_or_after(&self, number: u64) -> Option<u64> {
        let first = self.book.first();
        if number <= first && first < self.book.kept() {
            return Some(first);
        }
        if self.is_filtered() {
            self.passing.at_or_after(number)
        } else {
            (number < self.book.end_number()).then_some(number.max(first))
        }
    }

    /// The last entry shown that has a lesser number.
    fn before(&self, number: u64) -> Option<u64> {
        let first = self.book.first();
        let kept = if self.is_filtered() {
            self.passing.before(number)
        } else {
            let before = number.min(self.book.end_number()).checked_sub(1);
            before.filter(|before| *before >= self.book.kept())
        };
        kept.or((first < self.book.kept() && first < number).then_some(first))
    }

    /// Columns before a line's text: mark, time, and where it came from.
    pub(crate) fn prefix_columns(&self) -> usize {
        let task = match self.target {
            LogTarget::Task { .. } => 0,
            LogTarget::Service { .. } => TASK_COLUMNS,
        };
        MARK_COLUMNS + TIME_COLUMNS + task + CONTAINER_COLUMNS
    }

    /// Columns for a line's text.
    pub(crate) fn text_columns(&self, sight: Sight) -> usize {
        sight.columns.saturating_sub(self.prefix_columns()).max(1)
    }

    /// How many rows an entry takes.
    fn rows_of(&self, number: u64, sight: Sight) -> usize {
        match self.book.get(number) {
            Some(Entry::Line(line)) if self.wrap => {
                text::fold(&self.painted(line).text, self.text_columns(sight)).len()
            }
            _ => 1,
        }
    }

    /// So many rows above a spot, or the beginning.
    fn above(&self, mut spot: Spot, mut rows: usize, sight: Sight) -> Spot {
        while rows > spot.row {
            rows -= spot.row;
            let Some(number) = self.before(spot.number) else {
                return Spot { row: 0, ..spot };
            };
            let row = self.rows_of(number, sight);
            spot = Spot { number, row };
        }
        spot.row -= rows;
        spot
    }

    /// So many rows under a spot, or the last row.
    fn under(&self, mut spot: Spot, mut rows: usize, sight: Sight) -> Spot {
        loop {
            let here = self.rows_of(spot.number, sight).saturating_sub(spot.row);
            if rows < here {
                spot.row += rows;
                return spot;
            }
            rows -= here;
            let Some(number) = self.at_or_after(spot.number + 1) else {
                return spot;
            };
            spot = Spot { number, row: 0 };
        }
    }

    /// Where the window begins when the end is at its bottom.
    fn end_spot(&self, sight: Sight) -> Spot {
        let end = Spot {
            number: self.book.end_number(),
            row: 0,
        };
        self.above(end, sight.rows, sight)
    }

    /// Where the window begins.
    pub(crate) fn spot(&self, sight: Sight) -> Spot {
        let held = self.top.and_then(|top| {
            let number = self.at_or_after(top.number)?;
            let row = if number == top.number { top.row } else { 0 };
            let last = self.rows_of(number, sight) - 1;
            Some(Spot {
                number,
                row: row.min(last),
            })
        });
        held.unwrap_or_else(|| self.end_spot(sight))
    }

    /// The entries in the window, each with how many of its rows are above it.
    pub(crate) fn window(&self, sight: Sight) -> Vec<(u64, usize)> {
        let mut spot = self.spot(sight);
        let (mut window, mut rows) = (Vec::new(), 0);
        while rows < sight.rows && self.book.get(spot.number).is_some() {
            window.push((spot.number, spot.row));
            rows += self.rows_of(spot.number, sight).saturating_sub(spot.row);
            let Some(number) = self.at_or_after(spot.number + 1) else {
                break;
            };
            spot = Spot { number, row: 0 };
        }
        window
    }

    /// Moves the window by so many rows; at the end it follows.
    pub(crate) fn scroll(&mut self, by: isize, sight: Sight) {
        let (from, rows) = (self.spot(sight), by.unsigned_abs());
        let to = if by < 0 {
            self.above(from, rows, sight)
        } else {
            self.under(from, rows, sight)
        };
        self.top = (to < self.end_spot(sight)).then_some(to);
    }

    /// Moves the window to its beginning.
    pub(crate) fn show_beginning(&mut self) {
        self.top = Some(Spot {
            number: self.book.first(),
            row: 0,
        });
    }

    /// Holds the window where it is.
    pub(crate) fn hold(&mut self, sight: Sight) {
        self.top = Some(self.spot(sight));
    }

    /// Brings an entry into the window, a third from its top if it was not there, and holds it.
    pub(crate) fn show(&mut self, number: u64, sight: Sight) {
        let window = self.window(sight);
        let inside = window
            .iter()
            .any(|(each, above)| *each == number && *above == 0);
        self.hold(sight);
        if !inside {
            let spot = Spot { number, row: 0 };
            let wanted = self.above(spot, sight.rows / 3, sight);
            self.top = Some(wanted.min(self.end_spot(sight)));
        }
    }
}

fn output(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}
