//! An agent while its engine answers: one loop that owns what is known of the engine, and calls
//! that run beside it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::docker::volume::task_volumes;
use crate::docker::{Engine, EngineError, EngineEvent, EngineResult, holder_image};
use crate::model::observation::{AgentStatus, EngineInfo, ObservedContainer};
use crate::model::task::PullProgress;
use crate::model::{InstanceName, Observation, Snapshot, TaskId};

use super::assignments::Assignments;
use super::clock::{Clock, TokioClock};
use super::directory::Heard;
use super::inspector::Inspector;
use super::job::{self, Done, Progress};
use super::outbox::{Outbox, Pacer};
use super::pins;
use super::pulse::{Beat, Pulse};
use super::start::wake;
use super::step::{Action, Key, View, World, is_to_stop, settled, step};
use super::tuning::Tuning;
use super::vault::Vault;

/// Steps of pulls that wait to be told; what finds no room is overtaken anyway.
const PROGRESS_MOST: usize = 64;

/// Announcements that are taken in before anything else has its turn.
const EVENTS_AT_ONCE: usize = 256;

/// Lists in a row that an engine may answer with something that is no list (an error, more than is
/// read): what is known of it then gets older, and a person must see that. One that was listed less
/// than `Tuning::resync` ago is not lost for it: what is known is as fresh as it ever has to be.
const UNLISTED_MOST: u32 = 3;

/// The announcements of an engine.
pub type Events = BoxStream<'static, EngineResult<EngineEvent>>;

/// A fresh connection: events were opened before the list was made, so nothing is missed.
pub struct Opened {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Its announcements.
    pub events: Events,
    /// What it says of itself.
    pub info: EngineInfo,
    /// What it has.
    pub containers: Vec<ObservedContainer>,
}

/// Why a session ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The engine does not answer any more, for this reason.
    Lost(String),
    /// The control plane is gone.
    Over,
}

/// What a session needs of its agent.
pub struct Bearings<'a> {
    /// The instance.
    pub instance: &'a InstanceName,
    /// The numbers.
    pub tuning: &'a Arc<Tuning>,
    /// Secrets and environment files.
    pub vault: &'a Arc<Vault>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// What was decided.
    pub snapshots: &'a mut watch::Receiver<Arc<Snapshot>>,
    /// Reports.
    pub outbox: &'a mut Outbox,
    /// Where the agent stands.
    pub status: &'a mut AgentStatus,
    /// When the engine last answered, for who asks.
    pub heard: &'a Heard,
    /// Tasks that were reported as failed; they outlive a connection.
    pub failed: &'a mut BTreeSet<TaskId>,
}

pub(super) struct Session<'a> {
    pub(super) with: Bearings<'a>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) jobs: JoinSet<Done>,
    pub(super) world: World,
    pub(super) assignments: Assignments,
    /// Under way: started and not yet seen to have had its effect.
    pub(super) under_way: BTreeSet<Key>,
    /// Not to be tried before that moment.
    pub(super) held: BTreeMap<Key, Instant>,
    /// Failed attempts in a row.
    pub(super) attempts: BTreeMap<Key, u32>,
    /// Images that are known not to be there.
    pub(super) missing: BTreeSet<String>,
    /// How many actions of each class run.
    pub(super) running: [usize; Class::COUNT],
    /// Images that are being pulled: a step of a pull that has ended is out of date.
    pub(super) pulling: BTreeSet<String>,
    /// Tasks whose pull was reported, by image.
    pub(super) told: BTreeMap<String, BTreeSet<TaskId>>,
    /// Stopping tasks for which a report was made after nothing of them was left up.
    pub(super) confirmed: BTreeSet<TaskId>,
    /// Containers whose announcements tell nothing that is not asked for anyway.
    pub(super) quiet: BTreeSet<String>,
    pub(super) inspector: Inspector,
    pub(super) pulse: Pulse,
    pub(super) pacer: Pacer,
    pub(super) progress: mpsc::Sender<Progress>,
    /// When the next step is due though nothing happens.
    step_at: Option<Instant>,
    resync_at: Instant,
    resyncs: u64,
    listing: bool,
    /// How many lists in a row were answered with something that is none.
    unlisted: u32,
    /// When the last whole list came.
    listed_at: Instant,
    /// Counts how long containers wait for each other: a wall clock that is set is nothing to them.
    steady: TokioClock,
}

