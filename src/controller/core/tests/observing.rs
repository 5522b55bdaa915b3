use std::collections::BTreeSet;
use std::sync::Arc;

use super::rig::{Rig, foreign, info, instance_name, made};
use crate::controller::core::Input;
use crate::model::observation::{AgentStatus, ContainerState};
use crate::model::task::{Health, NetworkBinding, PullProgress};
use crate::model::{
    CpuUnits, DesiredStatus, HostPort, InstanceStatus, LastStatus, MemoryMib, Observation,
    Protocol, Severity, StopCode, TaskId, TimeMs,
};
use serde_json::{Value, json};

pub(super) fn one_task(more: Value) -> (Rig, TaskId) {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", more);
    rig.create("web", 1);
    let id = rig.tasks()[0].id;
    (rig, id)
}

pub(super) fn put(rig: &mut Rig, task: TaskId, container: &str, state: ContainerState) {
    let made = made(&rig.state.control_plane, task, container, state);
    rig.hosts.get_mut(&instance_name("a")).unwrap().push(made);
}

/// A task of `app` and, essential or not, `side`.
fn pair(essential: bool) -> (Rig, TaskId) {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.ask(
        "RegisterTaskDefinition",
        json!({"family": "web", "containerDefinitions": [
            {"name": "app", "image": "x", "memory": 64},
            {"name": "side", "image": "x", "memory": 64, "essential": essential}]}),
    )
    .unwrap();
    rig.create("web", 1);
    let id = rig.tasks()[0].id;
    (rig, id)
}

#[test]
fn an_instance_registers_with_what_its_engine_says() {
    let mut rig = Rig::unreached(&[("a", "z1")]);
    rig.observe(Observation::Connected {
        instance: instance_name("a"),
        info: info("a"),
    });
    assert_eq!(rig.instance("a").status, InstanceStatus::Registering);
    assert!(
        !rig.instance("a").is_connected(),
        "its containers are not known yet"
    );
    rig.list("a");
    let instance = rig.instance("a");
    assert_eq!(instance.status, InstanceStatus::Active);
    assert!(instance.is_connected());
    assert_eq!(instance.registered_at, Some(rig.now));
    assert_eq!(instance.capacity.cpu, CpuUnits(4096));
    for (name, value) in [
        ("ecs.os-type", "linux"),
        ("ecs.cpu-architecture", "arm64"),
        ("ecs.instance-type", "4cpu-8gib"),
        ("quarterdeck.docker-version", "28.5.2"),
    ] {
        assert_eq!(instance.attribute(name), Some(value));
    }
    rig.told("(instance a) registered: 4096 CPU units, 7900 MiB, Docker 28.5.2.");
    let before = rig.state.clone();
    rig.connect("a");
    assert_eq!(rig.state, before, "the same again is no change");
}

#[test]
fn clones_and_old_engines_are_warned_of_once() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    let mut clone = info("a");
    clone.api_version = "1.40".to_owned();
    for _ in 0..2 {
        rig.observe(Observation::Connected {
            instance: instance_name("b"),
            info: clone.clone(),
        });
    }
    rig.told("(instance b) has the same engine id as a");
    rig.told("older than 1.41");
}

#[test]
fn silence_counts_from_its_first_moment_and_is_told_once() {
    let mut rig = Rig::new(&[("a", "z1")]);
    let since = rig.now.plus_ms(500);
    rig.now = since;
    rig.cut("a");
    rig.now = rig.now.plus_ms(2_500);
    rig.cut("a");
    assert_eq!(rig.instance("a").disconnected_since(), Some(since));
    rig.told("(instance a) does not answer: connection refused");
    rig.connect("a");
    rig.told("(instance a) answers again after 2 s.");
}

#[test]
fn an_instance_that_was_never_reached_is_told_of() {
    let mut rig = Rig::unreached(&[("a", "z1")]);
    let since = rig.now;
    rig.now = rig.now.plus_ms(9_000);
    rig.cut("a");
    rig.told("(instance a) does not answer: connection refused");
    assert_eq!(rig.instance("a").disconnected_since(), Some(since));
}

