//! What a click means: the drawing itself says what stands where, so there is no second copy of
//! where things are.

use std::cell::RefCell;

use crossterm::event::KeyEvent;
use ratatui::layout::{Position, Rect};

use crate::model::{InstanceName, TaskId};

use super::state::Pane;

/// What stands at a place of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A list, wherever in it.
    Pane(Pane),
    /// A row of a list, by its place among those shown.
    Row(Pane, usize),
    /// The head of a list's column.
    Head(Pane, &'static str),
    /// What a key does: of the footer, or of a question.
    Key(KeyEvent),
    /// A line of a list to choose from, by its place among those that match.
    Item(usize),
    /// A line of the command palette, by its place among those found.
    Found(usize),
    /// A block of an instance on the stowage map, by its place there.
    Block(InstanceName, usize),
    /// A task's row on the page of figures.
    Figures(TaskId),
    /// A happening on the timeline, by its place among those shown.
    Happening(usize),
    /// A place on the timeline's axis, by the happening that it stands for.
    Moment(usize),
    /// A notice, by its place.
    Toast(usize),
    /// Nothing that does anything; what lies under it is not meant.
    Cover,
}

impl Target {
    /// The list that it is of.
    pub(crate) fn pane(&self) -> Option<Pane> {
        match self {
            Self::Pane(pane) | Self::Row(pane, _) | Self::Head(pane, _) => Some(*pane),
            _ => None,
        }
    }
}

/// What was drawn where, while somebody asks; what is drawn later lies over what was before.
#[derive(Debug, Default)]
pub(crate) struct Hits(Option<RefCell<Vec<(Rect, Target)>>>);

impl Hits {
    /// Keeps what is drawn where.
    pub(crate) fn kept() -> Self {
        Self(Some(RefCell::default()))
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Something stands there.
    pub(crate) fn put(&self, area: Rect, target: impl FnOnce() -> Target) {
        if let Some(all) = &self.0 {
            all.borrow_mut().push((area, target()));
        }
    }

    /// What stands on top there.
    pub(crate) fn at(self, place: Position) -> Option<Target> {
        let all = self.0?.into_inner();
        let mut there = all.into_iter().rev();
        let found = there.find(|(area, _)| area.contains(place));
        found.map(|(_, target)| target)
    }
}
