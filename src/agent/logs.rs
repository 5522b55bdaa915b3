//! The logs of a task, or of all tasks of a service or on an instance merged by time.
//!
//! What was written so far is merged exactly: every source is read line by line, the oldest
//! line first, as fast as the reader takes it. What comes after that is put in order within a
//! small window, and a reader who cannot keep up is told how many lines it missed: an engine
//! never waits for a reader.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;

use crate::docker::{EngineError, EngineResult, LogLine, LogOptions};
use crate::model::{ContainerName, InstanceName, LastStatus, Snapshot, State, TaskId, TimeMs};

use super::directory::EngineDirectory;
use super::follow::follow;
use super::streams::{LogItem, LogTarget, StreamError, container_of};

/// Items that wait for the reader.
const BUFFER: usize = 1024;
/// How long an engine may take to come up with the next line of what was written before.
const HISTORY_LIMIT: Duration = Duration::from_secs(15);

/// The way to the reader.
pub(super) type Out = mpsc::Sender<Result<LogItem, StreamError>>;

/// Logs. With `follow` the stream goes on until the task, or the service, is over; new tasks of
/// the service and new containers of the task are taken up as they come. Dropping the stream
/// ends all that feeds it. Must be called within a tokio runtime.
pub fn logs(
    snapshots: watch::Receiver<Arc<Snapshot>>,
    directory: EngineDirectory,
    target: LogTarget,
    options: LogOptions,
) -> BoxStream<'static, Result<LogItem, StreamError>> {
    let (out, items) = mpsc::channel(BUFFER);
    let worker = AbortOnDropHandle::new(tokio::spawn(async move {
        let request = Request {
            snapshots,
            directory,
            target,
            options,
        };
        if let Err(error) = request.serve(&out).await {
            // A reader that is gone does not miss it.
            let _ = out.send(Err(error)).await;
        }
    }));
    let items = ReceiverStream::new(items);
    items
        .map(move |item| {
            let _kept_while_read = &worker;
            item
        })
        .boxed()
}

/// What was asked for, and where it is found.
pub(super) struct Request {
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) directory: EngineDirectory,
    pub(super) target: LogTarget,
    pub(super) options: LogOptions,
}

/// One container to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) task: TaskId,
    pub(super) container: ContainerName,
    pub(super) instance: InstanceName,
    pub(super) runtime_id: String,
    /// It has ended, so nothing more will come.
    pub(super) ended: bool,
}

/// Up to where a source was read: the last line's time, and how many lines bear it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: TimeMs,
    pub(super) lines: u32,
}

impl Mark {
    /// A line was read.
    pub(super) fn pass(&mut self, at: TimeMs) {
        if at > self.at || self.lines == 0 {
            *self = Self { at, lines: 1 };
        } else if at == self.at {
            self.lines += 1;
        }
    }
}

impl Source {
    pub(super) fn line(&self, line: LogLine) -> LogItem {
        LogItem::Line {
            at: line.at,
            task: self.task,
            container: self.container.clone(),
            instance: self.instance.clone(),
            stream: line.stream,
            text: line.text,
        }
    }

    pub(super) fn broken(&self, reason: &str) -> LogItem {
        LogItem::Broken {
            task: self.task,
            reason: format!("container {}: {reason}", self.container),
        }
    }
}

/// The containers that a target now has, in a fixed order.
pub(super) fn sources(state: &State, target: &LogTarget) -> Result<Vec<Source>, StreamError> {
    let (tasks, only): (Vec<_>, _) = match target {
        LogTarget::Task { task, container } => {
            let found = state.tasks.get(task).ok_or(StreamError::NoTask(*task))?;
            if let Some(name) = container {
                container_of(found, name)?;
            }
            (vec![found], container.as_ref())
        }
        LogTarget::Service { cluster, service } => {
            if state.service(cluster, service).is_none() {
                return Err(StreamError::NoService {
                    cluster: cluster.clone(),
                    service: service.clone(),
                });
            }
            (state.service_tasks(cluster, service).collect(), None)
        }
        LogTarget::Instance { instance } => {
            if !state.instances.contains_key(instance) {
                return Err(StreamError::NoInstance(instance.clone()));
            }
            (state.instance_tasks(instance).collect(), None)
        }
    };
    let mut sources = Vec::new();
    for task in tasks {
        let made = task.containers.iter().filter(|c| !c.runtime_id.is_empty());
        for container in made.filter(|c| only.is_none_or(|only| only == &c.name)) {
            sources.push(Source {
                task: task.id,
                container: container.name.clone(),
                instance: task.instance.clone(),
                runtime_id: container.runtime_id.clone(),
                ended: container.last_status == LastStatus::Stopped,
            });
        }
    }
    Ok(sources)
}

