//! Logs being read: what is kept, what of it is shown, and where in it the reader is.

mod book;
mod fields;
mod level;
mod numbers;
mod painted;
mod reach;
mod saving;
mod search;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::agent::streams::LogTarget;
use crate::client::LogItem;
use crate::docker::LogStream;
use crate::model::TimeMs;

use super::event::Ticket;
use super::filter::Filter;
use super::text;

pub(crate) use book::{Entry, LogText, Logbook, Lost};
pub(crate) use fields::Fields;
pub(crate) use level::Level;
pub(crate) use painted::{Ink, Painted};
pub(crate) use reach::Reach;
pub(crate) use search::Search;

use fields::WIDTH_MAX;

use numbers::Numbers;

/// The mark of the task, and a space.
const MARK_COLUMNS: usize = 2;
/// `1f3a9c20 `.
const TASK_COLUMNS: usize = 9;
/// The most columns that a container's name gets, with the space after it.
const CONTAINER_COLUMNS: usize = 11;
/// The most columns that a service's name gets in an instance's logs, with the space after it.
pub(crate) const OWNER_COLUMNS: usize = 13;
/// From so many columns on an instance's logs name the container too.
const WIDE: usize = 120;
/// Columns of a level and the space after it.
const LEVEL_COLUMNS: usize = 6;
/// Columns between fields.
const GAP: &str = "  ";
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
    Search {
        top: Option<Spot>,
    },
    Filter {
        before: String,
    },
    Save {
        path: String,
        /// The file is there already, and is to be written over.
        over: bool,
    },
}

/// What is shown of a line's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stamps {
    None,
    /// `12:34:56`.
    #[default]
    Clock,
    /// `2026-05-04 12:34:56`.
    Date,
}

impl Stamps {
    /// The next one, round and round.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::None => Self::Clock,
            Self::Clock => Self::Date,
            Self::Date => Self::None,
        }
    }

    fn columns(self) -> usize {
        match self {
            Self::None => 0,
            Self::Clock => 9,
            Self::Date => 20,
        }
    }
}

/// How lines are shown, of whatever they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Looks {
    pub stamps: Stamps,
    pub wrap: bool,
    /// Whether JSON lines are shown as fields.
    pub fields: bool,
}

impl Default for Looks {
    fn default() -> Self {
        Self {
            stamps: Stamps::default(),
            wrap: false,
            fields: true,
        }
    }
}

/// Log lines being read.
#[derive(Clone, Debug)]
pub(crate) struct LogPage {
    pub ticket: Ticket,
    pub target: LogTarget,
    pub title: String,
    pub reach: Reach,
    pub book: Logbook,
    pub stamps: Stamps,
    pub wrap: bool,
    /// Whether JSON lines are shown as fields.
    pub fields: bool,
    /// The fields that have a column of their own; with none, all are shown by name.
    pub chosen: Vec<String>,
    /// The moment that is waited for, to be shown once its lines are here.
    awaited: Option<TimeMs>,
    /// The entry that stands for it.
    pub moment: Option<u64>,
    /// Whether nothing more will come.
    pub ended: bool,
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
    /// What a filter can ask for: how many fields were seen when it was read.
    heads: Vec<String>,
    pub typing: Option<Typing>,
}

impl LogPage {
    pub(crate) fn new(ticket: Ticket, target: LogTarget, title: String, reach: Reach) -> Self {
        Self {
            ticket,
            target,
            title,
            reach,
            book: Logbook::default(),
            stamps: Stamps::default(),
            wrap: false,
            fields: true,
            chosen: Vec::new(),
            awaited: awaited(reach),
            moment: None,
            ended: false,
            left: 0,
            top: None,
            search: Search::default(),
            wanted: String::new(),
            filter: Filter::default(),
            passing: Numbers::default(),
            heads: Vec::new(),
            typing: None,
        }
    }

    /// Shows lines that way.
    pub(crate) fn look_as(mut self, looks: Looks) -> Self {
        (self.stamps, self.wrap, self.fields) = (looks.stamps, looks.wrap, looks.fields);
        self
    }

    /// How lines are shown.
    pub(crate) fn looks(&self) -> Looks {
        Looks {
            stamps: self.stamps,
            wrap: self.wrap,
            fields: self.fields,
        }
    }

    /// Begins anew with what comes under another ticket.
    pub(crate) fn reopen(&mut self, ticket: Ticket, reach: Reach) {
        self.ticket = ticket;
        self.reach = reach;
        self.book = Logbook::default();
        self.awaited = awaited(reach);
        self.moment = None;
        self.ended = false;
        self.top = None;
        self.left = 0;
        self.search.at = None;
        self.look_again();
    }

