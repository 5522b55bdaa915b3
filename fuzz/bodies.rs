//! What each fuzz target does with the bytes that it is given. The targets include this file, and
//! so does the ordinary test that replays the corpus.
//!
//! A body returns for every input, and in bounded time; what it asserts holds for every input.

#![allow(dead_code)] // a target uses one of them

use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use quarterdeck::api::frame::Frames;
use quarterdeck::api::wire::{
    ApplyRequest, ExecRequest, ExplainRequest, FaultRequest, LogsLine, LogsRequest, PlanRequest,
    StatsRequest, WatchLine,
};
use quarterdeck::api::{self, PlanAsk};
use quarterdeck::apply::read::Wanted;
use quarterdeck::apply::{plan_file, read};
use quarterdeck::config::{self, Lookup};
use quarterdeck::controller::{Command, wire};
use quarterdeck::docker::health::{CHECKS_MAX, CheckResult, OUTPUT_BYTES_MAX};
use quarterdeck::docker::image::{Announcement, Layers, reference};
use quarterdeck::docker::lines::{LINE_BYTES, LineReader};
use quarterdeck::docker::listed::Listed;
use quarterdeck::docker::{bollard, logs as engine_logs, version};
use quarterdeck::document::{Document, Faults, Format};
use quarterdeck::model::calendar::{self, Zone};
use quarterdeck::model::snapshot::Snapshot;
use quarterdeck::model::{
    Actor, Change, Cluster, ClusterName, Connection, HistoryAsk, Instance, InstanceName,
    InstanceStatus, Partition, Surface, TimeMs,
};
use quarterdeck::scheduler::{self, Facts};
use quarterdeck::tui::{ConsoleSettings, ansi, doors};
use serde_json::Value;
use tokio_util::codec::{Decoder, Encoder};

/// The longest refusal, in bytes: all that is wrong is told, and it can still be read.
const REFUSAL_MAX: usize = 256 * 1024;

/// What a target does with its bytes.
pub type Body = fn(&[u8]);

/// The bodies by the names of their targets.
pub const ALL: [(&str, Body); 9] = [
    ("api_body", api_body),
    ("config", config),
    ("cron", cron),
    ("docker", docker),
    ("expression", expression),
    ("filter", filter),
    ("logs", logs),
    ("task_definition", task_definition),
    ("terminal", terminal),
];

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn refused(faults: &Faults) {
    let told = faults.to_string();
    assert!(!told.is_empty(), "refused without a word");
    assert!(told.len() <= REFUSAL_MAX, "{} bytes of refusal", told.len());
}

/// A config file.
pub fn config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let document = match Document::parse_as(Format::Toml, "quarterdeck.toml", text) {
        Ok(document) => document,
        Err(faults) => return refused(&faults),
    };
    let lookup = Lookup::default();
    let file = Path::new("quarterdeck.toml");
    match config::of_document(&document, file, &lookup, ConsoleSettings::read) {
        Ok((settings, _)) => drop(settings.warnings()),
        Err(faults) => refused(&faults),
    }
}

/// A file of `qd apply`, in either language: what is taken is given again as it was.
pub fn task_definition(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let read = Document::parse("-", text).and_then(|it| read::document(&Arc::new(it)));
    let items = match read {
        Ok(items) => items,
        Err(faults) => return refused(&faults),
    };
    for item in items {
        let command = match item.wanted {
            Wanted::Definition(request) => Command::RegisterTaskDefinition(request),
            Wanted::Service { request, .. } => Command::CreateService(request),
            Wanted::Schedule(request) => Command::PutSchedule(request),
        };
        survives_the_wire(&command);
        foreseen(command);
    }
}

fn survives_the_wire(command: &Command) {
    let again = wire::decode(command.operation(), &wire::encode(command));
    assert_eq!(again.as_ref(), Ok(command));
    drop(command.warnings());
}

/// What a command would come to, on a fleet of one: refused in words, or planned. Large counts are
/// no fault and only cost time.
fn foreseen(command: Command) {
    const COUNT_MAX: u64 = 20;
    let body = wire::encode(&command);
    let count = |member: &str| body.get(member).and_then(Value::as_u64).unwrap_or(0);
    if count("desiredCount") > COUNT_MAX || count("count") > COUNT_MAX {
        return;
    }
    let asked = PlanAsk::from(vec![command]);
    if let Err(refusal) = api::plan(&fleet(), asked) {
        assert!(!refusal.message.is_empty(), "refused without a word");
    }
}

