//! The clusters and regions that things lie in, where several are shown; and what is lost of them.

use ratatui::text::Line;

use crate::model::ClusterName;

use super::super::clusters::{ClusterView, Clusters, RegionRow};
use super::super::state::{Choice, Model};
use super::super::text;
use super::Screen;
use super::grid::{Column, cell, column};

/// The most columns of a cluster's name.
const CLUSTER_MOST: usize = 20;
/// The most columns of a region's name.
const REGION_MOST: usize = 16;
/// How soon a list does without the region, and without the cluster.
const SPARE: (u8, u8) = (8, 2);

/// Columns with those of the cluster and the region at place `at`, where several are shown.
pub(super) fn columns(model: &Model, at: usize, mut columns: Vec<Column>) -> Vec<Column> {
    if model.clusters.several() {
        let (cluster, region) = model.clusters.widths();
        let own = [
            column("CLUSTER", 7, cluster.min(CLUSTER_MOST), SPARE.1),
            column("REGION", region.min(REGION_MOST), 0, SPARE.0),
        ];
        columns.splice(at..at, own);
    }
    columns
}

/// The cells of a row with those of its cluster.
pub(super) fn cells(
    screen: &Screen<'_>,
    at: usize,
    of: &ClusterName,
    mut cells: Vec<Line<'static>>,
) -> Vec<Line<'static>> {
    let clusters = &screen.model.clusters;
    if clusters.several() {
        let dim = screen.theme.dim();
        let own = [
            cell(of.as_str(), dim),
            cell(clusters.region(of).to_owned(), dim),
        ];
        cells.splice(at..at, own);
    }
    cells
}

/// `region us-east-1: 0 of 4 instances answer since 02:10, its tasks are not known to run`, or as
/// much of that as there is room for.
pub(super) fn loss(screen: &Screen<'_>, room: usize) -> Option<String> {
    let lost: Vec<&RegionRow> = screen.model.clusters.lost().collect();
    let (first, more) = lost.split_first()?;
    let others = match more.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let which = format!("{}{others}", first.name);
    let (region, its) = match more {
        [] => ("region", "its"),
        _ => ("regions", "their"),
    };
    let all: usize = lost.iter().map(|it| it.answers.instances).sum();
    let since = lost.iter().filter_map(|it| it.answers.silent_since).min();
    let since = since.map_or_else(String::new, |at| format!(" since {}", screen.minute(at)));
    let choice = [
        format!(
            "{region} {which}: 0 of {all} instances answer{since}, {its} tasks are not known to run"
        ),
        format!("{region} {which}: 0 of {all} instances answer{since}"),
        format!("{which}: 0 of {all} instances answer{since}"),
        format!("{which}: 0 of {all} answer{since}"),
        format!("{which} lost{since}"),
    ];
    let fits = choice.iter().find(|it| text::width(it) <= room);
    Some(fits.unwrap_or(&choice[choice.len() - 1]).clone())
}

/// What is known of things in a region that is lost, as much as there is room for.
pub(super) fn loss_of(screen: &Screen<'_>, cluster: &ClusterName, room: usize) -> Option<String> {
    let region = screen.model.clusters.lost_with(cluster)?;
    let all = region.answers.instances;
    let since = region.answers.silent_since;
    let since = since.map_or_else(String::new, |at| format!(" since {}", screen.minute(at)));
    let name = &region.name;
    let choice = [
        format!(
            "region {name}: 0 of {all} instances answer{since}, its tasks are not known to run"
        ),
        format!("{name}: 0 of {all} answer{since}, its tasks are not known to run"),
    ];
    let [_, short] = &choice;
    let fits = choice.iter().find(|it| text::width(it) <= room);
    Some(fits.unwrap_or(short).clone())
}

/// All clusters, where it is one of them that is chosen.
pub(super) fn choices(screen: &Screen<'_>, choice: &Choice) -> Option<Clusters> {
    let state = &screen.model.snapshot.state;
    (*choice == Choice::Cluster).then(|| Clusters::new(state, &ClusterView::All))
}

/// What there is to say of one of them.
pub(super) fn choice(all: &Clusters, item: &str) -> String {
    match ClusterView::labelled(item) {
        Some(ClusterView::One(name)) => all.get(&name).map_or_else(String::new, |row| {
            let answers = row.answers;
            let fares = match answers.instances {
                0 => "no instance".to_owned(),
                n => format!("{} of {n} answer", answers.connected),
            };
            format!("  {} · {fares}", row.region)
        }),
        _ => format!("  {}", all.words()),
    }
}

/// What stands before the name of a thing of a cluster, where several are shown.
pub(super) fn prefix(screen: &Screen<'_>, cluster: &ClusterName) -> String {
    match screen.model.clusters.several() {
        true => format!("{cluster} · "),
        false => String::new(),
    }
}

/// A cluster's name, as wide as the widest, where several are shown.
pub(super) fn margin(screen: &Screen<'_>, cluster: &ClusterName) -> String {
    let clusters = &screen.model.clusters;
    if !clusters.several() {
        return String::new();
    }
    let columns = clusters.widths().0.min(CLUSTER_MOST);
    let name = text::cut(cluster.as_str(), columns);
    format!("{name:<columns$}  ")
}