    /// Takes items in, each looked at once.
    pub(crate) fn take(&mut self, items: Vec<LogItem>) {
        let known = self.book.end_number();
        let seen = self.book.seen.iter().count();
        for item in items {
            if let LogItem::Line { at, .. } = &item
                && self.awaited.is_some_and(|awaited| *at >= awaited)
            {
                self.mark_moment();
            }
            self.book.push(item);
        }
        // A filter may have asked for a field that was not known yet.
        if self.filter.wrong.is_some() && self.book.seen.iter().count() > seen {
            self.read_filter();
        } else {
            self.look(known);
        }
    }

    fn mark_moment(&mut self) {
        if let Some(at) = self.awaited.take() {
            self.moment = Some(self.book.end_number());
            self.book.mark(at);
        }
    }

    /// Marks the end of the stream.
    pub(crate) fn end(&mut self, error: Option<String>) {
        let known = self.book.end_number();
        self.mark_moment();
        self.ended = true;
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
        let seen = self.book.seen.iter().map(|seen| seen.name.to_uppercase());
        self.heads = HEADS.map(str::to_owned).into_iter().chain(seen).collect();
        let heads: Vec<&str> = self.heads.iter().map(String::as_str).collect();
        self.filter = Filter::read(&self.wanted, &heads);
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
        let cell = |at: usize| match HEADS.get(at) {
            Some(&"LEVEL") => line.level.map_or("", Level::word).to_owned(),
            Some(&"TASK") => line.origin.task.to_string(),
            Some(&"CONTAINER") => line.origin.container.to_string(),
            Some(&"INSTANCE") => line.origin.instance.to_string(),
            Some(_) => output(line.stream).to_owned(),
            None => {
                let name = self.heads.get(at).map_or("", String::as_str);
                let fields = line.json.then(|| Fields::of_line(&line.text)).flatten();
                fields.map_or_else(String::new, |fields| fields.value(name).to_owned())
            }
        };
        self.filter
            .passes(|| self.shown_text(line).into_owned(), cell, 0)
    }

    fn found_in(&self, line: &LogText) -> bool {
        self.search.matches(&self.shown_text(line))
    }

