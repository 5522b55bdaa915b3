//! A tiny pure world for tests: a state, a clock, and hosts that do as they are told.

use std::sync::Arc;

use super::reconcile::COMPLETION_SETTLE_MS;
use super::{PlaceRequest, Placement, check_plan, fixture, place, plan};
use crate::model::id::IdSource;
use crate::model::service::Service;
use crate::model::task::Health;
use crate::model::{
    Change, ClusterName, Connection, DesiredStatus, Instance, InstanceStatus, LastStatus,
    LaunchType, RolloutState, State, StopCode, Task, TaskDefinition, TaskId, TimeMs,
};
use crate::scheduler::Plan;

/// A state that moves on: [`World::plan`] decides, [`World::act`] carries out.
pub struct World {
    pub state: State,
    pub now: TimeMs,
    pub ids: IdSource,
}

impl World {
    pub fn new(instances: impl IntoIterator<Item = Instance>) -> Self {
        Self {
            state: fixture::state(instances),
            now: fixture::START,
            ids: fixture::ids(),
        }
    }

    pub fn put_service(&mut self, service: Service) {
        self.state.apply(&Change::Service(Arc::new(service)));
    }

    pub fn put_definition(&mut self, definition: TaskDefinition) {
        self.state
            .apply(&Change::TaskDefinition(Arc::new(definition)));
    }

    /// Runs tasks by hand, and gives where they go and why.
    pub fn run(&mut self, definition: &str, count: u32) -> Placement {
        let definition = self.state.task_definitions[&definition
            .parse::<crate::model::TaskDefinitionId>()
            .unwrap()]
            .clone();
        let family = definition.family.as_str();
        let request = PlaceRequest {
            cluster: &ClusterName::default_cluster(),
            definition: &definition,
            group: &format!("family:{family}"),
            constraints: &[],
            strategies: &[],
            launch_type: LaunchType::Ec2,
            capacity_provider_strategy: &[],
            count,
        };
        let placement = place(&self.state, self.now, &request);
        for placed in &placement.placed {
            let id = self.ids.task_id();
            let mut task = fixture::task(id, family, &definition, placed.instance.as_str());
            (task.created_at, task.started_at) = (self.now, Some(self.now));
            self.state.apply(&Change::Task(Arc::new(task)));
        }
        placement
    }

    /// Tasks of that family which no service has and whose stop is not confirmed.
    pub fn by_hand(&self, family: &str) -> Vec<Arc<Task>> {
        let all = self.state.tasks.values();
        let of = |it: &&Arc<Task>| {
            it.service.is_none() && it.task_definition.family.as_str() == family && !it.is_stopped()
        };
        all.filter(of).cloned().collect()
    }

    pub fn service(&self, name: &str) -> &Arc<Service> {
        let key = (ClusterName::default_cluster(), fixture::service_name(name));
        self.state.services.get(&key).unwrap()
    }

    pub fn edit_service(&mut self, name: &str, edit: impl FnOnce(&mut Service)) {
        let mut service = self.service(name).as_ref().clone();
        edit(&mut service);
        self.put_service(service);
    }

    pub fn edit_instance(&mut self, name: &str, edit: impl FnOnce(&mut Instance)) {
        let mut instance = self.state.instances[&fixture::instance_name(name)]
            .as_ref()
            .clone();
        edit(&mut instance);
        self.state.apply(&Change::Instance(Arc::new(instance)));
    }

    pub fn edit_task(&mut self, id: TaskId, edit: impl FnOnce(&mut Task)) {
        let mut task = self.state.tasks[&id].as_ref().clone();
        edit(&mut task);
        self.state.apply(&Change::Task(Arc::new(task)));
    }

    /// A service's tasks whose stop is not confirmed.
    pub fn tasks(&self, service: &str) -> Vec<Arc<Task>> {
        let name = fixture::service_name(service);
        self.state
            .tasks
            .values()
            .filter(|task| task.service.as_ref() == Some(&name) && !task.is_stopped())
            .cloned()
            .collect()
    }

    /// Plans once, checks that planning again finds nothing more, and carries the plan out.
    pub fn plan(&mut self) -> Plan {
        let plan = plan(&self.state, self.now, &mut self.ids);
        let before = self.state.clone();
        self.state.apply_all(&plan.changes(&before, self.now));
        let violations = check_plan(&before, &plan, &self.state, self.now);
        assert_eq!(violations, [], "{plan:#?}");
        let again = super::plan(&self.state, self.now, &mut self.ids.clone());
        assert!(again.is_empty(), "planning again gave {again:#?}");
        plan
    }

