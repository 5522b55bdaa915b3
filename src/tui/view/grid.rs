//! Rows in columns: only those on the screen are ever made.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::hit::Target;
use super::super::layout::PaneArea;
use super::super::sort::Sort;
use super::super::state::Pane;
use super::super::text;
use super::Screen;
use super::theme::Theme;

/// Columns before the first cell: that of the selected row or of a linked one, that of a mark.
const GUTTER: u16 = 2;
/// Columns between cells.
const GAP: u16 = 2;
/// The most columns of the bar that marks the selected row of a wide list.
const BAR_MOST: u16 = 40;
/// Rows of no more columns are marked whole.
const NARROW: u16 = 84;
/// What the line is made of that a pane without a box begins with.
pub(super) const RULE: &str = "─";
/// The columns that keep their colour in a stale row: sign and state.
const LOUD: [&str; 2] = ["", "STATE"];

/// One column.
pub(crate) struct Column {
    pub title: &'static str,
    /// The fewest columns it makes sense with.
    pub min: u16,
    /// What it would like to have.
    pub want: u16,
    /// The higher, the sooner it goes when there is no room.
    pub spare: u8,
    /// Numbers stand at the right.
    pub right: bool,
}

/// A column.
pub(crate) fn column(title: &'static str, min: usize, want: usize, spare: u8) -> Column {
    let columns = |n: usize| u16::try_from(n.max(title.len())).unwrap_or(u16::MAX);
    Column {
        title,
        min: columns(min),
        want: columns(want.max(min)),
        spare,
        right: false,
    }
}

/// A column of numbers.
pub(crate) fn right(title: &'static str, want: usize, spare: u8) -> Column {
    Column {
        right: true,
        ..column(title, want, want, spare)
    }
}

/// One row.
pub(crate) struct Row {
    pub cells: Vec<Line<'static>>,
    pub selected: bool,
    /// Will be changed together with others.
    pub marked: bool,
    /// Belongs to what is selected elsewhere.
    pub linked: bool,
    /// What it says is old.
    pub stale: bool,
}

/// A cell of one piece.
pub(crate) fn cell(text: impl Into<String>, style: ratatui::style::Style) -> Line<'static> {
    Line::from(Span::styled(text.into(), style))
}

/// The width of each column, 0 for those left out.
pub(crate) fn fit(columns: &[Column], width: u16) -> Vec<u16> {
    let mut kept: Vec<bool> = vec![true; columns.len()];
    let need = |kept: &[bool]| -> u16 {
        let used = columns.iter().zip(kept).filter(|(_, kept)| **kept);
        used.fold(GUTTER, |sum, (c, _)| sum.saturating_add(c.min + GAP)) - GAP
    };
    while need(&kept) > width {
        let spare = columns.iter().enumerate().filter(|(at, _)| kept[*at]);
        match spare.max_by_key(|(at, c)| (c.spare, *at)) {
            Some((at, _)) if kept.iter().filter(|k| **k).count() > 1 => kept[at] = false,
            _ => break,
        }
    }
    let mut left = width.saturating_sub(need(&kept));
    let mut order: Vec<usize> = (0..columns.len()).filter(|at| kept[*at]).collect();
    let mut widths: Vec<u16> = columns
        .iter()
        .zip(&kept)
        .map(|(c, kept)| if *kept { c.min } else { 0 })
        .collect();
    order.sort_by_key(|at| columns[*at].spare);
    for at in order {
        let more = (columns[at].want - columns[at].min).min(left);
        widths[at] += more;
        left -= more;
    }
    widths
}

