//! The calls an agent makes. Each is a task of its own and bounded in time, so an engine that
//! hangs holds up nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::docker::pin::Resolution;
use crate::docker::secret::redact;
use crate::docker::{ContainerSpec, Engine, EngineError, EngineResult, PullStep, spec};
use crate::model::observation::{ObservedContainer, Ownership};

use super::step::Action;
use super::tuning::{Tuning, double};
use super::vault::{Vault, VaultError};

/// What came of a call.
#[derive(Debug)]
pub enum Done {
    /// A sign of life, and how long it took.
    Ping {
        /// When it was asked for.
        asked: Instant,
        /// How long it took.
        result: EngineResult<Duration>,
    },
    /// The whole list.
    List {
        /// The world's count of changes when it was asked for.
        asked: u64,
        /// The containers.
        result: EngineResult<Vec<ObservedContainer>>,
    },
    /// One container.
    Inspect {
        /// The engine's id, as asked for.
        id: String,
        /// The container.
        result: Box<EngineResult<ObservedContainer>>,
    },
    /// Whether an image is there.
    HasImage {
        /// The image.
        image: String,
        /// Whether it is.
        result: EngineResult<bool>,
    },
    /// An action ended.
    Acted {
        /// The action.
        action: Action,
        /// What came of it.
        result: EngineResult<Outcome>,
    },
}

/// What a successful action left behind.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to note.
    Done,
    /// A container was made, with this id.
    Made(String),
    /// A create that was cut short earlier had made this container.
    Found(Box<ObservedContainer>),
    /// What an image's tag stands for.
    Resolved(Resolution),
    /// Nothing was made: what the container is to be given cannot be had.
    Withheld(VaultError),
}

/// A call that may take so long and no longer.
async fn bounded<T>(
    limit: Duration,
    call: impl Future<Output = EngineResult<T>>,
) -> EngineResult<T> {
    match timeout(limit, call).await {
        Ok(result) => result,
        Err(_) => Err(EngineError::Unreachable(format!(
            "the engine did not answer within {} s",
            limit.as_secs_f32()
        ))),
    }
}

/// Asks for a sign of life.
pub async fn ping(engine: Arc<dyn Engine>, limit: Duration) -> Done {
    let asked = Instant::now();
    let result = bounded(limit, engine.ping()).await;
    Done::Ping {
        asked,
        result: result.map(|()| asked.elapsed()),
    }
}

/// Lists all containers.
pub async fn list(engine: Arc<dyn Engine>, limit: Duration, asked: u64) -> Done {
    Done::List {
        asked,
        result: bounded(limit, engine.list()).await,
    }
}

/// Inspects one container.
pub async fn inspect(engine: Arc<dyn Engine>, limit: Duration, id: String) -> Done {
    let result = Box::new(bounded(limit, engine.inspect(&id)).await);
    Done::Inspect { id, result }
}

/// Asks whether an image is there.
pub async fn has_image(engine: Arc<dyn Engine>, limit: Duration, image: String) -> Done {
    let result = bounded(limit, engine.has_image(&image)).await;
    Done::HasImage { image, result }
}

/// How far the pull of an image has come.
pub type Progress = (String, PullStep);

/// Carries an action out. `spec` is what to make, for a create.
pub async fn act(
    engine: Arc<dyn Engine>,
    vault: Arc<Vault>,
    tuning: Arc<Tuning>,
    progress: mpsc::Sender<Progress>,
    action: Action,
    spec: Option<Box<ContainerSpec>>,
) -> Done {
    let done = |()| Outcome::Done;
    let result = match &action {
        Action::EnsureNetwork => {
            let call = engine.ensure_network(spec::NETWORK);
            bounded(tuning.call_timeout, call).await.map(done)
        }
        Action::EnsureVolume(volume) => {
            let call = engine.ensure_volume(volume);
            bounded(tuning.call_timeout, call).await.map(done)
        }
        Action::EnsureHolderImage => {
            let call = engine.ensure_holder_image();
            bounded(tuning.make_timeout, call).await.map(done)
        }
        Action::Pull(image) => pull(&*engine, &tuning, &progress, image).await.map(done),
        Action::Resolve { image, .. } => {
            let call = engine.resolve(image);
            bounded(tuning.call_timeout, call)
                .await
                .map(Outcome::Resolved)
        }
        Action::Create(..) => match spec {
            Some(spec) => make(&*engine, &vault, &tuning, *spec).await,
            None => Err(EngineError::Refused(
                "the task or its definition is not known any more".to_owned(),
            )),
        },
        Action::Start(_, _, id) => {
            let call = engine.start(id);
            bounded(tuning.make_timeout, call).await.map(done)
        }
        Action::Stop {
            runtime_id,
            timeout_s,
            ..
        } => {
            let limit = Duration::from_secs(u64::from(*timeout_s)) + tuning.stop_margin;
            let call = engine.stop(runtime_id, *timeout_s);
            bounded(limit, call).await.map(done)
        }
        Action::Remove(_, _, id) => {
            let call = engine.remove(id);
            bounded(tuning.remove_timeout, call).await.map(done)
        }
        Action::RemoveVolume(name) => {
            let call = engine.remove_volume(name);
            bounded(tuning.remove_timeout, call).await.map(done)
        }
        Action::Fail { .. } => Ok(Outcome::Done),
    };
    Done::Acted { action, result }
}

