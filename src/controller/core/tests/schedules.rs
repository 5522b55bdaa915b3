//! Schedules: due runs, missed ones, overlap, retries, and a clock that jumps.

use serde_json::{Value, json};

use super::super::schedules::{LATE_MAX_MS, MISSED_MAX, RETRY_MS};
use super::rig::Rig;
use crate::controller::command::ErrorKind;
use crate::model::observation::ContainerState;
use crate::model::schedule::{RUNS_MAX, RunOutcome, Schedule};
use crate::model::{ClusterName, DesiredStatus, ScheduleName, Severity, TimeMs};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A control plane with one host and a definition `job`, at midnight of 2026-11-23 in UTC.
fn rig() -> Rig {
    let mut rig = Rig::new(&[("ops-1", "a")]);
    rig.register("job", json!({}));
    rig.now = TimeMs(1_795_392_000_000);
    rig.wake_after(0);
    rig
}

fn put(rig: &mut Rig, expression: &str, more: Value) {
    let mut body = json!({
        "name": "nightly", "taskDefinition": "job", "scheduleExpression": expression,
    });
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    rig.ask("PutSchedule", body).unwrap();
}

fn schedule(rig: &Rig) -> &Schedule {
    let name = ScheduleName::new("nightly").unwrap();
    &rig.state.schedules[&(ClusterName::default_cluster(), name)]
}

fn outcomes(rig: &Rig) -> Vec<String> {
    schedule(rig).runs.iter().map(|run| run.words()).collect()
}

/// The tasks of the last run end by themselves.
fn finish(rig: &mut Rig) {
    rig.settle();
    for task in rig.tasks() {
        rig.edit(task.id, |container| {
            container.state = ContainerState::Exited;
            container.exit_code = Some(0);
        });
    }
    rig.settle();
    assert_eq!(rig.tasks().len(), 0);
}

/// Sleeps as the control plane does: until it is to look again.
fn sleep(rig: &mut Rig) {
    let wake = rig.wake_at.unwrap().since_ms(rig.now);
    rig.wake_after(wake);
}

#[test]
fn a_run_is_due_at_its_time_and_the_next_is_the_next_day() {
    let mut rig = rig();
    put(
        &mut rig,
        "cron(0 3 * * ? *)",
        json!({"scheduleExpressionTimezone": "Europe/Berlin", "taskCount": 2,
               "overrides": {"containerOverrides": [{"name": "main", "command": ["dump"]}]},
               "tags": [{"key": "team", "value": "db"}]}),
    );
    rig.told(
        "(schedule nightly) was created by ann: cron(0 3 * * ? *) in Europe/Berlin runs job, \
         next 2026-11-23 03:00.",
    );
    assert_eq!(rig.wake_at, Some(rig.now.plus_ms(2 * HOUR)));
    rig.wake_after(2 * HOUR - 1);
    assert_eq!(rig.tasks().len(), 0);
    rig.wake_after(1);
    let tasks = rig.tasks();
    assert_eq!(tasks.len(), 2);
    assert_eq!(&*tasks[0].group, "schedule:nightly");
    assert_eq!(&*tasks[0].started_by, "schedule/nightly");
    assert_eq!(tasks[0].tags[0].value, "db");
    let overrides = tasks[0].overrides.as_ref().unwrap();
    assert_eq!(
        overrides.container_overrides[0].command,
        Some(vec!["dump".to_owned()])
    );
    let run = &schedule(&rig).runs[0];
    assert_eq!((run.due_at, run.outcome), (rig.now, RunOutcome::Started));
    assert_eq!(run.tasks.len(), 2);
    assert_eq!(schedule(&rig).next_at, Some(rig.now.plus_ms(24 * HOUR)));
    // Looking again starts nothing.
    rig.wake_after(1);
    assert_eq!(rig.tasks().len(), 2);
}

