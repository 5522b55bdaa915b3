//! Where everything is: a pure function of the terminal's size and what has the focus, so that
//! updates know what the view will show.

use ratatui::layout::Rect;

use super::state::{PANES, Pane};

/// The fewest columns the console works in.
pub(crate) const MIN_COLUMNS: u16 = 60;
/// The fewest rows the console works in.
pub(crate) const MIN_ROWS: u16 = 16;
/// From this size on the panes stand side by side in boxes.
const WIDE: (u16, u16) = (120, 32);

/// One pane's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PaneArea {
    /// All of it, with title and border.
    pub area: Rect,
    /// The column titles, where there is room for them.
    pub titles: Option<Rect>,
    /// The rows.
    pub rows: Rect,
}

impl PaneArea {
    /// Whether there is a border round it.
    pub(crate) fn is_boxed(&self) -> bool {
        self.rows.x > self.area.x
    }
}

/// Every part's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub header: Rect,
    pub panes: [PaneArea; PANES],
    /// Between header and detail: what a page that covers the panes gets.
    pub body: Rect,
    pub detail: Rect,
    pub footer: Rect,
    /// Whether panes have boxes round them.
    pub boxed: bool,
}

impl Layout {
    /// The place of everything; `None` if the terminal is too small. `most` is how many rows
    /// the longer of services and instances has, `tasks` how many of them there are to show.
    pub(crate) fn new(
        (columns, rows): (u16, u16),
        focus: Pane,
        most: usize,
        tasks: usize,
    ) -> Option<Self> {
        if columns < MIN_COLUMNS || rows < MIN_ROWS {
            return None;
        }
        let boxed = columns >= WIDE.0 && rows >= WIDE.1;
        let detail_rows = if rows >= 40 { 2 } else { 1 };
        let line = |y, height| Rect::new(0, y, columns, height);
        let body = line(1, rows - 2 - detail_rows);
        Some(Self {
            header: line(0, 1),
            panes: if boxed {
                side_by_side(body, most, tasks)
            } else {
                stacked(body, focus)
            },
            body,
            detail: line(rows - 1 - detail_rows, detail_rows),
            footer: line(rows - 1, 1),
            boxed,
        })
    }
}

/// Services beside instances, tasks below them over the whole width, events at the bottom. Tasks
/// get what they need, though at least a third of what the panes above leave, and so much that
/// events keep theirs; events get the rest.
fn side_by_side(body: Rect, most: usize, tasks: usize) -> [PaneArea; PANES] {
    let framed = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(3);
    let top = framed(most).clamp(9, body.height * 2 / 5);
    let rest = body.height - top;
    let events_least = (body.height / 4).clamp(6, 14);
    let events = rest - framed(tasks).clamp(rest / 3, rest - events_least);
    let left = body.width / 2;
    let at = |x, y, width, height| {
        let area = Rect::new(body.x + x, body.y + y, width, height);
        let inner = Rect::new(area.x + 1, area.y + 1, width - 2, height - 2);
        PaneArea {
            area,
            titles: Some(Rect { height: 1, ..inner }),
            rows: Rect::new(inner.x, inner.y + 1, inner.width, inner.height - 1),
        }
    };
    let bottom = body.height - events;
    let mut panes = [
        at(0, 0, left, top),
        at(0, top, body.width, bottom - top),
        at(left, 0, body.width - left, top),
        at(0, bottom, body.width, events),
    ];
    // Events need no column titles.
    let last = &mut panes[Pane::Events.index()];
    if let Some(titles) = last.titles.take() {
        last.rows = Rect::new(titles.x, titles.y, titles.width, last.rows.height + 1);
    }
    panes
}

/// One under the other, each under a title line; the focused one gets what is left.
fn stacked(body: Rect, focus: Pane) -> [PaneArea; PANES] {
    let small = (body.height / 6).max(2);
    let mut y = body.y;
    Pane::ALL.map(|pane| {
        let others = (PANES as u16 - 1) * (small + 1);
        let focused = pane == focus;
        let height = if focused {
            body.height - others.min(body.height)
        } else {
            small + 1
        };
        let area = Rect::new(body.x, y, body.width, height);
        y += height;
        let titles =
            (focused && pane != Pane::Events).then(|| Rect::new(area.x, area.y + 1, area.width, 1));
        let above = 1 + u16::from(titles.is_some());
        PaneArea {
            area,
            titles,
            rows: Rect::new(
                area.x,
                area.y + above,
                area.width,
                height.saturating_sub(above),
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panes_fill_the_body_and_never_overlap() {
        for columns in [60, 80, 119, 120, 200, 400] {
            for rows in [16, 20, 24, 31, 32, 40, 60, 120] {
                for focus in Pane::ALL {
                    for (most, tasks) in [(0, 0), (12, 4), (12, 20), (10_000, 10_000)] {
                        let layout = Layout::new((columns, rows), focus, most, tasks).unwrap();
                        let areas = layout.panes.map(|p| p.area);
                        let sum: u32 = areas.iter().map(|a| a.area()).sum();
                        assert_eq!(sum, layout.body.area(), "{columns}x{rows} {focus:?}");
                        for (at, a) in areas.iter().enumerate() {
                            assert!(layout.body.union(*a) == layout.body);
                            assert!(areas[..at].iter().all(|b| !a.intersects(*b)));
                        }
                        assert!(layout.panes.iter().all(|p| p.rows.height >= 1));
                    }
                }
            }
        }
    }

    #[test]
    fn events_get_the_height_that_tasks_do_not_need() {
        let heights = |tasks| {
            let layout = Layout::new((200, 60), Pane::Services, 12, tasks).unwrap();
            [Pane::Tasks, Pane::Events].map(|pane| layout.panes[pane.index()].area.height)
        };
        assert_eq!(heights(0), [13, 28], "a third at least");
        assert_eq!(
            heights(15),
            [18, 23],
            "what they need: their rows, titles and border"
        );
        assert_eq!(heights(10_000), [27, 14], "events keep theirs");
    }

    #[test]
    fn a_terminal_that_is_too_small_has_no_layout() {
        assert_eq!(Layout::new((59, 24), Pane::Tasks, 3, 3), None);
        assert_eq!(Layout::new((80, 15), Pane::Tasks, 3, 3), None);
    }
}
