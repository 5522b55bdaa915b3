//! What happened and who did it, over both clients.

use serde_json::json;

use super::tests::Rig;
use crate::client::{Client, LocalClient, RemoteClient};
use crate::controller::fixture::*;
use crate::model::{Actor, Audit, Outcome, Surface};
use crate::store::lock;

/// The latest deed in the audit trail.
fn latest(rig: &Rig) -> Audit {
    let snapshot = rig.plane.handle.snapshot();
    let mut events = snapshot.state.events.iter().rev();
    events.find_map(|event| event.audit.clone()).unwrap()
}

fn deed(user: &str, surface: Surface, operation: &str, outcome: Outcome) -> Audit {
    Audit {
        user: user.to_owned(),
        surface,
        operation: operation.to_owned(),
        outcome,
    }
}

#[tokio::test(start_paused = true)]
async fn the_audit_trail_says_who_asked_through_what() {
    let rig = Rig::new(2).await;
    let from = "deploy (ssh from 10.0.0.5)";
    let near = Actor::new(from, Surface::Console);
    let near = LocalClient::new(rig.plane.handle.clone(), near);
    near.command(register("web")).await.unwrap();
    assert_eq!(
        latest(&rig),
        deed(
            from,
            Surface::Console,
            "RegisterTaskDefinition",
            Outcome::Done
        )
    );
    let far = Actor::new("ärzte (ssh from ::1)", Surface::CommandLine);
    let far = RemoteClient::connect(&rig.socket(), far).await.unwrap();
    far.command(create("web", "wbe", 1)).await.unwrap_err();
    assert_eq!(
        latest(&rig),
        deed(
            "?rzte (ssh from ::1)",
            Surface::CommandLine,
            "CreateService",
            Outcome::Refused
        )
    );
    // A client of the API that says nothing is who the kernel says it is.
    rig.ecs("CreateCluster", json!({"clusterName": "blue"}))
        .await;
    let me = lock::user_of(rustix::process::getuid().as_raw());
    assert_eq!(
        latest(&rig),
        deed(&me, Surface::Api, "CreateCluster", Outcome::Done)
    );
    rig.end().await;
}
