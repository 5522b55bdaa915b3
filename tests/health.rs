//! A task's health log on its page: what is read when, and how each state of it looks.

use std::sync::Arc;

use quarterdeck::client::ContainerHealth;
use quarterdeck::docker::health::{CheckResult, HealthLog};
use quarterdeck::model::task::Health;
use quarterdeck::model::{Change, ContainerName, Snapshot, Task, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, Ticket, update};

use crate::fleet::{NOW, ago, console, snapshot};
use crate::screens::{LARGE, SIZES, SMALL, as_they_were, frame, press, text};

type Size = (u16, u16);
type Answer = Result<Vec<ContainerHealth>, String>;

/// To the page of a task of `api`, which has a health check.
const PAGE: &str = "2<enter>";

/// What of this is asked for.
fn asked(effects: &[Effect]) -> Option<(Ticket, TaskId)> {
    let mut readings = effects.iter().filter_map(|effect| match effect {
        Effect::HealthLog { ticket, task } => Some((*ticket, *task)),
        _ => None,
    });
    let found = readings.next();
    assert_eq!(readings.next(), None, "one at a time");
    found
}

fn answer(model: &mut Model, now: TimeMs, ticket: Ticket, result: Answer) -> Vec<Effect> {
    update(model, now, Event::HealthLog { ticket, result })
}

fn of_api(health_log: Option<HealthLog>) -> Answer {
    let name = ContainerName::new("api").unwrap();
    Ok(vec![ContainerHealth { name, health_log }])
}

fn check(seconds: u64, took: u64, code: i64, output: &str) -> CheckResult {
    let start = ago(seconds);
    CheckResult::new(
        Some(start),
        Some(start.plus_ms(took)),
        Some(code),
        output.to_owned(),
    )
}

fn log() -> HealthLog {
    let refused = "  % Total    % Received\n\ncurl: (22) The requested URL returned error: 503\n";
    let all = [
        check(94, 31, 0, "ready\n"),
        check(64, 27, 0, ""),
        check(34, 5_000, -1, "Health check exceeded timeout (5s)"),
        check(24, 41, 22, refused),
        check(
            4,
            38,
            22,
            "curl: (22) The requested URL returned error: 503\n",
        ),
    ];
    HealthLog::new(3, all.into_iter())
}

/// A console on the page, with this answer.
fn answered(size: Size, result: Answer) -> Model {
    let mut model = console(size);
    if let Some((ticket, _)) = asked(&press(&mut model, PAGE)) {
        answer(&mut model, NOW, ticket, result);
    }
    model
}

fn unreachable() -> Answer {
    Err(
        "instance ops-a2 has not answered since 2026-09-21T11:59:48Z: connection refused"
            .to_owned(),
    )
}

/// Each state of the section, scrolled to as far as it takes.
fn states(size: Size) -> Vec<(&'static str, Model)> {
    // What was read a while ago, before the host went away.
    let mut old = console(size);
    let opened = press(&mut old, PAGE);
    let mut asking = asked(&opened).map(|it| it.0);
    for (at, result) in [(ago(40), of_api(Some(log()))), (ago(30), unreachable())] {
        if let Some(ticket) = asking {
            let mut effects = answer(&mut old, at, ticket, result);
            effects.extend(update(&mut old, at.plus_ms(6_000), Event::Clock));
            asking = asked(&effects).map(|it| it.0);
        }
    }
    let reading = {
        let mut model = console(size);
        press(&mut model, PAGE);
        model
    };
    let states = [
        ("health-log", answered(size, of_api(Some(log())))),
        ("health-log-reading", reading),
        (
            "health-log-none-yet",
            answered(size, of_api(Some(HealthLog::default()))),
        ),
        ("health-log-gone", answered(size, of_api(None))),
        ("health-log-unreachable", answered(size, unreachable())),
        ("health-log-old", old),
    ];
    let scrolled = states.into_iter().map(|(name, mut model)| {
        if size == SMALL {
            press(&mut model, "<pgdn>");
        }
        (name, model)
    });
    scrolled.collect()
}

#[test]
fn the_health_log_is_as_it_was() {
    for size in SIZES {
        as_they_were(size, states(size));
    }
}

/// A sick task's page begins with what its checks say: it was opened for that.
fn sick(size: Size) -> Model {
    let mut model = answered(size, of_api(Some(log())));
    let mut fleet = snapshot();
    let mut task = fleet
        .state
        .tasks
        .values()
        .find(|it| it.id.short() == "454021de");
    let mut task = Task::clone(task.take().unwrap());
    task.containers[0].health = Health::Unhealthy;
    fleet.state.apply(&Change::Task(Arc::new(task)));
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(fleet)));
    model
}

#[test]
fn a_sick_tasks_page_begins_with_its_checks() {
    for size in SIZES {
        let model = sick(size);
        let shown = text(&frame(&model, size));
        let at = |words: &str| shown.find(words).unwrap_or(usize::MAX);
        assert!(at("error: 503") < at("why there"), "{shown}");
        as_they_were(size, [("health-log-sick", model)]);
    }
}

