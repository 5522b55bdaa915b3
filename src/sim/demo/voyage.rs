//! The scripted voyage of `qd demo` off a terminal: a fail-over and a rolling update, told as
//! they happen. Everything is awaited in snapshots, within bounds; nothing is taken for granted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::services::{IMAGE_WEB, IMAGE_WEB_NEXT, commands, web_definition};
use crate::client::{Client, ClientError};
use crate::controller::Command;
use crate::controller::command::UpdateService;
use crate::model::id::IdError;
use crate::model::service::SchedulingStrategy;
use crate::model::{
    ClusterName, InstanceName, RolloutState, Service, ServiceName, Severity, Snapshot, State, Task,
    TaskId,
};
use crate::sim::{Fleet, FleetError};

/// How long one stage of the voyage may take.
const STAGE: Duration = Duration::from_secs(30);
/// How many events the last stage prints at most.
const EVENTS_SHOWN: usize = 8;

/// Why a voyage ended early.
#[derive(Debug, thiserror::Error)]
pub enum VoyageError {
    /// Something did not happen in time.
    #[error("the voyage ended early: after {seconds} s, {what} had not happened ({seen})")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// What was seen instead.
        seen: String,
    },
    /// More or fewer tasks than wanted.
    #[error("the voyage ended early: {0}")]
    Wrong(String),
    /// The control plane refused or is gone.
    #[error("the voyage ended early: {0}")]
    Client(#[from] ClientError),
    /// The fleet has no such host.
    #[error("the voyage ended early: {0}")]
    Fleet(#[from] FleetError),
    /// A built-in name is no name.
    #[error("the demo is built wrongly: {0}")]
    Name(#[from] IdError),
    /// What happened could not be printed.
    #[error("cannot print: {0}")]
    Print(#[from] std::io::Error),
}

/// Makes the demo's shop once the whole fleet is up (tasks would crowd on whoever came first):
/// every command of [`commands`], in order.
///
/// # Errors
/// [`VoyageError`] if one is refused, or the control plane ends before.
pub async fn load(client: &dyn Client, commands: Vec<Command>) -> Result<(), VoyageError> {
    let up = |snapshot: &Arc<Snapshot>| snapshot.state.instances.values().all(|i| i.is_connected());
    if client.snapshots().wait_for(up).await.is_err() {
        return Err(ClientError::Gone("it ended before the fleet was up".to_owned()).into());
    }
    for command in commands {
        client.command(command).await?;
    }
    Ok(())
}

/// Sails the voyage on a control plane over this fleet, and prints what happens. Makes the shop
/// first if there is no service yet.
///
/// # Errors
/// [`VoyageError`] when something does not come about in its time.
pub async fn voyage(
    client: Arc<dyn Client>,
    fleet: Fleet,
    out: &mut dyn Write,
) -> Result<(), VoyageError> {
    let snapshots = client.snapshots();
    let mut voyage = Voyage {
        client,
        fleet,
        out,
        snapshots,
        begun: Instant::now(),
    };
    voyage.title()?;
    voyage.fleet_comes_up().await?;
    voyage.services_settle().await?;
    let (lost, hit) = voyage.instance_is_lost().await?;
    voyage.instance_returns(&lost, &hit).await?;
    voyage.web_is_updated().await?;
    voyage.status()
}

struct Voyage<'a> {
    client: Arc<dyn Client>,
    fleet: Fleet,
    out: &'a mut dyn Write,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    begun: Instant,
}

impl Voyage<'_> {
    fn title(&mut self) -> Result<(), VoyageError> {
        writeln!(
            self.out,
            "SIMULATED: twelve instances that exist in memory only. No Docker Engine is touched."
        )?;
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), VoyageError> {
        let seconds = self.begun.elapsed().as_secs_f64();
        writeln!(self.out, "[{seconds:5.1} s] {text}")?;
        self.out.flush()?;
        Ok(())
    }

    fn detail(&mut self, text: &str) -> Result<(), VoyageError> {
        writeln!(self.out, "            {text}")?;
        Ok(())
    }

    fn now(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Waits until a snapshot answers the question.
    async fn until<T>(
        &mut self,
        what: &str,
        mut ask: impl FnMut(&State) -> Option<T>,
    ) -> Result<T, VoyageError> {
        let deadline = Instant::now() + STAGE;
        loop {
            let snapshot = self.snapshots.borrow_and_update().clone();
            if let Some(answer) = ask(&snapshot.state) {
                return Ok(answer);
            }
            match timeout_at(deadline, self.snapshots.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => {
                    let reason = "it has ended".to_owned();
                    return Err(ClientError::Gone(reason).into());
                }
                Err(_) => {
                    return Err(VoyageError::Late {
                        what: what.to_owned(),
                        seconds: STAGE.as_secs(),
                        seen: unsettled(&snapshot.state),
                    });
                }
            }
        }
    }

    async fn fleet_comes_up(&mut self) -> Result<(), VoyageError> {
        let wanted = self.fleet.names().count();
        self.until("every instance registering", |state| {
            let connected = state.instances.values().filter(|i| i.is_connected());
            (connected.count() == wanted).then_some(())
        })
        .await?;
        let state = self.now().state.clone();
        let zones: BTreeSet<&str> = state.instances.values().map(|i| i.zone()).collect();
        let cpu: u64 = state.instances.values().map(|i| i.capacity.cpu.0).sum();
        let memory: u64 = state.instances.values().map(|i| i.capacity.memory.0).sum();
        let text = format!(
            "The fleet is up: {wanted} instances in {} zones, {} vCPU and {} GiB in all.",
            zones.len(),
            cpu / 1024,
            memory / 1024,
        );
        self.say(&text)
    }

    async fn services_settle(&mut self) -> Result<(), VoyageError> {
        if self.now().state.services.is_empty() {
            load(self.client.as_ref(), commands()?).await?;
        }
        let state = self.now().state.clone();
        let tasks: u32 = state.services.values().map(|s| s.desired_count).sum();
        let text = format!(
            "{} services are asked for, {tasks} tasks in all.",
            state.services.len()
        );
        self.say(&text)?;
        self.until("every service reaching its count", settled)
            .await?;
        self.say("Every service runs and is healthy:")?;
        let state = self.now().state.clone();
        for service in state.services.values() {
            self.detail(&format!("{:<10} {}", service.name, spread(&state, service)))?;
        }
        Ok(())
    }

    /// Cuts off the instance that carries most tasks, and waits for their replacements.
    async fn instance_is_lost(&mut self) -> Result<(InstanceName, Vec<TaskId>), VoyageError> {
        let state = self.now().state.clone();
        let victim = self
            .fleet
            .names()
            .max_by_key(|name| running_on(&state, name).len())
            .cloned();
        let Some(victim) = victim else {
            return Err(VoyageError::Wrong("the fleet has no instance".to_owned()));
        };
        let hit = running_on(&state, &victim);
        self.fleet.cut(&victim)?;
        let zone = state.instances.get(&victim).map_or("", |i| i.zone());
        let text = format!(
            "Instance {victim} ({zone}) is cut off from the network. It carries {} tasks.",
            hit.len()
        );
        self.say(&text)?;
        let since = Instant::now();
        self.until("the loss being noticed", |state| {
            let instance = state.instances.get(&victim)?;
            (!instance.is_connected()).then_some(())
        })
        .await?;
        self.say("The instance is marked as not answering; its tasks are waited for.")?;
        let ids: Vec<TaskId> = hit.iter().map(|task| task.id).collect();
        self.until("the tasks moving", |state| {
            let given_up = ids.iter().all(|id| {
                let task = state.tasks.get(id);
                task.is_none_or(|task| !task.is_wanted())
            });
            given_up.then(|| settled(state))?
        })
        .await?;
        let (stay, move_on): (Vec<_>, Vec<_>) =
            hit.into_iter().partition(|task| is_daemons(&state, task));
        let text = format!(
            "All {} tasks that can run elsewhere have replacements, {:.1} s after the cut:",
            move_on.len(),
            since.elapsed().as_secs_f64()
        );
        self.say(&text)?;
        self.replacements(&move_on, &state)?;
        for service in stay.iter().filter_map(|task| task.service.as_ref()) {
            self.detail(&format!(
                "{service:<10} nowhere: a DAEMON has one task on each instance"
            ))?;
        }
        Ok((victim, ids))
    }

    /// Prints where the tasks of each service went.
    fn replacements(&mut self, hit: &[Arc<Task>], before: &State) -> Result<(), VoyageError> {
        let state = self.now().state.clone();
        let mut moved: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for task in state.tasks.values() {
            let Some(service) = &task.service else {
                continue;
            };
            let of_hit = hit.iter().any(|old| old.service.as_ref() == Some(service));
            if of_hit && task.is_wanted() && !before.tasks.contains_key(&task.id) {
                let to = format!("{} ({})", task.whereabouts(), task.id.short());
                moved.entry(service.to_string()).or_default().push(to);
            }
        }
        for (service, to) in moved {
            self.detail(&format!("{service:<10} to {}", to.join(", ")))?;
        }
        Ok(())
    }

    async fn instance_returns(
        &mut self,
        lost: &InstanceName,
        ids: &[TaskId],
    ) -> Result<(), VoyageError> {
        self.fleet.mend(lost)?;
        self.say(&format!("Instance {lost} is back; its tasks still run."))?;
        self.until("the instance being heard", |state| {
            let instance = state.instances.get(lost)?;
            instance.is_connected().then_some(())
        })
        .await?;
        self.until("the surplus going", |state| {
            let unclear = ids
                .iter()
                .filter_map(|id| state.tasks.get(id))
                .any(|task| task.lost_at.is_some() && !task.is_stopped());
            let stopping = state
                .tasks
                .values()
                .any(|task| !task.is_wanted() && !task.is_stopped());
            if unclear || stopping {
                return None;
            }
            settled(state)
        })
        .await?;
        let state = self.now().state.clone();
        for service in state.services.values() {
            exact(&state, service).map_err(VoyageError::Wrong)?;
        }
        let gone = |id: &&TaskId| !state.tasks.get(*id).is_some_and(|task| task.is_wanted());
        let text = format!(
            "The surplus is gone ({} of the returned tasks were stopped): every service has exactly \
             its count.",
            ids.iter().filter(gone).count()
        );
        self.say(&text)
    }

    async fn web_is_updated(&mut self) -> Result<(), VoyageError> {
        let web = ServiceName::new("web")?;
        let cluster = ClusterName::default_cluster();
        self.client.command(web_definition(IMAGE_WEB_NEXT)?).await?;
        let update = UpdateService {
            service: web.to_string(),
            task_definition: Some(web.to_string()),
            ..UpdateService::default()
        };
        self.client
            .command(Command::UpdateService(Box::new(update)))
            .await?;
        self.say(&format!("web is updated: {IMAGE_WEB} → {IMAGE_WEB_NEXT}."))?;
        let mut least = u32::MAX;
        let floor = self
            .until("the rolling update completing", |state| {
                let service = state.service(&cluster, &web)?;
                let tasks = state.service_tasks(&cluster, &web);
                let serving = tasks.filter(|task| task.is_serving()).count();
                least = least.min(u32::try_from(serving).unwrap_or(u32::MAX));
                let done = service.deployments.len() == 1
                    && service.primary()?.rollout_state == RolloutState::Completed;
                let bounds = &service.deployment_configuration;
                done.then(|| bounds.floor(service.desired_count))
            })
            .await?;
        if least < floor {
            return Err(VoyageError::Wrong(format!(
                "web fell to {least} serving tasks during the update; its floor is {floor}"
            )));
        }
        let text = format!(
            "The rolling update is complete. Never fewer than {least} tasks served (floor {floor})."
        );
        self.say(&text)
    }

    fn status(&mut self) -> Result<(), VoyageError> {
        let state = self.now().state.clone();
        self.say("Status of the simulated fleet:")?;
        self.detail("SERVICE    DEFINITION     DESIRED  SERVING  STATE")?;
        for service in state.services.values() {
            let definition = service.primary().map(|d| d.task_definition.to_string());
            let row = format!(
                "{:<10} {:<14} {:>7}  {:>7}  {}",
                service.name,
                definition.unwrap_or_default(),
                service.desired_count,
                serving(&state, service),
                service.status.as_str(),
            );
            self.detail(&row)?;
        }
        let loud = state
            .events
            .iter()
            .rev()
            .filter(|event| event.severity >= Severity::Warning);
        let mut loud: Vec<_> = loud.take(EVENTS_SHOWN).collect();
        loud.reverse();
        if !loud.is_empty() {
            self.detail("Warnings on the way:")?;
        }
        for event in loud {
            self.detail(&format!("  {}", event.message))?;
        }
        self.say("The voyage is over. SIMULATED: nothing outside this process has changed.")
    }
}

fn tasks_of<'a>(state: &'a State, service: &'a Service) -> impl Iterator<Item = &'a Arc<Task>> {
    state.service_tasks(&service.cluster, &service.name)
}

fn serving(state: &State, service: &Service) -> usize {
    tasks_of(state, service)
        .filter(|task| task.is_serving())
        .count()
}

fn running_on(state: &State, instance: &InstanceName) -> Vec<Arc<Task>> {
    let tasks = state.instance_tasks(instance);
    tasks.filter(|task| task.is_wanted()).cloned().collect()
}

fn is_daemons(state: &State, task: &Task) -> bool {
    let service = task.service.as_ref();
    let service = service.and_then(|name| state.service(&task.cluster, name));
    service.is_some_and(|it| it.scheduling_strategy == SchedulingStrategy::Daemon)
}

/// Whether every service serves with exactly as many tasks as it wants.
fn settled(state: &State) -> Option<()> {
    let services = || state.services.values();
    let all = services().all(|service| exact(state, service).is_ok());
    (services().count() > 0 && all).then_some(())
}

fn exact(state: &State, service: &Service) -> Result<(), String> {
    let wanted = service.desired_count as usize;
    let serving = serving(state, service);
    let counted = tasks_of(state, service).filter(|t| t.is_wanted()).count();
    if serving == wanted && counted == wanted {
        return Ok(());
    }
    Err(format!(
        "service {} wants {wanted} tasks, has {counted}, and {serving} of them serve",
        service.name
    ))
}

/// What is not as wanted, for an error.
fn unsettled(state: &State) -> String {
    let off = state
        .services
        .values()
        .filter_map(|service| exact(state, service).err());
    let mut off: Vec<String> = off.collect();
    for instance in state.instances.values().filter(|i| !i.is_connected()) {
        off.push(format!("instance {} does not answer", instance.name));
    }
    if off.is_empty() {
        off.push("every service has its count".to_owned());
    }
    off.join("; ")
}

/// `3 tasks: a 1, b 1, c 1`.
fn spread(state: &State, service: &Service) -> String {
    let mut zones: BTreeMap<&str, u32> = BTreeMap::new();
    for task in tasks_of(state, service).filter(|task| task.is_serving()) {
        let zone = state.instances.get(&task.instance).map_or("", |i| i.zone());
        *zones.entry(zone).or_default() += 1;
    }
    let counts = zones.iter().map(|(zone, count)| format!("{zone} {count}"));
    let tasks = match service.desired_count {
        1 => "task: ",
        _ => "tasks:",
    };
    format!(
        "{} {tasks} {}",
        service.desired_count,
        counts.collect::<Vec<_>>().join(", ")
    )
}
