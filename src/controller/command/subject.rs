//! What a command is about, as it was asked: nothing of it need be there.

use super::Command;
use crate::model::arn::short_name;

/// What a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What kind of thing: `service`, `task definition`.
    pub kind: &'static str,
    /// Its name, or names, as asked.
    pub name: String,
    /// The cluster that was named.
    pub cluster: Option<String>,
}

impl Command {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        let of = |kind, name: &str, cluster: &Option<String>| Subject {
            kind,
            name: short_name(name).to_owned(),
            cluster: cluster.clone(),
        };
        let several = |kind, names: &[String], cluster: &Option<String>| {
            let names: Vec<&str> = names.iter().map(|name| short_name(name)).collect();
            of(kind, &names.join(", "), cluster)
        };
        match self {
            Self::RegisterTaskDefinition(it) => of("task definition", it.family.as_str(), &None),
            Self::DeregisterTaskDefinition(it) => of("task definition", &it.task_definition, &None),
            Self::CreateService(it) => of("service", it.service_name.as_str(), &it.cluster),
            Self::UpdateService(it) => of("service", &it.service, &it.cluster),
            Self::RebalanceService(it) => of("service", &it.service, &it.cluster),
            Self::DeleteService(it) => of("service", &it.service, &it.cluster),
            Self::RunTask(it) => of("task definition", &it.task_definition, &it.cluster),
            Self::StopTask(it) => of("task", &it.task, &it.cluster),
            Self::ExecuteCommand(it) => of("task", &it.task, &it.cluster),
            Self::UpdateTaskProtection(it) => several("task", &it.tasks, &it.cluster),
            Self::UpdateContainerInstancesState(it) => {
                several("instance", &it.container_instances, &it.cluster)
            }
            Self::CreateCluster(it) => of(
                "cluster",
                it.cluster_name.as_deref().unwrap_or("default"),
                &None,
            ),
            Self::DeleteCluster(it) => of("cluster", &it.cluster, &None),
            Self::TagResource(it) => of("resource", &it.resource_arn, &None),
            Self::UntagResource(it) => of("resource", &it.resource_arn, &None),
            Self::PutSchedule(it) => of("schedule", it.name.as_str(), &it.cluster),
            Self::DeleteSchedule(it) | Self::RunSchedule(it) => {
                of("schedule", &it.name, &it.cluster)
            }
        }
    }
}
