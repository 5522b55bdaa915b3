//! ListServiceDeployments and DescribeServiceDeployments.

use serde_json::{Value, json};

use super::{Describe, List, cluster, invalid, page, shape};
use crate::controller::{CommandError, ErrorKind};
use crate::model::arn::{Resource, short_name};
use crate::model::{Service, ServiceName, State};

/// ECS's words for how a deployment of a service is going.
const STATUSES: [&str; 9] = [
    "PENDING",
    "SUCCESSFUL",
    "STOPPED",
    "STOP_REQUESTED",
    "IN_PROGRESS",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL",
    "ROLLBACK_FAILED",
];
/// ECS's limit for the ARNs of one DescribeServiceDeployments.
const ARNS_MAX: usize = 20;

/// What ListServiceDeployments asks for.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Asked {
    cluster: Option<String>,
    service: Option<String>,
    status: Vec<String>,
    created_at: Created,
    max_results: Option<u32>,
    next_token: Option<String>,
}

/// Times in seconds since 1970.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Created {
    after: Option<f64>,
    before: Option<f64>,
}

pub(super) fn list(state: &State, asked: Asked) -> Result<Value, CommandError> {
    let named = asked.service.as_deref();
    let named = named.ok_or_else(|| invalid("the member service is missing"))?;
    let of_arn = match Resource::of(named) {
        Some(Resource::Service(cluster, _)) => Some(cluster),
        _ => None,
    };
    let home = cluster(state, asked.cluster.as_deref().or(of_arn))?;
    let name = short_name(named);
    let service = ServiceName::new(name).ok();
    let service = service.and_then(|name| state.service(&home.name, &name));
    let service = service.ok_or_else(|| {
        CommandError::new(
            ErrorKind::ServiceNotFoundException,
            format!("there is no service {name} in cluster {}", home.name),
        )
    })?;
    if let Some(wrong) = asked
        .status
        .iter()
        .find(|it| !STATUSES.contains(&it.as_str()))
    {
        let known = STATUSES.join(", ");
        return Err(invalid(format!(
            "\"{wrong}\" is no status of a service deployment; there are {known}"
        )));
    }
    let shown = |body: &Value| {
        let at = body["createdAt"].as_f64().unwrap_or_default();
        let of_status = |word: &String| body["status"] == word.as_str();
        (asked.status.is_empty() || asked.status.iter().any(of_status))
            && asked.created_at.after.is_none_or(|after| at > after)
            && asked.created_at.before.is_none_or(|before| at < before)
    };
    let mut all = shape::service_deployments(state, service);
    all.retain(|(_, body)| shown(body));
    let paging = List {
        max_results: asked.max_results,
        next_token: asked.next_token,
        ..List::default()
    };
    let arns = all.iter().map(|(arn, _)| arn.clone()).collect();
    let mut body = page("serviceDeployments", arns, &paging)?;
    if let Some(items) = body["serviceDeployments"].as_array_mut() {
        for item in items {
            let found = all.iter().find(|(arn, _)| *item == arn.as_str());
            *item = found.map(|(_, body)| body.clone()).unwrap_or_default();
        }
    }
    Ok(body)
}

