//! TLS to an engine, or to a control plane elsewhere: we trust the one authority that the config
//! names, and show our certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use super::transport::Dial;
use super::{EngineError, EngineResult};
use crate::config::TlsFiles;

/// The way to an engine over TLS. `address` is `HOST:PORT`.
///
/// # Errors
/// [`EngineError::Refused`] with the file that cannot be read, or is not what it should be.
pub async fn dial(address: &str, files: &TlsFiles) -> EngineResult<Dial> {
    Ok(Dial::Tls {
        address: address.to_owned(),
        name: server_name(address)?,
        config: Arc::new(client_config(files).await?),
    })
}

/// The name that the certificate of `HOST:PORT` has to bear.
///
/// # Errors
/// [`EngineError::Refused`] if no certificate can.
pub fn server_name(address: &str) -> EngineResult<ServerName<'static>> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).map_err(|_| {
        EngineError::Refused(format!(
            "\"{host}\" is neither a host name nor an address that a certificate can bear"
        ))
    })
}

/// Our end of a connection, with these files as they are now.
///
/// # Errors
/// [`EngineError::Refused`] with the file that cannot be read, or is not what it should be.
pub async fn client_config(files: &TlsFiles) -> EngineResult<ClientConfig> {
    let ca = read("the CA certificate", &files.ca).await?;
    let cert = read("the client certificate", &files.cert).await?;
    let key = read("the client key", &files.key).await?;
    let mut roots = RootCertStore::empty();
    for authority in certificates("the CA certificate", &files.ca, &ca)? {
        let added = roots.add(authority);
        added.map_err(|error| bad("the CA certificate", &files.ca, &error.to_string()))?;
    }
    let chain = certificates("the client certificate", &files.cert, &cert)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        bad(
            "the client key",
            &files.key,
            "it is no private key in PEM form",
        )
    })?;
    // Named, so that it does not depend on what other crates switch on.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EngineError::Refused(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(|error| {
            let why = format!("it does not go with {} ({error})", files.cert.display());
            bad("the client key", &files.key, &why)
        })
}

async fn read(what: &str, path: &Path) -> EngineResult<Vec<u8>> {
    let read = tokio::fs::read(path).await;
    read.map_err(|error| bad(what, path, &format!("it cannot be read: {error}")))
}

fn certificates(what: &str, path: &Path, pem: &[u8]) -> EngineResult<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(bad(what, path, "it holds no certificate in PEM form")),
    }
}

fn bad(what: &str, path: &Path, why: &str) -> EngineError {
    EngineError::Refused(format!("{what} {} cannot be used: {why}", path.display()))
}
