//! Whoever holds a client cannot tell whether the control plane runs in this process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::tests::{Rig, caught_up};
use super::*;
use crate::client::{About, Client, ClientError, LocalClient, LogTarget};
use crate::controller::fixture::*;
use crate::controller::wire as ecs;
use crate::docker::{ExecInput, ExecOptions, ExecOutput, LogOptions};
use crate::model::{ClusterName, HistoryAsk, Snapshot, TaskId, TimeMs};

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What differs between two things that were made one after the other and are else alike: names,
/// ids and times.
fn masked(value: Value, name: &str) -> Value {
    match value {
        Value::String(text) => {
            let text = text.replace(name, "NAME");
            let words = text.split('/').map(|part| {
                let id = part.len() >= 20 && part.chars().all(|c| c.is_ascii_hexdigit());
                if id { "ID" } else { part }
            });
            Value::String(words.collect::<Vec<_>>().join("/"))
        }
        Value::Array(all) => all.into_iter().map(|it| masked(it, name)).collect(),
        Value::Object(all) => {
            let all = all.into_iter().map(|(key, value)| {
                let drawn = key.ends_with("At") || is_drawn(&key);
                let value = if drawn {
                    "DRAWN".into()
                } else {
                    masked(value, name)
                };
                (key, value)
            });
            Value::Object(all.collect())
        }
        other => other,
    }
}

/// What is drawn anew for each, or moves by itself meanwhile.
fn is_drawn(key: &str) -> bool {
    matches!(
        key,
        "id" | "events"
            | "containerImages"
            | "runningCount"
            | "pendingCount"
            | "rolloutState"
            | "rolloutStateReason"
    )
}

fn told(outcome: Result<Reply, ClientError>, name: &str) -> String {
    match outcome {
        Ok(reply) => format!("{} {:?}", masked(reply.body, name), reply.warnings),
        Err(error) => format!("{error:?}").replace(name, "NAME"),
    }
}

fn words(outcome: Result<impl std::fmt::Debug, ClientError>) -> String {
    format!("{outcome:?}")
}

/// Runs a task with a health check, and waits for its first result.
async fn checked(rig: &Rig) -> TaskId {
    let ask = async |operation: &str, body: Value| {
        let command = ecs::decode(operation, &body).unwrap();
        crate::controller::fixture::ask(&rig.plane.handle, command).await;
    };
    let definition = json!({"family": "checked", "containerDefinitions": [{
        "name": "web", "image": IMAGE, "memory": 64,
        "healthCheck": {"command": ["CMD-SHELL", "curl -f localhost"], "interval": 300}}]});
    ask("RegisterTaskDefinition", definition).await;
    ask("RunTask", json!({"taskDefinition": "checked"})).await;
    let healthy =
        |it: &&Arc<crate::model::Task>| it.health() == crate::model::task::Health::Healthy;
    let seen = until(&rig.plane.handle, "its check passes", |it| {
        it.state.tasks.values().any(|task| healthy(&task))
    })
    .await;
    let found = seen.state.tasks.values().find(healthy);
    found.unwrap().id
}

async fn typed(client: &dyn Client, task: TaskId) -> (String, Option<i64>) {
    let options = ExecOptions {
        command: vec!["sh".into()],
        tty: false,
        size: None,
    };
    let mut shell = client.exec(task, None, options).await.unwrap();
    let line = bytes::Bytes::from_static(b"echo ahoy\nexit\n");
    shell.input.send(ExecInput::Data(line)).await.unwrap();
    let (mut heard, mut code) = (String::new(), None);
    while let Some(output) = shell.output.next().await {
        match output.unwrap() {
            ExecOutput::Data(_, bytes) => heard.push_str(std::str::from_utf8(&bytes).unwrap()),
            ExecOutput::Exit(exit) => code = Some(exit),
        }
    }
    (heard, code)
}

