//! The list of tasks.

use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};

use crate::docker::StatsSample;
use crate::model::task::Health;
use crate::model::{LastStatus, Task, TimeMs};

use super::super::fleet::{Mood, Stage, TaskRow};
use super::super::layout::Layout;
use super::super::state::{Model, Pane};
use super::super::stats::LIST_FRESH_MS;
use super::super::text;
use super::grid::{self, Column, Row, cell, column, right};
use super::theme::sign;
use super::{Screen, empty, pane_frame, places, silent};

/// Before which column the cluster stands, where several are shown.
const PLACE: usize = 4;

/// Columns of figures: of a whole vCPU, and bytes.
pub(crate) const CPU: &str = "CPU";
pub(crate) const MEMORY: &str = "MEM USED";

/// The columns, shown as far as there is room.
pub(crate) fn columns(model: &Model) -> Vec<Column> {
    let fleet = &model.fleet;
    let own = vec![
        column("", 1, 1, 0),
        column("TASK", 8, 8, 0),
        column("STATE", 12, 16, 0),
        column("SERVICE", 9, fleet.widths.service.min(24), 4),
        column("DEFINITION", 10, fleet.widths.definition.min(26), 3),
        column("INSTANCE", 8, fleet.widths.instance.min(24), 1),
        right("AGE", 4, 2),
        column("HEALTH", 9, 9, 5),
        right(CPU, 5, 6),
        right(MEMORY, 9, 6),
        column("PORTS", 11, 16, 7),
        column("WHY", 24, 110, 8),
    ];
    match scope(model) {
        // All of them are in one cluster, which the title says.
        Some(_) => own,
        None => places::columns(model, PLACE, own),
    }
}

/// The most tasks that are sampled to sort a list by their figures.
const SORTED_MAX: usize = 250;

/// The rows whose figures are to be seen: those on the screen, or all where their order hangs on
/// it; none where there is no room for the columns.
pub(crate) fn figures_window(model: &Model) -> impl Iterator<Item = &TaskRow> {
    let shown = super::columns(model, Pane::Tasks).contains(&MEMORY);
    let height = model
        .layout()
        .map_or(0, |layout| layout.panes[Pane::Tasks.index()].rows.height);
    let (from, most) = match shown {
        false => (0, 0),
        true if is_sorted_by_figures(model) => (0, SORTED_MAX),
        true => (model.tasks.top, usize::from(height)),
    };
    model.shown.tasks.window(from, most)
}

/// Whether the list's order hangs on samples.
pub(crate) fn is_sorted_by_figures(model: &Model) -> bool {
    let column = model.sorting.of(Pane::Tasks).column;
    column == Some(CPU) || column == Some(MEMORY)
}

/// What a task used at its last sample, if that was of late.
pub(crate) fn sample(model: &Model, task: &Task) -> Option<StatsSample> {
    let book = model.usage.book(task.id)?;
    let point = book.sum.within(LIST_FRESH_MS, model.now)?;
    Some(point.sample)
}

