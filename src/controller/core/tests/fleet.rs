use super::rig::{ATTEMPT_MS, Rig, instance_name, settings};
use crate::controller::core::{Input, orphans};
use crate::model::instance::attribute;
use crate::model::service::DEFAULT_GRACE_S;
use crate::model::{
    ClusterName, Connection, HostPort, InstanceStatus, LastStatus, MemoryMib, Protocol, Resources,
    StopCode, TaskId, TimeMs,
};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn a_first_configuration_draws_an_id_and_registers_what_it_names() {
    let rig = Rig::unreached(&[("a", "z1")]);
    assert_eq!(rig.state.control_plane.len(), 16);
    let instance = rig.instance("a");
    assert_eq!(instance.status, InstanceStatus::Registering);
    assert_eq!(
        instance.connection,
        Connection::Disconnected {
            since: rig.now,
            reason: "not yet reached".to_owned()
        }
    );
    assert_eq!(instance.zone(), "z1");
    assert_eq!(instance.attribute("disk"), Some("ssd"));
}

#[test]
fn the_default_cluster_is_there_without_asking_and_the_same_configuration_changes_nothing() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.fleet.clusters.clear();
    let id = rig.state.control_plane.clone();
    rig.live
        .agents
        .insert(instance_name("a"), Default::default());
    let before = rig.state.clone();
    rig.configure();
    assert_eq!(rig.state, before);
    assert_eq!(rig.state.control_plane, id);
    assert!(rig.state.clusters[&ClusterName::default_cluster()].configured);
}

#[test]
fn a_change_of_the_file_reaches_the_instance_and_the_engines_own_attributes_stay() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.live
        .agents
        .insert(instance_name("a"), Default::default());
    let mut changed = settings("a", "z9");
    changed.attributes.clear();
    changed.reserved = Resources {
        memory: MemoryMib(512),
        ..Resources::default()
    };
    rig.fleet.instances = vec![changed];
    rig.configure();
    let instance = rig.instance("a");
    assert!(instance.is_connected());
    assert_eq!(instance.zone(), "z9");
    assert_eq!(instance.reserved.memory, MemoryMib(512));
    assert_eq!(instance.attribute("disk"), None);
    assert_eq!(
        instance.attribute(attribute::CPU_ARCHITECTURE),
        Some("arm64")
    );
    assert_eq!(
        instance.attribute(attribute::INSTANCE_TYPE),
        Some("4cpu-8gib")
    );
    let mut typed = settings("a", "z9");
    typed.instance_type = Some("m5.large".to_owned());
    rig.fleet.instances = vec![typed];
    rig.configure();
    rig.connect("a");
    let kind = rig.instance("a").attribute(attribute::INSTANCE_TYPE);
    assert_eq!(kind, Some("m5.large"));
}

#[test]
fn after_a_restart_nobody_is_connected_until_it_was_reached_and_nobody_is_lost_for_it() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    rig.settle();
    let tasks = rig.tasks();
    let told = rig.messages().len();
    rig.live = Default::default();
    rig.now = rig.now.plus_ms(3_600_000);
    rig.configure();
    assert!(!rig.instance("a").is_connected());
    assert_eq!(rig.instance("a").disconnected_since(), Some(rig.now));
    rig.wake_after(1_000);
    rig.connect("a");
    rig.connect("b");
    assert_eq!(rig.tasks(), tasks, "the same tasks, untouched");
    assert_eq!(rig.messages().len(), told, "{:#?}", rig.messages());
}

fn task_of_a(rig: &Rig) -> TaskId {
    let a = instance_name("a");
    rig.state.instance_tasks(&a).next().unwrap().id
}

/// Two hosts with one task each, `a` of which is silent by now, last heard 10 s before; and `a`'s
/// task.
fn silent_a() -> (Rig, TaskId) {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    rig.settle();
    let task = task_of_a(&rig);
    rig.now = rig.now.plus_ms(10_000);
    rig.cut_heard("a", Some(TimeMs(rig.now.0 - 10_000)));
    (rig, task)
}

