//! A fleet turns with time, and a key looks at few rows of however many.

mod anew;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::model::arn::Partition;
use crate::model::instance::Connection;
use crate::model::service::Backoff;
use crate::model::{Change, Cluster, ClusterName, Snapshot, State, TaskId, TimeMs};
use crate::scheduler::fixture;
use crate::tui::settings::ConsoleSettings;
use crate::tui::state::{Layer, Subject};
use crate::tui::{ClusterView, Event, Model, TuiOptions, update, view};

const NOW: TimeMs = TimeMs(9_000_000);

fn task(id: u128, service: Option<&str>, instance: &str, stopped: bool) -> Task {
    let name = fixture::instance_name(instance);
    let made_from = "web:1".parse().unwrap();
    let made = TimeMs(1_000 + id as u64 % 7);
    let home = ClusterName::default_cluster();
    let mut task = Task::new(TaskId(id), home, name, made_from, made);
    task.service = service.map(fixture::service_name);
    task.resources = fixture::resources(64, 64);
    task.last_status = match stopped {
        true => LastStatus::Stopped,
        false => LastStatus::Running,
    };
    task.stopped_at = stopped.then_some(TimeMs(5_000));
    task
}

fn host(name: &str, zone: &str, answers: bool) -> Instance {
    let mut it = fixture::instance(name, zone, 4_096, 4_096, &[]);
    if !answers {
        it.connection = Connection::Disconnected {
            since: NOW,
            reason: "gone".to_owned(),
        };
    }
    it
}

fn cluster(name: ClusterName, region: &str) -> Cluster {
    let partition = Partition {
        region: region.to_owned(),
        ..Partition::default()
    };
    Cluster::new(name, partition, true, TimeMs(1))
}

/// Its last failure ends to be why a service is short of tasks, and nothing else happens.
/// What is old serves on, so nothing is short; but what is to be does not come.
#[test]
fn a_deployment_whose_tasks_fail_is_trouble_though_the_old_ones_serve() {
    for (rollout, failing) in [
        (RolloutState::InProgress, Some(3)),
        (RolloutState::Completed, None),
    ] {
        let mut state = fixture::state([host("h", "a", true)]);
        let mut service = fixture::service("web", 1);
        service.backoff = Backoff {
            failures: 3,
            failed_at: NOW,
            until: NOW.plus_ms(4_000),
            ..Backoff::default()
        };
        service.deployments[0].rollout_state = rollout;
        state.apply(&Change::Service(Arc::new(service)));
        let old = task(1, Some("web"), "h", false);
        state.apply(&Change::Task(Arc::new(old)));
        let model = console(state);
        let row = &model.fleet.services[0];
        assert_eq!(row.failures(), failing);
        assert_eq!(model.fleet.troubled, usize::from(failing.is_some()));
    }
}

#[test]
fn a_service_that_has_ceased_to_fail_is_in_trouble_no_more_and_says_so_without_a_new_picture() {
    let mut state = fixture::state([host("h", "a", true)]);
    let mut service = fixture::service("web", 2);
    service.backoff = Backoff {
        failures: 3,
        failed_at: NOW,
        until: NOW.plus_ms(4_000),
        ..Backoff::default()
    };
    service.deployments[0].rollout_state = RolloutState::Completed;
    state.apply(&Change::Service(Arc::new(service)));
    let it = task(1, Some("web"), "h", false);
    state.apply(&Change::Task(Arc::new(it)));
    let mut model = console(state);
    let shown = |model: &Model, now| {
        let mut terminal = Terminal::new(TestBackend::new(160, 45)).unwrap();
        let mut wakes = None;
        terminal
            .draw(|frame| wakes = view(model, now, frame))
            .unwrap();
        let cells = terminal.backend().buffer().content.iter();
        let screen: String = cells.map(ratatui::buffer::Cell::symbol).collect();
        (screen, wakes)
    };
    let mut filter = keys("/state:failing");
    filter.push(Event::Key(KeyEvent::new(
        KeyCode::Enter,
        KeyModifiers::NONE,
    )));
    for event in filter {
        let _ = update(&mut model, NOW, event);
    }
    let last = NOW.plus_ms(63_999);
    let _ = update(&mut model, last, Event::Clock);
    assert_eq!((model.fleet.troubled, model.shown.services.len()), (1, 1));
    let (screen, wakes) = shown(&model, last);
    assert!(
        screen.contains("FAILING ×3") && screen.contains("1 in trouble"),
        "{screen}"
    );
    assert_eq!(wakes, Some(1), "it is drawn anew when that is over");
    // A frame that is drawn before the event says one thing, not half of each.
    let over = NOW.plus_ms(64_000);
    let (screen, wakes) = shown(&model, over);
    assert!(
        screen.contains("FAILING ×3") && screen.contains("1 in trouble"),
        "{screen}"
    );
    assert_eq!(wakes, Some(1));
    let _ = update(&mut model, over, Event::Clock);
    assert_eq!((model.fleet.troubled, model.shown.services.len()), (0, 0));
    assert_eq!(model.fleet.turns_at(), None);
    for event in keys("/") {
        let _ = update(&mut model, over, event);
    }
    let esc = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
    let _ = update(&mut model, over, Event::Key(esc));
    let (screen, _) = shown(&model, over);
    assert!(
        screen.contains("WAITING") && !screen.contains("FAILING") && !screen.contains("in trouble"),
        "{screen}"
    );
}

