//! What a valid configuration comes down to.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::{
    AccessRole, CapacityProviderName, CapacityProviderStrategyItem, ClusterName, InstanceName,
    Partition, Resources, Role,
};

/// A whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The file it came from; `None` when there is none.
    pub source: Option<PathBuf>,
    /// Clusters; `default` is always among them.
    pub clusters: Vec<ClusterSettings>,
    /// Instances.
    pub instances: Vec<InstanceSettings>,
    /// Task roles: what they grant, by name.
    pub roles: Vec<Role>,
    /// Secrets: where their values come from, by name.
    pub secrets: Vec<SecretSettings>,
    /// Where `qd serve` listens besides its socket; nowhere unless it is said.
    pub listen: ListenSettings,
    /// Another machine's control plane: what uses this configuration attaches to it.
    pub remote: Option<RemoteSettings>,
}

/// Where `qd serve` listens besides its socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenSettings {
    /// The whole API, over mutual TLS.
    pub api: Option<ApiSettings>,
    /// What is read without a name, on this machine alone: figures, health, addresses.
    pub metrics: Option<SocketAddr>,
}

/// The API over mutual TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Our certificate and key, and the authority that signs the certificates of who may come.
    pub tls: TlsFiles,
    /// Who they are, and what they may do. Nobody else may do anything.
    pub operators: Vec<OperatorSettings>,
}

/// Somebody who may use the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSettings {
    /// The name that the audit trail has.
    pub name: String,
    /// What their certificate bears.
    pub certificate: CertificateName,
    /// What they may do.
    pub role: AccessRole,
}

/// What a certificate can be told by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The subject's common name.
    CommonName(String),
    /// A subject alternative name: a host, in lower case.
    Dns(String),
    /// A subject alternative name: a URI, such as SPIFFE's.
    Uri(String),
    /// A subject alternative name: an address of mail.
    Email(String),
}

/// Another machine's control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// `HOST:PORT`.
    pub address: String,
    /// The name that its certificate bears, where it is not the host's.
    pub server_name: Option<String>,
    /// The authority that signs its certificate, and our certificate and key.
    pub tls: TlsFiles,
}

impl CertificateName {
    /// Reads `CN=…`, `DNS:…`, `URI:…` and `email:…`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let after = |prefix: &str| {
            let rest = text.strip_prefix(prefix)?;
            (!rest.is_empty() && !rest.chars().any(char::is_control)).then(|| rest.to_owned())
        };
        after("CN=")
            .map(Self::CommonName)
            .or_else(|| after("DNS:").map(|host| Self::dns(&host)))
            .or_else(|| after("URI:").map(Self::Uri))
            .or_else(|| after("email:").map(Self::Email))
    }

    /// The name of a host, whose letters' case does not count.
    #[must_use]
    pub fn dns(host: &str) -> Self {
        Self::Dns(host.to_ascii_lowercase())
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommonName(name) => write!(f, "CN={name}"),
            Self::Dns(host) => write!(f, "DNS:{host}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Email(address) => write!(f, "email:{address}"),
        }
    }
}

/// Where a secret's value comes from. The value itself is read when a container is made, and
/// never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSettings {
    /// Name that definitions and roles use.
    pub name: String,
    /// Where it comes from.
    pub source: SecretSource,
}

/// Where a secret's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file's text; one line end at its end is not part of it.
    File(PathBuf),
    /// A variable of the control plane's own environment.
    Environment(String),
    /// What a program writes to its standard output; program and arguments, no shell.
    Command(Vec<String>),
}

/// A cluster of the config.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSettings {
    /// Name.
    pub name: ClusterName,
    /// Region and account.
    pub partition: Partition,
    /// Whether whoever stops something of it by hand is to type a name.
    pub protected: bool,
    /// Capacity providers: named groups of its instances.
    pub capacity_providers: Vec<CapacityProviderName>,
    /// What services and tasks get that name neither launch type nor strategy.
    pub default_capacity_provider_strategy: Vec<CapacityProviderStrategyItem>,
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
    /// Whole resources that it has, by name: `GPU`, and what else the config names.
    pub resources: BTreeMap<String, u64>,
    /// The capacity provider that it belongs to.
    pub capacity_provider: Option<CapacityProviderName>,
    /// Whether it serves FARGATE tasks.
    pub fargate: bool,
}

impl Settings {
    /// A configuration of these clusters and instances, with no roles and no secrets.
    #[must_use]
    pub fn new(
        source: Option<PathBuf>,
        clusters: Vec<ClusterSettings>,
        instances: Vec<InstanceSettings>,
    ) -> Self {
        Self {
            source,
            clusters,
            instances,
            roles: Vec::new(),
            secrets: Vec::new(),
            listen: ListenSettings::default(),
            remote: None,
        }
    }
}

impl ClusterSettings {
    /// A cluster without capacity providers.
    #[must_use]
    pub fn new(name: ClusterName, partition: Partition) -> Self {
        Self {
            name,
            partition,
            protected: false,
            capacity_providers: Vec::new(),
            default_capacity_provider_strategy: Vec::new(),
        }
    }
}

impl InstanceSettings {
    /// An instance of which nothing more is said.
    #[must_use]
    pub fn new(name: InstanceName, cluster: ClusterName, endpoint: Endpoint) -> Self {
        Self {
            name,
            cluster,
            endpoint,
            availability_zone: String::new(),
            instance_type: None,
            attributes: BTreeMap::new(),
            reserved: Resources::default(),
            resources: BTreeMap::new(),
            capacity_provider: None,
            fargate: false,
        }
    }
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