/// The control plane ends now and starts so much later; `b` answers at once.
fn restart_after(rig: &mut Rig, ms: u64) {
    let killed = rig.now;
    rig.live = Default::default();
    rig.now = rig.now.plus_ms(ms);
    rig.begin(Some(killed));
    rig.connect("b");
}

const GRACE_MS: u64 = DEFAULT_GRACE_S as u64 * 1_000;

#[test]
fn a_restart_does_not_begin_the_silence_of_a_lost_host_anew_and_does_not_count_the_time_away() {
    let (mut rig, task) = silent_a();
    let heard = rig.instance("a").silent_since();
    assert_eq!(heard, Some(TimeMs(rig.now.0 - 10_000)));
    rig.wake_after(GRACE_MS - 5_000);
    restart_after(&mut rig, 2_000);
    let start = rig.now;
    assert!(!rig.instance("a").is_connected());
    assert_eq!(
        rig.instance("a").silent_since(),
        heard,
        "as people are told"
    );
    // Its agent has not heard it since it is at work; what is stored stands.
    rig.wake_after(300);
    rig.cut("a");
    assert_eq!(rig.instance("a").silent_since(), heard);
    rig.wake_after(4_699);
    assert_eq!(rig.task(task).lost_at, None);
    rig.wake_after(1);
    assert_eq!(rig.task(task).lost_at, Some(start.plus_ms(5_000)));
    // Lost is lost over another restart too, until it answers.
    let lost = rig.task(task).lost_at;
    restart_after(&mut rig, 5_000);
    assert_eq!(rig.task(task).lost_at, lost);
    rig.connect("a");
    assert_eq!(rig.task(task).lost_at, None);
    let seconds = rig.now.since_ms(heard.unwrap()) / 1_000;
    rig.told(&format!("(instance a) answers again after {seconds} s."));
}

#[test]
fn an_hour_in_which_nobody_looked_is_no_part_of_a_grace() {
    let (mut rig, task) = silent_a();
    // A command without a server is a control plane for a moment.
    for _ in 0..2 {
        restart_after(&mut rig, 3_600_000);
        rig.cut("a");
        rig.wake_after(1_000);
        assert_eq!(rig.task(task).lost_at, None);
    }
    rig.wake_after(GRACE_MS - 2_001);
    assert_eq!(rig.task(task).lost_at, None);
    rig.wake_after(1);
    assert_eq!(rig.task(task).lost_at, Some(rig.now));
}

#[test]
fn what_is_shown_of_a_silence_stays_where_nobody_noted_when_the_host_was_heard() {
    let (mut rig, _) = silent_a();
    let mut a = rig.instance("a").clone();
    a.heard_at = None;
    let since = a.silent_since();
    let change = crate::model::Change::Instance(std::sync::Arc::new(a));
    rig.state.apply(&change);
    restart_after(&mut rig, 3_600_000);
    assert_eq!(rig.instance("a").silent_since(), since);
    assert_eq!(rig.instance("a").disconnected_since(), Some(rig.now));
}

#[test]
fn when_nobody_knows_when_it_ran_or_that_is_still_to_come_nothing_is_shifted() {
    for last_alive in [None, Some(TimeMs(u64::MAX))] {
        let (mut rig, _) = silent_a();
        let since = rig.instance("a").disconnected_since();
        rig.live = Default::default();
        rig.now = rig.now.plus_ms(60_000);
        rig.begin(last_alive);
        assert_eq!(rig.instance("a").disconnected_since(), since);
    }
}

