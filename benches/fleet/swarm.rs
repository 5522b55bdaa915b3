//! Docker Swarm over the same engines: manager on the first, workers on the others. It is asked
//! over its API, as Quarterdeck is, and looked at twenty times a second.

use std::time::{Duration, Instant};

use hyper::Method;
use quarterdeck::docker::transport::Transport;
use serde_json::{Value, json};

use super::engines::Engines;
use super::{COMMAND, MEMORY_MIB, PATIENCE, SPREAD, TASKS, sweep, transport};

/// Between two looks at it.
const GAP: Duration = Duration::from_millis(50);
/// Its defaults count in nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

pub struct Swarm {
    manager: Transport,
    image: String,
}

impl Swarm {
    pub async fn over(engines: &Engines, image: &str) -> Self {
        let address = engines.each[0].address.clone();
        let manager = &engines.each[0];
        manager.docker(&["swarm", "init", "--advertise-addr", &address]);
        let token = manager.docker(&["swarm", "join-token", "-q", "worker"]);
        for worker in &engines.each[1..] {
            let own = &worker.address;
            let to = format!("{address}:2377");
            worker.docker(&[
                "swarm",
                "join",
                "--advertise-addr",
                own,
                "--token",
                token.trim(),
                &to,
            ]);
        }
        let swarm = Self {
            manager: transport(manager),
            image: image.to_owned(),
        };
        swarm.all_ready(engines).await;
        swarm
    }

    pub fn leave(self, engines: &Engines) {
        for engine in engines.each.iter().rev() {
            engine.docker(&["swarm", "leave", "--force"]);
        }
        sweep(engines);
    }

    /// Seconds from the kill of a service's one container to its replacement running.
    pub async fn kills(&self, engines: &Engines, delay_s: u64, rounds: usize) -> Vec<f64> {
        let engine = transport(&engines.each[0]);
        let mut seconds = Vec::new();
        for _ in 0..rounds {
            // A fresh service each time, as ours has: what was restarted before waits longer.
            self.serve(1, delay_s, &["node.role==manager"]).await;
            let victim = containers(&self.running(1).await)[0].clone();
            let path = format!("/containers/{victim}/kill");
            let begun = Instant::now();
            engine.json(Method::POST, &path, None).await.unwrap();
            self.until(|tasks| containers(tasks).iter().any(|id| *id != victim))
                .await;
            seconds.push(begun.elapsed().as_secs_f64());
            self.remove(engines).await;
        }
        seconds
    }

    /// Seconds from asking for a service to all its tasks running.
    pub async fn fills(&self, engines: &Engines, rounds: usize) -> Vec<f64> {
        let mut seconds = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            self.serve(TASKS, 5, &[]).await;
            self.running(TASKS).await;
            seconds.push(begun.elapsed().as_secs_f64());
            self.remove(engines).await;
        }
        seconds
    }

    /// Seconds from the death of a worker, with all its containers, to all tasks running on others.
    pub async fn losses(&self, engines: &mut Engines, rounds: usize) -> Vec<f64> {
        let mut seconds = Vec::new();
        for _ in 0..rounds {
            self.serve(SPREAD, 5, &[]).await;
            self.running(SPREAD).await;
            let lost = engines.each[2].docker(&["info", "--format", "{{.Swarm.NodeID}}"]);
            let begun = Instant::now();
            engines.each[2].power_off();
            self.until(|tasks| {
                let elsewhere = tasks.iter().filter(|t| t["NodeID"] != lost.trim());
                containers(&elsewhere.cloned().collect::<Vec<_>>()).len() == SPREAD
            })
            .await;
            seconds.push(begun.elapsed().as_secs_f64());
            engines.each[2].power_on();
            self.all_ready(engines).await;
            self.remove(engines).await;
        }
        seconds
    }

    async fn serve(&self, count: usize, delay_s: u64, constraints: &[&str]) {
        let body = json!({
            "Name": "bench",
            "TaskTemplate": {
                "ContainerSpec": {"Image": self.image, "Command": COMMAND},
                "Resources": {"Limits": {"MemoryBytes": MEMORY_MIB << 20}},
                "RestartPolicy": {"Condition": "any", "Delay": delay_s * SECOND_NS},
                "Placement": {"Constraints": constraints},
            },
            "Mode": {"Replicated": {"Replicas": count}},
        });
        let made = self
            .manager
            .json(Method::POST, "/services/create", Some(&body));
        made.await.unwrap();
    }

    async fn remove(&self, engines: &Engines) {
        engines.each[0].docker(&["service", "rm", "bench"]);
        self.until(<[Value]>::is_empty).await;
        sweep(engines);
    }

    async fn running(&self, count: usize) -> Vec<Value> {
        self.until(|tasks| containers(tasks).len() == count).await
    }

    /// Its tasks that are to run, once they are as asked for.
    async fn until(&self, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        // {"desired-state":["running"]}
        let path = "/tasks?filters=%7B%22desired-state%22%3A%5B%22running%22%5D%7D";
        loop {
            let tasks = self.manager.json(Method::GET, path, None).await.unwrap();
            let tasks = tasks.as_array().cloned().unwrap_or_default();
            if holds(&tasks) {
                return tasks;
            }
            assert!(begun.elapsed() < PATIENCE, "Swarm hangs: {tasks:?}");
            tokio::time::sleep(GAP).await;
        }
    }

    async fn all_ready(&self, engines: &Engines) {
        let begun = Instant::now();
        loop {
            let nodes = self
                .manager
                .json(Method::GET, "/nodes", None)
                .await
                .unwrap();
            let nodes = nodes.as_array().cloned().unwrap_or_default();
            let ready = nodes.iter().filter(|n| n["Status"]["State"] == "ready");
            if ready.count() == engines.each.len() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "Swarm hangs: {nodes:?}");
            tokio::time::sleep(GAP).await;
        }
    }
}

/// The containers of those tasks that run.
fn containers(tasks: &[Value]) -> Vec<String> {
    let up = tasks.iter().filter(|t| t["Status"]["State"] == "running");
    let id = |task: &Value| {
        let id = task.pointer("/Status/ContainerStatus/ContainerID");
        id.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    up.map(id).collect()
}
