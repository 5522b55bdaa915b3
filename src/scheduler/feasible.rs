//! Which instances can take a task, and why the others cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::expression::{Expression, Facts};
use super::ground::Ground;
use super::index::Index;
use super::node::{Holder, Node};
use crate::model::instance::attribute;
use crate::model::parameters::RuntimePlatform;
use crate::model::service::{PlacementConstraint, PlacementConstraintKind, Refusal};
use crate::model::{
    CapacityProviderName, ClusterName, Connection, CpuUnits, HostPort, Instance, InstanceName,
    InstanceStatus, MemoryMib, Resources, ServiceName, TaskId,
};

/// One filter's reason to refuse an instance, with the shortfall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Its engine does not answer.
    NotConnected {
        /// What the last attempt ran into.
        reason: String,
    },
    /// Its engine has never answered yet.
    Registering,
    /// It takes no new tasks.
    Draining,
    /// A FARGATE task, and it does not serve those.
    NotFargate,
    /// It serves FARGATE tasks and no others.
    FargateOnly,
    /// It is not of the capacity provider that was chosen for the task.
    OtherProvider {
        /// The provider that was chosen.
        wants: CapacityProviderName,
        /// Its own, if it has one.
        has: Option<CapacityProviderName>,
    },
    /// Too little CPU is left.
    Cpu {
        /// What the task asks for.
        needs: CpuUnits,
        /// What nobody holds.
        free: CpuUnits,
    },
    /// Too little memory is left.
    Memory {
        /// What the task asks for.
        needs: MemoryMib,
        /// What nobody holds.
        free: MemoryMib,
    },
    /// Too little of a named resource is left, such as `GPU`.
    Named {
        /// The resource.
        name: String,
        /// What the task asks for.
        needs: u64,
        /// What nobody holds.
        free: u64,
    },
    /// A host port is taken.
    Port {
        /// The port.
        port: HostPort,
        /// Who has it, in words.
        holder: String,
    },
    /// `distinctInstance`, and it already has a task of the group.
    NotDistinct {
        /// How many it has.
        tasks: u32,
    },
    /// The task's images are made for another architecture or system.
    Platform {
        /// What the task is made for, in ECS's word.
        needs: String,
        /// What it is.
        is: String,
    },
    /// A `memberOf` expression does not match it.
    NotMember {
        /// The expression.
        expression: String,
        /// Which part of it fails, and what the instance has there.
        why: String,
        /// Attributes with which the instance would match, where there are such.
        attributes: BTreeMap<String, String>,
    },
    /// A `memberOf` expression cannot be read.
    BadExpression {
        /// The expression.
        expression: String,
        /// Where and why.
        error: String,
    },
}

impl Rejection {
    /// The kind of rejection in a few words, for counting instances by it.
    #[must_use]
    pub fn kind(&self) -> String {
        match self {
            Self::NotConnected { .. } => "not connected".to_owned(),
            Self::Registering => "not registered yet".to_owned(),
            Self::Draining => "draining".to_owned(),
            Self::NotFargate => "not for FARGATE".to_owned(),
            Self::FargateOnly => "for FARGATE only".to_owned(),
            Self::OtherProvider { wants, .. } => format!("outside capacity provider {wants}"),
            Self::Cpu { .. } => "short of CPU".to_owned(),
            Self::Memory { .. } => "short of memory".to_owned(),
            Self::Named { name, .. } => format!("short of {name}"),
            Self::Port { port, .. } => format!("with host port {port} taken"),
            Self::NotDistinct { .. } => "with a task of it already (distinctInstance)".to_owned(),
            Self::Platform { needs, .. } => format!("not {needs}"),
            Self::NotMember { .. } => "excluded by a memberOf constraint".to_owned(),
            Self::BadExpression { .. } => {
                "not judged, a memberOf expression cannot be read".to_owned()
            }
        }
    }

