//! ECS's own JSON to a [`Command`] and back. Pure.

use serde_json::Value;

use super::command::{Command, CommandError, ErrorKind};
use crate::model::members::{self, Shape};
use crate::model::service::SchedulingStrategy;
use crate::model::validate::{Elsewhere, asks_for_something, elsewhere};

/// Requests nested deeper are refused: members that are kept are stored some levels further in,
/// and what is stored must be readable again (JSON readers stop at 128).
pub const DEPTH_MAX: usize = 64;

/// One thing wrong with a request, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct WireFault {
    /// ECS's name for it.
    pub kind: ErrorKind,
    /// Where: `containerDefinitions[0].portMappings[0].hostPort`; empty for the request itself.
    pub path: String,
    /// What is wrong, what was expected.
    pub message: String,
}

impl WireFault {
    fn parameter(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::InvalidParameterException,
            path: path.into(),
            message: message.into(),
        }
    }

    fn unsupported(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::UnsupportedFeatureException,
            path: path.into(),
            message: message.into(),
        }
    }
}

/// Reads the body of an operation.
///
/// # Errors
/// [`CommandError`] with every fault that can be told at once, each with its path.
pub fn decode(operation: &str, body: &Value) -> Result<Command, CommandError> {
    read(operation, body.clone()).map_err(|faults| {
        let kind = faults
            .first()
            .map_or(ErrorKind::ClientException, |fault| fault.kind);
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        CommandError::new(kind, said.join("\n"))
    })
}

/// Reads the body of an operation; like [`decode`], with the faults one by one for a caller that
/// knows the lines they stand on.
///
/// # Errors
/// Never an empty list.
pub fn read(operation: &str, mut body: Value) -> Result<Command, Vec<WireFault>> {
    let Some(shape) = Shape::of_operation(operation) else {
        return Err(vec![WireFault {
            kind: ErrorKind::UnknownOperationException,
            path: String::new(),
            message: format!("there is no operation {operation} that changes something here"),
        }]);
    };
    if body.is_null() {
        body = Value::Object(serde_json::Map::new());
    }
    if !body.is_object() {
        let message = format!("{operation} takes a JSON object");
        return Err(vec![WireFault::parameter("", message)]);
    }
    if deeper_than(&body, DEPTH_MAX) {
        let message = format!("the request is nested more than {DEPTH_MAX} levels deep");
        return Err(vec![WireFault::parameter("", message)]);
    }
    let mut faults: Vec<WireFault> = members::sort(shape, &mut body)
        .into_iter()
        .map(|unknown| WireFault::parameter(unknown.path.clone(), unknown.to_string()))
        .collect();
    if shape == Shape::RegisterTaskDefinition {
        amounts(&mut body, "", &mut faults);
        network_mode(&mut body);
    }
    if let Some(overrides) = body.get_mut("overrides") {
        amounts(overrides, "overrides.", &mut faults);
    }
    if shape == Shape::CreateService {
        daemon(&mut body, &mut faults);
    }
    refusals(&body, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    typed(operation, body).map_err(|fault| vec![fault])
}

fn typed(operation: &str, body: Value) -> Result<Command, WireFault> {
    Ok(match operation {
        "RegisterTaskDefinition" => Command::RegisterTaskDefinition(parse(body)?),
        "DeregisterTaskDefinition" => Command::DeregisterTaskDefinition(parse(body)?),
        "CreateService" => Command::CreateService(parse(body)?),
        "UpdateService" => {
            if body.get("service").is_none() {
                return Err(WireFault::parameter("", "the member service is missing"));
            }
            Command::UpdateService(parse(body)?)
        }
        "RebalanceService" => Command::RebalanceService(parse(body)?),
        "DeleteService" => Command::DeleteService(parse(body)?),
        "RunTask" => Command::RunTask(parse(body)?),
        "StopTask" => Command::StopTask(parse(body)?),
        "UpdateTaskProtection" => Command::UpdateTaskProtection(parse(body)?),
        "UpdateContainerInstancesState" => Command::UpdateContainerInstancesState(parse(body)?),
        "CreateCluster" => Command::CreateCluster(parse(body)?),
        "TagResource" => Command::TagResource(parse(body)?),
        "UntagResource" => Command::UntagResource(parse(body)?),
        "PutSchedule" => Command::PutSchedule(parse(body)?),
        "DeleteSchedule" => Command::DeleteSchedule(parse(body)?),
        "RunSchedule" => Command::RunSchedule(parse(body)?),
        _ => Command::DeleteCluster(parse(body)?),
    })
}

fn deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => match levels.checked_sub(1) {
            Some(levels) => items.iter().any(|item| deeper_than(item, levels)),
            None => true,
        },
        Value::Object(members) => match levels.checked_sub(1) {
            Some(levels) => members.values().any(|member| deeper_than(member, levels)),
            None => true,
        },
        _ => false,
    }
}

