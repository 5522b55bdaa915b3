//! Questions and their plans: what is asked for, shown and carried out, and what is not.

use std::sync::Arc;

use quarterdeck::client::{ClientError, Reply};
use quarterdeck::controller::command::ErrorKind;
use quarterdeck::controller::{Command, CommandError};
use quarterdeck::model::{Change, InstanceStatus, Snapshot, Task, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::console::shown;
use crate::fleet::{NOW, console, service_name, snapshot};
use crate::screens::{SMALL, foresee, frame, press, text};

const WIDE: (u16, u16) = (120, 40);

/// Presses keys and lets what they ask be planned over the fleet.
fn ask(model: &mut Model, keys: &str) {
    let effects = press(model, keys);
    assert_eq!(foresee(model, &snapshot(), &effects), 1, "{effects:?}");
}

/// Presses Enter, and gives what is sent.
fn enter(model: &mut Model, now: TimeMs) -> Vec<Effect> {
    let key = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
    update(model, now, Event::Key(key))
}

fn command(effects: &[Effect]) -> &Command {
    match effects {
        [Effect::Apply { commands, .. }] if commands.len() == 1 => &commands[0],
        other => panic!("not one command: {other:?}"),
    }
}

fn see(model: &mut Model, fleet: Snapshot) -> Vec<Effect> {
    update(model, NOW, Event::Snapshot(Arc::new(fleet)))
}

fn answer(
    model: &mut Model,
    sent: &[Effect],
    result: Result<Vec<Reply>, ClientError>,
) -> Vec<Effect> {
    let [Effect::Apply { ticket, what, .. }] = sent else {
        panic!("{sent:?}");
    };
    let event = Event::Applied {
        ticket: *ticket,
        what: what.clone(),
        result,
    };
    update(model, NOW, event)
}

fn refused(kind: ErrorKind, words: &str) -> Result<Vec<Reply>, ClientError> {
    Err(ClientError::Refused(CommandError::new(kind, words)))
}

#[test]
fn scaling_shows_the_plan_and_sends_just_that() {
    let mut model = console(WIDE);
    ask(&mut model, "jjjjs2<enter>");
    let screen = text(&frame(&model, WIDE));
    let says = "web goes from 6 to 2 tasks: stops 4 of 6 healthy tasks, on";
    assert!(screen.contains(says), "{screen}");
    assert!(screen.contains("Round 1, at once"), "{screen}");
    assert!(screen.contains("- stop  web:7"), "{screen}");
    assert!(screen.contains("never fewer than 2"), "{screen}");
    assert!(screen.contains("$ qd service scale web 2"), "{screen}");
    let effects = enter(&mut model, NOW);
    let [Effect::Apply { planned, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let planned = planned.as_ref().unwrap();
    let stops: u32 = planned.moves.iter().map(|(_, count)| count).sum();
    assert_eq!(stops, 4, "{planned:?}");
    let Command::UpdateService(request) = command(&effects) else {
        panic!("{effects:?}");
    };
    assert_eq!(request.service, "web");
    assert_eq!(request.cluster.as_deref(), Some("default"));
    assert_eq!(request.desired_count, Some(2));
    assert!(!request.force_new_deployment && request.task_definition.is_none());
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("being carried out"), "{screen}");
    assert_eq!(enter(&mut model, NOW), [], "sent once");
    assert_eq!(answer(&mut model, &effects, Ok(Vec::new())), []);
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("Done: Scale service web to 2. $ qd service scale web 2")
            && !screen.contains("leave it"),
        "{screen}"
    );
}

#[test]
fn nothing_is_sent_while_there_is_no_plan() {
    let mut model = console(SMALL);
    let asked = press(&mut model, "D");
    let screen = shown(&model);
    assert!(screen.contains("planning …"), "{screen}");
    for key in ["<enter>", "y", "w"] {
        assert_eq!(press(&mut model, key), [], "{key}");
    }
    assert_eq!(foresee(&mut model, &snapshot(), &asked), 1);
    assert!(!shown(&model).contains("planning"));
    assert!(matches!(
        command(&enter(&mut model, NOW)),
        Command::DeleteService(_)
    ));
}

#[test]
fn a_plan_that_nobody_waits_for_any_more_is_let_go() {
    let mut model = console(SMALL);
    let first = press(&mut model, "D");
    press(&mut model, "<esc>");
    let second = press(&mut model, "r");
    foresee(&mut model, &snapshot(), &first);
    assert!(shown(&model).contains("planning"), "{}", shown(&model));
    assert_eq!(press(&mut model, "y"), []);
    foresee(&mut model, &snapshot(), &second);
    assert!(matches!(
        command(&enter(&mut model, NOW)),
        Command::UpdateService(it) if it.force_new_deployment
    ));
}

#[test]
fn without_a_plan_it_is_done_by_another_key_only() {
    let mut model = console(SMALL);
    let asked = press(&mut model, "D");
    let [Effect::Plan { ticket, .. }] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let event = Event::Planned {
        ticket: *ticket,
        result: Err("the planner broke down".to_owned()),
    };
    assert_eq!(update(&mut model, NOW, event), []);
    let screen = shown(&model);
    assert!(screen.contains("There is no plan of this"), "{screen}");
    assert!(screen.contains("w do it without a plan"), "{screen}");
    assert_eq!(enter(&mut model, NOW), []);
    let sent = press(&mut model, "w");
    assert!(
        matches!(sent.as_slice(), [Effect::Apply { planned: None, .. }]),
        "{sent:?}"
    );
}

/// Where the fleet had moved, nothing is done, the differences are named, and the new plan waits
/// for an Enter of its own.
#[test]
fn a_fleet_that_had_moved_is_planned_anew_and_asked_about_again() {
    let mut model = console(WIDE);
    ask(&mut model, "D");
    let sent = enter(&mut model, NOW);
    let words =
        "The state has moved since this was planned.\nstop api:3 of api on h1: 2 planned, 1 now";
    let asked = answer(
        &mut model,
        &sent,
        refused(ErrorKind::ConflictException, words),
    );
    assert!(matches!(
        asked.as_slice(),
        [Effect::Plan { after_ms: 0, .. }]
    ));
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("The fleet had moved, so nothing was done."),
        "{screen}"
    );
    assert!(screen.contains("2 planned, 1 now"), "{screen}");
    assert_eq!(enter(&mut model, NOW), [], "there is no plan yet");
    foresee(&mut model, &snapshot(), &asked);
    assert_eq!(enter(&mut model, NOW), [], "nobody can have read it yet");
    let later = NOW.plus_ms(2_000);
    let sent = enter(&mut model, later);
    let applies = sent.iter().filter(|it| matches!(it, Effect::Apply { .. }));
    assert_eq!(applies.count(), 1, "{sent:?}");
}

