//! Every kind of error that a console can show, as it is shown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::client::{ClientError, LogItem, Standing};
use quarterdeck::controller::CommandError;
use quarterdeck::controller::command::ErrorKind;
use quarterdeck::model::snapshot::StoreOutage;
use quarterdeck::model::{
    Change, ClusterName, Event as Told, EventKind, Happening, History, Severity, Snapshot,
};
use quarterdeck::tui::{Effect, Event, Model, Saved, update};

use crate::console::see;
use crate::fleet::{NOW, ago, console, options, snapshot};
use crate::screens::{MIDDLE, SIZES, as_they_were, foresee, frame, press, text};

type Size = (u16, u16);

/// What a silent host says.
const NO_ROUTE: &str = "connect to 10.0.2.12:22: no route to host";

fn happen(model: &mut Model, event: Event) -> Vec<Effect> {
    update(model, NOW, event)
}

/// The store takes nothing: nothing is decided.
fn not_deciding(size: Size) -> Model {
    let mut fleet = snapshot();
    fleet.live.outage = Some(StoreOutage {
        since: ago(95),
        reason: "the change log cannot be written: database or disk is full".to_owned(),
    });
    let mut model = console(size);
    see(&mut model, fleet);
    model
}

/// The control plane has gone, and its socket refuses.
fn not_answering(size: Size, keys: &str) -> Model {
    let mut model = console(size);
    let gone = ClientError::Gone("/run/qd/qd.sock: connection refused".to_owned());
    let lost = Standing::Lost {
        since: NOW,
        reason: gone.why(),
    };
    happen(&mut model, Event::Standing(lost));
    press(&mut model, keys);
    model
}

/// Scaling a service, as the control plane answers it.
fn scaled(size: Size, error: ClientError) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "jjjjs2<enter>");
    foresee(&mut model, &snapshot(), &effects);
    let sent = press(&mut model, "<enter>");
    let [Effect::Apply { ticket, what, .. }] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    let event = Event::Applied {
        ticket: *ticket,
        what: what.clone(),
        result: Err(error),
    };
    happen(&mut model, event);
    model
}

fn refused(kind: ErrorKind, words: &str) -> ClientError {
    ClientError::Refused(CommandError::new(kind, words))
}

/// A plan that cannot be made.
fn unplanned(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "r");
    let [Effect::Plan { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let why = "service api is DRAINING: nothing new starts for it".to_owned();
    let event = Event::Planned {
        ticket: *ticket,
        result: Err(why),
    };
    happen(&mut model, event);
    model
}

/// Logs of which some were read.
fn logs(size: Size, then: impl FnOnce(u64) -> Vec<Event>) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "l");
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    for event in then(*ticket) {
        happen(&mut model, event);
    }
    model
}

fn logs_ended(ticket: u64) -> Vec<Event> {
    let error = Some(format!("instance ops-b2 does not answer: {NO_ROUTE}"));
    vec![Event::LogsEnded { ticket, error }]
}

/// One of several tasks is on a host that is silent.
fn logs_broken(ticket: u64) -> Vec<Event> {
    let items = vec![LogItem::Broken {
        task: *snapshot().state.tasks.keys().next().unwrap(),
        reason: format!("instance ops-b2 does not answer: {NO_ROUTE}"),
    }];
    vec![Event::Logs { ticket, items }]
}

fn logs_unsaved(ticket: u64) -> Vec<Event> {
    vec![Event::LogsSaved {
        ticket,
        path: "/var/log/api.log".to_owned(),
        lines: 500,
        outcome: Saved::Failed("permission denied".to_owned()),
    }]
}

/// No sample of what is on the screen is to be had.
fn unsampled(size: Size, keys: &str) -> Model {
    let mut model = console(size);
    let mut asked = press(&mut model, keys);
    while let Some(effect) = asked.pop() {
        let Effect::Stats { ticket, .. } = effect else {
            continue;
        };
        let samples = Err(format!("instance ops-b2 does not answer: {NO_ROUTE}"));
        asked.extend(happen(&mut model, Event::Stats { ticket, samples }));
    }
    model
}

/// A config file that was not taken, among what happened.
fn reload_refused(size: Size, keys: &str) -> Model {
    let mut fleet: Snapshot = snapshot();
    fleet.state.apply(&Change::Event(Arc::new(reload())));
    let mut model = console(size);
    see(&mut model, fleet);
    press(&mut model, keys);
    model
}

fn reload() -> Told {
    Told {
        at: ago(2),
        severity: Severity::Error,
        kind: EventKind::Operator,
        cluster: ClusterName::default_cluster(),
        service: None,
        task: None,
        instance: None,
        audit: None,
        message: "(configuration) was not read anew, and nothing was changed. \
                  quarterdeck.toml:14:1: unknown key \"endpont\" in [[instance]]; did you mean \
                  \"endpoint\"?"
            .to_owned(),
    }
}

