//! Reading logs: searching, filtering, scrolling, what is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use quarterdeck::client::{LogItem, LogTarget};
use quarterdeck::docker::{LogOptions, LogStream};
use quarterdeck::model::{ContainerName, TaskId, TimeMs};
use quarterdeck::tui::{Colours, Effect, Event, Model, Palette, Saved, Theme, update};
use ratatui::style::{Color, Modifier};

use crate::fleet::{NOW, console, instance_name, options, snapshot};
use crate::screens::{LARGE, SMALL, frame, press, text};

fn line(n: u64, words: &str) -> LogItem {
    LogItem::Line {
        at: TimeMs(NOW.0 - 100_000 + n),
        task: TaskId((u128::from(n % 3) << 96) | 0xab),
        container: ContainerName::new(["api", "proxy", "api"][(n % 3) as usize]).unwrap(),
        instance: instance_name("ops-a2"),
        stream: LogStream::Stdout,
        text: words.to_owned(),
    }
}

fn send(model: &mut Model, ticket: u64, items: Vec<LogItem>) {
    assert_eq!(update(model, NOW, Event::Logs { ticket, items }), []);
}

/// A console that reads a service's logs, and what their lines come with.
fn open(items: Vec<LogItem>) -> (Model, u64) {
    let mut model = console(SMALL);
    let effects = press(&mut model, "l");
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let ticket = *ticket;
    send(&mut model, ticket, items);
    (model, ticket)
}

/// A hundred lines; every tenth is a slow one.
fn hundred() -> Vec<LogItem> {
    let words = |n| match n % 10 {
        7 => format!("SLOW query {n:03} took 900 ms"),
        _ => format!("query {n:03} took 2 ms"),
    };
    (0..100).map(|n| line(n, &words(n))).collect()
}

fn shown(model: &Model) -> String {
    text(&frame(model, SMALL))
}

/// The text of the cells with that background.
fn painted(model: &Model, background: Color) -> String {
    let buffer = frame(model, SMALL);
    let cells = buffer.content.iter().filter(|cell| cell.bg == background);
    cells.map(|cell| cell.symbol()).collect()
}

#[test]
fn a_search_scrolls_there_counts_marks_and_goes_round() {
    let (mut model, ticket) = open(hundred());
    press(&mut model, "/slow");
    let screen = shown(&model);
    assert!(screen.contains(" /slow▏  9/10"), "{screen}");
    assert_eq!(
        painted(&model, Palette::DARK.named[1]),
        "SLOW",
        "the one in sight"
    );
    press(&mut model, "<enter>NN");
    let screen = shown(&model);
    assert!(
        screen.contains("7/10") && screen.contains("SLOW query 067"),
        "{screen}"
    );
    assert_eq!(painted(&model, Palette::DARK.named[1]), "SLOW");
    press(&mut model, "nnn");
    assert!(shown(&model).contains("10/10"));
    press(&mut model, "n");
    let screen = shown(&model);
    assert!(
        screen.contains("1/10") && screen.contains("SLOW query 007"),
        "{screen}"
    );
    press(&mut model, "N");
    assert!(shown(&model).contains("10/10"));
    // What comes is counted, and the window stays.
    send(&mut model, ticket, vec![line(100, "slow again")]);
    let screen = shown(&model);
    assert!(
        screen.contains("10/11") && screen.contains("held") && !screen.contains("again"),
        "{screen}"
    );
    press(&mut model, "<esc>");
    let screen = shown(&model);
    assert!(
        !screen.contains("/slow") && screen.contains("held"),
        "{screen}"
    );
    assert_eq!(press(&mut model, "<esc>"), [Effect::CloseLogs(ticket)]);
}

