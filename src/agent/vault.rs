//! Fetches what a container gets and nobody else is to see: secrets and environment files, read
//! anew for each container that is made, and kept nowhere.
//!
//! No output of a program and no text of a file is ever part of an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::config::{SecretSource, Settings};
use crate::docker::ContainerSpec;
use crate::docker::secret::{HiddenVariable, SecretValue};

use super::tuning::{Tuning, double};

/// The longest secret, in bytes: what the kernel takes for one variable.
const SECRET_BYTES_MAX: u64 = 128 * 1024;
/// The largest environment file, in bytes.
const FILE_BYTES_MAX: u64 = 512 * 1024;
/// Programs that fetch secrets at the same time, over all engines.
const PROGRAMS_MAX: usize = 8;

/// Where secrets and environment files come from.
#[derive(Debug)]
pub struct Vault {
    /// Exchanged whole when the configuration is read anew; what is being fetched goes by the old.
    sources: RwLock<Arc<Sources>>,
    programs: Semaphore,
}

#[derive(Debug)]
struct Sources {
    secrets: BTreeMap<String, SecretSource>,
    /// The config file's folder: relative paths go from it, and programs run in it.
    folder: PathBuf,
}

impl Sources {
    fn new(settings: &Settings) -> Self {
        let secrets = settings.secrets.iter();
        let folder = settings.source.as_deref().and_then(Path::parent);
        Self {
            secrets: secrets
                .map(|secret| (secret.name.clone(), secret.source.clone()))
                .collect(),
            folder: folder.unwrap_or(Path::new("")).to_owned(),
        }
    }
}

/// Why a container cannot be given what it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A secret cannot be had.
    #[error("ResourceInitializationError: unable to retrieve secret {name}: {what}")]
    Secret {
        /// Its name in the config.
        name: String,
        /// What went wrong; never a part of its value.
        what: String,
    },
    /// An environment file cannot be used.
    #[error("ResourceInitializationError: unable to read environment file {path}: {what}")]
    File {
        /// The file, as the definition names it.
        path: String,
        /// What went wrong; never a part of its text.
        what: String,
    },
}

/// What went wrong, and whether another attempt may go better.
struct Failure {
    what: String,
    may_pass: bool,
}

fn passing(what: impl Into<String>) -> Failure {
    Failure {
        what: what.into(),
        may_pass: true,
    }
}

fn lasting(what: impl Into<String>) -> Failure {
    Failure {
        what: what.into(),
        may_pass: false,
    }
}