/// What bounds an action: each class has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Make,
    Look,
    Pull,
    Stop,
    Remove,
}

impl Class {
    pub(super) const COUNT: usize = 5;

    pub(super) fn limit(self, tuning: &Tuning) -> usize {
        match self {
            Self::Make => tuning.makes_at_once,
            Self::Look => tuning.inspects_at_once,
            Self::Pull => tuning.pulls_at_once,
            Self::Stop => tuning.stops_at_once,
            Self::Remove => tuning.removes_at_once,
        }
    }
}

/// Looks after an engine until it is lost or the control plane is gone.
pub async fn run(with: Bearings<'_>, opened: Opened) -> End {
    let (progress, mut steps) = mpsc::channel(PROGRESS_MOST);
    let now = Instant::now();
    let (instance, tuning) = (with.instance.clone(), with.tuning.clone());
    let mut session = Session {
        engine: opened.engine,
        jobs: JoinSet::new(),
        world: World::default(),
        assignments: Assignments::new(instance.clone()),
        under_way: BTreeSet::new(),
        held: BTreeMap::new(),
        attempts: BTreeMap::new(),
        missing: BTreeSet::new(),
        running: [0; Class::COUNT],
        pulling: BTreeSet::new(),
        told: BTreeMap::new(),
        confirmed: BTreeSet::new(),
        quiet: BTreeSet::new(),
        inspector: Inspector::default(),
        pulse: Pulse::new(now + tuning.heartbeat),
        pacer: Pacer::new(tuning.report_gap),
        progress,
        step_at: None,
        resync_at: now + tuning.resync_wait(instance.as_str(), 0),
        resyncs: 0,
        listing: false,
        unlisted: 0,
        listed_at: now,
        steady: TokioClock::starting_at(with.clock.now()),
        with,
    };
    session.begin(opened.info, opened.containers);
    let mut events = opened.events;
    let end = session.watch(&mut events, &mut steps).await;
    session.finish();
    end
}