#[test]
fn while_tasks_of_an_earlier_run_are_there_a_run_is_skipped() {
    let mut rig = rig();
    put(&mut rig, "rate(5 minutes)", json!({}));
    for _ in 0..5 {
        rig.wake_after(5 * MINUTE);
    }
    assert_eq!(rig.tasks().len(), 1);
    // Skipped runs are one entry, told of at the first, the second and the fourth.
    assert_eq!(outcomes(&rig), ["SKIPPED ×4", "STARTED"]);
    rig.told("skipped its run of 2026-11-23 00:10 UTC: (task ");
    rig.told("skipped 2 runs in a row: (task ");
    rig.told("skipped 4 runs in a row: (task ");
    finish(&mut rig);
    rig.wake_after(5 * MINUTE);
    assert_eq!(rig.tasks().len(), 1);
    assert_eq!(outcomes(&rig), ["STARTED", "SKIPPED ×4", "STARTED"]);
}

#[test]
fn a_schedule_may_allow_overlap_and_remembers_what_runs() {
    let mut rig = rig();
    put(&mut rig, "rate(1 minute)", json!({"overlap": "ALLOW"}));
    for _ in 0..3 {
        rig.wake_after(MINUTE);
    }
    assert_eq!(rig.tasks().len(), 3);
    // Forbidden again, with more entries than are kept: what still runs is not forgotten.
    put(&mut rig, "rate(1 minute)", json!({}));
    for round in 0..2 * RUNS_MAX as u64 {
        // Skipped and missed runs in turn make an entry each.
        rig.wake_after(if round % 2 == 0 { MINUTE } else { HOUR });
    }
    assert_eq!(schedule(&rig).runs.len(), RUNS_MAX);
    assert_eq!(rig.tasks().len(), 3);
    let started = outcomes(&rig).iter().filter(|it| *it == "STARTED").count();
    assert_eq!(started, 3);
}

#[test]
fn a_run_that_nobody_looked_at_in_time_is_missed_and_told_and_not_made_up_for() {
    let mut rig = rig();
    put(&mut rig, "cron(0 * * * ? *)", json!({}));
    // Three hours and a half without a control plane.
    rig.wake_after(3 * HOUR + HOUR / 2);
    assert_eq!(rig.tasks().len(), 0);
    assert_eq!(outcomes(&rig), ["MISSED ×3"]);
    rig.told(
        "(schedule nightly) missed 3 runs, the first of 2026-11-23 01:00 UTC: nothing carried the \
         control plane when it was due. Missed runs are not made up for.",
    );
    let event = rig.state.events.last().unwrap();
    assert_eq!(event.severity, Severity::Warning);
    assert_eq!(schedule(&rig).next_at, Some(rig.now.plus_ms(HOUR / 2)));
}

#[test]
fn a_run_that_is_a_little_late_is_run() {
    let mut rig = rig();
    put(&mut rig, "cron(0 3 * * ? *)", json!({}));
    rig.wake_after(3 * HOUR + LATE_MAX_MS);
    assert_eq!(outcomes(&rig), ["STARTED"]);
    finish(&mut rig);
    rig.wake_after(24 * HOUR + 1);
    assert_eq!(outcomes(&rig), ["MISSED", "STARTED"]);
    // Of several the last may be in time.
    put(&mut rig, "cron(0,10 4 * * ? *)", json!({}));
    let to_ten_past = schedule(&rig).next_at.unwrap().since_ms(rig.now) + 10 * MINUTE;
    rig.wake_after(to_ten_past);
    assert_eq!(outcomes(&rig), ["STARTED", "MISSED", "MISSED", "STARTED"]);
}

#[test]
fn more_missed_runs_than_are_counted_cost_no_more_time() {
    let mut rig = rig();
    put(&mut rig, "cron(* * * * ? *)", json!({}));
    rig.wake_after(400 * 24 * HOUR + 30_000);
    let missed = format!("MISSED ×{MISSED_MAX}");
    assert_eq!(outcomes(&rig), ["STARTED", &missed]);
    rig.told("missed 1000 runs or more, the first of");
    let next = schedule(&rig).next_at.unwrap();
    assert_eq!(next.since_ms(rig.now), 30_000);
}

