//! One seed from its beginning to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::character::Character;
use super::trace::{Failure, Record};
use super::world::{BASE, PATIENCE, Step, World};
use crate::model::{InstanceStatus, State, Task, TaskId};
use crate::scheduler::{REBALANCE_WAIT_MS, REBALANCING};

/// By then a mended store has been tried again (the driver waits 15 s at most).
const WRITES_AGAIN: Duration = Duration::from_secs(20);
/// For so long a settled fleet has to stay as it is: two whole lists of every engine.
const STAYS: Duration = Duration::from_secs(150);

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What must not be, if anything was found.
    pub failure: Option<Failure>,
    /// Everything that happened, as one number: equal in every run of the seed.
    pub hash: u64,
    /// How much time passed in it, in milliseconds.
    pub simulated_ms: u64,
    /// Calls to engines.
    pub calls: u64,
    /// Changes that were stored.
    pub changes: u64,
    /// Writes that were cut off in the middle, and looked at on the real store.
    pub torn: u64,
    /// The last of what happened, line by line.
    pub last: Vec<String>,
}

/// Runs something in a world of its own: one thread, and a clock that is wound on whenever all have
/// done what they could.
///
/// # Errors
/// What the system says if it gives no event loop.
pub fn simulate<T>(run: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(run))
}

/// One seed: a fleet comes up, whatever can happen to it happens for so long, and then everything
/// has to come right. `aloud` is given every line.
///
/// # Errors
/// What the system says if it gives no event loop, or no disk to tear writes on: what the seed comes
/// to is not known then.
pub fn storm(seed: u64, length: Duration, aloud: Option<fn(&str)>) -> std::io::Result<Outcome> {
    let outcome = simulate(async {
        let character = Character::of(seed);
        let mut record = None;
        let ended = weather(seed, character, length, aloud, &mut record).await;
        let record = record.unwrap_or_else(|| Record::new(None));
        if let Some(trouble) = record.troubled() {
            return Err(std::io::Error::other(trouble));
        }
        let (calls, changes) = record.counts();
        Ok(Outcome {
            seed,
            failure: ended.err(),
            hash: record.hash(),
            simulated_ms: record.elapsed_ms(),
            calls,
            changes,
            torn: record.torn(),
            last: record.last(),
        })
    });
    outcome?
}

async fn weather(
    seed: u64,
    character: Character,
    length: Duration,
    aloud: Option<fn(&str)>,
    record: &mut Option<Record>,
) -> Step {
    let mut world = World::new(seed, character, aloud).await?;
    *record = Some(world.record.clone());
    world.bring_up().await?;
    let end = Instant::now() + length;
    while Instant::now() < end {
        world.disturb().await?;
    }
    world.mend_and_settle().await
}

fn wanted(state: &State) -> BTreeSet<TaskId> {
    let wanted = state.tasks.values().filter(|task| task.is_wanted());
    wanted.map(|task| task.id).collect()
}

/// Whether nothing of these was stopped but to balance zones: what was held back after failures
/// falls due only long after the faults end.
fn balanced_only(state: &State, before: &BTreeSet<TaskId>) -> bool {
    let mut gone = before
        .iter()
        .filter_map(|id| state.tasks.get(id))
        .filter(|task| !task.is_wanted())
        .peekable();
    let to_balance = |task: &Arc<Task>| {
        let reason = task.stopped_reason.as_deref();
        reason.is_some_and(|it| it.starts_with(REBALANCING))
    };
    gone.peek().is_some() && gone.all(to_balance)
}

impl World {
    /// Ends every fault, and waits until everything is as wanted, as it is kept and in truth; and
    /// so it has to stay.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn mend_and_settle(&mut self) -> Step {
        self.record.note("everything is mended");
        self.mend_all();
        // A store that was full is tried again only now and then; until it is, commands are refused.
        self.pass(WRITES_AGAIN).await?;
        self.unschedule().await?;
        for host in self.character.hosts.clone() {
            self.put_status(&host, InstanceStatus::Active).await?;
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.until("everything settles after the faults", Self::settled)
                .await?;
            // It may be settled because the latest fault is not yet noticed: it has to last. Nor has
            // it lasted before instances that came back were given tasks again.
            let before = wanted(&self.state());
            self.pass(Duration::from_millis(2 * REBALANCE_WAIT_MS))
                .await?;
            if self.settled() && wanted(&self.state()) == before {
                self.truth_agrees()?;
                self.pass(STAYS).await?;
                if wanted(&self.state()) == before {
                    return self.truth_agrees();
                }
                if !balanced_only(&self.state(), &before) {
                    return self.fail("a settled fleet changed");
                }
            }
            if Instant::now() >= deadline {
                let told = describe(&self.state());
                return self.fail(format!("it does not stay settled\n{told}"));
            }
        }
    }

    /// What really runs is what is kept, each container once.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn truth_agrees(&self) -> Step {
        match self.truth.departs(&self.state()) {
            Some(departs) => self.fail(departs),
            None => Ok(()),
        }
    }
}

/// A state in words, for a failure.
pub(super) fn describe(state: &State) -> String {
    let mut text = String::new();
    for service in state.services.values() {
        let tasks = || state.service_tasks(&service.cluster, &service.name);
        text += &format!(
            "service {} wants {}, {} serve, {} are wanted; unplaced {:?}; backoff {:?}; {:?}\n",
            service.name,
            service.desired_count,
            tasks().filter(|task| task.is_serving()).count(),
            tasks().filter(|task| task.is_wanted()).count(),
            service.unplaced.as_ref().map(|it| (it.count, &it.message)),
            service.backoff,
            service
                .deployments
                .iter()
                .map(|it| (&it.id, it.rollout_state, it.created_at.since_ms(BASE)))
                .collect::<Vec<_>>(),
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
            "task {} of {} on {}: {:?}, wanted {:?}, lost {:?}, health {:?}\n",
            task.id.short(),
            task.group,
            task.instance,
            task.last_status,
            task.desired_status,
            task.lost_at,
            task.health(),
        );
    }
    for event in state.events.iter().rev().take(15) {
        text += &format!("event {} {}\n", event.at.since_ms(BASE), event.message);
    }
    text
}
