//! Logs, stats and shells over a scripted engine.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::timeout;

use super::directory::Heard;
use super::fake::{FakeEngine, Mood};
use super::fixture::{definition, instance, name, observed, registered, state, task};
use super::streams::{EngineDirectory, LogItem, LogTarget, StreamError, exec, health, logs, stats};
use crate::docker::{Engine, EngineError, ExecOptions, LogOptions};
use crate::model::observation::ContainerState::{Exited, Running};
use crate::model::{
    Change, ClusterName, Connection, InstanceName, LastStatus, Service, ServiceName, Snapshot,
    State, Task, TaskDefinition, TaskId, TimeMs,
};

/// A control plane with an engine in the directory.
struct Rig {
    engine: FakeEngine,
    directory: EngineDirectory,
    entry: watch::Sender<Option<Arc<dyn Engine>>>,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

fn one() -> TaskDefinition {
    definition(json!([{"name": "app", "image": "busybox"}]))
}

/// A running task of service `web` whose container is the one of [`observed`].
fn running(id: u128) -> Task {
    let mut task = task(id, &one());
    task.service = Some(ServiceName::new("web").unwrap());
    task.last_status = LastStatus::Running;
    task.containers[0].runtime_id = format!("id-app-{id}");
    task.containers[0].last_status = LastStatus::Running;
    task
}

fn stopped(id: u128) -> Task {
    let mut task = running(id);
    task.last_status = LastStatus::Stopped;
    task.containers[0].last_status = LastStatus::Stopped;
    task
}

fn connection(connection: Connection) -> Change {
    registered("ops-1", connection)
}

fn with_service(tasks: &[Task]) -> State {
    let mut state = state(&one(), tasks);
    let service: Service = serde_json::from_value(json!({
        "name": "web", "cluster": "default", "status": "ACTIVE", "desiredCount": 1,
        "deploymentConfiguration": {}, "placementConstraints": [], "placementStrategy": [],
        "deployments": [], "lastCompleted": null, "graceS": 30,
        "backoff": {"failures": 0, "until": 0}, "unplaced": null, "steady": true,
        "createdAt": 0, "clientToken": null,
    }))
    .unwrap();
    state.apply(&Change::Service(Arc::new(service)));
    state.apply(&connection(Connection::Connected { since: TimeMs(1) }));
    state
}

fn service() -> LogTarget {
    LogTarget::Service {
        cluster: ClusterName::default_cluster(),
        service: ServiceName::new("web").unwrap(),
    }
}

fn of_task(id: u128) -> LogTarget {
    LogTarget::Task {
        task: TaskId(id),
        container: None,
    }
}

fn following() -> LogOptions {
    LogOptions {
        follow: true,
        ..LogOptions::default()
    }
}

type Items = BoxStream<'static, Result<LogItem, StreamError>>;

impl Rig {
    fn new(state: State) -> Self {
        let engine = FakeEngine::new(&[]);
        for id in 1..=3 {
            engine.add(observed(id, "app", Running));
        }
        let (entry, watch) = watch::channel(Some(Arc::new(engine.clone()) as Arc<dyn Engine>));
        let directory = EngineDirectory::default();
        directory.enter(instance(), watch, Heard::default());
        let snapshots = watch::Sender::new(Arc::new(Snapshot::default()));
        let rig = Self {
            engine,
            directory,
            entry,
            snapshots,
        };
        rig.decide(state);
        rig
    }

    fn decide(&self, state: State) {
        self.snapshots.send_replace(Arc::new(Snapshot {
            state,
            ..Snapshot::default()
        }));
    }

