//! What a plan says in words: differences of definitions, what finds no place, names for what
//! does not exist yet.

use std::collections::HashSet;

use crate::api::difference;
use crate::model::{InstanceName, State, TaskDefinition, TaskDefinitionId};

/// So many lines tell how a task definition differs; the rest is counted.
const LINES_MAX: usize = 40;
/// Digits of a task's short id.
const SHORT: usize = 8;

/// The differences, each new task definition with how it differs from the newest before it.
pub(super) fn detailed(differences: &[String], before: &State, after: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for line in differences {
        lines.push(line.clone());
        let new = line.strip_prefix("+ task definition ");
        let new = new.and_then(|id| id.parse::<TaskDefinitionId>().ok());
        if let Some(new) = new.and_then(|id| after.task_definitions.get(&id))
            && let Some(old) = before.latest_definition(&new.family)
        {
            definition(&mut lines, after, old, new);
        }
    }
    lines
}

fn definition(lines: &mut Vec<String>, state: &State, old: &TaskDefinition, new: &TaskDefinition) {
    let shaped = |definition| difference::definition(state, definition);
    let mut told = difference::between(&shaped(old), &shaped(new));
    let more = told.len().saturating_sub(LINES_MAX);
    told.truncate(LINES_MAX);
    let id = new.id();
    for line in told {
        let (mark, what) = line.split_once(' ').unwrap_or(("~", &line));
        lines.push(format!("{mark} task definition {id}: {what}"));
    }
    if more > 0 {
        lines.push(format!("~ task definition {id}: {more} more differences"));
    }
}

/// What finds no place in one state and does in the other, or less of it did not. Instances that
/// are left out of the plan are left out of the reasons.
pub(super) fn unplaced(
    before: &State,
    after: &State,
    left_out: &[InstanceName],
    names: &Names,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, service) in &after.services {
        let Some(now) = &service.unplaced else {
            continue;
        };
        let then = before
            .services
            .get(key)
            .and_then(|old| old.unplaced.as_ref());
        if then.is_some_and(|then| then.count >= now.count) {
            continue;
        }
        let name = &service.name;
        lines.push(format!(
            "service {name}: {} of its tasks would find no place",
            now.count
        ));
        for refusal in &now.refusals {
            if !left_out.contains(&refusal.instance) {
                let reasons = names.said(&refusal.reasons.join("; "));
                lines.push(format!("service {name}: {}: {reasons}", refusal.instance));
            }
        }
    }
    lines
}

/// Who is there already: what else a plan names is called by words, not by an id that nothing
/// will ever have.
pub(super) struct Names {
    tasks: HashSet<String>,
    deployments: HashSet<String>,
}

impl Names {
    pub(super) fn of(state: &State) -> Self {
        let deployments = state.services.values().flat_map(|it| &it.deployments);
        Self {
            tasks: state.tasks.keys().map(|id| id.short()).collect(),
            deployments: deployments.map(|it| it.id.to_string()).collect(),
        }
    }

    /// The text with `a new task` and `the new deployment` for what is not there yet.
    pub(super) fn said(&self, text: &str) -> String {
        let text = self.replaced(text, "task ", |rest| {
            let id = rest.get(..SHORT)?;
            let whole = rest[SHORT..].bytes().next();
            let is_id = id.bytes().all(|b| b.is_ascii_hexdigit())
                && !whole.is_some_and(|b| b.is_ascii_alphanumeric());
            (is_id && !self.tasks.contains(id)).then_some((SHORT, "a new task"))
        });
        self.replaced(&text, "(deployment ", |rest| {
            let end = rest.find(')')?;
            let unknown = !self.deployments.contains(&rest[..end]);
            unknown.then_some((end + 1, "the new deployment"))
        })
    }

    /// Where `begin` is followed by what `names` knows, puts its words in the place of both.
    fn replaced<'a>(
        &self,
        text: &str,
        begin: &str,
        names: impl Fn(&str) -> Option<(usize, &'a str)>,
    ) -> String {
        let mut out = String::with_capacity(text.len());
        let mut left = text;
        while let Some(at) = left.find(begin) {
            let (before, rest) = (&left[..at], &left[at + begin.len()..]);
            out.push_str(before);
            if let Some((length, words)) = names(rest) {
                out.push_str(words);
                left = &rest[length..];
            } else {
                out.push_str(begin);
                left = rest;
            }
        }
        out.push_str(left);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskId;
    use crate::scheduler::fixture;

    #[test]
    fn only_what_is_there_is_called_by_its_id() {
        let mut state = fixture::state([]);
        let definition = fixture::definition("web", 1, 1, 1, &[]);
        let known = fixture::task(TaskId(0xaaaa_bbbb << 96), "web", &definition, "a");
        state.apply(&crate::model::Change::Task(known.into()));
        let names = Names::of(&state);
        assert_eq!(
            names.said("port 80 is held by task aaaabbbb of web; by task 12345678 of web"),
            "port 80 is held by task aaaabbbb of web; by a new task of web"
        );
        assert_eq!(
            names.said("initiated by (deployment ecs-svc/1)"),
            "initiated by the new deployment"
        );
        assert_eq!(
            names.said("no task definitely, task ää"),
            "no task definitely, task ää"
        );
    }
}