/// Share of a vCPU and memory at the last sample, and nothing where there is none of late.
fn figures(screen: &Screen<'_>, task: &Task) -> [Line<'static>; 2] {
    let words = match sample(screen.model, task) {
        Some(sample) => [
            format!("{:.0}%", sample.cpu_units * 100.0 / 1024.0),
            text::bytes(sample.memory_bytes),
        ],
        None => ["–".to_owned(), "–".to_owned()],
    };
    words.map(|words| cell(words, screen.theme.dim()))
}

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let model = screen.model;
    let fleet = &model.fleet;
    let of = scope(model);
    let mut title = Vec::new();
    if let Some(of) = &of {
        title.push(Span::raw(format!("of {of} · ")));
    }
    title.push(Span::raw(format!(
        "{} of {}",
        text::number(model.shown.tasks.len() as u64),
        text::number(fleet.tasks.len() as u64)
    )));
    pane_frame(screen, layout, Pane::Tasks, title, buffer);
    let pane = &layout.panes[Pane::Tasks.index()];
    if model.shown.tasks.is_empty() {
        let words = match of {
            _ if !model.filters[Pane::Tasks.index()].is_empty() => {
                "No task passes the filter. esc lets go of it.".to_owned()
            }
            Some(of) => format!("{of} has no tasks. a shows all tasks."),
            None => "No task yet. qd apply FILE makes services, qd run FAMILY runs one.".to_owned(),
        };
        empty(screen, pane.rows, &words, buffer);
    }
    let columns = columns(model);
    let window = (model.tasks.top, model.shown.tasks.len());
    grid::hits(screen, Pane::Tasks, pane, &columns, window);
    let narrowed = scope(model).is_some();
    let height = usize::from(pane.rows.height);
    let rows = model
        .shown
        .tasks
        .window(model.tasks.top, height)
        .map(|row| {
            let task = &row.task;
            let mood = screen.theme.mood(row.mood);
            let dim = screen.theme.dim();
            let quiet = row.stage == Stage::Stopped;
            let plain = if quiet {
                dim
            } else {
                ratatui::style::Style::new()
            };
            let by_hand = "(by hand)";
            let [cpu, memory] = figures(screen, task);
            let cells = vec![
                cell(sign(row.mood), mood),
                cell(task.id.short(), plain),
                cell(state(model, row), mood),
                cell(task.service.as_ref().map_or(by_hand, |s| s.as_str()), plain),
                cell(task.task_definition.to_string(), dim),
                cell(task.whereabouts(), plain),
                cell(screen.age(since(task)), dim),
                health(screen, task),
                cpu,
                memory,
                cell(ports(task), dim),
                cell(
                    silent::outlook(screen, row).unwrap_or_else(|| why(task)),
                    dim,
                ),
            ];
            Row {
                cells: match narrowed {
                    true => cells,
                    false => places::cells(screen, PLACE, &task.cluster, cells),
                },
                selected: model.marks(Pane::Tasks) && model.tasks.selected == Some(task.id),
                marked: model.marks.tasks.contains(&task.id),
                linked: model.focus != Pane::Tasks && model.links.task(task),
                stale: matches!(row.stage, Stage::Lost | Stage::Unreachable),
            }
        });
    let focused = model.focus == Pane::Tasks;
    let sort = model.sorting.of(Pane::Tasks);
    grid::draw(buffer, screen.theme, pane, focused, &columns, sort, rows);
}

/// What the tasks shown are narrowed to.
fn scope(model: &Model) -> Option<String> {
    if model.all_tasks {
        return None;
    }
    match model.driver {
        Pane::Instances => model.instances.selected.as_ref().map(ToString::to_string),
        _ => {
            let key = model.services.selected.as_ref();
            key.map(|(cluster, name)| match model.clusters.several() {
                true => format!("{name} in {cluster}"),
                false => name.to_string(),
            })
        }
    }
}

/// A task's state in a word or two.
pub(crate) fn state(model: &Model, row: &TaskRow) -> String {
    let task = &row.task;
    match row.stage {
        Stage::Running => "RUNNING".to_owned(),
        Stage::Unhealthy => "UNHEALTHY".to_owned(),
        Stage::Lost => "LOST".to_owned(),
        Stage::Unreachable if model.clusters.lost_with(&task.cluster).is_some() => {
            "REGION LOST".to_owned()
        }
        Stage::Unreachable => "UNREACHABLE".to_owned(),
        Stage::Starting if task.last_status == LastStatus::Running => "HEALTH CHECK".to_owned(),
        Stage::Starting => match model.snapshot.live.pulls.get(&task.id) {
            Some(pull) if pull.total_bytes > 0 => {
                let percent = pull.done_bytes.saturating_mul(100) / pull.total_bytes;
                format!("PULLING {}%", percent.min(100))
            }
            Some(_) => "PULLING".to_owned(),
            None => task.last_status.as_str().to_owned(),
        },
        Stage::Stopping if task.last_status <= LastStatus::Running => "STOPPING".to_owned(),
        Stage::Stopping => task.last_status.as_str().to_owned(),
        // Nobody saw how it ended, and it had been replaced by then.
        Stage::Stopped if task.lost_at.is_some() => "STOPPED (lost)".to_owned(),
        Stage::Stopped => match exit_code(task) {
            // As short as a narrow list has room for: half a code would be another one.
            Some(code) => format!("STOPPED {code}"),
            None => "STOPPED".to_owned(),
        },
    }
}

