//! The operator's own editor: a text goes there in a file that nobody else can read, and comes
//! back.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::process::{Child, Command};

use crate::document::TEXT_MAX;

use super::edit::EditAsk;

/// The editor where the environment names none.
const FALLBACK: &str = "vi";
/// How many names of folders are tried, should some be taken.
const FOLDERS_MAX: u32 = 100;

/// A folder of one's own with the text in a file; both go when it is dropped, unless it is kept.
struct Desk {
    folder: PathBuf,
    file: PathBuf,
    keep: bool,
}

impl Desk {
    /// Editors leave backups beside a file: so the folder, too, is for nobody else.
    fn lay(ask: &EditAsk) -> io::Result<Self> {
        let base = std::env::temp_dir();
        let mut taken = 0;
        let folder = loop {
            let name = format!("qd-edit-{}-{taken}", std::process::id());
            let folder = base.join(name);
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => break folder,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken += 1,
                Err(error) => return Err(error),
            }
            if taken == FOLDERS_MAX {
                return Err(io::Error::other("its names are all taken"));
            }
        };
        let file = folder.join(&ask.file);
        let desk = Self {
            folder,
            file,
            keep: false,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options.open(&desk.file)?.write_all(ask.text.as_bytes())?;
        Ok(desk)
    }

    /// Whether the file says another thing than that text. One that is not there says nothing.
    fn differs(&self, text: &str) -> bool {
        match fs::metadata(&self.file) {
            Ok(facts) if facts.len() == text.len() as u64 => {
                fs::read(&self.file).map_or(true, |bytes| bytes != text.as_bytes())
            }
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        }
    }

