//! Files to what they ask for, with every fault at its line.

use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::controller::Command;
use crate::controller::command::{CreateService, PutSchedule, RegisterTaskDefinition};
use crate::controller::wire::{self, WireFault};
use crate::document::{Document, Fault, Faults, Kind, Node, Path, Step, TEXT_MAX, nearest};
use crate::model::members::Shape;

/// The file name that means standard input.
const STDIN: &str = "-";
/// Faults of one thing that are looked for.
const ROUNDS_MAX: usize = 50;
/// The most things that one file can ask for.
pub const ITEMS_MAX: usize = 1_000;

/// One thing that a file asks for.
#[derive(Clone, Debug)]
pub struct Item {
    /// What.
    pub wanted: Wanted,
    document: Arc<Document>,
    node: Node,
}

/// What a file can ask for.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A task definition.
    Definition(Box<RegisterTaskDefinition>),
    /// A service.
    Service {
        /// ECS's request to create it.
        request: Box<CreateService>,
        /// Whether the file says how many; where it does not, an update leaves the count alone.
        says_count: bool,
    },
    /// A schedule.
    Schedule(Box<PutSchedule>),
}

impl Item {
    /// A fault at one of its members, or at the whole where it does not have that.
    #[must_use]
    pub fn fault(&self, member: &str, what: impl Into<String>) -> Fault {
        let path = Path::default().key(member);
        self.document.fault_at(&self.node, &path, what)
    }
}

/// Reads all files.
///
/// # Errors
/// [`Faults`] of all of them.
pub fn files(files: &[PathBuf]) -> Result<Vec<Item>, Faults> {
    let mut items = Vec::new();
    let mut faults = Faults::default();
    for file in files {
        match open(file) {
            Ok(document) => items.extend(document_items(&Arc::new(document), &mut faults)),
            Err(more) => faults.extend(more.0),
        }
    }
    twice(&items, &mut faults);
    faults.or(items)
}

fn open(file: &FilePath) -> Result<Document, Faults> {
    if file.as_os_str() != STDIN {
        return Document::read(file);
    }
    let mut text = String::new();
    std::io::stdin()
        .take(TEXT_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| Fault::of_file("standard input", format!("cannot be read: {error}")))?;
    if text.len() as u64 > TEXT_MAX {
        let what = format!("is longer than the {TEXT_MAX} bytes that are read");
        return Err(Fault::of_file("standard input", what).into());
    }
    Document::parse("standard input", &text)
}

/// The same family or service asked for twice cannot both be meant.
fn twice(items: &[Item], faults: &mut Faults) {
    for (index, item) in items.iter().enumerate() {
        let before = &items[..index];
        let fault = match &item.wanted {
            Wanted::Definition(it) => before
                .iter()
                .any(
                    |other| matches!(&other.wanted, Wanted::Definition(o) if o.family == it.family),
                )
                .then(|| {
                    let what = format!("the task definition {} is given twice", it.family);
                    item.fault("family", what)
                }),
            Wanted::Service { request: it, .. } => before
                .iter()
                .any(|other| match &other.wanted {
                    Wanted::Service { request: o, .. } => {
                        (&o.service_name, &o.cluster) == (&it.service_name, &it.cluster)
                    }
                    Wanted::Definition(_) | Wanted::Schedule(_) => false,
                })
                .then(|| {
                    let what = format!("the service {} is given twice", it.service_name);
                    item.fault("serviceName", what)
                }),
            Wanted::Schedule(it) => before
                .iter()
                .any(|other| match &other.wanted {
                    Wanted::Schedule(o) => (&o.name, &o.cluster) == (&it.name, &it.cluster),
                    _ => false,
                })
                .then(|| {
                    let what = format!("the schedule {} is given twice", it.name);
                    item.fault("name", what)
                }),
        };
        faults.extend(fault);
    }
}

/// The lists that a file can hold, under either of their names.
const LISTS: [(&str, &str); 6] = [
    ("taskDefinition", "RegisterTaskDefinition"),
    ("taskDefinitions", "RegisterTaskDefinition"),
    ("service", "CreateService"),
    ("services", "CreateService"),
    ("schedule", "PutSchedule"),
    ("schedules", "PutSchedule"),
];

/// What one document asks for.
///
/// # Errors
/// [`Faults`], all of them.
pub fn document(document: &Arc<Document>) -> Result<Vec<Item>, Faults> {
    let mut faults = Faults::default();
    let items = document_items(document, &mut faults);
    twice(&items, &mut faults);
    faults.or(items)
}

