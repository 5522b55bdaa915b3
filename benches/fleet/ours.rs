//! Quarterdeck over the engines, behind TLS as in the field: the control plane in this process,
//! its store on disk.

use std::sync::Arc;
use std::time::Instant;

use hyper::Method;
use quarterdeck::agent::{Clock, SystemClock};
use quarterdeck::config::{self, Lookup};
use quarterdeck::docker::connector::RealConnector;

use super::engines::{Engines, IMAGE};
use super::plane::{Kind, Ours, running};
use super::{COMMAND, MEMORY_MIB, PATIENCE, SPREAD, TASKS, sweep, transport};

/// Seconds from the kill of a service's one container to its replacement RUNNING. Each time it is
/// another service: one whose tasks die again and again is made to wait.
pub async fn kills(engines: &Engines, rounds: usize) -> Vec<f64> {
    let ours = over(engines, 1).await;
    let engine = transport(&engines.each[0]);
    let mut seconds = Vec::new();
    for round in 0..rounds {
        let service = format!("victim-{round}");
        let snapshot = ours.serve(&service, 1, 30).await;
        let victim = running(&snapshot, &service)[0].clone();
        let path = format!("/containers/{}/kill", victim.containers[0].runtime_id);
        let begun = Instant::now();
        engine.json(Method::POST, &path, None).await.unwrap();
        ours.until_replaced(&service, &victim).await;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    end(ours, engines).await;
    seconds
}

/// Seconds from asking for a service to all its tasks RUNNING.
pub async fn fills(engines: &Engines, rounds: usize) -> Vec<f64> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let ours = over(engines, 3).await;
        let begun = Instant::now();
        ours.serve("fill", TASKS, 30).await;
        seconds.push(begun.elapsed().as_secs_f64());
        end(ours, engines).await;
    }
    seconds
}

/// Seconds from the death of an engine, with all its containers, to all tasks RUNNING on others.
pub async fn losses(engines: &mut Engines, grace_s: u32, rounds: usize) -> Vec<f64> {
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let ours = over(engines, 3).await;
        ours.serve("spread", SPREAD, grace_s).await;
        let lost = engines.each[2].name.clone();
        let begun = SystemClock.now();
        engines.each[2].power_off();
        let snapshot = ours
            .until(|snapshot| {
                let elsewhere = running(snapshot, "spread").into_iter();
                elsewhere.filter(|t| t.instance.as_str() != lost).count() == SPREAD
            })
            .await;
        // When they were seen RUNNING: it may have been while the power still went off.
        let all = running(&snapshot, "spread").into_iter();
        let last = all.filter_map(|t| t.started_at).max().unwrap();
        seconds.push(last.since_ms(begun) as f64 / 1000.0);
        engines.each[2].power_on();
        end(ours, engines).await;
    }
    seconds
}

/// A whole control plane whose first `count` engines are connected.
async fn over(engines: &Engines, count: usize) -> Ours {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "[[cluster]]\nname = \"default\"\n".to_owned();
    let at = |file: &str| engines.certificate(file);
    for (n, engine) in engines.each.iter().take(count).enumerate() {
        text += &format!(
            "[[instance]]\nname = \"{}\"\nendpoint = \"tcp://{}:2376\"\n\
             availability_zone = \"z{n}\"\n\
             tls = {{ ca = \"{}\", cert = \"{}\", key = \"{}\" }}\n",
            engine.name,
            engine.address,
            at("ca.pem"),
            at("client.pem"),
            at("client-key.pem"),
        );
    }
    let file = folder.path().join("quarterdeck.toml");
    std::fs::write(&file, text).unwrap();
    let settings = config::load(&Lookup::from_environment(Some(file))).unwrap();
    // Only ssh would need the folder while it runs.
    let connector = Arc::new(RealConnector::new(folder.path().join("run")));
    let kind = Kind {
        image: IMAGE,
        command: &COMMAND,
        memory_mib: MEMORY_MIB,
        patience: PATIENCE,
    };
    Ours::start(settings, connector, &kind).await
}

async fn end(ours: Ours, engines: &Engines) {
    ours.stop().await;
    sweep(engines);
}
