//! The way to a server: its socket, or TCP with mutual TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::ClientError;
use crate::config::RemoteSettings;
use crate::docker::{EngineError, tls};

/// How long a connection may take, its TLS handshake included.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

pub(super) fn gone(reason: impl ToString) -> ClientError {
    ClientError::Gone(reason.to_string())
}

/// Nobody is behind a socket: its file goes with who made it, and one that was killed leaves it.
fn nobody(path: &Path, error: &io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            gone(format!("nobody serves {} any more", path.display()))
        }
        _ => gone(format!("{}: {error}", path.display())),
    }
}

/// A connection that takes one request.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Where a server is.
#[derive(Clone)]
pub(super) enum Way {
    /// Behind a socket of this machine.
    Socket(PathBuf),
    /// Elsewhere.
    Tls(Arc<Tls>),
}

/// The way over TCP.
pub(super) struct Tls {
    server: RemoteSettings,
    name: ServerName<'static>,
    /// With the files as they were when it was last attached.
    config: RwLock<Arc<ClientConfig>>,
}

impl Tls {
    async fn new(server: RemoteSettings) -> Result<Self, EngineError> {
        let named = server.server_name.as_ref().unwrap_or(&server.address);
        let name = tls::server_name(named)?;
        let config = tls::client_config(&server.tls).await?;
        Ok(Self {
            server,
            name,
            config: RwLock::new(Arc::new(config)),
        })
    }

    async fn dial(&self) -> Result<Sender, ClientError> {
        let connector = TlsConnector::from(self.config());
        let stream = TcpStream::connect(&self.server.address).await;
        let stream = stream.map_err(|error| self.gone(&error.to_string()))?;
        stream.set_nodelay(true).map_err(gone)?;
        let stream = connector.connect(self.name.clone(), stream).await;
        let stream = stream.map_err(|error| self.gone(&error.to_string()))?;
        converse(stream).await
    }

    fn config(&self) -> Arc<ClientConfig> {
        let held = self.config.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    fn gone(&self, reason: &str) -> ClientError {
        gone(format!("tcp://{}: {reason}", self.server.address))
    }
}

impl Way {
    /// The way to a server elsewhere.
    ///
    /// # Errors
    /// [`ClientError::Gone`] with the file that cannot be used.
    pub async fn over_tls(server: RemoteSettings) -> Result<Self, ClientError> {
        let tls = Tls::new(server).await.map_err(gone)?;
        Ok(Self::Tls(Arc::new(tls)))
    }

    /// A connection.
    pub async fn dial(&self) -> Result<Sender, ClientError> {
        let dialled = async {
            match self {
                Self::Socket(path) => {
                    let stream = UnixStream::connect(path).await;
                    converse(stream.map_err(|error| nobody(path, &error))?).await
                }
                Self::Tls(tls) => tls.dial().await,
            }
        };
        timeout(DIAL_LIMIT, dialled)
            .await
            .map_err(|_| gone(format!("no connection within {} s", DIAL_LIMIT.as_secs())))?
    }

    /// Takes certificates that were renewed meanwhile; those that cannot be used leave it at what
    /// there is.
    pub async fn refresh(&self) {
        let Self::Tls(way) = self else { return };
        match tls::client_config(&way.server.tls).await {
            Ok(config) => {
                let mut held = way.config.write().unwrap_or_else(PoisonError::into_inner);
                *held = Arc::new(config);
            }
            Err(error) => tracing::warn!(%error, "the certificates cannot be read anew"),
        }
    }

    /// What went wrong, with what a person can do about it.
    pub fn explain(&self, error: &hyper::Error) -> ClientError {
        match self {
            Self::Socket(_) => gone(error),
            Self::Tls(tls) => tls.gone(&alert(error).unwrap_or_else(|| error.to_string())),
        }
    }
}

/// What the server says to our certificate. In TLS 1.3 that comes only after the handshake.
fn alert(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, DecryptError, UnknownCA,
    };
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref()?.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = inner {
            return Some(match alert {
                CertificateRequired => "the server wants a certificate of ours".to_owned(),
                CertificateExpired => "our certificate has expired".to_owned(),
                UnknownCA | DecryptError => {
                    "our certificate is not of the authority that the server trusts".to_owned()
                }
                AccessDenied | BadCertificate | CertificateRevoked | CertificateUnknown => {
                    format!("the server does not take our certificate ({alert:?})")
                }
                other => format!("the server ended the TLS connection ({other:?})"),
            });
        }
        cause = error.source();
    }
    None
}

async fn converse<S>(stream: S) -> Result<Sender, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(gone)?;
    // Ends with the response's body, or with the upgraded connection.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}
