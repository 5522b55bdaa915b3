//! What a failed action means for its task. Pure.

use crate::docker::EngineError;

use super::step::Action;

/// What to do about a failed action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after a while.
    Retry,
    /// What it stood on is gone (an image, the network): look for that anew, then try again.
    Anew,
    /// The tasks that need it have failed; the reason, in ECS's words.
    Fail(String),
    /// It has become pointless: what it was about is gone.
    Moot,
}

/// The verdict on an action that failed with `error`, having failed `attempts` times by now.
#[must_use]
pub fn judge(action: &Action, error: &EngineError, attempts: u32, attempts_most: u32) -> Verdict {
    let given_up = attempts >= attempts_most;
    let word = match action {
        Action::Pull(image) => {
            return Verdict::Fail(format!("CannotPullContainerError: {image}: {error}"));
        }
        Action::Resolve { image, .. } => {
            return match given_up {
                false => Verdict::Retry,
                true => Verdict::Fail(format!("CannotPullContainerError: {image}: {error}")),
            };
        }
        Action::EnsureNetwork => "CannotCreateContainerError: the network of the tasks",
        Action::EnsureVolume(_) => "CannotCreateVolumeError",
        Action::EnsureHolderImage => "CannotCreateContainerError: the task's own network",
        Action::Create(..) => "CannotCreateContainerError",
        Action::Start(..) => "CannotStartContainerError",
        // What is to go is tried until it has gone.
        Action::Stop { .. } | Action::Remove(..) | Action::RemoveVolume(_) => {
            return match error {
                EngineError::NotFound(_) => Verdict::Moot,
                _ => Verdict::Retry,
            };
        }
        Action::Fail { .. } => return Verdict::Moot,
    };
    match (action, error) {
        (Action::EnsureNetwork, _) | (_, EngineError::Unreachable(_)) if !given_up => {
            Verdict::Retry
        }
        (Action::Create(..) | Action::Start(..), EngineError::NotFound(_)) if !given_up => {
            Verdict::Anew
        }
        _ => Verdict::Fail(format!("{word}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::fixture::name;
    use crate::model::TaskId;

    #[test]
    fn what_the_engine_refuses_fails_the_task_in_ecs_words_and_silence_is_tried_again() {
        let text = || "port is already allocated".to_owned();
        let start = Action::Start(TaskId(1), name("app"), "id".to_owned());
        let create = Action::Create(TaskId(1), name("app"));
        let remove = Action::Remove(TaskId(1), name("app"), "id".to_owned());
        let fail = |word: &str| Verdict::Fail(format!("{word}: port is already allocated"));
        let cases = [
            (
                &start,
                EngineError::Failed(text()),
                1,
                fail("CannotStartContainerError"),
            ),
            (
                &create,
                EngineError::Refused(text()),
                1,
                fail("CannotCreateContainerError"),
            ),
            (&create, EngineError::Unreachable(text()), 2, Verdict::Retry),
            (
                &create,
                EngineError::Unreachable(text()),
                3,
                fail("CannotCreateContainerError"),
            ),
            (&create, EngineError::NotFound(text()), 1, Verdict::Anew),
            (
                &create,
                EngineError::NotFound(text()),
                3,
                fail("CannotCreateContainerError"),
            ),
            (&remove, EngineError::Failed(text()), 99, Verdict::Retry),
            (&remove, EngineError::NotFound(text()), 1, Verdict::Moot),
        ];
        for (action, error, attempts, expected) in cases {
            assert_eq!(
                judge(action, &error, attempts, 3),
                expected,
                "{action:?} {error:?}"
            );
        }
        let pull = Action::Pull("nginx".to_owned());
        assert_eq!(
            judge(
                &pull,
                &EngineError::NotFound("manifest unknown".to_owned()),
                1,
                3
            ),
            Verdict::Fail("CannotPullContainerError: nginx: manifest unknown".to_owned())
        );
    }
}
