//! The command line's words.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::sim::Sim;
use crate::model::tag::Tag;
use crate::model::task_definition::KeyValue;
use crate::sim::demo::Crowd;

/// Runs services on the Docker hosts you have, as Amazon ECS does, from one console.
#[derive(Debug, Parser)]
#[command(
    name = "qd",
    version,
    about,
    max_term_width = 100,
    infer_long_args = true
)]
pub struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do; the console, or off a terminal the status, where nothing is said.
    #[command(subcommand)]
    pub command: Option<Verb>,
}

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Config file; else $QD_CONFIG, ./quarterdeck.toml, the XDG folder, /etc/quarterdeck
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// State folder; else quarterdeck in the XDG state folder
    #[arg(long, global = true, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Attaches to the control plane of another machine, tcp://HOST[:PORT], and carries none
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Folder with ca.pem, cert.pem and key.pem for --server; else tls under [remote] in the config
    #[arg(long, global = true, value_name = "DIR")]
    pub tls: Option<PathBuf>,
    /// Cluster; else the one called default, and in the console all of them
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Table for people, or JSON in the shape of ECS's Describe* answers
    #[arg(
        long,
        short,
        global = true,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub output: Output,
    /// Console only: nothing can be changed from it
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Tells on standard error what is going on (-vv: in detail)
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// The cluster that a command is about.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.cluster.as_deref().unwrap_or("default")
    }
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Aligned columns.
    Table,
    /// JSON.
    Json,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The console over a simulated fleet; needs no Docker
    Demo(Demo),
    /// The whole control plane in storms over simulated fleets, replayed from seeds; needs no
    /// Docker and touches nothing
    Sim(Sim),
    /// The control plane without a screen, in the foreground
    ///
    /// SIGHUP reads the config anew: instances that came, went or changed, clusters, roles,
    /// secrets. A faulty one, or one that would leave tasks behind, is refused and nothing
    /// changes. What is given here (the state folder, the name of the config file) takes a
    /// restart. SIGTERM and SIGINT end it, and containers go on running; a second one ends it at
    /// once.
    Serve(Serve),
    /// Create or update task definitions and services from files of JSON or TOML
    Apply(Apply),
    /// What apply would do: the difference, where each task would go, and why; or what the loss of
    /// instances would come to
    Plan(Plan),
    /// Run tasks once
    Run(Run),
    /// Services
    #[command(subcommand)]
    Service(ServiceVerb),
    /// Task definitions that run at set times
    #[command(subcommand)]
    Schedule(ScheduleVerb),
    /// Tasks
    #[command(subcommand)]
    Task(TaskVerb),
    /// Container instances
    #[command(subcommand)]
    Instance(InstanceVerb),
    /// Task definitions
    #[command(subcommand)]
    Taskdef(TaskdefVerb),
    /// Clusters
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Logs of a task, or of all tasks of a service or on an instance merged by time
    Logs(Logs),
    /// What tasks use: cpu, memory, network and disk
    Stats(Stats),
    /// Run a program in a task's container
    Exec(Exec),
    /// Why it is where it is, or why it is not running: every instance, every reason, and the
    /// smallest change that would place it
    Explain(Explained),
    /// What happened
    Events(Events),
    /// What happened and who did it, as far back as the change log reaches
    History(HistoryOf),
    /// Instances, services and tasks in short
    Status(AsOf),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Completions for a shell, to be sourced
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Files to apply.
#[derive(Clone, Debug, Args)]
pub struct Files {
    /// ECS's own JSON (the input of register-task-definition and of create-service), or the
    /// same members in TOML; several in one file if wanted; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Waiting for an effect.
#[derive(Clone, Debug, Args)]
pub struct Wait {
    /// Wait until it has settled; exit code 1 with the reason if it does not
    #[arg(long)]
    pub wait: bool,
    /// How long to wait at most, such as 90s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = super::time::duration)]
    pub timeout: std::time::Duration,
}

/// Asking first.
#[derive(Clone, Debug, Args)]
pub struct Sure {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Do not ask, in this cluster that the config marks as protected: there --yes is not enough
    #[arg(long, value_name = "CLUSTER")]
    pub protected: Option<String>,
}

/// `serve`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Serve {
    /// The log on standard error: lines for people, or one JSON object a line. Under systemd
    /// either carries the priorities that the journal knows
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// `demo`.
#[derive(Clone, Copy, Debug, Args)]
pub struct Demo {
    /// A fleet of so many equal instances, instead of the shop
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub instances: Option<u32>,
    /// With so many tasks on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub tasks: Option<u32>,
}

impl Demo {
    /// How large the fleet is to be, where that was said.
    #[must_use]
    pub fn crowd(self) -> Option<Crowd> {
        let (instances, tasks) = (self.instances, self.tasks);
        (instances.is_some() || tasks.is_some()).then(|| Crowd {
            instances: instances.unwrap_or(12),
            tasks: tasks.unwrap_or(instances.unwrap_or(12) * 10),
        })
    }
}

/// `apply`.
#[derive(Clone, Debug, Args)]
pub struct Apply {
    /// ECS's own JSON (the input of register-task-definition and of create-service), or the
    /// same members in TOML; several in one file if wanted; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "plan")]
    pub files: Vec<PathBuf>,
    /// Do what this plan says (`qd plan FILE --output json`), or nothing if the state has moved
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "wait", "dry_run"])]
    pub plan: Option<PathBuf>,
    /// Waiting.
    #[command(flatten)]
    pub wait: Wait,
    /// Asking.
    #[command(flatten)]
    pub sure: Sure,
    /// Only show what it would do
    #[arg(long)]
    pub dry_run: bool,
}

