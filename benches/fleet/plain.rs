//! The engines' own API, asked straight: the limit.

use std::sync::Arc;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use hyper::Method;
use quarterdeck::docker::spec::NETWORK;
use quarterdeck::docker::transport::Transport;
use serde_json::json;

use super::engines::{Engines, IMAGE};
use super::{COMMAND, MEMORY_MIB, TASKS, sweep, transport};

/// Seconds that one create and start takes on the first engine, again and again.
pub async fn one_by_one(engines: &Engines, rounds: usize) -> Vec<f64> {
    let engine = network(engines).swap_remove(0);
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        make(&engine).await;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    sweep(engines);
    seconds
}

/// Seconds until so many containers run, made `parallel` at a time over all engines by turns.
pub async fn fills(engines: &Engines, parallel: usize, rounds: usize) -> Vec<f64> {
    let all = network(engines);
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        stream::iter(0..TASKS)
            .for_each_concurrent(parallel, |n| {
                let engine = all[n % all.len()].clone();
                async move { make(&engine).await }
            })
            .await;
        seconds.push(begun.elapsed().as_secs_f64());
        sweep(engines);
    }
    seconds
}

/// The engines, each with the network that Quarterdeck's containers are in.
fn network(engines: &Engines) -> Vec<Arc<Transport>> {
    for engine in &engines.each {
        let there = engine.docker(&[
            "network",
            "ls",
            "-q",
            "--filter",
            &format!("name={NETWORK}"),
        ]);
        if there.trim().is_empty() {
            engine.docker(&["network", "create", NETWORK]);
        }
    }
    engines
        .each
        .iter()
        .map(|e| Arc::new(transport(e)))
        .collect()
}

async fn make(engine: &Transport) {
    let body = json!({
        "Image": IMAGE, "Cmd": COMMAND,
        "HostConfig": {"Memory": MEMORY_MIB << 20, "NetworkMode": NETWORK},
    });
    let made = engine.json(Method::POST, "/containers/create", Some(&body));
    let made = made.await.unwrap();
    let id = made["Id"].as_str().unwrap();
    let path = format!("/containers/{id}/start");
    engine.json(Method::POST, &path, None).await.unwrap();
}
