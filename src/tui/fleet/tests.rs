//! Following a state gives the fleet that it has, and a key looks at few rows of however many.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::model::instance::Connection;
use crate::model::{Change, ClusterName, Snapshot, State, TaskId, TimeMs};
use crate::scheduler::fixture;
use crate::tui::settings::ConsoleSettings;
use crate::tui::{ClusterView, Event, Model, TuiOptions, update, view};

const NOW: TimeMs = TimeMs(9_000_000);

/// What may happen to a fleet.
#[derive(Clone, Debug)]
enum Step {
    Task {
        id: u8,
        service: Option<u8>,
        instance: u8,
        stopped: bool,
    },
    TaskGone(u8),
    Service {
        of: u8,
        desired: u32,
        inactive: bool,
    },
    ServiceGone(u8),
    Instance {
        of: u8,
        zone: u8,
        answers: bool,
        away: bool,
    },
    InstanceGone(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let task = (
        0..30_u8,
        proptest::option::of(0..4_u8),
        0..4_u8,
        any::<bool>(),
    );
    let task = task.prop_map(|(id, service, instance, stopped)| Step::Task {
        id,
        service,
        instance,
        stopped,
    });
    let service = (0..4_u8, 0..5_u32, any::<bool>());
    let service = service.prop_map(|(of, desired, inactive)| Step::Service {
        of,
        desired,
        inactive,
    });
    let host = (0..4_u8, 0..2_u8, any::<bool>(), any::<bool>());
    let host = host.prop_map(|(of, zone, answers, away)| Step::Instance {
        of,
        zone,
        answers,
        away,
    });
    prop_oneof![
        8 => task,
        2 => (0..30_u8).prop_map(Step::TaskGone),
        2 => service,
        1 => (0..4_u8).prop_map(Step::ServiceGone),
        3 => host,
        1 => (0..4_u8).prop_map(Step::InstanceGone),
    ]
}

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

fn change(step: &Step) -> Change {
    let name = |of: &u8| format!("s{of}");
    match step {
        Step::Task {
            id,
            service,
            instance,
            stopped,
        } => {
            let service = service.map(|of| name(&of));
            let host = format!("h{instance}");
            let it = task((*id).into(), service.as_deref(), &host, *stopped);
            Change::Task(Arc::new(it))
        }
        Step::TaskGone(id) => Change::TaskRemoved(TaskId((*id).into())),
        Step::Service {
            of,
            desired,
            inactive,
        } => {
            let mut service = fixture::service(&name(of), *desired);
            if *inactive {
                service.status = ServiceStatus::Inactive;
            }
            Change::Service(Arc::new(service))
        }
        Step::ServiceGone(of) => {
            let name = fixture::service_name(&name(of));
            Change::ServiceRemoved(ClusterName::default_cluster(), name)
        }
        Step::Instance {
            of,
            zone,
            answers,
            away,
        } => {
            let mut it = host(&format!("h{of}"), &format!("z{zone}"), *answers);
            if *away {
                it.cluster = ClusterName::new("elsewhere").unwrap();
            }
            Change::Instance(Arc::new(it))
        }
        Step::InstanceGone(of) => {
            Change::InstanceRemoved(fixture::instance_name(&format!("h{of}")))
        }
    }
}

fn rows(fleet: &Fleet) -> Vec<TaskRow> {
    fleet.tasks.iter().cloned().collect()
}

proptest! {
    #[test]
    fn a_fleet_that_follows_is_the_one_made_anew(
        pictures in proptest::collection::vec(proptest::collection::vec(step(), 1..5), 1..25),
        all in proptest::bool::ANY,
    ) {
        let view = match all {
            true => ClusterView::All,
            false => ClusterView::One(ClusterName::default_cluster()),
        };
        let mut state = State::default();
        let mut followed = Fleet::new(&state, &view);
        for steps in pictures {
            for step in &steps {
                state.apply(&change(step));
            }
            followed.follow(&state, &view);
            let anew = Fleet::new(&state, &view);
            prop_assert_eq!(rows(&followed), rows(&anew));
            prop_assert_eq!(&followed.services, &anew.services);
            prop_assert_eq!(&followed.instances, &anew.instances);
            prop_assert_eq!(followed.widths, anew.widths);
            prop_assert_eq!(&followed.silent, &anew.silent);
            prop_assert_eq!(
                (followed.connected, followed.troubled),
                (anew.connected, anew.troubled)
            );
            for row in rows(&anew) {
                prop_assert_eq!(followed.task(row.task.id), Some(&row));
            }
        }
    }
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
    let key = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
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
        let place = format!("{before} {pressed}");
        let looks = [1_000, 10_000].map(|tasks| {
            let mut model = console(crowd(tasks));
            for event in keys(before) {
                let _ = update(&mut model, NOW, event);
            }
            most(&mut model, keys(pressed))
        });
        let [few, many] = looks;
        assert!(many > 0, "{place}: the count counts nothing");
        assert!(many <= ON_SCREEN, "{place}: {many} rows");
        // Looking one up takes a step or two more.
        assert!(many <= few * 2, "{place}: {few} rows became {many}");
    }
}

#[test]
fn a_change_is_followed_by_what_it_touches() {
    let looks = [1_000, 10_000].map(|tasks| {
        let mut state = crowd(tasks);
        let mut model = console(state.clone());
        let mut most = 0;
        for n in 0..20_u32 {
            let id = u128::from(n * 37) << 64;
            let mut it = Task::clone(&state.tasks[&TaskId(id)]);
            it.last_status = LastStatus::Stopped;
            it.stopped_at = Some(NOW);
            state.apply(&Change::Task(Arc::new(it)));
            looked::since();
            see(&mut model, state.clone());
            most = looked::since().max(most);
        }
        most
    });
    let [few, many] = looks;
    assert!(many > 0 && many <= ON_SCREEN, "{many} rows");
    assert!(many <= few * 2, "{few} rows became {many}");
}
