//! Starts what a command needs: a session, the console, the demo.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use color_eyre::eyre::WrapErr as _;

use super::args::Global;
use super::error::{CliError, CliResult};
use super::session::{End, Session};
use super::{out, remote, trace};
use crate::agent::{Clock as _, SystemClock, Tuning};
use crate::client::{self, Carried, Client, LocalClient, OpenError, OpenOptions, Succession};
use crate::config::{Salvage, Settings};
use crate::controller::{ControlPlane, Start, StartError, start};
use crate::docker::Connector;
use crate::docker::connector::RealConnector;
use crate::document::{Fault, Faults};
use crate::model::snapshot::Holder;
use crate::model::{AccessRole, Surface};
use crate::sim::demo::Crowd;
use crate::sim::{Fleet, demo};
use crate::store::{MemoryStore, folder, lock};
use crate::tui::{self, ClusterView, ConsoleSettings, TuiOptions};

/// The seed of the demo's fleet and of its decisions.
const DEMO_SEED: u64 = 7;

pub(super) fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::Failed(error.to_string())
}

/// Why there is no control plane to use: bad input where the configuration is at fault.
pub(super) fn not_opened(error: OpenError) -> CliError {
    match error {
        OpenError::Start(StartError::Orphaned(orphaned)) => CliError::Usage(orphaned.to_string()),
        other => failed(other),
    }
}

/// Where in the state folder it is kept how the console looked when it was left.
const VIEW_FILE: &str = "console.json";

pub(super) fn state_dir(global: &Global) -> CliResult<PathBuf> {
    folder::resolve(global.state.clone()).map_err(|error| CliError::Usage(error.to_string()))
}

/// Where private sockets go: the user's runtime folder, whose paths are short, else the state
/// folder.
fn runtime_dir(state: &Path) -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && path.is_dir())
        .map_or_else(|| state.join("run"), |path| path.join("quarterdeck"))
}

pub(super) fn options(dir: PathBuf, settings: Settings, role: &str) -> OpenOptions {
    OpenOptions {
        settings,
        state_dir: dir,
        role: role.to_owned(),
        serve: role == "serve",
        connector: Box::new(|state| Arc::new(RealConnector::new(runtime_dir(state)))),
        tuning: Tuning::default(),
    }
}

/// A line to the control plane: a running one's, else one carried for this command.
///
/// # Errors
/// [`CliError::Failed`] when there is none to be had, with who holds the state folder.
pub async fn session(global: &Global, settings: Settings, role: &str) -> CliResult<Session> {
    if let Some(server) = remote::server(global, settings.remote.as_ref())? {
        let client = remote::attach(&server, Surface::CommandLine).await?;
        return Ok(Session::over(client, global, None));
    }
    let dir = state_dir(global)?;
    let opened = client::open(options(dir, settings, role))
        .await
        .map_err(not_opened)?;
    let end = opened.plane.map(stop);
    Ok(Session::over(opened.client, global, end))
}

/// A line to a control plane that runs, where the config has faults: nothing is carried by it, and
/// what is wrong with it is said.
///
/// # Errors
/// The faults, when no control plane that it leads to answers.
pub async fn salvaged(global: &Global, found: Salvage<ConsoleSettings>) -> CliResult<Session> {
    match attach_by(global, &found, Surface::CommandLine).await? {
        Some(client) => {
            out::note(format!("qd: warning: {}", faulty(&found.faults)));
            Ok(Session::over(client, global, None))
        }
        None => Err(CliError::Faults(found.faults)),
    }
}