    fn logs(&self, target: LogTarget, options: LogOptions) -> Items {
        let directory = self.directory.clone();
        logs(self.snapshots.subscribe(), directory, target, options)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }
}

/// The next item, in a line: `1 hello`, `dropped 3`, `broken 2: …`, `error: …`.
async fn next(items: &mut Items) -> String {
    let item = timeout(Duration::from_secs(600), items.next()).await;
    match item.expect("something comes") {
        Some(Ok(LogItem::Line { task, text, .. })) => format!("{} {text}", task.0),
        Some(Ok(LogItem::Dropped { count, .. })) => format!("dropped {count}"),
        Some(Ok(LogItem::Broken { task, reason })) => format!("broken {}: {reason}", task.0),
        Some(Err(error)) => format!("error: {error}"),
        None => "end".to_owned(),
    }
}

async fn all(mut items: Items) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match next(&mut items).await.as_str() {
            "end" => return lines,
            line => lines.push(line.to_owned()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_services_logs_are_merged_by_time_and_the_tail_is_that_of_all() {
    let rig = Rig::new(with_service(&[running(1), stopped(2)]));
    for (task, at, text) in [(1, 10, "a"), (1, 30, "c"), (2, 20, "b"), (2, 40, "d")] {
        rig.engine.write(&format!("id-app-{task}"), at, text);
    }
    let whole = all(rig.logs(service(), LogOptions::default())).await;
    assert_eq!(whole, ["1 a", "2 b", "1 c", "2 d"]);
    let last = LogOptions {
        tail: Some(1),
        ..LogOptions::default()
    };
    assert_eq!(all(rig.logs(service(), last)).await, ["2 d"]);
    let one = all(rig.logs(of_task(1), LogOptions::default())).await;
    assert_eq!(one, ["1 a", "1 c"]);
}

#[tokio::test(start_paused = true)]
async fn an_instances_logs_are_those_of_all_its_tasks_and_of_those_that_come() {
    let rig = Rig::new(with_service(&[running(1)]));
    let on_it = LogTarget::Instance {
        instance: instance(),
    };
    rig.engine.write("id-app-1", 10, "a");
    rig.engine.write("id-app-2", 20, "b");
    let mut items = rig.logs(on_it.clone(), following());
    assert_eq!(next(&mut items).await, "1 a");
    rig.decide(with_service(&[running(1), running(2)]));
    assert_eq!(next(&mut items).await, "2 b");
    let nowhere = LogTarget::Instance {
        instance: InstanceName::new("nowhere").unwrap(),
    };
    let none = all(rig.logs(nowhere, following())).await;
    assert_eq!(none, ["error: there is no instance nowhere"]);
}

#[tokio::test(start_paused = true)]
async fn following_goes_on_where_the_history_ended_with_nothing_twice() {
    let rig = Rig::new(with_service(&[running(1), running(2)]));
    for text in ["a", "b"] {
        rig.engine.write("id-app-1", 10, text);
    }
    let mut items = rig.logs(service(), following());
    assert_eq!(next(&mut items).await, "1 a");
    assert_eq!(next(&mut items).await, "1 b");
    tokio::time::sleep(Duration::from_secs(1)).await;
    // They arrive in the wrong order, at nearly the same time; one is of the history's moment.
    for (task, at, text) in [(2, 12, "e"), (1, 10, "c"), (1, 11, "d")] {
        rig.engine.write(&format!("id-app-{task}"), at, text);
    }
    for expected in ["1 c", "1 d", "2 e"] {
        assert_eq!(next(&mut items).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn new_tasks_are_taken_up_and_the_end_of_the_service_ends_it() {
    let rig = Rig::new(with_service(&[running(1)]));
    let mut items = rig.logs(service(), following());
    rig.engine.write("id-app-1", 10, "old");
    assert_eq!(next(&mut items).await, "1 old");
    rig.engine.write("id-app-2", 20, "begins");
    rig.decide(with_service(&[running(1), running(2)]));
    assert_eq!(next(&mut items).await, "2 begins");
    rig.engine.write("id-app-2", 30, "goes on");
    assert_eq!(next(&mut items).await, "2 goes on");
    rig.engine.die("id-app-1", 0);
    rig.engine.die("id-app-2", 0);
    rig.decide(state(&one(), &[stopped(1), stopped(2)]));
    assert_eq!(next(&mut items).await, "end");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_has_stopped_ends_its_stream() {
    let rig = Rig::new(with_service(&[running(1)]));
    let mut items = rig.logs(of_task(1), following());
    rig.engine.write("id-app-1", 10, "last words");
    assert_eq!(next(&mut items).await, "1 last words");
    rig.engine.die("id-app-1", 0);
    rig.decide(with_service(&[stopped(1)]));
    assert_eq!(next(&mut items).await, "end");
    let whole = all(rig.logs(of_task(1), following())).await;
    assert_eq!(whole, ["1 last words"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_told_how_many_lines_it_missed() {
    const LINES: u64 = 5_000;
    let rig = Rig::new(with_service(&[running(1)]));
    let mut items = rig.logs(of_task(1), following());
    rig.engine.write("id-app-1", 1, "first");
    assert_eq!(next(&mut items).await, "1 first");
    for at in 0..LINES {
        rig.engine.write("id-app-1", 10 + at, "x");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    rig.engine.die("id-app-1", 0);
    rig.decide(with_service(&[stopped(1)]));
    let (mut lines, mut dropped) = (0, 0);
    for item in all(items).await {
        match item.strip_prefix("dropped ") {
            Some(count) => dropped += count.parse::<u64>().unwrap(),
            None => lines += 1,
        }
    }
    assert!(dropped > 0, "nothing was dropped");
    assert_eq!(lines + dropped, LINES);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_is_told_and_taken_up_again_when_its_instance_is_back() {
    let rig = Rig::new(with_service(&[running(1), running(2)]));
    let mut items = rig.logs(service(), following());
    rig.engine.write("id-app-1", 10, "a");
    rig.engine.write("id-app-2", 11, "b");
    assert_eq!(next(&mut items).await, "1 a");
    assert_eq!(next(&mut items).await, "2 b");
    rig.engine.break_logs("id-app-1");
    assert_eq!(
        next(&mut items).await,
        "broken 1: container app: connection reset"
    );
    rig.engine.write("id-app-2", 12, "the other goes on");
    assert_eq!(next(&mut items).await, "2 the other goes on");
    rig.engine.write("id-app-1", 13, "meanwhile");
    let mut back = with_service(&[running(1), running(2)]);
    back.apply(&connection(Connection::Connected { since: TimeMs(99) }));
    rig.decide(back);
    assert_eq!(next(&mut items).await, "1 meanwhile");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_does_not_answer_is_named_with_the_moment() {
    let rig = Rig::new(with_service(&[running(1)]));
    rig.entry.send_replace(None);
    let mut lost = with_service(&[running(1)]);
    lost.apply(&connection(Connection::Disconnected {
        since: TimeMs(1_700_000_000_000),
        reason: "no answer to 2 pings".to_owned(),
    }));
    rig.decide(lost);
    let expected =
        "error: instance ops-1 has not answered since 2023-11-14T22:13:20Z: no answer to 2 pings";
    for target in [of_task(1), service()] {
        assert_eq!(all(rig.logs(target, following())).await, [expected]);
    }
    let unknown = all(rig.logs(of_task(9), LogOptions::default())).await;
    assert!(
        unknown[0].starts_with("error: there is no task 0000"),
        "{unknown:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn stats_and_shells_go_to_what_runs() {
    let rig = Rig::new(with_service(&[running(1), stopped(2)]));
    let samples = stats(&rig.snapshot(), &rig.directory, TaskId(1))
        .await
        .unwrap();
    assert_eq!(samples.len(), 1);
    assert_eq!(samples[0].0, name("app"));
    let none = stats(&rig.snapshot(), &rig.directory, TaskId(2)).await;
    assert_eq!(none.unwrap(), []);

    let options = || ExecOptions {
        command: vec!["sh".to_owned()],
        tty: false,
        size: None,
    };
    let (snapshot, directory) = (rig.snapshot(), &rig.directory);
    let session = exec(&snapshot, directory, TaskId(1), None, options()).await;
    assert!(session.is_ok());
    assert_eq!(rig.engine.calls("exec"), ["exec id-app-1 sh"]);
    let refused = exec(&snapshot, directory, TaskId(2), None, options()).await;
    let status = "STOPPED";
    assert!(matches!(refused, Err(StreamError::NotRunning { status: s, .. }) if s == status));
    let other = exec(
        &snapshot,
        directory,
        TaskId(1),
        Some(&name("db")),
        options(),
    )
    .await;
    let text = other.err().unwrap().to_string();
    assert!(text.ends_with("has no container db; it has app"), "{text}");

    rig.engine.set(Mood::Hung);
    let hung = stats(&snapshot, directory, TaskId(1)).await;
    assert!(matches!(hung, Err(StreamError::Engine { .. })), "{hung:?}");
}

#[tokio::test(start_paused = true)]
async fn health_logs_are_of_what_has_a_check_also_when_it_has_ended() {
    let checked = |mut task: Task| {
        task.containers[0].has_health_check = true;
        task
    };
    let mut unmade = checked(running(3));
    unmade.containers[0].runtime_id = String::new();
    let tasks = [running(1), checked(stopped(2)), unmade];
    let rig = Rig::new(with_service(&tasks));
    let (snapshot, directory) = (rig.snapshot(), &rig.directory);
    let read = async |id| health(&snapshot, directory, TaskId(id)).await;
    assert_eq!(read(1).await.unwrap(), [], "it has no check");
    assert_eq!(read(3).await.unwrap(), [], "it was not made");
    assert_eq!(rig.engine.calls("health"), Vec::<String>::new());
    let logs = read(2).await.unwrap();
    assert_eq!((logs.len(), &logs[0].name), (1, &name("app")));
    let log = logs[0].health_log.as_ref().unwrap();
    assert_eq!(log.log[0].output, "id-app-2", "that container's");

    let gone = EngineError::NotFound("no such container".to_owned());
    rig.engine.inner().errors.insert("health", [gone].into());
    assert_eq!(read(2).await.unwrap()[0].health_log, None);
    assert_eq!(read(9).await, Err(StreamError::NoTask(TaskId(9))));
    rig.engine.set(Mood::Hung);
    let hung = read(2).await.unwrap_err().to_string();
    assert!(hung.contains("did not answer within 10 s"), "{hung}");
    rig.entry.send(None).unwrap();
    let away = read(2).await.unwrap_err().to_string();
    assert!(
        away.contains("has not answered since"),
        "never an empty log: {away}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ended_container_can_still_be_read() {
    let rig = Rig::new(with_service(&[stopped(1)]));
    rig.engine.add(observed(1, "app", Exited));
    rig.engine.write("id-app-1", 5, "what it said");
    let whole = all(rig.logs(of_task(1), LogOptions::default())).await;
    assert_eq!(whole, ["1 what it said"]);
}
