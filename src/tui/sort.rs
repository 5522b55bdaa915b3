//! The order of a list's rows: by a column that is shown, or as the fleet has them.

use crate::model::{ClusterName, TaskDefinitionId};

use super::fleet::{InstanceRow, Mood, ServiceRow, TaskRow};
use super::state::{Model, PANES, Pane};
use super::view::{columns, services as services_view, tasks as tasks_view, titles};

/// Columns whose largest values come first: what is fullest, what there is most of.
const LARGEST_FIRST: [&str; 5] = ["RUN", "TASKS", "CPU", "MEMORY", tasks_view::MEMORY];

const CLUSTER: &str = "CLUSTER";
const REGION: &str = "REGION";

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sort {
    /// The head of the column; `None` leaves the fleet's own order.
    pub column: Option<&'static str>,
    /// Whether it is the other way round than that column usually is.
    pub reversed: bool,
}

impl Sort {
    /// Whether values fall from row to row.
    pub(crate) fn falls(self) -> bool {
        let largest = self.column.is_some_and(|it| LARGEST_FIRST.contains(&it));
        largest != self.reversed
    }
}

/// What every list is sorted by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sorting {
    by: [Sort; PANES],
}

impl Sorting {
    /// What a list is sorted by.
    pub(crate) fn of(&self, pane: Pane) -> Sort {
        self.by[pane.index()]
    }
}

/// Sorts the focused list by the next column that is shown; after the last one by none.
pub(crate) fn next(model: &mut Model) {
    let pane = model.focus;
    let shown = columns(model, pane);
    let at = match model.sorting.of(pane).column {
        None => Some(0),
        Some(column) => shown.iter().position(|it| *it == column).map(|at| at + 1),
    };
    model.sorting.by[pane.index()] = Sort {
        column: at.and_then(|at| shown.get(at)).copied(),
        reversed: false,
    };
}

/// Sorts a list by a column; by the one that it is sorted by the other way round.
pub(crate) fn by(model: &mut Model, pane: Pane, column: &'static str) {
    let sort = &mut model.sorting.by[pane.index()];
    let again = sort.column == Some(column);
    *sort = Sort {
        column: Some(column),
        reversed: again && !sort.reversed,
    };
}

/// Sorts a list by a column as it was sorted before; one that there is no more is let go.
pub(crate) fn restore(model: &mut Model, pane: Pane, column: &str, reversed: bool) {
    let known = titles(model, pane).into_iter();
    if let Some(column) = known.filter(|it| !it.is_empty()).find(|it| *it == column) {
        model.sorting.by[pane.index()] = Sort {
            column: Some(column),
            reversed,
        };
    }
}

/// Turns the order of the focused list round.
pub(crate) fn reverse(model: &mut Model) {
    let pane = model.focus;
    let sort = &mut model.sorting.by[pane.index()];
    if sort.column.is_none() {
        next(model);
    } else {
        sort.reversed = !sort.reversed;
    }
}

/// Services in the order asked for, as places in the fleet.
pub(crate) fn services(model: &Model, places: Vec<usize>) -> Vec<usize> {
    let rows = &model.fleet.services;
    arrange(model, Pane::Services, places, |column, at| {
        service(model, column, &rows[*at])
    })
}

/// Instances in the order asked for, as places in the fleet.
pub(crate) fn instances(model: &Model, places: Vec<usize>) -> Vec<usize> {
    let rows = &model.fleet.instances;
    arrange(model, Pane::Instances, places, |column, at| {
        instance(model, column, &rows[*at])
    })
}

/// Tasks in the order asked for.
pub(crate) fn tasks(model: &Model, rows: Vec<TaskRow>) -> Vec<TaskRow> {
    arrange(model, Pane::Tasks, rows, |column, row| {
        task(model, column, row)
    })
}

