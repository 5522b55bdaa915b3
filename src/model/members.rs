//! The members that ECS's request shapes have, and what becomes of those not acted on.
//!
//! A member that ECS knows and this program does not act on is moved to `unsupported` of the
//! nearest object that keeps such things, under its path from there, and can be put back. A
//! member that ECS does not know is a mistake of the writer, told with the nearest right name.

mod tables;

use serde_json::{Map, Value};

use super::task_definition::Kept;

/// Where kept members live in an object.
const UNSUPPORTED: &str = "unsupported";
/// The most members that are named as unknown in one request.
const UNKNOWN_MAX: usize = 50;
/// The longest name, in bytes, to which the nearest right one is looked for.
const NAME_MAX: usize = 64;

/// A request, or an object inside one, whose members are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Request of RegisterTaskDefinition; also fits a stored task definition.
    RegisterTaskDefinition,
    /// Request of DeregisterTaskDefinition.
    DeregisterTaskDefinition,
    /// Request of CreateService; also fits a stored service.
    CreateService,
    /// Request of UpdateService.
    UpdateService,
    /// Request of DeleteService.
    DeleteService,
    /// Request of RunTask.
    RunTask,
    /// Request of StopTask.
    StopTask,
    /// Request of UpdateTaskProtection.
    UpdateTaskProtection,
    /// Request of UpdateContainerInstancesState.
    UpdateContainerInstancesState,
    /// Request of CreateCluster.
    CreateCluster,
    /// Request of DeleteCluster.
    DeleteCluster,
    /// A container of a task definition.
    ContainerDefinition,
    /// A volume of a task definition.
    Volume,
    /// A folder of the host.
    HostVolume,
    /// A Docker volume.
    DockerVolume,
    /// A name and its value.
    KeyValue,
    /// A secret that a container gets.
    Secret,
    /// A file of variables.
    EnvironmentFile,
    /// A published port.
    PortMapping,
    /// A health check.
    HealthCheck,
    /// An entry of `dependsOn`.
    Dependency,
    /// A container's restart policy.
    RestartPolicy,
    /// A mount point.
    MountPoint,
    /// A limit.
    Ulimit,
    /// A log configuration.
    LogConfiguration,
    /// Linux's own settings.
    LinuxParameters,
    /// Kernel capabilities.
    KernelCapabilities,
    /// A device of the host.
    Device,
    /// A folder in memory.
    Tmpfs,
    /// A line of `/etc/hosts`.
    HostEntry,
    /// A kernel setting.
    SystemControl,
    /// Another container's volumes.
    VolumeFrom,
    /// A whole resource.
    ResourceRequirement,
    /// What images are made for.
    RuntimePlatform,
    /// A placement constraint.
    PlacementConstraint,
    /// A placement strategy.
    PlacementStrategy,
    /// An item of a capacity provider strategy.
    CapacityProviderStrategyItem,
    /// Bounds of a rolling update.
    DeploymentConfiguration,
    /// A circuit breaker.
    CircuitBreaker,
    /// A tag.
    Tag,
    /// Overrides of a task.
    TaskOverride,
    /// Overrides of a container.
    ContainerOverride,
    /// Request of TagResource.
    TagResource,
    /// Request of UntagResource.
    UntagResource,
    /// Request of PutSchedule.
    PutSchedule,
    /// Request of RebalanceService.
    RebalanceService,
    /// Request of DeleteSchedule and RunSchedule.
    NamedSchedule,
}

/// What a member holds.
#[derive(Clone, Copy, Debug)]
enum Holds {
    /// Text, a number, or a map with keys of the user's own.
    Plain,
    /// One object.
    One(Shape),
    /// A list of objects.
    Many(Shape),
}

/// The members of one shape.
struct Members {
    /// Those that are acted on: its own, and those that it shares with other shapes.
    acted: [&'static [(&'static str, Holds)]; 2],
    /// Those that ECS knows and this program does not act on, in the same two parts.
    kept: [&'static str; 2],
    /// Whether objects of this shape have an `unsupported` of their own.
    keeps: bool,
}

use Holds::{Many, One};

impl Shape {
    /// The request shape of an operation that changes something.
    #[must_use]
    pub fn of_operation(operation: &str) -> Option<Self> {
        Some(match operation {
            "RegisterTaskDefinition" => Self::RegisterTaskDefinition,
            "DeregisterTaskDefinition" => Self::DeregisterTaskDefinition,
            "CreateService" => Self::CreateService,
            "UpdateService" => Self::UpdateService,
            "RebalanceService" => Self::RebalanceService,
            "DeleteService" => Self::DeleteService,
            "RunTask" => Self::RunTask,
            "StopTask" => Self::StopTask,
            "UpdateTaskProtection" => Self::UpdateTaskProtection,
            "UpdateContainerInstancesState" => Self::UpdateContainerInstancesState,
            "CreateCluster" => Self::CreateCluster,
            "DeleteCluster" => Self::DeleteCluster,
            "TagResource" => Self::TagResource,
            "UntagResource" => Self::UntagResource,
            "PutSchedule" => Self::PutSchedule,
            "DeleteSchedule" | "RunSchedule" => Self::NamedSchedule,
            _ => return None,
        })
    }

    /// Every member that ECS (or we) know for this shape.
    pub fn known(self) -> impl Iterator<Item = &'static str> {
        let members = self.members();
        let acted = members.acted().map(|(name, _)| *name);
        acted.chain(members.kept())
    }

    /// The members of this shape that are acted on.
    pub fn acted_on(self) -> impl Iterator<Item = &'static str> {
        self.members().acted().map(|(name, _)| *name)
    }

    fn members(self) -> Members {
        let (own, kept, keeps) = self.table();
        let (shared, kept_too) = self.shared();
        Members {
            acted: [own, shared],
            kept: [kept, kept_too],
            keeps,
        }
    }
}

