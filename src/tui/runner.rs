//! Carries effects out in tasks of their own; what comes of them comes back as events.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::client::{Client, ClientError, LogItem};
use crate::model::HistoryAsk;

use super::effect::Effect;
use super::event::{Event, Ticket};
use super::save::save;

type LogItems = BoxStream<'static, Result<LogItem, ClientError>>;

/// How many events may wait for the screen.
const EVENTS_MAX: usize = 64;
/// How many log items are handed over at once.
const BATCH_MAX: usize = 512;

/// Carries effects out. Dropping it ends what is under way.
pub struct Runner {
    client: Arc<dyn Client>,
    out: mpsc::Sender<Event>,
    tasks: JoinSet<()>,
    /// Logs that are followed, samples that are taken and health logs that are read, by the page
    /// they are for.
    open: HashMap<Ticket, AbortHandle>,
    /// The look into the past that is under way.
    look: Option<AbortHandle>,
}

impl Runner {
    /// A runner, and where its events come out.
    #[must_use]
    pub fn new(client: Arc<dyn Client>) -> (Self, mpsc::Receiver<Event>) {
        let (out, events) = mpsc::channel(EVENTS_MAX);
        let runner = Self {
            client,
            out,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            look: None,
        };
        (runner, events)
    }

    /// The way to the control plane.
    pub(super) fn client(&self) -> Arc<dyn Client> {
        self.client.clone()
    }

    /// Begins an effect; never waits.
    pub fn run(&mut self, effect: Effect) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|_, task| !task.is_finished());
        let (client, out) = (self.client.clone(), self.out.clone());
        match effect {
            Effect::Plan {
                ticket,
                commands,
                after_ms,
            } => {
                self.tasks.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    let plan = client.plan(commands.into()).await;
                    let result = plan.map(Box::new).map_err(|e| e.to_string());
                    send(&out, Event::Planned { ticket, result }).await;
                });
            }
            Effect::Apply {
                ticket,
                what,
                commands,
                planned,
            } => {
                self.tasks.spawn(async move {
                    let result = client.apply(commands, planned).await;
                    let event = Event::Applied {
                        ticket,
                        what,
                        result,
                    };
                    send(&out, event).await;
                });
            }
            Effect::Fault(instance) => {
                self.tasks.spawn(async move {
                    let result = match client.toggle_fault(instance) {
                        Some(asked) => asked.await.map_err(|e| e.to_string()),
                        None => Err("This fleet is not simulated.".to_owned()),
                    };
                    send(&out, Event::Fault(result)).await;
                });
            }
            Effect::OpenLogs {
                ticket,
                target,
                options,
            } => {
                let task = self.tasks.spawn(async move {
                    let stream = client.logs(target, options);
                    let error = logs(stream, ticket, &out).await.err();
                    let error = error.map(|e| e.to_string());
                    send(&out, Event::LogsEnded { ticket, error }).await;
                });
                self.keep(ticket, task);
            }
            Effect::SaveLogs {
                ticket,
                path,
                lines,
                text,
                over,
            } => {
                self.tasks.spawn(async move {
                    let outcome = save(&path, &text, over).await;
                    let event = Event::LogsSaved {
                        ticket,
                        path,
                        lines,
                        outcome,
                    };
                    send(&out, event).await;
                });
            }
            Effect::CloseLogs(ticket)
            | Effect::CloseStats(ticket)
            | Effect::CloseHealthLog(ticket) => {
                if let Some(task) = self.open.remove(&ticket) {
                    task.abort();
                }
            }
            // The console itself has the terminal.
            Effect::Shell(_) | Effect::Edit(_) | Effect::Copy(_) | Effect::Mouse(_) => {}
            Effect::Explain {
                ticket,
                about,
                after_ms,
            } => {
                self.tasks.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    let answer = client.explain(about).await;
                    let result = answer.map(Box::new).map_err(|e| e.to_string());
                    send(&out, Event::Explained { ticket, result }).await;
                });
            }
            Effect::History(ticket) => {
                self.tasks.spawn(async move {
                    let asked = client.history(HistoryAsk::default()).await;
                    let history = asked.map_err(|e| e.to_string());
                    send(&out, Event::History { ticket, history }).await;
                });
            }
            Effect::At {
                ticket,
                moment,
                after_ms,
            } => {
                let look = self.tasks.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    let snapshot = client.at(moment).await.map_err(|e| e.to_string());
                    send(&out, Event::Then { ticket, snapshot }).await;
                });
                if let Some(before) = self.look.replace(look) {
                    before.abort();
                }
            }
            Effect::Stats { ticket, task } => {
                let sample = self.tasks.spawn(async move {
                    let samples = client.stats(task).await.map_err(|e| e.to_string());
                    send(&out, Event::Stats { ticket, samples }).await;
                });
                self.keep(ticket, sample);
            }
            Effect::HealthLog { ticket, task } => {
                let reading = self.tasks.spawn(async move {
                    let result = client.health_log(task).await.map_err(|e| e.to_string());
                    send(&out, Event::HealthLog { ticket, result }).await;
                });
                self.keep(ticket, reading);
            }
        }
    }

    fn keep(&mut self, ticket: Ticket, task: AbortHandle) {
        if let Some(before) = self.open.insert(ticket, task) {
            before.abort();
        }
    }
}

/// The screen is gone when this fails: then nobody waits for the event.
async fn send(out: &mpsc::Sender<Event>, event: Event) {
    let _nobody_waits = out.send(event).await;
}

/// Hands log items over in batches of what is there, so that a flood costs few events.
async fn logs(
    opening: impl Future<Output = Result<LogItems, ClientError>>,
    ticket: Ticket,
    out: &mpsc::Sender<Event>,
) -> Result<(), ClientError> {
    let mut stream = opening.await?;
    while let Some(first) = stream.next().await {
        let mut items: Vec<LogItem> = vec![first?];
        let mut error = None;
        while items.len() < BATCH_MAX {
            match stream.next().now_or_never() {
                Some(Some(Ok(item))) => items.push(item),
                Some(Some(Err(e))) => {
                    error = Some(e);
                    break;
                }
                Some(None) | None => break,
            }
        }
        send(out, Event::Logs { ticket, items }).await;
        if let Some(error) = error {
            return Err(error);
        }
    }
    Ok(())
}
