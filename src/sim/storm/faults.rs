//! One thing after the other that happens.

use std::time::Duration;

use serde_json::json;

use super::character::{Kind, trouble};
use super::disk::WriteFault;
use super::ledger::Promise;
use super::truth::up_on;
use super::world::{Step, World, web};
use crate::model::{DesiredStatus, InstanceName, InstanceStatus, ScheduleName, ServiceName};
use crate::sim::Trouble;

/// Of a hundred things that happen, so many are a host that is mended.
const MENDED: u64 = 35;
/// The furthest that the wall clock jumps, in milliseconds.
const JUMP_MS_MAX: u64 = 3_600_000;
/// Services whose count and definition change.
const SCALED: [&str; 2] = ["web", "worker"];
/// The schedule that comes and goes.
const SCHEDULE: &str = "tick";

impl World {
    fn any_host(&mut self) -> Option<InstanceName> {
        let hosts = self.character.hosts.clone();
        self.any(&hosts)
    }

    /// Ends what is wrong with a host.
    fn mend(&self, host: &InstanceName) {
        self.record.note(&format!("{host} is mended"));
        // The hosts of a character are those of its fleet.
        let _ = self.fleet.lose_calls(host, 0);
        let _ = self.fleet.trouble(host, Trouble::default());
        let _ = self.fleet.mend(host);
    }

    /// Ends everything that is wrong.
    pub(super) fn mend_all(&mut self) {
        for host in self.character.hosts.clone() {
            self.mend(&host);
        }
        self.disk.platter().fault = None;
        self.door.set_trap(None);
        self.impatience = None;
    }

    /// A while passes, and one random thing happens.
    ///
    /// # Errors
    /// [`super::Failure`].
    pub async fn disturb(&mut self) -> Step {
        let pause = 50 + self.draw(self.character.pause_ms_max);
        self.pass(Duration::from_millis(pause)).await?;
        let kinds = self.character.kinds.clone();
        let Some(host) = self.any_host() else {
            return Ok(());
        };
        if self.draw(100) < MENDED {
            self.mend(&host);
            return Ok(());
        }
        match self.any(&kinds) {
            Some(kind) => self.happens(kind, &host).await,
            None => Ok(()),
        }
    }

    async fn happens(&mut self, kind: Kind, host: &InstanceName) -> Step {
        match kind {
            Kind::Scale => return self.scale().await,
            Kind::Deploy => return self.deploy().await,
            Kind::Drain => return self.drain(host).await,
            Kind::Hand => return self.by_hand().await,
            Kind::Schedule => return self.schedule().await,
            Kind::Kill => {
                let away_ms = self.draw(20_000);
                return self.kill(away_ms).await;
            }
            _ => {}
        }
        self.record.note(&format!("{host}: {kind:?}"));
        match kind {
            Kind::Power => ignore(self.fleet.fail(host)),
            Kind::Cut => ignore(self.fleet.cut(host)),
            Kind::Hang => ignore(self.fleet.hang(host)),
            Kind::LoseCalls => {
                let percent = 1 + self.draw(30);
                ignore(self.fleet.lose_calls(host, percent));
            }
            Kind::Messages | Kind::OldLists | Kind::Refusals | Kind::Stuck => {
                let character = self.character.clone();
                let trouble = trouble(&character, |below| self.draw(below));
                self.record.note(&format!("{host}: {trouble:?}"));
                ignore(self.fleet.trouble(host, trouble));
            }
            Kind::Containers => self.hurt_container(host),
            Kind::Images => {
                let image = ["shop/web:1", "shop/web:2", "shop/worker:1"];
                let image = self.any(&image).unwrap_or_default();
                match self.draw(3) {
                    0 => self.fleet.push_image(image),
                    _ => ignore(self.fleet.remove_image(host, image)),
                }
            }
            Kind::KillAtCall => match self.draw(2) {
                0 => {
                    let calls = self.draw(40);
                    self.door.set_trap(Some(calls));
                }
                _ => self.impatience = u32::try_from(self.draw(8)).ok(),
            },
            Kind::WriteFails | Kind::WriteTorn | Kind::WriteFull => {
                let fault = match kind {
                    Kind::WriteFails => WriteFault::Fails,
                    Kind::WriteFull => WriteFault::Full(1 + self.draw(5)),
                    _ => WriteFault::Torn,
                };
                let after = self.draw(12);
                self.disk.platter().fault = Some((after, fault));
            }
            Kind::Clock => {
                let by = i64::try_from(1_000 + self.draw(JUMP_MS_MAX)).unwrap_or(i64::MAX);
                let by = if self.draw(2) == 0 { by } else { -by };
                self.record
                    .note(&format!("the clock jumps by {} s", by / 1000));
                self.clock.jump(by);
            }
            Kind::Scale | Kind::Deploy | Kind::Drain | Kind::Hand | Kind::Schedule | Kind::Kill => {
            }
        }
        self.well()
    }

