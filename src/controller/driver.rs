//! Drives the core with tokio: takes in what is queued, decides, stores, and only then adopts,
//! publishes and answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, warn};

use super::core::{self, Beginning, Decision, Fleet, Input, Reload};
use super::crew::{Berth, Crew};
use super::handle::{COMMANDS_MAX, DELTAS_MAX, Handle, ReloadRefusal, Request};
use super::intake::{Answers, Intake, Replies};
use super::meters::{Meters, Tally};
use super::orphaned::Orphaned;
use super::outage::{self, Outage};
use super::past::Past;
use super::wall::Wall;
use crate::agent::{Clock, Courier, EngineDirectory, Tuning};
use crate::config::{Difference, Settings};
use crate::docker::Connector;
use crate::model::id::mix;
use crate::model::snapshot::{Delta, Holder, Live};
use crate::model::{Change, Observation, Snapshot, State, TimeMs};
use crate::scheduler::Index;
use crate::store::{Store, StoreError};

/// How many reports of agents may wait; an agent with more waits itself, and keeps the newest.
const OBSERVATIONS_MAX: usize = 1_024;
/// How many inputs one decision takes in.
const BATCH_MAX: usize = 256;
/// What is only shown is taken in and published at most this often.
const LIVE_GAP: Duration = Duration::from_millis(250);
/// At the latest after this time everything is looked at again, whatever the clock did.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// At the earliest after this time a wake-up comes, whatever the core asked for.
const WAKE_GAP: Duration = Duration::from_millis(5);

/// What a control plane is started with.
pub struct Start {
    /// The validated configuration.
    pub settings: Settings,
    /// Its change log. Who holds the state folder's lock is the caller's to see to.
    pub store: Box<dyn Store>,
    /// When a control plane over this store last ran, if that is known: what was silent then has
    /// not been seen to be silent since.
    pub last_alive: Option<TimeMs>,
    /// Opens engines.
    pub connector: Arc<dyn Connector>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes a run replay; `None` = drawn from the machine.
    pub seed: Option<u64>,
    /// Who carries the control plane.
    pub holder: Holder,
    /// The agents' numbers.
    pub tuning: Tuning,
}

/// Why a control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its state could not be read, or the first change not be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration would take instances out of the fleet from under their tasks.
    #[error(transparent)]
    Orphaned(#[from] Orphaned),
    /// The machine gave no random number.
    #[error("no random number is to be had from /dev/urandom: {0}")]
    Random(std::io::Error),
    /// A part of it broke down.
    #[error("the control plane could not start: {0}")]
    Broken(String),
}

/// Why a control plane ended without being asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control plane has stopped: {0}")]
pub struct Ended(pub String);

/// A running control plane. Dropped without [`ControlPlane::stop`] it ends as if killed.
pub struct ControlPlane {
    /// The way in and out.
    pub handle: Handle,
    crew: Option<Crew>,
    stop: Option<oneshot::Sender<()>>,
    driver: JoinHandle<Result<(), StoreError>>,
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl ControlPlane {
    /// Stops the agents, takes in what is queued, stores it, and ends. Containers go on running.
    ///
    /// # Errors
    /// [`Ended`] if it had ended before, or the last change could not be stored.
    pub async fn stop(mut self) -> Result<(), Ended> {
        if let Some(crew) = self.crew.take() {
            crew.dismiss().await;
        }
        if let Some(stop) = self.stop.take() {
            // A driver that is gone already tells why below.
            let _ = stop.send(());
        }
        self.ended().await
    }

    /// Goes by another configuration from now on, unless it is refused. Only the agents of
    /// instances that came, went or are reached elsewhere are touched.
    ///
    /// # Errors
    /// [`ReloadRefusal`]; then everything is as it was.
    pub async fn reload(&mut self, settings: Settings) -> Result<Difference, ReloadRefusal> {
        let Some(crew) = &mut self.crew else {
            return Ok(Difference::default());
        };
        let difference = Difference::between(crew.settings(), &settings);
        let reload = Reload {
            fleet: fleet(&settings),
            source: settings.source.clone(),
            difference: difference.to_string(),
        };
        self.handle.reload(reload).await?;
        crew.follow(settings, &difference).await;
        Ok(difference)
    }

    /// The configuration that it goes by.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.crew.as_ref().map(Crew::settings)
    }

