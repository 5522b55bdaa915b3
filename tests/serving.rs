//! `qd serve` as a service manager and an operator see it: with no engine behind it, which is
//! all that these need.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::real::skipped;

pub const QD: &str = env!("CARGO_BIN_EXE_qd");
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

pub const CONFIG: &str =
    "[[instance]]\nname = \"nowhere\"\nendpoint = \"unix:///nowhere/docker.sock\"\n";

/// A folder with a config, a state, and a service manager that listens.
pub struct Harbour {
    dir: TempDir,
    manager: UnixDatagram,
}

impl Harbour {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("quarterdeck.toml"), CONFIG).unwrap();
        let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { dir, manager }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn configure(&self, text: &str) {
        fs::write(self.path("quarterdeck.toml"), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(QD);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn serve(&self, arguments: &[&str]) -> Server {
        let log = fs::File::create(self.path("log")).unwrap();
        let mut all = vec!["serve"];
        all.extend(arguments);
        let child = self
            .command(&all)
            .env("NOTIFY_SOCKET", self.path("notify"))
            .env("WATCHDOG_USEC", "300000")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Server { child }
    }

    /// Waits until the manager is told something with these words, and gives it.
    pub fn told(&self, words: &str) -> String {
        let mut bytes = [0; 4096];
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let Ok(length) = self.manager.recv(&mut bytes) else {
                break;
            };
            let told = String::from_utf8(bytes[..length].to_vec()).unwrap();
            if told.contains(words) {
                return told;
            }
        }
        panic!("the manager was never told {words}:\n{}", self.log());
    }

    fn log(&self) -> String {
        let mut text = String::new();
        fs::File::open(self.path("log"))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
    }

    fn instances(&self) -> Vec<String> {
        let listed = self.json(&["instance", "ls", "--output", "json"]);
        let all = listed["containerInstances"].as_array().unwrap();
        let name = |it: &Value| it["containerInstanceArn"].as_str().unwrap().to_owned();
        let last = |arn: String| arn.rsplit('/').next().unwrap().to_owned();
        all.iter().map(|it| last(name(it))).collect()
    }
}

pub struct Server {
    child: Child,
}

impl Server {
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    pub fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_service_manager_is_told_all_that_systemd_wants_to_know() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&[]);
    let ready = harbour.told("READY=1");
    assert_eq!(
        ready,
        "READY=1\nSTATUS=0 of 1 instance answer; 0 services, 0 deploying; 0 tasks running"
    );
    // It answers from the moment on that it says so.
    assert_eq!(harbour.instances(), ["nowhere"]);
    for _ in 0..3 {
        assert_eq!(harbour.told("WATCHDOG"), "WATCHDOG=1");
    }

    let more = CONFIG.replace("nowhere", "elsewhere");
    harbour.configure(&format!("{CONFIG}{more}"));
    server.signal(Signal::HUP);
    let reloading = harbour.told("RELOADING");
    let usec = reloading
        .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
        .unwrap();
    assert!(usec.parse::<u64>().unwrap() > 0);
    assert!(harbour.told("READY=1").contains("0 of 2 instances answer"));
    assert_eq!(harbour.instances(), ["elsewhere", "nowhere"]);

    server.signal(Signal::TERM);
    assert!(harbour.told("STOPPING").starts_with("STOPPING=1\n"));
    assert!(server.ends().success());
    assert!(!harbour.path(".local/state/quarterdeck/qd.sock").exists());
}

#[test]
fn a_bad_config_is_refused_in_the_words_of_config_check_and_nothing_changes() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&[]);
    harbour.told("READY=1");
    harbour.configure(&CONFIG.replace("unix:", "unx:"));
    server.signal(Signal::HUP);
    harbour.told("RELOADING");
    harbour.told("READY=1");
    let check = harbour.run(&["config", "check"]);
    assert_eq!(check.status.code(), Some(2));
    let words = String::from_utf8(check.stderr).unwrap();
    let first = words.lines().next().unwrap();
    assert!(first.contains("quarterdeck.toml:3:12: "), "{words}");
    let log = harbour.log();
    assert!(
        log.contains("ERROR") && log.contains(first),
        "{first}\n{log}"
    );
    // The commands themselves read the good one again.
    harbour.configure(CONFIG);
    let events = String::from_utf8(harbour.run(&["events"]).stdout).unwrap();
    assert!(
        events.contains("was not read anew, and nothing was changed"),
        "{events}"
    );
    assert!(events.contains("quarterdeck.toml:3:12: "), "{events}");
    assert_eq!(harbour.instances(), ["nowhere"]);

    // The file of the start is gone: another one that is found now does not stand in.
    fs::remove_file(harbour.path("quarterdeck.toml")).unwrap();
    let xdg = harbour.path(".config/quarterdeck");
    fs::create_dir_all(&xdg).unwrap();
    fs::write(
        xdg.join("quarterdeck.toml"),
        CONFIG.replace("nowhere", "other"),
    )
    .unwrap();
    server.signal(Signal::HUP);
    harbour.told("RELOADING");
    harbour.told("READY=1");
    assert_eq!(harbour.instances(), ["nowhere"]);
    server.signal(Signal::INT);
    assert!(server.ends().success());
}

