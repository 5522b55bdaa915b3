//! Questions with their plans: asked for, shown, carried out as shown or not at all.

use crate::client::{ClientError, PlanReport, Reply};
use crate::controller::{Command, ErrorKind};

use super::super::command_line;
use super::super::effect::Effect;
use super::super::event::Ticket;
use super::super::keymap::Action;
use super::super::proposal::{Foreseen, Proposal};
use super::super::state::{Act, Layer, Model};
use super::{act, bulk, edit, layers, map};

/// How long a fleet that has moved is let move on before it is planned anew, in milliseconds.
const SETTLE_MS: u64 = 500;
/// A plan that took long is not asked for again before this many times that long.
const REST: u64 = 3;
/// How far a page key scrolls.
const PAGE: usize = 10;

/// Asks about acts that are done together.
pub(in super::super) fn propose(model: &mut Model, acts: Vec<Act>) {
    if !acts.is_empty() {
        model
            .layers
            .push(Layer::Confirm(Box::new(Proposal::new(acts))));
    }
}

/// Asks about what an edited text comes to, with what has changed while it was edited.
pub(super) fn propose_edited(model: &mut Model, acts: Vec<Act>, meanwhile: Vec<String>) {
    let proposal = Proposal {
        meanwhile,
        ..Proposal::new(acts)
    };
    model.layers.push(Layer::Confirm(Box::new(proposal)));
}

/// Asks about acts on all that is marked in the focused list, with why some of it is left out.
pub(super) fn propose_marked(model: &mut Model, acts: Vec<Act>, left_out: Vec<String>) {
    let proposal = Proposal {
        marked: Some(model.focus),
        left_out,
        ..Proposal::new(acts)
    };
    model.layers.push(Layer::Confirm(Box::new(proposal)));
}

/// Asks for every plan that is missing, or of a fleet that has moved since.
pub(super) fn tend(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..model.layers.len() {
        let Some(Layer::Confirm(proposal)) = model.layers.get(at) else {
            continue;
        };
        let moved = proposal.planned_on < model.snapshot.seq;
        let wanted = proposal.plan.is_none() || moved;
        let busy = proposal.asked.is_some() || proposal.sent.is_some();
        if busy || !wanted || proposal.quits() {
            continue;
        }
        let after_ms = match proposal.plan {
            None => 0,
            Some(_) => SETTLE_MS.max(proposal.took_ms.saturating_mul(REST)),
        };
        let commands = commands(model, &proposal.acts);
        model.tickets += 1;
        let (ticket, now) = (model.tickets, model.now.plus_ms(after_ms));
        if let Some(Layer::Confirm(proposal)) = model.layers.get_mut(at) {
            proposal.asked = Some((ticket, now));
        }
        effects.push(Effect::Plan {
            ticket,
            commands,
            after_ms,
        });
    }
    effects
}

fn commands(model: &Model, acts: &[Act]) -> Vec<Command> {
    let commands = acts.iter().filter_map(|it| act::command(model, it));
    commands.collect()
}

/// The proposal, wherever it is, that something is true of.
fn find(model: &mut Model, is: impl Fn(&Proposal) -> bool) -> Option<&mut Proposal> {
    model.layers.iter_mut().find_map(|layer| match layer {
        Layer::Confirm(proposal) if is(proposal) => Some(proposal.as_mut()),
        _ => None,
    })
}

/// A plan is there, or is not to be had. One that nobody waits for any more is let go.
pub(super) fn planned(model: &mut Model, of: Ticket, result: Result<Box<PlanReport>, String>) {
    let (now, snapshot) = (model.now, model.snapshot.clone());
    let waits = |it: &Proposal| it.asked.is_some_and(|(ticket, _)| ticket == of);
    let Some(proposal) = find(model, waits) else {
        return;
    };
    if let Some((_, since)) = proposal.asked.take() {
        proposal.took_ms = now.since_ms(since);
    }
    proposal.planned_on = match &result {
        Ok(report) => report.planned_on,
        Err(_) => snapshot.seq,
    };
    let told = result.map(|report| Foreseen::new(*report, &proposal.acts, &snapshot.state));
    proposal.take(told, now);
}

/// The control plane answers again: what could not be planned is asked for once more.
pub(super) fn answers_again(model: &mut Model) {
    while let Some(proposal) = find(model, |it| matches!(it.plan, Some(Err(_)))) {
        proposal.plan = None;
        proposal.asked = None;
    }
}

/// What a key means while a name is typed: letters are part of it.
pub(super) fn while_typing(key: &str) -> Option<Action> {
    Some(match key {
        "enter" => Action::Yes,
        "ctrl-o" => Action::Blind,
        "up" => Action::Up,
        "down" => Action::Down,
        "pgup" => Action::PageUp,
        "pgdn" => Action::PageDown,
        "tab" => Action::Map,
        _ => return None,
    })
}

/// Whether the name that a protected cluster wants was typed, or none is wanted; says so if not.
fn is_named(model: &mut Model) -> bool {
    let Some(Layer::Confirm(proposal)) = model.layers.last() else {
        return false;
    };
    let wanted = proposal.wanted_name(&model.snapshot.state);
    match wanted {
        Some(name) if name != proposal.typed => {
            model.toast_here(format!(
                "This cluster is protected: type {name}, then Enter."
            ));
            false
        }
        _ => true,
    }
}

