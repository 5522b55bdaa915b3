//! What containers, images and engines say cannot take over the operator's terminal: the real
//! binary in a terminal of its own, over an engine whose every text is an attack.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Part, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::stream;
use portable_pty::CommandBuilder;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::pty::Session;

/// How long anything may take; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Texts that a terminal would obey. What their sequences carry has `PWN` in it, and what follows
/// each is `ok`: the one must never be seen, the other may.
const ATTACKS: [&str; 20] = [
    "\x1b]52;c;UFdOUFdO\x07ok",
    "\x1b]0;PWN title\x07ok",
    "\x1b]2;PWN title\x1b\\ok",
    "\x1b]8;;https://PWN.example\x1b\\ok\x1b]8;;\x1b\\",
    "\x1b[?1049h\x1b[2J\x1b[77;77Hok",
    "\x1b[77A\x1b[77Bok\x1b[s\x1b[u\x1b7\x1b8\x1bM\x1bD\x1bE",
    "\x1bP$qm\x1b\\ok\x1bP+q544e\x1b\\",
    "\x1b[c\x1b[>c\x1b[=c\x1b[6n\x1b[5n\x1b[21t\x1b[18tok\x05",
    "\u{9b}77;77H\u{9d}0;PWN\u{9c}ok\u{90}PWN\u{9c}\u{85}\u{8d}",
    "\x1b[201~ok\x1b[?2004l\x1b[?25l\x1b[?1000h\x1b[?1003h",
    "\x1b[8mok\x1b[5m\x1b[7m",
    "\x1bcok\x1b[!p\x1b[?5h\x1b#8\x1b(0\x0e\x1b%@",
    "\x1b[1337;77rok\x1b[?6h\x1b[4h\x1b[?7l\x1b[20h",
    "\x1b_GPWN\x1b\\ok\x1b^PWN\x1b\\\x1bXPWN\x1b\\",
    "\u{202e}ok\u{2066}\u{200f}\u{61c}\u{feff}\u{e0041}\u{200b}",
    "ok\u{0}\u{7}\u{8}\u{b}\u{c}\u{e}\u{f}\u{1a}\u{7f}",
    "\r\n\u{2028}\u{2029}ok\ttab",
    "\x1b[>4;2m\x1b[>31u\x1b[?1h\x1b=ok",
    "\x1b]104\x07\x1b]11;#PWN\x07ok\x1b]1337;PWN=1\x07\x1b]777;notify;PWN\x07",
    "ok\x1b]0;PWN never ended",
];

fn all() -> String {
    ATTACKS.concat()
}

/// An engine that runs what it is told to and says nothing without an attack in it.
#[derive(Default)]
struct Engine {
    /// Containers as their inspections tell them.
    containers: Mutex<Vec<Value>>,
}

type Shared = State<Arc<Engine>>;

impl Engine {
    fn find(&self, id: &str) -> Option<Value> {
        let containers = self.containers.lock().unwrap();
        let is = |it: &&Value| it["Id"] == id || it["Name"] == format!("/{id}");
        containers.iter().find(is).cloned()
    }

    fn set(&self, id: &str, change: impl Fn(&mut Value)) {
        let mut containers = self.containers.lock().unwrap();
        for container in containers.iter_mut().filter(|it| it["Id"] == id) {
            change(container);
        }
    }
}

fn not_found() -> Response {
    let body = Json(json!({"message": format!("no such thing {}", all())}));
    (StatusCode::NOT_FOUND, body).into_response()
}

async fn listed(State(engine): Shared) -> Json<Value> {
    let containers = engine.containers.lock().unwrap();
    let each = containers.iter().map(|it| {
        json!({
            "Id": it["Id"], "Names": [it["Name"]], "Image": it["Config"]["Image"],
            "Labels": it["Config"]["Labels"], "State": it["State"]["Status"],
            "Status": format!("Up {}", all()),
        })
    });
    Json(each.collect())
}

async fn made(
    State(engine): Shared,
    Query(asked): Query<std::collections::HashMap<String, String>>,
    Json(body): Json<Value>,
) -> impl IntoResponse {
    let mut containers = engine.containers.lock().unwrap();
    let id = format!("{:064x}", containers.len() + 1);
    containers.push(json!({
        "Id": id, "Name": format!("/{}", asked.get("name").cloned().unwrap_or_default()),
        "Image": format!("sha256:{}", all()), "Config": body,
        "State": {"Status": "created", "ExitCode": 0, "Error": "", "Health": {
            "Status": "healthy", "FailingStreak": i64::MAX, "Log": vec![json!({
                "Start": all(), "End": "2026-05-04T10:00:00Z", "ExitCode": i64::MIN,
                "Output": format!("the check said {}{}", all(), "x".repeat(1 << 13)),
            }); 20],
        }},
        "HostConfig": body["HostConfig"],
    }));
    (
        StatusCode::CREATED,
        Json(json!({"Id": id, "Warnings": [all()]})),
    )
}

