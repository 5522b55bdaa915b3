//! A surface that outlives its carriers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::agent::Tuning;
use crate::controller::fixture::{create, fleet, register, scale, serving, settings};
use crate::sim::Fleet;

/// How long anything may take; what is waited for comes in a fraction of it.
const LIMIT: Duration = Duration::from_secs(60);

fn options(dir: PathBuf, role: &str, fleet: Fleet) -> OpenOptions {
    OpenOptions {
        settings: settings(2),
        state_dir: dir,
        role: role.to_owned(),
        serve: role == "serve",
        connector: Box::new(|_| Arc::new(fleet)),
        tuning: Tuning::fast(),
    }
}

async fn runs(client: &dyn Client, count: usize) {
    let mut snapshots = client.snapshots();
    let there = snapshots.wait_for(|snapshot| serving(snapshot, "web").len() == count);
    tokio::time::timeout(LIMIT, there).await.unwrap().unwrap();
}

async fn stands(client: &dyn Client, wanted: impl FnMut(&Standing) -> bool) {
    let mut standings = client.standings();
    let there = standings.wait_for(wanted);
    tokio::time::timeout(LIMIT, there).await.unwrap().unwrap();
}

fn console(opened: Opened, dir: &Path, fleet: &Fleet) -> Succession {
    let (dir, fleet) = (dir.to_owned(), fleet.clone());
    Succession::over(opened, false, move || {
        options(dir.clone(), "console", fleet.clone())
    })
}

#[tokio::test]
async fn a_console_carries_on_when_the_command_it_was_attached_to_ends() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(2);
    let apply = open(options(dir.path().to_owned(), "apply", fleet.clone()));
    let apply = apply.await.unwrap();
    apply.client.command(register("web")).await.unwrap();
    apply.client.command(create("web", "web", 2)).await.unwrap();

    let attached = open(options(dir.path().to_owned(), "console", fleet.clone()));
    let attached = attached.await.unwrap();
    assert!(attached.plane.is_none());
    let console = console(attached, dir.path(), &fleet);
    let client = console.client();
    runs(client.as_ref(), 2).await;

    apply.plane.unwrap().stop().await.unwrap();
    stands(client.as_ref(), |it| *it == Standing::Carrying).await;
    assert_eq!(client.snapshots().borrow().holder.role, "console");
    // It is kept: what was asked for before is there, what is asked for now is done.
    client.command(scale("web", 3)).await.unwrap();
    runs(client.as_ref(), 3).await;

    // Whoever comes next attaches to it, until it ends and lets the folder go.
    let next = open(options(dir.path().to_owned(), "status", fleet.clone()));
    let next = next.await.unwrap();
    assert!(next.plane.is_none());
    console.close().await.unwrap();
    let last = open(options(dir.path().to_owned(), "serve", fleet));
    last.await.unwrap().plane.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn of_two_consoles_one_carries_on_and_the_other_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(2);
    let opened = || open(options(dir.path().to_owned(), "console", fleet.clone()));
    let first = opened().await.unwrap();
    let second = console(opened().await.unwrap(), dir.path(), &fleet);
    let third = console(opened().await.unwrap(), dir.path(), &fleet);
    first.plane.unwrap().stop().await.unwrap();

    let here = |it: &Standing| *it == Standing::Carrying;
    let (b, c) = (second.client(), third.client());
    let (heir, other, heirs, others) = tokio::select! {
        () = stands(b.as_ref(), here) => (&b, &c, second, third),
        () = stands(c.as_ref(), here) => (&c, &b, third, second),
    };
    let carrier = heir.snapshots().borrow().holder.clone();
    let mut snapshots = other.snapshots();
    let follows = snapshots.wait_for(|snapshot| snapshot.holder == carrier);
    tokio::time::timeout(LIMIT, follows).await.unwrap().unwrap();
    stands(other.as_ref(), |it| matches!(it, Standing::Attached { .. })).await;
    other.command(register("web")).await.unwrap();
    assert_eq!(
        heir.snapshots().borrow().state.task_definitions.len(),
        1,
        "they see the same"
    );
    others.close().await.unwrap();
    heirs.close().await.unwrap();
}

/// Looks several times whether a surface takes the folder, and finds that it does not.
async fn leaves_the_folder(client: &dyn Client) {
    stands(client, |it| matches!(it, Standing::Lost { .. })).await;
    tokio::time::sleep(4 * succession::LOOK_GAP).await;
    let standing = client.standing();
    assert!(matches!(standing, Standing::Lost { .. }), "{standing:?}");
}

#[tokio::test]
async fn a_console_waits_for_a_server_and_leaves_it_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(2);
    let serve = || open(options(dir.path().to_owned(), "serve", fleet.clone()));
    let first = serve().await.unwrap();
    first.client.command(register("web")).await.unwrap();
    first.client.command(create("web", "web", 2)).await.unwrap();
    let attached = open(options(dir.path().to_owned(), "console", fleet.clone()));
    let console = console(attached.await.unwrap(), dir.path(), &fleet);
    let client = console.client();
    runs(client.as_ref(), 2).await;

    first.plane.unwrap().stop().await.unwrap();
    leaves_the_folder(client.as_ref()).await;
    // A command that carries for a moment meanwhile does not make it a console's turn.
    let command = open(options(dir.path().to_owned(), "status", fleet.clone()));
    let command = command.await.unwrap();
    stands(client.as_ref(), |it| {
        matches!(it, Standing::Attached { .. })
    })
    .await;
    assert_eq!(client.snapshots().borrow().holder.role, "status");
    command.plane.unwrap().stop().await.unwrap();
    leaves_the_folder(client.as_ref()).await;
    let second = serve().await.unwrap();
    stands(client.as_ref(), |it| {
        matches!(it, Standing::Attached { .. })
    })
    .await;
    client.command(scale("web", 3)).await.unwrap();
    runs(client.as_ref(), 3).await;
    console.close().await.unwrap();
    second.plane.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn who_only_looks_on_decides_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = fleet(2);
    let opened = || open(options(dir.path().to_owned(), "console", fleet.clone()));
    let first = opened().await.unwrap();
    let viewer = opened().await.unwrap();
    let (folder, hosts) = (dir.path().to_owned(), fleet.clone());
    let viewer = Succession::over(viewer, true, move || {
        options(folder.clone(), "console", hosts.clone())
    });
    first.plane.unwrap().stop().await.unwrap();
    leaves_the_folder(viewer.client().as_ref()).await;
    viewer.close().await.unwrap();
}
