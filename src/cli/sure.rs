//! Asking before something is changed.

use super::args::Sure;
use super::error::{CliError, CliResult};
use super::out;
use super::session::Session;
use crate::model::ClusterName;

impl Sure {
    /// Whether nobody is to be asked.
    #[must_use]
    pub fn waived(&self) -> bool {
        self.yes || self.protected.is_some()
    }
}

impl Session {
    /// States an effect and asks on a terminal, unless that is waived. Off a terminal the command
    /// itself is clear enough. In a protected cluster it is not, and `--yes` waives nothing: there
    /// the cluster's name is typed, or given by `--protected`.
    ///
    /// # Errors
    /// [`CliError::Failed`] when the answer is no, [`CliError::Usage`] where nobody can be asked.
    pub async fn confirm(&self, cluster: &ClusterName, effect: &str, sure: &Sure) -> CliResult {
        let Some(wanted) = self.wanted(cluster, sure)? else {
            return out::confirm(effect, sure.waived()).await;
        };
        out::note(effect);
        if by_name(wanted).await? {
            Ok(())
        } else {
            Err(CliError::Failed("nothing was changed".into()))
        }
    }

    /// The name that is still to be typed, if one is.
    ///
    /// # Errors
    /// `--protected` with the name of another cluster.
    pub fn wanted<'a>(
        &self,
        cluster: &'a ClusterName,
        sure: &Sure,
    ) -> CliResult<Option<&'a ClusterName>> {
        let snapshot = self.snapshot();
        let protected = snapshot.state.clusters.get(cluster);
        match &sure.protected {
            Some(named) if named != cluster.as_str() => Err(CliError::Usage(format!(
                "--protected {named}: this is about the cluster {cluster}; nothing was changed"
            ))),
            None if protected.is_some_and(|it| it.protected) => Ok(Some(cluster)),
            _ => Ok(None),
        }
    }
}

/// Whether a person types the name of a protected cluster.
///
/// # Errors
/// Where nobody can be asked.
pub async fn by_name(cluster: &ClusterName) -> CliResult<bool> {
    if !out::can_ask() {
        return Err(CliError::Usage(format!(
            "the cluster {cluster} is protected and nobody can be asked: add --protected \
             {cluster}. Nothing was changed."
        )));
    }
    let question = format!("The cluster {cluster} is protected. Its name, to go on:");
    Ok(out::answer(&question).await == cluster.as_str())
}
