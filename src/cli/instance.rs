//! `qd instance …`

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::args::{AsOf, InstanceVerb, Output};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::{history, resolve, task, time, wait};
use crate::api::shape;
use crate::config::{InstanceSettings, Settings};
use crate::controller::Command;
use crate::controller::command::UpdateContainerInstancesState;
use crate::docker::Connector;
use crate::document::nearest;
use crate::model::observation::EngineInfo;
use crate::model::{Connection, Instance, InstanceStatus, Resources, Snapshot, State};

/// Runs one of them; `check` needs no control plane and is [`check`].
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &InstanceVerb, output: Output) -> CliResult {
    match verb {
        InstanceVerb::Ls(of) => list(session, of, output).await,
        InstanceVerb::Show(named) => show(session, &named.name, output).await,
        InstanceVerb::Drain { names, wait, sure } => {
            let snapshot = session.snapshot();
            let mut cluster = session.cluster(&snapshot)?;
            let (mut effects, mut drained) = (Vec::new(), Vec::new());
            for name in names {
                let instance = resolve::instance(&snapshot.state, name)?;
                let tasks = running(&snapshot.state, &instance);
                effects.push(format!(
                    "Instance {} will take no new tasks; the services' among its {tasks} tasks \
                     will move away.",
                    instance.name
                ));
                drained.push(instance.name.clone());
                cluster.clone_from(&instance.cluster);
            }
            let effect = effects.join("\n");
            session.confirm(&cluster, &effect, sure).await?;
            set(session, names, InstanceStatus::Draining, output).await?;
            if wait.wait {
                return wait::drained(session, &drained, wait.timeout).await;
            }
            session.say_who_carries();
            Ok(())
        }
        InstanceVerb::Activate { names } => {
            set(session, names, InstanceStatus::Active, output).await?;
            session.say_who_carries();
            Ok(())
        }
        InstanceVerb::Check { .. } => Ok(()),
    }
}

fn running(state: &State, instance: &Instance) -> usize {
    let tasks = state.instance_tasks(&instance.name);
    tasks.filter(|task| !task.is_stopped()).count()
}

async fn set(
    session: &Session,
    names: &[String],
    status: InstanceStatus,
    output: Output,
) -> CliResult {
    let snapshot = session.snapshot();
    let mut instances = Vec::new();
    for name in names {
        instances.push(resolve::instance(&snapshot.state, name)?);
    }
    // ECS's operation is of one cluster; the instances' own is meant.
    for instance in &instances {
        let body = session
            .command(Command::UpdateContainerInstancesState(
                UpdateContainerInstancesState {
                    cluster: Some(instance.cluster.to_string()),
                    container_instances: vec![instance.name.to_string()],
                    status,
                },
            ))
            .await?;
        if let Some(failure) = body["failures"].as_array().and_then(|list| list.first()) {
            let why = failure["detail"].as_str().or(failure["reason"].as_str());
            let why = why.unwrap_or("refused");
            return Err(CliError::Failed(format!("{}: {why}", instance.name)));
        }
        if output == Output::Json {
            out::json(&body)?;
        } else {
            out::line(format!("{}: {}", instance.name, status.as_str()))?;
        }
    }
    Ok(())
}

async fn list(session: &Session, of: &AsOf, output: Output) -> CliResult {
    let snapshot = history::picture(session, of).await?;
    let cluster = session.cluster(&snapshot)?;
    let instances = snapshot
        .state
        .instances
        .values()
        .filter(|it| it.cluster == cluster);
    if output == Output::Json {
        let instances: Vec<_> = instances
            .map(|it| shape::container_instance(&snapshot.state, it))
            .collect();
        return out::json(&json!({"containerInstances": instances, "failures": []}));
    }
    table(&snapshot, instances.map(AsRef::as_ref)).print(&format!(
        "there is no instance in cluster {cluster}; the config file names them"
    ))
}

/// Instances, one a row.
pub(super) fn table<'a>(
    snapshot: &Snapshot,
    instances: impl Iterator<Item = &'a Instance>,
) -> Table {
    let mut table = Table::new(&[
        "INSTANCE", "ZONE", "STATUS", "AGENT", "TASKS", "CPU", "MEMORY", "DOCKER", "ENDPOINT",
        "NOTE",
    ]);
    for instance in instances {
        let held = held(&snapshot.state, instance);
        let capacity = &instance.capacity;
        table.row([
            instance.name.to_string(),
            instance.zone().to_owned(),
            instance.status.as_str().to_owned(),
            if instance.is_connected() {
                "connected"
            } else {
                "lost"
            }
            .to_owned(),
            running(&snapshot.state, instance).to_string(),
            format!("{}/{}", held.cpu, capacity.cpu),
            format!("{}/{}", held.memory, capacity.memory),
            instance.docker_version.clone(),
            instance.endpoint.clone(),
            remark(snapshot, instance),
        ]);
    }
    table
}

/// What is taken of an instance: by its tasks, by others' containers, for the host.
fn held(state: &State, instance: &Instance) -> Resources {
    let mut held = instance.reserved.clone();
    held.add(&instance.foreign);
    for task in state.instance_tasks(&instance.name) {
        if !task.is_stopped() {
            held.add(&task.resources);
        }
    }
    held
}

fn remark(snapshot: &Snapshot, instance: &Instance) -> String {
    match &instance.connection {
        Connection::Connected { .. } => String::new(),
        Connection::Disconnected { since, reason } => {
            let ago = time::age(instance.silent_since().unwrap_or(*since), snapshot.at);
            match instance.registered_at {
                Some(_) => format!("not heard for {ago}: {reason}"),
                None => format!("never answered: {reason}"),
            }
        }
    }
}

