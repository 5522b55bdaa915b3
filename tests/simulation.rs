//! The whole control plane over simulated fleets: one thread, tokio's clock paused, everything
//! drawn from a seed. `QD_SIM_SEED=7` runs one seed, `QD_SIM_COUNT=100` the first hundred; a
//! failure names the seed that failed. Equal seeds give the same run but for the order in which
//! tokio wakes the agents that wait for one snapshot, which it does not let us choose.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quarterdeck::agent::{TokioClock, Tuning};
use quarterdeck::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use quarterdeck::controller::command::{
    CreateService, DeploymentConfigurationUpdate, NamedSchedule, PutSchedule,
    RegisterTaskDefinition, RunTask, StopTask, UpdateContainerInstancesState, UpdateService,
};
use quarterdeck::controller::driver::{ControlPlane, Start, start};
use quarterdeck::controller::{Command, CommandError, Response};
use quarterdeck::model::id::IdSource;
use quarterdeck::model::observation::ContainerState;
use quarterdeck::model::shared::Shared;
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{
    Change, ClusterName, CpuUnits, InstanceName, InstanceStatus, MemoryMib, Partition,
    RolloutState, Service, Snapshot, State, Task, TaskId, TimeMs,
};
use quarterdeck::scheduler::{REBALANCE_WAIT_MS, check, plan};
use quarterdeck::sim::{Fleet, HostSpec};
use quarterdeck::store::memory::MemoryStore;
use quarterdeck::store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

const BASE: TimeMs = TimeMs(1_790_000_000_000);
const IMAGES: [&str; 3] = ["shop/web:1", "shop/worker:1", "shop/postgres:1"];
/// Simulated time within which everything has to come right again.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
const SERVICES: [&str; 3] = ["web", "worker", "orders"];

/// The seeds to run.
fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("QD_SIM_SEED") {
        Ok(text) => vec![text.parse().expect("QD_SIM_SEED is a number")],
        Err(_) => {
            let asked = std::env::var("QD_SIM_COUNT").ok();
            let asked = asked.map(|text| text.parse().expect("QD_SIM_COUNT is a number"));
            (1..=asked.unwrap_or(count)).collect()
        }
    }
}

/// Runs a simulation in one thread with its clock paused.
fn simulate(scenario: &str, count: u64, run: impl AsyncFn(u64)) {
    for seed in seeds(count) {
        println!("{scenario}: QD_SIM_SEED={seed}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(seed));
    }
}

/// A store that outlives the control plane that writes to it.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<MemoryStore>>);

impl Store for Disk {
    fn is_instant(&self) -> bool {
        true
    }
    fn load(&mut self) -> Result<(State, u64), StoreError> {
        self.0.lock().unwrap().load()
    }
    fn append(&mut self, at: TimeMs, changes: &[Change], after: &State) -> Result<u64, StoreError> {
        self.0.lock().unwrap().append(at, changes, after)
    }
    fn archive(&self) -> Arc<dyn quarterdeck::store::Archive> {
        self.0.lock().unwrap().archive()
    }
}

fn host_names() -> Vec<InstanceName> {
    let names = ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"];
    names.map(|name| InstanceName::new(name).unwrap()).to_vec()
}

fn settings() -> Settings {
    let instance = |name: InstanceName| InstanceSettings {
        availability_zone: format!("zone-{}", &name.as_str()[..1]),
        ..InstanceSettings::new(name, ClusterName::default_cluster(), Endpoint::Simulated)
    };
    Settings::new(
        None,
        vec![ClusterSettings::new(
            ClusterName::default_cluster(),
            Partition::default(),
        )],
        host_names().into_iter().map(instance).collect(),
    )
}

fn fleet(seed: u64) -> Fleet {
    let hosts = host_names().into_iter().map(|name| {
        let mut host = HostSpec::new(name, CpuUnits(4096), MemoryMib(8192));
        host.images = IMAGES.map(str::to_owned).to_vec();
        host
    });
    Fleet::new(seed, BASE, hosts.collect())
}

/// A control plane over a fleet, and what is needed to start it again.
struct World {
    seed: u64,
    dice: IdSource,
    fleet: Fleet,
    disk: Disk,
    clock: TokioClock,
    plane: ControlPlane,
    watcher: JoinHandle<()>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// Holds every picture against the scheduler's invariants. That planning over it once more comes to
/// nothing is one of them; what each plan did is checked where it is applied, in debug builds.
fn watch_over(seed: u64, mut snapshots: watch::Receiver<Arc<Snapshot>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while snapshots.changed().await.is_ok() {
            let snapshot = snapshots.borrow_and_update().clone();
            let violations = check(&snapshot.state, snapshot.at);
            assert!(
                violations.is_empty(),
                "QD_SIM_SEED={seed}, {} ms in: {violations:?}",
                snapshot.at.since_ms(BASE)
            );
            let again = plan(&snapshot.state, snapshot.at, &mut IdSource::new(seed));
            assert!(
                again.is_empty(),
                "QD_SIM_SEED={seed}, {} ms in: {again:#?}",
                snapshot.at.since_ms(BASE)
            );
        }
    })
}