/// Draws column titles and the rows of the window, which begins at row `top` of `len`.
pub(crate) fn draw(
    buffer: &mut Buffer,
    theme: Theme,
    pane: &PaneArea,
    focused: bool,
    columns: &[Column],
    sort: Sort,
    rows: impl Iterator<Item = Row>,
) {
    let widths = widths(columns, pane);
    if let Some(area) = pane.titles {
        let titles = columns.iter().map(|c| {
            let sorted = !c.title.is_empty() && sort.column == Some(c.title);
            let style = if sorted { theme.accent() } else { theme.dim() };
            cell(c.title, style)
        });
        cells(buffer, area, columns, &widths, &titles.collect::<Vec<_>>());
        arrow(buffer, area, theme, columns, &widths, sort);
    } else if !pane.is_boxed() {
        heads_in_rule(buffer, theme, pane, columns, &widths);
    }
    for (at, mut row) in rows.take(usize::from(pane.rows.height)).enumerate() {
        let y = pane.rows.y + u16::try_from(at).unwrap_or(u16::MAX);
        let area = Rect::new(pane.rows.x, y, pane.rows.width, 1);
        if row.stale {
            // All but the sign and the state, which say what is wrong.
            let cells = row.cells.iter_mut().zip(columns);
            for (cell, _) in cells.filter(|(_, column)| !LOUD.contains(&column.title)) {
                cell.spans
                    .iter_mut()
                    .for_each(|span| span.style = theme.dim());
            }
        }
        cells(buffer, area, columns, &widths, &row.cells);
        if row.selected {
            buffer.set_string(area.x, y, "▸", theme.accent());
            let bar = Rect {
                width: bar(&widths, area.width),
                ..area
            };
            theme.select(buffer, bar, focused);
        } else if row.linked {
            buffer.set_string(area.x, y, "▎", theme.accent());
        }
        if row.marked {
            buffer.set_string(area.x + 1, y, "◆", theme.marked());
        }
    }
}

/// The widths in a pane: a column of air is left before its border.
fn widths(columns: &[Column], pane: &PaneArea) -> Vec<u16> {
    fit(columns, pane.rows.width - u16::from(pane.is_boxed()))
}

/// The heads of the columns that there is room for in a pane.
pub(crate) fn heads(columns: &[Column], pane: &PaneArea) -> Vec<&'static str> {
    let widths = widths(columns, pane);
    let shown = columns.iter().zip(widths).filter(|(_, width)| *width > 0);
    let heads = shown.map(|(column, _)| column.title);
    heads.filter(|title| !title.is_empty()).collect()
}

/// A pane without a line for the heads of its columns has them in its rule, as far as its title
/// and what stands at the end of the rule leave room.
fn heads_in_rule(
    buffer: &mut Buffer,
    theme: Theme,
    pane: &PaneArea,
    columns: &[Column],
    widths: &[u16],
) {
    let y = pane.area.y;
    let row = Rect { y, ..pane.rows };
    for (at, x) in places(row, widths) {
        let title = columns[at].title;
        let used = u16::try_from(title.len()).unwrap_or(u16::MAX);
        if used == 0 {
            continue;
        }
        let start = if columns[at].right {
            x + widths[at].saturating_sub(used)
        } else {
            x
        };
        let ends = start.saturating_sub(1)..start.saturating_add(used + 1);
        let is_free = |x| {
            buffer
                .cell((x, y))
                .is_some_and(|cell| cell.symbol() == RULE)
        };
        if ends.clone().all(is_free) {
            let width = ends.end - ends.start;
            buffer.set_stringn(
                ends.start,
                y,
                format!(" {title} "),
                width.into(),
                theme.dim(),
            );
        }
    }
}

/// Which way the sorted column goes: in the gap after its head, or before it at the edge.
fn arrow(
    buffer: &mut Buffer,
    area: Rect,
    theme: Theme,
    columns: &[Column],
    widths: &[u16],
    sort: Sort,
) {
    let mut x = area.x + GUTTER;
    for (column, width) in columns.iter().zip(widths).filter(|(_, width)| **width > 0) {
        if sort.column == Some(column.title) && !column.title.is_empty() {
            let used = u16::try_from(column.title.len()).unwrap_or(*width);
            let start = if column.right { x + width - used } else { x };
            let after = start + used;
            let at = if after < area.right() {
                after
            } else {
                start - 1
            };
            let sign = if sort.falls() { "↓" } else { "↑" };
            buffer.set_string(at, area.y, sign, theme.accent());
            return;
        }
        x += width + GAP;
    }
}

