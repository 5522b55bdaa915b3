//! Following logs: nothing twice, nothing lost, and no end that is not one.

use std::sync::{Arc, Mutex};

use clap::Parser as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::sync::watch;

use super::*;
use crate::cli::args::{Arguments, Verb};
use crate::client::{
    About, Client, ContainerHealth, Effects, Explanation, LocalClient, PlanAsk, PlanReport, Reply,
    WhoAmI,
};
use crate::controller::Command;
use crate::controller::fixture::{create, ready, register, serving, until};
use crate::docker::{ExecOptions, ExecSession, LogStream, StatsSample};
use crate::model::{History, HistoryAsk, InstanceName, Snapshot};

fn line(container: &str, at: u64, text: &str) -> LogItem {
    LogItem::Line {
        at: TimeMs(at),
        task: TaskId(7),
        container: ContainerName::new(container).unwrap(),
        instance: InstanceName::new("ops-1").unwrap(),
        stream: LogStream::Stdout,
        text: text.to_owned(),
    }
}

#[test]
fn a_stream_that_is_begun_anew_repeats_nothing_and_loses_nothing() {
    let mut place = Place::default();
    for (at, text) in [(9_000, "a"), (9_500, "b"), (9_500, "c")] {
        assert!(place.is_new(&line("app", at, text)));
    }
    assert_eq!(place.resume(TimeMs(60_000)), TimeMs(4_500));
    let again = [
        (line("app", 9_000, "a"), false),
        (line("app", 9_500, "b"), false),
        (line("app", 9_500, "c"), false),
        (line("app", 9_500, "d"), true),
        (line("db", 9_100, "another's"), true),
        (line("app", 9_501, "e"), true),
    ];
    for (item, new) in again {
        assert_eq!(place.is_new(&item), new, "{item:?}");
    }
    // Once more: what came after the first time is known, too.
    place.resume(TimeMs(60_000));
    assert!(!place.is_new(&line("app", 9_500, "d")));
    assert!(!place.is_new(&line("app", 9_501, "e")));
    assert!(place.is_new(&line("app", 9_502, "f")));
    let nothing = Place::default().resume(TimeMs(60_000));
    assert_eq!(nothing, TimeMs(55_000));
}

/// What of a stream that is begun anew is asked for, as engines do it: each by its own clock.
fn since(lines: &[LogItem], from: TimeMs) -> impl Iterator<Item = &LogItem> {
    let of = move |it: &&LogItem| matches!(it, LogItem::Line { at, .. } if *at >= from);
    lines.iter().filter(of)
}

#[test]
fn a_host_whose_clock_is_behind_loses_no_line_when_a_stream_is_begun_anew() {
    let now = TimeMs(10_000_000);
    // In the order in which they come: "db" runs seven minutes behind, "late" is delivered late.
    let before = [
        line("db", 9_570_000, "db 1"),
        line("late", 9_900_000, "late 1"),
        line("app", 9_990_000, "app 1"),
        line("app", 9_995_000, "app 2"),
    ];
    let missed = [
        line("db", 9_575_000, "db 2"),
        line("late", 9_940_000, "late 2"),
        line("app", 9_996_000, "app 3"),
    ];
    let mut place = Place::default();
    assert!(before.iter().all(|it| place.is_new(it)));
    let all: Vec<LogItem> = before.iter().chain(&missed).cloned().collect();
    let from = place.resume(now);
    let printed: Vec<_> = since(&all, from).filter(|it| place.is_new(it)).collect();
    assert_eq!(printed, missed.iter().collect::<Vec<_>>());

    // One that is silent for hours does not bring hours back.
    place.is_new(&line("old", 1_000, "old"));
    let most = 9_996_000 - RESUME_MOST_MS - RESUME_MARGIN_MS;
    assert_eq!(place.resume(now), TimeMs(most));
    // Nor does a clock that is ahead of ours keep anything back.
    place.is_new(&line("ahead", 99_000_000, "ahead"));
    assert!(place.resume(now) <= TimeMs(10_000_000 - RESUME_MOST_MS));
    // What was not asked for at first is not asked for then.
    let mut place = Place::after(Some(TimeMs(9_994_000)));
    place.is_new(&line("app", 9_995_000, "app 2"));
    assert_eq!(place.resume(now), TimeMs(9_994_000));
    // By the clock of a host that is a minute behind, that was a minute later.
    let mut place = Place::after(Some(TimeMs(9_994_000)));
    place.is_new(&line("behind", 9_940_000, "new"));
    assert_eq!(place.resume(now), TimeMs(9_940_000));
}

#[test]
fn lines_that_go_backwards_do_not_take_back_how_far_they_were_printed() {
    let mut place = Place::default();
    let all = [
        line("app", 9_000, "a"),
        line("app", 9_500, "b"),
        line("app", 9_200, "written before, and come after"),
    ];
    assert!(all.iter().all(|it| place.is_new(it)));
    place.resume(TimeMs(60_000));
    let again: Vec<_> = all.iter().filter(|it| place.is_new(it)).collect();
    assert!(again.is_empty(), "{again:?}");
    assert!(place.is_new(&line("app", 9_501, "c")));
}

#[test]
fn a_stream_that_was_cut_because_nobody_read_the_output_says_so() {
    let gone = || ClientError::Gone("connection reset".to_owned());
    let told = |stalled: Duration| {
        let course = Course {
            stalled,
            ..Course::default()
        };
        course.explained(gone()).to_string()
    };
    assert_eq!(told(Duration::from_secs(599)), gone().to_string());
    let said = told(Duration::from_secs(700));
    assert!(said.contains("was not read for 700 s"), "{said}");
    assert!(said.contains("connection reset"), "{said}");
}

