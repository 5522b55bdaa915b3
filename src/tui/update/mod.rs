//! The one place where the console's state changes: pure, event in, effects out.

mod act;
mod bulk;
mod checks;
mod compare;
mod definition;
mod edit;
mod fleet;
mod layers;
mod logs;
mod map;
mod mouse;
mod palette;
mod proposal;
mod restore;
mod rows;
mod settle;
mod shell;
mod shown;
mod stats;
mod timeline;
mod yank;

pub(crate) use bulk::{asked, names};
pub(crate) use layers::picker_items;
pub(crate) use mouse::Click;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind};

use crate::client::Explanation;
use crate::model::TimeMs;

use super::bindings;
use super::effect::Effect;
use super::event::{Event, Ticket};
use super::keymap::{self, Action, Places};
use super::narrow::Narrow;
use super::state::{Layer, Model, Pane};

/// How long after an explanation the next one is asked for, in milliseconds.
const EXPLAIN_EVERY_MS: u64 = 3_000;

/// Takes one event in and says what is to be done. `now` is this machine's time.
#[must_use]
pub fn update(model: &mut Model, now: TimeMs, event: Event) -> Vec<Effect> {
    let mut effects = taken(model, now, event);
    effects.extend(stats::tend(model));
    effects.extend(checks::tend(model));
    match model.options.read_only || model.past.is_some() {
        true => guarded(model, effects),
        false => effects,
    }
}

fn taken(model: &mut Model, now: TimeMs, event: Event) -> Vec<Effect> {
    model.now = now;
    model.drop_toasts();
    settle::pass(model);
    let mut effects = happened(model, event);
    effects.extend(proposal::tend(model));
    model.drop_toasts();
    effects
}

fn happened(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Event::Key(key) => {
            let effects = pressed(model, &key);
            settle::settle(model);
            effects
        }
        // Nobody can see what is under it.
        Event::Mouse(_) if model.layout().is_none() => Vec::new(),
        Event::Mouse(event) => {
            let effects = mouse::happened(model, event);
            settle::settle(model);
            effects
        }
        // Nobody can see what it would go into.
        Event::Paste(_) if model.layout().is_none() => Vec::new(),
        Event::Paste(text) => {
            layers::paste(model, &text);
            settle::settle(model);
            Vec::new()
        }
        Event::Resize(columns, rows) => {
            model.size = (columns, rows);
            settle::settle(model);
            Vec::new()
        }
        Event::Snapshot(snapshot) => {
            match &mut model.past {
                Some(past) => {
                    past.present = snapshot;
                    past.received = model.now;
                }
                None => settle::adopt(model, snapshot),
            }
            restore::restore(model)
        }
        Event::Logs { ticket, items } => {
            logs::came(model, ticket, items);
            Vec::new()
        }
        Event::LogsEnded { ticket, error } => {
            logs::ended(model, ticket, error);
            Vec::new()
        }
        Event::LogsSaved {
            ticket,
            path,
            lines,
            outcome,
        } => {
            logs::saved(model, ticket, path, lines, outcome);
            Vec::new()
        }
        Event::Stats { ticket, samples } => {
            stats::took(model, ticket, samples);
            Vec::new()
        }
        Event::HealthLog { ticket, result } => {
            // An answer that nobody waits for any more changes nothing.
            let _kept = model.checks.took(model.now, ticket, result);
            Vec::new()
        }
        Event::Explained { ticket, result } => explained(model, ticket, result),
        Event::History { ticket, history } => {
            timeline::told(model, ticket, history);
            Vec::new()
        }
        Event::Then { ticket, snapshot } => {
            timeline::looked(model, ticket, snapshot);
            Vec::new()
        }
        Event::Planned { ticket, result } => {
            proposal::planned(model, ticket, result);
            settle::settle(model);
            Vec::new()
        }
        Event::Applied {
            ticket,
            what,
            result,
        } => {
            let effects = proposal::applied(model, ticket, &what, result);
            settle::settle(model);
            effects
        }
        Event::Fault(Ok(message)) => {
            model.toast(message);
            Vec::new()
        }
        Event::Fault(Err(message)) => {
            model.toast_bad(message);
            Vec::new()
        }
        Event::Standing(standing) => {
            let was_stale = model.is_stale();
            model.standing = standing;
            if was_stale && !model.is_stale() {
                model.toast("The control plane answers again.");
                proposal::answers_again(model);
            }
            Vec::new()
        }
        Event::ShellEnded { ask, how, after_ms } => {
            shell::ended(model, &ask, how, after_ms);
            settle::settle(model);
            Vec::new()
        }
        Event::Edited { ask, outcome } => {
            let effects = edit::ended(model, &ask, outcome);
            settle::settle(model);
            effects
        }
        Event::Clock => Vec::new(),
    }
}

fn pressed(model: &mut Model, key: &KeyEvent) -> Vec<Effect> {
    if model.layout().is_none() {
        return unseen(model, key);
    }
    if key.code == KeyCode::Esc {
        model.toasts.clear();
    }
    if let Some(Layer::Notice(_)) = model.layers.last() {
        if key.code == KeyCode::Esc {
            return layers::back(model);
        }
        // It may be the rest of what was typed for a shell.
        let name = bindings::key_name(key);
        model.toast_here(format!("{name} does nothing yet: esc closes this first."));
        return Vec::new();
    }
    if bindings::key_name(key) == "ctrl-c" {
        return act::quit(model);
    }
    let Some(place) = model.place() else {
        let done = palette::pressed(model, key);
        return done.unwrap_or_else(|| layers::typed(model, key));
    };
    match model.options.keys.action(key, place) {
        Some(action) => perform(model, action),
        None => {
            elsewhere(model, key, place);
            Vec::new()
        }
    }
}