    /// The text of a line as it is shown, without what stands before it.
    pub(crate) fn shown_text<'a>(&self, line: &'a LogText) -> Cow<'a, str> {
        if line.json && self.fields {
            Cow::Owned(self.painted(line).text)
        } else {
            Cow::Borrowed(&line.text)
        }
    }

    /// The same in its colours.
    pub(crate) fn painted(&self, line: &LogText) -> Painted {
        let as_fields = line.json && self.fields;
        match as_fields.then(|| Fields::of_line(&line.text)).flatten() {
            Some(fields) => self.painted_fields(&fields),
            None => painted_text(line),
        }
    }

    fn painted_fields(&self, fields: &Fields) -> Painted {
        let mut painted = Painted::new();
        let level = fields.level.map_or("", Level::word);
        let ink = fields.level.map_or(Ink::Plain, Ink::Level);
        painted.push(level, ink);
        let pad = LEVEL_COLUMNS.saturating_sub(level.len());
        painted.push(&" ".repeat(pad), Ink::Plain);
        let message = fields.message.as_deref().unwrap_or_default();
        if self.chosen.is_empty() {
            painted.push(message, Ink::Plain);
            for (name, value) in &fields.others {
                let gap = if painted.text.ends_with(' ') { "" } else { GAP };
                painted.push(&format!("{gap}{name}="), Ink::Faint);
                if value.is_empty() || value.contains(' ') {
                    painted.push(&format!("\"{value}\""), Ink::Plain);
                } else {
                    painted.push(value, Ink::Plain);
                }
            }
            return painted;
        }
        for name in &self.chosen {
            let cell = self.cell(name, fields.value(name));
            painted.push(&cell, Ink::Plain);
        }
        painted.push(message, Ink::Plain);
        painted
    }

    /// A column's cell, as wide as the column and the gap after it.
    fn cell(&self, name: &str, words: &str) -> String {
        let columns = self.book.seen.width(name).min(WIDTH_MAX);
        let words = text::cut(words, columns);
        let pad = columns - text::width(&words);
        format!("{words}{}{GAP}", " ".repeat(pad))
    }

    /// The heads of the columns, while fields have columns of their own.
    pub(crate) fn heading(&self) -> Option<String> {
        if !self.fields || self.chosen.is_empty() {
            return None;
        }
        let cells = self
            .chosen
            .iter()
            .map(|name| self.cell(name, &name.to_uppercase()));
        let cells: String = cells.collect();
        Some(format!("{:<LEVEL_COLUMNS$}{cells}MESSAGE", "LEVEL"))
    }

    /// The fields that were seen, and whether each has a column of its own.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (&str, bool)> {
        let seen = self.book.seen.iter().map(|seen| seen.name.as_str());
        seen.map(|name| (name, self.chosen.iter().any(|chosen| chosen == name)))
    }

    /// Gives a field a column of its own, or takes it away.
    pub(crate) fn toggle_column(&mut self, name: &str) {
        match self.chosen.iter().position(|chosen| chosen == name) {
            Some(at) => {
                self.chosen.remove(at);
            }
            None => self.chosen.push(name.to_owned()),
        }
        self.fields = true;
        self.left = 0;
        self.look_again();
    }

    /// Shows JSON lines as fields, or as they are.
    pub(crate) fn toggle_fields(&mut self) {
        self.fields = !self.fields;
        self.left = 0;
        self.look_again();
    }

    /// What there is room for in so many columns and rows.
    pub(crate) fn sight(&self, columns: u16, rows: u16) -> Sight {
        // The title, and the heads of columns.
        let above = 1 + u16::from(self.heading().is_some());
        Sight {
            columns: usize::from(columns),
            rows: usize::from(rows.saturating_sub(above)),
        }
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
            Typing::Save { .. } => match self.typing.as_mut()? {
                Typing::Save { path, .. } => Some(path),
                _ => None,
            },
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

    /// Columns for the name of the container that wrote a line and the space after it; none
    /// where it is not named.
    pub(crate) fn container_columns(&self, columns: usize) -> usize {
        if columns < WIDE && matches!(self.target, LogTarget::Instance { .. }) {
            return 0;
        }
        (self.book.container_columns() + 1).min(CONTAINER_COLUMNS)
    }

    /// Columns before a line's text: mark, time, and where it came from.
    pub(crate) fn prefix_columns(&self, columns: usize) -> usize {
        let origin = match self.target {
            LogTarget::Task { .. } => 0,
            LogTarget::Service { .. } => TASK_COLUMNS,
            LogTarget::Instance { .. } => OWNER_COLUMNS + TASK_COLUMNS,
        };
        MARK_COLUMNS + self.stamps.columns() + origin + self.container_columns(columns)
    }

    /// Columns for a line's text.
    pub(crate) fn text_columns(&self, sight: Sight) -> usize {
        let before = self.prefix_columns(sight.columns);
        sight.columns.saturating_sub(before).max(1)
    }

    /// How many rows an entry takes.
    fn rows_of(&self, number: u64, sight: Sight) -> usize {
        match self.book.get(number) {
            Some(Entry::Line(line)) if self.wrap => {
                text::fold(&self.shown_text(line), self.text_columns(sight)).len()
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
        // A held window is filled as far as there are lines: a filter may have left few below it.
        let end = self.end_spot(sight);
        held.map_or(end, |spot| spot.min(end))
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

    /// How many entries come after the window.
    pub(crate) fn below(&self, sight: Sight) -> u64 {
        let end = self
            .window(sight)
            .last()
            .map_or(0, |(number, _)| number + 1);
        if self.is_filtered() {
            (self.passing.len() - self.passing.place(end)) as u64
        } else {
            self.book.end_number().saturating_sub(end)
        }
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

    /// After another filter, the line that a search is at stays in sight if it passes.
    pub(crate) fn keep_in_sight(&mut self, sight: Sight) {
        let at = self.search.at.filter(|_| self.top.is_some());
        let passes = |at: &u64| self.at_or_after(*at) == Some(*at);
        if let Some(at) = at.filter(passes) {
            self.show(at, sight);
        }
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

fn awaited(reach: Reach) -> Option<TimeMs> {
    match reach {
        Reach::Around(at) => Some(at),
        _ => None,
    }
}

/// A line that is no JSON, or is shown as it is: in its own colours, else with its level's.
fn painted_text(line: &LogText) -> Painted {
    let mut painted = Painted::new();
    let stated = match line.styles.is_empty() {
        true => level::of_line(&line.text),
        false => None,
    };
    let quiet = line.stream == LogStream::Stderr && line.styles.is_empty() && line.level.is_none();
    let ink = if quiet { Ink::Stderr } else { Ink::Plain };
    painted.push(&line.text, ink);
    for (index, (at, style)) in line.styles.iter().enumerate() {
        let end = line.styles.get(index + 1).map(|(at, _)| *at as usize);
        let end = end.unwrap_or(line.text.len());
        painted.paint(*at as usize..end, Ink::Own(*style));
    }
    if let Some((level, range)) = stated {
        painted.paint(range, Ink::Level(level));
    }
    painted
}

fn output(stream: LogStream) -> &'static str {
    match stream {
        LogStream::Stdout => "stdout",
        LogStream::Stderr => "stderr",
    }
}