impl Vault {
    /// What the configuration names.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            sources: RwLock::new(Arc::new(Sources::new(settings))),
            programs: Semaphore::new(PROGRAMS_MAX),
        }
    }

    /// From now on what this configuration names.
    pub fn renew(&self, settings: &Settings) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        *sources = Arc::new(Sources::new(settings));
    }

    fn sources(&self) -> Arc<Sources> {
        let sources = self.sources.read();
        sources.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches all that a container asks for into `spec.hidden`. What the definition's own
    /// environment and secrets name stands over a file, and an earlier file over a later one, as
    /// under ECS.
    ///
    /// # Errors
    /// [`VaultError`] for the first thing that cannot be had after some attempts.
    pub async fn fill(&self, spec: &mut ContainerSpec, tuning: &Tuning) -> Result<(), VaultError> {
        let mut hidden = Vec::new();
        for secret in &spec.secrets {
            let name = &secret.value_from;
            let mut failed = 0;
            let value = loop {
                match self.secret(name, tuning).await {
                    Ok(value) => break value,
                    Err(failure) => {
                        let again = again(failure, failed, tuning).await;
                        let name = name.clone();
                        failed = again.map_err(|what| VaultError::Secret { name, what })?;
                    }
                }
            };
            hidden.push(HiddenVariable {
                name: secret.name.clone(),
                value,
            });
        }
        let plain = spec.environment.iter();
        let plain = plain.filter_map(|pair| pair.split('=').next());
        let mut taken: BTreeSet<String> = plain.map(str::to_owned).collect();
        taken.extend(spec.secrets.iter().map(|secret| secret.name.clone()));
        for path in &spec.environment_files {
            let mut failed = 0;
            let variables = loop {
                match self.file(path, tuning).await {
                    Ok(variables) => break variables,
                    Err(failure) => {
                        let again = again(failure, failed, tuning).await;
                        let path = path.clone();
                        failed = again.map_err(|what| VaultError::File { path, what })?;
                    }
                }
            };
            for variable in variables {
                if taken.insert(variable.name.clone()) {
                    hidden.push(variable);
                }
            }
        }
        spec.hidden = hidden;
        Ok(())
    }

    async fn secret(&self, name: &str, tuning: &Tuning) -> Result<SecretValue, Failure> {
        let sources = self.sources();
        let Some(source) = sources.secrets.get(name) else {
            return Err(lasting("the config has no [[secret]] of that name"));
        };
        let bytes = match source {
            SecretSource::Environment(variable) => match std::env::var_os(variable) {
                Some(value) => value.into_encoded_bytes(),
                None => {
                    return Err(lasting(format!(
                        "the control plane's environment has no variable {variable}"
                    )));
                }
            },
            SecretSource::File(path) => without_line_end(
                read_file(&sources.folder.join(path), SECRET_BYTES_MAX, tuning).await?,
            ),
            SecretSource::Command(words) => {
                without_line_end(self.output(words, &sources.folder, tuning).await?)
            }
        };
        value(bytes)
    }

    /// What a program writes to its standard output. It gets no input, and what it writes to its
    /// standard error is nobody's: programs say there what they were asked for.
    async fn output(
        &self,
        words: &[String],
        folder: &Path,
        tuning: &Tuning,
    ) -> Result<Vec<u8>, Failure> {
        let [program, arguments @ ..] = words else {
            return Err(lasting("its command is empty"));
        };
        let Ok(_turn) = self.programs.acquire().await else {
            return Err(lasting("the control plane is ending"));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        if !folder.as_os_str().is_empty() {
            command.current_dir(folder);
        }
        let run = async {
            let mut child = command
                .spawn()
                .map_err(|error| passing(format!("{program} cannot be run: {error}")))?;
            let mut bytes = Vec::new();
            if let Some(output) = child.stdout.take() {
                read_bounded(output, SECRET_BYTES_MAX, &mut bytes)
                    .await
                    .map_err(|failure| Failure {
                        what: format!("the output of {program} {}", failure.what),
                        ..failure
                    })?;
            }
            let ended = child.wait().await;
            let status = ended
                .map_err(|error| passing(format!("{program} cannot be waited for: {error}")))?;
            if status.success() {
                return Ok(bytes);
            }
            Err(passing(format!(
                "{program} ended with {status}; run it by hand to see why"
            )))
        };
        let limit = tuning.secret_timeout;
        timeout(limit, run).await.unwrap_or_else(|_| {
            Err(passing(format!(
                "{program} did not end within {} s",
                limit.as_secs_f32()
            )))
        })
    }

    async fn file(&self, path: &str, tuning: &Tuning) -> Result<Vec<HiddenVariable>, Failure> {
        let bytes = read_file(&self.sources().folder.join(path), FILE_BYTES_MAX, tuning).await?;
        variables(&bytes).map_err(lasting)
    }
}

/// Waits before the next attempt and gives the number of failed ones, or what went wrong if no
/// further attempt is to be made.
async fn again(failure: Failure, failed: u32, tuning: &Tuning) -> Result<u32, String> {
    if !failure.may_pass || failed >= tuning.secret_retries {
        return Err(failure.what);
    }
    sleep(double(tuning.secret_retry_wait, failed)).await;
    Ok(failed + 1)
}

/// A file's bytes. Only a real file is opened: a pipe could keep its reader for ever.
async fn read_file(path: &Path, most: u64, tuning: &Tuning) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| passing(format!("{shown} cannot be read: {error}"));
    let read = async {
        let about = tokio::fs::metadata(path).await.map_err(failed)?;
        if !about.is_file() {
            return Err(lasting(format!("{shown} is not a file")));
        }
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut bytes = Vec::new();
        read_bounded(file, most, &mut bytes)
            .await
            .map_err(|failure| Failure {
                what: format!("{shown} {}", failure.what),
                ..failure
            })?;
        Ok(bytes)
    };
    let limit: Duration = tuning.secret_timeout;
    timeout(limit, read).await.unwrap_or_else(|_| {
        Err(passing(format!(
            "{shown} could not be read within {} s",
            limit.as_secs_f32()
        )))
    })
}

async fn read_bounded(
    from: impl AsyncRead + Unpin,
    most: u64,
    bytes: &mut Vec<u8>,
) -> Result<(), Failure> {
    let read = from.take(most + 1).read_to_end(bytes).await;
    let count = read.map_err(|error| passing(format!("cannot be read: {error}")))?;
    if count as u64 > most {
        return Err(lasting(format!("is longer than {most} bytes")));
    }
    Ok(())
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    bytes
}

fn value(bytes: Vec<u8>) -> Result<SecretValue, Failure> {
    if bytes.is_empty() {
        return Err(passing("it is empty"));
    }
    if bytes.contains(&0) {
        return Err(lasting("it has a NUL byte, which no variable can hold"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SecretValue::new(text)),
        // The error would carry the bytes.
        Err(_) => Err(lasting("it is not UTF-8 text")),
    }
}

/// The lines of an environment file: `NAME=VALUE`, to the letter, quotes included. Empty lines
/// and those that begin with `#` are left out.
fn variables(bytes: &[u8]) -> Result<Vec<HiddenVariable>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!("line {number} is not NAME=VALUE"));
        };
        if name.is_empty() || name.contains(char::is_whitespace) || line.contains('\0') {
            return Err(format!(
                "line {number} does not begin with a variable's name"
            ));
        }
        variables.push(HiddenVariable {
            name: name.to_owned(),
            value: SecretValue::new(value.to_owned()),
        });
    }
    Ok(variables)
}

#[cfg(test)]
#[path = "vault_tests.rs"]
mod tests;
