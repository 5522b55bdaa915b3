//! ECS's Describe* and List* operations over a snapshot. Pure.

mod deployments;
mod more;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::shape;
use crate::controller::{CommandError, ErrorKind};
use crate::model::arn::{Partition, short_name};
use crate::model::capacity::FARGATE_PROVIDERS;
use crate::model::service::SchedulingStrategy;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{
    CapacityProviderName, Cluster, ClusterName, DesiredStatus, Family, Instance, InstanceName,
    InstanceStatus, LaunchType, ServiceName, State, Task, TaskDefinition, TaskDefinitionId, TaskId,
};
use crate::model::{ServiceStatus, Snapshot};
use crate::scheduler::{Expression, Index};

/// The operations that ask and change nothing.
pub const OPERATIONS: [&str; 18] = [
    "DescribeCapacityProviders",
    "DescribeClusters",
    "DescribeContainerInstances",
    "DescribeSchedules",
    "DescribeServiceDeployments",
    "DescribeServices",
    "DescribeTaskDefinition",
    "DescribeTasks",
    "GetTaskProtection",
    "ListClusters",
    "ListContainerInstances",
    "ListSchedules",
    "ListServiceDeployments",
    "ListServices",
    "ListTagsForResource",
    "ListTaskDefinitionFamilies",
    "ListTaskDefinitions",
    "ListTasks",
];

/// Answers one of [`OPERATIONS`]. Unknown ids come in `failures`.
///
/// # Errors
/// [`CommandError`] for another operation, a body that is not the operation's, a cluster that is
/// not there.
pub fn query(snapshot: &Snapshot, operation: &str, body: &Value) -> Result<Value, CommandError> {
    let state = &snapshot.state;
    match operation {
        "DescribeCapacityProviders" => describe_providers(state, &read(body)?),
        "DescribeClusters" => describe_clusters(state, &read(body)?),
        "DescribeContainerInstances" => describe_instances(state, &read(body)?),
        "DescribeSchedules" => more::describe_schedules(state, &read(body)?),
        "DescribeServiceDeployments" => deployments::describe(state, &read(body)?),
        "DescribeServices" => describe_services(state, &read(body)?),
        "DescribeTaskDefinition" => describe_definition(state, &read(body)?),
        "DescribeTasks" => describe_tasks(state, &read(body)?),
        "GetTaskProtection" => task_protection(snapshot, &read(body)?),
        "ListClusters" => list_clusters(state, &read(body)?),
        "ListContainerInstances" => list_instances(state, &read(body)?),
        "ListSchedules" => more::list_schedules(state, &read(body)?),
        "ListTagsForResource" => more::list_tags(state, &read(body)?),
        "ListServiceDeployments" => deployments::list(state, read(body)?),
        "ListServices" => list_services(state, &read(body)?),
        "ListTaskDefinitionFamilies" => list_families(state, &read(body)?),
        "ListTaskDefinitions" => list_definitions(state, &read(body)?),
        "ListTasks" => list_tasks(state, &read(body)?),
        _ => Err(CommandError::new(
            ErrorKind::UnknownOperationException,
            format!("there is no operation {operation} here"),
        )),
    }
}

fn invalid(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorKind::InvalidParameterException, message)
}

