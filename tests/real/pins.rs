//! A tag that moves in its registry: every task of a deployment runs the digest that the tag
//! stood for when the deployment began.

use std::collections::BTreeSet;

use super::engines::{Engines, IMAGE, wait_for};
use super::registry::{Registry, installed};
use super::ship::{PATIENCE, Ship};

/// Gives the tag to another image and pushes it; the engine forgets both.
fn push(engines: &Engines, image: &str, version: u32) {
    let engine = &engines.each[0];
    let made = engine.docker(&["create", IMAGE, "true"]);
    let made = made.trim();
    let label = format!("LABEL version={version}");
    engine.docker(&["commit", "--change", &label, made, image]);
    engine.docker(&["push", image]);
    engine.docker(&["rm", made]);
    engine.docker(&["rmi", image]);
}

/// What the running containers of the service were made from, over all engines.
fn made_from(engines: &Engines) -> BTreeSet<String> {
    let running = engines.each.iter().flat_map(|engine| {
        let ids = engine.running("web");
        let inspected = ids.into_iter().map(|id| {
            let format = "{{.Config.Image}} {{.Image}}";
            engine.docker(&["inspect", "--format", format, &id])
        });
        inspected.collect::<Vec<_>>()
    });
    running.map(|line| line.trim().to_owned()).collect()
}

fn pinned(ship: &Ship) -> String {
    let service = ship.service("web");
    let images = &service["deployments"][0]["containerImages"];
    images[0]["imageDigest"]
        .as_str()
        .unwrap_or_else(|| panic!("not pinned: {service:#}"))
        .to_owned()
}

#[test]
fn every_task_of_a_deployment_runs_one_digest_though_the_tag_moves() {
    if !installed() {
        return;
    }
    let Some(engines) = Engines::start(3) else {
        return;
    };
    let running = Registry::start(&engines, None);
    let address = running.address.clone();
    let image = format!("{address}/deck/app:1");
    push(&engines, &image, 1);

    let mut ship = Ship::over(&engines, 3);
    ship.serve();
    let text = super::spread::sleepers("web", 3, "").replace(IMAGE, &image);
    let file = ship.file("web.toml", &text);
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 3);
    let first = pinned(&ship);
    let of_first = made_from(&engines);
    assert_eq!(of_first.len(), 1, "{of_first:?}");
    let reference = format!("{address}/deck/app@{first} ");
    assert!(
        of_first.first().unwrap().starts_with(&reference),
        "{of_first:?}"
    );
    for task in ship.tasks("web") {
        assert_eq!(
            task["containers"][0]["imageDigest"],
            first.as_str(),
            "{task:#}"
        );
    }

    // The tag moves, and the control plane is started anew: the deployment stays what it was.
    push(&engines, &image, 2);
    ship.kill_9();
    ship.serve();
    ship.ok(&["service", "scale", "web", "6", "--yes"]);
    ship.settles("web", 6);
    assert_eq!(pinned(&ship), first);
    assert_eq!(made_from(&engines), of_first);
    assert!(ship.ok(&["service", "show", "web"]).contains(&first));

    // A new deployment runs what the tag now stands for.
    ship.ok(&["service", "restart", "web", "--yes"]);
    ship.settles("web", 6);
    let second = pinned(&ship);
    assert_ne!(first, second);
    let of_second = made_from(&engines);
    assert_eq!(of_second.len(), 1, "{of_second:?}");
    assert!(
        of_second.first().unwrap().contains(&second),
        "{of_second:?}"
    );

    // What is there is not pulled again, and so needs no registry.
    drop(running);
    let all = || {
        let each = engines.each.iter();
        each.map(|engine| engine.running("web")).collect::<Vec<_>>()
    };
    let at = all().iter().position(|here| !here.is_empty()).unwrap();
    let victim = all()[at][0].clone();
    engines.each[at].docker(&["kill", &victim]);
    wait_for("a replacement", PATIENCE, || {
        let here = all().concat();
        here.len() == 6 && !here.contains(&victim)
    });
    assert_eq!(made_from(&engines), of_second);
}

#[test]
fn a_local_build_gives_way_to_what_the_registry_has_and_runs_where_no_registry_knows_it() {
    if !installed() {
        return;
    }
    let Some(engines) = Engines::start(2) else {
        return;
    };
    let running = Registry::start(&engines, None);
    let image = format!("{}/deck/app:1", running.address);
    push(&engines, &image, 1);
    // Another image under the same tag, which came from no registry.
    engines.each[0].docker(&["tag", IMAGE, &image]);

    let mut ship = Ship::over(&engines, 2);
    ship.serve();
    let text = super::spread::sleepers("web", 2, "").replace(IMAGE, &image);
    let file = ship.file("web.toml", &text);
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 2);
    let digest = pinned(&ship);
    let all = made_from(&engines);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all.first().unwrap().contains(&digest), "{all:?}");

    // One that only the engines have.
    let image = "deck/built:1";
    for engine in &engines.each[..2] {
        engine.docker(&["tag", IMAGE, image]);
    }
    let text = super::spread::sleepers("web", 2, "").replace(IMAGE, image);
    let file = ship.file("web.toml", &text);
    ship.ok(&["apply", &file, "--yes", "--wait"]);
    ship.settles("web", 2);
    let all = made_from(&engines);
    assert!(all.iter().all(|it| it.starts_with(image)), "{all:?}");
    let events = ship.ok(&["events"]);
    let told = "was unable to resolve deck/built:1 to a digest on (instance";
    assert!(events.contains(told), "{events}");
}
