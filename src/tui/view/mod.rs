//! The screen, drawn from the model: pure, and no dearer for what is off the screen.

mod ascii;
mod bar;
mod commands;
mod compare;
mod depth;
pub(crate) mod detail;
mod dialog;
mod events;
mod grid;
mod header;
mod help;
mod instances;
mod livery;
mod logs;
mod map;
pub(crate) mod page;
pub mod palette;
mod places;
pub(crate) mod proposal;
pub(crate) mod services;
mod shell;
pub(crate) mod silent;
mod spark;
pub(crate) mod stats;
pub(crate) mod tasks;
pub mod theme;
mod timeline;

use std::cell::Cell;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::TimeMs;

use super::hit::{Hits, Target};
use super::keymap::{Action, Places};
use super::layout::{Layout, MIN_COLUMNS, MIN_ROWS};
use super::marks;
use super::state::{Layer, Model, Pane};
use super::text;
use theme::Theme;

/// What drawing has at hand.
pub(crate) struct Screen<'a> {
    pub model: &'a Model,
    pub theme: Theme,
    /// The control plane's time.
    pub now: TimeMs,
    /// In how many milliseconds an age or a state that is shown reads differently.
    stale_in: Cell<Option<u64>>,
    /// What was drawn where.
    hits: Hits,
}

impl<'a> Screen<'a> {
    /// To draw a model at a moment of this machine's time.
    fn new(model: &'a Model, now: TimeMs) -> Self {
        Self {
            model,
            theme: model.options.theme,
            now: model.plane_time(now),
            stale_in: Cell::new(None),
            hits: Hits::default(),
        }
    }

    /// Whether somebody asks what stands where.
    pub(crate) fn is_asked(&self) -> bool {
        self.hits.is_kept()
    }

    /// Says that something stands there, for whoever asks what was clicked on.
    pub(crate) fn hit(&self, area: Rect, target: impl FnOnce() -> Target) {
        self.hits.put(area, target);
    }
}

impl Screen<'_> {
    fn note(&self, (words, change): (String, u64)) -> String {
        self.look_again_in(change);
        words
    }

    fn look_again_in(&self, ms: u64) {
        let soonest = self.stale_in.get().map_or(ms, |so_far| so_far.min(ms));
        self.stale_in.set(Some(soonest));
    }

    /// How long ago, coarsely.
    pub(crate) fn age(&self, at: TimeMs) -> String {
        self.note(text::age(self.now.since_ms(at)))
    }

    /// How long ago, to the second in the first minute.
    pub(crate) fn age_exact(&self, at: TimeMs) -> String {
        self.note(text::age_exact(self.now.since_ms(at)))
    }

    /// How long until then, to the second in the last minute.
    pub(crate) fn until(&self, at: TimeMs) -> String {
        let left = at.since_ms(self.now);
        let words = text::age_exact(left.saturating_add(999)).0;
        self.note((words, (left % 1_000).max(100)))
    }

    /// A clock time, `12:34:56`.
    pub(crate) fn clock(&self, at: TimeMs) -> String {
        let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(stamp) => {
                let zoned = stamp.to_zoned(self.model.options.time_zone.clone());
                zoned.strftime("%H:%M:%S").to_string()
            }
            Err(_) => "--:--:--".to_owned(),
        }
    }

    /// A clock time to the minute, with the day if that is another one.
    pub(crate) fn minute(&self, at: TimeMs) -> String {
        let (at, now) = (self.moment(at), self.moment(self.now));
        match (at.split_once(' '), now.split_once(' ')) {
            (Some((day, time)), Some((today, _))) => {
                let time = time.get(..5).unwrap_or(time);
                match day == today {
                    true => time.to_owned(),
                    false => format!("{day} {time}"),
                }
            }
            _ => at,
        }
    }

    /// A day and a clock time.
    pub(crate) fn moment(&self, at: TimeMs) -> String {
        let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(ms) {
            Ok(stamp) => {
                let zoned = stamp.to_zoned(self.model.options.time_zone.clone());
                zoned.strftime("%Y-%m-%d %H:%M:%S").to_string()
            }
            Err(_) => "unknown".to_owned(),
        }
    }

    /// A day and a clock time, and how long ago that is.
    pub(crate) fn moment_ago(&self, at: TimeMs) -> String {
        format!("{} ({} ago)", self.moment(at), self.age(at))
    }
}

/// The columns of a list, shown or not.
fn all_columns(model: &Model, pane: Pane) -> Vec<grid::Column> {
    match pane {
        Pane::Services => services::columns(model),
        Pane::Tasks => tasks::columns(model),
        Pane::Instances => instances::columns(model),
        Pane::Events => Vec::new(),
    }
}

/// The heads of all columns of a list.
pub(crate) fn titles(model: &Model, pane: Pane) -> Vec<&'static str> {
    let columns = all_columns(model, pane).into_iter();
    columns.map(|it| it.title).collect()
}

