use super::rig::Rig;
use crate::controller::core::purge::{REVISIONS_KEPT_MAX, STOPPED_KEPT_MAX, STOPPED_KEPT_MS};
use crate::model::observation::ContainerState;
use crate::model::{LastStatus, TaskId};
use crate::scheduler::BAD_HOST_WINDOW_MS;
use serde_json::json;

fn stop_all(rig: &mut Rig) -> Vec<TaskId> {
    let ids: Vec<TaskId> = rig.tasks().iter().map(|t| t.id).collect();
    for id in &ids {
        rig.ask("StopTask", json!({"task": id.to_string()}))
            .unwrap();
    }
    rig.now = rig.now.plus_ms(1);
    rig.settle();
    ids
}

fn run(rig: &mut Rig, count: u32) {
    rig.ask("RunTask", json!({"taskDefinition": "job", "count": count}))
        .unwrap();
    rig.settle();
}

#[test]
fn a_stopped_task_is_forgotten_after_an_hour() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("job", json!({}));
    run(&mut rig, 2);
    stop_all(&mut rig);
    assert_eq!(rig.state.tasks.len(), 2);
    let due = rig.wake_at.unwrap();
    assert_eq!(due.since_ms(rig.now), STOPPED_KEPT_MS);
    rig.wake_after(STOPPED_KEPT_MS - 1);
    assert_eq!(rig.state.tasks.len(), 2);
    rig.wake_after(1);
    assert_eq!(rig.state.tasks.len(), 0);
    assert_eq!(rig.wake_at, None);
}

#[test]
fn the_newest_of_each_group_are_kept() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("job", json!({}));
    rig.register("other", json!({}));
    rig.ask("RunTask", json!({"taskDefinition": "other"}))
        .unwrap();
    stop_all(&mut rig);
    let mut all = Vec::new();
    for _ in 0..3 {
        run(&mut rig, 8);
        all.extend(stop_all(&mut rig));
    }
    let kept: Vec<_> = all
        .iter()
        .filter(|id| rig.state.tasks.contains_key(*id))
        .collect();
    assert_eq!(kept.len(), STOPPED_KEPT_MAX);
    assert_eq!(
        kept.iter().filter(|id| all[8..].contains(id)).count(),
        16,
        "the newest"
    );
    assert_eq!(
        rig.state.tasks.len(),
        STOPPED_KEPT_MAX + 1,
        "another family has its own"
    );
}

#[test]
fn a_task_whose_stop_is_not_confirmed_is_never_forgotten() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("job", json!({}));
    run(&mut rig, 1);
    let id = rig.tasks()[0].id;
    rig.cut("a");
    rig.ask("StopTask", json!({"task": id.to_string()}))
        .unwrap();
    rig.wake_after(STOPPED_KEPT_MS * 24);
    assert_eq!(rig.task(id).last_status, LastStatus::Deactivating);
}

#[test]
fn a_deleted_service_goes_with_the_last_of_its_tasks() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    rig.settle();
    rig.ask("DeleteService", json!({"service": "web", "force": true}))
        .unwrap();
    rig.settle();
    assert_eq!(
        rig.state.services.len(),
        1,
        "INACTIVE while its stopped task is shown"
    );
    rig.wake_after(STOPPED_KEPT_MS);
    assert_eq!((rig.state.services.len(), rig.state.tasks.len()), (0, 0));
}

#[test]
fn what_failed_of_late_is_kept_however_many_stop_so_that_a_bad_host_stays_known() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("job", json!({}));
    run(&mut rig, 5);
    let failed: Vec<TaskId> = rig.tasks().iter().map(|t| t.id).collect();
    for id in &failed {
        rig.edit(*id, |c| c.state = ContainerState::Exited);
    }
    rig.now = rig.now.plus_ms(1);
    rig.list("a");
    for _ in 0..3 {
        run(&mut rig, 8);
        stop_all(&mut rig);
    }
    let known = |rig: &Rig| {
        let tasks = &rig.state.tasks;
        failed.iter().filter(|id| tasks.contains_key(*id)).count()
    };
    assert_eq!(known(&rig), 5);
    rig.wake_after(BAD_HOST_WINDOW_MS);
    assert_eq!(known(&rig), 0);
}

#[test]
fn a_long_family_keeps_its_newest_revisions_and_what_is_in_use() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    rig.settle();
    rig.register("job", json!({}));
    let schedule = json!({
        "name": "nightly", "scheduleExpression": "rate(1 day)", "taskDefinition": "web:2",
    });
    rig.register("web", json!({}));
    rig.ask("PutSchedule", schedule).unwrap();
    for _ in 0..2 * REVISIONS_KEPT_MAX {
        rig.register("web", json!({}));
    }
    let family = "web".parse().unwrap();
    let left: Vec<u32> = rig.state.family(&family).map(|it| it.revision.0).collect();
    // The first runs, the second is on the timetable.
    let newest = 2 * REVISIONS_KEPT_MAX as u32 + 2;
    let oldest_kept = newest - REVISIONS_KEPT_MAX as u32 + 1;
    assert_eq!(left[..3], [1, 2, oldest_kept]);
    assert_eq!(left.len(), REVISIONS_KEPT_MAX + 2);
    assert_eq!(left.last(), Some(&newest));
    assert_eq!(rig.state.next_revision(&family).0, newest + 1);
    assert_eq!(rig.state.family(&"job".parse().unwrap()).count(), 1);
    rig.settle();
    assert_eq!(rig.running(), 1);
}
