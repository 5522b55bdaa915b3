//! What the health checks of a task's containers said last.

use ratatui::style::Style;

use crate::docker::health::{
    CONTAINER_GONE, CheckResult, HealthLog, NONE_YET, Outcome, command_words, rule_words,
};
use crate::model::Task;
use crate::model::task::Container;

use super::super::super::checks::EVERY_MS;
use super::super::super::fleet::Mood;
use super::super::super::text;
use super::{NAME, Sheet};

/// Rows of one check's output that a page shows.
const OUTPUT_ROWS: usize = 8;
/// From what age on a log is said to be old, in milliseconds: two readings that did not come.
const OLD_MS: u64 = 3 * EVERY_MS;

/// A section for each container that has a health check.
pub(super) fn write(sheet: &mut Sheet<'_>, task: &Task) {
    for container in task.containers.iter().filter(|it| it.has_health_check) {
        sheet.heading(format!("Health log of {}", container.name));
        check(sheet, task, container);
        log(sheet, task, container);
    }
}

/// What is checked, when, and what comes of failures.
fn check(sheet: &mut Sheet<'_>, task: &Task, container: &Container) {
    let definition = sheet.screen.model.snapshot.state.definition_of(task);
    let defined = definition
        .as_ref()
        .and_then(|it| it.container(&container.name)?.health_check.as_ref());
    if let Some(check) = defined {
        sheet.field("check", command_words(check));
        sheet.field("when", rule_words(check));
    }
}

fn log(sheet: &mut Sheet<'_>, task: &Task, container: &Container) {
    let screen = sheet.screen;
    let (dim, warn) = (screen.theme.dim(), screen.theme.mood(Mood::Warn));
    if screen.model.past.is_some() {
        return sheet.words("What it said then is not kept: this is the past.", dim);
    }
    if container.runtime_id.is_empty() {
        return sheet.words("No container was made of it, so nothing was checked.", dim);
    }
    let known = screen.model.checks.of(task.id, &container.name);
    if let Some(why) = known.error {
        sheet.field_in("not known now", why, warn);
    }
    let Some((at, read)) = known.read else {
        if known.error.is_none() {
            let words = format!("Being read from {} …", task.whereabouts());
            sheet.words(&words, dim);
        }
        return;
    };
    let age = screen.model.now.since_ms(at);
    if known.error.is_some() || age > OLD_MS {
        let (age, _) = text::age_exact(age);
        sheet.field_in("last read", format!("{age} ago, and then it was:"), warn);
    }
    match &read.health_log {
        Some(log) => results(sheet, task, log),
        None => sheet.words(CONTAINER_GONE, dim),
    }
}

/// The checks, newest first.
fn results(sheet: &mut Sheet<'_>, task: &Task, log: &HealthLog) {
    let theme = sheet.screen.theme;
    if log.log.is_empty() {
        return sheet.words(NONE_YET, theme.dim());
    }
    if let Some(streak) = log.streak_words() {
        sheet.field_in("streak", streak, theme.mood(Mood::Bad));
    }
    for result in &log.log {
        let style = match result.outcome() {
            Outcome::Passed => Style::new(),
            _ => theme.mood(Mood::Bad),
        };
        let screen = sheet.screen;
        let (clock, ago) = match result.start.or(result.end) {
            Some(at) => (screen.clock(at), format!("{} ago · ", screen.age_exact(at))),
            None => ("--:--:--".to_owned(), String::new()),
        };
        sheet.field_in(&clock, format!("{ago}{}", result.words()), style);
        output(sheet, task, result);
    }
    if let Some(words) = log.left_out_words() {
        sheet.words(&words, theme.dim());
    }
}

/// What a check wrote, as far as there is room for it.
fn output(sheet: &mut Sheet<'_>, task: &Task, result: &CheckResult) {
    let dim = sheet.screen.theme.dim();
    let columns = sheet.columns.saturating_sub(NAME + 2);
    let lines = result.lines();
    let mut rows = 0;
    for (at, line) in lines.iter().enumerate() {
        let pieces = text::wrap(&text::clean(line), columns);
        if rows + pieces.len() > OUTPUT_ROWS {
            for piece in pieces.iter().take(OUTPUT_ROWS - rows) {
                sheet.field_in("", piece, dim);
            }
            let left = text::count((lines.len() - at) as u64, "line");
            let words = format!("… {left} cut here: qd task health {}", task.id.short());
            return sheet.field_in("", words, dim);
        }
        rows += pieces.len();
        for piece in pieces {
            sheet.field_in("", piece, dim);
        }
    }
}
