//! The demo's twelve instances.

use std::collections::BTreeMap;

use super::DemoError;
use super::services::{IMAGES, PROVIDER_SPOT, PROVIDER_STEADY, ROLE_CHECKOUT};
use crate::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::model::id::IdError;
use crate::model::{
    CapacityProviderName, ClusterName, CpuUnits, HostPort, InstanceName, MemoryMib, Partition,
    Protocol, Resources, Role, RoleName, TimeMs,
};
use crate::sim::{Fleet, Foreign, HostSpec, Latency};

pub(super) const REGION: &str = "eu-central-1";

pub(super) struct Row {
    name: &'static str,
    cluster: &'static str,
    region: &'static str,
    zone: char,
    vcpus: u64,
    gib: u64,
    architecture: &'static str,
    latency_ms: u64,
    attributes: &'static [(&'static str, &'static str)],
    takes: Takes,
}

/// Whose tasks an instance takes, beside those of services that do not care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Any,
    Provider(&'static str),
    /// No others.
    Fargate,
}

pub(super) const fn row(
    name: &'static str,
    zone: char,
    (vcpus, gib): (u64, u64),
    latency_ms: u64,
    attributes: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        name,
        cluster: "default",
        region: REGION,
        zone,
        vcpus,
        gib,
        architecture: "x86_64",
        latency_ms,
        attributes,
        takes: Takes::Any,
    }
}

const fn of(provider: &'static str, row: Row) -> Row {
    Row {
        takes: Takes::Provider(provider),
        ..row
    }
}

const fn fargate(row: Row) -> Row {
    Row {
        takes: Takes::Fargate,
        ..row
    }
}

/// An instance of another cluster than the shop's.
pub(super) const fn elsewhere(cluster: &'static str, region: &'static str, row: Row) -> Row {
    Row {
        cluster,
        region,
        ..row
    }
}

pub(super) const SSD: &[(&str, &str)] = &[("disk", "ssd")];
pub(super) const HDD: &[(&str, &str)] = &[("disk", "hdd")];
const EDGE: &[(&str, &str)] = &[("disk", "ssd"), ("role", "edge")];

const ROWS: [Row; 12] = [
    of(PROVIDER_STEADY, row("fra-a1", 'a', (8, 32), 4, SSD)),
    of(PROVIDER_SPOT, row("fra-a2", 'a', (8, 16), 4, HDD)),
    row("fra-a3", 'a', (4, 8), 5, EDGE),
    of(PROVIDER_SPOT, row("fra-a4", 'a', (4, 8), 5, HDD)),
    of(PROVIDER_STEADY, row("fra-b1", 'b', (8, 32), 9, SSD)),
    of(PROVIDER_SPOT, row("fra-b2", 'b', (8, 16), 9, HDD)),
    row("fra-b3", 'b', (4, 8), 8, EDGE),
    fargate(row("fra-b4", 'b', (2, 4), 11, HDD)),
    of(PROVIDER_STEADY, row("fra-c1", 'c', (16, 64), 21, SSD)),
    of(PROVIDER_SPOT, row("fra-c2", 'c', (8, 16), 22, HDD)),
    row("fra-c3", 'c', (4, 8), 19, EDGE),
    fargate(Row {
        architecture: "aarch64",
        ..row("fra-c4", 'c', (4, 8), 24, SSD)
    }),
];

impl Row {
    pub(super) fn settings(&self) -> Result<InstanceSettings, IdError> {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let provider = match self.takes {
            Takes::Provider(name) => Some(CapacityProviderName::new(name)?),
            Takes::Any | Takes::Fargate => None,
        };
        Ok(InstanceSettings {
            capacity_provider: provider,
            fargate: self.takes == Takes::Fargate,
            availability_zone: format!("{}{}", self.region, self.zone),
            attributes: attributes.collect::<BTreeMap<_, _>>(),
            reserved: Resources {
                cpu: CpuUnits(128),
                memory: MemoryMib(256),
                ..Resources::default()
            },
            ..InstanceSettings::new(
                InstanceName::new(self.name)?,
                ClusterName::new(self.cluster)?,
                Endpoint::Simulated,
            )
        })
    }

