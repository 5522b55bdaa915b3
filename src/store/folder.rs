//! The state folder: where the change log, the lock and the socket of one control plane live.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of a file that its owner alone reads and writes.
const OWN_FILE: u32 = 0o600;
/// What group and others may do.
const OF_OTHERS: u32 = 0o077;
/// Writing, by group and others.
const WRITE_OF_OTHERS: u32 = 0o022;

/// Why there is no state folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Neither `--state`, `$XDG_STATE_HOME` nor `$HOME` says where.
    #[error("no state folder: $HOME is not set; name one with --state DIR")]
    Nowhere,
    /// It cannot be made or used.
    #[error("the state folder {}: {message}; name another with --state DIR", place.display())]
    Unusable {
        /// The folder.
        place: PathBuf,
        /// Why not.
        message: String,
    },
}

/// Finds the state folder and makes it, for its owner alone, if it is not there: the one asked
/// for, else `quarterdeck` in `$XDG_STATE_HOME`, else in `~/.local/state`.
///
/// # Errors
/// [`FolderError`] if there is nowhere to put it or it cannot be made.
pub fn resolve(asked: Option<PathBuf>) -> Result<PathBuf, FolderError> {
    let place = choose(
        asked,
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from),
        std::env::var_os("HOME").map(PathBuf::from),
    )
    .ok_or(FolderError::Nowhere)?;
    make(&place)?;
    std::path::absolute(&place).map_err(|error| FolderError::Unusable {
        place,
        message: error.to_string(),
    })
}

/// The same, if it is there and can be used; nothing is made.
#[must_use]
pub fn find(asked: Option<PathBuf>) -> Option<PathBuf> {
    let place = choose(
        asked,
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from),
        std::env::var_os("HOME").map(PathBuf::from),
    )?;
    let usable = place.is_dir() && make(&place).is_ok();
    std::path::absolute(place).ok().filter(|_| usable)
}

fn choose(asked: Option<PathBuf>, xdg: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    // The XDG specification: a relative or empty value counts as not set.
    let xdg = xdg.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    asked
        .or_else(|| xdg.map(|path| path.join("quarterdeck")))
        .or_else(|| home.map(|path| path.join(".local/state/quarterdeck")))
}

fn make(place: &Path) -> Result<(), FolderError> {
    let unusable = |message: String| FolderError::Unusable {
        place: place.to_owned(),
        message,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place)
        .map_err(|error| unusable(error.to_string()))?;
    // Looked at after it was made: whoever was quicker at making it is found out too.
    let about = std::fs::metadata(place).map_err(|error| unusable(error.to_string()))?;
    let me = rustix::process::geteuid().as_raw();
    match trouble(place, about.uid(), about.mode(), me) {
        Some(message) => Err(unusable(message)),
        None => Ok(()),
    }
}

/// Why a folder of that owner and mode cannot be trusted with a state: whoever else can write
/// there could put another log, lock or socket in the place of ours.
fn trouble(place: &Path, owner: u32, mode: u32, me: u32) -> Option<String> {
    if owner != me {
        return Some(format!(
            "it belongs to the user with uid {owner} and qd runs as uid {me}: run qd as its owner"
        ));
    }
    (mode & WRITE_OF_OTHERS != 0).then(|| {
        format!(
            "others may write in it (its mode is {:o}): close it with chmod 700 {}",
            mode & 0o7777,
            place.display()
        )
    })
}

/// Makes a file of the state folder, empty and for its owner alone, if it is not there; one
/// that is there and open to others is closed to them. The umask and the folder's own mode do
/// not matter.
///
/// # Errors
/// It cannot be made, or it is another user's.
pub fn keep_private(file: &Path) -> io::Result<()> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWN_FILE)
        .open(file);
    match made {
        Ok(_) => Ok(()),
        // By its path: opening and closing a database would let go of the locks held on it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(file),
        Err(error) => Err(error),
    }
}

/// Takes away what group and others may do with a file.
///
/// # Errors
/// It is not there, or it is another user's.
pub fn close_to_others(file: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(file)?.mode();
    if mode & OF_OTHERS == 0 {
        return Ok(());
    }
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(OWN_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_comes_before_xdg_before_home() {
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!(choose(path("here"), path("/x"), path("/h")), path("here"));
        assert_eq!(choose(None, path("/x"), path("/h")), path("/x/quarterdeck"));
        assert_eq!(
            choose(None, path("relative"), path("/h")),
            path("/h/.local/state/quarterdeck")
        );
        assert_eq!(choose(None, None, None), None);
    }

    #[test]
    fn a_new_folder_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = resolve(Some(dir.path().join("a/b"))).unwrap();
        let mode = std::fs::metadata(&place).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let refusal = resolve(Some(dir.path().join("file")))
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("--state"), "{refusal}");
    }
    #[test]
    fn a_folder_that_others_may_write_in_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state");
        std::fs::create_dir(&place).unwrap();
        let chmod = |mode| {
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        for mode in [0o770, 0o707, 0o777, 0o1777] {
            chmod(mode);
            let refusal = resolve(Some(place.clone())).unwrap_err().to_string();
            let wanted = format!("(its mode is {mode:o}): close it with chmod 700 ");
            assert!(refusal.contains(&wanted), "{refusal}");
        }
        for mode in [0o755, 0o700] {
            chmod(mode);
            resolve(Some(place.clone())).unwrap();
        }
    }

    #[test]
    fn a_folder_of_another_user_is_refused_for_root_too() {
        let place = Path::new("/home/ann/state");
        assert_eq!(trouble(place, 1000, 0o40700, 1000), None);
        assert_eq!(trouble(place, 0, 0o40700, 0), None);
        for (owner, me) in [(1000, 0), (0, 1000), (1001, 1000)] {
            let words = trouble(place, owner, 0o40700, me).unwrap();
            let wanted = format!("uid {owner} and qd runs as uid {me}");
            assert!(words.contains(&wanted), "{words}");
        }
    }

    #[test]
    fn a_private_file_is_made_private_and_an_open_one_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mode = || std::fs::metadata(&file).unwrap().mode() & 0o777;
        keep_private(&file).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&file, "kept").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o664)).unwrap();
        keep_private(&file).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    }
}
