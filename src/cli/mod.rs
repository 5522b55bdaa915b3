//! The command line: what was typed → a command or a question → a table or JSON.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or bad input. `exec` passes on the program's own.

pub mod apply;
pub mod args;
mod cluster;
pub mod error;
mod exec;
mod explain;
pub mod follow;
mod health;
mod history;
mod instance;
mod notify;
pub mod out;
mod reasons;
mod remote;
pub mod resolve;
mod run;
mod schedule;
mod serve;
mod service;
pub mod session;
pub mod sim;
mod start;
mod stats;
mod status;
mod stream;
mod sure;
mod task;
mod taskdef;
#[cfg(test)]
mod tests;
pub mod time;
mod trace;
pub mod wait;

use clap::{CommandFactory as _, Parser as _};

use crate::config::{self, Endpoint, Lookup, Salvage, Settings};
use args::{Arguments, ConfigVerb, Global, InstanceVerb, Output, ServiceVerb, Verb};
use error::{CliError, CliResult};
use session::Session;

use crate::tui::ConsoleSettings;

/// Runs the program and gives its exit code. User errors are printed in plain words on standard
/// error.
///
/// # Errors
/// What is not the user's to mend: a runtime that does not start, a console that broke down.
pub fn main() -> color_eyre::Result<u8> {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no failure. A reader that went
            // away is none either.
            let _ = error.print();
            if let Some(meant) = meant_elsewhere(&error) {
                out::note(format!("did you mean {meant}?"));
            }
            return Ok(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Some(Verb::Sim(asked)) = &arguments.command {
        // It brings its own event loops, whose clocks are wound on by hand.
        return Ok(match sim::run(asked, arguments.global.output) {
            Ok(()) => 0,
            Err(error) => tell(&error),
        });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(run(arguments));
    // Whatever still blocks a thread, a read of standard input say, holds nothing up.
    runtime.shutdown_background();
    match ended {
        Ok(()) => Ok(0),
        Err(Ended::Broken(report)) => Err(report),
        Err(Ended::Cli(error)) => Ok(tell(&error)),
    }
}

/// The commands in which an unknown one is known: `qd scale` is `qd service scale`.
fn meant_elsewhere(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let Some(ContextValue::String(asked)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let all = Arguments::command();
    let meant = all.get_subcommands().filter(|group| {
        let mut within = group.get_subcommands();
        within.any(|it| it.get_name() == asked)
    });
    let meant: Vec<String> = meant
        .map(|group| format!("qd {} {asked}", group.get_name()))
        .collect();
    (!meant.is_empty()).then(|| meant.join(" or "))
}

/// Tells how a command ended, and gives the exit code for it.
fn tell(error: &CliError) -> u8 {
    match error {
        quiet if quiet.is_quiet() => {}
        // Faults begin with FILE:LINE:COLUMN, which editors jump to.
        CliError::Faults(faults) => out::note(faults.to_string()),
        error => out::note(format!("qd: {error}")),
    }
    error.code()
}

/// How the program ended when not well: in a way that is told in plain words, or broken.
enum Ended {
    Cli(CliError),
    Broken(color_eyre::Report),
}

impl<E: Into<CliError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Cli(error.into())
    }
}

async fn run(arguments: Arguments) -> Result<(), Ended> {
    let global = arguments.global;
    let Some(verb) = arguments.command else {
        if out::on_terminal() && out::can_ask() {
            return start::console(&global).await;
        }
        trace::to_stderr(global.verbose);
        return Ok(with_session(&global, &Verb::Status(args::AsOf::default())).await?);
    };
    match &verb {
        Verb::Demo(demo) if out::on_terminal() && out::can_ask() => {
            return start::demo_console(&global, demo.crowd()).await;
        }
        Verb::Serve(asked) => trace::server(global.verbose, asked.log_format),
        _ => trace::to_stderr(global.verbose),
    }
    match &verb {
        Verb::Demo(demo) => start::demo_voyage(demo.crowd()).await?,
        Verb::Serve(_) => {
            remote::none(&global, "serve")?;
            serve::serve(&global).await?;
        }
        Verb::Config(ConfigVerb::Check) => check_config(&global)?,
        Verb::Completions { shell } => completions(*shell)?,
        Verb::Instance(InstanceVerb::Check { names }) => {
            let settings = settings(&global)?;
            let connector = start::connector(&global)?;
            instance::check(&settings, names, connector, global.output).await?;
        }
        verb => with_session(&global, verb).await?,
    }
    Ok(())
}

/// The validated configuration.
fn settings(global: &Global) -> CliResult<Settings> {
    Ok(settings_and_console(global)?.0)
}

/// The validated configuration, with the console's part of it.
fn settings_and_console(global: &Global) -> CliResult<(Settings, ConsoleSettings)> {
    Ok(found(global).map_err(|found| found.faults)?)
}

/// The same, or what can be had of it to attach by.
fn found(global: &Global) -> Result<(Settings, ConsoleSettings), Box<Salvage<ConsoleSettings>>> {
    let lookup = Lookup::from_environment(global.config.clone());
    config::load_or_salvage(&lookup, ConsoleSettings::read)
}

/// The console's part of the config file, for a fleet that needs nothing else of it: where there
/// is no file, what `DOCKER_HOST` says does not matter.
fn console_settings(global: &Global) -> CliResult<ConsoleSettings> {
    let lookup = Lookup::from_environment(global.config.clone());
    if lookup.find().is_none() {
        return Ok(ConsoleSettings::default());
    }
    Ok(settings_and_console(global)?.1)
}

/// Runs a command that talks to the control plane.
async fn with_session(global: &Global, verb: &Verb) -> CliResult {
    // Files are read first: what is wrong with them needs no control plane to tell.
    let items = match verb {
        Verb::Apply(asked) => apply::read::files(&asked.files)?,
        Verb::Plan(asked) => apply::read::files(&asked.files)?,
        _ => Vec::new(),
    };
    let session = match found(global) {
        Ok((settings, _)) => start::session(global, settings, role(verb)).await?,
        Err(found) => start::salvaged(global, *found).await?,
    };
    let done = tokio::select! {
        done = dispatch(&session, verb, &items, global.output) => done,
        () = interrupted() => Err(CliError::Failed("interrupted".into())),
    };
    session.close().await;
    done
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the signal ends the process all by itself.
        std::future::pending::<()>().await;
    }
}