/// Short commands that find no server hold the state folder one after the other.
#[test]
fn a_server_comes_up_between_the_commands_of_a_script() {
    let harbour = Harbour::new();
    let up = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !up.load(Ordering::Relaxed) {
                    harbour.run(&["status"]);
                }
            });
        }
        // The script is under way before the server is started.
        for _ in 0..2 {
            assert!(harbour.run(&["status"]).status.success());
        }
        let mut server = harbour.serve(&[]);
        let told = catch_unwind(AssertUnwindSafe(|| harbour.told("READY=1")));
        up.store(true, Ordering::Relaxed);
        if let Err(panic) = told {
            resume_unwind(panic);
        }
        server.signal(Signal::TERM);
        assert!(server.ends().success(), "{}", harbour.log());
    });
}

#[test]
fn a_second_server_on_one_state_says_who_holds_it_and_changes_nothing() {
    let harbour = Harbour::new();
    let mut first = harbour.serve(&[]);
    harbour.told("READY=1");
    let before = fs::read(harbour.path(".local/state/quarterdeck/lock")).unwrap();
    let second = harbour.run(&["serve"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    let said = String::from_utf8(second.stderr).unwrap();
    let holder = format!("is carried already by qd serve (pid {}", first.child.id());
    assert!(said.contains(&holder), "{said}");
    let after = fs::read(harbour.path(".local/state/quarterdeck/lock")).unwrap();
    assert_eq!(before, after);
    assert_eq!(harbour.instances(), ["nowhere"], "the first answers");
    first.signal(Signal::TERM);
    assert!(first.ends().success());
}

#[test]
fn the_log_is_for_people_or_one_object_a_line() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&["--log-format", "json"]);
    harbour.told("READY=1");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    let log = harbour.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let up = lines
        .iter()
        .find(|line| line["message"] == "the control plane is up");
    let up = up.unwrap_or_else(|| panic!("{log}"));
    assert_eq!(
        (&up["level"], &up["instances"]),
        (&"INFO".into(), &1.into())
    );
    assert!(up["timestamp"].is_string());
    let silent = lines
        .iter()
        .find(|line| line["message"] == "does not answer");
    assert_eq!(silent.unwrap()["instance"], "nowhere");
}

#[test]
fn in_the_journal_lines_begin_with_their_priority_and_have_no_time() {
    use std::os::unix::fs::MetadataExt as _;
    let harbour = Harbour::new();
    let log = fs::File::create(harbour.path("log")).unwrap();
    let about = log.metadata().unwrap();
    let mut server = Server {
        child: harbour
            .command(&["serve"])
            .env("NOTIFY_SOCKET", harbour.path("notify"))
            .env("JOURNAL_STREAM", format!("{}:{}", about.dev(), about.ino()))
            .stderr(log)
            .spawn()
            .unwrap(),
    };
    harbour.told("READY=1");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    let log = harbour.log();
    let up = log
        .lines()
        .find(|line| line.contains("the control plane is up"));
    let up = up.unwrap_or_else(|| panic!("{log}"));
    assert!(up.starts_with("<6> INFO quarterdeck"), "{up}");
    let warned = log.lines().find(|line| line.contains("does not answer"));
    assert!(warned.unwrap().starts_with("<4> WARN"), "{log}");
    assert!(log.lines().all(|line| line.starts_with('<')), "{log}");
}

/// A write lock on the database that a test holds, as a disk that hangs would.
fn hold(harbour: &Harbour) -> rusqlite::Connection {
    let place = harbour.path(".local/state/quarterdeck/state.db");
    let connection = rusqlite::Connection::open(place).unwrap();
    connection.execute_batch("begin immediate").unwrap();
    connection
}

fn register(harbour: &Harbour, family: &str) -> Command {
    let file = format!("{family}.toml");
    let text = format!(
        "family = \"{family}\"\n[[containerDefinitions]]\nname = \"app\"\nimage = \"x\"\n\
         memory = 32\n"
    );
    fs::write(harbour.path(&file), text).unwrap();
    harbour.command(&["taskdef", "register", &file])
}

fn families(harbour: &Harbour) -> String {
    let output = harbour.run(&["taskdef", "ls"]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_second_signal_ends_a_stop_that_is_stuck() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&[]);
    harbour.told("READY=1");
    assert!(
        register(&harbour, "kept")
            .output()
            .unwrap()
            .status
            .success()
    );
    let lock = hold(&harbour);
    let mut asking = register(&harbour, "stuck").spawn().unwrap();
    // The driver waits for the lock: it gives no sign of life from some moment on.
    harbour
        .manager
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut bytes = [0; 4096];
    while harbour.manager.recv(&mut bytes).is_ok() {}
    harbour.manager.set_read_timeout(Some(PATIENCE)).unwrap();
    server.signal(Signal::TERM);
    harbour.told("STOPPING=1");
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(1));
    assert!(
        harbour.log().contains("asked for a second time"),
        "{}",
        harbour.log()
    );
    drop(lock);
    let _ = asking.kill();
    asking.wait().unwrap();
    // What was acknowledged is there.
    let mut again = harbour.serve(&[]);
    harbour.told("READY=1");
    assert!(families(&harbour).contains("kept"));
    again.signal(Signal::TERM);
    assert!(again.ends().success());
}

