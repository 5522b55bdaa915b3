//! The stowage map's arithmetic: which instance lies in which bay, and which cells of its hold
//! belong to which task. Pure, so that keys and drawing agree.

use std::collections::BTreeMap;

use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use crate::model::{ClusterName, InstanceName, Resources, TaskId};

use super::clusters::Clusters;
use super::fleet::{Fleet, InstanceRow};
use super::text;

/// The fewest columns a bay is readable in.
const BAY_COLUMNS: u16 = 36;
/// From this width on bays stand side by side; below it one bay has all of it.
const SIDE_BY_SIDE: u16 = 100;
/// Columns between bays.
pub(crate) const GUTTER: u16 = 3;
/// Most bay columns that hold an instance's name on the line of its bar.
const NAME_COLUMNS: usize = 16;
/// Columns beside name and bar on one line: mark, sign, gaps and percent.
const SIDE_COLUMNS: usize = 10;
/// The smallest hold is drawn at least this part of the largest as long.
const SHORTEST_PART: usize = 2;
/// Rows of an instance: its name, its bar and air; the roomiest that fits is taken.
const SHAPES: [Shape; 5] = [
    Shape::new(1, 3, 1),
    Shape::new(1, 2, 1),
    Shape::new(1, 1, 1),
    Shape::new(1, 1, 0),
    Shape::new(0, 1, 0),
];

/// What blocks are sized by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Measure {
    /// In MiB.
    #[default]
    Memory,
    /// In CPU units.
    Cpu,
}

impl Measure {
    pub(crate) fn of(self, resources: &Resources) -> u64 {
        match self {
            Self::Memory => resources.memory.0,
            Self::Cpu => resources.cpu.0,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Memory => Self::Cpu,
            Self::Cpu => Self::Memory,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// What a block is, by id: blocks come, go and move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cargo {
    Task(TaskId),
    /// A task that a plan would start there: its place among those.
    Ghost(usize),
    /// Containers that no task accounts for.
    Foreign,
    /// What is kept for the host itself.
    Reserved,
    Free,
}

/// A block and how much of the measure it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub cargo: Cargo,
    pub amount: u64,
}

/// The map that is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapPage {
    pub measure: Measure,
    /// The instance under the cursor.
    pub host: Option<InstanceName>,
    /// The block under the cursor.
    pub cargo: Option<Cargo>,
    /// Its place in its instance; its neighbour is taken when it goes.
    pub at: usize,
    /// The first row shown.
    pub top: usize,
    /// Whether the plan of the question below is drawn into it.
    pub planned: bool,
}

/// The rows of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its name above its bar; 0 if both share a line.
    pub name: usize,
    pub bar: usize,
    pub air: usize,
}

impl Shape {
    const fn new(name: usize, bar: usize, air: usize) -> Self {
        Self { name, bar, air }
    }

    pub(crate) fn rows(self) -> usize {
        self.name + self.bar + self.air
    }
}

/// The instances that a cluster has in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bay {
    pub cluster: ClusterName,
    pub zone: String,
    /// Places in the [`Fleet`].
    pub holds: Vec<usize>,
}

/// Where every bay and hold is. Rows count from the first one, on the screen or not.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub bays: Vec<Bay>,
    /// How many bays stand side by side.
    pub across: usize,
    /// Columns of a bay.
    pub columns: u16,
    pub shape: Shape,
    /// The first row of each shelf of bays, and the row after the last one.
    pub shelves: Vec<usize>,
    /// Columns for the names of instances.
    pub name_columns: usize,
    /// What the largest instance has.
    largest: u64,
}

/// Where the bays are drawn: below the title and above the legend.
pub(crate) fn area(body: Rect) -> Rect {
    Rect::new(
        body.x + 1,
        body.y + 1,
        body.width.saturating_sub(2),
        body.height.saturating_sub(2),
    )
}

/// The whole of an instance's bar: what it has, or what is taken of it should that be more.
fn whole(row: &InstanceRow, measure: Measure) -> u64 {
    let has = measure.of(&row.instance.capacity);
    has.max(measure.of(&row.used)).max(1)
}

