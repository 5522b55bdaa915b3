//! The operator's hands: the palette, sorting, the way back and forth, task definitions.

use std::sync::Arc;

use quarterdeck::controller::Command;
use quarterdeck::model::{Change, Instance, Snapshot, Task, TaskId};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, options, snapshot};
use crate::screens::{LARGE, foresee, frame, press, text};

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// The line that Enter would do.
fn chosen(model: &Model) -> String {
    let screen = shown(model);
    let boxed = screen.lines().map(|line| line.chars().skip(50));
    let mut rows = boxed.map(|line| line.collect::<String>());
    let row = rows.find(|line| line.starts_with("│▸")).unwrap_or_default();
    let words = row.trim_start_matches("│▸");
    words
        .split("  ")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn a_verb_and_a_name_find_the_action_on_that_thing() {
    for (typed, found) in [
        ("drain b2", "drain ops-b2"),
        ("drn b2", "drain ops-b2"),
        ("activ c4", "activate ops-c4"),
        ("scale web", "scale web"),
        ("logs web", "logs web"),
        ("restart web", "restart web"),
        ("web restart", "restart web"),
        ("RESTART WEB", "restart web"),
        ("web", "web"),
        ("a1", "ops-a1"),
        ("stow", "the stowage map"),
    ] {
        let mut model = console(LARGE);
        press(&mut model, &format!(":{typed}"));
        assert_eq!(chosen(&model), found, "{typed}\n{}", shown(&model));
    }
}

#[test]
fn enter_does_what_the_line_says() {
    let mut model = console(LARGE);
    let asked = press(&mut model, ":drain b2<enter>");
    assert_eq!(foresee(&mut model, &snapshot(), &asked), 1, "{asked:?}");
    assert!(
        shown(&model).contains("Drain instance ops-b2"),
        "{}",
        shown(&model)
    );
    let effects = press(&mut model, "y");
    let [
        Effect::Apply {
            ticket,
            what,
            commands,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    let [Command::UpdateContainerInstancesState(drain)] = commands.as_slice() else {
        panic!("{commands:?}");
    };
    assert_eq!(drain.container_instances, ["ops-b2"]);
    let done = Event::Applied {
        ticket: *ticket,
        what: what.clone(),
        result: Ok(Vec::new()),
    };
    assert_eq!(update(&mut model, NOW, done), []);

    let effects = press(&mut model, ":logs web<enter>");
    assert!(
        matches!(effects.as_slice(), [Effect::OpenLogs { .. }]),
        "{effects:?}"
    );
    assert!(shown(&model).contains("service web · all its tasks"));
    // From the logs to the panes, which lie under everything: the stream is closed.
    let effects = press(&mut model, ":instances<enter>");
    assert!(
        matches!(effects.as_slice(), [Effect::CloseLogs(_)]),
        "{effects:?}"
    );
    press(&mut model, ":ops-b2<enter>");
    assert!(
        shown(&model).contains(" Instance ops-b2 "),
        "{}",
        shown(&model)
    );
}

#[test]
fn an_empty_palette_lists_what_the_keys_do_from_here() {
    let mut model = console(LARGE);
    press(&mut model, ":");
    let screen = shown(&model);
    assert!(
        screen.contains("▸ details of the selected thing"),
        "{screen}"
    );
    let scale = screen.lines().find(|line| line.contains("scale api"));
    assert!(scale.is_some_and(|line| line.contains(" s │")), "{screen}");
    assert_eq!(screen.matches("scale api").count(), 1, "{screen}");
    press(&mut model, "<back>");
    assert!(
        !shown(&model).contains("scale api"),
        "as vim leaves its command line"
    );
    // What a task's row does to its service is said by name.
    press(&mut model, "2:resta");
    assert_eq!(chosen(&model), "restart api", "{}", shown(&model));
}

#[test]
fn the_selection_in_the_palette_moves_and_its_words_can_be_taken() {
    let mut model = console(LARGE);
    press(&mut model, ":drain c");
    let first = chosen(&model);
    press(&mut model, "<down>");
    let second = chosen(&model);
    assert_ne!(first, second);
    press(&mut model, "<tab>");
    assert_eq!(chosen(&model), second);
    assert!(
        shown(&model).contains(&format!(": {second}▏")),
        "{}",
        shown(&model)
    );
    press(&mut model, "qqq");
    assert_eq!(chosen(&model), "");
    press(&mut model, "<enter>");
    assert!(shown(&model).contains("Nothing matches what is typed."));
    press(&mut model, "<esc>");
    assert!(!shown(&model).contains(": drain"));
}

#[test]
fn a_read_only_palette_offers_no_change() {
    let mut read_only = options();
    read_only.read_only = true;
    let mut model = Model::new(read_only, LARGE, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    for typed in ["drain ops-b2", "scale web", "delete web", "stop 454021de"] {
        press(&mut model, &format!(":{typed}"));
        assert_eq!(chosen(&model), "", "{typed}\n{}", shown(&model));
        press(&mut model, "<esc>");
    }
    press(&mut model, ":logs web");
    assert_eq!(chosen(&model), "logs web");
}

/// 1,000 instances and 10,000 tasks more: what is listed is bounded, what is named is found.
#[test]
fn a_large_fleet_is_searched_and_not_listed() {
    let mut large: Snapshot = snapshot();
    let instance = large.state.instances[&instance_name("ops-a1")].clone();
    let task = large.state.tasks.values().next().unwrap().clone();
    for n in 0..1_000_u32 {
        let mut it = Instance::clone(&instance);
        it.name = instance_name(&format!("far-{n}"));
        large.state.apply(&Change::Instance(Arc::new(it)));
    }
    for n in 0..10_000_u128 {
        let mut it = Task::clone(&task);
        it.id = TaskId(0xfa << 120 | n << 96 | n);
        large.state.apply(&Change::Task(Arc::new(it)));
    }
    let mut model = console(LARGE);
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(large)));
    press(&mut model, ":");
    assert!(shown(&model).contains(" 11,"), "counted\n{}", shown(&model));
    for (typed, found) in [
        ("drain far-77", "drain far-77"),
        ("stop fa001f40", "stop fa001f40 worker"),
        ("far-999", "far-999"),
    ] {
        press(&mut model, typed);
        assert_eq!(chosen(&model), found, "{}", shown(&model));
        press(&mut model, "<esc>:");
    }
}

/// The first cell of each row of the list in front, on a large screen at the left.
fn column(model: &Model, from: usize, title: &str) -> Vec<String> {
    let screen = shown(model);
    let lines = screen
        .lines()
        .map(|it| it.chars().skip(from).collect::<String>());
    let mut rows = lines.skip_while(|it| !it.contains(title)).skip(1);
    let mut names = Vec::new();
    while let Some(row) = rows.next().filter(|it| !it.starts_with('╰')) {
        let row: String = row.chars().skip(6).collect();
        let name = row.split(' ').next().unwrap_or_default().to_owned();
        if !name.is_empty() {
            names.push(name);
        }
    }
    names
}

#[test]
fn a_list_is_sorted_by_any_column_that_is_shown() {
    let mut model = console(LARGE);
    let before = column(&model, 0, "SERVICE");
    assert_eq!(before[..2], ["api", "cache"]);
    press(&mut model, "jo");
    assert!(shown(&model).contains("SERVICE↑"), "{}", shown(&model));
    press(&mut model, "o");
    assert!(shown(&model).contains("RUN↓"), "{}", shown(&model));
    let by_run = column(&model, 0, "SERVICE");
    assert_eq!(by_run[..2], ["worker", "web"], "{}", shown(&model));
    assert_eq!(by_run.last().map(String::as_str), Some("mailer"));
    let row = shown(&model);
    let selected = row.lines().find(|line| line.starts_with("│▸"));
    assert!(
        selected.is_some_and(|it| it.contains("cache")),
        "by id\n{row}"
    );
    press(&mut model, "O");
    assert!(shown(&model).contains("RUN↑"), "{}", shown(&model));
    assert_eq!(column(&model, 0, "SERVICE")[0], "mailer");
    // A newer picture keeps the order.
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot())));
    assert_eq!(column(&model, 0, "SERVICE")[0], "mailer");
    press(&mut model, "oooooo");
    assert!(!shown(&model).contains('↑'), "{}", shown(&model));
    assert_eq!(column(&model, 0, "SERVICE"), before);
}