/// Services of 10 tasks each, spread over so many instances that each has 10.
fn crowd(tasks: u32) -> State {
    let hosts = (0..tasks / 10).map(|n| host(&format!("h{n:04}"), "a", true));
    let mut state = fixture::state(hosts);
    for n in 0..tasks / 10 {
        let service = fixture::service(&format!("s{n:04}"), 10);
        state.apply(&Change::Service(Arc::new(service)));
    }
    for n in 0..tasks {
        let service = format!("s{:04}", n / 10);
        let instance = format!("h{:04}", n % (tasks / 10));
        let it = task(u128::from(n) << 64, Some(&service), &instance, false);
        state.apply(&Change::Task(Arc::new(it)));
    }
    state
}

fn console(state: State) -> Model {
    let options = TuiOptions::new(ClusterView::All, &ConsoleSettings::default());
    let mut model = Model::new(options, (160, 45), NOW);
    see(&mut model, state);
    model
}

fn see(model: &mut Model, state: State) {
    let snapshot = Snapshot {
        version: 1,
        at: NOW,
        state,
        ..Snapshot::default()
    };
    let _ = update(model, NOW, Event::Snapshot(Arc::new(snapshot)));
}

/// The most rows that one of these events and its frame looked at.
fn most(model: &mut Model, events: impl IntoIterator<Item = Event>) -> usize {
    let mut terminal = Terminal::new(TestBackend::new(160, 45)).unwrap();
    let looks = events.into_iter().map(|event| {
        looked::since();
        let _ = update(model, NOW, event);
        terminal.draw(|frame| _ = view(model, NOW, frame)).unwrap();
        looked::since()
    });
    looks.max().unwrap()
}

fn keys(text: &str) -> Vec<Event> {
    let code = |c| match c {
        '\n' => KeyCode::Enter,
        c => KeyCode::Char(c),
    };
    let key = |c| Event::Key(KeyEvent::new(code(c), KeyModifiers::NONE));
    text.chars().map(key).collect()
}

/// Rows that a screen of 45 lines may look at, more than once each.
const ON_SCREEN: usize = 400;

#[test]
fn a_key_looks_at_what_is_on_the_screen_however_many_tasks_there_are() {
    for (before, pressed) in [
        ("", "jjjjkkG"),
        ("2", "jjjjkkG"),
        ("2", "a"),
        ("2a", "jjjjGgjj"),
        ("3", "jjjjkkG"),
        ("2a3", "jjjjkkG"),
        ("4", "jj"),
        ("", "1234"),
    ] {
        let both: fn(u32) -> State = |tasks| two_clusters(tasks / 2, |n| n / 10);
        for (clusters, state) in [("one", crowd as fn(u32) -> State), ("two", both)] {
            let looks = [1_000, 10_000].map(|tasks| {
                let mut model = console(state(tasks));
                for event in keys(before) {
                    let _ = update(&mut model, NOW, event);
                }
                most(&mut model, keys(pressed))
            });
            holds(&format!("{clusters}: {before} {pressed}"), looks);
        }
    }
}

/// What one picture after the other makes a console look at, in each of which one task is another.
fn most_of_changes(mut state: State, before: &[Event]) -> usize {
    let mut model = console(state.clone());
    for event in before {
        let _ = update(&mut model, NOW, event.clone());
    }
    let ids: Vec<TaskId> = state.tasks.keys().step_by(37).take(20).copied().collect();
    let changes = ids.into_iter().map(|id| {
        let mut it = Task::clone(&state.tasks[&id]);
        it.last_status = LastStatus::Stopped;
        it.stopped_at = Some(NOW);
        state.apply(&Change::Task(Arc::new(it)));
        let snapshot = Snapshot {
            version: 2,
            at: NOW,
            state: state.clone(),
            ..Snapshot::default()
        };
        Event::Snapshot(Arc::new(snapshot))
    });
    most(&mut model, changes.collect::<Vec<_>>())
}

fn holds(place: &str, [few, many]: [usize; 2]) {
    assert!(many > 0, "{place}: the count counts nothing");
    assert!(many <= ON_SCREEN, "{place}: {many} rows");
    // Looking one up takes a step or two more.
    assert!(many <= few * 2, "{place}: {few} rows became {many}");
}

