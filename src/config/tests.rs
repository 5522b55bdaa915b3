//! Tests of the configuration.

use std::path::Path;

use super::validate;
use super::{Endpoint, ListenSettings, Lookup, SecretSource, Settings};
use crate::document::{Document, Faults};
use crate::model::{AccessRole, ClusterName};

fn settings(document: &Document, file: &Path, lookup: &Lookup) -> Result<Settings, Faults> {
    let (settings, (), faults) = validate::settings(document, file, lookup, |_| ());
    faults.or(settings)
}

fn read(text: &str) -> Result<Settings, Faults> {
    let document = Document::parse("q.toml", text)?;
    settings(&document, Path::new("q.toml"), &Lookup::default())
}

fn headlines(text: &str) -> Vec<String> {
    match read(text) {
        Ok(settings) => panic!("no fault: {settings:?}"),
        Err(faults) => faults.0.iter().map(|fault| fault.headline()).collect(),
    }
}

#[test]
fn a_whole_config_comes_out_whole() {
    let settings = read(
        r#"
[[cluster]]
name = "default"
region = "eu-central-1"
account = "210987654321"
protected = true

[[instance]]
name = "ops-1"
endpoint = "ssh://deploy@10.0.1.11"
availability_zone = "eu-central-1a"
instance_type = "big"
attributes = { disk = "ssd" }
reserved = { cpu = 128, memory = 256, ports = [22, "53/udp"] }
ssh = { socket = "/run/other.sock" }

[[instance]]
name = "ops-2"
endpoint = "tcp://10.0.1.12"
insecure = true
availability_zone = "rack-7"
"#,
    )
    .unwrap();
    assert_eq!(settings.clusters[0].partition.account, "210987654321");
    assert!(settings.clusters[0].protected);
    let [one, two] = &settings.instances[..] else {
        panic!("{settings:?}");
    };
    assert_eq!(one.endpoint.to_string(), "ssh://deploy@10.0.1.11");
    assert_eq!(one.reserved.ports.len(), 2);
    assert_eq!(one.attributes["disk"], "ssd");
    assert_eq!(two.endpoint.to_string(), "tcp://10.0.1.12:2376");
    assert_eq!(two.cluster, ClusterName::default_cluster());
}

#[test]
fn every_fault_is_told_at_once_and_in_place() {
    let found = headlines(
        r#"
[[cluster]]
name = "default"
region = "eu-central-1"

[[instances]]
name = "x"

[[instance]]
name = "ops-1"
cluster = "defualt"
endpoint = "shh://ops-1"
availability_zone = "us-east-1a"
reserved = { memory = "1 GB", cpus = 3 }

[[instance]]
name = "ops-1"
endpoint = "tcp://10.0.1.12:2376"
availability_zone = "us-east-1a"
tls = { ca = "none.pem", cert = "none.pem" }

[[instance]]
endpoint = "tcp://10.0.1.13"
atributes = {}
"#,
    );
    assert_eq!(
        found,
        [
            "q.toml:6:3: the configuration has no member \"instances\"; did you mean \"instance\"?",
            "q.toml:11:11: there is no cluster \"defualt\"; expected one of default; did you mean \"default\"?",
            "q.toml:12:12: the endpoint \"shh://ops-1\" has the unknown form shh://; expected one of unix:///var/run/docker.sock, tcp://HOST:PORT (with tls), ssh://[USER@]HOST[:PORT]; did you mean \"ssh://ops-1\"?",
            "q.toml:14:23: memory is a string; expected MiB as a whole number",
            "q.toml:14:31: reserved has no member \"cpus\"; did you mean \"cpu\"?",
            "q.toml:17:8: the instance \"ops-1\" is given twice",
            "q.toml:19:21: the zone \"us-east-1a\" is not in the cluster's region \"eu-central-1\"; expected a zone such as \"eu-central-1a\"",
            "q.toml:20:7: tls has no \"key\"; expected key = \"…\"",
            "q.toml:20:14: ca: there is no file none.pem",
            "q.toml:20:33: cert: there is no file none.pem",
            "q.toml:22:1: an instance has no \"name\"; expected name = \"…\"",
            "q.toml:23:12: tcp://10.0.1.13 without TLS gives root on that host to anyone who reaches it; expected tls = { ca = \"…\", cert = \"…\", key = \"…\" }, or insecure = true if that is meant",
            "q.toml:24:1: an instance has no member \"atributes\"; did you mean \"attributes\"?",
        ]
    );
}

