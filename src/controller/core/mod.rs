//! Decides, and does nothing else: inputs and a state go in, changes come out. No clock, no
//! random, no I/O, so that a whole fleet can be replayed from one seed.

mod about;
mod audit;
mod clusters;
mod configure;
mod course;
mod derive;
mod effects;
mod execute;
mod find;
mod ground;
mod instances;
mod observe;
mod orphans;
mod pins;
mod protection;
mod purge;
mod reload;
mod rest;
mod schedules;
mod services;
mod stepped;
mod tagging;
mod tasks;
mod work;

#[cfg(test)]
mod tests;

use crate::config::{ClusterSettings, InstanceSettings};
use crate::controller::command::{Command, CommandError, ErrorKind, Response, permit};
use crate::controller::orphaned::Orphaned;
use crate::model::id::mix;
use crate::model::snapshot::{Live, StoreOutage};
use crate::model::{Actor, Change, Observation, Outcome, Role, State, TimeMs};
use crate::scheduler::{self, Index};

pub use course::{Course, Round, Served, course, without};
pub use effects::{Action, Effects, Move, subject};
pub(super) use observe::MOVED;
pub use orphans::orphans;
pub use reload::Reload;

use audit::Asked;
use configure::Agents;
use work::Work;

/// How often the scheduler may look again at its own work in one decision. Planning what was
/// planned gives nothing, so two rounds are the rule.
const PLAN_ROUNDS_MAX: usize = 4;

/// Debug builds check the invariants after each plan of a state with so many tasks at most.
const CHECKED_TASKS_MAX: usize = 5_000;
/// Over states of so many tasks and instances at most, every decision's index is proven in debug
/// builds.
const PROVEN_SIZE: usize = 1_000;

/// The clusters, instances and roles that the configuration names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fleet {
    /// Clusters; `default` need not be among them.
    pub clusters: Vec<ClusterSettings>,
    /// Instances.
    pub instances: Vec<InstanceSettings>,
    /// Task roles: names of grants, never a secret's value.
    pub roles: Vec<Role>,
}

/// A start of the control plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// What the configuration names.
    pub fleet: Fleet,
    /// When a control plane of this state last ran; `None` where nobody knows. The time since then
    /// is no part of any silence: nobody looked.
    pub last_alive: Option<TimeMs>,
    /// How long one attempt to reach an instance may take, in milliseconds: `Tuning::connect_timeout`.
    pub attempt_ms: u64,
}

/// Something that the control plane has to take in.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The configuration is this: sent at start, before any agent has spoken.
    Configure(Beginning),
    /// The configuration was read anew while agents are at work.
    Reload(Reload),
    /// It was to be read anew and cannot be used, for this reason.
    ReloadRefused(String),
    /// The change log can be written again.
    LogIsBack(StoreOutage),
    /// The wall clock was set while the control plane runs.
    ClockStepped {
        /// Forward, or back where it is negative, in milliseconds.
        by_ms: i64,
    },
    /// Someone asks for a change.
    Command {
        /// What is asked.
        command: Command,
        /// By whom, for the audit trail.
        who: Actor,
    },
    /// Someone asks for several changes at once: all are made, or none.
    Batch(Batch),
    /// An agent reports.
    Observation(Observation),
    /// Nothing happened, but it is time to look again.
    Wake,
}

/// Changes that are made together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// What is asked, in this order.
    pub commands: Vec<Command>,
    /// By whom, for the audit trail.
    pub who: Actor,
    /// What it was planned to come to. If it would come to anything else, nothing is done.
    pub planned: Option<Effects>,
}

/// What follows from some inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What changes, in order; to be stored before anything acts on it.
    pub changes: Vec<Change>,
    /// The state after these changes.
    pub state: State,
    /// The live part after these inputs, if it moved.
    pub live: Option<Live>,
    /// One answer for each command, in order.
    pub replies: Vec<Result<Response, CommandError>>,
    /// One answer for each batch, in order: an answer for each of its commands.
    pub batches: Vec<Result<Vec<Response>, CommandError>>,
    /// One answer for each reload, in order.
    pub reloads: Vec<Result<(), Orphaned>>,
    /// When to look again if nothing happens before.
    pub wake_at: Option<TimeMs>,
}