/// Of the family `fails`, none starts; the engine tells why in its own words.
async fn started(State(engine): Shared, Part(id): Part<String>) -> Response {
    let Some(container) = engine.find(&id) else {
        return not_found();
    };
    if container["Name"]
        .as_str()
        .unwrap_or_default()
        .contains("fails")
    {
        let body = Json(json!({"message": format!("cannot start: {}", all())}));
        return (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
    }
    engine.set(&id, |it| it["State"]["Status"] = "running".into());
    StatusCode::NO_CONTENT.into_response()
}

async fn ended(State(engine): Shared, Part(id): Part<String>) -> StatusCode {
    engine.set(&id, |it| {
        it["State"]["Status"] = "exited".into();
        it["State"]["Error"] = all().into();
        it["State"]["ExitCode"] = 137.into();
    });
    StatusCode::NO_CONTENT
}

async fn inspected(State(engine): Shared, Part(id): Part<String>) -> Response {
    engine
        .find(&id)
        .map_or_else(not_found, |it| Json(it).into_response())
}

async fn gone(State(engine): Shared, Part(id): Part<String>) -> StatusCode {
    engine
        .containers
        .lock()
        .unwrap()
        .retain(|it| it["Id"] != id);
    StatusCode::NO_CONTENT
}

/// Lines in frames: every attack, some that end within a sequence, one that is very long, one
/// that is no UTF-8, a flood of marks, and JSON.
async fn logs() -> Bytes {
    let mut frames = Vec::new();
    let mut write = |bytes: &[u8]| {
        let line = [b"2026-11-22T17:00:00.250000000Z ", bytes, b"\n"].concat();
        frames.extend_from_slice(&[1, 0, 0, 0]);
        frames.extend_from_slice(&u32::try_from(line.len()).unwrap().to_be_bytes());
        frames.extend_from_slice(&line);
    };
    write(b"the first line");
    for attack in ATTACKS {
        write(attack.as_bytes());
    }
    // Bytes that are no UTF-8 are no controls any more: what follows them is only text.
    write(b"\x9b7;7Hok\x9d0;raw\x07\x90raw\x9c\xe2\x1b[77;77H\xff\xfe");
    write(format!("a{}b", "\u{301}".repeat(5_000)).as_bytes());
    write("x".repeat(40_000).as_bytes());
    write("\t".repeat(16_000).as_bytes());
    write(
        json!({"level": "warn", "msg": all(), all(): all()})
            .to_string()
            .as_bytes(),
    );
    write(b"\x1b[31mred and nothing after");
    write(b"the last line\x1b[");
    Bytes::from(frames)
}

/// A program that leaves the terminal as it can.
const LEAVES: &str = "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?2004h\
     \x1b[?1h\x1b=\x1b[?1004h\x1b[>4;2m\x1b[=31u\x1b[?5h\x1b[5;9r\x1b[31;8m\x1b]0;PWN title\x07\x1b[?7l\
     left as it is\x1b]0;not ended";

async fn exec_begun(request: Request) -> Response {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut wire = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        wire.write_all(LEAVES.as_bytes()).await.unwrap();
        wire.shutdown().await.unwrap();
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
    headers.insert(header::UPGRADE, "tcp".parse().unwrap());
    response
}

async fn networks() -> Json<Value> {
    let labels = json!({"quarterdeck.network": all()});
    Json(json!([{"Name": quarterdeck::docker::spec::NETWORK, "Id": "n", "Labels": labels}]))
}

async fn silence() -> Body {
    Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())
}

