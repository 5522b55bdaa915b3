//! The audit trail: whatever an operator asks for leaves one event at least, whether it was done,
//! changed nothing or was refused.

use super::about::About;
use super::work::Work;
use crate::controller::command::subject::Subject;
use crate::controller::{Command, CommandError};
use crate::model::arn::short_name;
use crate::model::{
    Actor, Audit, ClusterName, Event, EventKind, InstanceName, Outcome, ServiceName, Severity,
    TaskId,
};

/// The same is not written down again within so many milliseconds: a client that tries in a loop
/// would push everything else out of the list.
const REPEATED_MS: u64 = 60_000;
/// So many refusals of one asker are written down within that time: who may change nothing must not
/// be able to push out what others did. The last of them says that more are not.
const REFUSALS_MAX: usize = 16;
/// Among how many of the latest events a repetition is looked for.
const LOOKED_AT: usize = 64;
/// The most characters of a refusal that are kept.
const REASON_MAX: usize = 600;

/// What was asked for, kept while it is carried out.
pub(super) struct Asked {
    operation: &'static str,
    subject: Subject,
}

impl Asked {
    pub fn of(command: &Command) -> Self {
        Self {
            operation: command.operation(),
            subject: command.subject(),
        }
    }

    /// An audit line of it.
    pub fn audit(&self, actor: &Actor, outcome: Outcome) -> Audit {
        Audit {
            user: actor.user.clone(),
            surface: actor.surface,
            operation: self.operation.to_owned(),
            outcome,
            role: actor.role,
        }
    }

    fn words(&self) -> String {
        let Subject { kind, name, .. } = &self.subject;
        format!("({kind} {name}) {}", self.operation)
    }

    /// What of it can be linked to; a cluster that is not there is told under `default`.
    fn about(&self, work: &Work) -> About {
        let subject = &self.subject;
        let named = subject.cluster.as_deref().map(short_name);
        let named = named.or((subject.kind == "cluster").then_some(subject.name.as_str()));
        let cluster = named
            .and_then(|name| ClusterName::new(name).ok())
            .filter(|name| work.state.clusters.contains_key(name))
            .unwrap_or_else(ClusterName::default_cluster);
        let mut about = About::from(&cluster);
        match subject.kind {
            "service" => about.service = ServiceName::new(&subject.name).ok(),
            "task" => about.task = subject.name.parse::<TaskId>().ok(),
            "instance" => about.instance = InstanceName::new(&subject.name).ok(),
            _ => {}
        }
        about
    }
}

/// Writes down that something was refused.
pub(super) fn refused(work: &mut Work, asked: &Asked, actor: &Actor, refusal: &CommandError) {
    let lines: Vec<&str> = refusal.message.lines().collect();
    let reason: String = lines.join(" ").chars().take(REASON_MAX).collect();
    let message = format!("{} by {} was refused: {reason}", asked.words(), actor.user);
    let before = refusals(work, actor);
    if before >= REFUSALS_MAX {
        return;
    }
    let message = if before + 1 == REFUSALS_MAX {
        let seconds = REPEATED_MS / 1_000;
        format!(
            "{message} So much was refused to {} within {seconds} s that more is not written down.",
            actor.user
        )
    } else {
        message
    };
    note(work, asked, actor, Outcome::Refused, message);
}

/// How many refusals of that asker were written down a moment ago.
fn refusals(work: &Work, actor: &Actor) -> usize {
    let latest = work.state.events.iter().rev();
    let latest = latest.take_while(|event| work.now.since_ms(event.at) < REPEATED_MS);
    let theirs = |event: &&std::sync::Arc<Event>| {
        let audit = event.audit.as_ref();
        audit.is_some_and(|it| it.outcome == Outcome::Refused && it.user == actor.user)
    };
    latest.filter(theirs).take(REFUSALS_MAX).count()
}

/// Writes down that something was asked for and was so already.
pub(super) fn nothing_to_do(work: &mut Work, asked: &Asked, actor: &Actor) {
    let message = format!(
        "{} by {} changed nothing: it was so already.",
        asked.words(),
        actor.user
    );
    note(work, asked, actor, Outcome::Done, message);
}

fn note(work: &mut Work, asked: &Asked, actor: &Actor, outcome: Outcome, message: String) {
    if is_repeated(work, &message, outcome) {
        return;
    }
    let about = asked.about(work);
    work.audited(
        Severity::Info,
        EventKind::Operator,
        about,
        message,
        Some(asked.audit(actor, outcome)),
    );
}

/// Whether the very same was written down a moment ago.
fn is_repeated(work: &Work, message: &str, outcome: Outcome) -> bool {
    let now = work.now;
    let same = |event: &Event| {
        event.message == message
            && now.since_ms(event.at) < REPEATED_MS
            && event.audit.as_ref().is_some_and(|it| it.outcome == outcome)
    };
    let latest = work.state.events.iter().rev().take(LOOKED_AT);
    latest.into_iter().any(|event| same(event))
}