impl World {
    async fn new(seed: u64) -> Self {
        let clock = TokioClock::starting_at(BASE);
        let fleet = fleet(seed);
        let disk = Disk::default();
        let plane = launch(seed, &fleet, &disk, clock).await;
        let snapshots = plane.handle.snapshots();
        Self {
            seed,
            dice: IdSource::new(seed),
            watcher: watch_over(seed, snapshots.clone()),
            snapshots,
            fleet,
            disk,
            clock,
            plane,
        }
    }

    /// Ends the control plane as `kill -9` would, and starts it again from what is stored.
    async fn restart(mut self) -> Self {
        self.check_watcher().await;
        drop(self.plane);
        self.watcher.abort();
        // The next process draws other numbers, as a real one does.
        let seed = self.dice.next_u64();
        let plane = launch(seed, &self.fleet, &self.disk, self.clock).await;
        let snapshots = plane.handle.snapshots();
        Self {
            watcher: watch_over(self.seed, snapshots.clone()),
            plane,
            snapshots,
            ..self
        }
    }

    /// Passes on what the watcher found.
    async fn check_watcher(&mut self) {
        if self.watcher.is_finished() {
            (&mut self.watcher).await.unwrap();
        }
    }

    fn state(&self) -> State {
        self.snapshots.borrow().state.clone()
    }

    async fn ask(&self, command: Command) -> Result<Response, CommandError> {
        let who = "simulation".into();
        let answer = self.plane.handle.command(command, who).await?;
        Ok(answer.response)
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.dice.next_u64() % below
    }

    fn any_host(&mut self) -> InstanceName {
        let names = host_names();
        let index = usize::try_from(self.draw(names.len() as u64)).unwrap();
        names[index].clone()
    }