pub(super) fn describe(state: &State, asked: &Describe) -> Result<Value, CommandError> {
    let arns = &asked.service_deployment_arns;
    if arns.is_empty() || arns.len() > ARNS_MAX {
        return Err(invalid(format!(
            "serviceDeploymentArns: 1 to {ARNS_MAX} are allowed"
        )));
    }
    let counts = shape::Counts::of(state);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in arns {
        let Some(Resource::ServiceDeployment(home, name, id)) = Resource::of(arn) else {
            let what = "is no ARN of a service deployment; ListServiceDeployments tells them";
            return Err(invalid(format!("serviceDeploymentArns: \"{arn}\" {what}")));
        };
        let service = service(state, home, name);
        match service.and_then(|it| shape::service_deployment(state, it, id, &counts)) {
            Some(body) => found.push(body),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceDeployments": found, "failures": failures}))
}

fn service<'a>(state: &'a State, home: &str, name: &str) -> Option<&'a Service> {
    let home = cluster(state, Some(home)).ok()?;
    let found = state.service(&home.name, &ServiceName::new(name).ok()?)?;
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use crate::api::query::query;
    use crate::model::service::{CIRCUIT_BREAKER, CircuitBreaker, RolloutState};
    use crate::model::{
        Change, Cluster, ClusterName, Deployment, Partition, Service, Snapshot, State, TimeMs,
    };
    use crate::scheduler::fixture::{self, START};

    const ROOT: &str = "arn:aws:ecs:local:123456789012";

    /// A service's deployments, newest first: number, state, made and changed so many seconds
    /// after the start. Those from `listed` on are history.
    fn snapshot(told: &[(u64, RolloutState, u64, u64)], listed: usize) -> Snapshot {
        let mut service: Service = fixture::service("web", 3);
        let deployment = |(number, state, made, changed): &(u64, RolloutState, u64, u64)| {
            let at = |s: u64| TimeMs(START.0 + s * 1000);
            Deployment {
                rollout_state: *state,
                updated_at: at(*changed),
                started_by: match number {
                    9 => CIRCUIT_BREAKER.to_owned(),
                    _ => "ann".to_owned(),
                },
                ..fixture::deployment(*number, "web", 1, at(*made))
            }
        };
        let all: Vec<Deployment> = told.iter().map(deployment).collect();
        service.deployments = all[..listed].to_vec();
        for over in &all[listed..] {
            service.remember(over.clone());
        }
        service.deployment_configuration.deployment_circuit_breaker = CircuitBreaker {
            enable: true,
            rollback: true,
        };
        let mut state = State::default();
        let home = ClusterName::default_cluster();
        let cluster = Cluster::new(home, Partition::default(), true, START);
        state.apply(&Change::Cluster(Arc::new(cluster)));
        state.apply(&Change::Service(Arc::new(service)));
        Snapshot {
            state,
            ..Snapshot::default()
        }
    }

    fn arn(number: u64) -> String {
        format!("{ROOT}:service-deployment/default/web/{number:019}")
    }

    /// Number and status of what is listed.
    fn listed(snapshot: &Snapshot, more: Value) -> Vec<(u64, String)> {
        let mut asked = more;
        asked["service"] = "web".into();
        let body = query(snapshot, "ListServiceDeployments", &asked).unwrap();
        let told = |it: &Value| {
            let arn = it["serviceDeploymentArn"].as_str().unwrap();
            let number = arn.rsplit('/').next().unwrap().parse().unwrap();
            (number, it["status"].as_str().unwrap().to_owned())
        };
        body["serviceDeployments"]
            .as_array()
            .unwrap()
            .iter()
            .map(told)
            .collect()
    }

    fn described(snapshot: &Snapshot, number: u64) -> Value {
        let asked = json!({"serviceDeploymentArns": [arn(number)]});
        let body = query(snapshot, "DescribeServiceDeployments", &asked).unwrap();
        assert_eq!(body["failures"], json!([]));
        body["serviceDeployments"][0].clone()
    }

    #[test]
    fn each_deployment_has_ecss_word_for_what_became_of_it() {
        use RolloutState::{Completed, Failed, InProgress};
        let word = |told: &[(u64, RolloutState, u64, u64)]| -> Vec<(u64, String)> {
            listed(&snapshot(told, 1), json!({}))
        };
        let said = |list: &[(u64, &str)]| -> Vec<(u64, String)> {
            list.iter().map(|(n, it)| (*n, (*it).to_owned())).collect()
        };
        // Under way; before it one that was overtaken, and one that completed.
        assert_eq!(
            word(&[
                (3, InProgress, 30, 30),
                (2, InProgress, 20, 30),
                (1, Completed, 0, 10)
            ]),
            said(&[(3, "IN_PROGRESS"), (2, "STOPPED"), (1, "SUCCESSFUL")])
        );
        // Failed, and nothing to go back to.
        assert_eq!(word(&[(1, Failed, 0, 10)]), said(&[(1, "STOPPED")]));
        // The circuit breaker's own deployment is the end of the one that failed.
        for (back, end) in [
            (InProgress, "ROLLBACK_IN_PROGRESS"),
            (Completed, "ROLLBACK_SUCCESSFUL"),
            (Failed, "ROLLBACK_FAILED"),
        ] {
            assert_eq!(
                word(&[
                    (9, back, 40, 50),
                    (2, Failed, 20, 40),
                    (1, Completed, 0, 10)
                ]),
                said(&[(2, end), (1, "SUCCESSFUL")])
            );
        }
        // Or it took the older one up again, which stays what it was.
        for (back, end) in [
            (InProgress, "ROLLBACK_IN_PROGRESS"),
            (Completed, "ROLLBACK_SUCCESSFUL"),
        ] {
            assert_eq!(
                word(&[(1, back, 0, 50), (2, Failed, 20, 40)]),
                said(&[(2, end), (1, "SUCCESSFUL")])
            );
        }
    }

    #[test]
    fn a_deployment_is_described_with_its_source_its_rollback_and_its_breaker() {
        use RolloutState::{Completed, Failed};
        let told = [
            (9, Completed, 40, 50),
            (2, Failed, 20, 40),
            (1, Completed, 0, 10),
        ];
        let snapshot = snapshot(&told, 2);
        let failed = described(&snapshot, 2);
        let at = |s: u64| TimeMs(START.0 + s * 1000).as_wire_seconds();
        let revision = |n: u64| format!("{ROOT}:service-revision/default/web/{n:019}");
        assert_eq!(failed["status"], "ROLLBACK_SUCCESSFUL");
        assert_eq!(failed["createdAt"], at(20));
        assert_eq!(failed["finishedAt"], at(50));
        assert_eq!(failed["targetServiceRevision"]["arn"], revision(2));
        assert_eq!(failed["sourceServiceRevisions"][0]["arn"], revision(1));
        assert_eq!(failed["rollback"]["serviceRevisionArn"], revision(9));
        assert_eq!(failed["rollback"]["startedAt"], at(40));
        assert_eq!(
            failed["deploymentCircuitBreaker"],
            json!({"status": "TRIGGERED", "failureCount": 0, "threshold": 3})
        );
        assert_eq!(failed["startedBy"], "ann");
        // Of the history less is known, and what is not known is not sent.
        let first = described(&snapshot, 1);
        assert_eq!(first["finishedAt"], at(10));
        assert_eq!(first["sourceServiceRevisions"], json!([]));
        for unknown in ["rollback", "deploymentCircuitBreaker", "stoppedAt"] {
            assert!(first.get(unknown).is_none(), "{unknown}");
        }
        let asked = json!({"serviceDeploymentArns": [arn(9), arn(7)]});
        let body = query(&snapshot, "DescribeServiceDeployments", &asked).unwrap();
        let missing = |n| json!({"arn": arn(n), "reason": "MISSING"});
        assert_eq!(body["failures"], json!([missing(9), missing(7)]));
    }

    #[test]
    fn the_list_is_narrowed_paged_and_refuses_what_it_does_not_know() {
        use RolloutState::{Completed, InProgress};
        let told = [
            (4, Completed, 40, 50),
            (3, Completed, 30, 40),
            (2, InProgress, 20, 30),
            (1, Completed, 0, 10),
        ];
        let snapshot = snapshot(&told, 1);
        let numbers = |more: Value| -> Vec<u64> {
            listed(&snapshot, more)
                .into_iter()
                .map(|(n, _)| n)
                .collect()
        };
        assert_eq!(numbers(json!({"status": ["STOPPED", "IN_PROGRESS"]})), [2]);
        let at = |s: u64| TimeMs(START.0 + s * 1000).as_wire_seconds();
        let between = json!({"createdAt": {"after": at(10), "before": at(40)}});
        assert_eq!(numbers(between), [3, 2]);
        let of = format!("{ROOT}:service/default/web");
        let asked = json!({"service": of, "maxResults": 3});
        let page = query(&snapshot, "ListServiceDeployments", &asked).unwrap();
        let token = page["nextToken"].clone();
        assert_eq!(numbers(json!({"nextToken": token})), [1]);
        for (asked, says) in [
            (json!({}), "service is missing"),
            (json!({"service": "wob"}), "no service wob"),
            (
                json!({"service": "web", "status": ["DONE"]}),
                "no status of a service deployment",
            ),
        ] {
            let error = query(&snapshot, "ListServiceDeployments", &asked).unwrap_err();
            assert!(error.message.contains(says), "{error}");
        }
        for wrong in [json!([]), json!(["web"])] {
            let asked = json!({"serviceDeploymentArns": wrong});
            let error = query(&snapshot, "DescribeServiceDeployments", &asked).unwrap_err();
            assert!(
                error.message.starts_with("serviceDeploymentArns: "),
                "{error}"
            );
        }
    }
}
