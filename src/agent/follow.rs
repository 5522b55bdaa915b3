//! Logs as they are written.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::docker::{Engine, LogLine, LogOptions};
use crate::model::{Connection, LastStatus, ServiceStatus, Snapshot, State, TimeMs};

use super::logs::{Mark, Out, Request, Source, sources};
use super::streams::{LogItem, LogTarget};

/// How long a line waits for older ones of other sources.
const WINDOW: Duration = Duration::from_millis(40);
/// The most lines that wait so; beyond that the oldest goes on at once.
const WINDOW_MOST: usize = 4096;
/// Lines between the readers and the one who puts them in order.
const ARRIVALS: usize = 256;

/// What a reader hands over.
enum Arrival {
    Line(Arc<Source>, LogLine),
    /// The reader ended, with an error or because the container did.
    Ended(Arc<Source>, Option<String>),
}

/// One source, as far as it was followed.
struct Followed {
    mark: Mark,
    reading: bool,
    /// It broke while its instance was connected since that moment; it is taken up again when
    /// the instance has been connected anew.
    broken: Option<Option<TimeMs>>,
}

struct Follow<'a> {
    request: Request,
    out: &'a Out,
    followed: BTreeMap<String, Followed>,
    readers: JoinSet<()>,
    reading: usize,
    arrivals: mpsc::Sender<Arrival>,
    window: Window,
    /// Lines that found no room.
    missed: Missed,
    /// What else found no room: at most one for each source.
    notes: VecDeque<LogItem>,
}

/// Follows the sources, and those that come later, until the target is over or the reader gone.
pub(super) async fn follow(
    request: Request,
    sources: Vec<Source>,
    mut marks: BTreeMap<String, Mark>,
    out: &Out,
) {
    let (arrivals, mut arrived) = mpsc::channel(ARRIVALS);
    let mut follow = Follow {
        request,
        out,
        followed: BTreeMap::new(),
        readers: JoinSet::new(),
        reading: 0,
        arrivals,
        window: Window::default(),
        missed: Missed::default(),
        notes: VecDeque::new(),
    };
    let snapshot = follow.request.snapshots.borrow().clone();
    for source in sources {
        let mark = marks.remove(&source.runtime_id).unwrap_or_default();
        if source.ended {
            // All that it ever wrote was told.
            let over = Followed {
                mark,
                reading: false,
                broken: None,
            };
            follow.followed.insert(source.runtime_id, over);
        } else {
            let none_before = follow.request.options.tail.filter(|tail| *tail == 0);
            follow.take_up(&snapshot.state, source, mark, none_before);
        }
    }
    follow.run(&mut arrived).await;
    follow.finish().await;
}

