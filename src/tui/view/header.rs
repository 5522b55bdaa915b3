//! The first line, the line about what is selected, and the keys at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};

use crate::client::Standing;
use crate::model::TaskDefinitionId;

use super::super::bindings;
use super::super::fleet::Mood;
use super::super::hit::Target;
use super::super::keymap::{self, Action};
use super::super::state::{Choice, Layer, Model, Subject};
use super::super::text;
use super::{Screen, detail as details, grid, places};

pub(super) fn draw(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let model = screen.model;
    let mut left = vec![
        Span::styled(" qd ", screen.theme.badge(Color::LightCyan)),
        Span::raw(" "),
        Span::styled(model.shown_words(), screen.theme.strong()),
    ];
    if let Some(cluster) = model.sole_cluster()
        && area.width >= 110
    {
        let region = model.snapshot.state.partition(cluster).region;
        left.push(Span::styled(format!(" {region}"), screen.theme.dim()));
    }
    let rule = || Span::styled(" │ ", screen.theme.rule());
    let badges = Line::from(badges(screen));
    let used = u16::try_from(badges.width()).unwrap_or(0);
    let x = area.right().saturating_sub(used);
    let room = usize::from((x - area.x).saturating_sub(1));
    let said: usize = left.iter().map(Span::width).sum();
    let room = room.saturating_sub(said + rule().width());
    let loss = match model.is_stale() {
        true => None,
        false => places::loss(screen, room),
    };
    // Whether all answer comes first: on a narrow line the rest is cut. Who carries the scheduler can
    // wait while a region is lost.
    match loss {
        Some(words) => {
            left.push(rule());
            left.push(Span::styled(words, screen.theme.mood(Mood::Bad)));
        }
        None => {
            let holders = holder(screen);
            let least = holders.last().map_or(0, |words| text::width(words));
            let age = age(screen, room.saturating_sub(rule().width() + least));
            let room = room.saturating_sub(age.width() + rule().width());
            left.extend([rule(), age]);
            // Half of who it is says nothing.
            if let Some(words) = holders.into_iter().find(|it| text::width(it) <= room) {
                left.extend([rule(), Span::raw(words)]);
            }
        }
    }
    grid::put(
        buffer,
        area.x,
        area.y,
        &Line::from(left),
        (x - area.x).saturating_sub(1),
    );
    grid::put(buffer, x, area.y, &badges, used);
}

/// Who carries the scheduler: in as many words as there is room for, and in ever fewer.
fn holder(screen: &Screen<'_>) -> Vec<String> {
    let model = screen.model;
    let holder = &model.snapshot.holder;
    if model.carries() {
        return vec![
            "scheduler: this console".to_owned(),
            "scheduler: here".to_owned(),
        ];
    }
    if holder.role.is_empty() {
        return vec!["no scheduler yet".to_owned()];
    }
    let user = text::clean(&holder.user).into_owned();
    let role = text::clean(&holder.role).into_owned();
    vec![
        format!("scheduler: {role} pid {} of {user}", holder.pid),
        format!("scheduler: {role} of {user}"),
        format!("scheduler: {role}"),
    ]
}

