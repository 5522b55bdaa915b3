//! `qd status`: everything in short, for people and for monitoring.

use serde_json::json;

use super::args::{AsOf, Output};
use super::error::CliResult;
use super::session::Session;
use super::{history, instance, out, resolve, service, time};
use crate::api::shape;
use crate::model::{ClusterName, Severity, Snapshot, State};

/// How many warnings are shown.
const WARNINGS_SHOWN: usize = 5;

/// Prints it.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, of: &AsOf, output: Output) -> CliResult {
    let snapshot = history::picture(session, of).await?;
    let state = &snapshot.state;
    let cluster = session.cluster(&snapshot)?;
    let instances = || state.instances.values().filter(|it| it.cluster == cluster);
    if output == Output::Json {
        let counts = shape::Counts::of(state);
        let clusters = state.clusters.get(&cluster);
        return out::json(&json!({
            "clusters": clusters.map(|it| shape::cluster(state, it)).into_iter().collect::<Vec<_>>(),
            "services": resolve::services(state, &cluster)
                .map(|it| shape::service(state, it, &counts))
                .collect::<Vec<_>>(),
            "containerInstances": instances()
                .map(|it| shape::container_instance(state, it))
                .collect::<Vec<_>>(),
            "failures": [],
        }));
    }
    if of.at.is_none() {
        out::line(holder(session, &snapshot))?;
        if let Some(outage) = &snapshot.live.outage {
            out::line(format!(
                "NOTHING IS DECIDED for {}, and containers go on as they are: {}",
                time::age(outage.since, snapshot.at),
                outage.reason
            ))?;
        }
    }
    let connected = instances().filter(|it| it.is_connected()).count();
    out::line(format!(
        "cluster {cluster}: {connected} of {} instances answer, {}, {}\n",
        instances().count(),
        out::count(resolve::services(state, &cluster).count(), "service"),
        running(state, Some(&cluster)),
    ))?;
    instance::table(&snapshot, instances().map(AsRef::as_ref)).print("no instances")?;
    let services = service::table(
        &snapshot,
        resolve::services(state, &cluster).map(AsRef::as_ref),
    );
    if !services.is_empty() {
        out::line("")?;
        services.print("")?;
    }
    let warnings: Vec<_> = state
        .events
        .iter()
        .rev()
        .filter(|it| it.cluster == cluster && it.severity > Severity::Info)
        .take(WARNINGS_SHOWN)
        .collect();
    if !warnings.is_empty() {
        out::line("\nlatest warnings:")?;
        for event in warnings.iter().rev() {
            out::line(format!("  {}  {}", time::local(event.at), event.message))?;
        }
    }
    Ok(())
}

/// How many tasks run, of a cluster or of all; and of how many it is not known.
pub(super) fn running(state: &State, cluster: Option<&ClusterName>) -> String {
    let tasks = state.tasks.values().filter(|it| it.is_serving());
    let tasks = tasks.filter(|it| cluster.is_none_or(|cluster| it.cluster == *cluster));
    let (known, unknown): (Vec<_>, Vec<_>) = tasks.partition(|task| state.hears(task));
    let known = out::count(known.len(), "task");
    match unknown.len() {
        0 => format!("{known} running"),
        unknown => format!("{known} running, {unknown} more on instances that do not answer"),
    }
}

fn holder(session: &Session, snapshot: &Snapshot) -> String {
    if session.carried {
        return "this command, for as long as it runs (it starts and stops what is due); nothing keeps \
                services running after it until `qd serve` or the console is started"
            .into();
    }
    let holder = &snapshot.holder;
    let simulated = if holder.simulated { ", SIMULATED" } else { "" };
    format!(
        "control plane: {} (pid {}, {}, for {}{simulated})",
        holder.role,
        holder.pid,
        holder.user,
        time::age(holder.since, snapshot.at)
    )
}
