//! Tests of the simulated engine at its door, under a paused clock.

use std::sync::Arc;

use futures_util::StreamExt;

use super::*;
use crate::config::{Endpoint, InstanceSettings};
use crate::docker::spec::{HealthSpec, NetworkSpec, PortSpec};
use crate::docker::{
    Connector, ContainerSpec, Engine, EngineError, EngineEvent, ExecInput, ExecOptions, ExecOutput,
    LogLine, LogOptions,
};
use crate::model::observation::ContainerState;
use crate::model::task::Health;
use crate::model::{ClusterName, CpuUnits, HostPort, InstanceName, MemoryMib, Protocol, TimeMs};

const BASE: TimeMs = TimeMs(1_790_000_000_000);
const WEB: &str = "shop/web:1";

fn name() -> InstanceName {
    InstanceName::new("one").unwrap()
}

fn fleet(seed: u64) -> Fleet {
    let mut host = HostSpec::new(name(), CpuUnits(4096), MemoryMib(8192));
    host.images = vec![WEB.to_owned()];
    Fleet::new(seed, BASE, vec![host])
}

async fn engine(fleet: &Fleet) -> Arc<dyn Engine> {
    let settings =
        InstanceSettings::new(name(), ClusterName::default_cluster(), Endpoint::Simulated);
    let engine = fleet.connect(&settings).await.unwrap();
    engine
        .ensure_network(crate::docker::spec::NETWORK)
        .await
        .unwrap();
    engine
}

fn spec(name: &str) -> ContainerSpec {
    ContainerSpec {
        name: name.to_owned(),
        image: WEB.to_owned(),
        cpu_shares: 256,
        memory_bytes: 128 << 20,
        network: NetworkSpec::Bridge { links: Vec::new() },
        stop_timeout_s: 30,
        ..ContainerSpec::default()
    }
}

fn spec_with(name: &str, environment: &[&str]) -> ContainerSpec {
    ContainerSpec {
        environment: environment.iter().map(|pair| (*pair).to_owned()).collect(),
        ..spec(name)
    }
}

async fn run(engine: &Arc<dyn Engine>, spec: &ContainerSpec) -> String {
    let id = engine.create(spec).await.unwrap();
    engine.start(&id).await.unwrap();
    id
}

async fn pass(ms: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
}

#[tokio::test(start_paused = true)]
async fn a_container_runs_stops_and_goes_and_each_step_is_announced() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let mut events = engine.events().await.unwrap();
    let id = run(&engine, &spec("a")).await;
    let seen = engine.inspect("a").await.unwrap();
    assert_eq!(
        (seen.state, seen.memory),
        (ContainerState::Running, MemoryMib(128))
    );
    engine.stop(&id, 30).await.unwrap();
    let seen = engine.inspect(&id).await.unwrap();
    assert_eq!(
        (seen.state, seen.exit_code),
        (ContainerState::Exited, Some(143))
    );
    engine.remove(&id).await.unwrap();
    engine.remove(&id).await.unwrap();
    assert!(matches!(
        engine.inspect(&id).await,
        Err(EngineError::NotFound(_))
    ));
    for destroyed in [false, false, false, true] {
        let runtime_id = id.clone();
        let expected = EngineEvent::Container {
            runtime_id,
            destroyed,
        };
        assert_eq!(events.next().await.unwrap().unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_ignores_the_signal_is_killed_when_its_time_is_up() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec_with("a", &["SIM_STOP_MS=60000"])).await;
    let before = tokio::time::Instant::now();
    engine.stop(&id, 2).await.unwrap();
    assert!(before.elapsed().as_millis() < 4_000);
    let seen = engine.inspect(&id).await.unwrap();
    assert_eq!(seen.exit_code, Some(137));
    assert!(!seen.oom_killed);
}

#[tokio::test(start_paused = true)]
async fn the_environment_steers_how_a_container_ends() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let crash = run(
        &engine,
        &spec_with("crash", &["SIM_EXIT_AFTER_MS=500", "SIM_EXIT_CODE=3"]),
    )
    .await;
    let oom = run(&engine, &spec_with("oom", &["SIM_OOM_AFTER_MS=700"])).await;
    let mut command = spec("command");
    command.command = Some(vec!["sh".to_owned(), "-c".to_owned(), "exit 4".to_owned()]);
    let command = run(&engine, &command).await;
    pass(1_000).await;
    for (id, code, killed) in [(&crash, 3, false), (&oom, 137, true), (&command, 4, false)] {
        let seen = engine.inspect(id).await.unwrap();
        assert_eq!((seen.exit_code, seen.oom_killed), (Some(code), killed));
    }
}

