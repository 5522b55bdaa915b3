//! What must be read and what goes away by itself; keys that must do nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::client::ClientError;
use quarterdeck::tui::lent::Parting;
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::console::shown;
use crate::fleet::{NOW, console, options, snapshot};
use crate::screens::{LARGE, SMALL, foresee, frame, press, text};

const TINY: (u16, u16) = (59, 15);

fn resize(model: &mut Model, (columns, rows): (u16, u16)) {
    assert_eq!(update(model, NOW, Event::Resize(columns, rows)), []);
}

#[test]
fn keys_do_nothing_while_the_screen_is_too_small_to_show_what() {
    let mut model = console(SMALL);
    resize(&mut model, TINY);
    let screen = text(&frame(&model, TINY));
    assert!(screen.contains("this is 59×15."), "{screen}");
    assert!(screen.contains("only q"), "{screen}");
    let keys = "jjDy2x<enter>y:delete web<enter><enter>s3<enter><enter>?l/web<enter><esc>";
    assert_eq!(press(&mut model, keys), []);
    assert_eq!(update(&mut model, NOW, Event::Paste("web".to_owned())), []);
    resize(&mut model, SMALL);
    assert_eq!(shown(&model), shown(&console(SMALL)), "nothing has moved");
    resize(&mut model, TINY);
    press(&mut model, "q");
    assert!(model.has_quit());
}

/// Said of a config with faults, beside a control plane that runs.
#[test]
fn what_is_wrong_when_it_opens_is_a_notice() {
    let mut options = options();
    options.notice = Some("the config has faults: x.toml:1:1: no".to_owned());
    let mut model = Model::new(options, SMALL, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    let screen = text(&frame(&model, SMALL));
    assert!(screen.contains("the config has faults"), "{screen}");
}

#[test]
fn a_question_before_quitting_waits_for_a_screen_that_shows_it() {
    let mut options = options();
    options.simulated = false;
    let mut carrying = snapshot();
    carrying.holder.simulated = false;
    carrying.holder.pid = options.pid;
    let mut model = Model::new(options, TINY, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(carrying)));
    press(&mut model, "qy<enter>");
    assert!(!model.has_quit());
    let screen = text(&frame(&model, TINY));
    assert!(screen.contains("it asks before it quits"), "{screen}");
    resize(&mut model, SMALL);
    assert!(shown(&model).contains("carries the scheduler"));
    press(&mut model, "y");
    assert!(model.has_quit());
}

/// A console from which a shell was begun.
fn lent() -> (Model, Event) {
    let mut model = console(SMALL);
    let effects = press(&mut model, "2!<enter>");
    let [Effect::Shell(ask)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let ended = Event::ShellEnded {
        ask: ask.clone(),
        how: Ok(Parting::Exit(0)),
        after_ms: 60_000,
    };
    (model, ended)
}

#[test]
fn what_was_typed_for_a_shell_that_is_not_there_does_nothing() {
    let refused = || Err("the engine refused: no such container".to_owned());
    for (how, after, says) in [
        (refused(), 40, "refused"),
        (refused(), 90_000, "refused"),
        (Ok(Parting::Exit(127)), 5_000, "126 or 127"),
        (Ok(Parting::Exit(137)), 90_000, "from outside"),
        (Ok(Parting::Exit(0)), 300, "exit code 0"),
    ] {
        let (mut model, ended) = lent();
        let Event::ShellEnded { ask, .. } = ended else {
            panic!();
        };
        let event = Event::ShellEnded {
            ask,
            how,
            after_ms: after,
        };
        assert_eq!(update(&mut model, NOW, event), []);
        assert!(shown(&model).contains(says), "{}", shown(&model));
        // All but the two lines below, where notices go.
        let panes = |model: &Model| {
            let screen = shown(model);
            let lines: Vec<&str> = screen.lines().take(22).collect();
            lines.join("\n")
        };
        let before = panes(&model);
        for keys in ["l", "s", "<enter>", "x", "q", "y", ":", "D", "<down>"] {
            assert_eq!(press(&mut model, keys), []);
            assert_eq!(panes(&model), before, "{keys}");
            let name = keys.trim_matches(['<', '>']);
            let says = format!("{name} does nothing yet: esc closes this first.");
            assert!(shown(&model).contains(&says), "{}", shown(&model));
        }
        assert_eq!(update(&mut model, NOW, Event::Paste("ls".to_owned())), []);
        assert_eq!(panes(&model), before);
        press(&mut model, "<esc>");
        assert!(!shown(&model).contains(says), "{}", shown(&model));
        press(&mut model, "?");
        assert!(shown(&model).contains("Everywhere in the fleet"));
    }
    // One that was ended by who typed there gives the keys back at once.
    let (mut model, ended) = lent();
    assert_eq!(update(&mut model, NOW, ended), []);
    assert!(shown(&model).contains("exit code 0"), "{}", shown(&model));
    press(&mut model, "?");
    assert!(shown(&model).contains("Everywhere in the fleet"));
}

#[test]
fn a_notice_never_covers_what_is_asked() {
    for size in [SMALL, LARGE] {
        let mut model = console(size);
        let effects = press(&mut model, "D");
        foresee(&mut model, &snapshot(), &effects);
        let asked = |model: &Model| {
            let screen = text(&frame(model, size));
            let body = usize::from(size.1) - if size.1 >= 40 { 3 } else { 2 };
            screen.lines().take(body).collect::<Vec<_>>().join("\n")
        };
        let before = asked(&model);
        let gone = ClientError::Gone("the socket is closed".into());
        for what in ["Restart service api", "Restart service web"] {
            let event = Event::Applied {
                ticket: 0,
                what: what.to_owned(),
                result: Err(gone.clone()),
            };
            let _ = update(&mut model, NOW, event);
        }
        let screen = text(&frame(&model, size));
        assert!(screen.contains("Not done: Restart service web"), "{screen}");
        assert_eq!(asked(&model), before);
        press(&mut model, "<esc>");
        let screen = text(&frame(&model, size));
        assert!(
            !screen.contains("Not done"),
            "esc lets go of both\n{screen}"
        );
    }
}

#[test]
fn the_same_notice_is_counted_and_not_said_twice() {
    let mut model = console(SMALL);
    press(&mut model, "]]]");
    let screen = shown(&model);
    assert_eq!(screen.matches("no page to go forward to").count(), 1);
    assert!(screen.contains("(×3)"), "{screen}");
    press(&mut model, "<esc>");
    assert_eq!(shown(&model), shown(&console(SMALL)));
}

#[test]
fn a_notice_about_a_question_ends_with_it() {
    let mut model = console(SMALL);
    press(&mut model, "s<enter>");
    assert!(shown(&model).contains("Type how many tasks are wanted"));
    press(&mut model, "3<enter>");
    assert!(shown(&model).contains("Scale service"));
    assert!(
        !shown(&model).contains("Type how many"),
        "{}",
        shown(&model)
    );
}
