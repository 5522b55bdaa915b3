//! Figures: what a service's or an instance's tasks use, over time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::model::{TaskId, TimeMs};

use super::super::fleet::{Mood, TaskRow};
use super::super::hit::Target;
use super::super::layout::PaneArea;
use super::super::sort::Sort;
use super::super::state::Model;
use super::super::stats::{Book, EVERY_MS, Measure, Order, Point, Scope, StatsPage, add};
use super::super::text::{self, count};
use super::grid::{self, Row, cell, column, right};
use super::spark::{range, spark};
use super::{Screen, page, theme};

/// Title, sum, and column titles.
const ABOVE: u16 = 3;
/// From so many columns on, disks are in the sum.
const WIDE: u16 = 110;
/// Columns that everything else in a row takes.
const FIGURES: usize = 126;
/// Columns of a chart's name, value and range.
const CHART_FIGURES: usize = 67;
/// Columns of a line of blocks in a row, at least.
const SPARK: usize = 8;
/// Columns of one at most.
const SPARK_MAX: usize = 40;

/// Where the rows are.
pub(crate) fn rows_area(body: Rect) -> Rect {
    Rect {
        y: body.y + ABOVE,
        height: body.height.saturating_sub(ABOVE),
        ..body
    }
}

/// Draws the page.
pub(super) fn draw(screen: &Screen<'_>, open: &StatsPage, body: Rect, buffer: &mut Buffer) {
    let model = screen.model;
    let (of, alone) = match &open.scope {
        Scope::Service((_, name)) => (format!("Figures of service {name}"), false),
        Scope::Instance(name) => (format!("Figures of instance {name}"), true),
    };
    page::title(screen, &of, &order(open.order), body, buffer);
    let sum = sum(screen, open);
    grid::put(buffer, body.x + 1, body.y + 1, &sum, body.width - 2);
    let rows = rows_area(body);
    let pane = PaneArea {
        area: body,
        titles: Some(Rect {
            y: rows.y - 1,
            height: 1,
            ..rows
        }),
        rows,
    };
    let spare = usize::from(body.width).saturating_sub(FIGURES);
    let blocks = (spare / 4).clamp(SPARK, SPARK_MAX);
    let fleet = &model.fleet;
    let other = if alone { "SERVICE" } else { "INSTANCE" };
    let other_width = if alone {
        fleet.widths.service
    } else {
        fleet.widths.instance
    };
    let columns = [
        column("", 1, 1, 0),
        column("TASK", 8, 8, 0),
        column(other, 9, other_width.min(20), 1),
        right("VCPU", 5, 0),
        column("", blocks, blocks, 2),
        right("MEMORY", 8, 0),
        right("OF", 5, 3),
        column("", blocks, blocks, 2),
        right("IN/S", 8, 1),
        right("OUT/S", 8, 1),
        column("", blocks, blocks, 5),
        right("READ/S", 8, 4),
        right("WRITE/S", 8, 4),
        column("", blocks, blocks, 6),
        column("", 20, 60, 4),
    ];
    // Only what is on the screen is looked up.
    let window: Vec<TaskId> = open
        .rows
        .iter()
        .skip(open.list.top)
        .take(usize::from(rows.height))
        .copied()
        .collect();
    for (task, row) in window.iter().zip(rows.rows()) {
        screen.hit(row, || Target::Figures(*task));
    }
    let find = |id: &TaskId| fleet.task(*id);
    let lines = window.iter().filter_map(find).map(|row| {
        let name = match &row.task.service {
            _ if !alone => row.task.whereabouts().to_string(),
            Some(name) => name.to_string(),
            None => "(by hand)".to_owned(),
        };
        Row {
            cells: cells(screen, row, name, blocks),
            selected: open.list.selected == Some(row.task.id),
            marked: false,
            linked: false,
            stale: false,
        }
    });
    grid::draw(
        buffer,
        screen.theme,
        &pane,
        true,
        &columns,
        Sort::default(),
        lines,
    );
    if open.rows.is_empty() {
        super::empty(
            screen,
            rows,
            "No task of it is there: nothing to sample.",
            buffer,
        );
    }
}

fn order(order: Order) -> String {
    let by = match order {
        Order::Task => "task",
        Order::Cpu => "cpu, the most first",
        Order::Memory => "memory, the most first",
        Order::Network => "network, the most first",
        Order::Disk => "disk, the most first",
    };
    format!("by {by}")
}

