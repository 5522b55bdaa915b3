//! Marked rows: what is marked, what stays so, and what is done to all of them at once.

use std::sync::Arc;

use quarterdeck::controller::Command;
use quarterdeck::model::{Change, InstanceStatus, Snapshot};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, snapshot};
use crate::screens::{LARGE, SMALL, foresee, frame, press, text};

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

fn see(model: &mut Model, fleet: Snapshot) {
    let _ = update(model, NOW, Event::Snapshot(Arc::new(fleet)));
}

/// Presses keys, lets what they ask be planned, and says yes: what is sent as one batch.
fn batch(model: &mut Model, keys: &str) -> Vec<Command> {
    let effects = press(model, keys);
    assert_eq!(foresee(model, &snapshot(), &effects), 1, "{}", shown(model));
    let sent = press(model, "y");
    let [
        Effect::Apply {
            commands, ticket, ..
        },
    ] = sent.as_slice()
    else {
        panic!("{sent:?}\n{}", shown(model));
    };
    let done = Event::Applied {
        ticket: *ticket,
        what: "it".to_owned(),
        result: Ok(Vec::new()),
    };
    assert_eq!(update(model, NOW, done), []);
    commands.clone()
}

/// The names of the services that are restarted by a batch.
fn restarted(commands: &[Command]) -> Vec<&str> {
    let names = commands.iter().map(|command| match command {
        Command::UpdateService(it) if it.force_new_deployment => it.service.as_str(),
        other => panic!("{other:?}"),
    });
    names.collect()
}

/// The rows with a mark in their gutter.
fn marked(model: &Model) -> usize {
    shown(model).matches('◆').count()
}

#[test]
fn space_marks_a_row_and_goes_on_and_all_marked_are_one_question_and_one_batch() {
    let mut model = console(LARGE);
    press(&mut model, " j ");
    assert_eq!(marked(&model), 2, "{}", shown(&model));
    assert!(shown(&model).contains("2 marked"), "{}", shown(&model));
    let effects = press(&mut model, "r");
    assert_eq!(foresee(&mut model, &snapshot(), &effects), 1);
    let screen = shown(&model);
    assert!(screen.contains("Restart 2 services"), "{screen}");
    press(&mut model, "n");
    let commands = batch(&mut model, "r");
    let names = restarted(&commands);
    assert_eq!(names.len(), 2);
    assert!(screen.contains(&names.join(", ")), "{names:?}\n{screen}");
    assert_eq!(marked(&model), 0, "what was done is let go of");
}

#[test]
fn a_second_space_lets_go_and_without_marks_keys_are_about_the_row() {
    let mut model = console(LARGE);
    press(&mut model, " k k");
    assert_eq!(marked(&model), 0, "{}", shown(&model));
    let commands = batch(&mut model, "gr");
    assert_eq!(restarted(&commands), ["api"]);
}

#[test]
fn all_that_pass_the_filter_are_marked_and_a_second_time_none() {
    let mut model = console(LARGE);
    press(&mut model, "3/ops-b<enter>V");
    assert!(shown(&model).contains("4 marked"), "{}", shown(&model));
    press(&mut model, "V");
    assert_eq!(marked(&model), 0);
    // One more than is marked already is not all of them.
    press(&mut model, "g V");
    assert_eq!(marked(&model), 4);
    // They stay marked where they are not shown, and that is said.
    press(&mut model, "/<back><back><back><back><back>a1<enter>");
    let screen = shown(&model);
    assert!(screen.contains("4 marked, 4 not shown"), "{screen}");
}

#[test]
fn escape_lets_go_of_the_marks_before_the_filter() {
    let mut model = console(LARGE);
    press(&mut model, "3/ops-b<enter>V<esc>");
    let screen = shown(&model);
    assert!(!screen.contains("marked"), "{screen}");
    assert!(screen.contains("/ops-b"), "{screen}");
    press(&mut model, "<esc>");
    assert!(!shown(&model).contains("/ops-b"));
}

