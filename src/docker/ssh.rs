//! One multiplexed SSH connection per host, over which every connection to its engine goes.
//!
//! The system's own `ssh` is used, so that the user's configuration, agent and known hosts hold
//! here as everywhere. It forwards a private local socket to the engine's; host keys are always
//! verified.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{EngineError, EngineResult};
use crate::config::SshEndpoint;

/// Longest wait for an SSH connection: reaching the host, keys, agent and all.
const SSH_WAIT: Duration = Duration::from_secs(25);
/// Longest wait for the question why the engine's socket does not answer.
const DIAGNOSIS_WAIT: Duration = Duration::from_secs(15);
/// Longest wait for the end of one whose output has ended.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(5);
/// Lines kept of what ssh wrote, and the longest of them in bytes.
const STDERR_LINES: usize = 20;
const STDERR_LINE_BYTES: usize = 512;
/// What ssh says on its output once it is connected and listens.
const READY: &str = "quarterdeck-ready";
/// Longest path that every system takes for a socket, in bytes.
const SOCKET_PATH_BYTES: usize = 100;

/// Runs ssh and ends it when our end of its input closes, however we end: `kill -9` closes it
/// too. The inner reader must not hold ssh's outputs open.
pub(super) const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
ssh=$!
{ read -r _ <&3; kill "$ssh"; } >/dev/null 2>&1 </dev/null &
watch=$!
exec 3<&-
wait "$ssh"
code=$?
kill "$watch" 2>/dev/null
exit "$code"
"#;

/// A running SSH connection with its forwarded socket. It ends when this is dropped.
#[derive(Debug)]
pub struct Forward {
    endpoint: SshEndpoint,
    socket: PathBuf,
    said: std::sync::Arc<Said>,
    running: AbortHandle,
}

/// What ssh wrote, and whether it still runs.
#[derive(Debug, Default)]
struct Said(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<String>,
    ended: bool,
}

