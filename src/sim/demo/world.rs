//! The demo's shop and what else belongs to it: a test stage in the same region, and a branch in
//! another one.

use super::DemoError;
use super::hosts::{self, HDD, REGION, Row, SSD, elsewhere, partition, row};
use super::services::{self, container, create, define, service};
use crate::config::{ClusterSettings, Settings};
use crate::controller::Command;
use crate::controller::command::CreateService;
use crate::model::id::IdError;
use crate::model::{ClusterName, TimeMs};
use crate::sim::Fleet;

/// The region of the branch.
pub const ABROAD: &str = "us-east-1";
/// The cluster of the branch.
pub const BRANCH: &str = "branch";
/// The cluster of the test stage.
pub const STAGING: &str = "staging";

const IMAGE_CACHE: &str = "shop/cache:7.4";

const ROWS: [Row; 6] = [
    elsewhere(STAGING, REGION, row("stg-a1", 'a', (4, 8), 5, SSD)),
    elsewhere(STAGING, REGION, row("stg-b1", 'b', (4, 8), 8, HDD)),
    elsewhere(BRANCH, ABROAD, row("iad-a1", 'a', (8, 16), 88, SSD)),
    elsewhere(BRANCH, ABROAD, row("iad-a2", 'a', (4, 8), 91, HDD)),
    elsewhere(BRANCH, ABROAD, row("iad-b1", 'b', (8, 16), 89, SSD)),
    elsewhere(BRANCH, ABROAD, row("iad-b2", 'b', (4, 8), 94, HDD)),
];

/// The configuration of all three clusters.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn settings() -> Result<Settings, IdError> {
    let mut settings = hosts::settings()?;
    for (name, region) in [(STAGING, REGION), (BRANCH, ABROAD)] {
        let cluster = ClusterSettings::new(ClusterName::new(name)?, partition(region));
        settings.clusters.push(cluster);
    }
    for row in &ROWS {
        settings.instances.push(row.settings()?);
    }
    Ok(settings)
}

/// The hosts of all three clusters, switched on.
///
/// # Errors
/// [`DemoError`] if something built in is wrong; a test holds that nothing is.
pub fn fleet(seed: u64, base: TimeMs) -> Result<Fleet, DemoError> {
    hosts::fleet_with(seed, base, &ROWS)
}

fn at(cluster: &str, service: CreateService) -> Command {
    create(CreateService {
        cluster: Some(cluster.to_owned()),
        ..service
    })
}

/// All that makes the shop, its test stage and its branch, in order.
///
/// # Errors
/// [`IdError`] if a built-in name is no name; a test holds that none is.
pub fn commands() -> Result<Vec<Command>, IdError> {
    let mut all = services::commands()?;
    let cache = container("cache", IMAGE_CACHE, 128, 512)?;
    all.extend([
        at(STAGING, service("web", 2)?),
        at(STAGING, service("api", 1)?),
        define("cache", vec![cache])?,
        at(BRANCH, service("web", 4)?),
        at(BRANCH, service("api", 2)?),
        at(BRANCH, service("cache", 2)?),
    ]);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn three_clusters_in_two_regions_each_instance_with_its_host() {
        let settings = settings().unwrap();
        let regions = settings
            .clusters
            .iter()
            .map(|it| it.partition.region.as_str());
        let regions: BTreeSet<&str> = regions.collect();
        assert_eq!((settings.clusters.len(), regions.len()), (3, 2));
        let fleet = fleet(1, TimeMs(1)).unwrap();
        let configured: BTreeSet<_> = settings.instances.iter().map(|it| &it.name).collect();
        assert_eq!(fleet.names().collect::<BTreeSet<_>>(), configured);
        for instance in &settings.instances {
            let zone = &instance.availability_zone;
            let cluster = settings
                .clusters
                .iter()
                .find(|it| it.name == instance.cluster);
            assert!(
                zone.starts_with(&cluster.unwrap().partition.region),
                "{zone}"
            );
        }
    }

    #[test]
    fn services_of_one_name_run_in_several_clusters() {
        let web = |command: &Command| match command {
            Command::CreateService(it) if it.service_name.as_str() == "web" => {
                Some(it.cluster.clone().unwrap_or_default())
            }
            _ => None,
        };
        let clusters: Vec<String> = commands().unwrap().iter().filter_map(web).collect();
        assert_eq!(clusters, ["", STAGING, BRANCH]);
    }
}
