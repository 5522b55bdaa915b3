//! From the tables of a config file to [`Settings`], or to all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use super::capacity;
use super::endpoint::{self, FORMS, Parsed};
use super::listen;
use super::lookup::Lookup;
use super::reader::Reader;
use super::roles;
use super::settings::{ClusterSettings, Endpoint, InstanceSettings, Settings, SshEndpoint};
use crate::document::{Document, Faults, Kind, Node, nearest};
use crate::model::instance::attribute;
use crate::model::{
    ClusterName, CpuUnits, HostPort, InstanceName, MemoryMib, Partition, Protocol, Resources,
};

/// The tables of a config file.
pub(super) const ROOT: &[&str] = &[
    "cluster",
    "capacity_provider",
    "instance",
    "role",
    "secret",
    "api",
    "metrics",
    "remote",
    "console",
];
const CLUSTER: &[&str] = &[
    "name",
    "region",
    "account",
    "protected",
    "default_capacity_provider_strategy",
];
const INSTANCE: &[&str] = &[
    "name",
    "cluster",
    "endpoint",
    "availability_zone",
    "instance_type",
    "attributes",
    "reserved",
    "resources",
    "capacity_provider",
    "fargate",
    "tls",
    "insecure",
    "ssh",
];
const SSH: &[&str] = &["key", "known_hosts", "socket"];
const RESERVED: &[&str] = &["cpu", "memory", "ports"];

/// The longest value of an attribute, as in ECS.
const ATTRIBUTE_MAX: usize = 128;

struct Validator<'a> {
    reader: Reader<'a>,
    file: &'a Path,
    lookup: &'a Lookup,
}