    /// ECS's word for it in a `failures` list.
    #[must_use]
    pub fn ecs_reason(&self) -> &'static str {
        match self {
            Self::NotConnected { .. } => "AGENT",
            Self::Registering | Self::Draining => "INACTIVE",
            Self::Cpu { .. } => "RESOURCE:CPU",
            Self::Memory { .. } => "RESOURCE:MEMORY",
            Self::Named { name, .. } if name == "GPU" => "RESOURCE:GPU",
            Self::Named { .. } => "RESOURCE",
            Self::Port { .. } => "RESOURCE:PORTS",
            Self::NotFargate
            | Self::FargateOnly
            | Self::OtherProvider { .. }
            | Self::Platform { .. }
            | Self::NotDistinct { .. }
            | Self::NotMember { .. }
            | Self::BadExpression { .. } => "ATTRIBUTE",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected { reason } if reason.is_empty() => {
                write!(f, "its engine does not answer")
            }
            Self::NotConnected { reason } => write!(f, "its engine does not answer: {reason}"),
            Self::Registering => write!(f, "it is REGISTERING: its engine has not answered yet"),
            Self::Draining => write!(f, "it is DRAINING and takes no new tasks"),
            Self::NotFargate => write!(
                f,
                "it does not serve FARGATE tasks (fargate = true in the config would)"
            ),
            Self::FargateOnly => write!(f, "it serves FARGATE tasks only (fargate = true)"),
            Self::OtherProvider {
                wants,
                has: Some(has),
            } => write!(f, "it is in capacity provider {has}, not in {wants}"),
            Self::OtherProvider { wants, has: None } => {
                write!(f, "it is not in capacity provider {wants}")
            }
            Self::Cpu { needs, free } => write!(
                f,
                "{} CPU units short (needs {needs}, {free} free)",
                needs.saturating_sub(*free)
            ),
            Self::Memory { needs, free } => write!(
                f,
                "{} MiB of memory short (needs {needs}, {free} free)",
                needs.saturating_sub(*free)
            ),
            Self::Named { name, needs, free } => write!(
                f,
                "{} {name} short (needs {needs}, {free} free)",
                needs.saturating_sub(*free)
            ),
            Self::Port { port, holder } => write!(f, "host port {port} is held by {holder}"),
            Self::NotDistinct { tasks: 1 } => {
                write!(f, "distinctInstance: it has a task of the group already")
            }
            Self::NotDistinct { tasks } => {
                write!(
                    f,
                    "distinctInstance: it has {tasks} tasks of the group already"
                )
            }
            Self::Platform { needs, is } => write!(f, "the task needs {needs}, it is {is}"),
            Self::NotMember {
                expression, why, ..
            } if why.is_empty() => write!(f, "memberOf does not match: {expression}"),
            Self::NotMember {
                expression, why, ..
            } => write!(f, "memberOf does not match: {expression} ({why})"),
            Self::BadExpression { expression, error } => {
                write!(f, "memberOf cannot be read, {error}: {expression}")
            }
        }
    }
}

/// What a task asks of an instance.
#[derive(Debug, PartialEq)]
pub(crate) struct Ask {
    pub cluster: ClusterName,
    pub ground: Ground,
    pub resources: Resources,
    pub distinct: bool,
    /// Instances that are tried after all others.
    pub last: BTreeSet<InstanceName>,
    /// Attribute and the value that the definition wants of it.
    platform: Vec<(&'static str, String)>,
    /// `memberOf` over what no start or stop of a task changes.
    members: Vec<Member>,
    /// `memberOf` over the tasks of an instance, judged anew for each placement.
    among_tasks: Vec<Member>,
}

/// A `memberOf` as it is written, and as it was read.
#[derive(Debug)]
struct Member {
    text: String,
    parsed: Result<Expression, String>,
}

/// What reads alike is alike.
impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Member {
    fn read(constraint: &PlacementConstraint) -> Self {
        let text = constraint.expression.clone().unwrap_or_default();
        let parsed = Expression::parse(&text).map_err(|error| error.to_string());
        Self { text, parsed }
    }

    fn depends_on_tasks(&self) -> bool {
        (self.parsed.as_ref()).is_ok_and(Expression::depends_on_tasks)
    }

    fn matches(&self, facts: &impl Facts) -> bool {
        (self.parsed.as_ref()).is_ok_and(|expression| expression.matches(facts))
    }

    fn rejection(&self) -> Rejection {
        match &self.parsed {
            Ok(_) => Rejection::NotMember {
                expression: self.text.clone(),
                why: String::new(),
                attributes: BTreeMap::new(),
            },
            Err(error) => Rejection::BadExpression {
                expression: self.text.clone(),
                error: error.clone(),
            },
        }
    }
}

/// A node as it will be when so many tasks of a group have left it, and so many have come.
struct Later<'a> {
    node: &'a Node,
    group: &'a str,
    fewer: u32,
    more: u32,
}

