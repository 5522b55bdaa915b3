//! Several clusters in two regions: all of them side by side, one alone, and the loss of a region.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck::agent::TokioClock;
use quarterdeck::client::{Client, LocalClient};
use quarterdeck::controller::Command;
use quarterdeck::controller::driver::{Start, start};
use quarterdeck::model::instance::attribute;
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::*;
use quarterdeck::sim::demo::{self, world};
use quarterdeck::store::memory::MemoryStore;
use quarterdeck::tui::{ClusterView, Effect, Event as Happens, Model, update};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::fleet::{NOW, ago, instance_name, options, service_name, snapshot};
use crate::screens::{LARGE, SIZES, as_they_were, foresee, frame, press, text};

/// Which cluster each further instance is in.
const HOSTS: [(&str, &str, &str); 6] = [
    ("staging", "stg-a1", "eu-central-1a"),
    ("staging", "stg-b1", "eu-central-1b"),
    ("branch", "iad-a1", "us-east-1a"),
    ("branch", "iad-a2", "us-east-1a"),
    ("branch", "iad-b1", "us-east-1b"),
    ("branch", "iad-b2", "us-east-1b"),
];

fn cluster(name: &str) -> ClusterName {
    ClusterName::new(name).unwrap()
}

fn apply(fleet: &mut Snapshot, change: Change) {
    fleet.state.apply(&change);
}

/// The fleet of the other tests with a cluster beside it and one in another region, whose hosts
/// may all have fallen silent.
fn fleet(lost: bool) -> Snapshot {
    let mut fleet = snapshot();
    for (name, region) in [("staging", "eu-central-1"), ("branch", "us-east-1")] {
        let partition = Partition {
            region: region.into(),
            ..Partition::default()
        };
        let made = Cluster::new(cluster(name), partition, true, ago(80_000));
        apply(&mut fleet, Change::Cluster(Arc::new(made)));
    }
    let like = fleet.state.instances[&instance_name("ops-a1")].clone();
    for (of, name, zone) in HOSTS {
        let mut host = Instance::clone(&like);
        host.name = instance_name(name);
        host.cluster = cluster(of);
        let zone = (attribute::AVAILABILITY_ZONE.to_owned(), zone.to_owned());
        host.attributes.extend([zone]);
        if lost && of == "branch" {
            host.connection = Connection::Disconnected {
                since: ago(200),
                reason: "no route to host".into(),
            };
        }
        apply(&mut fleet, Change::Instance(Arc::new(host)));
    }
    for (of, name, hosts) in [
        ("staging", "web", &["stg-a1", "stg-b1"][..]),
        ("branch", "web", &["iad-a1", "iad-a2", "iad-b1", "iad-b2"]),
        ("branch", "worker", &["iad-a1", "iad-b1"]),
    ] {
        service_in(&mut fleet, of, name, hosts, lost && of == "branch");
    }
    fleet
}

/// A service like the one of that name in `default`, with a task on each of those hosts.
fn service_in(fleet: &mut Snapshot, of: &str, name: &str, hosts: &[&str], lost: bool) {
    let key = (ClusterName::default_cluster(), service_name(name));
    let mut service = Service::clone(&fleet.state.services[&key]);
    let like = fleet.state.tasks.values().find(|task| {
        task.service.as_ref() == Some(&key.1) && task.cluster == key.0 && !task.is_stopped()
    });
    let like = Task::clone(like.unwrap());
    service.cluster = cluster(of);
    service.desired_count = u32::try_from(hosts.len()).unwrap();
    apply(fleet, Change::Service(Arc::new(service)));
    for host in hosts {
        let mut task = like.clone();
        let number = fleet.state.tasks.len() as u128;
        task.id = TaskId(number << 96 | 0xfeed);
        task.cluster = cluster(of);
        task.instance = instance_name(host);
        task.lost_at = lost.then(|| ago(190));
        apply(fleet, Change::Task(Arc::new(task)));
    }
}

fn console(size: (u16, u16), fleet: Snapshot) -> Model {
    let mut options = options();
    options.cluster_view = ClusterView::All;
    let mut model = Model::new(options, size, NOW);
    assert_eq!(see(&mut model, fleet), []);
    model
}

