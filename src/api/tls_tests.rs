//! The API over TCP: who gets in, and what they may do there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::authority::Authority;
use super::tests::caught_up;
use super::*;
use crate::client::{Client, ClientError, RemoteClient, Standing};
use crate::config::{
    ApiSettings, CertificateName, ListenSettings, OperatorSettings, RemoteSettings, TlsFiles,
};
use crate::controller::fixture::*;
use crate::controller::{ControlPlane, wire as ecs};
use crate::docker::ExecOptions;
use crate::model::{AccessRole, Audit, Outcome};
use crate::sim::Fleet;

/// A control plane that is served over TLS on this machine.
struct Rig {
    _fleet: Fleet,
    plane: ControlPlane,
    server: Server,
    authority: Authority,
    settings: ApiSettings,
    dir: tempfile::TempDir,
}

fn operator(name: &str, certificate: &str, role: AccessRole) -> OperatorSettings {
    OperatorSettings {
        name: name.into(),
        certificate: CertificateName::read(certificate).unwrap(),
        role,
    }
}

impl Rig {
    async fn new() -> Self {
        let (fleet, plane) = ready(1).await;
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path(), "ours");
        let mut settings = ApiSettings {
            address: ([127, 0, 0, 1], 0).into(),
            tls: authority.sign("server"),
            operators: vec![
                operator("vic", "CN=vic", AccessRole::Viewer),
                operator("olga", "URI:spiffe://shop/olga", AccessRole::Operator),
                operator("ada", "CN=ada", AccessRole::Admin),
            ],
        };
        let mut server = Server::start(dir.path(), plane.handle.clone()).unwrap();
        assert_eq!(server.api_address(), None, "nothing unless it is asked for");
        server.listen(&listen(&settings)).await.unwrap();
        // From now on where it is, whenever it begins anew.
        settings.address = server.api_address().unwrap();
        Self {
            _fleet: fleet,
            plane,
            server,
            authority,
            settings,
            dir,
        }
    }

    fn remote(&self, tls: TlsFiles) -> RemoteSettings {
        RemoteSettings {
            address: self.settings.address.to_string(),
            server_name: None,
            tls,
        }
    }

    async fn attach(&self, tls: TlsFiles) -> Result<RemoteClient, ClientError> {
        RemoteClient::connect_over_tls(&self.remote(tls), "root".into()).await
    }

    async fn client(&self, name: &str) -> RemoteClient {
        let tls = match name {
            "olga" => self.authority.sign_as("somebody", |params| {
                let uri = "spiffe://shop/olga".try_into().unwrap();
                params.subject_alt_names = vec![rcgen::SanType::URI(uri)];
            }),
            name => self.authority.sign(name),
        };
        self.attach(tls).await.unwrap()
    }

    /// The newest line of the audit trail.
    fn latest(&self) -> Audit {
        let snapshot = self.plane.handle.snapshot();
        let mut events = snapshot.state.events.iter().rev();
        events.find_map(|event| event.audit.clone()).unwrap()
    }

    async fn end(self) {
        self.server.stop().await;
        self.plane.stop().await.unwrap();
    }
}

fn listen(api: &ApiSettings) -> ListenSettings {
    ListenSettings {
        api: Some(api.clone()),
        metrics: None,
    }
}

