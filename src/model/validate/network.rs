//! Ports, and the names that a container has and looks up.

use std::collections::{BTreeMap, BTreeSet};
// From core: addresses are only read here, no socket is opened.
use core::net::IpAddr;

use super::{ContainerDefinition, Faults, TaskDefinition};
use crate::model::resources::Protocol;
use crate::model::task_definition::{NetworkMode, PortMapping};

/// ECS's limit for port ranges of a container.
const PORT_RANGES_MAX: usize = 100;
/// Ours, for the ports that a container publishes: an engine runs a process for each of them.
pub const PORTS_MAX: usize = 1000;
/// The longest host name that Linux takes.
const HOSTNAME_MAX: usize = 64;
/// ECS's limit for the name of a port mapping.
const PORT_NAME_MAX: usize = 64;

pub(super) fn ports(
    mode: NetworkMode,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mappings = &container.port_mappings;
    if mode == NetworkMode::None && !mappings.is_empty() {
        faults.add(
            at("portMappings"),
            "with networkMode none there are no ports to map",
        );
    }
    if container.disable_networking && !(mappings.is_empty() && container.links.is_empty()) {
        faults.add(
            at("disableNetworking"),
            "a container without network has neither portMappings nor links",
        );
    }
    let ranges = mappings.iter().filter(|m| m.container_port_range.is_some());
    let ranges = ranges.count();
    let all = mappings.iter().filter_map(PortMapping::container_ports);
    let all: usize = all.map(|ports| ports.len()).sum();
    if ranges > PORT_RANGES_MAX {
        let message = format!("{ranges} port ranges are too many; {PORT_RANGES_MAX} are allowed");
        faults.add(at("portMappings"), message);
    }
    if all > PORTS_MAX {
        faults.add(
            at("portMappings"),
            format!(
                "{all} ports are too many to publish one by one; {PORTS_MAX} are allowed, or use \
                 networkMode host"
            ),
        );
    }
    for (index, mapping) in mappings.iter().enumerate() {
        let here = |member: &str| at(&format!("portMappings[{index}].{member}"));
        match mapping.container_port_range {
            Some(_) => range(mode, mapping, &here, faults),
            None => single(mode, mapping, &here, faults),
        }
        port_name(mapping, &here, faults);
        if mappings[..index]
            .iter()
            .any(|other| overlap(other, mapping))
        {
            faults.add(
                here("containerPort"),
                format!("{} is mapped twice in the same way", shown(mapping)),
            );
        }
    }
}

fn single(
    mode: NetworkMode,
    mapping: &PortMapping,
    here: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let inside = mapping.container_port;
    if inside == 0 {
        faults.add(here("containerPort"), "a container's port is 1 to 65535");
    }
    let host = mapping.host_port.unwrap_or(0);
    // ECS: in host and awsvpc the host's port is left blank or the same.
    let word = match mode {
        NetworkMode::Host => "host",
        NetworkMode::Awsvpc => "awsvpc",
        NetworkMode::Bridge | NetworkMode::None => return,
    };
    if host != 0 && host != inside {
        faults.add(
            here("hostPort"),
            format!(
                "in networkMode {word} the host's port is the container's, {inside}; leave \
                 hostPort out"
            ),
        );
    }
}

/// ECS: in bridge and awsvpc only, without hostPort, and the first below the last.
fn range(
    mode: NetworkMode,
    mapping: &PortMapping,
    here: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    if mapping.container_ports().is_none() {
        faults.add(
            here("containerPortRange"),
            format!(
                "\"{}\" is not a range; expected such as 8000-8010, within 1 to 65535",
                mapping.container_port_range.as_deref().unwrap_or_default()
            ),
        );
    }
    if mapping.container_port != 0 {
        let message = "name one port here, or a range in containerPortRange, not both";
        faults.add(here("containerPort"), message);
    }
    if mapping.host_port.is_some() {
        faults.add(
            here("hostPort"),
            "the ports of a range get host ports that the engine finds; leave hostPort out",
        );
    }
    if mode == NetworkMode::Host {
        faults.add(
            here("containerPortRange"),
            "a range needs networkMode bridge or awsvpc; in networkMode host name each port",
        );
    }
}

/// The same port of the container under the same port of the host; with a range, any port of it.
fn overlap(one: &PortMapping, other: &PortMapping) -> bool {
    let (Some(a), Some(b)) = (one.container_ports(), other.container_ports()) else {
        return false;
    };
    let ranged = one.container_port_range.is_some() || other.container_port_range.is_some();
    let same_host = one.host_port.unwrap_or(0) == other.host_port.unwrap_or(0);
    one.protocol == other.protocol
        && a.start() <= b.end()
        && b.start() <= a.end()
        && *a.start() != 0
        && (ranged || same_host)
}

fn shown(mapping: &PortMapping) -> String {
    match &mapping.container_port_range {
        Some(range) => format!("{range}/{}", mapping.protocol),
        None => format!("{}/{}", mapping.container_port, mapping.protocol),
    }
}