#[test]
fn names_and_engines_are_given_once() {
    let found = headlines(
        r#"
[[instance]]
name = "a"
endpoint = "unix:///run/a.sock"
[[instance]]
name = "a"
endpoint = "unix:///run/b.sock"
[[instance]]
name = "c"
endpoint = "unix:///run/a.sock"
tls = { ca = "x", cert = "x", key = "x" }
"#,
    );
    assert_eq!(found[0], "q.toml:6:8: the instance \"a\" is given twice");
    assert_eq!(
        found[1],
        "q.toml:10:12: unix:///run/a.sock is the same engine as \"a\""
    );
    assert!(found.iter().any(|f| f.contains("tls has no meaning")));
}

#[test]
fn a_name_is_given_twice_whatever_else_is_wrong_and_a_number_is_quoted() {
    let found = headlines(
        r#"
[[instance]]
name = "a"
[[instance]]
name = "a"
endpoint = "unix:///run/a.sock"
reserved = { memory = -4, cpu = 1.5 }
"#,
    );
    for part in [
        "an instance has no \"endpoint\"",
        "q.toml:5:8: the instance \"a\" is given twice",
        "q.toml:7:23: memory is -4; expected MiB as a whole number, from 0",
        "cpu is 1.5; expected CPU units",
    ] {
        let told = found.iter().any(|line| line.contains(part));
        assert!(told, "{part}: {found:#?}");
    }
}

#[test]
fn the_agents_own_attributes_are_refused() {
    let found = headlines(
        "[[instance]]\nname = \"a\"\nendpoint = \"unix:///a\"\n\
             attributes = { \"ecs.availability-zone\" = \"x\", n = 3 }\n",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].ends_with("expected availability_zone = \"…\" beside it"));
    assert_eq!(found[1], "q.toml:4:51: n is a number; expected a string");
}

#[test]
fn relative_files_go_from_the_config_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("q.toml");
    std::fs::write(folder.path().join("k"), "").unwrap();
    let text = "[[instance]]\nname = \"a\"\nendpoint = \"ssh://a\"\nssh = { key = \"k\" }\n";
    std::fs::write(&config, text).unwrap();
    let document = Document::read(&config).unwrap();
    let settings = settings(&document, &config, &Lookup::default()).unwrap();
    match &settings.instances[0].endpoint {
        Endpoint::Ssh(ssh) => assert_eq!(ssh.key, Some(folder.path().join("k"))),
        other => panic!("{other}"),
    }
}

#[test]
fn the_order_of_lookup() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["here", "xdg/quarterdeck", "etc"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    let mut lookup = Lookup {
        current: at("here"),
        xdg: Some(at("xdg")),
        system: at("etc"),
        host_name: "my host".into(),
        ..Lookup::default()
    };
    assert_eq!(lookup.find(), None);
    let local = super::load(&lookup).unwrap();
    assert_eq!(local.instances[0].name.as_str(), "my-host");
    assert_eq!(
        local.instances[0].endpoint.to_string(),
        "unix:///var/run/docker.sock"
    );
    for name in ["etc", "xdg/quarterdeck", "here"] {
        let file = at(name).join("quarterdeck.toml");
        std::fs::write(&file, "").unwrap();
        assert_eq!(lookup.find(), Some(file));
    }
    lookup.variable = Some("by-variable".into());
    assert_eq!(lookup.find(), Some("by-variable".into()));
    lookup.flag = Some("by-flag".into());
    assert_eq!(lookup.find(), Some("by-flag".into()));
    let faults = super::load(&lookup).unwrap_err();
    assert!(faults.to_string().starts_with("by-flag: cannot be read: "));
}

