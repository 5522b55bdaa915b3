//! The clusters and instances that the configuration names, taken into the state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::derive::{ask_stop, stopped};
use super::observe::{NOT_YET_REACHED, instance_type, words};
use super::work::Work;
use super::{Beginning, Fleet};
use crate::config::{ClusterSettings, InstanceSettings};
use crate::model::instance::attribute;
use crate::model::{
    Change, Cluster, ClusterName, Connection, EventKind, Instance, Partition, Resources, Role,
    Severity, StopCode, TimeMs,
};

/// What the agents have said so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Agents {
    /// Nothing: the control plane is starting.
    Silent {
        /// How long nobody looked before, in milliseconds.
        away_ms: u64,
        /// Until when nothing is given up on an instance that no attempt at has ended.
        settles_at: TimeMs,
    },
    /// They are at work, and what is known of their instances is theirs.
    AtWork,
}

impl Agents {
    /// At a start.
    pub fn silent(beginning: &Beginning, now: TimeMs) -> Self {
        Self::Silent {
            away_ms: beginning.last_alive.map_or(0, |at| now.since_ms(at)),
            settles_at: now.plus_ms(beginning.attempt_ms),
        }
    }
}

pub(super) fn configure(work: &mut Work, fleet: &Fleet, agents: Agents) {
    if work.state.control_plane.is_empty() {
        let id = format!("{:016x}", work.ids.next_u64());
        work.put(Change::ControlPlane(id));
    }
    clusters(work, &fleet.clusters);
    roles(work, &fleet.roles);
    let homes = fleet.homes();
    let known: Vec<_> = work.state.instances.values().cloned().collect();
    for instance in known {
        if homes.get(&instance.name) != Some(&&instance.cluster) {
            remove(work, &instance);
        }
    }
    for settings in &fleet.instances {
        upsert(work, settings, agents);
    }
}

/// The roles are exactly those of the configuration.
fn roles(work: &mut Work, configured: &[Role]) {
    let known: Vec<_> = work.state.roles.values().cloned().collect();
    for role in known {
        if !configured.iter().any(|c| c.name == role.name) {
            work.put(Change::RoleRemoved(role.name.clone()));
        }
    }
    for role in configured {
        if work.state.roles.get(&role.name).map(AsRef::as_ref) != Some(role) {
            work.put(Change::Role(Arc::new(role.clone())));
        }
    }
}

fn clusters(work: &mut Work, configured: &[ClusterSettings]) {
    let mut all = configured.to_vec();
    let default = ClusterName::default_cluster();
    if !all.iter().any(|cluster| cluster.name == default) {
        all.push(ClusterSettings::new(default, Partition::default()));
    }
    let names: BTreeSet<ClusterName> = all.iter().map(|cluster| cluster.name.clone()).collect();
    for settings in all {
        let known = work.state.clusters.get(&settings.name);
        let created_at = known.map_or(work.now, |cluster| cluster.created_at);
        let tags = known.map_or_else(Vec::new, |cluster| cluster.tags.clone());
        work.put_cluster(Cluster {
            protected: settings.protected,
            capacity_providers: settings.capacity_providers,
            default_capacity_provider_strategy: settings.default_capacity_provider_strategy,
            tags,
            ..Cluster::new(settings.name, settings.partition, true, created_at)
        });
    }
    // A cluster that the file no longer names may still have services: it becomes one that can
    // be deleted by command.
    let left: Vec<Cluster> = work
        .state
        .clusters
        .values()
        .filter(|cluster| cluster.configured && !names.contains(&cluster.name))
        .map(|cluster| (**cluster).clone())
        .collect();
    for cluster in left {
        work.put_cluster(Cluster {
            configured: false,
            protected: false,
            ..cluster
        });
    }
}

/// The attributes that the configuration gives an instance.
fn configured_attributes(settings: &InstanceSettings) -> BTreeMap<String, String> {
    let mut attributes = settings.attributes.clone();
    let zone = &settings.availability_zone;
    if !zone.is_empty() {
        attributes.insert(attribute::AVAILABILITY_ZONE.to_owned(), zone.clone());
    }
    if let Some(kind) = &settings.instance_type {
        attributes.insert(attribute::INSTANCE_TYPE.to_owned(), kind.clone());
    }
    attributes
}

