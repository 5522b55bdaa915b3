//! The configuration read anew while agents are at work, and what befell the change log: what is
//! written down of either.

use std::path::{Path, PathBuf};

use super::configure::{Agents, configure};
use super::work::Work;
use super::{Fleet, orphans};
use crate::controller::orphaned::Orphaned;
use crate::model::snapshot::StoreOutage;
use crate::model::{ClusterName, EventKind, Severity};

/// The most characters that are kept of why a configuration cannot be used.
const REASON_MAX: usize = 2_000;

/// A configuration that was read anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Reload {
    /// What it names.
    pub fleet: Fleet,
    /// The file; `None` where there is none.
    pub source: Option<PathBuf>,
    /// What is different, in words.
    pub difference: String,
}

/// Goes by another configuration from now on, unless that would leave tasks behind.
pub(super) fn reload(work: &mut Work, reload: Reload) -> Result<(), Orphaned> {
    let instances = orphans(&work.state, &reload.fleet);
    if !instances.is_empty() {
        let orphaned = Orphaned {
            source: reload.source,
            instances,
            running: true,
        };
        refused(work, &orphaned.to_string());
        return Err(orphaned);
    }
    configure(work, &reload.fleet, Agents::AtWork);
    let source = reload.source.as_deref().map_or_else(
        || "(configuration)".to_owned(),
        |file: &Path| format!("(configuration {})", file.display()),
    );
    let message = format!("{source} was read anew: {}.", reload.difference);
    tell(work, Severity::Info, EventKind::Operator, message);
    Ok(())
}

pub(super) fn refused(work: &mut Work, reason: &str) {
    let mut reason = reason.to_owned();
    if let Some((cut, _)) = reason.char_indices().nth(REASON_MAX) {
        reason.truncate(cut);
        reason.push('…');
    }
    let message = format!("(configuration) was not read anew, and nothing was changed. {reason}");
    tell(work, Severity::Error, EventKind::Operator, message);
}

pub(super) fn log_is_back(work: &mut Work, outage: &StoreOutage) {
    let seconds = work.now.since_ms(outage.since) / 1000;
    let message = format!(
        "(control plane) decided nothing for {seconds} s, for the change log could not be \
         written: {}. It can be written again.",
        outage.reason
    );
    tell(work, Severity::Error, EventKind::Service, message);
}

/// It is of no cluster; the one that is always there is where it is looked for.
fn tell(work: &mut Work, severity: Severity, kind: EventKind, message: String) {
    work.event(severity, kind, &ClusterName::default_cluster(), message);
}