    /// Waits until a picture is as wanted.
    async fn until(&mut self, what: &str, ask: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.check_watcher().await;
            let snapshot = self.snapshots.borrow_and_update().clone();
            if ask(&snapshot.state) {
                return;
            }
            let more = timeout_at(deadline, self.snapshots.changed()).await;
            if !matches!(more, Ok(Ok(()))) {
                let seed = self.seed;
                panic!(
                    "QD_SIM_SEED={seed}: {what} did not happen ({more:?})\n{}",
                    describe(&snapshot.state)
                );
            }
        }
    }

    async fn bring_up(&mut self) {
        let wanted = host_names().len();
        self.until("every instance connecting", |state| {
            state
                .instances
                .values()
                .filter(|i| i.is_connected())
                .count()
                == wanted
        })
        .await;
        for command in shop() {
            self.ask(command).await.unwrap();
        }
        self.until("every service settling", settled).await;
    }

    /// One random thing happens.
    async fn disturb(&mut self) {
        let host = self.any_host();
        let fleet = self.fleet.clone();
        match self.draw(16) {
            0 | 1 => fleet.fail(&host).unwrap(),
            2 => fleet.cut(&host).unwrap(),
            3 => fleet.hang(&host).unwrap(),
            4..=8 => fleet.mend(&host).unwrap(),
            9 | 10 => self.hurt_container(&host),
            11 => {
                let desired_count = Some(u32::try_from(1 + self.draw(9)).unwrap());
                self.update(UpdateService {
                    desired_count,
                    ..UpdateService::default()
                })
                .await;
            }
            12 => {
                let force_new_deployment = true;
                self.update(UpdateService {
                    force_new_deployment,
                    ..UpdateService::default()
                })
                .await;
            }
            13 => self.set_status(&host).await,
            14 => self.run_once().await,
            _ => self.stop_one().await,
        }
    }

    async fn update(&mut self, mut request: UpdateService) {
        let index = usize::try_from(self.draw(2)).unwrap(); // Not `orders`: it is a single.
        request.service = SERVICES[index].to_owned();
        self.ask(Command::UpdateService(Box::new(request)))
            .await
            .unwrap();
    }

    fn hurt_container(&mut self, host: &InstanceName) {
        let running = running_on(&self.fleet, host);
        if running.is_empty() {
            return;
        }
        let index = usize::try_from(self.draw(running.len() as u64)).unwrap();
        let (id, ..) = &running[index];
        match self.draw(3) {
            0 => self.fleet.remove_container(host, id).unwrap(),
            _ => self.fleet.kill_container(host, id).unwrap(),
        }
    }

    async fn set_status(&mut self, host: &InstanceName) {
        let status = match self.draw(3) {
            0 => InstanceStatus::Draining,
            _ => InstanceStatus::Active,
        };
        self.put_status(host, status).await;
    }

    async fn put_status(&self, host: &InstanceName, status: InstanceStatus) {
        let request = UpdateContainerInstancesState {
            cluster: None,
            container_instances: vec![host.to_string()],
            status,
        };
        self.ask(Command::UpdateContainerInstancesState(request))
            .await
            .unwrap();
    }

    async fn run_once(&self) {
        let request = RunTask {
            count: 2,
            ..RunTask::new("once")
        };
        // With every instance away there is no place; that is an answer, not an error.
        self.ask(Command::RunTask(Box::new(request))).await.unwrap();
    }

    async fn stop_one(&mut self) {
        let state = self.state();
        let tasks: Vec<_> = state.tasks.values().filter(|t| t.is_wanted()).collect();
        if tasks.is_empty() {
            return;
        }
        let index = usize::try_from(self.draw(tasks.len() as u64)).unwrap();
        let request = StopTask {
            cluster: None,
            task: tasks[index].id.to_string(),
            reason: None,
        };
        self.ask(Command::StopTask(request)).await.unwrap();
    }

    /// Ends every fault, and waits until everything is as wanted, in the pictures and in truth.
    async fn mend_and_settle(&mut self) {
        for host in host_names() {
            self.fleet.lose_calls(&host, 0).unwrap();
            self.fleet.mend(&host).unwrap();
            self.put_status(&host, InstanceStatus::Active).await;
        }
        // A picture may be settled because the latest fault is not yet noticed: it has to last.
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.until("everything settling after the faults", settled)
                .await;
            // Nor has it lasted before instances that came back were given tasks again.
            let before = wanted_ids(&self.state());
            sleep(Duration::from_millis(2 * REBALANCE_WAIT_MS)).await;
            if settled(&self.state()) && wanted_ids(&self.state()) == before {
                break;
            }
            assert!(Instant::now() < deadline, "{}", describe(&self.state()));
        }
        self.truth_agrees();
        // And so it stays.
        let before = wanted_ids(&self.state());
        sleep(Duration::from_secs(300)).await;
        self.check_watcher().await;
        assert_eq!(
            wanted_ids(&self.state()),
            before,
            "QD_SIM_SEED={}: a settled fleet does not change",
            self.seed
        );
        self.truth_agrees();
    }

    /// What really runs is what the state says, each container once.
    fn truth_agrees(&self) {
        let state = self.state();
        let mut running = BTreeSet::new();
        for host in host_names() {
            for (_, task, container) in running_on(&self.fleet, &host) {
                let known = state.tasks.get(&task);
                let known = known.unwrap_or_else(|| panic!("orphan of task {task} on {host}"));
                assert_eq!(known.instance, host, "task {task} runs where it is not");
                assert!(known.is_wanted(), "task {task} runs and is not wanted");
                assert!(running.insert((task, container)), "a container is doubled");
            }
        }
        let wanted = state.tasks.values().filter(|task| task.is_wanted());
        let wanted: usize = wanted
            .map(|task| task.containers.len() + usize::from(is_held(&state, task)))
            .sum();
        assert_eq!(running.len(), wanted, "QD_SIM_SEED={}", self.seed);
        for host in host_names() {
            let all = self.fleet.containers(&host).unwrap();
            let owners = all.into_iter().filter_map(|c| c.owner);
            for owner in owners.filter(|owner| owner.container.is_holder()) {
                let of = state.tasks.get(&owner.task);
                assert!(
                    of.is_some_and(|task| task.is_wanted()),
                    "QD_SIM_SEED={}: the holder of task {} was left behind",
                    self.seed,
                    owner.task
                );
            }
        }
    }
}

