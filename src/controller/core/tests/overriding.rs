//! Task overrides and tags.

use serde_json::json;

use super::rig::Rig;
use crate::controller::command::ErrorKind;
use crate::model::{CpuUnits, MemoryMib};

#[test]
fn an_overridden_task_holds_what_it_was_given() {
    let mut rig = Rig::new(&[("ops-1", "a")]);
    rig.register("job", json!({}));
    let body = json!({
        "taskDefinition": "job",
        "overrides": {"containerOverrides": [
            {"name": "main", "cpu": 1024, "memory": 2048,
             "environment": [{"name": "A", "value": "1"}]}]}
    });
    rig.ask("RunTask", body).unwrap();
    let task = rig.tasks().remove(0);
    assert_eq!(task.resources.cpu, CpuUnits(1024));
    assert_eq!(task.resources.memory, MemoryMib(2048));
    let effective = rig.state.definition_of(&task).unwrap();
    assert_eq!(effective.container_definitions[0].environment[0].name, "A");
    // One that asks for more than there is finds no place, as a definition would.
    let body = json!({
        "taskDefinition": "job",
        "overrides": {"containerOverrides": [{"name": "main", "memory": 100_000}]}
    });
    rig.ask("RunTask", body).unwrap();
    assert_eq!(rig.tasks().len(), 1);
    // Nothing overridden is kept as nothing.
    let body = json!({
        "taskDefinition": "job", "overrides": {"containerOverrides": [{"name": "main"}]}
    });
    rig.ask("RunTask", body).unwrap();
    assert!(rig.tasks().iter().any(|task| task.overrides.is_none()));
}

#[test]
fn the_tasks_own_amounts_are_text_as_in_ecs() {
    let mut rig = Rig::new(&[("ops-1", "a")]);
    rig.register("job", json!({}));
    let ask =
        |cpu: &str| json!({"taskDefinition": "job", "overrides": {"cpu": cpu, "memory": "1 GB"}});
    rig.ask("RunTask", ask("1 vCPU")).unwrap();
    let task = rig.tasks().remove(0);
    assert_eq!(task.resources.cpu, CpuUnits(1024));
    assert_eq!(task.resources.memory, MemoryMib(1024));
    let (_, why) = rig.refused("RunTask", ask("much"));
    assert!(
        why.starts_with("overrides.cpu: \"much\" is no amount of cpu"),
        "{why}"
    );
    let body = json!({"taskDefinition": "job", "overrides": {"containerOverrides":
        [{"name": "main", "comand": ["x"]}]}});
    let (_, why) = rig.refused("RunTask", body);
    assert!(why.ends_with("did you mean command?"), "{why}");
}

#[test]
fn a_task_gets_the_tags_it_is_given_and_those_that_are_handed_down() {
    let mut rig = Rig::new(&[("ops-1", "a")]);
    let container = json!({"name": "main", "image": "busybox", "memory": 64});
    let body = json!({"family": "job", "containerDefinitions": [container],
                      "tags": [{"key": "of", "value": "definition"}, {"key": "a", "value": "1"}]});
    rig.ask("RegisterTaskDefinition", body).unwrap();
    let run = |propagate: &str| {
        json!({"taskDefinition": "job", "propagateTags": propagate,
               "tags": [{"key": "a", "value": "2"}]})
    };
    rig.ask("RunTask", run("TASK_DEFINITION")).unwrap();
    let tags = rig.tasks()[0].tags.clone();
    let pairs: Vec<_> = tags
        .iter()
        .map(|t| (t.key.as_str(), t.value.as_str()))
        .collect();
    assert_eq!(pairs, [("of", "definition"), ("a", "2")]);
    let (_, why) = rig.refused("RunTask", run("SERVICE"));
    assert!(why.starts_with("propagateTags: "), "{why}");
    for (propagate, expected) in [("SERVICE", "service"), ("TASK_DEFINITION", "definition")] {
        let name = format!("s-{}", propagate.to_lowercase());
        let body = json!({"serviceName": name, "taskDefinition": "job", "desiredCount": 1,
                          "tags": [{"key": "of", "value": "service"}], "propagateTags": propagate});
        rig.ask("CreateService", body).unwrap();
        let of_service = rig
            .tasks()
            .into_iter()
            .find(|task| task.service.as_ref().is_some_and(|it| it.as_str() == name));
        assert_eq!(of_service.unwrap().tags[0].value, expected);
    }
}

#[test]
fn tags_are_put_on_and_taken_off_by_arn() {
    let mut rig = Rig::new(&[("ops-1", "a")]);
    rig.register("web", json!({}));
    rig.create("web", 1);
    let arn = |rest: &str| format!("arn:aws:ecs:local:123456789012:{rest}");
    let service = arn("service/default/web");
    let task = arn(&format!("task/default/{}", rig.tasks()[0].id));
    let definition = arn("task-definition/web:1");
    let (cluster, instance) = (
        arn("cluster/default"),
        arn("container-instance/default/ops-1"),
    );
    for arn in [&service, &task, &definition, &cluster, &instance] {
        let tags = json!([{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]);
        rig.ask("TagResource", json!({"resourceArn": arn, "tags": tags}))
            .unwrap();
        rig.ask(
            "UntagResource",
            json!({"resourceArn": arn, "tagKeys": ["a", "zz"]}),
        )
        .unwrap();
    }
    let keys =
        |tags: &[crate::model::tag::Tag]| tags.iter().map(|t| t.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&rig.service("web").tags), ["b"]);
    assert_eq!(keys(&rig.tasks()[0].tags), ["b"]);
    let written = rig
        .state
        .latest_definition(&"web".parse().unwrap())
        .unwrap();
    assert_eq!(keys(&written.tags), ["b"]);
    // The configuration knows nothing of tags, and takes none away.
    rig.configure();
    let cluster = &rig.state.clusters[&crate::model::ClusterName::default_cluster()];
    assert_eq!(keys(&cluster.tags), ["b"]);
    assert_eq!(keys(&rig.instance("ops-1").tags), ["b"]);
    let many: Vec<_> = (0..50)
        .map(|n| json!({"key": format!("k{n}"), "value": ""}))
        .collect();
    let (_, why) = rig.refused("TagResource", json!({"resourceArn": service, "tags": many}));
    assert!(why.contains("51 tags in all; at most 50"), "{why}");
    let tags = json!([{"key": "a", "value": ""}]);
    let ask = |arn: &str| json!({"resourceArn": arn, "tags": tags});
    let (kind, _) = rig.refused("TagResource", ask(&arn("capacity-provider/spot")));
    assert_eq!(kind, ErrorKind::UnsupportedFeatureException);
    let nope = ask(&arn("container-instance/default/nope"));
    let (_, why) = rig.refused("TagResource", nope);
    assert!(why.contains("There is no container instance nope"), "{why}");
    let (kind, _) = rig.refused("TagResource", ask(&arn("cluster/nope")));
    assert_eq!(kind, ErrorKind::ClusterNotFoundException);
    let (kind, _) = rig.refused("TagResource", ask(&arn("service/default/nope")));
    assert_eq!(kind, ErrorKind::ServiceNotFoundException);
    let (kind, _) = rig.refused("TagResource", ask("web"));
    assert_eq!(kind, ErrorKind::ClientException);
}
