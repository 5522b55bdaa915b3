//! Whether a service has come to rest, is on its way, or is not going to get there. Pure: the
//! time is an argument.

use std::collections::BTreeMap;

use super::reasons::reasons;
use crate::model::service::SchedulingStrategy;
use crate::model::state::ServiceKey;
use crate::model::{
    DeploymentId, InstanceName, RolloutState, Service, ServiceStatus, State, Task,
    TaskDefinitionId, TimeMs,
};
use crate::scheduler::breaker_threshold;

/// How long tasks may keep failing to start before waiting is given up, where no circuit breaker
/// decides it.
pub const FAILING_PATIENCE_MS: u64 = 20_000;
/// How long tasks may find no place before waiting is given up. Hosts that connect late, or a
/// rolling update that makes room, solve it sooner.
pub const UNPLACED_PATIENCE_MS: u64 = 30_000;
/// How long a host may be silent before a deletion no longer waits for what it is to stop.
pub const SILENT_PATIENCE_MS: u64 = 15_000;
/// How long a change that was made may be missing in the picture before that is told as a failure.
pub const UNSEEN_PATIENCE_MS: u64 = 30_000;

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is as wanted.
    Settled(String),
    /// It is on its way.
    Moving(String),
    /// It is not going to get there, and why.
    Failed(String),
}

/// A change that was made, by what the answer to it says of its service. The picture may show
/// it later than the answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The deployment that has to complete.
    pub deployment: DeploymentId,
    /// How many tasks it is to have.
    pub desired_count: u32,
}

impl Made {
    fn is_in(&self, service: Option<&Service>) -> bool {
        service.is_some_and(|service| {
            // A DAEMON's count follows the instances from the next plan on.
            let counted = service.scheduling_strategy == SchedulingStrategy::Replica;
            (!counted || service.desired_count == self.desired_count)
                && service
                    .deployments
                    .iter()
                    .any(|it| it.id == self.deployment)
        })
    }
}

/// Follows one service from a change of it to its rest.
#[derive(Clone, Debug)]
pub struct Follow {
    key: ServiceKey,
    deleting: bool,
    deployment: Option<DeploymentId>,
    unseen: Option<Made>,
    unseen_since: Option<TimeMs>,
    silent_since: Option<TimeMs>,
    failing_since: Option<TimeMs>,
    unplaced_since: Option<TimeMs>,
}

impl Follow {
    /// Follows a service from now on: its PRIMARY deployment is the one that has to complete, or,
    /// if it was deleted, its last task is the one that has to go.
    #[must_use]
    pub fn new(state: &State, key: ServiceKey, deleting: bool) -> Self {
        let service = state.services.get(&key);
        Self {
            deployment: service
                .and_then(|service| service.primary())
                .map(|deployment| deployment.id.clone()),
            deleting,
            key,
            unseen: None,
            unseen_since: None,
            silent_since: None,
            failing_since: None,
            unplaced_since: None,
        }
    }

    /// Follows what an answer says was made, from when the picture has it.
    #[must_use]
    pub fn after(mut self, made: Option<Made>) -> Self {
        if let Some(made) = made {
            self.deployment = Some(made.deployment.clone());
            self.unseen = Some(made);
        }
        self
    }

    /// While the picture does not have the change yet: that.
    fn unseen(&mut self, state: &State, now: TimeMs) -> Option<Standing> {
        let service = state.services.get(&self.key).map(AsRef::as_ref);
        let deletion =
            self.deleting && service.is_some_and(|it| it.status == ServiceStatus::Active);
        if self.unseen.as_ref().is_some_and(|made| made.is_in(service)) {
            self.unseen = None;
        }
        let unseen = deletion || self.unseen.is_some();
        let late = lasting(&mut self.unseen_since, unseen, now)? >= UNSEEN_PATIENCE_MS;
        let name = &self.key.1;
        Some(if late {
            Standing::Failed(format!(
                "{name}: the change was made, and is not to be seen: it was changed again at \
                 once, or the picture is late"
            ))
        } else {
            Standing::Moving(format!(
                "{name}: the change is made, and not in the picture yet"
            ))
        })
    }

