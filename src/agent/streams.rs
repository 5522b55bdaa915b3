//! Logs, stats and shells: what flows from an engine to a reader without the controller.

use serde::{Deserialize, Serialize};

use crate::docker::LogStream;
use crate::model::{ClusterName, ContainerName, InstanceName, ServiceName, TaskId, TimeMs};

/// Whose logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum LogTarget {
    /// One task's containers, or one of them.
    Task {
        /// The task.
        task: TaskId,
        /// Only this container.
        container: Option<ContainerName>,
    },
    /// All of a service's tasks, merged by time; with `follow`, those that come later too.
    Service {
        /// Its cluster.
        cluster: ClusterName,
        /// Its name.
        service: ServiceName,
    },
}

/// One item of a log stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "item")]
pub enum LogItem {
    /// A line.
    Line {
        /// When the engine received it.
        at: TimeMs,
        /// Which task wrote it.
        task: TaskId,
        /// Which container.
        container: ContainerName,
        /// On which instance.
        instance: InstanceName,
        /// On which output.
        stream: LogStream,
        /// The line as written: may hold control sequences.
        text: String,
    },
    /// Lines that were dropped because the reader was too slow.
    Dropped {
        /// How many.
        count: u64,
    },
    /// One source ended with an error; the others go on.
    Broken {
        /// Whose.
        task: TaskId,
        /// Why.
        reason: String,
    },
}
