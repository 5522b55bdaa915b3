//! Figures: what is sampled, how it is drawn over time, and what is not known.

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck::docker::StatsSample;
use quarterdeck::model::{Change, ContainerName, LastStatus, Snapshot, Task, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, snapshot};
use crate::screens::{LARGE, SIZES, SMALL, as_they_were, frame, press, text};

const MIB: u64 = 1 << 20;

/// What a task uses at a moment: waves, and counters that go on.
fn sample(task: TaskId, at: TimeMs) -> Vec<(ContainerName, StatsSample)> {
    let seconds = at.0 as f64 / 1_000.0;
    let own = (task.0 >> 120) as u64;
    let wave = 0.5 + 0.5 * (seconds / 20.0 + own as f64).sin();
    let sample = StatsSample {
        at,
        cpu_units: 100.0 + 400.0 * wave,
        memory_bytes: (20 + own % 30) * MIB + (wave * 30.0 * MIB as f64) as u64,
        memory_limit_bytes: 128 * MIB,
        rx_bytes: (at.0 % 10_000_000) * (own + 1),
        tx_bytes: (at.0 % 10_000_000) * 40,
        read_bytes: Some(5_000),
        written_bytes: None,
    };
    vec![(ContainerName::new("api").unwrap(), sample)]
}

/// Answers everything that is asked for, for so long before now; which tasks were sampled.
fn sail(model: &mut Model, seconds: u64, mut effects: Vec<Effect>) -> BTreeSet<TaskId> {
    let mut seen = BTreeSet::new();
    let begin = NOW.0 - seconds * 1_000;
    for at in (begin..=NOW.0).step_by(500).map(TimeMs) {
        effects.extend(update(model, at, Event::Clock));
        for effect in std::mem::take(&mut effects) {
            if let Effect::Stats { ticket, task } = effect {
                seen.insert(task);
                let samples = Ok(sample(task, at));
                effects.extend(update(model, at, Event::Stats { ticket, samples }));
            }
        }
    }
    seen
}

/// A console at these keys, sampled for that long.
pub fn sampled(size: (u16, u16), keys: &str, seconds: u64) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, keys);
    sail(&mut model, seconds, effects);
    model
}

fn see(model: &mut Model, snapshot: Snapshot) {
    let _ = update(model, NOW, Event::Snapshot(Arc::new(snapshot)));
}

#[test]
fn figures_are_as_they_were() {
    for size in SIZES {
        let screens = [
            ("figures-service", "%"),
            ("figures-instance", "3%"),
            ("figures-task", "2<enter>"),
            ("figures-host", "3<enter>"),
            ("figures-list", "2"),
            ("figures-list-sorted", "2oooooooo"),
        ];
        as_they_were(
            size,
            screens.map(|(name, keys)| (name, sampled(size, keys, 150))),
        );
        let mut early = console(size);
        press(&mut early, "%");
        let shown = text(&frame(&early, size));
        assert!(shown.contains("No sample yet."), "{shown}");
    }
}

#[test]
fn a_page_is_sampled_while_it_is_open_and_its_past_is_there_when_it_is_opened_again() {
    // So small that the list beneath has no figures of its own.
    let mut model = console(SMALL);
    let opened = press(&mut model, "2<enter>");
    let sampled = sail(&mut model, 60, opened);
    assert_eq!(sampled.len(), 1, "only the task of the page");
    let effects = press(&mut model, "<esc>");
    // Its health log was being read; of figures nothing is under way.
    assert!(
        matches!(effects[..], [Effect::CloseHealthLog(_)]),
        "{effects:?}"
    );
    let later = update(&mut model, NOW.plus_ms(9_000), Event::Clock);
    assert_eq!(later, [], "nothing is asked for any more");
    press(&mut model, "<enter>");
    let shown = text(&frame(&model, SMALL));
    assert!(
        shown.contains("▅") || shown.contains("█"),
        "its past: {shown}"
    );
}

#[test]
fn an_old_sample_shows_its_age_and_a_failure_its_reason() {
    let mut model = sampled(LARGE, "%", 30);
    let later = NOW.plus_ms(20_000);
    let asked = update(&mut model, later, Event::Clock);
    let [Effect::Stats { ticket, .. }, ..] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("s old"), "{shown}");
    assert!(
        shown.contains("No sample yet."),
        "an old one is not summed up: {shown}"
    );
    let samples = Err("no answer in 5 s".to_owned());
    let _ = update(
        &mut model,
        later,
        Event::Stats {
            ticket: *ticket,
            samples,
        },
    );
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("no answer in 5 s"), "{shown}");
}

#[test]
fn the_most_comes_first_when_it_is_ordered_so_and_enter_opens_its_page() {
    let mut model = sampled(LARGE, "%oo", 30);
    let shown = text(&frame(&model, LARGE));
    assert!(shown.contains("by memory, the most first"), "{shown}");
    let memory: Vec<u64> = shown
        .lines()
        .filter(|line| line.contains(" MiB "))
        .filter_map(|line| {
            line.split(" MiB")
                .next()?
                .split_whitespace()
                .next_back()?
                .parse()
                .ok()
        })
        .collect();
    let rows = &memory[1..];
    assert!(
        rows.len() >= 3 && rows.is_sorted_by(|a, b| a >= b),
        "{rows:?} in {shown}"
    );
    press(&mut model, "<enter>");
    assert!(text(&frame(&model, LARGE)).contains("── Task "));
}

#[test]
fn the_list_is_sampled_where_it_has_room_and_whole_where_it_is_sorted_by_figures() {
    let asked = |size, keys| {
        let mut model = console(size);
        let effects = press(&mut model, keys);
        sail(&mut model, 40, effects).len()
    };
    assert_eq!(asked(SMALL, "2"), 0);
    let (rows, all) = (asked((120, 40), "2a"), asked((120, 40), "2aoooooooo"));
    assert!(0 < rows && rows < all, "{rows} of {all}");
}

#[test]
fn of_ten_thousand_tasks_only_those_on_the_screen_are_sampled() {
    let mut fleet = snapshot();
    let here = |task: &&Arc<Task>| {
        task.instance == instance_name("ops-a1") && task.last_status == LastStatus::Running
    };
    let template = fleet.state.tasks.values().find(here).unwrap().clone();
    for n in 0..10_000_u128 {
        let mut task = Task::clone(&template);
        task.id = TaskId((n + 1) << 64);
        fleet.state.apply(&Change::Task(Arc::new(task)));
    }
    for size in [SMALL, LARGE] {
        let mut model = console(size);
        see(&mut model, fleet.clone());
        let effects = press(&mut model, "3%");
        let seen = sail(&mut model, 20, effects);
        assert!(
            !seen.is_empty() && seen.len() <= usize::from(size.1),
            "{}",
            seen.len()
        );
    }
}
