//! The log stream of a simulated engine: history, then what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;

use super::host::{Host, Wire, Work};
use super::lines::{KEPT_MS, Writer};
use crate::docker::{EngineEvent, EngineResult, LogLine, LogOptions};
use crate::model::TimeMs;

/// How much history is written at a time, in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// How far ahead a follower looks for the next line, in milliseconds.
const AHEAD_MS: u64 = 10_000;

pub(super) fn stream(
    host: Arc<Host>,
    id: String,
    options: LogOptions,
) -> BoxStream<'static, EngineResult<LogLine>> {
    let begin = async move {
        match Reader::open(&host, id, options).await {
            Ok(reader) => reader.lines(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    };
    stream::once(begin).flatten().boxed()
}

struct Reader {
    wire: Wire,
    events: broadcast::Receiver<EngineEvent>,
    id: String,
    /// Everything before this moment was given.
    cursor: TimeMs,
    until: Option<TimeMs>,
    follow: bool,
    ready: VecDeque<LogLine>,
}

impl Reader {
    async fn open(host: &Arc<Host>, id: String, options: LogOptions) -> EngineResult<Self> {
        let wanted = id.clone();
        let seed = host.seed;
        let look = move |machine: &mut super::machine::Machine, now: TimeMs| {
            let container = machine.find(&wanted)?;
            Ok((Writer::of(seed, container), container.id.clone(), now))
        };
        let (writer, full_id, now) = host.call(Work::Look, look).await?;
        let oldest = TimeMs(now.0.saturating_sub(KEPT_MS));
        let first = writer.first().unwrap_or(now).max(oldest);
        let from = options.since.unwrap_or(first).max(first);
        let to = history_end(&writer, now, options.until);
        let (ready, cursor) = match options.tail {
            Some(count) => (tail(&writer, from, to, count), to.max(from)),
            None => (VecDeque::new(), from),
        };
        Ok(Self {
            wire: host.connection(),
            events: host.subscribe(),
            id: full_id,
            cursor,
            until: options.until,
            follow: options.follow,
            ready,
        })
    }

    fn lines(self) -> BoxStream<'static, EngineResult<LogLine>> {
        stream::unfold(Some(self), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(line)) => Some((Ok(line), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> EngineResult<Option<LogLine>> {
        loop {
            self.wire.flows().await?;
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let (id, seed) = (self.id.clone(), self.wire.host.seed);
            let look = move |machine: &mut super::machine::Machine, now: TimeMs| {
                let writer = machine.find(&id).ok().map(|found| Writer::of(seed, found));
                (writer, now)
            };
            let (Some(writer), now) = self.wire.host.with(look) else {
                return Ok(None); // It was removed.
            };
            let end = history_end(&writer, now, self.until);
            if self.cursor < end {
                let to = self.cursor.plus_ms(WINDOW_MS).min(end);
                self.ready.extend(writer.between(self.cursor, to));
                self.cursor = to;
                continue;
            }
            let over = self.until.is_some_and(|until| now >= until);
            if !self.follow || over || !writer.runs() {
                return Ok(None);
            }
            self.wait(&writer, now).await;
        }
    }

    /// Waits for the next line's moment, or for something to happen to the container.
    async fn wait(&mut self, writer: &Writer, now: TimeMs) {
        let horizon = now.plus_ms(AHEAD_MS);
        let next = writer.between(self.cursor, horizon).first().map(|l| l.at);
        let until = next.unwrap_or(horizon).plus_ms(1);
        let pause = Duration::from_millis(until.since_ms(now).max(1));
        tokio::select! {
            biased;
            () = self.wire.disturbed() => {}
            () = happens(&mut self.events, &self.id) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Up to and without which moment there is history: all of it for one that has ended.
fn history_end(writer: &Writer, now: TimeMs, until: Option<TimeMs>) -> TimeMs {
    let end = match writer.ended() {
        Some(ended) => ended.plus_ms(1),
        None => now,
    };
    until.map_or(end, |until| end.min(until.plus_ms(1)))
}

/// The last `count` lines.
fn tail(writer: &Writer, from: TimeMs, to: TimeMs, count: u32) -> VecDeque<LogLine> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut lines = VecDeque::new();
    let mut end = to;
    while end > from && lines.len() < count {
        let start = TimeMs(end.0.saturating_sub(WINDOW_MS)).max(from);
        for line in writer.between(start, end).into_iter().rev() {
            if lines.len() < count {
                lines.push_front(line);
            }
        }
        end = start;
    }
    lines
}

/// Waits for news of this container.
async fn happens(events: &mut broadcast::Receiver<EngineEvent>, id: &str) {
    loop {
        match events.recv().await {
            Ok(EngineEvent::Container { runtime_id, .. }) if runtime_id == id => return,
            Ok(_) => {}
            // Missing some is the same as hearing of it: the container is looked at anew.
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending::<()>().await,
        }
    }
}
