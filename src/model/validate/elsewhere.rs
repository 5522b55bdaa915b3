//! What only AWS can honour: refused where a task would run wrongly without it, else said.

use serde_json::Value;

use super::Faults;
use crate::model::TaskDefinition;
use crate::model::task_definition::Kept;

/// What becomes of a member that only AWS can honour, in words that follow its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// Nothing may run without it.
    Refused(&'static str),
    /// It has no effect, which does no harm.
    Warned(&'static str),
    /// What it asks for is so anyway.
    Silent,
}

use Elsewhere::{Refused, Silent, Warned};

/// What becomes of a member, by its path in the object that keeps it. `None` for those that are
/// not AWS's alone.
#[must_use]
pub fn elsewhere(path: &str) -> Option<Elsewhere> {
    Some(match path.rsplit('.').next().unwrap_or(path) {
        "proxyConfiguration" => Refused(
            "is AWS App Mesh's, without which traffic would go around the proxy; run the proxy as \
             a container of the task and send traffic through it",
        ),
        "inferenceAccelerators" => {
            Refused("are AWS's own hardware; use resourceRequirements with GPU")
        }
        "trustedExecutionConfiguration" => Refused(
            "is an isolation that a Docker engine does not give; leave it out if the task may run \
             without it",
        ),
        "firelensConfiguration" => Refused(
            "is AWS FireLens, which a plain engine has not; give the containers logDriver fluentd \
             with the address of your log router",
        ),
        "credentialSpecs" => Refused(
            "are for Active Directory on AWS's agents, which a plain engine has not; mount a \
             keytab of your own instead",
        ),
        "secretOptions" => Refused(
            "of log drivers are not supported; configure the secret in the engine's daemon.json",
        ),
        "sharingStrategy" => Refused("is not supported; say in value how many GPUs"),
        "volumeConfigurations" => Refused(
            "are EBS volumes, which only AWS attaches; use a volume with host.sourcePath, or a \
             Docker volume whose driver reaches your storage",
        ),
        "ephemeralStorage" => {
            Warned("is Fargate's: it has no effect, the disk is the instance's own")
        }
        "enableFaultInjection" => Warned("is AWS's fault injection service: it has no effect"),
        "executionRoleArn" => Warned(
            "is for AWS's agents: it has no effect, images are pulled with the credentials of \
             Docker's own config (docker login)",
        ),
        "repositoryCredentials" => Warned(
            "are in AWS Secrets Manager: they have no effect, images are pulled with the \
             credentials of Docker's own config (docker login)",
        ),
        "appProtocol" => Warned("is Service Connect's: it has no effect"),
        "loadBalancers" => {
            Warned("are AWS's: they have no effect; send your load balancer to the published ports")
        }
        "serviceRegistries" => Warned("are AWS Cloud Map's: they have no effect"),
        "serviceConnectConfiguration" | "serviceConnectDefaults" => Warned(
            "is AWS Service Connect's: it has no effect; reach other services by published ports",
        ),
        "vpcLatticeConfigurations" => Warned("are AWS VPC Lattice's: they have no effect"),
        "gatewayConnectors" => Warned("are AWS's: they have no effect"),
        "monitoring" => Warned("is CloudWatch's: it has no effect; see qd task show"),
        "platformVersion" => Warned("is Fargate's: it has no effect"),
        // `qd exec` works in every container.
        "enableExecuteCommand" => Silent,
        _ => return None,
    })
}

/// The volumes that only AWS has, by the member that asks for them.
const VOLUMES: [(&str, &str); 4] = [
    ("efsVolumeConfiguration", "an Amazon EFS file system"),
    ("s3filesVolumeConfiguration", "an Amazon S3 file system"),
    (
        "fsxWindowsFileServerVolumeConfiguration",
        "an Amazon FSx file server",
    ),
    ("configuredAtLaunch", "an Amazon EBS volume"),
];

/// Whether a kept member asks for something.
#[must_use]
pub fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

/// The refused ones among the members that an object keeps.
fn refused(kept: &Kept, place: &str, faults: &mut Faults) {
    for (path, _) in kept.iter().filter(|(_, value)| asks_for_something(value)) {
        if let Some(Refused(why)) = elsewhere(path) {
            let name = path.rsplit('.').next().unwrap_or(path);
            faults.add(format!("{place}{path}"), format!("{name} {why}"));
        }
    }
}

pub(super) fn only_aws(definition: &TaskDefinition, faults: &mut Faults) {
    refused(&definition.unsupported, "", faults);
    let containers = &definition.container_definitions;
    for (index, container) in containers.iter().enumerate() {
        let place = format!("containerDefinitions[{index}].");
        refused(&container.unsupported, &place, faults);
    }
    for (index, volume) in definition.volumes.iter().enumerate() {
        let mounted = |name: &str| {
            let mounts = containers.iter().flat_map(|c| &c.mount_points);
            mounts.into_iter().any(|mount| mount.source_volume == name)
        };
        for (member, what) in VOLUMES {
            let asked = volume.unsupported.get(member);
            if asked.is_some_and(asks_for_something) && mounted(&volume.name) {
                faults.add(
                    format!("volumes[{index}].{member}"),
                    format!(
                        "volume {} is {what}, which only AWS mounts, and a container needs it; \
                         use host.sourcePath with a folder that is mounted on the instances, or \
                         dockerVolumeConfiguration (driver local with type nfs reaches NFS)",
                        volume.name
                    ),
                );
            }
        }
    }
}