#[test]
fn what_belongs_to_no_task_here_counts_as_used_while_it_is_up() {
    let mut rig = Rig::new(&[("a", "z1")]);
    let port = HostPort {
        port: 80,
        protocol: Protocol::Tcp,
    };
    let mut nginx = foreign(ContainerState::Running);
    nginx.host_ports = vec![port];
    let copied = {
        // An image committed from one of ours carries our labels, but not our name.
        let mut copied = made(
            &rig.state.control_plane,
            TaskId(7),
            "x",
            ContainerState::Running,
        );
        copied.name = "copy".to_owned();
        copied
    };
    let others = made("another", TaskId(9), "x", ContainerState::Running);
    // Ours, of a task that nobody knows: it is removed, and in the way until then.
    let left = made(
        &rig.state.control_plane,
        TaskId(8),
        "x",
        ContainerState::Running,
    );
    let down = foreign(ContainerState::Exited);
    rig.hosts
        .insert(instance_name("a"), vec![nginx, copied, others, left, down]);
    rig.list("a");
    let instance = rig.instance("a");
    assert_eq!(instance.foreign_count, 4);
    assert_eq!(instance.foreign.cpu, CpuUnits(400));
    assert_eq!(instance.foreign.memory, MemoryMib(800));
    assert_eq!(*instance.foreign.ports, BTreeSet::from([port]));
}

#[test]
fn a_task_comes_up_step_by_step() {
    let (mut rig, id) = pair(false);
    assert_eq!(rig.task(id).last_status, LastStatus::Provisioning);
    rig.list("a");
    assert_eq!(
        rig.task(id).last_status,
        LastStatus::Pending,
        "nothing there is not a failure"
    );
    put(&mut rig, id, "app", ContainerState::Created);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Pending);
    rig.edit(id, |c| c.state = ContainerState::Running);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Activating);
    put(&mut rig, id, "side", ContainerState::Running);
    rig.now = rig.now.plus_ms(5);
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.last_status, LastStatus::Running);
    assert_eq!(task.started_at, Some(rig.now));
    assert_eq!(task.containers[0].image_digest.as_deref(), Some("sha256:1"));
    assert!(task.containers[0].runtime_id.starts_with("run-app-"));
    rig.told("is RUNNING on (instance a).");
    let decision = rig.list("a");
    assert_eq!(decision.changes, vec![], "the same list again is no change");
}

#[test]
fn a_container_that_is_not_essential_may_end() {
    let (mut rig, id) = pair(false);
    put(&mut rig, id, "app", ContainerState::Running);
    put(&mut rig, id, "side", ContainerState::Exited);
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.last_status, LastStatus::Running);
    assert_eq!(task.containers[1].last_status, LastStatus::Stopped);
    assert_eq!(task.desired_status, DesiredStatus::Running);
}

#[test]
fn the_end_of_an_essential_container_is_the_end_of_the_task() {
    let (mut rig, id) = pair(true);
    put(&mut rig, id, "app", ContainerState::Running);
    put(&mut rig, id, "side", ContainerState::Running);
    rig.list("a");
    rig.edit(id, |c| {
        if c.owner.as_ref().unwrap().container.as_str() == "app" {
            c.state = ContainerState::Exited;
            c.exit_code = Some(3);
        }
    });
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.desired_status, DesiredStatus::Stopped);
    assert_eq!(
        task.last_status,
        LastStatus::Stopping,
        "the other still runs"
    );
    assert_eq!(task.stop_code, Some(StopCode::EssentialContainerExited));
    assert_eq!(
        task.stopped_reason.as_deref(),
        Some("Essential container in task exited")
    );
    assert_eq!(task.containers[0].exit_code, Some(3));
    rig.told("is stopping on (instance a): Essential container in task exited (app: exit code 3).");
    rig.edit(id, |c| c.state = ContainerState::Exited);
    rig.now = rig.now.plus_ms(7);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Stopped);
    assert_eq!(rig.task(id).stopped_at, Some(rig.now));
    assert_eq!(rig.tasks().len(), 1, "replaced");
}