/// Makes a container with what it is to be given. The values end here.
async fn make(
    engine: &dyn Engine,
    vault: &Vault,
    tuning: &Tuning,
    mut spec: ContainerSpec,
) -> EngineResult<Outcome> {
    if let Err(error) = vault.fill(&mut spec, tuning).await {
        return Ok(Outcome::Withheld(error));
    }
    let made = create(engine, tuning, &spec).await;
    made.map_err(|error| redact(error, &spec.hidden))
}

/// Makes a container. If its name is taken, a create that was cut short may have made it: then
/// that one is ours.
async fn create(
    engine: &dyn Engine,
    tuning: &Tuning,
    spec: &ContainerSpec,
) -> EngineResult<Outcome> {
    match bounded(tuning.make_timeout, engine.create(spec)).await {
        Ok(id) => Ok(Outcome::Made(id)),
        Err(EngineError::Conflict(conflict)) => {
            match bounded(tuning.call_timeout, engine.inspect(&spec.name)).await {
                Ok(found) if found.owner.as_ref().is_some_and(|o| is_from(o, spec)) => {
                    Ok(Outcome::Found(Box::new(found)))
                }
                Ok(_) => Err(EngineError::Refused(format!(
                    "the name {} is taken by a container that is not this task's; remove that one",
                    spec.name
                ))),
                Err(EngineError::NotFound(_)) => Err(EngineError::Unreachable(conflict)),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// Whether a container with this owner was made from that spec.
fn is_from(owner: &Ownership, spec: &ContainerSpec) -> bool {
    let is = |label: &str, value: &str| spec.labels.get(label).is_some_and(|v| v == value);
    is(spec::label::CONTROL_PLANE, &owner.control_plane)
        && is(spec::label::TASK_ID, &owner.task.to_string())
        && is(spec::label::CONTAINER, owner.container.as_str())
}

/// Pulls an image, trying again where the failure may pass.
async fn pull(
    engine: &dyn Engine,
    tuning: &Tuning,
    progress: &mpsc::Sender<Progress>,
    image: &str,
) -> EngineResult<()> {
    let mut attempt = 0;
    loop {
        match pull_once(engine, tuning, progress, image).await {
            Err(error) if attempt < tuning.pull_retries && may_pass(&error) => {
                sleep(double(tuning.pull_retry_wait, attempt)).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

async fn pull_once(
    engine: &dyn Engine,
    tuning: &Tuning,
    progress: &mpsc::Sender<Progress>,
    image: &str,
) -> EngineResult<()> {
    let mut steps = engine.pull(image);
    let mut told: Option<Instant> = None;
    loop {
        let step = match timeout(tuning.pull_idle_timeout, steps.next()).await {
            Ok(Some(step)) => step?,
            Ok(None) => return Ok(()),
            Err(_) => {
                return Err(EngineError::Unreachable(format!(
                    "the pull of {image} brought nothing for {} s",
                    tuning.pull_idle_timeout.as_secs()
                )));
            }
        };
        if told.is_none_or(|told| told.elapsed() >= tuning.pull_report_gap) {
            told = Some(Instant::now());
            // Progress is for the eye: what finds no room is overtaken by the next step.
            let _ = progress.try_send((image.to_owned(), step));
        }
    }
}

/// Whether a failed pull may succeed if tried again. What a registry says of an image that is
/// not there, or not for us, reaches us in the engine's words only.
fn may_pass(error: &EngineError) -> bool {
    const FOR_GOOD: [&str; 7] = [
        "not found",
        "manifest unknown",
        "denied",
        "unauthorized",
        "authentication required",
        "invalid reference",
        "no matching manifest",
    ];
    match error {
        EngineError::NotFound(_) | EngineError::Refused(_) | EngineError::Conflict(_) => false,
        EngineError::Unreachable(text) | EngineError::Failed(text) => {
            let text = text.to_lowercase();
            !FOR_GOOD.iter().any(|words| text.contains(words))
        }
    }
}
