//! The timeline and the past: keys, and what the screen says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use quarterdeck::model::{Happening, History, Snapshot, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, service_name, snapshot};
use crate::screens::{LARGE, SIZES, as_they_were, frame, press, text};

fn history() -> History {
    let events = snapshot().state.events;
    let numbered = (1..).map(|n| n * 10).zip(&events);
    let happenings: Vec<Happening> = numbered
        .map(|(seq, event)| Happening {
            seq,
            at: event.at,
            event: event.clone(),
        })
        .collect();
    History {
        begins: happenings.first().map(|it| it.at),
        happenings,
        more: false,
    }
}

/// A console with the timeline open and filled.
pub fn timeline(size: (u16, u16)) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "H");
    let [Effect::History(ticket)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let event = Event::History {
        ticket: *ticket,
        history: Ok(history()),
    };
    assert_eq!(update(&mut model, NOW, event), []);
    model
}

/// What one asking for the past was about.
fn asked(effects: &[Effect]) -> (u64, TimeMs) {
    let [Effect::At { ticket, moment, .. }] = effects else {
        panic!("{effects:?}");
    };
    (*ticket, *moment)
}

/// The fleet without its service `api`.
fn then(moment: TimeMs) -> Snapshot {
    let mut then = snapshot();
    then.at = moment;
    then.state.services = then
        .state
        .services
        .iter()
        .filter(|((_, name), _)| *name != service_name("api"))
        .map(|(key, service)| (key.clone(), service.clone()))
        .collect();
    then
}

fn answer(model: &mut Model, ticket: u64, snapshot: Snapshot) {
    let snapshot = Ok(Arc::new(snapshot));
    assert_eq!(update(model, NOW, Event::Then { ticket, snapshot }), []);
}

/// A console that shows the past right after the happening before the last.
pub fn past(size: (u16, u16)) -> Model {
    let mut model = timeline(size);
    press(&mut model, "<left>");
    let (ticket, moment) = asked(&press(&mut model, "<enter>"));
    answer(&mut model, ticket, then(moment));
    model
}

#[test]
fn the_timeline_lists_what_happened_and_the_cursor_walks_it() {
    let mut model = timeline(LARGE);
    let all = history().happenings;
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("Timeline · "), "{shown}");
    assert!(shown.contains("the log begins at"), "{shown}");
    press(&mut model, "<left><left>");
    let (_, moment) = asked(&press(&mut model, "<enter>"));
    assert_eq!(moment, all[all.len() - 3].at);
    press(&mut model, "g");
    assert_eq!(asked(&press(&mut model, "<enter>")).1, all[0].at);
    press(&mut model, "/kind:instance<enter>");
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("2 happenings · /kind:instance"), "{shown}");
    press(&mut model, "<esc>");
    assert!(text(&frame(&model, LARGE)).contains(&format!("{} happenings", all.len())));
    press(&mut model, "<esc>");
    assert!(!text(&frame(&model, LARGE)).contains("Timeline · "));
}

#[test]
fn the_whole_console_shows_the_past_until_escape() {
    let mut model = past(LARGE);
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("AS IT WAS at"), "{shown}");
    assert!(shown.contains("esc returns to now"), "{shown}");
    assert!(
        !shown.contains("Timeline · ") && !shown.contains(" api "),
        "{shown}"
    );
    // What comes meanwhile is kept for later.
    assert_eq!(
        update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot()))),
        []
    );
    assert!(text(&frame(&model, LARGE)).contains("AS IT WAS"));
    press(&mut model, "<esc>");
    let shown = text(&frame(&model, LARGE));
    assert!(
        !shown.contains("AS IT WAS") && shown.contains(" api "),
        "{shown}"
    );
}

