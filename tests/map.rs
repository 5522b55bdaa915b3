//! The stowage map's keys: the cursor walks blocks, by id and never by place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::model::{Change, Instance, LaunchType, Snapshot, Task};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, service_name, snapshot};
use crate::screens::{LARGE, SMALL, frame, press, text};

/// The sentence about what is under the cursor.
fn under(model: &Model, size: (u16, u16)) -> String {
    let screen = text(&frame(model, size));
    let lines: Vec<&str> = screen.lines().collect();
    let rows = if size.1 >= 40 { 2 } else { 1 };
    let said = &lines[lines.len() - 1 - rows..lines.len() - 1];
    said.iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

fn see(model: &mut Model, snapshot: Snapshot) {
    let effects = update(model, NOW, Event::Snapshot(Arc::new(snapshot)));
    assert_eq!(effects, []);
}

#[test]
fn the_map_opens_at_what_is_selected_and_escape_closes_it() {
    let mut model = console(SMALL);
    press(&mut model, "m");
    let screen = text(&frame(&model, SMALL));
    assert!(screen.contains("Stowage map · memory"), "{screen}");
    assert!(under(&model, SMALL).starts_with("api · "), "{screen}");
    press(&mut model, "z");
    let screen = text(&frame(&model, SMALL));
    assert!(screen.contains("Stowage map · cpu"), "{screen}");
    press(&mut model, "<esc>");
    assert!(!text(&frame(&model, SMALL)).contains("Stowage"));
    press(&mut model, "3jjjjjm");
    let said = under(&model, SMALL);
    assert!(
        said.contains("UNREACHABLE") && said.contains("ops-b2"),
        "{said}"
    );
    assert!(said.contains("LOST 12s"), "{said}");
}

#[test]
fn left_and_right_walk_the_blocks_of_an_instance_and_stop_at_its_ends() {
    let mut model = console(SMALL);
    press(&mut model, "3m");
    let seen: Vec<String> = (0..7)
        .map(|_| {
            let said = under(&model, SMALL);
            press(&mut model, "<right>");
            said
        })
        .collect();
    let begins = [
        "web · ",
        "worker · ",
        "migrate (run by hand) · ",
        "ops-a1 · 1 container of others: 512M, 0.25 vCPU",
        "ops-a1 · kept for the host: 256M",
        "ops-a1 · free: 5.",
        "ops-a1 · free: 5.",
    ];
    for (said, begin) in seen.iter().zip(begins) {
        assert!(said.starts_with(begin), "{said} is not {begin}");
    }
    press(&mut model, "hhhhhhhh");
    assert!(under(&model, SMALL).starts_with("web · "));
}

#[test]
fn up_and_down_go_from_instance_to_instance_over_the_zones() {
    let mut model = console(SMALL);
    press(&mut model, "3m");
    for name in ["ops-a2", "ops-a3", "ops-a4", "ops-b1", "ops-b2"] {
        press(&mut model, "j");
        assert!(under(&model, SMALL).contains(name), "{name}");
    }
    press(&mut model, "G");
    assert!(under(&model, SMALL).contains("ops-c4 DRAINING"));
    press(&mut model, "j");
    assert!(under(&model, SMALL).contains("ops-c4"), "the end");
    press(&mut model, "gk");
    assert!(under(&model, SMALL).contains("ops-a1"), "the beginning");
}

#[test]
fn where_bays_stand_side_by_side_right_goes_on_in_the_next() {
    let mut model = console(LARGE);
    press(&mut model, "3jm<right><right><right><right><right>");
    assert!(under(&model, LARGE).starts_with("ops-a2 · free"));
    press(&mut model, "<right>");
    assert!(under(&model, LARGE).contains("ops-b2"));
    press(&mut model, "<left>");
    assert!(under(&model, LARGE).starts_with("ops-a2 · free"));
}

#[test]
fn enter_opens_the_page_of_a_task_or_of_its_instance_and_l_the_logs() {
    let mut model = console(SMALL);
    press(&mut model, "3m");
    let effects = press(&mut model, "<enter>");
    assert!(matches!(
        effects[..],
        [Effect::Explain { .. }, Effect::Stats { .. }]
    ));
    assert!(text(&frame(&model, SMALL)).contains("── Task "));
    press(&mut model, "<esc>");
    assert!(
        under(&model, SMALL).starts_with("web · "),
        "back on the map"
    );
    let effects = press(&mut model, "l");
    assert!(matches!(effects[..], [Effect::OpenLogs { .. }]));
    press(&mut model, "<esc><right><right><right>");
    assert_eq!(
        press(&mut model, "l"),
        [],
        "others' containers are not ours to read"
    );
    press(&mut model, "<enter>");
    assert!(text(&frame(&model, SMALL)).contains("── Instance ops-a1 "));
}

/// A task that starts before it and one that goes do not move the cursor off its task; when its
/// own task goes, its neighbour is taken.
#[test]
fn the_cursor_stays_with_its_task() {
    let mut model = console(SMALL);
    press(&mut model, "3m<right>");
    let before = under(&model, SMALL);
    assert!(before.starts_with("worker · "), "{before}");
    let mut fleet = snapshot();
    let on_a1 = |task: &&Arc<Task>| task.instance == instance_name("ops-a1");
    let tasks: Vec<Arc<Task>> = fleet.state.tasks.values().filter(on_a1).cloned().collect();
    let find = |name| {
        let mut of = tasks.iter();
        let name = service_name(name);
        of.find(|task| task.service.as_ref() == Some(&name))
            .unwrap()
            .clone()
    };
    fleet.state.apply(&Change::TaskRemoved(find("web").id));
    see(&mut model, fleet.clone());
    assert_eq!(under(&model, SMALL), before);
    fleet.state.apply(&Change::TaskRemoved(find("worker").id));
    see(&mut model, fleet);
    let said = under(&model, SMALL);
    assert!(!said.is_empty() && said.contains("ops-a1"), "{said}");
}

#[test]
fn ten_thousand_instances_scroll_with_the_cursor() {
    let mut fleet = snapshot();
    let template = fleet.state.instances[&instance_name("ops-c1")].clone();
    for n in 0..10_000 {
        let mut instance = Instance::clone(&template);
        instance.name = instance_name(&format!("sim-{n:05}"));
        fleet.state.apply(&Change::Instance(Arc::new(instance)));
    }
    for size in [SMALL, LARGE] {
        let mut model = console(size);
        see(&mut model, fleet.clone());
        press(&mut model, "3mG");
        let screen = text(&frame(&model, size));
        assert!(screen.contains("▸● sim-09999"), "{screen}");
        press(&mut model, "<pgup>");
        let screen = text(&frame(&model, size));
        assert!(screen.contains("▸● sim-09989"), "{screen}");
        press(&mut model, "g");
        let screen = text(&frame(&model, size));
        assert!(screen.contains("▸● ops-a1"), "{screen}");
    }
}

/// With FARGATE nobody sees an instance, and the host does not see whose task it is.
#[test]
fn a_fargate_task_is_a_block_by_that_name() {
    let mut fleet = snapshot();
    let on_a1 = |task: &&Arc<Task>| task.instance == instance_name("ops-a1");
    let tasks: Vec<Arc<Task>> = fleet.state.tasks.values().filter(on_a1).cloned().collect();
    for task in tasks {
        let mut task = Task::clone(&task);
        task.launch_type = LaunchType::Fargate;
        fleet.state.apply(&Change::Task(Arc::new(task)));
    }
    let mut model = console((120, 40));
    see(&mut model, fleet);
    press(&mut model, "3mz");
    let said = under(&model, (120, 40));
    assert!(
        said.contains("FARGATE") && !said.contains("ops-a1"),
        "{said}"
    );
}

/// A service has one colour everywhere; what is only known from before is grey.
#[test]
fn a_services_blocks_have_its_colour_and_stale_ones_none() {
    let buffer = frame(&console_at_map(), SMALL);
    let ground = |instance: &str, letter: &str| {
        let screen = text(&buffer);
        let y = screen.lines().position(|line| line.contains(instance));
        let y = u16::try_from(y.unwrap()).unwrap();
        let mut cells = (11..SMALL.0).map(|x| &buffer[(x, y)]);
        cells.find(|cell| cell.symbol() == letter).unwrap().bg
    };
    let worker = ground("ops-a1", "o");
    assert_ne!(worker, ratatui::style::Color::Reset);
    assert_eq!(ground("ops-c1", "o"), worker);
    assert_ne!(ground("ops-a1", "w"), worker, "web is another");
    assert_ne!(ground("ops-b2", "o"), worker, "ops-b2 does not answer");
}

fn console_at_map() -> Model {
    let mut model = console(SMALL);
    press(&mut model, "m");
    model
}
