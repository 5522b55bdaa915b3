//! `qd explain`: why it is where it is, or why it is not running.

use super::args::Output;
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::resolve::{self, Target};
use super::session::Session;
use crate::client::About;
use crate::model::arn::short_name;

/// Prints it.
///
/// # Errors
/// What the command runs into.
pub async fn explain(session: &Session, target: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let state = &snapshot.state;
    let found = resolve::target(state, &cluster, target);
    let definition = state.named_definition(short_name(target));
    let about = match (found, definition) {
        (Ok(Target::Task(task)), _) => About::Task(task.id),
        (Ok(Target::Service(service)), _) => About::Service(cluster, service.name.clone()),
        (Err(_), Ok(definition)) => About::Definition(cluster, definition.id()),
        (Err(error), Err(_)) => return Err(error),
    };
    let explanation = session.client.explain(about).await?;
    if output == Output::Json {
        let value = serde_json::to_value(&explanation)
            .map_err(|error| CliError::Failed(format!("the explanation as JSON: {error}")))?;
        return out::json(&value);
    }
    out::line(&explanation.subject)?;
    for line in &explanation.answer {
        out::line(format!("  {line}"))?;
    }
    if let Some(smallest) = &explanation.smallest {
        out::line(format!(
            "  The smallest change that would place one: {}",
            smallest.sentence
        ))?;
        for command in &smallest.commands {
            out::line(format!("    $ {command}"))?;
        }
    }
    if explanation.instances.is_empty() {
        return Ok(());
    }
    out::line("")?;
    let mut table = Table::new(&["INSTANCE", "ONE MORE", "WHY"]);
    for verdict in &explanation.instances {
        table.row([
            verdict.instance.clone(),
            if verdict.takes { "takes it" } else { "refuses" }.to_owned(),
            verdict.reasons.join("; "),
        ]);
    }
    table.print("")
}
