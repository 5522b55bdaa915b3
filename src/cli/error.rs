//! How a command ends when it does not end well.

use crate::client::ClientError;
use crate::controller::ErrorKind;
use crate::document::Faults;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Wrong usage or bad input: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Faults of files: exit code 2.
    #[error("{0}")]
    Faults(#[from] Faults),
    /// The control plane refused or could not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It was tried and failed: exit code 1.
    #[error("{0}")]
    Failed(String),
    /// It was told already, row by row: exit code 1, nothing more to say.
    #[error("failed")]
    Told,
    /// A program that was run ended with this code, which is passed on.
    #[error("the program ended with {0}")]
    Exit(u8),
    /// Whoever read our output went away: nothing is wrong.
    #[error("the reader of the output went away")]
    Pipe,
}

/// What a command comes to.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// The process's exit code: 1 failed, 2 wrong usage or bad input.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Faults(_) => 2,
            Self::Client(ClientError::Refused(error)) => match error.kind {
                // Nothing is wrong with what was asked, but with who asked.
                ErrorKind::ServerException | ErrorKind::AccessDeniedException => 1,
                _ => 2,
            },
            Self::Client(_) | Self::Failed(_) | Self::Told => 1,
            Self::Exit(code) => *code,
            Self::Pipe => 0,
        }
    }

    /// Whether there is anything to print.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self, Self::Told | Self::Exit(_) | Self::Pipe)
    }
}

impl From<crate::controller::CommandError> for CliError {
    fn from(error: crate::controller::CommandError) -> Self {
        Self::Client(error.into())
    }
}
