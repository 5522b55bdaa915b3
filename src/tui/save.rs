//! Text into a file that the operator named.

use std::io::ErrorKind;
use std::path::PathBuf;

use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt;

use super::event::Saved;

/// Writes a file; one that is there already only if it is to be written over. `~/` is the home
/// folder.
pub(super) async fn save(path: &str, text: &str, over: bool) -> Saved {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let file = match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) => return Saved::Failed("$HOME says no home folder for ~".to_owned()),
        (None, _) => PathBuf::from(path),
    };
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(over)
        .truncate(over)
        .create_new(!over);
    let written = async {
        let mut file = options.open(&file).await?;
        file.write_all(text.as_bytes()).await?;
        file.flush().await
    };
    match written.await {
        Ok(()) => Saved::Written,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Saved::Exists,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Saved::Failed("there is no such folder; make it first, or choose another".to_owned())
        }
        Err(error) => Saved::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_written_over_unless_it_was_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("web.log");
        let path = file.to_str().unwrap();
        let read = || std::fs::read_to_string(&file).unwrap();
        assert_eq!(save(path, "a long one", false).await, Saved::Written);
        assert_eq!(save(path, "other", false).await, Saved::Exists);
        assert_eq!(read(), "a long one");
        assert_eq!(save(path, "other", true).await, Saved::Written);
        assert_eq!(read(), "other");
        let nowhere = folder.path().join("none/web.log");
        let outcome = save(nowhere.to_str().unwrap(), "x", false).await;
        assert!(
            matches!(&outcome, Saved::Failed(why) if why.contains("folder")),
            "{outcome:?}"
        );
        let outcome = save(folder.path().to_str().unwrap(), "x", true).await;
        assert!(matches!(outcome, Saved::Failed(_)), "{outcome:?}");
    }
}
