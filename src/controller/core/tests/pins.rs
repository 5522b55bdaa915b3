//! Deployments pin what their images' tags stand for.

use std::collections::BTreeMap;

use serde_json::json;

use super::rig::Rig;
use crate::model::service::ImagePin;
use crate::model::{Observation, TaskId};

fn pin(digest: &str) -> ImagePin {
    ImagePin::to_digest(digest)
}

fn says(rig: &mut Rig, task: TaskId, image: &str, answer: Result<&str, &str>) {
    rig.observe(Observation::ImageResolved {
        task,
        image: image.to_owned(),
        answer: answer.map(str::to_owned).map_err(str::to_owned),
    });
}

fn resolved(rig: &mut Rig, task: TaskId, image: &str, digest: &str) {
    says(rig, task, image, Ok(digest));
}

/// The task of the service on that instance.
fn on(rig: &Rig, instance: &str) -> TaskId {
    let mut tasks = rig.tasks().into_iter();
    let found = tasks.find(|task| task.instance.as_str() == instance);
    found.unwrap().id
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
    resolved(&mut rig, two, "busybox", "sha256:1");
    resolved(&mut rig, one, "busybox", "sha256:2");
    resolved(&mut rig, one, "another", "sha256:3");
    resolved(&mut rig, TaskId(99), "busybox", "sha256:4");
    let first = BTreeMap::from([("busybox".to_owned(), pin("sha256:1"))]);
    assert_eq!(pins(&rig), first);
    rig.settle();
    assert_eq!(pins(&rig), first, "planning keeps it");
    let anew = json!({"service": "web", "forceNewDeployment": true});
    rig.ask("UpdateService", anew).unwrap();
    assert!(pins(&rig).is_empty());
    // A task of the old deployment says nothing of the new one.
    resolved(&mut rig, one, "busybox", "sha256:5");
    assert!(pins(&rig).is_empty());
}

const BUILT: Result<&str, &str> = Err("it was built there");

#[test]
fn a_no_holds_for_its_instance_and_the_digest_of_another_for_all() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    let (a, b) = (on(&rig, "a"), on(&rig, "b"));
    says(&mut rig, a, "busybox", BUILT);
    // The other is still to answer: nothing is run before.
    assert!(!pins(&rig)["busybox"].is_local);
    resolved(&mut rig, b, "busybox", "sha256:1");
    assert_eq!(pins(&rig)["busybox"], pin("sha256:1"));
    says(&mut rig, a, "busybox", BUILT);
    assert_eq!(pins(&rig)["busybox"], pin("sha256:1"));
    let told = rig.messages();
    assert!(
        !told.iter().any(|it| it.contains("unable to resolve")),
        "{told:#?}"
    );
}

#[test]
fn where_nobody_resolves_it_every_instance_runs_its_own_and_is_named_once() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    let (a, b) = (on(&rig, "a"), on(&rig, "b"));
    for _ in 0..2 {
        says(&mut rig, a, "busybox", BUILT);
        says(&mut rig, b, "busybox", Err("denied"));
    }
    let each = "(instance a): it was built there; (instance b): denied";
    rig.told(&format!("was unable to resolve busybox to a digest on {each}. No other instance resolved it either: tasks there run what busybox names there, and are not pinned."));
    let found = pins(&rig)["busybox"].clone();
    assert!(found.is_local && found.digest.is_none());
    assert_eq!(found.reason(), "on a: it was built there; on b: denied");
    // One that comes later and can is believed.
    resolved(&mut rig, b, "busybox", "sha256:1");
    assert_eq!(pins(&rig)["busybox"], pin("sha256:1"));
    rig.told(
        "Tasks that were started before on (instance a) (instance b) run what busybox named there.",
    );
}

#[test]
fn an_instance_that_does_not_answer_is_not_waited_for() {
    let mut rig = Rig::new(&[("a", "z1"), ("b", "z2")]);
    rig.register("web", json!({}));
    rig.create("web", 2);
    let a = on(&rig, "a");
    says(&mut rig, a, "busybox", BUILT);
    assert!(!pins(&rig)["busybox"].is_local);
    rig.cut("b");
    // The agent asks again while nothing is decided.
    says(&mut rig, a, "busybox", BUILT);
    assert!(pins(&rig)["busybox"].is_local);
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