/// The blocks of an instance, in the order in which they are drawn.
pub(crate) fn blocks(fleet: &Fleet, row: &InstanceRow, measure: Measure) -> Vec<Block> {
    let block = |cargo, amount| Block { cargo, amount };
    let tasks = row.live().map(|it| &it.task);
    let tasks = tasks.map(|task| block(Cargo::Task(task.id), measure.of(&task.resources)));
    let mut all: Vec<Block> = tasks.collect();
    let instance = &row.instance;
    let ghosts = fleet.ghosts.on(&instance.name).iter().enumerate();
    all.extend(ghosts.map(|(at, it)| block(Cargo::Ghost(at), measure.of(&it.resources))));
    if instance.foreign_count > 0 || measure.of(&instance.foreign) > 0 {
        all.push(block(Cargo::Foreign, measure.of(&instance.foreign)));
    }
    if measure.of(&instance.reserved) > 0 {
        all.push(block(Cargo::Reserved, measure.of(&instance.reserved)));
    }
    let used: u64 = all
        .iter()
        .fold(0, |sum, block| sum.saturating_add(block.amount));
    let free = measure.of(&instance.capacity).saturating_sub(used);
    if free > 0 || all.is_empty() {
        all.push(block(Cargo::Free, free));
    }
    all
}

/// The cells of each of an instance's blocks in a bar of that many: as many as their share, at
/// least one. Blocks of the same amount are equally wide as far as there is room; the last one
/// makes up for rounding. With more blocks than cells, those about `at` get one each.
pub(crate) fn spread(blocks: &[Block], cells: usize, at: usize) -> Vec<usize> {
    let count = blocks.len();
    if count > cells {
        let first = at.saturating_sub(cells / 2).min(count - cells);
        let shown = first..first + cells;
        return (0..count)
            .map(|n| usize::from(shown.contains(&n)))
            .collect();
    }
    let sum = blocks.iter().map(|block| u128::from(block.amount)).sum();
    let sum: u128 = std::cmp::max(sum, 1);
    let share = |amount: u64| (u128::from(amount) * cells as u128 * 2 + sum) / (2 * sum);
    let mut widths: Vec<usize> = blocks
        .iter()
        .map(|block| usize::try_from(share(block.amount)).unwrap_or(1).max(1))
        .collect();
    let mut taken: usize = widths.iter().sum();
    while taken > cells
        && let Some(widest) = widths.iter_mut().rev().max_by_key(|width| **width)
    {
        *widest -= 1;
        taken -= 1;
    }
    if let Some(last) = widths.last_mut() {
        *last += cells - taken;
    }
    widths
}

impl Chart {
    /// The chart of a fleet in an area of that size.
    pub(crate) fn new(fleet: &Fleet, clusters: &Clusters, measure: Measure, area: Rect) -> Self {
        let mut zones: BTreeMap<_, (&ClusterName, Vec<usize>)> = BTreeMap::new();
        let mut largest = 1;
        for (at, row) in fleet.instances.iter().enumerate() {
            let cluster = &row.instance.cluster;
            let bay = (clusters.place(cluster), row.instance.zone());
            let bay = zones.entry(bay).or_insert((cluster, Vec::new()));
            bay.1.push(at);
            largest = largest.max(whole(row, measure));
        }
        let bays: Vec<Bay> = zones
            .into_iter()
            .map(|((_, zone), (cluster, holds))| Bay {
                cluster: cluster.clone(),
                zone: text::clean(zone).into_owned(),
                holds,
            })
            .collect();
        let most = match area.width {
            0..SIDE_BY_SIDE => 1,
            width => usize::from((width + GUTTER) / (BAY_COLUMNS + GUTTER)),
        };
        let across = most.min(bays.len()).max(1);
        let gutters = GUTTER * u16::try_from(across - 1).unwrap_or(0);
        let columns = area.width.saturating_sub(gutters) / u16::try_from(across).unwrap_or(1);
        let fits = |shape: &Shape| {
            shelves(&bays, across, *shape)
                .last()
                .is_none_or(|rows| *rows <= usize::from(area.height) + 1 + shape.air)
        };
        let shape = SHAPES.into_iter().find(|shape| fits(shape));
        let shape = shape.unwrap_or(SHAPES[SHAPES.len() - 1]);
        Self {
            shelves: shelves(&bays, across, shape),
            bays,
            across,
            columns,
            shape,
            name_columns: fleet.widths.instance.min(NAME_COLUMNS),
            largest,
        }
    }

    /// Where an instance is: its bay and its place in it.
    pub(crate) fn find(&self, fleet: &Fleet, host: &InstanceName) -> Option<(usize, usize)> {
        let of = |hold: &usize| &fleet.instances[*hold].instance.name;
        self.bays.iter().enumerate().find_map(|(bay, it)| {
            let at = it.holds.binary_search_by(|hold| of(hold).cmp(host));
            at.ok().map(|at| (bay, at))
        })
    }

    /// The place in the fleet of the hold nearest to place `at` of a bay.
    pub(crate) fn hold(&self, bay: usize, at: usize) -> Option<usize> {
        let holds = &self.bays.get(bay)?.holds;
        holds.get(at).or(holds.last()).copied()
    }

