//! Changes to the fleet: the question with its effect in numbers, the command, and the same on
//! the command line.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::controller::Command;
use crate::controller::command::{
    DeleteService, RebalanceService, StopTask, UpdateContainerInstancesState, UpdateService,
};
use crate::model::service::{Service, ServiceStatus};
use crate::model::state::ServiceKey;
use crate::model::{InstanceName, InstanceStatus, Task, TaskDefinitionId, TaskId, validate};

use super::super::command_line::STOP_REASON;
use super::super::edit::Change;
use super::super::effect::Effect;
use super::super::fleet::Tally;
use super::super::state::{Act, Layer, Model};
use super::super::text::{self, count};
use super::super::view::silent;
use super::proposal;

/// A question before something is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    /// What would be done.
    pub title: String,
    /// What that does to what runs, in the numbers of the picture shown: for while there is no plan.
    pub estimate: Vec<String>,
    /// What no plan says.
    pub notes: Vec<String>,
    /// Whether it stops something for good.
    pub danger: bool,
}

/// Asks before doing.
pub(super) fn ask(model: &mut Model, act: Act) {
    proposal::propose(model, vec![act]);
}

/// Quits, after a question if nothing would keep the services then.
pub(super) fn quit(model: &mut Model) -> Vec<Effect> {
    let asked = matches!(model.layers.last(), Some(Layer::Confirm(it)) if it.quits());
    if model.carries() && !model.is_simulated() && !model.present().state.services.is_empty() {
        if !asked {
            ask(model, Act::Quit);
        }
    } else {
        model.quit = true;
    }
    Vec::new()
}

/// The command that an act is; `None` for quitting, which is none.
pub(super) fn command(model: &Model, act: &Act) -> Option<Command> {
    let update = |(cluster, service): &ServiceKey| UpdateService {
        cluster: Some(cluster.to_string()),
        service: service.to_string(),
        ..UpdateService::default()
    };
    let cluster = act.cluster(&model.snapshot.state).map(ToString::to_string);
    let instance = |name: &InstanceName, status| {
        Command::UpdateContainerInstancesState(UpdateContainerInstancesState {
            cluster: cluster.clone(),
            container_instances: vec![name.to_string()],
            status,
        })
    };
    Some(match act {
        Act::Scale(key, to) => Command::UpdateService(Box::new(UpdateService {
            desired_count: Some(*to),
            ..update(key)
        })),
        Act::Update(key, to) | Act::Rollback(key, to) => {
            Command::UpdateService(Box::new(UpdateService {
                task_definition: Some(to.to_string()),
                ..update(key)
            }))
        }
        Act::Restart(key) => Command::UpdateService(Box::new(UpdateService {
            force_new_deployment: true,
            ..update(key)
        })),
        Act::Rebalance((cluster, service)) => Command::RebalanceService(RebalanceService {
            cluster: Some(cluster.to_string()),
            service: service.to_string(),
        }),
        Act::Delete((cluster, service)) => Command::DeleteService(DeleteService {
            cluster: Some(cluster.to_string()),
            service: service.to_string(),
            force: true,
        }),
        Act::Stop(task) => Command::StopTask(StopTask {
            cluster,
            task: task.to_string(),
            reason: Some(STOP_REASON.to_owned()),
        }),
        Act::Drain(name) => instance(name, InstanceStatus::Draining),
        Act::Activate(name) => instance(name, InstanceStatus::Active),
        Act::Apply(change) => change.command.clone(),
        Act::Quit => return None,
    })
}

/// The question for an act, in the numbers of the picture that is shown.
pub(crate) fn question(model: &Model, act: &Act) -> Question {
    match act {
        Act::Scale(key, to) => scale(model, key, *to),
        Act::Update(key, to) => update_to(model, key, to),
        Act::Restart(key) => restart(model, key),
        Act::Rollback(key, to) => back_to(model, key, to),
        Act::Rebalance(key) => rebalance(model, key),
        Act::Delete(key) => delete(model, key),
        Act::Stop(task) => stop(model, *task),
        Act::Drain(name) => drain(model, name),
        Act::Activate(name) => Question {
            title: format!("Activate instance {name}"),
            estimate: Vec::new(),
            notes: vec![
                "It takes tasks again.".to_owned(),
                "Services whose zones are out of balance move tasks to it.".to_owned(),
            ],
            danger: false,
        },
        Act::Apply(change) => applied(model, change),
        Act::Quit => leave(model),
    }
}

fn parts<'a>(model: &'a Model, key: &ServiceKey) -> Option<(&'a Service, Tally)> {
    let service = model.snapshot.state.services.get(key)?;
    let tally = model.fleet.service(key).map(|row| row.tally);
    Some((service, tally.unwrap_or_default()))
}