/// A small fleet.
fn fleet() -> Snapshot {
    let mut snapshot = Snapshot {
        at: TimeMs(1_795_366_800_000),
        ..Snapshot::default()
    };
    let name = ClusterName::default_cluster();
    let cluster = Cluster::new(name, Partition::default(), false, snapshot.at);
    snapshot.state.apply_all(&[
        Change::Cluster(Arc::new(cluster)),
        Change::Instance(Arc::new(instance())),
    ]);
    snapshot
}

fn instance() -> Instance {
    let at = TimeMs(1_795_366_800_000);
    let name = InstanceName::new("ops-1").expect("a name");
    let connected = Connection::Connected { since: at };
    let cluster = ClusterName::default_cluster();
    let mut instance = Instance::new(name, cluster, "unix:///run/docker.sock".into(), connected);
    let attributes = [
        ("disk", "ssd"),
        ("ecs.os-type", "linux"),
        ("version", "v1.2.3-rc1"),
    ];
    instance.attributes = attributes
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    instance.status = InstanceStatus::Active;
    instance.capacity.cpu.0 = 4096;
    instance.capacity.memory.0 = 8192;
    instance.registered_at = Some(at);
    instance
}

struct One(Instance);

impl Facts for One {
    fn instance(&self) -> &Instance {
        &self.0
    }
    fn running_tasks(&self) -> u32 {
        3
    }
    fn any_group(&self, test: &dyn Fn(&str) -> bool) -> bool {
        test("service:web")
    }
}

/// A placement expression: read, asked, explained.
pub fn expression(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match scheduler::Expression::parse(text) {
        Ok(expression) => {
            let one = One(instance());
            let matches = expression.matches(&one);
            let why = expression.why(&one);
            assert_eq!(matches, why.is_empty(), "{why}");
            drop(expression.attributes(&one));
            let _depends = expression.depends_on_tasks();
        }
        Err(error) => assert!(error.column <= scheduler::EXPRESSION_MAX + 1, "{error}"),
    }
}

/// A schedule's expression, and the times that it names from any moment on.
pub fn cron(data: &[u8]) {
    const ZONES: [&str; 6] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Casablanca",
    ];
    let Some((head, rest)) = data.split_first_chunk::<17>() else {
        return;
    };
    let Some(text) = text(rest) else { return };
    drop(Zone::named(Some(text)));
    let expression = match calendar::Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => return assert!(!error.what.is_empty()),
    };
    let [zone, moments @ ..] = head;
    let (since, after) = moments.split_at(8);
    let moment = |bytes: &[u8]| {
        TimeMs(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        )
    };
    let zone = ZONES[usize::from(*zone) % ZONES.len()];
    let zone = Zone::named(Some(zone)).expect("a zone");
    let (since, mut after) = (moment(since), moment(after));
    for _ in 0..5 {
        let Some(next) = expression.next(&zone, since, after) else {
            return;
        };
        assert!(
            next > after || after.0 == u64::MAX,
            "{next:?} is not after {after:?}"
        );
        drop(zone.words(next));
        after = next;
    }
}

/// A request over the socket, a line or frame of an answer, a header, a plan in a file.
pub fn api_body(data: &[u8]) {
    const CHANGES: [&str; 16] = [
        "RegisterTaskDefinition",
        "DeregisterTaskDefinition",
        "CreateService",
        "UpdateService",
        "RebalanceService",
        "DeleteService",
        "RunTask",
        "StopTask",
        "UpdateTaskProtection",
        "UpdateContainerInstancesState",
        "CreateCluster",
        "DeleteCluster",
        "TagResource",
        "UntagResource",
        "PutSchedule",
        "RunSchedule",
    ];
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    frames(bytes);
    let header = String::from_utf8_lossy(bytes);
    let actor = Actor::new(&header, Surface::from_wire(Some(&header)));
    assert!(!actor.user.contains(char::is_control), "{:?}", actor.user);
    if let Some(text) = text(bytes) {
        let _plan = plan_file::of_text(text);
        // As a client reads a server's lines.
        if let Ok(WatchLine::Delta(delta)) = serde_json::from_str(text) {
            fleet().advance(&delta);
        }
        let _line = serde_json::from_str::<LogsLine>(text);
    }
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    requests(&body);
    let which = usize::from(*which);
    if let Some(operation) = which.checked_sub(CHANGES.len()) {
        let all = api::query::OPERATIONS;
        let operation = all[operation % all.len()];
        if let Err(refusal) = api::query(&fleet(), operation, &body) {
            assert!(!refusal.message.is_empty(), "refused without a word");
        }
        return;
    }
    match wire::decode(CHANGES[which], &body) {
        Ok(command) => {
            survives_the_wire(&command);
            foreseen(command);
        }
        Err(refusal) => {
            let length = refusal.message.len();
            assert!(length > 0, "refused without a word");
            assert!(length <= REFUSAL_MAX, "{length} bytes of refusal");
        }
    }
}