    fn hurt_container(&mut self, host: &InstanceName) {
        let up = up_on(&self.fleet, host);
        let Some((container, _)) = self.any(&up) else {
            return;
        };
        let id = container.runtime_id;
        match self.draw(3) {
            0 => ignore(self.fleet.remove_container(host, &id)),
            _ => ignore(self.fleet.kill_container(host, &id)),
        }
    }

    async fn scale(&mut self) -> Step {
        let name = self.any(&SCALED).unwrap_or_default();
        // A fixed port: one a host.
        let most = self.character.hosts.len() as u64;
        let count = u32::try_from(1 + self.draw(most)).unwrap_or(1);
        let Ok(service) = ServiceName::new(name) else {
            return Ok(());
        };
        let body = json!({ "service": name, "desiredCount": count });
        self.ask("UpdateService", body, Promise::Desired(service, count))
            .await?;
        Ok(())
    }

    async fn deploy(&mut self) -> Step {
        let name = match self.draw(4) {
            0 => "orders",
            1 => "lookout",
            2 => "worker",
            _ => "web",
        };
        let body = if name == "web" {
            let image = self.any(&["shop/web:1", "shop/web:2"]).unwrap_or_default();
            self.ask("RegisterTaskDefinition", web(image), Promise::Nothing)
                .await?;
            let (minimum, maximum) = self
                .any(&[(100, 200), (50, 150), (67, 200)])
                .unwrap_or((100, 200));
            json!({
                "service": name, "taskDefinition": "web", "forceNewDeployment": true,
                "deploymentConfiguration": {
                    "minimumHealthyPercent": minimum, "maximumPercent": maximum,
                },
            })
        } else {
            json!({ "service": name, "forceNewDeployment": true })
        };
        self.ask("UpdateService", body, Promise::Nothing).await?;
        Ok(())
    }

    async fn drain(&mut self, host: &InstanceName) -> Step {
        let status = match self.draw(3) {
            0 => InstanceStatus::Draining,
            _ => InstanceStatus::Active,
        };
        self.put_status(host, status).await
    }

    pub(super) async fn put_status(&mut self, host: &InstanceName, status: InstanceStatus) -> Step {
        let body = json!({ "containerInstances": [host.as_str()], "status": status.as_str() });
        let promise = Promise::Status(host.clone(), status);
        self.ask("UpdateContainerInstancesState", body, promise)
            .await?;
        Ok(())
    }

    async fn by_hand(&mut self) -> Step {
        if self.draw(2) == 0 {
            let body = json!({ "taskDefinition": "once", "count": 2 });
            self.ask("RunTask", body, Promise::Nothing).await?;
            return Ok(());
        }
        let state = self.state();
        let wanted = state
            .tasks
            .values()
            .filter(|it| it.desired_status == DesiredStatus::Running && !it.is_stopped());
        let wanted: Vec<_> = wanted.map(|task| task.id).collect();
        if let Some(task) = self.any(&wanted) {
            let body = json!({ "task": task.to_string() });
            self.ask("StopTask", body, Promise::Stopped(task)).await?;
        }
        Ok(())
    }

    async fn schedule(&mut self) -> Step {
        if self.draw(3) == 0 {
            return self.unschedule().await;
        }
        let Ok(name) = ScheduleName::new(SCHEDULE) else {
            return Ok(());
        };
        let expressions = ["rate(1 minute)", "rate(2 minutes)", "cron(* * * * ? *)"];
        let expression = self.any(&expressions).unwrap_or_default();
        let body = json!({
            "name": SCHEDULE, "taskDefinition": "once", "scheduleExpression": expression,
        });
        let promise = Promise::Schedule(name, Some(expression.to_owned()));
        self.ask("PutSchedule", body, promise).await?;
        Ok(())
    }

    pub(super) async fn unschedule(&mut self) -> Step {
        let Ok(name) = ScheduleName::new(SCHEDULE) else {
            return Ok(());
        };
        let body = json!({ "name": SCHEDULE });
        self.ask("DeleteSchedule", body, Promise::Schedule(name, None))
            .await?;
        Ok(())
    }
}

/// A host without such a container has nothing to be hurt.
fn ignore(_result: Result<(), crate::sim::FleetError>) {}
