//! A control plane over a simulated fleet, and what is needed to kill it and start it again.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::character::Character;
use super::clock::WallClock;
use super::disk::Disk;
use super::door::Door;
use super::ledger::{Answered, Promise};
use super::trace::{Failure, Record};
use super::truth::{HOST_CPU, HOST_MEMORY, Truth};
use crate::agent::{Clock as _, Tuning};
use crate::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::controller::driver::{ControlPlane, Start, start};
use crate::controller::{Command, ErrorKind, Response, UNCHANGED, wire};
use crate::model::id::IdSource;
use crate::model::service::SchedulingStrategy;
use crate::model::snapshot::Holder;
use crate::model::{
    ClusterName, InstanceName, Partition, RolloutState, Service, ServiceName, State, TimeMs,
};
use crate::sim::{Fleet, HostSpec};

/// Wait before another attempt to start on a store that failed.
const START_GAP: Duration = Duration::from_secs(1);

/// When every storm begins, by the wall clock.
pub const BASE: TimeMs = TimeMs(1_790_000_000_000);
/// Images that every host has from the start.
const IMAGES: [&str; 3] = ["shop/web:1", "shop/worker:1", "shop/postgres:1"];
/// Simulated time within which everything has to come right once nothing more happens: the longest
/// back-off (5 min) a few times over, and a deployment.
pub const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// From so long to so long it is looked at what really runs.
const LOOK: Duration = Duration::from_secs(1);
/// How long a command may take.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// So many starts in a row may fail because of the store.
const STARTS_MAX: u32 = 8;

/// What goes on, or what must not be.
pub type Step<T = ()> = Result<T, Failure>;

/// A control plane in a storm.
pub struct World {
    /// What the seed is like.
    pub character: Character,
    /// What happened.
    pub record: Record,
    /// The hosts.
    pub fleet: Fleet,
    /// What outlives the control plane.
    pub disk: Disk,
    /// What really runs.
    pub truth: Truth,
    /// The wall clock.
    pub clock: WallClock,
    /// The way to the engines.
    pub door: Door,
    /// After so many polls of the next command the control plane is killed.
    pub impatience: Option<u32>,
    /// When it was last killed.
    last_alive: Option<TimeMs>,
    dice: IdSource,
    plane: Option<ControlPlane>,
}

impl World {
    /// Starts a control plane over a fleet of that character.
    ///
    /// # Errors
    /// [`Failure`] if it does not start.
    pub async fn new(seed: u64, character: Character, aloud: Option<fn(&str)>) -> Step<Self> {
        let record = Record::new(aloud);
        let hosts = character.hosts.iter().map(|name| HostSpec {
            images: IMAGES.map(str::to_owned).to_vec(),
            ..HostSpec::new(name.clone(), HOST_CPU, HOST_MEMORY)
        });
        let fleet = Fleet::new(seed, BASE, hosts.collect());
        let truth = Truth::new(fleet.clone(), record.clone());
        let outlive = character.calls_outlive;
        record.note(&format!("seed {seed}: {character:?}"));
        let mut world = Self {
            disk: Disk::new(record.clone()),
            door: Door::new(fleet.clone(), record.clone(), truth.clone(), outlive),
            clock: WallClock::starting_at(BASE),
            impatience: None,
            last_alive: None,
            dice: IdSource::new(seed),
            plane: None,
            character,
            record,
            fleet,
            truth,
        };
        world.launch().await?;
        Ok(world)
    }

    /// A number below `below`, from the seed.
    pub fn draw(&mut self, below: u64) -> u64 {
        self.dice.next_u64() % below.max(1)
    }

    /// One of several.
    pub fn any<T: Clone>(&mut self, among: &[T]) -> Option<T> {
        let index = self.draw(among.len() as u64);
        among.get(usize::try_from(index).ok()?).cloned()
    }

    /// What is kept.
    #[must_use]
    pub fn state(&self) -> State {
        self.disk.state()
    }

    /// Something must not be.
    ///
    /// # Errors
    /// The first [`Failure`] of the storm, always.
    pub fn fail<T>(&self, what: impl Into<String>) -> Step<T> {
        let what = what.into();
        self.record.fail(what.clone());
        let at_ms = self.record.elapsed_ms();
        Err(self.record.failure().unwrap_or(Failure { at_ms, what }))
    }