#[test]
fn nothing_of_the_past_can_be_changed_sampled_or_explained() {
    let mut model = past(LARGE);
    for keys in ["s", "r", "D", "2x", "3d", "f"] {
        assert_eq!(press(&mut model, keys), [], "{keys}");
        let shown = text(&frame(&model, LARGE));
        assert!(
            shown.contains("This is the past: nothing of it can be changed"),
            "{shown}"
        );
    }
    let first = text(&frame(&model, LARGE));
    assert!(
        first.lines().next().unwrap().contains("SIMULATED"),
        "{first}"
    );
    press(&mut model, ":restart");
    let offered = text(&frame(&model, LARGE));
    assert!(!offered.contains("restart web"), "{offered}");
    press(&mut model, "<esc>");
    assert_eq!(press(&mut model, "2<enter>"), []);
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("what it used then is not kept"), "{shown}");
}

#[test]
fn angles_step_through_the_past_and_a_late_answer_is_dropped() {
    let mut model = past(LARGE);
    let all = history().happenings;
    let (late, _) = asked(&press(&mut model, "<earlier>"));
    let (newest, moment) = asked(&press(&mut model, "<earlier>"));
    assert_eq!(moment, all[all.len() - 4].at);
    answer(&mut model, late, snapshot());
    assert!(
        !text(&frame(&model, LARGE)).contains(" api "),
        "the late one is not shown"
    );
    answer(&mut model, newest, snapshot());
    assert!(text(&frame(&model, LARGE)).contains(" api "));
    // An answer that comes when one is back in the present changes nothing.
    let (late, _) = asked(&press(&mut model, "<later>"));
    press(&mut model, "<esc>");
    answer(&mut model, late, then(NOW));
    assert!(!text(&frame(&model, LARGE)).contains("AS IT WAS"));
}

#[test]
fn the_timeline_and_the_past_look_as_they_did() {
    for size in SIZES {
        as_they_were(size, [("timeline", timeline(size)), ("past", past(size))]);
    }
}

#[test]
fn logs_open_around_the_happening_and_in_the_past_around_its_moment() {
    let mut model = timeline(LARGE);
    let last = history().happenings.last().unwrap().at;
    let around = |effects: &[Effect]| {
        let [Effect::OpenLogs { options, .. }] = effects else {
            panic!("{effects:?}");
        };
        (options.since, options.until)
    };
    let half = 30_000;
    let window = |at: TimeMs| (Some(TimeMs(at.0 - half)), Some(TimeMs(at.0 + half)));
    assert_eq!(around(&press(&mut model, "l")), window(last));
    press(&mut model, "<esc>");
    let (ticket, moment) = asked(&press(&mut model, "<left><enter>"));
    answer(&mut model, ticket, then(moment));
    assert_eq!(around(&press(&mut model, "l")), window(moment));
}

#[test]
fn a_click_on_the_axis_goes_there_and_opens_nothing() {
    let size = LARGE;
    let mut model = timeline(size);
    let click = |model: &mut Model, column: u16, row: u16| {
        let event = MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column,
            row,
            modifiers: KeyModifiers::NONE,
        };
        update(model, NOW, Event::Mouse(event))
    };
    let cursor = |model: &Model| {
        let screen = text(&frame(model, size));
        let line = screen.lines().find(|line| line.starts_with('▸'));
        line.unwrap_or_else(|| panic!("{screen}")).to_owned()
    };
    let screen = text(&frame(&model, size));
    let axis = screen
        .lines()
        .position(|line| line.contains("──▲") || line.contains("▲──"));
    let axis = u16::try_from(axis.unwrap_or_else(|| panic!("{screen}"))).unwrap();
    let newest = cursor(&model);
    for row in [axis - 1, axis, axis + 1] {
        assert_eq!(click(&mut model, 1, row), []);
        let oldest = cursor(&model);
        assert_ne!(oldest, newest, "row {row}");
        assert_eq!(click(&mut model, size.0 - 2, row), []);
        assert_eq!(cursor(&model), newest, "row {row}");
    }
}
