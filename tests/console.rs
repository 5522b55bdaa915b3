//! What keys do: from the press to the command that is sent and the words on the screen.

use std::sync::Arc;

use quarterdeck::client::{LogItem, LogTarget, Standing};
use quarterdeck::model::{
    Change, ClusterName, LaunchType, Service, Snapshot, Task, TaskId, TimeMs,
};
use quarterdeck::tui::lent::Parting;
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, options, service_name, snapshot};
use crate::screens::{LARGE, SMALL, frame, press, text};

pub fn shown(model: &Model) -> String {
    text(&frame(model, SMALL))
}

pub fn see(model: &mut Model, snapshot: Snapshot) {
    let effects = update(model, NOW, Event::Snapshot(Arc::new(snapshot)));
    assert_eq!(effects, []);
}

pub fn change_service(snapshot: &mut Snapshot, name: &str, change: impl FnOnce(&mut Service)) {
    let key = (ClusterName::default_cluster(), service_name(name));
    let mut service = Service::clone(&snapshot.state.services[&key]);
    change(&mut service);
    snapshot.state.apply(&Change::Service(Arc::new(service)));
}

/// The row with the mark of the selected one, in the pane that has the focus.
fn selected(model: &Model) -> String {
    let screen = shown(model);
    let rows: Vec<&str> = screen
        .lines()
        .filter(|line| line.starts_with('▸'))
        .collect();
    rows.last().copied().unwrap_or_default().to_owned()
}

#[test]
fn a_question_answered_with_no_sends_nothing() {
    for no in ["n", "<esc>", "q"] {
        let mut model = console(SMALL);
        let effects = press(&mut model, &format!("D{no}"));
        assert!(
            matches!(effects.as_slice(), [Effect::Plan { .. }]),
            "{effects:?}"
        );
        assert!(!model.has_quit());
        assert!(!shown(&model).contains("Delete service"), "{no}");
    }
}

#[test]
fn a_read_only_console_changes_nothing() {
    let mut read_only = options();
    read_only.read_only = true;
    for keys in [
        "s5<enter>y",
        "u<enter>y",
        "ry",
        "Dy",
        "2xy",
        "2!",
        "3dy",
        "3f",
    ] {
        let mut model = Model::new(read_only.clone(), SMALL, NOW);
        see(&mut model, snapshot());
        // A page asks why, and y without a question copies; that changes nothing.
        let mut effects = press(&mut model, keys);
        effects.retain(|effect| {
            let harmless = matches!(
                effect,
                Effect::Explain { .. }
                    | Effect::Stats { .. }
                    | Effect::HealthLog { .. }
                    | Effect::Copy(_)
            );
            !harmless
        });
        assert_eq!(effects, [], "{keys}");
        let screen = shown(&model);
        assert!(
            screen.contains("read-only") && screen.contains("READ-ONLY"),
            "{screen}"
        );
    }
}

#[test]
fn the_selection_follows_its_thing_and_not_its_row() {
    let mut model = console(SMALL);
    press(&mut model, "jj");
    assert!(selected(&model).contains("mailer"), "{}", shown(&model));
    let mut later = snapshot();
    change_service(&mut later, "api", |service| {
        service.name = service_name("aaa")
    });
    change_service(&mut later, "cache", |service| {
        service.name = service_name("bbb")
    });
    see(&mut model, later.clone());
    assert!(selected(&model).contains("mailer"), "{}", shown(&model));
    let gone = Change::ServiceRemoved(ClusterName::default_cluster(), service_name("mailer"));
    later.state.apply(&gone);
    see(&mut model, later);
    assert!(
        selected(&model).contains("search"),
        "its neighbour: {}",
        shown(&model)
    );
}

#[test]
fn the_tasks_shown_are_those_of_the_selected_service_or_instance() {
    let mut model = console(LARGE);
    let title = |model: &Model| {
        let screen = text(&frame(model, LARGE));
        let line = screen
            .lines()
            .find(|line| line.contains("2 Tasks"))
            .unwrap();
        let line = line.trim_matches(['─', '╭', '╮', ' ']);
        // What is beyond the window is told at the other end.
        line.split(" ──").next().unwrap_or_default().to_owned()
    };
    assert_eq!(title(&model), "2 Tasks of api · 6 of 30");
    press(&mut model, "3");
    assert_eq!(title(&model), "2 Tasks of ops-a1 · 3 of 30");
    press(&mut model, "2");
    assert_eq!(
        title(&model),
        "2 Tasks of ops-a1 · 3 of 30",
        "looking at them keeps them"
    );
    press(&mut model, "a");
    assert_eq!(title(&model), "2 Tasks 30 of 30");
}

