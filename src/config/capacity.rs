//! Capacity providers of a config file, what clusters give by default, and what instances offer.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::settings::ClusterSettings;
use crate::document::{Kind, Node, nearest};
use crate::model::capacity::{FARGATE_PROVIDERS, is_fargate};
use crate::model::{CapacityProviderName, CapacityProviderStrategyItem, ClusterName, validate};

const PROVIDER: &[&str] = &["name", "cluster"];
const ITEM: &[&str] = &["capacity_provider", "base", "weight"];
/// Beginnings of names that ECS keeps for its own providers, in any case.
const KEPT_NAMES: [&str; 3] = ["aws", "ecs", "fargate"];
/// The longest name of a resource.
const RESOURCE_NAME_MAX: usize = 128;

/// Takes the capacity providers into the clusters that they belong to.
pub(super) fn providers<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    clusters: &mut [ClusterSettings],
) {
    for node in reader.tables(root, "capacity_provider") {
        if !reader.table(node, "a capacity provider", PROVIDER) {
            continue;
        }
        let cluster = cluster(reader, node, clusters);
        let Some((text, span)) = reader.required(node, "a capacity provider", "name") else {
            continue;
        };
        let Some(name) = reader.checked::<CapacityProviderName>(text, &span) else {
            continue;
        };
        let lower = text.to_lowercase();
        if KEPT_NAMES.iter().any(|kept| lower.starts_with(kept)) {
            let fault = reader
                .fault(&span, format!("\"{name}\" is one of ECS's own names"))
                .expected("a name that does not begin with aws, ecs or fargate");
            reader.push(fault);
            continue;
        }
        // A name stands for one group in the whole control plane, as in an account of ECS.
        if clusters
            .iter()
            .any(|it| it.capacity_providers.contains(&name))
        {
            let fault = reader.fault(
                &span,
                format!("the capacity provider \"{name}\" is given twice"),
            );
            reader.push(fault);
        } else if let Some(home) = clusters
            .iter_mut()
            .find(|it| Some(&it.name) == cluster.as_ref())
        {
            home.capacity_providers.push(name);
        }
    }
}

/// The cluster that a table names; `default` where it names none.
fn cluster<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    clusters: &[ClusterSettings],
) -> Option<ClusterName> {
    let Some((text, span)) = reader.text(node, "cluster") else {
        return node
            .get("cluster")
            .is_none()
            .then(ClusterName::default_cluster);
    };
    let names = || clusters.iter().map(|it| it.name.as_str());
    let found = clusters.iter().find(|it| it.name.as_str() == text);
    if found.is_none() {
        let fault = reader
            .fault(&span, format!("there is no cluster \"{text}\""))
            .expected(format!("one of {}", names().collect::<Vec<_>>().join(", ")))
            .or_nearest(nearest(text, names()));
        reader.push(fault);
    }
    found.map(|it| it.name.clone())
}

/// Takes the clusters' default strategies in, once their providers are known.
pub(super) fn default_strategies<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    clusters: &mut [ClusterSettings],
) {
    const KEY: &str = "default_capacity_provider_strategy";
    for node in reader.tables(root, "cluster") {
        let name = node.get("name").and_then(Node::as_str);
        let Some(cluster) = clusters
            .iter_mut()
            .find(|it| Some(it.name.as_str()) == name)
        else {
            continue;
        };
        let mut items = Vec::new();
        for item in reader.tables(node, KEY) {
            items.extend(strategy_item(reader, item, &cluster.capacity_providers));
        }
        if let Some(list) = node.get(KEY) {
            for wrong in validate::capacity_provider_strategy(&items) {
                let path = wrong.path.replace("capacityProviderStrategy", KEY);
                let fault = reader.fault(&list.span, format!("{path}: {}", wrong.message));
                reader.push(fault);
            }
        }
        cluster.default_capacity_provider_strategy = items;
    }
}

fn strategy_item<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    known: &[CapacityProviderName],
) -> Option<CapacityProviderStrategyItem> {
    if !reader.table(node, "an item of the strategy", ITEM) {
        return None;
    }
    let mut amount = |key| {
        let value = reader.amount(node, key, "a whole number");
        u32::try_from(value).unwrap_or(u32::MAX)
    };
    let (base, weight) = (amount("base"), amount("weight"));
    let capacity_provider = provider(reader, node, "capacity_provider", known, &FARGATE_PROVIDERS)?;
    Some(CapacityProviderStrategyItem {
        capacity_provider,
        base,
        weight,
    })
}

/// The provider that a member names, which must be one of `known` or of `also`.
fn provider<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    key: &str,
    known: &[CapacityProviderName],
    also: &[&str],
) -> Option<CapacityProviderName> {
    let (text, span) = reader.required(node, "an item of the strategy", key)?;
    let name = reader.checked::<CapacityProviderName>(text, &span)?;
    if known.contains(&name) || also.contains(&text) {
        return Some(name);
    }
    let names = || {
        known
            .iter()
            .map(CapacityProviderName::as_str)
            .chain(also.iter().copied())
    };
    let all: Vec<&str> = names().collect();
    let expected = if all.is_empty() {
        format!("a [[capacity_provider]] with name = \"{name}\" in the same cluster")
    } else {
        format!("one of {}", all.join(", "))
    };
    let fault = reader
        .fault(
            &span,
            format!("the cluster has no capacity provider \"{name}\""),
        )
        .expected(expected)
        .or_nearest(nearest(text, names()));
    reader.push(fault);
    None
}

/// The capacity provider of an instance, and whether it serves FARGATE.
pub(super) fn of_instance<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    cluster: Option<&ClusterName>,
    clusters: &[ClusterSettings],
) -> (Option<CapacityProviderName>, bool) {
    let fargate = reader.flag(node, "fargate");
    let Some(entry) = node.entry("capacity_provider") else {
        return (None, fargate);
    };
    if fargate {
        let what =
            "an instance that serves FARGATE belongs to no capacity provider; keep one of the two";
        let fault = reader.fault(&entry.key_span, what);
        reader.push(fault);
    }
    let home = clusters.iter().find(|it| Some(&it.name) == cluster);
    let known = home.map_or(&[][..], |it| &it.capacity_providers);
    let named = provider(reader, node, "capacity_provider", known, &[]);
    (named.filter(|name| !is_fargate(name)), fargate)
}

/// Whole resources of an instance by name, such as `GPU = 2`.
pub(super) fn resources<'a>(reader: &mut Reader<'a>, node: &'a Node) -> BTreeMap<String, u64> {
    let mut resources = BTreeMap::new();
    let Some(table) = node.get("resources") else {
        return resources;
    };
    let Kind::Object(entries) = &table.kind else {
        reader.table(table, "resources", &[]);
        return resources;
    };
    for entry in entries {
        let name = entry.key.as_str();
        let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
        let own = match name.to_ascii_uppercase().as_str() {
            "CPU" | "MEMORY" => Some("nothing: cpu and memory are the engine's to tell"),
            "PORTS" | "PORTS_UDP" => Some("reserved = { ports = […] } beside it"),
            _ if name.is_empty()
                || name.len() > RESOURCE_NAME_MAX
                || !name.chars().all(letters) =>
            {
                Some("1 to 128 letters, digits, '-', '_', '.' and '/'")
            }
            _ => None,
        };
        if let Some(expected) = own {
            let fault = reader.fault(
                &entry.key_span,
                format!("\"{name}\" cannot name a resource of an instance"),
            );
            reader.push(fault.expected(expected));
            continue;
        }
        let count = reader.amount(table, name, "how many, as a whole number");
        resources.insert(entry.key.clone(), count);
    }
    resources
}
