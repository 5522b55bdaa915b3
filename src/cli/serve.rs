//! `qd serve`: the control plane without a screen, to be relied on. It tells a service manager
//! how it stands, reads its configuration anew on SIGHUP, and ends on SIGTERM and SIGINT with
//! containers running on.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use super::args::Global;
use super::error::{CliError, CliResult};
use super::notify::{self, Notifier};
use super::start::{failed, not_opened, options, state_dir};
use super::{out, remote};
use crate::client::{self, Carried, OpenError, RemoteClient};
use crate::config::Settings;
use crate::controller::ReloadRefusal;
use crate::model::{RolloutState, ServiceStatus, Snapshot, Surface};

/// How often `serve` asks again for a folder that a short command holds just now.
const ATTEMPTS_MAX: u32 = 400;
/// Wait between two such attempts: shorter than what a script needs to start its next command, for
/// a server that always comes second would never come up.
const ATTEMPT_GAP: Duration = Duration::from_millis(50);
/// How long its own socket may take to answer at the start.
const ANSWER_MOST: Duration = Duration::from_secs(10);
/// How long a clean end may take; after that it ends at once, as if killed.
const STOP_MOST: Duration = Duration::from_secs(20);
/// A service manager is told how it stands at most this often.
const STATUS_GAP: Duration = Duration::from_secs(5);

/// The control plane without a screen, until it is told to end.
///
/// # Errors
/// When it cannot start or has to end.
pub async fn serve(global: &Global) -> CliResult {
    // First of all, so that no signal from here on ends the process half-way.
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let serving = Serving {
        global,
        notifier: Notifier::from_environment().map_err(failed)?,
        hangups: signal(SignalKind::hangup()).map_err(failed)?,
        stop: stop.clone(),
        terminal: std::io::stderr().is_terminal(),
    };
    tokio::select! {
        ended = serving.run() => ended,
        why = signals.force(&stop) => {
            error!(why, "ended at once, as if killed; containers go on running");
            Err(failed(format!("ended at once, as if killed: {why}")))
        }
    }
}

/// What asks for the end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> CliResult<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Asks for a clean end at the first signal. Resolves when there is to be no more patience
    /// with it: at a second one, or when it takes too long.
    async fn force(&mut self, stop: &CancellationToken) -> &'static str {
        self.next().await;
        stop.cancel();
        tokio::select! {
            () = self.next() => "asked for a second time",
            () = sleep(STOP_MOST) => "a clean end took too long",
        }
    }
}

struct Serving<'a> {
    global: &'a Global,
    notifier: Notifier,
    hangups: Signal,
    /// Cancelled when it is to end.
    stop: CancellationToken,
    /// Whether it was started on a terminal.
    terminal: bool,
}

impl Serving<'_> {
    async fn run(mut self) -> CliResult {
        let settings = super::settings(self.global)?;
        let dir = state_dir(self.global)?;
        let stop = self.stop.clone();
        let mut carried = tokio::select! {
            carried = carry(&dir, &settings) => carried?,
            () = stop.cancelled() => return Ok(()),
        };
        answers(carried.socket()).await?;
        let snapshots = carried.handle().snapshots();
        let mut said = status(&snapshots.borrow());
        info!(
            socket = %carried.socket().display(),
            instances = settings.instances.len(),
            config = %source(&settings),
            "the control plane is up"
        );
        self.notifier.ready(&said);
        let _watchdog = self.watchdog(&carried)?;
        let mut looks = interval_at(Instant::now() + STATUS_GAP, STATUS_GAP);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                ended = carried.ended() => break Some(ended),
                Some(()) = self.hangups.recv() => {
                    if self.terminal && !std::io::stderr().is_terminal() {
                        info!("its terminal is gone");
                        break None;
                    }
                    self.notifier.reloading();
                    // It was told and written down; the control plane goes on as it was.
                    let _ = reload(self.global, &mut carried).await;
                    said = status(&snapshots.borrow());
                    self.notifier.ready(&said);
                }
                _ = looks.tick() => {
                    let now = status(&snapshots.borrow());
                    if now != said {
                        self.notifier.status(&now);
                        said = now;
                    }
                }
            }
        };
        self.notifier.stopping();
        if let Some(Err(error)) = ended {
            return Err(failed(error));
        }
        info!("ending; containers go on running");
        carried.stop().await.map_err(failed)
    }

    /// Signs of life for the manager, as long as the driver makes decisions.
    fn watchdog(&self, carried: &Carried) -> CliResult<Option<AbortOnDropHandle<()>>> {
        let Some(period) = notify::watchdog_period() else {
            return Ok(None);
        };
        let handle = carried.handle().clone();
        let notifier = Notifier::from_environment().map_err(failed)?;
        let watch = async move {
            let probe = || {
                let handle = handle.clone();
                async move { handle.probe().await }
            };
            let gone = notify::watch(period, probe, || notifier.alive()).await;
            warn!(%gone, "no more signs of life");
        };
        Ok(Some(AbortOnDropHandle::new(tokio::spawn(watch))))
    }
}