fn denied(asked: Result<impl Sized, ClientError>) -> String {
    match asked {
        Err(ClientError::Refused(error)) if error.kind == ErrorKind::AccessDeniedException => {
            error.message
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was done"),
    }
}

/// The words with which a client is not let in.
fn kept_out(attached: Result<RemoteClient, ClientError>) -> String {
    match attached {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing_and_both_are_told() {
    let rig = Rig::new().await;
    ask(&rig.plane.handle, register("web")).await;
    ask(&rig.plane.handle, create("web", "web", 1)).await;
    let vic = rig.client("vic").await;
    let me = vic.whoami().await.unwrap();
    assert_eq!(me.role, AccessRole::Viewer);
    assert_eq!(me.user, "vic (viewer, certificate CN=vic, from 127.0.0.1)");

    let seen = until(&rig.plane.handle, "one runs", |it| {
        serving(it, "web").len() == 1
    })
    .await;
    let picture = caught_up(&vic, &rig.plane).await;
    assert_eq!(serving(&picture, "web").len(), 1);
    let task = serving(&seen, "web")[0].id;
    assert_eq!(vic.stats(task).await.unwrap().len(), 1);
    vic.plan(vec![scale("web", 3)].into()).await.unwrap();
    vic.history(crate::model::HistoryAsk::default())
        .await
        .unwrap();

    let before = rig.plane.handle.snapshot();
    let words = denied(vic.command(scale("web", 3)).await);
    assert!(
        words.starts_with("UpdateService needs the role operator, and yours is viewer."),
        "{words}"
    );
    let audit = rig.latest();
    assert_eq!(audit.user, me.user, "not what the client says of itself");
    assert_eq!(
        (audit.role, audit.outcome),
        (AccessRole::Viewer, Outcome::Refused)
    );
    assert_eq!(audit.operation, "UpdateService");
    denied(vic.apply(vec![scale("web", 3)], None).await);
    let options = ExecOptions {
        command: vec!["sh".into()],
        tty: false,
        size: None,
    };
    denied(vic.exec(task, None, options).await);
    assert_eq!(rig.latest().operation, "ExecuteCommand");
    denied(vic.toggle_fault(names(1)[0].clone()).unwrap().await);
    let after = rig.plane.handle.snapshot();
    assert_eq!(before.state.services, after.state.services);
    assert_eq!(before.state.instances, after.state.instances);
    rig.end().await;
}

#[tokio::test]
async fn an_operator_operates_and_an_admin_does_what_cannot_be_taken_back() {
    let rig = Rig::new().await;
    let (olga, ada) = (rig.client("olga").await, rig.client("ada").await);
    olga.command(register("web")).await.unwrap();
    olga.command(create("web", "web", 1)).await.unwrap();
    let audit = rig.latest();
    assert_eq!(
        (audit.role, audit.outcome),
        (AccessRole::Operator, Outcome::Done)
    );
    assert!(
        audit
            .user
            .starts_with("olga (operator, certificate URI:spiffe://shop/olga, from ")
    );
    let task = until(&rig.plane.handle, "one runs", |it| {
        serving(it, "web").len() == 1
    })
    .await;
    let task = serving(&task, "web")[0].id;
    let options = ExecOptions {
        command: vec!["true".into()],
        tty: false,
        size: None,
    };
    drop(olga.exec(task, None, options).await.unwrap());

    let cluster = ecs::decode("CreateCluster", &json!({"clusterName": "edge"})).unwrap();
    denied(olga.command(cluster.clone()).await);
    assert_eq!(rig.latest().outcome, Outcome::Refused);
    let gone = ecs::decode(
        "DeregisterTaskDefinition",
        &json!({"taskDefinition": "web:1"}),
    );
    denied(olga.command(gone.unwrap()).await);
    ada.command(cluster).await.unwrap();
    assert_eq!(rig.latest().role, AccessRole::Admin);
    assert_eq!(rig.plane.handle.snapshot().state.clusters.len(), 2);
    rig.end().await;
}

#[tokio::test]
async fn whoever_is_not_named_is_told_so_and_gets_nothing() {
    let rig = Rig::new().await;
    let words = denied(rig.attach(rig.authority.sign("eve")).await);
    assert!(
        words.starts_with("Your certificate (CN=eve) is nobody's"),
        "{words}"
    );
    assert!(words.contains("[[api.operator]]"), "{words}");

    let foreign = Authority::new(rig.dir.path(), "foreign");
    let ada = foreign.sign("ada");
    let mixed = TlsFiles {
        ca: rig.authority.sign("x").ca,
        ..ada
    };
    let words = kept_out(rig.attach(mixed).await);
    assert!(
        words.contains("not of the authority that the server trusts"),
        "{words}"
    );

    let expired = rig.authority.sign_as("ada", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let words = kept_out(rig.attach(expired).await);
    assert!(words.contains("our certificate has expired"), "{words}");

    // A server of another authority is not believed either.
    let words = kept_out(rig.attach(foreign.sign("ada")).await);
    assert!(words.contains("UnknownIssuer"), "{words}");

    let before = rig.plane.handle.snapshot();
    let nothing = spoken(rig.settings.address, without_certificate(&rig)).await;
    assert!(nothing.is_err(), "{nothing:?}");
    // Without TLS there is an alert at most, and no answer.
    let plain = spoken(rig.settings.address, None).await.unwrap_or_default();
    assert!(plain.len() < 16 && !plain.contains("HTTP"), "{plain:?}");
    assert_eq!(before.state, rig.plane.handle.snapshot().state);
    rig.end().await;
}

fn without_certificate(rig: &Rig) -> Option<rustls::ClientConfig> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(&rig.settings.tls.ca).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(config)
}

/// What comes back for a plain request, over TLS or without.
async fn spoken(
    address: SocketAddr,
    tls: Option<rustls::ClientConfig>,
) -> Result<String, std::io::Error> {
    const ASKED: &[u8] = b"GET /v1/snapshot HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(address).await?;
    let mut heard = Vec::new();
    match tls {
        Some(config) => {
            let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
            let name = "localhost".try_into().unwrap();
            let mut stream = connector.connect(name, stream).await?;
            stream.write_all(ASKED).await?;
            stream.read_to_end(&mut heard).await?;
        }
        None => {
            stream.write_all(ASKED).await?;
            stream.read_to_end(&mut heard).await?;
        }
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

#[tokio::test]
async fn who_dawdles_over_the_handshake_holds_up_nobody() {
    let rig = Rig::new().await;
    // From another address of this machine, far more than it may have under way.
    let mut slow = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 2], 0).into()).unwrap();
        let mut stream = socket.connect(rig.settings.address).await.unwrap();
        // The beginning of a handshake, and no more.
        stream.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
        slow.push(stream);
    }
    // And a few from this one.
    for _ in 0..8 {
        slow.push(TcpStream::connect(rig.settings.address).await.unwrap());
    }
    let ada = rig.client("ada").await;
    ada.command(register("web")).await.unwrap();
    // What was too much was hung up on at once; the others are, after their time.
    for mut stream in slow {
        let mut heard = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut heard));
        // Hung up on in good manners or by a reset: it is over either way.
        let _ended = end.await.unwrap();
    }
    rig.end().await;
}

