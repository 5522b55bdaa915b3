//! Reading logs: opening, scrolling, following, searching, filtering.

use crate::agent::streams::LogTarget;
use crate::client::LogItem;
use crate::model::TimeMs;

use super::super::effect::Effect;
use super::super::event::{Saved, Ticket};
use super::super::keymap::Action;
use super::super::logs::{LogPage, Reach, Search, Sight, Typing};
use super::super::state::{Choice, Layer, Model};
use super::super::text;

/// Columns that one press moves long lines by.
const SIDE_STEP: usize = 16;

/// Opens logs at their end, and follows; while the past is looked at, around that moment.
pub(super) fn open(model: &mut Model, target: LogTarget, title: String) -> Vec<Effect> {
    let reach = match model.past {
        Some(_) => Reach::Around(model.snapshot.at),
        None => Reach::Newest,
    };
    open_at(model, target, title, reach)
}

/// Opens logs at a moment: what was written half a minute before and after it.
pub(super) fn open_around(
    model: &mut Model,
    target: LogTarget,
    title: String,
    at: TimeMs,
) -> Vec<Effect> {
    open_at(model, target, title, Reach::Around(at))
}

fn open_at(model: &mut Model, target: LogTarget, title: String, reach: Reach) -> Vec<Effect> {
    model.tickets += 1;
    let ticket = model.tickets;
    let options = reach.options(model.plane_time(model.now));
    let page = LogPage::new(ticket, target.clone(), title, reach).look_as(model.log_looks);
    model.layers.push(Layer::Logs(Box::new(page)));
    vec![Effect::OpenLogs {
        ticket,
        target,
        options,
    }]
}

/// Lines came in.
pub(super) fn came(model: &mut Model, ticket: Ticket, items: Vec<LogItem>) {
    let body = body(model);
    if let Some(page) = page_of(model, ticket) {
        page.take(items);
        show_moment(page, body);
    }
}

/// No more will come.
pub(super) fn ended(model: &mut Model, ticket: Ticket, error: Option<String>) {
    let body = body(model);
    if let Some(page) = page_of(model, ticket) {
        page.end(error);
        show_moment(page, body);
    }
}

/// The moment that logs were opened around stays in sight until the reader goes elsewhere.
fn show_moment(page: &mut LogPage, (columns, rows): (u16, u16)) {
    if let Some(number) = page.moment.take() {
        page.show(number, page.sight(columns, rows));
    }
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
    let (columns, rows) = body(model);
    match model.layers.last_mut() {
        Some(Layer::Logs(page)) => {
            let sight = page.sight(columns, rows);
            Some((page, sight))
        }
        _ => None,
    }
}

/// Columns and rows of a page.
fn body(model: &Model) -> (u16, u16) {
    let body = model.layout().map(|layout| layout.body);
    body.map_or((80, 10), |body| (body.width, body.height))
}

pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Back => return super::layers::back(model),
        Action::LetGo => return let_go(model),
        Action::NextMatch | Action::PreviousMatch => {
            next(model, action == Action::NextMatch);
            return Vec::new();
        }
        Action::Since | Action::Columns => {
            choose(model, action);
            return Vec::new();
        }
        Action::Save => {
            ask_path(model);
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
        Action::Stamps => page.stamps = page.stamps.next(),
        Action::Fields if page.book.seen.iter().next().is_none() => {
            model.toast_here("No line of these logs is JSON: they are shown as they are.");
        }
        Action::Fields => page.toggle_fields(),
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
    // Other logs are shown like these from here on, and so are those of the next time.
    if let Some(looks) = top_page(model).map(|(page, _)| page.looks()) {
        model.log_looks = looks;
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
        page.left = 0;
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
        Some(Typing::Filter { .. }) => {
            page.read_filter();
            page.keep_in_sight(sight);
        }
        // Another name is another file.
        Some(Typing::Save { ref mut over, .. }) => *over = false,
        None => {}
    }
}

/// What was typed stands.
pub(super) fn entered(model: &mut Model) -> Vec<Effect> {
    let Some((page, _)) = top_page(model) else {
        return Vec::new();
    };
    match page.typing.take() {
        Some(Typing::Search { top }) if !page.search.is_on() => page.top = top,
        Some(Typing::Save { path, over }) if !path.trim().is_empty() => {
            return vec![Effect::SaveLogs {
                ticket: page.ticket,
                path: path.trim().to_owned(),
                lines: page.lines_to_save(),
                text: page.saved_text(),
                over,
            }];
        }
        _ => {}
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
            page.left = 0;
            page.top = top;
        }
        Some(Typing::Filter { before }) => {
            page.wanted = before;
            page.read_filter();
        }
        Some(Typing::Save { .. }) | None => {}
    }
}