fn requests(body: &Value) {
    fn read<T: serde::de::DeserializeOwned>(body: &Value) -> Option<T> {
        serde_json::from_value(body.clone()).ok()
    }
    let _logs: Option<LogsRequest> = read(body);
    let _exec: Option<ExecRequest> = read(body);
    let _stats: Option<StatsRequest> = read(body);
    let _fault: Option<FaultRequest> = read(body);
    let _apply: Option<ApplyRequest> = read(body);
    let _history: Option<HistoryAsk> = read(body);
    if let Some(ExplainRequest { about }) = read(body) {
        let _explained = api::explained(&fleet(), &about);
    }
    if let Some::<PlanRequest>(request) = read(body) {
        for command in request.commands {
            if let Ok(command) = command.command() {
                survives_the_wire(&command);
            }
        }
    }
}

/// Frames come out the same however the bytes arrive, and what comes out can be sent again.
fn frames(bytes: &[u8]) {
    let mut whole = BytesMut::from(bytes);
    let mut at_once = Vec::new();
    let broken = loop {
        match Frames.decode(&mut whole) {
            Ok(Some(frame)) => at_once.push(frame),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    let (mut bit_by_bit, mut received) = (Vec::new(), BytesMut::new());
    'all: for byte in bytes {
        received.extend_from_slice(&[*byte]);
        loop {
            match Frames.decode(&mut received) {
                Ok(Some(frame)) => bit_by_bit.push(frame),
                Ok(None) => break,
                Err(_) => break 'all,
            }
        }
    }
    assert_eq!(at_once, bit_by_bit, "broken: {broken}");
    let mut sent = BytesMut::new();
    for frame in &at_once {
        Frames
            .encode(frame.clone(), &mut sent)
            .expect("a frame that was read");
        assert_eq!(
            Frames.decode(&mut sent).expect("a frame").as_ref(),
            Some(frame)
        );
    }
}

/// What an engine sends of a container's output, and what the console makes of its lines.
pub fn logs(data: &[u8]) {
    let Some((head, bytes)) = data.split_first() else {
        return;
    };
    let (tty, size) = (head & 1 == 1, usize::from(head >> 1) + 1);
    let mut reader = LineReader::new(tty);
    let mut lines = Vec::new();
    for chunk in bytes.chunks(size) {
        match reader.read(Bytes::copy_from_slice(chunk)) {
            Ok(more) => lines.extend(more),
            Err(error) => return assert!(!error.to_string().is_empty()),
        }
    }
    lines.extend(reader.rest());
    let kept: usize = lines.iter().map(|line| line.text.len()).sum();
    // A byte that is no character becomes one of three.
    assert!(kept <= 3 * bytes.len());
    for line in lines {
        assert!(line.text.len() <= 3 * LINE_BYTES);
        let shown = doors::log_line(&line.text);
        for text in &shown {
            assert!(text.chars().all(ansi::is_plain), "{text:?}");
        }
    }
}

/// What containers write, on its way to a terminal: nothing of it moves the cursor, sets a mode or
/// asks the terminal anything. The judge is a terminal's own parser, not our idea of one.
pub fn terminal(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let line = ansi::line(&raw);
    assert!(line.styles.len() <= ansi::CHANGES_MAX);
    // Colours, and no end of a line.
    judge(&line.painted(), true, false);
    judge(&ansi::plain(&raw), false, false);
    let lines = ansi::lines(&raw);
    judge(&lines, false, true);
    assert_eq!(ansi::lines(&lines), lines, "once is enough");
    for text in doors::log_line(&raw) {
        judge(&text, false, false);
    }
}

fn judge(text: &str, colours: bool, lines: bool) {
    let mut judge = Judge {
        colours,
        lines,
        marks: 0,
    };
    // Also as a terminal that takes single bytes from 0x80 on for controls sees it, where the
    // text has such characters itself.
    let mut parser = vte::Parser::new();
    parser.advance(&mut judge, text.as_bytes());
    // Nothing is left open that would swallow what is printed next.
    let mut after = After(false);
    parser.advance(&mut after, b"x");
    assert!(after.0, "a sequence is left open by {text:?}");
    let c1 = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    assert!(!text.contains(c1), "{text:?}");
    if !colours {
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}

struct Judge {
    colours: bool,
    lines: bool,
    marks: usize,
}

impl vte::Perform for Judge {
    fn print(&mut self, c: char) {
        assert!(ansi::is_plain(c), "{c:?}");
        let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!bidi, "{c:?}");
        let marks =
            matches!(c, '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}');
        self.marks = if marks { self.marks + 1 } else { 0 };
        assert!(self.marks <= ansi::MARKS_MAX, "{} marks", self.marks);
    }

    fn execute(&mut self, byte: u8) {
        assert!(
            self.lines && matches!(byte, b'\n' | b'\t'),
            "control {byte:#x}"
        );
        self.marks = 0;
    }

    fn hook(&mut self, _: &vte::Params, _: &[u8], _: bool, action: char) {
        panic!("DCS {action:?}");
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        panic!("OSC {params:?}");
    }

    fn csi_dispatch(&mut self, params: &vte::Params, between: &[u8], cut: bool, action: char) {
        let is_colour = self.colours && action == 'm' && between.is_empty() && !cut;
        assert!(is_colour, "CSI {action:?} {between:?}");
        // Neither blinking nor hidden.
        let mut groups = params.iter().map(|group| group[0]);
        while let Some(code) = groups.next() {
            match code {
                38 | 48 => {
                    let more = if groups.next() == Some(5) { 1 } else { 3 };
                    groups.by_ref().take(more).for_each(drop);
                }
                code => assert!(!matches!(code, 5 | 6 | 8), "SGR {code}"),
            }
        }
    }

    fn esc_dispatch(&mut self, _: &[u8], _: bool, byte: u8) {
        panic!("ESC {byte:#x}");
    }
}

struct After(bool);

impl vte::Perform for After {
    fn print(&mut self, c: char) {
        self.0 = c == 'x';
    }
}

/// What an engine answers.
pub fn docker(data: &[u8]) {
    let _event = engine_logs::event_of(data);
    if let Ok(Some(container)) = bollard::container_of(data) {
        assert!(container.memory.0 <= u64::MAX >> 20);
    }
    if let Ok(health) = bollard::health_log_of(data) {
        assert!(health.log.len() <= CHECKS_MAX);
        let bounded = |it: &CheckResult| it.output.len() <= OUTPUT_BYTES_MAX;
        assert!(health.log.iter().all(bounded));
    }
    let said = String::from_utf8_lossy(data);
    let image = reference(&said);
    assert!(said.starts_with(image.name));
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let _version = version::negotiate("here", &value);
    let listed = Listed::read("a".to_owned(), &value);
    let seen = listed.clone().observed(None);
    drop(listed.observed(Some(seen)));
    let mut layers = Layers::default();
    for said in value.as_array().into_iter().flatten() {
        let number = |name: &str| said[name].as_u64();
        let word = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        layers.announce(&Announcement {
            layer: word("id"),
            status: word("status"),
            current: number("current"),
            total: number("total"),
        });
    }
}

/// What is typed into the console to narrow a list or to search, keys by their names, and how a
/// console looked.
pub fn filter(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let (typed, row) = text
        .split_once('\n')
        .unwrap_or((text, "web STEADY 10.0.0.1"));
    let (_passes, wrong) = doors::filter(typed, row);
    assert!(wrong.is_none_or(|why| !why.is_empty()));
    doors::key(typed);
    let _read = doors::view_file(text);
}