#[test]
fn without_a_file_docker_host_is_heeded_or_refused() {
    let mut lookup = Lookup {
        system: "/nowhere".into(),
        current: "/nowhere".into(),
        docker_host: Some("unix:///run/x.sock".into()),
        host_name: "h".into(),
        ..Lookup::default()
    };
    let settings = super::load(&lookup).unwrap();
    assert_eq!(
        settings.instances[0].endpoint.to_string(),
        "unix:///run/x.sock"
    );
    lookup.docker_host = Some("tcp://x:2375".into());
    let faults = super::load(&lookup).unwrap_err();
    assert!(faults.to_string().contains("needs TLS files"), "{faults}");
}

#[test]
fn the_annotated_example_is_valid() {
    let text = include_str!("../../config/quarterdeck.toml");
    let settings = read(text).unwrap();
    assert!(!settings.instances.is_empty());
}

/// A role and the secrets that it grants.
const ROLES: &str = r#"
[[secret]]
name = "db-password"
file = "secrets/db"

[[secret]]
name = "token"
env = "SHOP_TOKEN"

[[secret]]
name = "key"
command = ["pass", "show", "shop/key"]

[[role]]
name = "app"
secrets = ["db-password", "token"]
images = ["shop/*"]
host_paths = ["/srv/data"]
environment_files = ["env"]
"#;

#[test]
fn roles_grant_secrets_that_come_from_three_places() {
    let document = Document::parse("q.toml", ROLES).unwrap();
    let settings = settings(&document, Path::new("/etc/q/q.toml"), &Lookup::default()).unwrap();
    let sources: Vec<_> = settings.secrets.iter().map(|s| s.source.clone()).collect();
    let words = ["pass", "show", "shop/key"].map(str::to_owned);
    assert_eq!(
        sources,
        [
            SecretSource::File("/etc/q/secrets/db".into()),
            SecretSource::Environment("SHOP_TOKEN".to_owned()),
            SecretSource::Command(words.to_vec()),
        ]
    );
    let [role] = &settings.roles[..] else {
        panic!("{settings:?}");
    };
    assert_eq!(role.secrets, ["db-password", "token"]);
    assert_eq!(role.images.as_deref(), Some(&["shop/*".to_owned()][..]));
    assert_eq!(
        role.host_paths.as_deref(),
        Some(&["/srv/data".to_owned()][..])
    );
    assert_eq!(role.environment_files, ["env"]);
    let warnings = settings.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("no role grants the secret \"key\""));
}

#[test]
fn faults_of_roles_and_secrets_are_told_in_place_with_the_nearest_name() {
    let found = headlines(
        r#"
[[secret]]
name = "db-password"
file = "a"
env = "B"

[[secret]]
name = "token"

[[secret]]
name = "a b"
env = "A=B"

[[secret]]
name = "key"
command = "pass show key"

[[secret]]
name = "key2"
command = []

[[role]]
name = "app"
secret = ["db-password"]
secrets = ["db-pasword", 7]
host_paths = ["srv"]

[[role]]
name = "app"
"#,
    );
    let expected = [
        "a secret comes from one place, not from file and env",
        "a secret does not say where it comes from",
        "\"a b\" cannot name a secret",
        "env is \"A=B\"",
        "command is a string",
        "command names no program",
        "a role has no member \"secret\"",
        "there is no secret \"db-pasword\"",
        "secrets has a number in it",
        "the host's path \"srv\" is not absolute",
        "the role \"app\" is given twice",
    ];
    for part in expected {
        assert!(
            found.iter().any(|line| line.contains(part)),
            "{part}: {found:#?}"
        );
    }
    let near = found
        .iter()
        .find(|line| line.contains("db-pasword"))
        .unwrap();
    assert!(near.contains("did you mean \"db-password\"?"), "{near}");
}

