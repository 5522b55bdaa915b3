//! A simulated host: time, latency and faults around a machine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use super::dice::{between, fold_text, unit};
use super::image::Registry;
use super::machine::Machine;
use super::trouble::{Fate, Trouble, Troubled};
use crate::docker::{EngineError, EngineEvent, EngineResult};
use crate::model::id::IdSource;
use crate::model::{CpuUnits, InstanceName, MemoryMib, TimeMs};

/// How many announcements a slow listener may fall behind before its stream breaks.
const EVENTS_MAX: usize = 256;
/// How long a caller waits for an engine that does not answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// One call in so many is slow.
const SLOW_ONE_IN: u64 = 40;

/// How long an engine takes to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// The usual way there and back, in milliseconds.
    pub typical_ms: u64,
    /// How far a call may lie above or below it, in percent; one call in forty takes four
    /// times as long.
    pub jitter_percent: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            typical_ms: 12,
            jitter_percent: 40,
        }
    }
}

/// A simulated host, before it is switched on.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// The instance whose engine it is.
    pub name: InstanceName,
    /// All its CPU.
    pub cpu: CpuUnits,
    /// All its memory.
    pub memory: MemoryMib,
    /// How long it takes to answer.
    pub latency: Latency,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// The engine's version.
    pub docker_version: String,
    /// Images that are there from the start.
    pub images: Vec<String>,
    /// Bytes a second that a pull gets.
    pub pull_bytes_per_s: u64,
}

impl HostSpec {
    /// A host of that size with a usual latency and no image.
    #[must_use]
    pub fn new(name: InstanceName, cpu: CpuUnits, memory: MemoryMib) -> Self {
        Self {
            name,
            cpu,
            memory,
            latency: Latency::default(),
            architecture: "x86_64".to_owned(),
            docker_version: "28.3.2".to_owned(),
            images: Vec::new(),
            pull_bytes_per_s: 40_000_000,
        }
    }
}

/// What can be wrong with a simulated host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It lost power: connections are refused, and its containers have died.
    Failed,
    /// It cannot be reached; its containers live on.
    Cut,
    /// It takes connections and never answers; its containers live on.
    Hung,
}

/// Whether a host can be reached, and how often connections to it broke.
#[derive(Clone, Copy, Debug, Default)]
struct Reach {
    fault: Option<Fault>,
    breaks: u64,
    /// How often any of it changed.
    version: u64,
}

/// A [`Reach`] that many wait for. Unlike those of a `watch`, they are woken in the order in which
/// they came, so that a run replays.
#[derive(Default)]
struct Reachable {
    reach: Mutex<Reach>,
    changed: Notify,
}

impl Reachable {
    fn get(&self) -> Reach {
        *lock(&self.reach)
    }

    fn set(&self, change: impl FnOnce(&mut Reach)) {
        {
            let mut reach = lock(&self.reach);
            change(&mut reach);
            reach.version += 1;
        }
        self.changed.notify_waiters();
    }

    /// Waits until it is another than that version.
    async fn changes_from(&self, version: u64) {
        let changed = self.changed.notified();
        if self.get().version == version {
            changed.await;
        }
    }
}

/// What a call does, for how long it takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Answered from memory.
    Look,
    /// Makes or removes something.
    Make,
    /// Starts processes.
    Start,
}

/// A host that is switched on.
pub(super) struct Host {
    pub(super) spec: HostSpec,
    pub(super) seed: u64,
    base: TimeMs,
    begun: Instant,
    machine: Mutex<Machine>,
    chance: Mutex<Chance>,
    pub(super) troubled: Mutex<Troubled>,
    reach: Reachable,
    events: broadcast::Sender<EngineEvent>,
}

struct Chance {
    dice: IdSource,
    lost_percent: u64,
    armed: Option<TimeMs>,
}

