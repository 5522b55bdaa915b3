//! What does the same on the command line: one table from an act to its words.

use crate::client::LogTarget;
use crate::model::{ClusterName, State};

use super::logs::Reach;
use super::state::Act;

/// Why a task was stopped, as its stopped reason tells.
pub(crate) const STOP_REASON: &str = "Stopped from the console";

/// The command that does what an act does, quoted for a shell, in the cluster of what it is about.
pub(crate) fn line(act: &Act, state: &State) -> String {
    if *act == Act::Quit {
        return "qd serve    (keeps them without a screen)".to_owned();
    }
    let default = ClusterName::default_cluster();
    let words = words(act);
    qd(
        act.cluster(state).unwrap_or(&default),
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// A command of this program about a cluster, quoted for a shell.
pub(crate) fn qd(cluster: &ClusterName, words: &[&str]) -> String {
    let named = *cluster != ClusterName::default_cluster();
    let flag = named.then(|| ["--cluster", cluster.as_str()]);
    let all = ["qd"].into_iter().chain(flag.into_iter().flatten());
    shell_words::join(all.chain(words.iter().copied()))
}

/// The command that reads the same logs, in the cluster of what writes them.
pub(crate) fn logs(target: &LogTarget, reach: Reach, state: &State) -> String {
    let default = ClusterName::default_cluster();
    let (cluster, thing) = match target {
        LogTarget::Task { task, container } => {
            let container = container.iter();
            let only = container.flat_map(|it| ["--container".to_owned(), it.to_string()]);
            let cluster = state.tasks.get(task).map_or(&default, |it| &it.cluster);
            (cluster, [task.short()].into_iter().chain(only).collect())
        }
        LogTarget::Service { cluster, service } => (cluster, vec![service.to_string()]),
        LogTarget::Instance { instance } => {
            let host = state.instances.get(instance);
            let cluster = host.map_or(&default, |it| &it.cluster);
            (cluster, vec!["--instance".to_owned(), instance.to_string()])
        }
    };
    let mut words = vec!["logs".to_owned()];
    words.extend(thing);
    words.extend(reach.flags());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    qd(cluster, &words)
}

fn words(act: &Act) -> Vec<String> {
    let thing = act.thing();
    let of = |verb: &[&str], more: &[&str]| {
        let thing = thing.as_str();
        let all = verb.iter().chain([&thing]).chain(more);
        all.map(|it| (*it).to_owned()).collect()
    };
    match act {
        Act::Scale(_, to) => of(&["service", "scale"], &[&to.to_string()]),
        Act::Update(_, to) => of(
            &["service", "update"],
            &["--task-definition", &to.to_string()],
        ),
        Act::Restart(_) => of(&["service", "restart"], &[]),
        Act::Rollback(_, to) => of(
            &["service", "rollback"],
            &["--to", &to.revision.to_string()],
        ),
        Act::Rebalance(_) => of(&["service", "rebalance"], &[]),
        Act::Delete(_) => of(&["service", "rm"], &[]),
        Act::Stop(_) => of(&["task", "stop"], &["--reason", STOP_REASON]),
        Act::Drain(_) => of(&["instance", "drain"], &[]),
        Act::Activate(_) => of(&["instance", "activate"], &[]),
        Act::Apply(change) => vec!["apply".to_owned(), change.ask.file.clone()],
        Act::Quit => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;
    use crate::cli::args::{Arguments, InstanceVerb, ServiceVerb, TaskVerb, Verb};
    use crate::model::{Change, Connection, Instance, InstanceName, ServiceName, TaskId, TimeMs};

    /// What a shell and the program make of a line, in words of this test.
    fn read(line: &str) -> (String, String) {
        let parsed = Arguments::try_parse_from(shell_words::split(line).unwrap());
        let parsed = parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
        let what = match parsed.command.unwrap() {
            Verb::Service(ServiceVerb::Scale { name, count, .. }) => format!("{name} to {count}"),
            Verb::Service(ServiceVerb::Update(it)) => {
                format!("update {} {:?}", it.act.name, it.task_definition)
            }
            Verb::Service(ServiceVerb::Rollback { act, to }) => format!("back {} {to:?}", act.name),
            Verb::Service(ServiceVerb::Restart(act)) => format!("restart {}", act.name),
            Verb::Service(ServiceVerb::Rebalance(act)) => format!("rebalance {}", act.name),
            Verb::Service(ServiceVerb::Rm(act)) => format!("rm {}", act.name),
            Verb::Task(TaskVerb::Stop { task, reason, .. }) => format!("stop {task} {reason:?}"),
            Verb::Instance(InstanceVerb::Drain { names, .. }) => format!("drain {names:?}"),
            Verb::Instance(InstanceVerb::Activate { names, .. }) => format!("activate {names:?}"),
            other => panic!("{other:?}"),
        };
        (parsed.global.cluster().to_owned(), what)
    }

    /// A state with the test's host in that cluster.
    fn with_host(cluster: &str) -> State {
        let name = InstanceName::new("h-1.lan").unwrap();
        let cluster = ClusterName::new(cluster).unwrap();
        let connection = Connection::Connected { since: TimeMs(1) };
        let host = Instance::new(name, cluster, "simulated".to_owned(), connection);
        let mut state = State::default();
        state.apply(&Change::Instance(Arc::new(host)));
        state
    }

    #[test]
    fn every_line_is_the_command_that_it_stands_for() {
        let web = |cluster: &str| {
            let cluster = ClusterName::new(cluster).unwrap();
            (cluster, ServiceName::new("web").unwrap())
        };
        let here = || web("default");
        let host = || InstanceName::new("h-1.lan").unwrap();
        let task = TaskId(0xab << 120);
        let state = with_host("default");
        for (act, means) in [
            (Act::Scale(here(), 5), "web to 5".to_owned()),
            (
                Act::Update(here(), "web:7".parse().unwrap()),
                "update web Some(\"web:7\")".to_owned(),
            ),
            (
                Act::Rollback(here(), "web:6".parse().unwrap()),
                "back web Some(\"6\")".to_owned(),
            ),
            (Act::Restart(here()), "restart web".to_owned()),
            (Act::Rebalance(here()), "rebalance web".to_owned()),
            (Act::Delete(here()), "rm web".to_owned()),
            (
                Act::Stop(task),
                format!("stop {} Some({STOP_REASON:?})", task.short()),
            ),
            (Act::Drain(host()), "drain [\"h-1.lan\"]".to_owned()),
            (Act::Activate(host()), "activate [\"h-1.lan\"]".to_owned()),
        ] {
            assert_eq!(
                read(&line(&act, &state)),
                ("default".to_owned(), means),
                "{act:?}"
            );
        }
        let elsewhere = line(&Act::Restart(web("staging")), &state);
        let cluster = "staging".to_owned();
        assert_eq!(read(&elsewhere), (cluster, "restart web".to_owned()));
        let elsewhere = line(&Act::Drain(host()), &with_host("staging"));
        assert_eq!(read(&elsewhere).0, "staging");
    }

    #[test]
    fn what_is_read_of_logs_is_read_by_its_command() {
        let state = with_host("staging");
        let read = |target: &LogTarget, reach| {
            let line = logs(target, reach, &state);
            let parsed = Arguments::try_parse_from(shell_words::split(&line).unwrap());
            match parsed.unwrap_or_else(|error| panic!("{line}: {error}")) {
                Arguments {
                    command: Some(Verb::Logs(it)),
                    global,
                } => (global.cluster().to_owned(), it),
                other => panic!("{other:?}"),
            }
        };
        let service = LogTarget::Service {
            cluster: ClusterName::new("staging").unwrap(),
            service: ServiceName::new("web").unwrap(),
        };
        let (cluster, asked) = read(&service, Reach::Newest);
        assert_eq!(
            (cluster.as_str(), asked.target.as_deref()),
            ("staging", Some("web"))
        );
        assert_eq!((asked.tail, asked.follow), (Some(500), true));
        let host = LogTarget::Instance {
            instance: InstanceName::new("h-1.lan").unwrap(),
        };
        let (cluster, asked) = read(&host, Reach::Minutes(90));
        assert_eq!(cluster, "staging", "its own");
        assert_eq!(asked.instance.as_deref(), Some("h-1.lan"));
        assert_eq!((asked.since.as_deref(), asked.follow), (Some("90m"), true));
        let task = LogTarget::Task {
            task: TaskId(0xab << 120),
            container: Some(crate::model::ContainerName::new("app").unwrap()),
        };
        let (_, asked) = read(&task, Reach::Around(TimeMs(1_790_000_000_000)));
        assert_eq!(asked.container.as_deref(), Some("app"));
        assert_eq!(asked.since.as_deref(), Some("2026-09-21T14:12:50Z"));
        assert!(!asked.follow);
    }
}