/// Who answers, and how old the oldest data of the fleet is; short where there is little room.
fn age(screen: &Screen<'_>, room: usize) -> Span<'static> {
    let model = screen.model;
    if model.is_stale() {
        let since = screen.age_exact(model.snapshot.at);
        return Span::styled(format!("as of {since} ago"), screen.theme.mood(Mood::Bad));
    }
    let all = model.fleet.instances.len();
    if let Some(words) = lost(screen, all) {
        return Span::styled(words, screen.theme.mood(Mood::Bad));
    }
    let words = match model.fleet.connected {
        0 => "no data yet".to_owned(),
        1 if all == 1 => "the instance answers".to_owned(),
        n if n == all => match format!("all {n} instances answer") {
            words if text::width(&words) <= room => words,
            _ => format!("all {n} answer"),
        },
        n => format!("{n} of {all} instances answer"),
    };
    Span::styled(words, screen.theme.dim())
}

/// Which instances are silent that have been heard before, told to the second as in their rows.
fn lost(screen: &Screen<'_>, all: usize) -> Option<String> {
    let model = screen.model;
    let (since, first) = model.fleet.silent.as_ref()?;
    let (connected, age) = (model.fleet.connected, screen.age_exact(*since));
    Some(match model.fleet.lost {
        1 => format!("{connected} of {all} instances answer, {first} lost {age}"),
        n => format!("{connected} of {all} instances answer, {n} lost ({first} {age})"),
    })
}

pub(super) fn badges(screen: &Screen<'_>) -> Vec<Span<'static>> {
    let model = screen.model;
    let mut spans = Vec::new();
    let mut badge = |words: String, colour| {
        spans.push(Span::styled(
            format!(" {words} "),
            screen.theme.badge(colour),
        ));
    };
    let dropped: u64 = model
        .layers
        .iter()
        .map(|layer| match layer {
            Layer::Logs(log) => log.book.dropped(),
            _ => 0,
        })
        .sum();
    if model.waiting > 0 {
        badge("asking …".to_owned(), Color::LightCyan);
    }
    if dropped > 0 {
        badge(
            format!("{} lines dropped", text::number(dropped)),
            Color::Yellow,
        );
    }
    if model.stands_on_protected() {
        badge("PROTECTED".to_owned(), Color::LightMagenta);
    }
    if model.options.read_only {
        badge("READ-ONLY".to_owned(), Color::Gray);
    }
    if model.is_simulated() {
        badge("SIMULATED".to_owned(), Color::LightYellow);
    }
    if model.present().live.outage.is_some() {
        badge("NOT DECIDING".to_owned(), Color::LightRed);
    }
    if model.is_stale() {
        badge("STALE".to_owned(), Color::LightRed);
    }
    spans
}

/// That nobody answers or decides, where nothing else is to be said.
pub(super) fn trouble(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    if screen.model.is_stale() || screen.model.present().live.outage.is_some() {
        detail(screen, area, buffer);
    }
}

/// What there is to say about the selected thing.
pub(super) fn detail(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let (mood, words) = match &screen.model.standing {
        Standing::Lost { reason, .. } => (
            Mood::Bad,
            format!("The control plane does not answer: {reason}"),
        ),
        Standing::Carrying | Standing::Attached { .. } => match &screen.model.present().live.outage
        {
            Some(outage) => (
                Mood::Bad,
                format!(
                    "Nothing is decided since {} ago, and containers go on as they are: {}",
                    screen.age_exact(outage.since),
                    outage.reason
                ),
            ),
            None => details::summary(screen),
        },
    };
    say(screen, mood, &words, area, buffer);
}

/// A sentence in as many lines as there are.
pub(super) fn say(screen: &Screen<'_>, mood: Mood, words: &str, area: Rect, buffer: &mut Buffer) {
    let style = match mood {
        Mood::Calm | Mood::Quiet => screen.theme.dim(),
        mood => screen.theme.mood(mood),
    };
    let columns = usize::from(area.width.saturating_sub(2));
    let words = text::clean(words);
    let mut lines = text::wrap(&words, columns);
    let rows = usize::from(area.height);
    if lines.len() > rows {
        let rest = lines.split_off(rows - 1).join(" ");
        lines.push(text::cut(&rest, columns).into_owned());
    }
    for (line, row) in lines.into_iter().zip(area.rows()) {
        let line = Line::from(Span::styled(line, style));
        grid::put(buffer, row.x + 1, row.y, &line, row.width - 2);
    }
}

/// The keys that matter now.
pub(super) fn footer(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let model = screen.model;
    let keys: Vec<(&str, &str)> = match model.place() {
        Some(place) => {
            let fixed = model.options.read_only || model.past.is_some();
            let keys = &model.options.keys;
            let marked = model.layers.is_empty() && model.marks.count(model.focus) > 0;
            let offered = keys.offered(place, fixed, model.is_simulated());
            let mut offered: Vec<_> = offered
                .filter(|it| !marked || keymap::is_for_marked(place, it.binding.action))
                .filter(|it| !is_vain(model, it.binding.action))
                .filter_map(|bound| {
                    let lets_go = marked && bound.binding.action == Action::Back;
                    let foot = if lets_go {
                        "unmark all"
                    } else {
                        bound.binding.foot
                    };
                    let key = *bound.keys.first()?;
                    let rank = match bound.binding.action {
                        Action::Stop | Action::Drain => 0,
                        Action::Back => 1,
                        Action::Mark => 2,
                        _ => 3,
                    };
                    let of_place = keymap::rank(place, bound.binding.action);
                    Some((if marked { rank } else { of_place }, key, foot))
                })
                .filter(|(_, _, foot)| !foot.is_empty())
                .collect();
            offered.sort_by_key(|(rank, ..)| *rank);
            let offered = offered.into_iter();
            offered.map(|(_, key, foot)| (key, foot)).collect()
        }
        None if model.layers.is_empty() => vec![("enter", "keep filter"), ("esc", "no filter")],
        None => match model.layers.last() {
            Some(Layer::Timeline) => vec![("enter", "keep filter"), ("esc", "no filter")],
            Some(Layer::Notice(_)) => vec![("esc", "go on")],
            Some(Layer::Palette(_)) => vec![
                ("enter", "do it"),
                ("↑↓", "choose"),
                ("tab", "take its words"),
                ("esc", "leave it"),
            ],
            Some(Layer::Picker {
                choice: Choice::Columns,
                ..
            }) => vec![("enter", "column or not"), ("esc", "done")],
            _ => vec![("enter", "go on"), ("esc", "leave it")],
        },
    };
    let keys = match &model.past {
        Some(_) if model.layers.is_empty() && !model.filtering => past_keys(keys),
        _ => keys,
    };
    // Help and quit are always there; of the others, as many as fit.
    let (last, mut first): (Vec<_>, Vec<_>) = keys
        .into_iter()
        .partition(|(_, foot)| matches!(*foot, "help" | "quit" | "back"));
    let line = |first: &[(&str, &str)]| {
        let both = first.iter().chain(&last);
        let spans = both.flat_map(|(key, foot)| {
            [
                Span::styled(format!(" {key} "), screen.theme.accent()),
                Span::raw(format!("{foot} ")),
            ]
        });
        Line::from(spans.collect::<Vec<_>>())
    };
    while line(&first).width() > usize::from(area.width) && first.pop().is_some() {}
    let line = line(&first);
    hit_keys(screen, &line, area);
    grid::put(buffer, area.x, area.y, &line, area.width);
}

/// Says that a click on a key, or on the words after it, is that key.
pub(super) fn hit_keys(screen: &Screen<'_>, line: &Line<'_>, area: Rect) {
    let mut x = area.x;
    let mut spans = line.spans.iter().peekable();
    while let Some(span) = spans.next() {
        let columns = |span: &Span<'_>| u16::try_from(span.width()).unwrap_or(u16::MAX);
        let mut used = columns(span);
        let key = match span.style == screen.theme.accent() {
            true => bindings::key_event(span.content.trim()),
            false => None,
        };
        if let Some(key) = key {
            used = used.saturating_add(spans.next().map_or(0, columns));
            let there = Rect::new(x, area.y, used, 1).intersection(area);
            screen.hit(there, || Target::Key(key));
        }
        x = x.saturating_add(used);
    }
}

/// Whether a key would only say that there is nothing to do it with.
fn is_vain(model: &Model, action: Action) -> bool {
    let revisions = |id: &TaskDefinitionId| model.snapshot.state.family(&id.family).count();
    match (model.layers.last(), action) {
        (
            Some(Layer::Details {
                subject: Subject::Definition(of),
                ..
            }),
            Action::Compare | Action::OlderRevision | Action::NewerRevision,
        ) => revisions(&of.id) < 2,
        _ => false,
    }
}

/// The keys that matter while the past is looked at: the way back first.
fn past_keys<'a>(keys: Vec<(&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let then = [
        ("esc", "now"),
        ("<", "before"),
        (">", "after"),
        ("H", "history"),
    ];
    let rest = keys.into_iter().filter(|(key, _)| *key != "H");
    then.into_iter().chain(rest).collect()
}