/// A service by its name, and by its cluster where several are shown.
pub(super) fn called(model: &Model, (cluster, name): &ServiceKey) -> String {
    match model.clusters.several() {
        true => format!("{name} of {cluster}"),
        false => name.to_string(),
    }
}

fn gone(title: String) -> Question {
    Question {
        title,
        estimate: vec!["It is gone meanwhile: this would be refused.".to_owned()],
        notes: Vec::new(),
        danger: false,
    }
}

fn scale(model: &Model, key: &ServiceKey, to: u32) -> Question {
    let (name, called) = (&key.1, called(model, key));
    let title = format!("Scale service {called} to {to}");
    let Some((service, tally)) = parts(model, key) else {
        return gone(title);
    };
    let from = service.desired_count;
    let (up, fewer) = (tally.running, from.saturating_sub(to));
    let effect = if to > from {
        let more = u64::from(to - from);
        format!(
            "Starts {} of {name}: {from} → {to}.",
            count(more, "more task")
        )
    } else if up > to {
        format!("Stops {} of {up} healthy tasks of {name}.", up - to)
    } else {
        format!("{from} → {to}: {fewer} fewer are wanted; none of the {up} that run stops.")
    };
    let nothing = (to == 0).then(|| "Nothing of it runs then; the service stays.".to_owned());
    Question {
        title,
        estimate: vec![effect],
        notes: nothing.into_iter().collect(),
        danger: to == 0,
    }
}

fn bounds(service: &Service) -> String {
    let bounds = &service.deployment_configuration;
    let desired = service.desired_count;
    format!(
        "Meanwhile at least {} are up and at most {} exist ({} % to {} % of {desired}).",
        bounds.floor(desired),
        bounds.ceiling(desired),
        bounds.minimum_healthy_percent,
        bounds.maximum_percent,
    )
}

fn update_to(model: &Model, key: &ServiceKey, to: &TaskDefinitionId) -> Question {
    let (name, called) = (&key.1, called(model, key));
    let title = format!("Update service {called} to {to}");
    let Some((service, _)) = parts(model, key) else {
        return gone(title);
    };
    let from = service.primary().map(|d| &d.task_definition);
    let replaces = format!(
        "Replaces {} of {name}, bit by bit: {} → {to}.",
        count(u64::from(service.desired_count), "task"),
        from.map(ToString::to_string).unwrap_or_default(),
    );
    let images = from.into_iter().flat_map(|from| images(model, from, to));
    Question {
        title,
        estimate: vec![replaces, bounds(service)],
        notes: images.collect(),
        danger: false,
    }
}

fn back_to(model: &Model, key: &ServiceKey, to: &TaskDefinitionId) -> Question {
    let called = called(model, key);
    Question {
        title: format!("Roll service {called} back to {to}"),
        ..update_to(model, key, to)
    }
}

/// Images that differ between two revisions.
fn images(model: &Model, from: &TaskDefinitionId, to: &TaskDefinitionId) -> Vec<String> {
    let all = &model.snapshot.state.task_definitions;
    let (Some(from), Some(to)) = (all.get(from), all.get(to)) else {
        return Vec::new();
    };
    to.container_definitions
        .iter()
        .filter_map(|new| match from.container(&new.name) {
            None => Some(format!("New container {}: {}.", new.name, new.image)),
            Some(old) if old.image != new.image => {
                Some(format!("{}: {} → {}", new.name, old.image, new.image))
            }
            Some(_) => None,
        })
        .collect()
}

fn restart(model: &Model, key: &ServiceKey) -> Question {
    let (name, called) = (&key.1, called(model, key));
    let title = format!("Restart service {called}");
    let Some((service, tally)) = parts(model, key) else {
        return gone(title);
    };
    Question {
        title,
        estimate: vec![
            format!(
                "Replaces {} of {name} with new ones of the same revision.",
                count(u64::from(tally.live()), "task")
            ),
            bounds(service),
        ],
        notes: Vec::new(),
        danger: false,
    }
}

fn rebalance(model: &Model, key: &ServiceKey) -> Question {
    let (name, called) = (&key.1, called(model, key));
    let title = format!("Balance the zones of service {called}");
    let Some((service, _)) = parts(model, key) else {
        return gone(title);
    };
    let effect = match validate::cannot_rebalance(service) {
        Some(why) => vec![format!("It will be refused: {why}.")],
        None => vec![
            format!("Starts tasks of {name} in the zones that have the fewest, and stops as many"),
            "where there are the most, once the new ones have stayed up. Never below the"
                .to_owned(),
            "desired count. Nothing happens if the zones are even.".to_owned(),
        ],
    };
    Question {
        title,
        estimate: Vec::new(),
        notes: effect,
        danger: false,
    }
}