/// A small file system of its own, gone with the test.
pub struct Small(PathBuf);

impl Small {
    pub fn mount(place: PathBuf) -> Option<Self> {
        fs::create_dir_all(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs"])
            .arg(&place)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(place)),
            other => {
                skipped(&format!("a small file system cannot be mounted: {other:?}"));
                None
            }
        }
    }

    pub fn fill(&self) {
        use std::io::Write as _;
        let mut file = fs::File::create(self.0.join("filler")).unwrap();
        while file.write_all(&[7; 512]).is_ok() {}
    }

    pub fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_stops_decisions_and_nothing_else_until_there_is_room() {
    let harbour = Harbour::new();
    let Some(small) = Small::mount(harbour.path("small")) else {
        return;
    };
    let state = small.0.to_str().unwrap().to_owned();
    let of_state = |mut command: Command| {
        command.args(["--state", &state]);
        command.output().unwrap()
    };
    let text = |output: &Output| {
        let both = [&output.stdout[..], &output.stderr[..]].concat();
        String::from_utf8(both).unwrap()
    };
    let mut server = harbour.serve(&["--state", &state]);
    harbour.told("READY=1");
    let kept = of_state(register(&harbour, "kept"));
    assert!(kept.status.success(), "{}", text(&kept));
    small.fill();
    // What the log has room for in its own file is still taken; then no more.
    let mut refused = None;
    for n in 0..200 {
        let output = of_state(register(&harbour, &format!("more-{n}")));
        if !output.status.success() {
            refused = Some(output);
            break;
        }
    }
    let refused = refused.expect("the disk is full");
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused);
    for words in ["nothing was changed", "disk is full", "tried again"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(harbour.told("NOTHING IS DECIDED").starts_with("STATUS="));
    let status = text(&of_state(harbour.command(&["status"])));
    assert!(
        status.contains("NOTHING IS DECIDED") && status.contains("disk is full"),
        "{status}"
    );
    let listed = text(&of_state(harbour.command(&["taskdef", "ls"])));
    assert!(
        listed.contains("kept"),
        "what is known is still told: {listed}"
    );
    assert_eq!(
        harbour.told("WATCHDOG"),
        "WATCHDOG=1",
        "it is alive, and says so"
    );

    // Stopped now, it says that the last it saw was not kept; started now, it says why it cannot.
    server.signal(Signal::TERM);
    assert_eq!(server.ends().code(), Some(1));
    assert!(harbour.log().contains("disk is full"), "{}", harbour.log());
    let again = of_state(harbour.command(&["serve"]));
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    assert!(text(&again).contains("state.db"), "{}", text(&again));

    small.make_room();
    let mut server = harbour.serve(&["--state", &state]);
    harbour.told("READY=1");
    small.fill();
    let mut n = 200;
    while of_state(register(&harbour, &format!("more-{n}")))
        .status
        .success()
    {
        n += 1;
    }
    small.make_room();
    // It comes back by itself.
    let begun = Instant::now();
    while !of_state(register(&harbour, "after")).status.success() {
        assert!(begun.elapsed() < PATIENCE, "{}", harbour.log());
        std::thread::sleep(Duration::from_millis(200));
    }
    let listed = text(&of_state(harbour.command(&["taskdef", "ls"])));
    assert!(
        listed.contains("kept") && listed.contains("after"),
        "{listed}"
    );
    let events = text(&of_state(harbour.command(&["events"])));
    assert!(events.contains("decided nothing for"), "{events}");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
}

/// The unit in `config/` is one that systemd understands, and stays closed.
#[test]
fn the_unit_is_valid_and_hardened() {
    let analyze = |arguments: &[&str]| {
        let run = Command::new("systemd-analyze").args(arguments).output();
        run.ok()
    };
    if analyze(&["--version"]).is_none() {
        skipped("systemd-analyze is not installed");
        return;
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let unit = fs::read_to_string(package.join("config/quarterdeck.service")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("quarterdeck.service");
    fs::write(&place, unit.replace("/usr/local/bin/qd", QD)).unwrap();
    let place = place.to_str().unwrap();
    for arguments in [
        &["verify", "--man=no", place][..],
        // Of 100; 15 is what it comes to with Debian 12's systemd.
        &["security", "--offline=true", "--threshold=20", place],
    ] {
        let output = analyze(arguments).unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        assert!(
            !said.contains("quarterdeck.service"),
            "{arguments:?}: {said}"
        );
    }
}
