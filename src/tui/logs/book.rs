//! Log lines kept for reading: a ring bounded by bytes, with what was lost counted in its place.

use std::collections::VecDeque;
use std::sync::Arc;

use ratatui::style::Style;

use crate::client::LogItem;
use crate::docker::LogStream;
use crate::model::{ContainerName, InstanceName, TaskId, TimeMs};

use super::super::ansi::{self, Coloured};
use super::super::text;
use super::fields::{AllSeen, Fields};
use super::level::{self, Level};

/// How many bytes of lines are kept; the oldest go first.
pub(crate) const BYTES_MAX: usize = 4 << 20;
/// How many bytes of one line are kept.
const LINE_MAX: usize = 16 << 10;
/// What keeping a line costs beside its text.
const LINE_OVERHEAD: usize = std::mem::size_of::<Entry>();
/// The most sources that are remembered, so that their lines share one [`Origin`].
const ORIGINS_MAX: usize = 256;

/// Who wrote a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub task: TaskId,
    pub container: ContainerName,
    pub instance: InstanceName,
}

/// A line that a container wrote, made harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogText {
    /// When the engine received it.
    pub at: TimeMs,
    pub origin: Arc<Origin>,
    pub stream: LogStream,
    pub text: Box<str>,
    /// From which byte on it has which style of its own.
    pub styles: Box<[(u32, Style)]>,
    pub level: Option<Level>,
    /// Whether it is a JSON object.
    pub json: bool,
}

/// Lines that are not here any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    pub lines: u64,
    pub bytes: u64,
}

/// What one row of the log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Line(LogText),
    /// Older lines that the ring has let go; always the first entry.
    LetGo(Lost),
    /// Lines that did not come through.
    Dropped(Lost),
    /// The moment that the logs were opened around.
    Moment(TimeMs),
    /// A source that ended with an error.
    Broken {
        task: TaskId,
        reason: Box<str>,
    },
    /// The end of the whole stream.
    Ended(Option<Box<str>>),
}

impl Entry {
    fn bytes(&self) -> usize {
        LINE_OVERHEAD
            + match self {
                Self::Line(line) => line.text.len() + size_of_val(&*line.styles),
                Self::Broken { reason, .. } => reason.len(),
                Self::Dropped(_) | Self::LetGo(_) | Self::Moment(_) | Self::Ended(_) => 0,
            }
    }
}

/// Log entries with numbers that stay theirs while older ones are let go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logbook {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many entries were let go: the number of the first one kept.
    gone: u64,
    /// What is said of those in their place, under the number of the last of them.
    let_go: Option<Entry>,
    origins: Vec<Arc<Origin>>,
    /// The tasks that wrote, in the order of their coming: what tells them apart follows it.
    tasks: Vec<TaskId>,
    /// Columns of the longest name of a container.
    container_columns: usize,
    /// Fields of JSON lines.
    pub seen: AllSeen,
    /// Lines that never came through.
    dropped: u64,
    lines: u64,
}

impl Logbook {
    /// Takes an item in.
    pub(crate) fn push(&mut self, item: LogItem) {
        match item {
            LogItem::Line {
                at,
                task,
                container,
                instance,
                stream,
                mut text,
            } => {
                if text.len() > LINE_MAX {
                    let end = (0..=LINE_MAX).rev().find(|at| text.is_char_boundary(*at));
                    text.truncate(end.unwrap_or(0));
                    text.push('…');
                }
                let origin = self.origin(task, container, instance);
                let Coloured { text, styles } = ansi::line(&text);
                let fields = Fields::of_line(&text);
                let level = match &fields {
                    Some(fields) => fields.level,
                    None => level::of_line(&text).map(|(level, _)| level),
                };
                if let Some(fields) = &fields {
                    self.seen.note(fields);
                }
                self.add(Entry::Line(LogText {
                    at,
                    origin,
                    stream,
                    text: text.into(),
                    styles: styles.into(),
                    level,
                    json: fields.is_some(),
                }));
            }
            LogItem::Dropped { count, bytes } => self.drop_lines(count, bytes),
            LogItem::Broken { task, reason } => self.add(Entry::Broken {
                task,
                reason: text::clean(&reason).into(),
            }),
        }
    }

    fn drop_lines(&mut self, count: u64, bytes: u64) {
        self.dropped = self.dropped.saturating_add(count);
        if let Some(Entry::Dropped(so_far)) = self.entries.back_mut() {
            so_far.lines = so_far.lines.saturating_add(count);
            so_far.bytes = so_far.bytes.saturating_add(bytes);
        } else {
            self.add(Entry::Dropped(Lost {
                lines: count,
                bytes,
            }));
        }
    }

