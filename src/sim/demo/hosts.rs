//! The demo's twelve instances.

use std::collections::BTreeMap;

use super::DemoError;
use super::services::IMAGES;
use crate::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::model::id::IdError;
use crate::model::{
    ClusterName, CpuUnits, HostPort, InstanceName, MemoryMib, Partition, Protocol, Resources,
    TimeMs,
};
use crate::sim::{Fleet, Foreign, HostSpec, Latency};

const REGION: &str = "eu-central-1";

struct Row {
    name: &'static str,
    zone: char,
    vcpus: u64,
    gib: u64,
    architecture: &'static str,
    latency_ms: u64,
    attributes: &'static [(&'static str, &'static str)],
}

const fn row(
    name: &'static str,
    zone: char,
    (vcpus, gib): (u64, u64),
    latency_ms: u64,
    attributes: &'static [(&'static str, &'static str)],
) -> Row {
    Row {
        name,
        zone,
        vcpus,
        gib,
        architecture: "x86_64",
        latency_ms,
        attributes,
    }
}

const SSD: &[(&str, &str)] = &[("disk", "ssd")];
const HDD: &[(&str, &str)] = &[("disk", "hdd")];
const EDGE: &[(&str, &str)] = &[("disk", "ssd"), ("role", "edge")];

const ROWS: [Row; 12] = [
    row("fra-a1", 'a', (8, 32), 4, SSD),
    row("fra-a2", 'a', (8, 16), 4, HDD),
    row("fra-a3", 'a', (4, 8), 5, EDGE),
    row("fra-a4", 'a', (4, 8), 5, HDD),
    row("fra-b1", 'b', (8, 32), 9, SSD),
    row("fra-b2", 'b', (8, 16), 9, HDD),
    row("fra-b3", 'b', (4, 8), 8, EDGE),
    row("fra-b4", 'b', (2, 4), 11, HDD),
    row("fra-c1", 'c', (16, 64), 21, SSD),
    row("fra-c2", 'c', (8, 16), 22, HDD),
    row("fra-c3", 'c', (4, 8), 19, EDGE),
    Row {
        architecture: "aarch64",
        ..row("fra-c4", 'c', (4, 8), 24, SSD)
    },
];

impl Row {
    fn settings(&self) -> Result<InstanceSettings, IdError> {
        let attributes = self
            .attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Ok(InstanceSettings {
            availability_zone: format!("{REGION}{}", self.zone),
            attributes: attributes.collect::<BTreeMap<_, _>>(),
            reserved: Resources {
                cpu: CpuUnits(128),
                memory: MemoryMib(256),
                ..Resources::default()
            },
            ..InstanceSettings::new(
                InstanceName::new(self.name)?,
                ClusterName::default_cluster(),
                Endpoint::Simulated,
            )
        })
    }

    fn host(&self) -> Result<HostSpec, IdError> {
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

/// The demo's configuration: cluster `default` with twelve instances in three zones.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn settings() -> Result<Settings, IdError> {
    let partition = Partition {
        region: REGION.to_owned(),
        ..Partition::default()
    };
    Ok(Settings::new(
        None,
        vec![ClusterSettings::new(
            ClusterName::default_cluster(),
            partition,
        )],
        ROWS.iter().map(Row::settings).collect::<Result<_, _>>()?,
    ))
}

/// The demo's hosts, switched on, with somebody else's containers on three of them. `base` is
/// what their clocks show now.
///
/// # Errors
/// [`DemoError`] if something built in is wrong; a test holds that nothing is.
pub fn fleet(seed: u64, base: TimeMs) -> Result<Fleet, DemoError> {
    let hosts = ROWS.iter().map(Row::host).collect::<Result<_, _>>()?;
    let fleet = Fleet::new(seed, base, hosts);
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