impl Follow<'_> {
    async fn run(&mut self, arrived: &mut mpsc::Receiver<Arrival>) {
        loop {
            self.emit(Instant::now());
            if self.reading == 0 && self.window.is_empty() && self.is_over() {
                return;
            }
            let wake = self.window.due();
            tokio::select! {
                // In one order, so that a simulation replays. None starves: what ends comes first,
                // the next four are used up when they are taken, and lines, of which there may be
                // no end, come last.
                biased;
                () = self.out.closed() => return,
                changed = self.request.snapshots.changed() => {
                    if changed.is_err() {
                        return; // The control plane is gone.
                    }
                    let newest = self.request.snapshots.borrow_and_update().clone();
                    self.look_for_sources(&newest);
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                room = self.out.reserve(), if self.missed.lines > 0 || !self.notes.is_empty() => {
                    match room {
                        Ok(room) => {
                            if let Some(item) = take_waiting(&mut self.missed, &mut self.notes) {
                                room.send(Ok(item));
                            }
                        }
                        Err(_) => return,
                    }
                }
                Some(_ended) = self.readers.join_next() => {}
                Some(arrival) = arrived.recv() => self.take(arrival),
            }
        }
    }

    /// Hands over what found no room, and what the window still holds: nothing more comes, so
    /// this may wait for the reader.
    async fn finish(mut self) {
        loop {
            let waiting = take_waiting(&mut self.missed, &mut self.notes);
            let Some(item) = waiting.or_else(|| self.window.pop()) else {
                return;
            };
            if self.out.send(Ok(item)).await.is_err() {
                return;
            }
        }
    }

    /// Whether nothing more can come.
    fn is_over(&self) -> bool {
        let snapshot = self.request.snapshots.borrow();
        let state = &snapshot.state;
        match &self.request.target {
            LogTarget::Task { task, container } => state.tasks.get(task).is_none_or(|task| {
                let mut named = task.containers.iter();
                task.is_stopped()
                    || named.any(|c| {
                        Some(&c.name) == container.as_ref() && c.last_status == LastStatus::Stopped
                    })
            }),
            LogTarget::Instance { instance } => !state.instances.contains_key(instance),
            LogTarget::Service { cluster, service } => {
                let gone = state
                    .service(cluster, service)
                    .is_none_or(|s| s.status == ServiceStatus::Inactive);
                gone && state
                    .service_tasks(cluster, service)
                    .all(|task| task.is_stopped())
            }
        }
    }

    /// New containers of the target, and broken ones whose instance was connected anew.
    fn look_for_sources(&mut self, snapshot: &Snapshot) {
        let Ok(found) = sources(&snapshot.state, &self.request.target) else {
            return; // It is gone; what is still read is read to its end.
        };
        for source in found {
            match self.followed.get(&source.runtime_id) {
                None => self.take_up(&snapshot.state, source, Mark::default(), None),
                Some(old) => {
                    let now = connected_since(&snapshot.state, &source);
                    let anew = old.broken.is_some_and(|then| now.is_some() && now != then);
                    if anew && !old.reading {
                        let mark = old.mark;
                        self.take_up(&snapshot.state, source, mark, None);
                    }
                }
            }
        }
    }

    /// Begins to read a source behind `mark`, if its engine answers.
    fn take_up(&mut self, state: &State, source: Source, mark: Mark, tail: Option<u32>) {
        let engine = self.request.directory.engine(&source.instance);
        let broken = match &engine {
            Some(_) => None,
            None => Some(connected_since(state, &source)),
        };
        let followed = Followed {
            mark,
            reading: engine.is_some(),
            broken,
        };
        self.followed.insert(source.runtime_id.clone(), followed);
        if let Some(engine) = engine {
            self.reading += 1;
            let since = (mark.lines > 0).then_some(mark.at);
            let options = LogOptions {
                follow: true,
                since: since.or(self.request.options.since),
                until: self.request.options.until,
                tail,
            };
            let arrivals = self.arrivals.clone();
            self.readers
                .spawn(read(engine, Arc::new(source), options, mark, arrivals));
        }
    }

    fn take(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Line(source, line) => {
                if let Some(followed) = self.followed.get_mut(&source.runtime_id) {
                    followed.mark.pass(line.at);
                }
                let at = line.at;
                self.window.push(at, source.line(line));
            }
            Arrival::Ended(source, error) => {
                self.reading = self.reading.saturating_sub(1);
                let since = connected_since(&self.request.snapshots.borrow().state, &source);
                if let Some(followed) = self.followed.get_mut(&source.runtime_id) {
                    followed.reading = false;
                    followed.broken = error.as_ref().map(|_| since);
                }
                if let Some(error) = error {
                    // After the lines that came before it.
                    let at = self.window.newest();
                    self.window.push(at, source.broken(&error));
                }
            }
        }
    }

    /// Hands on what has waited long enough. With one source there is nothing to wait for.
    fn emit(&mut self, now: Instant) {
        let alone = self.reading <= 1;
        while self.window.is_ready(now, alone) {
            let Some(item) = self.window.pop() else {
                return;
            };
            self.offer(item);
        }
    }

    /// Gives the reader an item if it has room for it; a line that finds none is counted.
    fn offer(&mut self, item: LogItem) {
        while let Some(waiting) = take_waiting(&mut self.missed, &mut self.notes) {
            if let Err(TrySendError::Full(Ok(waiting))) = self.out.try_send(Ok(waiting)) {
                put_back(waiting, &mut self.missed, &mut self.notes);
                put_back(item, &mut self.missed, &mut self.notes);
                return;
            }
        }
        if let Err(TrySendError::Full(Ok(item))) = self.out.try_send(Ok(item)) {
            put_back(item, &mut self.missed, &mut self.notes);
        }
    }
}