    /// The source, kept once for all of its lines.
    fn origin(
        &mut self,
        task: TaskId,
        container: ContainerName,
        instance: InstanceName,
    ) -> Arc<Origin> {
        let same = |it: &&Arc<Origin>| it.task == task && it.container == container;
        if let Some(known) = self.origins.iter().find(same) {
            return known.clone();
        }
        let origin = Arc::new(Origin {
            task,
            container,
            instance,
        });
        let columns = text::width(origin.container.as_str());
        self.container_columns = self.container_columns.max(columns);
        if !self.tasks.contains(&task) && self.tasks.len() < ORIGINS_MAX {
            self.tasks.push(task);
        }
        if self.origins.len() >= ORIGINS_MAX {
            self.origins.clear();
        }
        self.origins.push(origin.clone());
        origin
    }

    /// Marks a moment.
    pub(crate) fn mark(&mut self, at: TimeMs) {
        self.add(Entry::Moment(at));
    }

    /// Marks the end of the stream.
    pub(crate) fn end(&mut self, error: Option<String>) {
        self.add(Entry::Ended(error.map(|e| text::clean(&e).into())));
    }

    fn add(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.lines += u64::from(matches!(entry, Entry::Line(_)));
        self.entries.push_back(entry);
        while self.bytes > BYTES_MAX && self.entries.len() > 1 {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
            self.gone += 1;
            let mut lost = match self.let_go {
                Some(Entry::LetGo(lost)) => lost,
                _ => Lost::default(),
            };
            match oldest {
                Entry::Line(line) => {
                    self.lines -= 1;
                    lost.lines += 1;
                    lost.bytes += line.text.len() as u64;
                }
                // What was dropped at the beginning is a part of what is missing there.
                Entry::Dropped(more) => {
                    lost.lines += more.lines;
                    lost.bytes += more.bytes;
                }
                _ => {}
            }
            self.let_go = Some(Entry::LetGo(lost));
        }
    }

    /// The number of the oldest entry there is to show.
    pub(crate) fn first(&self) -> u64 {
        self.gone - u64::from(self.let_go.is_some())
    }

    /// The number of the oldest entry that is kept.
    pub(crate) fn kept(&self) -> u64 {
        self.gone
    }

    /// How many entries are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number that the next entry will get.
    pub(crate) fn end_number(&self) -> u64 {
        self.gone + self.entries.len() as u64
    }

    /// The entry of that number.
    pub(crate) fn get(&self, number: u64) -> Option<&Entry> {
        match number.checked_sub(self.gone) {
            Some(at) => self.entries.get(usize::try_from(at).ok()?),
            None if number == self.first() => self.let_go.as_ref(),
            None => None,
        }
    }

    /// Lines that never came through.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The how manieth task wrote, by its first line.
    pub(crate) fn place_of(&self, task: TaskId) -> usize {
        let place = self.tasks.iter().position(|each| *each == task);
        place.unwrap_or(self.tasks.len())
    }

    /// Columns of the longest name of a container so far.
    pub(crate) fn container_columns(&self) -> usize {
        self.container_columns
    }

    /// Lines that are held.
    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }

    /// Bytes that they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_ring_is_bounded_by_bytes_and_says_what_it_let_go() {
        for (text, times) in [("x".repeat(LINE_MAX), 1_000), (String::new(), 100_000)] {
            let mut book = Logbook::default();
            for _ in 0..times {
                book.push(line(&text));
            }
            assert!(book.bytes <= BYTES_MAX && book.bytes > BYTES_MAX / 2);
            assert_eq!(book.end_number(), times);
            let Some(Entry::LetGo(lost)) = book.get(book.first()) else {
                panic!("{:?}", book.get(book.first()));
            };
            assert_eq!(lost.lines + book.lines(), times);
            assert_eq!(lost.bytes, lost.lines * text.len() as u64);
            assert!(matches!(book.get(book.first() + 1), Some(Entry::Line(_))));
            assert!(book.get(book.first() - 1).is_none());
        }
    }

    #[test]
    fn lines_are_made_harmless_and_cut() {
        let mut book = Logbook::default();
        book.push(line("\u{1b}[2Jé"));
        book.push(line(&"é".repeat(LINE_MAX)));
        let texts: Vec<&str> = (0..2)
            .map(|n| match book.get(n).unwrap() {
                Entry::Line(line) => &*line.text,
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
        book.push(LogItem::Dropped { count: 3, bytes: 7 });
        book.push(LogItem::Dropped { count: 4, bytes: 9 });
        book.push(line("b"));
        let lost = Lost {
            lines: 7,
            bytes: 16,
        };
        assert_eq!(book.get(1), Some(&Entry::Dropped(lost)));
        assert_eq!(book.end_number(), 3);
        assert_eq!(book.dropped(), 7);
    }
}
