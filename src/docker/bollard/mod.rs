//! The real engine. The only folder that names bollard.

mod create;
mod holder;
mod inspected;
mod network;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::models::{
    ContainerCpuStats, ContainerStatsResponse, ContainerSummary, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use bollard::{BollardRequest, ClientVersion, Docker};
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use hyper::Method;
use serde_json::json;
use tokio::time::timeout;

use self::create::create_body;
use self::inspected::{health_log, observed};
use super::cache::{Cache, lasting};
use super::credentials::Credentials;
use super::image::saturating_sum;
use super::listed::{Listed, Look};
use super::pin::{Resolution, is_to_be_asked, resolution};
use super::spec::{ContainerSpec, NETWORK, VolumeSpec};
use super::stats::{Counters, Samples, used_memory};
use super::transport::{ANSWER_WAIT, Route, Transport, bounded, error_of_status};
use super::version::{Version, negotiate};
use super::{
    Engine, EngineError, EngineEvent, EngineResult, ExecOptions, ExecSession, HealthLog, LogLine,
    LogOptions, PullStep, StatsSample,
};
use crate::model::observation::{EngineInfo, ObservedContainer};
use crate::model::{CpuUnits, MemoryMib, TimeMs};

/// Longest wait for work: making, starting, removing. A slow disk takes its time.
const WORK_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for a registry to say what a tag stands for.
const REGISTRY_WAIT: Duration = Duration::from_secs(12);
/// What a stop may take beyond its own timeout.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// Bollard's own bound on an answer's head: ours are shorter and say more.
const BOLLARD_WAIT_S: u64 = 24 * 3600;
/// Longest wait for one inspection of a list: an engine whose container hangs hangs with it.
const INSPECT_WAIT: Duration = Duration::from_secs(4);
/// Containers inspected at the same time.
const INSPECTIONS: usize = 8;

/// One Docker Engine over its HTTP API.
pub struct BollardEngine {
    docker: Docker,
    transport: Transport,
    version: Version,
    credentials: Credentials,
    cache: Arc<Cache>,
    samples: Samples,
    network: tokio::sync::Mutex<()>,
    holder: tokio::sync::Mutex<()>,
}

impl BollardEngine {
    /// Opens an engine and agrees on a version with it.
    ///
    /// # Errors
    /// [`EngineError`] when it does not answer, or speaks no version that this program knows.
    pub async fn open(route: Route, credentials: Credentials) -> EngineResult<Self> {
        let transport = Transport::new(route);
        let answer = transport.json(Method::GET, "/version", None).await?;
        let version = negotiate(transport.endpoint(), &answer)?;
        let transport = transport.with_version(&version.to_string());
        let wire = transport.clone();
        let send = move |request: BollardRequest| {
            let wire = wire.clone();
            async move {
                let sent = wire.send(request).await;
                sent.map_err(|text| BollardError::from(std::io::Error::other(text)))
            }
        };
        let client_version = ClientVersion {
            major_version: version.0 as usize,
            minor_version: version.1 as usize,
        };
        let docker = Docker::connect_with_custom_transport(
            send,
            Some("http://docker"),
            BOLLARD_WAIT_S,
            &client_version,
        )
        .map_err(|error| EngineError::Refused(error.to_string()))?;
        Ok(Self {
            docker,
            transport,
            version,
            credentials,
            cache: Arc::new(Cache::default()),
            samples: Samples::default(),
            network: tokio::sync::Mutex::new(()),
            holder: tokio::sync::Mutex::new(()),
        })
    }

    async fn call<T>(
        &self,
        wait: Duration,
        call: impl Future<Output = Result<T, BollardError>>,
    ) -> EngineResult<T> {
        match timeout(wait, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(engine_error(&self.transport, error)),
            Err(_) => Err(self.transport.silent(wait)),
        }
    }

    /// One container of the list.
    async fn observe(&self, summary: ContainerSummary) -> Look {
        let Some(id) = summary.id.clone() else {
            return Look::Gone;
        };
        let state = summary.state.map(|s| s.to_string()).unwrap_or_default();
        let said = format!(
            "{state} {} {:?}",
            lasting(summary.status.as_deref().unwrap_or_default()),
            summary.names
        );
        let generation = match self.cache.look_up(&id, &said) {
            Ok(seen) => return Look::Seen(Box::new(seen)),
            Err(generation) => generation,
        };
        let inspected = timeout(INSPECT_WAIT, self.inspect(&id)).await;
        match inspected.unwrap_or_else(|_| Err(self.transport.silent(INSPECT_WAIT))) {
            Ok(seen) => {
                self.cache.keep(said, generation, &seen);
                Look::Seen(Box::new(seen))
            }
            Err(EngineError::NotFound(_)) => Look::Gone,
            Err(error) => Look::Failed(Box::new(Listed::read(id, &json!(summary))), error),
        }
    }