#[test]
fn a_filter_needs_every_word_and_escape_lets_go_of_it() {
    let mut model = console(LARGE);
    let rows = |model: &Model| {
        let screen = text(&frame(model, LARGE));
        (1..=4)
            .flat_map(|n| ["a", "b", "c"].map(|zone| format!("ops-{zone}{n}")))
            .filter(|name| screen.contains(&format!(" {name} ")))
            .count()
    };
    press(&mut model, "3/LOST b<enter>");
    assert_eq!(rows(&model), 1, "{}", text(&frame(&model, LARGE)));
    press(&mut model, "<esc>");
    assert_eq!(rows(&model), 12);
    press(&mut model, "/disk=ssd");
    assert_eq!(rows(&model), 6);
    press(&mut model, "q<back>");
    assert!(!model.has_quit(), "letters are typed while a filter is");
    assert_eq!(rows(&model), 6);
}

#[test]
fn a_filter_takes_columns_expressions_and_says_what_it_cannot_read() {
    let instances = |keys: &str| {
        let mut model = console(LARGE);
        press(&mut model, keys);
        let screen = text(&frame(&model, LARGE));
        let names = (1..=4).flat_map(|n| ["a", "b", "c"].map(|zone| format!("ops-{zone}{n}")));
        // The first line names who is lost, whatever the list shows.
        let (_, below) = screen.split_once('\n').unwrap();
        let shown: Vec<String> = names
            .filter(|name| below.contains(&format!(" {name} ")))
            .collect();
        (shown.join(" "), screen)
    };
    assert_eq!(instances("3/state:lost<enter>").0, "ops-b2");
    assert_eq!(
        instances("3/!zone:1a !/-b.$/").0,
        "ops-c1 ops-c2 ops-c3 ops-c4"
    );
    assert_eq!(instances("3/^ops-a[12]$").0, "ops-a1 ops-a2");
    let (shown, screen) = instances("3/ops-a(");
    assert_eq!(shown.split(' ').count(), 12, "{screen}");
    assert!(screen.contains("no regex: unclosed group"), "{screen}");
    let (shown, screen) = instances("3/zoen:1a");
    assert_eq!(shown.split(' ').count(), 12, "{screen}");
    assert!(screen.contains("no column zoen: zone:?"), "{screen}");
    let mut model = console(LARGE);
    press(&mut model, "2a/service:^api$ health:^healthy");
    let screen = text(&frame(&model, LARGE));
    assert!(screen.contains("2 Tasks 4 of 30"), "{screen}");
}

#[test]
fn pasted_text_goes_where_text_is_typed_and_nowhere_else() {
    let mut model = console(SMALL);
    let paste = |model: &mut Model, text: &str| {
        assert_eq!(update(model, NOW, Event::Paste(text.to_owned())), []);
    };
    paste(&mut model, "qDy");
    assert!(!model.has_quit());
    press(&mut model, "s");
    paste(&mut model, "rm -rf 12\n345678");
    assert!(
        shown(&model).contains("Desired count: 12345▏"),
        "{}",
        shown(&model)
    );
}

