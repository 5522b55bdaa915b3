//! The same API over TCP, for who shows a certificate that the config names.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ring::digest::{Digest, SHA256, digest};
use rustix::net::sockopt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::certificate::{self, Shown};
use super::connection::{ACCEPT_PAUSE, Course, Hush, converse, refusing};
use super::peer::{Bearer, Peer};
use super::places::Places;
use crate::config::{ApiSettings, OperatorSettings};
use crate::controller::{CommandError, ErrorKind};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// So many handshakes may be under way from one address; what comes beyond is hung up on.
const HANDSHAKES_EACH: usize = 16;
/// So many from all addresses.
const HANDSHAKES_MAX: usize = 256;
/// So many connections one operator may have at once.
const CONNECTIONS_EACH: usize = 64;
/// So many all operators may have.
const CONNECTIONS_MAX: usize = 1_024;
/// So many connections are told at once why they are refused; more are cut without a word.
const REFUSED_MAX: usize = 16;

/// A connection on which nothing was said for so long is asked whether its other end is there.
const QUIET_MOST: Duration = Duration::from_secs(30);
/// Wait between two such questions.
const PROBE_GAP: Duration = Duration::from_secs(10);
/// So many questions without an answer end it.
const PROBES_MAX: u32 = 3;

/// Settings of the listener with its files as they are now.
pub(super) struct Loaded {
    settings: ApiSettings,
    acceptor: TlsAcceptor,
    /// Of the three files, to tell whether they have changed.
    sums: [Digest; 3],
}

impl Loaded {
    /// Reads the files.
    ///
    /// # Errors
    /// In words, with the file that cannot be used.
    pub fn read(settings: &ApiSettings) -> Result<Self, String> {
        let files = &settings.tls;
        let (ca, cert, key) = (bytes(&files.ca)?, bytes(&files.cert)?, bytes(&files.key)?);
        let sums = [&ca, &cert, &key].map(|bytes| digest(&SHA256, bytes));
        let mut roots = RootCertStore::empty();
        for authority in certificates(&files.ca, &ca)? {
            let added = roots.add(authority);
            added.map_err(|error| bad(&files.ca, &error.to_string()))?;
        }
        let chain = certificates(&files.cert, &cert)?;
        let secret = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| bad(&files.key, "it is no private key in PEM form"))?;
        // Named, so that it does not depend on what other crates switch on.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| bad(&files.ca, &error.to_string()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, secret)
            .map_err(|error| {
                let why = format!("it does not go with {} ({error})", files.cert.display());
                bad(&files.key, &why)
            })?;
        // A session that is taken up again would not have its certificate looked at again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            settings: settings.clone(),
            acceptor: TlsAcceptor::from(Arc::new(config)),
            sums,
        })
    }

    /// Whether there is nothing to be done for `other` to hold.
    pub fn is_as(&self, other: &Self) -> bool {
        let sums = |of: &Self| of.sums.map(|sum| sum.as_ref().to_vec());
        self.settings == other.settings && sums(self) == sums(other)
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        self.settings.address
    }

    /// What takes connections in.
    pub fn door(&self, router: Router) -> Door {
        Door {
            acceptor: self.acceptor.clone(),
            operators: self.settings.operators.clone(),
            router,
            connections: Places::new(CONNECTIONS_EACH, CONNECTIONS_MAX),
            refused: Places::new(REFUSED_MAX, REFUSED_MAX),
            told: Hush::default(),
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| bad(path, &format!("it cannot be read: {error}")))
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(bad(path, "it holds no certificate in PEM form")),
    }
}

fn bad(path: &Path, why: &str) -> String {
    format!("{} cannot be used: {why}", path.display())
}

/// Lets in who may come.
pub(super) struct Door {
    acceptor: TlsAcceptor,
    operators: Vec<OperatorSettings>,
    router: Router,
    connections: Arc<Places<String>>,
    refused: Arc<Places<()>>,
    told: Hush,
}

