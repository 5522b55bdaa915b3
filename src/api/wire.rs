//! Names and bodies that both ends of the socket share.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reply;
use crate::agent::streams::{ContainerHealth, LogItem, LogTarget};
use crate::controller::core::Effects;
use crate::controller::{Command, CommandError, ErrorKind, wire as ecs};
use crate::docker::{ExecOptions, LogOptions, StatsSample};
use crate::model::snapshot::Delta;
use crate::model::{AccessRole, Actor, ContainerName, InstanceName, Snapshot, TaskId, TimeMs};
use crate::scheduler::explain::About;

/// What stands before the operation in `X-Amz-Target`.
pub const TARGET_PREFIX: &str = "AmazonEC2ContainerServiceV20141113.";
/// ECS's content type.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// Ours: the warnings of a command, as a JSON list in ASCII.
pub const WARNINGS_HEADER: &str = "x-quarterdeck-warnings";
/// Ours: the number of a picture that has a command's effect in it ([`Snapshot::version`]), so
/// that who asked can wait for it.
pub const VERSION_HEADER: &str = "x-quarterdeck-version";
/// Ours: who asks, for the event. The socket's owner is trusted to say.
pub const USER_HEADER: &str = "x-quarterdeck-user";
/// Ours: through what it is asked ([`Surface::wire_name`](crate::model::Surface::wire_name)).
pub const SURFACE_HEADER: &str = "x-quarterdeck-surface";
/// The protocol that `/v1/exec` upgrades to.
pub const EXEC_PROTOCOL: &str = "quarterdeck-exec";
/// A watcher hears something at least this often, in seconds.
pub const BEAT_S: u64 = 5;

/// The longest list of warnings in a header, in bytes: clients take heads of bounded length.
pub const WARNINGS_MAX: usize = 16 * 1024;
/// The most changes that are planned or done as one.
pub const COMMANDS_MAX: usize = 1_000;

/// Response of `/v1/whoami`: in whose name requests on this connection are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// As the audit trail has it.
    pub user: String,
    /// What may be asked for.
    pub role: AccessRole,
}

impl From<&Actor> for WhoAmI {
    fn from(actor: &Actor) -> Self {
        Self {
            user: actor.user.clone(),
            role: actor.role,
        }
    }
}

/// One line of `/v1/watch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchLine {
    /// Begin anew with this.
    Snapshot(Box<Snapshot>),
    /// What changed.
    Delta(Box<Delta>),
    /// Nothing new; the server is there.
    Beat,
}

/// One line of `/v1/logs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogsLine {
    /// An item.
    Item(LogItem),
    /// The stream ends with this.
    Error(WireError),
}

/// Query of `/v1/snapshot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotQuery {
    /// The moment that is asked for, in milliseconds since 1970; absent = now.
    #[serde(default)]
    pub at: Option<TimeMs>,
}

/// Request of `/v1/logs`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogsRequest {
    /// Whose.
    pub target: LogTarget,
    /// Which.
    #[serde(default)]
    pub options: LogOptions,
}

/// Request of `/v1/stats`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsRequest {
    /// Whose.
    pub task: TaskId,
}

/// Response of `/v1/stats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatsResponse {
    /// One sample for each running container.
    pub stats: Vec<(ContainerName, StatsSample)>,
}

/// Request of `/v1/health-log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLogRequest {
    /// Whose.
    pub task: TaskId,
}

/// Response of `/v1/health-log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLogResponse {
    /// One for each container that has a health check and was made.
    pub containers: Vec<ContainerHealth>,
}

/// Request of `/v1/exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// In which task.
    pub task: TaskId,
    /// In which container; its first essential one if none is named.
    #[serde(default)]
    pub container: Option<ContainerName>,
    /// What.
    pub options: ExecOptions,
}

/// One command of a plan: an operation and its ECS JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanCommand {
    /// ECS's name of the operation.
    pub operation: String,
    /// Its body.
    pub request: Value,
}

impl From<&Command> for PlanCommand {
    fn from(command: &Command) -> Self {
        Self {
            operation: command.operation().to_owned(),
            request: ecs::encode(command),
        }
    }
}

impl PlanCommand {
    /// The command.
    ///
    /// # Errors
    /// [`CommandError`] if it cannot be read as one.
    pub fn command(&self) -> Result<Command, CommandError> {
        ecs::decode(&self.operation, &self.request)
    }
}

/// Request of `/v1/plan`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRequest {
    /// What would be asked, in this order.
    #[serde(default)]
    pub commands: Vec<PlanCommand>,
    /// Which instances would then be lost.
    #[serde(default)]
    pub without: Vec<InstanceName>,
}

