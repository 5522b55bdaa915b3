//! Opening: one carries, the others attach, and who cannot is told who holds it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::agent::Tuning;
use crate::api::serve::SOCKET;
use crate::config::Settings;
use crate::controller::fixture::{create, fleet, register, serving, settings};
use crate::model::{Surface, TimeMs};
use crate::store::{LockHolder, StateLock};

fn options(dir: &Path, role: &str) -> OpenOptions {
    OpenOptions {
        settings: settings(2),
        state_dir: dir.to_owned(),
        role: role.to_owned(),
        serve: role == "serve",
        connector: Box::new(|_| Arc::new(fleet(2))),
        tuning: Tuning::fast(),
    }
}

#[tokio::test]
async fn a_second_one_attaches_to_the_first_and_carries_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(options(dir.path(), "console")).await.unwrap();
    let carried = first.plane.unwrap();
    assert_eq!(first.client.standing(), Standing::Carrying);
    let second = open(options(dir.path(), "apply")).await.unwrap();
    assert!(second.plane.is_none());
    assert!(matches!(
        second.client.standing(),
        Standing::Attached { .. }
    ));
    let holder = second.client.snapshots().borrow().holder.clone();
    assert_eq!(
        (holder.role.as_str(), holder.pid),
        ("console", std::process::id())
    );
    second.client.command(register("web")).await.unwrap();

    let refusal = open(options(dir.path(), "serve")).await.err().unwrap();
    let text = refusal.to_string();
    assert!(text.contains("carried already by qd console"), "{text}");

    carried.stop().await.unwrap();
    assert!(!dir.path().join(SOCKET).exists());
    let third = open(options(dir.path(), "serve")).await.unwrap();
    let state = third.client.snapshots().borrow().state.clone();
    assert_eq!(
        state.task_definitions.len(),
        1,
        "what the second asked for is kept"
    );
    third.plane.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn of_several_that_begin_at_once_one_carries_and_all_see_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let starts = (0..6).map(|_| open(options(dir.path(), "console")));
    let opened = futures_util::future::join_all(starts).await;
    let mut opened: Vec<Opened> = opened.into_iter().map(Result::unwrap).collect();
    let carriers = opened.iter().filter(|it| it.plane.is_some()).count();
    assert_eq!(carriers, 1);
    let ids: std::collections::BTreeSet<String> = opened
        .iter()
        .map(|it| it.client.snapshots().borrow().state.control_plane.clone())
        .collect();
    assert_eq!(ids.len(), 1);
    let carried = opened.iter_mut().find_map(|it| it.plane.take()).unwrap();
    carried.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_folder_whose_holder_does_not_answer_names_the_holder() {
    let dir = tempfile::tempdir().unwrap();
    let holder = LockHolder {
        pid: 4242,
        user: "ann".into(),
        role: "serve".into(),
        since: TimeMs(1),
    };
    let _lock = StateLock::take(dir.path(), &holder).unwrap();
    let refusal = open(options(dir.path(), "console")).await.err().unwrap();
    let text = refusal.to_string();
    assert!(text.contains("qd serve (pid 4242, user ann)"), "{text}");
    assert!(text.contains("--state"), "{text}");
}

#[tokio::test]
async fn a_configuration_that_would_leave_tasks_behind_opens_nothing_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let engines = fleet(2);
    let open_with = |count: usize, source: Option<&str>| {
        let engines = engines.clone();
        open(OpenOptions {
            settings: Settings {
                source: source.map(Into::into),
                ..settings(count)
            },
            connector: Box::new(move |_| Arc::new(engines)),
            ..options(dir.path(), "service")
        })
    };
    let opened = open_with(2, None).await.unwrap();
    let mut snapshots = opened.client.snapshots();
    let connected = snapshots.wait_for(|it| it.state.instances.values().all(|i| i.is_connected()));
    let _ = tokio::time::timeout(Duration::from_secs(60), connected)
        .await
        .unwrap()
        .unwrap();
    opened.client.command(register("web")).await.unwrap();
    opened
        .client
        .command(create("web", "web", 2))
        .await
        .unwrap();
    let runs = snapshots.wait_for(|it| serving(it, "web").len() == 2);
    let _ = tokio::time::timeout(Duration::from_secs(60), runs)
        .await
        .unwrap()
        .unwrap();
    opened.plane.unwrap().stop().await.unwrap();
    let before = snapshots.borrow().state.tasks.clone();

    let refusal = open_with(1, None).await.err().unwrap().to_string();
    assert!(refusal.starts_with("no config file was found"), "{refusal}");
    assert!(refusal.contains("host-1 (1 task)"), "{refusal}");
    let refusal = open_with(1, Some("/x/quarterdeck.toml")).await.err();
    assert!(refusal.unwrap().to_string().contains("/x/quarterdeck.toml"));

    let opened = open_with(2, None).await.unwrap();
    let state = opened.client.snapshots().borrow().state.clone();
    assert_eq!((state.instances.len(), &state.tasks), (2, &before));
    opened.plane.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn who_listens_and_cannot_be_attached_to_is_told_from_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join(SOCKET);
    let nobody = attach(dir.path(), Surface::CommandLine).await;
    assert!(nobody.unwrap().is_none());
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    drop(listener);
    assert!(socket.exists(), "as a killed one leaves it");
    let nobody = attach(dir.path(), Surface::CommandLine).await;
    assert!(nobody.unwrap().is_none());

    std::fs::remove_file(&socket).unwrap();
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let hangs_up = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let error = attach(dir.path(), Surface::CommandLine).await.err();
    assert!(matches!(error, Some(ClientError::Gone(_))), "{error:?}");
    hangs_up.abort();
}

#[tokio::test(start_paused = true)]
async fn a_silent_one_is_told_from_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let _silent = std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap();
    let error = attach(dir.path(), Surface::CommandLine).await.err();
    assert_eq!(error.unwrap().why(), "it is silent");
}

#[tokio::test]
async fn time_in_which_nobody_carried_it_is_no_part_of_a_silence() {
    let dir = tempfile::tempdir().unwrap();
    let engines = fleet(2);
    let lost = crate::controller::fixture::names(2).remove(0);
    engines.cut(&lost).unwrap();
    let silence = async || {
        let engines = engines.clone();
        let opened = open(OpenOptions {
            connector: Box::new(move |_| Arc::new(engines)),
            ..options(dir.path(), "service")
        });
        let opened = opened.await.unwrap();
        let mut snapshots = opened.client.snapshots();
        let settled = snapshots.wait_for(|it| it.state.instances[&lost].settles_at.is_none());
        let settled = tokio::time::timeout(Duration::from_secs(60), settled).await;
        let since = settled.unwrap().unwrap().state.instances[&lost].disconnected_since();
        opened.plane.unwrap().stop().await.unwrap();
        since.unwrap()
    };
    let since = silence().await;
    let file = std::fs::File::open(dir.path().join(crate::store::lock::FILE)).unwrap();
    let stopped = file.metadata().unwrap().modified().unwrap();
    let hour = Duration::from_secs(3_600);
    file.set_modified(stopped - hour).unwrap();
    let later = silence().await;
    assert!(later > since, "{later:?}: shifted, though not beyond now");
    let told = file.metadata().unwrap().modified().unwrap();
    assert!(told >= stopped, "it says until when it looked");
}