/// What a document asks for by itself; its faults go to `faults`.
fn document_items(document: &Arc<Document>, faults: &mut Faults) -> Vec<Item> {
    let root = document.root();
    let mut items = Vec::new();
    // What describe-task-definition prints: the definition, and its tags beside it.
    let described = matches!(
        root.get("taskDefinition").map(|it| &it.kind),
        Some(Kind::Object(_))
    );
    let tags = root.get("tags").filter(|_| described);
    let mut asked = 0;
    let mut take = |node: &Node, operation: &str, faults: &mut Faults| {
        asked += 1;
        if asked > ITEMS_MAX {
            if asked == ITEMS_MAX + 1 {
                let what = format!("more than {ITEMS_MAX} things are asked for in one file");
                faults.push(document.fault(node.span.clone(), what));
            }
            return;
        }
        let tags = tags.filter(|_| operation == "RegisterTaskDefinition");
        items.extend(item(document, node, operation, tags, faults));
    };
    if let Some(list) = root.items() {
        for node in list {
            match operation_of(document, node) {
                Ok(operation) => take(node, operation, faults),
                Err(more) => faults.extend(more.0),
            }
        }
    } else if holds_lists(root) {
        for entry in root.entries() {
            let list = LISTS.iter().find(|(name, _)| *name == entry.key);
            match (list, &entry.value.kind) {
                (Some((_, operation)), Kind::Array(nodes)) => {
                    for node in nodes {
                        take(node, operation, faults);
                    }
                }
                (Some((_, operation)), Kind::Object(_)) => take(&entry.value, operation, faults),
                (None, _) if described && entry.key == "tags" => {}
                (Some(_), _) => {
                    let what = format!("{} is {}", entry.key, entry.value.kind_name());
                    let fault = document.fault(entry.value.span.clone(), what);
                    faults.push(fault.expected("a table or a list of tables"));
                }
                (None, _) => {
                    let names = LISTS.map(|(name, _)| name);
                    let what = format!("there is no member {} here", entry.key);
                    let fault = document
                        .fault(entry.key_span.clone(), what)
                        .expected("taskDefinitions, services or schedules")
                        .or_nearest(nearest(&entry.key, names));
                    faults.push(fault);
                }
            }
        }
    } else {
        match operation_of(document, root) {
            Ok(operation) => take(root, operation, faults),
            Err(more) => faults.extend(more.0),
        }
    }
    items
}

/// Whether an object is a collection, rather than one thing itself: a service, too, has a member
/// `taskDefinition`, but that one is text.
fn holds_lists(root: &Node) -> bool {
    root.entries().iter().any(|entry| {
        LISTS.iter().any(|(name, _)| *name == entry.key)
            && matches!(entry.value.kind, Kind::Array(_) | Kind::Object(_))
    })
}

/// Which operation an object is the request of.
fn operation_of(document: &Document, node: &Node) -> Result<&'static str, Faults> {
    let likeness = |shape: Shape| {
        let known: Vec<&str> = shape.known().collect();
        let entries = node.entries().iter();
        entries
            .filter(|entry| known.contains(&entry.key.as_str()))
            .count()
    };
    if node.get("scheduleExpression").is_some() {
        return Ok("PutSchedule");
    }
    let definition = likeness(Shape::RegisterTaskDefinition);
    let service = likeness(Shape::CreateService);
    if node.get("serviceName").is_some() || service > definition {
        return Ok("CreateService");
    }
    if node.get("containerDefinitions").is_some() || definition > service {
        return Ok("RegisterTaskDefinition");
    }
    Err(document
        .fault(
            node.span.clone(),
            "this is neither a task definition nor a service nor a schedule",
        )
        .expected(
            "the input of register-task-definition (family, containerDefinitions, …) or of \
             create-service (serviceName, taskDefinition, …), or a schedule (name, \
             scheduleExpression, taskDefinition, …)",
        )
        .into())
}

