//! The audit trail: who, through what, what, and what came of it.

use serde_json::json;

use super::rig::Rig;
use crate::controller::command::execute::ExecuteCommand;
use crate::controller::core::{Batch, Input};
use crate::controller::{Command, ErrorKind, wire};
use crate::model::{AccessRole, Actor, Audit, Event, EventKind, Outcome, Severity, Surface};

fn deploy() -> Actor {
    Actor::new("deploy (ssh from 10.0.0.5)", Surface::CommandLine)
}

/// Asks as somebody; the deeds that were written down by it.
fn asked(rig: &mut Rig, operation: &str, body: &serde_json::Value) -> Vec<Event> {
    let known = rig.state.events.len();
    let command = wire::decode(operation, body).unwrap();
    let who = deploy();
    rig.decide(vec![Input::Command { command, who }]);
    let fresh = rig.state.events.iter().skip(known);
    let deeds = fresh.filter(|event| event.audit.is_some());
    deeds.map(|event| (**event).clone()).collect()
}

fn line(operation: &str, outcome: Outcome) -> Audit {
    Audit {
        user: "deploy (ssh from 10.0.0.5)".to_owned(),
        surface: Surface::CommandLine,
        operation: operation.to_owned(),
        outcome,
        role: AccessRole::Owner,
    }
}

#[test]
fn what_is_done_says_who_through_what_and_what() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    let body = json!({"service": "web", "desiredCount": 3});
    let [event] = &asked(&mut rig, "UpdateService", &body)[..] else {
        panic!("one deed");
    };
    assert_eq!(event.audit, Some(line("UpdateService", Outcome::Done)));
    assert_eq!(event.kind, EventKind::Operator);
    assert_eq!(event.service.as_ref().unwrap().as_str(), "web");
    assert!(
        event.message.contains("by deploy (ssh from 10.0.0.5)"),
        "{}",
        event.message
    );
    // What the scheduler does about it is nobody's deed.
    let started = rig.state.events.back().unwrap();
    assert_eq!((started.kind, &started.audit), (EventKind::Task, &None));
}

#[test]
fn what_is_refused_is_written_down_with_the_reason_once_a_minute() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    let body = json!({"service": "wbe", "desiredCount": 3});
    let [event] = &asked(&mut rig, "UpdateService", &body)[..] else {
        panic!("one deed");
    };
    assert_eq!(event.audit, Some(line("UpdateService", Outcome::Refused)));
    assert_eq!(event.severity, Severity::Info);
    assert_eq!(
        event.message,
        "(service wbe) UpdateService by deploy (ssh from 10.0.0.5) was refused: There is no \
         service wbe in cluster default. There are none."
    );
    rig.now = rig.now.plus_ms(59_000);
    assert_eq!(asked(&mut rig, "UpdateService", &body), []);
    rig.now = rig.now.plus_ms(2_000);
    assert_eq!(asked(&mut rig, "UpdateService", &body).len(), 1);
}

#[test]
fn who_is_refused_in_a_loop_does_not_push_out_what_others_did() {
    let mut rig = Rig::new(&[("a", "z1")]);
    let mut written = Vec::new();
    for n in 0..100 {
        let body = json!({"service": format!("w{n}"), "desiredCount": 3});
        written.extend(asked(&mut rig, "UpdateService", &body));
    }
    assert_eq!(written.len(), 16);
    let last = &written[15].message;
    assert!(
        last.ends_with("within 60 s that more is not written down."),
        "{last}"
    );
    rig.now = rig.now.plus_ms(60_000);
    let body = json!({"service": "w", "desiredCount": 3});
    assert_eq!(asked(&mut rig, "UpdateService", &body).len(), 1);
}

#[test]
fn what_was_so_already_is_a_deed_all_the_same() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    let body = json!({
        "name": "nightly", "scheduleExpression": "rate(5 minutes)", "taskDefinition": "web"
    });
    assert_eq!(asked(&mut rig, "PutSchedule", &body).len(), 1);
    let [event] = &asked(&mut rig, "PutSchedule", &body)[..] else {
        panic!("one deed");
    };
    assert_eq!(event.audit, Some(line("PutSchedule", Outcome::Done)));
    assert_eq!(
        event.message,
        "(schedule nightly) PutSchedule by deploy (ssh from 10.0.0.5) changed nothing: it was so already."
    );
}

