//! How far something has come: a bar, a count, a rate.

use ratatui::text::{Line, Span};

use super::super::fleet::Mood;
use super::super::text;
use super::theme::Theme;

/// Cells of a bar on a page.
pub(super) const CELLS: usize = 24;

/// A bar of that many cells of which `done` of `all` are full: all of them only once it is done.
pub(super) fn bar(theme: Theme, done: u64, all: u64, cells: usize, mood: Mood) -> Line<'static> {
    let full = full(done, all, cells);
    Line::from(vec![
        Span::styled("━".repeat(full), theme.mood(mood)),
        Span::styled("─".repeat(cells - full), theme.rule()),
    ])
}

fn full(done: u64, all: u64, cells: usize) -> usize {
    let share = u128::from(done) * cells as u128 / u128::from(all.max(1));
    usize::try_from(share).unwrap_or(cells).min(cells)
}

/// Tasks a second as a person says it: `1.5 tasks/s`, `12 tasks/min`.
pub(super) fn tasks_rate(tasks: u64, over_ms: u64) -> Option<String> {
    let per_second = tasks as f64 * 1_000.0 / over_ms.max(1) as f64;
    match tasks {
        0 => None,
        _ if per_second >= 0.5 => Some(format!("{per_second:.1} tasks/s")),
        _ => Some(format!("{:.1} tasks/min", per_second * 60.0)),
    }
}

/// Bytes a second as a person says it.
pub(super) fn bytes_rate(per_second: u64) -> String {
    format!("{}/s", text::bytes(per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        assert_eq!(full(0, 12, 24), 0);
        assert_eq!(full(6, 12, 24), 12);
        assert_eq!(full(999, 1_000, 24), 23);
        assert_eq!(full(12, 12, 24), 24);
        assert_eq!(full(15, 12, 24), 24);
        assert_eq!(full(0, 0, 24), 0);
        assert_eq!(full(u64::MAX, u64::MAX, 24), 24);
    }

    #[test]
    fn a_rate_is_told_in_the_unit_that_reads_well() {
        assert_eq!(tasks_rate(0, 10_000), None);
        assert_eq!(tasks_rate(15, 10_000).unwrap_or_default(), "1.5 tasks/s");
        assert_eq!(tasks_rate(2, 60_000).unwrap_or_default(), "2.0 tasks/min");
    }
}
