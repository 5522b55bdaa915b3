//! Opens the engines that the config names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::{BoxFuture, FutureExt};

use super::bollard::BollardEngine;
use super::credentials::Credentials;
use super::ssh::Forward;
use super::transport::{Dial, Route};
use super::{Connector, Engine, EngineError, EngineResult, ssh, tls};
use crate::config::{Endpoint, InstanceSettings, SshEndpoint};
use crate::model::InstanceName;

/// Dials unix sockets, TCP with and without TLS, and hosts behind SSH.
#[derive(Debug)]
pub struct RealConnector {
    sockets: PathBuf,
    credentials: Credentials,
    /// SSH connections in use, by instance: an agent that connects again takes up its own.
    forwards: Mutex<HashMap<InstanceName, Weak<Forward>>>,
}

impl RealConnector {
    /// A connector that keeps its private sockets under `runtime_dir` and reads registry
    /// credentials from Docker's own config.
    #[must_use]
    pub fn new(runtime_dir: PathBuf) -> Self {
        Self::with_credentials(runtime_dir, Credentials::from_environment())
    }

    /// The same with registry credentials from elsewhere.
    #[must_use]
    pub fn with_credentials(runtime_dir: PathBuf, credentials: Credentials) -> Self {
        let sockets = runtime_dir.join("ssh");
        ssh::sweep(&sockets);
        Self {
            sockets,
            credentials,
            forwards: Mutex::new(HashMap::new()),
        }
    }

    async fn open(&self, instance: &InstanceSettings) -> EngineResult<BollardEngine> {
        let dial = match &instance.endpoint {
            Endpoint::Unix(path) => Dial::Unix(path.clone()),
            Endpoint::Tcp { address, tls: None } => Dial::Tcp(with_port(address, 2375)),
            Endpoint::Tcp {
                address,
                tls: Some(files),
            } => tls::dial(&with_port(address, 2376), files).await?,
            Endpoint::Ssh(endpoint) => return self.open_ssh(instance, endpoint).await,
            Endpoint::Simulated => {
                return Err(EngineError::Refused(format!(
                    "instance {} is simulated: it has no Docker Engine to connect to",
                    instance.name
                )));
            }
        };
        let route = Route {
            dial,
            endpoint: instance.endpoint.to_string(),
            explain: None,
        };
        BollardEngine::open(route, self.credentials.clone()).await
    }

    async fn open_ssh(
        &self,
        instance: &InstanceSettings,
        endpoint: &SshEndpoint,
    ) -> EngineResult<BollardEngine> {
        if let Some(forward) = self.forward_in_use(&instance.name, endpoint)
            && let Ok(engine) = self.over(instance, &forward).await
        {
            return Ok(engine);
        }
        let forward = Arc::new(Forward::open(&self.sockets, endpoint).await?);
        match self.over(instance, &forward).await {
            Ok(engine) => {
                let mut forwards = self.forwards.lock().unwrap_or_else(PoisonError::into_inner);
                forwards.insert(instance.name.clone(), Arc::downgrade(&forward));
                Ok(engine)
            }
            // The host answers and its engine does not: only the host can say why.
            Err(EngineError::Unreachable(text)) => Err(EngineError::Unreachable(
                forward.diagnose().await.unwrap_or(text),
            )),
            Err(error) => Err(error),
        }
    }

    fn forward_in_use(&self, name: &InstanceName, endpoint: &SshEndpoint) -> Option<Arc<Forward>> {
        let mut forwards = self.forwards.lock().unwrap_or_else(PoisonError::into_inner);
        forwards.retain(|_, forward| forward.strong_count() > 0);
        let forward = forwards.get(name)?.upgrade()?;
        forward.serves(endpoint).then_some(forward)
    }

    /// The engine at the far end of an SSH connection, which lasts as long as anything that uses
    /// the engine.
    async fn over(
        &self,
        instance: &InstanceSettings,
        forward: &Arc<Forward>,
    ) -> EngineResult<BollardEngine> {
        let held = Arc::clone(forward);
        let socket: &Path = forward.socket();
        let route = Route {
            dial: Dial::Unix(socket.to_owned()),
            endpoint: instance.endpoint.to_string(),
            explain: Some(Arc::new(move || held.explain())),
        };
        BollardEngine::open(route, self.credentials.clone()).await
    }
}

/// An address with Docker's port where it names none.
fn with_port(address: &str, port: u16) -> String {
    let after = address.rsplit_once(':').map(|(_, after)| after);
    match after {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            address.to_owned()
        }
        _ => format!("{address}:{port}"),
    }
}

impl Connector for RealConnector {
    fn connect<'a>(
        &'a self,
        instance: &'a InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>> {
        async move {
            let engine = self.open(instance).await?;
            Ok(Arc::new(engine) as Arc<dyn Engine>)
        }
        .boxed()
    }
}

#[cfg(test)]
#[path = "connector_tests.rs"]
mod tests;
