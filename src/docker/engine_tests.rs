//! What the door promises, asked of the machine's own engine. Without one these tests say
//! `skipped`, except under CI, where they fail.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{BodyExt, Either, Full};
use hyper::{Method, Request};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::bollard::BollardEngine;
use super::credentials::Credentials;
use super::spec::{HealthSpec, NetworkSpec, PortSpec, VolumeSpec, label};
use super::transport::{Dial, Route, Transport};
use super::*;
use crate::model::Protocol;
use crate::model::observation::ContainerState;
use crate::model::task::Health;

const SOCKET: &str = "/var/run/docker.sock";
const IMAGE: &str = "quarterdeck-docker-tests:1";
const NETWORK: &str = super::spec::NETWORK;
/// Generous: the machine may be busy with everything else.
const LONG: Duration = Duration::from_secs(60);

static PREPARED: OnceCell<Option<String>> = OnceCell::const_new();

fn route() -> Route {
    Route {
        dial: Dial::Unix(PathBuf::from(SOCKET)),
        endpoint: format!("unix://{SOCKET}"),
        explain: None,
    }
}

async fn open() -> EngineResult<BollardEngine> {
    let nowhere = Credentials::in_folder(PathBuf::from("/nonexistent"));
    BollardEngine::open(route(), nowhere).await
}

/// The engine with the test image in it; `None` (said aloud) where there is none.
pub(super) async fn engine() -> Option<BollardEngine> {
    let missing = PREPARED
        .get_or_init(|| async { prepare().await.err() })
        .await;
    match missing {
        None => Some(open().await.unwrap()),
        Some(why) => {
            assert!(std::env::var_os("CI").is_none(), "under CI: {why}");
            let _ = writeln!(std::io::stderr(), "skipped: {why}");
            None
        }
    }
}

async fn prepare() -> Result<(), String> {
    let engine = open().await.map_err(|error| error.to_string())?;
    let busybox = Path::new("/bin/busybox");
    let program = std::fs::read(busybox).map_err(|error| format!("/bin/busybox: {error}"))?;
    if !engine.has_image(IMAGE).await.map_err(|e| e.to_string())? {
        let (repo, tag) = IMAGE.split_once(':').unwrap();
        let path = format!("http://docker/images/create?fromSrc=-&repo={repo}&tag={tag}");
        let request = Request::post(path)
            .header("content-type", "application/x-tar")
            .body(Either::Left(Full::new(Bytes::from(root_fs(&program)))))
            .unwrap();
        let answer = Transport::new(route()).send(request).await?;
        let status = answer.status();
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(status.is_success(), "{}", String::from_utf8_lossy(&text));
    }
    sweep(&engine).await.map_err(|error| error.to_string())?;
    engine
        .ensure_network(NETWORK)
        .await
        .map_err(|e| e.to_string())
}

/// Removes what test runs that were cut short have left.
async fn sweep(engine: &BollardEngine) -> EngineResult<()> {
    for container in engine.list().await? {
        let ours = container.name.strip_prefix("qd-test-");
        let pid = ours.and_then(|rest| rest.rsplit('-').nth(1));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            engine.remove(&container.runtime_id).await?;
        }
    }
    Ok(())
}