#[test]
fn capacity_providers_fargate_and_resources_come_out_whole() {
    let settings = read(
        r#"
[[cluster]]
name = "prod"
default_capacity_provider_strategy = [
  { capacity_provider = "spot", base = 1, weight = 2 },
  { capacity_provider = "steady", weight = 1 },
]
[[capacity_provider]]
name = "spot"
cluster = "prod"
[[capacity_provider]]
name = "steady"
cluster = "prod"
[[instance]]
name = "a"
cluster = "prod"
endpoint = "unix:///a"
capacity_provider = "spot"
[instance.resources]
GPU = 2
license = 5
[[instance]]
name = "b"
endpoint = "unix:///b"
fargate = true
"#,
    )
    .unwrap();
    let prod = &settings.clusters[0];
    assert_eq!(prod.capacity_providers.len(), 2);
    let shares: Vec<_> = prod
        .default_capacity_provider_strategy
        .iter()
        .map(|item| (item.capacity_provider.as_str(), item.base, item.weight))
        .collect();
    assert_eq!(shares, [("spot", 1, 2), ("steady", 0, 1)]);
    let [a, b] = &settings.instances[..] else {
        panic!("{settings:?}");
    };
    assert_eq!(
        a.capacity_provider,
        Some(prod.capacity_providers[0].clone())
    );
    assert_eq!((a.resources["GPU"], a.resources["license"]), (2, 5));
    assert!(b.fargate && !a.fargate);
}

#[test]
fn faults_of_capacity_point_at_their_place() {
    let found = headlines(
        r#"
[[cluster]]
name = "default"
default_capacity_provider_strategy = [{ capacity_provider = "spto", weight = 1 }]
[[cluster]]
name = "other"
default_capacity_provider_strategy = [{ capacity_provider = "FARGATE", wieght = 1 }]
[[capacity_provider]]
name = "spot"
[[capacity_provider]]
name = "spot"
cluster = "other"
[[capacity_provider]]
name = "Fargate-2"
[[instance]]
name = "a"
endpoint = "unix:///a"
capacity_provider = "spto"
fargate = true
resources = { GPU = "two", cpu = 3 }
[[instance]]
name = "b"
cluster = "other"
endpoint = "unix:///b"
capacity_provider = "spot"
"#,
    );
    assert_eq!(
        found,
        [
            "q.toml:4:61: the cluster has no capacity provider \"spto\"; expected one of spot, FARGATE, FARGATE_SPOT; did you mean \"spot\"?",
            "q.toml:7:38: default_capacity_provider_strategy: every weight is 0, so no task could start; give one item a weight above 0",
            "q.toml:7:72: an item of the strategy has no member \"wieght\"; did you mean \"weight\"?",
            "q.toml:11:8: the capacity provider \"spot\" is given twice",
            "q.toml:14:8: \"Fargate-2\" is one of ECS's own names; expected a name that does not begin with aws, ecs or fargate",
            "q.toml:18:1: an instance that serves FARGATE belongs to no capacity provider; keep one of the two",
            "q.toml:18:21: the cluster has no capacity provider \"spto\"; expected one of spot; did you mean \"spot\"?",
            "q.toml:20:21: GPU is a string; expected how many, as a whole number",
            "q.toml:20:28: \"cpu\" cannot name a resource of an instance; expected nothing: cpu and memory are the engine's to tell",
            "q.toml:25:21: the cluster has no capacity provider \"spot\"; expected a [[capacity_provider]] with name = \"spot\" in the same cluster",
        ]
    );
}