/// Asks where to save what is held.
fn ask_path(model: &mut Model) {
    let (now, zone) = (model.now, model.options.time_zone.clone());
    let Some((page, _)) = top_page(model) else {
        return;
    };
    if page.lines_to_save() > 0 {
        let path = page.default_path(now, &zone);
        page.typing = Some(Typing::Save { path, over: false });
        return;
    }
    let why = match page.is_filtered() {
        true => "There is nothing to save: no line passes the filter.",
        false => "There is nothing to save: no line has come yet.",
    };
    model.toast_here(why);
}

/// What became of saving.
pub(super) fn saved(model: &mut Model, of: Ticket, path: String, lines: u64, outcome: Saved) {
    match outcome {
        Saved::Written => {
            let lines = text::count(lines, "line");
            model.toast(format!("Saved {lines} to {path}."));
        }
        Saved::Failed(why) => model.toast_bad(format!("Not saved to {path}: {why}")),
        Saved::Exists => {
            if let Some((page, _)) = top_page(model)
                && page.ticket == of
                && page.typing.is_none()
            {
                page.typing = Some(Typing::Save { path, over: true });
            } else {
                model.toast_bad(format!("Not saved: {path} exists already."));
            }
        }
    }
}

/// The page of logs under what lies over it.
pub(super) fn page(model: &Model) -> Option<&LogPage> {
    model.layers.iter().rev().find_map(|layer| match layer {
        Layer::Logs(page) => Some(page.as_ref()),
        _ => None,
    })
}

/// Offers how far back to read, or the fields that lines have.
fn choose(model: &mut Model, action: Action) {
    let choice = match action {
        Action::Since => Choice::Since,
        _ => Choice::Columns,
    };
    let items = super::picker_items(model, &choice, "");
    let current = page(model).map(|page| page.reach.words());
    let now = items.iter().find(|item| Some(*item) == current.as_ref());
    let Some(selected) = now.or(items.first()).cloned() else {
        model.toast("No JSON line has come yet, so there are no fields to choose from.");
        return;
    };
    model.layers.push(Layer::Picker {
        choice,
        typed: String::new(),
        selected,
    });
}

/// The ways to read back that can be chosen.
pub(super) fn reaches() -> Vec<String> {
    Reach::OFFERED.map(Reach::words).into()
}

/// The fields that can be chosen, each with a mark.
pub(super) fn columns(model: &Model) -> Vec<String> {
    let columns = page(model).into_iter().flat_map(LogPage::columns);
    columns.map(|(name, chosen)| marked(name, chosen)).collect()
}

fn marked(name: &str, chosen: bool) -> String {
    let mark = if chosen { "[x]" } else { "[ ]" };
    format!("{mark} {name}")
}

/// Reads from then on.
pub(super) fn since(model: &mut Model, words: &str) -> Vec<Effect> {
    let offered = Reach::OFFERED.into_iter();
    let Some(reach) = offered.into_iter().find(|reach| reach.words() == words) else {
        return Vec::new();
    };
    let options = reach.options(model.plane_time(model.now));
    model.tickets += 1;
    let ticket = model.tickets;
    let Some((page, _)) = top_page(model) else {
        return Vec::new();
    };
    let before = page.ticket;
    page.reopen(ticket, reach);
    let target = page.target.clone();
    vec![
        Effect::CloseLogs(before),
        Effect::OpenLogs {
            ticket,
            target,
            options,
        },
    ]
}

/// Gives a field a column or takes it away, and offers the fields again.
pub(super) fn toggle_column(model: &mut Model, item: &str, typed: String) {
    let Some(name) = item.get(4..).map(str::to_owned) else {
        return;
    };
    let Some((page, _)) = top_page(model) else {
        return;
    };
    page.toggle_column(&name);
    let chosen = page.chosen.contains(&name);
    model.layers.push(Layer::Picker {
        choice: Choice::Columns,
        typed,
        selected: marked(&name, chosen),
    });
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
