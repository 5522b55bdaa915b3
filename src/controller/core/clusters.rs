//! CreateCluster and DeleteCluster.

use super::find::{self, client, invalid};
use super::work::Work;
use crate::controller::command::{CommandError, CreateCluster, DeleteCluster, ErrorKind, Response};
use crate::model::{Change, Cluster, ClusterName, ServiceStatus, tag};

pub(super) fn create(
    work: &mut Work,
    request: &CreateCluster,
    who: &str,
) -> Result<Response, CommandError> {
    let name = request.cluster_name.as_deref().unwrap_or("default");
    let name = ClusterName::new(name).map_err(|error| invalid(error.to_string()))?;
    // As in ECS: asking for what is there is no error.
    if let Some(cluster) = work.state.clusters.get(&name) {
        return Ok(Response::Cluster(cluster.clone()));
    }
    find::refuse(
        ErrorKind::InvalidParameterException,
        &tag::faults("tags", &request.tags),
    )?;
    let partition = work.state.partition(&ClusterName::default_cluster());
    let cluster = work.put_cluster(Cluster {
        tags: request.tags.clone(),
        ..Cluster::new(name.clone(), partition, false, work.now)
    });
    work.operator(&name, format!("(cluster {name}) was created by {who}."));
    Ok(Response::Cluster(cluster))
}

pub(super) fn delete(
    work: &mut Work,
    request: &DeleteCluster,
    who: &str,
) -> Result<Response, CommandError> {
    let name = find::cluster(work, Some(&request.cluster), "")?;
    let Some(cluster) = work.state.clusters.get(&name).cloned() else {
        return Err(client(format!("There is no cluster {name}.")));
    };
    if cluster.configured {
        return Err(client(format!(
            "Cluster {name} is named by the configuration (or is the one that always exists), \
             so it cannot be deleted by command. Remove it from the configuration file."
        )));
    }
    let state = &work.state;
    let instances: Vec<String> = state
        .instances
        .values()
        .filter(|instance| instance.cluster == name)
        .map(|instance| instance.name.to_string())
        .collect();
    if !instances.is_empty() {
        return Err(CommandError::new(
            ErrorKind::ClusterContainsContainerInstancesException,
            format!(
                "Cluster {name} still has container instances: {}. Move them to another cluster \
                 in the configuration first.",
                instances.join(", ")
            ),
        ));
    }
    let here: Vec<_> = state
        .services
        .values()
        .filter(|service| service.cluster == name)
        .cloned()
        .collect();
    let alive: Vec<String> = here
        .iter()
        .filter(|service| service.status != ServiceStatus::Inactive)
        .map(|service| service.name.to_string())
        .collect();
    if !alive.is_empty() {
        return Err(CommandError::new(
            ErrorKind::ClusterContainsServicesException,
            format!(
                "Cluster {name} still has services: {}. Delete them first.",
                alive.join(", ")
            ),
        ));
    }
    let schedules = state.schedules.values().filter(|it| it.cluster == name);
    let schedules: Vec<&str> = schedules.map(|it| it.name.as_str()).collect();
    if !schedules.is_empty() {
        return Err(client(format!(
            "Cluster {name} still has schedules: {}. Delete them first.",
            schedules.join(", ")
        )));
    }
    let tasks: Vec<_> = state
        .tasks
        .values()
        .filter(|task| task.cluster == name)
        .cloned()
        .collect();
    let running = tasks.iter().filter(|task| !task.is_stopped()).count();
    if running > 0 {
        return Err(CommandError::new(
            ErrorKind::ClusterContainsTasksException,
            format!("Cluster {name} still has {running} tasks. Stop them first."),
        ));
    }
    for task in tasks {
        work.put(Change::TaskRemoved(task.id));
    }
    for service in here {
        work.put(Change::ServiceRemoved(
            service.cluster.clone(),
            service.name.clone(),
        ));
    }
    work.put(Change::ClusterRemoved(name.clone()));
    work.operator(&name, format!("(cluster {name}) was deleted by {who}."));
    Ok(Response::Cluster(cluster))
}