#[test]
fn marks_are_by_id_and_what_is_gone_is_dropped() {
    let mut model = console(LARGE);
    press(&mut model, "3 j ");
    let before = shown(&model);
    press(&mut model, "O");
    assert_eq!(marked(&model), 2);
    let mut later = snapshot();
    (later.version, later.seq) = (2, 2);
    let gone = instance_name("ops-a1");
    assert!(before.contains("ops-a1"));
    later.state.apply(&Change::InstanceRemoved(gone));
    see(&mut model, later);
    assert!(shown(&model).contains("1 marked"), "{}", shown(&model));
    let effects = press(&mut model, "d");
    assert_eq!(effects.len(), 1);
    assert!(
        shown(&model).contains("Drain instance ops-a3"),
        "{}",
        shown(&model)
    );
}

#[test]
fn a_selection_that_drains_in_part_is_drained_and_only_a_whole_one_is_activated() {
    let mut model = console(LARGE);
    press(&mut model, "3VG");
    let effects = press(&mut model, "d");
    assert_eq!(foresee(&mut model, &snapshot(), &effects), 1);
    let screen = shown(&model);
    assert!(screen.contains("Drain 11 instances"), "{screen}");
    assert!(
        screen.contains("1 instance is left as is: draining already."),
        "{screen}"
    );
    press(&mut model, "n<esc>G ");
    let commands = batch(&mut model, "d");
    let [Command::UpdateContainerInstancesState(only)] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(only.status, InstanceStatus::Active);
}

#[test]
fn stopped_tasks_are_left_out_and_names_are_bounded() {
    let mut model = console(LARGE);
    press(&mut model, "2aV");
    let effects = press(&mut model, "x");
    assert_eq!(foresee(&mut model, &snapshot(), &effects), 1);
    let screen = shown(&model);
    let running = snapshot();
    let running = running.state.tasks.values().filter(|it| !it.is_stopped());
    let running = running.count();
    assert!(
        screen.contains(&format!("Stop {running} tasks")),
        "{screen}"
    );
    let more = format!("and {} more", running - 12);
    assert!(screen.contains(&more), "{more}\n{screen}");
    assert!(screen.contains("stopped already."), "{screen}");
    assert!(
        screen.contains("One of them was run by hand: nothing starts it again."),
        "{screen}"
    );
    press(&mut model, "n");
    let commands = batch(&mut model, "x");
    assert_eq!(commands.len(), running);
    assert!(commands.iter().all(|it| matches!(it, Command::StopTask(_))));
}

#[test]
fn a_key_about_services_is_about_those_of_the_marked_tasks_once_each() {
    let mut model = console(LARGE);
    press(&mut model, "2aV");
    let commands = batch(&mut model, "r");
    let names = restarted(&commands);
    assert_eq!(
        names,
        ["api", "cache", "mailer", "search", "web", "worker"],
        "{}",
        shown(&model)
    );
}

#[test]
fn what_cannot_be_rolled_back_is_left_out_with_its_reason() {
    let mut model = console(LARGE);
    let effects = press(&mut model, "VR");
    let screen = shown(&model);
    assert!(screen.contains("is left out:"), "{screen}");
    assert_eq!(effects.len(), 1, "{effects:?}");
    // Nothing is left of a selection that none of can be: the reason is the answer.
    let mut model = console(LARGE);
    press(&mut model, "/cache<enter>VR");
    let screen = shown(&model);
    assert!(screen.contains("Service cache is left out:"), "{screen}");
    assert!(!screen.contains("leave it"), "nothing is asked: {screen}");
}

#[test]
fn scaling_takes_one_service_and_says_so() {
    let mut model = console(SMALL);
    assert_eq!(press(&mut model, "  s"), []);
    let screen = text(&frame(&model, SMALL));
    assert!(screen.contains("done to one service at a time"), "{screen}");
}

#[test]
fn a_page_is_about_its_own_thing_whatever_is_marked() {
    let mut model = console(LARGE);
    press(&mut model, "Vg<enter>");
    let effects = press(&mut model, "r");
    assert_eq!(foresee(&mut model, &snapshot(), &effects), 1);
    assert!(
        shown(&model).contains("Restart service api"),
        "{}",
        shown(&model)
    );
}

#[test]
fn another_cluster_begins_without_marks() {
    let mut model = console(LARGE);
    press(&mut model, "Vc<down><enter>");
    assert!(!shown(&model).contains("marked"), "{}", shown(&model));
}
