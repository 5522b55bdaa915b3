//! The API over a real unix socket, with a control plane over simulated engines behind it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::serve::SOCKET;
use super::wire::WatchLine;
use super::*;
use crate::client::{
    About, Client, ClientError, LocalClient, LogItem, LogTarget, RemoteClient, Standing,
};
use crate::controller::core::Action;
use crate::controller::fixture::*;
use crate::controller::handle::DELTAS_MAX;
use crate::controller::{ControlPlane, ErrorKind, wire as ecs};
use crate::docker::{ExecInput, ExecOptions, ExecOutput, LogOptions};
use crate::model::{ClusterName, ServiceName, Snapshot, Task};
use crate::sim::Fleet;

/// A served control plane.
pub(super) struct Rig {
    dir: tempfile::TempDir,
    _fleet: Fleet,
    pub(super) plane: ControlPlane,
    pub(super) server: Server,
}

impl Rig {
    pub(super) async fn new(instances: usize) -> Self {
        let (fleet, plane) = ready(instances).await;
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), plane.handle.clone()).unwrap();
        Self {
            dir,
            _fleet: fleet,
            plane,
            server,
        }
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join(SOCKET)
    }

    pub(super) async fn client(&self) -> RemoteClient {
        RemoteClient::connect(&self.socket(), "ann".into())
            .await
            .unwrap()
    }

    pub(super) async fn ecs(&self, operation: &str, body: Value) -> (u16, Value) {
        let target = format!("X-Amz-Target: {}{operation}\r\n", wire::TARGET_PREFIX);
        http(
            &self.socket(),
            "POST /",
            &target,
            body.to_string().as_bytes(),
        )
        .await
    }

    /// Its control plane and server, and what has to be kept meanwhile.
    pub(super) fn apart(self) -> (ControlPlane, Server, (tempfile::TempDir, Fleet)) {
        (self.plane, self.server, (self.dir, self._fleet))
    }

    pub(super) async fn end(self) {
        self.server.stop().await;
        self.plane.stop().await.unwrap();
    }
}

