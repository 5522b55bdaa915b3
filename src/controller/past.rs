//! Looks back into the change log, beside the one who writes it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::command::{CommandError, ErrorKind};
use crate::model::{History, HistoryAsk, State, TimeMs};
use crate::store::{Archive, LogSize, StoreError};

/// How many looks back may be under way; who asks for more waits. Each holds a state.
const LOOKS_MAX: usize = 2;
/// How many may ask at a time how large the log is.
const SIZINGS_MAX: usize = 1;

/// How long the log's size is waited for: it is asked for often, and nothing hangs on it.
const SIZE_MAX: Duration = Duration::from_secs(2);

/// The log, for everyone who asks what was.
#[derive(Clone)]
pub(super) struct Past {
    archive: Arc<dyn Archive>,
    looks: Arc<Semaphore>,
    /// [`SIZINGS_MAX`] looks at the log's size at a time.
    sizing: Arc<Semaphore>,
}

fn broken(reason: impl ToString) -> CommandError {
    CommandError::new(ErrorKind::ServerException, reason.to_string())
}

fn refused(error: StoreError) -> CommandError {
    match error {
        StoreError::TooOld { .. } => {
            CommandError::new(ErrorKind::InvalidParameterException, error.to_string())
        }
        error => broken(error),
    }
}

impl Past {
    pub fn new(archive: Arc<dyn Archive>) -> Self {
        Self {
            archive,
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            sizing: Arc::new(Semaphore::new(SIZINGS_MAX)),
        }
    }

    /// How large the log is; `None` if it does not say in time.
    pub async fn size(&self) -> Option<LogSize> {
        let looked = async {
            let turn = self.sizing.clone().acquire_owned().await.ok()?;
            let archive = self.archive.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let size = archive.size();
                drop(turn);
                size
            });
            match looked
                .await
                .map_err(broken)
                .map(|size| size.map_err(refused))
            {
                Ok(Ok(size)) => Some(size),
                Ok(Err(error)) | Err(error) => {
                    tracing::debug!(%error, "the size of the change log");
                    None
                }
            }
        };
        tokio::time::timeout(SIZE_MAX, looked).await.ok()?
    }

    /// One look, on a thread that may block.
    async fn look<T: Send + 'static>(
        &self,
        at: impl FnOnce(&dyn Archive) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, CommandError> {
        let turn = self.looks.clone().acquire_owned().await.map_err(broken)?;
        let archive = self.archive.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let seen = at(archive.as_ref());
            drop(turn);
            seen
        });
        looked.await.map_err(broken)?.map_err(refused)
    }

    pub async fn history(&self, asked: HistoryAsk) -> Result<History, CommandError> {
        self.look(move |archive| {
            // One more than is given tells whether there are more.
            let limit = asked.limit();
            let mut happenings = archive.happenings(&asked, limit + 1)?;
            let more = happenings.len() > limit;
            happenings.truncate(limit);
            happenings.reverse();
            Ok(History {
                begins: archive.begins()?,
                happenings,
                more,
            })
        })
        .await
    }

    pub async fn state_at(&self, at: TimeMs, now: TimeMs) -> Result<(State, u64), CommandError> {
        if at > now {
            let message = "That moment is still to come.";
            return Err(CommandError::new(
                ErrorKind::InvalidParameterException,
                message,
            ));
        }
        self.look(move |archive| archive.state_at(at)).await
    }
}