#[test]
fn nothing_listens_unless_it_is_said_and_never_without_tls_but_here() {
    let nothing = read("").unwrap();
    assert_eq!(nothing.listen, ListenSettings::default());
    assert_eq!(nothing.remote, None);
    let bare = "[api]\nlisten = \"10.0.0.5:7443\"\n[metrics]\nlisten = \"0.0.0.0:9464\"\n";
    let said = headlines(bare).join("\n");
    assert!(said.contains("api has no \"tls\""), "{said}");
    assert!(said.contains("api names nobody who may use it"), "{said}");
    let open = "0.0.0.0:9464 without TLS would be open to anyone who reaches it";
    assert!(said.contains(open), "{said}");
    let metrics = read("[metrics]\nlisten = \"[::1]:9464\"\n").unwrap();
    assert_eq!(metrics.listen.metrics, Some("[::1]:9464".parse().unwrap()));
    assert_eq!(metrics.listen.api, None);
}

/// With the files that TLS takes.
fn with_files(text: &str) -> Result<Settings, Faults> {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let tls = "tls = { ca = \"ca.pem\", cert = \"cert.pem\", key = \"key.pem\" }";
    let document = Document::parse("q.toml", &text.replace("TLS", tls))?;
    settings(&document, &dir.path().join("q.toml"), &Lookup::default())
}

#[test]
fn operators_are_named_by_certificate_and_role_and_each_certificate_once() {
    let whole = with_files(
        r#"
[api]
listen = "[::]:7443"
TLS
[[api.operator]]
name = "ann"
certificate = "CN=ann"
role = "admin"
[[api.operator]]
name = "bot"
certificate = "DNS:Bot.Shop"
role = "viewer"
"#,
    );
    let api = whole.unwrap().listen.api.unwrap();
    assert_eq!(api.address, "[::]:7443".parse().unwrap());
    let [ann, bot] = &api.operators[..] else {
        panic!("{api:?}");
    };
    assert_eq!((ann.name.as_str(), ann.role), ("ann", AccessRole::Admin));
    assert_eq!(bot.certificate.to_string(), "DNS:bot.shop");

    let wrong = with_files(
        r#"
[api]
listen = "ops.example:7443"
TLS
[[api.operator]]
name = "ann"
certificate = "CN=ann"
role = "operator"
[[api.operator]]
name = "bob"
certificate = "CN=ann"
role = "viewr"
[[api.operator]]
name = ""
certificate = "ann"
role = "owner"
"#,
    );
    let faults = wrong.unwrap_err();
    let expected = [
        ":3:10: \"ops.example:7443\" is no address to listen on; expected an IP address",
        ":11:15: CN=ann is ann's already",
        ":12:8: there is no role \"viewr\"; expected one of viewer, operator, admin; did you mean",
        ":14:8: an operator's name has 1 to 64 readable characters",
        ":15:15: \"ann\" names no certificate; expected \"CN=…\"",
        ":16:8: there is no role \"owner\"; expected one of viewer, operator, admin",
    ];
    assert_eq!(faults.0.len(), expected.len(), "{faults}");
    for (fault, expected) in faults.0.iter().zip(expected) {
        let said = fault.headline();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_server_elsewhere_has_its_port_and_needs_certificates() {
    let remote = with_files("[remote]\nserver = \"tcp://ops.example\"\nTLS\n").unwrap();
    assert_eq!(remote.remote.unwrap().address, "ops.example:7443");
    assert_eq!(
        super::server_address("tcp://[fd00::1]:99/"),
        Ok("[fd00::1]:99".to_owned())
    );
    for wrong in ["ops.example", "https://ops.example", "tcp://", "tcp://a:0"] {
        assert!(super::server_address(wrong).is_err(), "{wrong}");
    }
    let said = headlines("[remote]\nserver = \"ops.example\"\n").join("\n");
    assert!(said.contains("it begins with tcp://"), "{said}");
    assert!(said.contains("remote has no \"tls\""), "{said}");
}
