//! What a simulated engine has. Pure: every call is told the time.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{Death, SimContainer};
use super::dice::{between, fold, fold_text};
use super::image::{self, Registry};
use crate::docker::pin::{self, Resolution};
use crate::docker::spec::{IpcSpec, NetworkSpec, PidSpec, VolumeSpec};
use crate::docker::{ContainerSpec, EngineError, EngineEvent, EngineResult};
use crate::model::observation::{ContainerState, ObservedContainer};
use crate::model::task::NetworkBinding;
use crate::model::{CpuUnits, HostPort, MemoryMib, TimeMs};

/// First of the host ports that an engine chooses from.
const EPHEMERAL_FIRST: u16 = 32_768;
/// Last of them.
const EPHEMERAL_LAST: u16 = 60_999;
/// What Docker reports for a container that was up when its host lost power.
const EXIT_POWER_LOSS: i64 = 255;
/// Exit code of a process that was killed.
pub(super) const EXIT_KILLED: i64 = 137;
/// Exit code of a process that ended on the stop signal.
const EXIT_TERMINATED: i64 = 143;

/// A container that somebody else runs on a simulated host.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its name on the engine.
    pub name: String,
    /// Its image.
    pub image: String,
    /// CPU that it asks for.
    pub cpu: CpuUnits,
    /// Memory that it asks for.
    pub memory: MemoryMib,
    /// Host ports that it holds.
    pub ports: Vec<HostPort>,
}

/// What an engine has.
pub(super) struct Machine {
    seed: u64,
    made: u64,
    containers: BTreeMap<String, SimContainer>,
    /// What it has under each reference: the digest.
    images: BTreeMap<String, String>,
    registry: Registry,
    networks: BTreeSet<String>,
    volumes: BTreeSet<String>,
    next_port: u16,
    announced: Vec<EngineEvent>,
}

