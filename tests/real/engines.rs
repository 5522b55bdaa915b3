//! Several real Docker engines on one machine, each in a network namespace with an address of
//! its own, to be stopped, hung, cut off and restarted one by one.
//!
//! Needs root, `dockerd`, `docker`, `ip`, `nsenter`, `openssl` and a static `busybox`. Where one
//! is missing the tests say that they were skipped and why; under CI that is a failure.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The image that every engine has: busybox alone.
pub const IMAGE: &str = "qd-test:1";

/// One fleet at a time: the machine is small.
static TURN: Mutex<()> = Mutex::new(());
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How long an engine may take to come up or go down before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Several engines behind one bridge.
pub struct Engines {
    /// The engines, in the order of their addresses.
    pub each: Vec<Engine>,
    /// Where certificates, sockets and data are.
    pub dir: tempfile::TempDir,
    bridge: String,
    subnet: u32,
    _turn: MutexGuard<'static, ()>,
}

/// One real engine in a namespace of its own.
pub struct Engine {
    /// Short name: `e1`, `e2`, …
    pub name: String,
    /// Its address on the bridge.
    pub address: String,
    /// Its namespace.
    pub netns: String,
    /// Its folder.
    pub dir: PathBuf,
    /// Whether its containers go on while it is restarted.
    live_restore: bool,
    link: String,
    daemon: Option<Child>,
}

/// Says that a test did not run, past the test runner's capture; under CI it fails instead.
pub fn skipped(why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "must not be skipped under CI: {why}"
    );
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Runs a program and gives its output, or panics with what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Waits until `done` holds, or panics saying what it waited for.
pub fn wait_for(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < patience, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What is missing for real engines on this machine.
fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("starting Docker engines in network namespaces needs root".into());
    }
    for program in ["dockerd", "docker", "ip", "nsenter", "openssl"] {
        let there = std::env::var("PATH").unwrap_or_default();
        let mut folders = there.split(':').map(Path::new).map(Path::to_path_buf);
        if !folders.any(|folder| folder.join(program).exists()) {
            return Some(format!("{program} is not installed"));
        }
    }
    if busybox().is_none() {
        return Some("busybox-static is not installed".into());
    }
    None
}

fn busybox() -> Option<&'static Path> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .map(Path::new)
        .find(|path| path.exists())
}

