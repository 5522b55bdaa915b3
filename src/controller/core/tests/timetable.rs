//! A script about schedules: `tests/scenarios/schedules.txt` says what happens, line by line, and
//! what is seen. Lines that begin with `|` are what the line above them shows.
//!
//! ```text
//! now DATE TIME        the clock is set, in Europe/Berlin; nothing looks at it meanwhile
//! schedule NAME EXPRESSION… [in ZONE] [allow] [as LAUNCHTYPE]
//!                      every schedule runs the definition job; says why if it is refused
//! wait MINUTES         time goes on, and the control plane looks whenever it wants to
//! away MINUTES         time goes on without a control plane, which then starts again
//! finish               the tasks that run end by themselves
//! cut · back           the only host stops answering, and answers again
//! events               what was told since the last time
//! show NAME            when it runs next, and what came of its last runs
//! ```

use serde_json::json;

use super::rig::Rig;
use crate::model::calendar::{Expression, Zone};
use crate::model::observation::ContainerState;
use crate::model::{ClusterName, ScheduleName, TimeMs};
use crate::scheduler::script;

struct Script {
    rig: Rig,
    zone: Zone,
    told: usize,
}

impl Script {
    fn new() -> Self {
        let mut rig = Rig::new(&[("ops-1", "a")]);
        rig.register("job", json!({}));
        let told = rig.state.events.len();
        Self {
            rig,
            zone: Zone::named(Some("Europe/Berlin")).unwrap(),
            told,
        }
    }

    fn command(&mut self, words: &[&str], line: usize) -> Vec<String> {
        let minutes = |text: &str| text.parse::<u64>().unwrap() * 60_000;
        match words {
            ["now", date, time] => {
                let text = format!("at({date}T{time}:00)");
                let at = Expression::parse(&text).unwrap();
                self.rig.now = at.next(&self.zone, TimeMs(0), TimeMs(0)).unwrap();
            }
            ["schedule", name, rest @ ..] => return self.schedule(name, rest),
            ["wait", text] => {
                let end = self.rig.now.plus_ms(minutes(text));
                while let Some(at) = self.rig.wake_at.filter(|at| *at <= end) {
                    self.rig.now = at.max(self.rig.now);
                    self.rig.wake_after(0);
                }
                self.rig.now = end;
                self.rig.wake_after(0);
            }
            ["away", text] => {
                self.rig.wake_after(minutes(text));
            }
            ["finish"] => {
                self.rig.settle();
                for task in self.rig.tasks() {
                    self.rig.edit(task.id, |container| {
                        container.state = ContainerState::Exited;
                        container.exit_code = Some(0);
                    });
                }
                self.rig.settle();
            }
            ["cut"] => self.rig.cut("ops-1"),
            ["back"] => self.rig.connect("ops-1"),
            ["events"] => return self.events(),
            ["show", name] => return self.show(name),
            _ => panic!("line {line}: no such command: {words:?}"),
        }
        Vec::new()
    }

    fn schedule(&mut self, name: &str, rest: &[&str]) -> Vec<String> {
        let (rest, more) = match rest {
            [rest @ .., "as", launch_type] => (rest, json!({"launchType": launch_type})),
            _ => (rest, json!({})),
        };
        let (rest, overlap) = match rest.split_last() {
            Some((&"allow", rest)) => (rest, "ALLOW"),
            _ => (rest, "FORBID"),
        };
        let at = rest.iter().position(|word| *word == "in");
        let (expression, zone) = rest.split_at(at.unwrap_or(rest.len()));
        let mut body = json!({
            "name": name, "taskDefinition": "job", "overlap": overlap,
            "scheduleExpression": expression.join(" "),
        });
        if let Some(zone) = zone.get(1) {
            body["scheduleExpressionTimezone"] = (*zone).into();
        }
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        match self.rig.ask("PutSchedule", body) {
            Ok(_) => Vec::new(),
            Err(refusal) => refusal
                .message
                .lines()
                .map(|it| format!("refused: {it}"))
                .collect(),
        }
    }

    fn events(&mut self) -> Vec<String> {
        let events = self.rig.state.events.iter().skip(self.told);
        let of_schedules = events.filter(|event| event.message.starts_with("(schedule"));
        let lines = of_schedules
            .map(|event| {
                let message = event.message.lines().next().unwrap();
                format!("{}  {}", self.zone.words(event.at), short(message))
            })
            .collect();
        self.told = self.rig.state.events.len();
        lines
    }

    fn show(&self, name: &str) -> Vec<String> {
        let key = (
            ClusterName::default_cluster(),
            ScheduleName::new(name).unwrap(),
        );
        let schedule = &self.rig.state.schedules[&key];
        let next = schedule.next_at.map(|at| self.zone.words(at));
        let mut lines = vec![format!("next {}", next.unwrap_or("never".to_owned()))];
        lines.extend(
            schedule
                .runs
                .iter()
                .map(|run| format!("{} {}", self.zone.words(run.due_at), run.words())),
        );
        lines
    }
}

/// Ids are long and say nothing.
fn short(message: &str) -> String {
    match message.split_once("(task ") {
        Some((before, rest)) => {
            let (_, rest) = rest.split_once(')').unwrap();
            format!("{before}(task …){rest}")
        }
        None => message.to_owned(),
    }
}

#[test]
fn schedules() {
    let mut script = Script::new();
    script::hold("schedules", |words, line| script.command(words, line));
}
