//! What the screen offers: keys that matter, names before prose, how much more there is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::client::LogItem;
use quarterdeck::docker::LogStream;
use quarterdeck::model::{ContainerName, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::console::shown;
use crate::fleet::{NOW, console, instance_name};
use crate::screens::{LARGE, SMALL, frame, press, text};

fn footer(model: &Model) -> String {
    shown(model).lines().last().unwrap().to_owned()
}

#[test]
fn the_footer_offers_first_what_is_done_to_what_is_selected() {
    let mut model = console(SMALL);
    press(&mut model, "2");
    let tasks = footer(&model);
    for offer in ["x stop", "! shell", "= compare", "% figures", "? help"] {
        assert!(tasks.contains(offer), "{offer}: {tasks}");
    }
    press(&mut model, " ");
    let marked = footer(&model);
    for offer in [
        "x stop",
        "space mark",
        "esc unmark all",
        "r restart",
        "R rollback",
    ] {
        assert!(marked.contains(offer), "{offer}: {marked}");
    }
    for no in ["s scale", "u update", "! shell", "enter"] {
        assert!(!marked.contains(no), "{no}: {marked}");
    }
}

#[test]
fn a_list_says_how_much_of_it_is_not_shown() {
    let mut model = console(SMALL);
    press(&mut model, "2a");
    let title = |model: &Model| {
        let screen = shown(model);
        let mut lines = screen.lines().filter(|it| it.contains(" 2 Tasks "));
        lines.next().unwrap().to_owned()
    };
    let first = title(&model);
    assert!(first.contains('▾') && !first.contains('▴'), "{first}");
    press(&mut model, "G");
    let last = title(&model);
    assert!(last.contains('▴') && !last.contains('▾'), "{last}");
    let hidden = |line: &str, sign: char| {
        let after = line.split(sign).nth(1).unwrap();
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap()
    };
    assert_eq!(hidden(&first, '▾'), hidden(&last, '▴'));
}

#[test]
fn the_palette_finds_names_and_of_prose_only_how_words_begin() {
    let mut model = console(LARGE);
    press(&mut model, ":register");
    let screen = text(&frame(&model, LARGE));
    assert!(screen.contains("Nothing matches."), "{screen}");
    press(&mut model, "<esc>:roll");
    let screen = text(&frame(&model, LARGE));
    assert!(screen.contains("rollback api"), "{screen}");
    press(&mut model, "<esc>:timel");
    let screen = text(&frame(&model, LARGE));
    assert!(screen.contains("▸ the timeline"), "{screen}");
}

#[test]
fn a_key_that_does_nothing_here_says_what_it_is_for() {
    let mut model = console(SMALL);
    assert_eq!(press(&mut model, "="), []);
    assert!(
        shown(&model).contains("= does nothing on services. Here: enter details · l logs"),
        "{}",
        shown(&model)
    );
}

/// A viewer is not told of what may not be done from there, nor of what another pane could.
#[test]
fn a_viewer_is_told_of_the_keys_that_are_there() {
    let mut options = crate::fleet::options();
    options.read_only = true;
    let mut model = Model::new(options, LARGE, NOW);
    let _ = update(
        &mut model,
        NOW,
        Event::Snapshot(Arc::new(crate::fleet::snapshot())),
    );
    assert_eq!(press(&mut model, "4="), []);
    let screen = text(&frame(&model, LARGE));
    assert!(
        screen.contains("= does nothing on events. Here: "),
        "{screen}"
    );
    let said = screen.split("= does nothing").nth(1).unwrap();
    let said: String = said.lines().take(3).collect();
    for not in ["stop", "scale", "restart", "compare", "On tasks"] {
        assert!(!said.contains(not), "{said}");
    }
}

#[test]
fn a_second_escape_lets_go_of_the_filters_of_all_lists() {
    let mut model = console(LARGE);
    press(&mut model, "/web<enter>3/ops-a<enter>2/run<enter>");
    press(&mut model, "<esc>");
    let screen = text(&frame(&model, LARGE));
    assert!(
        screen.contains("/web") && screen.contains("/ops-a"),
        "{screen}"
    );
    assert!(!screen.contains("/run"), "{screen}");
    press(&mut model, "<esc>");
    let screen = text(&frame(&model, LARGE));
    assert!(
        !screen.contains("/web") && !screen.contains("/ops-a"),
        "{screen}"
    );
    assert!(
        screen.contains("The filters of the other lists"),
        "{screen}"
    );
    press(&mut model, "?");
}

fn logs(lines: usize, keys: &str) -> Model {
    let mut model = console(SMALL);
    let effects = press(&mut model, "l");
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let items = (0..lines).map(|n| LogItem::Line {
        at: TimeMs(NOW.0 - 60_000 + n as u64),
        task: TaskId(7),
        container: ContainerName::new("api").unwrap(),
        instance: instance_name("ops-a2"),
        stream: LogStream::Stdout,
        text: match n % 10 {
            3 => format!("order refused {n}"),
            _ => format!("GET /orders {n}"),
        },
    });
    let came = Event::Logs {
        ticket: *ticket,
        items: items.collect(),
    };
    let _ = update(&mut model, NOW, came);
    press(&mut model, keys);
    model
}

#[test]
fn a_filter_over_a_held_window_shows_as_many_lines_as_fit() {
    // Held at the end of 180 lines, of which 18 pass.
    let model = logs(180, "f&refused<enter>");
    let screen = shown(&model);
    assert_eq!(screen.matches("order refused").count(), 18, "{screen}");
    // Held in the middle: what was looked at stays in sight.
    let model = logs(900, "<pgup><pgup><pgup><pgup><pgup><pgup><pgup><pgup>");
    let before = shown(&model);
    let passing = before.lines().find(|it| it.contains("refused")).unwrap();
    let passing = passing.split("refused ").nth(1).unwrap().trim().to_owned();
    let mut model = model;
    press(&mut model, "&refused<enter>");
    let screen = shown(&model);
    assert!(
        screen.contains(&format!("refused {passing}")),
        "{passing}\n{screen}"
    );
    assert!(screen.matches("order refused").count() >= 18, "{screen}");
}

#[test]
fn what_would_come_to_nothing_in_logs_says_why() {
    let mut model = logs(0, "s");
    assert!(
        shown(&model).contains("nothing to save"),
        "{}",
        shown(&model)
    );
    assert_eq!(press(&mut model, "<enter>"), []);
    let model = logs(20, "J");
    assert!(
        shown(&model).contains("No line of these logs is JSON"),
        "{}",
        shown(&model)
    );
    let model = logs(20, "&xyzzy<enter>s");
    assert!(
        shown(&model).contains("no line passes the filter"),
        "{}",
        shown(&model)
    );
}

#[test]
fn no_line_of_the_help_is_cut() {
    let mut model = console(SMALL);
    press(&mut model, "?");
    for _ in 0..40 {
        let screen = shown(&model);
        let (_, help) = screen.split_once('\n').unwrap();
        assert!(!help.contains('…'), "{screen}");
        press(&mut model, "<pgdn>");
    }
}
