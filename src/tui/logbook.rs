//! Log lines kept for reading: a ring bounded by bytes, with what was lost counted in its place.

use std::collections::VecDeque;

use crate::client::LogItem;
use crate::docker::LogStream;
use crate::model::{ContainerName, TaskId, TimeMs};

use super::text;

/// How many bytes of lines are kept; the oldest go first.
const BYTES_MAX: usize = 4 << 20;
/// How many bytes of one line are kept.
const LINE_MAX: usize = 16 << 10;
/// What keeping a line costs beside its text.
const LINE_OVERHEAD: usize = 96;

/// What one row of the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A line that a container wrote, made harmless.
    Line {
        at: TimeMs,
        task: TaskId,
        container: ContainerName,
        stream: LogStream,
        text: String,
    },
    /// Lines that did not come through.
    Dropped(u64),
    /// A source that ended with an error.
    Broken { task: TaskId, reason: String },
    /// The end of the whole stream.
    Ended(Option<String>),
}

impl Entry {
    fn bytes(&self) -> usize {
        LINE_OVERHEAD
            + match self {
                Self::Line { text, .. } => text.len(),
                Self::Broken { reason, .. } => reason.len(),
                Self::Dropped(_) | Self::Ended(_) => 0,
            }
    }
}

/// Log entries with numbers that stay theirs while older ones are let go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logbook {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many were let go: the number of the first one kept.
    gone: u64,
    /// Lines that never came through.
    dropped: u64,
}

impl Logbook {
    /// Takes an item in.
    pub(crate) fn push(&mut self, item: LogItem) {
        match item {
            LogItem::Line {
                at,
                task,
                container,
                stream,
                mut text,
                ..
            } => {
                if text.len() > LINE_MAX {
                    let end = (0..=LINE_MAX).rev().find(|at| text.is_char_boundary(*at));
                    text.truncate(end.unwrap_or(0));
                    text.push('…');
                }
                let text = text::clean(&text).into_owned();
                self.add(Entry::Line {
                    at,
                    task,
                    container,
                    stream,
                    text,
                });
            }
            LogItem::Dropped { count } => {
                self.dropped = self.dropped.saturating_add(count);
                if let Some(Entry::Dropped(so_far)) = self.entries.back_mut() {
                    *so_far = so_far.saturating_add(count);
                } else {
                    self.add(Entry::Dropped(count));
                }
            }
            LogItem::Broken { task, reason } => self.add(Entry::Broken {
                task,
                reason: text::clean(&reason).into_owned(),
            }),
        }
    }

    /// Marks the end of the stream.
    pub(crate) fn end(&mut self, error: Option<String>) {
        self.add(Entry::Ended(error.map(|e| text::clean(&e).into_owned())));
    }

    fn add(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.bytes > BYTES_MAX && self.entries.len() > 1 {
            if let Some(oldest) = self.entries.pop_front() {
                self.bytes -= oldest.bytes();
                self.gone += 1;
            }
        }
    }

    /// The number of the oldest entry kept; that many were let go.
    pub(crate) fn first(&self) -> u64 {
        self.gone
    }

    /// The number that the next entry will get.
    pub(crate) fn end_number(&self) -> u64 {
        self.gone + self.entries.len() as u64
    }

    /// The entry of that number.
    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        let at = usize::try_from(number.checked_sub(self.gone)?).ok()?;
        self.entries.get(at)
    }

    /// Lines that never came through.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InstanceName;

    fn line(text: &str) -> LogItem {
        LogItem::Line {
            at: TimeMs(0),
            task: TaskId(1),
            container: ContainerName::new("app").unwrap(),
            instance: InstanceName::new("a").unwrap(),
            stream: LogStream::Stdout,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_ring_is_bounded_by_bytes_and_numbers_stay() {
        let mut book = Logbook::default();
        let long = "x".repeat(LINE_MAX);
        for _ in 0..1_000 {
            book.push(line(&long));
        }
        assert!(book.bytes <= BYTES_MAX);
        assert_eq!(book.end_number(), 1_000);
        assert!(book.get(book.first()).is_some());
        assert!(book.get(book.first() - 1).is_none());
    }

    #[test]
    fn lines_are_made_harmless_and_cut() {
        let mut book = Logbook::default();
        book.push(line("\u{1b}[2Jé"));
        book.push(line(&"é".repeat(LINE_MAX)));
        let texts: Vec<&str> = (0..2)
            .map(|n| match book.get(n).unwrap() {
                Entry::Line { text, .. } => text.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts[0], "é");
        assert!(texts[1].len() < LINE_MAX + 8 && texts[1].ends_with('…'));
    }

    #[test]
    fn dropped_lines_are_one_row_with_their_count() {
        let mut book = Logbook::default();
        book.push(line("a"));
        book.push(LogItem::Dropped { count: 3 });
        book.push(LogItem::Dropped { count: 4 });
        book.push(line("b"));
        assert_eq!(book.get(1), Some(&Entry::Dropped(7)));
        assert_eq!(book.end_number(), 3);
        assert_eq!(book.dropped(), 7);
    }
}
