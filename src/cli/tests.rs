//! Commands against a control plane over a simulated fleet.

use std::sync::Arc;

use super::args::{Arguments, Output, Sure, Verb};
use super::dispatch;
use super::error::{CliError, CliResult};
use super::session::Session;
use crate::client::{Client as _, LocalClient};
use crate::controller::fixture::{self, create, ready, register, serving, until};
use crate::controller::{Command, ControlPlane};
use crate::model::{ClusterName, Snapshot, Task};
use crate::sim::Fleet;
use crate::store::MemoryStore;
use clap::Parser as _;

/// Someone at the command line.
struct User {
    _fleet: Fleet,
    plane: ControlPlane,
    client: Arc<LocalClient>,
}

impl User {
    async fn new(instances: usize) -> Self {
        let (fleet, plane) = ready(instances).await;
        Self::over(fleet, plane)
    }

    fn over(fleet: Fleet, plane: ControlPlane) -> Self {
        let client = Arc::new(LocalClient::new(plane.handle.clone(), "ann".into()));
        Self {
            _fleet: fleet,
            plane,
            client,
        }
    }

    /// Types a line.
    async fn qd(&self, line: &[&str]) -> CliResult {
        let words = std::iter::once("qd").chain(line.iter().copied());
        let typed = Arguments::try_parse_from(words).unwrap();
        let session = Session::over(self.client.clone(), &typed.global, None);
        let items = match &typed.command {
            Some(Verb::Apply(asked)) => super::apply::read::files(&asked.files)?,
            Some(Verb::Plan(asked)) => super::apply::read::files(&asked.files)?,
            _ => Vec::new(),
        };
        dispatch(&session, &typed.command.unwrap(), &items, Output::Table).await
    }

    /// Types a line that fails with this exit code, and gives what it says.
    async fn fails(&self, code: u8, line: &[&str]) -> String {
        let error: CliError = self.qd(line).await.unwrap_err();
        assert_eq!(error.code(), code, "{line:?}: {error}");
        error.to_string()
    }

    async fn ask(&self, command: Command) {
        self.client.command(command).await.unwrap();
    }

    fn now(&self) -> Arc<Snapshot> {
        self.plane.handle.snapshot()
    }

    /// A service `web` of that many tasks that all run.
    async fn web(&self, count: u32) {
        self.ask(register("web")).await;
        self.ask(create("web", "web", count)).await;
        let all = |it: &Snapshot| serving(it, "web").len() == count as usize;
        until(&self.plane.handle, "the service runs", all).await;
    }

    async fn end(self) {
        self.plane.stop().await.unwrap();
    }
}

fn left_on(snapshot: &Snapshot, instance: &str) -> Vec<Arc<Task>> {
    let tasks = snapshot.state.tasks.values();
    let here = |it: &&Arc<Task>| it.instance.as_str() == instance && !it.is_stopped();
    tasks.filter(here).cloned().collect()
}

/// There the cluster's name says that it is meant, and `--yes` does not.
#[tokio::test]
async fn a_protected_cluster_wants_its_name() {
    let mut settings = fixture::settings(2);
    settings.clusters[0].protected = true;
    let fleet = fixture::fleet(2);
    let plane = fixture::plane_of(&fleet, settings, Box::new(MemoryStore::new())).await;
    let user = User::over(fleet, plane);
    let connected = |it: &Snapshot| it.state.instances.values().all(|it| it.is_connected());
    until(&user.plane.handle, "every instance is connected", connected).await;
    user.web(2).await;
    let typed = Arguments::try_parse_from(["qd", "service", "ls"]).unwrap();
    let session = Session::over(user.client.clone(), &typed.global, None);
    let cluster = ClusterName::default_cluster();
    let sure = |yes: bool, protected: Option<&str>| Sure {
        yes,
        protected: protected.map(ToOwned::to_owned),
    };
    for yes in [false, true] {
        let wanted = session.wanted(&cluster, &sure(yes, None)).unwrap();
        assert_eq!(wanted, Some(&cluster));
    }
    let named = session.wanted(&cluster, &sure(true, Some("default")));
    assert_eq!(named.unwrap(), None);
    let other = ["service", "scale", "web", "1", "--protected", "staging"];
    let said = user.fails(2, &other).await;
    assert!(said.contains("this is about the cluster default"), "{said}");
    assert_eq!(serving(&user.now(), "web").len(), 2);
    user.qd(&[
        "service",
        "scale",
        "web",
        "1",
        "--wait",
        "--protected",
        "default",
    ])
    .await
    .unwrap();
    assert_eq!(serving(&user.now(), "web").len(), 1);
    user.end().await;
}

