//! Two tasks side by side.

use std::ops::Range;

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::model::TaskId;

use super::super::compare::{self, Replicas, Row, Value};
use super::super::fleet::Mood;
use super::super::stats::Measure;
use super::super::text::{self, count};
use super::Screen;
use super::page::Page;
use super::spark::{range, spark};
use super::theme::sign;

/// Columns of the sign of a row that differs.
const MARK: usize = 2;
/// Columns of a row's name, with the space after it.
const NAME: usize = 16;
/// Columns between the two tasks.
const GAP: usize = 2;
/// Columns of the value before the blocks of a trend.
const TREND_NOW: usize = 11;
/// Columns of what is said after them.
const TREND_RANGE: usize = 24;
/// The fewest blocks for which it is worth saying more after them.
const TREND_MIN: usize = 8;
/// The most columns of a trend.
const TREND_MAX: usize = 40;
/// The most columns of a task: what a whole digest takes, and a little.
const VALUE_MAX: usize = 76;

/// The page about two tasks.
pub(super) fn page(screen: &Screen<'_>, of: &Replicas, columns: u16) -> Page {
    let tasks = &screen.model.snapshot.state.tasks;
    let title = format!("Task {} beside {}", of.left.short(), of.right.short());
    let lines = match (tasks.get(&of.left), tasks.get(&of.right)) {
        (Some(left), Some(right)) => {
            let rows = compare::rows(screen.model, left, right);
            let room = usize::from(columns).saturating_sub(2 + MARK + NAME + GAP);
            let table = Table {
                screen,
                width: (room / 2).clamp(1, VALUE_MAX),
            };
            table.lines(of, &rows)
        }
        (left, _) => {
            let gone = if left.is_none() { of.left } else { of.right };
            let words = format!("Task {} is forgotten by now.", gone.short());
            vec![Line::from(Span::styled(
                words,
                screen.theme.mood(Mood::Warn),
            ))]
        }
    };
    Page::new(title, lines)
}

struct Table<'a> {
    screen: &'a Screen<'a>,
    /// Columns of each task.
    width: usize,
}