/// Takes connections in until it is told to stop.
pub(super) async fn accept(listener: Arc<TcpListener>, door: Door, course: Course) {
    let door = Arc::new(door);
    let handshakes = Places::new(HANDSHAKES_EACH, HANDSHAKES_MAX);
    let trouble = Hush::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = course.stop.cancelled() => return,
        };
        let (stream, from) = match accepted {
            Ok((stream, address)) => (stream, address.ip().to_canonical()),
            Err(error) => {
                if trouble.may_tell().is_some() {
                    tracing::warn!(%error, "no connection can be taken over TCP");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = handshakes.enter(&neighbourhood(from)) else {
            door.tell(from, "too many TLS handshakes are under way");
            continue;
        };
        let (door, stop) = (door.clone(), course.clone());
        course.spawn(async move {
            let shaken = door.shake_hands(stream).await;
            drop(place);
            match shaken {
                Ok((stream, shown)) => door.let_in(stream, &shown, from, &stop).await,
                Err(why) => door.tell(from, &why),
            }
        });
    }
}

/// Whom an address is counted with: one subscriber has as many IPv6 addresses as they like.
fn neighbourhood(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

/// Sees to it that a connection whose other end is gone without a word (a laptop that sleeps) ends,
/// and with it what it holds: its place, a shell, a stream of logs.
fn watch_over(stream: &TcpStream) -> std::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, QUIET_MOST)?;
    sockopt::set_tcp_keepintvl(stream, PROBE_GAP)?;
    sockopt::set_tcp_keepcnt(stream, PROBES_MAX)?;
    let unheard = QUIET_MOST + PROBE_GAP * PROBES_MAX;
    let unheard_ms = u32::try_from(unheard.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, unheard_ms)?;
    Ok(())
}

type Stream = tokio_rustls::server::TlsStream<TcpStream>;

impl Door {
    /// Tells the log that somebody was not let in.
    fn tell(&self, from: IpAddr, why: &str) {
        if let Some(untold) = self.told.may_tell() {
            tracing::warn!(%from, untold, why, "not let in over TCP");
        }
    }

    async fn shake_hands(&self, stream: TcpStream) -> Result<(Stream, Shown), String> {
        // A picture's beginning does not wait for its end.
        stream
            .set_nodelay(true)
            .and_then(|()| watch_over(&stream))
            .map_err(|error| error.to_string())?;
        let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(stream)).await;
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(format!("the TLS handshake failed: {error}")),
            Err(_) => {
                return Err(format!(
                    "the TLS handshake took longer than {} s",
                    HANDSHAKE_TIMEOUT.as_secs()
                ));
            }
        };
        let chain = stream.get_ref().1.peer_certificates();
        let own = chain.and_then(<[_]>::first).ok_or("no certificate")?;
        let shown = certificate::read(own)
            .map_err(|error| format!("the certificate cannot be read: {error}"))?;
        Ok((stream, shown))
    }

    /// Serves who is named, and tells who is not.
    async fn let_in(&self, stream: Stream, shown: &Shown, from: IpAddr, course: &Course) {
        let stop = course.stop.clone();
        let refusal = match certificate::bearer(&self.operators, shown) {
            Ok(operator) => match self.connections.enter(&operator.name) {
                Some(place) => {
                    let bearer = Bearer {
                        name: operator.name.clone(),
                        role: operator.role,
                        certificate: operator.certificate.to_string(),
                        from,
                        until: shown.until,
                        _place: Some(place),
                    };
                    let peer = Peer::Bearer(Arc::new(bearer));
                    tokio::select! {
                        () = converse(stream, self.router.clone(), Some(peer.clone()), stop) => {}
                        () = peer.expired() => {
                            self.tell(from, "the certificate has expired meanwhile");
                        }
                    }
                    return;
                }
                None => CommandError::new(
                    ErrorKind::ClientException,
                    format!(
                        "{} has as many connections as one operator may have ({CONNECTIONS_EACH}), \
                         or all together have {CONNECTIONS_MAX}. Close some.",
                        operator.name
                    ),
                ),
            },
            Err(refusal) => refusal,
        };
        self.tell(from, &refusal.message);
        if let Some(place) = self.refused.enter(&()) {
            converse(stream, refusing(refusal), None, stop).await;
            drop(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_counts_as_one_address() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("10.0.0.5"), "10.0.0.5");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:2:ffff::1"), of("2001:db8:1:2::9"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
    }
}
