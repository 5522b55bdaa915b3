//! Files against states.

use std::sync::Arc;

use serde_json::json;

use super::left_behind;
use super::read::{self, Item};
use super::steps::{Step, steps};
use crate::controller::Command;
use crate::controller::core::{Input, decide};
use crate::document::Document;
use crate::model::snapshot::Live;
use crate::model::{Cluster, ClusterName, Partition, State, TimeMs};
use crate::scheduler::fixture;
use crate::scheduler::world::World;

const FILE: &str = r#"
[[service]]
serviceName = "web"
taskDefinition = "web"
desiredCount = 2

[[taskDefinition]]
family = "web"
containerDefinitions = [{ name = "main", image = "web:1", cpu = 256, memory = 256 }]
"#;

fn items(text: &str) -> Vec<Item> {
    let document = Arc::new(Document::parse("f.toml", text).unwrap());
    read::document(&document).unwrap()
}

fn told(steps: &[Step]) -> Vec<String> {
    steps.iter().flat_map(|step| step.lines.clone()).collect()
}

fn running() -> World {
    let mut world = World::new([fixture::instance("a", "z", 4096, 4096, &[])]);
    world.put_definition(fixture::definition("web", 1, 256, 256, &[]));
    world.put_service(fixture::service("web", 2));
    world
}

#[test]
fn in_an_empty_state_everything_is_new_and_definitions_come_first() {
    let state = fixture::state([]);
    let steps = steps(&items(FILE), &state, TimeMs(0), "default").unwrap();
    assert_eq!(
        told(&steps),
        [
            "+ task definition web:1",
            "    container main: web:1",
            "+ service web: 2 tasks of web:1",
        ]
    );
    let operations: Vec<_> = steps
        .iter()
        .filter_map(|step| step.command.as_ref().map(Command::operation))
        .collect();
    assert_eq!(operations, ["RegisterTaskDefinition", "CreateService"]);
}

#[test]
fn what_is_as_wanted_is_left_alone() {
    let world = running();
    let steps = steps(&items(FILE), &world.state, TimeMs(0), "default").unwrap();
    assert_eq!(told(&steps), ["= task definition web:1", "= service web"]);
    assert!(steps.iter().all(|step| step.command.is_none()));
}

#[test]
fn a_new_image_is_a_new_revision_and_an_update() {
    let world = running();
    let text = FILE.replace("web:1", "web:9");
    let steps = steps(&items(&text), &world.state, TimeMs(0), "default").unwrap();
    assert_eq!(
        told(&steps),
        [
            "+ task definition web:2, against web:1:",
            "    ~ containerDefinitions[main].image: \"web:1\" → \"web:9\"",
            "~ service web",
            "    ~ taskDefinition: \"web:1\" → \"web:2\"",
        ]
    );
    let Some(Command::UpdateService(update)) = &steps[1].command else {
        panic!("{steps:?}");
    };
    assert_eq!(update.task_definition.as_deref(), Some("web"));
    assert_eq!(update.desired_count, None);
}

#[test]
fn a_file_that_says_no_count_leaves_it() {
    let world = running();
    let text = FILE.replace("desiredCount = 2\n", "");
    let same = steps(&items(&text), &world.state, TimeMs(0), "default").unwrap();
    assert_eq!(told(&same)[1], "= service web");
    let text = FILE.replace("desiredCount = 2", "desiredCount = 5");
    let more = steps(&items(&text), &world.state, TimeMs(0), "default").unwrap();
    assert_eq!(told(&more)[2], "    ~ desiredCount: 2 → 5");
}

#[test]
fn what_is_not_there_is_told_with_the_nearest_name() {
    let faults = |text: &str, state: &State| {
        let faults = steps(&items(text), state, TimeMs(0), "default").unwrap_err();
        faults.0.iter().map(|it| it.headline()).collect::<Vec<_>>()
    };
    let text = FILE.replace("taskDefinition = \"web\"", "taskDefinition = \"wep\"");
    let world = running();
    assert_eq!(
        faults(&text, &world.state),
        ["f.toml:4:18: there is no task definition \"wep\"; did you mean \"web\"?"]
    );
    let text = FILE.replace("taskDefinition = \"web\"", "taskDefinition = \"web:7\"");
    assert_eq!(
        faults(&text, &world.state),
        ["f.toml:4:18: there is no revision 7 of web; did you mean \"web:1\"?"]
    );
    let text = FILE.replace(
        "desiredCount = 2",
        "desiredCount = 2\ncluster = \"defualt\"",
    );
    assert_eq!(
        faults(&text, &world.state),
        ["f.toml:6:11: there is no cluster \"defualt\"; did you mean \"default\"?"]
    );
}

