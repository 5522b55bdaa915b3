//! A secret reaches its container, and is nowhere else: not in the store, the pictures, the
//! answers or the log.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::query;
use crate::agent::{Clock, TokioClock, Tuning};
use crate::config::{SecretSettings, SecretSource, Settings};
use crate::controller::fixture::{
    BASE, IMAGE, ask, create, fleet, holder, serving, settings, until,
};
use crate::controller::{ControlPlane, Start, start, wire};
use crate::docker::{Engine, ExecOptions, ExecOutput};
use crate::model::{Role, RoleName, Snapshot};
use crate::sim::Fleet;
use crate::store::SqliteStore;

const PASSWORD: &str = "hunter2-and-more";
const FROM_FILE: &str = "a-value-of-the-file";

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn secret(name: &str, file: &str) -> SecretSettings {
    SecretSettings {
        name: name.to_owned(),
        source: SecretSource::File(file.into()),
    }
}

/// A control plane over one simulated host, with a role that grants a secret, one that cannot be
/// had, and a file of variables.
async fn plane_with_state(dir: &Path, state: &Path, fleet: &Fleet) -> ControlPlane {
    let role = Role {
        secrets: vec!["db".to_owned(), "gone".to_owned()],
        environment_files: vec!["env".to_owned()],
        ..Role::new(RoleName::new("app").unwrap())
    };
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(BASE));
    start(Start {
        settings: Settings {
            source: Some(dir.join("quarterdeck.toml")),
            roles: vec![role],
            secrets: vec![secret("db", "db"), secret("gone", "gone")],
            ..settings(1)
        },
        store: Box::new(SqliteStore::open(state).unwrap()),
        last_alive: None,
        connector: Arc::new(fleet.clone()),
        clock,
        seed: Some(11),
        holder: holder(),
        tuning: Tuning::fast(),
    })
    .await
    .unwrap()
}

fn register(family: &str, secret: &str) -> crate::controller::Command {
    let body = json!({"family": family, "taskRoleArn": "app", "containerDefinitions": [
        {"name": "web", "image": IMAGE, "memory": 64,
         "secrets": [{"name": "DB", "valueFrom": secret}],
         "environmentFiles": [{"type": "file", "value": "env/web.env"}]}]});
    wire::decode("RegisterTaskDefinition", &body).unwrap()
}

/// What `env` prints in the only container that runs.
async fn environment(fleet: &Fleet, snapshot: &Snapshot) -> String {
    let task = serving(snapshot, "web")[0].clone();
    let engine = fleet.engine(&task.instance).unwrap();
    let options = ExecOptions {
        command: vec!["env".to_owned()],
        tty: false,
        size: None,
    };
    let id = &task.containers[0].runtime_id;
    let mut session = engine.exec(id, options).await.unwrap();
    let mut printed = Vec::new();
    while let Some(output) = session.output.next().await {
        match output.unwrap() {
            ExecOutput::Data(_, bytes) => printed.extend(bytes),
            ExecOutput::Exit(code) => assert_eq!(code, 0),
        }
    }
    String::from_utf8(printed).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_secret_reaches_its_container_and_nothing_else() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, tracing asks only the thread that comes by first whether a line
    // is wanted, and that may be another test's: with two it asks both.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("env")).unwrap();
    std::fs::write(dir.path().join("db"), format!("{PASSWORD}\n")).unwrap();
    std::fs::write(
        dir.path().join("env/web.env"),
        format!("FILE={FROM_FILE}\n"),
    )
    .unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir(&state).unwrap();

    let fleet = fleet(1);
    let plane = plane_with_state(dir.path(), &state, &fleet).await;
    let handle = plane.handle.clone();
    ask(&handle, register("web", "db")).await;
    ask(&handle, register("gone", "gone")).await;
    ask(&handle, create("web", "web", 1)).await;
    let snapshot = until(&handle, "it runs", |it| serving(it, "web").len() == 1).await;
    let printed = environment(&fleet, &snapshot).await;
    assert!(printed.contains(&format!("DB={PASSWORD}")), "{printed}");
    assert!(printed.contains(&format!("FILE={FROM_FILE}")), "{printed}");

    let run = wire::decode("RunTask", &json!({"taskDefinition": "gone"})).unwrap();
    ask(&handle, run).await;
    let stopped = until(&handle, "the other fails", |it| {
        it.state.tasks.values().any(|task| task.is_stopped())
    })
    .await;
    let failed = stopped
        .state
        .tasks
        .values()
        .find(|t| t.is_stopped())
        .unwrap();
    let reason = failed.stopped_reason.clone().unwrap();
    let begin = "ResourceInitializationError: unable to retrieve secret gone: ";
    assert!(reason.starts_with(begin), "{reason}");

    let ids: Vec<String> = stopped
        .state
        .tasks
        .keys()
        .map(ToString::to_string)
        .collect();
    let ask = |operation: &str, body: Value| query(&stopped, operation, &body).unwrap().to_string();
    let mut everywhere = vec![
        ask("DescribeTasks", json!({"tasks": ids})),
        ask("DescribeServices", json!({"services": ["web"]})),
        ask("DescribeTaskDefinition", json!({"taskDefinition": "web"})),
        serde_json::to_string(&*stopped).unwrap(),
        format!("{stopped:?}"),
        format!(
            "{:?}",
            fleet
                .containers(&fleet.names().next().unwrap().clone())
                .unwrap()
        ),
    ];
    plane.stop().await.unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(&state).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        everywhere.push(String::from_utf8_lossy(&bytes).into_owned());
        files += 1;
    }
    assert!(files > 0, "the store is looked through");
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("begins"),
        "the log is looked through: {logged}"
    );
    everywhere.push(logged);
    for (index, text) in everywhere.iter().enumerate() {
        for value in [PASSWORD, FROM_FILE] {
            assert!(!text.contains(value), "{value} is in place {index}: {text}");
        }
    }
    assert!(everywhere[2].contains("env/web.env"), "names are no secret");
}
