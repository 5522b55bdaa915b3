//! A tiny engine that does what a test tells it to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;

use crate::config::InstanceSettings;
use crate::docker::health::CheckResult;
use crate::docker::pin::Resolution;
use crate::docker::spec::{VolumeSpec, label};
use crate::docker::{
    Connector, ContainerSpec, Engine, EngineError, EngineEvent, EngineResult, ExecOptions,
    ExecOutput, ExecSession, HealthLog, LogLine, LogOptions, PullStep, StatsSample, holder_image,
};
use crate::model::observation::{ContainerState, EngineInfo, ObservedContainer, Ownership};
use crate::model::{ContainerName, TaskId, TimeMs};

/// What the test sees and sets.
#[derive(Default)]
pub struct Inner {
    /// By runtime id.
    pub containers: BTreeMap<String, ObservedContainer>,
    pub images: BTreeSet<String>,
    /// What references stand for; others were built here.
    pub resolutions: BTreeMap<String, Resolution>,
    pub volumes: BTreeSet<String>,
    /// Every call that changes something, in order: `create NAME`, `start ID`, …
    pub calls: Vec<String>,
    /// The next answers to a call, by its first word, in place of doing it.
    pub errors: BTreeMap<&'static str, VecDeque<EngineError>>,
    /// Calls that do their work and never answer, by their first word.
    pub mute: BTreeSet<&'static str>,
    /// Creates under way, and the most there ever were.
    pub creating: (usize, usize),
    /// How often someone tried to connect.
    pub connects: usize,
    /// What containers wrote, by runtime id.
    pub logs: BTreeMap<String, Vec<LogLine>>,
    events: Vec<mpsc::Sender<EngineResult<EngineEvent>>>,
    followers: BTreeMap<String, Vec<mpsc::Sender<EngineResult<LogLine>>>>,
    made: u64,
}

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Connections stay open and nothing is answered.
    Hung,
    /// Nothing gets through, and whoever waits is told.
    Cut,
}

#[derive(Clone)]
pub struct FakeEngine {
    inner: Arc<Mutex<Inner>>,
    mood: Arc<watch::Sender<Mood>>,
}

impl FakeEngine {
    /// An engine with these images.
    pub fn new(images: &[&str]) -> Self {
        let inner = Inner {
            images: images.iter().map(|i| (*i).to_owned()).collect(),
            ..Inner::default()
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            mood: Arc::new(watch::Sender::new(Mood::Well)),
        }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
        if mood == Mood::Cut {
            self.inner().events.clear();
        }
    }

    /// The calls that begin with this word.
    pub fn calls(&self, word: &str) -> Vec<String> {
        let calls = self.inner().calls.clone();
        calls.into_iter().filter(|c| c.starts_with(word)).collect()
    }

    /// Adds a container as it is.
    pub fn add(&self, container: ObservedContainer) {
        let id = container.runtime_id.clone();
        self.inner().containers.insert(id, container);
    }

    pub fn announce(&self, event: EngineEvent) {
        self.inner()
            .events
            .retain(|to| to.try_send(Ok(event.clone())).is_ok());
    }

    fn touched(&self, id: &str) {
        self.announce(EngineEvent::Container {
            runtime_id: id.to_owned(),
            destroyed: false,
        });
    }

    /// A container's process ends.
    pub fn die(&self, id: &str, code: i64) {
        if let Some(container) = self.inner().containers.get_mut(id) {
            container.state = ContainerState::Exited;
            container.exit_code = Some(code);
        }
        self.inner().followers.remove(id);
        self.touched(id);
    }

    /// A container writes a line.
    pub fn write(&self, id: &str, at: u64, text: &str) {
        let line = LogLine {
            at: TimeMs(at),
            stream: crate::docker::LogStream::Stdout,
            text: text.to_owned(),
        };
        let mut inner = self.inner();
        inner
            .logs
            .entry(id.to_owned())
            .or_default()
            .push(line.clone());
        for follower in inner.followers.get(id).into_iter().flatten() {
            follower.try_send(Ok(line.clone())).unwrap();
        }
    }

    /// Ends whoever follows that container's logs with an error.
    pub fn break_logs(&self, id: &str) {
        for follower in self.inner().followers.remove(id).into_iter().flatten() {
            let error = EngineError::Unreachable("connection reset".to_owned());
            follower.try_send(Err(error)).unwrap();
        }
    }