#[test]
fn a_kill_for_memory_is_told_apart_from_an_ordinary_kill() {
    for (oom, reason) in [
        (false, None),
        (
            true,
            Some("OutOfMemoryError: Container killed due to memory usage"),
        ),
    ] {
        let (mut rig, id) = one_task(json!({}));
        put(&mut rig, id, "main", ContainerState::Exited);
        rig.edit(id, |c| {
            c.exit_code = Some(137);
            c.oom_killed = oom;
        });
        rig.list("a");
        let container = &rig.task(id).containers[0];
        assert_eq!(container.exit_code, Some(137));
        assert_eq!(container.oom_killed, oom);
        assert_eq!(container.reason.as_deref(), reason);
    }
}

#[test]
fn a_container_that_was_there_and_is_not_was_removed() {
    let (mut rig, id) = one_task(json!({}));
    put(&mut rig, id, "main", ContainerState::Running);
    rig.list("a");
    rig.hosts.insert(instance_name("a"), Vec::new());
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.last_status, LastStatus::Stopped);
    assert_eq!(task.stop_code, Some(StopCode::EssentialContainerExited));
    let reason = task.containers[0].reason.as_deref().unwrap();
    assert!(reason.contains("removed"), "{reason}");
    assert_eq!(task.containers[0].exit_code, None);
}

#[test]
fn a_stop_is_confirmed_when_nothing_runs_any_more_or_never_did() {
    for state in [None, Some(ContainerState::Exited)] {
        let (mut rig, id) = one_task(json!({}));
        rig.ask("StopTask", json!({"task": id.to_string()}))
            .unwrap();
        assert!(!rig.task(id).is_stopped(), "not before the list tells it");
        if let Some(state) = state {
            put(&mut rig, id, "main", state);
        }
        rig.list("a");
        assert!(rig.task(id).is_stopped(), "{state:?}");
        assert_eq!(rig.task(id).stop_code, Some(StopCode::UserInitiated));
    }
    let (mut rig, id) = one_task(json!({}));
    rig.ask("StopTask", json!({"task": id.to_string()}))
        .unwrap();
    put(&mut rig, id, "main", ContainerState::Paused);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Stopping);
    // A created one may be about to start: it holds what it asked for until it is removed.
    let (mut rig, id) = one_task(json!({}));
    rig.ask("StopTask", json!({"task": id.to_string()}))
        .unwrap();
    put(&mut rig, id, "main", ContainerState::Created);
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Stopping);
    rig.hosts.insert(instance_name("a"), Vec::new());
    rig.list("a");
    assert!(rig.task(id).is_stopped());
    assert_eq!(rig.task(id).containers[0].reason, None);
}

#[test]
fn a_stopped_task_never_comes_back() {
    let (mut rig, id) = one_task(json!({}));
    put(&mut rig, id, "main", ContainerState::Exited);
    rig.list("a");
    let stopped = rig.task(id).clone();
    rig.edit(id, |c| c.state = ContainerState::Running);
    rig.list("a");
    assert_eq!(rig.task(id), &stopped);
}

#[test]
fn a_task_that_cannot_start_says_why_and_keeps_its_place_until_that_is_confirmed() {
    let (mut rig, id) = one_task(json!({}));
    let reason = "CannotPullContainerError: manifest unknown".to_owned();
    let failed = Observation::TaskFailed {
        task: id,
        container: "main".parse().unwrap(),
        reason: reason.clone(),
    };
    rig.observe(failed.clone());
    let task = rig.task(id);
    assert_eq!(task.stop_code, Some(StopCode::TaskFailedToStart));
    assert_eq!(task.stopped_reason.as_deref(), Some(reason.as_str()));
    assert_eq!(task.containers[0].reason.as_deref(), Some(reason.as_str()));
    assert!(!task.is_stopped());
    rig.told("failed to start on (instance a): container main: CannotPullContainerError");
    rig.observe(failed);
    rig.told("failed to start on (instance a)");
    rig.list("a");
    assert!(rig.task(id).is_stopped());
    assert_eq!(rig.task(id).stop_code, Some(StopCode::TaskFailedToStart));
}