/// A root file system with busybox in it, as a tar archive.
fn root_fs(busybox: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    tar_entry(&mut tar, "bin/", b'5', "", &[]);
    tar_entry(&mut tar, "tmp/", b'5', "", &[]);
    tar_entry(&mut tar, "bin/busybox", b'0', "", busybox);
    for name in [
        "sh", "sleep", "echo", "cat", "stty", "yes", "head", "true", "tail", "nslookup",
    ] {
        tar_entry(&mut tar, &format!("bin/{name}"), b'2', "busybox", &[]);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn tar_entry(tar: &mut Vec<u8>, name: &str, kind: u8, link: &str, data: &[u8]) {
    let mut head = [0u8; 512];
    let mut put =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", data.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(157, link);
    put(257, "ustar\u{0}00");
    head[156] = kind;
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&head);
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

fn unique(what: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("qd-test-{what}-{}-{n}", std::process::id())
}

fn spec(what: &str, command: &[&str]) -> ContainerSpec {
    ContainerSpec {
        name: unique(what),
        image: IMAGE.to_owned(),
        command: Some(command.iter().map(|s| (*s).to_owned()).collect()),
        labels: BTreeMap::from([("quarterdeck.test".to_owned(), "1".to_owned())]),
        cpu_shares: 2,
        stop_timeout_s: 30,
        ..ContainerSpec::default()
    }
}

const SLEEP: &[&str] = &["sleep", "600"];

/// Waits until a container is as wanted, as announced by events; never by the clock alone.
async fn wait_for(
    engine: &BollardEngine,
    id: &str,
    wanted: impl Fn(&ObservedContainer) -> bool,
) -> ObservedContainer {
    let mut events = engine.events().await.unwrap();
    let wait = async {
        loop {
            let seen = engine.inspect(id).await.unwrap();
            if wanted(&seen) {
                return seen;
            }
            events.next().await.unwrap().unwrap();
        }
    };
    timeout(LONG, wait).await.unwrap()
}

async fn logs(engine: &BollardEngine, id: &str, options: LogOptions) -> Vec<LogLine> {
    let lines = engine.logs(id, options).map(|line| line.unwrap());
    timeout(LONG, lines.collect()).await.unwrap()
}

#[tokio::test]
async fn an_engine_tells_what_it_is_and_has() {
    let Some(engine) = engine().await else { return };
    engine.ping().await.unwrap();
    let info = engine.info().await.unwrap();
    assert_eq!(info.os_type, "linux");
    assert!(info.api_version.starts_with("1."), "{info:?}");
    assert!(info.cpu.0 >= 1024 && info.cpu.0 % 1024 == 0);
    assert!(info.memory.0 > 100);
    assert!(engine.has_image(IMAGE).await.unwrap());
    assert!(!engine.has_image("qd-absent:1").await.unwrap());
}

#[tokio::test]
async fn a_container_lives_and_dies_and_every_step_may_be_repeated() {
    let Some(engine) = engine().await else { return };
    let spec = ContainerSpec {
        stop_timeout_s: 1,
        ..spec("life", SLEEP)
    };
    let id = engine.create(&spec).await.unwrap();
    assert!(matches!(
        engine.create(&spec).await,
        Err(EngineError::Conflict(_))
    ));
    let made = engine.inspect(&spec.name).await.unwrap();
    assert_eq!(
        (made.state, made.exit_code),
        (ContainerState::Created, None)
    );
    assert_eq!(
        (made.runtime_id.as_str(), &made.name),
        (id.as_str(), &spec.name)
    );
    engine.start(&id).await.unwrap();
    engine.start(&id).await.unwrap();
    let runs = engine.inspect(&id).await.unwrap();
    assert_eq!(runs.state, ContainerState::Running);
    assert!(runs.started_at.is_some() && runs.finished_at.is_none());
    engine.stop(&id, 0).await.unwrap();
    engine.stop(&id, 0).await.unwrap();
    let ended = engine.inspect(&id).await.unwrap();
    assert_eq!(ended.state, ContainerState::Exited);
    // 137, or 2 where the signal met the runtime's own process before the program took its place.
    assert!(ended.exit_code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(!ended.oom_killed && ended.finished_at.is_some());
    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    engine.stop(&id, 0).await.unwrap();
    assert!(matches!(
        engine.inspect(&id).await,
        Err(EngineError::NotFound(_))
    ));
    assert!(matches!(
        engine.start(&id).await,
        Err(EngineError::NotFound(_))
    ));
}

/// Two control planes that ask an engine at the same time for the network can both be given one.
#[tokio::test]
async fn of_two_networks_of_one_name_the_oldest_stays_and_tasks_start() {
    let Some(engine) = engine().await else { return };
    let network = NetworkSpec::Bridge { links: Vec::new() };
    let spec = ContainerSpec {
        network,
        ..spec("network", SLEEP)
    };
    let id = engine.create(&spec).await.unwrap();
    let before = engine.networks(NETWORK).await.unwrap();
    let labels = serde_json::json!({label::NETWORK: "tasks"});
    let body = serde_json::json!({"Name": NETWORK, "Driver": "bridge", "Labels": labels});
    let transport = Transport::new(route()).with_version("1.41");
    let second = transport
        .json(Method::POST, "/networks/create", Some(&body))
        .await;
    // Engines since version 25 refuse a second one themselves.
    assert!(
        matches!(second, Ok(_) | Err(EngineError::Conflict(_))),
        "{second:?}"
    );
    engine.start(&id).await.unwrap();
    assert_eq!(engine.networks(NETWORK).await.unwrap()[..], before[..1]);
    let third = transport
        .json(Method::POST, "/networks/create", Some(&body))
        .await;
    assert_eq!(third.is_ok(), second.is_ok());
    engine.ensure_network(NETWORK).await.unwrap();
    assert_eq!(engine.networks(NETWORK).await.unwrap()[..], before[..1]);
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn ours_are_known_by_their_labels_and_foreign_ones_are_counted() {
    let Some(engine) = engine().await else { return };
    let mut ours = spec("ours", SLEEP);
    ours.network = NetworkSpec::Bridge { links: Vec::new() };
    ours.ports = vec![PortSpec {
        container_port: 80,
        host_port: 0,
        protocol: Protocol::Tcp,
    }];
    let task = crate::model::TaskId(77);
    for (name, value) in [
        (label::CONTROL_PLANE, "test-plane".to_owned()),
        (label::TASK_ID, task.to_string()),
        (label::CONTAINER, "app".to_owned()),
    ] {
        ours.labels.insert(name.to_owned(), value);
    }
    let mut foreign = spec("foreign", &["true"]);
    foreign.cpu_shares = 512;
    foreign.memory_bytes = 64 << 20;
    foreign.memory_reservation_bytes = 32 << 20;
    let (a, b) = (
        engine.create(&ours).await.unwrap(),
        engine.create(&foreign).await.unwrap(),
    );
    engine.start(&a).await.unwrap();
    let mut events = engine.events().await.unwrap();
    for _ in 0..2 {
        let list = engine.list().await.unwrap();
        let find = |id: &str| list.iter().find(|c| c.runtime_id == id).unwrap();
        let (ours, foreign) = (find(&a), find(&b));
        let owner = ours.owner.as_ref().unwrap();
        assert_eq!(
            (owner.control_plane.as_str(), owner.task),
            ("test-plane", task)
        );
        assert_eq!(owner.container.as_str(), "app");
        let binding = &ours.network_bindings[0];
        assert_eq!(binding.container_port, 80);
        assert_eq!(ours.host_ports[0].port, binding.host_port);
        assert!(foreign.owner.is_none());
        assert_eq!((foreign.cpu.0, foreign.memory.0), (512, 32));
    }
    // What was remembered of a list is forgotten when the engine announces a change.
    engine.stop(&a, 0).await.unwrap();
    let seen = timeout(LONG, async {
        loop {
            events.next().await.unwrap().unwrap();
            let list = engine.list().await.unwrap();
            let ours = list.into_iter().find(|c| c.runtime_id == a).unwrap();
            if ours.state == ContainerState::Exited {
                return ours;
            }
        }
    });
    let seen = seen.await.unwrap();
    assert!(seen.exit_code.is_some() && seen.host_ports.is_empty());
    engine.remove(&a).await.unwrap();
    engine.remove(&b).await.unwrap();
}

#[tokio::test]
async fn events_are_announced_from_the_moment_they_are_asked_for() {
    let Some(engine) = engine().await else { return };
    let mut events = engine.events().await.unwrap();
    let id = engine.create(&spec("events", SLEEP)).await.unwrap();
    engine.remove(&id).await.unwrap();
    let mut seen = Vec::new();
    let wait = async {
        while let Some(event) = events.next().await {
            if let EngineEvent::Container {
                runtime_id,
                destroyed,
            } = event.unwrap()
                && runtime_id == id
            {
                seen.push(destroyed);
                if destroyed {
                    return;
                }
            }
        }
    };
    timeout(LONG, wait).await.unwrap();
    assert_eq!(seen, [false, true]);
}

#[tokio::test]
async fn logs_come_in_lines_with_times_ends_and_bounds() {
    let Some(engine) = engine().await else { return };
    let script = "echo one; echo two >&2; echo; yes abcdefg | head -c 20000 | cat -; \
                  yes x | head -c 40000 | sh -c 'while read l; do echo -n $l; done'; echo -n end";
    let id = engine
        .create(&spec("logs", &["sh", "-c", script]))
        .await
        .unwrap();
    engine.start(&id).await.unwrap();
    wait_for(&engine, &id, |c| c.state == ContainerState::Exited).await;
    let lines = logs(&engine, &id, LogOptions::default()).await;
    let texts = |stream| -> Vec<&str> {
        let of = lines.iter().filter(move |l| l.stream == stream);
        of.map(|l| l.text.as_str()).collect()
    };
    assert_eq!(texts(LogStream::Stderr), ["two"]);
    let out = texts(LogStream::Stdout);
    assert_eq!(out[..3], ["one", "", "abcdefg"]);
    assert_eq!(out.iter().filter(|l| **l == "abcdefg").count(), 2500);
    let long: Vec<usize> = out[2502..].iter().map(|l| l.len()).collect();
    assert_eq!(long, [16384, 20000 + 3 - 16384]);
    assert!(lines.iter().all(|l| l.at.0 > 1_600_000_000_000));
    let tail = LogOptions {
        tail: Some(1),
        ..LogOptions::default()
    };
    let last = logs(&engine, &id, tail).await;
    assert!(last.last().unwrap().text.ends_with("end"), "{last:?}");
    let later = LogOptions {
        since: Some(lines.last().unwrap().at.plus_ms(60_000)),
        ..LogOptions::default()
    };
    assert_eq!(logs(&engine, &id, later).await, []);
    engine.remove(&id).await.unwrap();
    let gone = engine.logs(&id, LogOptions::default()).next().await;
    assert!(matches!(gone, Some(Err(EngineError::NotFound(_)))));
}

#[tokio::test]
async fn logs_are_followed_until_the_container_ends() {
    let Some(engine) = engine().await else { return };
    let script = "echo ready; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo done";
    let id = engine
        .create(&spec("follow", &["sh", "-c", script]))
        .await
        .unwrap();
    engine.start(&id).await.unwrap();
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let mut lines = engine.logs(&id, follow);
    let next = timeout(LONG, lines.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().text, "ready");
    let touch = options(&["sh", "-c", "echo > /tmp/go"], false);
    assert_eq!(run(&engine, &id, touch, &[]).await.1, 0);
    let next = timeout(LONG, lines.next()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().text, "done");
    assert!(timeout(LONG, lines.next()).await.unwrap().is_none());
    engine.remove(&id).await.unwrap();
}

fn options(command: &[&str], tty: bool) -> ExecOptions {
    ExecOptions {
        command: command.iter().map(|s| (*s).to_owned()).collect(),
        tty,
        size: tty.then_some((101, 37)),
    }
}

/// Runs a program and gives what it wrote (stdout, stderr) and its exit code.
async fn run(
    engine: &BollardEngine,
    id: &str,
    options: ExecOptions,
    input: &[&str],
) -> ((String, String), i64) {
    let session = engine.exec(id, options).await.unwrap();
    for text in input {
        let data = ExecInput::Data(Bytes::from((*text).to_owned()));
        session.input.send(data).await.unwrap();
    }
    session.input.send(ExecInput::End).await.unwrap();
    let mut output = session.output;
    let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
    let read = async {
        while let Some(item) = output.next().await {
            match item.unwrap() {
                ExecOutput::Data(LogStream::Stdout, bytes) => out.extend_from_slice(&bytes),
                ExecOutput::Data(LogStream::Stderr, bytes) => err.extend_from_slice(&bytes),
                ExecOutput::Exit(exit) => code = Some(exit),
            }
        }
    };
    timeout(LONG, read).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    ((text(out), text(err)), code.unwrap())
}

#[tokio::test]
async fn programs_run_inside_with_input_output_and_exit_code() {
    let Some(engine) = engine().await else { return };
    let id = engine.create(&spec("exec", SLEEP)).await.unwrap();
    assert!(matches!(
        engine.exec(&id, options(&["true"], false)).await,
        Err(EngineError::Conflict(_))
    ));
    engine.start(&id).await.unwrap();
    let script = "cat; echo oops >&2; exit 7";
    let done = run(
        &engine,
        &id,
        options(&["sh", "-c", script], false),
        &["a\n", "b"],
    )
    .await;
    assert_eq!(done, (("a\nb".to_owned(), "oops\n".to_owned()), 7));
    let (_, code) = run(&engine, &id, options(&["absent"], false), &[]).await;
    assert!(code == 126 || code == 127, "{code}");
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn a_terminal_has_its_size_from_the_start_and_follows_it() {
    let Some(engine) = engine().await else { return };
    let id = engine.create(&spec("tty", SLEEP)).await.unwrap();
    engine.start(&id).await.unwrap();
    let session = engine.exec(&id, options(&["sh"], true)).await.unwrap();
    let mut output = session.output;
    let mut said = String::new();
    let size = "while :; do stty size; sleep 0.1; done\n";
    let data = ExecInput::Data(Bytes::from(size));
    session.input.send(data).await.unwrap();
    let mut resized = false;
    let read = async {
        while !said.contains("44 120") {
            if let ExecOutput::Data(_, bytes) = output.next().await.unwrap().unwrap() {
                said.push_str(&String::from_utf8_lossy(&bytes));
            }
            if !resized && said.contains("37 101") {
                resized = true;
                session
                    .input
                    .send(ExecInput::Resize(120, 44))
                    .await
                    .unwrap();
            }
        }
    };
    assert!(timeout(LONG, read).await.is_ok());
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn stats_tell_cpu_and_memory() {
    let Some(engine) = engine().await else { return };
    let mut busy = spec("stats", &["sh", "-c", "while :; do :; done"]);
    busy.memory_bytes = 32 << 20;
    let id = engine.create(&busy).await.unwrap();
    engine.start(&id).await.unwrap();
    let first = engine.stats(&id).await.unwrap();
    assert!(
        first.cpu_units > 1.0 && first.cpu_units < 4096.0,
        "{first:?}"
    );
    assert_eq!(first.memory_limit_bytes, 32 << 20);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let second = engine.stats(&id).await.unwrap();
    assert!(second.cpu_units > 1.0, "{second:?}");
    engine.remove(&id).await.unwrap();
    assert!(matches!(
        engine.stats(&id).await,
        Err(EngineError::NotFound(_))
    ));
}

#[tokio::test]
async fn out_of_memory_is_told_apart_from_a_kill() {
    let Some(engine) = engine().await else { return };
    let mut hungry = spec("oom", &["tail", "/dev/zero"]);
    hungry.memory_bytes = 16 << 20;
    let id = engine.create(&hungry).await.unwrap();
    engine.start(&id).await.unwrap();
    let ended = wait_for(&engine, &id, |c| c.state == ContainerState::Exited).await;
    assert_eq!((ended.oom_killed, ended.exit_code), (true, Some(137)));
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn health_is_unknown_then_known() {
    let Some(engine) = engine().await else { return };
    let mut checked = spec("health", SLEEP);
    checked.health = Some(HealthSpec {
        test: vec!["CMD".to_owned(), "true".to_owned()],
        interval_s: 1,
        timeout_s: 5,
        retries: 1,
        start_period_s: 0,
    });
    let id = engine.create(&checked).await.unwrap();
    engine.start(&id).await.unwrap();
    let healthy = wait_for(&engine, &id, |c| c.health != Some(Health::Unknown)).await;
    assert_eq!(healthy.health, Some(Health::Healthy));
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn refusals_carry_the_engines_own_words() {
    let Some(engine) = engine().await else { return };
    let mut absent = spec("absent", &["true"]);
    absent.image = "qd-absent:1".to_owned();
    let Err(EngineError::NotFound(text)) = engine.create(&absent).await else {
        panic!("made from an image that is not there");
    };
    assert!(text.contains("qd-absent:1"), "{text}");
    let id = engine.create(&spec("badcmd", &["nonsense"])).await.unwrap();
    let text = engine.start(&id).await.unwrap_err().to_string();
    assert!(text.contains("nonsense"), "{text}");
    engine.remove(&id).await.unwrap();
}

#[tokio::test]
async fn a_taken_port_is_the_engines_failure() {
    let Some(engine) = engine().await else { return };
    let mut first = spec("port", SLEEP);
    first.network = NetworkSpec::Bridge { links: Vec::new() };
    first.ports = vec![PortSpec {
        container_port: 80,
        host_port: 0,
        protocol: Protocol::Tcp,
    }];
    let a = engine.create(&first).await.unwrap();
    engine.start(&a).await.unwrap();
    let taken = engine.inspect(&a).await.unwrap().host_ports[0].port;
    let mut second = first.clone();
    second.name = unique("port");
    second.ports[0].host_port = taken;
    let b = engine.create(&second).await.unwrap();
    let Err(EngineError::Failed(text)) = engine.start(&b).await else {
        panic!("two containers on one port");
    };
    assert!(text.contains("port is already allocated"), "{text}");
    assert!(!engine.inspect(&b).await.unwrap().error.is_empty());
    engine.remove(&a).await.unwrap();
    engine.remove(&b).await.unwrap();
}

#[tokio::test]
async fn links_and_volumes_are_the_tasks_own() {
    let Some(engine) = engine().await else { return };
    let volume = VolumeSpec {
        name: unique("volume"),
        ..VolumeSpec::default()
    };
    engine.ensure_volume(&volume).await.unwrap();
    engine.ensure_volume(&volume).await.unwrap();
    let bridge = |links| NetworkSpec::Bridge { links };
    let mut db = spec("db", SLEEP);
    db.network = bridge(Vec::new());
    db.mounts = vec![super::spec::MountSpec {
        source: Some(volume.name.clone()),
        bind: false,
        target: "/data".to_owned(),
        read_only: false,
    }];
    let mut app = spec("app", SLEEP);
    app.network = bridge(vec![format!("{}:store", db.name)]);
    let (a, b) = (
        engine.create(&db).await.unwrap(),
        engine.create(&app).await.unwrap(),
    );
    engine.start(&a).await.unwrap();
    engine.start(&b).await.unwrap();
    let mounted = engine.inspect(&a).await.unwrap().volumes;
    assert_eq!(mounted, std::slice::from_ref(&volume.name));
    let look_up = |name: &'static str| options(&["nslookup", name, "127.0.0.11"], false);
    let ((said, _), code) = run(&engine, &b, look_up("store"), &[]).await;
    assert_eq!(code, 0, "{said}");
    // The alias is that of this endpoint alone.
    assert_ne!(run(&engine, &a, look_up("store"), &[]).await.1, 0);
    engine.remove(&a).await.unwrap();
    engine.remove(&b).await.unwrap();
    engine.remove_volume(&volume.name).await.unwrap();
    engine.remove_volume(&volume.name).await.unwrap();
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_an_error_with_its_name() {
    let Some(engine) = engine().await else { return };
    let mut steps = engine.pull("127.0.0.1:1/qd-absent:1");
    let error = timeout(LONG, async {
        loop {
            match steps.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("the pull ended without an error"),
            }
        }
    });
    let text = error.await.unwrap().to_string();
    assert!(text.contains("127.0.0.1:1"), "{text}");
}

#[tokio::test]
async fn what_is_not_there_is_unreachable_and_says_where() {
    let route = Route {
        dial: Dial::Unix(PathBuf::from("/nonexistent/docker.sock")),
        endpoint: "unix:///nonexistent/docker.sock".to_owned(),
        explain: None,
    };
    let nowhere = Credentials::in_folder(PathBuf::from("/nonexistent"));
    let Err(EngineError::Unreachable(text)) = BollardEngine::open(route, nowhere).await else {
        panic!("an engine answered at a path that is not there");
    };
    assert!(
        text.contains("unix:///nonexistent/docker.sock") && text.contains("No such file"),
        "{text}"
    );
}