#[test]
fn a_clock_that_jumps_an_hour_runs_nothing_twice_and_holds_nothing_up() {
    let mut rig = rig();
    put(&mut rig, "cron(0 3 * * ? *)", json!({}));
    rig.wake_after(3 * HOUR);
    finish(&mut rig);
    let next = schedule(&rig).next_at;
    // Back: three o'clock comes again, and was run.
    rig.now = TimeMs(rig.now.0 - HOUR);
    for _ in 0..4 {
        rig.wake_after(HOUR / 2);
    }
    assert_eq!(outcomes(&rig), ["STARTED"]);
    assert_eq!(schedule(&rig).next_at, next);
    // A rate counts real time.
    put(&mut rig, "rate(5 minutes)", json!({}));
    rig.wake_after(5 * MINUTE);
    finish(&mut rig);
    rig.now = TimeMs(rig.now.0 - HOUR);
    rig.wake_after(0);
    let next = schedule(&rig).next_at.unwrap();
    assert_eq!(next.since_ms(rig.now), 5 * MINUTE);
    rig.wake_after(5 * MINUTE);
    assert_eq!(outcomes(&rig), ["STARTED", "STARTED", "STARTED"]);
    finish(&mut rig);
    // Forth: what was jumped over was missed, and it goes on.
    rig.wake_after(HOUR + MINUTE);
    assert_eq!(outcomes(&rig)[..2], ["STARTED", "MISSED ×11"]);
    let next = schedule(&rig).next_at.unwrap();
    assert!(next > rig.now && next.since_ms(rig.now) <= 5 * MINUTE);
}

#[test]
fn a_run_that_finds_no_place_is_tried_again_for_a_while_and_then_failed() {
    let mut rig = rig();
    put(&mut rig, "cron(0 3 * * ? *)", json!({}));
    rig.cut("ops-1");
    rig.wake_after(3 * HOUR);
    assert_eq!(outcomes(&rig), [""; 0]);
    rig.told("(schedule nightly) finds no place and is tried again: No container instance");
    assert_eq!(rig.wake_at, Some(rig.now.plus_ms(RETRY_MS)));
    let until = rig.now.plus_ms(LATE_MAX_MS);
    while outcomes(&rig).is_empty() {
        sleep(&mut rig);
    }
    assert!(rig.now <= until);
    assert_eq!(outcomes(&rig), ["FAILED"]);
    rig.told("(schedule nightly) failed its run of 2026-11-23 03:00 UTC: No container instance");
    let why = &schedule(&rig).runs[0].message;
    assert!(why.contains("ops-1: "), "{why}");
    // The next day the host is back in the midst of it.
    let to_next = schedule(&rig).next_at.unwrap().since_ms(rig.now);
    rig.wake_after(to_next);
    rig.connect("ops-1");
    sleep(&mut rig);
    assert_eq!(outcomes(&rig), ["STARTED", "FAILED"]);
    assert_eq!(schedule(&rig).retry_at, None);
}

#[test]
fn a_run_whose_definition_is_gone_fails_at_once() {
    let mut rig = rig();
    put(&mut rig, "rate(1 hour)", json!({}));
    rig.ask(
        "DeregisterTaskDefinition",
        json!({"taskDefinition": "job:1"}),
    )
    .unwrap();
    rig.wake_after(HOUR);
    assert_eq!(outcomes(&rig), ["FAILED"]);
    rig.told("failed its run of 2026-11-23 01:00 UTC: TaskDefinition not found");
    assert_eq!(schedule(&rig).next_at, Some(rig.now.plus_ms(HOUR)));
    // A new revision is run: a bare family is its newest at each run.
    rig.register("job", json!({"image": "busybox:2"}));
    rig.wake_after(HOUR);
    assert_eq!(rig.tasks()[0].task_definition.to_string(), "job:2");
}

#[test]
fn a_time_comes_once() {
    let mut rig = rig();
    put(&mut rig, "at(2026-11-23T06:00:00)", json!({}));
    rig.wake_after(6 * HOUR);
    assert_eq!(outcomes(&rig), ["STARTED"]);
    assert_eq!(schedule(&rig).next_at, None);
}