async fn launch(seed: u64, fleet: &Fleet, disk: &Disk, clock: TokioClock) -> ControlPlane {
    start(Start {
        settings: settings(),
        store: Box::new(disk.clone()),
        connector: Arc::new(fleet.clone()),
        clock: Arc::new(clock),
        seed: Some(seed),
        holder: Holder::default(),
        tuning: Tuning::default(),
    })
    .await
    .unwrap()
}

/// Whether a task's containers share something that one more container holds.
fn is_held(state: &State, task: &Task) -> bool {
    let definition = &state.task_definitions[&task.task_definition];
    Shared::of(task, definition).any()
}

/// `(id, task, container)` of what really runs on a host and is ours.
fn running_on(fleet: &Fleet, host: &InstanceName) -> Vec<(String, TaskId, String)> {
    let containers = fleet.containers(host).unwrap();
    let up = containers
        .into_iter()
        .filter(|c| c.state == ContainerState::Running);
    up.filter_map(|c| {
        let owner = c.owner?;
        Some((c.runtime_id, owner.task, owner.container.to_string()))
    })
    .collect()
}

fn serving(state: &State, service: &Service) -> usize {
    let tasks = state.service_tasks(&service.cluster, &service.name);
    tasks.filter(|task| task.is_serving()).count()
}

/// Every service has exactly its count, its deployment is complete, and nothing is on its way.
fn settled(state: &State) -> bool {
    let exact = |service: &Arc<Service>| {
        let desired = service.desired_count as usize;
        let tasks = || state.service_tasks(&service.cluster, &service.name);
        serving(state, service) == desired
            && tasks().filter(|task| task.is_wanted()).count() == desired
            && service.deployments.len() == 1
            && service.deployments[0].rollout_state == RolloutState::Completed
    };
    let quiet = state
        .tasks
        .values()
        .all(|task| task.is_stopped() || (task.is_wanted() && task.service.is_some()));
    quiet && state.services.len() == SERVICES.len() && state.services.values().all(exact)
}

fn wanted_ids(state: &State) -> BTreeSet<String> {
    let wanted = state.tasks.values().filter(|task| task.is_wanted());
    wanted.map(|task| task.id.to_string()).collect()
}

fn describe(state: &State) -> String {
    let mut text = String::new();
    for service in state.services.values() {
        text += &format!(
            "service {} wants {}, {} serve; unplaced {:?}; backoff {:?}; deployments {:?}\n",
            service.name,
            service.desired_count,
            serving(state, service),
            service.unplaced.as_ref().map(|u| u.count),
            service.backoff,
            service.deployments,
        );
    }
    for instance in state.instances.values() {
        text += &format!(
            "instance {} {:?} {:?}\n",
            instance.name, instance.status, instance.connection
        );
    }
    for task in state.tasks.values().filter(|task| !task.is_stopped()) {
        text += &format!(
            "task {} of {} on {}: {:?}/{:?} lost {:?}\n",
            task.id.short(),
            task.group,
            task.instance,
            task.last_status,
            task.desired_status,
            task.lost_at
        );
    }
    for event in state.events.iter().rev().take(25) {
        text += &format!("event {} {}\n", event.at.since_ms(BASE), event.message);
    }
    text
}

fn definition(json: serde_json::Value) -> Command {
    let request: RegisterTaskDefinition = serde_json::from_value(json).unwrap();
    Command::RegisterTaskDefinition(Box::new(request))
}

fn service(json: serde_json::Value) -> Command {
    let request: CreateService = serde_json::from_value(json).unwrap();
    Command::CreateService(Box::new(request))
}

fn web(image: &str) -> Command {
    let check = serde_json::json!({ "command": ["CMD", "check"], "interval": 5 });
    definition(serde_json::json!({
        "family": "web",
        "containerDefinitions": [
            { "name": "app", "image": image, "cpu": 256, "memory": 256, "healthCheck": check },
            {
                "name": "proxy", "image": "shop/web:1", "cpu": 64, "memory": 64,
                "portMappings": [{ "containerPort": 80 }],
                "dependsOn": [{ "containerName": "app", "condition": "HEALTHY" }],
            },
        ],
    }))
}

