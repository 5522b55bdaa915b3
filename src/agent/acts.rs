//! Actions of a session: how they begin, and what their results mean.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::docker::pin::Resolution;
use crate::docker::{EngineError, EngineResult, holder_image};
use crate::model::{ContainerName, Observation, TaskId};

use super::job::{self, Outcome};
use super::pins;
use super::session::{Class, Session};
use super::step::{Action, Key, is_to_stop};
use super::verdict::{Verdict, judge};

impl Session<'_> {
    /// Begins an action if its class has room; else a later pass proposes it again.
    pub(super) fn launch(&mut self, action: Action) {
        if let Action::Fail {
            task,
            container,
            reason,
        } = action
        {
            return self.fail(task, container, reason);
        }
        let class = self.class(&action);
        let running = &mut self.running[class as usize];
        if *running >= class.limit(self.with.tuning) {
            return;
        }
        *running += 1;
        self.under_way.insert(action.key());
        let (engine, tuning) = (self.engine.clone(), self.with.tuning.clone());
        match &action {
            Action::Pull(image) if class == Class::Look => {
                let call = job::has_image(engine, tuning.call_timeout, image.clone());
                self.jobs.spawn(call);
                return;
            }
            Action::Pull(image) => {
                self.pulling.insert(image.clone());
                // A registry that says nothing for minutes is told as what it is: a pull.
                self.tell_progress(image.clone(), crate::docker::PullStep::default());
            }
            // The inspection that follows a start tells all that its announcements would.
            Action::Start(_, _, id) => {
                self.quiet.insert(id.clone());
            }
            _ => {}
        }
        let spec = match &action {
            Action::Create(task, container) => self.assignments.spec(*task, container),
            _ => None,
        };
        debug!(instance = %self.with.instance, ?action, "begins");
        let progress = self.progress.clone();
        let vault = self.with.vault.clone();
        let call = job::act(engine, vault, tuning, progress, action, spec.map(Box::new));
        self.jobs.spawn(call);
    }

    fn class(&self, action: &Action) -> Class {
        match action {
            Action::Pull(image) if self.missing.contains(image) => Class::Pull,
            Action::Pull(_) | Action::Resolve { .. } => Class::Look,
            Action::Stop { .. } => Class::Stop,
            Action::Remove(..) | Action::RemoveVolume(_) => Class::Remove,
            _ => Class::Make,
        }
    }

    fn ended(&mut self, class: Class) {
        let running = &mut self.running[class as usize];
        *running = running.saturating_sub(1);
    }

    /// Takes in whether an image is there. Where the engine cannot say, the pull will.
    pub(super) fn take_has_image(&mut self, image: String, result: EngineResult<bool>) {
        self.ended(Class::Look);
        let key = Key::Image(image.clone());
        self.under_way.remove(&key);
        match result {
            Ok(true) => {
                self.world.images.insert(image);
            }
            Err(EngineError::Unreachable(_)) => {
                self.pulse.probe(Instant::now());
                self.hold(key, 1);
            }
            Ok(false) | Err(_) => {
                self.missing.insert(image);
            }
        }
    }

    /// Takes in what came of an action.
    pub(super) fn take_acted(&mut self, action: Action, result: EngineResult<Outcome>) {
        let class = match &action {
            Action::Pull(_) => Class::Pull,
            other => self.class(other),
        };
        self.ended(class);
        if let Action::Start(_, _, id) = &action {
            self.quiet.remove(id);
        }
        match result {
            Ok(outcome) => {
                // What was withheld was never asked of the engine.
                if !matches!(outcome, Outcome::Withheld(_)) {
                    self.hear();
                }
                self.attempts.remove(&action.key());
                self.succeeded(action, outcome);
            }
            Err(error) => self.failed(action, &error),
        }
    }

    fn succeeded(&mut self, action: Action, outcome: Outcome) {
        let key = action.key();
        match action {
            Action::EnsureNetwork => self.world.network = true,
            Action::EnsureVolume(volume) => {
                self.world.volumes.insert(volume.name);
            }
            Action::RemoveVolume(name) => {
                self.world.volumes.remove(&name);
            }
            Action::EnsureHolderImage => {
                self.world.images.insert(holder_image::IMAGE.to_owned());
            }
            Action::Pull(image) => {
                self.end_pull(&image);
                self.world.images.insert(image);
            }
            Action::Resolve { task, image, .. } => {
                self.resolved(task, image, outcome);
                // Asked again only if nothing is decided for a while.
                self.hold(key.clone(), 1);
            }
            Action::Create(task, container) => match outcome {
                Outcome::Withheld(error) => self.fail(task, container, error.to_string()),
                Outcome::Made(id) if !self.world.containers.contains_key(&id) => {
                    return self.inspector.settle_made(id, key);
                }
                Outcome::Found(found) => self.see(found.runtime_id.clone(), Some(*found)),
                Outcome::Made(_) | Outcome::Done | Outcome::Resolved(_) => {}
            },
            Action::Start(_, _, id) | Action::Stop { runtime_id: id, .. } => {
                return self.inspector.settle(id, key);
            }
            Action::Remove(_, _, id) => self.forget_container(&id),
            Action::Fail { .. } => {}
        }
        self.under_way.remove(&key);
    }

    /// Reports what an image's tag stands for, or notes that it has to be pulled to be known.
    fn resolved(&mut self, task: TaskId, image: String, outcome: Outcome) {
        let answer = match outcome {
            Outcome::Resolved(Resolution::Digest(digest)) => Ok(digest),
            Outcome::Resolved(Resolution::Local(reason)) => {
                self.world.local.insert(image.clone());
                Err(reason)
            }
            Outcome::Resolved(Resolution::AfterPull(reason)) => {
                debug!(instance = %self.with.instance, image, reason, "is pulled to be resolved");
                self.world.pull_first.insert(image);
                return;
            }
            _ => return,
        };
        let told = Observation::ImageResolved {
            task,
            image,
            answer,
        };
        self.with.outbox.push(told);
    }

    fn failed(&mut self, action: Action, error: &EngineError) {
        let key = action.key();
        let attempts = self.attempts.entry(key.clone()).or_default();
        *attempts += 1;
        let attempts = *attempts;
        if matches!(error, EngineError::Unreachable(_)) {
            self.pulse.probe(Instant::now());
        }
        let verdict = judge(&action, error, attempts, self.with.tuning.attempts_most);
        match &verdict {
            Verdict::Retry => {
                warn!(instance = %self.with.instance, ?action, %error, attempts, "will be tried again");
                self.hold(key, attempts);
                if attempts == self.with.tuning.attempts_most {
                    self.tell_stuck(&action, error);
                }
            }
            Verdict::Anew => {
                self.world.network = false;
                if let Some(image) = self.image_of(&action) {
                    self.world.images.remove(&image);
                }
            }
            Verdict::Fail(reason) => {
                self.attempts.remove(&key);
                self.fail_users(&action, reason);
            }
            Verdict::Moot => {
                self.attempts.remove(&key);
            }
        }
        self.see_after(action, verdict == Verdict::Moot);
    }

    /// What is to go and does not go is told, once, after some attempts.
    fn tell_stuck(&mut self, action: &Action, error: &EngineError) {
        let (task, what) = match action {
            Action::Stop {
                task, container, ..
            } => (
                Some(*task),
                format!("container {container} cannot be stopped"),
            ),
            Action::Remove(task, container, _) => (
                Some(*task),
                format!("container {container} cannot be removed"),
            ),
            Action::RemoveVolume(name) => (None, format!("volume {name} cannot be removed")),
            _ => return,
        };
        self.with.outbox.push(Observation::Stuck {
            instance: self.with.instance.clone(),
            task,
            reason: format!("{what}: {error}"),
        });
    }

    /// After a failure: what it may have done all the same is looked at before anything else is
    /// done to the same container.
    fn see_after(&mut self, action: Action, is_gone: bool) {
        let key = action.key();
        match action {
            Action::Start(_, _, id)
            | Action::Stop { runtime_id: id, .. }
            | Action::Remove(_, _, id) => return self.inspector.settle(id, key),
            Action::Create(task, container) => {
                if let Some(spec) = self.assignments.spec(task, &container) {
                    return self.inspector.settle(spec.name, key);
                }
            }
            Action::Pull(image) => self.end_pull(&image),
            Action::RemoveVolume(name) if is_gone => {
                self.world.volumes.remove(&name);
            }
            _ => {}
        }
        self.under_way.remove(&key);
    }

    /// Lets a thing rest before it is tried again.
    fn hold(&mut self, key: Key, attempts: u32) {
        let until = Instant::now() + self.with.tuning.retry_wait(attempts);
        self.held.insert(key, until);
    }

    fn image_of(&self, action: &Action) -> Option<String> {
        let (Action::Create(task, container) | Action::Start(task, container, _)) = action else {
            return None;
        };
        if container.is_holder() {
            return Some(holder_image::IMAGE.to_owned());
        }
        let task = self.assignments.tasks.get(task)?;
        let definition = self.assignments.definition(task)?;
        let state = &self.assignments.snapshot.state;
        let container = definition.container(container)?;
        Some(pins::image(state, task, container))
    }

    /// The tasks that need what could not be done have failed.
    fn fail_users(&mut self, action: &Action, reason: &str) {
        let users: BTreeMap<TaskId, ContainerName> = match action {
            Action::Pull(image) | Action::Resolve { image, .. } => self.waiting_for_image(image),
            Action::Create(task, container) | Action::Start(task, container, _) => {
                BTreeMap::from([(*task, container.clone())])
            }
            Action::EnsureVolume(volume) => {
                let users = self.assignments.users_of_volume(&volume.name);
                self.not_made(|task, _| users.contains(&task))
            }
            Action::EnsureNetwork => self.not_made(|_, _| true),
            Action::EnsureHolderImage => {
                let held = |task, _: &_| self.assignments.is_held(task);
                self.not_made(held)
            }
            _ => BTreeMap::new(),
        };
        for (task, container) in users {
            let reason = format!("{reason}{}", self.pinned_from(action, task, &container));
            self.fail(task, container, reason);
        }
    }

    /// Which image a digest that could not be pulled was pinned for: the operator wrote that one.
    fn pinned_from(&self, action: &Action, task: TaskId, container: &ContainerName) -> String {
        let Action::Pull(reference) = action else {
            return String::new();
        };
        let task = self.assignments.tasks.get(&task);
        let definition = task.and_then(|task| self.assignments.definition(task));
        let named = definition.and_then(|it| it.container(container));
        match named {
            Some(named) if &named.image != reference => {
                format!(
                    " (its deployment is pinned to this digest of {})",
                    named.image
                )
            }
            _ => String::new(),
        }
    }

    /// The tasks that wait for an image, each with the container that is made from it.
    pub(super) fn waiting_for_image(&self, image: &str) -> BTreeMap<TaskId, ContainerName> {
        let users: BTreeSet<_> = self.assignments.users_of_image(image).collect();
        self.not_made(|task, container| users.contains(&(task, container)))
    }

    /// The tasks to bring up that have a container which is still to be made and matches.
    fn not_made(
        &self,
        matches: impl Fn(TaskId, &ContainerName) -> bool,
    ) -> BTreeMap<TaskId, ContainerName> {
        let owners = self
            .world
            .containers
            .values()
            .filter_map(|c| c.owner.as_ref());
        let made: BTreeSet<_> = owners.map(|o| (o.task, &o.container)).collect();
        let wanted = self
            .assignments
            .tasks
            .values()
            .filter(|task| !is_to_stop(task) && !self.with.failed.contains(&task.id));
        wanted
            .filter_map(|task| {
                let mut containers = task.containers.iter();
                let found = containers.find(|c| {
                    c.runtime_id.is_empty()
                        && !made.contains(&(task.id, &c.name))
                        && matches(task.id, &c.name)
                })?;
                Some((task.id, found.name.clone()))
            })
            .collect()
    }

    /// A pull ended: nobody waits for it any more, and what is missing is asked anew.
    fn end_pull(&mut self, image: &str) {
        self.missing.remove(image);
        self.pulling.remove(image);
        for task in self.told.remove(image).into_iter().flatten() {
            self.with.outbox.push(Observation::Pulling {
                task,
                progress: None,
            });
        }
    }
}
