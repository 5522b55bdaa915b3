//! What runs at set times: every schedule of the clusters shown, its next run and its last ones.

use ratatui::style::Style;

use crate::model::calendar::Zone;
use crate::model::capacity::launch_words;
use crate::model::schedule::{Overlap, RunOutcome, Schedule, ScheduledRun};

use super::super::super::fleet::Mood;
use super::super::super::text::count;
use super::Sheet;

/// Runs shown of each.
const RUNS: usize = 3;

pub(super) fn write(sheet: &mut Sheet<'_>) {
    let model = sheet.screen.model;
    let all: Vec<_> = model
        .snapshot
        .state
        .schedules
        .values()
        .filter(|it| model.cluster_view.shows(&it.cluster))
        .cloned()
        .collect();
    if all.is_empty() {
        sheet.words(
            "Nothing runs at set times here. qd apply makes a schedule from a file.",
            sheet.screen.theme.dim(),
        );
    }
    for schedule in &all {
        one(sheet, schedule);
    }
}

fn one(sheet: &mut Sheet<'_>, schedule: &Schedule) {
    sheet.heading(match sheet.screen.model.clusters.several() {
        true => format!("{} of {}", schedule.name, schedule.cluster),
        false => schedule.name.to_string(),
    });
    let tasks = match schedule.task_count {
        1 => String::new(),
        many => format!("{many} × "),
    };
    let overlap = match schedule.overlap {
        Overlap::Forbid => "",
        Overlap::Allow => " · may overlap",
    };
    sheet.field("times", schedule.times());
    sheet.field(
        "runs",
        format!("{tasks}{}{overlap}", schedule.task_definition),
    );
    let strategy = &schedule.capacity_provider_strategy;
    let launch = launch_words(schedule.launch_type, strategy);
    if !launch.is_empty() {
        sheet.field("launch type", launch.join(" · "));
    }
    let zone = Zone::named(schedule.schedule_expression_timezone.as_deref());
    let zone = zone.unwrap_or(Zone::UTC);
    next(sheet, schedule, &zone);
    for (at, run) in schedule.runs.iter().take(RUNS).enumerate() {
        let name = if at == 0 { "last runs" } else { "" };
        past(sheet, name, run, &zone);
    }
}

fn next(sheet: &mut Sheet<'_>, schedule: &Schedule, zone: &Zone) {
    let warn = sheet.screen.theme.mood(Mood::Warn);
    match (schedule.next_at, schedule.retry_at) {
        (None, _) if schedule.enabled => sheet.field("next", "never again"),
        (None, _) => sheet.field_in("next", "disabled", sheet.screen.theme.dim()),
        (Some(due), Some(retry)) => {
            let words = format!(
                "{} found no place yet · tried again in {}",
                zone.words(due),
                sheet.screen.until(retry)
            );
            sheet.field_in("next", words, warn);
        }
        (Some(due), None) => {
            let until = sheet.screen.until(due);
            sheet.field("next", format!("{} · in {until}", zone.words(due)));
        }
    }
}

fn past(sheet: &mut Sheet<'_>, name: &str, run: &ScheduledRun, zone: &Zone) {
    let mood = match run.outcome {
        RunOutcome::Started => Mood::Calm,
        RunOutcome::Skipped | RunOutcome::Missed => Mood::Warn,
        RunOutcome::Failed => Mood::Bad,
    };
    let style = match mood {
        Mood::Calm => Style::new(),
        mood => sheet.screen.theme.mood(mood),
    };
    let state = &sheet.screen.model.snapshot.state;
    let alive = |id: &&_| state.tasks.get(*id).is_some_and(|task| !task.is_stopped());
    let running = run.tasks.iter().filter(alive).count();
    let mut words = format!("{} {}", zone.words(run.due_at), run.words());
    if running > 0 {
        let running = u64::try_from(running).unwrap_or(u64::MAX);
        words.push_str(&format!(" · {} not stopped yet", count(running, "task")));
    }
    if let Some(why) = run.message.lines().next() {
        words.push_str(&format!(" · {why}"));
    }
    sheet.field_in(name, words, style);
}
