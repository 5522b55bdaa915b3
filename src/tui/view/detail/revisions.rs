//! The page about a revision of a task definition: its family, what differs from another one,
//! who runs it.

use std::collections::BTreeMap;

use ratatui::style::{Color, Style};
use ratatui::text::Span;
use serde_json::Value;

use crate::api::difference;
use crate::model::task_definition::TaskDefinitionStatus;
use crate::model::{TaskDefinition, TaskDefinitionId};

use super::super::super::fleet::Mood;
use super::super::super::state::Compared;
use super::super::super::text::count;
use super::{Sheet, definition};

/// How many revisions of a family are listed around the one that is shown.
const LISTED: usize = 12;
/// How many differences are shown.
const LINES_MAX: usize = 200;

/// The revision that one is compared with: the one asked for, or else the one before it.
pub(crate) fn other(state: &crate::model::State, compared: &Compared) -> Option<TaskDefinitionId> {
    let asked = compared.with.as_ref().filter(|with| **with != compared.id);
    asked.cloned().or_else(|| {
        let older = state.family(&compared.id.family);
        let older = older.filter(|it| it.revision < compared.id.revision);
        older.last().map(|it| it.id())
    })
}

pub(super) fn write(sheet: &mut Sheet<'_>, compared: &Compared) {
    let screen = sheet.screen;
    let state = &screen.model.snapshot.state;
    let id = &compared.id;
    let Some(shown) = state.task_definitions.get(id).cloned() else {
        sheet.gone("This revision is not kept any more.");
        return;
    };
    let each = runners(sheet, id).into_iter();
    let who = each.map(|(who, n)| format!("{who} ×{n}"));
    let who = who.collect::<Vec<_>>().join(", ");
    sheet.field("status", status(&shown));
    sheet.field("registered", screen.moment(shown.registered_at));
    let who = match who.as_str() {
        "" => "nothing at present",
        who => who,
    };
    sheet.field("run by", who);
    sheet.tags(&shown.tags);
    let other = other(state, compared);
    family(sheet, id, other.as_ref());
    if let Some(other) = other.as_ref().and_then(|it| state.task_definitions.get(it)) {
        differences(sheet, &shown, other);
    }
    definition::write(sheet, id);
}

fn status(definition: &TaskDefinition) -> &'static str {
    match definition.status {
        TaskDefinitionStatus::Active => "ACTIVE",
        TaskDefinitionStatus::Inactive => "INACTIVE: nothing new starts from it",
    }
}

/// Who runs a revision: services of all clusters, and tasks that were run by hand.
fn runners(sheet: &Sheet<'_>, id: &TaskDefinitionId) -> Vec<(String, u32)> {
    let model = sheet.screen.model;
    let runs = model.fleet.runs(id).into_iter().flatten();
    let mut by: Vec<(String, u32)> = runs
        .map(|((cluster, service), n)| {
            let mut who = match service {
                Some(service) => service.to_string(),
                None => "run by hand".to_owned(),
            };
            if model.sole_cluster() != Some(cluster) {
                who.push_str(&format!(" of cluster {cluster}"));
            }
            (who, *n)
        })
        .collect();
    by.sort();
    by
}