/// Takes the state folder for a server. A short command that holds it just now is waited for.
async fn carry(dir: &Path, settings: &Settings) -> CliResult<Carried> {
    if settings.remote.is_some() {
        return Err(CliError::Usage(remote::ELSEWHERE.to_owned()));
    }
    let mut attempt = 1;
    let mut waited_for = None;
    loop {
        let asked = options(dir.to_owned(), settings.clone(), "serve");
        match client::open(asked).await {
            Ok(opened) => {
                return opened
                    .plane
                    .ok_or_else(|| failed("the state folder was opened, and not taken"));
            }
            Err(OpenError::Carried { holder, .. })
                if attempt < ATTEMPTS_MAX
                    && !matches!(holder.role.as_str(), "serve" | "console") =>
            {
                if waited_for != Some(holder.pid) {
                    info!(
                        role = holder.role,
                        pid = holder.pid,
                        "waiting for a command"
                    );
                    waited_for = Some(holder.pid);
                }
            }
            Err(error) => return Err(not_opened(error)),
        }
        attempt += 1;
        sleep(ATTEMPT_GAP).await;
    }
}

/// Holds that the socket answers as it will answer everyone else.
async fn answers(socket: &Path) -> CliResult {
    let asked = RemoteClient::connect(socket, client::operator(Surface::CommandLine));
    match timeout(ANSWER_MOST, asked).await {
        Ok(Ok(_client)) => Ok(()),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(format!(
            "its own socket {} did not answer within {} s",
            socket.display(),
            ANSWER_MOST.as_secs()
        ))),
    }
}

/// Reads the configuration anew and goes by it, or tells why not: then nothing has changed. It is
/// the file that was read at the start, not another one that would be found now.
async fn reload(global: &Global, carried: &mut Carried) -> Result<String, String> {
    let known: Option<PathBuf> = carried.settings().and_then(|it| it.source.clone());
    let same = Global {
        config: known.or_else(|| global.config.clone()),
        ..global.clone()
    };
    let read = match super::settings(&same) {
        Ok(settings) => settings,
        Err(error) => return Err(refuse(carried, error.to_string()).await),
    };
    if read.remote.is_some() {
        return Err(refuse(carried, remote::ELSEWHERE.to_owned()).await);
    }
    // Before anything changes: who was taken out must not stay in because a file is unreadable.
    let prepared = match carried.prepare(&read.listen).await {
        Ok(prepared) => prepared,
        Err(error) => return Err(refuse(carried, error.to_string()).await),
    };
    for warning in read.warnings() {
        warn!(warning, "the configuration");
    }
    let config = source(&read);
    match carried.reload(read).await {
        Ok(difference) => {
            carried.take_up(prepared).await;
            info!(config, %difference, "the configuration was read anew");
            Ok(difference.to_string())
        }
        Err(refusal) => {
            let reason = refusal.to_string();
            tell_refusal(&reason);
            if let ReloadRefusal::Store(_) = refusal {
                // Nor can that be written down.
                out::note(format!("qd: {reason}"));
            }
            Err(reason)
        }
    }
}

/// Tells in the log why the configuration is not gone by, line by line: faults come with the lines
/// of the file that are meant, and are read as `qd config check` shows them.
fn tell_refusal(reason: &str) {
    let lines: Vec<&str> = reason.lines().filter(|it| !it.trim().is_empty()).collect();
    match lines.as_slice() {
        [] | [_] => error!(%reason, "the configuration was not read anew; nothing has changed"),
        lines => {
            error!("the configuration was not read anew; nothing has changed:");
            for line in lines {
                error!("{line}");
            }
        }
    }
}

/// Tells why the configuration is not gone by, and writes it down.
async fn refuse(carried: &Carried, reason: String) -> String {
    tell_refusal(&reason);
    carried.handle().reload_refused(reason.clone()).await;
    reason
}

fn source(settings: &Settings) -> String {
    let source = settings.source.as_ref();
    source.map_or_else(|| "none".to_owned(), |path| path.display().to_string())
}

