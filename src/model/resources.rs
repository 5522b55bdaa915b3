//! What a task asks of an instance and an instance has to give.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use super::rare::Rare;

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// What is left when `other` is taken away; nothing goes below zero.
            #[must_use]
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self(0), Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

amount!(
    /// CPU in ECS's units: 1024 are one vCPU.
    CpuUnits
);
amount!(
    /// Memory in MiB.
    MemoryMib
);

/// A transport protocol; the same port number is two resources under tcp and udp.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, which ECS takes where none is named.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of the host, which one task at a time can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HostPort {
    /// Port number, 1 to 65535.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

/// An amount of everything the scheduler counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// CPU units.
    pub cpu: CpuUnits,
    /// Memory in MiB.
    pub memory: MemoryMib,
    /// Fixed host ports. Ephemeral ones are the engine's to choose and are not counted.
    #[serde(default, skip_serializing_if = "Rare::is_empty")]
    pub ports: Rare<BTreeSet<HostPort>>,
    /// Whole resources by name: `GPU`, and what else instances name.
    #[serde(default, skip_serializing_if = "Rare::is_empty")]
    pub named: Rare<BTreeMap<String, u64>>,
}

impl Resources {
    /// Adds `other` to this amount.
    pub fn add(&mut self, other: &Self) {
        self.cpu += other.cpu;
        self.memory += other.memory;
        if !other.ports.is_empty() {
            self.ports.extend(other.ports.iter().copied());
        }
        for (name, count) in &other.named {
            let here = self.named.entry(name.clone()).or_default();
            *here = here.saturating_add(*count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_neither_wrap_nor_go_negative() {
        assert_eq!(CpuUnits(1).saturating_sub(CpuUnits(2)), CpuUnits(0));
        assert_eq!(MemoryMib(u64::MAX) + MemoryMib(1), MemoryMib(u64::MAX));
    }

    #[test]
    fn the_same_number_is_two_ports_under_two_protocols() {
        let mut ports = BTreeSet::new();
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            ports.insert(HostPort { port: 53, protocol });
        }
        assert_eq!(ports.len(), 2);
    }
}