#[test]
fn health_is_taken_in_and_its_turns_are_told() {
    let check = json!({"healthCheck": {"command": ["CMD", "true"]}});
    let (mut rig, id) = one_task(check);
    put(&mut rig, id, "main", ContainerState::Running);
    rig.list("a");
    assert_eq!(rig.task(id).health(), Health::Unknown);
    assert_eq!(rig.running(), 0, "a checked task serves when it is healthy");
    for health in [Health::Healthy, Health::Unhealthy] {
        rig.edit(id, |c| c.health = Some(health));
        rig.list("a");
        assert_eq!(rig.task(id).health(), health);
    }
    rig.told("failed container health checks.");
}

#[test]
fn ports_are_taken_in_in_one_order() {
    let (mut rig, id) = one_task(json!({}));
    put(&mut rig, id, "main", ContainerState::Running);
    let binding = |host: u16| NetworkBinding {
        bind_ip: "0.0.0.0".to_owned(),
        container_port: 80,
        host_port: host,
        protocol: Protocol::Tcp,
    };
    rig.edit(id, |c| c.network_bindings = vec![binding(2), binding(1)]);
    rig.list("a");
    rig.edit(id, |c| c.network_bindings = vec![binding(1), binding(2)]);
    assert_eq!(rig.list("a").changes, vec![]);
    rig.edit(id, |c| {
        c.state = ContainerState::Exited;
        c.network_bindings.clear();
    });
    rig.list("a");
    let kept = &rig.task(id).containers[0].network_bindings;
    assert_eq!(kept.len(), 2, "what it had is still shown");
}

#[test]
fn what_is_true_only_now_is_no_change() {
    let (mut rig, id) = one_task(json!({}));
    let progress = PullProgress {
        image: "busybox".to_owned(),
        done_bytes: 1,
        total_bytes: 2,
    };
    let pulling = |progress| Observation::Pulling { task: id, progress };
    let decision = rig.observe(pulling(Some(progress.clone())));
    assert_eq!(decision.changes, vec![]);
    assert_eq!(decision.live.unwrap().pulls[&id], progress);
    assert_eq!(
        rig.observe(pulling(Some(progress))).live,
        None,
        "the same again"
    );
    assert!(rig.observe(pulling(None)).live.unwrap().pulls.is_empty());
    let agent = |name: &str| Observation::Agent {
        instance: instance_name(name),
        status: AgentStatus {
            attempts: 3,
            ..AgentStatus::default()
        },
    };
    assert!(rig.observe(agent("a")).live.is_some());
    assert!(rig.observe(agent("a")).live.is_none());
    assert!(rig.observe(agent("nobody")).live.is_none());
}

#[test]
fn a_clock_that_is_set_during_a_silence_changes_nothing_of_when_a_host_was_heard() {
    const HOUR: i64 = 3_600_000;
    for by_ms in [HOUR, -HOUR] {
        let mut rig = Rig::new(&[("a", "z1")]);
        rig.now = rig.now.plus_ms(2 * HOUR as u64);
        let heard = TimeMs(rig.now.0 - 10_000);
        rig.cut_heard("a", Some(heard));
        rig.now = TimeMs(rig.now.0.saturating_add_signed(by_ms));
        rig.decide(vec![Input::ClockStepped { by_ms }]);
        rig.wake_after(5_000);
        // The agent has not heard it since, and goes by the clock as it was then.
        rig.cut_because("a", Some(heard), "no route to host");
        let shown = rig.instance("a").silent_since().unwrap();
        assert_eq!(rig.now.since_ms(shown), 15_000, "{by_ms}");
        // It answered in between, though it was not listed.
        let later = TimeMs(rig.now.0 - 1_000);
        rig.cut_because("a", Some(later), "connection refused");
        assert_eq!(rig.instance("a").heard_at, Some(later));
    }
}

#[test]
fn reports_of_what_is_not_known_are_nothing() {
    let mut rig = Rig::new(&[("a", "z1")]);
    let before = rig.state.clone();
    let nobody = instance_name("nobody");
    for observation in [
        Observation::Connected {
            instance: nobody.clone(),
            info: info("x"),
        },
        Observation::Disconnected {
            instance: nobody.clone(),
            reason: "x".to_owned(),
            heard_at: None,
        },
        Observation::Containers {
            instance: nobody,
            containers: Arc::default(),
        },
        Observation::TaskFailed {
            task: TaskId(1),
            container: "main".parse().unwrap(),
            reason: "x".to_owned(),
        },
    ] {
        assert_eq!(rig.observe(observation).changes, vec![]);
    }
    assert_eq!(rig.state, before);
}