    /// The first row of a hold.
    pub(crate) fn row(&self, bay: usize, at: usize) -> usize {
        self.shelves[bay / self.across] + 1 + at * self.shape.rows()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        let last = self.shelves.last().copied().unwrap_or(0);
        last.saturating_sub(1 + self.shape.air)
    }

    /// Cells of an instance's bar: the larger the longer, by the root, so that beside a host of
    /// 64 GiB what lies in one of 4 GiB can still be read.
    pub(crate) fn cells(&self, row: &InstanceRow, measure: Measure) -> usize {
        let beside = match self.shape.name {
            0 => self.name_columns + SIDE_COLUMNS,
            _ => 2,
        };
        let most = usize::from(self.columns).saturating_sub(beside).max(1);
        let square = u128::from(whole(row, measure)) * (most * most) as u128;
        let share = (square / u128::from(self.largest)).isqrt();
        let share = usize::try_from(share).unwrap_or(most);
        share.max(most / SHORTEST_PART).clamp(1, most)
    }
}

/// The first row of each shelf, and the row after all of them: a line for the zone, its holds,
/// a line of air.
fn shelves(bays: &[Bay], across: usize, shape: Shape) -> Vec<usize> {
    let mut tops = vec![0];
    let mut row = 0;
    for shelf in bays.chunks(across) {
        let most = shelf.iter().map(|bay| bay.holds.len()).max().unwrap_or(0);
        row += 1 + most * shape.rows() + 1;
        tops.push(row);
    }
    tops
}

impl MapPage {
    /// Finds what is under the cursor again, or its neighbour, and scrolls to it.
    pub(crate) fn settle(&mut self, fleet: &Fleet, clusters: &Clusters, area: Rect) {
        let chart = Chart::new(fleet, clusters, self.measure, area);
        let found = self.host.as_ref().and_then(|name| fleet.instance(name));
        let Some(row) = found.or_else(|| fleet.instances.get(chart.hold(0, 0)?)) else {
            *self = Self {
                measure: self.measure,
                planned: self.planned,
                ..Self::default()
            };
            return;
        };
        let blocks = blocks(fleet, row, self.measure);
        let same = blocks.iter().position(|b| Some(b.cargo) == self.cargo);
        self.at = same.unwrap_or(self.at.min(blocks.len().saturating_sub(1)));
        self.cargo = blocks.get(self.at).map(|block| block.cargo);
        self.host = Some(row.instance.name.clone());
        let height = usize::from(area.height).max(1);
        if let Some((bay, at)) = chart.find(fleet, &row.instance.name) {
            // With a bay's first instance goes its name.
            let first = chart.row(bay, at) - usize::from(at == 0);
            let last = chart.row(bay, at) + chart.shape.rows() - chart.shape.air;
            self.top = self.top.clamp(last.saturating_sub(height), first);
        }
        self.top = self.top.min(chart.rows().saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(amount: u64) -> Block {
        Block {
            cargo: Cargo::Free,
            amount,
        }
    }

    #[test]
    fn blocks_share_the_bar_and_none_vanishes() {
        let widths = |amounts: &[u64], cells| {
            let blocks: Vec<Block> = amounts.iter().map(|amount| block(*amount)).collect();
            spread(&blocks, cells, 0)
        };
        assert_eq!(widths(&[50, 50], 10), [5, 5]);
        assert_eq!(widths(&[10, 10, 10, 70], 33), [3, 3, 3, 24]);
        assert_eq!(widths(&[0, 1, 1_000], 10), [1, 1, 8], "a cell at least");
        assert_eq!(widths(&[0, 0], 6), [1, 5]);
        assert_eq!(widths(&[u64::MAX, u64::MAX], 6), [3, 3]);
        for cells in 1..60 {
            for count in 1..80_u64 {
                let amounts: Vec<u64> = (0..count).map(|n| n * 37 % 11).collect();
                let widths = widths(&amounts, cells);
                assert_eq!(widths.iter().sum::<usize>(), cells, "{count} in {cells}");
            }
        }
    }

    #[test]
    fn of_more_blocks_than_cells_those_about_the_cursor_are_shown() {
        let blocks = vec![block(1); 100];
        let shown = |at: usize| {
            let widths = spread(&blocks, 10, at);
            assert_eq!(widths.iter().sum::<usize>(), 10);
            assert_eq!(widths[at], 1, "the one under the cursor");
        };
        [0, 3, 50, 99].into_iter().for_each(shown);
    }
}