    /// All containers. One that cannot be inspected is told as far as it is known: it must not
    /// take its whole host away. Only an engine that answers nothing any more fails.
    async fn list_all(&self) -> EngineResult<Vec<ObservedContainer>> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self.docker.list_containers(Some(options));
        let summaries = self.call(ANSWER_WAIT, listed).await?;
        let ids: HashSet<&str> = summaries.iter().filter_map(|s| s.id.as_deref()).collect();
        self.cache.retain(&ids);
        drop(ids);
        let looks: Vec<Look> = stream::iter(summaries)
            .map(|summary| self.observe(summary))
            .buffered(INSPECTIONS)
            .collect()
            .await;
        let silent = |look: &Look| matches!(look, Look::Failed(_, EngineError::Unreachable(_)));
        if looks.iter().any(silent) {
            self.call(INSPECT_WAIT, self.docker.ping()).await?;
        }
        let observed = looks.into_iter().filter_map(|look| match look {
            Look::Seen(seen) => Some(*seen),
            Look::Gone => None,
            Look::Failed(listed, error) => {
                tracing::warn!(container = listed.name, %error, "cannot be inspected; the list has to do");
                let last = self.cache.last(&listed.id);
                Some(listed.observed(last))
            }
        });
        Ok(observed.collect())
    }

    async fn sample(&self, id: &str) -> EngineResult<StatsSample> {
        // A single reading tells no rate: with an earlier one at hand the engine need not wait a
        // second for its second one.
        let known = self.samples.knows(id);
        let path = format!("/containers/{id}/stats?stream=false&one-shot={known}");
        let stats = self.transport.json(Method::GET, &path, None).await?;
        if stats.is_null() {
            return Err(EngineError::NotFound(format!(
                "{}: the engine has no figures for container {id}",
                self.transport.endpoint()
            )));
        }
        let stats: ContainerStatsResponse = serde_json::from_value(stats).map_err(|error| {
            EngineError::Failed(format!(
                "{}: the figures of container {id} are not understood: {error}",
                self.transport.endpoint()
            ))
        })?;
        Ok(self.sample_of(id, &stats))
    }

    fn sample_of(&self, id: &str, stats: &ContainerStatsResponse) -> StatsSample {
        let now = stats.cpu_stats.as_ref().and_then(counters);
        let before = stats.precpu_stats.as_ref().and_then(counters);
        let memory = stats.memory_stats.as_ref();
        let networks = || stats.networks.iter().flat_map(HashMap::values);
        let disk = |operation: &str| {
            let entries = stats.blkio_stats.as_ref()?;
            let entries = entries.io_service_bytes_recursive.as_ref()?;
            let mine = entries.iter().filter(|entry| {
                let op = entry.op.as_deref().unwrap_or_default();
                op.eq_ignore_ascii_case(operation)
            });
            Some(saturating_sum(mine.filter_map(|entry| entry.value)))
        };
        StatsSample {
            at: stats.read.as_deref().and_then(moment).unwrap_or_default(),
            read_bytes: disk("read"),
            written_bytes: disk("write"),
            cpu_units: self.samples.cpu_units(id, now, before),
            memory_bytes: used_memory(
                memory.and_then(|m| m.usage),
                memory.and_then(|m| m.stats.as_ref()),
            ),
            memory_limit_bytes: memory.and_then(|m| m.limit).unwrap_or(0),
            rx_bytes: saturating_sum(networks().filter_map(|n| n.rx_bytes)),
            tx_bytes: saturating_sum(networks().filter_map(|n| n.tx_bytes)),
        }
    }

    /// The digest that the image's registry has for a reference, asked by the engine. A registry
    /// that says nothing is no fault of the engine's.
    async fn ask_registry(&self, image: &str) -> EngineResult<String> {
        let found = self.credentials.find(image).await;
        let auth = found.auth.map(|auth| auth.header());
        let path = format!("/distribution/{image}/json");
        let asked = async {
            let begun = self
                .transport
                .begin(REGISTRY_WAIT, Method::GET, &path, auth.as_ref());
            self.transport.read(begun.await?, &path).await
        };
        let Ok(answer) = timeout(REGISTRY_WAIT, asked).await else {
            let seconds = REGISTRY_WAIT.as_secs();
            let what = format!("its registry did not answer within {seconds} s");
            return Err(EngineError::Unreachable(what));
        };
        let digest = answer?["Descriptor"]["digest"].as_str().map(str::to_owned);
        digest.ok_or_else(|| EngineError::Failed("the registry's answer has no digest".to_owned()))
    }
}

