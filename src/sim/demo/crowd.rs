//! A simulated fleet of any size: many small instances in three zones, many equal services. It is
//! what the console is measured with.

use super::DemoError;
use super::hosts::{REGION, partition};
use super::services::{IMAGE_WEB, container, create, define, service};
use crate::config::{ClusterSettings, Endpoint, InstanceSettings, Settings};
use crate::controller::Command;
use crate::model::id::IdError;
use crate::model::{ClusterName, CpuUnits, InstanceName, MemoryMib, TimeMs};
use crate::sim::{Fleet, HostSpec, Latency};

const ZONES: [char; 3] = ['a', 'b', 'c'];
/// How many tasks a service has; the last one has what is left.
const TASKS_PER_SERVICE: u32 = 50;
const TASK_CPU: CpuUnits = CpuUnits(64);
const TASK_MEMORY: MemoryMib = MemoryMib(64);

/// How large a simulated fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// Instances; at least 1 is made.
    pub instances: u32,
    /// Tasks, all of services.
    pub tasks: u32,
}

impl Crowd {
    fn names(self) -> impl Iterator<Item = (String, char)> {
        (0..self.instances.max(1)).map(|n| {
            let zone = ZONES[n as usize % ZONES.len()];
            (format!("fra-{zone}{:04}", n / 3 + 1), zone)
        })
    }

    /// Its configuration: cluster `default`.
    ///
    /// # Errors
    /// [`IdError`] if a name that is made here is no name; a test holds that none is.
    pub fn settings(self) -> Result<Settings, IdError> {
        let instances = self.names().map(|(name, zone)| {
            let name = InstanceName::new(&name)?;
            let cluster = ClusterName::default_cluster();
            Ok(InstanceSettings {
                availability_zone: format!("{REGION}{zone}"),
                ..InstanceSettings::new(name, cluster, Endpoint::Simulated)
            })
        });
        let cluster = ClusterSettings::new(ClusterName::default_cluster(), partition(REGION));
        let instances = instances.collect::<Result<_, _>>()?;
        Ok(Settings::new(None, vec![cluster], instances))
    }

    /// Its hosts, switched on: each large enough for its share of the tasks and half as many more.
    ///
    /// # Errors
    /// [`DemoError`] if a name that is made here is no name; a test holds that none is.
    pub fn fleet(self, seed: u64, base: TimeMs) -> Result<Fleet, DemoError> {
        let share = u64::from(self.tasks.div_ceil(self.instances.max(1)));
        let room = (share + share.div_ceil(2)).max(8);
        let hosts = self.names().map(|(name, _)| {
            let cpu = CpuUnits(TASK_CPU.0 * room);
            let memory = MemoryMib(TASK_MEMORY.0 * room);
            let mut host = HostSpec::new(InstanceName::new(&name)?, cpu, memory);
            host.images = vec![IMAGE_WEB.to_owned()];
            host.latency = Latency {
                typical_ms: 5,
                jitter_percent: 35,
            };
            Ok(host)
        });
        let hosts = hosts.collect::<Result<_, IdError>>()?;
        Ok(Fleet::new(seed, base, hosts))
    }

    /// The commands that make what runs on it.
    ///
    /// # Errors
    /// [`IdError`] if a name that is made here is no name; a test holds that none is.
    pub fn commands(self) -> Result<Vec<Command>, IdError> {
        let mut commands = Vec::new();
        for n in 0..self.tasks.div_ceil(TASKS_PER_SERVICE) {
            let left = self.tasks - n * TASKS_PER_SERVICE;
            let name = format!("service-{:03}", n + 1);
            let app = container("app", IMAGE_WEB, TASK_CPU.0, TASK_MEMORY.0)?;
            commands.push(define(&name, vec![app])?);
            commands.push(create(service(&name, left.min(TASKS_PER_SERVICE))?));
        }
        Ok(commands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_as_large_as_asked_for() {
        let crowd = Crowd {
            instances: 100,
            tasks: 1_020,
        };
        assert_eq!(crowd.settings().unwrap().instances.len(), 100);
        let fleet = crowd.fleet(1, TimeMs(1)).unwrap();
        assert_eq!(fleet.names().count(), 100);
        let counts = crowd
            .commands()
            .unwrap()
            .into_iter()
            .filter_map(|c| match c {
                Command::CreateService(service) => Some(service.desired_count),
                _ => None,
            });
        let counts: Vec<u32> = counts.collect();
        assert_eq!(counts.len(), 21);
        assert_eq!(counts.iter().sum::<u32>(), 1_020);
    }
}
