//! What can be copied, and how a terminal is told to: OSC 52 puts text on the clipboard of the
//! machine that the operator sits at, however many hosts lie between.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::{ClusterName, Event, Instance, State, Task, TaskDefinitionId, TaskId};

use super::command_line::{self, qd};
use super::logs::{Entry, LogPage, Sight};
use super::state::{Model, Pane, Subject};
use super::text;

/// The most bytes that are copied: encoded, about what the most narrow of the terminals take.
pub(crate) const BYTES_MAX: usize = 54_000;

/// What is copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A thing: a row, or the page about it.
    Thing(Subject),
    /// The names of all rows that are marked in a list.
    Marked(Pane),
    /// The logs on the screen.
    Logs,
}

/// Something that can be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// What it is, in words; no two of one source read the same.
    pub what: String,
    pub text: String,
}

fn piece(what: impl Into<String>, text: impl Into<String>) -> Piece {
    Piece {
        what: what.into(),
        text: text.into(),
    }
}

/// What can be copied of a source, the most wanted first.
pub(crate) fn pieces(model: &Model, source: &Source) -> Vec<Piece> {
    let mut pieces = match source {
        Source::Marked(pane) => vec![marked(model, *pane)],
        Source::Thing(subject) => of_subject(model, subject),
        Source::Logs => model.logs_on_top().map_or_else(Vec::new, |(page, sight)| {
            of_logs(page, sight, &model.snapshot.state)
        }),
    };
    pieces.retain(|it| !it.text.is_empty());
    pieces
}

/// The bytes that make a terminal copy a text.
pub(crate) fn sequence(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", STANDARD.encode(text))
}

fn marked(model: &Model, pane: Pane) -> Piece {
    let marks = &model.marks;
    let (kind, names): (_, Vec<String>) = match pane {
        Pane::Services => (
            "services",
            each(marks.services.iter().map(|(_, name)| name)),
        ),
        Pane::Tasks => ("tasks", each(&marks.tasks)),
        Pane::Instances => ("instances", each(&marks.instances)),
        Pane::Events => ("events", Vec::new()),
    };
    piece(format!("marked {kind}"), names.join("\n"))
}

fn each(all: impl IntoIterator<Item = impl ToString>) -> Vec<String> {
    all.into_iter().map(|it| it.to_string()).collect()
}

fn of_subject(model: &Model, subject: &Subject) -> Vec<Piece> {
    let state = &model.snapshot.state;
    let command = |cluster: &ClusterName, words: &[&str]| piece("command", qd(cluster, words));
    match subject {
        Subject::Task(id) => of_task(model, *id),
        Subject::Service((cluster, name)) => {
            let service = state.services.get(&(cluster.clone(), name.clone()));
            let primary = service.and_then(|it| it.primary());
            let definition = primary.map(|it| it.task_definition.to_string());
            let own = model.fleet.of_service(&(cluster.clone(), name.clone()));
            let own = own.iter().map(|row| &row.task);
            let own = own.filter(|it| !it.is_stopped());
            let addresses: Vec<String> = own.flat_map(|it| addresses(model, it)).collect();
            vec![
                piece("service name", name.as_str()),
                piece("ARN", state.partition(cluster).service(cluster, name)),
                piece("task definition", definition.unwrap_or_default()),
                piece("addresses", addresses.join("\n")),
                command(cluster, &["service", "show", name.as_str()]),
            ]
        }
        Subject::Instance(name) => {
            let instance = state.instances.get(name);
            let default = ClusterName::default_cluster();
            let cluster = instance.map_or(&default, |it| &it.cluster);
            vec![
                piece("instance name", name.as_str()),
                piece("ARN", state.partition(cluster).instance(cluster, name)),
                piece(
                    "endpoint",
                    instance.map_or("", |it| it.endpoint.as_str()).to_owned(),
                ),
                piece("host", instance.map_or("", |it| host(it)).to_owned()),
                command(cluster, &["instance", "show", name.as_str()]),
            ]
        }
        Subject::Event(event) => of_event(event),
        Subject::Definition(compared) => of_definition(model, &compared.id),
        Subject::Replicas(both) => vec![
            piece(
                "ids of both tasks",
                format!("{}\n{}", both.left, both.right),
            ),
            piece("id of the left task", both.left.to_string()),
            piece("id of the right task", both.right.to_string()),
        ],
        Subject::Refused(refused) => vec![
            piece("text", refused.ask.text.as_str()),
            piece("what is wrong", refused.why.join("\n")),
        ],
        Subject::Schedules => Vec::new(),
    }
}

fn of_task(model: &Model, id: TaskId) -> Vec<Piece> {
    let state = &model.snapshot.state;
    let mut pieces = vec![piece("task id", id.to_string())];
    let Some(task) = state.tasks.get(&id) else {
        return pieces;
    };
    let cluster = &task.cluster;
    pieces.push(piece("ARN", state.partition(cluster).task(cluster, &id)));
    pieces.push(piece("addresses", addresses(model, task).join("\n")));
    for container in &task.containers {
        let name = &container.name;
        let digest = container.image_digest.as_deref().unwrap_or_default();
        pieces.push(piece(format!("image digest of {name}"), digest));
    }
    for container in &task.containers {
        let what = format!("container id of {}", container.name);
        pieces.push(piece(what, container.runtime_id.as_str()));
    }
    pieces.push(piece("task definition", task.task_definition.to_string()));
    pieces.push(piece("instance name", task.whereabouts()));
    let short = task.id.short();
    pieces.push(piece("command", qd(cluster, &["task", "show", &short])));
    pieces.push(piece("command for a shell", qd(cluster, &["exec", &short])));
    pieces
}