#[test]
fn a_question_is_planned_anew_when_the_fleet_moves() {
    let mut model = console(WIDE);
    ask(&mut model, "jjjjD");
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("Stops 6 of 6 healthy tasks of web"),
        "{screen}"
    );
    let mut later = snapshot();
    later.seq += 1;
    let web = |task: &&Arc<Task>| task.service == Some(service_name("web"));
    let task = later.state.tasks.values().find(web).unwrap().id;
    later.state.apply(&Change::TaskRemoved(task));
    let asked = see(&mut model, later.clone());
    let [Effect::Plan { after_ms, .. }] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(*after_ms > 0, "it is let move on");
    later.seq += 1;
    assert_eq!(see(&mut model, later.clone()), [], "one at a time");
    foresee(&mut model, &later, &asked);
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("5 of 5 healthy tasks of web and 1 that is not healthy")
            && screen.contains("updated"),
        "{screen}"
    );
    assert_eq!(enter(&mut model, NOW), [], "nobody can have read it yet");
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("The plan has just changed"), "{screen}");
}

#[test]
fn a_move_that_changes_nothing_of_the_plan_is_not_told() {
    let mut model = console(WIDE);
    ask(&mut model, "jjjjD");
    let mut later = snapshot();
    later.seq += 1;
    let asked = see(&mut model, later.clone());
    foresee(&mut model, &later, &asked);
    assert!(!text(&frame(&model, WIDE)).contains("updated"));
    assert!(matches!(
        command(&enter(&mut model, NOW)),
        Command::DeleteService(_)
    ));
}

/// What replaces a task that is stopped is shown, with its place.
#[test]
fn stopping_a_task_shows_what_replaces_it_and_where() {
    let mut model = console(WIDE);
    ask(&mut model, "jjjj2x");
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("Stops 1 of 6 healthy tasks of web, on"),
        "{screen}"
    );
    assert!(screen.contains("+ start web:7  ops-"), "{screen}");
}

#[test]
fn a_long_plan_scrolls_and_keeps_its_keys_in_sight() {
    let mut model = console(SMALL);
    ask(&mut model, "jjjjr");
    let first = shown(&model);
    assert!(first.contains("more below"), "{first}");
    assert!(first.contains("$ qd service restart web"), "{first}");
    press(&mut model, "G");
    let last = shown(&model);
    assert!(!last.contains("more below") && last != first, "{last}");
    assert!(last.contains("enter do exactly this"), "{last}");
    press(&mut model, "k");
    assert!(shown(&model).contains("more below"));
    press(&mut model, "g");
    assert_eq!(shown(&model), first);
}