/// A key at a question.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    let Some(Layer::Confirm(proposal)) = model.layers.last_mut() else {
        return Vec::new();
    };
    match action {
        Action::Yes => return confirmed(model),
        Action::Blind if proposal.may_go_blind() => {
            return match is_named(model) {
                true => send(model, false),
                false => Vec::new(),
            };
        }
        Action::EditAgain => return edit::again(model),
        Action::No | Action::Back => {
            edit::keep(model);
            return layers::back(model);
        }
        Action::Map => {
            map::open_planned(model);
            return Vec::new();
        }
        _ => {}
    }
    let top = &mut proposal.top;
    match action {
        Action::Up => *top = top.saturating_sub(1),
        Action::Down => *top = top.saturating_add(1),
        Action::PageUp => *top = top.saturating_sub(PAGE),
        Action::PageDown => *top = top.saturating_add(PAGE),
        Action::Top => *top = 0,
        Action::Bottom => *top = usize::MAX,
        _ => {}
    }
    Vec::new()
}

/// The question on top was answered with yes: what is shown is done, never something that is not.
fn confirmed(model: &mut Model) -> Vec<Effect> {
    let now = model.now;
    let Some(Layer::Confirm(proposal)) = model.layers.last() else {
        return Vec::new();
    };
    if proposal.quits() {
        model.layers.pop();
        model.quit = true;
    } else if proposal.sent.is_some() || !matches!(proposal.plan, Some(Ok(_))) {
        // It says itself what it waits for.
    } else if proposal.is_unread(now) {
        model.toast_here("The plan has just changed: read it, then press Enter again.");
    } else if is_named(model) {
        return send(model, true);
    }
    Vec::new()
}

/// Sends the acts of the question on top: as planned or not at all, or without a plan.
fn send(model: &mut Model, as_planned: bool) -> Vec<Effect> {
    let Some(Layer::Confirm(proposal)) = model.layers.last() else {
        return Vec::new();
    };
    let commands = commands(model, &proposal.acts);
    let what = bulk::title(model, &proposal.acts);
    let planned = match &proposal.plan {
        Some(Ok(foreseen)) if as_planned => Some(foreseen.report.effects.clone()),
        _ => None,
    };
    model.tickets += 1;
    model.waiting += 1;
    let ticket = model.tickets;
    if let Some(Layer::Confirm(proposal)) = model.layers.last_mut() {
        proposal.sent = Some(ticket);
    }
    vec![Effect::Apply {
        ticket,
        what,
        commands,
        planned,
    }]
}

/// Acts were answered. If the fleet had moved away from their plan, the question stays with the
/// differences, and is planned anew.
pub(super) fn applied(
    model: &mut Model,
    of: Ticket,
    what: &str,
    result: Result<Vec<Reply>, ClientError>,
) -> Vec<Effect> {
    model.waiting = model.waiting.saturating_sub(1);
    let sent = |it: &Proposal| it.sent == Some(of);
    if let Err(ClientError::Refused(refusal)) = &result
        && refusal.kind == ErrorKind::ConflictException
        && let Some(proposal) = find(model, sent)
    {
        let differs = refusal.message.lines().skip(1);
        proposal.departed = differs.map(ToOwned::to_owned).collect();
        proposal.sent = None;
        proposal.asked = None;
        proposal.plan = None;
        proposal.typed.clear();
        proposal.top = 0;
        return Vec::new();
    }
    let snapshot = model.snapshot.clone();
    let asked = find(model, sent);
    let line = asked.as_ref().and_then(|it| match it.acts.as_slice() {
        [one] => Some(format!(" $ {}", command_line::line(one, &snapshot.state))),
        _ => None,
    });
    let text = asked
        .as_ref()
        .and_then(|it| it.acts.iter().find_map(Act::edited).cloned());
    let marked = asked.and_then(|it| it.marked);
    if let (Ok(_), Some(pane)) = (&result, marked) {
        model.marks.clear(pane);
    }
    model
        .layers
        .retain(|layer| !matches!(layer, Layer::Confirm(proposal) if sent(proposal)));
    match result {
        Ok(replies) => {
            let line = line.unwrap_or_default();
            model.toast(format!("Done: {what}.{line}"));
            for reply in &replies {
                for warning in &reply.warnings {
                    model.toast(warning.clone());
                }
                for failure in failures(reply) {
                    model.toast_bad(failure);
                }
            }
        }
        Err(error) => {
            model.toast_bad(format!("Not done: {what}: {error}"));
            if let Some(ask) = text {
                let why = vec![format!("It was refused: {error}")];
                return edit::refuse(model, ask, why);
            }
        }
    }
    Vec::new()
}

/// What an operation on several things could not do.
fn failures(reply: &Reply) -> Vec<String> {
    let list = reply.body.get("failures").and_then(|f| f.as_array());
    list.into_iter()
        .flatten()
        .map(|failure| {
            let member = |name| failure.get(name).and_then(|v| v.as_str()).unwrap_or("");
            format!(
                "{}: {} {}",
                member("arn"),
                member("reason"),
                member("detail")
            )
        })
        .collect()
}
