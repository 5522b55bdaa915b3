//! `qd cluster …`

use serde_json::json;

use super::args::{ClusterVerb, Output};
use super::error::CliResult;
use super::out::{self, Table};
use super::resolve;
use super::session::Session;
use crate::api::shape;
use crate::controller::Command;
use crate::controller::command::{CreateCluster, DeleteCluster};

/// Runs one of them.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &ClusterVerb, output: Output) -> CliResult {
    let (command, told) = match verb {
        ClusterVerb::Ls => return list(session, output).await,
        ClusterVerb::Create(named) => (
            Command::CreateCluster(CreateCluster {
                cluster_name: Some(named.name.clone()),
                ..CreateCluster::default()
            }),
            format!("created cluster {}", named.name),
        ),
        ClusterVerb::Rm { name, sure } => {
            let cluster = resolve::cluster(&session.snapshot().state, name)?;
            let effect = format!("Cluster {cluster} will be deleted.");
            session.confirm(&cluster, &effect, sure).await?;
            (
                Command::DeleteCluster(DeleteCluster {
                    cluster: cluster.to_string(),
                }),
                format!("deleted cluster {cluster}"),
            )
        }
    };
    let body = session.command(command).await?;
    match output {
        Output::Json => out::json(&body),
        Output::Table => out::line(told),
    }
}

async fn list(session: &Session, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let state = &snapshot.state;
    if output == Output::Json {
        let clusters: Vec<_> = state
            .clusters
            .values()
            .map(|it| shape::cluster(state, it))
            .collect();
        return out::json(&json!({"clusters": clusters, "failures": []}));
    }
    let mut table = Table::new(&[
        "CLUSTER",
        "REGION",
        "INSTANCES",
        "SERVICES",
        "TASKS",
        "FROM",
    ]);
    for cluster in state.clusters.values() {
        let name = &cluster.name;
        let instances = state.instances.values().filter(|it| &it.cluster == name);
        let tasks = state.tasks.values().filter(|it| &it.cluster == name);
        table.row([
            name.to_string(),
            cluster.partition.region.clone(),
            instances.count().to_string(),
            resolve::services(state, name).count().to_string(),
            tasks.filter(|it| !it.is_stopped()).count().to_string(),
            if cluster.configured {
                "config"
            } else {
                "command"
            }
            .to_owned(),
        ]);
    }
    table.print("there is no cluster")
}