/// What is the same in a column stays in the fleet's order, either way round.
fn arrange<T>(model: &Model, pane: Pane, things: Vec<T>, key: impl Fn(&str, &T) -> Key) -> Vec<T> {
    let sort = model.sorting.of(pane);
    // Clusters stand side by side by region, which their names need not.
    let column = sort.column.or(model.clusters.several().then_some(REGION));
    let Some(column) = column else {
        return things;
    };
    let keyed = things.into_iter().map(|it| (key(column, &it), it));
    let mut keyed: Vec<(Key, T)> = keyed.collect();
    keyed.sort_by(|(a, _), (b, _)| match sort.falls() {
        true => b.cmp(a),
        false => a.cmp(b),
    });
    keyed.into_iter().map(|(_, it)| it).collect()
}

/// What a row is sorted by: a number, then words.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u64, String);

fn number(n: impl Into<u64>) -> Key {
    Key(n.into(), String::new())
}

fn words(text: impl ToString) -> Key {
    Key(0, text.to_string())
}

/// The worst first.
fn state(mood: Mood, text: String) -> Key {
    Key((Mood::Bad as u64).saturating_sub(mood as u64), text)
}

/// Revisions by number: 9 before 10.
fn definition(id: Option<&TaskDefinitionId>) -> Key {
    let text = id.map(|id| format!("{} {:010}", id.family, id.revision.0));
    words(text.unwrap_or_default())
}

/// The youngest first.
fn age(since: crate::model::TimeMs) -> Key {
    number(u64::MAX - since.0)
}

fn share(used: u64, all: u64) -> Key {
    number(used.saturating_mul(10_000).checked_div(all).unwrap_or(0))
}

/// By region, then by cluster.
fn place(model: &Model, cluster: &ClusterName) -> Key {
    number(model.clusters.place(cluster) as u64)
}

fn service(model: &Model, column: &str, row: &ServiceRow) -> Key {
    let service = &row.service;
    match column {
        CLUSTER => words(&service.cluster),
        REGION => place(model, &service.cluster),
        "RUN" => number(row.tally.up()),
        "STATE" => state(row.mood, services_view::state(row)),
        "TASKS" => number(row.tally.live()),
        "DEFINITION" => definition(service.primary().map(|it| &it.task_definition)),
        "ZONES" => {
            let zones = row.zones.iter().map(|(zone, n)| format!("{zone} {n:010} "));
            words(zones.collect::<String>())
        }
        "AGE" => age(service.created_at),
        _ => words(&service.name),
    }
}

fn task(model: &Model, column: &str, row: &TaskRow) -> Key {
    let task = &row.task;
    match column {
        CLUSTER => words(&task.cluster),
        REGION => place(model, &task.cluster),
        "STATE" => state(row.mood, tasks_view::state(model, row)),
        // What was run by hand comes after the services.
        "SERVICE" => match &task.service {
            Some(name) => words(name),
            None => number(1_u64),
        },
        "DEFINITION" => definition(Some(&task.task_definition)),
        "INSTANCE" => words(task.whereabouts()),
        "AGE" => age(tasks_view::since(task)),
        "HEALTH" => match tasks_view::checked_health(task) {
            Some(health) => words(format!("{health:?}")),
            None => number(1_u64),
        },
        // What was not sampled comes last.
        tasks_view::CPU => {
            let sample = tasks_view::sample(model, task);
            number(sample.map_or(0, |sample| 1 + (sample.cpu_units * 1_000.0) as u64))
        }
        tasks_view::MEMORY => {
            let sample = tasks_view::sample(model, task);
            number(sample.map_or(0, |sample| 1 + sample.memory_bytes))
        }
        "PORTS" => words(tasks_view::ports(task)),
        "WHY" => words(tasks_view::why(task)),
        _ => words(task.id.short()),
    }
}

fn instance(model: &Model, column: &str, row: &InstanceRow) -> Key {
    let instance = &row.instance;
    let (used, all) = (&row.used, &instance.capacity);
    match column {
        "STATE" => state(row.mood, instance.status.as_str().to_owned()),
        CLUSTER => words(&instance.cluster),
        REGION => place(model, &instance.cluster),
        "ZONE" => words(instance.zone()),
        "TASKS" => number(row.tally.live()),
        "CPU" => share(used.cpu.0, all.cpu.0),
        "MEMORY" => share(used.memory.0, all.memory.0),
        "DOCKER" => words(&instance.docker_version),
        "ENDPOINT" => words(&instance.endpoint),
        _ => words(&instance.name),
    }
}
