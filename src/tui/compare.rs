//! Two tasks side by side: what is the same, and what is not. Pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::model::task_definition::KeyValue;
use crate::model::{LaunchType, Task, TaskDefinition, TaskId, TimeMs};

use super::fleet::{Mood, Runner, TaskRow};
use super::state::Model;
use super::text;
use super::view::detail::revisions::MASKED;
use super::view::detail::{definition, tag_words, task};
use super::view::tasks;

/// Two tasks that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    /// The one that was asked about.
    pub left: TaskId,
    /// What it is compared with.
    pub right: TaskId,
    /// Whether rows that are the same on both sides are left out.
    pub only_different: bool,
}

/// What a task has in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Words(String),
    Moment(TimeMs),
}

impl Value {
    /// Whether both are shown alike: moments are, to the second.
    fn reads_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Moment(a), Self::Moment(b)) => a.0 / 1_000 == b.0 / 1_000,
            _ => self == other,
        }
    }
}

/// One thing that is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The heading that it is under.
    pub section: String,
    pub name: String,
    /// What the first and the second task have; `None` where one has nothing of the kind.
    pub values: [Option<Value>; 2],
    pub differs: bool,
}

/// What one task says about itself.
struct Fact {
    section: String,
    name: String,
    value: Value,
}

/// The facts of one task, as they are written down.
#[derive(Default)]
struct Facts {
    section: String,
    list: Vec<Fact>,
}

impl Facts {
    fn add(&mut self, name: &str, value: Value) {
        self.list.push(Fact {
            section: self.section.clone(),
            name: name.trim().to_owned(),
            value,
        });
    }

    /// Words, if there are any; made harmless to show.
    fn words(&mut self, name: &str, words: impl AsRef<str>) {
        let words = text::clean(words.as_ref()).trim().to_owned();
        if !words.is_empty() {
            self.add(name, Value::Words(words));
        }
    }
}

/// Everything that can be said of both, row by row: in the first one's order, and what only the
/// second one has where that has it.
pub(crate) fn rows(model: &Model, left: &Task, right: &Task) -> Vec<Row> {
    let mut rows: Vec<Row> = facts(model, left)
        .into_iter()
        .map(|fact| Row {
            section: fact.section,
            name: fact.name,
            values: [Some(fact.value), None],
            differs: true,
        })
        .collect();
    // A row of the second one goes after the one before it, wherever that is.
    let mut after = 0;
    for fact in facts(model, right) {
        let same = |row: &Row| row.section == fact.section && row.name == fact.name;
        let found = rows
            .iter_mut()
            .enumerate()
            .find(|(_, row)| same(row) && row.values[1].is_none());
        if let Some((at, row)) = found {
            row.differs = !row.values[0]
                .as_ref()
                .is_some_and(|it| it.reads_as(&fact.value));
            row.values[1] = Some(fact.value);
            after = at + 1;
            continue;
        }
        after = place(&rows, after, &fact.section);
        let row = Row {
            section: fact.section,
            name: fact.name,
            values: [None, Some(fact.value)],
            differs: true,
        };
        rows.insert(after, row);
        after += 1;
    }
    variables(model, left, right, &mut rows);
    rows
}

/// Where a row goes that would come at `after`: no section is torn apart.
fn place(rows: &[Row], after: usize, section: &str) -> usize {
    let is_in = |at: usize, section: &str| rows.get(at).is_some_and(|row| row.section == section);
    let Some(before) = after.checked_sub(1).and_then(|at| rows.get(at)) else {
        return after;
    };
    if before.section == section {
        return after;
    }
    let last = rows.iter().rposition(|row| row.section == section);
    last.map_or_else(
        || {
            (after..)
                .find(|at| !is_in(*at, &before.section))
                .unwrap_or(after)
        },
        |last| last + 1,
    )
}

fn facts(model: &Model, task: &Task) -> Vec<Fact> {
    let definition = model.snapshot.state.definition_of(task);
    let mut facts = Facts {
        section: "Task".to_owned(),
        ..Facts::default()
    };
    of_task(model, task, &mut facts);
    for container in &task.containers {
        facts.section = format!("Container {}", container.name);
        for (name, words) in task::condition(container) {
            facts.words(name, words);
        }
        facts.words("because", container.reason.as_deref().unwrap_or_default());
        facts.words("digest", container.image_digest.as_deref().unwrap_or(""));
        let ports = container.network_bindings.iter().map(task::binding);
        facts.words("published", ports.collect::<Vec<_>>().join(", "));
        let definition = definition.as_deref();
        let made_from = definition.and_then(|it| Some((it, it.container(&container.name)?)));
        if let Some((of, container)) = made_from {
            for (name, words) in definition::of_container(of, container) {
                facts.words(name, words);
            }
        }
    }
    facts.section = "Task definition".to_owned();
    for (name, words) in definition.iter().flat_map(|it| definition::of_task(it)) {
        facts.words(name, words);
    }
    facts.list
}