/// Attaches as far as a config with faults, the flags and the folders say where. What stands in the
/// way of that is told beside what is wrong with the config: either may be what has to be mended.
async fn attach_by(
    global: &Global,
    found: &Salvage<ConsoleSettings>,
    surface: Surface,
) -> CliResult<Option<Arc<dyn Client>>> {
    let far = async {
        match remote::server(global, found.remote.as_ref())? {
            Some(server) => remote::attach(&server, surface).await.map(Some),
            None => Ok(None),
        }
    };
    let far = far.await.inspect_err(|_| {
        let first = headline(&found.faults);
        out::note(format!("qd: warning: {first}; qd config check tells all"));
    })?;
    if far.is_some() || (found.may_be_remote && global.state.is_none()) {
        return Ok(far);
    }
    let Some(dir) = folder::find(global.state.clone()) else {
        return Ok(None);
    };
    let near = client::attach(&dir, surface).await;
    Ok(near.unwrap_or_else(|error| {
        out::note(format!(
            "qd: warning: a control plane listens in {}, but cannot be attached to: {}",
            dir.display(),
            error.why()
        ));
        None
    }))
}

/// The first of the faults, and how many more there are.
fn headline(faults: &Faults) -> String {
    let first = faults.0.first().map(Fault::headline);
    let more = match faults.0.len().saturating_sub(1) {
        0 => String::new(),
        1 => ", and 1 more fault".to_owned(),
        more => format!(", and {more} more faults"),
    };
    format!("the config has faults: {}{more}", first.unwrap_or_default())
}

/// What is said of a config with faults beside a control plane that runs.
fn faulty(faults: &Faults) -> String {
    format!(
        "{}. The control plane that runs goes by what it read before; qd config check tells all",
        headline(faults)
    )
}

/// What can be had of the console's settings. Where it cannot be told whether it is to be read-only,
/// it is, and that is said.
fn salvaged_settings(found: &Salvage<ConsoleSettings>) -> (ConsoleSettings, &'static str) {
    let lost = !found.more_is_whole && !found.more.read_only;
    let settings = ConsoleSettings {
        read_only: found.more.read_only || lost,
        ..found.more.clone()
    };
    let said = match lost {
        true => "This console is read-only, because what the config says of that cannot be read. ",
        false => "",
    };
    (settings, said)
}

/// Ends a control plane that this process carries; that it could not is told.
fn stop(carried: Carried) -> End {
    Box::pin(async move {
        if let Err(error) = carried.stop().await {
            out::note(format!("qd: {error}"));
        }
    })
}

/// What opens engines, for a command that needs no control plane.
///
/// # Errors
/// [`CliError::Failed`] when there is no folder for its private sockets.
pub fn connector(global: &Global) -> CliResult<Arc<dyn Connector>> {
    let dir = state_dir(global)?;
    Ok(Arc::new(RealConnector::new(runtime_dir(&dir))))
}

fn screen(global: &Global, clusters: ClusterView, console: &ConsoleSettings) -> TuiOptions {
    let options = TuiOptions::new(clusters, console);
    TuiOptions {
        read_only: options.read_only || global.read_only,
        ..options
    }
}

/// The cluster that was asked for, or all of them.
fn clusters(global: &Global, client: &dyn Client) -> CliResult<ClusterView> {
    let Some(name) = &global.cluster else {
        return Ok(ClusterView::All);
    };
    let snapshot = client.snapshots().borrow().clone();
    super::resolve::cluster(&snapshot.state, name).map(ClusterView::One)
}