/// The exit code that counts: an essential container's that is not 0, else 0 if there is one.
fn exit_code(task: &Task) -> Option<i64> {
    let codes = || {
        let essential = task.containers.iter().filter(|c| c.essential);
        essential.filter_map(|c| c.exit_code)
    };
    codes().find(|code| *code != 0).or_else(|| codes().next())
}

/// What a task's health checks say; nothing where there are none, or none counts (yet).
pub(crate) fn checked_health(task: &Task) -> Option<Health> {
    let checked = task.containers.iter().any(|c| c.has_health_check);
    (checked && task.last_status == LastStatus::Running).then(|| task.health())
}

/// What the checks say; with a mark where that is only what was last heard.
fn health(screen: &Screen<'_>, task: &Task) -> Line<'static> {
    let health = checked_health(task);
    if let (Some(health), Some(_)) = (health, silent::since(screen.model, task)) {
        let words = match health {
            Health::Healthy => "HEALTHY?",
            Health::Unknown => "UNKNOWN?",
            Health::Unhealthy => "SICK?",
        };
        return cell(words, screen.theme.dim());
    }
    match health {
        None => cell("–", screen.theme.dim()),
        Some(Health::Healthy) => cell("HEALTHY", screen.theme.mood(Mood::Calm)),
        Some(Health::Unknown) => cell("UNKNOWN", screen.theme.mood(Mood::Busy)),
        Some(Health::Unhealthy) => cell("UNHEALTHY", screen.theme.mood(Mood::Bad)),
    }
}

/// When it stopped, or else started, or else was made.
pub(crate) fn since(task: &Task) -> TimeMs {
    let stopped = task.stopped_at.or(task.started_at);
    stopped.unwrap_or(task.created_at)
}

/// Published ports, `8080→80 8443→443`.
pub(crate) fn ports(task: &Task) -> String {
    let mut ports: Vec<String> = task
        .containers
        .iter()
        .flat_map(|c| &c.network_bindings)
        .map(|b| format!("{}→{}", b.host_port, b.container_port))
        .collect();
    ports.sort();
    ports.dedup();
    ports.join(" ")
}

/// Reasons of a lost task that say no more than that it is: it was given up, and its service wanted
/// fewer meanwhile.
const NO_MORE: [&str; 3] = [
    "Given up for lost",
    "Lost with container",
    "Scaling activity",
];

/// Why a task is lost: its host, and how it ended there as far as that came to be known.
fn lost_with(task: &Task) -> String {
    let host = silent::host(task);
    let ends = task.containers.iter().filter_map(|c| c.reason.as_deref());
    let reason = task.stopped_reason.as_deref();
    let ends = ends.chain(reason.filter(|it| !NO_MORE.iter().any(|no| it.starts_with(no))));
    let words = ends.fold(
        format!("lost with {host}, which did not answer"),
        |words, end| format!("{words}; {end}"),
    );
    text::clean(&words).into_owned()
}

/// Why it stopped, or else why it is where it is: what differs from task to task comes first. Its
/// page tells the whole of it.
pub(crate) fn why(task: &Task) -> String {
    if task.lost_at.is_some() {
        return lost_with(task);
    }
    let words = match task.stopped_reason.as_deref() {
        Some(reason) => {
            let ends = task.containers.iter().filter_map(|c| c.reason.as_deref());
            let parts: Vec<&str> = ends.chain([reason]).collect();
            parts.join("; ")
        }
        None => {
            let clauses = task.placement.split("; ").map(|clause| {
                let spread = clause.strip_prefix("spread over ");
                let value = spread.and_then(|it| it.split_once(": "));
                value.map_or(clause, |(_, value)| value)
            });
            clauses.collect::<Vec<_>>().join("; ")
        }
    };
    text::clean(&words).into_owned()
}
