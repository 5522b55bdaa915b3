//! The runtime against a scripted engine, on paused time: what waits is wound on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::fake::{FakeEngine, Mood};
use super::fixture::{PLANE, definition, instance, observed, state, task};
use super::pins_tests::deployed;
use super::{AgentHandle, TokioClock, Tuning, Vault, spawn};
use crate::config::{Endpoint, InstanceSettings, Settings};
use crate::docker::{EngineError, EngineEvent};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::service::ImagePin;
use crate::model::task_definition::NetworkMode;
use crate::model::{
    ClusterName, DesiredStatus, LastStatus, Observation, Snapshot, State, Task, TaskDefinition,
    TaskId, TimeMs,
};

/// An agent, its engine, and a controller that does what the test says.
struct Rig {
    engine: FakeEngine,
    snapshots: watch::Sender<Arc<Snapshot>>,
    reports: mpsc::Receiver<Observation>,
    agent: AgentHandle,
    seen: Vec<Observation>,
}

pub(super) fn settings() -> InstanceSettings {
    InstanceSettings::new(
        instance(),
        ClusterName::default_cluster(),
        Endpoint::Simulated,
    )
}

fn snapshot(state: State) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        state,
        ..Snapshot::default()
    })
}

impl Rig {
    fn new(engine: FakeEngine, state: State) -> Self {
        let (snapshots, watch) = watch::channel(snapshot(state));
        let (out, reports) = mpsc::channel(64);
        let agent = spawn(
            settings(),
            Arc::new(engine.clone()),
            watch,
            out,
            Arc::new(TokioClock::starting_at(TimeMs(1_000_000))),
            Tuning::default(),
            Arc::new(Vault::new(&Settings::new(None, Vec::new(), Vec::new()))),
        );
        Self {
            engine,
            snapshots,
            reports,
            agent,
            seen: Vec::new(),
        }
    }

    fn decide(&self, state: State) {
        self.snapshots.send_replace(snapshot(state));
    }

    /// The next report that matches.
    async fn until(&mut self, what: &str, matches: impl Fn(&Observation) -> bool) -> Observation {
        let search = async {
            loop {
                let report = self.reports.recv().await.expect("the agent goes on");
                self.seen.push(report.clone());
                if matches(&report) {
                    return report;
                }
            }
        };
        match timeout(Duration::from_secs(600), search).await {
            Ok(report) => report,
            Err(_) => panic!("never reported: {what}; seen {:#?}", self.seen),
        }
    }

    async fn containers(
        &mut self,
        what: &str,
        matches: impl Fn(&[ObservedContainer]) -> bool,
    ) -> Arc<Vec<ObservedContainer>> {
        let report = self
            .until(what, |report| {
                matches!(report, Observation::Containers { containers, .. } if matches(containers))
            })
            .await;
        match report {
            Observation::Containers { containers, .. } => containers,
            _ => unreachable!(),
        }
    }

    async fn failure(&mut self) -> String {
        let report = self
            .until("TaskFailed", |r| {
                matches!(r, Observation::TaskFailed { .. })
            })
            .await;
        match report {
            Observation::TaskFailed { reason, .. } => reason,
            _ => unreachable!(),
        }
    }

    async fn running(&mut self, count: usize) -> Arc<Vec<ObservedContainer>> {
        let up = |c: &&ObservedContainer| c.state == ContainerState::Running;
        self.containers("so many running", |all| {
            all.iter().filter(up).count() == count
        })
        .await
    }
}

fn one() -> TaskDefinition {
    definition(json!([{"name": "app", "image": "busybox"}]))
}

fn tasks(count: u128) -> Vec<Task> {
    (1..=count).map(|id| task(id, &one())).collect()
}

fn is_connected(report: &Observation) -> bool {
    matches!(report, Observation::Connected { .. })
}

fn is_lost(report: &Observation) -> bool {
    matches!(report, Observation::Disconnected { .. })
}