/// The console: attached to a running control plane, else carrying it; also from then on when
/// another console that it was attached to ends. A server is waited for.
///
/// # Errors
/// When there is no control plane to be had, or the console broke down.
pub async fn console(global: &Global) -> Result<(), super::Ended> {
    let (settings, console) = match super::found(global) {
        Ok(whole) => whole,
        Err(found) => return salvaged_console(global, *found).await,
    };
    let dir = state_dir(global)?;
    trace::to_file(&dir, global.verbose)
        .map_err(|error| failed(format!("the log in {}: {error}", dir.display())))?;
    let view = console.restore.unwrap_or(true).then(|| dir.join(VIEW_FILE));
    if let Some(server) = remote::server(global, settings.remote.as_ref())? {
        let client = remote::attach(&server, Surface::Console).await?;
        return attached_console(global, client, &console, view, None).await;
    }
    let again = move || options(dir.clone(), settings.clone(), "console");
    let opened = client::open(again()).await.map_err(not_opened)?;
    // Another console that carries it may end while this one stays open: then this one carries it.
    let looks_on = global.read_only || console.read_only;
    let succession = Succession::over(opened, looks_on, again);
    let client = succession.client();
    let done = match clusters(global, client.as_ref()) {
        Ok(clusters) => {
            let options = TuiOptions {
                view,
                ..screen(global, clusters, &console)
            };
            let done = tui::run(client, options).await;
            done.map_err(super::Ended::Broken)
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = succession.close().await {
        out::note(format!("qd: {error}"));
    }
    done
}

/// The console over a control plane that runs, where the config has faults.
async fn salvaged_console(
    global: &Global,
    found: Salvage<ConsoleSettings>,
) -> Result<(), super::Ended> {
    if let Some(dir) = folder::find(global.state.clone())
        && let Err(error) = trace::to_file(&dir, global.verbose)
    {
        out::note(format!("qd: the log in {}: {error}", dir.display()));
    }
    let Some(client) = attach_by(global, &found, Surface::Console).await? else {
        return Err(CliError::Faults(found.faults).into());
    };
    let (settings, said) = salvaged_settings(&found);
    let warning = faulty(&found.faults);
    out::note(format!("qd: warning: {warning}"));
    let notice = format!("{warning}. {said}This console does not carry it on when it ends.");
    attached_console(global, client, &settings, None, Some(notice)).await
}

/// The console over a control plane which it never carries: when that one is away, what was last
/// seen is shown until it is back.
async fn attached_console(
    global: &Global,
    client: Arc<dyn Client>,
    console: &ConsoleSettings,
    view: Option<PathBuf>,
    notice: Option<String>,
) -> Result<(), super::Ended> {
    let me = client.whoami().await?;
    let clusters = clusters(global, client.as_ref())?;
    let options = screen(global, clusters, console);
    let options = TuiOptions {
        view,
        notice,
        // What a viewer may not do is not offered.
        read_only: options.read_only || me.role == AccessRole::Viewer,
        ..options
    };
    let done = tui::run(client, options).await;
    done.map_err(super::Ended::Broken)
}

/// A control plane over the simulated fleet, with nothing stored.
async fn simulated(
    fleet: &Fleet,
    settings: Settings,
    tuning: Tuning,
) -> color_eyre::Result<(ControlPlane, LocalClient)> {
    let clock = SystemClock;
    let plane = start(Start {
        settings,
        store: Box::new(MemoryStore::new()),
        last_alive: None,
        connector: Arc::new(fleet.clone()),
        clock: Arc::new(clock),
        seed: Some(DEMO_SEED),
        holder: Holder {
            role: "demo".to_owned(),
            pid: std::process::id(),
            user: lock::user(),
            since: clock.now(),
            simulated: true,
        },
        tuning,
    })
    .await?;
    let client = LocalClient::new(plane.handle.clone(), client::operator(Surface::Console));
    Ok((plane, client))
}

/// The console over the simulated fleet.
///
/// # Errors
/// When the configuration has faults, it cannot start, or the console broke down.
pub async fn demo_console(global: &Global, crowd: Option<Crowd>) -> Result<(), super::Ended> {
    let console = super::console_settings(global)?;
    let loaded = async {
        let now = SystemClock.now();
        let (fleet, settings, commands) = match crowd {
            Some(crowd) => (
                crowd.fleet(DEMO_SEED, now)?,
                crowd.settings()?,
                crowd.commands()?,
            ),
            None => (
                demo::world::fleet(DEMO_SEED, now)?,
                demo::world::settings()?,
                demo::world::commands()?,
            ),
        };
        // The shop notices a lost instance sooner than real fleets do; a crowd is as they are.
        let tuning = crowd.map_or_else(demo::tuning, |_| Tuning::default());
        let (plane, client) = simulated(&fleet, settings, tuning).await?;
        demo::load(&client, commands).await?;
        Ok((plane, client))
    };
    let (plane, client) = loaded.await.map_err(super::Ended::Broken)?;
    let done = match clusters(global, &client) {
        Ok(clusters) => {
            let options = TuiOptions {
                simulated: true,
                ..screen(global, clusters, &console)
            };
            let shown = tui::run(Arc::new(client), options).await;
            shown.map_err(super::Ended::Broken)
        }
        Err(error) => Err(error.into()),
    };
    let stopped = plane.stop().await.wrap_err("the simulated fleet");
    stopped.map_err(super::Ended::Broken)?;
    done
}

/// The simulated fleet's scripted voyage, for a reader that is no terminal.
///
/// # Errors
/// When something does not come about in its time.
pub async fn demo_voyage(crowd: Option<Crowd>) -> CliResult {
    if crowd.is_some() {
        let words = "--instances and --tasks are for the console: run qd demo on a terminal";
        return Err(CliError::Usage(words.to_owned()));
    }
    let fleet = demo::fleet(DEMO_SEED, SystemClock.now()).map_err(failed)?;
    let settings = demo::settings().map_err(failed)?;
    let begun = simulated(&fleet, settings, demo::tuning()).await;
    let (plane, client) = begun.map_err(failed)?;
    let sailed = demo::voyage(Arc::new(client), fleet, &mut std::io::stdout()).await;
    let stopped = plane.stop().await;
    match sailed {
        Ok(()) => stopped.map_err(failed),
        Err(demo::VoyageError::Print(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Pipe)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Lookup, load_or_salvage};

    /// Whether the console over such a config with faults is read-only, and whether it says why.
    fn salvaged(text: &str) -> (bool, bool) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quarterdeck.toml");
        std::fs::write(&file, text).unwrap();
        let lookup = Lookup {
            flag: Some(file),
            ..Lookup::default()
        };
        let found = load_or_salvage(&lookup, ConsoleSettings::read).unwrap_err();
        let (settings, said) = salvaged_settings(&found);
        (settings.read_only, !said.is_empty())
    }

    #[test]
    fn a_console_whose_config_has_faults_is_read_only_unless_it_is_told_that_it_is_not() {
        const FAULT: &str = "[[instance]]\nzone = 7\n";
        let many = FAULT.repeat(120);
        for (text, expected) in [
            // What is wrong is elsewhere.
            (
                format!("[console]\nread_only = true\n{FAULT}"),
                (true, false),
            ),
            (
                format!("[console]\nread_only = false\n{FAULT}"),
                (false, false),
            ),
            (format!("[console]\nmouse = false\n{FAULT}"), (false, false)),
            (FAULT.to_owned(), (false, false)),
            // The table has faults, also more than are told.
            ("[console]\nread_only = \"yes\"\n".to_owned(), (true, true)),
            ("[console]\nreadonly = true\n".to_owned(), (true, true)),
            ("[console]\ncolours = 17\n".to_owned(), (true, true)),
            ("console = true\n".to_owned(), (true, true)),
            (format!("{many}[console]\nreadonly = true\n"), (true, true)),
            // It is misspelt, or its own line is lost.
            ("[consol]\nread_only = false\n".to_owned(), (true, true)),
            (format!("{FAULT}read_only = true\n"), (true, false)),
            ("read_only = true\n".to_owned(), (true, false)),
            // It is no TOML.
            (
                "[console]\nread_only = true\n[[inst".to_owned(),
                (true, true),
            ),
            (
                "[console]\nread_only = false\nread_only = true\n".to_owned(),
                (true, true),
            ),
        ] {
            assert_eq!(salvaged(&text), expected, "{text}");
        }
    }
}
