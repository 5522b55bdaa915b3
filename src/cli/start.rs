//! Starts what a command needs: a session, the server, the console, the demo.

use std::sync::Arc;

use super::args::Global;
use super::error::{CliError, CliResult};
use super::session::Session;
use crate::config::Settings;
use crate::docker::Connector;

pub async fn session(global: &Global, settings: Settings, role: &str) -> CliResult<Session> {
    let _ = (global, settings, role);
    Err(CliError::Failed("pending".into()))
}
pub fn connector(global: &Global) -> CliResult<Arc<dyn Connector>> {
    let _ = global;
    Err(CliError::Failed("pending".into()))
}
pub async fn console(global: &Global) -> color_eyre::Result<()> {
    let _ = global;
    Ok(())
}
pub async fn demo_console(global: &Global) -> color_eyre::Result<()> {
    let _ = global;
    Ok(())
}
pub async fn demo_voyage() -> CliResult {
    Ok(())
}
pub async fn serve(global: &Global) -> CliResult {
    let _ = global;
    Ok(())
}