#[test]
fn the_newest_check_comes_first_with_its_end_its_time_and_its_words() {
    for size in SIZES {
        let mut model = answered(size, of_api(Some(log())));
        let mut shown = text(&frame(&model, size));
        for _ in 0..2 {
            press(&mut model, "<pgdn>");
            shown.push_str(&text(&frame(&model, size)));
        }
        for words in [
            "Health log of api",
            "CMD-SHELL curl -f http://localhost:8080/ready",
            "every 10 s · timeout 5 s",
            "3 failures in a row",
            "4s ago · failed, exit 22 · took 38 ms",
            "failed, timed out · took 5.0 s",
            "curl: (22) The requested URL returned error: 503",
        ] {
            assert!(shown.contains(words), "no {words:?} in {shown}");
        }
        let at = |words: &str| {
            shown
                .find(words)
                .unwrap_or_else(|| panic!("{words}: {shown}"))
        };
        assert!(at("took 38 ms") < at("took 5.0 s"));
    }
}

#[test]
fn it_is_read_while_its_page_is_on_the_screen_and_only_then() {
    let mut model = console(SMALL);
    assert_eq!(asked(&press(&mut model, "2")), None, "a list reads none");
    let (first, task) = asked(&press(&mut model, "<enter>")).unwrap();
    let later = NOW.plus_ms(60_000);
    assert_eq!(
        asked(&update(&mut model, later, Event::Clock)),
        None,
        "one is under way"
    );
    answer(&mut model, later, first, of_api(Some(log())));
    let before = update(&mut model, later.plus_ms(4_900), Event::Clock);
    assert_eq!(asked(&before), None, "calmly");
    assert!(
        model
            .wakes_at()
            .is_some_and(|at| at <= later.plus_ms(5_000))
    );
    let due = update(&mut model, later.plus_ms(5_000), Event::Clock);
    let (second, of) = asked(&due).unwrap();
    assert_eq!(of, task);
    let left = press(&mut model, "<esc>");
    assert!(left.contains(&Effect::CloseHealthLog(second)), "{left:?}");
    let after = update(&mut model, later.plus_ms(60_000), Event::Clock);
    assert_eq!(asked(&after), None);
    // Another task's page: what comes late of the first is not shown there.
    let (third, other) = asked(&press(&mut model, "j<enter>")).unwrap();
    assert_ne!(other, task);
    answer(&mut model, NOW, second, of_api(Some(log())));
    let shown = text(&frame(&model, LARGE));
    assert!(!shown.contains("exit 22"), "{shown}");
    answer(&mut model, NOW, third, of_api(Some(HealthLog::default())));
    press(&mut model, "G");
    let mut large = answered(LARGE, of_api(Some(HealthLog::default())));
    assert!(text(&frame(&large, LARGE)).contains("No check has ended yet."));
    // A question over the page keeps it fresh; logs over it do not.
    let at = NOW.plus_ms(6_000);
    press(&mut large, "x");
    let (ticket, _) = asked(&update(&mut large, at, Event::Clock)).unwrap();
    answer(&mut large, at, ticket, of_api(Some(log())));
    press(&mut large, "<esc>l");
    assert_eq!(
        asked(&update(&mut large, at.plus_ms(9_000), Event::Clock)),
        None
    );
}

#[test]
fn a_task_without_a_health_check_is_not_asked_and_has_no_such_section() {
    let mut model = console(LARGE);
    let effects = press(&mut model, "3m<enter>");
    assert_eq!(asked(&effects), None);
    let shown = text(&frame(&model, LARGE));
    assert!(
        shown.contains("── Task ") && !shown.contains("Health log"),
        "{shown}"
    );
}

#[test]
fn the_past_says_that_it_is_not_kept_and_reads_nothing() {
    let mut model = crate::timeline::timeline(LARGE);
    let looked = press(&mut model, "<left><enter>");
    let [Effect::At { ticket, moment, .. }] = looked.as_slice() else {
        panic!("{looked:?}");
    };
    let then = Ok(Arc::new(Snapshot {
        at: *moment,
        ..snapshot()
    }));
    let event = Event::Then {
        ticket: *ticket,
        snapshot: then,
    };
    assert_eq!(update(&mut model, NOW, event), []);
    let effects = press(&mut model, PAGE);
    assert_eq!(asked(&effects), None);
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("Health log of api"), "{shown}");
    assert!(
        shown.contains("What it said then is not kept: this is the past."),
        "{shown}"
    );
}

#[test]
fn a_hostile_output_moves_nothing_and_takes_few_rows() {
    let attack = "\u{1b}[2J\u{1b}]0;PWN\u{7}\u{202e}ok\u{9b}1A\r\nnext\u{0}\u{1b}";
    let many = format!("{attack}\n{}", "row\n".repeat(2_000));
    let wide = "w".repeat(1 << 20);
    let all = (0..1_000).map(|n| check(n, 5, 1, if n % 2 == 0 { &many } else { &wide }));
    let log = HealthLog::new(u64::MAX, all.rev());
    for size in SIZES {
        let mut model = answered(size, of_api(Some(log.clone())));
        for _ in 0..30 {
            let shown = text(&frame(&model, size));
            assert!(!shown.contains("PWN"), "{shown}");
            let plain = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
            assert!(shown.chars().all(plain), "{shown:?}");
            press(&mut model, "<pgdn>");
        }
        // Ten checks, some rows each, and what is below: not two thousand.
        let end = text(&frame(&model, size));
        assert!(end.contains(" end "), "{end}");
    }
    let model = answered(LARGE, of_api(Some(log)));
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("lines cut here: qd task health"), "{shown}");
}