fn item(
    document: &Arc<Document>,
    node: &Node,
    operation: &str,
    tags: Option<&Node>,
    faults: &mut Faults,
) -> Option<Item> {
    let place = |path: &str, message: &str| placed(document, node, path, message);
    let mut value = node.to_value();
    if let (Some(tags), Some(members)) = (tags, value.as_object_mut()) {
        members.insert("tags".to_owned(), tags.to_value());
    }
    let command = match decode(operation, value) {
        Ok(command) => command,
        Err(wrong) => {
            let wrong = wrong.iter().map(|fault| place(&fault.path, &fault.message));
            faults.extend(wrong);
            return None;
        }
    };
    let (wanted, wrong) = match command {
        Command::RegisterTaskDefinition(request) => {
            let wrong = request.faults();
            (Wanted::Definition(request), wrong)
        }
        Command::CreateService(request) => {
            let wrong = request.faults();
            let says_count = node.get("desiredCount").is_some();
            (
                Wanted::Service {
                    request,
                    says_count,
                },
                wrong,
            )
        }
        Command::PutSchedule(request) => {
            let wrong = request.faults();
            (Wanted::Schedule(request), wrong)
        }
        other => {
            let what = format!("{} is not something to apply", other.operation());
            faults.push(document.fault(node.span.clone(), what));
            return None;
        }
    };
    let wrong = wrong.iter().map(|fault| place(&fault.path, &fault.message));
    faults.extend(wrong);
    Some(Item {
        wanted,
        document: document.clone(),
        node: node.clone(),
    })
}

/// What ECS tells of a registered task definition and does not take when one is registered.
const TOLD_ONLY: [&str; 9] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// Takes out of ECS's description of a task definition what registering it does not take. A
/// file that somebody wrote has no ARN: there such a member is a mistake and told as one.
fn as_request(value: &mut Value) {
    if value.get("taskDefinitionArn").is_none() {
        return;
    }
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !TOLD_ONLY.contains(&name.as_str()));
    }
}

/// Reads a request and, where something is wrong with it, goes on without that to find what
/// else is.
fn decode(operation: &str, mut value: Value) -> Result<Command, Vec<WireFault>> {
    if operation == "RegisterTaskDefinition" {
        as_request(&mut value);
    }
    let mut taken: Vec<Path> = Vec::new();
    let mut all: Vec<WireFault> = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let found = match wire::read(operation, value.clone()) {
            Ok(command) if all.is_empty() => return Ok(command),
            Ok(_) => break,
            Err(found) => found,
        };
        let mut goes_on = false;
        for fault in found {
            let path = path_of(&fault.path);
            // What is missing because it was taken out has been told.
            let ours = taken.iter().any(|taken| match taken.steps().split_last() {
                Some((Step::Key(key), above)) => {
                    above == path.steps() && fault.message.contains(&format!("member {key} is"))
                }
                _ => false,
            });
            if ours {
                continue;
            }
            if take_out(&mut value, path.steps()) {
                taken.push(path);
                goes_on = true;
            }
            all.push(fault);
        }
        if !goes_on {
            break;
        }
    }
    Err(all)
}

/// Removes the member at a path; `false` if there is none (list items stay, to keep the others'
/// numbers).
fn take_out(value: &mut Value, steps: &[Step]) -> bool {
    match steps {
        [Step::Key(key)] => value
            .as_object_mut()
            .is_some_and(|members| members.remove(key).is_some()),
        [Step::Key(key), rest @ ..] => value
            .get_mut(key)
            .is_some_and(|below| take_out(below, rest)),
        [Step::Index(index), rest @ ..] if !rest.is_empty() => value
            .get_mut(*index)
            .is_some_and(|below| take_out(below, rest)),
        _ => false,
    }
}

fn path_of(text: &str) -> Path {
    let Ok(path) = text.parse();
    path
}