#[test]
fn a_registration_alone_says_how_to_roll_it_out() {
    let mut world = World::new([]);
    for revision in 1..=2 {
        world.put_definition(fixture::definition("web", revision, 1, 1, &[]));
    }
    let mut service = fixture::service("web", 1);
    service.deployments = vec![fixture::deployment(1, "web", 1, fixture::START)];
    let key = (service.cluster.clone(), service.name.clone());
    world
        .state
        .services
        .insert(key.clone(), service.clone().into());
    let body = json!({
        "family": "web",
        "containerDefinitions": [{"name": "app", "image": "web:2", "memory": 32}],
    });
    let registered = [crate::controller::wire::decode("RegisterTaskDefinition", &body).unwrap()];
    assert_eq!(
        left_behind(&world.state, &registered),
        ["service web goes on with web:1: qd service update web --task-definition web:2"]
    );
    service.deployments = vec![fixture::deployment(2, "web", 2, fixture::START)];
    world.state.services.insert(key, service.into());
    assert!(left_behind(&world.state, &registered).is_empty());
}

const SCHEDULE: &str = r#"
[[schedule]]
name = "nightly"
scheduleExpression = "cron(0 3 * * ? *)"
scheduleExpressionTimezone = "Europe/Berlin"
taskDefinition = "web"
"#;

#[test]
fn a_schedule_is_shown_with_its_next_run_and_applied_once() {
    let mut world = running();
    // Noon of 2026-11-22.
    let now = TimeMs(1_795_348_800_000);
    let made = steps(&items(SCHEDULE), &world.state, now, "default").unwrap();
    assert_eq!(
        told(&made),
        ["+ schedule nightly: cron(0 3 * * ? *) in Europe/Berlin, next 2026-11-23 03:00"]
    );
    let Some(Command::PutSchedule(request)) = &made[0].command else {
        panic!("{made:?}");
    };
    let inputs = vec![Input::Command {
        command: Command::PutSchedule(request.clone()),
        who: "ann".into(),
    }];
    world
        .state
        .apply(&crate::model::Change::Cluster(Arc::new(Cluster::new(
            ClusterName::default_cluster(),
            Partition::default(),
            true,
            now,
        ))));
    let decided = decide(&world.state, &Live::default(), now, 1, inputs);
    assert!(decided.replies[0].is_ok(), "{:?}", decided.replies);
    let again = steps(&items(SCHEDULE), &decided.state, now, "default").unwrap();
    assert_eq!(told(&again), ["= schedule nightly"]);
    let later = SCHEDULE.replace("0 3", "30 4");
    let changed = steps(&items(&later), &decided.state, now, "default").unwrap();
    assert_eq!(
        told(&changed),
        [
            "~ schedule nightly: cron(30 4 * * ? *) in Europe/Berlin, next 2026-11-23 04:30",
            "    ~ scheduleExpression: \"cron(0 3 * * ? *)\" → \"cron(30 4 * * ? *)\"",
        ]
    );
    let other = SCHEDULE.replace("taskDefinition = \"web\"", "taskDefinition = \"wbe\"");
    let faults = steps(&items(&other), &decided.state, now, "default").unwrap_err();
    assert!(
        faults.to_string().contains("there is no task definition"),
        "{faults}"
    );
}

#[test]
fn a_schedule_that_makes_no_sense_is_pointed_at() {
    let text = SCHEDULE.replace("? *)", "MOM *)");
    let document = Arc::new(Document::parse("f.toml", &text).unwrap());
    let faults = read::document(&document).unwrap_err();
    let told = faults.to_string();
    assert!(
        told.starts_with("f.toml:4:22: scheduleExpression: column 14: "),
        "{told}"
    );
    assert!(told.contains("did you mean \"MON\"?"), "{told}");
}

/// What `aws ecs describe-task-definition` prints is registered as it is, and what is then
/// shown is the same definition again.
#[test]
fn the_output_of_describe_task_definition_is_taken_as_it_is() {
    for (name, text, family, containers) in [
        (
            "fargate",
            include_str!("../../../tests/taskdefs/fargate.json"),
            "storefront",
            2,
        ),
        (
            "ec2",
            include_str!("../../../tests/taskdefs/ec2.json"),
            "reporting",
            2,
        ),
        (
            "secrets",
            include_str!("../../../tests/taskdefs/secrets.json"),
            "payments",
            1,
        ),
        (
            "register",
            include_str!("../../../tests/taskdefs/register.json"),
            "worker",
            1,
        ),
    ] {
        let document = Arc::new(Document::parse(name, text).unwrap());
        let items = read::document(&document).unwrap();
        let state = State::default();
        let made = steps(&items, &state, TimeMs(0), "default").unwrap();
        let Some(Command::RegisterTaskDefinition(request)) = &made[0].command else {
            panic!("{made:?}");
        };
        assert_eq!(request.family.as_str(), family);
        assert_eq!(request.container_definitions.len(), containers, "{name}");
        let told_only = [
            "taskDefinitionArn",
            "registeredAt",
            "compatibilities",
            "status",
        ];
        for member in told_only {
            assert!(
                !request.unsupported.contains_key(member),
                "{name}: {member}"
            );
        }
        // Registered, shown, and read again, it is the same.
        let mut state = state;
        let definition = request
            .clone()
            .definition(crate::model::Revision(1), TimeMs(5));
        state.apply(&crate::model::Change::TaskDefinition(Arc::new(
            definition.clone(),
        )));
        let shown = serde_json::json!({
            "taskDefinition": crate::api::shape::task_definition(&state, &definition),
            "tags": definition.tags,
        });
        let document = Arc::new(Document::parse("shown", &shown.to_string()).unwrap());
        let items = read::document(&document).unwrap();
        let again = steps(&items, &state, TimeMs(0), "default").unwrap();
        assert_eq!(
            told(&again),
            [format!("= task definition {family}:1")],
            "{name}"
        );
    }
}