fn router(engine: Arc<Engine>) -> axum::Router {
    let version = json!({"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": all()});
    let info = json!({
        "ID": all(), "Name": all(), "ServerVersion": all(), "OSType": "linux",
        "Architecture": "x86_64", "NCPU": 4, "MemTotal": 8_u64 << 30,
    });
    let inner = axum::Router::new()
        .route("/_ping", any(|| async { "OK" }))
        .route("/version", get(move || async { Json(version) }))
        .route("/info", get(move || async { Json(info) }))
        .route("/events", get(silence))
        .route("/containers/json", get(listed))
        .route("/containers/create", post(made))
        .route("/containers/{id}/json", get(inspected))
        .route("/containers/{id}/start", post(started))
        .route("/containers/{id}/stop", post(ended))
        .route("/containers/{id}/kill", post(ended))
        .route("/containers/{id}/logs", get(logs))
        .route(
            "/containers/{id}/exec",
            post(|| async { Json(json!({"Id": "e1"})) }),
        )
        .route("/containers/{id}", axum::routing::delete(gone))
        .route("/exec/e1/start", post(exec_begun))
        .route("/exec/e1/resize", post(|| async {}))
        .route(
            "/exec/e1/json",
            get(|| async { Json(json!({"Running": false, "ExitCode": 0})) }),
        )
        .route("/networks", get(networks))
        .route(
            "/networks/create",
            post(|| async { (StatusCode::CREATED, Json(json!({"Id": "n"}))) }),
        )
        .route(
            "/images/{*rest}",
            get(|| async { Json(json!({"Id": "sha256:1", "RepoDigests": []})) }),
        )
        .fallback(|| async { not_found() })
        .with_state(engine);
    // The engine is asked with a version and without.
    axum::Router::new()
        .nest("/v1.41", inner.clone())
        .merge(inner)
}

/// The engine, a control plane over it, and where they are.
struct Harbour {
    folder: tempfile::TempDir,
    serve: Child,
    _runtime: tokio::runtime::Runtime,
}

impl Drop for Harbour {
    fn drop(&mut self) {
        let _ended_already = self.serve.kill();
        let _reaped = self.serve.wait();
    }
}

const FLEET: &str = r#"
[[taskDefinition]]
family = "web"
[[taskDefinition.containerDefinitions]]
name = "app"
image = "busybox:1"
memory = 64
healthCheck = { command = ["CMD-SHELL", "false"] }

[[taskDefinition]]
family = "fails"
[[taskDefinition.containerDefinitions]]
name = "app"
image = "busybox:1"
memory = 64

[[service]]
serviceName = "web"
taskDefinition = "web"
desiredCount = 1

[[service]]
serviceName = "fails"
taskDefinition = "fails"
desiredCount = 1
"#;