#[test]
fn a_program_run_in_a_container_is_written_down_with_its_words_each_time() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    let task = *rig.state.tasks.keys().next().unwrap();
    let run = |rig: &mut Rig, task: &str, interactive, words: &[&str]| {
        let known = rig.state.events.len();
        let command = Command::ExecuteCommand(ExecuteCommand {
            task: task.to_owned(),
            cluster: None,
            container: Some("app".to_owned()),
            command: words.iter().map(|word| (*word).to_owned()).collect(),
            interactive,
        });
        let who = deploy();
        rig.decide(vec![Input::Command { command, who }]);
        let fresh = rig.state.events.iter().skip(known);
        let deeds = fresh.filter(|event| event.audit.is_some());
        deeds.map(|event| (**event).clone()).collect::<Vec<_>>()
    };
    let id = task.to_string();
    let deeds = run(&mut rig, &id, false, &["cat", "/etc/passwd\u{1b}[2J"]);
    assert_eq!(deeds[0].audit, Some(line("ExecuteCommand", Outcome::Done)));
    assert_eq!(deeds[0].task, Some(task));
    assert_eq!(
        deeds[0].message,
        format!(
            "(service web) (task {}) on a was asked by deploy (ssh from 10.0.0.5) to run a program \
             in container app: cat '/etc/passwd [2J'",
            task.short()
        )
    );
    let again = run(&mut rig, &id, false, &["cat", "/etc/passwd\u{1b}[2J"]);
    assert_eq!(again.len(), 1, "each one, however alike");
    assert_eq!(run(&mut rig, &id, true, &["sh"]).len(), 1);
    let long = "x".repeat(1_000);
    let deeds = run(&mut rig, &id, false, &[&long]);
    assert!(deeds[0].message.len() < 500);
    let refused = run(&mut rig, "abcdef", false, &["sh"]);
    let audit = refused[0].audit.as_ref().unwrap();
    assert_eq!(audit.outcome, Outcome::Refused);
}

#[test]
fn what_a_role_does_not_allow_is_refused_and_written_down_also_within_a_batch() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    let before = rig.state.clone();
    let scale = wire::decode(
        "UpdateService",
        &json!({"service": "web", "desiredCount": 3}),
    );
    let scale = scale.unwrap();
    let cluster = wire::decode("CreateCluster", &json!({"clusterName": "edge"})).unwrap();
    let of = |name: &str, role| Actor::new(name, Surface::Console).held_to(role);

    let viewer = of("vic", AccessRole::Viewer);
    let decision = rig.decide(vec![Input::Command {
        command: scale.clone(),
        who: viewer.clone(),
    }]);
    let refusal = decision.replies[0].clone().unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::AccessDeniedException);
    let event = rig.state.events.back().unwrap().clone();
    let audit = event.audit.clone().unwrap();
    assert_eq!(audit.operation, "UpdateService");
    assert_eq!(
        (audit.outcome, audit.role),
        (Outcome::Refused, AccessRole::Viewer)
    );
    assert_eq!(audit.user, "vic");
    assert!(
        event.message.starts_with(
            "(service web) UpdateService by vic was refused: UpdateService needs the role operator"
        ),
        "{}",
        event.message
    );

    // An operator's batch with one deed of an admin in it: nothing of it is done.
    let decision = rig.decide(vec![Input::Batch(Batch {
        commands: vec![scale.clone(), cluster],
        who: of("olga", AccessRole::Operator),
        planned: None,
    })]);
    let refusal = decision.batches[0].clone().unwrap_err();
    assert!(
        refusal
            .message
            .contains("CreateCluster needs the role admin"),
        "{refusal}"
    );
    assert_eq!(rig.state.services, before.services);
    assert_eq!(rig.state.clusters, before.clusters);
    let audit = rig.state.events.back().unwrap().audit.clone().unwrap();
    assert_eq!(
        (audit.user.as_str(), audit.outcome),
        ("olga", Outcome::Refused)
    );

    let decision = rig.decide(vec![Input::Command {
        command: scale,
        who: of("olga", AccessRole::Operator),
    }]);
    decision.replies[0].clone().unwrap();
    let audit = rig
        .state
        .events
        .iter()
        .rev()
        .find_map(|it| it.audit.clone())
        .unwrap();
    assert_eq!(
        (audit.outcome, audit.role),
        (Outcome::Done, AccessRole::Operator)
    );
}