/// How much of a row is marked when it is selected: all of a narrow one, else whole columns from
/// the first. Every cell of the bar is sent twice when the selection moves.
fn bar(widths: &[u16], row: u16) -> u16 {
    if row <= NARROW {
        return row;
    }
    let mut end = GUTTER;
    for width in widths.iter().filter(|width| **width > 0) {
        let with = end + width + GAP;
        if with > BAR_MOST && end > GUTTER {
            break;
        }
        end = with;
    }
    end.min(row)
}

fn cells(
    buffer: &mut Buffer,
    area: Rect,
    columns: &[Column],
    widths: &[u16],
    lines: &[Line<'static>],
) {
    for (at, x) in places(area, widths) {
        let (Some(column), Some(line)) = (columns.get(at), lines.get(at)) else {
            continue;
        };
        let room = widths[at].min(area.right().saturating_sub(x));
        let used = u16::try_from(line.width()).unwrap_or(u16::MAX).min(room);
        let start = if column.right { x + room - used } else { x };
        put(buffer, start, area.y, line, room);
    }
}

/// The columns that there is room for, each with where it begins.
fn places(area: Rect, widths: &[u16]) -> impl Iterator<Item = (usize, u16)> {
    let mut next = area.x + GUTTER;
    let shown = widths.iter().enumerate().filter(|(_, width)| **width > 0);
    shown.map(move |(at, width)| {
        let x = next;
        next += width + GAP;
        (at, x)
    })
}

/// Says what a click on a list means: on the heads of its columns, and on its rows, which begin
/// with the one of that place.
pub(crate) fn hits(
    screen: &Screen<'_>,
    of: Pane,
    pane: &PaneArea,
    columns: &[Column],
    (top, len): (usize, usize),
) {
    let widths = widths(columns, pane);
    if let Some(area) = pane.titles {
        for (at, x) in places(area, &widths) {
            let head = Rect::new(x, area.y, widths[at], 1).intersection(area);
            if !columns[at].title.is_empty() {
                screen.hit(head, || Target::Head(of, columns[at].title));
            }
        }
    }
    for (at, row) in pane.rows.rows().enumerate().take(len.saturating_sub(top)) {
        screen.hit(row, || Target::Row(of, top + at));
    }
}

/// Writes a line of at most `room` columns, with an ellipsis where it does not fit.
pub(crate) fn put(buffer: &mut Buffer, x: u16, y: u16, line: &Line<'_>, room: u16) {
    let mut left = usize::from(room);
    let mut x = x;
    for span in &line.spans {
        if left == 0 {
            return;
        }
        let shown = text::cut(&span.content, left);
        let style = line.style.patch(span.style);
        let (after, _) = buffer.set_stringn(x, y, &*shown, left, style);
        left = left.saturating_sub(usize::from(after - x));
        x = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_ends_at_a_column() {
        assert_eq!(bar(&[10, 0, 10], 120), 2 + 12 + 12);
        assert_eq!(bar(&[10, 0, 10], 80), 80, "a narrow row is marked whole");
        assert_eq!(
            bar(&[20, 14, 10, 40], 120),
            2 + 22 + 16,
            "what does not fit is not begun"
        );
        assert_eq!(
            bar(&[90, 10], 120),
            2 + 92,
            "the first column is always marked"
        );
    }

    #[test]
    fn columns_that_can_be_spared_go_first_and_room_is_shared() {
        let columns = [
            column("A", 5, 20, 0),
            column("B", 5, 10, 2),
            column("C", 5, 5, 1),
        ];
        assert_eq!(fit(&columns, 60), [20, 10, 5]);
        assert_eq!(fit(&columns, 21), [5, 5, 5]);
        assert_eq!(fit(&columns, 23), [7, 5, 5]);
        assert_eq!(fit(&columns, 20), [11, 0, 5]);
        assert_eq!(fit(&columns, 9), [7, 0, 0]);
        assert_eq!(fit(&columns, 3), [5, 0, 0]);
    }
}
