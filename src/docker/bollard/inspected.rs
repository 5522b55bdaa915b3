//! A container as the engine describes it, from bollard's types.

use bollard::models::{ContainerInspectResponse, PortMap};

use crate::docker::health::{CheckResult, HealthLog};
use crate::docker::lines::time_of;
use crate::docker::observe::{
    cpu_of, health_of, held_ports, memory_of, owner_of, port_of, state_of,
};
use crate::docker::spec::NETWORK;
use crate::model::observation::ObservedContainer;
use crate::model::task::NetworkBinding;

/// A container as the engine describes it; `None` without an id or a state.
pub(super) fn observed(container: ContainerInspectResponse) -> Option<ObservedContainer> {
    let said = container.state.unwrap_or_default();
    let state = state_of(said.status?.as_ref())?;
    let config = container.config.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let network = container.network_settings.unwrap_or_default();
    let address = network
        .networks
        .and_then(|mut networks| networks.remove(NETWORK)?.ip_address)
        .filter(|address| !address.is_empty());
    let bindings = bindings_of(&network.ports.unwrap_or_default());
    let labels = config.labels.unwrap_or_default();
    let in_host_network = host.network_mode.as_deref() == Some("host");
    let exposed = config.exposed_ports.filter(|_| in_host_network);
    let host_ports = match state.is_up() {
        true => held_ports(&bindings, &exposed.unwrap_or_default()),
        false => Vec::new(),
    };
    Some(ObservedContainer {
        runtime_id: container.id?,
        name: container
            .name
            .unwrap_or_default()
            .trim_start_matches('/')
            .to_owned(),
        owner: owner_of(&labels),
        image: config.image.unwrap_or_default(),
        image_digest: container.image,
        state,
        exit_code: said.exit_code.filter(|_| state.has_ended()),
        oom_killed: said.oom_killed.unwrap_or(false),
        error: said.error.unwrap_or_default(),
        started_at: said.started_at.as_deref().and_then(time_of),
        finished_at: said.finished_at.as_deref().and_then(time_of),
        health: said.health.and_then(|h| health_of(h.status?.as_ref())),
        network_bindings: bindings,
        cpu: cpu_of(
            host.nano_cpus,
            host.cpu_quota,
            host.cpu_period,
            host.cpu_shares,
        ),
        memory: memory_of(host.memory_reservation, host.memory),
        host_ports,
        volumes: container
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mount| mount.name)
            .collect(),
        address,
    })
}

/// What the engine has kept of a container's health checks; empty without any.
pub(super) fn health_log(container: ContainerInspectResponse) -> HealthLog {
    let health = container.state.and_then(|state| state.health);
    let health = health.unwrap_or_default();
    let moment = |text: Option<String>| text.as_deref().and_then(time_of);
    let results = health.log.unwrap_or_default().into_iter().map(|it| {
        let output = it.output.unwrap_or_default();
        CheckResult::new(moment(it.start), moment(it.end), it.exit_code, output)
    });
    let streak = health.failing_streak.unwrap_or(0);
    HealthLog::new(u64::try_from(streak).unwrap_or(0), results)
}

fn bindings_of(ports: &PortMap) -> Vec<NetworkBinding> {
    let mut bindings: Vec<NetworkBinding> = ports
        .iter()
        .filter_map(|(port, bound)| Some((port_of(port)?, bound.as_ref()?)))
        .flat_map(|((container_port, protocol), bound)| {
            bound.iter().filter_map(move |binding| {
                Some(NetworkBinding {
                    bind_ip: binding.host_ip.clone().unwrap_or_default(),
                    container_port,
                    host_port: binding
                        .host_port
                        .as_ref()?
                        .parse()
                        .ok()
                        .filter(|p| *p > 0)?,
                    protocol,
                })
            })
        })
        .collect();
    bindings.sort_unstable();
    bindings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::health_log_of;
    use crate::docker::health::{CHECKS_MAX, OUTPUT_BYTES_MAX, Outcome};
    use crate::model::TimeMs;

    fn answer(health: &Value) -> Vec<u8> {
        let state = json!({"Status": "running", "Health": health});
        serde_json::to_vec(&json!({"Id": "c", "State": state})).unwrap()
    }

    #[test]
    fn a_health_log_is_read_as_the_engine_tells_it() {
        let entry = |start: &str, end: &str, code: i64, output: &str| json!({"Start": start, "End": end, "ExitCode": code, "Output": output});
        let health = json!({"Status": "unhealthy", "FailingStreak": 2, "Log": [
            entry("2026-05-04T12:00:00.5+02:00", "2026-05-04T12:00:00.54+02:00", 0, "ok"),
            entry("2026-05-04T10:00:30.5Z", "2026-05-04T10:00:35.5Z", -1, "Health check exceeded timeout (5s)"),
            entry("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 7, "\u{1b}[2Jgone"),
        ]});
        let log = health_log_of(&answer(&health)).unwrap();
        assert_eq!((log.failing_streak, log.log.len()), (2, 3));
        let [newest, timed_out, passed] = log.log.as_slice() else {
            panic!("{log:?}");
        };
        assert_eq!((newest.start, newest.exit_code), (None, Some(7)));
        assert_eq!(
            newest.output, "\u{1b}[2Jgone",
            "as it is: made harmless where it is shown"
        );
        assert_eq!(timed_out.outcome(), Outcome::TimedOut);
        assert_eq!(timed_out.took_ms(), Some(5_000));
        assert_eq!(passed.start, Some(TimeMs(1_777_888_800_500)));
        assert_eq!(passed.took_ms(), Some(40));
    }

    #[test]
    fn a_hostile_engine_is_bounded_and_no_check_is_an_empty_log() {
        let entry = json!({"ExitCode": 1, "Output": "x".repeat(1 << 20)});
        let health = json!({"FailingStreak": -5, "Log": vec![json!({"Output": ""}); 1_000]});
        let mut health = health;
        health["Log"][999] = entry;
        let log = health_log_of(&answer(&health)).unwrap();
        assert_eq!((log.failing_streak, log.log.len()), (0, CHECKS_MAX));
        assert_eq!(log.older_left_out, 1_000 - CHECKS_MAX as u64);
        assert_eq!(log.log[0].output.len(), OUTPUT_BYTES_MAX);
        assert!(log.log[0].output_cut && !log.log[1].output_cut);
        for none in [
            Value::Null,
            json!({}),
            json!({"Log": null, "FailingStreak": 0}),
        ] {
            assert_eq!(health_log_of(&answer(&none)).unwrap(), Default::default());
        }
        assert!(health_log_of(b"{").is_err());
    }
}