/// What holds for the task as a whole.
fn of_task(model: &Model, task: &Task, facts: &mut Facts) {
    if let Some(row) = row_of(model, task.id) {
        facts.words("state", tasks::state(model, row));
    }
    facts.words("status", task::status(task));
    if let Some(code) = task.stop_code {
        facts.words("stop code", format!("{code:?}"));
    }
    facts.words(
        "stopped because",
        task.stopped_reason.as_deref().unwrap_or_default(),
    );
    facts.words("definition", task.task_definition.to_string());
    let deployment = task.deployment.as_ref();
    facts.words(
        "deployment",
        deployment.map(ToString::to_string).unwrap_or_default(),
    );
    facts.words("group", &task.group);
    facts.words("started by", &task.started_by);
    let overrides = task.overrides.as_deref();
    facts.words(
        "overridden",
        overrides.map(task::overridden).unwrap_or_default(),
    );
    facts.words("tags", tag_words(&task.tags));
    facts.words("instance", task.whereabouts());
    if let Some(host) = model.fleet.instance(&task.instance) {
        facts.words("zone", host.instance.zone());
        // Nobody sees the host of a task with FARGATE.
        if task.launch_type == LaunchType::Ec2 {
            facts.words("docker", &host.instance.docker_version);
        }
    }
    facts.words("why there", &task.placement);
    for (name, at) in task::moments(task) {
        facts.add(name, Value::Moment(at));
    }
    if let Some(started) = task.started_at {
        let until = task.stopped_at.unwrap_or(model.snapshot.at);
        facts.words("ran for", text::age_exact(until.since_ms(started)).0);
    }
    facts.words("holds", task::holds(task));
    facts.words("address", task.address.as_deref().unwrap_or_default());
}

/// Variables of the environment that both have with another value. Values may be secrets: that
/// they differ is enough to know, and their names are in a row already.
fn variables(model: &Model, left: &Task, right: &Task, rows: &mut Vec<Row>) {
    let state = &model.snapshot.state;
    let (Some(a), Some(b)) = (state.definition_of(left), state.definition_of(right)) else {
        return;
    };
    for container in &a.container_definitions {
        let section = format!("Container {}", container.name);
        let others = environment(&b, container.name.as_str());
        let differ = container.environment.iter().filter(|variable| {
            let mut others = others.iter();
            let other = others.find(|it| it.name == variable.name);
            other.is_some_and(|it| it.value != variable.value)
        });
        let differ = differ.map(|variable| Row {
            section: section.clone(),
            name: text::clean(&variable.name).into_owned(),
            values: [MASKED.to_owned(), format!("{MASKED} another")]
                .map(|it| Some(Value::Words(it))),
            differs: true,
        });
        let names = |row: &Row| row.section == section && row.name == "environment";
        if let Some(at) = rows.iter().position(names) {
            rows.splice(at + 1..at + 1, differ.collect::<Vec<_>>());
        }
    }
}

fn environment<'a>(definition: &'a TaskDefinition, container: &str) -> &'a [KeyValue] {
    let mut containers = definition.container_definitions.iter();
    let found = containers.find(|it| it.name.as_str() == container);
    found.map_or(&[], |it| it.environment.as_slice())
}

/// A word of up to so many bytes differs as a whole; of a longer one, such as a digest, only what
/// does.
const WORD_MAX: usize = 24;

/// Which bytes of two texts are not the same: what is left between the beginning and the end
/// that they share, in whole words.
pub(crate) fn different(a: &str, b: &str) -> [Range<usize>; 2] {
    let shared = |pairs: &mut dyn Iterator<Item = (char, char)>| -> usize {
        let same = pairs.take_while(|(a, b)| a == b);
        same.map(|(c, _)| c.len_utf8()).sum()
    };
    let start = shared(&mut a.chars().zip(b.chars()));
    let (rest_a, rest_b) = (&a[start..], &b[start..]);
    let end = shared(&mut rest_a.chars().rev().zip(rest_b.chars().rev()));
    [
        words_around(a, start..a.len() - end),
        words_around(b, start..b.len() - end),
    ]
}