fn upsert(work: &mut Work, settings: &InstanceSettings, agents: Agents) {
    let mut attributes = configured_attributes(settings);
    let Some(before) = work.state.instances.get(&settings.name).cloned() else {
        work.put_instance(Instance {
            attributes,
            reserved: settings.reserved.clone(),
            capacity: Resources {
                named: settings.resources.clone().into(),
                ..Resources::default()
            },
            capacity_provider: settings.capacity_provider.clone(),
            fargate: settings.fargate,
            ..Instance::new(
                settings.name.clone(),
                settings.cluster.clone(),
                settings.endpoint.to_string(),
                not_yet_reached(work),
            )
        });
        return;
    };
    let mut instance = (*before).clone();
    for name in [
        attribute::OS_TYPE,
        attribute::CPU_ARCHITECTURE,
        attribute::DOCKER_VERSION,
    ] {
        if let Some(value) = before.attributes.get(name) {
            attributes.insert(name.to_owned(), value.clone());
        }
    }
    if before.registered_at.is_some() && settings.instance_type.is_none() {
        let size = instance_type(&before.capacity);
        attributes.insert(attribute::INSTANCE_TYPE.to_owned(), size);
    }
    instance.attributes = attributes;
    instance.endpoint = settings.endpoint.to_string();
    instance.reserved = settings.reserved.clone();
    instance.capacity.named = settings.resources.clone().into();
    instance
        .capacity_provider
        .clone_from(&settings.capacity_provider);
    instance.fargate = settings.fargate;
    if let Agents::Silent {
        away_ms,
        settles_at,
    } = agents
        && !work.live.agents.contains_key(&instance.name)
    {
        restarted(work, &mut instance, away_ms);
        instance.settles_at = Some(settles_at);
    }
    work.put_instance(instance);
}

/// At start no agent has spoken yet. An instance that was known to be silent has been so since
/// then, and a new control plane must not begin its graces anew; nor do they run while nobody looks,
/// so what they are counted from moves on by the time away. What people are told stays. Of one that
/// answered, or that nobody came to try, what is stored is from another time: it was we who were
/// away, so its silence begins now.
fn restarted(work: &Work, instance: &mut Instance, away_ms: u64) {
    match &mut instance.connection {
        Connection::Disconnected { since, reason } if *reason != NOT_YET_REACHED => {
            if away_ms > 0 && instance.registered_at.is_some() {
                instance.heard_at.get_or_insert(*since);
            }
            *since = since.plus_ms(away_ms).min(work.now);
        }
        _ => {
            instance.connection = not_yet_reached(work);
            instance.heard_at = None;
        }
    }
}

fn not_yet_reached(work: &Work) -> Connection {
    Connection::Disconnected {
        since: work.now,
        reason: NOT_YET_REACHED.to_owned(),
    }
}

/// An instance that is no longer configured: nobody will look after its tasks any more.
fn remove(work: &mut Work, instance: &Instance) {
    let name = &instance.name;
    let reason = format!("(instance {name}) was removed from the configuration");
    let mut count = 0;
    for task in work.tasks_on(name) {
        if task.is_stopped() {
            continue;
        }
        let mut task = (*task).clone();
        ask_stop(
            &mut task,
            StopCode::ServiceSchedulerInitiated,
            reason.clone(),
            work.now,
        );
        stopped(&mut task, work.now);
        let task = work.put_task(task);
        let id = task.id;
        work.live(|live| live.pulls.remove(&id).is_some());
        let message = format!("{} has stopped: {reason}.", words(&task));
        work.event(Severity::Warning, EventKind::Task, &*task, message);
        count += 1;
    }
    work.put(Change::InstanceRemoved(name.clone()));
    work.live(|live| live.agents.remove(name).is_some());
    let message = match count {
        0 => format!("{reason}."),
        _ => format!("{reason}; {count} tasks were on it."),
    };
    work.event(Severity::Warning, EventKind::Instance, instance, message);
}
