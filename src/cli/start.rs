//! Starts what a command needs: a session, the server, the console, the demo.

use std::sync::Arc;

use super::args::Global;
use super::error::{CliError, CliResult};
use super::session::Session;
use super::trace;
use crate::config::Settings;
use crate::docker::Connector;
use crate::store::folder;

fn not_yet<T>() -> CliResult<T> {
    Err(CliError::Failed(
        "this build has no control plane yet: its rooms are being joined".into(),
    ))
}

/// A line to the control plane: a running server's, else one carried for this command.
pub async fn session(global: &Global, _settings: Settings, _role: &str) -> CliResult<Session> {
    folder::resolve(global.state.clone()).map_err(|error| CliError::Failed(error.to_string()))?;
    not_yet()
}

/// What opens engines.
pub fn connector(_global: &Global) -> CliResult<Arc<dyn Connector>> {
    not_yet()
}

/// The console.
pub async fn console(global: &Global) -> color_eyre::Result<()> {
    let state = folder::resolve(global.state.clone())?;
    trace::to_file(&state, global.verbose)?;
    Ok(not_yet()?)
}

/// The console over the simulated fleet.
pub async fn demo_console(global: &Global) -> color_eyre::Result<()> {
    console(global).await
}

/// The simulated fleet's scripted voyage.
pub async fn demo_voyage() -> CliResult {
    not_yet()
}

/// The control plane without a screen.
pub async fn serve(_global: &Global) -> CliResult {
    not_yet()
}