/// Lines that found no room, and the bytes of their text.
#[derive(Default)]
struct Missed {
    lines: u64,
    bytes: u64,
}

/// What is to be told before any further line: how many were dropped, then the notes.
fn take_waiting(missed: &mut Missed, notes: &mut VecDeque<LogItem>) -> Option<LogItem> {
    match std::mem::take(missed) {
        Missed { lines: 0, .. } => notes.pop_front(),
        Missed { lines, bytes } => Some(LogItem::Dropped {
            count: lines,
            bytes,
        }),
    }
}

/// An item that found no room: a line is counted, a count is added, a note waits.
fn put_back(item: LogItem, missed: &mut Missed, notes: &mut VecDeque<LogItem>) {
    match item {
        LogItem::Line { text, .. } => {
            missed.lines += 1;
            missed.bytes += text.len() as u64;
        }
        LogItem::Dropped { count, bytes } => {
            missed.lines += count;
            missed.bytes += bytes;
        }
        LogItem::Broken { .. } => notes.push_back(item),
    }
}

/// Since when the source's instance is connected; `None` while it is not.
fn connected_since(state: &State, source: &Source) -> Option<TimeMs> {
    match state.instances.get(&source.instance)?.connection {
        Connection::Connected { since } => Some(since),
        Connection::Disconnected { .. } => None,
    }
}

/// Reads one source from behind `mark` to its end.
async fn read(
    engine: Arc<dyn Engine>,
    source: Arc<Source>,
    options: LogOptions,
    mark: Mark,
    arrivals: mpsc::Sender<Arrival>,
) {
    let mut lines = engine.logs(&source.runtime_id, options);
    let mut known = mark.lines;
    let mut error = None;
    while let Some(line) = lines.next().await {
        match line {
            // `since` begins with lines that were read before: those of the same moment, and
            // with an engine that counts in seconds older ones too.
            Ok(line) if mark.lines > 0 && line.at < mark.at => {}
            Ok(line) if known > 0 && line.at == mark.at => known -= 1,
            Ok(line) => {
                if arrivals
                    .send(Arrival::Line(source.clone(), line))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            Err(broken) => {
                error = Some(broken.to_string());
                break;
            }
        }
    }
    // The one who puts lines in order may be gone; then nobody waits for this.
    let _ = arrivals.send(Arrival::Ended(source, error)).await;
}

/// Puts what arrives nearly at once in the order in which it was written.
#[derive(Default)]
struct Window {
    waiting: BTreeMap<(TimeMs, u64), LogItem>,
    deadlines: VecDeque<(Instant, (TimeMs, u64))>,
    count: u64,
}

impl Window {
    fn push(&mut self, at: TimeMs, item: LogItem) {
        self.count += 1;
        let key = (at, self.count);
        self.waiting.insert(key, item);
        self.deadlines.push_back((Instant::now() + WINDOW, key));
    }

    /// The time of the newest line that waits.
    fn newest(&self) -> TimeMs {
        self.waiting
            .last_key_value()
            .map_or(TimeMs(0), |((at, _), _)| *at)
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the one that waits longest has waited long enough.
    fn due(&self) -> Option<Instant> {
        self.deadlines.front().map(|(due, _)| *due)
    }

    /// Whether the oldest line may go on: one has waited long enough, too many wait, or there
    /// is nothing to wait for.
    fn is_ready(&self, now: Instant, alone: bool) -> bool {
        alone || self.waiting.len() > WINDOW_MOST || self.due().is_some_and(|due| due <= now)
    }

    /// The oldest line.
    fn pop(&mut self) -> Option<LogItem> {
        let (_, item) = self.waiting.pop_first()?;
        while let Some((_, key)) = self.deadlines.front()
            && !self.waiting.contains_key(key)
        {
            self.deadlines.pop_front();
        }
        Some(item)
    }
}