impl Table<'_> {
    fn lines(&self, of: &Replicas, rows: &[Row]) -> Vec<Line<'static>> {
        let theme = self.screen.theme;
        let differ = rows.iter().filter(|row| row.differs).count();
        let mut lines = vec![
            Line::from(Span::styled(summary(of, differ, rows.len()), theme.dim())),
            self.heads(of),
        ];
        self.usage(of, &mut lines);
        let mut section = "";
        let shown = rows.iter().filter(|row| row.differs || !of.only_different);
        for row in shown {
            if section != row.section {
                section = &row.section;
                lines.push(Line::default());
                lines.push(Line::from(Span::styled(
                    row.section.clone(),
                    theme.accent(),
                )));
            }
            self.row(row, &mut lines);
        }
        lines
    }

    /// Which task is in which column.
    fn heads(&self, of: &Replicas) -> Line<'static> {
        let [left, right] = [of.left, of.right].map(|id| self.head(id));
        let pad = (self.width + GAP).saturating_sub(left.width());
        let mut spans = vec![Span::raw(" ".repeat(MARK + NAME))];
        spans.extend(left.spans);
        spans.push(Span::raw(" ".repeat(pad)));
        spans.extend(right.spans);
        Line::from(spans)
    }

    fn head(&self, id: TaskId) -> Line<'static> {
        let theme = self.screen.theme;
        let mood = self.screen.model.fleet.task(id);
        let mood = mood.map_or(Mood::Quiet, |row| row.mood);
        Line::from(vec![
            Span::styled(format!("{} ", sign(mood)), theme.mood(mood)),
            Span::styled(id.short(), theme.strong()),
        ])
    }

    /// What both use, drawn to one scale, since the page was opened or longer.
    fn usage(&self, of: &Replicas, lines: &mut Vec<Line<'static>>) {
        let theme = self.screen.theme;
        lines.push(Line::default());
        lines.push(Line::from(Span::styled("Use", theme.accent())));
        for (name, measure) in [("cpu", Measure::Cpu), ("memory", Measure::Memory)] {
            let values = [of.left, of.right].map(|task| self.trend(task, measure));
            let ranges = values.each_ref().map(|values| range(values));
            let most = ranges.iter().flatten().map(|(_, most)| *most);
            let most = most.fold(0.0, f64::max);
            let [left, right] = [0, 1].map(|side| self.drawn(measure, &values[side], most));
            let pad = (self.width + GAP).saturating_sub(left.width());
            let mut line = Line::from(Span::styled(
                format!("{:MARK$}{name:<NAME$}", ""),
                theme.dim(),
            ));
            line.spans.extend(left.spans);
            line.spans.push(Span::raw(" ".repeat(pad)));
            line.spans.extend(right.spans);
            lines.push(line);
        }
    }

    fn trend(&self, task: TaskId, measure: Measure) -> Vec<Option<f64>> {
        let model = self.screen.model;
        let book = model.usage.book(task);
        book.map_or_else(Vec::new, |book| {
            book.sum.columns(measure, model.now, TREND_MAX)
        })
    }

    /// The value now, the blocks, and between what they move where there is room for that.
    fn drawn(&self, measure: Measure, values: &[Option<f64>], most: f64) -> Line<'static> {
        let theme = self.screen.theme;
        let said = |value: f64| measure.said(value);
        let Some((least, highest)) = range(values) else {
            return Line::from(Span::styled("– no sample yet", theme.dim()));
        };
        let now = values.last().copied().flatten().map(said);
        let room = self.width.saturating_sub(TREND_NOW);
        let (blocks, between) = match room.checked_sub(TREND_RANGE) {
            Some(blocks) if blocks >= TREND_MIN => {
                (blocks, format!("  {} to {}", said(least), said(highest)))
            }
            _ => (room, String::new()),
        };
        let drawn = &values[values.len() - blocks.min(values.len())..];
        Line::from(vec![
            Span::raw(format!("{:<TREND_NOW$}", now.as_deref().unwrap_or("–"))),
            Span::styled(spark(drawn, most), theme.mood(Mood::Calm)),
            Span::styled(between, theme.dim()),
        ])
    }

    fn row(&self, row: &Row, lines: &mut Vec<Line<'static>>) {
        let theme = self.screen.theme;
        let [left, right] = row
            .values
            .each_ref()
            .map(|value| self.words(value.as_ref()));
        let [in_left, in_right] = match row.differs {
            true => compare::different(&left, &right),
            false => [0..0, 0..0],
        };
        let [left, right] = [(left, in_left), (right, in_right)]
            .map(|(words, different)| self.cell(row, &words, &different));
        let names = text::fold(&row.name, NAME - 1);
        let height = left.len().max(right.len()).max(names.len());
        let name_style = match row.differs {
            true => Style::new(),
            false => theme.dim(),
        };
        for at in 0..height {
            let mark = if row.differs && at == 0 { "≠ " } else { "  " };
            let name = names.get(at).copied().unwrap_or_default();
            let mut line = Line::from(vec![
                Span::styled(mark, theme.mood(Mood::Warn)),
                Span::styled(format!("{name:<NAME$}"), name_style),
            ]);
            let piece = left.get(at).cloned().unwrap_or_default();
            let pad = (self.width + GAP).saturating_sub(piece.width());
            line.spans.extend(piece.spans);
            line.spans.push(Span::raw(" ".repeat(pad)));
            line.spans
                .extend(right.get(at).cloned().unwrap_or_default().spans);
            lines.push(line);
        }
    }

    fn words(&self, value: Option<&Value>) -> String {
        match value {
            None => "–".to_owned(),
            Some(Value::Words(words)) => words.clone(),
            Some(Value::Moment(at)) => self.screen.moment_ago(*at),
        }
    }

    /// A value over as many lines as it takes; what of it is not as in the other one stands out.
    fn cell(&self, row: &Row, words: &str, different: &Range<usize>) -> Vec<Line<'static>> {
        let theme = self.screen.theme;
        if !row.differs {
            let pieces = text::wrap(words, self.width).into_iter();
            return pieces
                .map(|piece| Line::from(Span::styled(piece, theme.dim())))
                .collect();
        }
        // Underlined, too: not every terminal has colours, and not every eye.
        let marked = theme.mood(Mood::Warn).add_modifier(Modifier::UNDERLINED);
        let mut from = 0;
        let mut lines = Vec::new();
        for piece in text::wrap(words, self.width) {
            // Where lines break, spaces are left out.
            let start = from + words[from..].find(&piece).unwrap_or(0);
            from = start + piece.len();
            let cut = |at: usize| at.clamp(start, from) - start;
            let (a, b) = (cut(different.start), cut(different.end));
            let spans = [
                (&piece[..a], Style::new()),
                (&piece[a..b], marked),
                (&piece[b..], Style::new()),
            ];
            let spans = spans.into_iter().filter(|(words, _)| !words.is_empty());
            let spans = spans.map(|(words, style)| Span::styled(words.to_owned(), style));
            lines.push(Line::from(spans.collect::<Vec<_>>()));
        }
        lines
    }
}

fn summary(of: &Replicas, differ: usize, all: usize) -> String {
    let rows = count(all as u64, "row");
    match (differ, of.only_different) {
        (0, _) => format!("Nothing differs in {rows}."),
        (1, false) => format!("1 of {rows} differs (≠); d shows only that one."),
        (n, false) => format!("{n} of {rows} differ (≠); d shows only those."),
        (n, true) => format!("Only what differs is shown: {n} of {rows}; d shows them all."),
    }
}
