//! What happened, newest first.

use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};

use crate::model::{Event, Severity};

use super::super::fleet::Mood;
use super::super::layout::Layout;
use super::super::state::{Model, Pane};
use super::super::text;
use super::{Screen, empty, grid, pane_frame, places};

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let model = screen.model;
    let title = vec![Span::styled("newest first", screen.theme.dim())];
    pane_frame(screen, layout, Pane::Events, title, buffer);
    let area = layout.panes[Pane::Events.index()].rows;
    if model.shown.events.is_empty() {
        let filter = &model.filters[Pane::Events.index()];
        let words = match (filter.is_empty(), model.snapshot.state.events.is_empty()) {
            (false, false) => "No event passes the filter. esc lets go of it.",
            _ => "Nothing has happened yet. H shows what the log has kept.",
        };
        empty(screen, area, words, buffer);
    }
    let pane = &layout.panes[Pane::Events.index()];
    let window = (model.events.top, model.shown.events.len());
    grid::hits(screen, Pane::Events, pane, &[], window);
    let focused = model.focus == Pane::Events;
    let shown = model.shown.events.iter().skip(model.events.top);
    for (event, row) in shown.zip(area.rows()) {
        let line = line(screen, event);
        grid::put(buffer, row.x + 2, row.y, &line, row.width.saturating_sub(2));
        if focused && model.events.selected.as_ref() == Some(event) {
            buffer.set_string(row.x, row.y, "▸", screen.theme.accent());
            screen.theme.select(buffer, row, true);
        } else if !focused && is_linked(model, event) {
            buffer.set_string(row.x, row.y, "▎", screen.theme.accent());
        }
    }
}

fn is_linked(model: &Model, event: &Event) -> bool {
    let (fleet, links) = (&model.fleet, &model.links);
    match (event.task, &event.service, &event.instance) {
        (Some(id), None, _) => fleet.task(id).is_some_and(|row| links.task(&row.task)),
        (_, Some(service), _) => links.service(&(event.cluster.clone(), service.clone())),
        (None, None, Some(name)) => {
            let row = fleet.instance(name);
            row.is_some_and(|row| links.instance(row).is_some())
        }
        (None, None, None) => false,
    }
}

/// How an event's severity is shown.
pub(crate) fn mood(severity: Severity) -> Mood {
    match severity {
        Severity::Info => Mood::Calm,
        Severity::Warning => Mood::Warn,
        Severity::Error => Mood::Bad,
    }
}

/// One event in one line.
pub(crate) fn line(screen: &Screen<'_>, event: &Event) -> Line<'static> {
    let (sign, style) = match event.severity {
        Severity::Info => ("·", screen.theme.dim()),
        Severity::Warning => ("▲", screen.theme.mood(Mood::Warn)),
        Severity::Error => ("✕", screen.theme.mood(Mood::Bad)),
    };
    let words = match event.severity {
        Severity::Info => ratatui::style::Style::new(),
        _ => style,
    };
    Line::from(vec![
        Span::styled(format!("{} ", screen.clock(event.at)), screen.theme.dim()),
        Span::styled(format!("{sign} "), style),
        Span::styled(places::margin(screen, &event.cluster), screen.theme.dim()),
        Span::styled(text::clean(&event.message).into_owned(), words),
    ])
}