/// Takes inputs in, in order, then lets the scheduler plan until nothing is left to plan. The
/// same arguments give the same decision; a different `seed` gives different fresh ids.
#[must_use]
pub fn decide(state: &State, live: &Live, now: TimeMs, seed: u64, inputs: Vec<Input>) -> Decision {
    decide_with(&mut Index::new(state), state, live, now, seed, inputs)
}

/// [`decide`] with the index that is kept beside the state: that of `state` before, that of the
/// decision's state after. It changes how fast the decision is made and nothing else.
#[must_use]
pub fn decide_with(
    index: &mut Index,
    state: &State,
    live: &Live,
    now: TimeMs,
    seed: u64,
    inputs: Vec<Input>,
) -> Decision {
    let mut work = Work::new(std::mem::take(index), state, live, now, seed);
    let (mut replies, mut batches, mut reloads) = (Vec::new(), Vec::new(), Vec::new());
    for input in inputs {
        match input {
            Input::Configure(beginning) => {
                stepped::at_start(&mut work);
                let agents = Agents::silent(&beginning, now);
                configure::configure(&mut work, &beginning.fleet, agents);
            }
            Input::ClockStepped { by_ms } => stepped::stepped(&mut work, by_ms),
            Input::Reload(reload) => reloads.push(reload::reload(&mut work, reload)),
            Input::ReloadRefused(reason) => reload::refused(&mut work, &reason),
            Input::LogIsBack(outage) => reload::log_is_back(&mut work, &outage),
            Input::Command { command, who } => {
                let asked = Asked::of(&command);
                let reply = carry_out(&mut work, command, &asked, &who);
                if let Err(refusal) = &reply {
                    audit::refused(&mut work, &asked, &who, refusal);
                }
                replies.push(reply);
            }
            Input::Batch(batch) => batches.push(carry_out_all(&mut work, batch)),
            Input::Observation(observation) => observe::observe(&mut work, observation),
            Input::Wake => {}
        }
    }
    let due = schedules::due(&mut work);
    let planned = plan(&mut work);
    let purged = purge::purge(&mut work);
    let wake_at = planned.into_iter().chain(purged).chain(due).min();
    let (changes, state, live, moved) = work.finish();
    debug_assert!(
        !is_looked_at(&state, seed) || moved == Index::new(&state),
        "the index is not that of the state"
    );
    *index = moved;
    Decision {
        changes,
        state,
        live,
        replies,
        batches,
        reloads,
        wake_at,
    }
}

/// Whether a debug build compares the index that was carried along with one made afresh: after
/// every decision over a small state, and of a larger one so many that it costs no more a task.
fn is_looked_at(state: &State, seed: u64) -> bool {
    let size = state.tasks.len() + state.instances.len();
    mix(seed).is_multiple_of((1 + size / PROVEN_SIZE) as u64)
}

/// Plans until the plan is empty, and tells when the scheduler wants to look again.
fn plan(work: &mut Work) -> Option<TimeMs> {
    let mut wake_at = None;
    for round in 1..=PLAN_ROUNDS_MAX {
        let plan = scheduler::plan_with(&mut work.index, &work.state, work.now, &mut work.ids);
        wake_at = plan.wake_at;
        let changes = plan.changes(&work.state, work.now);
        if changes.is_empty() {
            break;
        }
        debug_assert!(
            round < PLAN_ROUNDS_MAX,
            "the scheduler does not come to rest: {changes:#?}"
        );
        let restless = (round == PLAN_ROUNDS_MAX).then(|| rest::without(&changes));
        let before = work.state.clone();
        for change in changes {
            work.put(change);
        }
        if cfg!(debug_assertions) && before.tasks.len() <= CHECKED_TASKS_MAX {
            let violations = scheduler::check_plan(&before, &plan, &work.state, work.now);
            debug_assert!(violations.is_empty(), "{violations:#?}");
        }
        if let Some(restless) = restless {
            let again = rest::tell(work, restless);
            wake_at = wake_at.into_iter().chain([again]).min();
        }
    }
    wake_at
}

