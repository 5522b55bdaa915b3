//! A simulated host: time, latency and faults around a machine.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::dice::{between, fold_text, unit};
use super::image::Registry;
use super::machine::Machine;
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
    reach: watch::Sender<Reach>,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
            spec,
            seed,
            base,
            begun: Instant::now(),
            reach: watch::Sender::new(Reach::default()),
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
            // Nobody listening is no loss: whoever comes lists first.
            let _ = self.events.send(event);
        }
        if let Some(due) = due {
            self.arm(due, now);
        }
        result
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
        match lost {
            Lost::Answer => Err(self.dropped()),
            _ => result,
        }
    }

    /// Waits as long as a call takes to arrive.
    async fn arrive(&self, work: Work) -> EngineResult<Lost> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let (wait, lost) = self.draw(work);
        let mut reach = self.reach.subscribe();
        loop {
            let fault = reach.borrow_and_update().fault;
            let pause = match fault {
                Some(Fault::Failed) => return Err(self.refused()),
                Some(Fault::Cut | Fault::Hung) => deadline,
                None => Instant::now() + wait,
            };
            tokio::select! {
                biased;
                _ = reach.changed() => {}
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
        self.reach.borrow().fault
    }

    /// Brings a fault over the host, or ends it.
    pub(super) fn set_fault(self: &Arc<Self>, fault: Option<Fault>) {
        if fault == Some(Fault::Failed) {
            self.with(Machine::lose_power);
        }
        let breaks = u64::from(matches!(fault, Some(Fault::Failed | Fault::Cut)));
        self.reach.send_modify(|reach| {
            reach.fault = fault;
            reach.breaks += breaks;
        });
    }

    /// From now on, so many calls in a hundred come to nothing, half of them after they were
    /// carried out.
    pub(super) fn lose(&self, percent: u64) {
        lock(&self.chance).lost_percent = percent.min(100);
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<EngineEvent> {
        self.events.subscribe()
    }

    /// A connection that stays open.
    pub(super) fn connection(self: &Arc<Self>) -> Wire {
        let reach = self.reach.subscribe();
        let breaks = reach.borrow().breaks;
        Wire {
            host: self.clone(),
            reach,
            breaks,
        }
    }
}

/// A connection that stays open until a fault breaks it.
pub(super) struct Wire {
    pub(super) host: Arc<Host>,
    reach: watch::Receiver<Reach>,
    breaks: u64,
}

impl Wire {
    /// Waits until bytes flow.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] once the connection is broken.
    pub(super) async fn flows(&mut self) -> EngineResult<()> {
        loop {
            let now = *self.reach.borrow_and_update();
            match now.fault {
                Some(Fault::Failed) => return Err(self.host.dropped()),
                Some(Fault::Cut | Fault::Hung) => {}
                None if now.breaks != self.breaks => return Err(self.host.dropped()),
                None => return Ok(()),
            }
            if self.reach.changed().await.is_err() {
                return Err(self.host.dropped());
            }
        }
    }

    /// Waits for the next change between faults.
    pub(super) async fn disturbed(&mut self) {
        if self.reach.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