fn read<T: DeserializeOwned + Default>(body: &Value) -> Result<T, CommandError> {
    if body.is_null() {
        return Ok(T::default());
    }
    serde_path_to_error::deserialize(body.clone()).map_err(|error| invalid(error.to_string()))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Describe {
    cluster: Option<String>,
    capacity_providers: Vec<String>,
    clusters: Vec<String>,
    container_instances: Vec<String>,
    services: Vec<String>,
    service_deployment_arns: Vec<String>,
    tasks: Vec<String>,
    task_definition: Option<String>,
    include: Vec<String>,
    schedules: Vec<String>,
    resource_arn: Option<String>,
}

impl Describe {
    fn with_tags(&self) -> bool {
        self.include.iter().any(|word| word == "TAGS")
    }

    /// Without its tags, unless they are asked for.
    fn tagged(&self, mut body: Value) -> Value {
        if !self.with_tags() {
            body["tags"] = json!([]);
        }
        body
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct List {
    cluster: Option<String>,
    container_instance: Option<String>,
    family: Option<String>,
    family_prefix: Option<String>,
    service_name: Option<String>,
    started_by: Option<String>,
    desired_status: Option<String>,
    status: Option<String>,
    launch_type: Option<String>,
    scheduling_strategy: Option<String>,
    sort: Option<String>,
    filter: Option<String>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

impl List {
    fn of_launch_type(&self, have: LaunchType) -> bool {
        let asked = self.launch_type.as_deref().filter(|word| !word.is_empty());
        asked.is_none_or(|word| word == have.as_str())
    }

    fn of_strategy(&self, have: SchedulingStrategy) -> bool {
        match self.scheduling_strategy.as_deref() {
            None | Some("") => true,
            Some(word) => match have {
                SchedulingStrategy::Replica => word == "REPLICA",
                SchedulingStrategy::Daemon => word == "DAEMON",
            },
        }
    }
}

/// The cluster asked for; `default` where none is named.
fn cluster<'a>(state: &'a State, asked: Option<&str>) -> Result<&'a Cluster, CommandError> {
    let name = asked.map_or("default", short_name);
    ClusterName::new(name)
        .ok()
        .and_then(|name| state.clusters.get(&name))
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            CommandError::new(
                ErrorKind::ClusterNotFoundException,
                format!("there is no cluster {name}; ListClusters tells those there are"),
            )
        })
}