    /// How a deletion stands. What is to stop on a host that does not answer cannot be confirmed.
    fn deletion(&mut self, state: &State, service: &Service, now: TimeMs) -> Standing {
        let name = &service.name;
        let tasks = Counts::of(state, service);
        let left = tasks.serving + tasks.starting + tasks.others;
        let silent = silent(state, service);
        let only_silent = left == 0 && !silent.is_empty();
        let waited = lasting(&mut self.silent_since, only_silent, now);
        let Some(waited) = waited else {
            let noun = if left == 1 { "task" } else { "tasks" };
            return Standing::Moving(format!("{name}: {left} {noun} left to stop"));
        };
        let hosts: Vec<String> = silent
            .iter()
            .map(|(instance, count)| match count {
                1 => format!("1 task on {instance}"),
                count => format!("{count} tasks on {instance}"),
            })
            .collect();
        let line = format!(
            "{name}: the stop of {} is not confirmed, for no answer comes from there",
            hosts.join(", ")
        );
        if waited >= SILENT_PATIENCE_MS {
            Standing::Failed(format!(
                "{line}; it is deleted, and they are stopped as soon as an answer comes"
            ))
        } else {
            Standing::Moving(line)
        }
    }

    /// How it stands now.
    pub fn look(&mut self, state: &State, now: TimeMs) -> Standing {
        if let Some(unseen) = self.unseen(state, now) {
            return unseen;
        }
        let name = self.key.1.clone();
        let service = state
            .services
            .get(&self.key)
            .filter(|service| service.status != ServiceStatus::Inactive);
        let Some(service) = service else {
            return if self.deleting {
                Standing::Settled(format!("{name}: deleted"))
            } else {
                Standing::Failed(format!("{name}: the service was deleted meanwhile"))
            };
        };
        let tasks = Counts::of(state, service);
        if service.status == ServiceStatus::Draining {
            if self.deleting {
                return self.deletion(state, service, now);
            }
            return Standing::Failed(format!("{name}: the service was deleted meanwhile"));
        }
        if let Some(reason) = self.given_up(state, service) {
            return Standing::Failed(format!("{name}: {reason}"));
        }
        let line = tasks.line(service);
        if tasks.is_settled(service) {
            return Standing::Settled(line);
        }
        match self.out_of_patience(state, service, now) {
            Some(reason) => Standing::Failed(format!("{line}\n{reason}")),
            None => Standing::Moving(line),
        }
    }

    /// Why the deployment that is followed was given up, if it was.
    fn given_up(&self, state: &State, service: &Service) -> Option<String> {
        let primary = service.primary()?;
        let followed = self.deployment.as_ref()?;
        let ours = service.deployments.iter().find(|it| &it.id == followed);
        match ours {
            Some(ours) if ours.rollout_state == RolloutState::Failed => {
                let mut text = format!(
                    "the deployment of {} FAILED: {}",
                    ours.task_definition, ours.rollout_state_reason
                );
                let serving = Counts::of(state, service).serve(service, &ours.id);
                if !serving.is_empty() {
                    text.push_str(&format!("\n  {}", serving.join(", ")));
                }
                for reason in reasons(state, &self.key, Some(&ours.id)) {
                    text.push_str(&format!("\n  {reason}"));
                }
                Some(text)
            }
            Some(ours) if ours.id == primary.id => None,
            _ => {
                let mut text = format!(
                    "another deployment, of {}, has taken its place: {}",
                    primary.task_definition, primary.rollout_state_reason
                );
                for reason in reasons(state, &self.key, Some(followed)) {
                    text.push_str(&format!("\n  {reason}"));
                }
                Some(text)
            }
        }
    }

    fn out_of_patience(&mut self, state: &State, service: &Service, now: TimeMs) -> Option<String> {
        let primary = service.primary()?;
        let breaker = &service.deployment_configuration.deployment_circuit_breaker;
        let failing =
            !breaker.enable && primary.failed_tasks >= breaker_threshold(service.desired_count);
        let failing_for = lasting(&mut self.failing_since, failing, now);
        if failing_for.is_some_and(|ms| ms >= FAILING_PATIENCE_MS) {
            let mut text = format!(
                "{} of its tasks failed to start, and it is tried on with growing pauses",
                primary.failed_tasks
            );
            for reason in reasons(state, &self.key, Some(&primary.id)) {
                text.push_str(&format!("\n  {reason}"));
            }
            return Some(text);
        }
        let unplaced_for = lasting(&mut self.unplaced_since, service.unplaced.is_some(), now);
        let unplaced = service.unplaced.as_ref()?;
        if unplaced_for.is_some_and(|ms| ms >= UNPLACED_PATIENCE_MS) {
            let mut text = format!("{} of its tasks find no place:", unplaced.count);
            for refusal in &unplaced.refusals {
                let why = refusal.reasons.join("; ");
                text.push_str(&format!("\n  {}: {why}", refusal.instance));
            }
            return Some(text);
        }
        None
    }
}

