//! Which clusters are shown, and how they and their regions fare.

use std::collections::BTreeMap;

use crate::model::{Cluster, ClusterName, Instance, State, TimeMs};

use super::state::{Act, Model, Pane};
use super::text::{self, count};

/// What the list of clusters offers beside their names. No cluster can be called that.
pub(crate) const ALL_CLUSTERS: &str = "all clusters";

/// Which clusters the console shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterView {
    /// Every one, by region.
    All,
    /// One alone.
    One(ClusterName),
}

impl ClusterView {
    /// Whether what belongs to a cluster is shown.
    pub(crate) fn shows(&self, cluster: &ClusterName) -> bool {
        match self {
            Self::All => true,
            Self::One(name) => name == cluster,
        }
    }

    /// The cluster that is shown alone.
    pub(crate) fn one(&self) -> Option<&ClusterName> {
        match self {
            Self::All => None,
            Self::One(name) => Some(name),
        }
    }

    /// What it is called in the list of clusters.
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::All => ALL_CLUSTERS,
            Self::One(name) => name.as_str(),
        }
    }

    /// The view of that label.
    pub(crate) fn labelled(label: &str) -> Option<Self> {
        match label {
            ALL_CLUSTERS => Some(Self::All),
            name => name.parse().ok().map(Self::One),
        }
    }
}

/// How many instances there are, and how many of them answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub instances: usize,
    /// Those that have been heard at any time.
    pub heard: usize,
    pub connected: usize,
    /// When the one fell silent that did so last.
    pub silent_since: Option<TimeMs>,
}

impl Answers {
    fn take(&mut self, instance: &Instance) {
        self.instances += 1;
        self.heard += usize::from(instance.registered_at.is_some());
        self.connected += usize::from(instance.is_connected());
        let since = instance.silent_since();
        let since = since.filter(|_| instance.registered_at.is_some());
        self.silent_since = self.silent_since.max(since);
    }

    fn add(&mut self, other: &Self) {
        self.instances += other.instances;
        self.heard += other.heard;
        self.connected += other.connected;
        self.silent_since = self.silent_since.max(other.silent_since);
    }

    /// Whether some have been heard, and none is any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.heard > 0 && self.connected == 0
    }
}

/// A cluster as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterRow {
    pub name: ClusterName,
    pub region: String,
    pub protected: bool,
    pub answers: Answers,
}

/// A region: what its clusters' instances come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegionRow {
    pub name: String,
    pub answers: Answers,
    /// None of its instances answers, and another region's are known: nobody knows what runs there.
    pub lost: bool,
}

/// The clusters that are shown, in the order of their regions and names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clusters {
    rows: Vec<ClusterRow>,
    /// Of all clusters: a region is lost or not, whatever is shown of it.
    regions: Vec<RegionRow>,
    /// What they were made from: a picture in which none of it is another changes nothing.
    of: Option<(ClusterView, State)>,
}

impl Clusters {
    /// Becomes the clusters of that state.
    pub(crate) fn follow(&mut self, state: &State, view: &ClusterView) {
        let same = self.of.as_ref().is_some_and(|(of, old)| {
            of == view
                && old.clusters.ptr_eq(&state.clusters)
                && old.instances.ptr_eq(&state.instances)
                && old.services.ptr_eq(&state.services)
        });
        if !same {
            *self = Self::new(state, view);
        }
    }

    /// The clusters of a state, those that are shown of them. One that nobody configured and that
    /// has nothing in it is not worth a word, unless it is asked for.
    pub(crate) fn new(state: &State, view: &ClusterView) -> Self {
        let mut answers: BTreeMap<&ClusterName, Answers> = BTreeMap::new();
        for instance in state.instances.values() {
            answers.entry(&instance.cluster).or_default().take(instance);
        }
        let all: Vec<ClusterRow> = by_region(state)
            .into_iter()
            .map(|(region, cluster)| ClusterRow {
                name: cluster.name.clone(),
                region,
                protected: cluster.protected,
                answers: answers.get(&cluster.name).copied().unwrap_or_default(),
            })
            .collect();
        let regions = regions(&all);
        let used = |row: &ClusterRow| {
            row.answers.instances > 0
                || state.services.keys().any(|(of, _)| *of == row.name)
                || state
                    .clusters
                    .get(&row.name)
                    .is_some_and(|it| it.configured)
        };
        let shown = |row: &ClusterRow| match view {
            ClusterView::One(name) => row.name == *name,
            ClusterView::All => used(row),
        };
        let mut rows: Vec<ClusterRow> = all.iter().filter(|row| shown(row)).cloned().collect();
        if rows.is_empty() && *view == ClusterView::All {
            rows = all;
        }
        let of = State {
            clusters: state.clusters.clone(),
            instances: state.instances.clone(),
            services: state.services.clone(),
            ..State::default()
        };
        Self {
            rows,
            regions,
            of: Some((view.clone(), of)),
        }
    }

    pub(crate) fn rows(&self) -> &[ClusterRow] {
        &self.rows
    }

    /// Whether things of more than one cluster stand side by side.
    pub(crate) fn several(&self) -> bool {
        self.rows.len() > 1
    }

    pub(crate) fn get(&self, name: &ClusterName) -> Option<&ClusterRow> {
        self.rows.iter().find(|row| row.name == *name)
    }

