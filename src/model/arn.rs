//! Amazon Resource Names, as ECS writes them.

use serde::{Deserialize, Serialize};

use super::id::{
    CapacityProviderName, ClusterName, DeploymentId, InstanceName, ServiceName, TaskDefinitionId,
    TaskId,
};

/// The account that ARNs carry unless the config names another.
pub const DEFAULT_ACCOUNT: &str = "123456789012";
/// The region that ARNs carry where a cluster names none.
pub const DEFAULT_REGION: &str = "local";

/// Region and account: what every ARN of one cluster starts with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Region, such as `eu-central-1`.
    pub region: String,
    /// Twelve-digit account number.
    pub account: String,
}

impl Default for Partition {
    fn default() -> Self {
        Self {
            region: DEFAULT_REGION.to_owned(),
            account: DEFAULT_ACCOUNT.to_owned(),
        }
    }
}

impl Partition {
    fn arn(&self, rest: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{rest}", self.region, self.account)
    }

    /// A cluster's ARN.
    #[must_use]
    pub fn cluster(&self, cluster: &ClusterName) -> String {
        self.arn(&format!("cluster/{cluster}"))
    }

    /// A container instance's ARN; its last part is the configured name.
    #[must_use]
    pub fn instance(&self, cluster: &ClusterName, instance: &InstanceName) -> String {
        self.arn(&format!("container-instance/{cluster}/{instance}"))
    }

    /// A capacity provider's ARN.
    #[must_use]
    pub fn capacity_provider(&self, name: &CapacityProviderName) -> String {
        self.arn(&format!("capacity-provider/{name}"))
    }

    /// A service's ARN.
    #[must_use]
    pub fn service(&self, cluster: &ClusterName, service: &ServiceName) -> String {
        self.arn(&format!("service/{cluster}/{service}"))
    }

    /// The ARN of a service's deployment.
    #[must_use]
    pub fn service_deployment(
        &self,
        cluster: &ClusterName,
        service: &ServiceName,
        deployment: &DeploymentId,
    ) -> String {
        let id = deployment.digits();
        self.arn(&format!("service-deployment/{cluster}/{service}/{id}"))
    }

    /// The ARN of what a deployment brings: one revision of the service to each deployment.
    #[must_use]
    pub fn service_revision(
        &self,
        cluster: &ClusterName,
        service: &ServiceName,
        deployment: &DeploymentId,
    ) -> String {
        let id = deployment.digits();
        self.arn(&format!("service-revision/{cluster}/{service}/{id}"))
    }

    /// A task's ARN.
    #[must_use]
    pub fn task(&self, cluster: &ClusterName, task: &TaskId) -> String {
        self.arn(&format!("task/{cluster}/{task}"))
    }

    /// A task definition's ARN (families are not bound to a cluster).
    #[must_use]
    pub fn task_definition(&self, id: &TaskDefinitionId) -> String {
        self.arn(&format!("task-definition/{id}"))
    }
}

/// What an ARN of ECS is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// A task: its cluster and its id.
    Task(&'a str, &'a str),
    /// A service: its cluster and its name.
    Service(&'a str, &'a str),
    /// A cluster: its name.
    Cluster(&'a str),
    /// A container instance: its cluster and its name.
    Instance(&'a str, &'a str),
    /// A deployment of a service: the service's cluster and name, and the id's digits.
    ServiceDeployment(&'a str, &'a str, &'a str),
    /// A task definition: `family:revision`.
    TaskDefinition(&'a str),
    /// Another kind, by its name in the ARN, such as `task-set`.
    Other(&'a str),
}

impl<'a> Resource<'a> {
    /// What an ARN is about; `None` if the text is no whole ARN of ECS.
    #[must_use]
    pub fn of(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (word, _aws, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (_region, _account, rest) = (parts.next()?, parts.next()?, parts.next()?);
        if word != "arn" || service != "ecs" {
            return None;
        }
        let (kind, name) = rest.split_once('/')?;
        match (kind, name.split_once('/')) {
            ("task", Some((cluster, id))) => Some(Self::Task(cluster, id)),
            ("service", Some((cluster, name))) => Some(Self::Service(cluster, name)),
            ("service-deployment", Some((cluster, name))) => {
                let (service, id) = name.split_once('/')?;
                Some(Self::ServiceDeployment(cluster, service, id))
            }
            ("container-instance", Some((cluster, name))) => Some(Self::Instance(cluster, name)),
            ("cluster", None) => Some(Self::Cluster(name)),
            ("task" | "service" | "service-deployment" | "container-instance", None) => None,
            ("task-definition", _) => Some(Self::TaskDefinition(name)),
            _ => Some(Self::Other(kind)),
        }
    }
}

/// The resource at the end of an ARN, or the text itself if it is no ARN. ECS takes either a
/// short name or a full ARN wherever it asks for a resource.
#[must_use]
pub fn short_name(text: &str) -> &str {
    if !text.starts_with("arn:") {
        return text;
    }
    text.rsplit('/').next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_arn_is_what_ecs_prints() {
        let cluster = ClusterName::default_cluster();
        let arn = Partition::default().task(&cluster, &TaskId(0xab));
        assert_eq!(
            arn,
            "arn:aws:ecs:local:123456789012:task/default/000000000000000000000000000000ab"
        );
        assert_eq!(short_name(&arn), "000000000000000000000000000000ab");
        assert_eq!(short_name("web"), "web");
        let id = "000000000000000000000000000000ab";
        assert_eq!(Resource::of(&arn), Some(Resource::Task("default", id)));
        let of = |rest: &str| format!("arn:aws:ecs:local:1:{rest}");
        assert_eq!(
            Resource::of(&of("task-definition/web:3")),
            Some(Resource::TaskDefinition("web:3"))
        );
        assert_eq!(
            Resource::of(&of("cluster/blue")),
            Some(Resource::Cluster("blue"))
        );
        let of_instance = of("container-instance/blue/ops-1");
        assert_eq!(
            Resource::of(&of_instance),
            Some(Resource::Instance("blue", "ops-1"))
        );
        let of_service = of("service-deployment/blue/web/0001");
        assert_eq!(
            Resource::of(&of_service),
            Some(Resource::ServiceDeployment("blue", "web", "0001"))
        );
        for wrong in [
            "web",
            "arn:aws:s3:::x/y",
            "arn:aws:ecs:local:1:service/web",
            "arn:",
        ] {
            assert_eq!(Resource::of(wrong), None, "{wrong}");
        }
    }
}