/// How many keys are named to who pressed one that does nothing.
const KEYS_NAMED: usize = 5;

/// Says of a key that does something elsewhere, and nothing here, which keys do something here.
fn elsewhere(model: &mut Model, key: &KeyEvent, here: Places) {
    let things = [Places::SERVICES, Places::TASKS, Places::INSTANCES];
    if !here.has(Places::PANES.and(Places::DETAILS)) {
        return;
    }
    let keys = &model.options.keys;
    if !things.into_iter().any(|it| keys.action(key, it).is_some()) {
        return;
    }
    let fixed = model.options.read_only || model.past.is_some();
    let offered = keys.offered(here, fixed, model.is_simulated());
    let mut named: Vec<(u8, String)> = offered
        .filter_map(|it| {
            let foot = Some(it.binding.foot).filter(|foot| !foot.is_empty())?;
            let rank = keymap::rank(here, it.binding.action);
            Some((rank, format!("{} {foot}", it.keys.first()?)))
        })
        .collect();
    named.sort_by_key(|(rank, _)| *rank);
    let named = named.into_iter().take(KEYS_NAMED).map(|(_, words)| words);
    let named: Vec<String> = named.collect();
    let (name, help) = (bindings::key_name(key), keys.first_of(Action::Help));
    let place = match model.focus {
        _ if !model.layers.is_empty() => "on this page",
        Pane::Services => "on services",
        Pane::Tasks => "on tasks",
        Pane::Instances => "on instances",
        Pane::Events => "on events",
    };
    model.toast_here(format!(
        "{name} does nothing {place}. Here: {} · {help} all keys",
        named.join(" · ")
    ));
}

/// A key while the screen says only that it is too small: all that it may do is to quit.
fn unseen(model: &mut Model, key: &KeyEvent) -> Vec<Effect> {
    match model.options.keys.action(key, Places::PANES) {
        Some(Action::Quit) => act::quit(model),
        _ => Vec::new(),
    }
}

/// Does what a key asks for where it was pressed.
fn perform(model: &mut Model, action: Action) -> Vec<Effect> {
    let action = match action {
        Action::Backward => Action::Back,
        other => other,
    };
    if keymap::changes(action) && (model.options.read_only || model.past.is_some()) {
        refuse(model);
        return Vec::new();
    }
    match (action, model.layers.last()) {
        (Action::Quit, _) => act::quit(model),
        (Action::Help, Some(Layer::Help { .. })) => layers::back(model),
        (Action::Help, _) => {
            model.layers.push(Layer::Help {
                top: 0,
                narrow: Narrow::default(),
            });
            Vec::new()
        }
        (Action::Palette, _) => {
            palette::open(model);
            Vec::new()
        }
        (Action::Mouse, _) => mouse::toggle(model),
        (Action::Copy, _) => yank::first(model),
        (Action::CopyOther, _) => yank::choose(model),
        (Action::Forward, _) => fleet::forward(model),
        (Action::Timeline, _) => timeline::open(model),
        (Action::Earlier, _) => timeline::step(model, -1),
        (Action::Later, _) => timeline::step(model, 1),
        (Action::Back, None) if model.past.is_some() && model.marks.count(model.focus) == 0 => {
            timeline::now(model)
        }
        (_, None) => fleet::act(model, action),
        (Action::Pane(_), Some(_)) => palette::screen(model, action),
        (_, Some(Layer::Timeline)) => timeline::act(model, action),
        (_, Some(Layer::Logs(_))) => logs::act(model, action),
        (_, Some(Layer::Stats(_))) => stats::act(model, action),
        (_, Some(Layer::Map(_))) => map::act(model, action),
        (_, Some(Layer::Confirm(_))) => proposal::act(model, action),
        (_, Some(_)) => layers::act(model, action),
    }
}

fn refuse(model: &mut Model) {
    match model.past {
        Some(_) => model
            .toast_of_past("This is the past: nothing of it can be changed. Esc returns to now."),
        None => model.toast_bad("This console is read-only: nothing can be changed from here."),
    }
}

/// Whatever a read-only console would send, it does not.
fn guarded(model: &mut Model, mut effects: Vec<Effect>) -> Vec<Effect> {
    let all = effects.len();
    effects.retain(|effect| {
        !matches!(
            effect,
            Effect::Apply { .. } | Effect::Fault(_) | Effect::Shell(_) | Effect::Edit(_)
        )
    });
    if effects.len() < all {
        refuse(model);
    }
    effects
}

/// Keeps the answer while its page is open, and asks again after a while.
fn explained(
    model: &mut Model,
    of: Ticket,
    result: Result<Box<Explanation>, String>,
) -> Vec<Effect> {
    let about = model.layers.iter().find_map(|layer| match layer {
        Layer::Details {
            explaining: Some((ticket, about)),
            ..
        } if *ticket == of => Some(about.clone()),
        _ => None,
    });
    let Some(about) = about else {
        return Vec::new();
    };
    model.explained = Some((about.clone(), result));
    vec![Effect::Explain {
        ticket: of,
        about,
        after_ms: EXPLAIN_EVERY_MS,
    }]
}