impl Said {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, line: String) {
        let mut said = self.lines();
        if said.lines.len() == STDERR_LINES {
            said.lines.pop_front();
        }
        said.lines.push_back(line);
    }

    fn text(&self) -> String {
        let said = self.lines();
        let lines: Vec<&str> = said.lines.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Ends the task that holds ssh and our end of its input.
        self.running.abort();
        // ssh may have removed it already.
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Forward {
    /// Connects to a host and forwards a socket in `folder` (made private) to its engine's.
    ///
    /// # Errors
    /// [`EngineError`] with what to do: about the host key, the login, the client itself.
    pub async fn open(folder: &Path, endpoint: &SshEndpoint) -> EngineResult<Self> {
        let socket = socket_path(folder).map_err(|error| {
            EngineError::Refused(format!(
                "a private folder for SSH sockets cannot be made in {}: {error}",
                folder.display()
            ))
        })?;
        let mut arguments = options(endpoint);
        let mut forward = OsString::from(&socket);
        forward.push(":");
        forward.push(&endpoint.socket);
        arguments.extend(["-N".into(), "-L".into(), forward]);
        arguments.extend(
            [
                "PermitLocalCommand=yes",
                &format!("LocalCommand=echo {READY}"),
            ]
            .into_iter()
            .flat_map(|option| ["-o".into(), option.into()]),
        );
        arguments.extend(destination(endpoint));
        let mut child = spawn(&arguments)?;
        let said = std::sync::Arc::new(Said::default());
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(EngineError::Failed(
                "ssh's output cannot be read".to_owned(),
            ));
        };
        let running = tokio::spawn(watch(child, errors, std::sync::Arc::clone(&said)));
        let forward = Self {
            endpoint: endpoint.clone(),
            socket,
            said,
            running: running.abort_handle(),
        };
        match timeout(SSH_WAIT, ready(output)).await {
            Ok(true) => Ok(forward),
            Ok(false) => {
                // Its output ended: so will it, and then all it wrote has been read.
                let _ = timeout(LAST_WORDS_WAIT, running).await;
                Err(forward.refusal())
            }
            Err(_) => Err(EngineError::Unreachable(format!(
                "{}: no SSH connection within {} s",
                address(endpoint),
                SSH_WAIT.as_secs()
            ))),
        }
    }

    /// The local socket that leads to the engine.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether it leads to this endpoint and ssh still runs.
    #[must_use]
    pub fn serves(&self, endpoint: &SshEndpoint) -> bool {
        self.endpoint == *endpoint && !self.said.lines().ended
    }

    /// Why requests over it may fail: what ssh wrote last, and whether it has ended.
    #[must_use]
    pub fn explain(&self) -> Option<String> {
        let ended = self.said.lines().ended;
        let text = self.said.text();
        let last = text.lines().last().map(str::to_owned);
        match (ended, last) {
            (true, Some(last)) => Some(format!("the SSH connection has ended: {last}")),
            (true, None) => Some("the SSH connection has ended".to_owned()),
            (false, last) => last.map(|last| format!("ssh says: {last}")),
        }
    }

    fn refusal(&self) -> EngineError {
        refusal(&self.endpoint, &self.said.text())
    }

    /// Asks the host itself why its engine's socket does not answer.
    pub async fn diagnose(&self) -> Option<String> {
        let socket = self.endpoint.socket.display().to_string();
        let host = address(&self.endpoint);
        let said = self.said.text();
        if said.contains("administratively prohibited") {
            return Some(format!(
                "{host}: its SSH server does not forward sockets; \
                 set \"AllowStreamLocalForwarding yes\" in its sshd_config"
            ));
        }
        let quoted = socket.replace('\'', r"'\''");
        let question = format!(
            "if [ ! -e '{quoted}' ]; then echo qd-absent; \
             elif [ ! -r '{quoted}' ] || [ ! -w '{quoted}' ]; then echo qd-forbidden; \
             else echo qd-there; fi"
        );
        let mut arguments = options(&self.endpoint);
        arguments.extend(destination(&self.endpoint));
        arguments.push(question.into());
        let mut child = spawn(&arguments).ok()?;
        let output = child.stdout.take()?;
        let mut text = String::new();
        let mut limited = output.take(4096);
        let read = timeout(DIAGNOSIS_WAIT, limited.read_to_string(&mut text)).await;
        read.ok()?.ok()?;
        if text.contains("qd-absent") {
            Some(format!(
                "{host}: there is no {socket}; is Docker installed and running there?"
            ))
        } else if text.contains("qd-forbidden") {
            Some(format!(
                "{host}: the user that logs in may not use {socket}; \
                 add it to the group docker there (usermod -aG docker USER)"
            ))
        } else if text.contains("qd-there") {
            Some(format!(
                "{host}: {socket} is there, but no engine answers on it; is dockerd running?"
            ))
        } else {
            None
        }
    }
}

/// Options of every ssh we run. What could ask a person, take part of another connection, or
/// outlive us is switched off.
fn options(endpoint: &SshEndpoint) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-T", "-x", "-a"].map(Into::into).to_vec();
    let mut option = |text: String| arguments.extend(["-o".into(), text.into()]);
    for fixed in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ExitOnForwardFailure=yes",
        "StreamLocalBindUnlink=yes",
        "StreamLocalBindMask=0177",
        "ControlMaster=no",
        "ControlPath=none",
        "LogLevel=INFO",
    ] {
        option(fixed.to_owned());
    }
    if let Some(known_hosts) = &endpoint.known_hosts {
        option(format!("UserKnownHostsFile={}", quoted(known_hosts)));
    }
    if let Some(key) = &endpoint.key {
        option(format!("IdentityFile={}", quoted(key)));
        option("IdentitiesOnly=yes".to_owned());
    }
    if let Some(port) = endpoint.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = &endpoint.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    arguments
}

/// A path as ssh's options take it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

fn destination(endpoint: &SshEndpoint) -> [OsString; 2] {
    ["--".into(), endpoint.host.clone().into()]
}

fn spawn(arguments: &[OsString]) -> EngineResult<Child> {
    Command::new("/bin/sh")
        .args(["-c", GUARD, "sh", "ssh"])
        .args(arguments)
        // It runs the command by which ssh says that it is ready.
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C at our terminal is not meant for it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| EngineError::Refused(format!("/bin/sh cannot be run: {error}")))
}

