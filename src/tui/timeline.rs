//! The timeline: what happened on one axis, and the past that is looked at.

use std::sync::Arc;

use crate::model::{Event, EventKind, Happening, History, Outcome, Severity, Snapshot, TimeMs};

use super::clusters::ClusterView;
use super::event::Ticket;

/// What the axis shows at each step of the zoom, in milliseconds; the first is all there is.
const SPANS_MS: [u64; 8] = [
    u64::MAX,
    7 * 24 * 3_600_000,
    24 * 3_600_000,
    6 * 3_600_000,
    3_600_000,
    15 * 60_000,
    5 * 60_000,
    60_000,
];

/// What kind of mark a happening is on the axis, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    Task,
    Service,
    Operator,
    Deployment,
    Refused,
    Health,
    Exit,
    Instance,
}

impl Mark {
    /// Every kind, as the legend lists them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Operator,
        Self::Refused,
        Self::Deployment,
        Self::Exit,
        Self::Health,
        Self::Instance,
        Self::Service,
        Self::Task,
    ];

    /// The mark of an event.
    pub(crate) fn of(event: &Event) -> Self {
        let refused = |outcome| outcome == Outcome::Refused;
        match event.kind {
            EventKind::Instance => Self::Instance,
            EventKind::Service => Self::Service,
            EventKind::Deployment => Self::Deployment,
            EventKind::Task => Self::Task,
            EventKind::Exit => Self::Exit,
            EventKind::Health => Self::Health,
            EventKind::Operator if event.audit.as_ref().is_some_and(|it| refused(it.outcome)) => {
                Self::Refused
            }
            // A config file that was not read anew has nobody's name on it. Of what operators do,
            // nothing else goes wrong.
            EventKind::Operator if event.severity == Severity::Error => Self::Refused,
            EventKind::Operator => Self::Operator,
        }
    }

    /// Its sign and the word for it.
    pub(crate) fn sign(self) -> (&'static str, &'static str) {
        match self {
            Self::Operator => ("●", "operator"),
            Self::Refused => ("◌", "refused"),
            Self::Deployment => ("▸", "deployment"),
            Self::Exit => ("✕", "exit"),
            Self::Health => ("◐", "health"),
            Self::Instance => ("▲", "instance"),
            Self::Service => ("○", "service"),
            Self::Task => ("·", "task"),
        }
    }
}

/// The screen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timeline {
    /// What the history comes back with.
    pub ticket: Ticket,
    /// What happened, or why that is not known; `None` while it is asked for.
    pub history: Option<Result<History, String>>,
    /// The places of those that pass the filter, oldest first.
    pub shown: Vec<usize>,
    /// The one under the cursor, by its number in the log.
    pub selected: Option<u64>,
    /// Its place among those shown.
    pub row: usize,
    pub zoom: usize,
    pub filter: String,
    pub typing: bool,
    /// What of the filter could not be read.
    pub wrong: Option<String>,
    /// Which filter and clusters those shown were chosen by; `None` chooses anew.
    pub chosen_by: Option<(String, ClusterView)>,
}

impl Timeline {
    /// Everything there is, whether shown or not.
    pub(crate) fn happenings(&self) -> &[Happening] {
        match &self.history {
            Some(Ok(history)) => &history.happenings,
            _ => &[],
        }
    }