/// Request of `/v1/apply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// What is asked, in this order: all of it is done, or nothing.
    pub commands: Vec<PlanCommand>,
    /// What it was planned to come to: the `effects` of a plan. Absent = whatever it comes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned: Option<Effects>,
}

/// Response of `/v1/apply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyResponse {
    /// One for each command.
    pub replies: Vec<Reply>,
    /// Number of a picture that has the effect in it ([`Snapshot::version`]).
    pub version: u64,
}

/// Request of `/v1/explain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// What is to be explained.
    pub about: About,
}

/// Request of `/v1/fault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRequest {
    /// The simulated instance to fail or to mend.
    pub instance: InstanceName,
}

/// Response of `/v1/fault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultResponse {
    /// What was done, in words.
    pub message: String,
}

/// The `__type` of an error of an engine, which ECS has no word for.
pub const ENGINE_ERROR: &str = "EngineException";
/// The `__type` with which a stream ends that the server ends before its time.
pub const ENDING: &str = "ServerEnding";

/// An error on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireError {
    /// ECS's name for it, or [`ENGINE_ERROR`], or [`ENDING`].
    #[serde(rename = "__type")]
    pub kind: String,
    /// In words.
    pub message: String,
}

impl From<&CommandError> for WireError {
    fn from(error: &CommandError) -> Self {
        let kind = serde_json::to_value(error.kind);
        let kind = kind.ok().and_then(|it| it.as_str().map(str::to_owned));
        Self {
            kind: kind.unwrap_or_else(|| "ServerException".to_owned()),
            message: error.message.clone(),
        }
    }
}

impl WireError {
    /// An engine's error.
    #[must_use]
    pub fn engine(message: String) -> Self {
        Self {
            kind: ENGINE_ERROR.to_owned(),
            message,
        }
    }

    /// The server ends, or no longer serves who asked.
    #[must_use]
    pub fn ending() -> Self {
        Self {
            kind: ENDING.to_owned(),
            message: "it ended before the stream did".to_owned(),
        }
    }

    /// ECS's error, if it is one.
    #[must_use]
    pub fn command_error(&self) -> Option<CommandError> {
        let kind: ErrorKind = serde_json::from_value(Value::String(self.kind.clone())).ok()?;
        Some(CommandError::new(kind, self.message.clone()))
    }
}

/// Text fit for a header: what is not ASCII is replaced.
#[must_use]
pub fn ascii(text: &str) -> String {
    let fit = |c: char| {
        if c.is_ascii_graphic() || c == ' ' {
            c
        } else {
            '?'
        }
    };
    text.chars().map(fit).collect()
}

/// Warnings as a header: JSON in ASCII alone, of at most [`WARNINGS_MAX`] bytes. How many are left
/// out is said.
#[must_use]
pub fn warnings(lines: &[String]) -> String {
    let all = ascii_json(lines);
    if all.len() <= WARNINGS_MAX {
        return all;
    }
    let mut kept = Vec::new();
    // Room for the last line, which tells of the others.
    let mut room = WARNINGS_MAX - 64;
    for line in lines {
        let length = ascii_json(std::slice::from_ref(line)).len();
        if length > room {
            break;
        }
        room -= length;
        kept.push(line.clone());
    }
    kept.push(format!("and {} more warnings", lines.len() - kept.len()));
    ascii_json(&kept)
}

/// JSON in ASCII alone, fit for a header.
#[must_use]
pub fn ascii_json(lines: &[String]) -> String {
    let text = Value::from(lines.to_vec()).to_string();
    let mut out = String::with_capacity(text.len());
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() && !byte.is_ascii_control() => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn warnings_survive_a_header() {
        let lines = vec!["größe → \"x\" 🚢".to_owned(), "b".to_owned()];
        let text = ascii_json(&lines);
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), lines);
        assert_eq!(super::warnings(&lines), text);
    }

    #[test]
    fn a_flood_of_warnings_fits_into_a_header_and_says_what_is_left_out() {
        let lines: Vec<String> = (0..10_000).map(|n| format!("members[{n}] größe")).collect();
        let text = super::warnings(&lines);
        assert!(text.len() <= WARNINGS_MAX, "{}", text.len());
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        let told = format!("and {} more warnings", 10_000 - (read.len() - 1));
        assert_eq!(read.last(), Some(&told));
        assert_eq!(read[..read.len() - 1], lines[..read.len() - 1]);
    }

    #[test]
    fn an_error_survives_the_wire() {
        let error = CommandError::new(ErrorKind::ClusterNotFoundException, "no such cluster");
        let wire = WireError::from(&error);
        assert_eq!(
            serde_json::to_value(&wire).unwrap(),
            json!({"__type": "ClusterNotFoundException", "message": "no such cluster"})
        );
        assert_eq!(wire.command_error(), Some(error));
        assert_eq!(WireError::engine("x".into()).command_error(), None);
    }
}
