//! ECS's operations on tags.

use serde::{Deserialize, Serialize};

use crate::model::tag::Tag;

/// Request of TagResource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TagResource {
    /// ARN of a cluster, a container instance, a service, a task or a task definition.
    pub resource_arn: String,
    /// Tags to put on it; a key that is there gets the new value.
    pub tags: Vec<Tag>,
}

/// Request of UntagResource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UntagResource {
    /// ARN of a cluster, a container instance, a service, a task or a task definition.
    pub resource_arn: String,
    /// Keys of the tags to take off; those that are not there are no fault.
    pub tag_keys: Vec<String>,
}
