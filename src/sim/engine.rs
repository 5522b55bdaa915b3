//! The door to a simulated engine.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;

use super::host::{Host, Wire, Work, lock};
use super::{health, image, logs, stats, terminal};
use crate::docker::holder_image::IMAGE;
use crate::docker::pin::Resolution;
use crate::docker::spec::VolumeSpec;
use crate::docker::{
    ContainerSpec, Engine, EngineError, EngineEvent, EngineResult, ExecOptions, ExecSession,
    HealthLog, LogLine, LogOptions, PullStep, StatsSample,
};
use crate::model::observation::{EngineInfo, ObservedContainer};

/// One simulated Docker Engine.
#[derive(Clone)]
pub struct SimEngine {
    host: Arc<Host>,
}

impl SimEngine {
    pub(super) fn new(host: Arc<Host>) -> Self {
        Self { host }
    }

    fn describe(&self) -> EngineInfo {
        let spec = &self.host.spec;
        EngineInfo {
            engine_id: format!("{:016x}", self.host.seed),
            host_name: spec.name.to_string(),
            docker_version: spec.docker_version.clone(),
            api_version: "1.51".to_owned(),
            os_type: "linux".to_owned(),
            architecture: spec.architecture.clone(),
            cpu: spec.cpu,
            memory: spec.memory,
        }
    }
}

/// Turns "there is none" into "done".
fn or_absent(result: EngineResult<()>) -> EngineResult<()> {
    match result {
        Err(EngineError::NotFound(_)) => Ok(()),
        other => other,
    }
}

impl Engine for SimEngine {
    fn ping(&self) -> BoxFuture<'_, EngineResult<()>> {
        Box::pin(self.host.call(Work::Look, |_, _| Ok(())))
    }

    fn info(&self) -> BoxFuture<'_, EngineResult<EngineInfo>> {
        Box::pin(self.host.call(Work::Look, |_, _| Ok(self.describe())))
    }

    fn events(&self) -> BoxFuture<'_, EngineResult<BoxStream<'static, EngineResult<EngineEvent>>>> {
        Box::pin(async move {
            let subscribe = |_: &mut _, _| Ok((self.host.connection(), self.host.subscribe()));
            let (wire, events) = self.host.call(Work::Look, subscribe).await?;
            Ok(announcements(wire, events))
        })
    }

    fn list(&self) -> BoxFuture<'_, EngineResult<Vec<ObservedContainer>>> {
        Box::pin(self.host.call(Work::Look, |machine, _| {
            Ok(lock(&self.host.troubled).list(machine.list()))
        }))
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<ObservedContainer>> {
        Box::pin(self.host.call(Work::Look, move |machine, _| {
            machine.find(id).map(|container| container.observed())
        }))
    }

    fn has_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<bool>> {
        Box::pin(
            self.host
                .call(Work::Look, move |machine, _| Ok(machine.has_image(image))),
        )
    }

    fn resolve<'a>(&'a self, image: &'a str) -> BoxFuture<'a, EngineResult<Resolution>> {
        Box::pin(
            self.host
                .call(Work::Start, move |machine, _| Ok(machine.resolve(image))),
        )
    }

    fn pull(&self, image: &str) -> BoxStream<'static, EngineResult<PullStep>> {
        pulling(self.host.clone(), image.to_owned())
    }

    fn ensure_network<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(self.host.call(Work::Make, move |machine, _| {
            machine.ensure_network(name);
            Ok(())
        }))
    }

    fn ensure_holder_image(&self) -> BoxFuture<'_, EngineResult<()>> {
        Box::pin(self.host.call(Work::Make, |machine, _| {
            if !machine.has_image(IMAGE) {
                machine.add_image(IMAGE);
            }
            Ok(())
        }))
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, EngineResult<String>> {
        Box::pin(self.host.call(Work::Make, move |machine, _| {
            lock(&self.host.troubled).create()?;
            machine.create(spec)
        }))
    }

    fn start<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(self.host.call(Work::Start, move |machine, now| {
            lock(&self.host.troubled).start()?;
            machine.start(id, now)
        }))
    }

    fn stop<'a>(&'a self, id: &'a str, timeout_s: u32) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(async move {
            let hung = lock(&self.host.troubled).stop();
            if let Some(silence) = hung {
                tokio::time::sleep(silence).await;
            }
            let signal = self.host.call(Work::Make, move |machine, now| {
                Ok((machine.signal(id, timeout_s, now), now))
            });
            let (ends, now) = match signal.await? {
                (Ok(ends), now) => (ends, now),
                (Err(EngineError::NotFound(_)), _) => return Ok(()),
                (Err(error), _) => return Err(error),
            };
            let mut wire = self.host.connection();
            let wait = Duration::from_millis(ends.since_ms(now));
            tokio::time::sleep(wait).await;
            wire.flows().await
        })
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(self.host.call(Work::Make, move |machine, now| {
            match lock(&self.host.troubled).sticks() {
                true => or_absent(machine.begin_removal(id, now)),
                false => or_absent(machine.remove(id)),
            }
        }))
    }

    fn ensure_volume<'a>(&'a self, volume: &'a VolumeSpec) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(self.host.call(Work::Make, move |machine, _| {
            machine.ensure_volume(volume);
            Ok(())
        }))
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, EngineResult<()>> {
        Box::pin(
            self.host
                .call(Work::Make, move |machine, _| machine.remove_volume(name)),
        )
    }

    fn logs(&self, id: &str, options: LogOptions) -> BoxStream<'static, EngineResult<LogLine>> {
        logs::stream(self.host.clone(), id.to_owned(), options)
    }

    fn stats<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<StatsSample>> {
        let seed = self.host.seed;
        Box::pin(self.host.call(Work::Make, move |machine, now| {
            let container = machine.find(id)?;
            Ok(stats::sample(seed, container, now))
        }))
    }

    fn health_log<'a>(&'a self, id: &'a str) -> BoxFuture<'a, EngineResult<HealthLog>> {
        Box::pin(self.host.call(Work::Look, move |machine, now| {
            Ok(health::log(machine.find(id)?, now))
        }))
    }

    fn exec<'a>(
        &'a self,
        id: &'a str,
        options: ExecOptions,
    ) -> BoxFuture<'a, EngineResult<ExecSession>> {
        Box::pin(terminal::exec(self.host.clone(), id, options))
    }
}