async fn show(session: &Session, name: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let state = &snapshot.state;
    let instance = resolve::instance(state, name)?;
    if output == Output::Json {
        let instance = shape::container_instance(state, &instance);
        return out::json(&json!({"containerInstances": [instance], "failures": []}));
    }
    let held = held(state, &instance);
    let capacity = &instance.capacity;
    let attributes: Vec<String> = instance
        .attributes
        .iter()
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let mut facts = vec![
        ("instance", instance.name.to_string()),
        ("cluster", instance.cluster.to_string()),
        ("endpoint", instance.endpoint.clone()),
        ("status", instance.status.as_str().to_owned()),
        (
            "agent",
            if instance.is_connected() {
                "connected"
            } else {
                "lost"
            }
            .to_owned(),
        ),
        ("note", remark(&snapshot, &instance)),
        ("cpu", format!("{} of {} taken", held.cpu, capacity.cpu)),
        (
            "memory",
            format!("{} of {} MiB taken", held.memory, capacity.memory),
        ),
        ("resources", named(&held, capacity)),
        ("serves", instance.serves()),
        (
            "others' containers",
            format!("{} run, never touched", instance.foreign_count),
        ),
        (
            "docker",
            format!("{} (API {})", instance.docker_version, instance.api_version),
        ),
        ("attributes", attributes.join("\n")),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    out::facts(&facts)?;
    out::line("")?;
    let tasks = state.instance_tasks(&instance.name).map(AsRef::as_ref);
    task::table(&snapshot, tasks.filter(|it| !it.is_stopped())).print("no task runs on it")
}

/// Whole resources by name.
fn named(held: &Resources, capacity: &Resources) -> String {
    let each = capacity.named.iter().map(|(name, count)| {
        let taken = held.named.get(name).copied().unwrap_or(0);
        format!("{name}: {taken} of {count} taken")
    });
    each.collect::<Vec<_>>().join("\n")
}

/// What a connection to one instance found.
struct Found {
    settings: InstanceSettings,
    outcome: Result<(EngineInfo, u128), String>,
}

/// `qd instance check`: connects to each side by side and tells what is there. Needs no control
/// plane and changes nothing.
///
/// # Errors
/// [`CliError::Told`] when one of them does not answer.
pub async fn check(
    settings: &Settings,
    names: &[String],
    connector: Arc<dyn Connector>,
    output: Output,
) -> CliResult {
    let chosen = chosen(settings, names)?;
    let found = join_all(chosen.into_iter().map(|it| look(it, connector.as_ref()))).await;
    let failed = found.iter().any(|it| it.outcome.is_err());
    match output {
        Output::Json => {
            let instances: Vec<Value> = found.iter().map(as_json).collect();
            out::json(&json!({"containerInstances": instances}))?;
        }
        Output::Table => as_table(&found).print("the configuration names no instance")?,
    }
    if failed { Err(CliError::Told) } else { Ok(()) }
}

fn chosen<'a>(settings: &'a Settings, names: &[String]) -> CliResult<Vec<&'a InstanceSettings>> {
    if names.is_empty() {
        return Ok(settings.instances.iter().collect());
    }
    let all = || settings.instances.iter();
    names
        .iter()
        .map(|name| {
            all().find(|it| it.name.as_str() == name).ok_or_else(|| {
                let near = nearest(name, all().map(|it| it.name.as_str()));
                let near = near.map_or_else(String::new, |it| format!("; did you mean \"{it}\"?"));
                CliError::Usage(format!(
                    "the configuration has no instance \"{name}\"{near}"
                ))
            })
        })
        .collect()
}

async fn look(settings: &InstanceSettings, connector: &dyn Connector) -> Found {
    let outcome = async {
        let engine = connector.connect(settings).await?;
        let info = engine.info().await?;
        let start = Instant::now();
        engine.ping().await?;
        Ok::<_, crate::docker::EngineError>((info, start.elapsed().as_millis()))
    };
    Found {
        settings: settings.clone(),
        outcome: outcome.await.map_err(|error| error.to_string()),
    }
}

fn as_table(found: &[Found]) -> Table {
    let mut table = Table::new(&[
        "INSTANCE", "ENDPOINT", "RESULT", "DOCKER", "API", "CPU", "MEMORY", "LATENCY",
    ]);
    for it in found {
        let name = it.settings.name.to_string();
        let endpoint = it.settings.endpoint.to_string();
        table.row(match &it.outcome {
            Ok((info, ms)) => [
                name,
                endpoint,
                "ok".to_owned(),
                info.docker_version.clone(),
                info.api_version.clone(),
                info.cpu.to_string(),
                info.memory.to_string(),
                format!("{ms} ms"),
            ],
            Err(error) => [
                name,
                endpoint,
                error.clone(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
            ],
        });
    }
    table
}

fn as_json(found: &Found) -> Value {
    let mut value = json!({
        "name": found.settings.name,
        "endpoint": found.settings.endpoint.to_string(),
        "reachable": found.outcome.is_ok(),
    });
    match &found.outcome {
        Ok((info, ms)) => {
            value["dockerVersion"] = info.docker_version.clone().into();
            value["apiVersion"] = info.api_version.clone().into();
            value["cpu"] = info.cpu.0.into();
            value["memory"] = info.memory.0.into();
            value["latencyMs"] = json!(u64::try_from(*ms).unwrap_or(u64::MAX));
        }
        Err(error) => value["error"] = error.clone().into(),
    }
    value
}