    /// Whether the log has older ones than were read.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(&self.history, Some(Ok(history)) if history.more)
    }

    /// The happening of a row that is shown.
    pub(crate) fn at(&self, row: usize) -> Option<&Happening> {
        self.happenings().get(*self.shown.get(row)?)
    }

    /// The one under the cursor.
    pub(crate) fn current(&self) -> Option<&Happening> {
        self.at(self.row)
    }

    /// Narrows the list, and finds the selected one again, else what is nearest before it.
    pub(crate) fn settle(&mut self, passes: impl Fn(&Event) -> bool) {
        let all = self.happenings().iter().enumerate();
        let shown = all.filter(|(_, it)| passes(&it.event)).map(|(at, _)| at);
        self.shown = shown.collect();
        self.find();
    }

    /// Finds the selected one among those shown.
    pub(crate) fn find(&mut self) {
        let last = self.shown.len().saturating_sub(1);
        self.row = match self.selected {
            None => last,
            Some(wanted) => {
                let all = self.happenings();
                let upto = |at: &usize| all.get(*at).is_some_and(|it| it.seq <= wanted);
                self.shown.partition_point(upto).saturating_sub(1)
            }
        };
        self.selected = self.selected.or(self.current().map(|it| it.seq));
    }

    /// Moves the cursor so many happenings on, stopping at the ends.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.shown.len().saturating_sub(1);
        self.row = self.row.saturating_add_signed(by).min(last);
        self.selected = self.current().map(|it| it.seq);
    }

    /// Shows less of the time, or more.
    pub(crate) fn zoom_by(&mut self, by: isize) {
        self.zoom = self.zoom.saturating_add_signed(by).min(SPANS_MS.len() - 1);
    }

    /// From when to when the axis goes: around the cursor, within what there is.
    pub(crate) fn window(&self) -> Option<(TimeMs, TimeMs)> {
        let first = self.at(0)?.at;
        let last = self.at(self.shown.len() - 1)?.at;
        let whole = last.since_ms(first).max(1_000);
        let span = SPANS_MS[self.zoom].min(whole);
        let cursor = self.current()?.at.since_ms(first);
        let from = first.plus_ms(cursor.saturating_sub(span / 2).min(whole - span));
        Some((from, from.plus_ms(span)))
    }

    /// The marks of an axis so many columns wide: of each column the worst, and how bad it is.
    pub(crate) fn marks(&self, columns: usize) -> Vec<Option<(Severity, Mark)>> {
        let mut marks = vec![None; columns];
        for row in 0..self.shown.len() {
            let Some(it) = self.at(row) else { continue };
            let Some(column) = self.column(it.at, columns) else {
                continue;
            };
            let mark = Some((it.event.severity, Mark::of(&it.event)));
            marks[column] = marks[column].max(mark);
        }
        marks
    }

    /// The row that a column of an axis so many columns wide stands for: the one whose mark is shown
    /// there, else the nearest in time.
    pub(crate) fn row_at(&self, column: usize, columns: usize) -> Option<usize> {
        let (from, to) = self.window()?;
        let steps = u128::try_from(columns).ok()?.checked_sub(1)?.max(1);
        let span = u128::from(to.since_ms(from));
        let begins = |column: u128| {
            let into = (span * column).div_ceil(steps);
            from.plus_ms(u64::try_from(into).unwrap_or(u64::MAX))
        };
        let column = u128::try_from(column).ok()?;
        let row_of = |moment: TimeMs| {
            let all = self.happenings();
            let before = |at: &usize| all.get(*at).is_some_and(|it| it.at < moment);
            self.shown.partition_point(before)
        };
        let (first, end) = (row_of(begins(column)), row_of(begins(column + 1)));
        let loud = |row: &usize| {
            self.at(*row)
                .map(|it| (it.event.severity, Mark::of(&it.event)))
        };
        let there = (first..end).filter(|row| self.at(*row).is_some_and(|it| it.at <= to));
        let near = |row: usize| Some((self.at(row)?.at, row));
        let beside = [first.checked_sub(1).and_then(near), near(first)];
        let away = |(at, _): &(TimeMs, usize)| {
            let here = begins(column);
            at.since_ms(here).max(here.since_ms(*at))
        };
        let nearest = || beside.into_iter().flatten().min_by_key(away);
        there
            .max_by_key(loud)
            .or_else(|| nearest().map(|(_, row)| row))
    }

    /// Puts the cursor on a row.
    pub(crate) fn go(&mut self, row: usize) {
        self.step(row.cast_signed() - self.row.cast_signed());
    }

    /// Where a moment is on an axis so many columns wide, if it is on it.
    pub(crate) fn column(&self, at: TimeMs, columns: usize) -> Option<usize> {
        let (from, to) = self.window()?;
        if at < from || at > to || columns == 0 {
            return None;
        }
        let (into, span) = (u128::from(at.since_ms(from)), u128::from(to.since_ms(from)));
        let column = into * (columns as u128 - 1) / span.max(1);
        usize::try_from(column).ok()
    }
}

