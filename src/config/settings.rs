//! What a valid configuration comes down to.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::model::{ClusterName, InstanceName, Partition, Resources};

/// A whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The file it came from; `None` when there is none.
    pub source: Option<PathBuf>,
    /// Clusters; `default` is always among them.
    pub clusters: Vec<ClusterSettings>,
    /// Instances.
    pub instances: Vec<InstanceSettings>,
}

/// A cluster of the config.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// Name.
    pub name: ClusterName,
    /// Region and account.
    pub partition: Partition,
}

/// An instance of the config.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceSettings {
    /// Name: the identity.
    pub name: InstanceName,
    /// Cluster.
    pub cluster: ClusterName,
    /// Where its engine is reached.
    pub endpoint: Endpoint,
    /// Failure domain; empty if none is named.
    pub availability_zone: String,
    /// `ecs.instance-type`, where the config names one.
    pub instance_type: Option<String>,
    /// The user's own attributes.
    pub attributes: BTreeMap<String, String>,
    /// What is kept for the host itself.
    pub reserved: Resources,
}

/// Where a Docker Engine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `unix:///var/run/docker.sock`.
    Unix(PathBuf),
    /// `tcp://HOST:PORT`, with TLS files unless plain TCP was asked for in so many words.
    Tcp {
        /// `HOST:PORT`.
        address: String,
        /// TLS; `None` = plain, for tests and trusted networks only.
        tls: Option<TlsFiles>,
    },
    /// `ssh://USER@HOST:PORT`.
    Ssh(SshEndpoint),
    /// An engine of the simulated fleet.
    Simulated,
}

/// The three files of a mutual TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authority.
    pub ca: PathBuf,
    /// Our certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// An engine behind SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshEndpoint {
    /// User; `None` leaves it to the SSH configuration.
    pub user: Option<String>,
    /// Host name or alias of the SSH configuration.
    pub host: String,
    /// Port; `None` leaves it to the SSH configuration.
    pub port: Option<u16>,
    /// Key file; `None` = agent and default keys.
    pub key: Option<PathBuf>,
    /// Known-hosts file; `None` = the user's own.
    pub known_hosts: Option<PathBuf>,
    /// The engine's socket on that host.
    pub socket: PathBuf,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { address, .. } => write!(f, "tcp://{address}"),
            Self::Ssh(ssh) => {
                write!(f, "ssh://")?;
                if let Some(user) = &ssh.user {
                    write!(f, "{user}@")?;
                }
                write!(f, "{}", ssh.host)?;
                match ssh.port {
                    Some(port) => write!(f, ":{port}"),
                    None => Ok(()),
                }
            }
            Self::Simulated => write!(f, "simulated"),
        }
    }
}
