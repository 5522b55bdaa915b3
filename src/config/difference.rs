//! What turns one configuration into another: what a running control plane has to do to go from
//! the one to the other, and what it can leave as it is. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use super::settings::{InstanceSettings, ListenSettings, OperatorSettings, Settings};
use crate::model::InstanceName;

/// How many changes of one instance are told in words; of the rest the number is told.
const EDITS_MAX: usize = 6;
/// How many instances are named in words for each kind of change; of the rest the number is told.
const NAMED_MAX: usize = 8;

/// What becomes of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InstanceChange {
    /// It is new: it gets an agent.
    Added,
    /// It is gone: its agent ends.
    Removed,
    /// It is reached elsewhere, or is in another cluster: its agent begins anew.
    Moved,
    /// Zone, attributes, what is reserved, and the like: its agent does not notice.
    Changed,
}

impl InstanceChange {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "connected anew",
            Self::Changed => "changed",
        }
    }

    /// What one instance's new settings come to; `None` if they are the old ones.
    fn between(old: &InstanceSettings, new: &InstanceSettings) -> Option<Self> {
        if old.endpoint != new.endpoint || old.cluster != new.cluster {
            Some(Self::Moved)
        } else {
            (old != new).then_some(Self::Changed)
        }
    }
}

/// What is different. An instance that is not named stays exactly as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Instances.
    pub instances: BTreeMap<InstanceName, InstanceChange>,
    /// What is different in those that stay, in words.
    pub edits: BTreeMap<InstanceName, String>,
    /// Whether clusters or their capacity providers are different.
    pub clusters: bool,
    /// Whether task roles are.
    pub roles: bool,
    /// Whether it is where secrets or files come from.
    pub secrets: bool,
    /// Where the server listens besides its socket, and who may come: each change in words.
    pub listen: Vec<String>,
}

impl Difference {
    /// What leads from `old` to `new`.
    #[must_use]
    pub fn between(old: &Settings, new: &Settings) -> Self {
        let by_name = |settings: &'_ Settings| -> BTreeMap<InstanceName, InstanceSettings> {
            let instances = settings.instances.iter().cloned();
            instances.map(|it| (it.name.clone(), it)).collect()
        };
        let (before, after) = (by_name(old), by_name(new));
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let mut instances: BTreeMap<_, _> = gone
            .map(|name| (name.clone(), InstanceChange::Removed))
            .collect();
        instances.extend(after.iter().filter_map(|(name, settings)| {
            let change = match before.get(name) {
                None => Some(InstanceChange::Added),
                Some(known) => InstanceChange::between(known, settings),
            };
            Some((name.clone(), change?))
        }));
        let both = before.iter().filter_map(|(name, was)| {
            let is = after.get(name).filter(|is| *is != was)?;
            Some((name.clone(), edits(was, is)))
        });
        // Relative paths and programs go from the file's folder.
        let folder = |settings: &Settings| {
            let source = settings.source.as_deref();
            source.and_then(|file| file.parent().map(std::path::Path::to_owned))
        };
        Self {
            edits: both.collect(),
            instances,
            clusters: old.clusters != new.clusters,
            roles: old.roles != new.roles,
            secrets: old.secrets != new.secrets || folder(old) != folder(new),
            listen: listening(&old.listen, &new.listen),
        }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The instances of that kind of change.
    pub fn of(&self, kind: InstanceChange) -> impl Iterator<Item = &InstanceName> {
        let instances = self.instances.iter();
        instances.filter_map(move |(name, change)| (*change == kind).then_some(name))
    }
}

