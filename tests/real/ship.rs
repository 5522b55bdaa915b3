//! The real `qd` binary over real engines: its config, its state folder, its `qd serve`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::engines::{Engines, wait_for};

/// How long a fleet may take for anything that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A config and a state folder for the `qd` binary, and the server if one runs.
pub struct Ship {
    config: PathBuf,
    state: PathBuf,
    environment: Vec<(String, OsString)>,
    serve: Option<Child>,
}

impl Ship {
    /// A ship over these engines: TLS to each, zones `z1`, `z2`, … by turns of `zones`.
    pub fn over(engines: &Engines, zones: usize) -> Self {
        let mut config = String::from("[[cluster]]\nname = \"default\"\n");
        for (index, engine) in engines.each.iter().enumerate() {
            config += &Self::tls_instance(engines, &engine.name, &engine.address);
            config += &format!("availability_zone = \"z{}\"\n", index % zones + 1);
        }
        Self::with_config(engines, &config)
    }

    /// The `[[instance]]` of an engine behind TLS, without its zone.
    pub fn tls_instance(engines: &Engines, name: &str, address: &str) -> String {
        let at = |file: &str| engines.certificate(file);
        format!(
            "\n[[instance]]\nname = \"{name}\"\nendpoint = \"tcp://{address}:2376\"\n\
             tls = {{ ca = \"{}\", cert = \"{}\", key = \"{}\" }}\n",
            at("ca.pem"),
            at("client.pem"),
            at("client-key.pem"),
        )
    }

    /// A ship with this config.
    pub fn with_config(engines: &Engines, text: &str) -> Self {
        let dir = engines.dir.path();
        let config = dir.join("quarterdeck.toml");
        fs::write(&config, text).unwrap();
        Self {
            config,
            state: dir.join("state"),
            environment: Vec::new(),
            serve: None,
        }
    }

    /// Writes another config in place of this one; `qd serve` learns of it by a signal.
    pub fn rewrite_config(&self, text: &str) {
        fs::write(&self.config, text).unwrap();
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let serve = self.serve.as_ref().unwrap();
        let pid = rustix::process::Pid::from_child(serve);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the server has ended and gives its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let mut serve = self.serve.take().unwrap();
        let mut status = None;
        wait_for("qd serve to end", PATIENCE, || {
            status = serve.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Sets an environment variable for every `qd` from now on.
    pub fn environment(&mut self, name: &str, value: impl AsRef<OsStr>) {
        let value = value.as_ref().to_os_string();
        self.environment.push((name.to_owned(), value));
    }

    /// What every `qd` of this ship is told: its config and its state.
    pub fn global(&self) -> [OsString; 4] {
        let (config, state) = (self.config.clone(), self.state.clone());
        [
            "--config".into(),
            config.into(),
            "--state".into(),
            state.into(),
        ]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qd"));
        command
            .args(self.global())
            .args(arguments)
            .env_remove("QD_CONFIG")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// `qd ARGUMENTS`, to be started by the test.
    pub fn following(&self, arguments: &[&str]) -> Command {
        self.command(arguments)
    }

    /// Runs `qd ARGUMENTS` to its end.
    pub fn qd(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Starts `qd ARGUMENTS` and leaves it running.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs `qd ARGUMENTS`, which must succeed; gives its standard output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.qd(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "qd {arguments:?}: {:?}\n{said}{}\nserve said:\n{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        said
    }

    /// Runs `qd ARGUMENTS --output json`, which must succeed.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let said = self.ok(&all);
        serde_json::from_str(&said).unwrap_or_else(|e| panic!("qd {all:?}: {e}\n{said}"))
    }

    /// Writes a file beside the config and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.config.with_file_name(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts `qd serve` and waits until it answers with every instance connected.
    pub fn serve(&mut self) {
        let before = self.log().len();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.config.with_file_name("serve.log"))
            .unwrap();
        let child = self
            .command(&["serve"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.serve = Some(child);
        wait_for("qd serve to connect to every instance", PATIENCE, || {
            if let Some(status) = self.serve.as_mut().unwrap().try_wait().unwrap() {
                panic!("qd serve ended ({status}):\n{}", self.log());
            }
            // Until it is up a command would carry the control plane itself.
            if !self.log()[before..].contains("the control plane is up") {
                return false;
            }
            let listed = self.qd(&["instance", "ls", "--output", "json"]);
            serde_json::from_slice::<Value>(&listed.stdout).is_ok_and(|answer| {
                let all = answer["containerInstances"].as_array().cloned();
                all.is_some_and(|all| {
                    !all.is_empty() && all.iter().all(|i| i["agentConnected"] == true)
                })
            })
        });
    }

    /// What `qd serve` has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.config.with_file_name("serve.log")).unwrap_or_default()
    }

    /// `kill -9` of the server.
    pub fn kill_9(&mut self) {
        if let Some(mut child) = self.serve.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// One service as `qd service show` tells it.
    pub fn service(&self, name: &str) -> Value {
        self.json(&["service", "show", name])["services"][0].clone()
    }

    /// The running tasks of a service.
    pub fn tasks(&self, service: &str) -> Vec<Value> {
        let all = self.json(&["task", "ls"]);
        let tasks = all["tasks"].as_array().cloned().unwrap_or_default();
        tasks
            .into_iter()
            .filter(|task| task["group"] == format!("service:{service}"))
            .filter(|task| task["lastStatus"] == "RUNNING")
            .collect()
    }

    /// Waits until the service has settled at `count` tasks.
    pub fn settles(&self, service: &str, count: u64) {
        wait_for(&format!("{service} to settle at {count}"), PATIENCE, || {
            let now = self.service(service);
            now["runningCount"] == count
                && now["pendingCount"] == 0
                && now["deployments"].as_array().is_some_and(|d| d.len() == 1)
                && now["deployments"][0]["rolloutState"] == "COMPLETED"
        });
    }
}

impl Drop for Ship {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("qd serve said:\n{}", self.log());
            if let Ok(events) = self.command(&["events"]).output() {
                eprintln!("events:\n{}", String::from_utf8_lossy(&events.stdout));
            }
        }
        self.kill_9();
    }
}
