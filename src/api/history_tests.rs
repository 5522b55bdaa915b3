//! What happened and who did it, over both clients.

use serde_json::json;

use super::tests::Rig;
use crate::client::{Client, ClientError, LocalClient, RemoteClient};
use crate::controller::ErrorKind;
use crate::controller::fixture::*;
use crate::model::{AccessRole, Actor, Audit, HistoryAsk, Outcome, Surface, TimeMs};
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
        role: AccessRole::Owner,
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

#[tokio::test]
async fn near_and_far_look_back_alike() {
    let rig = Rig::new(2).await;
    let near = LocalClient::new(rig.plane.handle.clone(), "ann".into());
    let far = RemoteClient::connect(&rig.socket(), "bob".into())
        .await
        .unwrap();
    far.command(register("web")).await.unwrap();
    near.command(create("web", "web", 1)).await.unwrap();
    let all = near.history(HistoryAsk::default()).await.unwrap();
    let said: Vec<&str> = all
        .happenings
        .iter()
        .map(|it| it.event.message.as_str())
        .collect();
    let at = |words: &str| said.iter().position(|it| it.contains(words)).unwrap();
    let (registered, created) = (at("was registered by bob"), at("was created by ann"));
    assert!(registered < created, "{said:?}");
    assert!(!all.more && all.begins.unwrap() <= all.happenings[0].at);

    // Bounded, and the next page goes on where it ended.
    let end = all.happenings[created].seq + 1;
    let ask = HistoryAsk {
        before: Some(end),
        most: 1,
        ..HistoryAsk::default()
    };
    let page = far.history(ask.clone()).await.unwrap();
    assert_eq!(page.happenings, all.happenings[created..=created]);
    assert!(page.more);
    assert_eq!(near.history(ask).await.unwrap(), page);

    // As it was before there was anything in it, and as it was right then.
    let begins = all.begins.unwrap();
    for client in [&near as &dyn Client, &far] {
        let empty = client.at(TimeMs(begins.0 - 1)).await.unwrap();
        assert_eq!((empty.seq, empty.state.instances.len()), (0, 0));
        let moment = all.happenings[created].at;
        let then = client.at(moment).await.unwrap();
        assert_eq!((then.at, then.state.services.len()), (moment, 1));
        assert!(then.seq > all.happenings[created].seq && then.live.agents.is_empty());
        let refusal = client.at(TimeMs(u64::MAX)).await.unwrap_err();
        let ClientError::Refused(error) = &refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(error.kind, ErrorKind::InvalidParameterException);
    }
    rig.end().await;
}