/// The same in two clusters, whose regions stand the other way round than their names.
fn two_clusters(each: u32, service_of: fn(u32) -> u32) -> State {
    let mut state = State::default();
    for (at, (name, region)) in [("aft", "z"), ("bow", "a")].into_iter().enumerate() {
        let name = ClusterName::new(name).unwrap();
        state.apply(&Change::Cluster(Arc::new(cluster(name.clone(), region))));
        for n in 0..each / 10 {
            let mut it = host(&format!("{name}{n:04}"), "a", true);
            it.cluster = name.clone();
            state.apply(&Change::Instance(Arc::new(it)));
        }
        for n in 0..each {
            let service = format!("s{:04}", service_of(n));
            let instance = format!("{name}{:04}", n % (each / 10));
            let id = u128::from(n * 2 + at as u32) << 64;
            let mut it = task(id, Some(&service), &instance, false);
            it.cluster = name.clone();
            let mut service = fixture::service(&service, 10);
            service.cluster = name.clone();
            it.deployment = service.primary().map(|it| it.id.clone());
            state.apply(&Change::Service(Arc::new(service)));
            state.apply(&Change::Task(Arc::new(it)));
        }
    }
    state
}

#[test]
fn a_change_is_followed_by_what_it_touches() {
    let looks = [1_000, 10_000].map(|tasks| most_of_changes(crowd(tasks), &[]));
    holds("one cluster", looks);
}

#[test]
fn a_change_in_one_of_two_clusters_is_followed_by_what_it_touches() {
    // All tasks are shown, and so are those of a service.
    for before in ["", "2a", "2aG", "3"] {
        let few_each = [500, 5_000].map(|tasks| {
            let state = two_clusters(tasks, |n| n / 10);
            most_of_changes(state, &keys(before))
        });
        holds(&format!("small services, {before}"), few_each);
        let all_in_one = [500, 5_000].map(|tasks| {
            let state = two_clusters(tasks, |_| 0);
            most_of_changes(state, &keys(before))
        });
        holds(&format!("one service each, {before}"), all_in_one);
    }
    let model = {
        let mut model = console(two_clusters(500, |n| n / 10));
        for event in keys("a") {
            let _ = update(&mut model, NOW, event);
        }
        model
    };
    let clusters: Vec<_> = model
        .shown
        .tasks
        .iter()
        .map(|it| it.task.cluster.to_string())
        .collect();
    let by_region = clusters.is_sorted_by(|a, b| a >= b);
    assert!(
        by_region && clusters[0] == "bow",
        "region a before region z"
    );
}

#[test]
fn the_page_of_a_revision_looks_at_no_task() {
    for tasks in [1_000, 10_000] {
        let mut state = crowd(tasks);
        state.apply(&Change::TaskDefinition(Arc::new(fixture::definition(
            "web",
            1,
            64,
            64,
            &[],
        ))));
        let mut model = console(state);
        // The definition of the selected task.
        for event in keys("2v") {
            let _ = update(&mut model, NOW, event);
        }
        let page = model.layers.last();
        let is_it = |layer: &Layer| {
            matches!(
                layer,
                Layer::Details {
                    subject: Subject::Definition(_),
                    ..
                }
            )
        };
        assert!(page.is_some_and(is_it), "{page:?}");
        assert_eq!(
            model.fleet.runs(&"web:1".parse().unwrap()).unwrap().len() as u32,
            tasks / 10
        );
        let many = most(&mut model, keys("jjjjkk"));
        // The panes beneath are brought in line.
        assert!(many <= ON_SCREEN, "{many} rows");
    }
}

#[test]
fn pages_and_screens_look_at_what_they_show() {
    // Where a row or a block is looked up by its id, that takes some steps each.
    for (screen, pressed, most_rows) in [
        ("\n", "jjjj", ON_SCREEN),
        ("m", "jjjj", 40 * ON_SCREEN),
        ("H", "jjjj", ON_SCREEN),
        ("%", "jjjj", 4 * ON_SCREEN),
        (":", "", ON_SCREEN),
    ] {
        let looks = [1_000, 4_000].map(|tasks| {
            let mut model = console(two_clusters(tasks, |_| 0));
            for event in keys(screen) {
                let _ = update(&mut model, NOW, event);
            }
            assert!(!model.layers.is_empty(), "{screen:?} opens something");
            let down = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
            let events = keys(pressed).into_iter().chain([Event::Key(down)]);
            most(&mut model, events)
        });
        let [few, many] = looks;
        assert!(many <= most_rows, "{screen:?}: {many} rows");
        assert!(many <= few * 2 + 20, "{screen:?}: {few} rows became {many}");
    }
}
