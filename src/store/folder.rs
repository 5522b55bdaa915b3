//! The state folder: where the change log, the lock and the socket of one control plane live.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

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
    if place.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(place)
        .map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
}
