//! What is said of a host that does not answer, of its tasks, and of those tasks once it is back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use quarterdeck::model::{
    Change, ClusterName, Connection, DesiredStatus, Instance, LastStatus, Service, Snapshot,
    StopCode, Task, TaskId,
};
use quarterdeck::tui::Model;

use crate::console::see;
use crate::fleet::{NOW, ago, console, instance_name, service_name, snapshot};
use crate::screens::{LARGE, SMALL, frame, press, text};

const HOST: &str = "ops-c1";

/// The fleet with another instance silent for so long.
fn silent(seconds: u64) -> Snapshot {
    let mut fleet = snapshot();
    let mut instance = Instance::clone(&fleet.state.instances[&instance_name(HOST)]);
    instance.connection = Connection::Disconnected {
        since: ago(seconds),
        reason: "no route to host".to_owned(),
    };
    fleet.state.apply(&Change::Instance(Arc::new(instance)));
    fleet
}

/// A task of `web` there.
fn there(fleet: &Snapshot) -> Task {
    let mut tasks = fleet.state.tasks.values();
    let web = |it: &&Arc<Task>| it.task_definition.family.as_str() == "web";
    let found = tasks.find(|it| web(it) && it.instance.as_str() == HOST);
    Task::clone(found.unwrap())
}

fn change(fleet: &mut Snapshot, change: impl FnOnce(&mut Task)) -> TaskId {
    let mut task = there(fleet);
    change(&mut task);
    let id = task.id;
    fleet.state.apply(&Change::Task(Arc::new(task)));
    id
}

fn row(model: &Model, id: TaskId) -> String {
    let screen = text(&frame(model, LARGE));
    let mut rows = screen.lines().filter(|it| it.contains(&id.short()));
    rows.next().unwrap_or_default().to_owned()
}

#[test]
fn the_first_line_says_who_is_lost_as_their_rows_do() {
    for (fleet, words) in [
        (snapshot(), "11 of 12 instances answer, ops-b2 lost 12s"),
        (silent(3), "10 of 12 instances answer, 2 lost (ops-b2 12s)"),
    ] {
        for size in [SMALL, LARGE] {
            let mut model = console(size);
            see(&mut model, fleet.clone());
            let drawn = frame(&model, size);
            let screen = text(&drawn);
            let first = screen.lines().next().unwrap();
            assert!(first.contains(words), "{first}");
            let at = first.chars().position(|c| c == ',').unwrap();
            let alarm = drawn[(u16::try_from(at).unwrap() + 2, 0)].fg;
            press(&mut model, "3");
            let rows = frame(&model, size);
            let screen = text(&rows);
            let (y, line) = screen
                .lines()
                .enumerate()
                .find(|(_, it)| it.contains("LOST 12s"))
                .unwrap();
            let line: Vec<char> = line.chars().collect();
            let x = line.windows(4).position(|it| it == ['L', 'O', 'S', 'T']);
            let x = u16::try_from(x.unwrap()).unwrap();
            assert_eq!(rows[(x, u16::try_from(y).unwrap())].fg, alarm);
        }
    }
}

#[test]
fn what_was_last_heard_is_marked_as_that() {
    // Known not to answer for 8 s, and last heard 19 s ago.
    let mut fleet = silent(8);
    let mut host = Instance::clone(&fleet.state.instances[&instance_name(HOST)]);
    host.heard_at = Some(ago(19));
    fleet.state.apply(&Change::Instance(Arc::new(host)));
    let id = change(&mut fleet, |task| {
        task.containers[0].has_health_check = true;
    });
    let mut model = console(LARGE);
    see(&mut model, fleet);
    press(&mut model, "a");
    let line = row(&model, id);
    assert!(line.contains("HEALTHY? "), "{line}");
    assert!(
        line.contains("replaced in 22s if ops-c1 stays silent"),
        "{line}"
    );
    let drawn = frame(&model, LARGE);
    let screen = text(&drawn);
    assert!(screen.contains(" web          5?/6 "), "{screen}");
    let host = screen.lines().find(|it| it.contains("LOST 19s")).unwrap();
    assert_eq!(host.matches("%?").count(), 2, "both bars: {host}");
    // Its page, and that of the instance.
    press(&mut model, &format!(":{}<enter>", id.short()));
    let page = text(&frame(&model, LARGE));
    assert!(
        page.contains("last RUNNING · desired RUNNING · as last heard, 19s ago"),
        "{page}"
    );
    assert!(page.contains("HEALTHY?"), "{page}");
    press(&mut model, "<esc>3/c1<enter><enter>");
    let page = text(&frame(&model, LARGE));
    assert!(page.contains("taken, as last heard 19s ago"), "{page}");
    press(&mut model, "<esc>m");
    let map = text(&frame(&model, LARGE));
    assert!(map.contains("%? of"), "{map}");
}