#[test]
fn instances_sort_by_how_full_they_are_and_tasks_by_revision() {
    let mut model = console(LARGE);
    press(&mut model, "3ooooo");
    assert!(shown(&model).contains("CPU↓"), "{}", shown(&model));
    let names = column(&model, 100, "INSTANCE");
    let full = |name: &str| {
        let screen = shown(&model);
        let row = screen.lines().find(|it| it.contains(&format!(" {name} ")));
        let percent = row.and_then(|it| it.split(&format!(" {name} ")).nth(1));
        let percent = percent.and_then(|it| it.split('%').next());
        let digits = percent.map(|it| it.rsplit(' ').next().unwrap_or("0").to_owned());
        digits.and_then(|it| it.parse::<u32>().ok())
    };
    let shares: Vec<u32> = names.iter().filter_map(|name| full(name)).collect();
    assert!(
        shares.len() > 5 && shares.is_sorted_by(|a, b| a >= b),
        "{names:?} {shares:?}"
    );
    // The tasks of an instance belong to it whatever the order.
    press(&mut model, "2aoooo");
    assert!(shown(&model).contains("DEFINITION↑"), "{}", shown(&model));
}

#[test]
fn pages_are_left_backward_and_opened_again_forward() {
    let mut model = console(LARGE);
    press(&mut model, "<enter>");
    press(&mut model, ":ops-b1<enter>");
    let title = |model: &Model| {
        let screen = shown(model);
        screen.lines().nth(1).unwrap_or_default().to_owned()
    };
    assert!(title(&model).contains(" Instance ops-b1 "));
    press(&mut model, "[");
    assert!(title(&model).contains(" Service api "), "{}", title(&model));
    press(&mut model, "[");
    assert!(title(&model).contains("Services"), "{}", title(&model));
    press(&mut model, "]");
    assert!(title(&model).contains(" Service api "), "{}", title(&model));
    press(&mut model, "]");
    assert!(
        title(&model).contains(" Instance ops-b1 "),
        "{}",
        title(&model)
    );
    press(&mut model, "]");
    assert!(shown(&model).contains("no page to go forward to"));
    // Another page opened: there is no way forward from there.
    press(&mut model, "[[3<enter>");
    let here = title(&model);
    press(&mut model, "]");
    assert_eq!(title(&model), here);
}

#[test]
fn a_task_definition_shows_its_family_who_runs_it_and_what_differs() {
    let mut model = console(LARGE);
    // The service deploys api:4 in place of api:3.
    press(&mut model, "<enter>v");
    let screen = shown(&model);
    for words in [
        " Task definition api:4 ",
        "Revisions of api",
        "▸ api:4",
        "← api:3",
        "run by",
        "api ×",
        "What differs: api:3 → api:4",
        "containerDefinitions[api].image",
    ] {
        assert!(screen.contains(words), "{words}\n{screen}");
    }
    press(&mut model, "<left>");
    let screen = shown(&model);
    assert!(screen.contains("▸ api:3"), "{screen}");
    press(&mut model, "c4<enter>");
    let screen = shown(&model);
    assert!(screen.contains("What differs: api:4 → api:3"), "{screen}");
    press(&mut model, "<right><right>");
    assert!(shown(&model).contains("api:4 is the newest revision."));
    press(&mut model, "<esc><esc>:web:7<enter>");
    assert!(
        shown(&model).contains(" Task definition web:7 "),
        "{}",
        shown(&model)
    );
    press(&mut model, "<esc>2v");
    assert!(
        shown(&model).contains(" Task definition api:"),
        "{}",
        shown(&model)
    );
}