/// The past, while it is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// The happening right after which it is shown.
    pub seq: u64,
    /// The newest picture meanwhile, and this machine's time when it came.
    pub present: Arc<Snapshot>,
    pub received: TimeMs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ClusterName;

    fn happening(seq: u64, at: u64, severity: Severity, kind: EventKind) -> Happening {
        let event = Event {
            at: TimeMs(at),
            severity,
            kind,
            cluster: ClusterName::default_cluster(),
            service: None,
            task: None,
            instance: None,
            audit: None,
            message: format!("event {seq}"),
        };
        Happening {
            seq,
            at: TimeMs(at),
            event: Arc::new(event),
        }
    }

    fn timeline() -> Timeline {
        let happenings = vec![
            happening(3, 0, Severity::Info, EventKind::Operator),
            happening(5, 500_000, Severity::Info, EventKind::Task),
            happening(6, 500_100, Severity::Warning, EventKind::Exit),
            happening(7, 500_200, Severity::Info, EventKind::Instance),
            happening(9, 1_000_000, Severity::Info, EventKind::Deployment),
        ];
        let mut timeline = Timeline {
            history: Some(Ok(History {
                happenings,
                ..History::default()
            })),
            ..Timeline::default()
        };
        timeline.settle(|_| true);
        timeline
    }

    #[test]
    fn a_column_shows_the_worst_of_it() {
        let marks = timeline().marks(11);
        assert_eq!(marks[0], Some((Severity::Info, Mark::Operator)));
        assert_eq!(marks[5], Some((Severity::Warning, Mark::Exit)));
        assert_eq!(marks[10], Some((Severity::Info, Mark::Deployment)));
        assert_eq!(marks.iter().flatten().count(), 3);
    }

    #[test]
    fn a_column_stands_for_its_mark_or_for_what_is_nearest() {
        let timeline = timeline();
        let seq = |column| {
            timeline
                .at(timeline.row_at(column, 11).unwrap())
                .unwrap()
                .seq
        };
        assert_eq!(
            [0, 5, 10].map(seq),
            [3, 6, 9],
            "the worst of the three in column 5"
        );
        assert_eq!([1, 2, 3, 4].map(seq), [3, 3, 5, 5]);
        assert_eq!([6, 8, 9].map(seq), [7, 9, 9]);
        for column in 0..11 {
            assert!(timeline.row_at(column, 11).is_some());
            let mark = timeline.marks(11)[column];
            let there = timeline.at(timeline.row_at(column, 11).unwrap()).unwrap();
            let own = Some((there.event.severity, Mark::of(&there.event)));
            assert!(mark.is_none() || mark == own, "column {column}");
        }
        assert_eq!(Timeline::default().row_at(0, 11), None);
    }

    #[test]
    fn a_config_that_was_refused_is_marked_as_refused() {
        let reload = happening(1, 0, Severity::Error, EventKind::Operator);
        assert_eq!(Mark::of(&reload.event), Mark::Refused);
        let taken = happening(1, 0, Severity::Info, EventKind::Operator);
        assert_eq!(Mark::of(&taken.event), Mark::Operator);
    }

    #[test]
    fn the_cursor_begins_at_the_newest_and_stays_on_its_happening() {
        let mut timeline = timeline();
        assert_eq!(timeline.selected, Some(9));
        timeline.step(-2);
        assert_eq!(timeline.selected, Some(6));
        timeline.settle(|event| event.kind != EventKind::Operator);
        assert_eq!(timeline.current().map(|it| it.seq), Some(6));
        // One that is filtered out leaves the cursor at the nearest before it, and comes back.
        timeline.settle(|event| event.kind != EventKind::Exit);
        assert_eq!(timeline.current().map(|it| it.seq), Some(5));
        timeline.settle(|_| true);
        assert_eq!(timeline.current().map(|it| it.seq), Some(6));
        timeline.step(-100);
        assert_eq!(timeline.current().map(|it| it.seq), Some(3));
    }

    #[test]
    fn the_window_is_around_the_cursor_and_within_what_there_is() {
        let mut timeline = timeline();
        assert_eq!(timeline.window(), Some((TimeMs(0), TimeMs(1_000_000))));
        timeline.zoom_by(100);
        assert_eq!(
            timeline.window(),
            Some((TimeMs(940_000), TimeMs(1_000_000)))
        );
        timeline.step(-1);
        assert_eq!(timeline.window(), Some((TimeMs(470_200), TimeMs(530_200))));
        assert_eq!(timeline.column(TimeMs(0), 100), None);
        timeline.zoom_by(-100);
        assert_eq!(timeline.column(TimeMs(1_000_000), 100), Some(99));
    }
}
