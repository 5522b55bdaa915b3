//! Log lines on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::agent::streams::LogTarget;
use crate::model::TaskId;

use super::super::fleet::Mood;
use super::super::layout::Layout;
use super::super::logs::{
    CONTAINER_COLUMNS, Entry, Ink, LogPage, LogText, Lost, Painted, Sight, Typing,
};
use super::super::text;
use super::{Screen, grid, page};

/// Colours that tell tasks apart.
const COLOURS: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Magenta,
    Color::Yellow,
    Color::Blue,
    Color::LightCyan,
];

pub(super) fn draw(screen: &Screen<'_>, log: &LogPage, layout: &Layout, buffer: &mut Buffer) {
    let area = layout.body;
    let name = format!("Logs of {}", log.title);
    let right = if log.top.is_some() {
        "held"
    } else {
        "following"
    };
    page::title(screen, &name, right, area, buffer);
    status(screen, log, layout.detail, buffer);

    let sight = Sight {
        columns: usize::from(area.width),
        rows: usize::from(area.height - 1),
    };
    if log.book.end_number() == 0 {
        let below = Rect::new(area.x, area.y + 1, area.width, 1);
        super::empty(screen, below, "Waiting for the first line …", buffer);
    }
    let mut y = area.y + 1;
    for (number, above) in log.window(sight) {
        for line in lines(screen, log, number, sight).into_iter().skip(above) {
            if y < area.bottom() {
                grid::put(buffer, area.x, y, &line, area.width);
                y += 1;
            }
        }
    }
}

/// What is searched for, filtered and held, in the line under the logs.
fn status(screen: &Screen<'_>, log: &LogPage, area: Rect, buffer: &mut Buffer) {
    let mut right = Vec::new();
    if log.wrap {
        right.push("wrapped".to_owned());
    } else if log.left > 0 {
        right.push(format!("from column {}", log.left + 1));
    }
    if log.book.dropped() > 0 {
        right.push(format!("{} dropped", text::number(log.book.dropped())));
    }
    let held = text::count(log.book.lines(), "line");
    right.push(format!("{held} · {}", text::bytes(log.book.bytes() as u64)));
    let right = Line::from(Span::styled(right.join(" · "), screen.theme.dim()));
    let used = u16::try_from(right.width()).unwrap_or(0) + 1;
    let left = Line::from(asked(screen, log));
    let room = area.width.saturating_sub(2);
    grid::put(buffer, area.x + 1, area.y, &left, room);
    // What is asked for goes first; what is held only where both have room.
    if u16::try_from(left.width()).unwrap_or(room) + used < room {
        let x = area.right() - used;
        grid::put(buffer, x, area.y, &right, used);
    }
}

/// The search and the filter, and what came of them.
fn asked(screen: &Screen<'_>, log: &LogPage) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    let badge = screen.theme.badge(Color::LightCyan);
    let mut ask = |sign: &str, typed: &str, typing: bool, wrong: Option<&String>, came: String| {
        let cursor = if typing { "▏" } else { "" };
        let typed = text::clean(typed);
        spans.push(Span::styled(format!(" {sign}{typed}{cursor} "), badge));
        let (words, mood) = match wrong {
            Some(wrong) => (text::clean(wrong).into_owned(), Mood::Warn),
            None => (came, Mood::Quiet),
        };
        spans.push(Span::styled(format!(" {words}  "), screen.theme.mood(mood)));
    };
    let typing = matches!(log.typing, Some(Typing::Search { .. }));
    let search = &log.search;
    if typing || search.is_on() {
        let all = search.found.len();
        let came = match search.at {
            _ if !search.looks() => String::new(),
            _ if all == 0 => "no line has it".to_owned(),
            Some(at) => format!("{}/{all}", search.found.place(at) + 1),
            None => format!("{all} lines"),
        };
        ask("/", &search.typed, typing, search.wrong.as_ref(), came);
    }
    let typing = matches!(log.typing, Some(Typing::Filter { .. }));
    if typing || !log.wanted.is_empty() {
        let hides = format!("hides {}", text::number(log.hidden() as u64));
        ask("&", &log.wanted, typing, log.filter.wrong.as_ref(), hides);
    }
    spans
}