/// How it stands, in one line.
fn status(snapshot: &Snapshot) -> String {
    if let Some(outage) = &snapshot.live.outage {
        return format!("NOTHING IS DECIDED: {}", outage.reason);
    }
    let state = &snapshot.state;
    let answer = state.instances.values().filter(|it| it.is_connected());
    let active = |status| status == ServiceStatus::Active;
    let services = || state.services.values().filter(|it| active(it.status));
    let moving = services().filter(|service| {
        let primary = service.primary();
        primary.is_some_and(|it| it.rollout_state == RolloutState::InProgress)
    });
    format!(
        "{} of {} answer; {}, {} deploying; {}",
        answer.count(),
        out::count(state.instances.len(), "instance"),
        out::count(services().count(), "service"),
        moving.count(),
        super::status::running(state, None),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::authority::Authority;
    use tokio::net::{TcpListener, TcpStream};

    /// A server under way, and the file that it goes by.
    struct Rig {
        dir: tempfile::TempDir,
        global: Global,
        carried: Carried,
    }

    const ADA: &str =
        "[[api.operator]]\nname = \"ada\"\ncertificate = \"CN=ada\"\nrole = \"admin\"\n";
    const VIC: &str =
        "[[api.operator]]\nname = \"vic\"\ncertificate = \"CN=vic\"\nrole = \"viewer\"\n";

    impl Rig {
        async fn new(api: &str, metrics: &str, operators: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            drop(Authority::new(dir.path(), "ours").sign("server"));
            let global = Global {
                config: Some(dir.path().join("quarterdeck.toml")),
                state: Some(dir.path().join("state")),
                server: None,
                tls: None,
                cluster: None,
                output: super::super::args::Output::Table,
                read_only: false,
                verbose: 0,
            };
            write(dir.path(), api, metrics, operators);
            let settings = super::super::settings(&global).unwrap();
            let carried = carry(&state_dir(&global).unwrap(), &settings)
                .await
                .unwrap();
            Self {
                dir,
                global,
                carried,
            }
        }

        async fn reload(&mut self) -> Result<String, String> {
            reload(&self.global, &mut self.carried).await
        }

        fn latest(&self) -> String {
            let snapshot = self.carried.handle().snapshot();
            let mut events = snapshot.state.events.iter().rev();
            let of_it = events.find(|it| it.message.starts_with("(configuration"));
            of_it.unwrap().message.clone()
        }
    }

    fn write(dir: &Path, api: &str, metrics: &str, operators: &str) {
        let text = format!(
            "[[instance]]\nname = \"a\"\nendpoint = \"unix:///nowhere/a.sock\"\n\
             [metrics]\nlisten = \"{metrics}\"\n[api]\nlisten = \"{api}\"\n\
             tls = {{ ca = \"ours-ca.pem\", cert = \"server.pem\", key = \"server.key\" }}\n{operators}"
        );
        std::fs::write(dir.join("quarterdeck.toml"), text).unwrap();
    }

    /// An address of this machine that nobody listens at.
    async fn free() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    }

    #[tokio::test]
    async fn a_reload_that_cannot_listen_is_refused_whole_and_everything_goes_on_as_it_was() {
        let (api, metrics) = (free().await, free().await);
        let both = format!("{ADA}{VIC}");
        let mut rig = Rig::new(&api, &metrics, &both).await;
        let before = rig.carried.settings().unwrap().clone();

        // An operator is taken out while a file cannot be used.
        let key = rig.dir.path().join("server.key");
        let secret = std::fs::read(&key).unwrap();
        std::fs::write(&key, "half a k").unwrap();
        write(rig.dir.path(), &api, &metrics, ADA);
        let reason = rig.reload().await.unwrap_err();
        assert!(
            reason.starts_with("[api]: ") && reason.contains("server.key"),
            "{reason}"
        );
        assert!(rig.latest().contains(&reason), "{}", rig.latest());
        assert_eq!(rig.carried.settings().unwrap(), &before);
        std::fs::write(&key, secret).unwrap();

        // An address is somebody else's.
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let theirs = taken.local_addr().unwrap().to_string();
        write(rig.dir.path(), &theirs, &metrics, ADA);
        let reason = rig.reload().await.unwrap_err();
        assert!(
            reason.contains(&format!("[api] listen {theirs}")),
            "{reason}"
        );
        assert!(rig.latest().contains(&reason), "{}", rig.latest());
        assert_eq!(rig.carried.settings().unwrap(), &before);
        for address in [&api, &metrics] {
            TcpStream::connect(address).await.unwrap();
        }

        // It would be carried elsewhere.
        let file = rig.dir.path().join("quarterdeck.toml");
        let text = "[remote]\nserver = \"tcp://127.0.0.1:1\"\n\
                    tls = { ca = \"ours-ca.pem\", cert = \"server.pem\", key = \"server.key\" }\n";
        std::fs::write(&file, text).unwrap();
        assert_eq!(rig.reload().await.unwrap_err(), remote::ELSEWHERE);
        assert!(rig.latest().contains("[remote]"), "{}", rig.latest());

        // With all of it right, who went, who may do more and what moved is told and kept.
        let admin = VIC.replace("viewer", "admin");
        write(rig.dir.path(), &metrics, &api, &admin);
        let told = rig.reload().await.unwrap();
        for words in [
            "operator ada (CN=ada) removed".to_owned(),
            "operator vic (CN=vic) is admin, was viewer".to_owned(),
            format!("[api] listens at {metrics} instead of {api}"),
            format!("[metrics] listens at {api} instead of {metrics}"),
        ] {
            assert!(told.contains(&words), "{told}");
            assert!(rig.latest().contains(&words), "{}", rig.latest());
        }
        rig.carried.stop().await.unwrap();
    }

    #[test]
    fn it_is_told_in_one_line_how_it_stands() {
        let mut snapshot = Snapshot::default();
        assert_eq!(
            status(&snapshot),
            "0 of 0 instances answer; 0 services, 0 deploying; 0 tasks running"
        );
        snapshot.live.outage = Some(crate::model::snapshot::StoreOutage {
            since: crate::model::TimeMs(1),
            reason: "the state store x cannot be written: full".into(),
        });
        assert!(status(&snapshot).starts_with("NOTHING IS DECIDED: the state store x"));
    }
}