#[tokio::test(start_paused = true)]
async fn it_says_what_the_engine_is_and_all_that_it_has() {
    let engine = FakeEngine::new(&[]);
    let mut foreign = observed(7, "x", ContainerState::Running);
    foreign.owner = None;
    engine.add(foreign);
    let mut rig = Rig::new(engine, State::default());
    rig.until("Connected", is_connected).await;
    let all = rig.containers("the list", |_| true).await;
    assert_eq!(all.len(), 1);
    assert!(rig.agent.engine.borrow().is_some());
    // Nothing was decided yet: nothing is done.
    assert_eq!(rig.engine.inner().calls, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn two_tasks_of_one_image_wait_for_one_pull_and_its_progress_is_told() {
    let mut rig = Rig::new(FakeEngine::new(&[]), state(&one(), &tasks(2)));
    rig.running(2).await;
    assert_eq!(rig.engine.calls("pull"), ["pull busybox"]);
    for id in [TaskId(1), TaskId(2)] {
        let told: Vec<_> = rig
            .seen
            .iter()
            .filter_map(|r| match r {
                Observation::Pulling { task, progress } if *task == id => {
                    Some(progress.as_ref().map(|p| p.done_bytes))
                }
                _ => None,
            })
            .collect();
        assert!(told.contains(&Some(20)), "{told:?}");
        assert_eq!(told.last(), Some(&None), "{told:?}");
    }
    assert_eq!(rig.engine.calls("create").len(), 2);
    assert_eq!(rig.engine.calls("network").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_death_is_reported_without_any_delay() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state(&one(), &tasks(2)));
    let all = rig.running(2).await;
    for container in all.iter() {
        // The second one dies right after a report was made.
        let died = Instant::now();
        rig.engine.die(&container.runtime_id, 1);
        rig.containers("the death", |all| {
            all.iter()
                .any(|c| c.runtime_id == container.runtime_id && c.exit_code == Some(1))
        })
        .await;
        assert_eq!(died.elapsed(), Duration::ZERO);
    }
    assert_eq!(
        rig.engine.calls("start").len(),
        2,
        "nothing is started again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_found_though_the_connection_stays_open_and_what_is_new_is_seen_after_it() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state(&one(), &tasks(1)));
    rig.running(1).await;
    rig.engine.set(Mood::Hung);
    let begun = Instant::now();
    let lost = rig.until("Disconnected", is_lost).await;
    let tuning = Tuning::default();
    let bound = tuning.heartbeat + tuning.ping_timeout * (tuning.pings_missed_most + 1);
    assert!(begun.elapsed() <= bound, "{:?}", begun.elapsed());
    assert!(
        matches!(&lost, Observation::Disconnected { reason, heard_at: Some(heard), .. }
            if reason.contains("2 pings") && *heard < TimeMs(1_000_000 + 1_000)),
        "it says when it was last heard, and not when it was given up: {lost:?}"
    );
    assert!(rig.agent.engine.borrow().is_none());

    rig.engine.add(observed(1, "other", ContainerState::Exited));
    rig.engine.set(Mood::Well);
    rig.until("Connected", is_connected).await;
    let all = rig.containers("the list", |_| true).await;
    assert_eq!(all.len(), 2);
    assert!(rig.agent.engine.borrow().is_some());
    assert_eq!(rig.engine.calls("create").len(), 1, "nothing is doubled");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_answers_but_gives_no_list_is_told_of_and_its_containers_stay_known() {
    let engine = FakeEngine::new(&["busybox"]);
    engine.add(observed(1, "other", ContainerState::Running));
    let mut rig = Rig::new(engine, State::default());
    rig.running(1).await;
    let refuse = |times: usize| {
        let long = || EngineError::Failed("the list is longer than 64 MiB".to_owned());
        let errors = std::iter::repeat_with(long).take(times).collect();
        rig.engine.inner().errors.insert("list", errors);
    };
    refuse(2);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(
        rig.agent.engine.borrow().is_some(),
        "two may be bad luck; the third was a list"
    );
    refuse(30);
    let lost = rig.until("Disconnected", is_lost).await;
    assert!(
        matches!(&lost, Observation::Disconnected { reason, .. }
            if reason == "it does not list its containers: the list is longer than 64 MiB"),
        "{lost:?}"
    );
    let empty = |it: &Observation| matches!(it, Observation::Containers { containers, .. } if containers.is_empty());
    assert!(!rig.seen.iter().any(empty), "never as an empty one");
    rig.until("Connected", is_connected).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_was_listed_a_moment_ago_is_not_lost_for_a_few_lists_that_are_refused() {
    let engine = FakeEngine::new(&["busybox"]);
    let other = observed(1, "other", ContainerState::Running);
    let id = other.runtime_id.clone();
    engine.add(other);
    let mut rig = Rig::new(engine, State::default());
    rig.running(1).await;
    let begun = tokio::time::Instant::now();
    let refuse = |call: &'static str, times: usize| {
        let refused = || EngineError::Failed("busy".to_owned());
        let errors = std::iter::repeat_with(refused).take(times).collect();
        rig.engine.inner().errors.insert(call, errors);
    };
    // What could not be inspected is to be listed at once.
    refuse("list", 300);
    refuse("inspect", 1);
    rig.engine.announce(EngineEvent::Container {
        runtime_id: id,
        destroyed: false,
    });
    tokio::time::sleep(Duration::from_secs(20)).await;
    let left = rig.engine.inner().errors["list"].len();
    assert!(left < 290, "it is asked on: {left}");
    assert!(rig.agent.engine.borrow().is_some());
    rig.until("Disconnected", is_lost).await;
    assert!(
        begun.elapsed() >= Duration::from_secs(59),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_create_that_was_cut_short_is_adopted() {
    let engine = FakeEngine::new(&["busybox"]);
    engine.inner().mute.insert("create");
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    rig.containers("made", |all| all.len() == 1).await;
    assert_eq!(
        rig.engine.calls("start").len(),
        0,
        "its create is under way"
    );
    rig.engine.inner().mute.clear();
    rig.engine.set(Mood::Cut);
    rig.until("Disconnected", is_lost).await;
    rig.engine.set(Mood::Well);
    let all = rig.running(1).await;
    assert_eq!(all.len(), 1);
    assert_eq!(rig.engine.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_gets_no_answer_is_looked_for_by_name_and_not_doubled() {
    let engine = FakeEngine::new(&["busybox"]);
    engine.inner().mute.insert("create");
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    rig.containers("made", |all| all.len() == 1).await;
    rig.engine.inner().mute.clear();
    let all = rig.running(1).await;
    assert_eq!((all.len(), rig.engine.calls("create").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_something_else_has_fails_the_task() {
    let engine = FakeEngine::new(&["busybox"]);
    let mut squatter = observed(1, "app", ContainerState::Running);
    squatter.owner = None;
    engine.add(squatter);
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    let reason = rig.failure().await;
    assert!(
        reason.starts_with("CannotCreateContainerError: the name qd-web-1-app-"),
        "{reason}"
    );
    assert_eq!(rig.engine.calls("remove"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_refused_fails_the_task_once_and_is_not_repeated() {
    let engine = FakeEngine::new(&["busybox"]);
    let taken = EngineError::Failed("port is already allocated".to_owned());
    engine.inner().errors.insert("start", [taken].into());
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    assert_eq!(
        rig.failure().await,
        "CannotStartContainerError: port is already allocated"
    );
    rig.engine.announce(EngineEvent::Images);
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(rig.engine.calls("start").len(), 1);
    while let Ok(report) = rig.reports.try_recv() {
        assert!(!matches!(report, Observation::TaskFailed { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_to_be_had_fails_every_task_that_waits_for_it() {
    let engine = FakeEngine::new(&[]);
    let unknown = EngineError::NotFound("manifest unknown".to_owned());
    engine.inner().errors.insert("pull", [unknown].into());
    let mut rig = Rig::new(engine, state(&one(), &tasks(2)));
    for _ in 0..2 {
        assert_eq!(
            rig.failure().await,
            "CannotPullContainerError: busybox: manifest unknown"
        );
    }
    assert_eq!(rig.engine.calls("pull").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_fails_in_passing_is_tried_again() {
    let engine = FakeEngine::new(&[]);
    let passing = || EngineError::Failed("i/o timeout".to_owned());
    engine
        .inner()
        .errors
        .insert("pull", [passing(), passing()].into());
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    rig.running(1).await;
    assert_eq!(rig.engine.calls("pull").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_image_removed_behind_our_back_is_pulled_again() {
    let engine = FakeEngine::new(&["busybox"]);
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    rig.running(1).await;
    rig.engine.inner().images.clear(); // Without announcing it.
    rig.decide(state(&one(), &tasks(2)));
    rig.running(2).await;
    assert_eq!(rig.engine.calls("pull").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_holds_up_no_other() {
    let engine = FakeEngine::new(&["busybox"]);
    engine.inner().mute.insert("start");
    let mut rig = Rig::new(engine, state(&one(), &tasks(1)));
    while rig.engine.calls("start").is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.engine.inner().mute.clear();
    rig.decide(state(&one(), &tasks(2)));
    let begun = Instant::now();
    // The first one's start never answers, and its container is left alone until it does.
    rig.containers("the second one", |all| {
        all.iter().any(|c| {
            c.state == ContainerState::Running
                && c.owner.as_ref().is_some_and(|o| o.task == TaskId(2))
        })
    })
    .await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(rig.engine.calls("start").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn many_tasks_start_side_by_side_but_not_too_many_at_a_time() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state(&one(), &tasks(100)));
    rig.running(100).await;
    let most = rig.engine.inner().creating.1;
    let limit = Tuning::default().makes_at_once;
    assert!((2..=limit).contains(&most), "{most}");
    assert_eq!(rig.engine.calls("create").len(), 100);
    assert_eq!(rig.engine.calls("start").len(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_task_is_stopped_with_its_timeout_and_kept_until_it_leaves_the_state() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state(&one(), &tasks(1)));
    let id = rig.running(1).await[0].runtime_id.clone();
    let mut stopping = task(1, &one());
    stopping.desired_status = DesiredStatus::Stopped;
    stopping.containers[0].runtime_id.clone_from(&id);
    rig.decide(state(&one(), &[stopping.clone()]));
    rig.containers("the end", |all| all[0].state == ContainerState::Exited)
        .await;
    assert_eq!(rig.engine.calls("stop"), [format!("stop {id} 30")]);
    stopping.last_status = LastStatus::Stopped;
    rig.decide(state(&one(), &[stopping]));
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(rig.engine.calls("remove"), [""; 0]);
    rig.decide(state(&one(), &[]));
    rig.containers("nothing", <[_]>::is_empty).await;
    assert_eq!(rig.engine.calls("remove"), [format!("remove {id}")]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_is_stuck_is_told_once_and_tried_until_it_is_done() {
    let mut rig = Rig::new(FakeEngine::new(&[]), state(&one(), &[]));
    rig.containers("the first list", |_| true).await;
    let text = "removal of container x is already in progress";
    let stuck = || EngineError::Conflict(text.to_owned());
    let errors = std::iter::repeat_with(stuck).take(6).collect();
    rig.engine.inner().errors.insert("remove", errors);
    rig.engine.add(observed(1, "app", ContainerState::Dead));
    rig.engine.announce(EngineEvent::Container {
        runtime_id: "id-app-1".to_owned(),
        destroyed: false,
    });
    let told = rig
        .until("Stuck", |r| matches!(r, Observation::Stuck { .. }))
        .await;
    let expected = Observation::Stuck {
        instance: instance(),
        task: Some(TaskId(1)),
        reason: format!("container app cannot be removed: {text}"),
    };
    assert_eq!(told, expected);
    rig.containers("nothing", <[_]>::is_empty).await;
    assert_eq!(rig.engine.calls("remove").len(), 7);
    let again = rig.seen.iter().filter(|r| **r == expected);
    assert_eq!(again.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_a_task_that_never_began_is_confirmed_by_a_report() {
    let mut rig = Rig::new(FakeEngine::new(&[]), state(&one(), &[]));
    rig.containers("the first list", |_| true).await;
    let mut stopping = task(1, &one());
    stopping.desired_status = DesiredStatus::Stopped;
    let decided = Instant::now();
    rig.decide(state(&one(), &[stopping]));
    rig.containers("the confirmation", <[_]>::is_empty).await;
    assert!(decided.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn orphans_of_this_control_plane_go_and_foreign_ones_stay() {
    let engine = FakeEngine::new(&[]);
    engine.add(observed(8, "app", ContainerState::Running));
    let mut foreign = observed(9, "app", ContainerState::Running);
    if let Some(owner) = &mut foreign.owner {
        owner.control_plane = format!("not-{PLANE}");
    }
    engine.add(foreign);
    let mut rig = Rig::new(engine, State::default());
    rig.containers("both", |all| all.len() == 2).await;
    rig.decide(state(&one(), &[]));
    let left = rig.containers("one", |all| all.len() == 1).await;
    assert_eq!(left[0].runtime_id, "id-app-9");
    assert_eq!(rig.engine.calls("stop"), ["stop id-app-8 30"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_not_there_is_tried_with_growing_pauses_and_told_once() {
    let engine = FakeEngine::new(&[]);
    engine.set(Mood::Cut);
    let mut rig = Rig::new(engine, State::default());
    rig.until("the tenth attempt", |r| {
        matches!(r, Observation::Agent { status, .. }
            if status.attempts == 10 && status.retry_at.is_some())
    })
    .await;
    assert_eq!(rig.engine.inner().connects, 10);
    assert_eq!(rig.seen.iter().filter(|r| is_lost(r)).count(), 1);
    rig.engine.set(Mood::Well);
    rig.until("Connected", is_connected).await;
    rig.until("all is well", |r| {
        matches!(r, Observation::Agent { status, .. }
            if status.attempts == 0 && status.retry_at.is_none() && status.heard_at.is_some())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_no_event_told_is_found_by_the_resync() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state(&one(), &tasks(1)));
    let id = rig.running(1).await[0].runtime_id.clone();
    if let Some(container) = rig.engine.inner().containers.get_mut(&id) {
        container.state = ContainerState::Exited;
    }
    rig.containers("the end", |all| all[0].state == ContainerState::Exited)
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_engine_is_quiet() {
    let mut rig = Rig::new(FakeEngine::new(&[]), state(&one(), &[]));
    rig.containers("the first list", |_| true).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    while rig.reports.try_recv().is_ok() {}
    tokio::time::sleep(Duration::from_secs(20)).await;
    // Heartbeats went on; nothing a person would see changed. Who asks hears of them.
    assert!(rig.reports.try_recv().is_err());
    let heard = rig.agent.heard.at().unwrap();
    let beat = Tuning::default().heartbeat.as_millis() as u64;
    assert!(
        heard.0 + beat >= 1_000_000 + 50_000,
        "last heard at {heard:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_takes_too_long_is_ended_when_its_time_is_up_though_nothing_happens() {
    let waiting = definition(json!([
        {"name": "app", "image": "busybox",
         "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}]},
        {"name": "db", "image": "busybox", "essential": false, "startTimeout": 5,
         "healthCheck": {"command": ["CMD", "false"]}},
    ]));
    let begun = Instant::now();
    let state = state(&waiting, &[task(1, &waiting)]);
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state);
    let reason = rig.failure().await;
    assert!(reason.contains("startTimeout of 5 s"), "{reason}");
    assert!(rig.engine.calls("start made").len() == 1, "only db started");
    // Long before the next whole list, which would have told it too.
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_restart_policy_starts_the_same_container_again() {
    let lasting = definition(json!([{"name": "app", "image": "busybox",
        "restartPolicy": {"enabled": true, "restartAttemptPeriod": 60}}]));
    let state = state(&lasting, &[task(1, &lasting)]);
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), state);
    let id = rig.running(1).await[0].runtime_id.clone();
    if let Some(container) = rig.engine.inner().containers.get_mut(&id) {
        (container.started_at, container.finished_at) = (Some(TimeMs(0)), Some(TimeMs(60_000)));
    }
    rig.engine.die(&id, 1);
    rig.running(0).await;
    assert_eq!(rig.running(1).await[0].runtime_id, id);
    assert_eq!(rig.engine.calls("start").len(), 2);
    assert_eq!(rig.engine.calls("create").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_comes_up_in_its_holder_and_leaves_no_holder_behind() {
    let mut shared = one();
    shared.network_mode = NetworkMode::Awsvpc;
    let wanted = state(&shared, &[task(1, &shared)]);
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), wanted);
    rig.running(2).await;
    assert_eq!(rig.engine.calls("holder").len(), 1);
    let created = rig.engine.calls("create");
    assert!(created[0].contains("internal.pause"), "{created:?}");
    assert!(created[1].contains("qd-web-1-app-"), "{created:?}");
    let mut stopping = task(1, &shared);
    stopping.desired_status = DesiredStatus::Stopped;
    rig.decide(state(&shared, &[stopping]));
    rig.containers("the holder to be gone", |all| {
        all.len() == 1 && all[0].state == ContainerState::Exited
    })
    .await;
    let stops = rig.engine.calls("stop");
    assert_eq!(stops, ["stop made-2 30", "stop made-1 0"]);
    assert_eq!(rig.engine.calls("remove"), ["remove made-1"]);
}

#[tokio::test(start_paused = true)]
async fn where_no_holder_can_be_made_its_tasks_fail_and_say_why() {
    let mut shared = one();
    shared.network_mode = NetworkMode::Awsvpc;
    let engine = FakeEngine::new(&["busybox"]);
    let refused = EngineError::Refused("no program for this processor".to_owned());
    engine.inner().errors.insert("holder", [refused].into());
    let mut rig = Rig::new(engine, state(&shared, &[task(1, &shared)]));
    assert_eq!(
        rig.failure().await,
        "CannotCreateContainerError: the task's own network: no program for this processor"
    );
}

#[tokio::test(start_paused = true)]
async fn a_digest_that_cannot_be_pulled_fails_its_task_and_names_the_image_it_was_pinned_for() {
    // A local build under the same tag is there, and is not run instead.
    let engine = FakeEngine::new(&["busybox"]);
    let unknown = EngineError::NotFound("manifest unknown".to_owned());
    engine.inner().errors.insert("pull", [unknown].into());
    let state = deployed(&one(), Some(ImagePin::to_digest("sha256:1")));
    let mut rig = Rig::new(engine, state);
    assert_eq!(
        rig.failure().await,
        "CannotPullContainerError: busybox@sha256:1: manifest unknown (its deployment is pinned \
         to this digest of busybox)"
    );
    assert_eq!(rig.engine.calls("create"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_no_instance_resolves_runs_here_once_that_is_decided() {
    let mut rig = Rig::new(FakeEngine::new(&["busybox"]), deployed(&one(), None));
    // It asks again while the others are still to answer.
    let asked = |rig: &Rig| rig.engine.calls("resolve").len();
    while asked(&rig) < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(rig.engine.calls("create"), [""; 0]);
    let local = ImagePin {
        is_local: true,
        ..ImagePin::default()
    };
    rig.decide(deployed(&one(), Some(local)));
    rig.running(1).await;
}