#[test]
fn logs_open_follow_hold_and_close() {
    let mut model = console(SMALL);
    let effects = press(&mut model, "l");
    let [Effect::OpenLogs { ticket, target, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert!(matches!(target, LogTarget::Service { service, .. } if service.as_str() == "api"));
    let lines = |range: std::ops::Range<u64>| Event::Logs {
        ticket: *ticket,
        items: range.map(line).collect(),
    };
    let _ = update(&mut model, NOW, lines(0..100));
    assert!(shown(&model).contains("line 99"));
    press(&mut model, "k");
    let held = shown(&model);
    assert!(
        held.contains("held") && !held.contains("line 99 "),
        "{held}"
    );
    let _ = update(&mut model, NOW, lines(100..150));
    // Title and status count what came; what is read does not move.
    let read = |screen: &str| {
        screen
            .lines()
            .skip(2)
            .take(20)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(read(&shown(&model)), read(&held));
    press(&mut model, "G");
    assert!(shown(&model).contains("line 149"));
    press(&mut model, "g");
    assert!(shown(&model).contains("line 0"));
    assert_eq!(press(&mut model, "<esc>"), [Effect::CloseLogs(*ticket)]);
    let _ = update(&mut model, NOW, lines(150..151));
    assert!(
        !shown(&model).contains("line 150"),
        "lines of a closed page are let go"
    );
}

fn line(number: u64) -> LogItem {
    LogItem::Line {
        at: TimeMs(NOW.0 + number),
        task: TaskId(1),
        container: "api".parse().unwrap(),
        instance: instance_name("ops-a1"),
        stream: quarterdeck::docker::LogStream::Stdout,
        text: format!("line {number}"),
    }
}

#[test]
fn a_fault_is_for_simulated_fleets() {
    let mut model = console(SMALL);
    let effects = press(&mut model, "3jf");
    assert_eq!(effects, [Effect::Fault(instance_name("ops-a2"))]);
    let mut real = options();
    real.simulated = false;
    let mut fleet = snapshot();
    fleet.holder.simulated = false;
    let mut model = Model::new(real, SMALL, NOW);
    see(&mut model, fleet);
    assert_eq!(press(&mut model, "3jf"), []);
    let screen = shown(&model);
    assert!(
        !screen.contains("SIMULATED") && screen.contains("Only instances of a simulated fleet"),
        "{screen}"
    );
}

#[test]
fn leaving_asks_only_when_nothing_would_keep_the_services() {
    let quits = |simulated: bool, pid: u32, services: bool, keys: &str| {
        let mut fleet = snapshot();
        fleet.holder.simulated = simulated;
        fleet.holder.pid = pid;
        if !services {
            fleet.state.services.clear();
        }
        let mut options = options();
        options.simulated = simulated;
        let mut model = Model::new(options, SMALL, NOW);
        see(&mut model, fleet);
        press(&mut model, keys);
        (model.has_quit(), shown(&model))
    };
    let own = crate::fleet::PID;
    let (quit, screen) = quits(false, own, true, "q");
    assert!(
        !quit && screen.contains("Nothing keeps 6 services then."),
        "{screen}"
    );
    assert!(quits(false, own, true, "qy").0);
    assert!(!quits(false, own, true, "qn").0);
    assert!(quits(false, own, false, "q").0, "nothing to keep");
    assert!(
        quits(false, own + 1, true, "q").0,
        "another process keeps them"
    );
    assert!(
        quits(true, own, true, "q").0,
        "a demo ends with its console"
    );
}

#[test]
fn what_is_no_longer_heard_is_marked_stale() {
    let mut model = console(SMALL);
    assert!(!shown(&model).contains("STALE"));
    let reason = "connection refused".to_owned();
    let _ = update(
        &mut model,
        NOW,
        Event::Standing(Standing::Lost { since: NOW, reason }),
    );
    let screen = shown(&model);
    assert!(
        screen.contains("STALE") && screen.contains("connection refused"),
        "{screen}"
    );
    let _ = update(
        &mut model,
        NOW,
        Event::Standing(Standing::Attached { since: NOW }),
    );
    assert!(!shown(&model).contains("STALE"));
}

#[test]
fn a_screen_is_drawn_again_only_when_an_age_on_it_reads_differently() {
    let mut terminal =
        ratatui::Terminal::new(ratatui::backend::TestBackend::new(SMALL.0, SMALL.1)).unwrap();
    let mut quiet = snapshot();
    quiet.state.tasks.clear();
    quiet.state.events.clear();
    quiet.state.instances.clear();
    quiet.live.agents.clear();
    change_service(&mut quiet, "search", |s| s.unplaced = None);
    let mut model = console(SMALL);
    see(&mut model, quiet);
    let mut ages = None;
    terminal
        .draw(|frame| ages = quarterdeck::tui::view(&model, NOW, frame))
        .unwrap();
    assert!(
        ages.unwrap() > 60_000,
        "{ages:?}: services that are 47 h old change hourly"
    );
    see(&mut model, snapshot());
    press(&mut model, "3jjjjj");
    terminal
        .draw(|frame| ages = quarterdeck::tui::view(&model, NOW, frame))
        .unwrap();
    assert!(
        ages.unwrap() <= 1_000,
        "{ages:?}: an outage is counted in seconds"
    );
}

#[test]
fn ten_thousand_instances_cost_no_more_rows_than_there_are() {
    let mut fleet = snapshot();
    let template = fleet.state.instances[&instance_name("ops-a1")].clone();
    for n in 0..10_000 {
        let mut instance = quarterdeck::model::Instance::clone(&template);
        instance.name = instance_name(&format!("sim-{n:05}"));
        fleet.state.apply(&Change::Instance(Arc::new(instance)));
    }
    let mut model = console(SMALL);
    see(&mut model, fleet);
    press(&mut model, "3G");
    let screen = shown(&model);
    assert!(selected(&model).contains("sim-09999"), "{screen}");
    assert!(screen.contains("Instances 10,012"), "{screen}");
    press(&mut model, "<pgup>g");
    assert!(selected(&model).contains("ops-a1"));
}

/// With FARGATE nobody sees an instance: the lists and pages of tasks name the launch type.
#[test]
fn a_fargate_task_is_shown_without_its_host() {
    let mut fleet = snapshot();
    let web = |task: &&Arc<Task>| task.service.as_ref() == Some(&service_name("web"));
    let tasks: Vec<Arc<Task>> = fleet.state.tasks.values().filter(web).cloned().collect();
    for task in &tasks {
        let mut task = Task::clone(task);
        task.launch_type = LaunchType::Fargate;
        fleet.state.apply(&Change::Task(Arc::new(task)));
    }
    let mut model = console(LARGE);
    see(&mut model, fleet);
    press(&mut model, "jjjj2");
    let line = |screen: &str| {
        let mut lines = screen.lines().filter(|line| line.contains("▸"));
        lines.next_back().unwrap_or_default().to_owned()
    };
    let screen = text(&frame(&model, LARGE));
    let row = line(&screen);
    assert!(row.contains("FARGATE") && !row.contains("ops-"), "{screen}");
    press(&mut model, "<enter>");
    let page = text(&frame(&model, LARGE));
    let mut fields = page.lines().filter(|line| line.contains("  instance  "));
    assert!(
        fields.all(|line| line.contains("FARGATE eu-central-1")),
        "{page}"
    );
    // The host's own page tells what occupies it.
    let mut model = console(LARGE);
    let mut fleet = snapshot();
    for task in &tasks {
        let mut task = Task::clone(task);
        task.launch_type = LaunchType::Fargate;
        fleet.state.apply(&Change::Task(Arc::new(task)));
    }
    see(&mut model, fleet);
    press(&mut model, "3gg<enter>");
    let page = text(&frame(&model, LARGE));
    assert!(page.contains("web:7  a FARGATE task"), "{page}");
}

#[test]
fn a_shell_is_asked_for_by_container_and_command_and_its_end_is_told() {
    let mut model = console(SMALL);
    let mut fleet = snapshot();
    let web = |task: &&Arc<Task>| task.service == Some(service_name("web"));
    let mut task = Task::clone(fleet.state.tasks.values().find(web).unwrap());
    let mut sidecar = task.containers[0].clone();
    sidecar.name = quarterdeck::model::ContainerName::new("sidecar").unwrap();
    sidecar.essential = false;
    task.containers.insert(0, sidecar);
    let id = task.id;
    fleet.state.apply(&Change::Task(Arc::new(task)));
    see(&mut model, fleet);
    press(&mut model, &format!("2a/{}<enter>!", id.short()));
    let screen = shown(&model);
    let cli = format!("$ qd exec {} --container web", id.short());
    assert!(screen.contains(&cli), "the essential one first: {screen}");
    assert_eq!(press(&mut model, "<up>'sh<enter>"), []);
    assert!(
        shown(&model).contains("A quote is not closed."),
        "{}",
        shown(&model)
    );
    let effects = press(&mut model, " -c' ls<enter>");
    let [Effect::Shell(ask)] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert_eq!((ask.task, ask.container.as_str()), (id, "sidecar"));
    assert_eq!(ask.command, ["sh -c", "ls"]);
    let end = |model: &mut Model, how| {
        let ask = ask.clone();
        let ended = Event::ShellEnded {
            ask,
            how,
            after_ms: 123_000,
        };
        assert_eq!(update(model, NOW, ended), []);
        text(&frame(model, LARGE)).replace(['│', '\n'], " ")
    };
    model = console(LARGE);
    let screen = end(&mut model, Ok(Parting::Exit(0)));
    assert!(screen.contains("0, 2 min 3 s)"), "{screen}");
    let screen = end(&mut model, Err("ops-a1 is gone".to_owned()));
    assert!(screen.contains("ops-a1 is gone"), "{screen}");
    let screen = end(&mut model, Ok(Parting::Exit(127)));
    assert!(screen.contains("no such program"), "{screen}");
}

#[test]
fn a_task_of_which_nothing_runs_has_no_shell() {
    let mut model = console(SMALL);
    let mut fleet = snapshot();
    let web = |task: &&Arc<Task>| task.service == Some(service_name("web"));
    let mut task = Task::clone(fleet.state.tasks.values().find(web).unwrap());
    task.containers.clear();
    let id = task.id;
    fleet.state.apply(&Change::Task(Arc::new(task)));
    see(&mut model, fleet);
    assert_eq!(press(&mut model, &format!("2a/{}<enter>!", id.short())), []);
    assert!(
        shown(&model).contains("Nothing of task"),
        "{}",
        shown(&model)
    );
}

/// The number of a pane leads there from every page, and the way back is kept.
#[test]
fn a_panes_number_leads_there_from_every_page() {
    for (before, page) in [
        ("", "<enter>"),
        ("2", "<enter>"),
        ("3", "<enter>"),
        ("", "m"),
        ("", "H"),
        ("", "?"),
        ("", "%"),
        ("2", "l"),
    ] {
        for pane in ["1", "2", "3", "4"] {
            let mut straight = console(SMALL);
            press(&mut straight, &format!("{before}{pane}"));
            let mut model = console(SMALL);
            press(&mut model, &format!("{before}{page}"));
            assert_ne!(shown(&model), shown(&straight), "{page} opens");
            press(&mut model, pane);
            assert_eq!(shown(&model), shown(&straight), "{page} {pane}");
        }
    }
    let mut model = console(SMALL);
    press(&mut model, "<enter>");
    let page = shown(&model);
    press(&mut model, "3]");
    assert_eq!(shown(&model), page, "forward again");
}

/// In a small terminal a pane without a line of heads has them in its rule, where nothing else is.
#[test]
fn a_small_terminal_names_the_columns_of_every_list() {
    let screen = shown(&console(SMALL));
    let rule = |number: &str| screen.lines().find(|line| line.contains(number)).unwrap();
    for head in ["SERVICE", "DEFINITION", "INSTANCE", "AGE"] {
        assert!(rule("2 Tasks").contains(&format!(" {head} ")), "{screen}");
    }
    for head in ["TASKS", "CPU", "MEMORY"] {
        assert!(
            rule("3 Instances").contains(&format!(" {head} ")),
            "{screen}"
        );
    }
    // Where one stands, its column is.
    let at = |line: &str, word: &str| line.find(word).map(|at| line[..at].chars().count());
    let row = screen
        .lines()
        .find(|line| line.contains("454021de"))
        .unwrap();
    assert_eq!(
        at(rule("2 Tasks"), "INSTANCE"),
        at(row, "ops-a2"),
        "{screen}"
    );
    assert!(!rule("4 Events").contains("STATE"), "{screen}");
}

/// `/` narrows a page to the lines that have it, below what they stand under; esc lets go of that
/// before it leads back.
#[test]
fn a_page_is_narrowed_to_the_lines_that_have_it() {
    let mut model = console(SMALL);
    let home = shown(&model);
    press(&mut model, "<enter>");
    let page = shown(&model);
    press(&mut model, "/revis");
    let screen = shown(&model);
    assert!(
        screen.contains("/revis▏") && !screen.contains("Events, newest"),
        "{screen}"
    );
    // A letter that is a key elsewhere is a letter here.
    press(&mut model, "q<enter>");
    let screen = shown(&model);
    assert!(
        screen.contains(" /revisq ") && screen.contains("Nothing here says that"),
        "{screen}"
    );
    press(&mut model, "<esc>");
    assert_eq!(shown(&model), page, "everything again");
    // What is pasted where nothing is typed changes nothing.
    press(&mut model, "<pgdn>");
    let further = shown(&model);
    let _ = update(&mut model, NOW, Event::Paste("by mistake".to_owned()));
    assert_eq!(shown(&model), further);
    press(&mut model, "<esc>");
    assert_eq!(shown(&model), home, "and back");
    press(&mut model, "?/drain<enter>");
    let help = shown(&model);
    assert!(
        help.contains("drain the instance, or activate it again"),
        "{help}"
    );
    assert!(!help.contains("to the tasks"), "{help}");
    press(&mut model, "<esc><esc>");
    assert_eq!(shown(&model), home);
}

/// A long name leaves room for what its page is narrowed to.
#[test]
fn a_narrowed_page_always_says_that_it_is() {
    let long = "a".repeat(120);
    let mut fleet = snapshot();
    change_service(&mut fleet, "api", |service| {
        service.name = service_name(&long)
    });
    let mut model = Model::new(options(), SMALL, NOW);
    see(&mut model, fleet);
    press(&mut model, "<enter>/state<enter>");
    let screen = shown(&model);
    assert!(
        screen.lines().nth(1).unwrap().contains(" /state "),
        "{screen}"
    );
    assert!(screen.contains("Service aaa"), "{screen}");
}
