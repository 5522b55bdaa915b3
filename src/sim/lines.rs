//! What simulated containers write: a function of (seed, container, time), so that history and
//! follow agree line by line.

use super::container::{Death, Run, SimContainer};
use super::dice::{between, fold, fold_text, one_of};
use crate::docker::{LogLine, LogStream};
use crate::model::TimeMs;

/// How far back an engine keeps lines, as a log driver that rotates does.
pub(super) const KEPT_MS: u64 = 6 * 3_600_000;

/// What kind of program a container runs, told by its name and image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Web,
    Json,
    Worker,
    Database,
    Proxy,
    Plain,
}

impl Kind {
    fn of(container: &SimContainer) -> Self {
        let text = format!("{} {}", container.spec.image, container.spec.name);
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let image = &container.spec.image;
        if has(&["envoy", "proxy", "sidecar"]) {
            Self::Proxy
        } else if image.contains("worker") {
            Self::Worker
        } else if has(&["postgres", "mysql", "-db", "/db"]) {
            Self::Database
        } else if has(&["nginx", "web"]) {
            Self::Web
        } else if has(&["api", "checkout", "search"]) {
            Self::Json
        } else if has(&["worker", "queue", "job"]) {
            Self::Worker
        } else {
            Self::Plain
        }
    }

    /// Milliseconds of one slot, which holds up to two lines.
    fn slot_ms(self) -> u64 {
        match self {
            Self::Web => 400,
            Self::Json => 600,
            Self::Worker => 1_100,
            Self::Proxy => 2_500,
            Self::Database => 4_000,
            Self::Plain => 5_000,
        }
    }
}

/// A container's pen.
pub(super) struct Writer {
    key: u64,
    kind: Kind,
    runs: Vec<Run>,
}

impl Writer {
    pub(super) fn of(seed: u64, container: &SimContainer) -> Self {
        Self {
            key: fold_text(seed, &container.id),
            kind: Kind::of(container),
            runs: container.runs.clone(),
        }
    }

    /// Whether it may write more.
    pub(super) fn runs(&self) -> bool {
        self.runs.last().is_some_and(|run| run.ended.is_none())
    }

    /// When it began to write; `None` if it never ran.
    pub(super) fn first(&self) -> Option<TimeMs> {
        self.runs.first().map(|run| run.started)
    }

    /// When it last ended, if it has.
    pub(super) fn ended(&self) -> Option<TimeMs> {
        let (at, _) = self.runs.last()?.ended?;
        Some(at)
    }

    /// The lines from `from` up to and without `to`, oldest first.
    pub(super) fn between(&self, from: TimeMs, to: TimeMs) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for run in &self.runs {
            self.write_run(run, from, to, &mut lines);
        }
        lines
    }

    fn write_run(&self, run: &Run, from: TimeMs, to: TimeMs, out: &mut Vec<LogLine>) {
        let end = run.ended.map_or(to, |(at, _)| at.min(to));
        let within = |at: TimeMs| at >= from && at < to;
        let first = out.len();
        for (ms, text) in self.opening() {
            let at = run.started.plus_ms(ms);
            if within(at) && at < end {
                out.push(line(at, LogStream::Stdout, text));
            }
        }
        let slot_ms = self.kind.slot_ms();
        let mut slot = from.since_ms(run.started) / slot_ms;
        loop {
            let start = run.started.plus_ms(slot.saturating_mul(slot_ms));
            if start >= end {
                break;
            }
            for each in 0..between(fold(self.key, &[run.started.0, slot]), 0, 2) {
                let draw = fold(self.key, &[run.started.0, slot, each + 1]);
                // The opening lines have the first moments for themselves.
                let at = start.plus_ms(30 + draw % (slot_ms - 30));
                if within(at) && at < end {
                    let (stream, text) = self.compose(at, fold(draw, &[7]));
                    out.push(line(at, stream, text));
                }
            }
            slot += 1;
        }
        if let Some((at, death)) = run.ended.filter(|(at, _)| within(*at)) {
            out.extend(last_words(death).map(|(stream, text)| line(at, stream, text)));
        }
        if let Some(run_lines) = out.get_mut(first..) {
            run_lines.sort_by_key(|line| line.at);
        }
    }

    fn opening(&self) -> Vec<(u64, String)> {
        let texts: &[(u64, &str)] = match self.kind {
            Kind::Web => &[
                (2, "configuration file /etc/web/web.conf test is successful"),
                (9, "ready for connections on port 80"),
            ],
            Kind::Json => &[
                (3, r#"{"level":"info","msg":"starting","version":"2.7.1"}"#),
                (
                    14,
                    r#"{"level":"info","msg":"listening","address":"0.0.0.0:8080"}"#,
                ),
            ],
            Kind::Worker => &[(5, "worker pool of 4 started, waiting for jobs")],
            Kind::Database => &[
                (
                    4,
                    "LOG:  database system was shut down cleanly; starting up",
                ),
                (20, "LOG:  database system is ready to accept connections"),
            ],
            Kind::Proxy => &[(3, "[info] all clusters initialized; starting workers")],
            Kind::Plain => &[(2, "started")],
        };
        let own = |(ms, text): &(u64, &str)| (*ms, (*text).to_owned());
        texts.iter().map(own).collect()
    }

    fn compose(&self, at: TimeMs, draw: u64) -> (LogStream, String) {
        match self.kind {
            Kind::Web => web(at, draw),
            Kind::Json => json(at, draw),
            Kind::Worker => worker(draw),
            Kind::Database => database(at, draw),
            Kind::Proxy => proxy(at, draw),
            Kind::Plain => {
                let text = format!("collected {} samples", between(draw, 40, 900));
                (LogStream::Stdout, text)
            }
        }
    }
}

