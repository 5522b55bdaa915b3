//! Deployments pin what their images' tags stand for.

use std::collections::BTreeMap;

use serde_json::json;

use super::rig::Rig;
use crate::model::service::ImagePin;
use crate::model::{Observation, TaskId};

fn pin(digest: &str) -> ImagePin {
    ImagePin {
        digest: Some(digest.to_owned()),
        reason: String::new(),
    }
}

fn resolved(rig: &mut Rig, task: TaskId, image: &str, pin: ImagePin) {
    let image = image.to_owned();
    rig.observe(Observation::ImageResolved { task, image, pin });
}

/// What the PRIMARY deployment has pinned.
fn pins(rig: &Rig) -> BTreeMap<String, ImagePin> {
    rig.service("web").primary().unwrap().images.clone()
}

#[test]
fn the_first_answer_holds_for_a_deployment_and_a_new_deployment_asks_anew() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    let [one, two] = rig.tasks().iter().map(|t| t.id).collect::<Vec<_>>()[..] else {
        panic!("not two tasks");
    };
    resolved(&mut rig, two, "busybox", pin("sha256:1"));
    resolved(&mut rig, one, "busybox", pin("sha256:2"));
    resolved(&mut rig, one, "another", pin("sha256:3"));
    resolved(&mut rig, TaskId(99), "busybox", pin("sha256:4"));
    let first = BTreeMap::from([("busybox".to_owned(), pin("sha256:1"))]);
    assert_eq!(pins(&rig), first);
    rig.settle();
    assert_eq!(pins(&rig), first, "planning keeps it");
    let anew = json!({"service": "web", "forceNewDeployment": true});
    rig.ask("UpdateService", anew).unwrap();
    assert!(pins(&rig).is_empty());
    // A task of the old deployment says nothing of the new one.
    resolved(&mut rig, one, "busybox", pin("sha256:5"));
    assert!(pins(&rig).is_empty());
}

#[test]
fn what_cannot_be_pinned_is_told_once_with_the_reason() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    for task in rig.tasks() {
        let local = ImagePin {
            digest: None,
            reason: "on a: it was built there".to_owned(),
        };
        resolved(&mut rig, task.id, "busybox", local);
    }
    rig.told("runs what busybox names on each host: it could not be pinned to one digest (on a: it was built there).");
    assert_eq!(pins(&rig)["busybox"].digest, None);
}

#[test]
fn a_container_that_was_made_from_a_digest_has_it_in_its_task() {
    let mut rig = Rig::new(&[("a", "z1")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    rig.settle();
    let task = rig.tasks()[0].id;
    rig.edit(task, |container| {
        container.image = "busybox@sha256:7".to_owned()
    });
    rig.list("a");
    let digest = rig.task(task).containers[0].image_digest.clone();
    assert_eq!(digest.as_deref(), Some("sha256:7"));
}