/// Why something is where it is cannot be told.
fn unexplained(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "jjj<enter>");
    let [Effect::Explain { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let gone = ClientError::Gone("/run/qd/qd.sock: connection refused".to_owned());
    let event = Event::Explained {
        ticket: *ticket,
        result: Err(gone.to_string()),
    };
    happen(&mut model, event);
    model
}

fn no_history(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "H");
    let [Effect::History(ticket)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let why = "the change log cannot be read: disk I/O error".to_owned();
    let event = Event::History {
        ticket: *ticket,
        history: Err(why),
    };
    happen(&mut model, event);
    model
}

/// The timeline with a config file that was not taken.
fn refusals(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "H");
    let [Effect::History(ticket)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let told = reload();
    let happenings = vec![Happening {
        seq: 7,
        at: told.at,
        event: Arc::new(told),
    }];
    let event = Event::History {
        ticket: *ticket,
        history: Ok(History {
            begins: Some(ago(60)),
            happenings,
            more: false,
        }),
    };
    happen(&mut model, event);
    model
}

/// A moment of the past that is not to be had.
fn no_past(size: Size) -> Model {
    let mut model = refusals(size);
    let effects = press(&mut model, "<enter>");
    let [Effect::At { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let why = "the change log begins only at 2026-09-21 14:12:20".to_owned();
    let event = Event::Then {
        ticket: *ticket,
        snapshot: Err(why),
    };
    happen(&mut model, event);
    model
}

/// The config file has faults, and the control plane of before runs on.
fn config(size: Size) -> Model {
    let mut options = options();
    options.notice = Some(
        "the config has faults: quarterdeck.toml:14:1: unknown key \"endpont\". The control plane \
         that runs goes by what it read before. This console does not carry it on when it ends."
            .to_owned(),
    );
    let mut model = Model::new(options, size, NOW);
    see(&mut model, snapshot());
    model
}

/// A shell that cannot be opened.
fn no_shell(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "2!<enter>");
    let [Effect::Shell(ask)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let event = Event::ShellEnded {
        ask: ask.clone(),
        how: Err("the engine refused: container api is not running".to_owned()),
        after_ms: 40,
    };
    happen(&mut model, event);
    model
}

/// An editor that failed.
fn unedited(size: Size) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "e");
    let [Effect::Edit(ask)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let event = Event::Edited {
        ask: ask.clone(),
        outcome: Err("vi ended with exit status: 1".to_owned()),
    };
    happen(&mut model, event);
    model
}

/// Another version of the program answers: what it says cannot be read.
fn unreadable(size: Size) -> Model {
    let mut model = console(size);
    let reason = "it says what this qd cannot read; is another version of it running there? \
                  missing field `clusters` at line 1 column 842";
    let lost = Standing::Lost {
        since: NOW,
        reason: reason.to_owned(),
    };
    happen(&mut model, Event::Standing(lost));
    model
}

fn all(size: Size) -> Vec<(&'static str, Model)> {
    let moved = "The state has moved since this was planned, so it was not done and nothing was \
                 changed. Plan again. What differs:\nstop web:7 of web on ops-a1: 1 planned, 0 now";
    vec![
        ("error-not-deciding", not_deciding(size)),
        ("error-not-answering", not_answering(size, "")),
        (
            "error-not-answering-page",
            not_answering(size, "jjj<enter>"),
        ),
        ("error-not-answering-map", not_answering(size, "m")),
        ("error-unreadable", unreadable(size)),
        (
            "error-refused",
            scaled(
                size,
                refused(
                    ErrorKind::AccessDeniedException,
                    "ada may only look: scaling a service takes the role operator",
                ),
            ),
        ),
        (
            "error-moved",
            scaled(size, refused(ErrorKind::ConflictException, moved)),
        ),
        (
            "error-unanswered",
            scaled(size, ClientError::Gone("the socket is closed".to_owned())),
        ),
        ("error-plan", unplanned(size)),
        ("error-host", {
            let mut model = console(size);
            press(&mut model, "3/ops-b2<enter><enter>");
            model
        }),
        ("error-logs", logs(size, logs_ended)),
        ("error-logs-of-one", logs(size, logs_broken)),
        ("error-logs-saving", logs(size, logs_unsaved)),
        ("error-stats-page", unsampled(size, "jjjj%")),
        ("error-stats-task", unsampled(size, "2<enter>")),
        ("error-reload", reload_refused(size, "")),
        ("error-reload-events", reload_refused(size, "4")),
        ("error-explain", unexplained(size)),
        ("error-reload-timeline", refusals(size)),
        ("error-past", no_past(size)),
        ("error-config", config(size)),
        ("error-history", no_history(size)),
        ("error-shell", no_shell(size)),
        ("error-editor", unedited(size)),
    ]
}

#[test]
fn every_kind_of_error_is_shown_as_it_was() {
    for size in SIZES {
        as_they_were(size, all(size));
    }
}

/// Each says what went wrong, whole or as far as there is room; none says twice that nobody answers.
#[test]
fn every_error_says_what_went_wrong_once() {
    let said = [
        ("error-not-deciding", "cannot be written: database"),
        ("error-not-answering", "connection refused"),
        ("error-not-answering-page", "connection refused"),
        ("error-not-answering-map", "connection refused"),
        ("error-unreadable", "is another version"),
        ("error-refused", "takes the role operator"),
        ("error-moved", "1 planned, 0 now"),
        ("error-unanswered", "the socket is closed"),
        ("error-plan", "is DRAINING"),
        ("error-host", "no route to host"),
        ("error-logs", "no route to host"),
        ("error-logs-of-one", "no route to host"),
        ("error-logs-saving", "permission denied"),
        ("error-stats-page", "no route to host"),
        ("error-stats-task", "no route to host"),
        ("error-reload", "was not read anew"),
        ("error-reload-events", "was not read anew"),
        ("error-explain", "connection refused"),
        (
            "error-reload-timeline",
            "◌ (configuration) was not read anew",
        ),
        ("error-past", "the change log begins only"),
        ("error-config", "the config has faults"),
        ("error-history", "disk I/O error"),
        ("error-shell", "is not running"),
        ("error-editor", "exit status: 1"),
    ];
    for (name, model) in all(MIDDLE) {
        let screen = text(&frame(&model, MIDDLE));
        let words = said.iter().find(|(it, _)| *it == name).unwrap().1;
        assert!(screen.contains(words), "{name}: no {words}\n{screen}");
        let silent = screen.matches("control plane does not answer").count();
        assert!(silent <= 1, "{name}\n{screen}");
    }
}
