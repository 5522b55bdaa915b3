//! One control plane per state: the lock in the state folder, and who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::model::TimeMs;

/// Name of the lock file in the state folder.
pub const FILE: &str = "lock";
/// The lock file is read up to here; what we write is far shorter.
const READ_MAX: u64 = 4_096;

/// Who holds a state folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// Who started it.
    pub user: String,
    /// What it is: `serve`, `console`, `apply`.
    pub role: String,
    /// Since when.
    pub since: TimeMs,
}

/// Why the lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it; `None` if it has not said yet who it is.
    #[error("{}", describe(dir, holder.as_ref()))]
    Held {
        /// The state folder.
        dir: PathBuf,
        /// Who.
        holder: Option<LockHolder>,
    },
    /// The lock file cannot be made, locked or written.
    #[error("the lock {}: {message}", place.display())]
    Failed {
        /// The lock file.
        place: PathBuf,
        /// Why.
        message: String,
    },
}

fn describe(dir: &Path, holder: Option<&LockHolder>) -> String {
    let dir = dir.display();
    match holder {
        Some(holder) => format!(
            "the state folder {dir} is held by qd {} (pid {}, user {})",
            holder.role, holder.pid, holder.user
        ),
        None => format!("the state folder {dir} is held by another process"),
    }
}

/// The lock of a state folder, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    // The kernel ties the lock to this open file; the file itself stays, for removing it would
    // let two processes lock two files of the same name.
    file: Arc<File>,
    last_alive: Option<TimeMs>,
}

/// With which the holder of a state folder says that its control plane is at work: when it did last
/// is the lock file's modification time. Says nothing any more once the lock was let go.
#[derive(Clone, Debug)]
pub struct LifeSign(Weak<File>);

impl LifeSign {
    /// It is at work now. Blocking.
    ///
    /// # Errors
    /// The file cannot be touched.
    pub fn give(&self, now: TimeMs) -> std::io::Result<()> {
        let held = self.0.upgrade();
        held.map_or(Ok(()), |file| file.set_modified(system(now)))
    }
}

impl StateLock {
    /// Takes the lock without waiting and writes down who holds it.
    ///
    /// # Errors
    /// [`LockError::Held`] if another process has it, [`LockError::Failed`] if the file cannot
    /// be used.
    pub fn take(dir: &Path, holder: &LockHolder) -> Result<Self, LockError> {
        let place = dir.join(FILE);
        let failed = |message: String| LockError::Failed {
            place: place.clone(),
            message,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&place)
            .map_err(|error| failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    dir: dir.to_owned(),
                    holder: read(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
        let last_alive = last_alive(&file);
        let text = serde_json::to_string(holder).map_err(|error| failed(error.to_string()))?;
        write(&mut file, &text).map_err(|error| failed(error.to_string()))?;
        // A start that fails is no look at any host: only a `LifeSign` moves it on.
        if let Some(at) = last_alive
            && let Err(error) = file.set_modified(system(at))
        {
            tracing::debug!(%error, "when a control plane last ran is not kept");
        }
        Ok(Self {
            file: Arc::new(file),
            last_alive,
        })
    }

    /// When a control plane of this folder last ran, before the lock was taken; about now where there
    /// was none. `None` where the file does not tell.
    #[must_use]
    pub fn last_alive(&self) -> Option<TimeMs> {
        self.last_alive
    }

    /// With which the control plane says that it is at work.
    #[must_use]
    pub fn life_sign(&self) -> LifeSign {
        LifeSign(Arc::downgrade(&self.file))
    }
}

/// What a lock file says of when its last holder was at work.
fn last_alive(file: &File) -> Option<TimeMs> {
    let modified = file.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(TimeMs)
}

fn system(at: TimeMs) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.0)
}

/// Who the file says holds it. A file that is being written, or is damaged, names nobody: the
/// lock itself is the truth, this is only for the message.
fn read(file: &mut File) -> Option<LockHolder> {
    let mut text = String::new();
    file.take(READ_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn write(file: &mut File, text: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.flush()
}

/// The name of the user who runs this process, for people: `$USER`, else what the system calls
/// its number, else the number.
#[must_use]
pub fn user() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| user_of(rustix::process::getuid().as_raw()))
}

/// What the system calls a user's number, else the number.
#[must_use]
pub fn user_of(uid: u32) -> String {
    std::fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|passwd| named(&passwd, uid))
        .unwrap_or_else(|| format!("uid {uid}"))
}

/// The name that a passwd file gives a number.
fn named(passwd: &str, uid: u32) -> Option<String> {
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(role: &str) -> LockHolder {
        LockHolder {
            pid: 42,
            user: "ann".into(),
            role: role.into(),
            since: TimeMs(7),
        }
    }

    #[test]
    fn a_user_without_a_name_in_the_environment_is_named_by_the_system() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(named(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(named(passwd, 7), None);
    }

    #[test]
    fn taking_the_lock_tells_when_somebody_was_last_at_work_and_is_no_work() {
        let dir = tempfile::tempdir().unwrap();
        let at = TimeMs(1_700_000_000_123);
        let lock = StateLock::take(dir.path(), &holder("serve")).unwrap();
        lock.life_sign().give(at).unwrap();
        drop(lock);
        for _ in 0..2 {
            // What takes it and does not come up leaves the moment as it was.
            let lock = StateLock::take(dir.path(), &holder("console")).unwrap();
            assert_eq!(lock.last_alive(), Some(at));
        }
    }

    #[test]
    fn a_second_one_is_told_who_holds_it_and_gets_it_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateLock::take(dir.path(), &holder("serve")).unwrap();
        let refusal = StateLock::take(dir.path(), &holder("console")).unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("held by qd serve (pid 42, user ann)"),
            "{text}"
        );
        drop(first);
        let _second = StateLock::take(dir.path(), &holder("console")).unwrap();
        let third = StateLock::take(dir.path(), &holder("apply")).unwrap_err();
        assert!(third.to_string().contains("qd console"), "{third}");
    }
}