/// Everything that a config file says, with what `more` reads from it, and all that is wrong with
/// it: what has a fault is left out or as if it had not been given.
pub(super) fn settings<T>(
    document: &Document,
    file: &Path,
    lookup: &Lookup,
    more: impl FnOnce(Option<(&mut Reader<'_>, &Node)>) -> T,
) -> (Settings, T, Faults) {
    let mut this = Validator {
        reader: Reader::new(document),
        file,
        lookup,
    };
    let root = document.root();
    this.reader.table(root, "the configuration", ROOT);
    let mut clusters = this.clusters(root);
    capacity::providers(&mut this.reader, root, &mut clusters);
    capacity::default_strategies(&mut this.reader, root, &mut clusters);
    let instances = this.instances(root, &clusters);
    let secrets = roles::secrets(&mut this.reader, root, file, lookup);
    let roles = roles::roles(&mut this.reader, root, &secrets);
    let listen = listen::listen(&mut this.reader, root, file, lookup);
    let remote = listen::remote(&mut this.reader, root, file, lookup);
    let more = more(Some((&mut this.reader, root)));
    let settings = Settings {
        roles,
        secrets,
        listen,
        remote,
        ..Settings::new(Some(file.to_owned()), clusters, instances)
    };
    (settings, more, this.reader.into_faults())
}

impl<'a> Validator<'a> {
    fn clusters(&mut self, root: &'a Node) -> Vec<ClusterSettings> {
        let mut clusters: Vec<ClusterSettings> = Vec::new();
        for node in self.reader.tables(root, "cluster") {
            if !self.reader.table(node, "a cluster", CLUSTER) {
                continue;
            }
            let partition = self.partition(node);
            let Some((text, span)) = self.reader.required(node, "a cluster", "name") else {
                continue;
            };
            let Some(name) = self.reader.checked::<ClusterName>(text, &span) else {
                continue;
            };
            if clusters.iter().any(|cluster| cluster.name == name) {
                self.refuse(&span, format!("the cluster \"{name}\" is given twice"));
                continue;
            }
            clusters.push(ClusterSettings {
                protected: self.reader.flag(node, "protected"),
                ..ClusterSettings::new(name, partition)
            });
        }
        if !clusters
            .iter()
            .any(|c| c.name == ClusterName::default_cluster())
        {
            clusters.push(ClusterSettings::new(
                ClusterName::default_cluster(),
                Partition::default(),
            ));
        }
        clusters
    }

    fn partition(&mut self, node: &'a Node) -> Partition {
        let mut partition = Partition::default();
        if let Some((region, span)) = self.reader.text(node, "region") {
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if region.is_empty() || !region.chars().all(valid) {
                let fault = self
                    .reader
                    .fault(&span, format!("\"{region}\" is not a region"))
                    .expected("lower-case letters, digits and '-', such as \"eu-central-1\"");
                self.reader.push(fault);
            }
            partition.region = region.to_owned();
        }
        if let Some((account, span)) = self.reader.text(node, "account") {
            if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                let fault = self
                    .reader
                    .fault(&span, format!("\"{account}\" is not an account number"))
                    .expected("twelve digits, in quotes");
                self.reader.push(fault);
            }
            partition.account = account.to_owned();
        }
        partition
    }

    fn instances(&mut self, root: &'a Node, clusters: &[ClusterSettings]) -> Vec<InstanceSettings> {
        let mut instances: Vec<InstanceSettings> = Vec::new();
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for node in self.reader.tables(root, "instance") {
            // Whatever else is wrong with either of them.
            let name = node.get("name").and_then(|it| Some((it.as_str()?, it)));
            let twice = name.filter(|(name, _)| !names.insert(name));
            if let Some((name, at)) = twice {
                self.refuse(&at.span, format!("the instance \"{name}\" is given twice"));
            }
            let Some(instance) = self.instance(node, clusters) else {
                continue;
            };
            let place = |key: &str| node.get(key).map_or(node.span.clone(), |v| v.span.clone());
            let same = instances.iter().find(|i| same_engine(i, &instance));
            if let Some(other) = same.filter(|_| twice.is_none()) {
                // Two agents on one engine would count its resources twice.
                let what = format!(
                    "{} is the same engine as \"{}\"",
                    instance.endpoint, other.name
                );
                self.refuse(&place("endpoint"), what);
            }
            instances.push(instance);
        }
        instances
    }

    /// One instance; `None` if it has no usable name or endpoint, which has then been told.
    fn instance(
        &mut self,
        node: &'a Node,
        clusters: &[ClusterSettings],
    ) -> Option<InstanceSettings> {
        if !self.reader.table(node, "an instance", INSTANCE) {
            return None;
        }
        let name = self
            .reader
            .required(node, "an instance", "name")
            .and_then(|(text, span)| self.reader.checked::<InstanceName>(text, &span));
        let endpoint = self.endpoint(node);
        let cluster = self.cluster_of(node, clusters);
        let availability_zone = self.zone(node, cluster.as_ref(), clusters);
        let attributes = self.attributes(node);
        let instance_type = self.reader.text(node, "instance_type");
        let reserved = self.reserved(node);
        let resources = capacity::resources(&mut self.reader, node);
        let (capacity_provider, fargate) =
            capacity::of_instance(&mut self.reader, node, cluster.as_ref(), clusters);
        Some(InstanceSettings {
            availability_zone,
            instance_type: instance_type.map(|(text, _)| text.to_owned()),
            attributes,
            reserved,
            resources,
            capacity_provider,
            fargate,
            ..InstanceSettings::new(name?, cluster?, endpoint?)
        })
    }

    fn cluster_of(&mut self, node: &'a Node, clusters: &[ClusterSettings]) -> Option<ClusterName> {
        let Some((text, span)) = self.reader.text(node, "cluster") else {
            return node
                .get("cluster")
                .is_none()
                .then(ClusterName::default_cluster);
        };
        if let Some(cluster) = clusters.iter().find(|c| c.name.as_str() == text) {
            return Some(cluster.name.clone());
        }
        let names: Vec<&str> = clusters.iter().map(|c| c.name.as_str()).collect();
        let fault = self
            .reader
            .fault(&span, format!("there is no cluster \"{text}\""))
            .expected(format!("one of {}", names.join(", ")))
            .or_nearest(nearest(text, names));
        self.reader.push(fault);
        None
    }

    fn zone(
        &mut self,
        node: &'a Node,
        cluster: Option<&ClusterName>,
        clusters: &[ClusterSettings],
    ) -> String {
        let Some((zone, span)) = self.reader.text(node, "availability_zone") else {
            return String::new();
        };
        let region = clusters
            .iter()
            .find(|c| Some(&c.name) == cluster)
            .map(|c| c.partition.region.as_str());
        // A zone of one's own (`rack-7`) belongs to any region; one that names a region must
        // name its cluster's.
        if let (Some(named), Some(region)) = (region_of(zone), region)
            && region_of(&format!("{region}a")) == Some(region)
            && named != region
        {
            let what = format!("the zone \"{zone}\" is not in the cluster's region \"{region}\"");
            let fault = self
                .reader
                .fault(&span, what)
                .expected(format!("a zone such as \"{region}a\""));
            self.reader.push(fault);
        }
        zone.to_owned()
    }

    fn attributes(&mut self, node: &'a Node) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        let Some(table) = node.get("attributes") else {
            return attributes;
        };
        let Kind::Object(entries) = &table.kind else {
            self.reader.table(table, "attributes", &[]);
            return attributes;
        };
        for entry in entries {
            if entry.key.starts_with("ecs.") || entry.key.starts_with("quarterdeck.") {
                let what = format!("the attribute \"{}\" is filled in by the agent", entry.key);
                let fault = self.reader.fault(&entry.key_span, what);
                let instead = match entry.key.as_str() {
                    attribute::AVAILABILITY_ZONE => "availability_zone = \"…\" beside it",
                    attribute::INSTANCE_TYPE => "instance_type = \"…\" beside it",
                    _ => "a name of your own, without that prefix",
                };
                self.reader.push(fault.expected(instead));
            }
            if let Some((value, span)) = self.reader.text(table, &entry.key) {
                if value.chars().count() > ATTRIBUTE_MAX {
                    let what =
                        format!("an attribute's value has at most {ATTRIBUTE_MAX} characters");
                    self.refuse(&span, what);
                }
                attributes.insert(entry.key.clone(), value.to_owned());
            }
        }
        attributes
    }

    fn reserved(&mut self, node: &'a Node) -> Resources {
        let mut reserved = Resources::default();
        let Some(table) = node.get("reserved") else {
            return reserved;
        };
        if !self.reader.table(table, "reserved", RESERVED) {
            return reserved;
        }
        let cpu = "CPU units as a whole number (1024 = one vCPU)";
        reserved.cpu = CpuUnits(self.reader.amount(table, "cpu", cpu));
        let memory = "MiB as a whole number";
        reserved.memory = MemoryMib(self.reader.amount(table, "memory", memory));
        for port in self.reader.tables(table, "ports") {
            match host_port(port) {
                Some(port) => {
                    reserved.ports.insert(port);
                }
                None => {
                    let fault = self
                        .reader
                        .fault(&port.span, "this is not a port")
                        .expected("a number from 1 to 65535, or \"53/udp\"");
                    self.reader.push(fault);
                }
            }
        }
        reserved
    }

    fn endpoint(&mut self, node: &'a Node) -> Option<Endpoint> {
        let insecure = self.reader.flag(node, "insecure");
        let (file, lookup) = (self.file, self.lookup);
        let tls = node
            .get("tls")
            .and_then(|table| listen::tls(&mut self.reader, table, file, lookup));
        let required = self.reader.required(node, "an instance", "endpoint");
        let (text, span) = required?;
        let parsed = match endpoint::parse(text) {
            Ok(parsed) => parsed,
            Err(wrong) => {
                let fault = self
                    .reader
                    .fault(&span, format!("the endpoint \"{text}\" {}", wrong.what))
                    .expected(FORMS)
                    .or_nearest(wrong.nearest);
                self.reader.push(fault);
                return None;
            }
        };
        let is_tcp = matches!(parsed, Parsed::Tcp(_));
        let is_ssh = matches!(parsed, Parsed::Ssh(_));
        for (key, fits, form) in [
            ("tls", is_tcp, "tcp://"),
            ("insecure", is_tcp, "tcp://"),
            ("ssh", is_ssh, "ssh://"),
        ] {
            if let (Some(entry), false) = (node.entry(key), fits) {
                let what = format!("{key} has no meaning for {text}: it belongs to {form}");
                self.refuse(&entry.key_span, what);
            }
        }
        Some(match parsed {
            Parsed::Unix(path) => Endpoint::Unix(path),
            Parsed::Tcp(address) => {
                self.need_tls(node, &span, text, tls.is_some(), insecure);
                Endpoint::Tcp { address, tls }
            }
            Parsed::Ssh(ssh) => Endpoint::Ssh(self.ssh(node, ssh)),
        })
    }

    fn need_tls(
        &mut self,
        node: &Node,
        span: &Range<usize>,
        text: &str,
        tls: bool,
        insecure: bool,
    ) {
        if insecure && let Some(entry) = node.entry("tls") {
            let what = "insecure = true and tls contradict each other; keep one of them";
            self.refuse(&entry.key_span, what.to_owned());
        }
        if !insecure && !tls && node.get("tls").is_none() {
            let what =
                format!("{text} without TLS gives root on that host to anyone who reaches it");
            let fault = self.reader.fault(span, what).expected(
                "tls = { ca = \"…\", cert = \"…\", key = \"…\" }, or insecure = true if that is meant",
            );
            self.reader.push(fault);
        }
    }

    fn ssh(&mut self, node: &'a Node, mut ssh: SshEndpoint) -> SshEndpoint {
        let Some(table) = node.get("ssh") else {
            return ssh;
        };
        if !self.reader.table(table, "ssh", SSH) {
            return ssh;
        }
        ssh.key = self.file(table, "key");
        ssh.known_hosts = self.file(table, "known_hosts");
        if let Some((socket, span)) = self.reader.text(table, "socket") {
            if !socket.starts_with('/') {
                let fault = self
                    .reader
                    .fault(
                        &span,
                        format!("the socket \"{socket}\" is not an absolute path"),
                    )
                    .expected("a path on that host, such as \"/var/run/docker.sock\"");
                self.reader.push(fault);
            }
            ssh.socket = socket.into();
        }
        ssh
    }

    /// A file that must be there, if it is named at all.
    fn file(&mut self, table: &'a Node, key: &str) -> Option<std::path::PathBuf> {
        let (text, span) = self.reader.text(table, key)?;
        let path = self.lookup.resolve(self.file, text);
        if !path.is_file() {
            let what = format!("{key}: there is no file {}", path.display());
            self.refuse(&span, what);
        }
        Some(path)
    }

    fn refuse(&mut self, span: &Range<usize>, what: String) {
        let fault = self.reader.fault(span, what);
        self.reader.push(fault);
    }
}