/// ECS: up to 64 lowercase letters, digits, underscores and hyphens, no hyphen first.
fn port_name(mapping: &PortMapping, here: &dyn Fn(&str) -> String, faults: &mut Faults) {
    let Some(name) = &mapping.name else { return };
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let right = !name.is_empty() && name.len() <= PORT_NAME_MAX && name.chars().all(letters);
    if !right || name.starts_with('-') {
        faults.add(
            here("name"),
            format!(
                "\"{name}\" cannot name a port: 1 to {PORT_NAME_MAX} lowercase letters, digits, \
                 '-' and '_', no '-' first"
            ),
        );
    }
}

/// Two containers of a task cannot have the same port of their host, nor in awsvpc, where they
/// share one network, the same port at all.
pub(super) fn host_ports(definition: &TaskDefinition, faults: &mut Faults) {
    let mut holders = BTreeMap::new();
    let mut inside: BTreeMap<(u16, Protocol), usize> = BTreeMap::new();
    for (index, container) in definition.container_definitions.iter().enumerate() {
        for (number, mapping) in container.port_mappings.iter().enumerate() {
            let here = |member: &str| {
                format!("containerDefinitions[{index}].portMappings[{number}].{member}")
            };
            if definition.network_mode == NetworkMode::Awsvpc {
                let key = (mapping.container_port, mapping.protocol);
                let first = *inside.entry(key).or_insert(index);
                if key.0 != 0 && first != index {
                    let holder = &definition.container_definitions[first].name;
                    faults.add(
                        here("containerPort"),
                        format!(
                            "in networkMode awsvpc the containers share one network, and port \
                             {}/{} is container {holder}'s",
                            key.0, key.1
                        ),
                    );
                }
                continue;
            }
            let Some(port) = definition.host_port(mapping) else {
                continue;
            };
            if let Some(holder) = holders.insert(port, &container.name) {
                faults.add(
                    here("hostPort"),
                    format!("port {port} of the host is already taken by container {holder}"),
                );
            }
        }
    }
}

pub(super) fn names(
    mode: NetworkMode,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    // ECS: hostname and extraHosts are not for awsvpc, whose containers share one network.
    if mode == NetworkMode::Awsvpc {
        let named = [
            ("hostname", container.hostname.is_some()),
            ("extraHosts", !container.extra_hosts.is_empty()),
        ];
        for (member, _) in named.iter().filter(|(_, set)| *set) {
            faults.add(
                at(member),
                format!("{member} does not work in networkMode awsvpc; leave it out"),
            );
        }
    }
    if let Some(name) = &container.hostname
        && !is_host_name(name)
    {
        faults.add(
            at("hostname"),
            format!(
                "\"{name}\" cannot name a host: 1 to {HOSTNAME_MAX} letters, digits, '-' and '.', \
                 no '-' first"
            ),
        );
    }
    for (index, address) in container.dns_servers.iter().enumerate() {
        // Docker: addresses only.
        if address.parse::<IpAddr>().is_err() {
            faults.add(
                at(&format!("dnsServers[{index}]")),
                format!("\"{address}\" is not an IP address"),
            );
        }
    }
    for (index, domain) in container.dns_search_domains.iter().enumerate() {
        if domain.is_empty() || domain.chars().any(char::is_whitespace) {
            faults.add(
                at(&format!("dnsSearchDomains[{index}]")),
                format!("\"{domain}\" is not a domain"),
            );
        }
    }
    for (index, entry) in container.extra_hosts.iter().enumerate() {
        let here = |member: &str| at(&format!("extraHosts[{index}].{member}"));
        let name = &entry.hostname;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ':') {
            faults.add(here("hostname"), format!("\"{name}\" cannot name a host"));
        }
        // Docker: host-gateway stands for the address of the host.
        let address = entry.ip_address.as_str();
        if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
            faults.add(
                here("ipAddress"),
                format!("\"{address}\" is not an IP address"),
            );
        }
    }
}

fn is_host_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    (1..=HOSTNAME_MAX).contains(&name.len())
        && name.chars().all(letters)
        && !name.starts_with(['-', '.'])
}

pub(super) fn volumes_from(
    definition: &TaskDefinition,
    container: &ContainerDefinition,
    at: &dyn Fn(&str) -> String,
    faults: &mut Faults,
) {
    let mut seen = BTreeSet::new();
    for (index, from) in container.volumes_from.iter().enumerate() {
        let place = at(&format!("volumesFrom[{index}].sourceContainer"));
        let name = &from.source_container;
        if *name == container.name {
            faults.add(
                place,
                format!("container {name} has its own volumes already"),
            );
        } else if definition.container(name).is_none() {
            faults.add(place, super::no_container(definition, name.as_str()));
        } else if !seen.insert(name) {
            faults.add(place, format!("{name} is named twice"));
        }
    }
}
