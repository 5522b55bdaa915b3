//! Where a plan would put tasks, and which it would take away: for the stowage map.

use std::collections::{HashMap, HashSet};

use crate::client::PlanReport;
use crate::controller::core::Action;
use crate::model::state::ServiceKey;
use crate::model::{InstanceName, Resources, State, TaskDefinitionId, TaskId};

/// A task that would start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ghost {
    /// Its service, or the family of one run by hand.
    pub subject: String,
    pub service: Option<ServiceKey>,
    pub definition: TaskDefinitionId,
    pub resources: Resources,
    pub why: String,
}

/// What a plan would change on the map.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ghosts {
    starts: HashMap<InstanceName, Vec<Ghost>>,
    stops: HashSet<TaskId>,
}

impl Ghosts {
    /// What a plan over that state would change.
    pub(crate) fn new(report: &PlanReport, state: &State) -> Self {
        let mut ghosts = Self::default();
        for step in &report.steps {
            match step.action {
                Action::Stop => ghosts.stops.extend(step.task),
                Action::Start => {
                    let definition = state.task_definitions.get(&step.task_definition);
                    let of = state.instances.get(&step.instance).map(|it| &it.cluster);
                    let mut services = report.services.iter();
                    let service = services
                        .find(|it| it.service.as_str() == step.subject && Some(&it.cluster) == of);
                    let ghost = Ghost {
                        subject: step.subject.clone(),
                        service: service.map(|it| (it.cluster.clone(), it.service.clone())),
                        definition: step.task_definition.clone(),
                        resources: definition.map(|it| it.resources()).unwrap_or_default(),
                        why: step.reason.clone(),
                    };
                    let there = ghosts.starts.entry(step.instance.clone());
                    there.or_default().push(ghost);
                }
            }
        }
        ghosts
    }

    /// The tasks that would start on an instance.
    pub(crate) fn on(&self, instance: &InstanceName) -> &[Ghost] {
        self.starts.get(instance).map_or(&[], Vec::as_slice)
    }

    /// Whether a task would stop.
    pub(crate) fn stops(&self, task: TaskId) -> bool {
        self.stops.contains(&task)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.starts.is_empty() && self.stops.is_empty()
    }
}
