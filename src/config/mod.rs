//! File, environment and flags → validated [`Settings`], with errors that point at the line.

mod capacity;
mod difference;
mod endpoint;
mod listen;
mod lookup;
mod reader;
mod roles;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

pub use difference::{Difference, InstanceChange};
pub use endpoint::host_of;
pub use listen::server_address;
pub use lookup::Lookup;
pub use reader::Reader;
pub use settings::{
    ApiSettings, CertificateName, ClusterSettings, Endpoint, InstanceSettings, ListenSettings,
    OperatorSettings, RemoteSettings, SecretSettings, SecretSource, Settings, SshEndpoint,
    TlsFiles,
};

use std::path::Path;

use crate::document::{Document, Fault, Faults, Node};

/// Finds the configuration and validates it. Where there is none, it is the cluster `default`
/// with the local Docker Engine.
///
/// # Errors
/// [`Faults`]: everything that is wrong with it, at once.
pub fn load(lookup: &Lookup) -> Result<Settings, Faults> {
    Ok(load_with(lookup, |_| ())?.0)
}

/// The same, with what another room reads from its own table of the file: it is given the whole
/// document, or `None` where there is no file, and its faults are told with all others.
///
/// # Errors
/// [`Faults`]: everything that is wrong with it, at once.
pub fn load_with<T>(
    lookup: &Lookup,
    more: impl FnOnce(Option<(&mut Reader<'_>, &Node)>) -> T,
) -> Result<(Settings, T), Faults> {
    match lookup.find() {
        Some(path) => of_document(&Document::read(&path)?, &path, lookup, more),
        None => {
            let local = lookup.local();
            let settings = local.map_err(|what| Fault::of_file("DOCKER_HOST", what))?;
            Ok((settings, more(None)))
        }
    }
}

/// The same from the text of a file that was read already.
///
/// # Errors
/// [`Faults`]: everything that is wrong with it, at once.
pub fn of_document<T>(
    document: &Document,
    file: &Path,
    lookup: &Lookup,
    more: impl FnOnce(Option<(&mut Reader<'_>, &Node)>) -> T,
) -> Result<(Settings, T), Faults> {
    validate::settings(document, file, lookup, more)
}