#[test]
fn a_host_that_hangs_at_a_start_is_not_given_up_before_one_whole_attempt() {
    let late = || {
        let (mut rig, task) = silent_a();
        rig.wake_after(GRACE_MS - 1_000);
        restart_after(&mut rig, 0);
        (rig, task)
    };
    let (mut rig, task) = late();
    // Being reached elsewhere is no attempt.
    rig.cut_because("a", None, crate::controller::core::MOVED);
    rig.wake_after(ATTEMPT_MS - 1);
    assert_eq!(rig.task(task).lost_at, None);
    rig.wake_after(1);
    assert_eq!(rig.task(task).lost_at, Some(rig.now));
    let (mut rig, _) = late();
    let tasks = rig.tasks();
    rig.wake_after(12_000);
    rig.connect("a");
    rig.wake_after(GRACE_MS);
    assert_eq!(rig.tasks(), tasks, "it answered in time: nothing is moved");
    let a = rig.instance("a");
    assert_eq!((a.heard_at, a.settles_at), (None, None));
}

#[test]
fn a_host_that_died_while_the_server_was_away_is_silent_from_its_start() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    rig.settle();
    let task = task_of_a(&rig);
    restart_after(&mut rig, 3_600_000);
    // Nobody came to try it yet: a start after that begins anew, one after an attempt does not.
    restart_after(&mut rig, 5_000);
    rig.cut("a");
    rig.wake_after(3_000);
    restart_after(&mut rig, 7_000);
    let since = rig.instance("a").disconnected_since();
    assert_eq!(since, Some(TimeMs(rig.now.0 - 3_000)));
    rig.cut("a");
    rig.wake_after(GRACE_MS - 3_001);
    assert_eq!(rig.task(task).lost_at, None);
    rig.wake_after(1);
    assert_eq!(rig.task(task).lost_at, Some(rig.now));
}

#[test]
fn the_shortest_grace_waits_too_until_hosts_could_answer_a_new_control_plane() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    rig.settle();
    let body = json!({"service": "web", "hostLossGracePeriodSeconds": 1});
    rig.ask("UpdateService", body).unwrap();
    let tasks = rig.tasks();
    restart_after(&mut rig, 60_000);
    rig.wake_after(ATTEMPT_MS - 1);
    assert_eq!(rig.tasks(), tasks);
    rig.wake_after(1);
    let lost = rig.tasks().into_iter().filter(|it| it.lost_at.is_some());
    assert_eq!(lost.count(), 1);
}

#[test]
fn an_instance_that_leaves_the_file_takes_its_tasks_with_it() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    rig.settle();
    let on_b: Vec<_> = rig
        .state
        .instance_tasks(&instance_name("b"))
        .cloned()
        .collect();
    assert_eq!(on_b.len(), 1);
    rig.fleet.instances.pop();
    rig.live
        .agents
        .insert(instance_name("a"), Default::default());
    rig.configure();
    assert!(!rig.state.instances.contains_key(&instance_name("b")));
    let task = rig.task(on_b[0].id);
    assert_eq!(task.last_status, LastStatus::Stopped);
    assert_eq!(task.stop_code, Some(StopCode::ServiceSchedulerInitiated));
    assert_eq!(task.stopped_at, Some(rig.now));
    let reason = "(instance b) was removed from the configuration";
    assert_eq!(task.stopped_reason.as_deref(), Some(reason));
    rig.told("(instance b) was removed from the configuration; 1 tasks were on it.");
    rig.hosts.remove(&instance_name("b"));
    rig.settle();
    assert_eq!(rig.running(), 2, "its place is taken on the other");
}