/// A fault of the wire or of validation, at its line.
fn placed(document: &Document, node: &Node, path: &str, message: &str) -> Fault {
    let path_in = path_of(path);
    let (message, near) = match message.split_once("; did you mean ") {
        Some((message, near)) => (message, Some(near.trim_end_matches('?').trim_matches('"'))),
        None => (message, None),
    };
    let (what, expected) = ["; expected ", ", expected "]
        .iter()
        .find_map(|separator| message.split_once(separator))
        .map_or((message, None), |(what, expected)| (what, Some(expected)));
    let span = if what.starts_with("there is no member") {
        node.key_place(&path_in)
    } else {
        node.place(&path_in)
    };
    let what = match path {
        "" => what.replace('`', ""),
        path => format!("{path}: {}", what.replace('`', "")),
    };
    let fault = document.fault(span, what).or_nearest(near);
    match expected {
        Some(expected) => fault.expected(expected),
        None => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, text: &str) -> Result<Vec<Item>, Faults> {
        document(&Arc::new(Document::parse(file, text)?))
    }

    #[test]
    fn a_file_asks_for_so_many_things_and_no_more() {
        let web = |n: usize| format!("{{\"serviceName\": \"w{n}\", \"taskDefinition\": \"w\"}}");
        let all = |count: usize| (0..count).map(web).collect::<Vec<_>>().join(",");
        let most = read("a.json", &format!("[{}]", all(ITEMS_MAX))).unwrap();
        assert_eq!(most.len(), ITEMS_MAX);
        let told = headlines("a.json", &format!("[{}]", all(ITEMS_MAX + 10)));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("more than 1000 things"), "{told:?}");
    }

    #[test]
    fn one_document_cannot_ask_for_a_thing_twice() {
        let web = r#"{"serviceName": "web", "taskDefinition": "web:1"}"#;
        let told = headlines("web.json", &format!("[{web}, {web}]"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("the service web is given twice"),
            "{told:?}"
        );
    }

    fn headlines(file: &str, text: &str) -> Vec<String> {
        let faults = read(file, text).unwrap_err();
        faults.0.iter().map(Fault::headline).collect()
    }

    fn shape(items: &[Item]) -> Vec<String> {
        items
            .iter()
            .map(|item| match &item.wanted {
                Wanted::Definition(it) => format!("definition {}", it.family),
                Wanted::Service {
                    request,
                    says_count,
                } => format!("service {} {says_count}", request.service_name),
                Wanted::Schedule(it) => format!("schedule {}", it.name),
            })
            .collect()
    }

    #[test]
    fn the_examples_ask_for_the_same_in_both_languages() {
        let toml = read("web.toml", include_str!("../../config/examples/web.toml")).unwrap();
        let json = read("web.json", include_str!("../../config/examples/web.json")).unwrap();
        assert_eq!(shape(&toml), ["definition web", "service web true"]);
        for (a, b) in toml.iter().zip(&json) {
            match (&a.wanted, &b.wanted) {
                (Wanted::Definition(a), Wanted::Definition(b)) => assert_eq!(a, b),
                (Wanted::Service { request: a, .. }, Wanted::Service { request: b, .. }) => {
                    assert_eq!(a, b);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(shape(&toml), shape(&json));
    }

    #[test]
    fn one_object_or_a_list_is_told_by_its_members() {
        let service = r#"{"serviceName": "web", "taskDefinition": "web:1"}"#;
        let definition = r#"{"family": "web", "containerDefinitions": [{"name": "a", "image": "i", "memory": 8}]}"#;
        assert_eq!(shape(&read("s", service).unwrap()), ["service web false"]);
        let both = format!("[{definition}, {service}]");
        assert_eq!(
            shape(&read("b.json", &both).unwrap()),
            ["definition web", "service web false"]
        );
        assert!(headlines("e.json", "{\"x\": 1}")[0].contains("neither a task definition"));
    }

    #[test]
    fn every_fault_points_at_its_line() {
        let text = "\
[[taskDefinition]]
family = \"web\"

[[taskDefinition.containerDefinitions]]
name = \"app\"
image = \"i\"
memry = 128
cpu = \"much\"
portMappings = [{ containerPort = 70000 }]

[[servce]]
serviceName = \"web\"

[[service]]
serviceName = \"web\"
taskDefinition = \"web\"
desiredCount = -1
";
        assert_eq!(
            headlines("f.toml", text),
            [
                "f.toml:7:1: containerDefinitions[0].memry: there is no member memry here; did you mean \"memory\"?",
                "f.toml:8:7: containerDefinitions[0].cpu: invalid type: string \"much\"; expected a whole number, 0 or more",
                "f.toml:9:35: containerDefinitions[0].portMappings[0].containerPort: invalid value: integer 70000; expected a whole number from 0 to 65535",
                "f.toml:11:3: there is no member servce here; expected taskDefinitions, services or schedules; did you mean \"service\"?",
                "f.toml:17:16: desiredCount: invalid value: integer -1; expected a whole number, 0 or more",
            ]
        );
    }

    #[test]
    fn what_makes_no_sense_is_pointed_at_too() {
        let text = r#"{"family": "web", "containerDefinitions": [
  {"name": "a", "image": "i", "memory": 8, "dependsOn": [{"containerName": "b", "condition": "START"}]}]}"#;
        let found = headlines("f.json", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("f.json:2:"), "{found:?}");
    }

    #[test]
    fn a_thing_given_twice_is_a_fault() {
        let text = "[[service]]\nserviceName = \"a\"\ntaskDefinition = \"t\"\n\
                    [[service]]\nserviceName = \"a\"\ntaskDefinition = \"t\"\n";
        assert_eq!(
            headlines("f.toml", text),
            ["f.toml:5:15: the service a is given twice"]
        );
    }
}
