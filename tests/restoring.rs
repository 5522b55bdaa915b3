//! The console looks the next time as it did when it was left.

use std::sync::Arc;

use quarterdeck::model::{Change, ClusterName, DesiredStatus, LastStatus, Snapshot, Task, TaskId};
use quarterdeck::tui::{ClusterView, Effect, Event, Model, View, update};

use crate::fleet::{NOW, console, options, service_name, snapshot};
use crate::screens::{LARGE, frame, press, text};

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// What was kept, by way of the file's own text.
fn kept(model: &Model) -> View {
    let text = serde_json::to_string(&model.view()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A console of the next time, over that fleet.
fn next(view: View, fleet: Snapshot) -> (Model, Vec<Effect>) {
    let mut model = Model::new(options(), LARGE, NOW);
    model.restore(view);
    let effects = update(&mut model, NOW, Event::Snapshot(Arc::new(fleet)));
    (model, effects)
}

#[test]
fn lists_filters_orders_and_what_is_selected_are_as_they_were() {
    let mut model = console(LARGE);
    press(&mut model, "jjoo3/b<enter>ja2/run<enter>ojj");
    let before = shown(&model);
    for words in ["RUN↓", "/b ", "/run ", "TASK↑"] {
        assert!(before.contains(words), "no {words}\n{before}");
    }
    let (again, effects) = next(kept(&model), snapshot());
    assert_eq!(effects, []);
    assert_eq!(shown(&again), before);
}

/// A picture in which that task has stopped.
fn stopped(task: TaskId) -> Snapshot {
    let mut later = snapshot();
    let mut it = Task::clone(&later.state.tasks[&task]);
    it.desired_status = DesiredStatus::Stopped;
    it.last_status = LastStatus::Stopped;
    it.stopped_at = Some(NOW);
    later.state.apply(&Change::Task(Arc::new(it)));
    later
}

#[test]
fn a_task_that_nobody_went_to_is_not_come_back_to() {
    // The first row of the service's tasks, which is the first one there is.
    let first = |model: &Model| serde_json::to_value(model.view()).unwrap()["chosenTask"].clone();
    let mut model = console(LARGE);
    assert!(first(&model).is_null());
    press(&mut model, "2jk1");
    let chosen: TaskId = serde_json::from_value(first(&model)).unwrap();
    let wanted = |model: &mut Model| {
        press(model, "2");
        let screen = shown(model);
        let tasks = screen.lines().skip_while(|line| !line.contains("2 Tasks"));
        let row = tasks.into_iter().find(|line| line.contains('▸'));
        row.unwrap_or_else(|| panic!("{screen}")).to_owned()
    };
    // Gone to, it is stayed at though it has stopped; else the list begins at its top.
    let (mut again, _) = next(kept(&model), stopped(chosen));
    assert!(wanted(&mut again).contains("STOPPED"), "{}", shown(&again));
    let (mut again, _) = next(kept(&console(LARGE)), stopped(chosen));
    assert!(!wanted(&mut again).contains("STOPPED"), "{}", shown(&again));
    // Nor does a row that stops take the list along while nobody is at it.
    let mut same = console(LARGE);
    let _ = update(&mut same, NOW, Event::Snapshot(Arc::new(stopped(chosen))));
    assert!(!wanted(&mut same).contains("STOPPED"), "{}", shown(&same));
    // What an older console kept of a task was not chosen, as far as is known.
    let mut old = serde_json::to_value(console(LARGE).view()).unwrap();
    old["task"] = serde_json::to_value(chosen).unwrap();
    let (mut again, _) = next(serde_json::from_value(old).unwrap(), stopped(chosen));
    assert!(!wanted(&mut again).contains("STOPPED"), "{}", shown(&again));
}

#[test]
fn what_is_gone_meanwhile_is_let_go_without_a_word() {
    let mut model = console(LARGE);
    press(&mut model, "/web<enter>");
    let mut later = snapshot();
    let gone = Change::ServiceRemoved(ClusterName::default_cluster(), service_name("web"));
    later.state.apply(&gone);
    let (mut again, _) = next(kept(&model), later);
    let screen = shown(&again);
    assert!(screen.contains("No service passes the filter."), "{screen}");
    assert!(!screen.contains("cannot"), "{screen}");
    press(&mut again, "<esc>");
    assert!(shown(&again).contains("▸ ◐  api"), "{}", shown(&again));
}

#[test]
fn logs_and_the_map_look_as_they_did_and_so_does_what_is_opened_next() {
    let mut model = console(LARGE);
    press(&mut model, "lwt");
    press(&mut model, "q2l");
    press(&mut model, "<esc>mz");
    assert!(
        shown(&model).contains("Stowage map · cpu"),
        "{}",
        shown(&model)
    );
    press(&mut model, "<esc>m");
    assert!(
        shown(&model).contains("Stowage map · cpu"),
        "also in this console"
    );
    let view = serde_json::to_value(model.view()).unwrap();
    assert_eq!(view["logs"]["wrap"], true);
    assert_eq!(view["logs"]["stamps"], "date");
    let (mut again, _) = next(kept(&model), snapshot());
    press(&mut again, "m");
    assert!(
        shown(&again).contains("Stowage map · cpu"),
        "{}",
        shown(&again)
    );
    assert_eq!(
        serde_json::to_value(again.view()).unwrap()["logs"],
        view["logs"]
    );
}

#[test]
fn the_mouse_is_kept_only_where_it_was_switched() {
    let mut model = console(LARGE);
    assert!(serde_json::to_value(model.view()).unwrap()["mouse"].is_null());
    press(&mut model, "M");
    let (again, effects) = next(kept(&model), snapshot());
    assert_eq!(effects, [Effect::Mouse(false)]);
    assert_eq!(serde_json::to_value(again.view()).unwrap()["mouse"], false);
}

#[test]
fn questions_pages_marks_and_the_past_are_not_kept() {
    let mut model = console(LARGE);
    let before = shown(&model);
    press(&mut model, "V<enter>D?");
    let (again, effects) = next(kept(&model), snapshot());
    assert_eq!(effects, []);
    assert_eq!(shown(&again).replace("▸", " "), before.replace("▸", " "));
    assert!(!shown(&again).contains("marked"), "{}", shown(&again));
}

#[test]
fn a_cluster_that_was_asked_for_now_goes_before_the_one_of_then() {
    let model = console(LARGE);
    let mut view = serde_json::to_value(model.view()).unwrap();
    view["cluster"] = "far-away".into();
    let (again, _) = next(serde_json::from_value(view).unwrap(), snapshot());
    assert!(
        shown(&again).contains(" qd  default"),
        "it is gone\n{}",
        shown(&again)
    );
}

#[test]
fn a_cluster_that_was_asked_for_once_is_not_the_one_of_next_time() {
    let cluster = |model: &Model| serde_json::to_value(model.view()).unwrap()["cluster"].clone();
    let mut view = serde_json::to_value(console(LARGE).view()).unwrap();
    assert!(view["cluster"].is_null(), "asked for, and nothing was kept");
    view["cluster"] = "far-away".into();
    let (again, _) = next(serde_json::from_value(view).unwrap(), snapshot());
    assert_eq!(cluster(&again), "far-away");
    // Chosen in the console, it is.
    let mut free = options();
    free.cluster_view = ClusterView::All;
    let mut view = serde_json::to_value(console(LARGE).view()).unwrap();
    view["cluster"] = "default".into();
    let mut model = Model::new(free, LARGE, NOW);
    model.restore(serde_json::from_value(view).unwrap());
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    assert_eq!(cluster(&model), "default");
}

#[test]
fn a_console_left_before_its_first_picture_forgets_nothing() {
    let mut model = console(LARGE);
    press(&mut model, "2/web<enter>");
    let view = kept(&model);
    let mut early = Model::new(options(), LARGE, NOW);
    early.restore(view.clone());
    assert_eq!(early.view(), view);
    let _ = update(&mut early, NOW, Event::Snapshot(Arc::default()));
    assert_eq!(early.view(), view);
}

#[test]
fn a_first_picture_that_says_nothing_yet_is_waited_through() {
    let mut model = console(LARGE);
    press(&mut model, "/web<enter>");
    let (mut again, _) = next(kept(&model), Snapshot::default());
    assert!(!shown(&again).contains("/web"), "{}", shown(&again));
    let _ = update(&mut again, NOW, Event::Snapshot(Arc::new(snapshot())));
    assert!(shown(&again).contains("/web"), "{}", shown(&again));
}