    /// Whether nothing was found so far that must not be.
    ///
    /// # Errors
    /// The first [`Failure`].
    pub fn well(&self) -> Step {
        self.record.failure().map_or(Ok(()), Err)
    }

    fn settings(&self) -> Settings {
        let instance = |name: &InstanceName| InstanceSettings {
            availability_zone: format!("zone-{}", name.as_str().get(..1).unwrap_or_default()),
            ..InstanceSettings::new(
                name.clone(),
                ClusterName::default_cluster(),
                Endpoint::Simulated,
            )
        };
        let cluster = ClusterSettings::new(ClusterName::default_cluster(), Partition::default());
        let instances = self.character.hosts.iter().map(instance);
        Settings::new(None, vec![cluster], instances.collect())
    }

    /// Starts the control plane from what is kept.
    async fn launch(&mut self) -> Step {
        for _ in 0..STARTS_MAX {
            // Another process draws other numbers.
            let seed = self.dice.next_u64();
            let started = start(Start {
                settings: self.settings(),
                store: Box::new(self.disk.clone()),
                last_alive: self.last_alive,
                connector: Arc::new(self.door.clone()),
                clock: Arc::new(self.clock.clone()),
                seed: Some(seed),
                holder: Holder::default(),
                tuning: Tuning::default(),
            })
            .await;
            match started {
                Ok(plane) => {
                    self.record.note("the control plane is up");
                    self.plane = Some(plane);
                    return self.well();
                }
                Err(error) => {
                    self.record
                        .note(&format!("the control plane does not start: {error}"));
                    sleep(START_GAP).await;
                }
            }
        }
        self.fail("the control plane does not start any more")
    }