impl Members {
    fn acted(&self) -> impl Iterator<Item = &'static (&'static str, Holds)> + use<> {
        self.acted.into_iter().flatten()
    }

    fn kept(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.kept.into_iter().flat_map(str::split_whitespace)
    }
}

/// A member that ECS does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownMember {
    /// Where it stands: `containerDefinitions[0].memry`.
    pub path: String,
    /// The nearest right name, if one is near.
    pub nearest: Option<&'static str>,
    /// Every name that would be right there.
    pub expected: Vec<&'static str>,
}

impl std::fmt::Display for UnknownMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.path.rsplit('.').next().unwrap_or(&self.path);
        write!(f, "there is no member {name} here")?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => write!(f, "; expected one of {}", self.expected.join(", ")),
        }
    }
}

/// Moves the members that are known and not acted on to `unsupported`, and names those that are
/// not known. Members that are not known stay where they are. Members that are `null` count as
/// absent and are taken out, as ECS does.
pub fn sort(shape: Shape, value: &mut Value) -> Vec<UnknownMember> {
    let mut unknown = Vec::new();
    let mut lost = Kept::new();
    walk(
        shape,
        value,
        (String::new(), String::new()),
        &mut lost,
        &mut unknown,
    );
    debug_assert!(lost.is_empty(), "every request with kept members keeps");
    unknown
}

/// `places` are the path from the request and the path from the nearest object that keeps.
fn walk(
    shape: Shape,
    value: &mut Value,
    places: (String, String),
    kept: &mut Kept,
    unknown: &mut Vec<UnknownMember>,
) {
    let Value::Object(object) = value else { return };
    let members = shape.members();
    let mut own = Kept::new();
    let (path, mut from_keeper) = places;
    if members.keeps {
        from_keeper.clear();
    }
    for name in object.keys().cloned().collect::<Vec<_>>() {
        if object.get(&name).is_some_and(Value::is_null) {
            object.remove(&name);
            continue;
        }
        let here = (join(&path, &name), join(&from_keeper, &name));
        let keeper = if members.keeps { &mut own } else { &mut *kept };
        if let Some((_, holds)) = members.acted().find(|(acted, _)| *acted == name) {
            if let Some(child) = object.get_mut(&name) {
                descend(*holds, child, &here, keeper, unknown);
            }
        } else if members.kept().any(|k| k == name) {
            if let Some(value) = object.remove(&name) {
                keeper.insert(here.1, value);
            }
        } else if unknown.len() < UNKNOWN_MAX {
            unknown.push(UnknownMember {
                path: here.0,
                nearest: nearest(&name, shape.known()),
                expected: shape.known().collect(),
            });
        }
    }
    if !own.is_empty() {
        object.insert(
            UNSUPPORTED.to_owned(),
            Value::Object(own.into_iter().collect()),
        );
    }
}

fn descend(
    holds: Holds,
    child: &mut Value,
    here: &(String, String),
    kept: &mut Kept,
    unknown: &mut Vec<UnknownMember>,
) {
    match (holds, child) {
        (One(shape), child) => walk(shape, child, here.clone(), kept, unknown),
        (Many(shape), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                let places = (
                    format!("{}[{index}]", here.0),
                    format!("{}[{index}]", here.1),
                );
                walk(shape, item, places, kept, unknown);
            }
        }
        _ => {}
    }
}

/// Puts what [`sort`] moved to `unsupported` back to where it stood.
pub fn restore(shape: Shape, value: &mut Value) {
    let Value::Object(object) = value else { return };
    let members = shape.members();
    for (name, holds) in members.acted() {
        match (holds, object.get_mut(*name)) {
            (One(shape), Some(child)) => restore(*shape, child),
            (Many(shape), Some(Value::Array(items))) => {
                items.iter_mut().for_each(|item| restore(*shape, item));
            }
            _ => {}
        }
    }
    if !members.keeps {
        return;
    }
    if let Some(Value::Object(kept)) = object.remove(UNSUPPORTED) {
        for (path, member) in kept {
            put(object, &path, member);
        }
    }
}

/// Puts a member at a path such as `portMappings[0].appProtocol`. A place that is no longer
/// there is left out: nothing can be given back to it.
fn put(object: &mut Map<String, Value>, path: &str, member: Value) {
    let Some((step, rest)) = path.split_once('.') else {
        object.insert(path.to_owned(), member);
        return;
    };
    let (name, index) = match step.split_once('[') {
        Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
        None => (step, None),
    };
    let child = match (object.get_mut(name), index) {
        (Some(Value::Array(items)), Some(index)) => items.get_mut(index),
        (child, _) => child,
    };
    if let Some(Value::Object(child)) = child {
        put(child, rest, member);
    }
}

/// The nearest of some names to one that is not among them, if one is near enough to be what
/// was meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Likeness costs the product of both lengths.
    if name.len() > NAME_MAX {
        return None;
    }
    let lower = name.to_lowercase();
    let mut best = None;
    for candidate in known {
        let likeness = strsim::jaro_winkler(&lower, &candidate.to_lowercase());
        if best.is_none_or(|(most, _)| likeness > most) {
            best = Some((likeness, candidate));
        }
    }
    // In a short name one wrong letter weighs much and is still the likely mistake.
    let one_slip = |candidate: &str| {
        lower.len() >= 3 && strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()) == 1
    };
    best.filter(|(likeness, candidate)| *likeness >= 0.8 || one_slip(candidate))
        .map(|(_, candidate)| candidate)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
#[path = "members/tests.rs"]
mod tests;