impl Facts for Later<'_> {
    fn instance(&self) -> &Instance {
        &self.node.instance
    }

    fn running_tasks(&self) -> u32 {
        self.node.running.saturating_sub(self.fewer)
    }

    fn any_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        let mut there = self.node.groups.iter();
        (self.more > 0 && test(self.group))
            || there.any(|(group, count)| {
                (&**group != self.group || count.held > self.fewer) && test(group)
            })
    }
}

impl Facts for Node {
    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn running_tasks(&self) -> u32 {
        self.running
    }

    fn any_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        self.groups.keys().any(|group| test(group))
    }
}

impl Ask {
    /// Reads the constraints once, for many instances.
    pub fn new<'a>(
        cluster: &ClusterName,
        ground: Ground,
        resources: Resources,
        constraints: impl Iterator<Item = &'a PlacementConstraint>,
    ) -> Self {
        let mut ask = Self {
            cluster: cluster.clone(),
            ground,
            resources,
            distinct: false,
            last: BTreeSet::new(),
            platform: Vec::new(),
            members: Vec::new(),
            among_tasks: Vec::new(),
        };
        for constraint in constraints {
            match constraint.kind {
                PlacementConstraintKind::DistinctInstance => ask.distinct = true,
                PlacementConstraintKind::MemberOf => {
                    let member = Member::read(constraint);
                    if member.depends_on_tasks() {
                        ask.among_tasks.push(member);
                    } else {
                        ask.members.push(member);
                    }
                }
            }
        }
        ask
    }

    /// Asks for an instance of the platform that the task's images are made for, too.
    pub fn on(mut self, platform: Option<&RuntimePlatform>) -> Self {
        let wanted = |name, word: &Option<String>| Some((name, word.clone()?));
        self.platform = platform.map_or_else(Vec::new, |platform| {
            [
                wanted(attribute::CPU_ARCHITECTURE, &platform.cpu_architecture),
                wanted(attribute::OS_TYPE, &platform.operating_system_family),
            ]
            .into_iter()
            .flatten()
            .collect()
        });
        self
    }

    /// What no start or stop of a task changes: standing and constraints.
    pub fn standing(&self, node: &Node) -> Vec<Rejection> {
        let mut rejections = Vec::new();
        match node.instance.status {
            // It has no engine yet, so nothing else can be said of it.
            InstanceStatus::Registering => return vec![Rejection::Registering],
            InstanceStatus::Draining => rejections.push(Rejection::Draining),
            InstanceStatus::Active => {}
        }
        if let Connection::Disconnected { reason, .. } = &node.instance.connection {
            rejections.push(Rejection::NotConnected {
                reason: reason.clone(),
            });
        }
        for (name, needs) in &self.platform {
            let is = node.instance.attributes.get(*name);
            // ECS: X86_64 in a definition is x86_64 on an instance.
            if is.is_none_or(|is| !is.eq_ignore_ascii_case(needs)) {
                rejections.push(Rejection::Platform {
                    needs: needs.clone(),
                    is: is.map_or("not known", String::as_str).to_owned(),
                });
            }
        }
        rejections.extend(self.ground.refuses(&node.instance));
        let refusing = self.members.iter().filter(|member| !member.matches(node));
        rejections.extend(refusing.map(Member::rejection));
        rejections
    }

    /// Whether the instance has what the task asks for. `group` is how many tasks of the task's
    /// group are on it.
    pub fn fits(&self, node: &Node, group: u32) -> bool {
        (!self.distinct || group == 0)
            && self.resources.cpu <= node.free_cpu()
            && self.resources.memory <= node.free_memory()
            && (self.resources.named.iter()).all(|(name, count)| *count <= node.free_named(name))
            && !(self.resources.ports.iter()).any(|port| node.ports.contains_key(port))
            && (self.among_tasks.iter()).all(|member| member.matches(node))
    }

    /// How much an instance is to be avoided, whatever the strategies say.
    pub fn penalty(&self, node: &Node) -> u8 {
        u8::from(self.last.contains(&node.instance.name))
    }

    /// Whether other placements decide where it may go.
    pub fn depends_on_tasks(&self) -> bool {
        !self.among_tasks.is_empty()
    }

    /// Whether the tasks of an instance are the right company for this one when `fewer` tasks of
    /// its own group have left and `more` have come.
    pub fn company(&self, node: &Node, group: &str, fewer: u32, more: u32) -> bool {
        let later = Later {
            node,
            group,
            fewer,
            more,
        };
        (self.among_tasks.iter()).all(|member| member.matches(&later))
    }

    /// What the instance lacks; empty exactly when [`Ask::fits`].
    pub fn shortfalls(&self, node: &Node, group: u32) -> Vec<Rejection> {
        let mut rejections = Vec::new();
        if self.resources.cpu > node.free_cpu() {
            rejections.push(Rejection::Cpu {
                needs: self.resources.cpu,
                free: node.free_cpu(),
            });
        }
        if self.resources.memory > node.free_memory() {
            rejections.push(Rejection::Memory {
                needs: self.resources.memory,
                free: node.free_memory(),
            });
        }
        for (name, needs) in &self.resources.named {
            let free = node.free_named(name);
            if *needs > free {
                rejections.push(Rejection::Named {
                    name: name.clone(),
                    needs: *needs,
                    free,
                });
            }
        }
        for port in &self.resources.ports {
            if let Some(holder) = node.holder(*port) {
                rejections.push(Rejection::Port {
                    port: *port,
                    holder: in_words(&holder),
                });
            }
        }
        if self.distinct && group > 0 {
            rejections.push(Rejection::NotDistinct { tasks: group });
        }
        let refusing = (self.among_tasks.iter()).filter(|member| !member.matches(node));
        rejections.extend(refusing.map(Member::rejection));
        rejections
    }

    /// Every filter that refuses the instance.
    pub fn rejections(&self, node: &Node, group: u32) -> Vec<Rejection> {
        let mut rejections = self.standing(node);
        if node.instance.status != InstanceStatus::Registering {
            rejections.extend(self.shortfalls(node, group));
        }
        self.say_why(node, &mut rejections);
        rejections
    }

    /// Says of each `memberOf` that does not match what part of it fails: too much to find out
    /// where only a yes or a no is asked for.
    fn say_why(&self, node: &Node, rejections: &mut [Rejection]) {
        let members = || self.members.iter().chain(&self.among_tasks);
        for rejection in rejections {
            if let Rejection::NotMember {
                expression,
                why,
                attributes,
            } = rejection
                && let Some(member) = members().find(|member| member.text == *expression)
                && let Ok(parsed) = &member.parsed
            {
                *why = parsed.why(node);
                *attributes = parsed.attributes(node).unwrap_or_default();
            }
        }
    }

    /// Every instance of the cluster that refuses, the nearest misses first.
    pub fn all_rejections(
        &self,
        index: &Index,
        group: &BTreeMap<usize, u32>,
    ) -> Vec<(usize, Vec<Rejection>)> {
        let mut all: Vec<_> = index
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.instance.cluster == self.cluster)
            .map(|(at, node)| {
                let here = group.get(&at).copied().unwrap_or(0);
                (at, self.rejections(node, here))
            })
            .filter(|(_, rejections)| !rejections.is_empty())
            .collect();
        all.sort_by_key(|(at, rejections)| (rejections.len(), *at));
        all
    }
}

