//! What was promised: every command that was acknowledged, held against the state ever after.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::Response;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{
    ClusterName, DeploymentId, DesiredStatus, InstanceName, InstanceStatus, ScheduleName,
    ServiceName, State, TaskDefinitionId, TaskId,
};

/// What a command comes to, once it is acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub enum Promise {
    /// A service is there and wants so many.
    Desired(ServiceName, u32),
    /// An instance has that status.
    Status(InstanceName, InstanceStatus),
    /// A schedule has that expression; `None` = there is none.
    Schedule(ScheduleName, Option<String>),
    /// A task is never wanted again.
    Stopped(TaskId),
    /// Nothing that could be looked up afterwards, or what its answer names.
    Nothing,
}

/// What is possible: the newest that was acknowledged, and what was asked for since without an
/// answer.
type Possible<T> = Vec<T>;

/// Everything that was promised.
#[derive(Debug, Default)]
pub struct Ledger {
    desired: BTreeMap<ServiceName, Possible<u32>>,
    statuses: BTreeMap<InstanceName, Possible<InstanceStatus>>,
    schedules: BTreeMap<ScheduleName, Possible<Option<String>>>,
    stopped: BTreeSet<TaskId>,
    definitions: BTreeSet<TaskDefinitionId>,
    /// The deployment that a service was last acknowledged to have.
    deployments: BTreeMap<ServiceName, DeploymentId>,
    /// Tasks that were run once and have not been seen to stop.
    run: BTreeSet<TaskId>,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It was acknowledged.
    Done,
    /// It was refused: nothing was changed.
    Refused,
    /// No answer came.
    Never,
}

fn ask<K: Ord + Clone, T: Clone>(map: &mut BTreeMap<K, Possible<T>>, key: &K, value: &T) {
    if let Some(possible) = map.get_mut(key) {
        possible.push(value.clone());
    }
}

fn answer<K: Ord + Clone, T: Clone>(
    map: &mut BTreeMap<K, Possible<T>>,
    key: &K,
    value: &T,
    answered: Answered,
) {
    match (answered, map.get_mut(key)) {
        (Answered::Done, _) => {
            map.insert(key.clone(), vec![value.clone()]);
        }
        (Answered::Refused, Some(possible)) => {
            possible.pop();
        }
        // What was never promised may be there or not.
        (Answered::Refused | Answered::Never, _) => {}
    }
}

impl Ledger {
    /// A command is sent: from now on its effect may be there.
    pub fn asked(&mut self, promise: &Promise) {
        match promise {
            Promise::Desired(name, count) => ask(&mut self.desired, name, count),
            Promise::Status(name, status) => ask(&mut self.statuses, name, status),
            Promise::Schedule(name, expression) => ask(&mut self.schedules, name, expression),
            Promise::Stopped(_) | Promise::Nothing => {}
        }
    }

    /// The answer came, or none.
    pub fn answered(&mut self, promise: &Promise, answered: Answered) {
        match promise {
            Promise::Desired(name, count) => answer(&mut self.desired, name, count, answered),
            Promise::Status(name, status) => answer(&mut self.statuses, name, status, answered),
            Promise::Schedule(name, expression) => {
                answer(&mut self.schedules, name, expression, answered);
            }
            Promise::Stopped(task) if answered == Answered::Done => {
                self.stopped.insert(*task);
            }
            Promise::Stopped(_) | Promise::Nothing => {}
        }
    }

    /// What an acknowledgement names is there from then on.
    pub fn told(&mut self, response: &Response) {
        match response {
            Response::TaskDefinition(definition) => {
                self.definitions.insert(definition.id());
            }
            Response::Service(service) => {
                if let Some(primary) = service.primary() {
                    self.deployments
                        .insert(service.name.clone(), primary.id.clone());
                }
            }
            Response::Tasks(tasks, _) => self.run.extend(tasks.iter().map(|task| task.id)),
            _ => {}
        }
    }

    /// A service is asked to change: until the answer it is open which deployment it has. Gives the
    /// one that it had, to be put back if that is refused.
    pub fn changing(&mut self, service: &ServiceName) -> Option<DeploymentId> {
        self.deployments.remove(service)
    }

    /// A change was refused: the service has the deployment that it had.
    pub fn unchanged(&mut self, service: ServiceName, deployment: DeploymentId) {
        self.deployments.insert(service, deployment);
    }

    /// Takes in what has come to its end as it should. A stopped task is forgotten in time.
    pub fn keep(&mut self, state: &State) {
        let ended = |id: &TaskId| state.tasks.get(id).is_some_and(|task| task.is_stopped());
        self.run.retain(|id| !ended(id));
    }