/// `plan`.
#[derive(Clone, Debug, Args)]
pub struct Plan {
    /// What apply would be given; may be left out with --without or --without-zone
    #[arg(value_name = "FILE", required_unless_present_any = ["without", "without_zone"])]
    pub files: Vec<PathBuf>,
    /// What if this instance were lost; may be given more than once. Exit code 1 if a task would
    /// then find no place
    #[arg(long, value_name = "INSTANCE")]
    pub without: Vec<String>,
    /// What if every instance of this zone were lost
    #[arg(long, value_name = "ZONE")]
    pub without_zone: Vec<String>,
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// FAMILY (its newest revision) or FAMILY:REVISION
    #[arg(value_name = "FAMILY[:REV]")]
    pub definition: String,
    /// EC2 or FARGATE; the cluster's default where neither this nor a capacity provider is named
    #[arg(long, value_name = "TYPE", ignore_case = true, value_parser = ["EC2", "FARGATE"],
          conflicts_with = "capacity_provider")]
    pub launch_type: Option<String>,
    /// Run on the instances of this capacity provider
    #[arg(long, value_name = "NAME")]
    pub capacity_provider: Option<crate::model::CapacityProviderName>,
    /// How many tasks, 1 to 10
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub count: u32,
    /// Which container --env, --cpu, --memory and CMD are for; the first essential one where
    /// nothing is said
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// An environment variable, over what the definition has; several if wanted
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<KeyValue>,
    /// CPU units instead of the definition's: the task's where it has its own, else the
    /// container's
    #[arg(long, value_name = "UNITS")]
    pub cpu: Option<u64>,
    /// MiB instead of the definition's: the task's where it has its own, else the container's
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u64>,
    /// A tag of the tasks; several if wanted
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    pub tag: Vec<Tag>,
    /// Waiting: until every task runs.
    #[command(flatten)]
    pub wait: Wait,
    /// Wait until every task has ended; exit code 1 if one ended with another code than 0
    #[arg(long)]
    pub wait_stopped: bool,
    /// Program and arguments, instead of the container's command
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if name.is_empty() {
        return Err("the name before = is missing".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn variable(text: &str) -> Result<KeyValue, String> {
    pair(text).map(|(name, value)| KeyValue { name, value })
}

fn tag(text: &str) -> Result<Tag, String> {
    pair(text).map(|(key, value)| Tag { key, value })
}

/// `schedule …`
#[derive(Clone, Debug, Subcommand)]
pub enum ScheduleVerb {
    /// List them
    Ls,
    /// One in detail, with its last runs
    Show(Named),
    /// Delete it; what it has started goes on
    Rm {
        /// Its name
        name: String,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
    /// Run it now, besides its times
    Run(Named),
    /// Let it run at its times again
    Enable(Named),
    /// Let it run no more, until it is enabled
    Disable(Named),
}

/// A service's name.
#[derive(Clone, Debug, Args)]
pub struct Named {
    /// Its name
    pub name: String,
}

/// `service …`
#[derive(Clone, Debug, Subcommand)]
pub enum ServiceVerb {
    /// List them
    Ls(AsOf),
    /// One in detail
    Show(Named),
    /// Keep this many tasks running
    Scale {
        /// Its name
        name: String,
        /// How many tasks
        count: u32,
        /// Waiting.
        #[command(flatten)]
        wait: Wait,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
    /// Roll out another task definition, or change the bounds
    Update(Box<ServiceUpdate>),
    /// Roll out the definition of the last completed deployment, or the revision before
    Rollback {
        /// The service.
        #[command(flatten)]
        act: ServiceAct,
        /// Go back to this revision (`3`, `web:3`) or deployment of its history instead
        #[arg(long, value_name = "REVISION|DEPLOYMENT")]
        to: Option<String>,
    },
    /// Replace every task, within the bounds of a deployment
    Restart(ServiceAct),
    /// Balance its zones now: start tasks where there are the fewest, stop where there are the most
    Rebalance(ServiceAct),
    /// Delete it and stop its tasks
    Rm(ServiceAct),
}

/// A service and what is common to acting on it.
#[derive(Clone, Debug, Args)]
pub struct ServiceAct {
    /// Its name
    pub name: String,
    /// Waiting.
    #[command(flatten)]
    pub wait: Wait,
    /// Asking.
    #[command(flatten)]
    pub sure: Sure,
}

/// `service update`.
#[derive(Clone, Debug, Args)]
pub struct ServiceUpdate {
    /// The service.
    #[command(flatten)]
    pub act: ServiceAct,
    /// FAMILY (its newest revision) or FAMILY:REVISION; where nothing is said, the newest
    /// revision of the family it has, unless another option is given
    #[arg(long, value_name = "FAMILY[:REV]")]
    pub task_definition: Option<String>,
    /// How many tasks
    #[arg(long)]
    pub desired_count: Option<u32>,
    /// Percent of the desired count that must stay up
    #[arg(long, value_name = "PERCENT")]
    pub minimum_healthy_percent: Option<u32>,
    /// Percent of the desired count that RUNNING and PENDING together may reach
    #[arg(long, value_name = "PERCENT")]
    pub maximum_percent: Option<u32>,
    /// Seconds that tasks on an instance that does not answer are waited for
    #[arg(long, value_name = "SECONDS")]
    pub grace: Option<u32>,
    /// Seconds after a task's start in which its failing health checks are not acted on
    #[arg(long, value_name = "SECONDS")]
    pub health_check_grace: Option<u32>,
}

/// `task …`
#[derive(Clone, Debug, Subcommand)]
pub enum TaskVerb {
    /// List them
    Ls {
        /// Only those of this service
        #[arg(long)]
        service: Option<String>,
        /// Only those on this instance
        #[arg(long)]
        instance: Option<String>,
        /// Stopped ones too
        #[arg(long, short)]
        all: bool,
        /// When.
        #[command(flatten)]
        of: AsOf,
    },
    /// One in detail, with what its health checks said last
    Show(Target),
    /// What its health checks said last: when, how long it took, exit code, output
    Health(Target),
    /// Stop one; a service replaces it
    Stop {
        /// Task id, or the beginning of it
        task: String,
        /// Why, for the stopped reason
        #[arg(long)]
        reason: Option<String>,
        /// Waiting.
        #[command(flatten)]
        wait: Wait,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
    /// Keep scale-in and deployments from stopping a service's task, for a time
    Protect {
        /// Task id, or the beginning of it
        task: String,
        /// For how long, 1 to 2880
        #[arg(long, default_value_t = 120, conflicts_with = "off")]
        minutes: u32,
        /// End the protection now
        #[arg(long)]
        off: bool,
    },
    /// Logs; the same as `qd logs`
    Logs(Logs),
    /// Run a program in a container; the same as `qd exec`
    Exec(Exec),
}

/// `instance …`
#[derive(Clone, Debug, Subcommand)]
pub enum InstanceVerb {
    /// List them
    Ls(AsOf),
    /// One in detail
    Show(Named),
    /// Move its services' tasks away and place nothing on it. Tasks that are run by hand or by a
    /// schedule are left alone, and --wait names them
    Drain {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        /// Waiting: until no task of a service is left there.
        #[command(flatten)]
        wait: Wait,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
    /// Place tasks on it again
    Activate {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Connect to each and tell what is there
    Check {
        /// Their names; all of them where nothing is said
        names: Vec<String>,
    },
}

/// `taskdef …`
#[derive(Clone, Debug, Subcommand)]
pub enum TaskdefVerb {
    /// List them
    Ls {
        /// Only this family
        family: Option<String>,
        /// Every revision, INACTIVE ones too
        #[arg(long, short)]
        all: bool,
    },
    /// One in detail
    Show(Definition),
    /// Register the task definitions of files
    Register(Files),
    /// Make one INACTIVE: what runs goes on, nothing new starts from it
    Deregister {
        /// Which.
        #[command(flatten)]
        definition: Definition,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
}

/// A task definition.
#[derive(Clone, Debug, Args)]
pub struct Definition {
    /// FAMILY (its newest revision) or FAMILY:REVISION
    #[arg(value_name = "FAMILY[:REV]")]
    pub definition: String,
}

/// `cluster …`
#[derive(Clone, Debug, Subcommand)]
pub enum ClusterVerb {
    /// List them
    Ls,
    /// Make one
    Create(Named),
    /// Delete an empty one
    Rm {
        /// Its name
        name: String,
        /// Asking.
        #[command(flatten)]
        sure: Sure,
    },
}

/// A task or a service.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Service name, or task id or the beginning of it
    pub target: String,
}

/// `explain`.
#[derive(Clone, Debug, Args)]
pub struct Explained {
    /// Service name, task id or the beginning of it, or FAMILY[:REV] for one more task run by hand
    pub target: String,
}

/// `logs`.
#[derive(Clone, Debug, Args)]
pub struct Logs {
    /// Service name, or task id or the beginning of it
    #[arg(required_unless_present = "instance")]
    pub target: Option<String>,
    /// Everything on this instance instead: the logs of all its tasks
    #[arg(long, value_name = "NAME", conflicts_with_all = ["target", "container"])]
    pub instance: Option<String>,
    /// Stay for what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only from this moment on: 10m (ago), or 2026-05-04T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At most this many of the last lines to begin with
    #[arg(long, short = 'n', value_name = "LINES")]
    pub tail: Option<u32>,
    /// Only this container of a task
    #[arg(long)]
    pub container: Option<String>,
    /// Print the time of every line
    #[arg(long, short)]
    pub timestamps: bool,
}

/// `stats`.
#[derive(Clone, Debug, Args)]
pub struct Stats {
    /// A task's id or the beginning of it, a service, or an instance
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// Again every few seconds, until interrupted
    #[arg(long, short)]
    pub watch: bool,
}

/// `exec`.
#[derive(Clone, Debug, Args)]
pub struct Exec {
    /// Task id, or the beginning of it; a service's name is its one running task
    pub task: String,
    /// Which container; the first essential one where nothing is said
    #[arg(long)]
    pub container: Option<String>,
    /// Program and arguments; a shell (bash, else sh) where nothing is said
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `events`.
#[derive(Clone, Debug, Args)]
pub struct Events {
    /// Stay for what comes
    #[arg(long, short)]
    pub follow: bool,
    /// Only this service's
    #[arg(long)]
    pub service: Option<String>,
    /// At most this many of the last events to begin with
    #[arg(long, short = 'n', value_name = "EVENTS", default_value_t = 50)]
    pub tail: usize,
}

/// `history`.
#[derive(Clone, Debug, Args)]
pub struct HistoryOf {
    /// Only from this moment on: 10m (ago), 2026-05-04T12:00 (here), or 2026-05-04T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only up to this moment
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only this service's
    #[arg(long)]
    pub service: Option<String>,
    /// Only the audit trail: who asked for what, and what came of it
    #[arg(long)]
    pub audit: bool,
    /// At most this many of the last
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 200)]
    pub tail: usize,
}

/// A moment of the past.
#[derive(Clone, Debug, Default, Args)]
pub struct AsOf {
    /// As it was at this moment: 10m (ago), 08:19, 2026-05-04T12:00 (here), or 2026-05-04T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// `config …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Report everything that is wrong with it
    Check,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let read = |line: &str| Arguments::try_parse_from(line.split(' ')).unwrap();
        let arguments = read("qd service ls --output json --cluster blue");
        assert_eq!(arguments.global.output, Output::Json);
        assert_eq!(arguments.global.cluster(), "blue");
        let arguments = read("qd -v exec ab12 -- sh -c ls");
        let Some(Verb::Exec(exec)) = arguments.command else {
            panic!("not exec");
        };
        assert_eq!(exec.command, ["sh", "-c", "ls"]);
    }
}
