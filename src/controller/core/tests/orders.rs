//! Scripts about what people ask of a control plane: `tests/scenarios/`, each line a request as
//! it comes in, below it what is seen. (`scheduler::scenario` has those of the scheduler alone.)
//!
//! ```text
//! host NAME ZONE            4,096 CPU units and 7,900 MiB
//! registry IMAGE DIGEST     what the tag names from now on
//! register FAMILY [image I [disabled]] [cpu N] [memory N] [command WORD…]
//! create NAME COUNT         a service of the definition with that name
//! update NAME [count N] [definition D] [force]
//! run DEFINITION COUNT [cpu N] [memory N] [command WORD…]   what it has otherwise than written
//! settle                    hosts do as they are told, until nothing is left
//! crash NAME                a service's oldest task ends by itself
//! tasks FAMILY              what each holds, what it runs
//! deployments NAME · history NAME · events
//! ```

use serde_json::{Value, json};

use super::rig::{Rig, instance_name, settings};
use crate::controller::command::Response;
use crate::model::observation::ContainerState;
use crate::model::{Task, TaskId, TimeMs};
use crate::scheduler::script::{self, after};

struct Script {
    rig: Rig,
    began: TimeMs,
    told: usize,
    /// Tasks in the order in which they came to be, and deployments: ids are long and say nothing.
    tasks: Vec<TaskId>,
    deployments: Vec<String>,
}

impl Script {
    fn new() -> Self {
        let rig = Rig::unreached(&[]);
        Self {
            began: rig.now,
            told: rig.state.events.len(),
            tasks: Vec::new(),
            deployments: Vec::new(),
            rig,
        }
    }

    fn command(&mut self, words: &[&str], line: usize) -> Vec<String> {
        self.learn();
        match words {
            ["host", name, zone] => {
                self.rig.fleet.instances.push(settings(name, zone));
                self.rig.hosts.insert(instance_name(name), Vec::new());
                self.rig.configure();
                let all: Vec<_> = self.rig.hosts.keys().cloned().collect();
                all.iter().for_each(|it| self.rig.connect(it.as_str()));
                self.told = self.rig.state.events.len();
            }
            ["registry", image, digest] => {
                let digest = (*digest).to_owned();
                self.rig.registry.insert((*image).to_owned(), digest);
            }
            ["register", family, rest @ ..] => {
                let mut more = amounts(rest);
                if let Some(image) = after::<String>(rest, "image") {
                    more["image"] = image.into();
                }
                if rest.contains(&"disabled") {
                    more["versionConsistency"] = "disabled".into();
                }
                self.rig.register(family, more);
            }
            ["create", name, count] => self.rig.create(name, count.parse().unwrap()),
            ["update", name, rest @ ..] => {
                let mut body = json!({"service": name});
                if let Some(count) = after::<u32>(rest, "count") {
                    body["desiredCount"] = count.into();
                }
                if let Some(definition) = after::<String>(rest, "definition") {
                    body["taskDefinition"] = definition.into();
                }
                if rest.contains(&"force") {
                    body["forceNewDeployment"] = true.into();
                }
                self.rig.ask("UpdateService", body).unwrap();
            }
            ["run", definition, count, rest @ ..] => return self.run(definition, count, rest),
            ["settle"] => self.rig.settle(),
            ["crash", name] => {
                let tasks = self.rig.tasks();
                let of = |it: &&std::sync::Arc<Task>| {
                    it.service.as_ref().is_some_and(|of| of.as_str() == *name)
                };
                let task = tasks.iter().filter(of).min_by_key(|it| it.created_at);
                let (id, on) = task.map(|it| (it.id, it.instance.clone())).unwrap();
                self.rig.edit(id, |it| it.state = ContainerState::Exited);
                self.rig.list(on.as_str());
            }
            _ => return self.look(words, line),
        }
        Vec::new()
    }

    fn run(&mut self, definition: &str, count: &str, rest: &[&str]) -> Vec<String> {
        let count: u32 = count.parse().unwrap();
        let mut body = json!({"taskDefinition": definition, "count": count});
        let mut container = amounts(rest);
        if container != json!({}) {
            container["name"] = "main".into();
            body["overrides"] = json!({"containerOverrides": [container]});
        }
        match self.rig.ask("RunTask", body) {
            Ok(Response::Tasks(_, failures)) => {
                let lines = failures.iter().flat_map(|it| it.detail.lines());
                lines.map(|it| self.short(it)).collect()
            }
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => {
                let lines = refusal.message.lines();
                lines.map(|it| format!("refused: {it}")).collect()
            }
        }
    }