/// The same story, told to each about a thing of its own; then everything that can be asked.
#[tokio::test]
async fn near_and_far_everything_is_the_same() {
    let rig = Rig::new(3).await;
    let near = LocalClient::new(rig.plane.handle.clone(), "ann".into());
    let far = rig.client().await;
    let both: [(&dyn Client, &str); 2] = [(&near, "anear"), (&far, "afar")];
    assert_eq!(near.whoami().await.unwrap(), far.whoami().await.unwrap());

    let decode = |operation: &str, body: Value| ecs::decode(operation, &body).unwrap();
    let story = |name: &str| {
        vec![
            register(name),
            decode(
                "RegisterTaskDefinition",
                json!({"family": name, "executionRoleArn": "x",
                "containerDefinitions": [{"name": "web", "image": IMAGE, "memory": 64}]}),
            ),
            create(name, name, 2),
            create(name, name, 2),
            decode(
                "CreateService",
                json!({"serviceName": name, "taskDefinition": "none"}),
            ),
            scale(name, 1),
            scale(name, 1),
            decode(
                "UpdateService",
                json!({"service": name, "desiredCount": 4_000_000}),
            ),
            decode(
                "DeregisterTaskDefinition",
                json!({"taskDefinition": format!("{name}:1")}),
            ),
            decode(
                "PutSchedule",
                json!({"name": name, "taskDefinition": name,
                "scheduleExpression": "cron(0 3 * * ? *)"}),
            ),
            decode("DeleteSchedule", json!({"name": name})),
            decode("DeleteSchedule", json!({"name": name})),
            decode("CreateCluster", json!({"clusterName": name})),
            decode("DeleteCluster", json!({"cluster": name})),
            decode(
                "StopTask",
                json!({"task": "ffffffffffffffffffffffffffffffff"}),
            ),
            decode("DeleteService", json!({"service": name})),
        ]
    };
    for (at_near, at_far) in story("anear").into_iter().zip(story("afar")) {
        let operation = at_near.operation();
        let (a, b) = (near.command(at_near).await, far.command(at_far).await);
        assert_eq!(told(a, "anear"), told(b, "afar"), "{operation}");
    }

    // All or nothing, and only what was planned.
    for (client, name) in both {
        until(&rig.plane.handle, "one runs", |it| {
            let left = it.state.tasks.values().filter(|task| !task.is_stopped());
            let own = |task: &&Arc<crate::model::Task>| {
                task.service.as_ref().is_some_and(|it| it.as_str() == name)
            };
            serving(it, name).len() == 1 && left.filter(own).count() == 1
        })
        .await;
        let batch = vec![register(name), scale(name, 2)];
        let planned = client.plan(batch.clone().into()).await.unwrap();
        let effects = planned.effects.clone();
        client
            .apply(batch.clone(), Some(effects.clone()))
            .await
            .unwrap();
        let again = client.apply(batch, Some(effects)).await.unwrap_err();
        assert!(
            matches!(&again, ClientError::Refused(error)
            if error.kind == ErrorKind::ConflictException),
            "{again:?}"
        );
    }
    for name in ["anear", "afar"] {
        until(&rig.plane.handle, "two run", |it| {
            serving(it, name).len() == 2
        })
        .await;
    }

    // Now the same questions about the same things.
    // The simulated world moves on by itself: they are compared at one number.
    let alike = async {
        loop {
            let (a, b) = (
                near.snapshots().borrow().clone(),
                far.snapshots().borrow().clone(),
            );
            if a.version == b.version {
                break (a, b);
            }
            tokio::task::yield_now().await;
        }
    };
    let (a, picture) = tokio::time::timeout(LIMIT, alike).await.unwrap();
    assert_eq!(a, picture);
    let before = TimeMs(picture.at.0 - 1);
    let task = serving(&picture, "afar")[0].id;
    let plan = || vec![scale("afar", 5), scale("anear", 1)].into();
    assert_eq!(
        words(near.plan(plan()).await),
        words(far.plan(plan()).await)
    );
    let wrong = || vec![scale("nothing", 5)].into();
    assert_eq!(
        words(near.plan(wrong()).await),
        words(far.plan(wrong()).await)
    );
    let cluster = ClusterName::default_cluster();
    for name in ["afar", "nothing"] {
        let about = || About::Service(cluster.clone(), name.parse().unwrap());
        let (a, b) = (near.explain(about()).await, far.explain(about()).await);
        assert_eq!(words(a), words(b));
    }
    let asked = || HistoryAsk {
        until: before,
        ..HistoryAsk::default()
    };
    let (a, b) = (near.history(asked()).await, far.history(asked()).await);
    assert_eq!(words(a), words(b));
    for moment in [before, TimeMs(1), TimeMs(u64::MAX)] {
        let (a, b) = (near.at(moment).await, far.at(moment).await);
        match (a, b) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (a, b) => assert_eq!(words(a), words(b)),
        }
    }
    let (a, b) = (
        near.stats(task).await.unwrap(),
        far.stats(task).await.unwrap(),
    );
    let names = |all: &[(crate::model::ContainerName, crate::docker::StatsSample)]| {
        all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&a), names(&b));
    let checked = checked(&rig).await;
    for task in [checked, task, TaskId(7)] {
        // Between two checks, so that both are asked about the same ones.
        let same = async {
            loop {
                let (a, b) = (near.health_log(task).await, far.health_log(task).await);
                if format!("{a:?}") == format!("{b:?}") {
                    break a;
                }
            }
        };
        let logs = tokio::time::timeout(LIMIT, same).await.unwrap();
        match logs {
            Ok(logs) => assert_eq!(logs.len(), usize::from(task == checked)),
            Err(error) => assert!(matches!(error, ClientError::Refused(_)), "{error:?}"),
        }
    }
    for task in [task, TaskId(7)] {
        let target = || LogTarget::Task {
            task,
            container: None,
        };
        let options = || LogOptions {
            tail: Some(3),
            ..LogOptions::default()
        };
        let lines = async |client: &dyn Client| -> Vec<String> {
            let items = client.logs(target(), options()).await.unwrap();
            items.map(words).collect().await
        };
        let (a, b) = (lines(&near).await, lines(&far).await);
        // A container may have written a line meanwhile.
        assert_eq!(a.len(), b.len(), "{a:?} {b:?}");
    }
    assert_eq!(typed(&near, task).await, typed(&far, task).await);
    let options = || ExecOptions {
        command: vec!["sh".into()],
        tty: false,
        size: None,
    };
    let a = near.exec(TaskId(7), None, options()).await.err();
    let b = far.exec(TaskId(7), None, options()).await.err();
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
    // One fails it, the other mends it.
    let instance = names_of(&picture)[0].clone();
    for (client, _) in both {
        client
            .toggle_fault(instance.clone())
            .unwrap()
            .await
            .unwrap();
    }
    drop(near);
    rig.end().await;
}