async fn dispatch(
    session: &Session,
    verb: &Verb,
    items: &[apply::read::Item],
    output: Output,
) -> CliResult {
    match verb {
        Verb::Apply(asked) => apply::apply(session, items, asked, output).await,
        Verb::Plan(asked) => apply::plan(session, items, asked, output).await,
        Verb::Run(asked) => run::run_once(session, asked, output).await,
        Verb::Service(verb) => service::run(session, verb, output).await,
        Verb::Schedule(verb) => schedule::run(session, verb, output).await,
        Verb::Task(verb) => task::run(session, verb, output).await,
        Verb::Instance(verb) => instance::run(session, verb, output).await,
        Verb::Taskdef(verb) => taskdef::run(session, verb, output).await,
        Verb::Cluster(verb) => cluster::run(session, verb, output).await,
        Verb::Logs(asked) => stream::logs(session, asked, output).await,
        Verb::Exec(asked) => exec::exec(session, asked).await,
        Verb::Explain(target) => explain::explain(session, &target.target, output).await,
        Verb::Stats(asked) => stats::stats(session, asked, output).await,
        Verb::Events(asked) => stream::events(session, asked, output).await,
        Verb::History(asked) => history::run(session, asked, output).await,
        Verb::Status(of) => status::run(session, of, output).await,
        Verb::Demo(_)
        | Verb::Sim(_)
        | Verb::Serve(_)
        | Verb::Config(_)
        | Verb::Completions { .. } => Ok(()),
    }
}

/// What a process that carries the control plane for this command calls itself.
fn role(verb: &Verb) -> &'static str {
    match verb {
        Verb::Apply(_) => "apply",
        Verb::Plan(_) => "plan",
        Verb::Run(_) => "run",
        Verb::Service(ServiceVerb::Ls(_) | ServiceVerb::Show(_)) | Verb::Status(_) => "status",
        Verb::Service(_) => "service",
        Verb::Schedule(_) => "schedule",
        Verb::Task(_) => "task",
        Verb::Instance(_) => "instance",
        Verb::Taskdef(_) => "taskdef",
        Verb::Cluster(_) => "cluster",
        Verb::Logs(_) => "logs",
        Verb::Exec(_) => "exec",
        Verb::Explain(_) => "explain",
        Verb::Events(_) => "events",
        Verb::History(_) => "history",
        Verb::Stats(_) => "stats",
        Verb::Demo(_) => "demo",
        Verb::Sim(_) => "sim",
        Verb::Serve(_) => "serve",
        Verb::Config(_) | Verb::Completions { .. } => "check",
    }
}

/// `qd config check`.
fn check_config(global: &Global) -> CliResult {
    let settings = settings(global)?;
    if global.output == Output::Json {
        let instances: Vec<_> = settings
            .instances
            .iter()
            .map(|it| {
                serde_json::json!({
                    "name": it.name, "cluster": it.cluster,
                    "endpoint": it.endpoint.to_string(),
                    "availabilityZone": it.availability_zone,
                })
            })
            .collect();
        let clusters: Vec<_> = settings
            .clusters
            .iter()
            .map(|it| serde_json::json!({"name": it.name, "region": it.partition.region}))
            .collect();
        // Names only: where a secret comes from is nobody else's to know.
        let secrets: Vec<_> = settings.secrets.iter().map(|it| &it.name).collect();
        return out::json(&serde_json::json!({
            "source": settings.source, "clusters": clusters, "instances": instances,
            "roles": settings.roles, "secrets": secrets, "warnings": settings.warnings(),
        }));
    }
    let source = match &settings.source {
        Some(path) => format!("{} is valid", path.display()),
        None => "no config file is found, so the local engine is all there is".to_owned(),
    };
    out::line(format!(
        "{source}: {}, {}",
        out::count(settings.clusters.len(), "cluster"),
        out::count(settings.instances.len(), "instance")
    ))?;
    for warning in settings.warnings() {
        out::note(format!("warning: {warning}"));
    }
    let mut table = out::Table::new(&["INSTANCE", "CLUSTER", "ZONE", "ENDPOINT"]);
    for it in &settings.instances {
        let plain = matches!(it.endpoint, Endpoint::Tcp { tls: None, .. });
        let warning = if plain { " (without TLS)" } else { "" };
        table.row([
            it.name.to_string(),
            it.cluster.to_string(),
            it.availability_zone.clone(),
            format!("{}{warning}", it.endpoint),
        ]);
    }
    table.print("it names no instance, so no task can be placed")
}

/// `qd completions SHELL`.
fn completions(shell: clap_complete::Shell) -> CliResult {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "qd", &mut script);
    out::raw(&script)
}
