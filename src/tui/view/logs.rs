//! Log lines on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::agent::streams::LogTarget;
use crate::model::TaskId;

use super::super::command_line;
use super::super::fleet::Mood;
use super::super::layout::Layout;
use super::super::logs::{
    Entry, Ink, Level, LogPage, LogText, Lost, OWNER_COLUMNS, Painted, Reach, Sight, Stamps, Typing,
};
use super::super::text;
use super::{Screen, grid, livery, page};

pub(super) fn draw(screen: &Screen<'_>, log: &LogPage, layout: &Layout, buffer: &mut Buffer) {
    let area = layout.body;
    let sight = log.sight(area.width, area.height);
    let name = format!("Logs of {}", log.title);
    page::title(screen, &name, &standing(screen, log, sight), area, buffer);
    status(screen, log, layout.detail, buffer);
    let mut y = area.y + 1;
    if let Some(heading) = log.heading() {
        let before = u16::try_from(log.prefix_columns(sight.columns)).unwrap_or(0);
        let heading = text::skip_columns(&heading, if log.wrap { 0 } else { log.left });
        let line = Line::from(Span::styled(heading.to_owned(), screen.theme.dim()));
        let room = area.width.saturating_sub(before);
        grid::put(buffer, area.x + before, y, &line, room);
        y += 1;
    }
    if log.book.end_number() == 0 {
        let below = Rect::new(area.x, y, area.width, 1);
        super::empty(
            screen,
            below,
            "Waiting for the first line … (S reads further back)",
            buffer,
        );
    } else if log.is_filtered() && log.window(sight).is_empty() {
        let below = Rect::new(area.x, y, area.width, 1);
        super::empty(
            screen,
            below,
            "No line passes the filter. esc lets go of it.",
            buffer,
        );
    }
    for (number, above) in log.window(sight) {
        for line in lines(screen, log, number, sight).into_iter().skip(above) {
            if y < area.bottom() {
                grid::put(buffer, area.x, y, &line, area.width);
                y += 1;
            }
        }
    }
}

/// From when on lines are read, and whether their end is followed.
fn standing(screen: &Screen<'_>, log: &LogPage, sight: Sight) -> String {
    let reach = match log.reach {
        Reach::Newest => String::new(),
        Reach::Around(at) => format!("around {} · ", screen.clock(at)),
        reach => format!("{} · ", reach.words()),
    };
    let standing = match (log.top, log.ended) {
        (None, true) => "ended".to_owned(),
        (None, false) => "following".to_owned(),
        (Some(_), _) => match log.below(sight) {
            0 => "held".to_owned(),
            n => format!("held, {} below", text::number(n)),
        },
    };
    format!("{reach}{standing}")
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
    let mut left = asked(screen, log);
    if left.is_empty() {
        let command = command_line::logs(&log.target, log.reach, &screen.model.snapshot.state);
        left.push(Span::styled(format!("$ {command}"), screen.theme.dim()));
    }
    let left = Line::from(left);
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
    if let Some(Typing::Save { path, over }) = &log.typing {
        let which = if log.is_filtered() {
            "those that pass the filter"
        } else {
            "all that are held"
        };
        let lines = text::count(log.lines_to_save(), "line");
        let exists = "It exists: enter writes over it.".to_owned();
        let exists = over.then_some(exists);
        // What is asked now stands alone.
        spans.clear();
        let badge = screen.theme.badge(Color::LightCyan);
        let sign = format!(" save to {}▏ ", text::clean(path));
        spans.push(Span::styled(sign, badge));
        spans.push(match exists {
            Some(exists) => Span::styled(format!(" {exists}"), screen.theme.mood(Mood::Warn)),
            None => Span::styled(format!(" {lines}, {which}"), screen.theme.dim()),
        });
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
        Entry::Moment(at) => (screen.moment(*at), Mood::Busy),
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
    let mut first = prefix(screen, log, line, sight.columns);
    if !log.wrap {
        let from = shown.text.len() - text::skip_columns(&shown.text, log.left).len();
        first.extend(spans(screen, &shown, from..shown.text.len()));
        return vec![Line::from(first)];
    }
    let mark = Span::styled("▎", own_colour(screen, log, line.origin.task));
    let indent = Span::raw(" ".repeat(log.prefix_columns(sight.columns) - 1));
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
fn prefix(
    screen: &Screen<'_>,
    log: &LogPage,
    line: &LogText,
    columns: usize,
) -> Vec<Span<'static>> {
    let origin = &line.origin;
    let own = own_colour(screen, log, origin.task);
    let mut prefix = vec![Span::styled("▎ ", own)];
    let stamp = match log.stamps {
        Stamps::None => None,
        Stamps::Clock => Some(screen.clock(line.at)),
        Stamps::Date => Some(screen.moment(line.at)),
    };
    let stamp = stamp.map(|stamp| Span::styled(format!("{stamp} "), screen.theme.dim()));
    prefix.extend(stamp);
    if matches!(log.target, LogTarget::Instance { .. }) {
        let owner = owner(screen, origin.task);
        prefix.push(Span::styled(padded(&owner, OWNER_COLUMNS), own));
    }
    if !matches!(log.target, LogTarget::Task { .. }) {
        prefix.push(Span::styled(format!("{} ", origin.task.short()), own));
    }
    let room = log.container_columns(columns);
    if room > 0 {
        let name = padded(origin.container.as_str(), room);
        prefix.push(Span::styled(name, own));
    }
    prefix
}

/// The service that a task belongs to, else the family it was run from.
fn owner(screen: &Screen<'_>, task: TaskId) -> String {
    let found = screen.model.snapshot.state.tasks.get(&task);
    found.map_or_else(String::new, |task| match &task.service {
        Some(service) => service.to_string(),
        None => task.task_definition.family.to_string(),
    })
}

/// A name in so many columns, the last of them a space.
fn padded(name: &str, columns: usize) -> String {
    let name = text::cut(name, columns - 1);
    let pad = " ".repeat(columns - text::width(&name));
    format!("{name}{pad}")
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
        Ink::Own(style) => style,
        Ink::Level(level) => level_style(screen, level),
        Ink::Faint => theme.dim(),
        Ink::Stderr => Style::new().fg(Color::LightRed),
        Ink::Found => theme.found(false),
        Ink::FoundHere => theme.found(true),
    }
}

fn level_style(screen: &Screen<'_>, level: Level) -> Style {
    match level {
        Level::Fatal | Level::Error => screen.theme.mood(Mood::Bad),
        Level::Warn => screen.theme.mood(Mood::Warn),
        Level::Info => screen.theme.mood(Mood::Calm),
        Level::Debug | Level::Trace => screen.theme.dim(),
    }
}

/// What tells a task's lines from those of others.
fn own_colour(screen: &Screen<'_>, log: &LogPage, task: TaskId) -> Style {
    let choice = livery::choice(&screen.theme);
    let place = log.book.place_of(task) % choice.len();
    Style::new().fg(choice[place])
}
