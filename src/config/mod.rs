//! File, environment and flags → validated [`Settings`], with errors that point at the line.

mod capacity;
mod endpoint;
mod lookup;
mod reader;
mod roles;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

pub use lookup::Lookup;
pub use settings::{
    ClusterSettings, Endpoint, InstanceSettings, SecretSettings, SecretSource, Settings,
    SshEndpoint, TlsFiles,
};

use crate::document::{Document, Fault, Faults};

/// Finds the configuration and validates it. Where there is none, it is the cluster `default`
/// with the local Docker Engine.
///
/// # Errors
/// [`Faults`]: everything that is wrong with it, at once.
pub fn load(lookup: &Lookup) -> Result<Settings, Faults> {
    match lookup.find() {
        Some(path) => {
            let document = Document::read(&path)?;
            validate::settings(&document, &path, lookup)
        }
        None => lookup
            .local()
            .map_err(|what| Fault::of_file("DOCKER_HOST", what).into()),
    }
}