#[test]
fn a_search_takes_expressions_and_says_what_is_wrong_with_them() {
    let (mut model, _) = open(hundred());
    press(&mut model, "//query 0[34]7/<enter>");
    assert!(shown(&model).contains("2/2"), "{}", shown(&model));
    press(&mut model, "//quer(");
    assert!(shown(&model).contains("no regex: unclosed group"));
    press(&mut model, "<esc>/.<enter>");
    assert!(shown(&model).contains("no line has it"), "a dot is a dot");
}

#[test]
fn a_search_that_is_left_goes_back_to_where_it_began() {
    let (mut model, _) = open(hundred());
    let before = shown(&model);
    press(&mut model, "/query 003");
    assert_ne!(shown(&model), before);
    press(&mut model, "<esc>");
    assert_eq!(shown(&model), before);
    press(&mut model, "/<enter>");
    assert_eq!(shown(&model), before);
}

#[test]
fn a_match_that_is_off_to_the_right_is_brought_into_sight() {
    let far = format!("{}needle", "hay ".repeat(50));
    let mut items = hundred();
    items.insert(50, line(50, &far));
    let (mut model, _) = open(items);
    press(&mut model, "/needle<enter>");
    assert_eq!(painted(&model, Palette::DARK.named[1]), "needle");
    press(&mut model, "/query 003<enter>");
    assert_eq!(painted(&model, Palette::DARK.named[1]), "query 003");
}

#[test]
fn a_filter_shows_what_it_hides_and_takes_what_comes() {
    let (mut model, ticket) = open(hundred());
    press(&mut model, "&slow !067");
    let screen = shown(&model);
    assert!(screen.contains(" &slow !067▏  hides 91"), "{screen}");
    press(&mut model, "<enter>");
    let screen = shown(&model);
    assert_eq!(screen.matches(" ms").count(), 9, "{screen}");
    assert!(screen.contains("following"));
    let dropped = LogItem::Dropped {
        count: 12,
        bytes: 3 << 20,
    };
    let fresh = [line(100, "slow again"), line(101, "quick"), dropped];
    send(&mut model, ticket, fresh.to_vec());
    let screen = shown(&model);
    assert!(
        screen.contains("slow again") && screen.contains("hides 92"),
        "{screen}"
    );
    assert!(
        screen.contains("12 lines (3 MiB) dropped"),
        "what is missing passes every filter: {screen}"
    );
    // A search is of what is shown.
    press(&mut model, "/query<enter>");
    assert!(shown(&model).contains("/9 "), "{}", shown(&model));
    press(&mut model, "<esc><esc>");
    assert!(!shown(&model).contains("hides"), "{}", shown(&model));
}

#[test]
fn a_filter_asks_for_columns_and_says_what_it_cannot_read() {
    let (mut model, _) = open(hundred());
    press(&mut model, "&container:proxy<enter>");
    assert!(shown(&model).contains("hides 67"), "{}", shown(&model));
    press(&mut model, "&<back><back><back><back><back><back>zz<enter>");
    assert!(shown(&model).contains("hides 100"), "{}", shown(&model));
    press(&mut model, "<esc>&task:00000001<enter>");
    assert!(shown(&model).contains("hides 67"), "{}", shown(&model));
    press(&mut model, "<esc>&levle:warn");
    let screen = shown(&model);
    assert!(
        screen.contains("no column levle: level:?") && screen.contains("query 099"),
        "{screen}"
    );
    // Left, it is as before: nothing was filtered.
    press(&mut model, "<esc>");
    assert!(!shown(&model).contains("levle"));
}

/// What is shown, as if rows did not break it.
fn run_on(model: &Model) -> String {
    shown(model).replace([' ', '▎', '\n'], "")
}

#[test]
fn rows_of_a_long_line_are_scrolled_one_by_one() {
    let long: String = (0..400).map(|n| format!("w{n:03} ")).collect();
    let (mut model, _) = open(vec![line(0, "first"), line(1, &long)]);
    press(&mut model, "w");
    assert!(run_on(&model).contains("w399"), "{}", shown(&model));
    press(&mut model, "g");
    assert!(shown(&model).contains("first"));
    press(&mut model, "jj");
    let screen = shown(&model);
    assert!(
        !screen.contains("w000") && run_on(&model).contains("w016") && screen.contains("held"),
        "{screen}"
    );
    press(&mut model, "G");
    assert!(run_on(&model).contains("w399"));
    press(&mut model, "k");
    assert!(!run_on(&model).contains("w399"));
    press(&mut model, "j");
    assert!(shown(&model).contains("following"));
}