    /// Resolves when the control plane has ended. May be dropped and called anew until then.
    ///
    /// # Errors
    /// [`Ended`] if it was not asked to end.
    pub async fn ended(&mut self) -> Result<(), Ended> {
        let outcome = match (&mut self.driver).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure.to_string(),
            Err(broken) => format!("a fault in the program: {broken}"),
        };
        Err(Ended(outcome))
    }
}

/// Reads the state, takes in the configuration, and starts the driver and one agent for each
/// instance. When this returns, the first picture is there.
///
/// # Errors
/// [`StartError`]; then nothing was started.
pub async fn start(start: Start) -> Result<ControlPlane, StartError> {
    let seed = match start.seed {
        Some(seed) => seed,
        None => random().map_err(StartError::Random)?,
    };
    let mut store = start.store;
    let (store, (state, seq)) = if store.is_instant() {
        // Another thread would come in between the steps of a simulation.
        let loaded = store.load()?;
        (store, loaded)
    } else {
        let load = move || store.load().map(|loaded| (store, loaded));
        let loaded = tokio::task::spawn_blocking(load).await;
        loaded.map_err(|broken| StartError::Broken(broken.to_string()))??
    };
    let past = Past::new(store.archive());
    let fleet = fleet(&start.settings);
    let orphans = core::orphans(&state, &fleet);
    if !orphans.is_empty() {
        return Err(StartError::Orphaned(Orphaned {
            source: start.settings.source,
            instances: orphans,
            running: false,
        }));
    }
    let snapshot = Snapshot {
        version: 0,
        seq,
        at: start.clock.now(),
        state,
        live: Live::default(),
        holder: start.holder,
    };
    let (commands, requests) = mpsc::channel(COMMANDS_MAX);
    let (reports, observations) = mpsc::channel(OBSERVATIONS_MAX);
    let (stop, stopped) = oneshot::channel();
    let fate = Arc::new(OnceLock::new());
    let mut driver = Driver {
        index: Index::new(&snapshot.state),
        live: Live::default(),
        live_waits: false,
        live_published: None,
        snapshots: watch::Sender::new(Arc::new(snapshot)),
        deltas: broadcast::Sender::new(DELTAS_MAX),
        store: Some(store),
        clock: start.clock.clone(),
        seed,
        requests,
        observations,
        stopped,
        held: Vec::new(),
        wake: Instant::now(),
        wall: Wall::new(start.clock.now()),
        fate: fate.clone(),
        outage: None,
        meters: Arc::default(),
    };
    let attempt_ms = start.tuning.connect_timeout.as_millis();
    let beginning = Beginning {
        fleet,
        last_alive: start.last_alive,
        attempt_ms: u64::try_from(attempt_ms).unwrap_or(u64::MAX),
    };
    let begin = vec![Input::Configure(beginning)];
    driver.pass(begin, Replies::default()).await?;
    if let Some(outage) = driver.outage {
        return Err(StartError::Store(outage.failure));
    }
    let handle = Handle {
        commands,
        snapshots: driver.snapshots.subscribe(),
        deltas: driver.deltas.downgrade(),
        engines: EngineDirectory::default(),
        connector: start.connector.clone(),
        fate,
        clock: start.clock.clone(),
        past,
        meters: driver.meters.clone(),
    };
    let driver = tokio::spawn(driver.run());
    let berth = Berth {
        courier: Courier::new(handle.snapshots()),
        reports,
        engines: handle.engines.clone(),
        connector: start.connector,
        clock: start.clock,
        tuning: start.tuning,
    };
    Ok(ControlPlane {
        handle,
        crew: Some(Crew::muster(berth, start.settings)),
        stop: Some(stop),
        driver,
    })
}