impl Harbour {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let engine = Arc::new(Engine::default());
        // Somebody else's container: of it nothing is known but what it says itself.
        engine.containers.lock().unwrap().push(json!({
            "Id": "f".repeat(64), "Name": format!("/foreign {}", all()), "Image": all(),
            "Config": {"Image": all(), "Labels": {all(): all(), "quarterdeck.service": all()}},
            "State": {"Status": "running", "Health": {"Status": "unhealthy", "Log": [{"Output": all()}]}},
            "HostConfig": {"NanoCpus": 1_000_000_000_u64, "Memory": 64 << 20},
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(&socket).unwrap()
        };
        runtime.spawn(async move { axum::serve(listener, router(engine)).await });
        let config = format!(
            "[[cluster]]\nname = \"default\"\n\n[[instance]]\nname = \"evil\"\nendpoint = \"unix://{}\"\n",
            socket.display()
        );
        std::fs::write(folder.path().join("quarterdeck.toml"), config).unwrap();
        std::fs::write(folder.path().join("fleet.toml"), FLEET).unwrap();
        let mut serve = Command::new(env!("CARGO_BIN_EXE_qd"));
        serve.args(Self::global(&folder)).arg("serve");
        let log = std::fs::File::create(folder.path().join("serve.log")).unwrap();
        let serve = serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let serve = serve.spawn().unwrap();
        let harbour = Self {
            folder,
            serve,
            _runtime: runtime,
        };
        // A command that finds no server yet would carry the control plane itself.
        let began = Instant::now();
        while !std::fs::read_to_string(harbour.path("serve.log"))
            .unwrap()
            .contains("the control plane is up")
        {
            assert!(began.elapsed() < PATIENCE, "no server");
            std::thread::sleep(Duration::from_millis(50));
        }
        let fleet = harbour.path("fleet.toml").display().to_string();
        harbour.until("the fleet", &["apply", &fleet, "--yes"], |_| true);
        harbour.until(
            "a running task",
            &["task", "ls", "--output", "json"],
            |text| text.replace(' ', "").contains("\"lastStatus\":\"RUNNING\""),
        );
        harbour.until("a failure", &["events"], |text| {
            text.contains("cannot start")
        });
        harbour
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn global(folder: &tempfile::TempDir) -> Vec<std::ffi::OsString> {
        let at = |name: &str| folder.path().join(name).into_os_string();
        vec![
            "--config".into(),
            at("quarterdeck.toml"),
            "--state".into(),
            at("state"),
        ]
    }

    /// Asks off a terminal until the answer is as wanted.
    fn until(&self, what: &str, arguments: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let mut command = Command::new(env!("CARGO_BIN_EXE_qd"));
            command.args(Self::global(&self.folder)).args(arguments);
            let output = command.stdin(Stdio::null()).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            if output.status.success() && wanted(&text) {
                return text;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let log = std::fs::read_to_string(self.path("serve.log")).unwrap();
            assert!(
                began.elapsed() < PATIENCE,
                "no {what}: {text:?} {said:?}\n{log:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn on_terminal(&self, arguments: &[&str]) -> Session {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_qd"));
        for argument in Self::global(&self.folder) {
            command.arg(argument);
        }
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("COLORTERM", "truecolor");
        Session::start(command, 120, 40)
    }
}

/// Judges all that was sent to a terminal: a terminal's own parser says what it is.
struct Judge<'a> {
    /// What the console itself says beside colours; nothing for commands.
    console: bool,
    heard: &'a str,
    printed: String,
}

fn judge(heard: &[u8], console: bool) -> String {
    let text = std::str::from_utf8(heard).unwrap();
    // JSON spells controls out, and so does the server's log: that is as good as plain text.
    let spelled = |line: &&str| line.contains("\\u00") || line.contains("\\u{");
    for line in text.lines().filter(|line| !spelled(line)) {
        let carried = ["PWN", "UFdO", "77;77", "1337"];
        assert!(!carried.iter().any(|it| line.contains(it)), "{line:?}");
    }
    let c1 = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    assert!(!text.contains(c1), "{text:?}");
    let mut judge = Judge {
        console,
        heard: text,
        printed: String::new(),
    };
    let mut parser = vte::Parser::new();
    parser.advance(&mut judge, heard);
    parser.advance(&mut judge, b"~");
    assert!(judge.printed.ends_with('~'), "a sequence is left open");
    judge.printed
}

impl vte::Perform for Judge<'_> {
    fn print(&mut self, c: char) {
        assert!(
            quarterdeck::tui::ansi::is_plain(c),
            "{c:?} in {:?}",
            self.heard
        );
        self.printed.push(c);
    }

    fn execute(&mut self, byte: u8) {
        // The terminal's own line discipline adds the carriage return.
        assert!(
            matches!(byte, b'\n' | b'\r' | b'\t'),
            "{byte:#x} in {:?}",
            self.heard
        );
        self.printed.push('\n');
    }

    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        panic!("DCS {action:?} in {:?}", self.heard);
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        panic!("OSC {params:?} in {:?}", self.heard);
    }

    fn csi_dispatch(&mut self, params: &vte::Params, between: &[u8], _: bool, action: char) {
        let first = params.iter().next().map_or(0, |group| group[0]);
        let ours = match (action, between) {
            ('m', []) => !params
                .iter()
                .any(|group| matches!(group[0], 8 | 6) && params.len() == 1),
            ('H' | 'G' | 'K' | 'J', []) => self.console,
            ('h' | 'l', b"?") => {
                self.console && matches!(first, 25 | 1000 | 1006 | 1049 | 2004 | 2026)
            }
            _ => false,
        };
        assert!(ours, "CSI {between:?} {first} {action} in {:?}", self.heard);
    }

    fn esc_dispatch(&mut self, between: &[u8], _: bool, byte: u8) {
        // The end of a string that the parser has told of already.
        let end = between.is_empty() && byte == b'\\';
        assert!(end, "ESC {between:?} {byte:#x} in {:?}", self.heard);
    }
}

