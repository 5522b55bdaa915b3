//! Figures for Prometheus, whether all is well, and where it finds what runs here.

mod discovery;
pub mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::shape;
use crate::controller::meters::Meters;
use crate::model::{RolloutState, ServiceStatus, Snapshot};
use crate::store::LogSize;
use text::{Kind, Page};

pub use discovery::targets;

/// So many services have figures of their own, the first by cluster and name; those of all others
/// are told together, as [`OTHER`].
const SERVICES_MAX: usize = 1_000;
/// So many instances have figures of their own.
const INSTANCES_MAX: usize = 2_000;
/// The name under which what is beyond the bound is told together.
const OTHER: &str = "_other";
/// What stands for no service: tasks that were run by hand or by a schedule.
const NONE: &str = "";

/// The page that Prometheus reads.
#[must_use]
pub fn page(snapshot: &Snapshot, meters: &Meters, log: Option<LogSize>) -> String {
    let mut page = Page::default();
    build(&mut page, snapshot);
    services(&mut page, snapshot);
    unplaced(&mut page, snapshot);
    instances(&mut page, snapshot);
    counted(&mut page, meters);
    page.single(
        "quarterdeck_last_change",
        Kind::Counter,
        "Number of the newest change in the change log.",
        snapshot.seq,
    );
    if let Some(log) = log {
        page.single(
            "quarterdeck_change_log_bytes",
            Kind::Gauge,
            "Bytes of the change log and its checkpoints on disk, or 0 in memory.",
            log.bytes,
        );
        page.single(
            "quarterdeck_change_log_changes",
            Kind::Gauge,
            "Changes that the change log holds.",
            log.changes,
        );
    }
    page.into_text()
}

fn build(page: &mut Page, snapshot: &Snapshot) {
    page.family(
        "quarterdeck_build_info",
        Kind::Gauge,
        "Which version this is.",
    )
    .put(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    page.family(
        "quarterdeck_start_time_seconds",
        Kind::Gauge,
        "When the control plane was started, in seconds since 1970.",
    )
    .put(&[], snapshot.holder.since.as_wire_seconds());
}

/// A service's labels, or those of all that are beyond the bound.
type Key<'a> = (&'a str, &'a str);

/// Under which labels a service is told.
fn key<'a>(known: &BTreeSet<Key<'a>>, cluster: &'a str, service: &'a str) -> Key<'a> {
    if known.contains(&(cluster, service)) {
        (cluster, service)
    } else {
        (cluster, OTHER)
    }
}