/// A service of nine with a sidecar, one of four with a fixed port and a network of each task's
/// own, a single that is started again in place, and a task that ends by itself.
fn shop() -> Vec<Command> {
    let one = |family: &str, image: &str, more: serde_json::Value| {
        let mut container =
            serde_json::json!({ "name": "main", "image": image, "cpu": 256, "memory": 256 });
        for (name, value) in more.as_object().unwrap() {
            container[name] = value.clone();
        }
        definition(serde_json::json!({ "family": family, "containerDefinitions": [container] }))
    };
    let ends = serde_json::json!([{ "name": "SIM_EXIT_AFTER_MS", "value": "20000" }]);
    vec![
        web("shop/web:1"),
        definition(serde_json::json!({
            "family": "worker", "networkMode": "awsvpc",
            "containerDefinitions": [{
                "name": "main", "image": "shop/worker:1", "cpu": 256, "memory": 256,
                "portMappings": [{ "containerPort": 9000, "hostPort": 9000 }],
            }],
        })),
        one(
            "orders",
            "shop/postgres:1",
            serde_json::json!({
                "restartPolicy": { "enabled": true, "restartAttemptPeriod": 60 },
            }),
        ),
        one(
            "once",
            "shop/worker:1",
            serde_json::json!({ "environment": ends }),
        ),
        service(serde_json::json!({
            "serviceName": "web", "taskDefinition": "web", "desiredCount": 9,
            "hostLossGracePeriodSeconds": 10,
        })),
        service(serde_json::json!({
            "serviceName": "worker", "taskDefinition": "worker", "desiredCount": 4,
            "deploymentConfiguration": { "minimumHealthyPercent": 50, "maximumPercent": 200 },
        })),
        service(serde_json::json!({
            "serviceName": "orders", "taskDefinition": "orders", "desiredCount": 1,
            "deploymentConfiguration": { "minimumHealthyPercent": 0, "maximumPercent": 100 },
            "placementConstraints": [{ "type": "distinctInstance" }],
        })),
    ]
}

#[test]
fn whatever_happens_to_hosts_everything_is_exact_after_they_are_mended() {
    simulate("faults", 5, async |seed| {
        let mut world = World::new(seed).await;
        world.bring_up().await;
        for host in host_names() {
            world.fleet.lose_calls(&host, 4).unwrap();
        }
        for _ in 0..40 {
            let pause = 200 + world.draw(15_000);
            sleep(Duration::from_millis(pause)).await;
            world.disturb().await;
            world.check_watcher().await;
        }
        world.mend_and_settle().await;
    });
}

#[test]
fn a_schedule_runs_through_faults_and_restarts_and_never_beside_itself() {
    simulate("schedule", 3, async |seed| {
        let mut world = World::new(seed).await;
        world.bring_up().await;
        let put: PutSchedule = serde_json::from_value(serde_json::json!({
            "name": "tick", "taskDefinition": "once", "scheduleExpression": "rate(1 minute)",
        }))
        .unwrap();
        world
            .ask(Command::PutSchedule(Box::new(put)))
            .await
            .unwrap();
        let mut started = BTreeSet::new();
        for round in 0..30 {
            let pause = 200 + world.draw(30_000);
            sleep(Duration::from_millis(pause)).await;
            world.disturb().await;
            world.check_watcher().await;
            let state = world.state();
            let ticks: Vec<_> = state
                .tasks
                .values()
                .filter(|task| &*task.started_by == "schedule/tick")
                .collect();
            let there = ticks.iter().filter(|task| !task.is_stopped()).count();
            assert!(there <= 1, "QD_SIM_SEED={seed}: {there} at once");
            started.extend(ticks.iter().map(|task| task.id));
            let schedule = state.schedules.values().next().unwrap();
            let next = schedule.next_at.unwrap();
            let now = world.snapshots.borrow().at;
            assert!(next <= now.plus_ms(60_000), "QD_SIM_SEED={seed}: it waits");
            if round == 15 {
                world = world.restart().await;
            }
        }
        let told = describe(&world.state());
        assert!(started.len() > 1, "QD_SIM_SEED={seed}: {started:?}\n{told}");
        let named = NamedSchedule {
            name: "tick".to_owned(),
            cluster: None,
        };
        world.ask(Command::DeleteSchedule(named)).await.unwrap();
        world.mend_and_settle().await;
    });
}

