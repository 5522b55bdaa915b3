//! Reading logs: opening, scrolling, following, searching, filtering.

use crate::agent::streams::LogTarget;

use super::super::effect::Effect;
use super::super::event::Ticket;
use super::super::keymap::Action;
use super::super::logs::{LogPage, Search, Sight, Typing};
use super::super::state::{Layer, Model};
use super::super::text;

/// Columns that one press moves long lines by.
const SIDE_STEP: usize = 16;

pub(super) fn open(model: &mut Model, target: LogTarget, title: String) -> Vec<Effect> {
    model.tickets += 1;
    let ticket = model.tickets;
    let page = LogPage::new(ticket, target.clone(), title);
    model.layers.push(Layer::Logs(Box::new(page)));
    vec![Effect::OpenLogs { ticket, target }]
}

/// The page that a ticket belongs to, if it is still open.
pub(super) fn page_of(model: &mut Model, ticket: Ticket) -> Option<&mut LogPage> {
    model.layers.iter_mut().find_map(|layer| match layer {
        Layer::Logs(page) if page.ticket == ticket => Some(page.as_mut()),
        _ => None,
    })
}

/// The page on top, and what there is room for on it.
fn top_page(model: &mut Model) -> Option<(&mut LogPage, Sight)> {
    let sight = sight(model);
    match model.layers.last_mut() {
        Some(Layer::Logs(page)) => Some((page, sight)),
        _ => None,
    }
}

/// What there is room for.
fn sight(model: &Model) -> Sight {
    let (columns, rows) = model.layout().map_or((80, 10), |layout| {
        let body = layout.body;
        // One row is the title.
        (usize::from(body.width), usize::from(body.height - 1))
    });
    Sight { columns, rows }
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => return super::layers::back(model),
        Action::LetGo => return let_go(model),
        Action::NextMatch | Action::PreviousMatch => {
            next(model, action == Action::NextMatch);
            return Vec::new();
        }
        _ => {}
    }
    let Some((page, sight)) = top_page(model) else {
        return Vec::new();
    };
    match action {
        Action::Up => page.scroll(-1, sight),
        Action::Down => page.scroll(1, sight),
        Action::PageUp => page.scroll(-page_rows(sight), sight),
        Action::PageDown => page.scroll(page_rows(sight), sight),
        Action::Top => page.show_beginning(),
        Action::Bottom => page.top = None,
        Action::Follow if page.top.is_some() => page.top = None,
        Action::Follow => page.hold(sight),
        Action::Wrap => {
            page.wrap = !page.wrap;
            page.left = 0;
        }
        Action::Left => page.left = page.left.saturating_sub(SIDE_STEP),
        Action::Right if !page.wrap => page.left += SIDE_STEP,
        Action::Search => {
            page.typing = Some(Typing::Search { top: page.top });
            page.hold(sight);
            page.search = Search::default();
        }
        Action::Filter => {
            page.typing = Some(Typing::Filter {
                before: page.wanted.clone(),
            });
        }
        _ => {}
    }
    Vec::new()
}

fn page_rows(sight: Sight) -> isize {
    isize::try_from(sight.rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// Lets go of the search, else of the filter, else of the page.
fn let_go(model: &mut Model) -> Vec<Effect> {
    let Some((page, _)) = top_page(model) else {
        return Vec::new();
    };
    if page.search.is_on() {
        page.search = Search::default();
    } else if !page.wanted.is_empty() {
        page.wanted.clear();
        page.read_filter();
    } else {
        return super::layers::back(model);
    }
    Vec::new()
}

/// Text is being typed: what it asks for is looked for at once.
pub(super) fn retyped(model: &mut Model) {
    let Some((page, sight)) = top_page(model) else {
        return;
    };
    match page.typing {
        Some(Typing::Search { .. }) => {
            let window = page.window(sight);
            let top = window.first().map_or(0, |(number, _)| *number);
            page.search.read();
            page.look_again();
            let found = &page.search.found;
            if let Some(number) = found.at_or_after(top).or(found.before(top)) {
                go(page, number, sight);
            }
        }
        Some(Typing::Filter { .. }) => page.read_filter(),
        None => {}
    }
}

/// What was typed stands.
pub(super) fn entered(model: &mut Model) -> Vec<Effect> {
    if let Some((page, _)) = top_page(model)
        && let Some(Typing::Search { top }) = page.typing.take()
        && !page.search.is_on()
    {
        page.top = top;
    }
    Vec::new()
}

/// What was typed is left: all is as it was before.
pub(super) fn left(model: &mut Model) {
    let Some((page, _)) = top_page(model) else {
        return;
    };
    match page.typing.take() {
        Some(Typing::Search { top }) => {
            page.search = Search::default();
            page.top = top;
        }
        Some(Typing::Filter { before }) => {
            page.wanted = before;
            page.read_filter();
        }
        None => {}
    }
}

/// Goes to the next or previous line that has what is searched for, round the ends.
fn next(model: &mut Model, forward: bool) {
    let Some((page, sight)) = top_page(model) else {
        return;
    };
    if !page.search.is_on() {
        model.toast("Nothing is searched for yet: / begins.");
        return;
    }
    let window = page.window(sight);
    let inside = |number: u64| window.iter().any(|(each, _)| *each == number);
    let here = page.search.at.filter(|at| inside(*at));
    let top = window.first().map_or(0, |(number, _)| *number);
    let end = window.last().map_or(0, |(number, _)| number + 1);
    let found = &page.search.found;
    let to = if forward {
        let from = here.map_or(top, |at| at + 1);
        found.at_or_after(from).or(found.at_or_after(0))
    } else {
        let from = here.unwrap_or(end);
        found.before(from).or(found.before(u64::MAX))
    };
    if let Some(number) = to {
        go(page, number, sight);
    }
}

/// Brings a line that was found into the window, and what was found in it into sight.
fn go(page: &mut LogPage, number: u64, sight: Sight) {
    page.search.at = Some(number);
    page.show(number, sight);
    let Some(shown) = page.painted_entry(number) else {
        return;
    };
    let Some(place) = page.search.places(&shown.text).into_iter().next() else {
        return;
    };
    let columns = |byte: usize| text::width(shown.text.get(..byte).unwrap_or_default());
    let (from, to) = (columns(place.start), columns(place.end));
    let room = page.text_columns(sight);
    if page.wrap || (from >= page.left && to <= page.left + room) {
        return;
    }
    page.left = if to <= room {
        0
    } else {
        (from.saturating_sub(room / 3)).next_multiple_of(SIDE_STEP)
    };
}