#[tokio::test]
async fn a_drain_that_is_waited_for_ends_when_no_task_of_a_service_is_left() {
    let user = User::new(2).await;
    user.web(4).await;
    user.qd(&["run", "web", "--count", "2", "--wait"])
        .await
        .unwrap();
    user.qd(&["instance", "drain", "host-0", "--yes", "--wait"])
        .await
        .unwrap();
    let left = left_on(&user.now(), "host-0");
    assert!(left.iter().all(|it| it.service.is_none()), "{left:?}");
    assert_eq!(left.len(), 1, "what was run by hand is left alone");
    assert_eq!(serving(&user.now(), "web").len(), 4);
    user.end().await;
}

#[tokio::test]
async fn a_drain_that_does_not_end_says_what_is_left_and_why() {
    let user = User::new(2).await;
    user.web(2).await;
    let held = left_on(&user.now(), "host-0")[0].id;
    user.qd(&["task", "protect", &held.to_string()])
        .await
        .unwrap();
    let drain = [
        "instance",
        "drain",
        "host-0",
        "--yes",
        "--wait",
        "--timeout",
        "1s",
    ];
    let said = user.fails(1, &drain).await;
    let left = format!(
        "task {} of web on host-0: RUNNING, protected until ",
        held.short()
    );
    assert!(said.contains(&left), "{said}");
    assert!(said.starts_with("not empty within 1 s:"), "{said}");
    user.qd(&["task", "protect", &held.to_string(), "--off"])
        .await
        .unwrap();
    user.qd(&["instance", "drain", "host-0", "--yes", "--wait"])
        .await
        .unwrap();
    assert!(left_on(&user.now(), "host-0").is_empty());
    user.end().await;
}

#[tokio::test]
async fn protection_is_set_for_the_minutes_asked_and_ended() {
    let user = User::new(1).await;
    user.web(1).await;
    let task = || serving(&user.now(), "web")[0].clone();
    let id = task().id.to_string();
    for (line, minutes) in [
        (&["task", "protect", &id][..], 120),
        (&["task", "protect", &id, "--minutes", "5"][..], 5),
    ] {
        let before = user.now().at.plus_ms(minutes * 60_000);
        user.qd(line).await.unwrap();
        let after = user.now().at.plus_ms(minutes * 60_000);
        let until = task().protected_until.unwrap();
        assert!(before <= until && until <= after, "{line:?}: {until:?}");
    }
    user.qd(&["task", "protect", &id, "--off"]).await.unwrap();
    assert_eq!(task().protected_until, None);
    let said = user
        .fails(2, &["task", "protect", &id, "--minutes", "2881"])
        .await;
    assert!(said.contains("2880"), "{said}");
    user.qd(&["run", "web", "--wait"]).await.unwrap();
    let snapshot = user.now();
    let tasks = snapshot.state.tasks.values();
    let alone = tasks.into_iter().find(|it| it.service.is_none()).unwrap();
    let said = user
        .fails(2, &["task", "protect", &alone.id.to_string()])
        .await;
    assert!(said.contains("service"), "{said}");
    user.end().await;
}

