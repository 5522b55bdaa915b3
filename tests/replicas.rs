//! Two tasks side by side.

use std::sync::Arc;

use quarterdeck::model::{Change, Snapshot, Task, TaskId};
use quarterdeck::tui::{Effect, Event, Model, update};
use ratatui::style::Modifier;

use crate::fleet::{NOW, console, options, snapshot};
use crate::screens::{LARGE, SMALL, frame, press, text};

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// Both tasks, as the page's title says.
fn beside(model: &Model) -> Option<(String, String)> {
    let screen = shown(model);
    let line = screen.lines().find(|line| line.contains("── Task "))?;
    let words: Vec<&str> = line.split(' ').collect();
    let at = words.iter().position(|word| *word == "beside")?;
    Some((words[at - 1].to_owned(), words[at + 1].to_owned()))
}

/// The tasks of a service, those that have stopped last.
fn tasks_of(fleet: &Snapshot, service: &str) -> Vec<Arc<Task>> {
    let all = fleet.state.tasks.values();
    let of = all.filter(|task| {
        task.service
            .as_ref()
            .is_some_and(|it| it.as_str() == service)
    });
    let mut tasks: Vec<_> = of.cloned().collect();
    tasks.sort_by_key(|task| (task.is_stopped(), task.id));
    tasks
}

/// A console at the service `web`, with those tasks of it changed.
fn at_web(size: (u16, u16), change: impl Fn(usize, &mut Task)) -> (Model, Vec<TaskId>) {
    let mut fleet = snapshot();
    let mut ids = Vec::new();
    for (at, task) in tasks_of(&fleet, "web").iter().enumerate() {
        let mut task = (**task).clone();
        change(at, &mut task);
        ids.push(task.id);
        fleet.state.apply(&Change::Task(Arc::new(task)));
    }
    let mut model = Model::new(options(), size, NOW);
    let event = Event::Snapshot(Arc::new(fleet));
    assert!(update(&mut model, NOW, event).is_empty());
    press(&mut model, "jjjj2");
    (model, ids)
}

#[test]
fn a_key_on_a_task_puts_it_beside_the_most_unlike_and_another_can_be_picked() {
    let mut model = console(LARGE);
    press(&mut model, "2");
    let asked = press(&mut model, "=");
    let figures = |effect: &Effect| matches!(effect, Effect::Stats { .. });
    assert!(asked.iter().all(figures), "only figures: {asked:?}");
    let (left, first) = beside(&model).expect("the page");
    assert!(shown(&model).contains("ACTIVATING"), "{}", shown(&model));
    // The list has every other one, but not the task itself.
    press(&mut model, "<tab>");
    let list = shown(&model);
    assert!(
        list.contains(&format!("Compare task {left} with")),
        "{list}"
    );
    assert!(
        list.contains(&format!("{first}  ACTIVATING · ops-b3 · api:4")),
        "{list}"
    );
    assert!(!list.contains(&format!("{left}  RUNNING")), "{list}");
    press(&mut model, "ops-c2<enter>");
    let (still, other) = beside(&model).expect("the page");
    assert_eq!(still, left);
    assert_ne!(other, first);
    // From here, as from the list, the keys lead back and forth.
    press(&mut model, "=<esc>");
    assert_eq!(beside(&model), Some((left.clone(), other.clone())));
    press(&mut model, "<esc>");
    assert_eq!(beside(&model), None);
    press(&mut model, "]");
    assert_eq!(beside(&model), Some((left.clone(), other)));
    // The page of a task takes the same key.
    press(&mut model, "<esc><enter>=");
    assert_eq!(beside(&model), Some((left, first)));
}

#[test]
fn only_what_differs_is_one_key_and_the_same_key_shows_all() {
    let mut model = console(LARGE);
    press(&mut model, "2=");
    let all = shown(&model);
    assert!(all.contains("  group "), "{all}");
    press(&mut model, "d");
    let few = shown(&model);
    assert!(!few.contains("  group "), "{few}");
    let rows: Vec<&str> = all.lines().filter(|line| line.starts_with(" ≠ ")).collect();
    assert!(rows.len() > 5, "{all}");
    assert!(rows.iter().all(|row| few.contains(row)), "{few}");
    press(&mut model, "d");
    assert_eq!(shown(&model), all);
}