    async fn answers(&self) -> EngineResult<()> {
        let mut mood = self.mood.subscribe();
        let now = *mood.wait_for(|m| *m != Mood::Hung).await.unwrap();
        match now {
            Mood::Cut => Err(EngineError::Unreachable("connection refused".to_owned())),
            _ => Ok(()),
        }
    }

    /// Notes a call and gives the error that the test wants for it.
    async fn call(&self, word: &'static str, what: &str) -> EngineResult<()> {
        self.answers().await?;
        sleep(Duration::from_millis(5)).await;
        let mut inner = self.inner();
        inner.calls.push(format!("{word} {what}"));
        match inner.errors.get_mut(word).and_then(VecDeque::pop_front) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Answers, unless the engine hangs by now or is to stay silent on this.
    async fn reply(&self, word: &'static str) -> EngineResult<()> {
        if self.inner().mute.contains(word) {
            std::future::pending::<()>().await;
        }
        self.answers().await
    }

    fn make(&self, spec: &ContainerSpec) -> EngineResult<String> {
        let mut inner = self.inner();
        if inner.containers.values().any(|c| c.name == spec.name) {
            return Err(EngineError::Conflict("the name is in use".to_owned()));
        }
        if !inner.images.contains(&spec.image) {
            return Err(EngineError::NotFound("no such image".to_owned()));
        }
        inner.made += 1;
        let id = format!("made-{}", inner.made);
        let task: TaskId = spec.labels[label::TASK_ID].parse().unwrap();
        let container = &spec.labels[label::CONTAINER];
        let mut made = super::fixture::observed(task.0, "app", ContainerState::Created);
        made.runtime_id.clone_from(&id);
        made.name.clone_from(&spec.name);
        made.owner = Some(Ownership {
            control_plane: spec.labels[label::CONTROL_PLANE].clone(),
            task,
            container: ContainerName::of_label(container).unwrap(),
        });
        made.volumes = spec
            .mounts
            .iter()
            .filter_map(|m| m.source.clone())
            .collect();
        inner.containers.insert(id.clone(), made);
        Ok(id)
    }
}

impl Engine for FakeEngine {
    fn ping(&self) -> BoxFuture<'_, EngineResult<()>> {
        self.answers().boxed()
    }

