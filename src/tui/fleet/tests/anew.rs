//! Following a state gives the fleet that it has.

use proptest::prelude::*;

use super::*;
use crate::model::ContainerName;
use crate::model::task::Container;
use crate::tui::clusters::Clusters;

/// What may happen to a fleet.
#[derive(Clone, Debug)]
enum Step {
    Task {
        id: u8,
        service: Option<u8>,
        instance: u8,
        away: bool,
        deployment: u8,
        life: Life,
    },
    /// The other cluster's region.
    Region(u8),
    TaskGone(u8),
    Service {
        of: u8,
        away: bool,
        desired: u32,
        inactive: bool,
        /// How often it has failed, and when for the last time, in seconds.
        failures: u32,
        failed_at: u64,
    },
    ServiceGone(u8, bool),
    Instance {
        of: u8,
        zone: u8,
        answers: bool,
        away: bool,
    },
    InstanceGone(u8),
}

/// Where a task is in its life.
#[derive(Clone, Debug)]
struct Life {
    last: LastStatus,
    desired: DesiredStatus,
    lost: bool,
    /// What its check says, if it has one.
    health: Option<Health>,
}

fn life() -> impl Strategy<Value = Life> {
    use LastStatus as L;
    let last = proptest::sample::select(vec![
        L::Provisioning,
        L::Pending,
        L::Activating,
        L::Running,
        L::Running,
        L::Running,
        L::Running,
        L::Deactivating,
        L::Stopping,
        L::Deprovisioning,
        L::Stopped,
    ]);
    let healths = vec![Health::Healthy, Health::Unknown, Health::Unhealthy];
    (
        last,
        proptest::bool::weighted(0.3),
        proptest::bool::weighted(0.1),
        proptest::option::of(proptest::sample::select(healths)),
    )
        .prop_map(|(last, unwanted, lost, health)| Life {
            last,
            desired: match unwanted {
                true => DesiredStatus::Stopped,
                false => DesiredStatus::Running,
            },
            lost,
            health,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let task = (
        0..30_u8,
        proptest::option::of(0..4_u8),
        0..4_u8,
        proptest::bool::weighted(0.3),
        1..3_u8,
        life(),
    );
    let task = task.prop_map(
        |(id, service, instance, away, deployment, life)| Step::Task {
            id,
            service,
            instance,
            away,
            deployment,
            life,
        },
    );
    let service = (
        0..4_u8,
        proptest::bool::weighted(0.3),
        0..5_u32,
        proptest::bool::weighted(0.3),
        0..3_u32,
        0..120_u64,
    );
    let service =
        service.prop_map(
            |(of, away, desired, inactive, failures, failed_at)| Step::Service {
                of,
                away,
                desired,
                inactive,
                failures,
                failed_at,
            },
        );
    let host = (0..4_u8, 0..2_u8, any::<bool>(), any::<bool>());
    let host = host.prop_map(|(of, zone, answers, away)| Step::Instance {
        of,
        zone,
        answers,
        away,
    });
    prop_oneof![
        8 => task,
        1 => (0..2_u8).prop_map(Step::Region),
        2 => (0..30_u8).prop_map(Step::TaskGone),
        3 => service,
        1 => (0..4_u8, any::<bool>()).prop_map(|(of, away)| Step::ServiceGone(of, away)),
        3 => host,
        1 => (0..4_u8).prop_map(Step::InstanceGone),
    ]
}

fn change(step: &Step) -> Change {
    let name = |of: &u8| format!("s{of}");
    match step {
        Step::Task {
            id,
            service,
            instance,
            away,
            deployment,
            life,
        } => {
            let service = service.map(|of| name(&of));
            let host = format!("h{instance}");
            let stopped = life.last == LastStatus::Stopped;
            let mut it = task((*id).into(), service.as_deref(), &host, stopped);
            it.last_status = life.last;
            it.desired_status = life.desired;
            it.lost_at = life.lost.then_some(TimeMs(4_000));
            it.containers = life
                .health
                .iter()
                .map(|health| container(*health))
                .collect();
            if *away {
                it.cluster = elsewhere();
            }
            let made_of = fixture::deployment((*deployment).into(), "web", 1, NOW);
            it.deployment = Some(made_of.id);
            it.started_at = Some(TimeMs(1_000 * u64::from(*id)));
            it.task_definition = format!("web:{deployment}").parse().unwrap();
            Change::Task(Arc::new(it))
        }
        Step::Region(of) => Change::Cluster(Arc::new(cluster(elsewhere(), &format!("r{of}")))),
        Step::TaskGone(id) => Change::TaskRemoved(TaskId((*id).into())),
        Step::Service {
            of,
            away,
            desired,
            inactive,
            failures,
            failed_at,
        } => {
            let mut service = fixture::service(&name(of), *desired);
            service.cluster = home(*away);
            service.backoff.failures = *failures;
            service.backoff.failed_at = TimeMs(failed_at * 1_000);
            if *inactive {
                service.status = ServiceStatus::Inactive;
            }
            Change::Service(Arc::new(service))
        }
        Step::ServiceGone(of, away) => {
            Change::ServiceRemoved(home(*away), fixture::service_name(&name(of)))
        }
        Step::Instance {
            of,
            zone,
            answers,
            away,
        } => {
            let mut it = host(&format!("h{of}"), &format!("z{zone}"), *answers);
            if *away {
                it.cluster = elsewhere();
            }
            Change::Instance(Arc::new(it))
        }
        Step::InstanceGone(of) => {
            Change::InstanceRemoved(fixture::instance_name(&format!("h{of}")))
        }
    }
}

fn container(health: Health) -> Container {
    Container {
        health,
        ..Container::new(ContainerName::new("main").unwrap(), true, true)
    }
}

fn home(away: bool) -> ClusterName {
    match away {
        true => elsewhere(),
        false => ClusterName::default_cluster(),
    }
}

fn elsewhere() -> ClusterName {
    ClusterName::new("elsewhere").unwrap()
}

/// What a service's tasks come to, counted one by one.
fn counted(fleet: &Fleet, row: &ServiceRow) {
    let own: Vec<_> = fleet
        .tasks
        .iter()
        .filter(|it| belongs(&it.task, &row.key()))
        .collect();
    let of = |stage| own.iter().filter(|it| it.stage == stage).count() as u32;
    let tally = Tally {
        running: of(Stage::Running),
        unhealthy: of(Stage::Unhealthy),
        starting: of(Stage::Starting),
        stopping: of(Stage::Stopping),
        lost: of(Stage::Lost),
        unreachable: of(Stage::Unreachable),
        stopped: of(Stage::Stopped),
    };
    assert_eq!(row.tally, tally);
    let primary = row.service.primary().unwrap();
    let newest = own
        .iter()
        .filter(|it| it.task.deployment.as_ref() == Some(&primary.id));
    let serve = newest.clone().filter(|it| it.task.is_serving());
    assert_eq!(row.updated() as usize, serve.count());
    let up = newest.clone().filter(|it| it.stage == Stage::Running);
    let share = row.share(primary).cloned().unwrap_or_default();
    assert_eq!(share.serving as usize, up.count());
    let coming = |it: &&&TaskRow| {
        matches!(
            it.stage,
            Stage::Running | Stage::Unhealthy | Stage::Starting
        )
    };
    let late = newest.filter(coming);
    let late = late.filter(|it| it.task.started_at > Some(TimeMs(9_000)));
    assert_eq!(share.started_since(TimeMs(9_000)) as usize, late.count());
    let zone = |it: &&&TaskRow| {
        let host = fleet.instance(&it.task.instance);
        host.map_or("", |it| it.instance.zone()) == "z1"
    };
    let there = own.iter().filter(zone);
    let there =
        there.filter(|it| !matches!(it.stage, Stage::Stopping | Stage::Stopped | Stage::Lost));
    let zones = row.zones.get("z1").copied().unwrap_or(0);
    assert_eq!(zones as usize, there.count());
    let unheard = own.iter().filter(|it| it.stage == Stage::Unreachable);
    let hosts: BTreeSet<_> = unheard.map(|it| &it.task.instance).collect();
    assert_eq!(
        row.unheard().map(|(name, _)| name).collect::<BTreeSet<_>>(),
        hosts
    );
}

fn rows(fleet: &Fleet) -> Vec<TaskRow> {
    fleet.tasks.iter().cloned().collect()
}

proptest! {
    #[test]
    fn a_fleet_that_follows_is_the_one_made_anew(
        pictures in proptest::collection::vec(
            (proptest::collection::vec(step(), 0..5), 0..200_u64),
            1..25,
        ),
        all in proptest::bool::ANY,
    ) {
        let view = match all {
            true => ClusterView::All,
            false => ClusterView::One(ClusterName::default_cluster()),
        };
        let mut state = State::default();
        let mut followed = Fleet::new(&state, &view, TimeMs(0));
        let mut clusters = Clusters::new(&state, &view);
        for (steps, second) in pictures {
            // To and fro: a moment of the past may be looked at.
            let now = TimeMs(second * 1_000);
            for step in &steps {
                state.apply(&change(step));
            }
            if steps.is_empty() {
                followed.pass(now);
            } else {
                followed.follow(&state, &view, now);
            }
            clusters.follow(&state, &view);
            prop_assert_eq!(&clusters, &Clusters::new(&state, &view));
            let anew = Fleet::new(&state, &view, now);
            prop_assert_eq!(&followed.turns, &anew.turns);
            prop_assert_eq!(rows(&followed), rows(&anew));
            prop_assert_eq!(&followed.services, &anew.services);
            prop_assert_eq!(&followed.instances, &anew.instances);
            prop_assert_eq!(followed.widths, anew.widths);
            prop_assert_eq!(&followed.silent, &anew.silent);
            prop_assert_eq!(
                (followed.connected, followed.troubled),
                (anew.connected, anew.troubled)
            );
            prop_assert_eq!(followed.lost, anew.lost);
            prop_assert_eq!(&followed.runs, &anew.runs);
            let live = state.tasks.values().filter(|it| !it.is_stopped()).count();
            let runs = followed.runs.values().flat_map(BTreeMap::values).sum::<u32>();
            prop_assert_eq!(runs as usize, live);
            for row in &followed.services {
                counted(&followed, row);
                let failing = row.service.backoff.failing(now).is_some();
                prop_assert_eq!(row.failing.is_some(), failing);
            }
            for row in rows(&anew) {
                prop_assert_eq!(followed.task(row.task.id), Some(&row));
            }
        }
    }
}