/// Describes each of the things asked for; those that are not there come in `failures`, with
/// the ARN that they would have.
fn describe(
    member: &str,
    asked: &[String],
    arn: impl Fn(&str) -> String,
    find: impl Fn(&str) -> Option<Value>,
) -> Result<Value, CommandError> {
    if asked.is_empty() {
        return Err(invalid(format!("{member} must not be empty")));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for text in asked {
        match find(short_name(text)) {
            Some(value) => found.push(value),
            None => {
                let arn = if text.starts_with("arn:") {
                    text.clone()
                } else {
                    arn(text)
                };
                failures.push(json!({"arn": arn, "reason": "MISSING"}));
            }
        }
    }
    Ok(json!({member: found, "failures": failures}))
}

fn under(partition: &Partition, kind: &str, cluster: &ClusterName, name: &str) -> String {
    let root = partition.cluster(cluster);
    root.replacen(":cluster/", &format!(":{kind}/"), 1) + "/" + name
}

fn describe_clusters(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let default = [ClusterName::default_cluster().to_string()];
    let names = if asked.clusters.is_empty() {
        &default[..]
    } else {
        &asked.clusters[..]
    };
    describe(
        "clusters",
        names,
        |name| {
            let root = Partition::default().cluster(&ClusterName::default_cluster());
            root.replacen("/default", &format!("/{name}"), 1)
        },
        |name| {
            let cluster = state.clusters.get(&ClusterName::new(name).ok()?)?;
            Some(asked.tagged(shape::cluster(state, cluster)))
        },
    )
}

/// All of them where none is named, as in ECS; of one cluster where that is named.
fn describe_providers(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let home = match asked.cluster.as_deref() {
        Some(named) => cluster(state, Some(named))?,
        None => cluster(state, None)?,
    };
    let of_home = asked.cluster.is_some();
    let mut all: BTreeMap<String, Value> = BTreeMap::new();
    for cluster in state
        .clusters
        .values()
        .filter(|it| !of_home || it.name == home.name)
    {
        for name in &cluster.capacity_providers {
            all.insert(name.to_string(), shape::capacity_provider(cluster, name));
        }
    }
    let serves = |it: &&Arc<Instance>| it.fargate && (!of_home || it.cluster == home.name);
    if state.instances.values().any(|it| serves(&it)) {
        for name in FARGATE_PROVIDERS {
            if let Ok(own) = CapacityProviderName::new(name) {
                all.insert(name.to_owned(), shape::capacity_provider(home, &own));
            }
        }
    }
    if asked.capacity_providers.is_empty() {
        let all: Vec<Value> = all.into_values().collect();
        return Ok(json!({"capacityProviders": all, "failures": []}));
    }
    describe(
        "capacityProviders",
        &asked.capacity_providers,
        |name| {
            let root = home.partition.cluster(&home.name);
            let root = root
                .split(":cluster/")
                .next()
                .unwrap_or_default()
                .to_owned();
            format!("{root}:capacity-provider/{name}")
        },
        |name| all.get(name).cloned(),
    )
}

fn describe_instances(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    describe(
        "containerInstances",
        &asked.container_instances,
        |name| {
            under(
                &cluster.partition,
                "container-instance",
                &cluster.name,
                name,
            )
        },
        |name| {
            let instance = state.instances.get(&InstanceName::new(name).ok()?)?;
            // What serves FARGATE stays out of sight.
            (instance.cluster == cluster.name && !instance.fargate)
                .then(|| asked.tagged(shape::container_instance(state, instance)))
        },
    )
}

fn describe_services(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let counts = shape::Counts::of(state);
    describe(
        "services",
        &asked.services,
        |name| under(&cluster.partition, "service", &cluster.name, name),
        |name| {
            let service = state.service(&cluster.name, &ServiceName::new(name).ok()?)?;
            let mut body = shape::service(state, service, &counts);
            if let (false, Value::Object(members)) = (asked.with_tags(), &mut body) {
                members.remove("tags");
            }
            Some(body)
        },
    )
}

fn describe_tasks(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    describe(
        "tasks",
        &asked.tasks,
        |id| under(&cluster.partition, "task", &cluster.name, id),
        |id| {
            let task = state.tasks.get(&id.parse::<TaskId>().ok()?)?;
            (task.cluster == cluster.name).then(|| asked.tagged(shape::task(state, task)))
        },
    )
}

/// All protected tasks of the cluster where none is named, as in ECS.
fn task_protection(snapshot: &Snapshot, asked: &Describe) -> Result<Value, CommandError> {
    let state = &snapshot.state;
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let of_service = |task: &&std::sync::Arc<Task>| {
        task.cluster == cluster.name && task.service.is_some() && !task.is_stopped()
    };
    if asked.tasks.is_empty() {
        let tasks = state.tasks.values().filter(of_service);
        let protected = tasks.filter(|task| task.protected_until > Some(snapshot.at));
        let all: Vec<Value> = protected
            .map(|it| shape::protection(state, it, snapshot.at))
            .collect();
        return Ok(json!({"protectedTasks": all, "failures": []}));
    }
    describe(
        "protectedTasks",
        &asked.tasks,
        |id| under(&cluster.partition, "task", &cluster.name, id),
        |id| {
            let task = state.tasks.get(&id.parse::<TaskId>().ok()?)?;
            of_service(&task).then(|| shape::protection(state, task, snapshot.at))
        },
    )
}

fn describe_definition(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let text = asked
        .task_definition
        .as_deref()
        .ok_or_else(|| invalid("the member taskDefinition is missing"))?;
    let definition = definition(state, short_name(text)).ok_or_else(|| {
        CommandError::new(
            ErrorKind::ClientException,
            format!(
                "there is no task definition {text}; ListTaskDefinitions tells those there are"
            ),
        )
    })?;
    let mut body = json!({"taskDefinition": shape::task_definition(state, definition)});
    if asked.with_tags() {
        body["tags"] = json!(definition.tags);
    }
    Ok(body)
}

fn definition<'a>(state: &'a State, text: &str) -> Option<&'a TaskDefinition> {
    if text.contains(':') {
        let id: TaskDefinitionId = text.parse().ok()?;
        return state.task_definitions.get(&id).map(AsRef::as_ref);
    }
    let family = Family::new(text).ok()?;
    state.latest_definition(&family).map(AsRef::as_ref)
}

