//! Log lines on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::agent::streams::LogTarget;
use crate::docker::LogStream;
use crate::model::TaskId;

use super::super::fleet::Mood;
use super::super::logbook::Entry;
use super::super::state::LogPage;
use super::super::text;
use super::super::update::{CONTAINER_COLUMNS, follow_top, prefix_width};
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

pub(super) fn draw(screen: &Screen<'_>, log: &LogPage, area: Rect, buffer: &mut Buffer) {
    let book = &log.book;
    let mut right = Vec::new();
    if book.first() > 0 {
        right.push(format!("{} older let go", text::number(book.first())));
    }
    if book.dropped() > 0 {
        right.push(format!("{} dropped", text::number(book.dropped())));
    }
    right.push(
        if log.wrap {
            "long lines wrapped"
        } else {
            "long lines cut"
        }
        .to_owned(),
    );
    right.push(
        if log.top.is_some() {
            "held"
        } else {
            "following"
        }
        .to_owned(),
    );
    let name = format!("Logs of {}", log.title);
    page::title(screen, &name, &right.join(" · "), area, buffer);

    let rows = usize::from(area.height - 1);
    let columns = usize::from(area.width);
    let (mut number, mut hidden) = match log.top {
        Some(top) => (top.max(book.first()), 0),
        None => follow_top(log, columns, rows),
    };
    if book.end_number() == 0 {
        let below = Rect::new(area.x, area.y + 1, area.width, 1);
        super::empty(screen, below, "Waiting for the first line …", buffer);
    }
    let mut y = area.y + 1;
    while let Some(entry) = book.get(number).filter(|_| y < area.bottom()) {
        for line in lines(screen, log, entry, columns).into_iter().skip(hidden) {
            if y < area.bottom() {
                grid::put(buffer, area.x, y, &line, area.width);
                y += 1;
            }
        }
        hidden = 0;
        number += 1;
    }
}

fn lines(screen: &Screen<'_>, log: &LogPage, entry: &Entry, columns: usize) -> Vec<Line<'static>> {
    let (words, mood) = match entry {
        Entry::Line { .. } => return line(screen, log, entry, columns),
        Entry::Dropped(1) => (
            "1 line was dropped: the reader was too slow".to_owned(),
            Mood::Warn,
        ),
        Entry::Dropped(n) => (
            format!(
                "{} lines were dropped: the reader was too slow",
                text::number(*n)
            ),
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

fn line(screen: &Screen<'_>, log: &LogPage, entry: &Entry, columns: usize) -> Vec<Line<'static>> {
    let Entry::Line {
        at,
        task,
        container,
        stream,
        text: words,
    } = entry
    else {
        return Vec::new();
    };
    let mut prefix = vec![Span::styled(
        format!("{} ", screen.clock(*at)),
        screen.theme.dim(),
    )];
    let own = Style::new().fg(colour(*task));
    if matches!(log.target, LogTarget::Service { .. }) {
        prefix.push(Span::styled(format!("{} ", task.short()), own));
    }
    let room = CONTAINER_COLUMNS - 1;
    let name = text::cut(container.as_str(), room).into_owned();
    let pad = " ".repeat(room + 1 - text::width(&name));
    prefix.push(Span::styled(format!("{name}{pad}"), own));
    let style = match stream {
        LogStream::Stdout => Style::new(),
        LogStream::Stderr => Style::new().fg(Color::LightRed),
    };
    if !log.wrap {
        let shown = text::skip_columns(words, log.left).to_owned();
        prefix.push(Span::styled(shown, style));
        return vec![Line::from(prefix)];
    }
    let before = prefix_width(log);
    let pieces = text::fold(words, columns.saturating_sub(before));
    let mut prefix = Some(prefix);
    pieces
        .into_iter()
        .map(|piece| {
            let spans = prefix.take();
            let mut spans = spans.unwrap_or_else(|| vec![Span::raw(" ".repeat(before))]);
            spans.push(Span::styled(piece.to_owned(), style));
            Line::from(spans)
        })
        .collect()
}

fn colour(task: TaskId) -> Color {
    let at = (task.0 >> 96) as usize % COLOURS.len();
    COLOURS[at]
}