fn cells(screen: &Screen<'_>, row: &TaskRow, name: String, blocks: usize) -> Vec<Line<'static>> {
    let (theme, now) = (screen.theme, screen.model.now);
    let (dim, calm) = (theme.dim(), theme.mood(Mood::Calm));
    let book = screen.model.usage.book(row.task.id);
    let fresh = book.and_then(|book| book.sum.fresh(now));
    let value = |say: &dyn Fn(&Point) -> String| match fresh {
        Some(point) => cell(say(point), ratatui::style::Style::new()),
        None => cell("–", dim),
    };
    let drawn = |measure, most: Option<f64>| {
        let values = book.map(|book| book.sum.columns(measure, now, blocks));
        let values = values.unwrap_or_default();
        let top = most.or(range(&values).map(|(_, most)| most)).unwrap_or(0.0);
        cell(spark(&values, top.max(least_scale(measure))), calm)
    };
    let last = book.and_then(|book| book.sum.last());
    let limit = last
        .map(|point| point.sample.memory_limit_bytes)
        .filter(|limit| *limit > 0);
    vec![
        cell(theme::sign(row.mood), theme.mood(row.mood)),
        cell(row.task.id.short(), ratatui::style::Style::new()),
        cell(name, dim),
        value(&|point| text::vcpu_used(point.sample.cpu_units)),
        drawn(Measure::Cpu, None),
        value(&|point| text::bytes(point.sample.memory_bytes)),
        value(&|point| percent(point).unwrap_or_default()),
        drawn(Measure::Memory, limit.map(|limit| limit as f64)),
        value(&|point| rate(point.rates.received)),
        value(&|point| rate(point.rates.sent)),
        drawn(Measure::Received, None),
        value(&|point| rate(point.rates.read)),
        value(&|point| rate(point.rates.written)),
        drawn(Measure::Read, None),
        remark(screen, book),
    ]
}

/// What the highest block stands for at least: next to nothing is drawn as that.
fn least_scale(measure: Measure) -> f64 {
    match measure {
        Measure::Cpu => 1024.0 / 20.0,
        Measure::Memory => 0.0,
        Measure::Received | Measure::Sent | Measure::Read | Measure::Written => 1024.0,
    }
}

/// Why there is nothing, or how old what there is.
fn remark(screen: &Screen<'_>, book: Option<&Book>) -> Line<'static> {
    let warn = screen.theme.mood(Mood::Warn);
    let Some(book) = book else {
        return Line::default();
    };
    let old = age(book, screen.model.now);
    match (&book.error, old) {
        (Some(why), _) => cell(text::clean(why).into_owned(), warn),
        (None, Some(old)) => cell(format!("{old} old"), warn),
        (None, None) => Line::default(),
    }
}

/// How old the newest sample is, if it no longer stands for now.
pub(super) fn age(book: &Book, now: TimeMs) -> Option<String> {
    let last = book.sum.last()?;
    let old = book.sum.fresh(now).is_none();
    old.then(|| text::span(now.since_ms(last.at)))
}

/// What all tasks together use, of how many that is known, and what is not counted.
fn sum(screen: &Screen<'_>, open: &StatsPage) -> Line<'static> {
    let model = screen.model;
    let dim = screen.theme.dim();
    let (known, total) = total(model, &open.rows);
    let all = open.rows.len() as u64;
    let mut spans = Vec::new();
    match total {
        Some(total) => {
            let tasks = count(all, "task");
            let words = if known == all {
                format!("{tasks} together: ")
            } else {
                format!("{known} of {tasks} sampled: ")
            };
            spans.push(Span::styled(words, dim));
            let disk = screen.model.size.0 >= WIDE;
            spans.push(Span::styled(figures(&total, disk), screen.theme.strong()));
        }
        None if all > 0 => spans.push(Span::styled("No sample yet.", dim)),
        None => {}
    }
    if let Scope::Instance(name) = &open.scope {
        let others = model
            .snapshot
            .state
            .instances
            .get(name)
            .map_or(0, |it| it.foreign_count);
        if others > 0 {
            let others = count(u64::from(others), "container");
            spans.push(Span::styled(
                format!(" · {others} of others not counted"),
                dim,
            ));
        }
    }
    let book = open.list.selected.and_then(|task| model.usage.book(task));
    let remark = remark(screen, book);
    if !remark.spans.is_empty() {
        spans.push(Span::raw(" · "));
        spans.extend(remark.spans);
    }
    Line::from(spans)
}

/// The fresh samples of these tasks together, and of how many there is one.
pub(super) fn total(model: &Model, tasks: &[TaskId]) -> (u64, Option<Point>) {
    let books = tasks.iter().filter_map(|task| model.usage.book(*task));
    let points = books.filter_map(|book| book.sum.fresh(model.now));
    points.fold((0, None), |(known, sum), point| {
        let sum = sum.map_or(*point, |sum| add(sum, point.sample, point.rates));
        (known + 1, Some(sum))
    })
}

/// A sample in a line.
pub(super) fn figures(point: &Point, disk: bool) -> String {
    let of = match point.sample.memory_limit_bytes {
        0 => String::new(),
        limit => format!(" of {}", text::bytes(limit)),
    };
    let mut words = format!(
        "{} vCPU · {}{of} · in {}/s · out {}/s",
        text::vcpu_used(point.sample.cpu_units),
        text::bytes(point.sample.memory_bytes),
        rate(point.rates.received),
        rate(point.rates.sent),
    );
    if disk {
        let (read, written) = (rate(point.rates.read), rate(point.rates.written));
        words.push_str(&format!(" · read {read}/s · write {written}/s"));
    }
    words
}

/// Bytes a second; a dash where they are not known.
fn rate(bytes: Option<f64>) -> String {
    bytes.map_or("–".to_owned(), |bytes| text::bytes(bytes as u64))
}

fn percent(point: &Point) -> Option<String> {
    let (used, limit) = (point.sample.memory_bytes, point.sample.memory_limit_bytes);
    (limit > 0).then(|| format!("{}%", used.saturating_mul(100) / limit))
}

/// Lines of a container's or a task's figures over time: name, value now, blocks, least and most.
pub(super) fn chart(
    screen: &Screen<'_>,
    book: &Book,
    container: usize,
    columns: usize,
) -> Vec<(&'static str, Vec<Span<'static>>)> {
    let now = screen.model.now;
    let Some((_, trace)) = book.containers.get(container) else {
        return Vec::new();
    };
    let (dim, calm) = (screen.theme.dim(), screen.theme.mood(Mood::Calm));
    let width = columns.saturating_sub(CHART_FIGURES).clamp(12, 80);
    let limit = trace
        .last()
        .map_or(0, |point| point.sample.memory_limit_bytes);
    let said = |measure: Measure, value: f64| measure.said(value);
    let rows = [
        ("  cpu", Measure::Cpu),
        ("  memory", Measure::Memory),
        ("  received", Measure::Received),
        ("  sent", Measure::Sent),
        ("  read", Measure::Read),
        ("  written", Measure::Written),
    ];
    let mut lines: Vec<(&'static str, Vec<Span<'static>>)> = rows
        .into_iter()
        .map(|(name, measure)| {
            let values = trace.columns(measure, now, width);
            let range = range(&values);
            let whole = measure == Measure::Memory && limit > 0;
            let most = if whole {
                limit as f64
            } else {
                range.map_or(0.0, |(_, most)| most)
            };
            let fresh = trace.fresh(now).and_then(|point| point.get(measure));
            let mut value = fresh.map_or("–".to_owned(), |value| said(measure, value));
            if whole && fresh.is_some() {
                value = format!("{value} of {}", text::bytes(limit));
            }
            let between = range.map(|(least, most)| {
                format!("  {} to {}", said(measure, least), said(measure, most))
            });
            let spans = vec![
                Span::raw(format!("{value:<22}")),
                Span::styled(spark(&values, most), calm),
                Span::styled(between.unwrap_or_default(), dim),
            ];
            (name, spans)
        })
        .collect();
    let ago = format!("{} ago", text::span(width as u64 * EVERY_MS));
    let gap = width.saturating_sub(text::width(&ago) + 3);
    let axis = format!("{:<22}{ago}{}now", "", " ".repeat(gap));
    lines.push(("", vec![Span::styled(axis, dim)]));
    lines
}
