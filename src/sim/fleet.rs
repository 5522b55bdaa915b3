//! A fleet of simulated hosts, and the hands that break and mend them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::engine::SimEngine;
use super::host::{Fault, Host, HostSpec, Work, lock};
use super::image::Registry;
use super::machine::Foreign;
use super::trouble::Trouble;
use crate::config::InstanceSettings;
use crate::docker::{Connector, Engine, EngineError, EngineResult};
use crate::model::observation::ObservedContainer;
use crate::model::{InstanceName, TimeMs};

/// What a hand on the fleet could not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// There is no such host.
    #[error("the simulated fleet has no instance \"{0}\"")]
    NoHost(InstanceName),
    /// The host refused.
    #[error("instance {instance}: {reason}")]
    Refused {
        /// Which host.
        instance: InstanceName,
        /// Why.
        reason: String,
    },
}

/// Simulated hosts by instance name. Clones are the same fleet.
#[derive(Clone)]
pub struct Fleet {
    hosts: Arc<BTreeMap<InstanceName, Arc<Host>>>,
    registry: Registry,
}

impl Fleet {
    /// Switches hosts on. Their clocks show `base` now and go with tokio's; everything that is
    /// left to chance is drawn from `seed`.
    #[must_use]
    pub fn new(seed: u64, base: TimeMs, hosts: Vec<HostSpec>) -> Self {
        let registry = Registry::default();
        let hosts = hosts.into_iter().map(|spec| {
            let name = spec.name.clone();
            let host = Host::new(spec, seed, base, registry.clone());
            (name, Arc::new(host))
        });
        Self {
            hosts: Arc::new(hosts.collect()),
            registry,
        }
    }

    /// Somebody pushes another image under that tag. What hosts have already stays as it is.
    pub fn push_image(&self, image: &str) {
        self.registry.push(image);
    }

    fn host(&self, name: &InstanceName) -> Result<&Arc<Host>, FleetError> {
        self.hosts
            .get(name)
            .ok_or_else(|| FleetError::NoHost(name.clone()))
    }

    /// The names of its hosts.
    pub fn names(&self) -> impl Iterator<Item = &InstanceName> {
        self.hosts.keys()
    }

    /// The host loses power: connections are refused and its containers die.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn fail(&self, name: &InstanceName) -> Result<(), FleetError> {
        self.host(name)
            .map(|host| host.set_fault(Some(Fault::Failed)))
    }

    /// The host can no longer be reached; its containers live on.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn cut(&self, name: &InstanceName) -> Result<(), FleetError> {
        self.host(name).map(|host| host.set_fault(Some(Fault::Cut)))
    }

    /// The engine takes connections and never answers; its containers live on.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn hang(&self, name: &InstanceName) -> Result<(), FleetError> {
        self.host(name)
            .map(|host| host.set_fault(Some(Fault::Hung)))
    }

    /// Ends whatever fault the host has.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn mend(&self, name: &InstanceName) -> Result<(), FleetError> {
        self.host(name).map(|host| host.set_fault(None))
    }

    /// The host's fault.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn fault(&self, name: &InstanceName) -> Result<Option<Fault>, FleetError> {
        self.host(name).map(|host| host.fault())
    }

    /// From now on so many of a hundred calls come to nothing: half of them before, half of them
    /// after they were carried out.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn lose_calls(&self, name: &InstanceName, percent: u64) -> Result<(), FleetError> {
        self.host(name).map(|host| host.lose(percent))
    }

    /// Whether calls to a host come to nothing now and then.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn loses_calls(&self, name: &InstanceName) -> Result<bool, FleetError> {
        self.host(name).map(|host| host.loses())
    }

    /// From now on the engine is in that trouble and no other; the default is none.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn trouble(&self, name: &InstanceName, trouble: Trouble) -> Result<(), FleetError> {
        self.host(name).map(|host| host.set_trouble(trouble))
    }

    /// The engine's trouble.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn trouble_of(&self, name: &InstanceName) -> Result<Trouble, FleetError> {
        self.host(name).map(|host| lock(&host.troubled).get())
    }

    /// Kills a container from outside, by id or name.
    ///
    /// # Errors
    /// [`FleetError`] if there is no such host, or no such container runs there.
    pub fn kill_container(&self, name: &InstanceName, container: &str) -> Result<(), FleetError> {
        let host = self.host(name)?;
        host.with(|machine, now| machine.kill(container, now))
            .map_err(|error| refused(name, &error))
    }

    /// Removes a container from outside, by id or name.
    ///
    /// # Errors
    /// [`FleetError`] if there is no such host or container.
    pub fn remove_container(&self, name: &InstanceName, container: &str) -> Result<(), FleetError> {
        let host = self.host(name)?;
        host.with(|machine, _| machine.remove(container))
            .map_err(|error| refused(name, &error))
    }

    /// Runs somebody else's container on a host and gives its id.
    ///
    /// # Errors
    /// [`FleetError`] if there is no such host, or its name or a port is taken there.
    pub fn seed_foreign(
        &self,
        name: &InstanceName,
        foreign: &Foreign,
    ) -> Result<String, FleetError> {
        let host = self.host(name)?;
        host.with(|machine, now| machine.seed_foreign(foreign, now))
            .map_err(|error| refused(name, &error))
    }

    /// Takes an image away from a host, so that it has to be pulled.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn remove_image(&self, name: &InstanceName, image: &str) -> Result<(), FleetError> {
        self.host(name)
            .map(|host| host.with(|machine, _| machine.remove_image(image)))
    }

    /// Whether a host has a named volume.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn has_volume(&self, name: &InstanceName, volume: &str) -> Result<bool, FleetError> {
        self.host(name)
            .map(|host| host.with(|machine, _| machine.has_volume(volume)))
    }

    /// What a host really has, whatever its fault.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn containers(&self, name: &InstanceName) -> Result<Vec<ObservedContainer>, FleetError> {
        self.host(name)
            .map(|host| host.with(|machine, _| machine.list()))
    }

    /// The engine of a host, without connecting first.
    ///
    /// # Errors
    /// [`FleetError::NoHost`].
    pub fn engine(&self, name: &InstanceName) -> Result<SimEngine, FleetError> {
        self.host(name).map(|host| SimEngine::new(host.clone()))
    }
}

fn refused(instance: &InstanceName, error: &EngineError) -> FleetError {
    FleetError::Refused {
        instance: instance.clone(),
        reason: error.to_string(),
    }
}

impl Connector for Fleet {
    fn connect<'a>(
        &'a self,
        instance: &'a InstanceSettings,
    ) -> BoxFuture<'a, EngineResult<Arc<dyn Engine>>> {
        Box::pin(async move {
            let host = self
                .host(&instance.name)
                .map_err(|error| EngineError::Refused(error.to_string()))?;
            host.call(Work::Look, |_, _| Ok(())).await?;
            let engine: Arc<dyn Engine> = Arc::new(SimEngine::new(host.clone()));
            Ok(engine)
        })
    }

    fn toggle_fault(&self, instance: &InstanceName) -> Option<EngineResult<String>> {
        let done = match self.fault(instance) {
            Ok(None) => self.fail(instance).map(|()| "has lost power"),
            Ok(Some(_)) => self.mend(instance).map(|()| "is switched on again"),
            Err(error) => Err(error),
        };
        Some(
            done.map(|what| format!("simulated: instance {instance} {what}"))
                .map_err(|error| EngineError::NotFound(error.to_string())),
        )
    }
}