/// An error of bollard's, sorted by what the caller can do about it.
fn engine_error(transport: &Transport, error: BollardError) -> EngineError {
    match error {
        BollardError::DockerResponseServerError {
            status_code,
            message,
        } => error_of_status(status_code, message),
        BollardError::DockerStreamError { error } => EngineError::Failed(bounded(error)),
        // Made by the transport, which has said everything.
        BollardError::IOError { err } => EngineError::Unreachable(err.to_string()),
        BollardError::RequestTimeoutError => transport.silent(Duration::from_secs(BOLLARD_WAIT_S)),
        BollardError::JsonDataError { .. } | BollardError::JsonSerdeError { .. } => {
            EngineError::Failed(format!(
                "{}: an answer is not understood: {error}",
                transport.endpoint()
            ))
        }
        other => transport.broke(&other),
    }
}

/// What is no error in something that is to be gone or to be so anyway.
fn unless(result: EngineResult<()>, harmless: impl Fn(&EngineError) -> bool) -> EngineResult<()> {
    match result {
        Err(error) if harmless(&error) => Ok(()),
        other => other,
    }
}

impl Engine for BollardEngine {
    fn ping(&self) -> BoxFuture<'_, EngineResult<()>> {
        async move { self.call(ANSWER_WAIT, self.docker.ping()).await.map(|_| ()) }.boxed()
    }

    fn info(&self) -> BoxFuture<'_, EngineResult<EngineInfo>> {
        async move {
            let info = self.call(ANSWER_WAIT, self.docker.info()).await?;
            let cpus = u64::try_from(info.ncpu.unwrap_or(0)).unwrap_or(0);
            let memory = u64::try_from(info.mem_total.unwrap_or(0)).unwrap_or(0);
            Ok(EngineInfo {
                engine_id: info.id.unwrap_or_default(),
                host_name: info.name.unwrap_or_default(),
                docker_version: info.server_version.unwrap_or_default(),
                api_version: self.version.to_string(),
                os_type: info.os_type.unwrap_or_default(),
                architecture: info.architecture.unwrap_or_default(),
                cpu: CpuUnits(cpus.saturating_mul(1024)),
                memory: MemoryMib(memory >> 20),
            })
        }
        .boxed()
    }

    fn events(&self) -> BoxFuture<'_, EngineResult<BoxStream<'static, EngineResult<EngineEvent>>>> {
        async move {
            let events = super::logs::events(&self.transport).await?;
            let watching = self.cache.watch();
            let cache = Arc::clone(&self.cache);
            Ok(events
                .inspect_ok(move |event| {
                    let _ = &watching;
                    if let EngineEvent::Container { runtime_id, .. } = event {
                        cache.announced(runtime_id);
                    }
                })
                .boxed())
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ObservedContainer>>> {
        self.list_all().boxed()
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<ObservedContainer>> {
        async move {
            let inspected = self.docker.inspect_container(id, None);
            let container = self.call(ANSWER_WAIT, inspected).await?;
            observed(container).ok_or_else(|| {
                EngineError::Failed(format!(
                    "{}: the engine tells neither id nor state of container {id}",
                    self.transport.endpoint()
                ))
            })
        }
        .boxed()
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<bool>> {
        async move {
            match self
                .call(ANSWER_WAIT, self.docker.inspect_image(image))
                .await
            {
                Ok(_) => Ok(true),
                Err(EngineError::NotFound(_)) => Ok(false),
                Err(error) => Err(error),
            }
        }
        .boxed()
    }

    fn resolve<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<Resolution>> {
        async move {
            let inspected = self.docker.inspect_image(image);
            let here = match self.call(ANSWER_WAIT, inspected).await {
                Ok(found) => Some(found.repo_digests.unwrap_or_default()),
                Err(EngineError::Unreachable(error)) => {
                    return Err(EngineError::Unreachable(error));
                }
                // The pull will say what is wrong with a reference that is none.
                Err(_) => None,
            };
            let asked = match is_to_be_asked(image, here.as_deref()) {
                true => Some(self.ask_registry(image).await),
                false => None,
            };
            Ok(resolution(image, here.as_deref(), asked))
        }
        .boxed()
    }

    fn pull(&self, image: &str) -> BoxStream<'static, EngineResult<PullStep>> {
        let (wire, credentials) = (self.transport.clone(), self.credentials.clone());
        super::pull::pull(wire, credentials, image.to_owned())
    }

    fn ensure_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        self.one_network(name).boxed()
    }

    fn ensure_holder_image(&self) -> BoxFuture<'_, EngineResult<()>> {
        self.holder_image().boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        async move {
            let options = CreateContainerOptionsBuilder::new()
                .name(&spec.name)
                .platform(spec.platform.as_deref().unwrap_or_default())
                .build();
            let created = self
                .docker
                .create_container(Some(options), create_body(spec));
            Ok(self.call(WORK_WAIT, created).await?.id)
        }
        .boxed()
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            let start = || self.call(WORK_WAIT, self.docker.start_container(id, None));
            match start().await {
                Err(error) if network::is_ambiguous(&error) => {
                    self.one_network(NETWORK).await?;
                    start().await
                }
                other => other,
            }
        }
        .boxed()
    }

    fn stop<'a>(&'a self, id: &'a str, timeout_s: u32) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            let seconds = i32::try_from(timeout_s).unwrap_or(i32::MAX);
            let options = StopContainerOptionsBuilder::new().t(seconds).build();
            let wait = Duration::from_secs(u64::from(timeout_s)) + STOP_MARGIN;
            let stopped = self.docker.stop_container(id, Some(options));
            unless(self.call(wait, stopped).await, |error| {
                matches!(error, EngineError::NotFound(_))
            })
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
            let removed = self.docker.remove_container(id, Some(options.build()));
            // "Removal … is already in progress" is none: it may be stuck.
            unless(self.call(WORK_WAIT, removed).await, |error| {
                matches!(error, EngineError::NotFound(_))
            })
        }
        .boxed()
    }

    fn ensure_volume<'a>(&'a self, volume: &'a VolumeSpec) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            let request = VolumeCreateRequest {
                name: Some(volume.name.clone()),
                driver: volume.driver.clone(),
                driver_opts: Some(volume.driver_opts.clone().into_iter().collect()),
                labels: Some(volume.labels.clone().into_iter().collect()),
                ..VolumeCreateRequest::default()
            };
            self.call(WORK_WAIT, self.docker.create_volume(request))
                .await
                .map(|_| ())
        }
        .boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        async move {
            let options = None::<bollard::query_parameters::RemoveVolumeOptions>;
            let removed = self.docker.remove_volume(name, options);
            unless(self.call(WORK_WAIT, removed).await, |error| {
                matches!(error, EngineError::NotFound(_))
            })
        }
        .boxed()
    }

    fn logs(&self, id: &str, options: LogOptions) -> BoxStream<'static, EngineResult<LogLine>> {
        super::logs::logs(self.transport.clone(), id, &options)
    }

    fn stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<StatsSample>> {
        self.sample(id).boxed()
    }

    fn health_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<HealthLog>> {
        async move {
            let inspected = self.docker.inspect_container(id, None);
            let container = self.call(ANSWER_WAIT, inspected).await?;
            Ok(health_log(container))
        }
        .boxed()
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, EngineResult<ExecSession>> {
        super::exec::exec(&self.transport, id, options).boxed()
    }
}

/// What an engine's answer to an inspection says of a container; `None` without an id or a state.
///
/// # Errors
/// When it is no such answer.
pub fn container_of(answer: &[u8]) -> Result<Option<ObservedContainer>, serde_json::Error> {
    serde_json::from_slice(answer).map(observed)
}

/// What an engine's answer to an inspection says of a container's health checks.
///
/// # Errors
/// When it is no such answer.
pub fn health_log_of(answer: &[u8]) -> Result<HealthLog, serde_json::Error> {
    serde_json::from_slice(answer).map(health_log)
}

/// A moment as the engine writes it.
fn moment(text: &str) -> Option<TimeMs> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_millisecond()).ok().map(TimeMs)
}

fn counters(stats: &ContainerCpuStats) -> Option<Counters> {
    Some(Counters {
        used_ns: stats.cpu_usage.as_ref()?.total_usage?,
        system_ns: stats.system_cpu_usage.filter(|ns| *ns > 0)?,
        cpus: stats.online_cpus.unwrap_or(1).max(1),
    })
}