#[test]
fn what_the_ring_let_go_is_a_row_at_its_beginning() {
    let (mut model, ticket) = open(Vec::new());
    let long = "x".repeat(10_000);
    for n in 0..1_000 {
        send(&mut model, ticket, vec![line(n, &format!("{n:04} {long}"))]);
    }
    press(&mut model, "g");
    let screen = shown(&model);
    assert!(screen.contains("older lines (6 MiB) let go"), "{screen}");
    press(&mut model, "&0999<enter>");
    let screen = shown(&model);
    assert!(
        screen.contains("let go") && screen.contains("0999 xxx"),
        "{screen}"
    );
}

/// Lines as programs write them: JSON, coloured, plain.
fn mixed() -> Vec<LogItem> {
    let texts = [
        r#"{"ts":"12:00","level":"info","msg":"request","verb":"GET","path":"/a b","status":200}"#,
        r#"{"ts":"12:01","level":"error","msg":"request","verb":"POST","path":"/v1","status":502}"#,
        "2026-05-04 WARN pool is nearly full",
        "\u{1b}[38;2;255;0;0mred\u{1b}[0m and 10%\r\u{1b}[32mgreen",
        "plain",
    ];
    let numbered = (0..).zip(texts);
    numbered.map(|(n, text)| line(n, text)).collect()
}