#[test]
fn a_lost_host_is_replaced_after_the_grace_period_and_exactly_n_remain_when_it_returns() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2"), ("c", "z3")]);
    rig.register("web", json!({}));
    rig.create("web", 6);
    rig.settle();
    rig.cut("b");
    rig.wake_after(29_000);
    assert_eq!(rig.tasks().len(), 6, "waited for");
    let due = rig.wake_at.unwrap();
    assert_eq!(due.since_ms(rig.now), 1_000);
    rig.wake_after(1_000);
    rig.settle();
    assert_eq!(rig.running(), 6);
    assert_eq!(
        rig.tasks().len(),
        8,
        "the two lost ones are not stopped, only lost"
    );
    rig.connect("b");
    rig.settle();
    assert_eq!(rig.running(), 6);
    assert_eq!(rig.tasks().len(), 6, "exactly N remain");
}

#[test]
fn a_host_that_comes_back_empty_never_makes_the_service_dip() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 4);
    rig.settle();
    rig.cut("b");
    rig.wake_after(31_000);
    rig.settle();
    assert_eq!(rig.running(), 4);
    rig.hosts.insert(instance_name("b"), Vec::new());
    rig.observe(Observation::Connected {
        instance: instance_name("b"),
        info: info("b"),
    });
    assert_eq!(rig.running(), 4, "what b still has is not known yet");
    rig.list("b");
    assert_eq!(
        rig.running(),
        4,
        "its lost tasks are gone and nothing was stopped for them"
    );
    assert_eq!(
        rig.service("web").backoff.failures,
        0,
        "a lost host is no failure of the task"
    );
    rig.settle();
    assert_eq!((rig.running(), rig.tasks().len()), (4, 4));
}

#[test]
fn a_task_run_by_hand_that_ends_well_is_no_warning() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("job", json!({}));
    rig.ask("RunTask", json!({"taskDefinition": "job"}))
        .unwrap();
    let id = rig.tasks()[0].id;
    put(&mut rig, id, "main", ContainerState::Exited);
    rig.edit(id, |c| c.exit_code = Some(0));
    rig.list("a");
    let last = rig.state.events.back().unwrap();
    assert!(
        last.message.contains("(main: exit code 0)"),
        "{}",
        last.message
    );
    assert_eq!(last.severity, Severity::Info);
}

/// The container as it is while it runs, and after it ran for that long, from 1 s on.
fn run_of(task: &mut crate::model::observation::ObservedContainer, from: u64, ended: Option<u64>) {
    task.started_at = Some(TimeMs(from));
    task.finished_at = ended.map(TimeMs);
    task.exit_code = ended.map(|_| 7);
    task.state = match ended {
        Some(_) => ContainerState::Exited,
        None => ContainerState::Running,
    };
}

#[test]
fn a_restart_policy_keeps_its_task_running_and_every_restart_is_counted_and_told() {
    let (mut rig, id) = one_task(json!({"restartPolicy":
        {"enabled": true, "restartAttemptPeriod": 60}}));
    put(&mut rig, id, "main", ContainerState::Running);
    rig.edit(id, |c| run_of(c, 1_000, None));
    rig.list("a");
    assert_eq!(rig.task(id).last_status, LastStatus::Running);
    // It ended after an hour; its agent is about to start it again.
    rig.edit(id, |c| run_of(c, 1_000, Some(3_601_000)));
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(
        (
            task.last_status,
            task.desired_status,
            task.containers[0].restart_count
        ),
        (LastStatus::Running, DesiredStatus::Running, 0)
    );
    assert_eq!(task.containers[0].exit_code, Some(7));
    rig.edit(id, |c| run_of(c, 3_602_000, None));
    rig.list("a");
    let container = rig.task(id).containers[0].clone();
    assert_eq!((container.restart_count, container.exit_code), (1, None));
    rig.told("restarted container main on (instance a) after exit code 7 (restart 1).");
    // The same list again changes nothing, and a restart whose end nobody saw counts too.
    rig.list("a");
    rig.edit(id, |c| run_of(c, 9_000_000, None));
    rig.list("a");
    assert_eq!(rig.task(id).containers[0].restart_count, 2);
    rig.told("restarted container main on (instance a) (restart 2).");
    // It ends too soon: that ends the task, as without a policy.
    rig.edit(id, |c| run_of(c, 9_000_000, Some(9_001_000)));
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.stop_code, Some(StopCode::EssentialContainerExited));
    assert!(task.is_stopped());
}