    pub(super) fn host(&self) -> Result<HostSpec, IdError> {
        let name = InstanceName::new(self.name)?;
        let cpu = CpuUnits(self.vcpus * 1024);
        // A machine never shows all the memory that it was sold with.
        let memory = MemoryMib(self.gib * 1024 * 97 / 100);
        let mut host = HostSpec::new(name, cpu, memory);
        host.latency = Latency {
            typical_ms: self.latency_ms,
            jitter_percent: 35,
        };
        host.architecture = self.architecture.to_owned();
        host.images = IMAGES.iter().map(|image| (*image).to_owned()).collect();
        if self.name.ends_with('4') {
            host.images.clear(); // The newest machines have everything yet to pull.
            host.docker_version = "29.0.1".to_owned();
        }
        Ok(host)
    }
}

/// The demo's configuration: cluster `default` with twelve instances in three zones, two of which
/// serve FARGATE, two capacity providers and a task role.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn settings() -> Result<Settings, IdError> {
    let providers = [PROVIDER_STEADY, PROVIDER_SPOT].map(CapacityProviderName::new);
    let cluster = ClusterSettings {
        capacity_providers: providers.into_iter().collect::<Result<_, _>>()?,
        ..ClusterSettings::new(ClusterName::default_cluster(), partition(REGION))
    };
    let instances = ROWS.iter().map(Row::settings).collect::<Result<_, _>>()?;
    Ok(Settings {
        roles: vec![Role {
            images: Some(vec!["shop/*".to_owned()]),
            ..Role::new(RoleName::new(ROLE_CHECKOUT)?)
        }],
        ..Settings::new(None, vec![cluster], instances)
    })
}

/// Where a simulated fleet lies.
pub(super) fn partition(region: &str) -> Partition {
    Partition {
        region: region.to_owned(),
        ..Partition::default()
    }
}

/// The demo's hosts, switched on, with somebody else's containers on three of them. `base` is
/// what their clocks show now.
///
/// # Errors
/// [`DemoError`] if something built in is wrong; a test holds that nothing is.
pub fn fleet(seed: u64, base: TimeMs) -> Result<Fleet, DemoError> {
    fleet_with(seed, base, &[])
}

/// The demo's hosts and others.
pub(super) fn fleet_with(seed: u64, base: TimeMs, more: &[Row]) -> Result<Fleet, DemoError> {
    let hosts = ROWS.iter().chain(more).map(Row::host);
    let fleet = Fleet::new(seed, base, hosts.collect::<Result<_, _>>()?);
    for (on, foreign) in foreign() {
        fleet.seed_foreign(&InstanceName::new(on)?, &foreign)?;
    }
    Ok(fleet)
}

fn foreign() -> [(&'static str, Foreign); 3] {
    let container = |name: &str, image: &str, cpu, memory, port| Foreign {
        name: name.to_owned(),
        image: image.to_owned(),
        cpu: CpuUnits(cpu),
        memory: MemoryMib(memory),
        ports: vec![HostPort {
            port,
            protocol: Protocol::Tcp,
        }],
    };
    [
        (
            "fra-a2",
            container("node-exporter", "ops/node-exporter:1.9", 64, 64, 9100),
        ),
        (
            "fra-b2",
            container("ci-runner", "ops/ci-runner:17", 1024, 2048, 8093),
        ),
        (
            "fra-c1",
            container("legacy-crm-db", "crm/postgres:13", 2048, 8192, 5433),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn twelve_instances_in_three_zones_each_with_its_host() {
        let settings = settings().unwrap();
        assert_eq!(settings.instances.len(), 12);
        let zones: BTreeSet<_> = settings
            .instances
            .iter()
            .map(|i| i.availability_zone.as_str())
            .collect();
        assert_eq!(zones.len(), 3);
        let fleet = fleet(1, TimeMs(1)).unwrap();
        let configured: Vec<_> = settings.instances.iter().map(|i| &i.name).collect();
        assert_eq!(fleet.names().collect::<Vec<_>>(), configured);
        let foreign = fleet
            .names()
            .map(|name| fleet.containers(name).unwrap().len());
        assert_eq!(foreign.sum::<usize>(), 3);
    }
}