/// The heads of the columns of a list that are shown.
pub(crate) fn columns(model: &Model, pane: Pane) -> Vec<&'static str> {
    let columns = all_columns(model, pane);
    model.layout().map_or_else(Vec::new, |layout| {
        grid::heads(&columns, &layout.panes[pane.index()])
    })
}

/// Draws the model. `now` is this machine's time. Says in how many milliseconds an age or a state
/// on the screen will read differently, if there is one.
pub fn view(model: &Model, now: TimeMs, frame: &mut Frame<'_>) -> Option<u64> {
    let screen = Screen::new(model, now);
    let area = frame.area();
    let buffer = frame.buffer_mut();
    match model.layout() {
        Some(layout) if model.size == (area.width, area.height) => {
            draw(&screen, &layout, buffer);
        }
        _ => too_small(model, area, buffer),
    }
    drop_halves(buffer);
    screen.theme.finish(buffer);
    if let (Some(at), None) = (model.fleet.turns_at(), &model.past) {
        screen.look_again_in(at.since_ms(screen.now).max(1));
    }
    screen.stale_in.get()
}

/// Blanks every character of two columns whose second one something else was drawn over: no terminal
/// shows half of one.
fn drop_halves(buffer: &mut Buffer) {
    let columns = usize::from(buffer.area.width);
    for at in 1..buffer.content.len() {
        if at % columns.max(1) == 0 || buffer.content[at].symbol() == " " {
            continue;
        }
        let before = buffer.content[at - 1].symbol();
        if before.len() > 1 && text::width(before) > 1 {
            buffer.content[at - 1].set_symbol(" ");
        }
    }
}

/// What stands at a place of the screen, if a click on it means something: drawn once more to be
/// told.
pub(crate) fn target(model: &Model, place: Position) -> Option<Target> {
    let screen = Screen {
        hits: Hits::kept(),
        ..Screen::new(model, model.now)
    };
    let (columns, rows) = model.size;
    let mut unseen = Buffer::empty(Rect::new(0, 0, columns, rows));
    draw(&screen, &model.layout()?, &mut unseen);
    screen.hits.at(place)
}

fn too_small(model: &Model, area: Rect, buffer: &mut Buffer) {
    let (keys, places) = (&model.options.keys, Places::PANES);
    let mut quits = keys
        .offered(places, false, false)
        .filter(|bound| bound.binding.action == Action::Quit);
    let quit = quits.next().and_then(|bound| bound.keys.first().copied());
    let asks = matches!(model.layers.last(), Some(Layer::Confirm(it)) if it.quits());
    let lines = [
        format!("The console needs {MIN_COLUMNS}×{MIN_ROWS};"),
        format!("this is {}×{}.", area.width, area.height),
        match asks {
            true => "Larger, it asks before it quits.".to_owned(),
            false => format!("Until then only {} works: quit.", quit.unwrap_or("ctrl-c")),
        },
    ];
    let middle = area.height / 2;
    for (at, text) in lines.iter().enumerate() {
        let y = (middle + u16::try_from(at).unwrap_or(0)).saturating_sub(1);
        let used = u16::try_from(text::width(text)).unwrap_or(u16::MAX);
        let x = area.width.saturating_sub(used) / 2;
        if y < area.height {
            buffer.set_stringn(x, y, text, usize::from(area.width), Style::new());
        }
    }
}

fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    match screen.model.past {
        Some(_) => timeline::banner(screen, layout.header, buffer),
        None => header::draw(screen, layout.header, buffer),
    }
    let cover = screen.model.layers.iter().rposition(|layer| {
        matches!(
            layer,
            Layer::Details { .. }
                | Layer::Logs(_)
                | Layer::Map(_)
                | Layer::Timeline
                | Layer::Stats(_)
                | Layer::Help { .. }
        )
    });
    match cover.and_then(|at| screen.model.layers.get(at)) {
        Some(Layer::Stats(open)) => {
            stats::draw(screen, open, layout.body, buffer);
            header::trouble(screen, layout.detail, buffer);
        }
        Some(Layer::Map(page)) => map::draw(screen, page, layout, buffer),
        Some(Layer::Timeline) => timeline::draw(screen, layout, buffer),
        Some(Layer::Logs(log)) => logs::draw(screen, log, layout, buffer),
        Some(layer) => {
            page::draw(screen, layer, layout.body, buffer);
            header::trouble(screen, layout.detail, buffer);
        }
        None => {
            services::draw(screen, layout, buffer);
            tasks::draw(screen, layout, buffer);
            instances::draw(screen, layout, buffer);
            events::draw(screen, layout, buffer);
            header::detail(screen, layout.detail, buffer);
        }
    }
    if screen.model.is_stale() {
        // What is shown is what was: nothing of it may look alive.
        buffer.set_style(layout.body, screen.theme.dim());
    }
    header::footer(screen, layout.footer, buffer);
    dialog::draw(screen, layout, buffer);
}