#[tokio::test(start_paused = true)]
async fn health_comes_after_a_while_and_may_go() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let mut checked = spec_with("a", &["SIM_UNHEALTHY_AFTER_MS=9000"]);
    checked.health = Some(HealthSpec {
        test: vec!["CMD-SHELL".to_owned(), "wget -q localhost".to_owned()],
        interval_s: 5,
        timeout_s: 2,
        retries: 3,
        start_period_s: 0,
    });
    let id = run(&engine, &checked).await;
    let mut events = engine.events().await.unwrap();
    let health = async || engine.inspect(&id).await.unwrap().health;
    assert_eq!(health().await, Some(Health::Unknown));
    events.next().await.unwrap().unwrap();
    assert_eq!(health().await, Some(Health::Healthy));
    events.next().await.unwrap().unwrap();
    assert_eq!(health().await, Some(Health::Unhealthy));
}

#[tokio::test(start_paused = true)]
async fn a_health_log_goes_with_the_health() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let check = |test: &str| HealthSpec {
        test: vec!["CMD-SHELL".to_owned(), test.to_owned()],
        interval_s: 5,
        timeout_s: 2,
        retries: 3,
        start_period_s: 0,
    };
    let plain = run(&engine, &spec("plain")).await;
    assert_eq!(engine.health_log(&plain).await.unwrap(), Default::default());
    let mut turns = spec_with("turns", &["SIM_UNHEALTHY_AFTER_MS=61000"]);
    turns.health = Some(check("wget -q localhost"));
    let mut never = spec("never");
    never.health = Some(check("false"));
    let (turns, never) = (run(&engine, &turns).await, run(&engine, &never).await);
    let seen = async |id: &str| {
        let health = engine.inspect(id).await.unwrap().health;
        (health, engine.health_log(id).await.unwrap())
    };
    for _ in 0..200 {
        pass(1_000).await;
        for id in [&turns, &never] {
            let (health, log) = seen(id).await;
            let newest = log.log.first().map(|it| it.exit_code == Some(0));
            match health {
                Some(Health::Healthy) => {
                    assert!(newest.is_some() && log.failing_streak < 3, "{log:?}");
                }
                Some(Health::Unhealthy) => {
                    assert!(newest == Some(false) && log.failing_streak >= 3, "{log:?}");
                }
                _ => assert!(log.failing_streak < 3, "{log:?}"),
            }
            assert!(log.log.len() <= 5);
            let ends: Vec<_> = log.log.iter().map(|it| it.end.unwrap()).collect();
            assert!(ends.is_sorted_by(|a, b| a > b), "newest first: {ends:?}");
            let failed = log
                .log
                .iter()
                .take_while(|it| it.exit_code != Some(0))
                .count();
            assert_eq!(failed as u64, log.failing_streak.min(log.log.len() as u64));
        }
    }
    let (health, log) = seen(&turns).await;
    assert_eq!(health, Some(Health::Unhealthy));
    assert!(
        log.log.iter().any(|it| it.output.contains("503")),
        "{log:?}"
    );
    engine.stop(&turns, 1).await.unwrap();
    let kept = seen(&turns).await.1;
    pass(60_000).await;
    assert_eq!(
        seen(&turns).await.1,
        kept,
        "it ended: nothing is checked any more"
    );
    let none = engine.health_log("nothing").await;
    assert!(matches!(none, Err(EngineError::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn taken_ports_and_names_are_refused_as_docker_does() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let port = |host_port| PortSpec {
        container_port: 80,
        host_port,
        protocol: Protocol::Tcp,
    };
    let mut first = spec("a");
    first.ports = vec![port(8080), port(0)];
    let id = run(&engine, &first).await;
    let bound = engine.inspect(&id).await.unwrap().host_ports;
    assert_eq!(bound.len(), 2);
    assert!(bound[1].port >= 32_768);
    let Err(EngineError::Conflict(text)) = engine.create(&first).await else {
        unreachable!("the name is taken");
    };
    assert!(text.contains("is already in use by container"), "{text}");
    first.name = "b".to_owned();
    let second = engine.create(&first).await.unwrap();
    let Err(EngineError::Failed(text)) = engine.start(&second).await else {
        unreachable!("the port is taken");
    };
    assert!(
        text.contains("Bind for 0.0.0.0:8080 failed: port is already allocated"),
        "{text}"
    );
    fleet.kill_container(&name(), "a").unwrap();
    engine.start(&second).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn images_are_pulled_with_progress_or_refused() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    assert!(engine.has_image(WEB).await.unwrap());
    let mut other = spec("a");
    other.image = "shop/api:2".to_owned();
    let missing = engine.create(&other).await;
    assert!(matches!(missing, Err(EngineError::NotFound(_))));
    let steps: Vec<_> = engine.pull("shop/api:2").collect().await;
    assert!(steps.len() > 2 && steps.iter().all(Result::is_ok));
    assert!(engine.has_image("shop/api:2").await.unwrap());
    let nope: Vec<_> = engine.pull("shop/api:nope").collect().await;
    assert!(matches!(nope.as_slice(), [Err(EngineError::NotFound(_))]));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_loses_its_containers_and_one_that_is_cut_does_not() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec("a")).await;
    let mut events = engine.events().await.unwrap();
    fleet.cut(&name()).unwrap();
    assert!(matches!(
        engine.ping().await,
        Err(EngineError::Unreachable(_))
    ));
    fleet.mend(&name()).unwrap();
    assert!(
        events.next().await.unwrap().is_err(),
        "the connection broke"
    );
    let seen = engine.inspect(&id).await.unwrap();
    assert_eq!(seen.state, ContainerState::Running);

    let mut events = engine.events().await.unwrap();
    fleet.fail(&name()).unwrap();
    assert!(events.next().await.unwrap().is_err());
    assert!(matches!(
        engine.list().await,
        Err(EngineError::Unreachable(_))
    ));
    fleet.mend(&name()).unwrap();
    let seen = engine.inspect(&id).await.unwrap();
    assert_eq!(
        (seen.state, seen.exit_code),
        (ContainerState::Exited, Some(255))
    );
}

#[tokio::test(start_paused = true)]
async fn a_hung_host_answers_nothing_and_then_goes_on() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let mut events = engine.events().await.unwrap();
    fleet.hang(&name()).unwrap();
    let error = engine.ping().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer within 5 s");
    fleet.mend(&name()).unwrap();
    run(&engine, &spec("a")).await;
    assert!(events.next().await.unwrap().is_ok(), "the stream lived on");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_leaves_the_work_done() {
    let fleet = fleet(3);
    let engine = engine(&fleet).await;
    fleet.lose_calls(&name(), 100).unwrap();
    let mut made = 0;
    for n in 0..20 {
        let lost = engine.create(&spec(&format!("c{n}"))).await;
        assert!(matches!(lost, Err(EngineError::Unreachable(_))));
        made = fleet.containers(&name()).unwrap().len();
    }
    assert!((1..20).contains(&made), "{made} of 20 were made");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_falls_behind_is_told() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let mut events = engine.events().await.unwrap();
    for _ in 0..150 {
        let id = engine.create(&spec("a")).await.unwrap();
        engine.remove(&id).await.unwrap();
    }
    let first = events.next().await.unwrap();
    assert!(matches!(first, Err(EngineError::Unreachable(_))));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn foreign_containers_hold_their_ports() {
    let fleet = fleet(1);
    let port = HostPort {
        port: 9100,
        protocol: Protocol::Tcp,
    };
    let foreign = Foreign {
        name: "node-exporter".to_owned(),
        image: "ops/node-exporter:1".to_owned(),
        cpu: CpuUnits(64),
        memory: MemoryMib(64),
        ports: vec![port],
    };
    fleet.seed_foreign(&name(), &foreign).unwrap();
    let seen = engine(&fleet).await.list().await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].owner, &seen[0].host_ports), (&None, &vec![port]));
}

