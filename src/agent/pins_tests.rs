//! What a deployment's pins come to at one engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::fixture::{definition, state, task};
use super::step::{Key, World};
use super::step_tests::{lines, one, run, run_busy, with, world};
use crate::model::service::ImagePin;
use crate::model::{
    Change, ClusterName, Deployment, DeploymentId, InstanceName, Service, ServiceName, State,
    TaskDefinition, TimeMs,
};

/// A state in which the task is of a service's deployment that has this pin for `busybox`.
pub(super) fn deployed(definition: &TaskDefinition, pin: Option<ImagePin>) -> State {
    let cluster = ClusterName::default_cluster();
    let name = ServiceName::new("web").unwrap();
    let id = DeploymentId::from_number(1);
    let mut deployment = Deployment::new(id.clone(), definition.id(), "tests", TimeMs(0));
    deployment.images = pin
        .map(|pin| ("busybox".to_owned(), pin))
        .into_iter()
        .collect();
    let service = Service {
        deployments: vec![deployment],
        ..Service::new(name.clone(), cluster, TimeMs(0))
    };
    let task = with(task(1, definition), |task| {
        task.service = Some(name);
        task.deployment = Some(id);
    });
    let mut state = state(definition, &[task]);
    state.apply(&Change::Service(Arc::new(service)));
    state
}

#[test]
fn a_deployment_knows_its_digest_before_anything_is_pulled_or_made() {
    let resolve = "resolve busybox for ecs-svc/0000000000000000001";
    let digest = "busybox@sha256:1";
    let has = |image: &str| World {
        images: BTreeSet::from([image.to_owned()]),
        ..world(vec![])
    };
    let pinned = || deployed(&one(), Some(ImagePin::to_digest("sha256:1")));
    let local = |is_local, by: &str| {
        let by = InstanceName::new(by).unwrap();
        let pin = ImagePin {
            unresolved: [(by, "built there".to_owned())].into(),
            is_local,
            ..ImagePin::default()
        };
        deployed(&one(), Some(pin))
    };
    let says_so = || World {
        local: BTreeSet::from(["busybox".to_owned()]),
        ..has("busybox")
    };
    let disabled = definition(json!([
        {"name": "app", "image": "busybox", "versionConsistency": "disabled"},
    ]));
    for (state, world, expected) in [
        (deployed(&one(), None), has("busybox"), resolve),
        (pinned(), has("busybox"), "pull busybox@sha256:1"),
        (pinned(), has(digest), "create app"),
        // No instance can: what is here, once this engine has said that it cannot either.
        (local(true, "ops-1"), has("other"), "pull busybox"),
        (local(true, "ops-1"), has("busybox"), "create app"),
        (local(true, "elsewhere"), has("busybox"), resolve),
        (local(true, "elsewhere"), says_so(), "create app"),
        // Another may still give a digest.
        (local(false, "ops-1"), says_so(), resolve),
        (deployed(&disabled, None), has("busybox"), "create app"),
    ] {
        assert_eq!(lines(&run(&state, &world)), [expected]);
    }
    let unknown = deployed(&one(), None);
    let mut world = World {
        pull_first: BTreeSet::from(["busybox".to_owned()]),
        ..has("other")
    };
    assert_eq!(lines(&run(&unknown, &world)), ["pull busybox"]);
    world.images.insert("busybox".to_owned());
    assert_eq!(lines(&run(&unknown, &world)), [resolve]);
    let asked = Key::Pin(DeploymentId::from_number(1), "busybox".to_owned());
    let told = lines(&run_busy(&unknown, &has("busybox"), &[asked], &[]));
    assert_eq!(told, [""; 0]);
}