fn in_words(holder: &Holder) -> String {
    match holder {
        Holder::Reserved => "the host itself (reserved)".to_owned(),
        Holder::New => "another task of this request".to_owned(),
        Holder::Foreign => "a container that is not Quarterdeck's".to_owned(),
        Holder::Task {
            id,
            service,
            stopping,
        } => {
            let of = service
                .as_ref()
                .map_or(String::new(), |name: &ServiceName| format!(" of {name}"));
            let stopping = if *stopping { ", which is stopping" } else { "" };
            format!("task {}{of}{stopping}", short(id))
        }
    }
}

fn short(id: &TaskId) -> String {
    id.short()
}

/// The refusals as the model keeps them.
pub(crate) fn refusals(index: &Index, all: &[(usize, Vec<Rejection>)]) -> Vec<Refusal> {
    all.iter()
        .filter_map(|(at, rejections)| {
            Some(Refusal {
                instance: index.nodes.get(*at)?.instance.name.clone(),
                reasons: rejections.iter().map(ToString::to_string).collect(),
            })
        })
        .collect()
}

/// `2 short of memory, 1 draining`: every instance counted under each of its kinds.
pub(crate) fn summary(all: &[(usize, Vec<Rejection>)]) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for rejection in all.iter().flat_map(|(_, rejections)| rejections) {
        *counts.entry(rejection.kind()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let parts: Vec<_> = counts
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    parts.join(", ")
}
