//! Every screen as text, at the size of a small terminal and of a large one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock, Mutex};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use quarterdeck::client::{Explanation, LogItem, PlanReport, Standing};
use quarterdeck::controller::{Command, CommandError};
use quarterdeck::docker::LogStream;
use quarterdeck::model::{ContainerName, Snapshot, TaskId, TimeMs};
use quarterdeck::scheduler::explain::Verdict;
use quarterdeck::tui::{Colours, Effect, Event, Model, Palette, Theme, update, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use crate::fleet::{NOW, console, instance_name};
use crate::picture;

pub const SMALL: (u16, u16) = (80, 24);
pub const MIDDLE: (u16, u16) = (120, 40);
pub const LARGE: (u16, u16) = (200, 60);
/// Far more than most have.
const HUGE: (u16, u16) = (300, 100);

pub fn frame(model: &Model, size: (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal
        .draw(|frame| {
            view(model, NOW, frame);
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

pub fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut out = String::new();
    for row in buffer.content.chunks(width) {
        let mut line = String::new();
        let mut skip = 0;
        for cell in row {
            if skip == 0 {
                line.push_str(cell.symbol());
                skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            } else {
                skip -= 1;
            }
        }
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    out
}

/// Presses keys: plain characters as they are, others as `<enter>`.
pub fn press(model: &mut Model, keys: &str) -> Vec<Effect> {
    let keys = keys_of(keys).into_iter();
    keys.flat_map(|key| update(model, NOW, Event::Key(key)))
        .collect()
}

/// The keys of a text such as `jj<enter>`.
pub fn keys_of(keys: &str) -> Vec<KeyEvent> {
    let mut all = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let (code, used) = match rest.split_once('>') {
            Some((name, _)) if c == '<' => (named(&name[1..]), name.len() + 1),
            _ => (KeyCode::Char(c), c.len_utf8()),
        };
        rest = &rest[used..];
        all.push(KeyEvent::new(code, KeyModifiers::NONE));
    }
    all
}

/// Answers what was asked for plans with the real ones of that fleet; how many there were.
pub fn foresee(model: &mut Model, fleet: &Snapshot, effects: &[Effect]) -> usize {
    let mut plans = 0;
    for effect in effects {
        let Effect::Plan {
            ticket, commands, ..
        } = effect
        else {
            continue;
        };
        let plan = planned(fleet, commands);
        let event = Event::Planned {
            ticket: *ticket,
            result: plan.map(Box::new).map_err(|refusal| refusal.to_string()),
        };
        let _ = update(model, NOW, event);
        plans += 1;
    }
    plans
}

/// The plan of commands over a fleet, made once: drawing wants it in a hundred sizes.
fn planned(fleet: &Snapshot, commands: &[Command]) -> Result<PlanReport, CommandError> {
    static KEPT: LazyLock<Mutex<HashMap<String, Result<PlanReport, CommandError>>>> =
        LazyLock::new(Mutex::default);
    let tasks = fleet.state.tasks.len();
    let key = format!("{} {tasks} {commands:?}", fleet.seq);
    let mut kept = KEPT.lock().unwrap();
    let plan = || quarterdeck::api::plan(fleet, commands.to_vec().into());
    kept.entry(key).or_insert_with(plan).clone()
}

fn named(name: &str) -> KeyCode {
    match name {
        "enter" => KeyCode::Enter,
        "space" => KeyCode::Char(' '),
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "back" => KeyCode::Backspace,
        "down" => KeyCode::Down,
        "up" => KeyCode::Up,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgdn" => KeyCode::PageDown,
        "pgup" => KeyCode::PageUp,
        "earlier" => KeyCode::Char('<'),
        "later" => KeyCode::Char('>'),
        other => panic!("no key is called {other}"),
    }
}

fn log_items() -> Vec<LogItem> {
    let line = |ms: u64, stream, words: &str| LogItem::Line {
        at: TimeMs(NOW.0 - 5_000 + ms),
        task: TaskId(u128::from(ms % 3) << 124 | 0xab),
        container: ContainerName::new("api").unwrap(),
        instance: instance_name("ops-a2"),
        stream,
        text: words.to_owned(),
    };
    let mut items: Vec<LogItem> = (0..30)
        .map(|n| {
            line(
                n * 100,
                LogStream::Stdout,
                &format!("GET /orders/{n} 200 {n}ms"),
            )
        })
        .collect();
    items.push(line(
        3_100,
        LogStream::Stderr,
        "\u{1b}[31mpanic:\u{1b}[0m pool exhausted\u{7}",
    ));
    items.push(LogItem::Dropped {
        count: 1_234,
        bytes: 567_890,
    });
    let json = r#"{"level":"error","msg":"order refused","order":41,"reason":"no stock"}"#;
    items.push(line(3_150, LogStream::Stdout, json));
    let long = "a line that is far too long to fit, ".repeat(8);
    items.push(line(3_200, LogStream::Stdout, &long));
    items.push(LogItem::Broken {
        task: TaskId(0xab << 120),
        reason: "the instance does not answer".into(),
    });
    items
}

/// Each screen: its name, and the keys that lead to it.
fn screens(size: (u16, u16)) -> Vec<(&'static str, Model)> {
    let paths = [
        ("services", ""),
        ("services-unplaced", "jjj"),
        ("tasks", "2"),
        ("services-marked", " jj "),
        ("instances-marked", "3/ops-b<enter>V"),
        ("bulk-question", "VD"),
        ("bulk-drain-question", "3Vd"),
        ("tasks-all", "2aG"),
        ("instances", "3jjjjj"),
        ("events", "4j"),
        ("filter", "3/ops-b"),
        ("filter-wrong", "3/ops-b zoen:1a"),
        ("service-page", "jjj<enter>"),
        ("task-page", "2j<enter>"),
        ("instance-page", "3jjjjj<enter>"),
        ("event-page", "4j<enter>"),
        ("schedules", "t"),
        ("map", "m"),
        ("map-stale-instance", "3jjjjjm"),
        ("map-cpu", "3Gmz"),
        ("services-sorted", "oo"),
        ("definition-page", "v"),
        ("compare-picker", "vc"),
        ("replicas", "2="),
        ("replicas-differ", "2=d"),
        ("replicas-picker", "2=="),
        ("palette", "j:"),
        ("palette-typed", "j:drn c"),
        ("palette-none", ":xyzzy"),
        ("help", "?"),
        ("scale-prompt", "s12"),
        ("scale-question", "GGs1<enter>"),
        ("shell-question", "2!"),
        ("update-picker", "u"),
        ("update-question", "u<enter>"),
        ("restart-question", "r"),
        ("delete-question", "D"),
        ("stop-question", "2x"),
        ("drain-question", "3d"),
        ("activate-question", "3Gd"),
        ("cluster-picker", "c"),
        ("rollback-question", "jjjjR"),
    ];
    let mut screens: Vec<(&'static str, Model)> = paths
        .into_iter()
        .map(|(name, keys)| {
            let mut model = console(size);
            let effects = press(&mut model, keys);
            foresee(&mut model, &crate::fleet::snapshot(), &effects);
            (name, model)
        })
        .collect();
    screens.push(("logs", logs(size, "")));
    screens.push(("logs-wrapped", logs(size, "w")));
    screens.push(("logs-searched", logs(size, "//orders.1[0-4]/<enter>N")));
    screens.push(("logs-filtered", logs(size, "&level:fatal|error<enter>t")));
    screens.push(("logs-columns", logs(size, "C<enter><down><enter><esc>")));
    screens.push(("logs-since", logs(size, "S")));
    screens.push(("logs-saving", logs(size, "s")));
    let mut planned = console(size);
    let effects = press(&mut planned, "jjjjr");
    foresee(&mut planned, &crate::fleet::snapshot(), &effects);
    press(&mut planned, "m");
    screens.push(("map-planned", planned));
    let mut planned = plain(size, "");
    let effects = press(&mut planned, "jjjjr");
    foresee(&mut planned, &crate::fleet::snapshot(), &effects);
    press(&mut planned, "m");
    screens.push(("map-planned-plain", planned));
    let mut planning = console(size);
    press(&mut planning, "r");
    screens.push(("restart-planning", planning));
    screens.push(("stale", stale(size)));
    screens.push(("toasts", toasts(size)));
    screens.push(("map-plain", plain(size, "m")));
    screens.push(("empty", empty(size)));
    screens.push(("loading", Model::new(crate::fleet::options(), size, NOW)));
    screens
}

fn logs(size: (u16, u16), keys: &str) -> Model {
    let mut model = console(size);
    let effects = press(&mut model, "l");
    if effects.is_empty() {
        // Too small to do anything in.
        return model;
    }
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let items = log_items();
    let _ = update(
        &mut model,
        NOW,
        Event::Logs {
            ticket: *ticket,
            items,
        },
    );
    press(&mut model, keys);
    model
}

/// A console without colours and signs.
fn plain(size: (u16, u16), keys: &str) -> Model {
    let mut options = crate::fleet::options();
    options.theme = Theme {
        colours: Colours::None,
        unicode: false,
        palette: Palette::DARK,
    };
    let mut model = Model::new(options, size, NOW);
    let snapshot = Arc::new(crate::fleet::snapshot());
    let _ = update(&mut model, NOW, Event::Snapshot(snapshot));
    press(&mut model, keys);
    model
}

fn stale(size: (u16, u16)) -> Model {
    let mut model = console(size);
    let reason = "connection refused; trying again".to_owned();
    let _ = update(
        &mut model,
        NOW,
        Event::Standing(Standing::Lost { since: NOW, reason }),
    );
    model
}

fn toasts(size: (u16, u16)) -> Model {
    let mut model = console(size);
    let reply = quarterdeck::client::Reply {
        body: serde_json::Value::Null,
        warnings: vec!["\"enableECSManagedTags\" is kept and has no effect yet".into()],
    };
    let what = "Scale service web to 8".to_owned();
    let _ = update(
        &mut model,
        NOW,
        Event::Applied {
            ticket: 0,
            what,
            result: Ok(vec![reply]),
        },
    );
    let gone = quarterdeck::client::ClientError::Gone("the socket is closed".into());
    let what = "Restart service api".to_owned();
    let _ = update(
        &mut model,
        NOW,
        Event::Applied {
            ticket: 0,
            what,
            result: Err(gone),
        },
    );
    model
}

fn empty(size: (u16, u16)) -> Model {
    let mut model = Model::new(crate::fleet::options(), size, NOW);
    let snapshot = quarterdeck::model::Snapshot::default();
    let _ = update(&mut model, NOW, Event::Snapshot(Arc::new(snapshot)));
    model
}

/// The sizes that screens are kept in.
pub const SIZES: [(u16, u16); 3] = [SMALL, MIDDLE, LARGE];

/// Holds that screens are as they were: each by its name, at its size; at the middle one in their
/// colours, too.
pub fn as_they_were<'a>(size: (u16, u16), screens: impl IntoIterator<Item = (&'a str, Model)>) {
    for (name, model) in screens {
        let buffer = frame(&model, size);
        keep(name, size, text(&buffer));
        if size == MIDDLE {
            keep(&format!("{name}-styles"), size, styles(&buffer));
        }
    }
}

fn keep(name: &str, (columns, rows): (u16, u16), shown: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("screens");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{name}-{columns}x{rows}"), shown));
}

#[test]
fn every_screen_is_as_it_was() {
    for size in SIZES {
        as_they_were(size, screens(size));
    }
}

/// A huge terminal is filled: to its last column and row, with columns that a large one has no room for.
#[test]
fn a_huge_terminal_is_filled_and_shows_more_columns() {
    let heads = |size| {
        let shown = text(&frame(&console(size), size));
        let of = |line: usize| shown.lines().nth(line).unwrap().to_owned();
        let words = |line: String| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        words(of(2))
    };
    let (large, huge) = (heads(LARGE), heads(HUGE));
    let missing: Vec<_> = large.iter().filter(|it| !huge.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(huge.len() > large.len(), "{huge:?}");
    let shown = text(&frame(&console(HUGE), HUGE));
    let bottoms = shown.lines().filter(|line| line.ends_with('╯'));
    let wide = |line: &str| unicode_width::UnicodeWidthStr::width(line) == usize::from(HUGE.0);
    assert!(
        bottoms.clone().count() > 1 && bottoms.clone().all(wide),
        "{shown}"
    );
    // Below the last box there are the detail and the keys.
    let lines: Vec<&str> = shown.lines().collect();
    let last = lines.iter().rposition(|line| line.ends_with('╯')).unwrap();
    assert_eq!(last + 1 + 2 + 1, usize::from(HUGE.1), "{shown}");
    as_they_were(HUGE, [("services", console(HUGE))]);
}

/// Which style each cell has: a letter a style, blanks for the plain one, and what they are.
fn styles(buffer: &Buffer) -> String {
    let mut known: Vec<ratatui::style::Style> = Vec::new();
    let mut out = String::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width)) {
        let letters = row.iter().map(|cell| {
            let style = cell.style();
            if style == ratatui::buffer::Cell::EMPTY.style() {
                return ' ';
            }
            let at = known.iter().position(|it| *it == style);
            let at = at.unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            (b'a'..=b'z').chain(b'A'..=b'Z').nth(at).unwrap().into()
        });
        let line: String = letters.collect();
        writeln!(out, "{}", line.trim_end()).unwrap();
    }
    for (letter, style) in (b'a'..=b'z').chain(b'A'..=b'Z').zip(known) {
        let (fg, bg) = (style.fg.unwrap(), style.bg.unwrap());
        let more = style.add_modifier;
        writeln!(out, "{}: {fg} on {bg} {more:?}", char::from(letter)).unwrap();
    }
    out
}

#[test]
fn a_terminal_that_is_too_small_says_the_size_it_needs() {
    let size = (50, 10);
    let shown = text(&frame(&console(size), size));
    assert!(shown.contains("The console needs 60×16;"), "{shown}");
    assert!(shown.contains("this is 50×10."), "{shown}");
}

#[test]
fn no_size_breaks_a_screen() {
    for columns in (1..=210).step_by(19) {
        for rows in (1..=61).step_by(7) {
            let size = (columns, rows);
            for (_, model) in screens(size) {
                frame(&model, size);
            }
        }
    }
}

#[test]
fn without_colours_and_unicode_everything_is_still_said() {
    let model = plain(SMALL, "3");
    let buffer = frame(&model, SMALL);
    let shown = text(&buffer);
    assert!(shown.is_ascii(), "{shown}");
    assert!(
        shown.contains("LOST 12s") && shown.contains("SIMULATED"),
        "{shown}"
    );
    let colour = buffer.content.iter().find(|cell| {
        cell.fg != ratatui::style::Color::Reset || cell.bg != ratatui::style::Color::Reset
    });
    assert_eq!(colour, None);
    let reversed =
        |cell: &&ratatui::buffer::Cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED);
    assert!(buffer.content.iter().any(|cell| reversed(&cell)));
}

/// Every screen in every state there is a picture of, in such a theme.
fn all_in(theme: Theme) -> impl Iterator<Item = (&'static str, Buffer)> {
    [SMALL, LARGE].into_iter().flat_map(move |size| {
        screens(size).into_iter().map(move |(name, mut model)| {
            model.set_theme(theme);
            (name, frame(&model, size))
        })
    })
}

#[test]
fn sixteen_colours_are_the_sixteen_of_old_and_none_is_none() {
    for (theme, palette) in Palette::ALL {
        let of = |colours| Theme {
            colours,
            unicode: true,
            palette,
        };
        for (name, buffer) in all_in(of(Colours::Basic)) {
            for cell in &buffer.content {
                let old = |colour| !matches!(colour, Color::Rgb(..) | Color::Indexed(_));
                assert!(old(cell.fg) && old(cell.bg), "{theme} {name}: {cell:?}");
            }
        }
        for (name, buffer) in all_in(of(Colours::Full)) {
            let any = buffer.content.iter().find(|cell| {
                matches!(cell.fg, Color::Rgb(..)) || matches!(cell.bg, Color::Rgb(..))
            });
            assert_eq!(any, None, "{theme} {name}");
        }
        for (name, buffer) in all_in(of(Colours::None)) {
            let coloured = |cell: &&ratatui::buffer::Cell| {
                [cell.fg, cell.bg, cell.underline_color] != [Color::Reset; 3]
            };
            assert_eq!(buffer.content.iter().find(coloured), None, "{theme} {name}");
        }
    }
}

#[test]
fn a_theme_paints_its_own_background_everywhere() {
    for (theme, palette) in Palette::ALL {
        let painted = Theme {
            colours: Colours::True,
            unicode: true,
            palette,
        };
        for (name, buffer) in all_in(painted) {
            let bare =
                |cell: &&ratatui::buffer::Cell| cell.bg == Color::Reset || cell.fg == Color::Reset;
            assert_eq!(buffer.content.iter().find(bare), None, "{theme} {name}");
        }
    }
}

#[test]
fn every_sign_has_an_ascii_form() {
    let theme = |unicode| Theme {
        colours: Colours::Full,
        unicode,
        palette: Palette::DARK,
    };
    let signs = all_in(theme(true)).map(|(_, buffer)| buffer);
    let plain = all_in(theme(false));
    for (with, (name, without)) in signs.zip(plain) {
        for (sign, plain) in with.content.iter().zip(&without.content) {
            assert!(plain.symbol().is_ascii(), "{name}: {plain:?}");
            // A task that is not reachable is a question mark on purpose.
            let lost = plain.symbol() == "?" && !matches!(sign.symbol(), "?" | "◌");
            assert!(!lost, "{name}: {} has no ASCII form", sign.symbol());
        }
    }
}

/// A service's page asks why as long as it is open, and shows every instance and what would help.
#[test]
fn a_services_page_shows_why_and_the_smallest_change() {
    let mut model = console(LARGE);
    let effects = press(&mut model, "<enter>");
    let [Effect::Explain { ticket, about, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let explanation = Explanation {
        subject: about.to_string(),
        answer: Vec::new(),
        instances: vec![Verdict {
            instance: "h7".into(),
            takes: false,
            reasons: vec!["312 MiB of memory short (needs 512, 200 free)".into()],
        }],
        smallest: None,
    };
    let event = Event::Explained {
        ticket: *ticket,
        result: Ok(Box::new(explanation)),
    };
    let again = update(&mut model, NOW, event.clone());
    assert!(matches!(again.as_slice(), [Effect::Explain { after_ms, .. }] if *after_ms > 0));
    let shown = text(&frame(&model, LARGE));
    assert!(
        shown.contains("What every instance says to one more"),
        "{shown}"
    );
    assert!(
        shown.contains("h7") && shown.contains("312 MiB of memory short"),
        "{shown}"
    );
    press(&mut model, "<esc>");
    assert_eq!(update(&mut model, NOW, event), [], "its page is closed");
}

/// The pictures in the README, `assets/*.svg`, are made from the program itself. Run with
/// `QD_PICTURES=FOLDER` to write every screen there, for looking at.
#[test]
fn the_picture_is_what_the_program_shows() {
    let assets = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    for (name, keys, size) in [("console", "", (132, 38)), ("map", "m", (120, 29))] {
        let model = crate::stats::sampled(size, keys, 40);
        let svg = picture::svg(&frame(&model, size));
        let path = assets.join(format!("{name}.svg"));
        if std::env::var_os("QD_UPDATE_PICTURE").is_some() {
            std::fs::write(&path, &svg).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == svg,
            "assets/{name}.svg is out of date: run the tests once with QD_UPDATE_PICTURE=1"
        );
    }
    if let Some(folder) = std::env::var_os("QD_PICTURES") {
        let folder = std::path::PathBuf::from(folder);
        for (size, label) in [(SMALL, "80x24"), (LARGE, "200x60"), ((132, 38), "132x38")] {
            for (name, model) in screens(size) {
                let dump = picture::dump(&frame(&model, size));
                std::fs::write(folder.join(format!("{name}-{label}.cells")), dump).unwrap();
            }
        }
    }
}