#[test]
fn disabled_it_does_not_run_and_misses_nothing() {
    let mut rig = rig();
    put(&mut rig, "rate(1 hour)", json!({"enabled": false}));
    rig.wake_after(10 * HOUR);
    assert_eq!((outcomes(&rig).len(), schedule(&rig).next_at), (0, None));
    put(&mut rig, "rate(1 hour)", json!({}));
    rig.told("(schedule nightly) was enabled by ann");
    rig.wake_after(HOUR);
    assert_eq!(outcomes(&rig), ["STARTED"]);
    // Written again as it is, nothing changes.
    let before = rig.state.clone();
    put(&mut rig, "rate(1 hour)", json!({}));
    rig.unchanged_since(&before);
}

#[test]
fn it_can_be_run_by_hand_and_deleted() {
    let mut rig = rig();
    put(&mut rig, "cron(0 3 * * ? *)", json!({}));
    let next = schedule(&rig).next_at;
    rig.ask("RunSchedule", json!({"name": "nightly"})).unwrap();
    assert_eq!(rig.tasks().len(), 1);
    assert_eq!(
        (outcomes(&rig), schedule(&rig).next_at),
        (vec!["STARTED".to_owned()], next)
    );
    let (_, why) = rig.refused("RunSchedule", json!({"name": "nightly"}));
    assert!(
        why.starts_with("Schedule nightly runs already: (task "),
        "{why}"
    );
    let (kind, why) = rig.refused("DeleteSchedule", json!({"name": "nightyl"}));
    assert_eq!(kind, ErrorKind::ResourceNotFoundException);
    assert!(why.ends_with("Did you mean nightly?"), "{why}");
    let (_, why) = rig.refused("DeleteCluster", json!({"cluster": "default"}));
    assert!(!why.is_empty());
    rig.ask("DeleteSchedule", json!({"name": "nightly"}))
        .unwrap();
    assert!(rig.state.schedules.is_empty());
    let running = rig.tasks();
    assert_eq!(
        (running.len(), running[0].desired_status),
        (1, DesiredStatus::Running)
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut rig = rig();
    for (member, value, expected) in [
        (
            "scheduleExpression",
            json!("cron(0 3 ? * MOM *)"),
            "scheduleExpression: column 14: \"MOM\" is no day of the week; did you mean MON?",
        ),
        (
            "scheduleExpression",
            json!("cron(0 3 30 2 ? *)"),
            "scheduleExpression: cron(0 3 30 2 ? *) never comes again",
        ),
        (
            "scheduleExpression",
            json!("at(2020-01-01T00:00:00)"),
            "scheduleExpression: at(2020-01-01T00:00:00) never comes again",
        ),
        (
            "scheduleExpressionTimezone",
            json!("Europe/Berln"),
            "scheduleExpressionTimezone: there is no time zone \"Europe/Berln\"; did you mean Europe/Berlin?",
        ),
        (
            "taskCount",
            json!(11),
            "taskCount: 11 is out of range; 1 to 10 tasks can be run at once",
        ),
        (
            "taskDefinition",
            json!("jbo"),
            "TaskDefinition not found: there is no ACTIVE jbo. Did you mean job?",
        ),
        (
            "overrides",
            json!({"containerOverrides": [{"name": "mian"}]}),
            "overrides.containerOverrides[0].name: there is no container mian in job:1; did you mean main?",
        ),
        (
            "tags",
            json!([{"key": "aws:x"}]),
            "tags[0].key: must not begin with aws:, which is Amazon's own",
        ),
        (
            "scheduleExpresion",
            json!("x"),
            "scheduleExpresion: there is no member scheduleExpresion here; did you mean scheduleExpression?",
        ),
    ] {
        let mut body = json!({
            "name": "nightly", "taskDefinition": "job", "scheduleExpression": "rate(1 hour)",
        });
        body[member] = value;
        assert_eq!(rig.refused("PutSchedule", body).1, expected);
    }
}