    /// A cluster's place among those that are shown.
    pub(crate) fn place(&self, name: &ClusterName) -> usize {
        let found = self.rows.iter().position(|row| row.name == *name);
        found.unwrap_or(self.rows.len())
    }

    /// The region that a cluster lies in; empty if it is not shown.
    pub(crate) fn region(&self, name: &ClusterName) -> &str {
        self.get(name).map_or("", |row| &row.region)
    }

    /// The region of a cluster, if it is lost.
    pub(crate) fn lost_with(&self, name: &ClusterName) -> Option<&RegionRow> {
        let region = self.region(name);
        self.regions.iter().find(|it| it.lost && it.name == region)
    }

    /// The regions of what is shown that are lost.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &RegionRow> {
        let of_shown = |name: &str| self.rows.iter().any(|row| row.region == name);
        let lost = self.regions.iter().filter(|it| it.lost);
        lost.filter(move |it| of_shown(&it.name))
    }

    /// The widest name, and the widest region.
    pub(crate) fn widths(&self) -> (usize, usize) {
        let widest = |of: fn(&ClusterRow) -> &str| {
            let widths = self.rows.iter().map(|row| text::width(of(row)));
            widths.max().unwrap_or(0)
        };
        (widest(|row| row.name.as_str()), widest(|row| &row.region))
    }

    /// `3 clusters in 2 regions`.
    pub(crate) fn words(&self) -> String {
        let mut regions: Vec<&str> = self.rows.iter().map(|row| row.region.as_str()).collect();
        regions.dedup();
        format!(
            "{} in {}",
            count(self.rows.len() as u64, "cluster"),
            count(regions.len() as u64, "region")
        )
    }
}

/// What can be shown: all clusters, and each alone.
pub(crate) fn choices(model: &Model) -> Vec<ClusterView> {
    let names = model.snapshot.state.clusters.keys().cloned();
    let each = names.map(ClusterView::One);
    std::iter::once(ClusterView::All).chain(each).collect()
}

/// All clusters with their regions, in the order in which they stand on the screen.
pub(crate) fn by_region(state: &State) -> Vec<(String, &Cluster)> {
    let region = |it: &Cluster| text::clean(&it.partition.region).into_owned();
    let all = state.clusters.values().map(|it| (region(it), &**it));
    let mut all: Vec<(String, &Cluster)> = all.collect();
    all.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name)));
    all
}

fn regions(clusters: &[ClusterRow]) -> Vec<RegionRow> {
    let mut regions: Vec<RegionRow> = Vec::new();
    for cluster in clusters {
        match regions.last_mut() {
            Some(last) if last.name == cluster.region => last.answers.add(&cluster.answers),
            _ => regions.push(RegionRow {
                name: cluster.region.clone(),
                answers: cluster.answers,
                lost: false,
            }),
        }
    }
    // Where there is one region alone, its instances say it themselves.
    let known = regions.iter().filter(|it| it.answers.heard > 0).count();
    for region in &mut regions {
        region.lost = known > 1 && region.answers.is_silent();
    }
    regions
}

impl Model {
    /// The only cluster that is shown; `None` where several are.
    pub(crate) fn sole_cluster(&self) -> Option<&ClusterName> {
        match (&self.cluster_view, self.clusters.rows()) {
            (ClusterView::One(name), _) => Some(name),
            (ClusterView::All, [one]) => Some(&one.name),
            (ClusterView::All, _) => None,
        }
    }

    /// What is shown, in words: a cluster's name, or how many there are.
    pub(crate) fn shown_words(&self) -> String {
        match self.sole_cluster() {
            Some(name) => name.to_string(),
            None if self.clusters.several() => self.clusters.words(),
            None => ALL_CLUSTERS.to_owned(),
        }
    }

    /// Whether the cluster shown is protected; of several, that of what is selected.
    pub(crate) fn stands_on_protected(&self) -> bool {
        let state = &self.snapshot.state;
        let cluster = self.sole_cluster().or_else(|| match self.focus {
            Pane::Services => self.services.selected.as_ref().map(|key| &key.0),
            Pane::Tasks => {
                let task = self.tasks.selected.and_then(|id| state.tasks.get(&id));
                task.map(|it| &it.cluster)
            }
            Pane::Instances => {
                let name = self.instances.selected.as_ref();
                let instance = name.and_then(|name| state.instances.get(name));
                instance.map(|it| &it.cluster)
            }
            Pane::Events => self.events.selected.as_ref().map(|it| &it.cluster),
        });
        let cluster = cluster.and_then(|name| state.clusters.get(name));
        cluster.is_some_and(|it| it.protected)
    }
}

impl Act {
    /// The cluster of what it is about, as long as that is there.
    pub(crate) fn cluster<'a>(&'a self, state: &'a State) -> Option<&'a ClusterName> {
        if let Some((cluster, _)) = self.service() {
            return Some(cluster);
        }
        match self {
            Self::Stop(task) => state.tasks.get(task).map(|it| &it.cluster),
            Self::Drain(name) | Self::Activate(name) => {
                state.instances.get(name).map(|it| &it.cluster)
            }
            Self::Apply(change) => change.cluster(state),
            _ => None,
        }
    }
}