/// The revisions around the one shown, the newest first.
fn family(sheet: &mut Sheet<'_>, id: &TaskDefinitionId, other: Option<&TaskDefinitionId>) {
    let screen = sheet.screen;
    let state = &screen.model.snapshot.state;
    let mut all: Vec<_> = state.family(&id.family).cloned().collect();
    all.reverse();
    sheet.heading(format!("Revisions of {}", id.family));
    let at = all.iter().position(|it| it.id() == *id).unwrap_or(0);
    let first = at.saturating_sub(LISTED / 2);
    let first = first.min(all.len().saturating_sub(LISTED));
    for it in all.iter().skip(first).take(LISTED) {
        let it_id = it.id();
        let (mark, style) = match &it_id {
            it if it == id => ("▸ ", screen.theme.accent()),
            it if Some(it) == other => ("← ", screen.theme.strong()),
            _ => ("  ", Style::new()),
        };
        let runs = screen.model.fleet.runs(&it_id);
        let tasks: u32 = runs.map_or(0, |by| by.values().sum());
        let mut words = screen.moment(it.registered_at);
        if it.status == TaskDefinitionStatus::Inactive {
            words.push_str(" · INACTIVE");
        }
        if tasks > 0 {
            words.push_str(&format!(" · {}", count(u64::from(tasks), "task")));
        }
        if Some(&it_id) == other {
            words.push_str(" · compared with");
        }
        sheet.line(vec![
            Span::styled(format!("{mark}{it_id}  "), style),
            Span::styled(words, screen.theme.dim()),
        ]);
    }
    let left = all.len().saturating_sub(LISTED);
    if left > 0 {
        sheet.words(&format!("And {left} more."), screen.theme.dim());
    }
}

/// What is otherwise in this revision.
fn differences(sheet: &mut Sheet<'_>, shown: &TaskDefinition, other: &TaskDefinition) {
    let screen = sheet.screen;
    let state = &screen.model.snapshot.state;
    let (from, to) = (other.id(), shown.id());
    sheet.heading(format!("What differs: {from} → {to}"));
    let mut before = difference::definition(state, other);
    let mut after = difference::definition(state, shown);
    mask(&mut before, &mut after);
    let lines = difference::between(&before, &after);
    if lines.is_empty() {
        sheet.words("Nothing but the number.", screen.theme.dim());
    }
    for line in lines.iter().take(LINES_MAX) {
        let style = match line.as_bytes().first() {
            Some(b'+') => Style::new().fg(Color::Green),
            Some(b'-') => Style::new().fg(Color::LightRed),
            _ => screen.theme.mood(Mood::Warn),
        };
        sheet.words(line, style);
    }
    let more = lines.len().saturating_sub(LINES_MAX);
    if more > 0 {
        sheet.words(&format!("And {more} more differences."), screen.theme.dim());
    }
}

/// What stands for a value that may be a secret.
pub(crate) const MASKED: &str = "•••";

/// Values of the environment may be secrets: whether they differ is enough to know.
fn mask(before: &mut Value, after: &mut Value) {
    let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
    variables(before, |container, name, value| {
        known.insert(
            (container, name),
            std::mem::replace(value, MASKED.to_owned()),
        );
    });
    variables(after, |container, name, value| {
        let same = known.get(&(container, name)).is_none_or(|old| old == value);
        *value = match same {
            true => MASKED.to_owned(),
            false => format!("{MASKED} another"),
        };
    });
}

/// Every variable of a definition: its container, its name, its value.
fn variables(definition: &mut Value, mut each: impl FnMut(String, String, &mut String)) {
    let containers = definition.get_mut("containerDefinitions");
    let containers = containers.and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let named = |it: &Value| it.get("name").and_then(Value::as_str).map(str::to_owned);
        let of = named(container).unwrap_or_default();
        let variables = container.get_mut("environment");
        let variables = variables.and_then(Value::as_array_mut);
        for variable in variables.into_iter().flatten() {
            let name = named(variable).unwrap_or_default();
            if let Some(Value::String(value)) = variable.get_mut("value") {
                each(of.clone(), name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_variables_are_told_apart_and_not_shown() {
        let of = |values: &[(&str, &str)]| {
            let list = values.iter().map(|(n, v)| json!({"name": n, "value": v}));
            let list: Vec<Value> = list.collect();
            json!({"containerDefinitions": [{"name": "app", "environment": list}]})
        };
        let mut before = of(&[("A", "s3cret"), ("B", "same")]);
        let mut after = of(&[("A", "0ther"), ("B", "same"), ("C", "n3w")]);
        mask(&mut before, &mut after);
        let lines = difference::between(&before, &after);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("environment[A].value"), "{lines:?}");
        assert!(lines[1].contains("environment[C]"), "{lines:?}");
        let all = lines.join("\n");
        for secret in ["s3cret", "0ther", "same", "n3w"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
}