/// Stretches a part of a text to the words that it begins and ends in.
fn words_around(text: &str, part: Range<usize>) -> Range<usize> {
    let inner = &text[part.clone()];
    if inner.is_empty() {
        return part;
    }
    let word = |at: usize| {
        let start = text[..at].rfind(' ').map_or(0, |space| space + 1);
        let end = text[at..].find(' ').map_or(text.len(), |space| at + space);
        (end - start <= WORD_MAX).then_some(start..end)
    };
    let first = word(part.start).filter(|_| !inner.starts_with(' '));
    let last = word(part.end).filter(|_| !inner.ends_with(' '));
    first.map_or(part.start, |it| it.start)..last.map_or(part.end, |it| it.end)
}

fn row_of(model: &Model, task: TaskId) -> Option<&TaskRow> {
    model.fleet.task(task)
}

/// What a task can be compared with: the others of its service, then those of its family; the
/// ones most unlike it first, and of the same the newest.
pub(crate) fn candidates(model: &Model, task: TaskId) -> Vec<TaskId> {
    let Some(of) = row_of(model, task) else {
        return Vec::new();
    };
    let fleet = &model.fleet;
    let own = (of.task.cluster.clone(), of.task.service.clone());
    let by_hand = model
        .clusters
        .rows()
        .iter()
        .map(|it| (it.name.clone(), None));
    let family = &of.task.task_definition.family;
    // One of which nothing runs at the moment counts, too: its tasks may just have died.
    let of_family = fleet.services.iter().filter(|row| {
        let primary = row.service.primary();
        primary.is_some_and(|it| it.task_definition.family == *family)
    });
    let services = of_family.map(|row| {
        let (cluster, name) = row.key();
        (cluster, Some(name))
    });
    let runners = fleet.runners(family).cloned();
    let runners = runners.chain(services).chain(by_hand).chain([own]);
    let runners: BTreeSet<Runner> = runners.collect();
    let mut found = Vec::new();
    for runner in &runners {
        let rows = fleet.of_runner(runner);
        let others = rows.iter().filter(|row| row.task.id != task);
        found.extend(others.filter_map(|row| Some((rank(of, row)?, row.task.id))));
    }
    found.sort();
    found.into_iter().map(|(_, id)| id).collect()
}

/// How far back in the list of candidates a task is; `None` if it is none.
fn rank(of: &TaskRow, row: &TaskRow) -> Option<impl Ord + use<>> {
    let service = |row: &TaskRow| (row.task.cluster.clone(), row.task.service.clone());
    let same_service = of.task.service.is_some() && service(of) == service(row);
    let family = |row: &TaskRow| row.task.task_definition.family.clone();
    let unlike = trouble(of.mood).abs_diff(trouble(row.mood));
    let unlike = (unlike, of.stage != row.stage);
    (same_service || family(of) == family(row)).then(|| {
        let newest = Reverse(tasks::since(&row.task));
        (!same_service, Reverse(unlike), newest)
    })
}

/// How far a task is from as it should be.
fn trouble(mood: Mood) -> u8 {
    match mood {
        Mood::Calm => 0,
        Mood::Busy => 1,
        Mood::Quiet => 2,
        Mood::Warn => 3,
        Mood::Bad => 4,
    }
}

/// The candidates whose line has what was typed.
pub(crate) fn choices(model: &Model, task: TaskId, typed: &str) -> Vec<String> {
    let typed = typed.to_lowercase();
    let candidates = candidates(model, task).into_iter();
    let fits = |id: &TaskId| typed.is_empty() || label(model, *id).to_lowercase().contains(&typed);
    candidates.filter(fits).map(|id| id.to_string()).collect()
}