impl Machine {
    pub(super) fn new(seed: u64, images: &[String], registry: Registry) -> Self {
        let named = images.iter();
        Self {
            seed,
            made: 0,
            containers: BTreeMap::new(),
            images: named
                .map(|name| (image::full_name(name), registry.digest(name)))
                .collect(),
            registry,
            networks: BTreeSet::new(),
            volumes: BTreeSet::new(),
            next_port: EPHEMERAL_FIRST,
            announced: Vec::new(),
        }
    }

    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: TimeMs) {
        for (id, container) in &mut self.containers {
            if container.advance(now) {
                self.announced.push(changed(id));
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<TimeMs> {
        self.containers
            .values()
            .filter_map(SimContainer::next_due)
            .min()
    }

    /// The announcements since the last call.
    pub(super) fn take_announced(&mut self) -> Vec<EngineEvent> {
        std::mem::take(&mut self.announced)
    }

    /// Power is lost: everything that ran has ended.
    pub(super) fn lose_power(&mut self, now: TimeMs) {
        let death = Death::of(EXIT_POWER_LOSS);
        for container in self.containers.values_mut().filter(|c| c.state.is_up()) {
            container.end(now, death);
        }
        self.announced.clear();
    }

    pub(super) fn list(&self) -> Vec<ObservedContainer> {
        self.containers
            .values()
            .map(SimContainer::observed)
            .collect()
    }

    /// The container of that id, id prefix of 12 or more digits, or name.
    pub(super) fn find(&self, key: &str) -> EngineResult<&SimContainer> {
        let id = self.id_of(key)?;
        self.containers.get(&id).ok_or_else(|| no_container(key))
    }

    fn id_of(&self, key: &str) -> EngineResult<String> {
        if self.containers.contains_key(key) {
            return Ok(key.to_owned());
        }
        self.containers
            .values()
            .find(|c| c.spec.name == key || (key.len() >= 12 && c.id.starts_with(key)))
            .map(|c| c.id.clone())
            .ok_or_else(|| no_container(key))
    }

    fn find_mut(&mut self, key: &str) -> EngineResult<&mut SimContainer> {
        let id = self.id_of(key)?;
        self.containers
            .get_mut(&id)
            .ok_or_else(|| no_container(key))
    }

    pub(super) fn has_image(&self, name: &str) -> bool {
        self.digest_of(name).is_some()
    }

    /// The digest that a reference names here.
    fn digest_of(&self, name: &str) -> Option<String> {
        let Some((_, digest)) = name.split_once('@') else {
            return self.images.get(&image::full_name(name)).cloned();
        };
        let mut known = self.images.iter();
        let same = |(known, its): &(&String, &String)| {
            *its == digest && image::repository(known) == image::repository(name)
        };
        known.find(same).map(|(_, digest)| digest.clone())
    }

    pub(super) fn add_image(&mut self, name: &str) {
        let digest = self.registry.digest(name);
        self.images.insert(image::full_name(name), digest);
        self.announced.push(EngineEvent::Images);
    }

    /// What a reference stands for, as a real engine would say after asking the registry.
    pub(super) fn resolve(&self, name: &str) -> Resolution {
        let here = self.digest_of(name);
        let here = here.map(|digest| vec![pin::pinned(name, &digest)]);
        let asked = image::obtainable(name).map(|()| self.registry.digest(name));
        pin::resolution(name, here.as_deref(), Some(asked))
    }

    pub(super) fn remove_image(&mut self, name: &str) {
        self.images.remove(&image::full_name(name));
        self.announced.push(EngineEvent::Images);
    }

    pub(super) fn ensure_network(&mut self, name: &str) {
        self.networks.insert(name.to_owned());
    }

    pub(super) fn ensure_volume(&mut self, volume: &VolumeSpec) {
        self.volumes.insert(volume.name.clone());
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> EngineResult<()> {
        let user = self
            .containers
            .values()
            .find(|c| c.volumes().any(|v| v == name));
        if let Some(user) = user {
            return Err(EngineError::Conflict(format!(
                "remove {name}: volume is in use - [{}]",
                user.id
            )));
        }
        self.volumes.remove(name);
        Ok(())
    }

    pub(super) fn has_volume(&self, name: &str) -> bool {
        self.volumes.contains(name)
    }

    pub(super) fn create(&mut self, spec: &ContainerSpec) -> EngineResult<String> {
        let holder = self.containers.values().find(|c| c.spec.name == spec.name);
        if let Some(holder) = holder {
            return Err(EngineError::Conflict(format!(
                "Conflict. The container name \"/{}\" is already in use by container \"{}\". \
                 You have to remove (or rename) that container to be able to reuse that name.",
                spec.name, holder.id
            )));
        }
        let Some(digest) = self.digest_of(&spec.image) else {
            return Err(EngineError::NotFound(format!(
                "No such image: {}",
                image::full_name(&spec.image)
            )));
        };
        let id = self.fresh_id(&spec.name);
        let volumes = spec.mounts.iter().filter(|mount| !mount.bind);
        self.volumes
            .extend(volumes.filter_map(|mount| mount.source.clone()));
        let mut container = SimContainer::new(id.clone(), spec.clone(), digest);
        if matches!(spec.network, NetworkSpec::Bridge { .. }) {
            container.address = Some(self.next_address());
        }
        self.containers.insert(id.clone(), container);
        self.announced.push(changed(&id));
        Ok(id)
    }

    /// Addresses of the bridge in turn.
    fn next_address(&self) -> String {
        let number = self.made % 60_000 + 2;
        format!("172.18.{}.{}", number / 250, number % 250 + 2)
    }

    fn fresh_id(&mut self, name: &str) -> String {
        self.made += 1;
        let key = fold(fold_text(self.seed, name), &[self.made]);
        let words = (0..4).map(|word| format!("{:016x}", fold(key, &[word])));
        words.collect()
    }

    pub(super) fn start(&mut self, key: &str, now: TimeMs) -> EngineResult<()> {
        let container = self.find(key)?;
        if container.state.is_up() {
            return Ok(());
        }
        let (id, name) = (container.id.clone(), container.spec.name.clone());
        let bridge = matches!(container.spec.network, NetworkSpec::Bridge { .. });
        if bridge && !self.networks.contains(crate::docker::spec::NETWORK) {
            return Err(EngineError::NotFound(format!(
                "network {} not found",
                crate::docker::spec::NETWORK
            )));
        }
        if let Some(holder) = self.down_holder(&id) {
            return Err(EngineError::Conflict(format!(
                "cannot join network of a non running container: {holder}"
            )));
        }
        let bound = self.bind_ports(&id);
        let container = self.find_mut(&id)?;
        match bound {
            Ok(bindings) => {
                container.start(now, bindings);
                self.announced.push(changed(&id));
                Ok(())
            }
            Err(port) => {
                container.error = format!(
                    "driver failed programming external connectivity on endpoint {name}: Bind for \
                     0.0.0.0:{} failed: port is already allocated",
                    port.port
                );
                Err(EngineError::Failed(container.error.clone()))
            }
        }
    }

    /// The container whose namespaces that one joins, if it does not run.
    fn down_holder(&self, id: &str) -> Option<String> {
        let spec = &self.containers.get(id)?.spec;
        let network = match &spec.network {
            NetworkSpec::Of(name) => Some(name),
            _ => None,
        };
        let pid = match &spec.pid {
            Some(PidSpec::Container(name)) => Some(name),
            _ => None,
        };
        let ipc = match &spec.ipc {
            Some(IpcSpec::Container(name)) => Some(name),
            _ => None,
        };
        let is_up = |name: &str| self.find(name).is_ok_and(|c| c.state.is_up());
        let mut all = [network, pid, ipc].into_iter().flatten();
        all.find(|name| !is_up(name)).cloned()
    }

    /// The bindings that a container would get, or the port that is taken.
    fn bind_ports(&mut self, id: &str) -> Result<Vec<NetworkBinding>, HostPort> {
        let mut taken: BTreeSet<HostPort> = self
            .containers
            .values()
            .filter(|c| c.state.is_up())
            .flat_map(SimContainer::host_ports)
            .collect();
        let wanted = self.containers.get(id).map(|c| c.spec.ports.clone());
        let mut bindings = Vec::new();
        for port in wanted.unwrap_or_default() {
            let host = HostPort {
                port: match port.host_port {
                    0 => self.free_port(&taken, port.protocol),
                    fixed => fixed,
                },
                protocol: port.protocol,
            };
            if !taken.insert(host) {
                return Err(host);
            }
            bindings.push(NetworkBinding {
                bind_ip: "0.0.0.0".to_owned(),
                container_port: port.container_port,
                host_port: host.port,
                protocol: host.protocol,
            });
        }
        Ok(bindings)
    }

    fn free_port(&mut self, taken: &BTreeSet<HostPort>, protocol: crate::model::Protocol) -> u16 {
        let range = EPHEMERAL_LAST - EPHEMERAL_FIRST;
        for _ in 0..range {
            let port = self.next_port;
            self.next_port = match port {
                EPHEMERAL_LAST => EPHEMERAL_FIRST,
                port => port + 1,
            };
            if !taken.contains(&HostPort { port, protocol }) {
                return port;
            }
        }
        EPHEMERAL_LAST
    }

    /// Sends the stop signal and says when the container will have ended.
    pub(super) fn signal(
        &mut self,
        key: &str,
        timeout_s: u32,
        now: TimeMs,
    ) -> EngineResult<TimeMs> {
        let seed = self.seed;
        let container = self.find_mut(key)?;
        if !container.state.is_up() {
            return Ok(now);
        }
        let key = fold_text(seed, &container.id);
        let ready = container.script.stop_ms;
        let wants = ready.unwrap_or_else(|| between(fold(key, &[now.0]), 60, 450));
        let patience = u64::from(timeout_s) * 1000;
        let (after, code) = if wants <= patience {
            (wants, EXIT_TERMINATED)
        } else {
            (patience, EXIT_KILLED)
        };
        Ok(container.end_at(now.plus_ms(after), Death::of(code)))
    }

    /// Kills a container from outside.
    pub(super) fn kill(&mut self, key: &str, now: TimeMs) -> EngineResult<()> {
        let container = self.find_mut(key)?;
        if !container.state.is_up() {
            return Err(EngineError::Conflict(format!(
                "container {key} is not running"
            )));
        }
        container.end(now, Death::of(EXIT_KILLED));
        let id = container.id.clone();
        self.announced.push(changed(&id));
        Ok(())
    }

    /// Ends a container and does not come to the end of removing it.
    pub(super) fn begin_removal(&mut self, key: &str, now: TimeMs) -> EngineResult<()> {
        let container = self.find_mut(key)?;
        if container.state.is_up() {
            container.end(now, Death::of(EXIT_KILLED));
        }
        container.state = ContainerState::Removing;
        Err(in_progress(key))
    }

    /// What was being removed is gone.
    pub(super) fn finish_removals(&mut self) {
        let removing = |c: &&SimContainer| c.state == ContainerState::Removing;
        let stuck = self.containers.values().filter(removing);
        let stuck: Vec<String> = stuck.map(|c| c.id.clone()).collect();
        for id in stuck {
            self.containers.remove(&id);
            self.announced.push(EngineEvent::Container {
                runtime_id: id,
                destroyed: true,
            });
        }
    }

    /// Removes a container, killing it if it runs.
    pub(super) fn remove(&mut self, key: &str) -> EngineResult<()> {
        let id = self.id_of(key)?;
        if self.find(&id)?.state == ContainerState::Removing {
            return Err(in_progress(key));
        }
        self.containers.remove(&id);
        self.announced.push(EngineEvent::Container {
            runtime_id: id,
            destroyed: true,
        });
        Ok(())
    }

    /// Runs somebody else's container.
    pub(super) fn seed_foreign(&mut self, foreign: &Foreign, now: TimeMs) -> EngineResult<String> {
        self.add_image(&foreign.image);
        let id = self.create(&super::container::foreign_spec(foreign))?;
        self.start(&id, now)?;
        Ok(id)
    }
}

fn changed(id: &str) -> EngineEvent {
    EngineEvent::Container {
        runtime_id: id.to_owned(),
        destroyed: false,
    }
}

fn in_progress(key: &str) -> EngineError {
    EngineError::Conflict(format!("removal of container {key} is already in progress"))
}

fn no_container(key: &str) -> EngineError {
    EngineError::NotFound(format!("No such container: {key}"))
}