/// One page of a list: everything where `maxResults` is not given. A token holds the last item of
/// the page before, so that a list that changes meanwhile loses nothing that stays.
fn page(member: &str, items: Vec<String>, asked: &List) -> Result<Value, CommandError> {
    let from = match &asked.next_token {
        None => 0,
        Some(token) => {
            let last = URL_SAFE_NO_PAD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| invalid("nextToken is not one that was given"))?;
            match items.iter().position(|item| *item == last) {
                Some(index) => index + 1,
                None => items
                    .iter()
                    .position(|item| *item > last)
                    .unwrap_or(items.len()),
            }
        }
    };
    let most = match asked.max_results {
        None => items.len(),
        Some(0) => return Err(invalid("maxResults must be 1 or more")),
        Some(most) => most as usize,
    };
    let shown: Vec<&String> = items.iter().skip(from).take(most).collect();
    let mut body = json!({member: shown});
    if let (Some(last), true) = (shown.last(), from + shown.len() < items.len()) {
        body["nextToken"] = URL_SAFE_NO_PAD.encode(last.as_bytes()).into();
    }
    Ok(body)
}

fn list_clusters(state: &State, asked: &List) -> Result<Value, CommandError> {
    let arns = state
        .clusters
        .values()
        .map(|it| it.partition.cluster(&it.name));
    page("clusterArns", arns.collect(), asked)
}

/// An expression of the cluster query language over the instances of a state.
struct Filter {
    expression: Expression,
    index: Index,
}

impl Filter {
    fn read(state: &State, text: &str) -> Result<Self, CommandError> {
        let expression = Expression::parse(text);
        Ok(Self {
            expression: expression.map_err(|error| invalid(format!("filter: {error}")))?,
            index: Index::new(state),
        })
    }

    fn takes(&self, name: &InstanceName) -> bool {
        self.index.matches(name, &self.expression)
    }
}

fn list_instances(state: &State, asked: &List) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let filter = asked.filter.as_deref().filter(|text| !text.is_empty());
    let filter = filter.map(|text| Filter::read(state, text)).transpose()?;
    let status = match asked.status.as_deref() {
        None => None,
        Some("ACTIVE") => Some(InstanceStatus::Active),
        Some("DRAINING") => Some(InstanceStatus::Draining),
        Some("REGISTERING") => Some(InstanceStatus::Registering),
        Some("DEREGISTERING" | "REGISTRATION_FAILED") => {
            return page("containerInstanceArns", Vec::new(), asked);
        }
        Some(other) => {
            return Err(invalid(format!(
                "\"{other}\" is no container instance status"
            )));
        }
    };
    let arns = state
        .instances
        .values()
        // What serves FARGATE stays out of sight.
        .filter(|it| it.cluster == cluster.name && !it.fargate)
        .filter(|it| status.is_none_or(|status| it.status == status))
        .filter(|it| filter.as_ref().is_none_or(|filter| filter.takes(&it.name)))
        .map(|it| cluster.partition.instance(&cluster.name, &it.name));
    page("containerInstanceArns", arns.collect(), asked)
}

fn list_services(state: &State, asked: &List) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let arns = state
        .services
        .values()
        .filter(|it| it.cluster == cluster.name && it.status != ServiceStatus::Inactive)
        .filter(|it| asked.of_launch_type(it.launch_type))
        .filter(|it| asked.of_strategy(it.scheduling_strategy))
        .map(|it| cluster.partition.service(&cluster.name, &it.name));
    page("serviceArns", arns.collect(), asked)
}