/// Carries a batch out whole or not at all, and only if it comes to what was planned.
fn carry_out_all(work: &mut Work, batch: Batch) -> Result<Vec<Response>, CommandError> {
    // What is due without it is no part of it.
    plan(work);
    let before = work.state.clone();
    let mark = work.mark();
    let (mut responses, mut all) = (Vec::new(), Vec::new());
    for command in batch.commands {
        let asked = Asked::of(&command);
        match carry_out(work, command, &asked, &batch.who) {
            Ok(response) => responses.push(response),
            Err(refusal) => {
                work.rewind(mark);
                audit::refused(work, &asked, &batch.who, &refusal);
                return Err(refusal);
            }
        }
        all.push(asked);
    }
    plan(work);
    let Some(planned) = batch.planned else {
        return Ok(responses);
    };
    let due = effects::balancing(&before, &work.state);
    let departs = Effects::between(&before, &work.state).departs_from(&planned, &due);
    if departs.is_empty() {
        return Ok(responses);
    }
    work.rewind(mark);
    let refusal = CommandError::new(
        ErrorKind::ConflictException,
        format!(
            "The state has moved since this was planned, so it was not done and nothing was \
             changed. Plan again. What differs:\n{}",
            departs.join("\n")
        ),
    );
    for asked in &all {
        audit::refused(work, asked, &batch.who, &refusal);
    }
    Err(refusal)
}

/// Carries a command out whole or not at all. What is done is in the audit trail then; what is
/// refused is the caller's to write down, who may have more to take back.
fn carry_out(
    work: &mut Work,
    command: Command,
    asked: &Asked,
    actor: &Actor,
) -> Result<Response, CommandError> {
    let before = work.mark();
    work.actor = Some(asked.audit(actor, Outcome::Done));
    work.told = false;
    let reply = match permit::check(&command, actor) {
        Ok(()) => handle(work, command, &actor.user),
        Err(refusal) => Err(refusal),
    };
    work.actor = None;
    match &reply {
        Err(_) => work.rewind(before),
        Ok(_) if !work.told => audit::nothing_to_do(work, asked, actor),
        Ok(_) => {}
    }
    reply
}

fn handle(work: &mut Work, command: Command, who: &str) -> Result<Response, CommandError> {
    match command {
        Command::RegisterTaskDefinition(request) => tasks::register(work, *request, who),
        Command::DeregisterTaskDefinition(request) => tasks::deregister(work, &request, who),
        Command::CreateService(request) => services::create(work, *request, who),
        Command::UpdateService(request) => services::update(work, *request, who),
        Command::RebalanceService(request) => services::rebalance(work, &request, who),
        Command::DeleteService(request) => services::delete(work, &request, who),
        Command::RunTask(request) => tasks::run(work, &request, who),
        Command::StopTask(request) => tasks::stop(work, &request, who),
        Command::ExecuteCommand(request) => execute::execute(work, &request, who),
        Command::UpdateTaskProtection(request) => protection::update(work, &request, who),
        Command::UpdateContainerInstancesState(request) => {
            instances::update_state(work, &request, who)
        }
        Command::CreateCluster(request) => clusters::create(work, &request, who),
        Command::DeleteCluster(request) => clusters::delete(work, &request, who),
        Command::TagResource(request) => tagging::tag(work, &request, who),
        Command::UntagResource(request) => tagging::untag(work, &request, who),
        Command::PutSchedule(request) => schedules::put(work, *request, who),
        Command::DeleteSchedule(request) => schedules::delete(work, &request, who),
        Command::RunSchedule(request) => schedules::run_now(work, &request, who),
    }
}