/// A task of one container in a network of its own, and its holder as its engine has it.
fn with_holder(port: Value) -> (Rig, TaskId) {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.ask(
        "RegisterTaskDefinition",
        json!({"family": "web", "networkMode": "awsvpc", "containerDefinitions": [
            {"name": "main", "image": "x", "memory": 64, "portMappings": [port]}]}),
    )
    .unwrap();
    rig.create("web", 1);
    let id = rig.tasks()[0].id;
    put(&mut rig, id, "main", ContainerState::Running);
    let mut holder = made(
        &rig.state.control_plane,
        id,
        "main",
        ContainerState::Running,
    );
    holder.runtime_id = "run-holder".to_owned();
    holder.owner.as_mut().unwrap().container = crate::model::ContainerName::holder();
    holder.address = Some("172.18.0.7".to_owned());
    holder.network_bindings = vec![NetworkBinding {
        bind_ip: "0.0.0.0".to_owned(),
        container_port: 80,
        host_port: 80,
        protocol: Protocol::Tcp,
    }];
    let host = instance_name("a");
    rig.hosts.get_mut(&host).unwrap().push(holder);
    (rig, id)
}

#[test]
fn a_holders_address_and_ports_are_its_tasks_and_it_is_none_of_the_containers() {
    let (mut rig, id) = with_holder(json!({"containerPort": 80, "hostPort": 80}));
    rig.list("a");
    let task = rig.task(id);
    assert_eq!(task.last_status, LastStatus::Running);
    assert_eq!(task.address.as_deref(), Some("172.18.0.7"));
    assert_eq!(task.containers.len(), 1);
    assert_eq!(task.containers[0].network_bindings[0].host_port, 80);
    // Nor is it somebody else's.
    assert_eq!(rig.instance("a").foreign_count, 0);
}

#[test]
fn a_holders_end_ends_its_task_and_a_stop_is_confirmed_after_it() {
    let is_holder = |c: &crate::model::observation::ObservedContainer| {
        c.owner.as_ref().is_some_and(|o| o.container.is_holder())
    };
    for removed in [false, true] {
        let (mut rig, id) = with_holder(json!({"containerPort": 80}));
        rig.list("a");
        let host = rig.hosts.get_mut(&instance_name("a")).unwrap();
        if removed {
            host.retain(|c| !is_holder(c));
        }
        for holder in host.iter_mut().filter(|c| is_holder(c)) {
            holder.state = ContainerState::Exited;
            holder.exit_code = Some(137);
        }
        rig.list("a");
        let task = rig.task(id);
        assert_eq!(task.desired_status, DesiredStatus::Stopped);
        assert_eq!(task.stop_code, Some(StopCode::EssentialContainerExited));
        let reason = task.stopped_reason.clone().unwrap();
        let how = if removed {
            "was removed"
        } else {
            "ended with exit code 137"
        };
        assert!(
            reason.contains(how) && reason.contains("~pause"),
            "{reason}"
        );
        assert_eq!(task.last_status, LastStatus::Stopping, "main runs yet");
    }
    let (mut rig, id) = with_holder(json!({"containerPort": 80}));
    rig.list("a");
    rig.ask("StopTask", json!({"task": id.to_string()}))
        .unwrap();
    for holder in [false, true] {
        assert!(!rig.task(id).is_stopped());
        let host = rig.hosts.get_mut(&instance_name("a")).unwrap();
        for container in host.iter_mut().filter(|c| is_holder(c) == holder) {
            container.state = ContainerState::Exited;
        }
        rig.list("a");
    }
    assert!(rig.task(id).is_stopped());
}
