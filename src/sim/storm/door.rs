//! The door to the simulated engines, with somebody in it who writes down what goes through.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt};
use tokio::sync::Notify;

use super::trace::Record;
use super::truth::Truth;
use crate::config::InstanceSettings;
use crate::docker::pin::Resolution;
use crate::docker::spec::VolumeSpec;
use crate::docker::{
    Connector, ContainerSpec, Engine, EngineError, EngineEvent, EngineResult, ExecOptions,
    ExecSession, HealthLog, LogLine, LogOptions, PullStep, StatsSample,
};
use crate::model::InstanceName;
use crate::model::observation::{EngineInfo, ObservedContainer};
use crate::sim::Fleet;

/// Where the control plane finds its engines. Clones are the same door.
#[derive(Clone)]
pub struct Door {
    fleet: Fleet,
    record: Record,
    truth: Truth,
    /// Calls that change something are carried out even after their caller is gone.
    calls_outlive: bool,
    trap: Arc<Trap>,
}

/// Kills the control plane at a call.
#[derive(Default)]
struct Trap {
    /// After so many more calls that change something.
    left: Mutex<Option<u64>>,
    sprung: Notify,
}

impl Door {
    /// The door to a fleet.
    #[must_use]
    pub fn new(fleet: Fleet, record: Record, truth: Truth, calls_outlive: bool) -> Self {
        Self {
            fleet,
            record,
            truth,
            calls_outlive,
            trap: Arc::default(),
        }
    }

    /// Springs after so many more calls that change something.
    pub fn set_trap(&self, calls: Option<u64>) {
        *self.trap.left() = calls;
    }

    /// Waits until the trap springs.
    pub async fn sprung(&self) {
        self.trap.sprung.notified().await;
    }
}

impl Trap {
    fn left(&self) -> MutexGuard<'_, Option<u64>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self) {
        let mut left = self.left();
        match *left {
            Some(0) => {
                *left = None;
                self.sprung.notify_one();
            }
            Some(more) => *left = Some(more - 1),
            None => {}
        }
    }
}

impl Connector for Door {
    fn connect<'a>(
        &'a self,
        instance: &'a InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>> {
        Box::pin(async move {
            let connected = self.fleet.connect(instance).await;
            if let Err(error) = &connected {
                let name = &instance.name;
                self.record
                    .fold(format_args!("{name}: is not reached: {error}"));
            }
            let watched = Watched {
                inner: connected?,
                host: instance.name.clone(),
                door: self.clone(),
            };
            let engine: Arc<dyn Engine> = Arc::new(watched);
            Ok(engine)
        })
    }
}

/// An engine whose calls are written down.
#[derive(Clone)]
struct Watched {
    inner: Arc<dyn Engine>,
    host: InstanceName,
    door: Door,
}

/// How much of an id a reader needs.
fn short(id: &str) -> &str {
    match id.len() {
        64 => id.get(..12).unwrap_or(id),
        _ => id,
    }
}

impl Watched {
    /// Counts for the hash and is not shown, unless it fails.
    fn seen<T>(&self, call: &str, about: &str, result: &EngineResult<T>) {
        let host = &self.host;
        self.door.record.count_call();
        match result {
            Ok(_) => self
                .door
                .record
                .fold(format_args!("{host}: {call} {about}: done")),
            Err(error) => self.told(call, about, Some(error)),
        }
    }

    fn told(&self, call: &str, about: &str, error: Option<&EngineError>) {
        let (host, about) = (&self.host, short(about));
        self.door.record.note(&match error {
            None => format!("{host}: {call} {about}"),
            Some(error) => format!("{host}: {call} {about}: {error}"),
        });
    }