#[test]
fn who_waits_for_a_silent_host_is_told_for_how_long() {
    let mut model = console(SMALL);
    let mut fleet = silent(10);
    let id = change(&mut fleet, |_| {});
    see(&mut model, fleet.clone());
    press(&mut model, &format!("2a/{}<enter>", id.short()));
    let screen = text(&frame(&model, SMALL));
    assert!(
        screen.contains("replaced in 20s if ops-c1 stays silent"),
        "{screen}"
    );
    change(&mut fleet, |task| task.service = None);
    see(&mut model, fleet.clone());
    let screen = text(&frame(&model, SMALL));
    assert!(screen.contains("nothing replaces it"), "{screen}");
    change(&mut fleet, |task| {
        task.service = Some(service_name("web"));
        task.lost_at = Some(NOW);
    });
    let mut model = console(SMALL);
    see(&mut model, fleet);
    press(&mut model, &format!("2a/{}<enter>", id.short()));
    let screen = text(&frame(&model, SMALL));
    assert!(
        screen.contains("given up: ops-c1 stayed silent"),
        "{screen}"
    );
}

#[test]
fn stopping_or_entering_what_nobody_hears_of_says_so() {
    let mut fleet = silent(75);
    let id = change(&mut fleet, |task| task.lost_at = Some(ago(45)));
    let mut model = console(LARGE);
    see(&mut model, fleet);
    press(&mut model, &format!("2a/{}<enter>x", id.short()));
    let screen = text(&frame(&model, LARGE));
    assert!(
        screen.contains("Unreachable: ops-c1 has not answered for 1 min 15 s."),
        "{screen}"
    );
    assert!(screen.contains("It is stopped once ops-c1"), "{screen}");
    press(&mut model, "n!");
    let screen = text(&frame(&model, LARGE));
    assert!(
        screen.contains("ops-c1 has not answered for 1m"),
        "{screen}"
    );
}

#[test]
fn tasks_of_a_host_that_is_back_are_no_crashes() {
    let mut fleet = snapshot();
    let id = change(&mut fleet, |task| {
        task.lost_at = Some(ago(40));
        task.last_status = LastStatus::Stopped;
        task.desired_status = DesiredStatus::Stopped;
        task.stopped_at = Some(ago(1));
        task.stop_code = Some(StopCode::ServiceSchedulerInitiated);
        task.stopped_reason = Some("Given up for lost while its instance was away".into());
        task.containers[0].exit_code = Some(255);
        task.containers[0].last_status = LastStatus::Stopped;
    });
    let mut model = console(LARGE);
    see(&mut model, fleet);
    press(&mut model, "a");
    let line = row(&model, id);
    assert!(line.contains("STOPPED (lost)"), "{line}");
    assert!(
        line.contains("lost with ops-c1, which did not answer"),
        "{line}"
    );
    assert!(
        !line.contains("255") && !line.contains('▲') && !line.contains('✕'),
        "{line}"
    );
}

#[test]
fn why_a_task_is_lost_names_its_host_and_not_what_its_service_wanted_since() {
    let scaled = "Scaling activity initiated by (deployment ecs-svc/0000000000000000005)";
    let mut fleet = silent(75);
    let id = change(&mut fleet, |task| {
        task.lost_at = Some(ago(45));
        task.desired_status = DesiredStatus::Stopped;
        task.stop_code = Some(StopCode::ServiceSchedulerInitiated);
        task.stopped_reason = Some(scaled.into());
    });
    let mut model = console(LARGE);
    see(&mut model, fleet);
    press(&mut model, "a");
    let line = row(&model, id);
    assert!(line.contains("given up: ops-c1 stayed silent"), "{line}");
    assert!(!line.contains("Scaling"), "{line}");
    // The same once its host is back and it has stopped there.
    let mut fleet = snapshot();
    change(&mut fleet, |task| {
        task.lost_at = Some(ago(45));
        task.desired_status = DesiredStatus::Stopped;
        task.last_status = LastStatus::Stopped;
        task.stopped_at = Some(ago(1));
        task.stopped_reason = Some(scaled.into());
    });
    see(&mut model, fleet);
    let line = row(&model, id);
    assert!(
        line.contains("lost with ops-c1, which did not answer"),
        "{line}"
    );
    assert!(!line.contains("Scaling"), "{line}");
}

/// What failed some minutes ago is not why a service is short of tasks whose host is silent now.
#[test]
fn a_service_is_failing_only_while_failures_are_what_goes_on() {
    for (failed, says, not) in [
        (ago(30), "FAILING ×4", "UNREACHABLE"),
        (ago(300), "1 UNREACHABLE", "FAILING"),
    ] {
        let mut fleet = silent(20);
        let key = (ClusterName::default_cluster(), service_name("web"));
        let mut web = Service::clone(&fleet.state.services[&key]);
        web.backoff.failures = 4;
        web.backoff.failed_at = failed;
        web.backoff.until = failed.plus_ms(4_000);
        fleet.state.apply(&Change::Service(Arc::new(web)));
        let mut model = console(LARGE);
        see(&mut model, fleet);
        let screen = text(&frame(&model, LARGE));
        let line = screen.lines().find(|it| it.contains("  web ")).unwrap();
        let line: String = line.chars().take(80).collect();
        assert!(line.contains(says) && !line.contains(not), "{line}");
    }
}
