//! Doors to parsers that are the console's own, for those who try them with arbitrary bytes: the
//! fuzz targets and the test that replays what they found.

use crate::client::LogItem;
use crate::docker::LogStream;
use crate::model::{ContainerName, InstanceName, TaskId, TimeMs};

use super::filter::Filter;
use super::logs::{Entry, Fields, Logbook, Search};
use super::{bindings, kept};

/// Reads a filter and a search, and tries both on a row.
#[must_use]
pub fn filter(typed: &str, row: &str) -> (bool, Option<String>) {
    let heads = ["SERVICE", "STATE", "ZONES"];
    let filter = Filter::read(typed, &heads);
    let mut search = Search::default();
    typed.clone_into(&mut search.typed);
    search.read();
    let found = search.places(row);
    assert!(found.iter().all(|it| row.get(it.clone()).is_some()));
    let passes = filter.passes(|| row.to_owned(), |_| row.to_owned(), heads.len());
    (passes, filter.wrong)
}

/// Takes a log line in and gives what the console would show of it.
#[must_use]
pub fn log_line(text: &str) -> Vec<String> {
    let mut book = Logbook::default();
    let (Ok(container), Ok(instance)) = (ContainerName::new("app"), InstanceName::new("a")) else {
        return Vec::new();
    };
    book.push(LogItem::Line {
        at: TimeMs(0),
        task: TaskId(1),
        container,
        instance,
        stream: LogStream::Stdout,
        text: text.to_owned(),
    });
    book.push(LogItem::Broken {
        task: TaskId(1),
        reason: text.to_owned(),
    });
    let mut shown: Vec<String> = book.seen.iter().map(|field| field.name.clone()).collect();
    for number in 0..book.end_number() {
        match book.get(number) {
            Some(Entry::Line(line)) => shown.push(line.text.to_string()),
            Some(Entry::Broken { reason, .. }) => shown.push(reason.to_string()),
            _ => {}
        }
    }
    if let Some(fields) = Fields::of_line(text) {
        shown.extend(fields.message.into_iter().chain(fields.time));
        let others = fields.others.into_iter();
        shown.extend(others.flat_map(|(name, value)| [name, value]));
    }
    shown
}

/// The name of a key, there and back.
pub fn key(name: &str) {
    if let Some(event) = bindings::key_event(name) {
        let _name = bindings::key_name(&event);
    }
}

/// Reads how a console looked; whether it could be read.
#[must_use]
pub fn view_file(text: &str) -> bool {
    kept::View::of_text(text).is_ok()
}