/// Whether an answer gets lost on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    No,
    Request,
    Answer,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    pub(super) fn new(spec: HostSpec, fleet_seed: u64, base: TimeMs, registry: Registry) -> Self {
        let seed = fold_text(fleet_seed, spec.name.as_str());
        Self {
            machine: Mutex::new(Machine::new(seed, &spec.images, registry)),
            chance: Mutex::new(Chance {
                dice: IdSource::new(seed),
                lost_percent: 0,
                armed: None,
            }),
            troubled: Mutex::new(Troubled::new(fold_text(seed, "trouble"))),
            spec,
            seed,
            base,
            begun: Instant::now(),
            reach: Reachable::default(),
            events: broadcast::Sender::new(EVENTS_MAX),
        }
    }

    /// The host's own clock.
    pub(super) fn now(&self) -> TimeMs {
        let elapsed = self.begun.elapsed().as_millis();
        self.base
            .plus_ms(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// Does something with the machine as it is now, whatever the fault.
    pub(super) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut Machine, TimeMs) -> T) -> T {
        let now = self.now();
        let (result, announced, due) = {
            let mut machine = lock(&self.machine);
            machine.advance(now);
            let result = act(&mut machine, now);
            (result, machine.take_announced(), machine.next_due())
        };
        for event in announced {
            self.announce(event);
        }
        if let Some(due) = due {
            self.arm(due, now);
        }
        result
    }

    /// Nobody listening is no loss: whoever comes lists first.
    fn announce(self: &Arc<Self>, event: EngineEvent) {
        match lock(&self.troubled).announce(&event) {
            Fate::Lost => {}
            Fate::Told => {
                let _ = self.events.send(event);
            }
            Fate::ToldTwice => {
                let _ = self.events.send(event.clone());
                let _ = self.events.send(event);
            }
            Fate::Late(wait) => {
                let events = self.events.clone();
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        tokio::time::sleep(wait).await;
                        let _ = events.send(event);
                    });
                }
            }
        }
    }

    /// Brings trouble over the engine, or ends it: removals that were stuck come to their end.
    pub(super) fn set_trouble(self: &Arc<Self>, trouble: Trouble) {
        lock(&self.troubled).set(trouble);
        if trouble.removals_stuck == 0 {
            self.with(|machine, _| machine.finish_removals());
        }
    }

    /// Wakes the machine when something is due, once.
    fn arm(self: &Arc<Self>, due: TimeMs, now: TimeMs) {
        let mut chance = lock(&self.chance);
        if chance.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return; // Outside a runtime time does not pass; the next call catches up.
        };
        chance.armed = Some(due);
        let host: Weak<Self> = Arc::downgrade(self);
        let wait = Duration::from_millis(due.since_ms(now));
        runtime.spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(host) = host.upgrade() {
                host.fire(due);
            }
        });
    }

    fn fire(self: &Arc<Self>, due: TimeMs) {
        {
            let mut chance = lock(&self.chance);
            if chance.armed != Some(due) {
                return; // An earlier timer has taken over and will arm what is left.
            }
            chance.armed = None;
        }
        self.with(|_, _| ());
    }

    /// A call over the wire: reaches the host, takes its time, may be lost.
    pub(super) async fn call<T>(
        self: &Arc<Self>,
        work: Work,
        act: impl FnOnce(&mut Machine, TimeMs) -> EngineResult<T>,
    ) -> EngineResult<T> {
        let lost = self.arrive(work).await?;
        if lost == Lost::Request {
            return Err(self.dropped());
        }
        let result = self.with(act);
        let late = lock(&self.troubled).late();
        if let Some(late) = late {
            tokio::time::sleep(late).await;
        }
        match lost {
            Lost::Answer => Err(self.dropped()),
            _ => result,
        }
    }

    /// Waits as long as a call takes to arrive.
    async fn arrive(&self, work: Work) -> EngineResult<Lost> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let (wait, lost) = self.draw(work);
        loop {
            let Reach { fault, version, .. } = self.reach.get();
            let pause = match fault {
                Some(Fault::Failed) => return Err(self.refused()),
                Some(Fault::Cut | Fault::Hung) => deadline,
                None => Instant::now() + wait,
            };
            tokio::select! {
                biased; // A fault that changes is rare.
                () = self.reach.changes_from(version) => {}
                () = tokio::time::sleep_until(pause) => match fault {
                    None => return Ok(lost),
                    Some(_) => return Err(self.silent(fault)),
                },
            }
        }
    }

    fn draw(&self, work: Work) -> (Duration, Lost) {
        let mut chance = lock(&self.chance);
        let latency = self.spec.latency;
        let times = match work {
            Work::Look => 1,
            Work::Make => 3,
            Work::Start => 8,
        };
        let sway = latency.jitter_percent.min(100);
        let percent = between(chance.dice.next_u64(), 100 - sway, 100 + sway);
        let slow = match chance.dice.next_u64() % SLOW_ONE_IN {
            0 => 4,
            _ => 1,
        };
        let ms = latency.typical_ms * times * slow * percent / 100;
        let lost = match chance.dice.next_u64() % 100 {
            draw if draw >= chance.lost_percent => Lost::No,
            draw if draw % 2 == 0 => Lost::Request,
            _ => Lost::Answer,
        };
        (Duration::from_millis(ms), lost)
    }

    /// A number from 0 up to and without 1, from the host's own dice.
    pub(super) fn chance(&self) -> f64 {
        unit(lock(&self.chance).dice.next_u64())
    }

    fn dropped(&self) -> EngineError {
        EngineError::Unreachable("connection reset by peer".to_owned())
    }

    fn refused(&self) -> EngineError {
        EngineError::Unreachable("connection refused".to_owned())
    }

    fn silent(&self, fault: Option<Fault>) -> EngineError {
        let seconds = ANSWER_TIMEOUT.as_secs();
        EngineError::Unreachable(match fault {
            Some(Fault::Hung) => format!("no answer within {seconds} s"),
            _ => format!("no route to the host within {seconds} s"),
        })
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.reach.get().fault
    }

    /// Brings a fault over the host, or ends it.
    pub(super) fn set_fault(self: &Arc<Self>, fault: Option<Fault>) {
        if fault == Some(Fault::Failed) {
            self.with(Machine::lose_power);
        }
        let breaks = u64::from(matches!(fault, Some(Fault::Failed | Fault::Cut)));
        self.reach.set(|reach| {
            reach.fault = fault;
            reach.breaks += breaks;
        });
    }

    /// From now on, so many calls in a hundred come to nothing, half of them after they were
    /// carried out.
    pub(super) fn lose(&self, percent: u64) {
        lock(&self.chance).lost_percent = percent.min(100);
    }

    /// Whether calls come to nothing now and then.
    pub(super) fn loses(&self) -> bool {
        lock(&self.chance).lost_percent > 0
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<EngineEvent> {
        self.events.subscribe()
    }

    /// A connection that stays open.
    pub(super) fn connection(self: &Arc<Self>) -> Wire {
        let Reach {
            breaks, version, ..
        } = self.reach.get();
        Wire {
            host: self.clone(),
            version,
            breaks,
        }
    }
}

/// A connection that stays open until a fault breaks it.
pub(super) struct Wire {
    pub(super) host: Arc<Host>,
    /// What was seen of its reach last.
    version: u64,
    breaks: u64,
}

impl Wire {
    /// Waits until bytes flow.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] once the connection is broken.
    pub(super) async fn flows(&mut self) -> EngineResult<()> {
        loop {
            let now = self.host.reach.get();
            self.version = now.version;
            match now.fault {
                Some(Fault::Failed) => return Err(self.host.dropped()),
                Some(Fault::Cut | Fault::Hung) => {}
                None if now.breaks != self.breaks => return Err(self.host.dropped()),
                None => return Ok(()),
            }
            self.host.reach.changes_from(now.version).await;
        }
    }

    /// Waits for the next change between faults.
    pub(super) async fn disturbed(&mut self) {
        self.host.reach.changes_from(self.version).await;
        self.version = self.host.reach.get().version;
    }
}
