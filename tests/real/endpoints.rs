//! The three kinds of endpoint side by side: a unix socket, TLS, and a real sshd.

use std::fs;
use std::process::{Child, Command, Stdio};

use super::engines::{Engines, run, skipped, wait_for};
use super::ship::{PATIENCE, Ship};
use super::spread::sleepers;

/// A real sshd in an engine's namespace, with a key of its own and one that it lets in.
struct Sshd {
    child: Child,
    dir: std::path::PathBuf,
}

impl Sshd {
    fn start(engines: &Engines, index: usize) -> Self {
        let engine = &engines.each[index];
        let dir = engines.dir.path().join("ssh");
        fs::create_dir_all(&dir).unwrap();
        fs::create_dir_all("/run/sshd").unwrap();
        let at = |file: &str| dir.join(file).to_str().unwrap().to_owned();
        for key in ["host", "client", "stranger"] {
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &at(key)],
            );
        }
        fs::copy(at("client.pub"), at("authorized")).unwrap();
        let known = |key: &str| {
            let key = fs::read_to_string(at(key)).unwrap();
            format!("[{}]:2222 {key}", engine.address)
        };
        fs::write(at("known_hosts"), known("host.pub")).unwrap();
        fs::write(at("wrong_hosts"), known("stranger.pub")).unwrap();
        fs::write(
            at("sshd_config"),
            format!(
                "Port 2222\nListenAddress {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\n\
                 StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n",
                engine.address,
                at("host"),
                at("authorized"),
                at("pid")
            ),
        )
        .unwrap();
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", engine.netns))
            .args(["/usr/sbin/sshd", "-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir }
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_unix_socket_tls_and_ssh_carry_the_same_service() {
    if !std::path::Path::new("/usr/sbin/sshd").exists() {
        skipped("openssh-server is not installed");
        return;
    }
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let sshd = Sshd::start(&engines, 2);
    let ssh = |name: &str, known_hosts: &str| {
        format!(
            "\n[[instance]]\nname = \"{name}\"\nendpoint = \"ssh://root@{}:2222\"\n\
             ssh = {{ key = \"{}\", known_hosts = \"{}\", socket = \"{}\" }}\n",
            engines.each[2].address,
            sshd.file("client"),
            sshd.file(known_hosts),
            engines.each[2].socket().display(),
        )
    };
    let local = format!(
        "[[instance]]\nname = \"local\"\nendpoint = \"unix://{}\"\n",
        engines.each[0].socket().display()
    );
    let tls = Ship::tls_instance(&engines, "tls", &engines.each[1].address);
    let text = format!("{local}{tls}{}", ssh("ssh", "known_hosts"));
    let mut ship = Ship::with_config(&engines, &text);
    ship.serve();
    let file = ship.file("web.toml", &sleepers("web", 3, ""));
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    let counts: Vec<usize> = engines
        .each
        .iter()
        .map(|e| e.running("web").len())
        .collect();
    assert_eq!(counts, [1, 1, 1]);
    // One connection at a time carries everything to the host behind SSH; on a slow machine the
    // first may have been given up for another.
    let log = fs::read_to_string(sshd.file("log")).unwrap();
    let opened = log.matches("Accepted publickey").count();
    let closed = log.matches("Received disconnect").count();
    assert!(opened <= 3 && opened - closed == 1, "{log}");

    // The server killed outright leaves no ssh client behind.
    let ours = || {
        let mark = sshd.file("known_hosts");
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(&mark)
            })
            .count()
    };
    assert!(ours() > 0);
    ship.kill_9();
    wait_for("its ssh client to go with it", PATIENCE, || ours() == 0);

    // A host whose key is not the known one is not spoken to.
    let ship = Ship::with_config(&engines, &ssh("ssh", "wrong_hosts"));
    let refused = ship.qd(&["instance", "check"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stdout).into_owned()
        + &String::from_utf8_lossy(&refused.stderr);
    assert!(said.to_lowercase().contains("host key"), "{said}");
}