    /// Something that is asked.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        call: &'static str,
        about: &'a str,
        asked: BoxFuture<'a, EngineResult<T>>,
    ) -> BoxFuture<'a, EngineResult<T>> {
        Box::pin(async move {
            let result = asked.await;
            self.seen(call, about, &result);
            result
        })
    }

    /// Something that changes what there is.
    fn act<T: Send + 'static>(
        &self,
        call: &'static str,
        about: String,
        act: impl FnOnce(Arc<dyn Engine>) -> BoxFuture<'static, EngineResult<T>>,
    ) -> BoxFuture<'static, EngineResult<T>> {
        self.door.trap.step();
        let (this, done) = (self.clone(), act(self.inner.clone()));
        let run = async move {
            let result = done.await;
            this.door.record.count_call();
            this.told(call, &about, result.as_ref().err());
            this.door.truth.look_at(&this.host);
            this.door.trap.step();
            result
        };
        if !self.door.calls_outlive {
            return Box::pin(run);
        }
        let running = tokio::spawn(run);
        Box::pin(async move {
            running.await.unwrap_or_else(|broken| {
                Err(EngineError::Unreachable(format!("it broke off: {broken}")))
            })
        })
    }
}

impl Engine for Watched {
    fn ping(&self) -> BoxFuture<'_, EngineResult<()>> {
        self.ask("ping", "", self.inner.ping())
    }

    fn info(&self) -> BoxFuture<'_, EngineResult<EngineInfo>> {
        self.ask("info", "", self.inner.info())
    }

    fn events(&self) -> BoxFuture<'_, EngineResult<BoxStream<'static, EngineResult<EngineEvent>>>> {
        let (record, host) = (self.door.record.clone(), self.host.clone());
        Box::pin(async move {
            let events = self.inner.events().await?;
            let told = events.inspect(move |event| {
                record.fold(format_args!("{host}: announces {event:?}"));
            });
            Ok(told.boxed())
        })
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ObservedContainer>>> {
        self.ask("list", "", self.inner.list())
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<ObservedContainer>> {
        Box::pin(async move {
            let result = self.inner.inspect(id).await;
            let state = result.as_ref().map(|it| it.state);
            let host = &self.host;
            self.door
                .record
                .fold(format_args!("{host}: {id} is {state:?}"));
            result
        })
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<bool>> {
        self.ask("has image", image, self.inner.has_image(image))
    }

    fn resolve<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<Resolution>> {
        self.ask("resolve", image, self.inner.resolve(image))
    }

    fn pull(&self, image: &str) -> BoxStream<'static, EngineResult<PullStep>> {
        self.told("pull", image, None);
        self.inner.pull(image)
    }

    fn ensure_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.ask("ensure network", name, self.inner.ensure_network(name))
    }

    fn ensure_holder_image(&self) -> BoxFuture<'_, EngineResult<()>> {
        self.ask("ensure holder image", "", self.inner.ensure_holder_image())
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        let owned = spec.clone();
        self.act("create", spec.name.clone(), move |engine| {
            Box::pin(async move { engine.create(&owned).await })
        })
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        let id = id.to_owned();
        self.act("start", id.clone(), move |engine| {
            Box::pin(async move { engine.start(&id).await })
        })
    }

    fn stop<'a>(&'a self, id: &'a str, timeout_s: u32) -> BoxFuture<'a, EngineResult<()>> {
        let id = id.to_owned();
        self.act("stop", id.clone(), move |engine| {
            Box::pin(async move { engine.stop(&id, timeout_s).await })
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        let id = id.to_owned();
        self.act("remove", id.clone(), move |engine| {
            Box::pin(async move { engine.remove(&id).await })
        })
    }

    fn ensure_volume<'a>(&'a self, volume: &'a VolumeSpec) -> BoxFuture<'a, EngineResult<()>> {
        let made = self.inner.ensure_volume(volume);
        self.ask("ensure volume", &volume.name, made)
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.ask("remove volume", name, self.inner.remove_volume(name))
    }

    fn logs(&self, id: &str, options: LogOptions) -> BoxStream<'static, EngineResult<LogLine>> {
        self.inner.logs(id, options)
    }

    fn stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<StatsSample>> {
        self.inner.stats(id)
    }

    fn health_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<HealthLog>> {
        self.inner.health_log(id)
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, EngineResult<ExecSession>> {
        self.inner.exec(id, options)
    }
}