fn delete(model: &Model, key: &ServiceKey) -> Question {
    let (name, called) = (&key.1, called(model, key));
    let title = format!("Delete service {called}");
    let Some((_, tally)) = parts(model, key) else {
        return gone(title);
    };
    let running = tally.running;
    Question {
        title,
        estimate: vec![format!(
            "Stops {running} of {running} healthy tasks of {name}."
        )],
        notes: vec!["The service is gone then; its task definitions stay.".to_owned()],
        danger: true,
    }
}

fn stop(model: &Model, id: TaskId) -> Question {
    let title = format!("Stop task {}", id.short());
    let Some(task) = model.snapshot.state.tasks.get(&id) else {
        return gone(title);
    };
    let mut notes = vec![whereabouts(model, task)];
    let mut estimate = Vec::new();
    match &task.service {
        None => notes.insert(0, "It was run by hand: nothing starts it again.".to_owned()),
        Some(name) => {
            let key = (task.cluster.clone(), name.clone());
            let tally = model.fleet.service(&key).map(|row| row.tally);
            let running = tally.unwrap_or_default().running;
            let stops = u32::from(task.is_serving()).min(running);
            estimate.push(format!(
                "Stops {stops} of {running} healthy tasks of {name}; it starts another one."
            ));
        }
    }
    Question {
        title,
        estimate,
        notes,
        danger: task.service.is_none(),
    }
}

/// Where a task is, and what a stop comes to if nobody hears of it there.
fn whereabouts(model: &Model, task: &Task) -> String {
    let place = task.whereabouts();
    let Some(since) = silent::since(model, task) else {
        return format!("It runs on {place}.");
    };
    let host = silent::host(task);
    let silence = text::span(model.plane_time(model.now).since_ms(since));
    let lost = match task.lost_at {
        Some(_) => " The task was given up for lost; it may go on there all the same.",
        None => "",
    };
    format!(
        "Unreachable: {host} has not answered for {silence}.{lost} It is stopped once {host} \
         answers."
    )
}

fn drain(model: &Model, name: &InstanceName) -> Question {
    let mut services: BTreeMap<String, u32> = BTreeMap::new();
    let mut by_hand = 0;
    for row in model.fleet.of_instance(name) {
        match &row.task.service {
            _ if row.task.is_stopped() => {}
            Some(service) => *services.entry(service.to_string()).or_default() += 1,
            None => by_hand += 1,
        }
    }
    let moving: u32 = services.values().sum();
    let list: Vec<String> = services.iter().map(|(s, n)| format!("{s} ×{n}")).collect();
    let mut notes = vec!["It takes no new tasks until it is activated again.".to_owned()];
    let estimate = vec![if moving == 0 {
        "No task of a service runs there.".to_owned()
    } else {
        let moves = count(u64::from(moving), "task");
        format!(
            "Replaces {moves} elsewhere, then stops them: {}.",
            list.join(", ")
        )
    }];
    if by_hand > 0 {
        notes.push(format!(
            "{} run by hand: not moved.",
            count(by_hand, "task")
        ));
    }
    Question {
        title: format!("Drain instance {name}"),
        estimate,
        notes,
        danger: false,
    }
}

/// What an edited text changes, member by member.
fn applied(model: &Model, change: &Change) -> Question {
    let thing = change.thing();
    let title = match &change.command {
        Command::RegisterTaskDefinition(_) => format!("Register a new revision of {thing}"),
        Command::CreateService(_) => format!("Create service {thing}"),
        Command::UpdateService(_) => format!("Change service {thing}"),
        _ => format!("Change {thing}"),
    };
    let mut notes = change.lines.clone();
    if let Command::RegisterTaskDefinition(it) = &change.command {
        let runs = |service: &&Arc<Service>| {
            let primary = service.primary();
            primary.is_some_and(|it_runs| it_runs.task_definition.family == it.family)
        };
        let services = model.snapshot.state.services.values().filter(runs).count();
        if services > 0 {
            notes.push(String::new());
            notes.push(format!(
                "That alone rolls nothing out: {} it run on what they have until updated (u).",
                count(services as u64, "service that runs of")
            ));
        }
    }
    Question {
        title,
        estimate: Vec::new(),
        notes,
        danger: false,
    }
}

fn leave(model: &Model) -> Question {
    let services = model.present().state.services.values();
    let services = services.filter(|it| it.status != ServiceStatus::Inactive);
    let services = services.count() as u64;
    Question {
        title: "Quit: this console carries the scheduler".to_owned(),
        estimate: Vec::new(),
        notes: vec![
            format!("Nothing keeps {} then.", count(services, "service")),
            "Containers go on running; what dies is not replaced until qd runs again.".to_owned(),
        ],
        danger: true,
    }
}