#[tokio::test]
async fn what_if_ends_with_0_where_all_find_a_place_1_where_not_and_2_for_a_wrong_name() {
    let user = User::new(2).await;
    user.web(2).await;
    user.qd(&["plan", "--without", "host-0"]).await.unwrap();
    user.qd(&["plan", "--without-zone", "a"]).await.unwrap();
    user.fails(1, &["plan", "--without", "host-0", "--without", "host-1"])
        .await;
    let said = user.fails(2, &["plan", "--without", "host-7"]).await;
    assert!(said.contains("host-7"), "{said}");
    user.fails(2, &["plan", "--without-zone", "nowhere"]).await;
    assert_eq!(serving(&user.now(), "web").len(), 2, "it was only asked");
    user.end().await;
}

#[tokio::test]
async fn a_plan_ends_with_1_where_something_would_find_no_place() {
    let user = User::new(1).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big.toml");
    for (memory, code) in [(64, 0), (64_000_000, 1)] {
        let text = format!(
            "[[service]]\nserviceName = \"big\"\ntaskDefinition = \"big\"\ndesiredCount = 1\n\n\
             [[taskDefinition]]\nfamily = \"big\"\n\
             containerDefinitions = [{{ name = \"main\", image = \"big:1\", memory = {memory} }}]\n"
        );
        std::fs::write(&file, text).unwrap();
        let line = ["plan", file.to_str().unwrap()];
        match code {
            0 => user.qd(&line).await.unwrap(),
            code => drop(user.fails(code, &line).await),
        }
    }
    user.end().await;
}

#[tokio::test]
async fn the_past_is_listed_and_a_moment_that_is_none_is_told() {
    let user = User::new(1).await;
    user.web(1).await;
    for line in [
        &["history"][..],
        &["history", "--audit", "--service", "web", "--output", "json"],
        &["history", "--until", "2020-01-01T00:00"],
    ] {
        user.qd(line).await.unwrap();
    }
    let said = user.fails(2, &["history", "--since", "yesterday"]).await;
    assert!(said.contains("--since: \"yesterday\" is no time"), "{said}");
    let said = user.fails(2, &["status", "--at", "soon"]).await;
    assert!(said.contains("--at: \"soon\" is no time"), "{said}");
    let said = user
        .fails(1, &["service", "ls", "--at", "2020-01-01T00:00:00Z"])
        .await;
    assert!(
        said.starts_with("the log begins at ") && said.ends_with(" is before that"),
        "{said}"
    );
    user.end().await;
}

/// Of a silent instance nothing is told as certain: not a status, not a health, not an end.
#[tokio::test]
async fn what_a_silent_instance_runs_is_told_with_doubt() {
    let user = User::new(1).await;
    user.web(1).await;
    let snapshot = user.now();
    let mut task = Task::clone(serving(&snapshot, "web")[0]);
    task.containers[0].has_health_check = true;
    task.containers[0].health = crate::model::task::Health::Healthy;
    let row =
        |snapshot: &Snapshot| super::task::table(snapshot, [&task].into_iter()).lines()[1].clone();
    assert!(
        row(&snapshot).contains("RUNNING  HEALTHY  "),
        "{}",
        row(&snapshot)
    );
    assert!(super::task::stopping(&task, false).starts_with("stopping task"));
    user._fleet.cut(&task.instance).unwrap();
    let silent = until(&user.plane.handle, "host-0 is silent", |it| {
        !it.state.hears(&task)
    })
    .await;
    assert!(
        row(&silent).contains("RUNNING?  HEALTHY?  "),
        "{}",
        row(&silent)
    );
    let said = super::task::stopping(&task, true);
    assert!(
        said.ends_with("is to stop: host-0 does not answer, and it may run on there until it does"),
        "{said}"
    );
    // A request stands all the same.
    user.qd(&["task", "stop", &task.id.to_string()])
        .await
        .unwrap();
    user.end().await;
}
