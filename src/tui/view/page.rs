//! Pages that cover the panes: a title, and lines to scroll through.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::narrow::Narrow;
use super::super::state::{Layer, Model};
use super::super::text;
use super::{Screen, detail, grid, help};

/// The fewest columns that a narrowed page's title keeps.
const NAME_LEAST: usize = 12;
/// Rows of a page's title.
const TITLE_ROWS: u16 = 1;

/// A page's title and lines.
pub(crate) struct Page {
    pub title: String,
    pub lines: Vec<Line<'static>>,
    /// What could not be read of the filter that it is narrowed by.
    pub wrong: Option<String>,
}

impl Page {
    pub(crate) fn new(title: String, lines: Vec<Line<'static>>) -> Self {
        Self {
            title,
            lines,
            wrong: None,
        }
    }
}

fn page(screen: &Screen<'_>, layer: &Layer, columns: u16) -> Option<Page> {
    let (mut page, narrow) = match layer {
        Layer::Details {
            subject, narrow, ..
        } => (detail::page(screen, subject, columns), narrow),
        Layer::Help { narrow, .. } => (help::page(screen, columns), narrow),
        _ => return None,
    };
    (page.lines, page.wrong) = narrow.keep(page.lines);
    if page.lines.is_empty() && !narrow.words.is_empty() {
        let words = "  Nothing here says that. esc shows everything again.";
        let line = Span::styled(words, screen.theme.dim());
        page.lines.push(Line::from(line));
    }
    Some(page)
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
    let (Layer::Details { top, narrow, .. } | Layer::Help { top, narrow }) = layer else {
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
    if narrow.is_off() {
        title(screen, &page.title, &position, area, buffer);
    } else {
        narrowed(screen, &page, narrow, (&position, area), buffer);
    }
    for (at, line) in page.lines.iter().skip(top).take(rows).enumerate() {
        let y = area.y + TITLE_ROWS + u16::try_from(at).unwrap_or(0);
        grid::put(buffer, area.x + 1, y, line, area.width - 2);
    }
}

/// The title of a narrowed page: what it is narrowed to is said whatever the title leaves.
fn narrowed(
    screen: &Screen<'_>,
    page: &Page,
    narrow: &Narrow,
    (position, area): (&str, Rect),
    buffer: &mut Buffer,
) {
    let badge = super::filter_badge(screen, &narrow.words, narrow.typing, page.wrong.as_deref());
    let badge = Line::from(badge);
    let whole = usize::from(area.width).saturating_sub(text::width(position) + 10);
    let name = text::cut(
        &page.title,
        whole.saturating_sub(badge.width()).max(NAME_LEAST),
    );
    title(screen, &name, position, area, buffer);
    let used = u16::try_from(text::width(&name)).unwrap_or(u16::MAX);
    let x = area.x.saturating_add(used).saturating_add(5);
    let ends = u16::try_from(text::width(position) + 5).unwrap_or(0);
    let room = area.right().saturating_sub(x).saturating_sub(ends);
    grid::put(buffer, x, area.y, &badge, room);
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