/// For how long something has been so; starts and ends the count.
fn lasting(since: &mut Option<TimeMs>, is_so: bool, now: TimeMs) -> Option<u64> {
    if !is_so {
        *since = None;
        return None;
    }
    Some(now.since_ms(*since.get_or_insert(now)))
}

/// How many tasks that have not stopped a service has on hosts that do not answer.
fn silent(state: &State, service: &Service) -> BTreeMap<InstanceName, usize> {
    let mut silent = BTreeMap::new();
    for task in state.service_tasks(&service.cluster, &service.name) {
        let instance = state.instances.get(&task.instance);
        if !task.is_stopped() && instance.is_some_and(|it| !it.is_connected()) {
            *silent.entry(task.instance.clone()).or_insert(0) += 1;
        }
    }
    silent
}

/// A service's tasks by how they stand to its PRIMARY deployment.
#[derive(Default)]
pub(super) struct Counts {
    serving: u32,
    starting: u32,
    /// What is to go: what serves still, and what stops.
    others: u32,
    /// Of other deployments, what still serves.
    old: BTreeMap<TaskDefinitionId, u32>,
    /// What counts, on hosts that do not answer.
    pub(super) silent: BTreeMap<InstanceName, u32>,
}

impl Counts {
    pub(super) fn of(state: &State, service: &Service) -> Self {
        let wanted = service.primary().map(|primary| &primary.id);
        let mut counts = Self::default();
        let heard = |task: &Task| state.hears(task);
        for task in state.service_tasks(&service.cluster, &service.name) {
            if task.is_stopped() || task.lost_at.is_some() {
                continue;
            }
            if task.is_wanted() && !heard(task) {
                *counts.silent.entry(task.instance.clone()).or_default() += 1;
            }
            if task.is_wanted() && task.deployment.as_ref() == wanted {
                if task.is_serving() {
                    counts.serving += 1;
                } else {
                    counts.starting += 1;
                }
            } else if heard(task) {
                // What is to stop on a host that does not answer is not waited for.
                counts.others += 1;
                if task.is_serving() {
                    let definition = task.task_definition.clone();
                    *counts.old.entry(definition).or_default() += 1;
                }
            }
        }
        counts
    }

    /// What serves beside that deployment, in words.
    fn serve(&self, service: &Service, beside: &DeploymentId) -> Vec<String> {
        let primary = service.primary().filter(|it| it.id != *beside);
        let new = primary.map(|it| (&it.task_definition, self.serving));
        let all = new.into_iter().chain(self.old.iter().map(|(k, v)| (k, *v)));
        all.filter(|(_, count)| *count > 0)
            .map(|(definition, count)| match count {
                1 => format!("1 task of {definition} serves still"),
                count => format!("{count} tasks of {definition} serve still"),
            })
            .collect()
    }

    fn is_settled(&self, service: &Service) -> bool {
        // One that failed is kept beside the one that was gone back to, to be told of.
        let completed = service.primary().is_some_and(|primary| {
            primary.rollout_state == RolloutState::Completed
                && service
                    .deployments
                    .iter()
                    .all(|it| it.id == primary.id || it.rollout_state == RolloutState::Failed)
        });
        let balancing = service.rebalance.as_ref();
        let asked = balancing.is_some_and(|it| it.asked_at.is_some());
        completed
            && !asked
            && self.serving == service.desired_count
            && self.starting == 0
            && self.others == 0
            && service.unplaced.is_none()
    }