    fn info(&self) -> BoxFuture<'_, EngineResult<EngineInfo>> {
        async {
            self.answers().await?;
            Ok(EngineInfo::default())
        }
        .boxed()
    }

    fn events(&self) -> BoxFuture<'_, EngineResult<BoxStream<'static, EngineResult<EngineEvent>>>> {
        async {
            self.answers().await?;
            let (to, events) = mpsc::channel(1024);
            self.inner().events.push(to);
            Ok(ReceiverStream::new(events).boxed())
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ObservedContainer>>> {
        async {
            self.answers().await?;
            let mut inner = self.inner();
            let refused = inner.errors.get_mut("list").and_then(VecDeque::pop_front);
            let all = || inner.containers.values().cloned().collect();
            refused.map_or_else(|| Ok(all()), Err)
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<ObservedContainer>> {
        async move {
            self.answers().await?;
            let mut inner = self.inner();
            let errors = inner.errors.get_mut("inspect");
            if let Some(refused) = errors.and_then(VecDeque::pop_front) {
                return Err(refused);
            }
            let mut all = inner.containers.values();
            all.find(|c| c.runtime_id == id || c.name == id)
                .cloned()
                .ok_or_else(|| EngineError::NotFound("no such container".to_owned()))
        }
        .boxed()
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<bool>> {
        async move {
            self.call("has_image", image).await?;
            Ok(self.inner().images.contains(image))
        }
        .boxed()
    }

    fn resolve<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<Resolution>> {
        async move {
            self.call("resolve", image).await?;
            let inner = self.inner();
            let known = inner.resolutions.get(image).cloned();
            Ok(known.unwrap_or_else(|| Resolution::Local("built here".to_owned())))
        }
        .boxed()
    }

    fn pull(&self, image: &str) -> BoxStream<'static, EngineResult<PullStep>> {
        let (engine, image) = (self.clone(), image.to_owned());
        let (to, steps) = mpsc::channel(4);
        tokio::spawn(async move {
            let result = engine.call("pull", &image).await;
            for done_bytes in [10, 20, 30] {
                sleep(Duration::from_secs(1)).await;
                let step = PullStep {
                    done_bytes,
                    total_bytes: 30,
                };
                let _ = to.send(Ok(step)).await;
            }
            match result {
                Ok(()) => {
                    engine.inner().images.insert(image);
                    engine.announce(EngineEvent::Images);
                }
                Err(error) => {
                    let _ = to.send(Err(error)).await;
                }
            }
        });
        ReceiverStream::new(steps).boxed()
    }

    fn ensure_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.call("network", name).boxed()
    }

    fn ensure_holder_image(&self) -> BoxFuture<'_, EngineResult<()>> {
        async {
            self.call("holder", "image").await?;
            self.inner().images.insert(holder_image::IMAGE.to_owned());
            Ok(())
        }
        .boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        async move {
            {
                let mut inner = self.inner();
                inner.creating.0 += 1;
                inner.creating.1 = inner.creating.1.max(inner.creating.0);
            }
            let called = self.call("create", &spec.name).await;
            self.inner().creating.0 -= 1;
            called?;
            let id = self.make(spec)?;
            self.touched(&id);
            self.reply("create").await?;
            Ok(id)
        }
        .boxed()
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.call("start", id).await?;
            if let Some(container) = self.inner().containers.get_mut(id) {
                container.state = ContainerState::Running;
            }
            self.touched(id);
            self.reply("start").await
        }
        .boxed()
    }

    fn stop<'a>(&'a self, id: &'a str, timeout_s: u32) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.call("stop", &format!("{id} {timeout_s}")).await?;
            self.die(id, 143);
            self.reply("stop").await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.call("remove", id).await?;
            self.inner().containers.remove(id);
            self.announce(EngineEvent::Container {
                runtime_id: id.to_owned(),
                destroyed: true,
            });
            self.reply("remove").await
        }
        .boxed()
    }

    fn ensure_volume<'a>(&'a self, volume: &'a VolumeSpec) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.call("volume", &volume.name).await?;
            self.inner().volumes.insert(volume.name.clone());
            Ok(())
        }
        .boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            self.call("unvolume", name).await?;
            self.inner().volumes.remove(name);
            Ok(())
        }
        .boxed()
    }

    fn logs(&self, id: &str, options: LogOptions) -> BoxStream<'static, EngineResult<LogLine>> {
        let mut inner = self.inner();
        let mut lines = inner.logs.get(id).cloned().unwrap_or_default();
        lines.retain(|l| options.since.is_none_or(|since| l.at >= since));
        if let Some(tail) = options.tail {
            let excess = lines.len().saturating_sub(tail as usize);
            lines.drain(..excess);
        }
        let history = futures_util::stream::iter(lines.into_iter().map(Ok));
        let is_up = inner.containers.get(id).is_some_and(|c| c.state.is_up());
        if !options.follow || !is_up {
            return history.boxed();
        }
        let (to, live) = mpsc::channel(100_000);
        inner.followers.entry(id.to_owned()).or_default().push(to);
        history.chain(ReceiverStream::new(live)).boxed()
    }

    fn stats<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, EngineResult<StatsSample>> {
        async {
            self.answers().await?;
            Ok(StatsSample {
                cpu_units: 12.0,
                ..StatsSample::default()
            })
        }
        .boxed()
    }

    fn health_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<HealthLog>> {
        async move {
            self.call("health", id).await?;
            let result = CheckResult::new(Some(TimeMs(5)), Some(TimeMs(9)), Some(1), id.to_owned());
            Ok(HealthLog::new(1, [result].into_iter()))
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, EngineResult<ExecSession>> {
        async move {
            let what = format!("{id} {}", options.command.join(" "));
            self.call("exec", &what).await?;
            let (input, _) = mpsc::channel(1);
            let output = futures_util::stream::iter([Ok(ExecOutput::Exit(0))]).boxed();
            Ok(ExecSession { input, output })
        }
        .boxed()
    }
}

impl Connector for FakeEngine {
    fn connect<'a>(
        &'a self,
        _instance: &'a InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>> {
        async {
            self.inner().connects += 1;
            self.answers().await?;
            Ok(Arc::new(self.clone()) as Arc<dyn Engine>)
        }
        .boxed()
    }
}