fn lines(screen: &Screen<'_>, log: &LogPage, number: u64, sight: Sight) -> Vec<Line<'static>> {
    let Some(entry) = log.book.get(number) else {
        return Vec::new();
    };
    let (words, mood) = match entry {
        Entry::Line(line) => return rows(screen, log, number, line, sight),
        Entry::LetGo(lost) => (
            format!(
                "{} let go: only the newest are held here",
                amount(*lost, "older line")
            ),
            Mood::Quiet,
        ),
        Entry::Dropped(lost) => (
            format!("{} dropped: they came too fast", amount(*lost, "line")),
            Mood::Warn,
        ),
        Entry::Broken { task, reason } => (
            format!("logs of task {} ended: {reason}", task.short()),
            Mood::Warn,
        ),
        Entry::Ended(None) => ("end of the logs".to_owned(), Mood::Quiet),
        Entry::Ended(Some(error)) => (format!("the logs ended: {error}"), Mood::Bad),
    };
    let style = screen.theme.mood(mood);
    vec![Line::from(Span::styled(format!("── {words} ──"), style))]
}

/// `1,234 lines (56 KiB)`; where it is not known how long they were, without that.
fn amount(lost: Lost, one: &str) -> String {
    let lines = text::count(lost.lines, one);
    if lost.bytes == 0 {
        lines
    } else {
        format!("{lines} ({})", text::bytes(lost.bytes))
    }
}

/// The rows of a line.
fn rows(
    screen: &Screen<'_>,
    log: &LogPage,
    number: u64,
    line: &LogText,
    sight: Sight,
) -> Vec<Line<'static>> {
    let mut shown = log.painted(line);
    let found = if log.search.at == Some(number) {
        Ink::FoundHere
    } else {
        Ink::Found
    };
    for place in log.search.places(&shown.text) {
        shown.paint(place, found);
    }
    let mut first = prefix(screen, log, line);
    if !log.wrap {
        let from = shown.text.len() - text::skip_columns(&shown.text, log.left).len();
        first.extend(spans(screen, &shown, from..shown.text.len()));
        return vec![Line::from(first)];
    }
    let mark = Span::styled("▎", Style::new().fg(colour(line.origin.task)));
    let indent = Span::raw(" ".repeat(log.prefix_columns() - 1));
    let mut first = Some(first);
    let mut from = 0;
    let pieces = text::fold(&shown.text, log.text_columns(sight));
    pieces
        .into_iter()
        .map(|piece| {
            let taken = first.take();
            let mut row = taken.unwrap_or_else(|| vec![mark.clone(), indent.clone()]);
            row.extend(spans(screen, &shown, from..from + piece.len()));
            from += piece.len();
            Line::from(row)
        })
        .collect()
}

/// What stands before a line: its task's mark, when, and where it came from.
fn prefix(screen: &Screen<'_>, log: &LogPage, line: &LogText) -> Vec<Span<'static>> {
    let own = Style::new().fg(colour(line.origin.task));
    let mut prefix = vec![
        Span::styled("▎ ", own),
        Span::styled(format!("{} ", screen.clock(line.at)), screen.theme.dim()),
    ];
    if matches!(log.target, LogTarget::Service { .. }) {
        prefix.push(Span::styled(format!("{} ", line.origin.task.short()), own));
    }
    let room = CONTAINER_COLUMNS - 1;
    let name = text::cut(line.origin.container.as_str(), room).into_owned();
    let pad = " ".repeat(room + 1 - text::width(&name));
    prefix.push(Span::styled(format!("{name}{pad}"), own));
    prefix
}

fn spans(
    screen: &Screen<'_>,
    shown: &Painted,
    range: std::ops::Range<usize>,
) -> Vec<Span<'static>> {
    let parts = shown.parts(range).into_iter();
    parts
        .map(|(text, ink)| Span::styled(text.to_owned(), style(screen, ink)))
        .collect()
}

fn style(screen: &Screen<'_>, ink: Ink) -> Style {
    let theme = screen.theme;
    match ink {
        Ink::Plain => Style::new(),
        Ink::Stderr => Style::new().fg(Color::LightRed),
        Ink::Found => theme.found(false),
        Ink::FoundHere => theme.found(true),
    }
}

fn colour(task: TaskId) -> Color {
    let at = (task.0 >> 96) as usize % COLOURS.len();
    COLOURS[at]
}
