//! The control plane of another machine, where one is named.

use std::path::Path;
use std::sync::Arc;

use super::args::Global;
use super::error::{CliError, CliResult};
use crate::client::{self, Client, RemoteClient};
use crate::config::{self, RemoteSettings, TlsFiles};
use crate::model::Surface;

/// Why `qd serve` does not start from such a config.
pub const ELSEWHERE: &str = "the config has [remote]: what uses it attaches to the control plane \
                             there. Take [remote] out to carry one here, or name another config";

/// The other machine's control plane, if the flags or the config name one.
///
/// # Errors
/// [`CliError::Usage`] if it cannot be reached as it is named.
pub fn server(
    global: &Global,
    configured: Option<&RemoteSettings>,
) -> CliResult<Option<RemoteSettings>> {
    let given = global.tls.as_deref().map(files).transpose()?;
    let configured = configured.cloned();
    let Some(text) = &global.server else {
        return match (configured, given) {
            (Some(remote), Some(tls)) => Ok(Some(RemoteSettings { tls, ..remote })),
            (None, Some(_)) => Err(CliError::Usage(
                "--tls goes with --server, or with [remote] in the config".to_owned(),
            )),
            (configured, None) => Ok(configured),
        };
    };
    let address = config::server_address(text)
        .map_err(|what| CliError::Usage(format!("--server: {what}; expected tcp://HOST[:PORT]")))?;
    let same = configured.filter(|it| given.is_none() || it.address == address);
    let server_name = same
        .as_ref()
        .filter(|it| it.address == address)
        .and_then(|it| it.server_name.clone());
    let tls = given.or_else(|| same.map(|it| it.tls));
    let tls = tls.ok_or_else(|| {
        CliError::Usage(
            "--server needs certificates: --tls DIR with ca.pem, cert.pem and key.pem, or tls \
             under [remote] in the config"
                .to_owned(),
        )
    })?;
    Ok(Some(RemoteSettings {
        address,
        server_name,
        tls,
    }))
}

/// The three files in a folder.
fn files(folder: &Path) -> CliResult<TlsFiles> {
    let file = |name: &str| {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
        let what = format!("--tls: there is no file {}", path.display());
        Err(CliError::Usage(what))
    };
    Ok(TlsFiles {
        ca: file("ca.pem")?,
        cert: file("cert.pem")?,
        key: file("key.pem")?,
    })
}

/// Refuses `--server` where the control plane is this process's own.
///
/// # Errors
/// [`CliError::Usage`].
pub fn none(global: &Global, verb: &str) -> CliResult {
    if global.server.is_none() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "qd {verb} carries a control plane itself, and --server names another one"
    )))
}

/// Attaches to it.
///
/// # Errors
/// [`CliError::Client`] if it does not answer, or does not let us in.
pub async fn attach(server: &RemoteSettings, surface: Surface) -> CliResult<Arc<dyn Client>> {
    let client = RemoteClient::connect_over_tls(server, client::operator(surface)).await?;
    Ok(Arc::new(client))
}