#[test]
fn a_task_with_no_like_says_so() {
    let mut model = console(LARGE);
    press(&mut model, "2aG");
    press(&mut model, "/migrate<enter>=");
    let screen = shown(&model);
    assert!(
        screen.contains("There is no other task of the service or family of"),
        "{screen}"
    );
    assert_eq!(beside(&model), None);
}

#[test]
fn digests_are_whole_in_a_small_terminal_and_show_where_they_differ() {
    let digest = |with: &str| format!("sha256:{}{with}{}", "0".repeat(40), "f".repeat(23));
    let (mut model, _) = at_web(SMALL, |at, task| {
        let with = if at == 0 { "1" } else { "2" };
        task.containers[0].image_digest = Some(digest(with).into());
    });
    press(&mut model, "=d");
    let mut column = String::new();
    let mut marked = String::new();
    // Whichever is on which side: the values are read down their columns.
    for _ in 0..40 {
        let buffer = frame(&model, SMALL);
        let screen = text(&buffer);
        let rows: Vec<&str> = screen.lines().collect();
        if let Some(at) = rows.iter().position(|line| line.starts_with(" ≠ digest")) {
            for y in at..at + 3 {
                for x in 19..48 {
                    let cell = &buffer[(x, u16::try_from(y).unwrap())];
                    column.push_str(cell.symbol());
                    if cell.modifier.contains(Modifier::UNDERLINED) {
                        marked.push_str(cell.symbol());
                    }
                }
            }
            break;
        }
        press(&mut model, "j");
    }
    let whole = column.replace(' ', "");
    assert!([digest("1"), digest("2")].contains(&whole), "{column}");
    assert!(["1", "2"].contains(&marked.as_str()), "{marked}");
}

#[test]
fn a_task_that_stopped_is_compared_with_one_that_runs() {
    let (mut model, ids) = at_web(LARGE, |at, task| {
        if at == 0 {
            task.last_status = quarterdeck::model::LastStatus::Stopped;
            task.desired_status = quarterdeck::model::DesiredStatus::Stopped;
            task.stop_code = Some(quarterdeck::model::StopCode::EssentialContainerExited);
            task.stopped_at = Some(NOW);
            task.containers[0].exit_code = Some(3);
        }
    });
    press(&mut model, "G=");
    let (left, _) = beside(&model).expect("the page");
    assert_eq!(left, ids[0].short());
    let screen = shown(&model);
    let state = screen.lines().find(|line| line.starts_with(" ≠ state"));
    let state = state.expect("the state differs");
    assert!(
        state.contains("STOPPED 3") && state.contains("RUNNING"),
        "{state}"
    );
    // From one that runs, the one that died is the first choice.
    press(&mut model, "<esc>g=");
    let (_, right) = beside(&model).expect("the page");
    assert_eq!(right, ids[0].short());
    // It is forgotten: that is said.
    let mut fleet = snapshot();
    fleet.state.apply(&Change::TaskRemoved(ids[0]));
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(fleet)));
    let screen = shown(&model);
    assert!(
        screen.contains(&format!("Task {right} is forgotten by now.")),
        "{screen}"
    );
}

/// What leaks is seen at once: memory is drawn on one scale for both.
#[test]
fn both_are_sampled_and_their_memory_is_drawn_side_by_side() {
    for size in [SMALL, (120, 40), LARGE] {
        let model = crate::stats::sampled(size, "2=", 150);
        let shown = text(&frame(&model, size));
        let line = shown.lines().find(|line| line.contains("  memory  "));
        let line = line.unwrap_or_else(|| panic!("{shown}"));
        let blocks = |c: char| ('▁'..='█').contains(&c);
        assert!(line.contains("MiB") && line.contains(blocks), "{shown}");
    }
}