async fn read(engine: &Arc<dyn Engine>, id: &str, options: LogOptions) -> Vec<LogLine> {
    let lines: Vec<_> = engine.logs(id, options).collect().await;
    lines.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn following_and_reading_back_give_the_same_lines() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec_with("web", &["SIM_EXIT_AFTER_MS=90000"])).await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let followed = read(&engine, &id, follow).await;
    assert!(followed.len() > 60, "{} lines", followed.len());
    assert!(followed.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let whole = read(&engine, &id, LogOptions::default()).await;
    assert_eq!(followed, whole);

    let tail = LogOptions {
        tail: Some(7),
        ..LogOptions::default()
    };
    assert_eq!(
        read(&engine, &id, tail).await,
        whole[whole.len() - 7..].to_vec()
    );
    let middle = whole[30].at;
    let since = LogOptions {
        since: Some(middle),
        ..LogOptions::default()
    };
    let expected: Vec<_> = whole.iter().filter(|l| l.at >= middle).cloned().collect();
    assert_eq!(read(&engine, &id, since).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_follower_gets_the_last_words_and_the_end() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec("web")).await;
    let options = LogOptions {
        follow: true,
        tail: Some(0),
        ..LogOptions::default()
    };
    let reader = read(&engine, &id, options);
    let stop = async {
        pass(3_000).await;
        engine.stop(&id, 30).await.unwrap();
    };
    let (lines, ()) = tokio::join!(reader, stop);
    assert_eq!(
        lines.last().unwrap().text,
        "received SIGTERM, shutting down"
    );
}