#[test]
fn instances_that_would_leave_tasks_behind_are_named_before_they_go() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2"), ("c", "z3")]);
    let whole = rig.fleet.clone();
    let mut without = whole.clone();
    without.instances.retain(|i| i.name.as_str() == "b");
    assert_eq!(orphans(&rig.state, &without), [], "nothing is on them");
    rig.register("web", json!({}));
    rig.create("web", 4);
    rig.settle();
    assert_eq!(orphans(&rig.state, &whole), []);
    let count = |rig: &Rig, name: &str| rig.state.instance_tasks(&instance_name(name)).count();
    let both = ["a", "c"].map(|name| (instance_name(name), count(&rig, name)));
    assert_eq!(orphans(&rig.state, &without), both);

    let mut moved = whole.clone();
    moved.instances[1].cluster = ClusterName::new("other").unwrap();
    let of_b = (instance_name("b"), count(&rig, "b"));
    assert_eq!(orphans(&rig.state, &moved), [of_b]);

    // Given up by the operator, on a host that does not answer any more.
    rig.cut("c");
    let drain = json!({"containerInstances": ["c"], "status": "DRAINING"});
    rig.ask("UpdateContainerInstancesState", drain).unwrap();
    assert!(rig.tasks().iter().any(|t| t.instance.as_str() == "c"));
    let of_a = (instance_name("a"), count(&rig, "a"));
    assert_eq!(orphans(&rig.state, &without), [of_a]);

    let last = json!({"service": "web", "force": true});
    rig.ask("DeleteService", last).unwrap();
    rig.settle();
    assert_eq!(orphans(&rig.state, &without), [], "all is STOPPED there");
}

#[test]
fn what_a_renamed_instance_left_running_is_in_the_way_until_it_is_gone() {
    let mut rig = Rig::new(&[("old", "z1")]);
    rig.register(
        "web",
        json!({"portMappings": [{"containerPort": 80, "hostPort": 80}]}),
    );
    rig.create("web", 1);
    rig.settle();
    let left = rig.tasks()[0].id;
    let port = HostPort {
        port: 80,
        protocol: Protocol::Tcp,
    };
    rig.edit(left, |c| c.host_ports = vec![port]);
    rig.list("old");
    assert_eq!(rig.instance("old").foreign_count, 0, "its task holds that");

    rig.fleet.instances = vec![settings("new", "z1")];
    let containers = rig.hosts.remove(&instance_name("old")).unwrap();
    rig.hosts.insert(instance_name("new"), containers);
    rig.configure();
    assert!(rig.task(left).is_stopped());
    rig.connect("new");
    let new = rig.instance("new");
    assert_eq!((new.foreign.cpu.0, new.foreign.memory.0), (100, 200));
    assert_eq!(*new.foreign.ports, BTreeSet::from([port]));
    assert_eq!(rig.tasks(), vec![], "its port is not free yet");

    rig.hosts.insert(instance_name("new"), Vec::new());
    rig.settle();
    assert_eq!(rig.running(), 1);
}

#[test]
fn an_instance_that_changes_its_cluster_starts_anew() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    rig.settle();
    let other = ClusterName::new("other").unwrap();
    rig.fleet.instances[0].cluster = other.clone();
    let mut cluster = rig.fleet.clusters[0].clone();
    cluster.name = other.clone();
    rig.fleet.clusters.push(cluster);
    rig.configure();
    assert_eq!(rig.instance("a").cluster, other);
    assert_eq!(rig.instance("a").status, InstanceStatus::Registering);
    assert_eq!(rig.tasks(), vec![]);
    assert_eq!(
        rig.service("web").unplaced.as_ref().map(|u| u.count),
        Some(1)
    );
}

#[test]
fn a_cluster_that_leaves_the_file_can_then_be_deleted() {
    let mut rig = Rig::unreached(&[]);
    let mut cluster = rig.fleet.clusters[0].clone();
    cluster.name = ClusterName::new("old").unwrap();
    rig.fleet.clusters.push(cluster);
    rig.configure();
    let (_, message) = rig.refused("DeleteCluster", json!({"cluster": "old"}));
    assert!(message.contains("configuration"), "{message}");
    rig.fleet.clusters.pop();
    rig.configure();
    rig.ask("DeleteCluster", json!({"cluster": "old"})).unwrap();
    assert_eq!(rig.state.clusters.len(), 1);
}

#[test]
fn nothing_happening_changes_nothing() {
    let mut rig = Rig::new(&[("a", "z1")]);
    let decision = rig.decide(vec![Input::Wake, Input::Wake]);
    assert_eq!(decision.changes, vec![]);
    assert_eq!((decision.live, decision.wake_at), (None, None::<TimeMs>));
}
