//! Why a node stands where it does, and how those after it stand: a task's `placement`.

use std::fmt::{self, Write};

use super::{Criterion, Key, LOT_AT, Ranker, TASKS_AT};
use crate::model::service::Service;
use crate::scheduler::bad::{BAD_HOST_FAILURES, BAD_HOST_WINDOW_MS};
use crate::scheduler::index::Index;
use crate::scheduler::reconcile::{Member, Place};

/// So long is what is said of those after the chosen one, in bytes; the first of them is named
/// however long its name is. Every task keeps it.
const NEXT_BYTES: usize = 120;
/// Most reasons need no more than this, in bytes.
const USUAL_BYTES: usize = 256;

impl Ranker {
    /// Why a node stands where it does.
    pub(super) fn reason(&self, index: &Index, at: usize) -> String {
        let mut reason = String::with_capacity(USUAL_BYTES);
        // Writing to a string cannot fail.
        let _ = self.write_reason(&mut reason, index, at);
        reason
    }

    /// Says of those that come after the chosen node in what they lost first.
    pub(super) fn say_next(
        &self,
        to: &mut String,
        index: &Index,
        chosen: &Key,
        next: &[(Key, usize)],
    ) {
        let start = to.len();
        for (nth, (key, at)) in next.iter().enumerate() {
            let before = to.len();
            let _ = self.write_next(to, index, chosen, (nth, key, *at));
            if nth > 0 && to.len() - start > NEXT_BYTES {
                to.truncate(before);
                break;
            }
        }
    }

    fn write_reason(&self, to: &mut String, index: &Index, at: usize) -> fmt::Result {
        let key = self.keys.get(at).copied().flatten();
        if key.is_some_and(|key| key[0] > 0) {
            let minutes = BAD_HOST_WINDOW_MS / 60_000;
            write!(
                to,
                "tried last: {BAD_HOST_FAILURES} or more such tasks failed on it in {minutes} minutes; "
            )?;
        }
        let mut whose = Some(self.whose.as_str());
        for criterion in &self.criteria {
            match criterion {
                Criterion::Spread { field, .. } | Criterion::SpreadNodes { field } => {
                    let node = index.nodes.get(at);
                    let value = node.and_then(|node| node.instance.attribute(field));
                    let field = field.strip_prefix("attribute:").unwrap_or(field);
                    let value = value.unwrap_or("(none)");
                    write!(to, "spread over {field}: {value} ")?;
                    self.write_count(to, criterion, at)?;
                    if let Some(whose) = whose.take() {
                        write!(to, " of {whose}")?;
                    }
                }
                Criterion::PackCpu | Criterion::PackMemory => {
                    to.write_str("binpack: ")?;
                    write_free(to, index, criterion, at)?;
                }
                Criterion::Random { .. } => to.write_str("drawn at random")?,
            }
            to.write_str("; ")?;
        }
        write!(to, "{} of {} instances fit", self.fitting, self.asked)
    }

    fn write_next(
        &self,
        to: &mut String,
        index: &Index,
        chosen: &Key,
        (nth, key, at): (usize, &Key, usize),
    ) -> fmt::Result {
        let Some(node) = index.nodes.get(at) else {
            return Ok(());
        };
        to.write_str(if nth == 0 { "; before " } else { ", " })?;
        write!(to, "{} (", node.instance.name)?;
        let lost = key.iter().zip(chosen).position(|(its, best)| its != best);
        match lost.unwrap_or(LOT_AT) {
            0 => to.write_str("tried last")?,
            TASKS_AT => write!(to, "{} tasks in all", node.tasks)?,
            LOT_AT => to.write_str("by lot")?,
            at_criterion => match self.criteria.get(at_criterion - 1) {
                Some(criterion @ Criterion::Spread { field, .. }) => {
                    let value = node.instance.attribute(field).unwrap_or("(none)");
                    write!(to, "{value} ")?;
                    self.write_count(to, criterion, at)?;
                }
                Some(criterion @ Criterion::SpreadNodes { .. }) => {
                    self.write_count(to, criterion, at)?;
                }
                Some(criterion @ (Criterion::PackCpu | Criterion::PackMemory)) => {
                    write_free(to, index, criterion, at)?;
                }
                Some(Criterion::Random { .. }) | None => to.write_str("drawn after it")?,
            },
        }
        to.write_char(')')
    }

    /// `had 2 tasks`: on the node, or in what it shares with others.
    fn write_count(&self, to: &mut String, criterion: &Criterion, at: usize) -> fmt::Result {
        let here = || self.counted.get(at).copied().unwrap_or(0);
        match criterion.count(at).unwrap_or_else(here) {
            1 => to.write_str("had 1 task"),
            count => write!(to, "had {count} tasks"),
        }
    }
}

/// `512 MiB free`.
fn write_free(to: &mut String, index: &Index, criterion: &Criterion, at: usize) -> fmt::Result {
    match (criterion, index.nodes.get(at)) {
        (Criterion::PackCpu, Some(node)) => write!(to, "{} CPU units free", node.free_cpu()),
        (Criterion::PackMemory, Some(node)) => write!(to, "{} MiB free", node.free_memory()),
        _ => Ok(()),
    }
}

/// Whose tasks spreading counts, in words: those that are to go count for nothing.
pub(crate) fn whose(service: &Service, members: &[Member<'_>]) -> String {
    let name = &service.name;
    let wanted = || members.iter().filter(|member| member.wanted());
    if wanted().all(|member| member.place == Place::Keeper) {
        name.to_string()
    } else if wanted().all(|member| matches!(member.place, Place::Keeper | Place::Old)) {
        format!("this deployment of {name}")
    } else {
        format!("{name} that stay")
    }
}