#[tokio::test(start_paused = true)]
async fn stats_stay_within_bounds_and_counters_never_go_back() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec("web")).await;
    let mut last = engine.stats(&id).await.unwrap();
    for _ in 0..50 {
        pass(2_000).await;
        let sample = engine.stats(&id).await.unwrap();
        assert!(sample.cpu_units > 0.0 && sample.cpu_units < 512.0);
        assert!(sample.memory_bytes > 0 && sample.memory_bytes <= sample.memory_limit_bytes);
        assert!(sample.rx_bytes >= last.rx_bytes && sample.tx_bytes >= last.tx_bytes);
        last = sample;
    }
    fleet.kill_container(&name(), &id).unwrap();
    assert_eq!(engine.stats(&id).await.unwrap().memory_bytes, 0);
}

async fn exec(
    engine: &Arc<dyn Engine>,
    id: &str,
    command: &[&str],
    tty: bool,
    typed: &[&str],
) -> (String, Option<i64>) {
    let options = ExecOptions {
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        tty,
        size: Some((100, 30)),
    };
    let session = engine.exec(id, options).await.unwrap();
    let (input, mut output) = (session.input, session.output);
    let typing = async move {
        for text in typed {
            let keys = ExecInput::Data(text.as_bytes().to_vec().into());
            // A shell that was left takes no more keys.
            let _ = input.send(keys).await;
        }
        std::future::pending::<()>().await;
    };
    let reading = async {
        let (mut text, mut code) = (String::new(), None);
        while let Some(item) = output.next().await {
            match item.unwrap() {
                ExecOutput::Data(_, bytes) => text += std::str::from_utf8(&bytes).unwrap(),
                ExecOutput::Exit(exit) => code = Some(exit),
            }
        }
        (text, code)
    };
    tokio::select! { () = typing => unreachable!(), result = reading => result }
}

#[tokio::test(start_paused = true)]
async fn programs_run_inside() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec("web")).await;
    let done = exec(&engine, &id, &["echo", "hi", "there"], false, &[]).await;
    assert_eq!(done, ("hi there\n".to_owned(), Some(0)));
    let (text, code) = exec(&engine, &id, &["coffee"], false, &[]).await;
    assert!(text.contains("executable file not found"), "{text}");
    assert_eq!(code, Some(127));
    let (text, code) = exec(
        &engine,
        &id,
        &["/bin/sh"],
        true,
        &["hostx\x7fname\r", "stty size\r", "exit 5\r"],
    )
    .await;
    let short: String = id.chars().take(12).collect();
    assert!(text.starts_with("/ # host"), "{text}");
    assert!(text.contains(&format!("\r\n{short}\r\n")), "{text}");
    assert!(text.contains("30 100\r\n"), "{text}");
    assert_eq!(code, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_shell_dies_with_its_container() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let id = run(&engine, &spec_with("web", &["SIM_EXIT_AFTER_MS=5000"])).await;
    let (_, code) = exec(&engine, &id, &["sh"], true, &["ls\r"]).await;
    assert_eq!(code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn equal_seeds_replay() {
    async fn trace(seed: u64) -> (String, u128) {
        let fleet = fleet(seed);
        let engine = engine(&fleet).await;
        let begun = tokio::time::Instant::now();
        for n in 0..5 {
            run(&engine, &spec(&format!("c{n}"))).await;
        }
        let elapsed = begun.elapsed().as_millis();
        (format!("{:?}", engine.list().await.unwrap()), elapsed)
    }
    assert_eq!(trace(5).await.1, trace(5).await.1);
    assert_ne!(trace(5).await.1, trace(6).await.1);
}

#[tokio::test(start_paused = true)]
async fn a_container_joins_anothers_network_only_while_that_one_runs() {
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    let holder = engine.create(&spec("holder")).await.unwrap();
    let joining = ContainerSpec {
        network: NetworkSpec::Of("holder".to_owned()),
        ..spec("a")
    };
    let id = engine.create(&joining).await.unwrap();
    let error = engine.start(&id).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict(_)), "{error}");
    engine.start(&holder).await.unwrap();
    engine.start(&id).await.unwrap();
    assert!(engine.inspect("holder").await.unwrap().address.is_some());
    assert_eq!(engine.inspect("a").await.unwrap().address, None);
}

#[tokio::test(start_paused = true)]
async fn the_holders_image_is_made_where_it_is_missing() {
    use crate::docker::holder_image::IMAGE;
    let fleet = fleet(1);
    let engine = engine(&fleet).await;
    assert!(!engine.has_image(IMAGE).await.unwrap());
    for _ in 0..2 {
        engine.ensure_holder_image().await.unwrap();
        assert!(engine.has_image(IMAGE).await.unwrap());
    }
}
