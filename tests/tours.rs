//! The whole console over the demo's simulated fleet, in virtual time: keys in, words on the
//! screen out. Each file of `tests/tours/` is one tour, a line each step:
//!
//! ```text
//! # What it is about.
//! terminal 120x40        a terminal of that size from here on
//! keys 2jj<enter>        these keys, one after the other
//! advance 30s            lets that much simulated time pass
//! until WORDS            lets time pass until the screen says WORDS, 3 minutes at most
//! expect WORDS           the screen says WORDS now
//! lacks WORDS            the screen does not say WORDS now
//! revision IMAGE         registers a revision of web with that image, as another operator would
//! ```
//!
//! It begins with the shop of `qd demo` at rest, in a terminal of 120x40.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck::agent::{Clock, TokioClock};
use quarterdeck::client::{Client, LocalClient, Standing};
use quarterdeck::controller::ControlPlane;
use quarterdeck::controller::driver::{Start, start};
use quarterdeck::model::snapshot::Holder;
use quarterdeck::model::{Snapshot, TimeMs};
use quarterdeck::sim::demo;
use quarterdeck::store::memory::MemoryStore;
use quarterdeck::tui::{Event, Model, Runner, update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::fleet::options;
use crate::screens::{keys_of, text};

const BASE: TimeMs = TimeMs(1_790_000_000_000);
/// Simulated time from one look at the world to the next, while nothing is pressed.
const GLANCE: Duration = Duration::from_millis(400);
/// And after a key.
const KEY: Duration = Duration::from_millis(50);
/// What `until` waits for comes within this, in simulated time.
const PATIENCE: Duration = Duration::from_secs(3 * 60);
/// The shop is at rest by then.
const AT_REST: Duration = Duration::from_secs(60);

/// A console without a terminal, and the fleet that it shows.
struct Tour {
    model: Model,
    clock: TokioClock,
    client: Arc<LocalClient>,
    runner: Runner,
    answers: mpsc::Receiver<Event>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    standings: watch::Receiver<Standing>,
    size: (u16, u16),
    _plane: ControlPlane,
}

impl Tour {
    async fn new() -> Self {
        let clock = TokioClock::starting_at(BASE);
        let plane = start(Start {
            settings: demo::settings().unwrap(),
            store: Box::new(MemoryStore::new()),
            last_alive: None,
            connector: Arc::new(demo::fleet(1, BASE).unwrap()),
            clock: Arc::new(clock),
            seed: Some(1),
            holder: Holder {
                role: "demo".to_owned(),
                simulated: true,
                ..Holder::default()
            },
            tuning: demo::tuning(),
        })
        .await
        .unwrap();
        let client = Arc::new(LocalClient::new(plane.handle.clone(), "tour".into()));
        demo::load(&*client, demo::commands().unwrap())
            .await
            .unwrap();
        let (runner, answers) = Runner::new(client.clone());
        let size = (120, 40);
        let mut tour = Self {
            model: Model::new(options(), size, clock.now()),
            clock,
            runner,
            answers,
            snapshots: client.snapshots(),
            standings: client.standings(),
            client,
            size,
            _plane: plane,
        };
        tour.snapshots.mark_changed();
        tour.advance(AT_REST).await;
        tour
    }

    fn take(&mut self, event: Event) {
        for effect in update(&mut self.model, self.clock.now(), event) {
            self.runner.run(effect);
        }
    }

    /// Takes in what has come, as the real one does between two frames.
    async fn look(&mut self, after: Duration) {
        sleep(after).await;
        while let Ok(event) = self.answers.try_recv() {
            self.take(event);
        }
        if self.standings.has_changed().unwrap() {
            let standing = self.standings.borrow_and_update().clone();
            self.take(Event::Standing(standing));
        }
        if self.snapshots.has_changed().unwrap() {
            let snapshot = self.snapshots.borrow_and_update().clone();
            self.take(Event::Snapshot(snapshot));
        }
        self.take(Event::Clock);
    }

    async fn advance(&mut self, time: Duration) {
        let end = self.clock.now().plus_ms(time.as_millis() as u64);
        while self.clock.now() < end {
            self.look(GLANCE).await;
        }
    }

    fn screen(&self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        let now = self.clock.now();
        let draw = |frame: &mut ratatui::Frame<'_>| _ = view(&self.model, now, frame);
        terminal.draw(draw).unwrap();
        text(terminal.backend().buffer())
    }

    fn says(&self, words: &str) -> bool {
        self.screen().contains(words)
    }

    async fn until(&mut self, words: &str) -> bool {
        let end = self.clock.now().plus_ms(PATIENCE.as_millis() as u64);
        while !self.says(words) {
            if self.clock.now() > end {
                return false;
            }
            self.look(GLANCE).await;
        }
        true
    }

    /// One line of a script; whether it came about.
    async fn step(&mut self, line: &str) -> bool {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb {
            "terminal" => {
                let (columns, rows) = rest.split_once('x').unwrap();
                self.size = (columns.parse().unwrap(), rows.parse().unwrap());
                self.take(Event::Resize(self.size.0, self.size.1));
            }
            "keys" => {
                for key in keys_of(rest) {
                    self.take(Event::Key(key));
                    self.look(KEY).await;
                }
            }
            "advance" => {
                let seconds = rest.strip_suffix('s').unwrap().parse().unwrap();
                self.advance(Duration::from_secs(seconds)).await;
            }
            "until" => return self.until(rest).await,
            "expect" => return self.says(rest),
            "lacks" => return !self.says(rest),
            "revision" => {
                let command = demo::web_definition(rest).unwrap();
                self.client.command(command).await.unwrap();
                self.look(KEY).await;
            }
            other => panic!("no step is called {other}"),
        }
        true
    }
}

#[test]
fn every_tour_sees_what_it_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tours");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    let mut faults = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let script = std::fs::read_to_string(&file).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut tour = Tour::new().await;
            let lines = script.lines().map(str::trim).enumerate();
            for (at, line) in lines.filter(|(_, it)| !it.is_empty() && !it.starts_with('#')) {
                if !tour.step(line).await {
                    let screen = tour.screen();
                    faults.push(format!("tests/tours/{name}:{}: {line}\n{screen}", at + 1));
                    break;
                }
            }
        });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