#[test]
fn a_file_that_somebody_wrote_has_no_members_that_are_told_only() {
    let text = FILE.replace("family = \"web\"", "family = \"web\"\nrevision = 3");
    let document = Arc::new(Document::parse("f.toml", &text).unwrap());
    let faults = read::document(&document).unwrap_err();
    assert!(
        faults
            .to_string()
            .contains("there is no member revision here"),
        "{faults}"
    );
}

#[test]
fn a_strategy_that_a_file_takes_away_is_taken_away_and_a_launch_type_is_refused() {
    let mut world = running();
    let now = world.now;
    let mut home = Cluster::new(
        ClusterName::default_cluster(),
        Partition::default(),
        true,
        now,
    );
    world
        .state
        .apply(&crate::model::Change::Cluster(Arc::new(home.clone())));
    let shares = |name: &str| {
        serde_json::from_value::<Vec<crate::model::CapacityProviderStrategyItem>>(
            json!([{"capacityProvider": name, "weight": 1}]),
        )
        .unwrap()
    };
    let lead = |world: &mut World, change: &dyn Fn(&mut crate::model::Service)| {
        let key = world.state.services.keys().next().unwrap().clone();
        let mut service = (*world.state.services[&key]).clone();
        change(&mut service);
        world.state.services.insert(key, service.into());
    };
    let ask = |world: &World, more: &str| {
        let text = FILE.replace("desiredCount = 2", &format!("desiredCount = 2\n{more}"));
        steps(&items(&text), &world.state, TimeMs(0), "default")
    };
    let strategy = |steps: &[Step]| match &steps[1].command {
        Some(Command::UpdateService(update)) => update.capacity_provider_strategy.clone(),
        other => panic!("{other:?}"),
    };

    lead(&mut world, &|it| {
        it.capacity_provider_strategy = shares("spot")
    });
    for more in ["", "launchType = \"EC2\""] {
        let away = ask(&world, more).unwrap();
        assert_eq!(
            told(&away)[1..],
            [
                "~ service web",
                "    - capacityProviderStrategy[0]: {\"base\":0,\"capacityProvider\":\"spot\",\"weight\":1}",
            ]
        );
        assert_eq!(strategy(&away), Some(Vec::new()));
    }
    // A cluster's default is what a file means that names nothing; a launch type stands over it.
    home.default_capacity_provider_strategy = shares("spot");
    world
        .state
        .apply(&crate::model::Change::Cluster(Arc::new(home)));
    assert_eq!(told(&ask(&world, "").unwrap())[1], "= service web");
    let away = ask(&world, "launchType = \"EC2\"").unwrap();
    assert_eq!(strategy(&away), Some(Vec::new()));
    lead(&mut world, &|it| it.capacity_provider_strategy.clear());
    assert_eq!(strategy(&ask(&world, "").unwrap()), Some(shares("spot")));

    // ECS's UpdateService has no launch type.
    let refused = ask(&world, "launchType = \"FARGATE\"").unwrap_err();
    assert!(refused.to_string().contains("f.toml:6:14"), "{refused}");
    let says = "web has EC2, and this would be FARGATE. Name a capacityProviderStrategy";
    assert!(refused.to_string().contains(says), "{refused}");
    world.state.clusters.clear();
    world = running();
    lead(&mut world, &|it| {
        it.launch_type = crate::model::LaunchType::Fargate;
    });
    let refused = ask(&world, "").unwrap_err();
    let says = "this would be EC2, which is what a file means that names none";
    assert!(refused.to_string().contains(says), "{refused}");
    assert!(ask(&world, "launchType = \"FARGATE\"").is_ok());
}

#[test]
fn what_a_file_drops_is_taken_away() {
    let mut world = running();
    world.edit_service("web", |service| {
        service.health_check_grace_period_s = Some(60);
        let kept = json!([{"targetGroupArn": "a"}]);
        service.unsupported.insert("loadBalancers".into(), kept);
    });
    let away = steps(&items(FILE), &world.state, TimeMs(0), "default").unwrap();
    let Some(Command::UpdateService(update)) = &away[1].command else {
        panic!("{:#?}", away[1]);
    };
    assert_eq!(update.health_check_grace_period_seconds, Some(0));
    assert_eq!(update.unsupported.get("loadBalancers"), Some(&json!([])));
    // Applied, there is nothing left to do.
    world.edit_service("web", |service| {
        service.health_check_grace_period_s = Some(0);
        service
            .unsupported
            .insert("loadBalancers".into(), json!([]));
    });
    let again = steps(&items(FILE), &world.state, TimeMs(0), "default").unwrap();
    assert_eq!(told(&again)[1], "= service web");
}
