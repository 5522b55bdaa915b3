use super::*;
use serde_json::json;

fn definition() -> Value {
    json!({
        "family": "web",
        "executionRoleArn": "arn:aws:iam::1:role/x",
        "containerDefinitions": [{
            "name": "web", "image": "nginx", "credentialSpecs": [],
            "dockerLabels": {"unsupported": "mine", "anything": "goes"},
            "portMappings": [{"containerPort": 80}, {"containerPort": 81, "appProtocol": "http"}]
        }]
    })
}

#[test]
fn what_is_known_and_not_acted_on_is_kept_by_the_nearest_keeper_and_put_back() {
    let mut value = definition();
    assert_eq!(sort(Shape::RegisterTaskDefinition, &mut value), vec![]);
    assert_eq!(
        value["unsupported"],
        json!({"executionRoleArn": "arn:aws:iam::1:role/x"})
    );
    let container = &value["containerDefinitions"][0];
    assert_eq!(
        container["unsupported"],
        json!({"credentialSpecs": [], "portMappings[1].appProtocol": "http"})
    );
    assert_eq!(container["dockerLabels"]["unsupported"], "mine");
    restore(Shape::RegisterTaskDefinition, &mut value);
    assert_eq!(value, definition());
}

#[test]
fn what_ecs_does_not_know_is_named_with_its_path_and_the_nearest_name() {
    let mut value = json!({
        "family": "web", "unsupported": {},
        "containerDefinitions": [{"name": "web", "portMappings": [{"hostport": 1}]}]
    });
    let unknown = sort(Shape::RegisterTaskDefinition, &mut value);
    let said: Vec<_> = unknown
        .iter()
        .map(|u| (u.path.as_str(), u.nearest))
        .collect();
    assert_eq!(
        said,
        [
            (
                "containerDefinitions[0].portMappings[0].hostport",
                Some("hostPort")
            ),
            ("unsupported", None),
        ]
    );
    assert!(unknown[0].to_string().ends_with("did you mean hostPort?"));
}

#[test]
fn a_null_is_an_absent_member() {
    let mut value = json!({"cluster": null, "service": "web", "loadBalancers": null});
    assert_eq!(sort(Shape::UpdateService, &mut value), vec![]);
    assert_eq!(value, json!({"service": "web"}));
}

#[test]
fn no_member_is_listed_twice() {
    for shape in [
        Shape::RegisterTaskDefinition,
        Shape::ContainerDefinition,
        Shape::Volume,
        Shape::CreateService,
        Shape::UpdateService,
        Shape::RunTask,
        Shape::CreateCluster,
        Shape::DeploymentConfiguration,
    ] {
        let mut names: Vec<_> = shape.known().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{shape:?}");
    }
}