fn line(at: TimeMs, stream: LogStream, text: String) -> LogLine {
    LogLine { at, stream, text }
}

fn last_words(death: Death) -> impl Iterator<Item = (LogStream, String)> {
    let said = match (death.code, death.oom) {
        (_, true) | (137 | 255, _) => None, // Killed: there was no time for words.
        (143, _) => Some((
            LogStream::Stdout,
            "received SIGTERM, shutting down".to_owned(),
        )),
        (0, _) => Some((LogStream::Stdout, "done".to_owned())),
        (code, _) => {
            let text = format!("fatal: unrecoverable error, exiting with code {code}");
            Some((LogStream::Stderr, text))
        }
    };
    said.into_iter()
}

fn moment(at: TimeMs, format: &str) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| at.0.to_string(),
        |timestamp| timestamp.strftime(format).to_string(),
    )
}

const PATHS: &[&str] = &[
    "/",
    "/products/4711",
    "/products/1138?ref=home",
    "/cart",
    "/assets/app.css",
    "/assets/app.js",
    "/search?q=lamp",
    "/account/orders",
    "/healthz",
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/141.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 15_5) Safari/605.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)",
    "curl/8.14.1",
];

fn status(draw: u64) -> u64 {
    match draw % 100 {
        0..=90 => 200,
        91..=93 => 304,
        94..=97 => 404,
        98 => 302,
        _ => 502,
    }
}

fn web(at: TimeMs, draw: u64) -> (LogStream, String) {
    let part = |n: u64| fold(draw, &[n]);
    let status = status(part(1));
    let text = format!(
        "10.{}.{}.{} - - [{}] \"GET {} HTTP/1.1\" {status} {} \"-\" \"{}\"",
        between(part(2), 0, 3),
        between(part(3), 0, 255),
        between(part(4), 1, 254),
        moment(at, "%d/%b/%Y:%H:%M:%S +0000"),
        one_of(part(5), PATHS),
        between(part(6), 180, 24_000),
        one_of(part(7), AGENTS),
    );
    (LogStream::Stdout, text)
}

fn json(at: TimeMs, draw: u64) -> (LogStream, String) {
    let part = |n: u64| fold(draw, &[n]);
    let status = status(part(1));
    let level = if status >= 500 { "error" } else { "info" };
    let text = format!(
        "{{\"ts\":\"{}\",\"level\":\"{level}\",\"msg\":\"request\",\"method\":\"{}\",\
         \"path\":\"{}\",\"status\":{status},\"ms\":{},\"trace\":\"{:016x}\"}}",
        moment(at, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        one_of(part(2), &["GET", "GET", "GET", "POST", "PUT"]),
        one_of(
            part(3),
            &["/v1/orders", "/v1/items", "/v1/prices", "/v1/carts/77"]
        ),
        between(part(4), 2, 240),
        part(5),
    );
    let stream = match level {
        "error" => LogStream::Stderr,
        _ => LogStream::Stdout,
    };
    (stream, text)
}

fn worker(draw: u64) -> (LogStream, String) {
    let part = |n: u64| fold(draw, &[n]);
    let job = between(part(1), 40_000, 99_999);
    let what = one_of(
        part(2),
        &["resize-image", "send-receipt", "reindex-item", "sync-stock"],
    );
    if part(3).is_multiple_of(25) {
        let text =
            format!("\u{1b}[33mWARN\u{1b}[0m  job {job} {what}: timed out, will be tried again");
        return (LogStream::Stderr, text);
    }
    let ms = between(part(4), 20, 900);
    let text = format!("\u{1b}[32mINFO\u{1b}[0m  job {job} {what} done in {ms} ms");
    (LogStream::Stdout, text)
}

fn database(at: TimeMs, draw: u64) -> (LogStream, String) {
    let part = |n: u64| fold(draw, &[n]);
    let stamp = moment(at, "%Y-%m-%d %H:%M:%S%.3f UTC");
    let pid = between(part(1), 30, 99);
    let what = match part(2) % 4 {
        0 => format!(
            "checkpoint complete: wrote {} buffers ({}.{}%)",
            between(part(3), 8, 900),
            between(part(4), 0, 5),
            between(part(5), 0, 9)
        ),
        1 => format!(
            "automatic vacuum of table \"shop.public.orders\": {} pages scanned",
            between(part(3), 10, 4000)
        ),
        2 => format!("connection authorized: user=shop database=shop id={pid}"),
        _ => format!(
            "duration: {}.{:03} ms  statement: SELECT id, total FROM orders WHERE customer = $1",
            between(part(3), 100, 1900),
            between(part(4), 0, 999)
        ),
    };
    (LogStream::Stderr, format!("{stamp} [{pid}] LOG:  {what}"))
}

fn proxy(at: TimeMs, draw: u64) -> (LogStream, String) {
    let part = |n: u64| fold(draw, &[n]);
    let text = format!(
        "[{}] \"GET {}\" {} upstream={}ms",
        moment(at, "%Y-%m-%dT%H:%M:%S%.3fZ"),
        one_of(part(1), PATHS),
        status(part(2)),
        between(part(3), 1, 180),
    );
    (LogStream::Stdout, text)
}