fn parse<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, WireFault> {
    serde_path_to_error::deserialize(body).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        WireFault::parameter(path, plain_words(&error.into_inner().to_string()))
    })
}

/// Serde's words for a wrong value, in words for people who do not write Rust.
fn plain_words(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("missing field `") {
        return format!("the member {} is missing", rest.trim_end_matches('`'));
    }
    let Some((what, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "a boolean" => "true or false",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    format!("{what}, expected {expected}")
}

/// Task cpu and memory are text on ECS's wire (`"256"`, `"1 vCPU"`, `"1 GB"`); numbers are taken
/// too.
fn amounts(body: &mut Value, place: &str, faults: &mut Vec<WireFault>) {
    type Reader = fn(&str) -> Option<u64>;
    let readers: [(&str, Reader, &str); 2] = [
        ("cpu", parse_cpu, "CPU units such as \"256\", or \"1 vCPU\""),
        ("memory", parse_memory, "MiB such as \"512\", or \"1 GB\""),
    ];
    for (member, reader, expected) in readers {
        let Some(Value::String(text)) = body.get(member) else {
            continue;
        };
        match reader(text) {
            Some(amount) => body[member] = amount.into(),
            None => faults.push(WireFault::parameter(
                format!("{place}{member}"),
                format!("\"{text}\" is no amount of {member}; expected {expected}"),
            )),
        }
    }
}

/// CPU units of `"256"` or `"0.25 vCPU"`.
#[must_use]
pub fn parse_cpu(text: &str) -> Option<u64> {
    parse_amount(text, "vcpu")
}

/// MiB of `"512"` or `"0.5 GB"`.
#[must_use]
pub fn parse_memory(text: &str) -> Option<u64> {
    parse_amount(text, "gb")
}

/// A whole number, or a decimal one in a unit of 1024 that comes out whole.
fn parse_amount(text: &str, unit: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let Some(number) = text.strip_suffix(unit) else {
        return text.parse().ok();
    };
    let (whole, part) = match number.trim().split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (number.trim(), "0"),
    };
    if number.trim().is_empty() {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    if part.len() > 9 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
    let thousandths = whole
        .parse::<u64>()
        .ok()?
        .checked_mul(scale)?
        .checked_add(part.parse().ok()?)?
        .checked_mul(1024)?;
    thousandths
        .is_multiple_of(scale)
        .then_some(thousandths / scale)
}

fn network_mode(body: &mut Value) {
    if body.get("networkMode").and_then(Value::as_str) == Some("default") {
        body["networkMode"] = "bridge".into();
    }
}

/// A DAEMON's desired count is not the writer's to say, and ECS's defaults for its bounds are
/// others than a REPLICA's.
fn daemon(body: &mut Value, faults: &mut Vec<WireFault>) {
    if body["schedulingStrategy"] != "DAEMON" {
        return;
    }
    if body.get("desiredCount").is_some() {
        faults.push(WireFault::parameter(
            "desiredCount",
            "a DAEMON runs one task on every instance that meets its constraints: leave \
             desiredCount out",
        ));
    }
    if body.get("deploymentConfiguration").is_none() {
        body["deploymentConfiguration"] = Value::Object(serde_json::Map::new());
    }
    if let Some(bounds) = body["deploymentConfiguration"].as_object_mut() {
        for (member, percent) in [("minimumHealthyPercent", 0), ("maximumPercent", 100)] {
            bounds.entry(member).or_insert(percent.into());
        }
    }
}

/// What would come out as something else than was asked for, so that a warning is not enough.
fn refusals(body: &Value, faults: &mut Vec<WireFault>) {
    let kept = &body["unsupported"];
    let wanted = |member: &str| kept.get(member).filter(|value| !value.is_null());
    if let Some(Elsewhere::Refused(why)) = elsewhere("volumeConfigurations")
        && wanted("volumeConfigurations").is_some_and(asks_for_something)
    {
        let message = format!("volumeConfigurations {why}");
        faults.push(WireFault::unsupported("volumeConfigurations", message));
    }
    if wanted("deploymentController").is_some_and(|value| value["type"] != "ECS") {
        faults.push(WireFault::unsupported(
            "deploymentController",
            "only the type ECS (rolling update) is supported; leave it out",
        ));
    }
    if wanted("deploymentConfiguration.strategy").is_some_and(|value| value != "ROLLING") {
        faults.push(WireFault::unsupported(
            "deploymentConfiguration.strategy",
            "only ROLLING is supported; leave it out",
        ));
    }
}

/// ECS's own JSON for a command; [`decode`] gives the command back.
#[must_use]
pub fn encode(command: &Command) -> Value {
    let request = match command {
        Command::RegisterTaskDefinition(request) => serde_json::to_value(request),
        Command::DeregisterTaskDefinition(request) => serde_json::to_value(request),
        Command::CreateService(request) => serde_json::to_value(request),
        Command::UpdateService(request) => serde_json::to_value(request),
        Command::RebalanceService(request) => serde_json::to_value(request),
        Command::DeleteService(request) => serde_json::to_value(request),
        Command::RunTask(request) => serde_json::to_value(request),
        Command::StopTask(request) => serde_json::to_value(request),
        Command::ExecuteCommand(request) => serde_json::to_value(request),
        Command::UpdateTaskProtection(request) => serde_json::to_value(request),
        Command::UpdateContainerInstancesState(request) => serde_json::to_value(request),
        Command::CreateCluster(request) => serde_json::to_value(request),
        Command::DeleteCluster(request) => serde_json::to_value(request),
        Command::TagResource(request) => serde_json::to_value(request),
        Command::UntagResource(request) => serde_json::to_value(request),
        Command::PutSchedule(request) => serde_json::to_value(request),
        Command::DeleteSchedule(request) | Command::RunSchedule(request) => {
            serde_json::to_value(request)
        }
    };
    // These types have text keys only, which is all that could fail.
    let mut body = request.unwrap_or_default();
    if let Some(shape) = Shape::of_operation(command.operation()) {
        members::restore(shape, &mut body);
    }
    strip_nulls(&mut body);
    if let (Command::CreateService(request), Value::Object(members)) = (command, &mut body)
        && request.scheduling_strategy == SchedulingStrategy::Daemon
    {
        members.remove("desiredCount");
    }
    if let Command::RegisterTaskDefinition(_) = command {
        amounts_as_text(&mut body);
    }
    if let Some(overrides) = body.get_mut("overrides") {
        amounts_as_text(overrides);
    }
    body
}

/// A task's cpu and memory as ECS sends them: as text.
pub fn amounts_as_text(body: &mut Value) {
    for member in ["cpu", "memory"] {
        if let Some(amount) = body.get(member).and_then(Value::as_u64) {
            body[member] = amount.to_string().into();
        }
    }
}

fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CpuUnits, InstanceStatus, MemoryMib};
    use serde_json::json;

    fn whole_definition() -> Value {
        json!({
            "family": "web", "networkMode": "bridge", "cpu": "1 vCPU", "memory": "1GB",
            "requiresCompatibilities": ["EC2"], "executionRoleArn": "arn:aws:iam::1:role/x",
            "volumes": [
                {"name": "conf", "host": {"sourcePath": "/etc/web"}},
                {"name": "data", "dockerVolumeConfiguration":
                    {"scope": "shared", "autoprovision": true, "driver": "local",
                     "driverOpts": {"type": "tmpfs"}, "labels": {"a": "b"}}},
                {"name": "far", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            "placementConstraints": [{"type": "memberOf", "expression": "attribute:disk == ssd"}],
            "containerDefinitions": [{
                "name": "web", "image": "nginx:1", "command": ["a"], "entryPoint": ["b"],
                "environment": [{"name": "A", "value": "1"}], "cpu": 256, "memory": 512,
                "memoryReservation": 256, "essential": true,
                "portMappings": [{"containerPort": 80, "hostPort": 8080, "protocol": "tcp",
                                  "name": "http", "appProtocol": "http"},
                                 {"containerPort": 53, "protocol": "udp"}],
                "healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 10, "timeout": 5,
                                "retries": 2, "startPeriod": 1},
                "links": ["db:database"],
                "dependsOn": [{"containerName": "db", "condition": "HEALTHY"}],
                "stopTimeout": 10, "user": "1000:1000", "workingDirectory": "/srv",
                "mountPoints": [{"sourceVolume": "data", "containerPath": "/data",
                                 "readOnly": true}],
                "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 2048}],
                "dockerLabels": {"team": "x"}, "privileged": false, "secrets":
                    [{"name": "S", "valueFrom": "arn:aws:ssm:x"}],
                "logConfiguration": {"logDriver": "json-file", "options": {"max-size": "1m"},
                                     "secretOptions": []}
            }, {"name": "db", "image": "postgres", "memory": 128}]
        })
    }

    #[test]
    fn a_definition_survives_its_own_wire_whole() {
        let command = decode("RegisterTaskDefinition", &whole_definition()).unwrap();
        let Command::RegisterTaskDefinition(request) = &command else {
            panic!("{command:?}");
        };
        assert_eq!(request.cpu, Some(CpuUnits(1024)));
        assert_eq!(request.memory, Some(MemoryMib(1024)));
        let sent = encode(&command);
        assert_eq!(sent["cpu"], "1024");
        assert_eq!(
            sent["containerDefinitions"][0]["portMappings"][0]["appProtocol"],
            "http"
        );
        assert_eq!(
            sent["volumes"][2]["efsVolumeConfiguration"]["fileSystemId"],
            "fs-1"
        );
        assert_eq!(decode("RegisterTaskDefinition", &sent).unwrap(), command);
    }

    #[test]
    fn what_is_nested_too_deep_is_refused_before_it_is_stored() {
        let mut kept = json!(1);
        for _ in 1..DEPTH_MAX {
            kept = json!([kept]);
        }
        assert!(decode("CreateCluster", &json!({"settings": kept})).is_ok());
        let refusal = decode("CreateCluster", &json!({"settings": [kept]})).unwrap_err();
        assert!(refusal.message.contains("64 levels"), "{refusal}");
    }

    #[test]
    fn warnings_name_what_has_no_effect_and_nothing_else() {
        let command = decode("RegisterTaskDefinition", &whole_definition()).unwrap();
        let named: Vec<_> = command
            .warnings()
            .iter()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(
            named,
            [
                "executionRoleArn",
                "containerDefinitions[0].portMappings[0].appProtocol",
                "volumes[2].efsVolumeConfiguration",
            ]
        );
    }

    #[test]
    fn every_unknown_member_is_told_at_once() {
        let body = json!({
            "family": "web", "volume": [],
            "containerDefinitions": [{"name": "web", "image": "x", "memry": 1}]
        });
        let faults = read("RegisterTaskDefinition", body).unwrap_err();
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "containerDefinitions[0].memry: there is no member memry here; did you mean memory?",
                "volume: there is no member volume here; did you mean volumes?",
            ]
        );
    }

    #[test]
    fn a_wrong_value_names_its_path_in_plain_words() {
        let refused = |body| decode("RegisterTaskDefinition", &body).unwrap_err();
        let error = refused(json!({"family": "web", "containerDefinitions": [
            {"name": "web", "image": "x", "portMappings": [{"containerPort": 70000}]}]}));
        assert_eq!(
            error.message,
            "containerDefinitions[0].portMappings[0].containerPort: invalid value: integer \
             `70000`, expected a whole number from 0 to 65535"
        );
        let error = refused(json!({"containerDefinitions": []}));
        assert_eq!(error.message, "the member family is missing");
        let error = refused(json!({"family": "a b", "containerDefinitions": []}));
        assert!(
            error
                .message
                .starts_with("family: task definition family \"a b\"")
        );
    }

    #[test]
    fn a_network_mode_is_ecs_s_word_and_default_is_bridge() {
        for (said, meant) in [
            ("default", "bridge"),
            ("awsvpc", "awsvpc"),
            ("host", "host"),
        ] {
            let body = json!({"family": "w", "containerDefinitions": [], "networkMode": said});
            let command = decode("RegisterTaskDefinition", &body).unwrap();
            assert_eq!(encode(&command)["networkMode"], meant);
        }
    }

    #[test]
    fn amounts_are_read_as_ecs_writes_them() {
        for (text, units) in [
            ("256", Some(256)),
            ("1 vCPU", Some(1024)),
            (".5 vcpu", Some(512)),
            ("0.25vCPU", Some(256)),
            ("", None),
            ("vCPU", None),
            ("one", None),
            ("-1", None),
            ("1. vCPU", None),
            ("0.3 vCPU", None),
        ] {
            assert_eq!(parse_cpu(text), units, "{text}");
        }
        assert_eq!(parse_memory("30 GB"), Some(30 * 1024));
        assert_eq!(parse_memory("0.5GB"), Some(512));
    }

    #[test]
    fn what_a_warning_could_not_make_good_is_refused() {
        for (operation, body) in [
            (
                "CreateService",
                json!({"serviceName": "w", "taskDefinition": "w",
                       "deploymentController": {"type": "CODE_DEPLOY"}}),
            ),
            (
                "CreateService",
                json!({"serviceName": "w", "taskDefinition": "w",
                       "deploymentConfiguration": {"strategy": "CANARY"}}),
            ),
        ] {
            let error = decode(operation, &body).unwrap_err();
            assert_eq!(error.kind, ErrorKind::UnsupportedFeatureException, "{body}");
        }
    }

    #[test]
    fn every_operation_survives_its_own_wire() {
        for (operation, body) in [
            (
                "DeregisterTaskDefinition",
                json!({"taskDefinition": "web:1"}),
            ),
            (
                "CreateService",
                json!({"serviceName": "web", "taskDefinition": "web", "launchType": "EC2",
                       "deploymentConfiguration": {"maximumPercent": 150, "alarms": {"x": 1}}}),
            ),
            (
                "UpdateService",
                json!({"service": "web", "deploymentConfiguration": {"maximumPercent": 150}}),
            ),
            ("DeleteService", json!({"service": "web", "force": true})),
            ("RunTask", json!({"taskDefinition": "web", "count": 2})),
            ("StopTask", json!({"task": "abcd", "reason": "enough"})),
            (
                "CreateService",
                json!({"serviceName": "logs", "taskDefinition": "logs",
                       "schedulingStrategy": "DAEMON", "healthCheckGracePeriodSeconds": 5}),
            ),
            (
                "UpdateTaskProtection",
                json!({"tasks": ["abcd"], "protectionEnabled": true, "expiresInMinutes": 5}),
            ),
            (
                "UpdateContainerInstancesState",
                json!({"containerInstances": ["a"], "status": "DRAINING"}),
            ),
            (
                "CreateCluster",
                json!({"clusterName": "b", "tags": [{"key": "k", "value": ""}]}),
            ),
            ("DeleteCluster", json!({"cluster": "b"})),
        ] {
            let command = decode(operation, &body).unwrap();
            assert_eq!(command.operation(), operation);
            let sent = encode(&command);
            for (member, value) in body.as_object().unwrap() {
                if value.is_object() {
                    continue;
                }
                assert_eq!(&sent[member], value, "{operation} {member}");
            }
            assert_eq!(decode(operation, &sent).unwrap(), command, "{sent}");
        }
        let Ok(Command::UpdateContainerInstancesState(request)) = decode(
            "UpdateContainerInstancesState",
            &json!({"containerInstances": ["a"], "status": "ACTIVE"}),
        ) else {
            panic!("not decoded")
        };
        assert_eq!(request.status, InstanceStatus::Active);
    }

    #[test]
    fn a_daemon_has_bounds_of_its_own_and_no_count() {
        let body = json!({"serviceName": "logs", "taskDefinition": "logs",
                          "schedulingStrategy": "DAEMON"});
        let Ok(Command::CreateService(request)) = decode("CreateService", &body) else {
            panic!("not decoded")
        };
        let bounds = &request.deployment_configuration;
        assert_eq!(
            (bounds.minimum_healthy_percent, bounds.maximum_percent),
            (0, 100)
        );
        assert_eq!(request.faults(), []);
        let mut counted = body.clone();
        counted["desiredCount"] = 3.into();
        let error = decode("CreateService", &counted).unwrap_err();
        assert!(
            error.message.starts_with("desiredCount: a DAEMON"),
            "{error}"
        );
        let refused = |member: &str, value: Value| {
            let mut body = body.clone();
            body[member] = value;
            let Ok(Command::CreateService(request)) = decode("CreateService", &body) else {
                panic!("not decoded")
            };
            request
                .faults()
                .iter()
                .map(|f| f.path.clone())
                .collect::<Vec<_>>()
        };
        let random = json!([{"type": "random"}]);
        assert_eq!(refused("placementStrategy", random), ["placementStrategy"]);
        let wide = json!({"maximumPercent": 200});
        assert_eq!(
            refused("deploymentConfiguration", wide),
            ["deploymentConfiguration.maximumPercent"]
        );
        let stuck = json!({"minimumHealthyPercent": 100});
        assert_eq!(
            refused("deploymentConfiguration", stuck),
            ["deploymentConfiguration.minimumHealthyPercent"]
        );
    }

    #[test]
    fn an_update_says_nothing_about_what_stays() {
        let command = decode(
            "UpdateService",
            &json!({"service": "web", "deploymentConfiguration": {"maximumPercent": 150}}),
        )
        .unwrap();
        assert_eq!(
            encode(&command)["deploymentConfiguration"],
            json!({"maximumPercent": 150})
        );
        assert!(decode("UpdateService", &json!({})).is_err());
        let error = decode("DescribeTasks", &json!({})).unwrap_err();
        assert_eq!(error.kind, ErrorKind::UnknownOperationException);
    }
}