fn list_tasks(state: &State, asked: &List) -> Result<Value, CommandError> {
    let cluster = cluster(state, asked.cluster.as_deref())?;
    let desired = match asked.desired_status.as_deref() {
        None | Some("RUNNING") => DesiredStatus::Running,
        Some("STOPPED") => DesiredStatus::Stopped,
        // As in ECS: no task is ever desired to be PENDING.
        Some("PENDING") => return page("taskArns", Vec::new(), asked),
        Some(other) => return Err(invalid(format!("\"{other}\" is no desired status"))),
    };
    if let Some(name) = asked.service_name.as_deref() {
        let name = short_name(name);
        let known = ServiceName::new(name)
            .ok()
            .and_then(|name| state.service(&cluster.name, &name));
        if known.is_none() {
            return Err(CommandError::new(
                ErrorKind::ServiceNotFoundException,
                format!("there is no service {name} in cluster {}", cluster.name),
            ));
        }
    }
    let arns = state
        .tasks
        .values()
        .filter(|it| it.cluster == cluster.name && it.desired_status == desired)
        .filter(|it| matches(asked, it))
        .map(|it| cluster.partition.task(&cluster.name, &it.id));
    page("taskArns", arns.collect(), asked)
}

fn matches(asked: &List, task: &Task) -> bool {
    let same = |asked: &Option<String>, have: Option<&str>| {
        asked
            .as_deref()
            .is_none_or(|text| Some(short_name(text)) == have)
    };
    same(&asked.container_instance, Some(task.instance.as_str()))
        && asked.of_launch_type(task.launch_type)
        && same(&asked.family, Some(task.task_definition.family.as_str()))
        && same(
            &asked.service_name,
            task.service.as_ref().map(ServiceName::as_str),
        )
        && asked
            .started_by
            .as_deref()
            .is_none_or(|by| by == &*task.started_by)
}

/// Which definitions a status asks for; `None` = those of any status.
fn definition_status(asked: Option<&str>) -> Result<Option<TaskDefinitionStatus>, CommandError> {
    match asked {
        None | Some("ACTIVE") => Ok(Some(TaskDefinitionStatus::Active)),
        Some("INACTIVE") => Ok(Some(TaskDefinitionStatus::Inactive)),
        Some("ALL") => Ok(None),
        Some(other) => Err(invalid(format!("\"{other}\" is no task definition status"))),
    }
}

fn list_definitions(state: &State, asked: &List) -> Result<Value, CommandError> {
    let status = definition_status(asked.status.as_deref())?;
    // In spite of its name, familyPrefix is a whole family here, as in ECS.
    let mut arns: Vec<String> = state
        .task_definitions
        .values()
        .filter(|it| status.is_none_or(|status| it.status == status))
        .filter(|it| {
            asked
                .family_prefix
                .as_deref()
                .is_none_or(|family| family == it.family.as_str())
        })
        .map(|it| shape::definition_arn(state, &it.id()))
        .collect();
    match asked.sort.as_deref() {
        None | Some("ASC") => {}
        Some("DESC") => arns.reverse(),
        Some(other) => return Err(invalid(format!("\"{other}\" is no order: ASC or DESC"))),
    }
    page("taskDefinitionArns", arns, asked)
}

fn list_families(state: &State, asked: &List) -> Result<Value, CommandError> {
    let status = definition_status(asked.status.as_deref())?;
    let prefix = asked.family_prefix.as_deref().unwrap_or("");
    let mut families: Vec<String> = state
        .task_definitions
        .values()
        .filter(|it| it.family.as_str().starts_with(prefix))
        .filter(|it| match status {
            // INACTIVE asks for families without any active revision.
            Some(TaskDefinitionStatus::Inactive) => state.latest_definition(&it.family).is_none(),
            Some(TaskDefinitionStatus::Active) => it.status == TaskDefinitionStatus::Active,
            None => true,
        })
        .map(|it| it.family.to_string())
        .collect();
    families.dedup();
    page("families", families, asked)
}
