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

use std::io::Read as _;
use std::path::Path;

use crate::document::{Document, Fault, Faults, Node, TEXT_MAX};

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
    load_or_salvage(lookup, more).map_err(|salvage| salvage.faults)
}

/// What can be made of a configuration that has faults: enough to attach to a control plane that
/// runs, and has read it when it was whole.
#[derive(Debug)]
pub struct Salvage<T> {
    /// All that is wrong with it.
    pub faults: Faults,
    /// The control plane of another machine that it names.
    pub remote: Option<RemoteSettings>,
    /// It names, or may name, another machine's, and which cannot be told.
    pub may_be_remote: bool,
    /// What the other room could read.
    pub more: T,
    /// Whether that is all that the file says to it: its table had no fault, and no other table
    /// can have been meant for it.
    pub more_is_whole: bool,
}

/// [`load_with`]; where there are faults, what can be had all the same.
///
/// # Errors
/// [`Salvage`], with everything that is wrong.
pub fn load_or_salvage<T>(
    lookup: &Lookup,
    more: impl FnOnce(Option<(&mut Reader<'_>, &Node)>) -> T,
) -> Result<(Settings, T), Box<Salvage<T>>> {
    let nothing = |faults, may_be_remote, more, more_is_whole| {
        Box::new(Salvage {
            faults,
            remote: None,
            may_be_remote,
            more,
            more_is_whole,
        })
    };
    let Some(path) = lookup.find() else {
        return match lookup.local() {
            Ok(settings) => Ok((settings, more(None))),
            Err(what) => {
                let fault = Fault::of_file("DOCKER_HOST", what);
                Err(nothing(fault.into(), false, more(None), true))
            }
        };
    };
    let document = match Document::read(&path) {
        Ok(document) => document,
        Err(faults) => return Err(nothing(faults, mentions_remote(&path), more(None), false)),
    };
    let (settings, (more, more_is_whole), faults) =
        validate::settings(&document, &path, lookup, |file| match file {
            Some((reader, root)) => {
                let before = reader.pushed();
                // One that is not known may be a misspelt one.
                let mut tables = root.entries().iter();
                let known = tables.all(|it| validate::ROOT.contains(&it.key.as_str()));
                let read = more(Some((&mut *reader, root)));
                (read, known && reader.pushed() == before)
            }
            None => (more(None), true),
        });
    match faults.or(()) {
        Ok(()) => Ok((settings, more)),
        Err(faults) => Err(Box::new(Salvage {
            may_be_remote: settings.remote.is_none() && document.root().get("remote").is_some(),
            remote: settings.remote,
            faults,
            more,
            more_is_whole,
        })),
    }
}

/// Whether a text that is no TOML, or cannot be read, may name another machine's control plane.
fn mentions_remote(path: &Path) -> bool {
    let bytes = std::fs::File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(TEXT_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    bytes.map_or(true, |bytes| {
        String::from_utf8_lossy(&bytes).lines().any(|line| {
            let key = line.trim_start_matches(['[', ' ', '\t', '"', '\'']);
            key.starts_with("remote")
        })
    })
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
    let (settings, more, faults) = validate::settings(document, file, lookup, more);
    faults.or((settings, more))
}