impl Session<'_> {
    fn begin(&mut self, info: EngineInfo, containers: Vec<ObservedContainer>) {
        self.with.outbox.push(Observation::Connected {
            instance: self.with.instance.clone(),
            info,
        });
        self.take_list(0, containers);
        if self.pacer.take(Instant::now()) {
            self.report();
        }
        self.publish_status(None);
        let newest = self.with.snapshots.borrow_and_update().clone();
        self.assignments.advance(newest);
    }

    /// Nothing is pulled any more.
    fn finish(&mut self) {
        for image in std::mem::take(&mut self.told).into_values() {
            for task in image {
                self.with.outbox.push(Observation::Pulling {
                    task,
                    progress: None,
                });
            }
        }
    }

    /// The loop. Nothing in it waits for the engine.
    async fn watch(&mut self, events: &mut Events, steps: &mut mpsc::Receiver<Progress>) -> End {
        let mut look = true;
        loop {
            if look {
                self.pass();
            }
            self.serve_timers();
            let wake = self.wake_at();
            look = tokio::select! {
                // In one order, so that a simulation replays from its seed. None starves: calls are
                // bounded in number, snapshots and timers are used up when they are taken, and what
                // an engine may send without end comes last.
                biased;
                Some(done) = self.jobs.join_next() => {
                    if let Err(end) = self.take_done(done) {
                        return end;
                    }
                    while let Some(done) = self.jobs.try_join_next() {
                        if let Err(end) = self.take_done(done) {
                            return end;
                        }
                    }
                    true
                }
                changed = self.with.snapshots.changed() => {
                    if changed.is_err() {
                        return End::Over;
                    }
                    let newest = self.with.snapshots.borrow_and_update().clone();
                    self.assignments.advance(newest)
                }
                Some((image, step)) = steps.recv() => {
                    self.tell_progress(image, step);
                    false
                }
                _closed = self.with.outbox.pump() => return End::Over,
                () = sleep_until(wake) => true,
                event = events.next() => {
                    if let Err(end) = self.take_events(event, events) {
                        return end;
                    }
                    true
                }
            };
        }
    }

    /// Takes an announcement in, and those that are there already.
    fn take_events(
        &mut self,
        first: Option<EngineResult<EngineEvent>>,
        events: &mut Events,
    ) -> Result<(), End> {
        let mut next = first;
        for taken in 1.. {
            match next {
                Some(Ok(event)) => self.take_event(event),
                Some(Err(error)) => {
                    return Err(End::Lost(format!("its event stream broke: {error}")));
                }
                None => return Err(End::Lost("it closed its event stream".to_owned())),
            }
            if taken == EVENTS_AT_ONCE {
                break;
            }
            match events.next().now_or_never() {
                Some(more) => next = more,
                None => break,
            }
        }
        Ok(())
    }

    fn take_event(&mut self, event: EngineEvent) {
        self.hear();
        match event {
            EngineEvent::Container {
                runtime_id,
                destroyed: true,
            } => self.forget_container(&runtime_id),
            EngineEvent::Container { runtime_id, .. } => {
                if !self.quiet.contains(&runtime_id) {
                    self.inspector.want(runtime_id);
                }
            }
            EngineEvent::Images => {
                self.world.images.clear();
                self.world.pull_first.clear();
                self.world.local.clear();
                self.missing.clear();
            }
        }
    }

    /// Takes the result of a call in.
    fn take_done(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), End> {
        let done = done.map_err(|error| End::Lost(format!("a call to it broke off: {error}")))?;
        match done {
            Done::Ping { asked, result } => return self.take_ping(asked, result),
            Done::List { asked, result } => return self.take_resync(asked, result),
            Done::Inspect { id, result } => self.take_inspect(id, *result),
            Done::HasImage { image, result } => self.take_has_image(image, result),
            Done::Acted { action, result } => self.take_acted(action, result),
        }
        Ok(())
    }

    fn take_ping(
        &mut self,
        asked: Instant,
        result: EngineResult<std::time::Duration>,
    ) -> Result<(), End> {
        if result.is_ok() {
            self.hear();
        }
        match self.pulse.take(asked, &result, self.with.tuning) {
            Beat::Well(latency) => self.publish_status(Some(latency)),
            Beat::Missed => {}
            Beat::Lost(reason) => return Err(End::Lost(reason)),
        }
        Ok(())
    }

    /// The engine gave a sign of life.
    pub(super) fn hear(&mut self) {
        self.pulse.hear(Instant::now());
        let now = self.with.clock.now();
        self.with.heard.note(now);
        self.with.status.heard_at = Some(now);
    }

    /// Reports the agent's standing if a person would see a difference.
    fn publish_status(&mut self, latency: Option<std::time::Duration>) {
        let latency = latency.map(|l| u64::try_from(l.as_millis()).unwrap_or(u64::MAX));
        let status = &mut *self.with.status;
        let coarse = |ms: Option<u64>| ms.map(|ms| ms.max(4).ilog2());
        let is_news = status.attempts != 0
            || status.retry_at.is_some()
            || coarse(latency) != coarse(status.latency_ms);
        if is_news {
            status.attempts = 0;
            status.retry_at = None;
            status.latency_ms = latency.or(status.latency_ms);
            self.with.outbox.push(Observation::Agent {
                instance: self.with.instance.clone(),
                status: status.clone(),
            });
        }
    }

    fn take_resync(
        &mut self,
        asked: u64,
        result: EngineResult<Vec<ObservedContainer>>,
    ) -> Result<(), End> {
        self.listing = false;
        match result {
            Ok(containers) => {
                self.unlisted = 0;
                self.listed_at = Instant::now();
                self.hear();
                self.take_list(asked, containers);
                self.forget_unused();
            }
            Err(error) => {
                debug!(instance = %self.with.instance, %error, "a full list failed");
                // Whether one that says nothing is lost, pings tell.
                let answered = !matches!(error, EngineError::Unreachable(_));
                self.unlisted = match answered {
                    true => self.unlisted.saturating_add(1),
                    false => self.unlisted,
                };
                let aged = self.listed_at.elapsed() >= self.with.tuning.resync;
                if aged && self.unlisted >= UNLISTED_MOST {
                    let reason = format!("it does not list its containers: {error}");
                    return Err(End::Lost(reason));
                }
                self.pulse.probe(Instant::now());
                self.resync_soon();
            }
        }
        Ok(())
    }

    /// Takes a whole list in. What changed after it was asked for is newer than the list.
    fn take_list(&mut self, asked: u64, containers: Vec<ObservedContainer>) {
        let inspector = &mut self.inspector;
        let mut listed: BTreeMap<_, _> = containers
            .into_iter()
            .filter(|c| !inspector.is_newer(&c.runtime_id, asked))
            .map(|c| (c.runtime_id.clone(), c))
            .collect();
        let kept = std::mem::take(&mut self.world.containers);
        let newer = kept.into_iter();
        listed.extend(newer.filter(|(id, _)| inspector.is_newer(id, asked)));
        self.world.containers = listed;
        self.world.note_all(self.steady.now());
        for key in inspector.take_list(asked) {
            self.under_way.remove(&key);
        }
        self.pacer.touch(Instant::now(), false);
    }

    fn take_inspect(&mut self, id: String, result: EngineResult<ObservedContainer>) {
        use crate::docker::EngineError::NotFound;
        let found = match result {
            Ok(container) => Some(container),
            Err(NotFound(_)) => None,
            Err(error) => {
                debug!(instance = %self.with.instance, container = id, %error, "an inspection failed");
                self.inspector.failed(&id);
                self.pulse.probe(Instant::now());
                self.resync_soon();
                return;
            }
        };
        self.hear();
        let taken = self.inspector.done(&id);
        if taken.is_current {
            self.see(id, found);
        }
        if let Some(key) = taken.settled {
            self.under_way.remove(&key);
        }
    }

    /// Takes in what a container now is; `None` if it is not there. A death is urgent.
    pub(super) fn see(&mut self, id: String, found: Option<ObservedContainer>) {
        self.inspector.changed(&id);
        let old = self.world.containers.get(&id);
        if old == found.as_ref() {
            return;
        }
        let was_up = old.is_some_and(|c| c.state.is_up());
        let is_up = found.as_ref().is_some_and(|c| c.state.is_up());
        let known_as = found.as_ref().map_or(&id, |c| &c.runtime_id);
        self.world.note(known_as, is_up, self.steady.now());
        self.pacer.touch(Instant::now(), was_up && !is_up);
        match found {
            Some(container) => {
                // An inspection by name answers with the id; the id is what is known.
                let id = container.runtime_id.clone();
                self.world.containers.insert(id, container);
            }
            None => {
                self.world.containers.remove(&id);
            }
        }
    }

    /// A container was removed.
    pub(super) fn forget_container(&mut self, id: &str) {
        self.inspector.destroyed(id);
        self.see(id.to_owned(), None);
    }

    fn resync_soon(&mut self) {
        let soon = Instant::now() + self.with.tuning.retry_first;
        self.resync_at = self.resync_at.min(soon);
    }

    /// Starts what is due by the clock or waits for room.
    fn serve_timers(&mut self) {
        let now = Instant::now();
        let tuning = self.with.tuning.clone();
        if self.pulse.begin(now) {
            let call = job::ping(self.engine.clone(), tuning.ping_timeout);
            self.jobs.spawn(call);
        }
        if self.resync_at <= now && !self.listing {
            self.listing = true;
            self.resyncs += 1;
            let name = self.with.instance.as_str();
            self.resync_at = now + tuning.resync_wait(name, self.resyncs);
            let asked = self.inspector.count();
            let call = job::list(self.engine.clone(), tuning.call_timeout, asked);
            self.jobs.spawn(call);
        }
        while let Some(id) = self.inspector.next(tuning.inspects_at_once) {
            let call = job::inspect(self.engine.clone(), tuning.call_timeout, id);
            self.jobs.spawn(call);
        }
        if self.pacer.take(now) {
            self.report();
        }
    }

    fn report(&mut self) {
        let containers = self.world.containers.values().cloned().collect();
        self.with.outbox.push(Observation::Containers {
            instance: self.with.instance.clone(),
            containers: Arc::new(containers),
        });
    }

    /// When the loop has something to do though nothing happens.
    fn wake_at(&self) -> Instant {
        let mut wake = self.resync_at;
        if self.listing {
            wake = Instant::now() + self.with.tuning.resync;
        }
        let others = [self.pulse.due(), self.pacer.due(), self.step_at];
        let held = self.held.values().min().copied();
        for due in others.into_iter().chain([held]).flatten() {
            wake = wake.min(due);
        }
        wake
    }

    /// Compares what is with what was decided, and starts the next actions.
    fn pass(&mut self) {
        let now = Instant::now();
        self.held.retain(|_, until| *until > now);
        self.note_volumes();
        self.with
            .failed
            .retain(|task| self.assignments.tasks.contains_key(task));
        let mut busy = self.under_way.clone();
        busy.extend(self.held.keys().cloned());
        let view = View {
            instance: self.with.instance,
            state: &self.assignments.snapshot.state,
            tasks: &self.assignments.tasks,
            world: &self.world,
            busy: &busy,
            failed: self.with.failed,
            now: self.steady.now(),
        };
        let actions: VecDeque<Action> = step(&view).into();
        let confirmable = settled(&view);
        let wait_ms = wake(&view).map(|due| due.since_ms(view.now));
        self.step_at = wait_ms.map(|ms| now + std::time::Duration::from_millis(ms));
        let news = !confirmable.is_subset(&self.confirmed);
        self.confirmed = confirmable;
        if news {
            self.pacer.touch(now, false);
        }
        for action in actions {
            self.launch(action);
        }
    }

    /// What was noted of images, volumes and tasks that are nothing to this instance any more is
    /// forgotten, so that a long connection keeps no more than a fresh one would.
    fn forget_unused(&mut self) {
        let assignments = &self.assignments;
        let state = &assignments.snapshot.state;
        let mut images = BTreeSet::from([holder_image::IMAGE.to_owned()]);
        let mut volumes = BTreeSet::new();
        let mut deployments = BTreeSet::new();
        for task in assignments.tasks.values() {
            let Some(definition) = assignments.definition(task) else {
                continue;
            };
            for container in &definition.container_definitions {
                images.insert(container.image.clone());
                images.insert(pins::image(state, task, container));
            }
            let needed = task_volumes(task, definition, "").into_iter();
            volumes.extend(needed.map(|volume| volume.name));
            deployments.extend(task.deployment.clone());
        }
        let world = &mut self.world;
        let there = world.containers.values();
        volumes.extend(there.flat_map(|it| it.volumes.iter().cloned()));
        for known in [
            &mut world.images,
            &mut world.pull_first,
            &mut world.local,
            &mut self.missing,
        ] {
            known.retain(|image| images.contains(image));
        }
        world.volumes.retain(|name| volumes.contains(name));
        let tasks = &assignments.tasks;
        self.attempts.retain(|key, _| match key {
            Key::Network => true,
            Key::Container(task, _) => tasks.contains_key(task),
            Key::Image(image) => images.contains(image),
            Key::Volume(name) => volumes.contains(name),
            Key::Pin(deployment, _) => deployments.contains(deployment),
        });
    }

    /// The volumes of our own containers are known to be there.
    fn note_volumes(&mut self) {
        let state = &self.assignments.snapshot.state;
        let containers = self.world.containers.values();
        let ours = containers.filter(|c| state.owner_of(c).is_some());
        let names: Vec<_> = ours.flat_map(|c| c.volumes.iter().cloned()).collect();
        self.world.volumes.extend(names);
    }

    pub(super) fn tell_progress(&mut self, image: String, step: crate::docker::PullStep) {
        if !self.pulling.contains(&image) {
            return;
        }
        for task in self.waiting_for_image(&image).into_keys() {
            self.told.entry(image.clone()).or_default().insert(task);
            self.with.outbox.push(Observation::Pulling {
                task,
                progress: Some(PullProgress {
                    image: image.clone(),
                    done_bytes: step.done_bytes,
                    total_bytes: step.total_bytes,
                }),
            });
        }
    }

    /// Reports that a task cannot be brought up, once.
    pub(super) fn fail(
        &mut self,
        task: TaskId,
        container: crate::model::ContainerName,
        reason: String,
    ) {
        let still_wanted = self
            .assignments
            .tasks
            .get(&task)
            .is_some_and(|t| !is_to_stop(t));
        if still_wanted && self.with.failed.insert(task) {
            warn!(instance = %self.with.instance, %task, %container, reason, "a task failed to start");
            self.with.outbox.push(Observation::TaskFailed {
                task,
                container,
                reason,
            });
        }
    }
}