/// A candidate in the list: its short id, its state, its instance, its definition.
pub(crate) fn label(model: &Model, task: TaskId) -> String {
    let Some(row) = row_of(model, task) else {
        return task.short();
    };
    format!(
        "{}  {} · {} · {}",
        task.short(),
        tasks::state(model, row),
        row.task.whereabouts(),
        row.task.task_definition
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::clusters::ClusterView;
    use super::super::fleet::Fleet;
    use super::super::settings::ConsoleSettings;
    use super::super::state::TuiOptions;
    use super::*;
    use crate::model::task::Container;
    use crate::model::{
        Change, ClusterName, InstanceName, LastStatus, ServiceName, Snapshot, StopCode,
    };

    const SECOND: u64 = 1_000;

    fn model(tasks: Vec<Task>, definitions: Vec<serde_json::Value>) -> Model {
        let options = TuiOptions::new(ClusterView::All, &ConsoleSettings::default());
        let mut snapshot = Snapshot {
            at: TimeMs(1_000 * SECOND),
            ..Snapshot::default()
        };
        for definition in definitions {
            let definition = serde_json::from_value(definition).unwrap();
            let change = Change::TaskDefinition(Arc::new(definition));
            snapshot.state.apply(&change);
        }
        for task in tasks {
            snapshot.state.apply(&Change::Task(Arc::new(task)));
        }
        let mut model = Model::new(options, (80, 24), snapshot.at);
        model.fleet = Fleet::new(&snapshot.state, &model.cluster_view, snapshot.at);
        model.snapshot = Arc::new(snapshot);
        model
    }

    fn task(id: u64, definition: &str, status: LastStatus) -> Task {
        let cluster = ClusterName::default_cluster();
        let host = InstanceName::new(format!("ops-{id}")).unwrap();
        let made_from = definition.parse().unwrap();
        let mut task = Task::new(
            TaskId(id.into()),
            cluster,
            host,
            made_from,
            TimeMs(id * SECOND),
        );
        task.service = Some(ServiceName::new("web").unwrap());
        task.last_status = status;
        task.started_at = Some(TimeMs((id + 1) * SECOND));
        let name = "app".parse().unwrap();
        let mut container = Container::new(name, true, false);
        container.last_status = status;
        task.containers.push(container);
        task
    }

    fn definition(revision: u32, token: &str, extra: &serde_json::Value) -> serde_json::Value {
        let mut app = json!({"name": "app", "image": format!("web:{revision}"), "environment": [
            {"name": "TOKEN", "value": token}, {"name": "SAME", "value": "s4me"}]});
        for (name, value) in extra.as_object().unwrap() {
            app[name] = value.clone();
        }
        json!({"family": "web", "revision": revision, "containerDefinitions": [app],
            "volumes": [{"name": "data", "host": {"sourcePath": "/srv/data"}}]})
    }

    fn shown(row: &Row) -> [String; 2] {
        row.values.each_ref().map(|value| match value {
            None => "-".to_owned(),
            Some(Value::Words(words)) => words.clone(),
            Some(Value::Moment(at)) => at.0.to_string(),
        })
    }

    fn find<'a>(rows: &'a [Row], section: &str, name: &str) -> &'a Row {
        let mut all = rows.iter();
        let found = all.find(|row| row.section == section && row.name == name);
        found.unwrap_or_else(|| panic!("{section} / {name} is not in {rows:#?}"))
    }

    #[test]
    fn what_the_one_that_died_has_differently() {
        let mounts = json!({
            "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": true}],
            "secrets": [{"name": "PASSWORD", "valueFrom": "web-password"}]});
        let mut died = task(1, "web:2", LastStatus::Stopped);
        died.stopped_at = Some(TimeMs(9 * SECOND));
        died.stop_code = Some(StopCode::EssentialContainerExited);
        died.containers[0].exit_code = Some(137);
        died.containers[0].oom_killed = true;
        died.containers[0].restart_count = 3;
        died.containers[0].image_digest = Some("sha256:aa".into());
        let mut lives = task(2, "web:1", LastStatus::Running);
        lives.containers[0].image_digest = Some("sha256:ab".into());
        let definitions = vec![
            definition(1, "t0ken", &json!({})),
            definition(2, "0ther", &mounts),
        ];
        let model = model(vec![died.clone(), lives.clone()], definitions);
        let rows = rows(&model, &died, &lives);
        let app = "Container app";
        for (section, name, values) in [
            ("Task", "state", ["STOPPED 137", "RUNNING"]),
            ("Task", "stop code", ["EssentialContainerExited", "-"]),
            ("Task", "definition", ["web:2", "web:1"]),
            ("Task", "instance", ["ops-1", "ops-2"]),
            ("Task", "ran for", ["7s", "16m"]),
            ("Task", "stopped", ["9000", "-"]),
            (app, "ended", ["exit 137", "-"]),
            (app, "memory", ["killed for memory", "-"]),
            (app, "restarts", ["restarted 3 times", "-"]),
            (app, "digest", ["sha256:aa", "sha256:ab"]),
            (app, "image", ["web:2", "web:1"]),
            (app, "TOKEN", ["•••", "••• another"]),
            (app, "secrets", ["PASSWORD from web-password", "-"]),
            (app, "mounts", ["/srv/data at /data (read-only)", "-"]),
        ] {
            let row = find(&rows, section, name);
            assert!(row.differs, "{row:?}");
            assert_eq!(shown(row), values, "{name}");
        }
        for (section, name) in [(app, "environment"), ("Task definition", "a task asks")] {
            assert!(!find(&rows, section, name).differs, "{name}");
        }
        assert!(rows.iter().all(|row| row.name != "SAME"), "{rows:#?}");
        let all = format!("{rows:?}");
        for secret in ["t0ken", "0ther", "s4me"] {
            assert!(!all.contains(secret), "{all}");
        }
    }

    #[test]
    fn sections_stay_together_whichever_side_has_them() {
        let mut left = task(1, "web:1", LastStatus::Running);
        left.containers[0].exit_code = Some(1);
        let mut right = task(2, "web:1", LastStatus::Running);
        let helper = Container::new("helper".parse().unwrap(), true, false);
        right.containers.push(helper);
        for definitions in [Vec::new(), vec![definition(1, "t", &json!({}))]] {
            let model = model(vec![left.clone(), right.clone()], definitions);
            for (a, b) in [(&left, &right), (&right, &left)] {
                let rows = rows(&model, a, b);
                let mut sections: Vec<&str> = rows.iter().map(|it| it.section.as_str()).collect();
                sections.dedup();
                let expected = [
                    "Task",
                    "Container app",
                    "Container helper",
                    "Task definition",
                ];
                assert!(expected.starts_with(&sections), "{sections:?}");
                assert!(find(&rows, "Container helper", "status").differs);
            }
        }
    }

    #[test]
    fn a_task_beside_itself_differs_in_nothing() {
        let one = task(1, "web:1", LastStatus::Running);
        let model = model(vec![one.clone()], vec![definition(1, "t", &json!({}))]);
        let rows = rows(&model, &one, &one);
        assert!(rows.len() > 5);
        assert!(rows.iter().all(|row| !row.differs), "{rows:#?}");
        // What reads the same is not said to differ.
        let mut later = one.clone();
        later.started_at = one.started_at.map(|at| at.plus_ms(7));
        let rows = super::rows(&model, &one, &later);
        assert!(rows.iter().all(|row| !row.differs), "{rows:#?}");
        later.started_at = one.started_at.map(|at| at.plus_ms(SECOND));
        let rows = super::rows(&model, &one, &later);
        assert!(find(&rows, "Task", "running since").differs);
    }

    #[test]
    fn the_most_unlike_comes_first_and_the_family_after_the_service() {
        let running = |id| task(id, "web:1", LastStatus::Running);
        let mut died = task(4, "web:1", LastStatus::Stopped);
        died.stop_code = Some(StopCode::EssentialContainerExited);
        let starting = task(5, "web:2", LastStatus::Pending);
        let mut by_hand = task(6, "web:1", LastStatus::Running);
        by_hand.service = None;
        let mut other = task(7, "api:1", LastStatus::Running);
        other.service = Some(ServiceName::new("api").unwrap());
        let all = vec![running(1), running(2), died, starting, by_hand, other];
        let model = model(all, Vec::new());
        let ids = |of: u128| -> Vec<u128> {
            let candidates = candidates(&model, TaskId(of)).into_iter();
            candidates.map(|id| id.0).collect()
        };
        assert_eq!(ids(1), [4, 5, 2, 6]);
        assert_eq!(ids(4), [2, 1, 5, 6], "the newest of those that run");
        assert_eq!(ids(7), [], "nothing is like it");
        assert_eq!(ids(99), [], "gone");
        let all = choices(&model, TaskId(1), "stopped");
        assert_eq!(all, [TaskId(4).to_string()]);
    }

    #[test]
    fn what_differs_is_whole_words_and_of_a_digest_its_part() {
        let marked = |a: &str, b: &str| {
            let [x, y] = different(a, b);
            [a[x].to_owned(), b[y].to_owned()]
        };
        assert_eq!(marked("RUNNING", "ACTIVATING"), ["RUNNING", "ACTIVATING"]);
        assert_eq!(
            marked("on ops-a1 now", "on ops-a2 now"),
            ["ops-a1", "ops-a2"]
        );
        assert_eq!(marked("A B", "A B C"), ["", " C"]);
        assert_eq!(marked("aé", "aè"), ["aé", "aè"]);
        let digest = |with: &str| format!("sha256:{}{with}{}", "0".repeat(40), "f".repeat(20));
        assert_eq!(marked(&digest("12"), &digest("34")), ["12", "34"]);
    }
}
