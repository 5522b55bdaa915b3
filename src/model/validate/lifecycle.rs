//! When a container starts, and starts again.

use super::{ContainerDefinition, Faults};

/// ECS's limit for exit codes that a restart policy ignores.
const IGNORED_EXIT_CODES_MAX: usize = 50;

pub(super) fn lifecycle(
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut bounded = |path: String, value: Option<u32>, least: u32, most: u32| {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            let message = format!("{value} s is out of range; {least} to {most} is allowed");
            faults.add(path, message);
        }
    };
    bounded(at("startTimeout"), container.start_timeout, 2, 120);
    let Some(policy) = &container.restart_policy else {
        return;
    };
    let period = policy.restart_attempt_period;
    bounded(at("restartPolicy.restartAttemptPeriod"), period, 60, 1800);
    let ignored = policy.ignored_exit_codes.len();
    if ignored > IGNORED_EXIT_CODES_MAX {
        faults.add(
            at("restartPolicy.ignoredExitCodes"),
            format!("{ignored} exit codes are too many; {IGNORED_EXIT_CODES_MAX} are allowed"),
        );
    }
}
