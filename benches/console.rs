//! What the console sends and how soon, in a terminal of 160×45: `cargo bench --bench console`.
//!
//! First attached to a `qd serve` with 60 quiet containers on this machine's own engine, then over
//! 10,000 tasks on 1,000 simulated instances, then over a link of 25 KiB a second. Other consoles
//! for containers that are on the path (`oxker`, `lazydocker`) are measured in the same way, on
//! the same containers, in the same run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "console/session.rs"]
mod session;
#[path = "shared/mod.rs"]
mod shared;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use quarterdeck::config::{Endpoint, InstanceSettings};
use quarterdeck::docker::connector::RealConnector;
use quarterdeck::docker::{Connector, Engine};
use quarterdeck::model::{ClusterName, InstanceName};
use session::{Figures, Session};
use shared::{SOCKET, import_image, sweep};

const IMAGE: &str = "quarterdeck-console-bench:1";
/// The service's name, which every container's name has in it.
const SERVICE: &str = "quiet";
/// Containers on the one engine.
const CONTAINERS: usize = 60;
/// The consoles measured beside ours, with what shows that their containers are there.
const OTHERS: [&str; 2] = ["oxker", "lazydocker"];
/// How old the containers are when it begins: quiet ones are not new.
const QUIET: Duration = Duration::from_secs(90);
/// Key presses on the narrow link, so many a second.
const HELD_KEYS: usize = 150;
const HELD_GAP: Duration = Duration::from_millis(33);
/// The narrow link, in bytes a second.
const NARROW: u64 = 25 * 1024;

fn main() {
    // `cargo test --all-targets` builds and runs benches too; they are not for that.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("console bench: run it with: cargo bench --bench console");
        return;
    }
    println!("console bench: {}", Figures::HEADS);
    if let Err(reason) = real() {
        println!("console bench: 60 containers on one engine: skipped: {reason}");
    }
    crowd();
    narrow();
}

/// Attached, with 60 quiet containers on one engine.
fn real() -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let connector = Arc::new(RealConnector::new(folder.path().join("run")));
    let engine: Arc<dyn Engine> = runtime
        .block_on(connector.connect(&instance()))
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        import_image(&*engine, IMAGE).await;
        sweep(&*engine, IMAGE).await;
    });
    let mut server = Server::start(folder.path());
    server.fill();
    // Until then every age on the screen changes every few seconds.
    std::thread::sleep(QUIET);
    let mut command = qd(&["--state"]);
    command.arg(server.state());
    print_figures("qd, attached", measure(command, "60/60"));
    for other in OTHERS {
        if on_path(other) {
            let mut command = CommandBuilder::new(other);
            terminal(&mut command);
            print_figures(other, measure(command, SERVICE));
        } else {
            println!("console bench: {other}: not on the path, not measured");
        }
    }
    server.end();
    runtime.block_on(sweep(&*engine, IMAGE));
    Ok(())
}

/// 10,000 tasks on 1,000 simulated instances, all in the console's own process.
fn crowd() {
    let command = qd(&["demo", "--instances", "1000", "--tasks", "10000"]);
    print_figures("qd demo, 10,000 tasks", measure(command, "of 10,000"));
}

fn measure(command: CommandBuilder, wanted: &str) -> Figures {
    let mut session = Session::start(command, None);
    let first_paint = session.wait_for(wanted);
    session.press("2");
    session.settle();
    let idle = session.idle();
    let keys = session.keys();
    Figures::new(first_paint, idle, keys, session.resident())
}

fn print_figures(name: &str, figures: Figures) {
    println!("console bench: {}", figures.row(name));
}

/// A key held down, over a link that carries 25 KiB a second: how long the screen lags behind.
fn narrow() {
    let command = qd(&["demo", "--instances", "100", "--tasks", "1000"]);
    let mut session = Session::start(command, Some(NARROW));
    session.wait_for("of 1,000");
    session.press("2");
    session.settle();
    let began = session.received();
    for _ in 0..HELD_KEYS {
        session.press("\u{1b}[B");
        session.take_for(HELD_GAP);
    }
    let released = Instant::now();
    session.press("?");
    session.wait_for("Everywhere in the fleet");
    println!(
        "console bench: over 25 KiB/s, {HELD_KEYS} keys in {:.1} s, then ?: its screen is whole \
         {:.0} ms after the last key; {} bytes in all",
        (HELD_GAP * HELD_KEYS as u32).as_secs_f64(),
        released.elapsed().as_secs_f64() * 1000.0,
        session.received() - began,
    );
}

/// The program that is measured: `$QD`, else the one that was built with this bench.
fn program() -> String {
    std::env::var("QD").unwrap_or_else(|_| env!("CARGO_BIN_EXE_qd").to_owned())
}

fn qd(arguments: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(program());
    command.args(arguments);
    terminal(&mut command);
    command
}

/// The surroundings that every console is given.
fn terminal(command: &mut CommandBuilder) {
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    command.env("LANG", "C.UTF-8");
    command.env_remove("NO_COLOR");
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn instance() -> InstanceSettings {
    InstanceSettings::new(
        InstanceName::new("local").unwrap(),
        ClusterName::default_cluster(),
        Endpoint::Unix(PathBuf::from(SOCKET)),
    )
}

/// A `qd serve` on a state folder of its own.
struct Server {
    child: Child,
    folder: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let child = Command::new(program())
            .args(["serve", "--state"])
            .arg(folder.join("state"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            folder: folder.to_owned(),
        }
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Makes the 60 containers, and waits until they all run.
    fn fill(&mut self) {
        let file = self.folder.join("quiet.toml");
        let text = format!(
            "[[taskDefinition]]\nfamily = \"{SERVICE}\"\n\
             [[taskDefinition.containerDefinitions]]\nname = \"app\"\nimage = \"{IMAGE}\"\n\
             memory = 8\ncommand = [\"sleep\", \"3600\"]\n\
             [[service]]\nserviceName = \"{SERVICE}\"\ntaskDefinition = \"{SERVICE}\"\n\
             desiredCount = {CONTAINERS}\n"
        );
        std::fs::write(&file, text).unwrap();
        let done = Command::new(program())
            .args(["apply", "--yes", "--wait", "--state"])
            .arg(self.state())
            .arg(&file)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "the service of the bench did not settle");
    }

    fn end(&mut self) {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
    }
}
