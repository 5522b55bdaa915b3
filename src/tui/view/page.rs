//! Pages that cover the panes: a title, and lines to scroll through.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::state::{Layer, Model};
use super::{Screen, detail, grid, help};

/// Rows of a page's title.
const TITLE_ROWS: u16 = 1;

/// A page's title and lines.
pub(crate) struct Page {
    pub title: String,
    pub lines: Vec<Line<'static>>,
}

fn page(screen: &Screen<'_>, layer: &Layer, columns: u16) -> Option<Page> {
    match layer {
        Layer::Details { subject, .. } => Some(detail::page(screen, subject, columns)),
        Layer::Help { .. } => Some(help::page(screen, columns)),
        _ => None,
    }
}

/// The last line that may be at the top of the page that is open, if one is.
pub(crate) fn last_top(model: &Model) -> Option<usize> {
    let body = model.layout()?.body;
    let screen = Screen::new(model, model.now);
    let page = page(&screen, model.layers.last()?, body.width)?;
    let rows = usize::from(body.height - TITLE_ROWS);
    Some(page.lines.len().saturating_sub(rows))
}

/// Draws the page of a layer.
pub(super) fn draw(screen: &Screen<'_>, layer: &Layer, area: Rect, buffer: &mut Buffer) {
    let Some(page) = page(screen, layer, area.width) else {
        return;
    };
    let (Layer::Details { top, .. } | Layer::Help { top }) = layer else {
        return;
    };
    let rows = usize::from(area.height - TITLE_ROWS);
    let last = page.lines.len().saturating_sub(rows);
    let top = (*top).min(last);
    let position = match (top, last) {
        (_, 0) => String::new(),
        (0, _) => "more below".to_owned(),
        (top, last) if top == last => "end".to_owned(),
        (top, last) => format!("{}%", top * 100 / last),
    };
    title(screen, &page.title, &position, area, buffer);
    for (at, line) in page.lines.iter().skip(top).take(rows).enumerate() {
        let y = area.y + TITLE_ROWS + u16::try_from(at).unwrap_or(0);
        grid::put(buffer, area.x + 1, y, line, area.width - 2);
    }
}

/// A title line over the whole width, with something at its right end.
pub(super) fn title(screen: &Screen<'_>, name: &str, right: &str, area: Rect, buffer: &mut Buffer) {
    let rule = "─".repeat(usize::from(area.width));
    buffer.set_string(area.x, area.y, rule, screen.theme.accent());
    let line = Line::from(Span::styled(format!(" {name} "), screen.theme.accent()));
    grid::put(buffer, area.x + 2, area.y, &line, area.width - 4);
    if !right.is_empty() {
        let right = format!(" {right} ");
        let used = u16::try_from(super::text::width(&right)).unwrap_or(0);
        let x = area.right().saturating_sub(used + 2);
        buffer.set_string(x, area.y, right, screen.theme.dim());
    }
}
