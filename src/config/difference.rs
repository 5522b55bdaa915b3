//! What turns one configuration into another: what a running control plane has to do to go from
//! the one to the other, and what it can leave as it is. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::settings::{InstanceSettings, ListenSettings, OperatorSettings, Settings};
use crate::model::InstanceName;

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
        // Relative paths and programs go from the file's folder.
        let folder = |settings: &Settings| {
            let source = settings.source.as_deref();
            source.and_then(|file| file.parent().map(std::path::Path::to_owned))
        };
        Self {
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
            let names: Vec<&str> = self.of(kind).map(InstanceName::as_str).collect();
            if names.is_empty() {
                continue;
            }
            let shown = names[..names.len().min(NAMED_MAX)].join(", ");
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
        for change in [
            |it: &mut InstanceSettings| it.availability_zone = "z9".into(),
            |it: &mut InstanceSettings| drop(it.attributes.insert("disk".into(), "ssd".into())),
            |it: &mut InstanceSettings| it.reserved.cpu.0 = 7,
            |it: &mut InstanceSettings| it.resources.extend([("GPU".into(), 1)]),
            |it: &mut InstanceSettings| it.fargate = true,
            |it: &mut InstanceSettings| it.instance_type = Some("m5.large".into()),
        ] {
            assert_eq!(
                after(|it| change(&mut it.instances[0])),
                "instance a changed"
            );
        }
        let elsewhere = Endpoint::Unix("/other.sock".into());
        assert_eq!(
            after(|it| it.instances[2].endpoint = elsewhere),
            "instance c connected anew"
        );
        let west = ClusterName::new("west").unwrap();
        assert_eq!(
            after(|it| it.instances[2].cluster = west),
            "instance c connected anew"
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
