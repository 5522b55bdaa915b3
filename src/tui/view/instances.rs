//! The list of container instances.

use ratatui::buffer::Buffer;
use ratatui::text::{Line, Span};

use crate::model::{Instance, InstanceStatus, Resources};

use super::super::fleet::{InstanceRow, Mood};
use super::super::layout::Layout;
use super::super::state::{Model, Pane};
use super::super::text;
use super::grid::{self, Column, Row, cell, column, right};
use super::theme::sign;
use super::{Screen, empty, pane_frame, places};

/// Cells of a usage bar.
const BAR: usize = 8;
/// From this share on a resource is nearly used up, in percent.
const NEARLY_FULL: u64 = 85;
/// Before which column the cluster stands, where several are shown.
const PLACE: usize = 2;

/// The columns, shown as far as there is room.
pub(crate) fn columns(model: &Model) -> Vec<Column> {
    let fleet = &model.fleet;
    let own = vec![
        column("", 1, 1, 0),
        column("INSTANCE", 8, fleet.widths.instance.min(28), 0),
        column("STATE", 9, 11, 0),
        column("ZONE", fleet.widths.zone.min(16), 0, 3),
        right("TASKS", 5, 0),
        column("CPU", BAR + 5, BAR + 5, 1),
        column("MEMORY", BAR + 5, BAR + 5, 2),
        column("DOCKER", 6, 8, 6),
        column("ENDPOINT", 20, fleet.widths.endpoint.min(40), 7),
    ];
    places::columns(model, PLACE, own)
}

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let model = screen.model;
    let fleet = &model.fleet;
    let all = fleet.instances.len();
    let mut title = vec![Span::raw(text::number(all as u64))];
    if fleet.connected < all {
        title.push(Span::styled(
            format!(" · {} not answering", all - fleet.connected),
            screen.theme.mood(Mood::Bad),
        ));
    }
    pane_frame(screen, layout, Pane::Instances, title, buffer);
    let pane = &layout.panes[Pane::Instances.index()];
    if model.shown.instances.is_empty() {
        let words = if all == 0 {
            "No instance in this cluster. Name one in the config: [[instance]]."
        } else {
            "No instance passes the filter. esc lets go of it."
        };
        empty(screen, pane.rows, words, buffer);
    }
    let columns = columns(model);
    let window = (model.instances.top, model.shown.instances.len());
    grid::hits(screen, Pane::Instances, pane, &columns, window);
    let rows = model.shown.instances.iter().skip(model.instances.top);
    let rows = rows.filter_map(|at| fleet.instances.get(*at)).map(|row| {
        let instance = &row.instance;
        let dim = screen.theme.dim();
        let linked = model.focus != Pane::Instances;
        let cells = vec![
            cell(sign(row.mood), screen.theme.mood(row.mood)),
            cell(instance.name.as_str(), screen.theme.strong()),
            cell(state(screen, instance), screen.theme.mood(row.mood)),
            cell(zone(instance), dim),
            tasks(screen, row),
            usage(screen, row, |it| it.cpu.0),
            usage(screen, row, |it| it.memory.0),
            cell(text::clean(&instance.docker_version).into_owned(), dim),
            cell(text::clean(&instance.endpoint).into_owned(), dim),
        ];
        Row {
            cells: places::cells(screen, PLACE, &instance.cluster, cells),
            selected: model.marks(Pane::Instances)
                && model.instances.selected.as_ref() == Some(&instance.name),
            marked: model.marks.instances.contains(&instance.name),
            linked: linked && model.links.instance(row).is_some(),
            stale: !instance.is_connected(),
        }
    });
    let focused = model.focus == Pane::Instances;
    let sort = model.sorting.of(Pane::Instances);
    grid::draw(buffer, screen.theme, pane, focused, &columns, sort, rows);
}

fn zone(instance: &Instance) -> String {
    text::clean(instance.zone()).into_owned()
}

/// An instance's state; for how long it has not answered, if it does not.
pub(crate) fn state(screen: &Screen<'_>, instance: &Instance) -> String {
    match (instance.silent_since(), instance.status) {
        (Some(_), InstanceStatus::Registering) => "CONNECTING".to_owned(),
        (Some(since), _) => format!("LOST {}", screen.age_exact(since)),
        (None, status) => status.as_str().to_owned(),
    }
}

/// Live tasks; with how many of them belong to what is selected elsewhere.
fn tasks(screen: &Screen<'_>, row: &InstanceRow) -> Line<'static> {
    let model = screen.model;
    let linked = model.links.instance(row);
    let unknown = if row.instance.is_connected() { "" } else { "?" };
    let live = Span::raw(format!("{}{unknown}", row.tally.live()));
    match linked {
        Some(n) if model.focus == Pane::Services && n > 0 => Line::from(vec![
            Span::styled(format!("{n}"), screen.theme.accent()),
            Span::styled("/", screen.theme.dim()),
            live,
        ]),
        _ => Line::from(live),
    }
}

/// A bar and a share, with a mark where that is only what was last heard; nothing where the whole is
/// not known yet.
pub(crate) fn usage(
    screen: &Screen<'_>,
    row: &InstanceRow,
    of: impl Fn(&Resources) -> u64,
) -> Line<'static> {
    let (used, all) = (of(&row.used), of(&row.instance.capacity));
    if all == 0 {
        return cell("–", screen.theme.dim());
    }
    let percent = used.saturating_mul(100) / all;
    let full = usize::try_from((percent.min(100) * BAR as u64).div_ceil(100)).unwrap_or(BAR);
    let known = row.instance.is_connected();
    let style = match percent {
        _ if !known => screen.theme.dim(),
        NEARLY_FULL.. => screen.theme.mood(Mood::Warn),
        _ => screen.theme.mood(Mood::Calm),
    };
    let share = match known {
        true => format!("{percent:>4}%"),
        false => format!("{percent:>3}%?"),
    };
    Line::from(vec![
        Span::styled("━".repeat(full), style),
        Span::styled("─".repeat(BAR - full), screen.theme.rule()),
        Span::styled(share, screen.theme.dim()),
    ])
}