/// What is different in one instance: `availability_zone a → b, attributes.disk = ssd`.
fn edits(old: &InstanceSettings, new: &InstanceSettings) -> String {
    let mut told = Vec::new();
    let mut tell = |what: &str, old: String, new: String| {
        if old == new {
            return;
        }
        told.push(match (old.as_str(), new.as_str()) {
            ("", new) => format!("{what} = {new}"),
            (old, "") => format!("{what} {old} taken out"),
            (old, new) => format!("{what} {old} → {new}"),
        });
    };
    let of = |each: fn(&InstanceSettings) -> String| (each(old), each(new));
    for (what, (old, new)) in [
        ("endpoint", of(|it| it.endpoint.to_string())),
        ("cluster", of(|it| it.cluster.to_string())),
        ("availability_zone", of(|it| it.availability_zone.clone())),
        (
            "instance_type",
            of(|it| it.instance_type.clone().unwrap_or_default()),
        ),
        (
            "capacity_provider",
            of(|it| {
                it.capacity_provider
                    .as_ref()
                    .map_or_else(String::new, ToString::to_string)
            }),
        ),
        ("fargate", of(|it| it.fargate.to_string())),
        ("reserved.cpu", of(|it| it.reserved.cpu.to_string())),
        ("reserved.memory", of(|it| it.reserved.memory.to_string())),
        (
            "reserved.ports",
            of(|it| {
                let ports = it.reserved.ports.iter().map(ToString::to_string);
                ports.collect::<Vec<_>>().join(" ")
            }),
        ),
    ] {
        tell(what, old, new);
    }
    for (what, old, new) in [
        keyed("attributes", &old.attributes, &new.attributes),
        keyed("resources", &old.resources, &new.resources),
    ]
    .concat()
    {
        tell(&what, old, new);
    }
    if told.is_empty() {
        // The same place in words, reached with other files or another key.
        told.push("how its endpoint is reached".to_owned());
    }
    let more = told.len().saturating_sub(EDITS_MAX);
    told.truncate(EDITS_MAX);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    told.join(", ")
}

/// The members of a table, old and new, each with its whole name.
fn keyed<T: fmt::Display>(
    table: &str,
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
) -> Vec<(String, String, String)> {
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let value = |of: &BTreeMap<String, T>, key| of.get(key).map_or_else(String::new, T::to_string);
    all.into_iter()
        .map(|key| (format!("{table}.{key}"), value(old, key), value(new, key)))
        .collect()
}

/// What is different in where the server listens. Every operator is named: who may do what from
/// now on is not to be guessed.
fn listening(old: &ListenSettings, new: &ListenSettings) -> Vec<String> {
    let mut told = Vec::new();
    let address = |of: &ListenSettings| of.api.as_ref().map(|api| api.address);
    told.extend(moved("[api]", address(old), address(new)));
    if let (Some(old), Some(new)) = (&old.api, &new.api)
        && old.tls != new.tls
    {
        told.push("[api] has other TLS files".to_owned());
    }
    told.extend(moved("[metrics]", old.metrics, new.metrics));
    let (old, new) = (operators(old), operators(new));
    for it in old {
        // A certificate is one operator's; a name may have several.
        let kept = new.iter().find(|other| other.certificate == it.certificate);
        let Some(now) = kept else {
            told.push(format!("operator {} ({}) removed", it.name, it.certificate));
            continue;
        };
        if now.name != it.name {
            told.push(format!(
                "operator {} ({}) is called {} now",
                it.name, it.certificate, now.name
            ));
        }
        if now.role != it.role {
            let (role, was) = (now.role.as_str(), it.role.as_str());
            told.push(format!(
                "operator {} ({}) is {role}, was {was}",
                now.name, now.certificate
            ));
        }
    }
    for it in new {
        if !old.iter().any(|other| other.certificate == it.certificate) {
            let role = it.role.as_str();
            told.push(format!(
                "operator {} ({}) added as {role}",
                it.name, it.certificate
            ));
        }
    }
    let order = |of: &[OperatorSettings]| -> Vec<String> {
        of.iter().map(|it| it.certificate.to_string()).collect()
    };
    if told.is_empty() && order(old) != order(new) {
        told.push("operators in another order".to_owned());
    }
    told
}

fn operators(settings: &ListenSettings) -> &[OperatorSettings] {
    settings.api.as_ref().map_or(&[], |api| &api.operators)
}

