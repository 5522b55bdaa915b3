//! The program against a `qd serve` over TCP, as a user at another machine has it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use tempfile::TempDir;

use crate::pty::Session;

const QD: &str = env!("CARGO_BIN_EXE_qd");
/// How long anything may take; what is waited for comes in a fraction of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine with a `qd serve` on it, and certificates for those who come to it.
struct Machine {
    home: TempDir,
    api: SocketAddr,
    metrics: SocketAddr,
    server: Option<Child>,
}

/// An address of this machine that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

fn named(name: &str, addresses: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(addresses).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut authority = named("authority", Vec::new());
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let ca = authority.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(authority, key);
        for name in ["server", "vic", "ada", "eve"] {
            let folder = home.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let key = KeyPair::generate().unwrap();
            let params = named(name, vec!["127.0.0.1".to_owned()]);
            let signed = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(folder.join("ca.pem"), &ca).unwrap();
            std::fs::write(folder.join("cert.pem"), signed.pem()).unwrap();
            std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        }
        Self {
            home,
            api: free(),
            metrics: free(),
            server: None,
        }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn configure(&self, listen: bool) {
        let instance = "[[instance]]\nname = \"nowhere\"\nendpoint = \"unix:///nowhere/d.sock\"\n";
        let listening = format!(
            "[api]\nlisten = \"{}\"\n\
             tls = {{ ca = \"server/ca.pem\", cert = \"server/cert.pem\", key = \"server/key.pem\" }}\n\
             [[api.operator]]\nname = \"vic\"\ncertificate = \"CN=vic\"\nrole = \"viewer\"\n\
             [[api.operator]]\nname = \"ada\"\ncertificate = \"CN=ada\"\nrole = \"admin\"\n\
             [metrics]\nlisten = \"{}\"\n",
            self.api, self.metrics
        );
        let text = if listen {
            instance.to_owned() + &listening
        } else {
            instance.to_owned()
        };
        std::fs::write(self.path().join("quarterdeck.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(QD);
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts `qd serve` and waits until it answers.
    fn serve(&mut self) {
        let log = std::fs::File::create(self.path().join("serve.log")).unwrap();
        let mut serve = self.command(&["serve"]);
        serve.stdout(Stdio::null()).stderr(log);
        self.server = Some(serve.spawn().unwrap());
        let socket = self.path().join(".local/state/quarterdeck/qd.sock");
        self.until("the server answers", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let log = || std::fs::read_to_string(self.path().join("serve.log"));
            assert!(begun.elapsed() < PATIENCE, "in vain: {what}; {:?}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// What a user elsewhere runs, who has nothing but the certificates of that name.
    fn elsewhere(&self, name: &str, arguments: &[&str]) -> Output {
        let elsewhere = tempfile::tempdir().unwrap();
        let server = format!("tcp://{}", self.api);
        let mut command = self.command(arguments);
        command
            .current_dir(elsewhere.path())
            .env("HOME", elsewhere.path())
            .args(["--server", &server, "--tls"])
            .arg(self.path().join(name));
        command.output().unwrap()
    }

    /// The addresses that the server listens on over TCP.
    fn listening(&self) -> Vec<String> {
        let id = self.server.as_ref().unwrap().id();
        let files = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap();
        let sockets: Vec<String> = files
            .filter_map(|file| std::fs::read_link(file.unwrap().path()).ok())
            .filter_map(|link| {
                let text = link.to_string_lossy().into_owned();
                Some(text.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        assert!(!sockets.is_empty(), "it has its unix socket at least");
        let mut found = Vec::new();
        for table in ["tcp", "tcp6"] {
            let text =
                std::fs::read_to_string(format!("/proc/{id}/net/{table}")).unwrap_or_default();
            for line in text.lines().skip(1) {
                let fields: Vec<&str> = line.split_whitespace().collect();
                // State 0A is LISTEN.
                if fields[3] == "0A" && sockets.iter().any(|it| it == fields[9]) {
                    found.push(fields[1].to_owned());
                }
            }
        }
        found
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn nothing_listens_on_tcp_unless_the_config_says_so() {
    let mut machine = Machine::new();
    machine.configure(false);
    machine.serve();
    assert_eq!(machine.listening(), Vec::<String>::new());
    machine.kill();
    machine.configure(true);
    machine.serve();
    machine.until("both listen", || machine.listening().len() == 2);
    // A command that carries the control plane itself for a moment opens no port.
    machine.kill();
    let output = machine.command(&["status"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(TcpStream::connect(machine.api).is_err());
}

#[test]
fn every_command_goes_to_another_machine_and_roles_hold_there() {
    let mut machine = Machine::new();
    machine.configure(true);
    machine.serve();
    let ada = |arguments: &[&str]| machine.elsewhere("ada", arguments);
    let vic = |arguments: &[&str]| machine.elsewhere("vic", arguments);
    let web = machine.path().join("web.toml");
    std::fs::write(
        &web,
        "[[taskDefinition]]\nfamily = \"web\"\n[[taskDefinition.containerDefinitions]]\n\
         name = \"app\"\nimage = \"x\"\nmemory = 64\n",
    )
    .unwrap();
    let web = web.to_str().unwrap();

    let output = vic(&["apply", "--yes", web]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = "RegisterTaskDefinition needs the role operator, and yours is viewer.";
    assert!(said(&output).contains(words), "{output:?}");
    let output = ada(&["apply", "--yes", web]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = vic(&["taskdef", "ls"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said(&output).contains("web"), "{output:?}");

    let output = vic(&["history", "--audit"]);
    for words in [
        "RegisterTaskDefinition by vic (viewer, certificate CN=vic, from 127.0.0.1) was refused",
        "ada (admin, certificate CN=ada, from 127.0.0.1)",
    ] {
        let told = said(&output)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    let output = machine.elsewhere("eve", &["status"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let words = "Your certificate (CN=eve) is nobody's";
    assert!(said(&output).contains(words), "{output:?}");

    // The same by the config, which then never carries one.
    let server = machine.api;
    std::fs::write(
        machine.path().join("remote.toml"),
        format!(
            "[remote]\nserver = \"tcp://{server}\"\n\
             tls = {{ ca = \"ada/ca.pem\", cert = \"ada/cert.pem\", key = \"ada/key.pem\" }}\n"
        ),
    )
    .unwrap();
    let output = machine
        .command(&["--config", "remote.toml", "taskdef", "ls"])
        .output()
        .unwrap();
    assert!(said(&output).contains("web"), "{output:?}");
    for arguments in [
        &["--config", "remote.toml", "serve"][..],
        &["--server", "tcp://a", "serve"],
        &["--server", "ops", "status"],
        &["--server", "tcp://ops", "status"],
        &["--tls", "ada", "status"],
    ] {
        let output = machine.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }

    let page = plain(machine.metrics, "/metrics");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let line = "quarterdeck_commands_total{outcome=\"refused\"} 1";
    assert!(page.contains(line), "{page}");
    assert!(plain(machine.metrics, "/healthz").contains("200 OK"));
    assert!(plain(machine.metrics, "/v1/http_sd").ends_with("[]"));
}

fn plain(address: SocketAddr, path: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn the_console_of_a_viewer_is_read_only_and_outlives_its_server() {
    let mut machine = Machine::new();
    machine.configure(true);
    machine.serve();
    let mut command = CommandBuilder::new(QD);
    let server = format!("tcp://{}", machine.api);
    command.args(["--server", &server, "--tls"]);
    command.arg(machine.path().join("vic"));
    command.env_clear();
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let elsewhere = tempfile::tempdir().unwrap();
    command.env("HOME", elsewhere.path());
    command.cwd(elsewhere.path());
    let mut session = Session::start(command, 120, 40);
    session.wait_for("READ-ONLY");
    session.wait_for("nowhere");
    machine.kill();
    session.wait_for("STALE");
    assert!(
        session.text().contains("nowhere"),
        "what was seen last still stands"
    );
    machine.serve();
    session.wait("it has attached anew", |screen| {
        !screen.contents().contains("STALE")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
}