    /// Ends the control plane as `kill -9` would, and starts it again after a while.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn kill(&mut self, away_ms: u64) -> Step {
        self.record
            .note(&format!("the control plane is killed for {away_ms} ms"));
        self.door.set_trap(None);
        self.last_alive = Some(self.clock.now());
        self.plane = None;
        sleep(Duration::from_millis(away_ms)).await;
        self.truth.look(&self.disk.state(), false);
        self.launch().await
    }

    /// Starts the control plane again if it ended because nothing could be written.
    async fn tend(&mut self) -> Step {
        let ended = match &mut self.plane {
            Some(plane) => plane.ended().now_or_never(),
            None => return Ok(()),
        };
        let Some(ended) = ended else { return Ok(()) };
        let reason = match ended {
            Ok(()) => "it was not asked to".to_owned(),
            Err(ended) => ended.to_string(),
        };
        if !reason.contains("in the simulation") {
            return self.fail(reason);
        }
        self.record.note(&reason);
        let away_ms = self.draw(4_000);
        self.kill(away_ms).await
    }

    /// Lets time pass and looks at what really runs meanwhile.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn pass(&mut self, time: Duration) -> Step {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let sprung = tokio::select! {
                biased; // Both come once.
                () = self.door.sprung() => true,
                () = sleep(left.min(LOOK)) => false,
            };
            if sprung {
                let away_ms = self.draw(4_000);
                self.kill(away_ms).await?;
            }
            self.tend().await?;
            self.truth.look(&self.disk.state(), true);
            self.well()?;
            if Instant::now() >= end {
                return Ok(());
            }
        }
    }

    /// Waits until what is kept is as wanted.
    ///
    /// # Errors
    /// [`Failure`] if that takes longer than [`PATIENCE`].
    pub async fn until(&mut self, what: &str, is: impl Fn(&Self) -> bool) -> Step {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            if Instant::now() >= deadline {
                let state = super::run::describe(&self.state());
                return self.fail(format!("{what}: not within {PATIENCE:?}\n{state}"));
            }
            self.pass(LOOK).await?;
        }
        Ok(())
    }

    /// Asks for a change, and holds the state to what is acknowledged from then on.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be asked, or takes too long.
    pub async fn ask(
        &mut self,
        operation: &str,
        body: Value,
        promise: Promise,
    ) -> Step<Option<Response>> {
        let command = match wire::decode(operation, &body) {
            Ok(command) => command,
            Err(error) => return self.fail(format!("{operation} {body}: {error}")),
        };
        self.record.note(&format!("asks {operation} {body}"));
        self.tend().await?;
        let changing = body["service"].as_str().map(ServiceName::new);
        let changing = changing.and_then(Result::ok);
        let had = {
            let ledger = &mut self.disk.platter().ledger;
            ledger.asked(&promise);
            changing.as_ref().and_then(|name| ledger.changing(name))
        };
        let (answered, response) = self.send(command).await?;
        {
            let mut platter = self.disk.platter();
            platter.ledger.answered(&promise, answered);
            if let (Answered::Refused, Some(name), Some(had)) = (answered, changing, had) {
                platter.ledger.unchanged(name, had);
            }
            if let Some(response) = &response {
                platter.ledger.told(response);
            }
            platter.keep();
            if let Some(broken) = platter.ledger.broken(&platter.state) {
                self.record.fail(broken);
            }
        }
        self.tend().await?;
        self.well()?;
        Ok(response)
    }

    async fn send(&mut self, command: Command) -> Step<(Answered, Option<Response>)> {
        let Some(plane) = &self.plane else {
            return Ok((Answered::Refused, None));
        };
        let handle = plane.handle.clone();
        let asked = timeout(COMMAND_MAX, handle.command(command, "storm".into()));
        let patience = self.impatience.take();
        let impatient = async {
            match patience {
                None => std::future::pending().await,
                Some(polls) => {
                    for _ in 0..polls {
                        tokio::task::yield_now().await;
                    }
                }
            }
        };
        let answer = tokio::select! {
            biased; // Each comes once.
            answer = asked => Some(answer),
            () = self.door.sprung() => None,
            () = impatient => None,
        };
        match answer {
            None => {
                let away_ms = self.draw(4_000);
                self.kill(away_ms).await?;
                Ok((Answered::Never, None))
            }
            Some(Err(_late)) => self.fail("a command got no answer"),
            Some(Ok(Ok(answer))) => {
                self.record.note("  done");
                Ok((Answered::Done, Some(answer.response)))
            }
            Some(Ok(Err(refusal))) => {
                self.record.note(&format!("  refused: {refusal}"));
                // Only what says that nothing was changed must not have happened.
                let unchanged = refusal.message.starts_with(UNCHANGED);
                match refusal.kind {
                    ErrorKind::ServerException if !unchanged => Ok((Answered::Never, None)),
                    _ => Ok((Answered::Refused, None)),
                }
            }
        }
    }

    /// Asks until it is acknowledged.
    ///
    /// # Errors
    /// [`Failure`] if it is refused, or never acknowledged.
    pub async fn must(&mut self, operation: &str, body: Value, promise: Promise) -> Step<Response> {
        for _ in 0..STARTS_MAX {
            let answer = self.ask(operation, body.clone(), promise.clone()).await?;
            if let Some(response) = answer {
                return Ok(response);
            }
            self.pass(LOOK).await?;
        }
        self.fail(format!("{operation} is never acknowledged: {body}"))
    }

    /// Waits for every host, brings the services up, and waits until they stand.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn bring_up(&mut self) -> Step {
        let hosts = self.character.hosts.len();
        self.until("every instance connects", move |it| {
            let state = it.state();
            let mut all = state.instances.values();
            all.len() == hosts && all.all(|instance| instance.is_connected())
        })
        .await?;
        for body in definitions() {
            self.must("RegisterTaskDefinition", body, Promise::Nothing)
                .await?;
        }
        for (body, count) in self.services() {
            let name = body["serviceName"].as_str().unwrap_or_default();
            let promise = match (count, ServiceName::new(name)) {
                (Some(count), Ok(name)) => Promise::Desired(name, count),
                _ => Promise::Nothing,
            };
            self.must("CreateService", body, promise).await?;
        }
        self.until("every service stands", |it| it.settled()).await
    }

    /// Bodies of the services, with the desired count of those that have one.
    fn services(&self) -> Vec<(Value, Option<u32>)> {
        let count = u32::try_from(self.character.hosts.len()).unwrap_or(u32::MAX);
        let workers = count.saturating_sub(1).min(4);
        vec![
            (
                json!({
                    "serviceName": "web", "taskDefinition": "web", "desiredCount": count,
                    "hostLossGracePeriodSeconds": 10,
                }),
                Some(count),
            ),
            (
                json!({
                    "serviceName": "worker", "taskDefinition": "worker", "desiredCount": workers,
                    "deploymentConfiguration": { "minimumHealthyPercent": 50, "maximumPercent": 200 },
                }),
                Some(workers),
            ),
            (
                json!({
                    "serviceName": "orders", "taskDefinition": "orders", "desiredCount": 1,
                    "deploymentConfiguration": { "minimumHealthyPercent": 0, "maximumPercent": 100 },
                    "placementConstraints": [{ "type": "distinctInstance" }],
                }),
                Some(1),
            ),
            (
                json!({
                    "serviceName": "lookout", "taskDefinition": "lookout",
                    "schedulingStrategy": "DAEMON",
                    "deploymentConfiguration": { "minimumHealthyPercent": 0, "maximumPercent": 100 },
                }),
                None,
            ),
        ]
    }

    /// Whether every service has exactly its count, its deployment is complete, and nothing is on
    /// its way.
    #[must_use]
    pub fn settled(&self) -> bool {
        let state = self.state();
        let hosts = self.character.hosts.len();
        let exact = |service: &Arc<Service>| {
            let desired = match service.scheduling_strategy {
                SchedulingStrategy::Replica => service.desired_count as usize,
                SchedulingStrategy::Daemon => hosts,
            };
            let tasks = || state.service_tasks(&service.cluster, &service.name);
            tasks().filter(|task| task.is_serving()).count() == desired
                && tasks().filter(|task| task.is_wanted()).count() == desired
                && service.deployments.len() == 1
                && service
                    .deployments
                    .iter()
                    .all(|it| it.rollout_state == RolloutState::Completed)
        };
        let quiet = state
            .tasks
            .values()
            .all(|task| task.is_stopped() || (task.is_wanted() && task.service.is_some()));
        quiet && state.services.len() == 4 && state.services.values().all(exact)
    }
}