async fn stands(client: &RemoteClient, wanted: impl FnMut(&Standing) -> bool) {
    let mut standings = client.standings();
    let there = standings.wait_for(wanted);
    let there = tokio::time::timeout(Duration::from_secs(60), there).await;
    drop(there.unwrap().unwrap());
}

#[tokio::test]
async fn a_client_outlives_a_server_that_goes_away_and_shows_the_last_picture_meanwhile() {
    let rig = Rig::new().await;
    let ada = rig.client("ada").await;
    ada.command(register("web")).await.unwrap();
    rig.server.stop().await;
    stands(&ada, |it| matches!(it, Standing::Lost { .. })).await;
    assert_eq!(ada.snapshots().borrow().state.task_definitions.len(), 1);
    let gone = ada.command(register("api")).await.unwrap_err();
    assert!(matches!(&gone, ClientError::Gone(_)), "{gone:?}");

    ask(&rig.plane.handle, register("api")).await;
    let mut server = Server::start(rig.dir.path(), rig.plane.handle.clone()).unwrap();
    server.listen(&listen(&rig.settings)).await.unwrap();
    stands(&ada, |it| matches!(it, Standing::Attached { .. })).await;
    let seen = caught_up(&ada, &rig.plane).await;
    assert_eq!(seen.state.task_definitions.len(), 2);
    server.stop().await;
    rig.plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_config_that_is_read_anew_cuts_off_only_where_something_changed() {
    let mut rig = Rig::new().await;
    let vic = rig.client("vic").await;
    rig.server.listen(&listen(&rig.settings)).await.unwrap();
    assert!(
        matches!(vic.standing(), Standing::Attached { .. }),
        "nothing changed"
    );

    // A file that cannot be used leaves everything as it was.
    let mut broken = rig.settings.clone();
    broken.tls.key = rig.settings.tls.ca.clone();
    let refusal = rig.server.listen(&listen(&broken)).await.unwrap_err();
    assert!(refusal.to_string().starts_with("[api]: "), "{refusal}");
    denied(vic.command(register("web")).await);

    // A role that was raised holds at once, and a name that was taken out is out at once.
    rig.settings.operators[0].role = AccessRole::Operator;
    rig.server.listen(&listen(&rig.settings)).await.unwrap();
    vic.command(register("web")).await.unwrap();
    rig.settings.operators.remove(0);
    rig.server.listen(&listen(&rig.settings)).await.unwrap();
    stands(
        &vic,
        |it| matches!(it, Standing::Lost { reason, .. } if reason.contains("is nobody's")),
    )
    .await;

    // An address that is somebody else's leaves everything as it was.
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut elsewhere = rig.settings.clone();
    elsewhere.address = taken.local_addr().unwrap();
    let refusal = rig.server.listen(&listen(&elsewhere)).await.unwrap_err();
    assert!(
        refusal.to_string().starts_with("[api] listen "),
        "{refusal}"
    );
    rig.client("ada").await.whoami().await.unwrap();

    // The two addresses may change places.
    let figures = {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap()
    };
    let mut both = listen(&rig.settings);
    both.metrics = Some(figures);
    rig.server.listen(&both).await.unwrap();
    let before = std::mem::replace(&mut rig.settings.address, figures);
    let mut swapped = listen(&rig.settings);
    swapped.metrics = Some(before);
    rig.server.listen(&swapped).await.unwrap();
    assert_eq!(rig.server.metrics_address(), Some(before));
    rig.client("ada").await.whoami().await.unwrap();
    assert!(spoken(before, None).await.unwrap().starts_with("HTTP/1.1 "));

    // Renewed certificates are taken.
    rig.settings.tls = rig.authority.sign("server");
    rig.server.listen(&listen(&rig.settings)).await.unwrap();
    rig.client("ada").await.whoami().await.unwrap();

    rig.server.listen(&ListenSettings::default()).await.unwrap();
    assert_eq!(rig.server.api_address(), None);
    assert!(TcpStream::connect(rig.settings.address).await.is_err());
    rig.end().await;
}