/// The first cell of a text on the screen.
fn cell_of(model: &Model, words: &str) -> ratatui::buffer::Cell {
    let buffer = frame(model, SMALL);
    let screen = text(&buffer);
    let (y, row) = screen
        .lines()
        .enumerate()
        .find(|(_, row)| row.contains(words))
        .unwrap_or_else(|| panic!("{words} is not in {screen}"));
    let x = row[..row.find(words).unwrap()].chars().count();
    let (x, y) = (u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
    buffer[(x, y)].clone()
}

#[test]
fn json_lines_are_fields_in_colours_of_their_level() {
    let (mut model, _) = open(mixed());
    let screen = shown(&model);
    assert!(
        screen.contains("INFO  request  verb=GET  path=\"/a b\"  status=200"),
        "{screen}"
    );
    assert_eq!(cell_of(&model, "INFO").fg, Palette::DARK.calm);
    assert_eq!(cell_of(&model, "ERROR").fg, Palette::DARK.bad);
    assert_eq!(cell_of(&model, "WARN pool").fg, Palette::DARK.warn);
    press(&mut model, "J");
    assert!(shown(&model).contains(r#"{"ts":"12:00","level":"info""#));
}

#[test]
fn columns_are_chosen_from_the_fields_seen() {
    let (mut model, _) = open(mixed());
    press(&mut model, "C");
    let screen = shown(&model);
    assert!(screen.contains("▸ [ ] verb"), "{screen}");
    press(&mut model, "<down><down><enter>");
    assert!(shown(&model).contains("▸ [x] status"), "{}", shown(&model));
    press(&mut model, "<up><up><enter><esc>");
    let screen = shown(&model);
    let expected = ["LEVEL STATUS  VERB  MESSAGE", "INFO  200     GET   request"];
    for words in expected {
        assert!(screen.contains(words), "{screen}");
    }
    press(&mut model, "/502<enter>");
    assert_eq!(painted(&model, Palette::DARK.named[1]), "502");
}

#[test]
fn lines_are_filtered_by_level_and_by_field() {
    let (mut model, ticket) = open(mixed());
    press(&mut model, "&level:warn|error<enter>");
    assert!(shown(&model).contains("hides 3"), "{}", shown(&model));
    press(&mut model, "<esc>&status:502<enter>");
    let screen = shown(&model);
    assert!(
        screen.contains("hides 4") && screen.contains("POST"),
        "{screen}"
    );
    // A field that nobody has named yet is known once a line has it.
    press(&mut model, "<esc>&user:kim<enter>");
    assert!(
        shown(&model).contains("no column user"),
        "{}",
        shown(&model)
    );
    send(&mut model, ticket, vec![line(9, r#"{"user":"kim"}"#)]);
    assert!(shown(&model).contains("hides 5"), "{}", shown(&model));
}

#[test]
fn colours_of_containers_are_kept_as_far_as_the_terminal_has_them() {
    let (model, _) = open(mixed());
    let screen = shown(&model);
    assert!(screen.contains("greennd 10%"), "written over: {screen}");
    assert_eq!(cell_of(&model, "greennd").fg, Color::Indexed(2));
    let (model, _) = open(vec![line(0, "\u{1b}[38;2;255;0;0mred\u{1b}[1;44m blue")]);
    assert_eq!(cell_of(&model, "red blue").fg, Color::Indexed(196));
    let blue = cell_of(&model, " blue");
    assert_eq!(blue.bg, Color::Indexed(4));
    assert!(blue.modifier.contains(Modifier::BOLD));

    let mut colourless = options();
    colourless.theme = Theme {
        colours: Colours::None,
        unicode: true,
        palette: Palette::DARK,
    };
    let mut model = Model::new(colourless, SMALL, NOW);
    let _ = update(&mut model, NOW, Event::Snapshot(snapshot().into()));
    let Some(Effect::OpenLogs { ticket, .. }) = press(&mut model, "l").pop() else {
        panic!("no logs");
    };
    send(&mut model, ticket, mixed());
    let buffer = frame(&model, SMALL);
    let colourless = |cell: &ratatui::buffer::Cell| (cell.fg, cell.bg) == Default::default();
    assert!(buffer.content.iter().all(colourless));
    assert!(text(&buffer).contains("greennd 10%"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_that_a_container_writes_takes_over_the_terminal(
        raw in proptest::collection::vec(any::<u8>(), 0..200),
        pieces in proptest::collection::vec(prop_oneof![
            Just("\u{1b}["), Just("2J"), Just("\u{1b}]52;c;"), Just("\u{9b}"), Just("\u{7}"),
            Just("\r"), Just("{\"msg\":\""), Just("\\u001b[2J"), Just("\"}"), Just("\u{202e}"),
            Just("\u{8}"), Just("\u{90}"), Just("日本"), Just("\u{7f}"), Just("\u{85}"),
        ], 0..20),
        keys in prop_oneof![Just(""), Just("w"), Just("J"), Just("C<enter><esc>"), Just("/m")],
    ) {
        let texts = [String::from_utf8_lossy(&raw).into_owned(), pieces.concat()];
        let (mut model, ticket) = open(texts.iter().map(|text| line(0, text)).collect());
        let reason = texts.concat();
        send(&mut model, ticket, vec![LogItem::Broken { task: TaskId(1), reason }]);
        press(&mut model, keys);
        for cell in &frame(&model, SMALL).content {
            let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            let harmless = |c: char| !c.is_control() && !turns(c);
            prop_assert!(cell.symbol().chars().all(harmless), "{:?}", cell.symbol());
        }
    }
}

/// What the last effect asks the engines for.
fn asked(effects: &[Effect]) -> (u64, LogTarget, LogOptions) {
    match effects.last() {
        Some(Effect::OpenLogs {
            ticket,
            target,
            options,
        }) => (*ticket, target.clone(), options.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_are_read_anew_from_the_time_that_is_chosen() {
    let mut model = console(SMALL);
    let (before, _, options) = asked(&press(&mut model, "l"));
    assert!(options.follow && options.tail.is_some() && options.since.is_none());
    send(&mut model, before, hundred());
    press(&mut model, "S");
    assert!(shown(&model).contains("▸ the newest 500 lines"));
    let effects = press(&mut model, "hour<enter>");
    assert_eq!(effects[0], Effect::CloseLogs(before));
    let (ticket, _, options) = asked(&effects);
    assert_eq!(options.since, Some(TimeMs(NOW.0 - 3_600_000)));
    assert!(options.follow && options.tail.is_none());
    let screen = shown(&model);
    assert!(
        screen.contains("the last hour · following") && !screen.contains("query"),
        "{screen}"
    );
    send(&mut model, before, vec![line(1, "of before")]);
    send(&mut model, ticket, vec![line(2, "of now")]);
    let screen = shown(&model);
    assert!(
        screen.contains("of now") && !screen.contains("of before"),
        "{screen}"
    );
}

#[test]
fn times_are_clocks_dates_or_none() {
    let (mut model, _) = open(vec![line(0, "hello")]);
    assert!(
        shown(&model).contains("▎ 14:11:40 00000000"),
        "{}",
        shown(&model)
    );
    press(&mut model, "t");
    assert!(shown(&model).contains("▎ 2026-09-21 14:11:40 00000000"));
    press(&mut model, "t");
    assert!(shown(&model).contains("▎ 00000000"));
}

#[test]
fn an_event_leads_to_what_was_written_around_it() {
    let mut model = console(SMALL);
    let (ticket, _, options) = asked(&press(&mut model, "4l"));
    assert!(!options.follow && options.tail.is_none());
    let (since, until) = (options.since.unwrap(), options.until.unwrap());
    assert_eq!(until.0 - since.0, 60_000);
    let at = since.0 + 30_000;
    let lines = (0..60).map(|second| LogItem::Line {
        at: TimeMs(since.0 + second * 1_000 + 1),
        task: TaskId(0xab),
        container: ContainerName::new("api").unwrap(),
        instance: instance_name("ops-a2"),
        stream: LogStream::Stdout,
        text: format!("second {second}"),
    });
    send(&mut model, ticket, lines.collect());
    let ended = Event::LogsEnded {
        ticket,
        error: None,
    };
    let _ = update(&mut model, NOW, ended);
    let screen = shown(&model);
    let row = |words: &str| screen.lines().position(|row| row.contains(words));
    let mark = screen.lines().position(|row| row.starts_with("── 20"));
    assert_eq!(
        mark.unwrap() + 1,
        row("second 30").unwrap(),
        "{at} {screen}"
    );
    assert_eq!(mark.unwrap() - 1, row("second 29").unwrap(), "{screen}");
    assert!(screen.contains("around ") && screen.contains("held, "));
}

#[test]
fn everything_on_an_instance_is_named_by_service() {
    let mut model = console(SMALL);
    let effects = press(&mut model, "3l");
    let (ticket, target, _) = asked(&effects);
    assert!(matches!(target, LogTarget::Instance { instance } if instance.as_str() == "ops-a1"));
    let here = snapshot().state;
    let tasks = here
        .tasks
        .values()
        .filter(|task| task.instance.as_str() == "ops-a1");
    let lines = tasks.map(|task| LogItem::Line {
        at: NOW,
        task: task.id,
        container: ContainerName::new("main").unwrap(),
        instance: task.instance.clone(),
        stream: LogStream::Stdout,
        text: match &task.service {
            Some(service) => format!("I am of {service}"),
            None => format!("I am of {}", task.task_definition.family),
        },
    });
    let lines: Vec<_> = lines.collect();
    assert!(lines.len() > 1);
    send(&mut model, ticket, lines);
    let screen = shown(&model);
    for line in screen.lines().filter(|line| line.contains("I am of ")) {
        let service = line.split(' ').next_back().unwrap();
        let named = line.split_whitespace().nth(2).unwrap();
        assert_eq!(named, service, "{screen}");
    }
    let wide = text(&frame_at(&mut model, LARGE));
    assert!(wide.contains("main"), "{wide}");
}

fn frame_at(model: &mut Model, size: (u16, u16)) -> ratatui::buffer::Buffer {
    let _ = update(model, NOW, Event::Resize(size.0, size.1));
    frame(model, size)
}

#[test]
fn what_passes_the_filter_is_saved_and_nothing_written_over_unasked() {
    let (mut model, ticket) = open(hundred());
    press(&mut model, "&slow<enter>s");
    let screen = shown(&model);
    assert!(
        screen.contains("save to ~/api-20260921-141320.log▏")
            && screen.contains("10 lines, those that"),
        "{screen}"
    );
    press(&mut model, "<back><back><back><back>.txt");
    let effects = press(&mut model, "<enter>");
    let [
        Effect::SaveLogs {
            path,
            lines: 10,
            text,
            over: false,
            ..
        },
    ] = effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    assert_eq!(path, "~/api-20260921-141320.txt");
    let first = "2026-09-21T14:11:40.007Z 00000001 proxy | SLOW query 007 took 900 ms";
    assert_eq!(text.lines().next(), Some(first));
    assert_eq!(text.lines().count(), 10);
    let outcome = |outcome| Event::LogsSaved {
        ticket,
        path: path.clone(),
        lines: 10,
        outcome,
    };
    let _ = update(&mut model, NOW, outcome(Saved::Exists));
    assert!(shown(&model).contains("It exists: enter writes over it."));
    // Another name is asked for afresh.
    press(&mut model, "x");
    assert!(!shown(&model).contains("It exists"));
    press(&mut model, "<esc>");
    let _ = update(&mut model, NOW, outcome(Saved::Exists));
    let effects = press(&mut model, "<enter>");
    assert!(matches!(
        effects.as_slice(),
        [Effect::SaveLogs { over: true, .. }]
    ));
    let _ = update(
        &mut model,
        NOW,
        outcome(Saved::Failed("disk full".to_owned())),
    );
    assert!(shown(&model).contains("disk full"));
    let _ = update(&mut model, NOW, outcome(Saved::Written));
    assert!(
        shown(&model).contains("Saved 10 lines to ~/api"),
        "{}",
        shown(&model)
    );
}

/// A flood costs what it brings: nothing looks at all that is held for each batch of lines.
#[test]
fn a_flood_leaves_the_ring_bounded_and_the_page_at_hand() {
    let (mut model, ticket) = open(Vec::new());
    press(&mut model, "&!never<enter>/line 7<enter>f");
    for batch in 0..200 {
        let lines =
            (0..500).map(|n| line(n, &format!("{{\"msg\":\"line {batch} {n}\",\"n\":{n}}}")));
        send(&mut model, ticket, lines.collect());
        assert_eq!(press(&mut model, "n"), []);
    }
    press(&mut model, "G");
    let screen = shown(&model);
    assert!(
        screen.contains("line 199 499") && screen.contains("following"),
        "{screen}"
    );
    press(&mut model, "g");
    assert!(
        shown(&model).contains("let go: only the newest"),
        "{}",
        shown(&model)
    );
}

#[test]
fn tasks_are_told_apart_by_colour_and_a_search_leaves_no_shift() {
    let far = format!("{}needle", "hay ".repeat(50));
    let (mut model, _) = open(vec![line(0, "of 0"), line(1, "of 1"), line(2, &far)]);
    let colour = |words: &str| cell_of(&model, words).fg;
    let marks = ["00000000", "00000001", "00000002"].map(colour);
    assert!(marks[0] != marks[1] && marks[1] != marks[2] && marks[0] != marks[2]);
    press(&mut model, "/needle<enter>");
    assert!(shown(&model).contains("from column"), "{}", shown(&model));
    press(&mut model, "<esc>");
    assert!(shown(&model).contains("hay hay") && !shown(&model).contains("from column"));
}
