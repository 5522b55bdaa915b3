//! `qd taskdef …`

use serde_json::json;

use super::args::{Output, TaskdefVerb};
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::session::Session;
use super::{apply, resolve, time};
use crate::api::shape;
use crate::controller::Command;
use crate::controller::command::DeregisterTaskDefinition;
use crate::controller::wire;
use crate::document::nearest;
use crate::model::TaskDefinition;
use crate::model::task_definition::TaskDefinitionStatus;

/// Runs one of them.
///
/// # Errors
/// What the command runs into.
pub async fn run(session: &Session, verb: &TaskdefVerb, output: Output) -> CliResult {
    match verb {
        TaskdefVerb::Ls { family, all } => list(session, family.as_deref(), *all, output),
        TaskdefVerb::Show(it) => show(session, &it.definition, output),
        TaskdefVerb::Register(files) => apply::register(session, files, output).await,
        TaskdefVerb::Deregister { definition, sure } => {
            let definition =
                resolve::definition(&session.snapshot().state, &definition.definition)?;
            let id = definition.id();
            let effect =
                format!("{id} will become INACTIVE: what runs goes on, nothing new will start.");
            out::confirm(&effect, sure.yes).await?;
            let body = session
                .command(Command::DeregisterTaskDefinition(
                    DeregisterTaskDefinition {
                        task_definition: id.to_string(),
                    },
                ))
                .await?;
            match output {
                Output::Json => out::json(&body),
                Output::Table => out::line(format!("deregistered {id}")),
            }
        }
    }
}

fn status(definition: &TaskDefinition) -> &'static str {
    match definition.status {
        TaskDefinitionStatus::Active => "ACTIVE",
        TaskDefinitionStatus::Inactive => "INACTIVE",
    }
}

fn list(session: &Session, family: Option<&str>, all: bool, output: Output) -> CliResult {
    let snapshot = session.snapshot();
    let state = &snapshot.state;
    let known = || state.task_definitions.values();
    if let Some(family) = family
        && !known().any(|it| it.family.as_str() == family)
    {
        let near = nearest(family, known().map(|it| it.family.as_str()));
        let near = near.map_or_else(String::new, |it| format!("; did you mean \"{it}\"?"));
        return Err(CliError::Usage(format!(
            "there is no family \"{family}\"{near}"
        )));
    }
    let newest = |it: &TaskDefinition| {
        let newest = state.latest_definition(&it.family);
        newest.is_some_and(|newest| newest.revision == it.revision)
    };
    let definitions: Vec<_> = known()
        .filter(|it| family.is_none_or(|family| it.family.as_str() == family))
        .filter(|it| all || newest(it))
        .collect();
    if output == Output::Json {
        let definitions: Vec<_> = definitions
            .iter()
            .map(|it| shape::task_definition(state, it))
            .collect();
        return out::json(&json!({"taskDefinitions": definitions}));
    }
    let mut table = Table::new(&[
        "DEFINITION",
        "STATUS",
        "CPU",
        "MEMORY",
        "IMAGES",
        "REGISTERED",
    ]);
    for it in definitions {
        let resources = it.resources();
        let images: Vec<&str> = it
            .container_definitions
            .iter()
            .map(|container| container.image.as_str())
            .collect();
        table.row([
            it.id().to_string(),
            status(it).to_owned(),
            resources.cpu.to_string(),
            resources.memory.to_string(),
            images.join(", "),
            time::local(it.registered_at),
        ]);
    }
    table.print("there is no task definition; qd taskdef register FILE makes one")
}

fn show(session: &Session, text: &str, output: Output) -> CliResult {
    let snapshot = session.snapshot();
    let definition = resolve::definition(&snapshot.state, text)?;
    if output == Output::Json {
        let body = shape::task_definition(&snapshot.state, &definition);
        return out::json(&json!({"taskDefinition": body, "tags": definition.tags}));
    }
    out::facts(&[
        ("definition", definition.id().to_string()),
        ("status", status(&definition).to_owned()),
        ("registered", time::local(definition.registered_at)),
    ])?;
    out::line("")?;
    let request = apply::steps::request_of(&definition);
    out::json(&wire::encode(&Command::RegisterTaskDefinition(Box::new(
        request,
    ))))
}