/// Waits until ssh is connected; false if it ended before.
async fn ready(output: impl AsyncRead + Unpin) -> bool {
    let mut lines = BufReader::new(output.take(64 * 1024)).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.trim() == READY {
            return true;
        }
    }
    false
}

/// Keeps what ssh writes, and notes its end. Holds the child: when this is dropped, it goes.
async fn watch(mut child: Child, errors: impl AsyncRead + Unpin, said: std::sync::Arc<Said>) {
    let mut reader = BufReader::new(errors);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(STDERR_LINE_BYTES as u64);
        match bounded.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                if !text.is_empty() {
                    said.say(text);
                }
            }
        }
    }
    // Its outputs are closed, so its end is near.
    if let Err(error) = child.wait().await {
        tracing::debug!(%error, "the end of an ssh client was not seen");
    }
    said.lines().ended = true;
}

/// `HOST` or `HOST:PORT`, for messages.
fn address(endpoint: &SshEndpoint) -> String {
    crate::config::Endpoint::Ssh(endpoint.clone()).to_string()
}

/// What a person would type to log in there.
fn by_hand(endpoint: &SshEndpoint) -> String {
    let mut text = "ssh".to_owned();
    if let Some(port) = endpoint.port {
        text.push_str(&format!(" -p {port}"));
    }
    if let Some(key) = &endpoint.key {
        text.push_str(&format!(" -i {}", key.display()));
    }
    if let Some(file) = &endpoint.known_hosts {
        text.push_str(&format!(" -o UserKnownHostsFile={}", file.display()));
    }
    match &endpoint.user {
        Some(user) => text.push_str(&format!(" {user}@{}", endpoint.host)),
        None => text.push_str(&format!(" {}", endpoint.host)),
    }
    text
}

/// What to say, and to do, about an ssh that ended before it was connected.
fn refusal(endpoint: &SshEndpoint, said: &str) -> EngineError {
    let (host, hand) = (address(endpoint), by_hand(endpoint));
    let last = said.lines().last().unwrap_or("ssh ended without a word");
    let has = |text: &str| said.contains(text);
    if has("ssh: not found") || has("ssh: command not found") {
        return EngineError::Refused(format!(
            "{host}: there is no ssh client on this machine; \
             install OpenSSH's (on Debian: apt install openssh-client)"
        ));
    }
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        let file = endpoint.known_hosts.as_ref();
        let file = file.map_or(String::new(), |file| format!(" -f {}", file.display()));
        let name = match endpoint.port {
            Some(port) if port != 22 => format!("'[{}]:{port}'", endpoint.host),
            _ => endpoint.host.clone(),
        };
        return EngineError::Refused(format!(
            "{host}: the host key has changed, which may mean that someone stands between; \
             if the change is known to be right, run: ssh-keygen -R {name}{file} and then, \
             to check and accept the new key: {hand}"
        ));
    }
    if has("Host key verification failed") || has("host key is known for") {
        return EngineError::Refused(format!(
            "{host}: the host key is not known; to check and accept it, run: {hand}"
        ));
    }
    if has("Permission denied") {
        return EngineError::Refused(format!(
            "{host}: the login was refused ({last}); it must work without a question: \
             try {hand} -o BatchMode=yes true"
        ));
    }
    EngineError::Unreachable(format!("{host}: {last}"))
}

/// A name for a new socket in a folder of ours that nobody else can enter. Where the folder's
/// path is too long for a socket, one under the system's temporary folder takes its place.
pub(super) fn socket_path(folder: &Path) -> std::io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{n}.sock", std::process::id());
    let path = folder.join(&name);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES {
        private_folder(folder)?;
        return Ok(path);
    }
    let folder = std::env::temp_dir().join(format!("qd-ssh-{}", std::process::id()));
    private_folder(&folder)?;
    Ok(folder.join(name))
}

fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        let what = format!("{} is not a folder of this user", folder.display());
        return Err(std::io::Error::other(what));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o700))?;
    }
    Ok(())
}

/// Removes sockets that programs which were killed have left in the folder.
pub fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
        if path.extension().is_some_and(|end| end == "sock")
            && std::os::unix::net::UnixStream::connect(&path).is_err_and(refused)
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::debug!(%error, path = %path.display(), "a stale socket was not removed");
        }
    }
}