/// What the core takes in of a configuration.
fn fleet(settings: &Settings) -> Fleet {
    Fleet {
        clusters: settings.clusters.clone(),
        instances: settings.instances.clone(),
        roles: settings.roles.clone(),
    }
}

/// 64 bits from the machine.
fn random() -> std::io::Result<u64> {
    use std::io::Read;
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// The one owner of the state.
struct Driver {
    /// What the scheduler looks up in the published state.
    index: Index,
    /// What is true only now; the published picture may be a moment behind it.
    live: Live,
    /// Whether it is.
    live_waits: bool,
    /// When the live part was last published.
    live_published: Option<Instant>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    deltas: broadcast::Sender<Arc<Delta>>,
    /// Away only while it writes.
    store: Option<Box<dyn Store>>,
    clock: Arc<dyn Clock>,
    seed: u64,
    requests: mpsc::Receiver<Request>,
    observations: mpsc::Receiver<Observation>,
    stopped: oneshot::Receiver<()>,
    /// Reports of what is only shown: they wait for company.
    held: Vec<Input>,
    wake: Instant,
    /// The wall clock as the last decision saw it.
    wall: Wall,
    fate: Arc<OnceLock<String>>,
    /// While the store cannot be written.
    outage: Option<Outage>,
    meters: Arc<Meters>,
}

/// What woke the driver.
enum Turn {
    Stop,
    Pass,
    Live,
}

impl Driver {
    async fn run(mut self) -> Result<(), StoreError> {
        let outcome = self.drive().await;
        if let Err(failure) = &outcome {
            error!(%failure, "the control plane stops: what cannot be stored is not acted on");
        }
        outcome
    }

    async fn drive(&mut self) -> Result<(), StoreError> {
        loop {
            if let Some(outage) = self.outage.take() {
                if self.sit_out(outage).await? {
                    return Ok(());
                }
                continue;
            }
            let mut batch = Intake::default();
            let turn = self.wait(&mut batch).await;
            if matches!(turn, Turn::Stop) {
                self.requests.close();
                self.observations.close();
            }
            self.drain(&mut batch);
            match turn {
                Turn::Live if batch.inputs.is_empty() && self.held.is_empty() => {
                    self.publish(Vec::new(), None);
                }
                Turn::Pass if batch.inputs.is_empty() && self.held.len() < BATCH_MAX => {}
                _ => {
                    let mut inputs = std::mem::take(&mut self.held);
                    inputs.append(&mut batch.inputs);
                    self.pass(inputs, batch.replies).await?;
                }
            }
            if matches!(turn, Turn::Stop) {
                return self.outage.take().map_or(Ok(()), |it| Err(it.failure));
            }
        }
    }

    /// One turn while the store cannot be written: refuses whoever asks, and tries again when it
    /// is time. Whether the driver is to end.
    async fn sit_out(&mut self, outage: Outage) -> Result<bool, StoreError> {
        let stop = tokio::select! {
            // In one order, so that a simulation replays; who asks without end comes last.
            biased;
            _ = &mut self.stopped => true,
            () = sleep_until(outage.retry_at) => false,
            Some(request) = self.requests.recv() => {
                let mut asked = Intake::default();
                asked.request(request);
                asked.replies.refuse(&outage.refusal());
                self.outage = Some(outage);
                return Ok(false);
            }
        };
        let mut batch = Intake::default();
        if stop {
            self.requests.close();
            self.observations.close();
            self.drain(&mut batch);
        }
        let mut inputs = outage.kept.clone();
        inputs.append(&mut self.held);
        inputs.append(&mut batch.inputs);
        // So that there is something to write, and the attempt is one.
        inputs.push(Input::LogIsBack(outage.shown()));
        self.outage = Some(outage);
        self.pass(inputs, batch.replies).await?;
        match self.outage.take() {
            Some(outage) if stop => Err(outage.failure),
            outage => {
                self.outage = outage;
                Ok(stop)
            }
        }
    }

    /// Waits until there is something to take in.
    async fn wait(&mut self, batch: &mut Intake) -> Turn {
        let live_waits = self.live_waits || !self.held.is_empty();
        let live_due = self.live_due();
        tokio::select! {
            // In one order, so that a simulation replays. None starves: whatever wakes it, the turn
            // takes in what else is queued (`drain`), plans, and publishes what is due.
            biased;
            _ = &mut self.stopped => Turn::Stop,
            Some(request) = self.requests.recv() => {
                batch.request(request);
                Turn::Pass
            }
            Some(observation) = self.observations.recv() => {
                self.observe(batch, observation);
                Turn::Pass
            }
            () = sleep_until(self.wake) => {
                batch.inputs.push(Input::Wake);
                Turn::Pass
            }
            () = sleep_until(live_due), if live_waits => Turn::Live,
        }
    }

    fn live_due(&self) -> Instant {
        let Some(published) = self.live_published else {
            return Instant::now();
        };
        // The live part travels whole, so a very large fleet sees it less often.
        let size = u32::try_from(self.live.agents.len() / 500).unwrap_or(u32::MAX);
        published + LIVE_GAP.saturating_mul(size.saturating_add(1))
    }

    /// Takes in what else is queued, as far as one decision goes.
    fn drain(&mut self, batch: &mut Intake) {
        while batch.inputs.len() < BATCH_MAX / 2 {
            let Ok(request) = self.requests.try_recv() else {
                break;
            };
            batch.request(request);
        }
        while batch.inputs.len() < BATCH_MAX && self.held.len() < BATCH_MAX {
            let Ok(observation) = self.observations.try_recv() else {
                break;
            };
            self.observe(batch, observation);
        }
    }

    fn observe(&mut self, batch: &mut Intake, observation: Observation) {
        let shown_only = matches!(
            observation,
            Observation::Agent { .. } | Observation::Pulling { .. }
        );
        let inputs = if shown_only {
            &mut self.held
        } else {
            &mut batch.inputs
        };
        inputs.push(Input::Observation(observation));
    }

    /// One round: decide, store, adopt, publish, answer.
    async fn pass(&mut self, mut inputs: Vec<Input>, replies: Replies) -> Result<(), StoreError> {
        let before = self.snapshots.borrow().clone();
        let now = self.clock.now();
        if let Some(by_ms) = self.wall.stepped(now) {
            // Before anything that is counted by the clock as it is now.
            inputs.insert(0, Input::ClockStepped { by_ms });
        }
        // Equal for a decision that is made again on the same state, and never drawn twice: what
        // uses an id makes a change.
        let seed = mix(self.seed ^ mix(before.seq));
        let count = inputs.len();
        let kept = outage::kept(&inputs);
        let begun = Instant::now();
        let index = &mut self.index;
        let decision = core::decide_with(index, &before.state, &self.live, now, seed, inputs);
        self.meters.decided(begun.elapsed());
        let tally = Tally::of(&before.state, &decision);
        debug!(inputs = count, changes = decision.changes.len(), "decided");
        let Decision {
            changes,
            state,
            live,
            replies: commands,
            batches,
            reloads,
            wake_at,
        } = decision;
        let changed = if changes.is_empty() {
            (Vec::new(), None)
        } else {
            let (begun, stored) = (Instant::now(), changes.len());
            self.meters.writes();
            match self.append(now, changes, state.clone()).await {
                Ok((changes, seq)) => {
                    self.meters.wrote(begun.elapsed(), stored);
                    (changes, Some((seq, state)))
                }
                Err(failure) if failure.may_pass() => {
                    self.meters.not_written();
                    self.meters.not_kept(&tally);
                    // It followed the decision that is not to be.
                    self.index = Index::new(&before.state);
                    replies.refuse(&outage::refusal(&failure));
                    self.suspend(now, failure, kept);
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        };
        self.meters.kept(&tally);
        if let Some(live) = live {
            self.live = live;
            self.live_waits = true;
        }
        self.resume();
        self.publish(changed.0, changed.1);
        self.set_wake(now, wake_at);
        let after = self.snapshots.borrow().clone();
        let answers = Answers {
            commands,
            batches,
            reloads,
        };
        replies.give(answers, &after);
        self.meters.passed();
        Ok(())
    }

    /// Nothing is decided from here on, and everyone is shown so.
    fn suspend(&mut self, now: TimeMs, failure: StoreError, kept: Vec<Input>) {
        let outage = Outage::after(self.outage.take(), now, failure, kept);
        error!(
            failure = %outage.failure,
            "nothing is decided until the change log can be written; containers go on as they are"
        );
        self.live.outage = Some(outage.shown());
        self.live_waits = true;
        self.live_published = None;
        self.outage = Some(outage);
        self.publish(Vec::new(), None);
    }

    /// What was decided is stored: an outage is over.
    fn resume(&mut self) {
        let Some(outage) = self.outage.take() else {
            return;
        };
        warn!(
            failure = %outage.failure,
            since = outage.since.0,
            "the change log can be written again"
        );
        self.live.outage = None;
        self.live_waits = true;
        self.live_published = None;
    }

    /// Stores changes on a thread that may block.
    async fn append(
        &mut self,
        at: TimeMs,
        changes: Vec<Change>,
        after: State,
    ) -> Result<(Vec<Change>, u64), StoreError> {
        let outcome = match self.store.take() {
            Some(mut store) if store.is_instant() => {
                let outcome = store.append(at, &changes, &after);
                Ok((store, changes, outcome))
            }
            Some(mut store) => tokio::task::spawn_blocking(move || {
                let outcome = store.append(at, &changes, &after);
                (store, changes, outcome)
            })
            .await
            .map_err(|broken| broken.to_string()),
            None => Err("it was lost in an earlier failure".to_owned()),
        };
        let outcome = match outcome {
            Ok((store, changes, outcome)) => {
                self.store = Some(store);
                outcome.map(|seq| (changes, seq))
            }
            Err(message) => Err(StoreError::Failed {
                place: "of this control plane".to_owned(),
                message,
            }),
        };
        if let Err(failure) = &outcome
            && !failure.may_pass()
        {
            // Set before anyone who waits for an answer learns that none comes.
            let _ = self.fate.set(failure.to_string());
        }
        outcome
    }

    /// Publishes what changed, and the live part when its turn has come. Nothing new, nothing
    /// published.
    fn publish(&mut self, changes: Vec<Change>, after: Option<(u64, State)>) {
        let live = (self.live_waits && self.live_due() <= Instant::now()).then(|| {
            self.live_waits = false;
            self.live_published = Some(Instant::now());
            self.live.clone()
        });
        if after.is_none() && live.is_none() {
            return;
        }
        let before = self.snapshots.borrow().clone();
        let mut next = Snapshot::clone(&before);
        next.version += 1;
        next.at = self.clock.now();
        if let Some((seq, state)) = after {
            next.seq = seq;
            next.state = state;
        }
        if let Some(live) = &live {
            next.live = live.clone();
        }
        let delta = Delta {
            version: next.version,
            seq: next.seq,
            at: next.at,
            changes,
            live,
        };
        self.snapshots.send_replace(Arc::new(next));
        // Nobody listening is no fault.
        let _ = self.deltas.send(Arc::new(delta));
    }

    fn set_wake(&mut self, now: TimeMs, wake_at: Option<TimeMs>) {
        let wait = wake_at.map_or(LOOK_AGAIN, |at| Duration::from_millis(at.since_ms(now)));
        self.wake = Instant::now() + wait.clamp(WAKE_GAP, LOOK_AGAIN);
    }
}