/// A pane's border or title line, with its name, key and count.
pub(crate) fn pane_frame(
    screen: &Screen<'_>,
    layout: &Layout,
    pane: Pane,
    title: Vec<Span<'static>>,
    buffer: &mut Buffer,
) {
    let area = layout.panes[pane.index()].area;
    screen.hit(area, || Target::Pane(pane));
    let focused = screen.model.focus == pane && screen.model.layers.is_empty();
    let style = if focused {
        screen.theme.accent()
    } else {
        screen.theme.rule()
    };
    if layout.boxed {
        ratatui::widgets::Widget::render(
            ratatui::widgets::Block::bordered()
                .border_type(ratatui::widgets::BorderType::Rounded)
                .border_style(style),
            area,
            buffer,
        );
    } else {
        let line = grid::RULE.repeat(usize::from(area.width));
        buffer.set_string(area.x, area.y, line, style);
    }
    let name_style = if focused {
        screen.theme.accent()
    } else {
        screen.theme.strong()
    };
    let mut spans = vec![
        Span::raw(" "),
        Span::styled(format!("{} ", pane.index() + 1), screen.theme.dim()),
        Span::styled(format!("{pane:?} "), name_style),
    ];
    spans.extend(title);
    spans.extend(marked(screen, pane));
    spans.push(Span::raw(" "));
    spans.extend(filter_spans(screen, pane));
    let hidden = hidden(screen, layout, pane);
    let taken = u16::try_from(text::width(&hidden)).unwrap_or(0);
    if taken > 0 {
        let x = area.right().saturating_sub(taken + 2);
        let line = Line::from(Span::styled(hidden, screen.theme.dim()));
        buffer.set_style(Rect::new(x, area.y, taken, 1), Style::reset());
        grid::put(buffer, x, area.y, &line, taken);
    }
    let room = area.width.saturating_sub(4 + taken);
    let line = Line::from(spans);
    let used = u16::try_from(line.width()).unwrap_or(room).min(room);
    let place = Rect::new(area.x + 2, area.y, used, 1);
    buffer.set_style(place, Style::reset());
    grid::put(buffer, place.x, place.y, &line, room);
}

/// How many rows there are above and below those that a pane shows.
fn hidden(screen: &Screen<'_>, layout: &Layout, pane: Pane) -> String {
    let model = screen.model;
    let (all, top) = match pane {
        Pane::Services => (model.shown.services.len(), model.services.top),
        Pane::Tasks => (model.shown.tasks.len(), model.tasks.top),
        Pane::Instances => (model.shown.instances.len(), model.instances.top),
        Pane::Events => (model.shown.events.len(), model.events.top),
    };
    let shown = usize::from(layout.panes[pane.index()].rows.height);
    let below = all.saturating_sub(top + shown);
    let part = |sign: &str, n: usize| match n {
        0 => String::new(),
        n => format!("{sign}{} ", text::number(n as u64)),
    };
    let words = format!("{}{}", part("▴", top), part("▾", below));
    match words.as_str() {
        "" => words,
        some => format!(" {some}"),
    }
}

/// How many rows of a list are marked, and how many of those it does not show.
fn marked(screen: &Screen<'_>, pane: Pane) -> Option<Span<'static>> {
    let all = screen.model.marks.count(pane);
    if all == 0 {
        return None;
    }
    let hidden = all.saturating_sub(marks::shown(screen.model, pane));
    let words = match hidden {
        0 => format!(" · {all} marked"),
        _ => format!(" · {all} marked, {hidden} not shown"),
    };
    Some(Span::styled(words, screen.theme.marked()))
}

fn filter_spans(screen: &Screen<'_>, pane: Pane) -> Vec<Span<'static>> {
    let model = screen.model;
    let filter = &model.filters[pane.index()];
    let typing = model.filtering && model.focus == pane;
    if filter.is_empty() && !typing {
        return Vec::new();
    }
    filter_badge(
        screen,
        filter,
        typing,
        model.shown.wrong[pane.index()].as_deref(),
    )
}

/// A filter as it is typed or stands, and what of it cannot be read.
fn filter_badge(
    screen: &Screen<'_>,
    filter: &str,
    typing: bool,
    wrong: Option<&str>,
) -> Vec<Span<'static>> {
    let cursor = if typing { "▏" } else { "" };
    let badge = screen.theme.badge(ratatui::style::Color::LightCyan);
    let mut spans = vec![Span::styled(format!(" /{filter}{cursor} "), badge)];
    if let Some(wrong) = wrong {
        let style = screen.theme.mood(super::fleet::Mood::Warn);
        spans.push(Span::styled(format!(" {} ", text::clean(wrong)), style));
    }
    spans
}

/// Says why a list is empty, in the middle of where its rows would be.
pub(crate) fn empty(screen: &Screen<'_>, area: Rect, words: &str, buffer: &mut Buffer) {
    // Nothing was heard yet: what there is not, nobody knows.
    let words = match screen.model.fleet.edition {
        0 => "Waiting for the first picture of the fleet …",
        _ => words,
    };
    let line = Line::from(Span::styled(words.to_owned(), screen.theme.dim()));
    grid::put(
        buffer,
        area.x + 2,
        area.y,
        &line,
        area.width.saturating_sub(2),
    );
}