fn see(model: &mut Model, fleet: Snapshot) -> Vec<Effect> {
    update(model, NOW, Happens::Snapshot(Arc::new(fleet)))
}

fn shown(model: &Model) -> String {
    text(&frame(model, LARGE))
}

/// The left box of the upper half: the services.
fn services(model: &Model) -> Vec<String> {
    let screen = shown(model);
    let rows = screen.lines().skip(3);
    let rows = rows.take_while(|line| !line.starts_with('╰'));
    rows.map(|line| line.chars().skip(1).take(98).collect())
        .collect()
}

#[test]
fn all_clusters_look_as_they_did() {
    for size in SIZES {
        for (name, lost, keys) in [
            ("regions", false, ""),
            ("regions-lost", true, "GG"),
            ("regions-lost-map", true, "GGm"),
            ("regions-lost-tasks", true, "a2GG"),
            ("regions-picker", true, "c"),
        ] {
            let mut model = console(size, fleet(lost));
            press(&mut model, keys);
            as_they_were(size, [(name, model)]);
        }
    }
}

#[test]
fn clusters_stand_by_region_and_equal_names_are_two_things() {
    let mut model = console(LARGE, fleet(false));
    assert!(shown(&model).contains("3 clusters in 2 regions"));
    let rows = services(&model);
    let at = |words: &str| rows.iter().position(|row| row.contains(words)).unwrap();
    // By region, not by name: branch is in us-east-1.
    assert!(at(" default ") < at(" staging ") && at(" staging ") < at(" branch "));
    let webs = rows.iter().filter(|row| row.contains(" web "));
    assert_eq!(webs.count(), 3, "{rows:#?}");
    press(&mut model, "/cluster:branch service:web<enter>");
    assert_eq!(
        services(&model)
            .iter()
            .filter(|row| row.contains(" web "))
            .count(),
        1
    );
    let screen = shown(&model);
    assert!(screen.contains("Tasks of web in branch · 4 of"), "{screen}");
    let effects = press(&mut model, "s6<enter>");
    foresee(&mut model, &fleet(false), &effects);
    let screen = shown(&model);
    assert!(
        screen.contains("Scale service web of branch to 6"),
        "{screen}"
    );
    assert!(
        screen.contains("qd --cluster branch service scale web 6"),
        "{screen}"
    );
    assert!(
        !screen.contains("default · web"),
        "only the one that is scaled: {screen}"
    );
    let sent = press(&mut model, "y");
    let [Effect::Apply { commands, .. }] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert!(
        matches!(&commands[..], [Command::UpdateService(it)]
            if it.cluster.as_deref() == Some("branch") && it.desired_count == Some(6)),
        "{commands:?}"
    );
}