    fn line(&self, service: &Service) -> String {
        let mut line = format!(
            "{}: {} of {} running",
            service.name, self.serving, service.desired_count
        );
        if let Some(primary) = service.primary() {
            line.push_str(&format!(" ({})", primary.task_definition));
        }
        if self.starting > 0 {
            line.push_str(&format!(", {} starting", self.starting));
        }
        for (definition, count) in &self.old {
            let serve = if *count == 1 { "serves" } else { "serve" };
            line.push_str(&format!(", {count} older of {definition} still {serve}"));
        }
        let going = self.others.saturating_sub(self.old.values().sum());
        if going > 0 {
            line.push_str(&format!(", {going} to be stopped"));
        }
        if service.rebalance.is_some() {
            line.push_str(", zones being balanced");
        }
        if let Some(unplaced) = &service.unplaced {
            line.push_str(&format!(", {} without a place", unplaced.count));
        }
        for (name, count) in &self.silent {
            line.push_str(&format!(", {count} on {name}, which does not answer"));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::reasons::held_up;
    use crate::scheduler::fixture;
    use crate::scheduler::world::World;

    fn world() -> (World, ServiceKey) {
        let mut world = World::new([fixture::instance("a", "z1", 4096, 4096, &[])]);
        world.put_definition(fixture::definition("web", 1, 256, 256, &[]));
        world.put_service(fixture::service("web", 2));
        let key = (
            crate::model::ClusterName::default_cluster(),
            fixture::service_name("web"),
        );
        (world, key)
    }

    #[test]
    fn a_service_is_followed_to_its_rest() {
        let (mut world, key) = world();
        let mut follow = Follow::new(&world.state, key, false);
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Moving("web: 0 of 2 running (web:1)".into())
        );
        world.plan();
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Moving("web: 0 of 2 running (web:1), 2 starting".into())
        );
        world.settle();
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Settled("web: 2 of 2 running (web:1)".into())
        );
    }

    #[test]
    fn what_finds_no_place_is_waited_for_only_so_long() {
        let (mut world, key) = world();
        world.put_definition(fixture::definition("web", 1, 9999, 256, &[]));
        let mut follow = Follow::new(&world.state, key, false);
        world.plan();
        let early = follow.look(&world.state, world.now);
        assert!(matches!(early, Standing::Moving(_)), "{early:?}");
        let late = follow.look(&world.state, world.now.plus_ms(UNPLACED_PATIENCE_MS));
        let Standing::Failed(reason) = late else {
            panic!("{late:?}");
        };
        assert!(reason.contains("2 without a place"), "{reason}");
        assert!(reason.contains("\n  a: "), "{reason}");
    }

    #[test]
    fn a_failed_deployment_ends_the_wait_with_its_reason() {
        let (mut world, key) = world();
        let mut follow = Follow::new(&world.state, key, false);
        world.edit_service("web", |service| {
            service.deployments[0].rollout_state = RolloutState::Failed;
            service.deployments[0].rollout_state_reason = "tasks failed to start.".into();
        });
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Failed("web: the deployment of web:1 FAILED: tasks failed to start.".into())
        );
        world.edit_service("web", |service| {
            service.deployments = vec![fixture::deployment(9, "web", 7, fixture::START)];
        });
        let Standing::Failed(reason) = follow.look(&world.state, world.now) else {
            panic!("not failed");
        };
        assert!(reason.contains("another deployment, of web:7"), "{reason}");
    }

    #[test]
    fn what_serves_of_before_and_what_does_not_answer_is_said() {
        let mut world = World::new([
            fixture::instance("a", "z1", 4096, 4096, &[]),
            fixture::instance("b", "z2", 4096, 4096, &[]),
        ]);
        for revision in 1..=2 {
            world.put_definition(fixture::definition("web", revision, 256, 256, &[]));
        }
        world.put_service(fixture::service("web", 2));
        let key = (
            crate::model::ClusterName::default_cluster(),
            fixture::service_name("web"),
        );
        world.settle();
        // An old failure, of a revision that is of no matter any more.
        for task in world.tasks("web").into_iter().take(1) {
            world.crash(task.id);
        }
        world.settle();
        let new = fixture::deployment(2, "web", 2, world.now);
        let now = world.now;
        world.edit_service("web", |service| service.begin(new, now));
        world.plan();
        let mut follow = Follow::new(&world.state, key.clone(), false);
        let looked = follow.look(&world.state, world.now);
        assert_eq!(
            looked,
            Standing::Moving(
                "web: 0 of 2 running (web:2), 2 starting, 2 older of web:1 still serve".into()
            )
        );
        assert!(held_up(&world.state, &key, world.now).is_empty());
        world.disconnect("b");
        world.advance_ms(7_000);
        let Standing::Moving(line) = follow.look(&world.state, world.now) else {
            panic!("not on its way");
        };
        assert!(line.ends_with(", 2 on b, which does not answer"), "{line}");
        assert_eq!(
            held_up(&world.state, &key, world.now),
            [
                "instance b has not answered for 7 s: 2 of its tasks are there, and what they do \
                 is not known"
            ]
        );
        world.reconnect("b");
        world.edit_service("web", |service| {
            service.deployments[0].rollout_state = RolloutState::Failed;
        });
        let Standing::Failed(reason) = follow.look(&world.state, world.now) else {
            panic!("not failed");
        };
        assert!(
            reason.contains("\n  2 tasks of web:1 serve still"),
            "{reason}"
        );
    }

    #[test]
    fn a_failed_deployment_beside_the_completed_one_is_no_unrest() {
        let (mut world, key) = world();
        world.settle();
        world.edit_service("web", |service| {
            let mut failed = fixture::deployment(9, "web", 2, fixture::START);
            failed.rollout_state = RolloutState::Failed;
            service.deployments.push(failed);
        });
        let mut follow = Follow::new(&world.state, key, false);
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Settled("web: 2 of 2 running (web:1)".into())
        );
        world.edit_service("web", |service| {
            service.deployments[1].rollout_state = RolloutState::InProgress;
        });
        let other = follow.look(&world.state, world.now);
        assert!(matches!(other, Standing::Moving(_)), "{other:?}");
    }

    #[test]
    fn a_change_that_the_picture_does_not_have_yet_is_not_taken_for_settled() {
        let (mut world, key) = world();
        world.settle();
        let new = fixture::deployment(9, "web", 1, fixture::START);
        let scaled = Made {
            deployment: world.service("web").deployments[0].id.clone(),
            desired_count: 3,
        };
        let made = Made {
            deployment: new.id.clone(),
            desired_count: 2,
        };
        for made in [made.clone(), scaled] {
            let mut follow = Follow::new(&world.state, key.clone(), false).after(Some(made));
            let early = follow.look(&world.state, world.now);
            assert!(matches!(early, Standing::Moving(_)), "{early:?}");
            let late = follow.look(&world.state, world.now.plus_ms(UNSEEN_PATIENCE_MS));
            assert!(matches!(late, Standing::Failed(_)), "{late:?}");
        }
        let mut follow = Follow::new(&world.state, key.clone(), false).after(Some(made));
        world.edit_service("web", |service| service.deployments[0] = new.clone());
        let seen = follow.look(&world.state, world.now);
        assert!(
            matches!(&seen, Standing::Moving(line) if line.contains("2 older of web:1 still serve")),
            "{seen:?}"
        );
        let mut deleting = Follow::new(&world.state, key, true);
        let early = deleting.look(&world.state, world.now);
        assert!(matches!(early, Standing::Moving(_)), "{early:?}");
    }

    #[test]
    fn a_deletion_with_tasks_on_a_silent_host_names_them_and_ends() {
        let (mut world, key) = world();
        world.settle();
        world.disconnect("a");
        world.edit_service("web", |service| service.status = ServiceStatus::Draining);
        world.plan();
        let mut follow = Follow::new(&world.state, key, true);
        let early = follow.look(&world.state, world.now);
        assert!(matches!(early, Standing::Moving(_)), "{early:?}");
        let late = follow.look(&world.state, world.now.plus_ms(SILENT_PATIENCE_MS));
        let Standing::Failed(reason) = late else {
            panic!("{late:?}");
        };
        assert!(
            reason.contains("the stop of 2 tasks on a is not confirmed"),
            "{reason}"
        );
    }

    #[test]
    fn a_deletion_is_followed_to_its_end() {
        let (mut world, key) = world();
        world.settle();
        world.edit_service("web", |service| service.status = ServiceStatus::Draining);
        let mut follow = Follow::new(&world.state, key, true);
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Moving("web: 2 tasks left to stop".into())
        );
        world.edit_service("web", |service| service.status = ServiceStatus::Inactive);
        assert_eq!(
            follow.look(&world.state, world.now),
            Standing::Settled("web: deleted".into())
        );
    }
}
