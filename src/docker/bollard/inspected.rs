//! A container as the engine describes it, from bollard's types.

use bollard::models::{ContainerInspectResponse, PortMap};

use crate::docker::lines::time_of;
use crate::docker::observe::{
    cpu_of, health_of, held_ports, memory_of, owner_of, port_of, state_of,
};
use crate::docker::spec::NETWORK;
use crate::model::observation::ObservedContainer;
use crate::model::task::NetworkBinding;

/// A container as the engine describes it; `None` without an id or a state.
pub(super) fn observed(container: ContainerInspectResponse) -> Option<ObservedContainer> {
    let said = container.state.unwrap_or_default();
    let state = state_of(said.status?.as_ref())?;
    let config = container.config.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let network = container.network_settings.unwrap_or_default();
    let address = network
        .networks
        .and_then(|mut networks| networks.remove(NETWORK)?.ip_address)
        .filter(|address| !address.is_empty());
    let bindings = bindings_of(&network.ports.unwrap_or_default());
    let labels = config.labels.unwrap_or_default();
    let in_host_network = host.network_mode.as_deref() == Some("host");
    let exposed = config.exposed_ports.filter(|_| in_host_network);
    let host_ports = match state.is_up() {
        true => held_ports(&bindings, &exposed.unwrap_or_default()),
        false => Vec::new(),
    };
    Some(ObservedContainer {
        runtime_id: container.id?,
        name: container
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        owner: owner_of(&labels),
        image: config.image.unwrap_or_default(),
        image_digest: container.image,
        state,
        exit_code: said.exit_code.filter(|_| state.has_ended()),
        oom_killed: said.oom_killed.unwrap_or(false),
        error: said.error.unwrap_or_default(),
        started_at: said.started_at.as_deref().and_then(time_of),
        finished_at: said.finished_at.as_deref().and_then(time_of),
        health: said.health.and_then(|h| health_of(h.status?.as_ref())),
        network_bindings: bindings,
        cpu: cpu_of(
            host.nano_cpus,
            host.cpu_quota,
            host.cpu_period,
            host.cpu_shares,
        ),
        memory: memory_of(host.memory_reservation, host.memory),
        host_ports,
        volumes: container
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mount| mount.name)
            .collect(),
        address,
    })
}

fn bindings_of(ports: &PortMap) -> Vec<NetworkBinding> {
    let mut bindings: Vec<NetworkBinding> = ports
        .iter()
        .filter_map(|(port, bound)| Some((port_of(port)?, bound.as_ref()?)))
        .flat_map(|((container_port, protocol), bound)| {
            bound.iter().filter_map(move |binding| {
                Some(NetworkBinding {
                    bind_ip: binding.host_ip.clone().unwrap_or_default(),
                    container_port,
                    host_port: binding
                        .host_port
                        .as_ref()?
                        .parse()
                        .ok()
                        .filter(|p| *p > 0)?,
                    protocol,
                })
            })
        })
        .collect();
    bindings.sort_unstable();
    bindings
}