#[test]
fn marks_in_several_clusters_are_one_batch_with_each_its_own_cluster() {
    let mut model = console(LARGE, fleet(false));
    let effects = press(&mut model, "/service:web<enter>Vr");
    assert_eq!(
        foresee(&mut model, &fleet(false), &effects),
        1,
        "{}",
        shown(&model)
    );
    let screen = shown(&model);
    for line in [
        "web of branch, web of default, web of staging",
        "Stops 2 of 2 healthy tasks of web of staging",
        "$ qd --cluster branch service restart web",
        "$ qd service restart web",
    ] {
        assert!(screen.contains(line), "{line}: {screen}");
    }
    let sent = press(&mut model, "y");
    let [Effect::Apply { commands, .. }] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    let mut clusters: Vec<&str> = commands
        .iter()
        .map(|command| match command {
            Command::UpdateService(it) if it.service == "web" => it.cluster.as_deref().unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    clusters.sort_unstable();
    assert_eq!(clusters, ["branch", "default", "staging"]);
    // A task and an instance go to their own cluster too.
    for (keys, wanted) in [
        ("3/instance:iad-a1<enter>dy", "branch"),
        ("3/instance:stg-b1<enter>dy", "staging"),
        ("a2/cluster:branch<enter>xy", "branch"),
    ] {
        let mut model = console(LARGE, fleet(false));
        let (before, last) = keys.split_at(keys.len() - 1);
        let effects = press(&mut model, before);
        foresee(&mut model, &fleet(false), &effects);
        let sent = press(&mut model, last);
        let [Effect::Apply { commands, .. }] = sent.as_slice() else {
            panic!("{keys}: {sent:?}\n{}", shown(&model));
        };
        let of = match &commands[..] {
            [Command::UpdateContainerInstancesState(it)] => it.cluster.as_deref(),
            [Command::StopTask(it)] => it.cluster.as_deref(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of, Some(wanted), "{keys}");
    }
}

#[test]
fn a_protected_cluster_protects_its_own_things_only() {
    let mut guarded = fleet(false);
    let staging = &guarded.state.clusters[&cluster("staging")];
    let staging = Cluster {
        protected: true,
        ..Cluster::clone(staging)
    };
    apply(&mut guarded, Change::Cluster(Arc::new(staging)));
    let wants = |keys: &str| {
        let mut model = console(LARGE, guarded.clone());
        let effects = press(&mut model, keys);
        foresee(&mut model, &guarded, &effects);
        let screen = shown(&model);
        let row = screen.lines().find(|line| line.contains("to go on: "));
        row.map(|row| {
            let words = row.split_once("type ").unwrap().1;
            words.split_once(" to go on").unwrap().0.to_owned()
        })
    };
    assert_eq!(wants("/cluster:staging<enter>D").as_deref(), Some("web"));
    assert_eq!(wants("/cluster:branch service:web<enter>D"), None);
    // Of several things it is the name of the cluster that protects some of them.
    let both = wants("/service:web !cluster:default<enter>VD");
    assert_eq!(both.as_deref(), Some("staging"));
}

#[test]
fn one_cluster_or_all_of_them_is_chosen_from_a_list_that_begins_with_all() {
    let mut model = console(LARGE, fleet(true));
    press(&mut model, "c");
    let screen = shown(&model);
    let at = |words: &str| screen.lines().position(|line| line.contains(words));
    assert!(
        at("▸ all clusters") < at("  branch  us-east-1 · 0 of 4 answer"),
        "{screen}"
    );
    press(&mut model, "staging<enter>");
    let screen = shown(&model);
    assert!(screen.contains(" qd  staging eu-central-1"), "{screen}");
    assert!(
        !screen.contains("CLUSTER") && !screen.contains("us-east-1"),
        "{screen}"
    );
    press(&mut model, "call cl<enter>");
    assert!(
        shown(&model).contains("3 clusters in 2 regions"),
        "{}",
        shown(&model)
    );
    // A control plane with one cluster is shown as one cluster.
    let mut alone = snapshot();
    alone.state.clusters.remove(&cluster("staging"));
    let model = console(LARGE, alone);
    let screen = shown(&model);
    assert!(screen.contains(" qd  default eu-central-1") && !screen.contains("CLUSTER"));
}

#[test]
fn a_lost_region_is_told_and_the_rows_of_the_others_stay_as_they_are() {
    let (well, ill) = (console(LARGE, fleet(false)), console(LARGE, fleet(true)));
    let header = shown(&ill).lines().next().unwrap().to_owned();
    let words =
        "region us-east-1: 0 of 4 instances answer since 14:10, its tasks are not known to run";
    assert!(header.contains(words), "{header}");
    assert!(!shown(&well).contains("REGION LOST"));
    let (well, ill) = (services(&well), services(&ill));
    let here = |rows: &[String]| -> Vec<String> {
        let rows = rows.iter().filter(|row| !row.contains(" branch "));
        rows.cloned().collect()
    };
    assert_eq!(here(&well), here(&ill));
    let there: Vec<&String> = ill.iter().filter(|row| row.contains(" branch ")).collect();
    assert_eq!(there.len(), 2, "{ill:#?}");
    for row in there {
        assert!(row.contains("REGION LOST") && row.contains("?/"), "{row}");
        for calm in ["STEADY", "●", " 0/", "○"] {
            assert!(!row.contains(calm), "neither healthy nor empty: {row}");
        }
    }
    // One host that answers is enough for it not to be lost.
    let mut back = fleet(true);
    let host = &back.state.instances[&instance_name("iad-b2")];
    let host = Instance {
        connection: Connection::Connected { since: ago(1) },
        ..Instance::clone(host)
    };
    apply(&mut back, Change::Instance(Arc::new(host)));
    assert!(!shown(&console(LARGE, back)).contains("REGION LOST"));
}

/// Simulated time until the picture is as wanted.
async fn until(snapshots: &mut watch::Receiver<Arc<Snapshot>>, ask: impl Fn(&State) -> bool) {
    let waiting = snapshots.wait_for(|snapshot| ask(&snapshot.state));
    let seen = timeout(Duration::from_secs(600), waiting).await;
    assert!(matches!(seen, Ok(Ok(_))), "it did not come about");
}

fn serves(state: &State, of: impl Fn(&ClusterName) -> bool) -> bool {
    state
        .services
        .values()
        .filter(|it| of(&it.cluster))
        .all(|service| {
            let tasks = state.service_tasks(&service.cluster, &service.name);
            let serving = tasks.filter(|task| task.is_serving() && task.lost_at.is_none());
            serving.count() == service.desired_count as usize && service.steady
        })
}

fn is_abroad(cluster: &ClusterName) -> bool {
    cluster.as_str() == world::BRANCH
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_a_region_leaves_the_others_running_and_open_to_change() {
    let hosts = world::fleet(7, NOW).unwrap();
    let plane = start(Start {
        settings: world::settings().unwrap(),
        store: Box::new(MemoryStore::new()),
        last_alive: None,
        connector: Arc::new(hosts.clone()),
        clock: Arc::new(TokioClock::starting_at(NOW)),
        seed: Some(7),
        holder: Holder::default(),
        tuning: demo::tuning(),
    })
    .await
    .unwrap();
    let client = LocalClient::new(plane.handle.clone(), "demo".into());
    demo::load(&client, world::commands().unwrap())
        .await
        .unwrap();
    let mut snapshots = plane.handle.snapshots();
    until(&mut snapshots, |state| serves(state, |_| true)).await;
    let at_home = |state: &State| -> Vec<TaskId> {
        let tasks = state.tasks.values();
        let tasks = tasks.filter(|it| !is_abroad(&it.cluster) && it.is_serving());
        tasks.map(|it| it.id).collect()
    };
    let before = at_home(&snapshots.borrow().state);

    for host in hosts.names().filter(|it| it.as_str().starts_with("iad-")) {
        hosts.fail(host).unwrap();
    }
    until(&mut snapshots, |state| {
        let tasks = state.tasks.values().filter(|it| is_abroad(&it.cluster));
        tasks
            .filter(|it| !it.is_stopped())
            .all(|it| it.lost_at.is_some())
    })
    .await;
    let lost = snapshots.borrow().clone();
    assert_eq!(
        at_home(&lost.state),
        before,
        "nothing of the others has moved"
    );
    assert!(serves(&lost.state, |it| !is_abroad(it)));

    let mut model = console(LARGE, Snapshot::clone(&lost));
    let header = shown(&model).lines().next().unwrap().to_owned();
    assert!(
        header.contains("region us-east-1: 0 of 4 instances answer since "),
        "{header}"
    );
    let rows = services(&model);
    let rows: Vec<&String> = rows.iter().filter(|row| row.contains('/')).collect();
    assert_eq!(rows.len(), 13, "{rows:#?}");
    for row in rows {
        let abroad = row.contains(" branch ");
        assert_eq!(row.contains("REGION LOST"), abroad, "{row}");
        assert_eq!(
            row.contains("STEADY") || row.contains('●'),
            !abroad,
            "{row}"
        );
        assert_eq!(row.contains(" ?/"), abroad, "neither empty nor full: {row}");
    }

    // What is elsewhere is planned and scaled from the same console …
    let effects = press(&mut model, "/cluster:default service:web<enter>s11<enter>");
    let [
        Effect::Plan {
            ticket, commands, ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}\n{}", shown(&model));
    };
    let plan = client.plan(commands.clone().into()).await.unwrap();
    assert!(plan.at_rest && plan.steps.len() == 2, "{plan:?}");
    let planned = Happens::Planned {
        ticket: *ticket,
        result: Ok(Box::new(plan)),
    };
    let _ = update(&mut model, NOW, planned);
    assert!(!shown(&model).contains("no place"), "{}", shown(&model));
    let sent = press(&mut model, "y");
    let [
        Effect::Apply {
            commands, planned, ..
        },
    ] = sent.as_slice()
    else {
        panic!("{sent:?}\n{}", shown(&model));
    };
    client
        .apply(commands.clone(), planned.clone())
        .await
        .unwrap();
    until(&mut snapshots, |state| serves(state, |it| !is_abroad(it))).await;
    // … and deployed.
    let next = demo::web_definition(demo::IMAGE_WEB_NEXT).unwrap();
    client.command(next).await.unwrap();
    let mut model = console(LARGE, Snapshot::clone(&snapshots.borrow()));
    let keys = "/cluster:staging service:web<enter>u<enter>";
    let effects = press(&mut model, keys);
    let [Effect::Plan { commands, .. }] = effects.as_slice() else {
        panic!("{effects:?}\n{}", shown(&model));
    };
    client.apply(commands.clone(), None).await.unwrap();
    until(&mut snapshots, |state| {
        let service = state
            .service(&cluster(world::STAGING), &service_name("web"))
            .unwrap();
        let primary = service.primary().unwrap();
        primary.rollout_state == RolloutState::Completed
            && primary.task_definition.to_string() == "web:2"
    })
    .await;

    // The region comes back, and with it what was lost, to just the desired count.
    for host in hosts.names().filter(|it| it.as_str().starts_with("iad-")) {
        hosts.mend(host).unwrap();
    }
    until(&mut snapshots, |state| serves(state, |_| true)).await;
    let model = console(LARGE, Snapshot::clone(&snapshots.borrow()));
    assert!(!shown(&model).contains("REGION LOST"), "{}", shown(&model));
}

/// Nobody hears of a whole region: within the grace period, too, that is what is said.
#[test]
fn within_the_grace_period_the_tasks_of_a_lost_region_say_so() {
    let mut fleet = fleet(true);
    let mut waiting = Vec::new();
    for task in fleet
        .state
        .tasks
        .values()
        .filter(|it| it.cluster == cluster("branch"))
    {
        let mut task = Task::clone(task);
        task.lost_at = None;
        waiting.push(task);
    }
    for task in waiting {
        apply(&mut fleet, Change::Task(Arc::new(task)));
    }
    let mut model = console(LARGE, fleet);
    press(&mut model, "2a/cluster:branch<enter>");
    let screen = shown(&model);
    let rows = screen
        .lines()
        .filter(|it| it.contains("iad-") && it.contains("branch"));
    let tasks: Vec<_> = rows
        .filter(|it| it.contains("web:7") || it.contains("worker:"))
        .collect();
    assert!(tasks.len() >= 6, "{screen}");
    for row in tasks {
        assert!(
            row.contains("REGION LOST") && !row.contains("UNREACHABLE"),
            "{row}"
        );
    }
}

/// Of services of equal names the palette offers first that of the cluster that it was opened in.
#[test]
fn the_palette_offers_this_clusters_service_before_anothers() {
    for of in ["branch", "default", "staging"] {
        let mut model = console(LARGE, fleet(false));
        press(&mut model, &format!("/web cluster:{of}<enter>:restart web"));
        let screen = shown(&model);
        let first = screen.lines().find(|line| {
            line.contains("▸ restart web") || line.contains("▸ ") && line.contains("restart web")
        });
        let first = first.unwrap_or_else(|| panic!("{screen}"));
        assert!(
            first.contains(&format!("service of {of}")) || first.contains(" r "),
            "{first}"
        );
        // The page of it, too.
        press(
            &mut model,
            "<back><back><back><back><back><back><back><back><back><back><back>web",
        );
        let screen = shown(&model);
        let pages: Vec<_> = screen
            .lines()
            .filter(|line| line.contains("service of "))
            .collect();
        let own = pages
            .iter()
            .position(|line| line.contains(&format!("service of {of}")));
        let other = pages
            .iter()
            .position(|line| !line.contains(&format!("service of {of}")));
        assert!(own.is_some() && own < other, "{of}\n{screen}");
    }
}
