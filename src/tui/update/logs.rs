//! Reading logs: opening, scrolling, following.

use crate::agent::streams::LogTarget;

use super::super::effect::Effect;
use super::super::event::Ticket;
use super::super::keymap::Action;
use super::super::logbook::{Entry, Logbook};
use super::super::state::{Layer, LogPage, Model};
use super::super::text;

/// Columns that one press moves long lines by.
const SIDE_STEP: usize = 16;
/// `12:34:56 `.
const TIME_COLUMNS: usize = 9;
/// `1f3a9c20 `.
const TASK_COLUMNS: usize = 9;
/// The most columns that a container's name gets, with the space after it.
pub(crate) const CONTAINER_COLUMNS: usize = 11;

pub(super) fn open(model: &mut Model, target: LogTarget, title: String) -> Vec<Effect> {
    model.tickets += 1;
    let ticket = model.tickets;
    model.layers.push(Layer::Logs(Box::new(LogPage {
        ticket,
        target: target.clone(),
        title,
        book: Logbook::default(),
        wrap: false,
        left: 0,
        top: None,
    })));
    vec![Effect::OpenLogs { ticket, target }]
}

/// The page that a ticket belongs to, if it is still open.
pub(super) fn page_of(model: &mut Model, ticket: Ticket) -> Option<&mut LogPage> {
    model.layers.iter_mut().find_map(|layer| match layer {
        Layer::Logs(page) if page.ticket == ticket => Some(page.as_mut()),
        _ => None,
    })
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let (columns, rows) = model.layout().map_or((80, 10), |layout| {
        let body = layout.body;
        // One row is the title.
        (usize::from(body.width), usize::from(body.height - 1))
    });
    if action == Action::Back {
        return super::layers::back(model);
    }
    let Some(Layer::Logs(page)) = model.layers.last_mut() else {
        return Vec::new();
    };
    match action {
        Action::Up => scroll(page, columns, rows, -1),
        Action::Down => scroll(page, columns, rows, 1),
        Action::PageUp => scroll(page, columns, rows, -page_rows(rows)),
        Action::PageDown => scroll(page, columns, rows, page_rows(rows)),
        Action::Top => page.top = Some(page.book.first()),
        Action::Bottom => page.top = None,
        Action::Follow if page.top.is_some() => page.top = None,
        Action::Follow => page.top = Some(follow_top(page, columns, rows).0),
        Action::Wrap => {
            page.wrap = !page.wrap;
            page.left = 0;
        }
        Action::Left => page.left = page.left.saturating_sub(SIDE_STEP),
        Action::Right if !page.wrap => page.left += SIDE_STEP,
        _ => {}
    }
    Vec::new()
}

fn page_rows(rows: usize) -> isize {
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// Moves the top by about `by` rows, entry by entry; at the end it follows.
fn scroll(page: &mut LogPage, columns: usize, rows: usize, by: isize) {
    let (end, _) = follow_top(page, columns, rows);
    let mut top = page.top.unwrap_or(end).max(page.book.first());
    let mut left = by.unsigned_abs();
    while left > 0 {
        let number = if by < 0 { top.wrapping_sub(1) } else { top };
        let Some(entry) = page.book.get(number) else {
            break;
        };
        left = left.saturating_sub(rows_of(page, entry, columns));
        top = if by < 0 { number } else { number + 1 };
    }
    page.top = (top < end).then_some(top);
}

/// The entry at the top while the end is followed, and how many of its rows are above the edge.
pub(crate) fn follow_top(page: &LogPage, columns: usize, rows: usize) -> (u64, usize) {
    let mut number = page.book.end_number();
    let mut filled = 0;
    while filled < rows && number > page.book.first() {
        number -= 1;
        if let Some(entry) = page.book.get(number) {
            filled += rows_of(page, entry, columns);
        }
    }
    (number, filled.saturating_sub(rows))
}

/// Columns before a line's text: time, and where it came from.
pub(crate) fn prefix_width(page: &LogPage) -> usize {
    match page.target {
        LogTarget::Task { .. } => TIME_COLUMNS + CONTAINER_COLUMNS,
        LogTarget::Service { .. } => TIME_COLUMNS + TASK_COLUMNS + CONTAINER_COLUMNS,
    }
}

/// How many rows an entry takes.
pub(crate) fn rows_of(page: &LogPage, entry: &Entry, columns: usize) -> usize {
    match entry {
        Entry::Line { text, .. } if page.wrap => {
            text::fold(text, columns.saturating_sub(prefix_width(page))).len()
        }
        _ => 1,
    }
}
