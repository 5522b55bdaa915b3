//! What of logs goes into a file.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::agent::streams::LogTarget;
use crate::docker::LogStream;
use crate::model::TimeMs;

use super::{Entry, LogPage, text};

impl LogPage {
    /// A file to save in: whose logs, and now.
    pub(crate) fn default_path(&self, now: TimeMs, zone: &TimeZone) -> String {
        let name = match &self.target {
            LogTarget::Task { task, .. } => task.short(),
            LogTarget::Service { service, .. } => service.to_string(),
            LogTarget::Instance { instance } => instance.to_string(),
        };
        let moment = stamp(now).map(|stamp| stamp.to_zoned(zone.clone()));
        let moment =
            moment.map_or_else(String::new, |it| it.strftime("-%Y%m%d-%H%M%S").to_string());
        format!("~/{name}{moment}.log")
    }

    /// How many lines there are to save: those that are held and pass the filter.
    pub(crate) fn lines_to_save(&self) -> u64 {
        let numbers = self.numbers();
        let lines = numbers.filter(|n| matches!(self.book.get(*n), Some(Entry::Line(_))));
        lines.count() as u64
    }

    /// They, one a line with time, task and container; what is missing between them is said in
    /// lines that begin with `#`.
    pub(crate) fn saved_text(&self) -> String {
        self.lines_of(self.numbers(), usize::MAX)
    }

    /// The beginning of it: a little more than so many bytes, if there is more.
    pub(crate) fn saved_text_to(&self, bytes: usize) -> String {
        self.lines_of(self.numbers(), bytes)
    }

    /// Some entries in that form, until it is more than so many bytes.
    pub(crate) fn lines_of(&self, numbers: impl Iterator<Item = u64>, bytes: usize) -> String {
        let mut out = String::new();
        for number in numbers {
            if out.len() > bytes {
                break;
            }
            let Some(entry) = self.book.get(number) else {
                continue;
            };
            // Writing to a string cannot fail.
            let _ = match entry {
                Entry::Line(line) => {
                    let at = stamp(line.at)
                        .map_or_else(|| line.at.0.to_string(), |at| format!("{at:.3}"));
                    let origin = &line.origin;
                    let sign = match line.stream {
                        LogStream::Stdout => "|",
                        LogStream::Stderr => "!",
                    };
                    let (task, container) = (origin.task.short(), &origin.container);
                    writeln!(out, "{at} {task} {container} {sign} {}", line.text)
                }
                Entry::LetGo(lost) | Entry::Dropped(lost) => {
                    writeln!(out, "# {} missing here", text::count(lost.lines, "line"))
                }
                Entry::Broken { task, reason } => {
                    writeln!(out, "# logs of task {} ended: {reason}", task.short())
                }
                Entry::Moment(_) | Entry::Ended(None) => Ok(()),
                Entry::Ended(Some(error)) => writeln!(out, "# the logs ended: {error}"),
            };
        }
        out
    }

    /// The entries that pass the filter.
    fn numbers(&self) -> impl Iterator<Item = u64> {
        let first = self.at_or_after(0);
        std::iter::successors(first, |number| self.at_or_after(number + 1))
    }
}

fn stamp(at: TimeMs) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}