fn of_event(event: &Event) -> Vec<Piece> {
    let named = |what: &str, name: Option<String>| piece(what, name.unwrap_or_default());
    let at = i64::try_from(event.at.0).unwrap_or(i64::MAX);
    let at =
        jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |it| it.to_string());
    let message = text::clean(&event.message).into_owned();
    let since = qd(&event.cluster, &["events"]);
    vec![
        piece("event", message.clone()),
        piece("event with its time", format!("{at} {message}")),
        named("task id", event.task.map(|it| it.to_string())),
        named(
            "service name",
            event.service.as_ref().map(ToString::to_string),
        ),
        named(
            "instance name",
            event.instance.as_ref().map(ToString::to_string),
        ),
        piece("command", since),
    ]
}

fn of_definition(model: &Model, id: &TaskDefinitionId) -> Vec<Piece> {
    let state = &model.snapshot.state;
    let partition = state.partition(&ClusterName::default_cluster());
    let definition = state.task_definitions.get(id);
    let containers = definition.iter().flat_map(|it| &it.container_definitions);
    let images = containers.map(|it| piece(format!("image of {}", it.name), it.image.as_str()));
    let name = id.to_string();
    let mut pieces = vec![
        piece("task definition", name.clone()),
        piece("ARN", partition.task_definition(id)),
    ];
    pieces.extend(images);
    let command = qd(&ClusterName::default_cluster(), &["taskdef", "show", &name]);
    pieces.push(piece("command", command));
    pieces
}

fn of_logs(page: &LogPage, sight: Sight, state: &State) -> Vec<Piece> {
    let found = page.search.at.and_then(|number| page.book.get(number));
    let found = match found {
        Some(Entry::Line(line)) => line.text.to_string(),
        _ => String::new(),
    };
    let shown = page.window(sight).into_iter().map(|(number, _)| number);
    let command = command_line::logs(&page.target, page.reach, state);
    vec![
        piece("line found", found),
        piece("lines on the screen", page.lines_of(shown, BYTES_MAX)),
        piece("all lines that pass", page.saved_text_to(BYTES_MAX)),
        piece("command", command),
    ]
}

/// Where a task's published ports are reached: `10.0.1.11:32768`.
fn addresses(model: &Model, task: &Task) -> Vec<String> {
    let instance = model.snapshot.state.instances.get(&task.instance);
    let there = instance.map_or("", |it| host(it));
    let bindings = task.containers.iter().flat_map(|it| &it.network_bindings);
    let mut all: Vec<String> = bindings
        .filter(|it| it.host_port > 0)
        .map(|it| match it.bind_ip.as_str() {
            "" | "0.0.0.0" | "::" => format!("{there}:{}", it.host_port),
            own if own.contains(':') => format!("[{own}]:{}", it.host_port),
            own => format!("{own}:{}", it.host_port),
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The host that an instance's endpoint names; brackets round IPv6 stay.
fn host(instance: &Instance) -> &str {
    let Some((scheme, rest)) = instance.endpoint.split_once("://") else {
        return instance.name.as_str();
    };
    if scheme == "unix" {
        return "localhost";
    }
    let rest = rest.split('/').next().unwrap_or(rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match (rest.find(']'), rest.rsplit_once(':')) {
        (Some(end), _) => &rest[..=end],
        (None, Some((host, _))) => host,
        (None, None) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Connection, InstanceName};

    #[test]
    fn a_terminal_is_told_in_base64_and_nothing_of_the_text_reaches_it_raw() {
        assert_eq!(sequence("web"), "\x1b]52;c;d2Vi\x07");
        let evil = sequence("\x1b]0;title\x07");
        assert_eq!(evil.matches('\x1b').count(), 1, "{evil:?}");
        assert!(sequence(&"x".repeat(BYTES_MAX)).len() < 74_994);
    }

    #[test]
    fn the_host_of_an_endpoint_is_what_a_browser_would_be_given() {
        let host_of = |endpoint: &str| {
            let name = InstanceName::new("a1").unwrap();
            let cluster = ClusterName::default_cluster();
            let it = Instance::new(
                name,
                cluster,
                endpoint.to_owned(),
                Connection::Connected {
                    since: crate::model::TimeMs(0),
                },
            );
            host(&it).to_owned()
        };
        for (endpoint, host) in [
            ("ssh://deploy@10.0.1.11", "10.0.1.11"),
            ("ssh://deploy@ops.example:2222", "ops.example"),
            ("tcp://[fd00::7]:2376", "[fd00::7]"),
            ("unix:///var/run/docker.sock", "localhost"),
            ("a simulated one", "a1"),
        ] {
            assert_eq!(host_of(endpoint), host, "{endpoint}");
        }
    }
}