/// The body of a task definition with one container.
fn one(family: &str, image: &str, more: Value) -> Value {
    let mut container = json!({ "name": "main", "image": image, "cpu": 256, "memory": 256 });
    if let (Some(container), Value::Object(more)) = (container.as_object_mut(), more) {
        container.extend(more);
    }
    json!({ "family": family, "containerDefinitions": [container] })
}

/// The body of a task definition with a sidecar that waits for a health check.
#[must_use]
pub fn web(image: &str) -> Value {
    json!({
        "family": "web",
        "containerDefinitions": [
            {
                "name": "app", "image": image, "cpu": 256, "memory": 256,
                "healthCheck": { "command": ["CMD", "check"], "interval": 5 },
            },
            {
                "name": "proxy", "image": "shop/web:1", "cpu": 64, "memory": 64,
                "portMappings": [{ "containerPort": 80 }],
                "dependsOn": [{ "containerName": "app", "condition": "HEALTHY" }],
            },
        ],
    })
}

/// A sidecar with a health check; a fixed port and a network of each task's own; a single that is
/// started again in place; one on every host; and a task that ends by itself.
fn definitions() -> Vec<Value> {
    let mut worker = one(
        "worker",
        "shop/worker:1",
        json!({ "portMappings": [{ "containerPort": 9000, "hostPort": 9000 }] }),
    );
    worker["networkMode"] = json!("awsvpc");
    vec![
        web("shop/web:1"),
        worker,
        one(
            "orders",
            "shop/postgres:1",
            json!({ "restartPolicy": { "enabled": true, "restartAttemptPeriod": 60 } }),
        ),
        one("lookout", "shop/worker:1", json!({})),
        one(
            "once",
            "shop/worker:1",
            json!({ "environment": [{ "name": "SIM_EXIT_AFTER_MS", "value": "20000" }] }),
        ),
    ]
}