#[test]
fn every_change_is_the_ecs_operation_it_says() {
    let does = |keys: &str| {
        let mut model = console(SMALL);
        ask(&mut model, keys);
        let effects = press(&mut model, "y");
        command(&effects).clone()
    };
    let Command::UpdateService(update) = does("u<enter>") else {
        panic!();
    };
    assert_eq!(update.task_definition.as_deref(), Some("api:3"));
    let Command::UpdateService(restart) = does("r") else {
        panic!();
    };
    assert!(restart.force_new_deployment && restart.service == "api");
    let Command::DeleteService(delete) = does("D") else {
        panic!();
    };
    assert!(delete.force && delete.service == "api");
    let Command::StopTask(stop) = does("2x") else {
        panic!();
    };
    assert!(stop.task.parse::<TaskId>().is_ok(), "{stop:?}");
    let Command::UpdateContainerInstancesState(drain) = does("3d") else {
        panic!();
    };
    assert_eq!(drain.status, InstanceStatus::Draining);
    assert_eq!(drain.container_instances, ["ops-a1"]);
    let Command::UpdateContainerInstancesState(activate) = does("3Gd") else {
        panic!();
    };
    assert_eq!(activate.status, InstanceStatus::Active);
    assert_eq!(activate.container_instances, ["ops-c4"]);
}

#[test]
fn a_refusal_is_shown_in_its_own_words_and_goes_away() {
    let mut model = console(SMALL);
    ask(&mut model, "r");
    let sent = press(&mut model, "y");
    let kind = ErrorKind::ServiceNotFoundException;
    answer(&mut model, &sent, refused(kind, "Service not found: api"));
    let words = "Not done: Restart service api: Service not found: api";
    let screen = shown(&model);
    assert!(
        screen.contains(words) && !screen.contains("asking"),
        "{screen}"
    );
    let until = model.wakes_at().unwrap();
    let _ = update(&mut model, until, Event::Clock);
    assert!(!shown(&model).contains(words));
    assert_eq!(model.wakes_at(), None);
}

/// A fleet whose cluster the config marks as protected.
fn protected() -> Snapshot {
    let mut fleet = snapshot();
    let name = quarterdeck::model::ClusterName::default_cluster();
    let mut cluster = quarterdeck::model::Cluster::clone(&fleet.state.clusters[&name]);
    cluster.protected = true;
    fleet.state.apply(&Change::Cluster(Arc::new(cluster)));
    fleet
}

fn guarded() -> Model {
    let mut model = console(WIDE);
    assert_eq!(see(&mut model, protected()), []);
    model
}

#[test]
fn in_a_protected_cluster_what_stops_healthy_tasks_wants_its_name_typed() {
    let mut model = guarded();
    ask(&mut model, "jjjjr");
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("PROTECTED  type web to go on:"), "{screen}");
    assert!(screen.contains(" PROTECTED  SIMULATED"), "{screen}");
    for keys in ["<enter>", "y<enter>", "<back>we<enter>"] {
        assert_eq!(press(&mut model, keys), [], "{keys}");
    }
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("type web, then Enter"), "{screen}");
    assert!(screen.contains("go on: we▏"), "{screen}");
    let sent = press(&mut model, "b<enter>");
    assert!(
        matches!(sent.as_slice(), [Effect::Apply { .. }]),
        "{sent:?}"
    );
}

#[test]
fn in_a_protected_cluster_what_stops_nothing_healthy_needs_no_name() {
    let mut model = guarded();
    ask(&mut model, "jjjjs7<enter>");
    let screen = text(&frame(&model, WIDE));
    assert!(!screen.contains("to go on:"), "{screen}");
    assert!(matches!(
        command(&enter(&mut model, NOW)),
        Command::UpdateService(_)
    ));
    let mut model = guarded();
    press(&mut model, "D");
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("type api to go on:"),
        "not planned yet: {screen}"
    );
}

#[test]
fn a_service_is_rolled_back_in_two_keys() {
    let mut model = console(WIDE);
    ask(&mut model, "R");
    let screen = text(&frame(&model, WIDE));
    assert!(
        screen.contains("Roll service api back to api:3"),
        "{screen}"
    );
    assert!(
        screen.contains("$ qd service rollback api --to 3"),
        "{screen}"
    );
    let Command::UpdateService(update) = command(&enter(&mut model, NOW)).clone() else {
        panic!();
    };
    assert_eq!(update.task_definition.as_deref(), Some("api:3"));
    assert_eq!(update.service, "api");
    let mut model = console(WIDE);
    assert_eq!(
        press(&mut model, "jjjR"),
        [],
        "search has one revision only"
    );
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("Nothing is rolled back"), "{screen}");
}

/// From the question the map shows what would start, and what would stop.
#[test]
fn the_map_shows_what_a_plan_starts_and_stops() {
    let mut model = console(WIDE);
    ask(&mut model, "jjjjr");
    press(&mut model, "m");
    let screen = text(&frame(&model, WIDE));
    assert!(screen.contains("with the plan"), "{screen}");
    assert!(screen.contains("╌│") && screen.contains("✕▉"), "{screen}");
    assert!(screen.contains("would start: web:7"), "{screen}");
    press(&mut model, "<esc>");
    assert!(text(&frame(&model, WIDE)).contains("Restart service web"));
    press(&mut model, "<esc>m");
    let screen = text(&frame(&model, WIDE));
    assert!(
        !screen.contains("╌│") && !screen.contains("with the plan"),
        "{screen}"
    );
}