impl Request {
    async fn serve(mut self, out: &Out) -> Result<(), StreamError> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let state = &snapshot.state;
        let sources = sources(state, &self.target)?;
        if let LogTarget::Task { task, .. } = &self.target
            && let Some(task) = state.tasks.get(task)
            && self.directory.engine(&task.instance).is_none()
        {
            return Err(StreamError::not_answering(state, &task.instance));
        }
        let mut marks = BTreeMap::new();
        let history = self.open(state, &sources)?;
        if !history.deliver(self.options.tail, &mut marks, out).await {
            return Ok(()); // The reader is gone.
        }
        if self.options.follow {
            follow(self, sources, marks, out).await;
        }
        Ok(())
    }

    /// Opens what the sources have written so far.
    fn open<'a>(&self, state: &State, sources: &'a [Source]) -> Result<History<'a>, StreamError> {
        let options = LogOptions {
            follow: false,
            ..self.options.clone()
        };
        let mut history = History::default();
        let mut silent = None;
        for source in sources {
            match self.directory.engine(&source.instance) {
                Some(engine) => {
                    let lines = engine.logs(&source.runtime_id, options.clone());
                    history.readers.push((source, lines));
                }
                None => {
                    let error = StreamError::not_answering(state, &source.instance);
                    history.broken.push(source.broken(&error.to_string()));
                    silent = Some(error);
                }
            }
        }
        match silent {
            Some(error) if history.readers.is_empty() => Err(error),
            _ => Ok(history),
        }
    }
}

type Lines = BoxStream<'static, EngineResult<LogLine>>;

/// What was written so far.
#[derive(Default)]
struct History<'a> {
    readers: Vec<(&'a Source, Lines)>,
    broken: Vec<LogItem>,
}

impl History<'_> {
    /// Sends all of it, or the last `tail` lines of all sources together, the oldest first.
    /// Whether the reader is still there.
    async fn deliver(
        mut self,
        tail: Option<u32>,
        marks: &mut BTreeMap<String, Mark>,
        out: &Out,
    ) -> bool {
        for item in std::mem::take(&mut self.broken) {
            if out.send(Ok(item)).await.is_err() {
                return false;
            }
        }
        // Each source gives its own last lines; of all together only the last are wanted.
        let most = tail.filter(|_| self.readers.len() > 1).map(|t| t as usize);
        let mut last = VecDeque::new();
        let firsts = self.readers.iter_mut().map(|(_, lines)| next(lines));
        let mut heads = join_all(firsts).await;
        loop {
            let oldest = heads.iter().enumerate().filter_map(|(index, head)| {
                let at = match head.as_ref()? {
                    Ok(line) => line.at,
                    Err(_) => TimeMs(0),
                };
                Some((at, index))
            });
            let Some((_, index)) = oldest.min() else {
                break;
            };
            let (source, lines) = &mut self.readers[index];
            let item = match heads[index].take() {
                Some(Ok(line)) => {
                    let mark = marks.entry(source.runtime_id.clone()).or_default();
                    mark.pass(line.at);
                    heads[index] = next(lines).await;
                    source.line(line)
                }
                // A container that ended long ago may have been removed meanwhile.
                Some(Err(EngineError::NotFound(_))) if source.ended => continue,
                Some(Err(error)) => source.broken(&error.to_string()),
                None => continue,
            };
            match most {
                Some(most) => {
                    last.push_back(item);
                    if last.len() > most {
                        last.pop_front();
                    }
                }
                None if out.send(Ok(item)).await.is_err() => return false,
                None => {}
            }
        }
        for item in last {
            if out.send(Ok(item)).await.is_err() {
                return false;
            }
        }
        true
    }
}

/// The next line; an engine that takes too long over it counts as broken.
async fn next(lines: &mut Lines) -> Option<EngineResult<LogLine>> {
    match timeout(HISTORY_LIMIT, lines.next()).await {
        Ok(line) => line,
        Err(_) => Some(Err(EngineError::Unreachable(format!(
            "the engine sent no line for {} s",
            HISTORY_LIMIT.as_secs()
        )))),
    }
}
