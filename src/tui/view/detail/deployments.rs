//! A service's deployments: how far each has come, and those that are over.

use ratatui::style::Style;
use ratatui::text::Span;

use crate::model::service::{Deployment, PastDeployment};
use crate::model::{RolloutState, Service, TaskDefinitionId, TimeMs};

use super::super::super::fleet::Mood;
use super::super::super::text::{self, count};
use super::super::bar;
use super::{Sheet, pinned};

/// How many deployments that are over a page lists.
const HISTORY: usize = 10;
/// How far back the rate of starts looks, in milliseconds.
const WINDOW_MS: u64 = 60_000;
/// How soon a rate that is shown reads differently, in milliseconds.
const RATE_MS: u64 = 1_000;

pub(super) fn write(sheet: &mut Sheet<'_>, service: &Service) {
    sheet.heading("Deployments");
    for (at, deployment) in service.deployments.iter().enumerate() {
        one(sheet, service, deployment, at == 0);
    }
    if service.history.is_empty() {
        return;
    }
    sheet.heading("Deployments that are over, newest first");
    for past in service.history.iter().take(HISTORY) {
        over(sheet, past);
    }
    let more = service.history.len().saturating_sub(HISTORY);
    if more > 0 {
        let words = format!("And {more} before.");
        sheet.words(&words, sheet.screen.theme.dim());
    }
}

fn one(sheet: &mut Sheet<'_>, service: &Service, deployment: &Deployment, primary: bool) {
    let screen = sheet.screen;
    let (word, mood) = match deployment.rollout_state {
        RolloutState::InProgress => ("IN_PROGRESS", Mood::Busy),
        RolloutState::Completed => ("COMPLETED", Mood::Calm),
        RolloutState::Failed => ("FAILED", Mood::Bad),
    };
    let rank = if primary { "PRIMARY" } else { "being replaced" };
    let age = screen.age(deployment.created_at);
    let rest = format!("{rank} · {age} ago · {}", deployment.id);
    head(sheet, &deployment.task_definition, (word, mood), &rest);
    let row = screen.model.fleet.row_of(service);
    let tasks = row.and_then(|row| row.share(deployment)).cloned();
    let tasks = tasks.unwrap_or_default();
    let serving = u64::from(tasks.serving);
    let mut words = match primary {
        true => format!("{serving} of {} serve", service.desired_count),
        false => format!("{} left", count(serving, "task")),
    };
    for (n, what) in [
        (tasks.starting, "starting"),
        (tasks.unhealthy, "unhealthy"),
        (deployment.failed_tasks, "failed"),
    ] {
        if n > 0 {
            words.push_str(&format!(" · {n} {what}"));
        }
    }
    if primary && deployment.rollout_state == RolloutState::InProgress {
        let over = screen.now.since_ms(deployment.created_at).min(WINDOW_MS);
        let lately = TimeMs(screen.now.0.saturating_sub(WINDOW_MS));
        let lately = u64::from(tasks.started_since(lately));
        if let Some(rate) = bar::tasks_rate(lately, over) {
            words.push_str(" · ");
            words.push_str(&screen.note((rate, RATE_MS)));
        }
    }
    let desired = u64::from(service.desired_count);
    sheet.progress("", (serving, desired), &words, mood);
    if !deployment.rollout_state_reason.is_empty() {
        sheet.field_in("", &deployment.rollout_state_reason, Style::new());
    }
    for (image, pin) in &deployment.images {
        sheet.field("", format!("{image} · {}", pinned(pin)));
    }
}

/// A deployment's first line: of what, how it stands, and the rest.
fn head(sheet: &mut Sheet<'_>, of: &TaskDefinitionId, state: (&'static str, Mood), rest: &str) {
    let theme = sheet.screen.theme;
    sheet.line(vec![
        Span::raw("  "),
        Span::styled(of.to_string(), theme.strong()),
        Span::raw("  "),
        Span::styled(state.0, theme.mood(state.1)),
        Span::styled(format!("  {rest}"), theme.dim()),
    ]);
}

fn over(sheet: &mut Sheet<'_>, past: &PastDeployment) {
    let screen = sheet.screen;
    let (word, mood) = match past.rollout_state {
        RolloutState::InProgress => ("replaced", Mood::Quiet),
        RolloutState::Completed => ("COMPLETED", Mood::Calm),
        RolloutState::Failed => ("FAILED", Mood::Bad),
    };
    let took = text::age_exact(past.ended_at.since_ms(past.created_at)).0;
    let by = match past.started_by.as_str() {
        "" => String::new(),
        who => format!(" · by {}", text::clean(who)),
    };
    let began = screen.moment(past.created_at);
    let rest = format!("{began} · for {took}{by} · {}", past.id);
    head(sheet, &past.task_definition, (word, mood), &rest);
    if past.rollout_state == RolloutState::Failed {
        sheet.field_in("", &past.rollout_state_reason, Style::new());
    }
}