/// Updates `web` within these bounds, and gives its floor.
async fn update_web(world: &World, minimum: u32, maximum: u32) -> usize {
    world.ask(web("shop/web:2")).await.unwrap();
    let update = UpdateService {
        service: "web".to_owned(),
        task_definition: Some("web".to_owned()),
        deployment_configuration: Some(DeploymentConfigurationUpdate {
            minimum_healthy_percent: Some(minimum),
            maximum_percent: Some(maximum),
            deployment_circuit_breaker: None,
        }),
        ..UpdateService::default()
    };
    let Response::Service(service) = world
        .ask(Command::UpdateService(Box::new(update)))
        .await
        .unwrap()
    else {
        panic!("not a service");
    };
    let bounds = &service.deployment_configuration;
    usize::try_from(bounds.floor(service.desired_count)).unwrap()
}

/// How many `web` tasks have both containers really running.
fn truly_up(world: &World) -> usize {
    let state = world.state();
    let mut parts: BTreeMap<TaskId, usize> = BTreeMap::new();
    for host in host_names() {
        for (_, task, _) in running_on(&world.fleet, &host) {
            let of_web = state
                .tasks
                .get(&task)
                .is_some_and(|task| &*task.group == "service:web");
            if of_web {
                *parts.entry(task).or_default() += 1;
            }
        }
    }
    parts.values().filter(|count| **count == 2).count()
}

fn web_is_new(state: &State) -> bool {
    let tasks = state.tasks.values().filter(|t| &*t.group == "service:web");
    let mut wanted = tasks.filter(|task| task.is_wanted());
    settled(state) && wanted.all(|task| task.task_definition.revision.0 == 2)
}

#[test]
fn a_rolling_update_never_falls_below_its_floor() {
    simulate("rolling", 3, async |seed| {
        let mut world = World::new(seed).await;
        world.bring_up().await;
        // With room above it nothing need go first; without, the update has to go down.
        let (minimum, maximum, expected) = match seed % 2 {
            0 => (100, 200, 9),
            _ => (67, 111, 7),
        };
        let floor = update_web(&world, minimum, maximum).await;
        assert_eq!(floor, expected, "{minimum} % of nine");
        let mut least = usize::MAX;
        let deadline = Instant::now() + PATIENCE;
        let mut samples = 0;
        while !web_is_new(&world.state()) {
            assert!(Instant::now() < deadline, "{}", describe(&world.state()));
            let up = truly_up(&world);
            assert!(up >= floor, "QD_SIM_SEED={seed}: {up} of {floor} run");
            least = least.min(up);
            samples += 1;
            sleep(Duration::from_millis(20)).await;
            world.check_watcher().await;
        }
        assert!(samples > 50, "the update was watched: {samples} samples");
        assert_eq!(least, floor, "the sampling sees how far down it goes");
        world.truth_agrees();
    });
}

#[test]
fn a_control_plane_that_dies_in_the_middle_of_an_update_goes_on_where_it_was() {
    simulate("restart", 3, async |seed| {
        let mut world = World::new(seed).await;
        world.bring_up().await;
        let floor = update_web(&world, 67, 111).await;
        for _ in 0..3 {
            let lives_ms = 50 + world.draw(2_000);
            sleep(Duration::from_millis(lives_ms)).await;
            world = world.restart().await;
            let away_ms = world.draw(3_000);
            sleep(Duration::from_millis(away_ms)).await;
            assert!(truly_up(&world) >= floor, "QD_SIM_SEED={seed}");
        }
        world.until("the update completing", web_is_new).await;
        world.mend_and_settle().await;
    });
}

#[test]
fn a_control_plane_that_dies_while_hosts_fail_ends_exact() {
    simulate("restart with faults", 2, async |seed| {
        let mut world = World::new(seed).await;
        world.bring_up().await;
        for _ in 0..4 {
            for _ in 0..6 {
                let pause = world.draw(6_000);
                sleep(Duration::from_millis(pause)).await;
                world.disturb().await;
            }
            world = world.restart().await;
        }
        world.mend_and_settle().await;
    });
}
