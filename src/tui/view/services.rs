//! The list of services.

use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};

use crate::model::{RolloutState, ServiceStatus};

use super::super::fleet::{Mood, ServiceRow, Stage};
use super::super::layout::Layout;
use super::super::state::{Model, Pane};
use super::super::text::{self, count};
use super::grid::{self, Column, Row, cell, column, right};
use super::theme::{pip, sign};
use super::{Screen, empty, pane_frame, places};

/// The most tasks that get a sign each.
const PIPS_MAX: u32 = 12;
/// Before which column the cluster stands, where several are shown.
const PLACE: usize = 2;

/// The columns, shown as far as there is room.
pub(crate) fn columns(model: &Model) -> Vec<Column> {
    let fleet = &model.fleet;
    let own = vec![
        column("", 1, 1, 0),
        column("SERVICE", 10, fleet.widths.service.min(32), 0),
        right("RUN", 5, 0),
        column("STATE", 14, 22, 1),
        column("TASKS", 6, 13, 4),
        column("DEFINITION", 8, fleet.widths.definition.min(28), 3),
        column("ZONES", 18, 24, 6),
        right("AGE", 4, 5),
    ];
    places::columns(model, PLACE, own)
}

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let model = screen.model;
    let fleet = &model.fleet;
    let bad = fleet.troubled;
    let mut title = vec![Span::raw(fleet.services.len().to_string())];
    if bad > 0 {
        title.push(Span::styled(
            format!(" · {bad} in trouble"),
            screen.theme.mood(Mood::Bad),
        ));
    }
    pane_frame(screen, layout, Pane::Services, title, buffer);
    let pane = &layout.panes[Pane::Services.index()];
    if model.shown.services.is_empty() {
        let words = if fleet.services.is_empty() {
            "No service yet. qd apply FILE makes one; qd demo shows some."
        } else {
            "No service passes the filter. esc lets go of it."
        };
        empty(screen, pane.rows, words, buffer);
    }
    let columns = columns(model);
    let window = (model.services.top, model.shown.services.len());
    grid::hits(screen, Pane::Services, pane, &columns, window);
    let rows = model.shown.services.iter().skip(model.services.top);
    let rows = rows.filter_map(|at| fleet.services.get(*at)).map(|row| {
        let service = &row.service;
        let mood = screen.theme.mood(row.mood);
        let primary = service.primary();
        let cells = vec![
            cell(sign(row.mood), mood),
            cell(service.name.as_str(), screen.theme.strong()),
            cell(
                run(row),
                if row.tally.running == service.desired_count {
                    screen.theme.mood(Mood::Calm)
                } else {
                    mood
                },
            ),
            cell(state(row), mood),
            pips(screen, row),
            cell(
                primary
                    .map(|d| d.task_definition.to_string())
                    .unwrap_or_default(),
                screen.theme.dim(),
            ),
            cell(zones(screen, row), screen.theme.dim()),
            cell(screen.age(service.created_at), screen.theme.dim()),
        ];
        Row {
            cells: places::cells(screen, PLACE, &service.cluster, cells),
            selected: model.marks(Pane::Services)
                && model
                    .services
                    .selected
                    .as_ref()
                    .is_some_and(|key| row.is(key)),
            marked: model.marks.services.contains(&row.key()),
            linked: model.focus != Pane::Services && model.links.service(&row.key()),
            stale: row.adrift,
        }
    });
    let focused = model.focus == Pane::Services;
    let sort = model.sorting.of(Pane::Services);
    grid::draw(buffer, screen.theme, pane, focused, &columns, sort, rows);
}

/// How many of its tasks run, of how many: nobody knows in a region that is lost.
fn run(row: &ServiceRow) -> String {
    let desired = row.service.desired_count;
    match row.adrift {
        true => format!("?/{desired}"),
        false => format!("{}/{desired}", row.tally.up_words()),
    }
}

/// A service's state in a few words; the first that applies.
pub(crate) fn state(row: &ServiceRow) -> String {
    let service = &row.service;
    let rollout = service.primary().map(|d| d.rollout_state);
    if row.adrift {
        "REGION LOST".to_owned()
    } else if service.status == ServiceStatus::Draining {
        "DRAINING".to_owned()
    } else if rollout == Some(RolloutState::Failed) {
        "DEPLOYMENT FAILED".to_owned()
    } else if let Some(unplaced) = &service.unplaced {
        format!("NO PLACE for {}", unplaced.count)
    } else if let Some(failures) = row.failures() {
        format!("FAILING ×{failures}")
    } else if row.tally.unreachable > 0 {
        format!("{} UNREACHABLE", row.tally.unreachable)
    } else if row.tally.unhealthy > 0 {
        format!("{} UNHEALTHY", row.tally.unhealthy)
    } else if rollout == Some(RolloutState::InProgress) {
        format!("DEPLOYING {}/{}", row.updated(), service.desired_count)
    } else if row.tally.running < service.desired_count {
        match row.tally.starting {
            0 => "WAITING".to_owned(),
            n => format!("STARTING {n}"),
        }
    } else if service
        .rebalance
        .as_ref()
        .is_some_and(|it| !it.extra.is_empty())
    {
        "BALANCING ZONES".to_owned()
    } else if row.tally.running > service.desired_count || row.tally.stopping > 0 {
        format!(
            "STOPPING {}",
            count(u64::from(row.tally.stopping.max(1)), "task")
        )
    } else {
        "STEADY".to_owned()
    }
}

/// Where its tasks are: `a 2 · b 1`, without the region that all zones begin with.
fn zones(screen: &Screen<'_>, row: &ServiceRow) -> String {
    let model = screen.model;
    let region = model.clusters.region(&row.service.cluster);
    let zones = row.zones.iter().map(|(zone, n)| {
        let short = zone.strip_prefix(region).filter(|rest| !rest.is_empty());
        match short.unwrap_or(zone) {
            "" => format!("no zone {n}"),
            zone => format!("{} {n}", text::clean(zone)),
        }
    });
    zones.collect::<Vec<_>>().join(" · ")
}

/// A sign a task; a bar where they are too many.
fn pips(screen: &Screen<'_>, row: &ServiceRow) -> Line<'static> {
    let t = &row.tally;
    let desired = row.service.desired_count;
    if t.live().max(desired) > PIPS_MAX {
        return bar(screen, t.running, desired);
    }
    let stages = [
        (Stage::Running, t.running),
        (Stage::Unhealthy, t.unhealthy),
        (Stage::Unreachable, t.unreachable),
        (Stage::Starting, t.starting),
    ];
    let counted: u32 = stages.iter().map(|(_, n)| n).sum();
    let mut spans: Vec<Span<'static>> = stages
        .iter()
        .chain(&[(Stage::Lost, t.lost), (Stage::Stopping, t.stopping)])
        .map(|(stage, n)| {
            let (sign, mood) = pip(*stage);
            Span::styled(sign.repeat(*n as usize), screen.theme.mood(mood))
        })
        .collect();
    let missing = match row.adrift {
        // They are not known to be missing.
        true => 0,
        false => desired.saturating_sub(counted) as usize,
    };
    spans.insert(4, Span::styled("○".repeat(missing), screen.theme.dim()));
    Line::from(spans)
}

fn bar(screen: &Screen<'_>, running: u32, desired: u32) -> Line<'static> {
    const CELLS: usize = 12;
    let mood = if running >= desired {
        Mood::Calm
    } else {
        Mood::Warn
    };
    let (running, desired) = (u64::from(running), u64::from(desired));
    super::bar::bar(screen.theme, running, desired, CELLS, mood)
}