    fn read(&self) -> Result<String, String> {
        let length = fs::metadata(&self.file).map_err(|it| it.to_string())?.len();
        if length > TEXT_MAX {
            return Err(format!(
                "it is {length} bytes long; at most {TEXT_MAX} are read"
            ));
        }
        fs::read_to_string(&self.file).map_err(|it| it.to_string())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be taken away is still for nobody else to read.
            let _left = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Program and arguments of the editor: `$VISUAL`, else `$EDITOR`, else vi.
fn program(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    for name in ["VISUAL", "EDITOR"] {
        let Some(line) = variable(name).filter(|it| !it.trim().is_empty()) else {
            continue;
        };
        let words = shell_words::split(&line);
        return words.map_err(|_| format!("${name} has a quote that is not closed: {line}"));
    }
    Ok(vec![FALLBACK.to_owned()])
}

/// An editor at work.
pub(super) struct Editing {
    child: Child,
    program: String,
    desk: Desk,
    /// What it began with.
    text: String,
    /// How the terminal was before: an editor that is ended may leave it otherwise.
    cooked: Option<rustix::termios::Termios>,
}

impl Editing {
    /// Begins to edit. The terminal has to be as programs expect it, and nobody may read from it.
    pub(super) fn begin(ask: &EditAsk) -> Result<Self, String> {
        Self::with(&program(|name| std::env::var(name).ok())?, ask)
    }

    fn with(words: &[String], ask: &EditAsk) -> Result<Self, String> {
        let (program, arguments) = words.split_first().ok_or("there is no editor")?;
        let desk = Desk::lay(ask).map_err(|it| format!("no file to edit could be made: {it}"))?;
        let child = Command::new(program)
            .args(arguments)
            .arg(&desk.file)
            .kill_on_drop(true)
            .spawn();
        let child = child.map_err(|error| {
            format!("{program} cannot be begun: {error}. $VISUAL or $EDITOR names your editor")
        })?;
        Ok(Self {
            child,
            program: program.clone(),
            desk,
            text: ask.text.clone(),
            cooked: tcgetattr(io::stdin()).ok(),
        })
    }

    /// Waits until it has ended, and reads what it has left.
    pub(super) async fn end(&mut self) -> Result<String, String> {
        let ended = self.child.wait().await;
        self.straighten();
        let program = &self.program;
        match ended {
            Ok(status) if status.success() => self.desk.read().map_err(|why| {
                self.desk.keep = true;
                let file = self.desk.file.display();
                format!("what {program} left cannot be read: {why}. It is kept in {file}")
            }),
            // That is how an operator tells an editor to forget it all.
            Ok(status) if status.code().is_some() => Err(format!("{program} ended with {status}")),
            Ok(status) => Err(self.broke_off(&format!("was ended by {status}"))),
            Err(error) => Err(self.broke_off(&format!("cannot be waited for: {error}"))),
        }
    }

    /// Keeps what was saved before the editor failed; says why it did, and where that is.
    fn broke_off(&mut self, why: &str) -> String {
        let program = &self.program;
        if !self.desk.differs(&self.text) {
            return format!("{program} {why}");
        }
        self.desk.keep = true;
        let file = self.desk.file.display();
        format!("{program} {why}. What was saved is kept in {file}")
    }

    /// Tells it to end at once. What was written so far is kept; gives where.
    pub(super) async fn break_off(mut self) -> PathBuf {
        let id = self.child.id().and_then(|it| i32::try_from(it).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // One that has ended already needs no telling.
            let _gone = kill_process(pid, Signal::TERM);
        }
        let patience = std::time::Duration::from_secs(2);
        if tokio::time::timeout(patience, self.child.wait())
            .await
            .is_err()
        {
            let _gone = self.child.kill().await;
        }
        self.straighten();
        self.desk.keep = true;
        Path::to_path_buf(&self.desk.file)
    }

    fn straighten(&self) {
        if let Some(cooked) = &self.cooked {
            // A terminal that is gone needs no mode.
            let _gone = tcsetattr(io::stdin(), OptionalActions::Now, cooked);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::edit::Source;
    use super::*;

    fn ask() -> EditAsk {
        EditAsk {
            name: "service web".to_owned(),
            cluster: crate::model::ClusterName::default_cluster(),
            file: "web.json".to_owned(),
            original: "{}\n".to_owned(),
            text: "{ \"desiredCount\": 3 }\n".to_owned(),
            of: Source::Family(crate::model::Family::new("web").unwrap()),
            base: None,
        }
    }

    #[test]
    fn the_text_lies_where_nobody_else_reads_it_and_is_gone_afterwards() {
        let desk = Desk::lay(&ask()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&desk.folder), mode(&desk.file)), (0o700, 0o600));
        assert_eq!(desk.read().unwrap(), ask().text);
        assert!(desk.file.ends_with("web.json"));
        let other = Desk::lay(&ask()).unwrap();
        assert_ne!(other.folder, desk.folder);
        let folder = desk.folder.clone();
        drop(desk);
        assert!(!folder.exists());
        fs::write(&other.file, [0xff, 0xfe]).unwrap();
        assert!(other.read().unwrap_err().contains("UTF-8"));
    }

    /// An editor that is this script has ended; whether its folder is still there, and why it failed.
    async fn scribbled(script: &str) -> (bool, String) {
        let words = ["sh", "-c", script].map(ToOwned::to_owned);
        let mut editing = Editing::with(&words, &ask()).unwrap();
        let why = editing.end().await.unwrap_err();
        let folder = editing.desk.folder.clone();
        drop(editing);
        let kept = folder.exists();
        if kept {
            fs::remove_dir_all(folder).unwrap();
        }
        (kept, why)
    }

    #[tokio::test]
    async fn what_was_saved_outlives_an_editor_that_is_killed_and_no_other() {
        let (kept, why) = scribbled("echo half > \"$0\"; kill -KILL $$").await;
        assert!(kept && why.contains("What was saved is kept in "), "{why}");
        assert!(
            why.contains("signal: 9") && why.ends_with("web.json"),
            "{why}"
        );
        // Of the same length, too.
        let (kept, why) = scribbled("sed -i s/3/4/ \"$0\"; kill -KILL $$").await;
        assert!(kept && why.contains("is kept in "), "{why}");
        let (kept, why) = scribbled("kill -KILL $$").await;
        assert!(!kept && !why.contains("kept"), "nothing was saved: {why}");
        let (kept, why) = scribbled("rm \"$0\"; kill -KILL $$").await;
        assert!(!kept && !why.contains("kept"), "there is nothing: {why}");
        // `:cq` means to forget it.
        let (kept, why) = scribbled("echo half > \"$0\"; exit 1").await;
        assert!(!kept && why.contains("exit status: 1"), "{why}");
    }

    #[test]
    fn visual_goes_before_editor_and_may_have_arguments() {
        let of = |visual: Option<&str>, editor: Option<&str>| {
            program(|name| match name {
                "VISUAL" => visual.map(ToOwned::to_owned),
                _ => editor.map(ToOwned::to_owned),
            })
        };
        assert_eq!(of(None, None).unwrap(), ["vi"]);
        assert_eq!(of(None, Some("nano")).unwrap(), ["nano"]);
        assert_eq!(of(Some(" "), Some("nano")).unwrap(), ["nano"]);
        let code = of(Some("'my code' --wait"), Some("nano")).unwrap();
        assert_eq!(code, ["my code", "--wait"]);
        assert!(of(Some("'open"), None).unwrap_err().contains("$VISUAL"));
    }
}