type Streamed = Vec<Result<LogItem, ClientError>>;

/// Streams just these, one after the other, and answers or does not.
struct Scripted {
    inner: LocalClient,
    streams: Mutex<Vec<Streamed>>,
    asked: Mutex<Vec<LogOptions>>,
    answers: bool,
}

impl Client for Scripted {
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.inner.snapshots()
    }
    fn standings(&self) -> watch::Receiver<Standing> {
        self.inner.standings()
    }
    fn whoami(&self) -> BoxFuture<'_, Result<WhoAmI, ClientError>> {
        if self.answers {
            return self.inner.whoami();
        }
        Box::pin(async { Err(ClientError::Gone("nobody listens".to_owned())) })
    }
    fn command(&self, command: Command) -> BoxFuture<'_, Result<Reply, ClientError>> {
        self.inner.command(command)
    }
    fn plan(&self, asked: PlanAsk) -> BoxFuture<'_, Result<PlanReport, ClientError>> {
        self.inner.plan(asked)
    }
    fn apply(
        &self,
        commands: Vec<Command>,
        planned: Option<Effects>,
    ) -> BoxFuture<'_, Result<Vec<Reply>, ClientError>> {
        self.inner.apply(commands, planned)
    }
    fn explain(&self, about: About) -> BoxFuture<'_, Result<Explanation, ClientError>> {
        self.inner.explain(about)
    }
    fn history(&self, asked: HistoryAsk) -> BoxFuture<'_, Result<History, ClientError>> {
        self.inner.history(asked)
    }
    fn at(&self, moment: TimeMs) -> BoxFuture<'_, Result<Arc<Snapshot>, ClientError>> {
        self.inner.at(moment)
    }
    fn logs(
        &self,
        _: LogTarget,
        options: LogOptions,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<LogItem, ClientError>>, ClientError>> {
        self.asked.lock().unwrap().push(options);
        let items = self.streams.lock().unwrap().remove(0);
        Box::pin(async { Ok(stream::iter(items).boxed()) })
    }
    fn stats(
        &self,
        task: TaskId,
    ) -> BoxFuture<'_, Result<Vec<(ContainerName, StatsSample)>, ClientError>> {
        self.inner.stats(task)
    }
    fn health_log(&self, task: TaskId) -> BoxFuture<'_, Result<Vec<ContainerHealth>, ClientError>> {
        self.inner.health_log(task)
    }
    fn exec(
        &self,
        task: TaskId,
        container: Option<ContainerName>,
        options: ExecOptions,
    ) -> BoxFuture<'_, Result<ExecSession, ClientError>> {
        self.inner.exec(task, container, options)
    }
    fn toggle_fault(
        &self,
        instance: InstanceName,
    ) -> Option<BoxFuture<'_, Result<String, ClientError>>> {
        self.inner.toggle_fault(instance)
    }
}

/// How `qd logs web` ends over these streams, and what was asked for.
async fn ended(flags: &[&str], answers: bool, streams: Vec<Streamed>) -> (String, Vec<LogOptions>) {
    let (_fleet, plane) = ready(1).await;
    let inner = LocalClient::new(plane.handle.clone(), "tester".into());
    inner.command(register("web")).await.unwrap();
    inner.command(create("web", "web", 1)).await.unwrap();
    let runs = |it: &Snapshot| serving(it, "web").len() == 1;
    until(&plane.handle, "it runs", runs).await;
    let client = Arc::new(Scripted {
        inner,
        streams: Mutex::new(streams),
        asked: Mutex::default(),
        answers,
    });
    let words = ["qd", "logs", "web"].iter().chain(flags);
    let typed = Arguments::try_parse_from(words).unwrap();
    let Some(Verb::Logs(asked)) = &typed.command else {
        panic!("not logs");
    };
    let session = Session::over(client.clone(), &typed.global, None);
    let done = logs(&session, asked, Output::Table).await;
    let done = done.map_or_else(|error| error.to_string(), |()| "done".to_owned());
    plane.stop().await.unwrap();
    let asked = client.asked.lock().unwrap().clone();
    (done, asked)
}

#[tokio::test]
async fn logs_that_are_cut_by_the_end_of_the_server_are_not_done() {
    let some = || Ok(line("web", 9_000, "a"));
    let gone = || {
        Err(ClientError::Gone(
            "it ended before the stream did".to_owned(),
        ))
    };
    let (done, _) = ended(&[], true, vec![vec![some()]]).await;
    assert_eq!(done, "done");
    for (answers, items) in [(false, vec![some()]), (true, vec![some(), gone()])] {
        let (done, asked) = ended(&[], answers, vec![items]).await;
        assert!(done.contains("does not answer"), "{done}");
        assert!(done.contains("may not be all the lines"), "{done}");
        assert_eq!(asked.len(), 1);
    }
}

#[tokio::test]
async fn followed_logs_go_on_after_a_cut_and_end_at_what_cannot_be_read() {
    let some = |text: &str| Ok(line("web", 9_000, text));
    let gone = || {
        Err(ClientError::Gone(
            "it ended before the stream did".to_owned(),
        ))
    };
    let strange = || Err(ClientError::Unreadable("a line of the logs".to_owned()));
    let streams = vec![
        vec![some("a"), gone()],
        vec![some("a"), some("b"), strange()],
    ];
    let (done, asked) = ended(&["-f"], true, streams).await;
    assert!(done.contains("cannot read (a line of the logs)"), "{done}");
    assert_eq!(asked.len(), 2, "and it is not asked for once more");
    assert_eq!(
        (asked[0].since, asked[1].since),
        (None, Some(TimeMs(4_000)))
    );
}
