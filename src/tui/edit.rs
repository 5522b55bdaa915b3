//! A service or a task definition as text, for the operator's editor; and what became of it, read
//! by the code that reads the files of `qd apply`.

use std::sync::Arc;

use serde_json::Value;

use crate::api::difference;
use crate::apply::read;
use crate::apply::steps::{Step, request_of, service_request, steps};
use crate::controller::{Command, wire};
use crate::document::{Document, Faults};
use crate::model::arn::short_name;
use crate::model::state::ServiceKey;
use crate::model::{ClusterName, Family, State, TaskDefinition, TaskDefinitionId, TimeMs};

use super::state::Subject;

/// A text that is to be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditAsk {
    /// What it is, in words: `service web`.
    pub name: String,
    /// In which cluster it is applied, where its text names none.
    pub cluster: ClusterName,
    /// What its file is called.
    pub file: String,
    /// What it says while nothing is changed.
    pub original: String,
    /// What the editor begins with: what was typed last, if something was.
    pub text: String,
    pub(crate) of: Source,
    /// What that was when the editing began.
    pub(crate) base: Option<Value>,
}

/// What an edited text is set against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Service(ServiceKey),
    /// The newest revision of a family.
    Family(Family),
}

impl Source {
    /// What it is now, as a request; `None` if it is not there.
    fn now(&self, state: &State) -> Option<Value> {
        let command = match self {
            Self::Service(key) => service_command(state, key)?,
            Self::Family(family) => definition_command(state.latest_definition(family)?),
        };
        Some(wire::encode(&command))
    }
}

impl EditAsk {
    /// The same, to go on with another text.
    pub(crate) fn with(&self, text: String) -> Self {
        Self {
            text,
            ..self.clone()
        }
    }

    /// What of it has changed since the editing began: a line for each member.
    pub(crate) fn meanwhile(&self, state: &State) -> Vec<String> {
        match (&self.base, self.of.now(state)) {
            (Some(before), Some(now)) => difference::between(before, &now),
            (Some(_), None) => vec![format!("{} is gone", self.name)],
            (None, Some(_)) => vec![format!("{} is there again", self.name)],
            (None, None) => Vec::new(),
        }
    }
}

/// A text that was not applied: kept, to be edited again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub ask: EditAsk,
    /// Why, a fault each, with its line of the text.
    pub why: Vec<String>,
}

/// What an edited text asks for, of one thing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub ask: EditAsk,
    pub command: Command,
    /// The difference: a headline, then a line for each member.
    pub lines: Vec<String>,
    /// The service that it is about, if it is about one.
    pub service: Option<ServiceKey>,
}

/// Commands hold JSON, whose numbers are none that differ from themselves.
impl Eq for Change {}

impl Change {
    /// In which cluster it changes something; `None` where that is in all of them, or in none yet.
    pub(crate) fn cluster<'a>(&'a self, state: &'a State) -> Option<&'a ClusterName> {
        match (&self.service, &self.command) {
            (Some((cluster, _)), _) => Some(cluster),
            (None, Command::PutSchedule(it)) => {
                let name = it.cluster.as_deref().unwrap_or(self.ask.cluster.as_str());
                let name = short_name(name);
                state.clusters.keys().find(|known| known.as_str() == name)
            }
            (None, _) => None,
        }
    }

    /// What it is about, by name.
    pub(crate) fn thing(&self) -> String {
        match (&self.service, &self.command) {
            (Some((_, name)), _) => name.to_string(),
            (None, Command::RegisterTaskDefinition(it)) => it.family.to_string(),
            (None, Command::PutSchedule(it)) => it.name.to_string(),
            (None, _) => self.ask.name.clone(),
        }
    }
}

/// What an edited text comes to.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// What there is already.
    Same,
    /// It cannot be read, or asks for what cannot be.
    Faulty(Vec<String>),
    Changes(Vec<Change>),
}

/// The text of a service, or of the task definition that something runs; `None` if there is none.
pub(crate) fn ask(state: &State, subject: &Subject) -> Option<EditAsk> {
    match subject {
        Subject::Service(key) => of_service(state, key),
        Subject::Definition(compared) => of_definition(state, &compared.id),
        Subject::Task(id) => of_definition(state, &state.tasks.get(id)?.task_definition),
        Subject::Refused(refused) => Some(refused.ask.clone()),
        Subject::Instance(_) | Subject::Event(_) | Subject::Schedules | Subject::Replicas(_) => {
            None
        }
    }
}

fn of_service(state: &State, key: &ServiceKey) -> Option<EditAsk> {
    let of = Source::Service(key.clone());
    let (cluster, name) = key;
    let command = service_command(state, key)?;
    text(
        format!("service {name}"),
        (cluster.clone(), name.as_str()),
        &command,
        (of, state),
    )
}

fn service_command(state: &State, key: &ServiceKey) -> Option<Command> {
    let request = service_request(state.services.get(key)?)?;
    Some(Command::CreateService(Box::new(request)))
}

fn definition_command(definition: &TaskDefinition) -> Command {
    Command::RegisterTaskDefinition(Box::new(request_of(definition)))
}

fn of_definition(state: &State, id: &TaskDefinitionId) -> Option<EditAsk> {
    let command = definition_command(state.task_definitions.get(id)?);
    text(
        format!("task definition {id}"),
        (ClusterName::default_cluster(), id.family.as_str()),
        &command,
        (Source::Family(id.family.clone()), state),
    )
}

fn text(
    name: String,
    (cluster, file): (ClusterName, &str),
    command: &Command,
    (of, state): (Source, &State),
) -> Option<EditAsk> {
    let text = serde_json::to_string_pretty(&wire::encode(command)).ok()?;
    let text = format!("{text}\n");
    Some(EditAsk {
        name,
        cluster,
        file: format!("{file}.json"),
        original: text.clone(),
        text,
        base: of.now(state),
        of,
    })
}

/// Reads an edited text as `qd apply` reads a file.
pub(crate) fn read(ask: &EditAsk, text: &str, (state, now): (&State, TimeMs)) -> Verdict {
    match steps_of(ask, text, (state, now)) {
        Err(faults) => Verdict::Faulty(faults.0.iter().map(ToString::to_string).collect()),
        Ok(steps) => {
            let ask = ask.with(text.to_owned());
            let change = |step: Step| {
                Some(Change {
                    ask: ask.clone(),
                    command: step.command?,
                    lines: step.lines,
                    service: step.service,
                })
            };
            match steps.into_iter().filter_map(change).collect::<Vec<_>>() {
                none if none.is_empty() => Verdict::Same,
                changes => Verdict::Changes(changes),
            }
        }
    }
}

fn steps_of(
    ask: &EditAsk,
    text: &str,
    (state, now): (&State, TimeMs),
) -> Result<Vec<Step>, Faults> {
    let document = Arc::new(Document::parse(&ask.file, text)?);
    let items = read::document(&document)?;
    steps(&items, state, now, ask.cluster.as_str())
}
