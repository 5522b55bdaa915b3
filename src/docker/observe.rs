//! What an engine's figures and labels mean here. Pure.

use std::collections::HashMap;

use super::spec::label;
use crate::model::observation::{ContainerState, Ownership};
use crate::model::task::{Health, NetworkBinding};
use crate::model::{ContainerName, CpuUnits, HostPort, MemoryMib, Protocol};

/// Whose a container is; `None` without our labels.
#[must_use]
pub fn owner_of(labels: &HashMap<String, String>) -> Option<Ownership> {
    Some(Ownership {
        control_plane: labels.get(label::CONTROL_PLANE)?.clone(),
        task: labels.get(label::TASK_ID)?.parse().ok()?,
        container: ContainerName::of_label(labels.get(label::CONTAINER)?)?,
    })
}

/// `80/tcp`; `None` for protocols that are not counted, such as sctp.
#[must_use]
pub fn port_of(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    Some((port.parse().ok()?, protocol))
}

/// A container's state by the engine's word for it.
#[must_use]
pub fn state_of(text: &str) -> Option<ContainerState> {
    Some(match text {
        "created" => ContainerState::Created,
        // Its processes are still there while it stops.
        "running" | "stopping" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "removing" => ContainerState::Removing,
        "exited" => ContainerState::Exited,
        "dead" => ContainerState::Dead,
        _ => return None,
    })
}

/// A health check's result by the engine's word for it; `None` without a check.
#[must_use]
pub fn health_of(text: &str) -> Option<Health> {
    match text {
        "starting" => Some(Health::Unknown),
        "healthy" => Some(Health::Healthy),
        "unhealthy" => Some(Health::Unhealthy),
        _ => None,
    }
}

/// The host's ports that a container holds while it is up: those published, and in the host's own
/// network those it exposes.
#[must_use]
pub fn held_ports(bindings: &[NetworkBinding], exposed: &[String]) -> Vec<HostPort> {
    let published = bindings.iter().map(|b| HostPort {
        port: b.host_port,
        protocol: b.protocol,
    });
    let exposed = exposed.iter().filter_map(|text| {
        let (port, protocol) = port_of(text)?;
        Some(HostPort { port, protocol })
    });
    let mut ports: Vec<HostPort> = published.chain(exposed).collect();
    ports.sort_unstable();
    // Published on IPv4 and IPv6 it is one port.
    ports.dedup();
    ports
}

fn positive(n: Option<i64>) -> Option<u64> {
    n.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
}

/// The CPU that a container asks for: its quota (in billionths of a CPU, or microseconds in each
/// period) if it has one, else its shares where they were set.
#[must_use]
pub fn cpu_of(
    nanos: Option<i64>,
    quota: Option<i64>,
    period: Option<i64>,
    shares: Option<i64>,
) -> CpuUnits {
    let nanos = positive(nanos).map(|n| n.saturating_mul(1024) / 1_000_000_000);
    let quota = positive(quota).map(|quota| {
        let period = positive(period).unwrap_or(100_000);
        quota.saturating_mul(1024) / period
    });
    CpuUnits(nanos.or(quota).or(positive(shares)).unwrap_or(0))
}

/// The memory that a container asks for, from bytes: its reservation, else its limit.
#[must_use]
pub fn memory_of(reservation: Option<i64>, limit: Option<i64>) -> MemoryMib {
    let bytes = positive(reservation).or(positive(limit));
    MemoryMib(bytes.unwrap_or(0).div_ceil(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_counts_before_shares_and_a_reservation_before_a_limit() {
        let some = |n: i64| Some(n);
        assert_eq!(cpu_of(some(1_500_000_000), None, None, some(2)).0, 1536);
        assert_eq!(cpu_of(some(0), some(50_000), some(0), None).0, 512);
        assert_eq!(cpu_of(None, some(-1), None, some(256)).0, 256);
        assert_eq!(cpu_of(None, None, None, some(0)).0, 0);
        assert_eq!(memory_of(some(32 << 20), some(64 << 20)).0, 32);
        assert_eq!(memory_of(some(0), some((64 << 20) + 1)).0, 65);
    }

    #[test]
    fn ports_and_owners_are_read_or_left() {
        assert_eq!(port_of("53/udp"), Some((53, Protocol::Udp)));
        assert_eq!(port_of("80"), Some((80, Protocol::Tcp)));
        assert_eq!(port_of("5000/sctp"), None);
        let mut labels = HashMap::from([(label::CONTROL_PLANE.to_owned(), "p".to_owned())]);
        assert!(owner_of(&labels).is_none());
        labels.insert(label::TASK_ID.to_owned(), format!("{:032x}", 5));
        labels.insert(label::CONTAINER.to_owned(), "app".to_owned());
        assert_eq!(owner_of(&labels).map(|o| o.task.0), Some(5));
    }
}