impl Engines {
    /// Starts `count` engines side by side, each with [`IMAGE`] in it; `None` (said aloud) where
    /// this machine cannot.
    pub fn start(count: usize) -> Option<Self> {
        if let Some(why) = missing() {
            skipped(&why);
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = std::process::id() * 8 + NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut engines = Self {
            each: Vec::new(),
            dir: tempfile::Builder::new().prefix("qdt").tempdir().unwrap(),
            bridge: format!("qd{number:x}"),
            subnet: number % 250,
            _turn: turn,
        };
        engines.make_bridge();
        engines.make_certificates(count);
        make_image(engines.dir.path());
        for index in 1..=count {
            let engine = engines.make_host(index);
            engines.each.push(engine);
        }
        for engine in &mut engines.each {
            engine.launch();
        }
        for engine in &engines.each {
            engine.await_up();
            let image = engines.dir.path().join("image.tar");
            engine.docker(&["import", image.to_str().unwrap(), IMAGE]);
        }
        Some(engines)
    }

    /// The host's own address on the bridge, for servers that engines must reach.
    pub fn host_address(&self) -> String {
        format!("10.213.{}.1", self.subnet)
    }

    /// Lets the engines reach each other. A machine with an engine of its own forwards nothing
    /// that it was not told to, not even from one leg of a bridge to another.
    pub fn let_them_talk(&self) {
        let mut rule = vec!["-I"];
        rule.extend(self.forwarding());
        run("iptables", &rule);
    }

    fn forwarding(&self) -> [&str; 7] {
        let bridge = self.bridge.as_str();
        ["FORWARD", "-i", bridge, "-o", bridge, "-j", "ACCEPT"]
    }

    /// A file of the certificate folder.
    pub fn certificate(&self, file: &str) -> String {
        self.dir.path().join(file).to_str().unwrap().to_owned()
    }

    fn make_bridge(&self) {
        run("ip", &["link", "add", &self.bridge, "type", "bridge"]);
        let address = format!("{}/24", self.host_address());
        run("ip", &["addr", "add", &address, "dev", &self.bridge]);
        run("ip", &["link", "set", &self.bridge, "up"]);
    }

    /// A namespace with one leg on the bridge.
    fn make_host(&self, index: usize) -> Engine {
        let netns = format!("{}-{index}", self.bridge);
        let link = netns.clone();
        let address = format!("10.213.{}.{}", self.subnet, 10 + index);
        run("ip", &["netns", "add", &netns]);
        run(
            "ip",
            &[
                "link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &netns,
            ],
        );
        run("ip", &["link", "set", &link, "master", &self.bridge, "up"]);
        let with_mask = format!("{address}/24");
        run(
            "ip",
            &["-n", &netns, "addr", "add", &with_mask, "dev", "eth0"],
        );
        run("ip", &["-n", &netns, "link", "set", "eth0", "up"]);
        run("ip", &["-n", &netns, "link", "set", "lo", "up"]);
        let gateway = self.host_address();
        run(
            "ip",
            &["-n", &netns, "route", "add", "default", "via", &gateway],
        );
        let dir = self.dir.path().join(format!("e{index}"));
        fs::create_dir_all(&dir).unwrap();
        Engine {
            name: format!("e{index}"),
            address,
            netns,
            dir,
            live_restore: false,
            link,
            daemon: None,
        }
    }

    /// One authority, a server certificate for every address, one client certificate.
    fn make_certificates(&self, count: usize) {
        let dir = self.dir.path();
        let at = |file: &str| dir.join(file).to_str().unwrap().to_owned();
        let names: Vec<String> = (1..=count)
            .map(|index| format!("IP:10.213.{}.{}", self.subnet, 10 + index))
            .collect();
        let new = [
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let mut ca = new.to_vec();
        let (key, cert) = (at("ca-key.pem"), at("ca.pem"));
        ca.extend(["-x509", "-days", "2", "-subj", "/CN=quarterdeck test CA"]);
        ca.extend(["-keyout", &key, "-out", &cert]);
        run("openssl", &ca);
        for (who, extension) in [
            (
                "server",
                format!(
                    "subjectAltName={}\nextendedKeyUsage=serverAuth\n",
                    names.join(",")
                ),
            ),
            ("client", "extendedKeyUsage=clientAuth\n".to_owned()),
        ] {
            let (who_key, csr) = (at(&format!("{who}-key.pem")), at(&format!("{who}.csr")));
            let subject = format!("/CN={who}");
            let mut request = new.to_vec();
            request.extend(["-subj", &subject, "-keyout", &who_key, "-out", &csr]);
            run("openssl", &request);
            fs::write(at("extensions"), extension).unwrap();
            let out = at(&format!("{who}.pem"));
            let extensions = at("extensions");
            run(
                "openssl",
                &[
                    "x509",
                    "-req",
                    "-days",
                    "2",
                    "-in",
                    &csr,
                    "-CA",
                    &cert,
                    "-CAkey",
                    &key,
                    "-CAcreateserial",
                    "-extfile",
                    &extensions,
                    "-out",
                    &out,
                ],
            );
        }
    }
}

/// A root file system of busybox and its usual names, as `docker import` takes it.
fn make_image(dir: &Path) {
    let bin = dir.join("rootfs/bin");
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(dir.join("rootfs/tmp")).unwrap();
    fs::copy(busybox().unwrap(), bin.join("busybox")).unwrap();
    for name in [
        "sh", "sleep", "echo", "cat", "ls", "httpd", "wget", "nc", "true", "false", "env", "kill",
        "hostname", "id", "pwd", "ps", "dd", "touch", "test", "seq", "date", "stty", "tty",
        "mkdir", "rm", "grep", "printf", "usleep", "nslookup", "trap",
    ] {
        symlink("busybox", bin.join(name)).unwrap();
    }
    let (tar, root) = (dir.join("image.tar"), dir.join("rootfs"));
    run(
        "tar",
        &[
            "-C",
            root.to_str().unwrap(),
            "-cf",
            tar.to_str().unwrap(),
            ".",
        ],
    );
}

impl Engine {
    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// `docker ARGUMENTS` at this engine, past Quarterdeck.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let host = format!("unix://{}", self.socket().display());
        let mut all = vec!["-H", host.as_str()];
        all.extend(arguments);
        run("docker", &all)
    }

    /// The ids of its running containers that Quarterdeck started for a service.
    pub fn running(&self, service: &str) -> Vec<String> {
        let filter = format!("label=quarterdeck.service={service}");
        self.docker(&["ps", "-q", "--no-trunc", "--filter", &filter])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Starts the daemon: the unix socket for the test, TLS on the bridge for Quarterdeck.
    /// (Plain TCP would make it sleep 15 s.)
    pub fn launch(&mut self) {
        let certificates = self.dir.parent().unwrap();
        let at = |file: &str| self.dir.join(file).to_str().unwrap().to_owned();
        let certificate = |file: &str| certificates.join(file).to_str().unwrap().to_owned();
        self.configure();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(at("log"))
            .unwrap();
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.netns))
            .arg("dockerd")
            .args(["--config-file", &at("daemon.json")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid")])
            .args(["-H", &format!("unix://{}", at("docker.sock"))])
            .args(["-H", &format!("tcp://{}:2376", self.address), "--tlsverify"])
            .args(["--tlscacert", &certificate("ca.pem")])
            .args(["--tlscert", &certificate("server.pem")])
            .args(["--tlskey", &certificate("server-key.pem")]);
        if let Some(driver) = storage_driver() {
            command.args(["--storage-driver", &driver]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(child);
    }

    fn configure(&self) {
        // The registry of the pull tests speaks plain HTTP on the bridge.
        let registries = self.address.rsplit_once('.').unwrap().0;
        let config = serde_json::json!({
            "insecure-registries": [format!("{registries}.0/24")],
            "live-restore": self.live_restore,
        });
        fs::write(self.dir.join("daemon.json"), config.to_string()).unwrap();
    }

    /// Has its containers go on, or end, when it is restarted.
    pub fn set_live_restore(&mut self, on: bool) {
        self.live_restore = on;
        self.configure();
        self.signal(Signal::HUP);
        let says = || self.docker(&["info", "--format", "{{.LiveRestoreEnabled}}"]);
        wait_for("live-restore to be taken in", PATIENCE, || {
            says().trim() == on.to_string()
        });
    }

    /// Waits until it answers.
    pub fn await_up(&self) {
        let host = format!("unix://{}", self.socket().display());
        let start = Instant::now();
        while !succeeds("docker", &["-H", &host, "version"]) {
            assert!(
                start.elapsed() < PATIENCE,
                "engine {} does not come up:\n{}",
                self.name,
                fs::read_to_string(self.dir.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self
            .daemon
            .as_ref()
            .and_then(|d| Pid::from_raw(d.id() as i32))
        {
            kill_process(pid, signal).unwrap();
        }
    }

    /// Freezes the daemon: it accepts connections and never answers.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    /// Thaws it.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Pulls its cable: nothing arrives, nothing is refused.
    pub fn cut(&self) {
        run("ip", &["link", "set", &self.link, "down"]);
    }

    /// Puts the cable back.
    pub fn mend(&self) {
        run("ip", &["link", "set", &self.link, "up"]);
    }

    /// Kills the daemon alone, and with it its containerd; its containers go on.
    pub fn kill_daemon(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().unwrap();
        }
        // Where nothing reaps the dead containerd, the next daemon would take it for a living one.
        fs::remove_file(self.dir.join("exec/containerd/containerd.pid")).unwrap();
    }

    /// Ends the daemon as its service manager would.
    pub fn end_daemon(&mut self) {
        self.signal(Signal::TERM);
        if let Some(mut daemon) = self.daemon.take() {
            daemon.wait().unwrap();
        }
    }

    /// The host loses power: the daemon, its containerd and every container die at once.
    pub fn power_off(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
        // Every process that was started under this engine's folder is named by it in its
        // arguments (containerd and the shims), or lives in the network namespace's containers.
        for _ in 0..20 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        unmount_below(&self.dir);
        // What a host keeps under /run is gone after a reboot.
        let _ = fs::remove_file(self.dir.join("pid"));
        fs::remove_dir_all(self.dir.join("exec")).unwrap();
    }

    /// What runs under this engine: containerd and the shims by their arguments, and the
    /// containers' processes as the shims' children.
    fn processes(&self) -> Vec<Pid> {
        let mark = format!("{}/", self.dir.display());
        let mut found: Vec<i32> = Vec::new();
        let mut parents: Vec<(i32, i32)> = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&arguments).contains(&mark) {
                found.push(pid);
            }
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(1))
                .and_then(|parent| parent.parse().ok());
            if let Some(parent) = parent {
                parents.push((pid, parent));
            }
        }
        let mut index = 0;
        while index < found.len() {
            for (pid, parent) in &parents {
                if *parent == found[index] && !found.contains(pid) {
                    found.push(*pid);
                }
            }
            index += 1;
        }
        found.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// The host is switched on again.
    pub fn power_on(&mut self) {
        self.launch();
        self.await_up();
    }

    fn shut_down(&mut self) {
        self.thaw();
        self.signal(Signal::TERM);
        if let Some(mut daemon) = self.daemon.take() {
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(20) {
                if daemon.try_wait().ok().flatten().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The storage driver of the machine's own engine: what works for it works for ours.
fn storage_driver() -> Option<String> {
    let config = fs::read_to_string("/etc/docker/daemon.json").ok()?;
    let config: serde_json::Value = serde_json::from_str(&config).ok()?;
    config.get("storage-driver")?.as_str().map(str::to_owned)
}

impl Drop for Engines {
    fn drop(&mut self) {
        for engine in &self.each {
            // Containers first and by force: a daemon that goes down waits for each of them.
            let host = format!("unix://{}", engine.socket().display());
            engine.thaw();
            if let Ok(ids) = Command::new("docker")
                .args(["-H", &host, "ps", "-q"])
                .output()
            {
                let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
                let ids: Vec<&str> = ids.split_whitespace().collect();
                if !ids.is_empty() {
                    let mut arguments = vec!["-H", &host, "kill"];
                    arguments.extend(ids);
                    succeeds("docker", &arguments);
                }
            }
        }
        for engine in &mut self.each {
            engine.shut_down();
            succeeds("ip", &["link", "del", &engine.link]);
            succeeds("ip", &["netns", "del", &engine.netns]);
        }
        let mut rule = vec!["-D"];
        rule.extend(self.forwarding());
        succeeds("iptables", &rule);
        succeeds("ip", &["link", "del", &self.bridge]);
        unmount_below(self.dir.path());
    }
}

/// Takes away what a killed daemon left mounted, as a reboot would.
fn unmount_below(dir: &Path) {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for mount in mounts
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(1))
    {
        if Path::new(mount).starts_with(dir) {
            succeeds("umount", &["-l", mount]);
        }
    }
}

#[test]
fn an_engine_can_be_cut_off_hung_killed_and_restarted() {
    let Some(mut engines) = Engines::start(2) else {
        return;
    };
    let address = format!("{}:2376", engines.each[0].address);
    let reachable = || {
        let address = address.parse().unwrap();
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
    };
    assert!(reachable());
    engines.each[0].cut();
    assert!(!reachable());
    engines.each[0].mend();
    wait_for("the mended link", PATIENCE, reachable);
    let engine = &mut engines.each[0];
    engine.docker(&["run", "-d", IMAGE, "sleep", "100000"]);
    assert_eq!(engine.docker(&["ps", "-q"]).lines().count(), 1);
    engine.hang();
    let host = format!("unix://{}", engine.socket().display());
    assert!(!succeeds("timeout", &["1", "docker", "-H", &host, "ps"]));
    engine.thaw();
    engine.power_off();
    assert!(engine.processes().is_empty());
    engine.power_on();
    assert_eq!(engine.docker(&["ps", "-q"]).lines().count(), 0);
    assert_eq!(engine.docker(&["ps", "-aq"]).lines().count(), 1);
    engine.docker(&["run", "--rm", IMAGE, "true"]);
}
