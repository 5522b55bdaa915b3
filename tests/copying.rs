//! What is copied, of which screen.

use std::sync::Arc;

use quarterdeck::client::LogItem;
use quarterdeck::docker::LogStream;
use quarterdeck::model::{ContainerName, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, options, snapshot};
use crate::screens::{LARGE, frame, press, text};

/// What the terminal is told to copy by these keys.
fn copied(model: &mut Model, keys: &str) -> String {
    let effects = press(model, keys);
    let [.., Effect::Copy(text)] = effects.as_slice() else {
        panic!("{keys}: {effects:?}\n{}", shown(model));
    };
    text.clone()
}

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// What can be copied: what it is, and its text.
fn offered(model: &mut Model, keys: &str) -> Vec<(String, String)> {
    press(model, keys);
    let screen = shown(model);
    let rows = screen
        .lines()
        .skip_while(|line| !line.contains("─ Copy ─"))
        .skip(3)
        .map(|line| line.chars().skip(68).take(63).collect::<String>())
        .take_while(|line| !line.contains('─'));
    let rows = rows.filter_map(|line| {
        let line = line.trim().trim_start_matches("▸ ").to_owned();
        let (what, text) = line.split_once("  ")?;
        Some((what.trim().to_owned(), text.trim().to_owned()))
    });
    let rows = rows.collect();
    press(model, "<esc>");
    rows
}

#[test]
fn a_row_and_its_page_give_the_whole_name() {
    let mut model = console(LARGE);
    assert_eq!(copied(&mut model, "y"), "api");
    assert!(shown(&model).contains("Copied service name: api — Y offers more."));
    assert_eq!(copied(&mut model, "<enter>y"), "api");
    press(&mut model, "<esc>2");
    let id = copied(&mut model, "y");
    assert_eq!(id.len(), 32, "the whole id, and not its beginning: {id}");
    assert!(
        snapshot()
            .state
            .tasks
            .contains_key(&id.parse::<TaskId>().unwrap())
    );
    assert_eq!(copied(&mut model, "3y"), "ops-a1");
    let event = copied(&mut model, "4y");
    assert!(
        snapshot().state.events.iter().any(|it| it.message == event),
        "{event}"
    );
    assert_eq!(
        copied(&mut model, "1jm<enter>y").len(),
        32,
        "the map's block"
    );
    assert_eq!(copied(&mut model, "<esc><esc>:web:7<enter>y"), "web:7");
}

#[test]
fn a_task_offers_arn_addresses_digests_and_commands() {
    let mut model = console(LARGE);
    press(&mut model, "a2/web<enter>");
    let id = copied(&mut model, "y");
    let all = offered(&mut model, "Y");
    let of = |what: &str| {
        let found = all.iter().find(|(it, _)| it.contains(what));
        found.map_or_else(|| panic!("no {what} in {all:?}"), |(_, text)| text.clone())
    };
    assert_eq!(all[0].0, "task id");
    assert!(of("ARN").starts_with("arn:aws:ecs:"), "{all:?}");
    assert_eq!(of("task definition"), "web:7");
    assert_eq!(of("command"), format!("qd task show {}", &id[..8]));
    let (host, port) = of("addresses")
        .rsplit_once(':')
        .map(|(h, p)| (h.to_owned(), p.to_owned()))
        .unwrap();
    assert!(
        host.starts_with("10.0."),
        "the host of its instance, and no name of ours: {host}"
    );
    assert!(port.parse::<u16>().is_ok());
    let arn = copied(&mut model, "Yarn<enter>");
    assert!(
        arn.starts_with("arn:aws:ecs:") && arn.ends_with(&id),
        "{arn}"
    );
    assert!(shown(&model).contains("Copied ARN:"));
}

#[test]
fn marked_rows_are_copied_together() {
    let mut model = console(LARGE);
    let text = copied(
        &mut model,
        "<space><space>y".replace("<space>", " ").as_str(),
    );
    assert_eq!(text, "api\ncache");
    assert!(shown(&model).contains("Copied marked services: 2 lines"));
}

#[test]
fn a_question_takes_y_for_yes() {
    let mut model = console(LARGE);
    let asked = press(&mut model, "D");
    assert!(
        matches!(asked.as_slice(), [Effect::Plan { .. }]),
        "{asked:?}"
    );
    let effects = press(&mut model, "yY");
    assert!(
        !effects.iter().any(|it| matches!(it, Effect::Copy(_))),
        "{effects:?}"
    );
}

fn log_line(words: &str) -> LogItem {
    LogItem::Line {
        at: TimeMs(NOW.0),
        task: TaskId(7),
        container: ContainerName::new("web").unwrap(),
        instance: instance_name("ops-a1"),
        stream: LogStream::Stdout,
        text: words.to_owned(),
    }
}

fn logs(model: &mut Model, lines: impl Iterator<Item = String>) {
    let effects = press(model, "l");
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let items = lines.map(|line| log_line(&line)).collect();
    let event = Event::Logs {
        ticket: *ticket,
        items,
    };
    assert_eq!(update(model, NOW, event), []);
}

#[test]
fn log_lines_are_copied_as_they_would_be_saved_and_a_found_one_alone() {
    let mut model = console(LARGE);
    logs(&mut model, (0..200).map(|n| format!("GET /orders/{n}")));
    let screen = copied(&mut model, "y");
    assert!(screen.lines().count() < 60, "{screen}");
    assert!(screen.ends_with("web | GET /orders/199\n"), "{screen}");
    assert_eq!(copied(&mut model, "/orders/42<enter>y"), "GET /orders/42");
    let all = copied(&mut model, "Yall<enter>");
    assert_eq!(all.lines().count(), 200);
}

#[test]
fn what_is_too_large_is_not_copied_and_that_is_said() {
    let mut model = console(LARGE);
    logs(
        &mut model,
        (0..1_000).map(|n| format!("{n} {}", "x".repeat(100))),
    );
    let effects = press(&mut model, "Yall<enter>");
    assert_eq!(effects, []);
    assert!(
        shown(&model).contains("Not copied: all lines that pass is"),
        "{}",
        shown(&model)
    );
    press(&mut model, "y");
    assert!(
        shown(&model).contains("Copied lines on the screen"),
        "{}",
        shown(&model)
    );
}

#[test]
fn copying_changes_nothing_so_a_read_only_console_copies() {
    let mut read_only = options();
    read_only.read_only = true;
    let mut model = Model::new(read_only, LARGE, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    assert_eq!(copied(&mut model, "y"), "api");
}