    /// Hosts do as they are told: what should run runs, what should stop stops. What sits on a
    /// host that does not answer stays as it was seen last.
    pub fn act(&mut self) {
        for task in self.state.tasks.clone().values() {
            let connected = self
                .state
                .instances
                .get(&task.instance)
                .is_some_and(|instance| instance.is_connected());
            if connected && !task.is_stopped() {
                self.act_on(task.id);
            }
        }
    }

    /// One host does as it is told about one task.
    pub fn act_on(&mut self, id: TaskId) {
        let now = self.now;
        self.edit_task(id, |task| match task.desired_status {
            DesiredStatus::Running => {
                task.last_status = task.last_status.max(LastStatus::Running);
                task.started_at = task.started_at.or(Some(now));
                for container in &mut task.containers {
                    container.last_status = LastStatus::Running;
                    if container.has_health_check && container.health == Health::Unknown {
                        container.health = Health::Healthy;
                    }
                }
            }
            DesiredStatus::Stopped => {
                task.last_status = LastStatus::Stopped;
                task.stopped_at = Some(now);
            }
        });
    }

    /// A task's essential container ends by itself.
    pub fn crash(&mut self, id: TaskId) {
        let now = self.now;
        self.edit_task(id, |task| {
            task.desired_status = DesiredStatus::Stopped;
            task.last_status = LastStatus::Stopped;
            task.stop_code = Some(StopCode::EssentialContainerExited);
            task.stopped_reason = Some("Essential container in task exited".into());
            task.stopping_at = Some(now);
            task.stopped_at = Some(now);
        });
    }

    /// A person stops a task.
    pub fn stop_by_hand(&mut self, id: TaskId) {
        let now = self.now;
        self.edit_task(id, |task| {
            task.desired_status = DesiredStatus::Stopped;
            task.last_status = LastStatus::Deactivating;
            task.stop_code = Some(StopCode::UserInitiated);
            task.stopping_at = Some(now);
        });
    }

    pub fn disconnect(&mut self, instance: &str) {
        let since = self.now;
        self.edit_instance(instance, |instance| {
            instance.connection = Connection::Disconnected {
                since,
                reason: "connection timed out".to_owned(),
            };
        });
    }

    pub fn reconnect(&mut self, instance: &str) {
        let since = self.now;
        self.edit_instance(instance, |instance| {
            instance.connection = Connection::Connected { since };
        });
    }

    pub fn set_status(&mut self, instance: &str, status: InstanceStatus) {
        self.edit_instance(instance, |instance| instance.status = status);
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Plans and acts until nothing is left to do. Where a deployment only waits for its tasks to
    /// stay up for a moment, that moment passes.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let plan = self.plan();
            let before = self.state.clone();
            self.act();
            if plan.is_empty() && before == self.state {
                match plan.wake_at.filter(|at| self.proves_by(*at)) {
                    Some(at) => self.now = at,
                    None => return,
                }
            }
        }
        panic!("the world does not come to rest");
    }

    /// Whether that moment is soon, and a deployment is under way whose tasks all serve or a
    /// DRAINING instance waits for what takes over.
    pub fn proves_by(&self, at: TimeMs) -> bool {
        at.since_ms(self.now) <= COMPLETION_SETTLE_MS
            && (self.all_serve() || super::awaits_proof(&self.state, self.now))
    }

    fn all_serve(&self) -> bool {
        self.state.services.values().any(|service| {
            if service
                .rebalance
                .as_ref()
                .is_some_and(|it| !it.extra.is_empty())
            {
                return true;
            }
            let tasks = self.tasks(service.name.as_str());
            let tasks: Vec<_> = tasks.iter().filter(|t| t.is_wanted()).collect();
            let serving = tasks.iter().filter(|t| t.is_serving()).count();
            service.primary().is_some_and(|primary| {
                let old = |t: &&Arc<Task>| t.deployment.as_ref() != Some(&primary.id);
                primary.rollout_state == RolloutState::InProgress
                    && (serving == service.desired_count as usize
                        || serving == tasks.len() && tasks.iter().copied().any(|t| old(&t)))
            })
        })
    }

    /// `ops-1 2 ops-2 1`: RUNNING and PENDING tasks of a service by instance.
    pub fn spread(&self, service: &str) -> String {
        self.spread_of(&self.tasks(service))
    }

    /// The same of any tasks.
    pub fn spread_of(&self, tasks: &[Arc<Task>]) -> String {
        let parts: Vec<String> = self
            .state
            .instances
            .keys()
            .map(|name| {
                let here = tasks
                    .iter()
                    .filter(|t| t.is_wanted() && &t.instance == name);
                format!("{name} {}", here.count())
            })
            .collect();
        parts.join(" ")
    }
}