fn same_engine(a: &InstanceSettings, b: &InstanceSettings) -> bool {
    match (&a.endpoint, &b.endpoint) {
        (Endpoint::Tcp { address: a, .. }, Endpoint::Tcp { address: b, .. }) => a == b,
        (Endpoint::Ssh(a), Endpoint::Ssh(b)) => {
            (&a.user, &a.host, a.port, &a.socket) == (&b.user, &b.host, b.port, &b.socket)
        }
        (a, b) => a == b,
    }
}

/// The region that a zone such as `eu-central-1a` names; `None` for a zone of one's own.
fn region_of(zone: &str) -> Option<&str> {
    let region = zone.strip_suffix(|c: char| c.is_ascii_lowercase())?;
    let parts: Vec<&str> = region.split('-').collect();
    let number = parts.last()?.parse::<u32>().is_ok();
    (parts.len() >= 3 && number).then_some(region)
}

fn host_port(node: &Node) -> Option<HostPort> {
    let (port, protocol) = match &node.kind {
        Kind::Number(number) => (u16::try_from(number.as_u64()?).ok()?, Protocol::Tcp),
        Kind::String(text) => match text.split_once('/') {
            Some((port, "udp")) => (port.parse().ok()?, Protocol::Udp),
            Some((port, "tcp")) => (port.parse().ok()?, Protocol::Tcp),
            Some(_) => return None,
            None => (text.parse().ok()?, Protocol::Tcp),
        },
        _ => return None,
    };
    (port > 0).then_some(HostPort { port, protocol })
}
