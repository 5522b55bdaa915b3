use super::super::engine_tests::engine as local_engine;
use super::*;
use crate::config::TlsFiles;
use crate::model::ClusterName;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

const DOCKER: &str = "/var/run/docker.sock";
/// Generous: the machine may be busy with everything else.
const LONG: Duration = Duration::from_secs(60);

fn instance(endpoint: Endpoint) -> InstanceSettings {
    InstanceSettings::new(
        InstanceName::new("far").unwrap(),
        ClusterName::default_cluster(),
        endpoint,
    )
}

async fn connect(connector: &RealConnector, endpoint: Endpoint) -> EngineResult<Arc<dyn Engine>> {
    connector.connect(&instance(endpoint)).await
}

async fn refusal(connector: &RealConnector, endpoint: Endpoint) -> String {
    match connect(connector, endpoint).await {
        Ok(_) => panic!("connected"),
        Err(error) => error.to_string(),
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {errors}");
}

/// Says why a test cannot run here, and fails under CI.
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "under CI: {why}");
    // Past the test runner's capture: what did not run is to be seen.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// A real sshd on an address of its own, with a key pair of its own.
struct Sshd {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    log: mpsc::Receiver<String>,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Sshd {
    fn start() -> Option<Self> {
        let program = "/usr/sbin/sshd";
        if !Path::new(program).exists() {
            skipped("there is no /usr/sbin/sshd (openssh-server)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "other_host", "user", "other_user"] {
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)],
            );
        }
        std::fs::copy(path("user.pub"), path("authorized")).unwrap();
        // sshd asks for it; a package's unit file would make it.
        let _ = std::fs::create_dir_all("/run/sshd");
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             StrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nLogLevel INFO\n",
            path("host"),
            path("authorized")
        );
        std::fs::write(path("config"), config).unwrap();
        let mut child = Command::new(program)
            .args(["-D", "-e", "-f", &path("config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = child.stderr.take().unwrap();
        let (lines, log) = mpsc::sync_channel(10_000);
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if lines.try_send(line).is_err() {
                    return;
                }
            }
        });
        let sshd = Self {
            folder,
            child,
            port,
            log,
        };
        sshd.wait_for("Server listening");
        Some(sshd)
    }

    fn wait_for(&self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.log.recv_timeout(LONG);
            let line = line.unwrap_or_else(|_| panic!("no \"{text}\" in {lines:#?}"));
            let found = line.contains(text);
            lines.push(line);
            if found {
                return lines;
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A known-hosts file that has this public key for it.
    fn known(&self, key: &str) -> PathBuf {
        let public = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        let file = self.path(&format!("known_{key}"));
        std::fs::write(&file, format!("[127.0.0.1]:{} {public}", self.port)).unwrap();
        file
    }

    fn endpoint(&self) -> SshEndpoint {
        let output = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(output.stdout).unwrap();
        SshEndpoint {
            user: Some(user.trim().to_owned()),
            host: "127.0.0.1".to_owned(),
            port: Some(self.port),
            key: Some(self.path("user")),
            known_hosts: Some(self.known("host")),
            socket: PathBuf::from(DOCKER),
        }
    }

    fn connector(&self) -> RealConnector {
        RealConnector::new(self.path("run"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_ssh_is_one_connection_that_ends_with_it() {
    if local_engine().await.is_none() {
        return;
    }
    let Some(sshd) = Sshd::start() else { return };
    let connector = sshd.connector();
    let endpoint = Endpoint::Ssh(sshd.endpoint());
    let engine = connect(&connector, endpoint.clone()).await.unwrap();
    let asked = (0..8).map(|_| engine.list());
    for list in futures_util::future::join_all(asked).await {
        list.unwrap();
    }
    let folder = std::fs::metadata(sshd.path("run/ssh")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.permissions());
    assert_eq!(mode & 0o777, 0o700);
    // A second engine of the same instance goes over the same connection.
    let again = connect(&connector, endpoint).await.unwrap();
    again.ping().await.unwrap();
    drop(engine);
    again.ping().await.unwrap();
    drop(again);
    let log = sshd.wait_for("Disconnected from user");
    let logins = log.iter().filter(|l| l.contains("Accepted publickey"));
    assert_eq!(logins.count(), 1, "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_ssh_connection_is_told_and_made_anew() {
    if local_engine().await.is_none() {
        return;
    }
    let Some(sshd) = Sshd::start() else { return };
    let connector = sshd.connector();
    let endpoint = Endpoint::Ssh(sshd.endpoint());
    let engine = connect(&connector, endpoint.clone()).await.unwrap();
    let accepted = sshd.wait_for("Accepted publickey");
    // The log names the process that serves this connection by nothing but its children; the
    // newest child of sshd is it.
    assert_eq!(
        accepted.iter().filter(|l| l.contains("Accepted")).count(),
        1
    );
    let listed = Command::new("pgrep")
        .args(["-P", &sshd.child.id().to_string()])
        .output()
        .unwrap();
    for pid in String::from_utf8(listed.stdout).unwrap().split_whitespace() {
        run("kill", &["-9", pid]);
    }
    let mut events = 0;
    let broken = loop {
        match engine.ping().await {
            Ok(()) if events < 1_000 => events += 1,
            Ok(()) => panic!("the connection did not break"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(
        broken.contains(&format!("127.0.0.1:{}", sshd.port)),
        "{broken}"
    );
    let again = connect(&connector, endpoint).await.unwrap();
    again.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn host_keys_are_verified_and_logins_explained() {
    let Some(sshd) = Sshd::start() else { return };
    let connector = sshd.connector();
    let ask = |change: &dyn Fn(&mut SshEndpoint)| {
        let mut endpoint = sshd.endpoint();
        change(&mut endpoint);
        Endpoint::Ssh(endpoint)
    };
    let unknown = ask(&|e| e.known_hosts = Some(sshd.path("known_none")));
    let text = refusal(&connector, unknown).await;
    assert!(text.contains("the host key is not known"), "{text}");
    assert!(text.contains(&format!("ssh -p {}", sshd.port)), "{text}");
    let changed = ask(&|e| e.known_hosts = Some(sshd.known("other_host")));
    let text = refusal(&connector, changed).await;
    assert!(text.contains("the host key has changed"), "{text}");
    assert!(
        text.contains(&format!("ssh-keygen -R '[127.0.0.1]:{}'", sshd.port)),
        "{text}"
    );
    let stranger = ask(&|e| e.key = Some(sshd.path("other_user")));
    let text = refusal(&connector, stranger).await;
    assert!(text.contains("the login was refused"), "{text}");
    let absent = ask(&|e| e.socket = PathBuf::from("/nonexistent/docker.sock"));
    let text = refusal(&connector, absent).await;
    assert!(
        text.contains("there is no /nonexistent/docker.sock"),
        "{text}"
    );
    let nobody = ask(&|e| e.port = Some(1));
    let text = refusal(&connector, nobody).await;
    assert!(text.contains("Connection refused"), "{text}");
}

#[test]
fn the_guard_ends_ssh_when_we_are_killed() {
    // What a kill -9 does to the pipe that we hold is what a drop does: it closes.
    let mut guard = Command::new("/bin/sh")
        .args([
            "-c",
            ssh::GUARD,
            "sh",
            "sh",
            "-c",
            "echo $$; exec sleep 1000",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(guard.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    let process = Path::new("/proc").join(line.trim());
    assert!(process.exists());
    drop(guard.stdin.take());
    guard.wait().unwrap();
    assert!(!process.exists());
}

#[test]
fn ports_that_are_not_named_are_dockers() {
    assert_eq!(with_port("host", 2376), "host:2376");
    assert_eq!(with_port("host:1", 2376), "host:1");
    assert_eq!(with_port("[::1]", 2375), "[::1]:2375");
    assert_eq!(with_port("[::1]:9", 2375), "[::1]:9");
}

#[tokio::test]
async fn a_socket_path_too_long_for_the_system_finds_another_place() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("x".repeat(120));
    let path = ssh::socket_path(&deep).unwrap();
    assert!(path.as_os_str().len() < 108, "{}", path.display());
    assert!(!path.starts_with(folder.path()));
    let _ = std::fs::remove_dir(path.parent().unwrap());
}

#[test]
fn sockets_that_nobody_serves_are_swept_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let bind = |name: &str| std::os::unix::net::UnixListener::bind(folder.path().join(name));
    drop(bind("1-0.sock").unwrap());
    let _served = bind("2-0.sock").unwrap();
    // A program that another test starts at this moment may hold a copy of the closed socket
    // until it runs: it counts as served until then.
    for _ in 0..500 {
        ssh::sweep(folder.path());
        if !folder.path().join("1-0.sock").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(!folder.path().join("1-0.sock").exists());
    assert!(folder.path().join("2-0.sock").exists());
}

/// Certificates as `docker`'s documentation has them made, and a TLS server that demands ours.
struct TlsHost {
    folder: tempfile::TempDir,
    address: String,
}

impl TlsHost {
    async fn start() -> Option<Self> {
        if Command::new("openssl").arg("version").output().is_err() {
            skipped("there is no openssl to make certificates with");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for ca in ["ca", "other-ca"] {
            let script = format!(
                "cd '{}' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                 -days 2 -subj /CN={ca} -keyout {ca}-key.pem -out {ca}.pem \
                 -addext keyUsage=keyCertSign 2>&1",
                folder.path().display()
            );
            run("sh", &["-c", &script]);
        }
        for (name, ca, extension) in [
            ("server", "ca", "subjectAltName=IP:127.0.0.1"),
            ("client", "ca", "extendedKeyUsage=clientAuth"),
            ("stranger", "other-ca", "extendedKeyUsage=clientAuth"),
        ] {
            let script = format!(
                "cd '{}' && echo {extension} > {name}.ext && \
                 openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} \
                 -keyout {name}-key.pem -out {name}.csr 2>&1 && \
                 openssl x509 -req -in {name}.csr -days 2 -CA {ca}.pem -CAkey {ca}-key.pem \
                 -CAcreateserial -extfile {name}.ext -out {name}.pem 2>&1",
                folder.path().display()
            );
            run("sh", &["-c", &script]);
        }
        let address = serve_tls(folder.path()).await;
        Some(Self { folder, address })
    }

    fn endpoint(&self, ca: &str, cert: &str, key: &str) -> Endpoint {
        let path = |name: &str| self.folder.path().join(format!("{name}.pem"));
        Endpoint::Tcp {
            address: self.address.clone(),
            tls: Some(TlsFiles {
                ca: path(ca),
                cert: path(cert),
                key: path(key),
            }),
        }
    }
}

/// Passes what comes over TLS, from clients that the CA vouches for, on to the local engine.
async fn serve_tls(folder: &Path) -> String {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let pem = |name: &str| folder.join(format!("{name}.pem"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(pem("ca")).unwrap();
    roots.add(ca).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![CertificateDer::from_pem_file(pem("server")).unwrap()],
            PrivateKeyDer::from_pem_file(pem("server-key")).unwrap(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut tls = acceptor.accept(stream).await?;
                let mut docker = tokio::net::UnixStream::connect(DOCKER).await?;
                tokio::io::copy_bidirectional(&mut tls, &mut docker).await
            });
        }
    });
    address
}

#[tokio::test]
async fn an_engine_behind_tls_is_verified_and_verifies_us() {
    if local_engine().await.is_none() {
        return;
    }
    let Some(host) = TlsHost::start().await else {
        return;
    };
    let connector = RealConnector::new(host.folder.path().join("run"));
    let good = host.endpoint("ca", "client", "client-key");
    let engine = connect(&connector, good).await.unwrap();
    assert_eq!(engine.info().await.unwrap().os_type, "linux");
    for (ca, cert, key, expected) in [
        (
            "other-ca",
            "client",
            "client-key",
            "invalid peer certificate",
        ),
        ("ca", "stranger", "stranger-key", "received fatal alert"),
        ("ca", "client", "stranger-key", "it does not go with"),
        (
            "absent",
            "client",
            "client-key",
            "absent.pem cannot be used: it cannot be read",
        ),
        (
            "client-key",
            "client",
            "client-key",
            "it holds no certificate",
        ),
        ("ca", "client", "client", "it is no private key"),
    ] {
        let text = refusal(&connector, host.endpoint(ca, cert, key)).await;
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[tokio::test]
async fn plain_tcp_that_nobody_serves_is_refused_with_its_address() {
    let folder = tempfile::tempdir().unwrap();
    let connector = RealConnector::new(folder.path().to_owned());
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let endpoint = Endpoint::Tcp {
        address: address.clone(),
        tls: None,
    };
    let text = refusal(&connector, endpoint).await;
    assert!(text.contains(&format!("tcp://{address}")), "{text}");
    assert!(text.contains("Connection refused"), "{text}");
    let simulated = refusal(&connector, Endpoint::Simulated).await;
    assert!(simulated.contains("far"), "{simulated}");
}