fn services(page: &mut Page, snapshot: &Snapshot) {
    let state = &snapshot.state;
    let active = || {
        let all = state.services.values();
        all.filter(|it| it.status != ServiceStatus::Inactive)
    };
    let known: BTreeSet<Key<'_>> = active()
        .map(|it| (it.cluster.as_str(), it.name.as_str()))
        .take(SERVICES_MAX)
        .collect();
    let mut tasks: BTreeMap<(Key<'_>, &str), u64> = BTreeMap::new();
    // None is a figure too: an alert needs it.
    let mut unreachable: BTreeMap<Key<'_>, u64> = known.iter().map(|of| (*of, 0)).collect();
    for task in state.tasks.values() {
        let cluster = task.cluster.as_str();
        let of = match &task.service {
            None => (cluster, NONE),
            Some(service) => key(&known, cluster, service.as_str()),
        };
        *tasks.entry((of, task.last_status.as_str())).or_default() += 1;
        *unreachable.entry(of).or_default() += u64::from(state.is_unreachable(task));
    }
    let mut family = page.family(
        "quarterdeck_tasks",
        Kind::Gauge,
        "Tasks by cluster, service (empty: none) and lastStatus; stopped ones as long as they are kept.",
    );
    for (((cluster, service), status), count) in tasks {
        let labels = [
            ("cluster", cluster),
            ("service", service),
            ("last_status", status),
        ];
        family.count(&labels, count);
    }
    let mut family = page.family(
        "quarterdeck_unreachable_tasks",
        Kind::Gauge,
        "Tasks that have not stopped, as far as is known, and whose instance does not answer; \
         running and pending ones are counted there too. Those given up for lost are among them.",
    );
    for ((cluster, service), count) in unreachable {
        family.count(&[("cluster", cluster), ("service", service)], count);
    }
    let counts = shape::Counts::of(state);
    let mut figures: BTreeMap<Key<'_>, [u64; 4]> = BTreeMap::new();
    let mut rollouts = [
        RolloutState::InProgress,
        RolloutState::Completed,
        RolloutState::Failed,
    ]
    .map(|rollout| (rollout, 0));
    for service in active() {
        let cluster = service.cluster.as_str();
        let of = key(&known, cluster, service.name.as_str());
        let (running, pending) = counts.of_service(service);
        let unplaced = service.unplaced.as_ref().map_or(0, |it| it.count);
        let own = [service.desired_count, running, pending, unplaced];
        for (sum, own) in figures.entry(of).or_default().iter_mut().zip(own) {
            *sum += u64::from(own);
        }
        for deployment in &service.deployments {
            for (rollout, count) in &mut rollouts {
                *count += u64::from(*rollout == deployment.rollout_state);
            }
        }
    }
    let families = [
        (
            "quarterdeck_service_desired_tasks",
            "Tasks that a service wants (desiredCount).",
        ),
        (
            "quarterdeck_service_running_tasks",
            "Tasks of a service that run (runningCount).",
        ),
        (
            "quarterdeck_service_pending_tasks",
            "Tasks of a service on their way (pendingCount).",
        ),
        (
            "quarterdeck_service_unplaced_tasks",
            "Tasks that a service wants and no instance takes.",
        ),
    ];
    for (index, (name, help)) in families.into_iter().enumerate() {
        let mut family = page.family(name, Kind::Gauge, help);
        for (&(cluster, service), figures) in &figures {
            let value = figures.get(index).copied().unwrap_or(0);
            family.count(&[("cluster", cluster), ("service", service)], value);
        }
    }
    let mut family = page.family(
        "quarterdeck_deployments",
        Kind::Gauge,
        "Deployments that are not over, by rolloutState.",
    );
    for (rollout, count) in rollouts {
        let word = match rollout {
            RolloutState::InProgress => "IN_PROGRESS",
            RolloutState::Completed => "COMPLETED",
            RolloutState::Failed => "FAILED",
        };
        family.count(&[("rollout_state", word)], count);
    }
}

/// What keeps tasks from a place, in so many words at most.
const REASONS: [(&str, &str); 8] = [
    ("memory", "memory"),
    ("cpu", "CPU"),
    ("port", "port"),
    ("connection", "does not answer"),
    ("connection", "never answered"),
    ("draining", "DRAINING"),
    ("constraint", "constraint"),
    ("capacity_provider", "capacity provider"),
];

/// Tasks without a place, by what the nearest miss lacked.
fn unplaced(page: &mut Page, snapshot: &Snapshot) {
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for service in snapshot.state.services.values() {
        let Some(unplaced) = &service.unplaced else {
            continue;
        };
        // The nearest misses come first.
        let said = unplaced.refusals.first().and_then(|it| it.reasons.first());
        let said = said.map_or("", String::as_str);
        let known = REASONS.into_iter().find(|(_, word)| said.contains(word));
        let reason = known.map_or("other", |(reason, _)| reason);
        *reasons.entry(reason).or_default() += u64::from(unplaced.count);
    }
    let mut family = page.family(
        "quarterdeck_unplaced_tasks",
        Kind::Gauge,
        "Tasks that services want and no instance takes, by what the nearest miss lacks first.",
    );
    for (reason, count) in reasons {
        family.count(&[("reason", reason)], count);
    }
}

fn instances(page: &mut Page, snapshot: &Snapshot) {
    let instances = &snapshot.state.instances;
    let mut by_status: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for instance in instances.values() {
        let connected = if instance.is_connected() {
            "true"
        } else {
            "false"
        };
        let key = (
            instance.cluster.as_str(),
            instance.status.as_str(),
            connected,
        );
        *by_status.entry(key).or_default() += 1;
    }
    let mut family = page.family(
        "quarterdeck_instances",
        Kind::Gauge,
        "Container instances by cluster, status and agentConnected.",
    );
    for ((cluster, status, connected), count) in by_status {
        let labels = [
            ("cluster", cluster),
            ("status", status),
            ("connected", connected),
        ];
        family.count(&labels, count);
    }
    let shown = || instances.values().take(INSTANCES_MAX);
    let mut family = page.family(
        "quarterdeck_instance_connected",
        Kind::Gauge,
        "Whether an instance's engine answers.",
    );
    for it in shown() {
        let labels = [
            ("cluster", it.cluster.as_str()),
            ("instance", it.name.as_str()),
        ];
        family.count(&labels, u64::from(it.is_connected()));
    }
    let agents = |of: fn(&crate::model::observation::AgentStatus, &Snapshot) -> Option<u64>| {
        shown().filter_map(move |it| {
            let agent = snapshot.live.agents.get(&it.name)?;
            Some((it, of(agent, snapshot)?))
        })
    };
    // What a silent one's agent heard before the control plane was started again is stored.
    let ages = shown().filter_map(|it| {
        let agent = snapshot.live.agents.get(&it.name);
        let heard = agent.and_then(|agent| agent.heard_at);
        let stored = it.registered_at.and_then(|_| it.silent_since());
        Some((it, snapshot.at.since_ms(stored.or(heard)?)))
    });
    let latencies = agents(|agent, _| agent.latency_ms);
    let mut family = page.family(
        "quarterdeck_instance_heard_age_seconds",
        Kind::Gauge,
        "Seconds since an instance's engine last answered anything, as far back as that is known.",
    );
    for (it, ms) in ages {
        let labels = [
            ("cluster", it.cluster.as_str()),
            ("instance", it.name.as_str()),
        ];
        family.put(&labels, seconds(ms));
    }
    let mut family = page.family(
        "quarterdeck_instance_latency_seconds",
        Kind::Gauge,
        "How long the last ping of an instance's engine took.",
    );
    for (it, ms) in latencies {
        let labels = [
            ("cluster", it.cluster.as_str()),
            ("instance", it.name.as_str()),
        ];
        family.put(&labels, seconds(ms));
    }
}

#[allow(clippy::cast_precision_loss)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// What was counted since the control plane was started.
fn counted(page: &mut Page, meters: &Meters) {
    for (name, help, counter) in [
        (
            "quarterdeck_placements_total",
            "Tasks that were placed.",
            &meters.placements,
        ),
        (
            "quarterdeck_placement_failures_total",
            "Tasks that found no place when one was looked for.",
            &meters.placement_failures,
        ),
        (
            "quarterdeck_task_start_failures_total",
            "Tasks that were placed and could not be started.",
            &meters.start_failures,
        ),
        (
            "quarterdeck_changes_total",
            "Changes of the state that were stored.",
            &meters.changes,
        ),
        (
            "quarterdeck_watch_resyncs_total",
            "Watchers that fell behind, lost changes and were given a fresh picture.",
            &meters.resyncs,
        ),
    ] {
        page.single(name, Kind::Counter, help, counter.read());
    }
    let mut family = page.family(
        "quarterdeck_commands_total",
        Kind::Counter,
        "Commands by what came of them.",
    );
    family.count(&[("outcome", "done")], meters.commands_done.read());
    family.count(&[("outcome", "refused")], meters.commands_refused.read());
    page.single(
        "quarterdeck_watchers",
        Kind::Gauge,
        "Consoles and other clients that watch.",
        meters.watchers(),
    );
    page.histogram(
        "quarterdeck_decision_seconds",
        "How long a decision took, without the store.",
        &meters.decisions.read(),
    );
    page.histogram(
        "quarterdeck_store_append_seconds",
        "How long the store took to keep what was decided.",
        &meters.appends.read(),
    );
}