    /// The first promise that a state breaks.
    #[must_use]
    pub fn broken(&self, state: &State) -> Option<String> {
        let cluster = ClusterName::default_cluster();
        for (name, possible) in &self.desired {
            let is = state.service(&cluster, name).map(|it| it.desired_count);
            if is.is_none_or(|is| !possible.contains(&is)) {
                return Some(format!(
                    "service {name} wants {is:?}; promised was {possible:?}"
                ));
            }
        }
        for (name, possible) in &self.statuses {
            let is = state.instances.get(name).map(|it| it.status);
            if is.is_none_or(|is| !possible.contains(&is)) {
                return Some(format!(
                    "instance {name} is {is:?}; promised was {possible:?}"
                ));
            }
        }
        for (name, possible) in &self.schedules {
            let all = state.schedules.values();
            let is = all.into_iter().find(|it| it.name == *name);
            let is = is.map(|it| it.schedule_expression.clone());
            if !possible.contains(&is) {
                return Some(format!(
                    "schedule {name} has {is:?}; promised was {possible:?}"
                ));
            }
        }
        for id in &self.stopped {
            let task = state.tasks.get(id);
            if task.is_some_and(|task| task.desired_status == DesiredStatus::Running) {
                return Some(format!("task {id} was stopped by hand and is wanted again"));
            }
        }
        for (name, id) in &self.deployments {
            let Some(service) = state.service(&cluster, name) else {
                return Some(format!("service {name} was acknowledged and is gone"));
            };
            // No service of the storms has a circuit breaker that would leave it again.
            let is = service.primary().map(|it| &it.id);
            if is != Some(id) {
                return Some(format!(
                    "the deployment of {name} is {is:?}; {id} was acknowledged"
                ));
            }
        }
        if let Some(id) = self.run.iter().find(|id| !state.tasks.contains_key(*id)) {
            return Some(format!(
                "task {id} was acknowledged, never stopped and is gone"
            ));
        }
        let active = |id: &&TaskDefinitionId| {
            let found = state.task_definitions.get(*id);
            found.is_some_and(|it| it.status == TaskDefinitionStatus::Active)
        };
        let lost = self.definitions.iter().find(|id| !active(id))?;
        Some(format!("task definition {lost} was registered and is gone"))
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;
    use crate::model::service::Deployment;
    use crate::model::{Change, LastStatus, Service, Task, TimeMs};

    #[test]
    fn what_was_not_answered_may_be_there_or_not_and_nothing_else_may() {
        let name = ServiceName::new("web").unwrap();
        let wants = |count: u32| Promise::Desired(name.clone(), count);
        let is = |count: u32| {
            let mut state = State::default();
            let cluster = ClusterName::default_cluster();
            let mut service = Service::new(name.clone(), cluster, TimeMs(1));
            service.desired_count = count;
            state.apply(&Change::Service(service.into()));
            state
        };
        let mut ledger = Ledger::default();
        ledger.asked(&wants(3));
        assert_eq!(ledger.broken(&State::default()), None, "not yet promised");
        ledger.answered(&wants(3), Answered::Done);
        assert!(ledger.broken(&State::default()).is_some());
        ledger.asked(&wants(5));
        ledger.answered(&wants(5), Answered::Never);
        assert_eq!(ledger.broken(&is(3)), None);
        assert_eq!(ledger.broken(&is(5)), None);
        assert!(ledger.broken(&is(4)).is_some());
        ledger.asked(&wants(7));
        ledger.answered(&wants(7), Answered::Refused);
        assert!(ledger.broken(&is(7)).is_some());
        ledger.asked(&wants(2));
        ledger.answered(&wants(2), Answered::Done);
        assert!(ledger.broken(&is(3)).is_some());
        ledger.answered(&Promise::Stopped(TaskId(9)), Answered::Done);
        assert_eq!(ledger.broken(&is(2)), None);
    }

    #[test]
    fn what_an_acknowledgement_names_may_not_vanish() {
        let cluster = ClusterName::default_cluster();
        let name = ServiceName::new("web").unwrap();
        let mut service = Service::new(name, cluster.clone(), TimeMs(1));
        let definition = TaskDefinitionId::from_str("web:1").unwrap();
        let id = DeploymentId::from_number(7);
        service.deployments = vec![Deployment::new(id, definition.clone(), "ann", TimeMs(1))];
        let mut with = State::default();
        with.apply(&Change::Service(service.clone().into()));
        let mut ledger = Ledger::default();
        ledger.told(&Response::Service(service.clone().into()));
        assert_eq!(ledger.broken(&with), None);
        assert!(ledger.broken(&State::default()).is_some());
        let other = Deployment::new(
            DeploymentId::from_number(8),
            definition.clone(),
            "ann",
            TimeMs(2),
        );
        service.deployments.insert(0, other);
        with.apply(&Change::Service(service.clone().into()));
        assert!(ledger.broken(&with).is_some(), "another took its place");
        let had = ledger.changing(&service.name).unwrap();
        assert_eq!(ledger.broken(&with), None, "that was asked for, perhaps");
        ledger.unchanged(service.name, had);
        assert!(ledger.broken(&with).is_some(), "it was refused");

        let mut ledger = Ledger::default();
        let instance = InstanceName::new("ops-1").unwrap();
        let mut task = Task::new(TaskId(9), cluster, instance, definition, TimeMs(1));
        ledger.told(&Response::Tasks(vec![task.clone().into()], Vec::new()));
        let mut state = State::default();
        assert!(ledger.broken(&state).is_some());
        state.apply(&Change::Task(task.clone().into()));
        ledger.keep(&state);
        assert_eq!(ledger.broken(&state), None);
        assert!(ledger.broken(&State::default()).is_some());
        task.last_status = LastStatus::Stopped;
        state.apply(&Change::Task(task.into()));
        ledger.keep(&state);
        assert_eq!(ledger.broken(&State::default()), None, "it had stopped");
    }
}