    fn look(&mut self, words: &[&str], line: usize) -> Vec<String> {
        match words {
            ["tasks", family] => {
                let of = |it: &Task| it.task_definition.family.as_str() == *family;
                let tasks = self.rig.tasks();
                let mut tasks: Vec<_> = tasks.into_iter().filter(|it| of(it)).collect();
                self.learn();
                let known = |id| self.tasks.iter().position(|it| *it == id);
                tasks.sort_by_key(|it| known(it.id));
                tasks.iter().map(|it| self.short(&self.task(it))).collect()
            }
            ["deployments", name] => {
                let deployments = self.rig.service(name).deployments.clone();
                let words = deployments.iter().map(|it| {
                    let (id, of) = (&it.id, &it.task_definition);
                    let pins = it.images.iter().filter_map(|(image, pin)| {
                        let digest = pin.digest.as_ref()?;
                        Some(format!(", {image} is {digest}"))
                    });
                    let pins: String = pins.collect();
                    self.short(&format!("{id} of {of}: {:?}{pins}", it.rollout_state))
                });
                words.collect()
            }
            ["history", name] => {
                let past = self.rig.service(name).history.clone();
                let words = past.iter().map(|it| {
                    let (id, of, why) = (&it.id, &it.task_definition, &it.rollout_state_reason);
                    self.short(&format!("{id} of {of}, by {}: {why}", it.started_by))
                });
                words.collect()
            }
            ["events"] => self.events(),
            _ => panic!("line {line}: no such command: {words:?}"),
        }
    }

    fn task(&self, task: &Task) -> String {
        let (id, of, on) = (task.id, &task.task_definition, &task.instance);
        let (cpu, memory) = (task.resources.cpu.0, task.resources.memory.0);
        let definition = self.rig.state.definition_of(task).unwrap();
        let main = &definition.container_definitions[0];
        let mut words = format!("{id} {of} on {on}: {cpu} CPU units, {memory} MiB");
        if let Some(command) = &main.command.as_ref().filter(|it| !it.is_empty()) {
            words += &format!(", runs {}", command.join(" "));
        }
        let pinned = !self.rig.registry.is_empty();
        if let Some(digest) = task.containers[0].image_digest.as_ref().filter(|_| pinned) {
            words += &format!(", made from {digest}");
        }
        words
    }

    /// What was told since the last time.
    fn events(&mut self) -> Vec<String> {
        self.learn();
        let events = self.rig.state.events.iter().skip(self.told);
        let lines = events.map(|event| {
            let seconds = event.at.since_ms(self.began) / 1000;
            format!("{seconds:>4} s {}", self.short(&event.message))
        });
        let lines = lines.collect();
        self.told = self.rig.state.events.len();
        lines
    }

    /// Takes note of the tasks and deployments that events name.
    fn learn(&mut self) {
        for event in &self.rig.state.events {
            let words = event
                .message
                .split(|c: char| !c.is_alphanumeric() && !"-/".contains(c));
            for word in words {
                let all = self.rig.state.tasks.keys();
                let named = |id: &&TaskId| id.to_string() == word || id.short() == word;
                let id = all.copied().find(|id| named(&id));
                if let Some(id) = id.filter(|id| !self.tasks.contains(id)) {
                    self.tasks.push(id);
                }
                let deployment = word.starts_with("ecs-svc/");
                if deployment && !self.deployments.iter().any(|it| it == word) {
                    self.deployments.push(word.to_owned());
                }
            }
        }
    }

    /// `#3` for a task's id, `ecs-svc/2` for a deployment's.
    fn short(&self, message: &str) -> String {
        let mut words = message.to_owned();
        for (at, id) in self.tasks.iter().enumerate() {
            let number = format!("#{}", at + 1);
            words = words.replace(&id.to_string(), &number);
            words = words.replace(&id.short().to_string(), &number);
        }
        for (at, id) in self.deployments.iter().enumerate() {
            words = words.replace(id, &format!("ecs-svc/{}", at + 1));
        }
        words
    }
}

/// `cpu N`, `memory N` and `command …` as members of a container.
fn amounts(rest: &[&str]) -> Value {
    let mut members = json!({});
    for name in ["cpu", "memory"] {
        if let Some(amount) = after::<u64>(rest, name) {
            members[name] = amount.into();
        }
    }
    if let Some(at) = rest.iter().position(|word| *word == "command") {
        members["command"] = json!(rest[at + 1..]);
    }
    members
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let mut script = Script::new();
                script::hold(stringify!($name), |words, line| script.command(words, line));
            }
        )*
    };
}

scenarios! {
    overrides
    force_new_deployment
    image_pins
}