fn names_of(picture: &Snapshot) -> Vec<crate::model::InstanceName> {
    picture.state.instances.keys().cloned().collect()
}

#[tokio::test]
async fn many_consoles_come_to_the_same_picture_whichever_of_them_asks() {
    const CONSOLES: usize = 10;
    let rig = Rig::new(3).await;
    let mut clients = Vec::new();
    for _ in 0..CONSOLES {
        clients.push(Arc::new(rig.client().await));
    }
    clients[0].command(register("web")).await.unwrap();
    clients[1].command(create("web", "web", 3)).await.unwrap();
    // All of them at once, over and over; what is refused is refused to one alone.
    let asking = clients.iter().enumerate().map(|(n, client)| {
        let client = client.clone();
        tokio::spawn(async move {
            for round in 0..5u32 {
                let count = 1 + (u32::try_from(n).unwrap() + round) % 6;
                client.command(scale("web", count)).await.unwrap();
                // Who asked has it on the picture when it is answered.
                let picture = client.snapshots().borrow().clone();
                assert!(picture.state.services.len() == 1);
            }
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.unwrap();
    }
    let settled = until(&rig.plane.handle, "what was asked last runs", |it| {
        let web = it.state.services.values().next().unwrap();
        serving(it, "web").len() == web.desired_count as usize
    })
    .await;
    assert_eq!(settled.state.services.len(), 1);
    for client in &clients {
        caught_up(client.as_ref(), &rig.plane).await;
    }
    // The simulated world moves on by itself: they are compared at one number.
    let alike = async {
        loop {
            let pictures: Vec<_> = clients
                .iter()
                .map(|it| it.snapshots().borrow().clone())
                .collect();
            if pictures.iter().all(|it| it.version == pictures[0].version) {
                break pictures;
            }
            tokio::task::yield_now().await;
        }
    };
    let pictures = tokio::time::timeout(LIMIT, alike).await.unwrap();
    for picture in &pictures {
        assert_eq!(**picture, *pictures[0]);
    }
    drop(clients);
    rig.end().await;
}