fn moved(table: &str, old: Option<SocketAddr>, new: Option<SocketAddr>) -> Option<String> {
    match (old, new) {
        (None, Some(new)) => Some(format!("{table} listens at {new}")),
        (Some(old), None) => Some(format!("{table} no longer listens at {old}")),
        (Some(old), Some(new)) if old != new => {
            Some(format!("{table} listens at {new} instead of {old}"))
        }
        _ => None,
    }
}

/// `instances: ops-4 added; ops-2 removed; task roles changed`, or `nothing is different`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for kind in [
            InstanceChange::Added,
            InstanceChange::Removed,
            InstanceChange::Moved,
            InstanceChange::Changed,
        ] {
            let names: Vec<&InstanceName> = self.of(kind).collect();
            if names.is_empty() {
                continue;
            }
            let said = |name: &&InstanceName| match self.edits.get(*name) {
                Some(edits) => format!("{name} ({edits})"),
                None => name.to_string(),
            };
            let shown: Vec<String> = names.iter().take(NAMED_MAX).map(said).collect();
            let shown = shown.join(", ");
            let more = match names.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let noun = if names.len() == 1 {
                "instance"
            } else {
                "instances"
            };
            parts.push(format!("{noun} {shown}{more} {}", kind.word()));
        }
        for (is_different, what) in [
            (self.clusters, "clusters"),
            (self.roles, "task roles"),
            (self.secrets, "secrets"),
        ] {
            if is_different {
                parts.push(format!("{what} changed"));
            }
        }
        parts.extend(self.listen.iter().cloned());
        if parts.is_empty() {
            parts.push("nothing is different".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        ApiSettings, CertificateName, ClusterSettings, Endpoint, SecretSettings, SecretSource,
        TlsFiles,
    };
    use crate::model::{AccessRole, ClusterName, Partition, Role};

    fn instance(name: &str) -> InstanceSettings {
        InstanceSettings::new(
            InstanceName::new(name).unwrap(),
            ClusterName::default_cluster(),
            Endpoint::Unix(format!("/{name}.sock").into()),
        )
    }

    fn settings(names: &[&str]) -> Settings {
        let cluster = ClusterSettings::new(ClusterName::default_cluster(), Partition::default());
        Settings::new(
            Some("/ops/quarterdeck.toml".into()),
            vec![cluster],
            names.iter().map(|name| instance(name)).collect(),
        )
    }

    /// What comes of one edit, in words.
    fn after(edit: impl FnOnce(&mut Settings)) -> String {
        let old = settings(&["a", "b", "c"]);
        let mut new = old.clone();
        edit(&mut new);
        let difference = Difference::between(&old, &new);
        new.instances.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(difference.is_empty(), old == new, "{difference:?}");
        difference.to_string()
    }

    #[test]
    fn every_kind_of_edit_comes_to_the_least_that_it_takes() {
        assert_eq!(after(|_| {}), "nothing is different");
        assert_eq!(after(|it| it.instances.reverse()), "nothing is different");
        assert_eq!(
            after(|it| it.instances.push(instance("d"))),
            "instance d added"
        );
        assert_eq!(
            after(|it| drop(it.instances.remove(1))),
            "instance b removed"
        );
        type Edit = fn(&mut InstanceSettings);
        let edits: [(Edit, &str); 6] = [
            (
                |it| it.availability_zone = "z9".into(),
                "availability_zone = z9",
            ),
            (
                |it| drop(it.attributes.insert("disk".into(), "ssd".into())),
                "attributes.disk = ssd",
            ),
            (|it| it.reserved.cpu.0 = 7, "reserved.cpu 0 → 7"),
            (
                |it| it.resources.extend([("GPU".into(), 1)]),
                "resources.GPU = 1",
            ),
            (|it| it.fargate = true, "fargate false → true"),
            (
                |it| it.instance_type = Some("m5.large".into()),
                "instance_type = m5.large",
            ),
        ];
        for (edit, words) in edits {
            assert_eq!(
                after(|it| edit(&mut it.instances[0])),
                format!("instance a ({words}) changed")
            );
        }
        let all = after(|it| {
            edits
                .iter()
                .for_each(|(edit, _)| edit(&mut it.instances[0]))
        });
        assert_eq!(all.matches(", ").count(), 5, "{all}");
        let elsewhere = Endpoint::Unix("/other.sock".into());
        assert_eq!(
            after(|it| it.instances[2].endpoint = elsewhere),
            "instance c (endpoint unix:///c.sock → unix:///other.sock) connected anew"
        );
        let west = ClusterName::new("west").unwrap();
        assert_eq!(
            after(|it| it.instances[2].cluster = west),
            "instance c (cluster default → west) connected anew"
        );
        assert_eq!(
            after(|it| it.clusters[0].protected = true),
            "clusters changed"
        );
        assert_eq!(
            after(|it| it.roles.push(Role::new("shop".parse().unwrap()))),
            "task roles changed"
        );
        let secret = SecretSettings {
            name: "key".into(),
            source: SecretSource::Environment("KEY".into()),
        };
        assert_eq!(after(|it| it.secrets.push(secret)), "secrets changed");
        assert_eq!(
            after(|it| it.source = Some("/other/quarterdeck.toml".into())),
            "secrets changed",
            "relative paths go from another folder"
        );
    }

    #[test]
    fn where_it_listens_and_who_may_come_is_told_one_by_one() {
        let operator = |name: &str, certificate: &str, role| OperatorSettings {
            name: name.into(),
            certificate: CertificateName::read(certificate).unwrap(),
            role,
        };
        let files = |cert: &str| TlsFiles {
            ca: "/ca.pem".into(),
            cert: cert.into(),
            key: "/key.pem".into(),
        };
        let api = ApiSettings {
            address: ([127, 0, 0, 1], 7443).into(),
            tls: files("/cert.pem"),
            operators: vec![
                operator("ada", "CN=ada", AccessRole::Admin),
                operator("vic", "CN=vic", AccessRole::Viewer),
                operator("bot", "CN=bot", AccessRole::Operator),
            ],
        };
        let mut other = api.clone();
        other.address.set_port(7444);
        other.tls = files("/cert-2.pem");
        other.operators[0].certificate = CertificateName::read("CN=ada2").unwrap();
        other.operators[1].role = AccessRole::Admin;
        other.operators[2].name = "robot".into();
        let told = |old: Option<&ApiSettings>, new: Option<&ApiSettings>| {
            let of = |api: Option<&ApiSettings>, metrics| ListenSettings {
                api: api.cloned(),
                metrics,
            };
            listening(
                &of(old, None),
                &of(new, Some(([127, 0, 0, 1], 9464).into())),
            )
        };
        assert_eq!(
            told(Some(&api), Some(&other)),
            [
                "[api] listens at 127.0.0.1:7444 instead of 127.0.0.1:7443",
                "[api] has other TLS files",
                "[metrics] listens at 127.0.0.1:9464",
                "operator ada (CN=ada) removed",
                "operator vic (CN=vic) is admin, was viewer",
                "operator bot (CN=bot) is called robot now",
                "operator ada (CN=ada2) added as admin",
            ]
        );
        assert_eq!(
            told(Some(&api), None)[0],
            "[api] no longer listens at 127.0.0.1:7443"
        );
        assert_eq!(told(Some(&api), None).len(), 5);
        assert_eq!(told(Some(&api), Some(&api)).len(), 1);
        let listen = ListenSettings {
            api: Some(api),
            metrics: None,
        };
        assert!(after(|it| it.listen = listen).contains("operator ada (CN=ada) added as admin"));
    }

    #[test]
    fn many_at_once_are_told_in_order_and_in_short() {
        let names: Vec<String> = (10..30).map(|n| format!("n{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let said = Difference::between(&settings(&["a"]), &settings(&names)).to_string();
        assert_eq!(
            said,
            "instances n10, n11, n12, n13, n14, n15, n16, n17 and 12 more added; \
             instance a removed"
        );
    }
}