/// Announcements until the connection breaks or the listener is too slow.
fn announcements(
    wire: Wire,
    events: broadcast::Receiver<EngineEvent>,
) -> BoxStream<'static, EngineResult<EngineEvent>> {
    let open = Some((wire, events));
    stream::unfold(open, |open| async move {
        let (mut wire, mut events) = open?;
        loop {
            if let Err(error) = wire.flows().await {
                return Some((Err(error), None));
            }
            tokio::select! {
                biased;
                () = wire.disturbed() => {}
                event = events.recv() => return match event {
                    Ok(event) => Some((Ok(event), Some((wire, events)))),
                    Err(broadcast::error::RecvError::Lagged(count)) => {
                        let text = format!("{count} events were missed: the listener was too slow");
                        Some((Err(EngineError::Unreachable(text)), None))
                    }
                    Err(broadcast::error::RecvError::Closed) => None,
                },
            }
        }
    })
    .boxed()
}

/// A pull, report by report.
fn pulling(host: Arc<Host>, image: String) -> BoxStream<'static, EngineResult<PullStep>> {
    let begin = async move {
        let wanted = image.clone();
        let check = |_: &mut _, _| {
            image::obtainable(&wanted)?;
            lock(&host.troubled).pull()
        };
        let answer = host.call(Work::Start, check).await;
        let wire = host.connection();
        match answer {
            Err(error) => stream::iter([Err(error)]).boxed(),
            Ok(None) => layers(wire, image),
            Ok(Some(silence)) => {
                let stalled = async move { tokio::time::sleep(silence).await };
                let nothing = stream::once(stalled).filter_map(|()| async { None });
                nothing.chain(layers(wire, image)).boxed()
            }
        }
    };
    stream::once(begin).flatten().boxed()
}

fn layers(wire: Wire, image: String) -> BoxStream<'static, EngineResult<PullStep>> {
    let sway = 0.7 + 0.6 * wire.host.chance();
    let speed = (wire.host.spec.pull_bytes_per_s as f64 * sway) as u64;
    let steps = image::pull_steps(&image, speed).into_iter();
    let open = Some((wire, image, steps));
    stream::unfold(open, |open| async move {
        let (mut wire, image, mut steps) = open?;
        tokio::time::sleep(Duration::from_millis(image::STEP_MS)).await;
        if let Err(error) = wire.flows().await {
            return Some((Err(error), None));
        }
        let step = steps.next()?;
        if steps.len() == 0 {
            wire.host.with(|machine, _| machine.add_image(&image));
        }
        Some((Ok(step), Some((wire, image, steps))))
    })
    .boxed()
}
