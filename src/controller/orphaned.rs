//! The refusal of a configuration that would leave tasks behind.

use std::fmt;
use std::path::PathBuf;

use crate::model::InstanceName;

/// How many instances are named; of the rest the number is told.
const NAMED_MAX: usize = 8;

/// Instances with tasks that the configuration does not have. Very likely it is another one than
/// the one this control plane was last started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphaned {
    /// The file that was read; `None` when none was found.
    pub source: Option<PathBuf>,
    /// The instances, each with its number of tasks that are not STOPPED.
    pub instances: Vec<(InstanceName, usize)>,
    /// Whether a running control plane was to go by it, rather than one that starts.
    pub running: bool,
}

impl std::error::Error for Orphaned {}

impl fmt::Display for Orphaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks: usize = self.instances.iter().map(|(_, count)| count).sum();
        match &self.source {
            None => write!(f, "no config file was found, and without one")?,
            Some(path) => write!(f, "with the config file {}", path.display())?,
        }
        write!(
            f,
            " the fleet would lose {} with {} that {} not STOPPED: ",
            number(self.instances.len(), "instance"),
            number(tasks, "task"),
            if tasks == 1 { "is" } else { "are" },
        )?;
        for (at, (name, count)) in self.instances.iter().take(NAMED_MAX).enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{name} ({})", number(*count, "task"))?;
        }
        if let Some(more @ 1..) = self.instances.len().checked_sub(NAMED_MAX) {
            write!(f, " and {more} more")?;
        }
        f.write_str(if self.running {
            ". It was not taken in, and nothing was changed.\n"
        } else {
            ". The control plane does not start so, and nothing was changed.\n\
             If this is not the configuration you meant, run the command in the folder that has \
             it, or name it with --config FILE.\n"
        })?;
        write!(
            f,
            "To take an instance out of the fleet, put it back into the configuration, run \
             `qd instance drain NAME`, and remove it once it is empty. A host that is gone for \
             good may be removed as soon as it is DRAINING: its tasks then count as STOPPED."
        )
    }
}

fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orphaned(source: Option<&str>, counts: &[usize]) -> String {
        let name = |n| InstanceName::new(format!("ops-{n}")).unwrap();
        let instances = counts.iter().enumerate();
        Orphaned {
            source: source.map(PathBuf::from),
            instances: instances.map(|(n, count)| (name(n + 1), *count)).collect(),
            running: false,
        }
        .to_string()
    }

    #[test]
    fn the_refusal_names_source_instances_and_tasks_and_the_ways_out() {
        let text = orphaned(None, &[2, 1]);
        let begin = "no config file was found, and without one the fleet would lose 2 instances \
                     with 3 tasks that are not STOPPED: ops-1 (2 tasks), ops-2 (1 task). ";
        assert!(text.starts_with(begin), "{text}");
        for way in ["--config", "qd instance drain NAME", "DRAINING"] {
            assert!(text.contains(way), "{way}: {text}");
        }
        let text = orphaned(Some("/ops/quarterdeck.toml"), &[1; NAMED_MAX + 2]);
        assert!(text.starts_with("with the config file /ops/quarterdeck.toml the fleet would"));
        assert!(text.contains("ops-8 (1 task) and 2 more. "), "{text}");
        assert!(!orphaned(None, &[1; NAMED_MAX]).contains("more. "));
    }
}