/// One request in plain bytes, as any client would send it.
async fn http(socket: &Path, line: &str, headers: &str, body: &[u8]) -> (u16, Value) {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (status, _, body) = spoken_with(stream, line, headers, body).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

/// The same without a body, and as it comes: status, head and body.
pub(super) async fn http_text(socket: &Path, line: &str) -> (u16, String, String) {
    spoken(UnixStream::connect(socket).await.unwrap(), line).await
}

pub(super) async fn spoken(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    line: &str,
) -> (u16, String, String) {
    spoken_with(stream, line, "", b"").await
}

async fn spoken_with(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    line: &str,
    headers: &str,
    body: &[u8],
) -> (u16, String, String) {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Waits until a client shows exactly what the control plane shows.
pub(super) async fn caught_up(client: &dyn Client, plane: &ControlPlane) -> Arc<Snapshot> {
    let mut seen = client.snapshots();
    let handle = plane.handle.clone();
    let wait = seen.wait_for(|it| **it == *handle.snapshot());
    let seen = tokio::time::timeout(Duration::from_secs(60), wait).await;
    seen.unwrap().unwrap().clone()
}

#[tokio::test]
async fn a_service_is_made_described_and_watched_over_the_socket() {
    let rig = Rig::new(3).await;
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    let reply = client.command(create("web", "web", 6)).await.unwrap();
    assert_eq!(reply.body["service"]["desiredCount"], 6);
    until(&rig.plane.handle, "six run", |it| {
        serving(it, "web").len() == 6
    })
    .await;

    let seen = caught_up(&client, &rig.plane).await;
    assert_eq!(serving(&seen, "web").len(), 6);

    let (status, body) = rig
        .ecs("DescribeServices", json!({"services": ["web", "nothing"]}))
        .await;
    assert_eq!(status, 200);
    let service = &body["services"][0];
    assert_eq!(service["serviceName"], "web");
    assert_eq!(service["runningCount"], 6);
    assert_eq!(service["pendingCount"], 0);
    assert_eq!(service["deployments"][0]["status"], "PRIMARY");
    assert_eq!(service["deployments"][0]["runningCount"], 6);
    assert_eq!(service["loadBalancers"], json!([]));
    assert!(service["createdAt"].is_f64());
    assert!(!service["events"].as_array().unwrap().is_empty());
    assert_eq!(
        body["failures"],
        json!([{"arn": "arn:aws:ecs:local:123456789012:service/default/nothing",
                "reason": "MISSING"}])
    );

    let (_, body) = rig.ecs("ListTasks", json!({"serviceName": "web"})).await;
    let arns = body["taskArns"].clone();
    assert_eq!(arns.as_array().unwrap().len(), 6);
    let (_, body) = rig.ecs("DescribeTasks", json!({"tasks": arns})).await;
    let task = &body["tasks"][0];
    assert_eq!(
        (&task["cpu"], &task["memory"]),
        (&json!("128"), &json!("128"))
    );
    assert_eq!(task["containers"][0]["cpu"], "128");
    assert_eq!(task["containers"][0]["image"], IMAGE);
    assert_eq!(task["containers"][0]["networkInterfaces"], json!([]));
    assert!(task.get("stoppedAt").is_none(), "nulls are not sent");
    rig.end().await;
}

#[tokio::test]
async fn a_services_deployments_are_listed_and_described_over_the_socket() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    client.command(create("web", "web", 1)).await.unwrap();
    let again = json!({"service": "web", "forceNewDeployment": true});
    let again = ecs::decode("UpdateService", &again).unwrap();
    client.command(again).await.unwrap();
    let (status, body) = rig
        .ecs("ListServiceDeployments", json!({"service": "web"}))
        .await;
    assert_eq!(status, 200, "{body}");
    let listed = body["serviceDeployments"].as_array().unwrap();
    let words: Vec<_> = listed.iter().map(|it| it["status"].clone()).collect();
    assert_eq!(words, ["IN_PROGRESS", "STOPPED"]);
    let arns: Vec<_> = listed
        .iter()
        .map(|it| &it["serviceDeploymentArn"])
        .collect();
    let (status, body) = rig
        .ecs(
            "DescribeServiceDeployments",
            json!({"serviceDeploymentArns": arns}),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    let newest = &body["serviceDeployments"][0];
    assert_eq!(newest["targetServiceRevision"]["requestedTaskCount"], 1);
    assert!(
        newest["taskDefinition"]
            .as_str()
            .unwrap()
            .ends_with("/web:1")
    );
    assert!(body["serviceDeployments"][1]["stoppedAt"].is_f64());
    rig.end().await;
}

#[tokio::test]
async fn lists_page_and_the_other_shapes_hold_together() {
    let rig = Rig::new(2).await;
    let client = rig.client().await;
    for family in ["a", "b", "c"] {
        client.command(register(family)).await.unwrap();
    }
    let (_, first) = rig
        .ecs("ListTaskDefinitions", json!({"maxResults": 2}))
        .await;
    assert_eq!(first["taskDefinitionArns"].as_array().unwrap().len(), 2);
    let token = first["nextToken"].clone();
    let (_, second) = rig
        .ecs(
            "ListTaskDefinitions",
            json!({"maxResults": 2, "nextToken": token}),
        )
        .await;
    let rest = second["taskDefinitionArns"].as_array().unwrap();
    assert!(rest.len() == 1 && rest[0].as_str().unwrap().ends_with("/c:1"));
    assert!(second.get("nextToken").is_none());

    let (_, body) = rig
        .ecs("DescribeTaskDefinition", json!({"taskDefinition": "a"}))
        .await;
    let definition = &body["taskDefinition"];
    assert_eq!(definition["revision"], 1);
    assert_eq!(definition["volumes"], json!([]));
    assert_eq!(definition["containerDefinitions"][0]["cpu"], 128);

    let (_, body) = rig.ecs("ListContainerInstances", json!({})).await;
    let arns = body["containerInstanceArns"].clone();
    let (_, body) = rig
        .ecs(
            "DescribeContainerInstances",
            json!({"containerInstances": arns}),
        )
        .await;
    let instance = &body["containerInstances"][1];
    assert_eq!(instance["agentConnected"], true);
    assert_eq!(instance["registeredResources"][0]["integerValue"], 4096);
    assert_eq!(
        instance["remainingResources"][2]["stringSetValue"],
        json!([])
    );

    let (_, body) = rig.ecs("DescribeClusters", json!({})).await;
    assert_eq!(body["clusters"][0]["registeredContainerInstancesCount"], 2);
    rig.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_as_ecs_tells_it() {
    let rig = Rig::new(1).await;
    let (status, body) = rig.ecs("CreateCapacityProvider", json!({})).await;
    assert_eq!(status, 400);
    assert_eq!(body["__type"], "UnknownOperationException");
    let (status, body) = rig.ecs("ListTasks", json!({"cluster": "none"})).await;
    assert_eq!(
        (status, &body["__type"]),
        (400, &json!("ClusterNotFoundException"))
    );
    let (status, body) = http(&rig.socket(), "POST /", "", b"{}").await;
    assert_eq!(
        (status, &body["__type"]),
        (400, &json!("UnknownOperationException"))
    );
    let target = format!("X-Amz-Target: {}ListTasks\r\n", wire::TARGET_PREFIX);
    let (status, body) = http(&rig.socket(), "POST /", &target, b"{").await;
    assert_eq!((status, &body["__type"]), (400, &json!("ClientException")));
    let (_, body) = http(&rig.socket(), "GET /v1/nothing", "", b"").await;
    assert_eq!(body["__type"], "UnknownOperationException");

    let client = rig.client().await;
    let refusal = client.command(create("web", "web", 1)).await.unwrap_err();
    assert!(matches!(refusal, ClientError::Refused(_)), "{refusal:?}");
    rig.end().await;
}

#[tokio::test]
async fn too_much_at_once_is_refused_with_words() {
    let rig = Rig::new(1).await;
    let one = json!({"operation": "CreateCluster", "request": {"clusterName": "a"}});
    let body = json!({"commands": vec![one; wire::COMMANDS_MAX + 1]}).to_string();
    for path in ["/v1/plan", "/v1/apply"] {
        let line = format!("POST {path}");
        let (status, told) = http(&rig.socket(), &line, "", body.as_bytes()).await;
        assert_eq!(status, 400, "{told}");
        let message = told["message"].as_str().unwrap();
        assert!(
            message.contains("1001 changes at once; at most 1000"),
            "{message}"
        );
    }
    let deep = "[".repeat(1 << 20);
    let (status, told) = http(&rig.socket(), "POST /v1/plan", "", deep.as_bytes()).await;
    assert_eq!(status, 400, "{told}");
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("recursion limit"), "{message}");
    rig.end().await;
}

#[tokio::test]
async fn a_repeated_request_with_a_token_is_harmless() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    let first = client.command(create("web", "web", 1)).await.unwrap();
    let again = client.command(create("web", "web", 1)).await.unwrap();
    assert_eq!(
        first.body["service"]["serviceArn"],
        again.body["service"]["serviceArn"]
    );
    let body = json!({"taskDefinition": "web", "clientToken": "once"});
    let run = ecs::decode("RunTask", &body).unwrap();
    let first = client.command(run.clone()).await.unwrap();
    let again = client.command(run).await.unwrap();
    let arn = &first.body["tasks"][0]["taskArn"];
    assert!(arn.is_string());
    assert_eq!(arn, &again.body["tasks"][0]["taskArn"]);
    rig.end().await;
}

#[tokio::test]
async fn warnings_come_with_the_reply() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    let body = json!({"family": "web", "executionRoleArn": "x",
        "containerDefinitions": [{"name": "web", "image": IMAGE, "memory": 64}]});
    let register = ecs::decode("RegisterTaskDefinition", &body).unwrap();
    let reply = client.command(register).await.unwrap();
    assert_eq!(reply.warnings.len(), 1);
    assert!(
        reply.warnings[0].starts_with("executionRoleArn"),
        "{reply:?}"
    );
    let kept = &reply.body["taskDefinition"];
    assert_eq!(kept["executionRoleArn"], "x", "kept members are given back");
    rig.end().await;
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_a_stale_one_is_replaced() {
    let (_fleet, plane) = ready(1).await;
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join(SOCKET);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let server = Server::start(dir.path(), plane.handle.clone()).unwrap();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    RemoteClient::connect(&socket, "ann".into()).await.unwrap();
    server.stop().await;
    assert!(
        !socket.exists(),
        "a server that stops takes its socket along"
    );
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_watcher_that_does_not_read_gets_a_fresh_picture_and_holds_up_nobody() {
    let rig = Rig::new(1).await;
    let mut slow = UnixStream::connect(rig.socket()).await.unwrap();
    slow.write_all(b"GET /v1/watch HTTP/1.0\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    // Far more than the ring of deltas and every buffer on the way hold.
    let text = "x".repeat(4_000);
    let count = 2 * DELTAS_MAX;
    for n in 0..count {
        let body = json!({"family": format!("family-{n}"), "containerDefinitions": [
            {"name": "web", "image": IMAGE, "memory": 64,
             "environment": [{"name": "LONG", "value": text}]}]});
        ask(
            &rig.plane.handle,
            ecs::decode("RegisterTaskDefinition", &body).unwrap(),
        )
        .await;
    }
    let mut lines = BufReader::new(slow).lines();
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    let (mut copy, mut pictures, mut deltas) = (Snapshot::default(), 0, 0);
    while copy.state.task_definitions.len() < count {
        let line = lines.next_line().await.unwrap().unwrap();
        match serde_json::from_str(&line).unwrap() {
            WatchLine::Snapshot(snapshot) => {
                copy = *snapshot;
                pictures += 1;
            }
            WatchLine::Delta(delta) => {
                assert_eq!(delta.version, copy.version + 1, "no gap");
                copy.advance(&delta);
                deltas += 1;
            }
            WatchLine::Beat => {}
        }
    }
    // What it lost was not kept for it: it heard of less than what happened.
    assert!(
        deltas < count,
        "{deltas} of {count} changes came one by one"
    );
    assert!(pictures >= 2, "{pictures}: it fell behind and began anew");
    assert_eq!(copy.state, rig.plane.handle.snapshot().state);
    rig.end().await;
}

#[tokio::test]
async fn logs_stats_and_shells_come_through_the_socket() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    client.command(create("web", "web", 1)).await.unwrap();
    let snapshot = until(&rig.plane.handle, "one runs", |it| {
        serving(it, "web").len() == 1
    })
    .await;
    caught_up(&client, &rig.plane).await;
    let task = serving(&snapshot, "web")[0].id;

    let target = LogTarget::Task {
        task,
        container: None,
    };
    let options = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let mut lines = client.logs(target, options).await.unwrap();
    let line = lines.next().await.unwrap().unwrap();
    assert!(matches!(line, LogItem::Line { task: of, .. } if of == task));

    let stats = client.stats(task).await.unwrap();
    assert_eq!(stats.len(), 1);
    assert!(stats[0].1.memory_bytes > 0);

    let options = ExecOptions {
        command: vec!["sh".into()],
        tty: false,
        size: None,
    };
    let mut shell = client.exec(task, None, options.clone()).await.unwrap();
    let typed = bytes::Bytes::from_static(b"echo ahoy\nexit\n");
    shell.input.send(ExecInput::Data(typed)).await.unwrap();
    let (mut heard, mut code) = (String::new(), None);
    while let Some(output) = shell.output.next().await {
        match output.unwrap() {
            ExecOutput::Data(_, bytes) => heard.push_str(std::str::from_utf8(&bytes).unwrap()),
            ExecOutput::Exit(exit) => code = Some(exit),
        }
    }
    assert!(heard.contains("ahoy"), "{heard}");
    assert_eq!(code, Some(0));
    let snapshot = rig.plane.handle.snapshot();
    let deed = |event: &&Arc<crate::model::Event>| {
        let audit = event.audit.as_ref();
        audit.is_some_and(|it| it.operation == "ExecuteCommand")
    };
    let noted: Vec<_> = snapshot.state.events.iter().filter(deed).collect();
    assert_eq!(noted.len(), 1, "once, and before it began");
    assert_eq!(noted[0].task, Some(task));
    let message = &noted[0].message;
    assert!(message.contains(" to run a program: sh"), "{message}");

    let nobody = crate::model::TaskId(1);
    let refusal = client.exec(nobody, None, options).await.err().unwrap();
    assert!(
        matches!(&refusal, ClientError::Refused(error)
        if error.kind == ErrorKind::InvalidParameterException),
        "{refusal:?}"
    );

    // A stream that the server's end cuts says so.
    let (plane, server, _kept) = rig.apart();
    let rest = lines.collect::<Vec<_>>();
    let (rest, ()) = tokio::join!(rest, server.stop());
    let last = rest.last();
    assert!(
        matches!(last, Some(Err(ClientError::Gone(why))) if why.contains("before the stream did")),
        "{last:?}"
    );
    plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_attaches_anew_and_shows_the_last_picture_meanwhile() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    assert!(matches!(client.standing(), Standing::Attached { .. }));
    let mut standings = client.standings();
    rig.server.stop().await;
    let lost = standings
        .wait_for(|it| matches!(it, Standing::Lost { .. }))
        .await;
    drop(lost.unwrap());
    assert_eq!(client.snapshots().borrow().state.instances.len(), 1);
    let refusal = client.command(register("web")).await.unwrap_err();
    assert!(matches!(refusal, ClientError::Gone(_)), "{refusal:?}");

    ask(&rig.plane.handle, register("web")).await;
    let server = Server::start(rig.dir.path(), rig.plane.handle.clone()).unwrap();
    let back = standings
        .wait_for(|it| matches!(it, Standing::Attached { .. }))
        .await;
    drop(back.unwrap());
    let seen = caught_up(&client, &rig.plane).await;
    assert_eq!(seen.state.task_definitions.len(), 1);
    server.stop().await;
    rig.plane.stop().await.unwrap();
}

#[tokio::test]
async fn a_plan_tells_what_was_asked_and_changes_nothing() {
    let rig = Rig::new(2).await;
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    client.command(create("web", "web", 2)).await.unwrap();
    until(&rig.plane.handle, "two run", |it| {
        serving(it, "web").len() == 2
    })
    .await;
    let before = rig.plane.handle.snapshot();

    let report = client.plan(vec![scale("web", 5)].into()).await.unwrap();
    assert_eq!(report.differences, ["~ service web: desiredCount 2 → 5"]);
    assert_eq!(report.steps.len(), 3);
    assert!(
        report
            .steps
            .iter()
            .all(|it| it.round == 1 && it.action == Action::Start && it.subject == "web")
    );
    assert!(report.steps.iter().all(|it| !it.reason.is_empty()));
    assert_eq!(report.headline(), "starts 3; web never below 2 of 5");

    let body = json!({"family": "web", "containerDefinitions": [
        {"name": "web", "image": "shop/web:2", "cpu": 128, "memory": 128,
         "portMappings": [{"containerPort": 80}]}]});
    let next = ecs::decode("RegisterTaskDefinition", &body).unwrap();
    let update = json!({"service": "web", "taskDefinition": "web"});
    let update = ecs::decode("UpdateService", &update).unwrap();
    let report = client.plan(vec![next, update].into()).await.unwrap();
    assert_eq!(
        report.differences,
        [
            "+ task definition web:2",
            "~ task definition web:2: containerDefinitions[web].image: \"shop/web:1\" → \"shop/web:2\"",
            "~ service web: taskDefinition web:1 → web:2",
        ]
    );
    // Both new tasks start, then both old ones stop.
    let told: Vec<_> = report
        .steps
        .iter()
        .map(|it| (it.round, it.action, it.task_definition.to_string()))
        .collect();
    let starts = (1, Action::Start, "web:2".to_owned());
    let stops = (2, Action::Stop, "web:1".to_owned());
    assert_eq!(told, [starts.clone(), starts, stops.clone(), stops]);
    let web = &report.services[0];
    assert_eq!((web.before, web.fewest, web.floor), (2, 2, 2));
    assert_eq!((web.most, web.ceiling, web.settled), (4, 4, 2));
    assert!(report.at_rest);

    let report = client.plan(vec![scale("web", 100)].into()).await.unwrap();
    assert!(!report.unplaced.is_empty());
    let refusal = client
        .plan(vec![scale("nothing", 1)].into())
        .await
        .unwrap_err();
    assert!(matches!(refusal, ClientError::Refused(_)));
    let after = rig.plane.handle.snapshot();
    assert_eq!(after.state, before.state);
    rig.end().await;
}

#[tokio::test]
async fn what_was_planned_is_done_or_refused_whole_because_the_state_moved() {
    let rig = Rig::new(2).await;
    let near = LocalClient::new(rig.plane.handle.clone(), "tester".into());
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    client.command(create("web", "web", 2)).await.unwrap();
    until(&rig.plane.handle, "two run", |it| {
        serving(it, "web").len() == 2
    })
    .await;
    let commands = vec![register("api"), scale("web", 4)];
    let far = client.plan(commands.clone().into()).await.unwrap();
    let planned = near.plan(commands.clone().into()).await.unwrap();
    assert_eq!(far, planned);

    near.command(scale("web", 3)).await.unwrap();
    let before = rig.plane.handle.snapshot();
    let asked = client.apply(commands.clone(), Some(planned.effects));
    let Err(ClientError::Refused(refusal)) = asked.await else {
        panic!("it was done");
    };
    assert_eq!(refusal.kind, ErrorKind::ConflictException);
    assert!(refusal.message.contains("desiredCount 2 → 4"), "{refusal}");
    assert!(refusal.message.contains("desiredCount 3 → 4"), "{refusal}");
    let after = rig.plane.handle.snapshot();
    assert_eq!(after.state.task_definitions, before.state.task_definitions);
    assert_eq!(after.state.services, before.state.services);

    let planned = client.plan(commands.clone().into()).await.unwrap();
    let replies = client.apply(commands, Some(planned.effects)).await.unwrap();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[1].body["service"]["desiredCount"], 4);
    // The picture of who asked has it in it, and the tasks are where they were planned to be.
    let seen = client.snapshots().borrow().clone();
    for step in planned.steps {
        let there = |it: &Arc<Task>| it.instance == step.instance && *it.placement == *step.reason;
        assert!(seen.state.tasks.values().any(there), "{step:?}");
    }
    rig.end().await;
}

#[tokio::test]
async fn the_explanation_is_the_same_near_and_far() {
    let rig = Rig::new(2).await;
    let near = LocalClient::new(rig.plane.handle.clone(), "tester".into());
    let client = rig.client().await;
    client.command(register("web")).await.unwrap();
    client.command(create("web", "web", 1)).await.unwrap();
    let cluster = ClusterName::default_cluster();
    let about = About::Definition(cluster.clone(), "web:1".parse().unwrap());
    let far = client.explain(about.clone()).await.unwrap();
    assert_eq!(far, near.explain(about).await.unwrap());
    assert!(far.answer[0].contains("would go to"), "{far:?}");
    let nothing = About::Service(cluster, ServiceName::new("nothing").unwrap());
    let refusal = client.explain(nothing).await.unwrap_err();
    assert!(refusal.to_string().contains("service nothing"), "{refusal}");
    rig.end().await;
}

#[tokio::test]
async fn an_instance_of_a_simulated_fleet_can_be_failed_through_the_socket() {
    let rig = Rig::new(1).await;
    let client = rig.client().await;
    let name = names(1)[0].clone();
    let said = client.toggle_fault(name.clone()).unwrap().await.unwrap();
    assert!(said.contains(name.as_str()), "{said}");
    until(&rig.plane.handle, "it is noticed", |it| {
        !it.state.instances[&name].is_connected()
    })
    .await;
    rig.end().await;
}
