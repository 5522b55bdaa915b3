//! `qd explain`: why it is where it is, or why it is not running.

use super::args::Output;
use super::error::{CliError, CliResult};
use super::out::{self, Table};
use super::resolve::{self, Target};
use super::session::Session;
use crate::agent::{Clock as _, SystemClock};
use crate::scheduler::explain;

/// Prints it.
///
/// # Errors
/// What the command runs into.
pub async fn explain(session: &Session, target: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let now = SystemClock.now();
    let state = &snapshot.state;
    let explanation = match resolve::target(state, &cluster, target)? {
        Target::Task(task) => explain::task(state, now, task.id),
        Target::Service(service) => explain::service(state, now, &cluster, &service.name),
    };
    let Some(explanation) = explanation else {
        return Err(CliError::Failed(format!("{target} is gone")));
    };
    if output == Output::Json {
        let value = serde_json::to_value(&explanation)
            .map_err(|error| CliError::Failed(format!("the explanation as JSON: {error}")))?;
        return out::json(&value);
    }
    out::line(&explanation.subject)?;
    for line in &explanation.answer {
        out::line(format!("  {line}"))?;
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