#[test]
fn commands_show_an_engines_words_without_what_a_terminal_obeys() {
    let harbour = Harbour::start();
    let tasks: Value =
        serde_json::from_str(
            &harbour.until("tasks", &["task", "ls", "--output", "json"], |_| true),
        )
        .unwrap();
    let of = |group: &str| {
        let all = tasks["tasks"].as_array().unwrap();
        let found = all
            .iter()
            .find(|it| it["group"] == format!("service:{group}"));
        let arn = found.unwrap_or_else(|| panic!("{tasks}"))["taskArn"]
            .as_str()
            .unwrap();
        arn.rsplit('/').next().unwrap().to_owned()
    };
    let web = of("web");
    let asked: [&[&str]; 17] = [
        &["logs", &web],
        &["logs", "web", "--timestamps"],
        &["logs", "web", "--output", "json"],
        &["service", "ls"],
        &["service", "show", "fails"],
        &["service", "show", "fails", "--output", "json"],
        &["task", "ls", "--all"],
        &["task", "show", &web],
        &["task", "health", &web],
        &["task", "health", &web, "--output", "json"],
        &["instance", "ls"],
        &["instance", "show", "evil"],
        &["instance", "show", "evil", "--output", "json"],
        &["instance", "check"],
        &["events"],
        &["explain", "fails"],
        &["status"],
    ];
    let mut printed = String::new();
    for arguments in asked {
        let mut session = harbour.on_terminal(arguments);
        session.end();
        let seen = judge(&session.heard, false);
        assert!(seen.len() > 10, "{arguments:?} says {seen:?}");
        printed.push_str(&seen);
        // What is piped into another program may reach the terminal through it.
        let mut command = Command::new(env!("CARGO_BIN_EXE_qd"));
        command
            .args(Harbour::global(&harbour.folder))
            .args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        judge(&output.stdout, false);
        judge(&output.stderr, false);
    }
    // It was there to be seen: what is left of the lines, and the engine's refusal.
    for words in [
        "the first line",
        "red and nothing after",
        "the last line",
        "cannot start",
        "the check said",
    ] {
        assert!(printed.contains(words), "no {words:?} in {printed}");
    }
    // The server's own log can be looked at in a terminal, too.
    judge(&std::fs::read(harbour.path("serve.log")).unwrap(), false);
}

#[test]
fn the_console_shows_an_engines_words_without_what_a_terminal_obeys() {
    let harbour = Harbour::start();
    let mut session = harbour.on_terminal(&[]);
    session.wait_for("fails");
    session.press("2a");
    session.wait_for("RUNNING");
    // The page of each pane's thing, the events, the map, the palette.
    let back = |session: &mut Session| {
        session.press("q");
        session.wait("the panes", |screen| {
            let text = screen.contents();
            text.contains("1 Services") && text.contains("3 Instances")
        });
    };
    for pane in ["1", "2", "3", "4"] {
        session.press(pane);
        session.press("\r");
        session.wait_for("esc back");
        back(&mut session);
    }
    session.press("1/web\rl");
    session.wait_for("the last line");
    for keys in ["w", "w", "J", "J"] {
        session.press(keys);
    }
    session.press("/ok\r");
    session.wait_for("ok");
    session.press("g");
    session.wait_for("the first line");
    back(&mut session);
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
    judge(&session.heard, true);
}

#[test]
fn a_program_that_left_the_terminal_in_disorder_is_cleared_up_after() {
    let harbour = Harbour::start();
    let mut session = harbour.on_terminal(&["exec", "web", "--", "sh"]);
    let code = session.end();
    assert_eq!(code, 0, "{}", session.screen.screen().contents());
    settled(&session);
    // In the console: the shell's own screen is left for ours, and everything is as it was.
    let mut session = harbour.on_terminal(&[]);
    session.wait_for("web");
    session.press("1/web\r2!\r");
    session.wait_to_hear("left as it is");
    session.wait("the console again", |screen| {
        screen.alternate_screen() && screen.contents().contains("exit code 0")
    });
    session.press("\u{1b}");
    session.wait_for("? help");
    session.press("q");
    assert_eq!(session.end(), 0);
    settled(&session);
}

/// As the shell before us had the terminal.
fn settled(session: &Session) {
    session.assert_given_back();
    let screen = session.screen.screen();
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert!(!screen.application_cursor() && !screen.application_keypad());
    // What the terminal model does not follow, by what was said after the program's last word.
    let heard = String::from_utf8_lossy(&session.heard);
    let (_, after) = heard.rsplit_once("not ended").unwrap();
    for said in [
        "\x18\x1b\\",
        "\x1b[?1004l",
        "\x1b[>4m",
        "\x1b[=0u",
        "\x1b[?5l",
        "\x1b[!p",
        "\x1b[?7h",
        "\x1b[0m",
        "\x1b]104\x07",
        "\x1b[23;0t",
    ] {
        assert!(after.contains(said), "no {said:?} in {after:?}");
    }
    let before = heard.split("left as it is").next().unwrap();
    assert!(before.contains("\x1b[22;0t"), "the title is not kept");
}
