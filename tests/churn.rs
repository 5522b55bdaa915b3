//! Simulated hours of churn leave nothing behind: every collection is at or under its bound.
//! `cargo bench --bench churn` is the same at full size, in bytes.

use harness::{Churn, Size};
use quarterdeck::model::service::HISTORY_MAX;
use quarterdeck::model::state::EVENTS_MAX;

#[path = "../benches/shared/churn.rs"]
mod harness;

const SIZE: Size = Size {
    instances: 9,
    services: 2,
    tasks_per_service: 6,
    exits: 20,
    deployments: 24,
    losses: 3,
    drains: 1,
    runs: 6,
};
const HOURS: usize = 4;
const LOG_BYTES_MAX: u64 = 8 << 20;
/// As `controller::core::purge` has them.
const STOPPED_KEPT_MAX: usize = 20;
const FAILED_KEPT_MAX: usize = 200;
const REVISIONS_KEPT_MAX: usize = 500;

#[test]
fn hours_of_churn_leave_every_collection_under_its_bound() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let mut churn = Churn::begin(SIZE, 3, dir.path(), LOG_BYTES_MAX).await;
        let wanted = SIZE.services * SIZE.tasks_per_service;
        assert_eq!(churn.serving(), wanted);
        for hour in 1..=HOURS {
            churn.hour().await;
            let counts = churn.counts();
            println!("hour {hour}: {counts:?}");
            // A deployment runs both generations; a service's stopped tasks are kept by number.
            let groups = SIZE.services + 1;
            let kept = groups * STOPPED_KEPT_MAX + SIZE.exits.min(FAILED_KEPT_MAX);
            assert!(counts.stopped <= kept, "{counts:?}");
            assert!(
                counts.tasks - counts.stopped <= 2 * wanted + 2,
                "{counts:?}"
            );
            let families = SIZE.services + 1;
            assert!(
                counts.definitions <= families * REVISIONS_KEPT_MAX,
                "{counts:?}"
            );
            assert!(counts.events <= EVENTS_MAX, "{counts:?}");
            assert!(counts.history <= SIZE.services * HISTORY_MAX, "{counts:?}");
            assert!(counts.agents <= SIZE.instances, "{counts:?}");
            assert!(counts.pulls <= counts.tasks, "{counts:?}");
            assert!(counts.log_bytes <= 2 * LOG_BYTES_MAX, "{counts:?}");
        }
        let made = churn.counts();
        assert!(made.changes > 2_500, "too little happened: {made:?}");
        churn.rest().await;
        let rest = churn.counts();
        assert_eq!(churn.serving(), wanted);
        assert_eq!(
            (rest.pulls, rest.deployments),
            (0, SIZE.services),
            "{rest:?}"
        );
        // What is on the hosts is what is known of: nothing is left behind on any of them.
        assert_eq!(rest.containers, rest.tasks, "{rest:?}");
        churn.end().await;
    });
}
