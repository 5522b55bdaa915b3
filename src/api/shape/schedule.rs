//! A schedule on the wire: the members of PutSchedule, and what came of it. ECS has no shape for
//! it; times are seconds since 1970 as in ECS's own.

use serde_json::{Value, json};

use super::{plain, set_time, strip_nulls};
use crate::controller::command::schedule::PutSchedule;
use crate::controller::{Command, wire};
use crate::model::schedule::{Schedule, ScheduledRun};
use crate::model::{Partition, State};

/// A schedule: its request, `clusterArn`, `nextRunAt` and its last runs, newest first.
#[must_use]
pub fn schedule(state: &State, schedule: &Schedule) -> Value {
    let partition = state.partition(&schedule.cluster);
    let request = PutSchedule::of(schedule);
    let mut body = wire::encode(&Command::PutSchedule(Box::new(request)));
    body["clusterArn"] = partition.cluster(&schedule.cluster).into();
    let runs = schedule.runs.iter();
    body["runs"] = runs.map(|it| run(&partition, schedule, it)).collect();
    set_time(&mut body, "nextRunAt", schedule.next_at);
    strip_nulls(&mut body);
    body
}

fn run(partition: &Partition, schedule: &Schedule, run: &ScheduledRun) -> Value {
    let tasks = run.tasks.iter();
    let arns: Vec<String> = tasks
        .map(|id| partition.task(&schedule.cluster, id))
        .collect();
    let mut body = json!({
        "dueAt": run.due_at.as_wire_seconds(),
        "at": run.at.as_wire_seconds(),
        "outcome": plain(&run.outcome),
        "count": run.count,
        "taskArns": arns,
    });
    if !run.message.is_empty() {
        body["message"] = run.message.clone().into();
    }
    body
}
