//! Reading logs: searching, filtering, scrolling, what is lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use quarterdeck::client::LogItem;
use quarterdeck::docker::LogStream;
use quarterdeck::model::{ContainerName, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};
use ratatui::style::Color;

use crate::fleet::{NOW, console, instance_name};
use crate::screens::{SMALL, frame, press, text};

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
    assert_eq!(painted(&model, Color::Yellow), "SLOW", "the one in sight");
    press(&mut model, "<enter>NN");
    let screen = shown(&model);
    assert!(
        screen.contains("7/10") && screen.contains("SLOW query 067"),
        "{screen}"
    );
    assert_eq!(painted(&model, Color::Yellow), "SLOW");
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
    assert_eq!(painted(&model, Color::Yellow), "needle");
    press(&mut model, "/query 003<enter>");
    assert_eq!(painted(&model, Color::Yellow), "query 003");
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

#[test]
fn rows_of_a_long_line_are_scrolled_one_by_one() {
    let long: String = (0..400).map(|n| format!("w{n:03} ")).collect();
    let (mut model, _) = open(vec![line(0, "first"), line(1, &long)]);
    press(&mut model, "w");
    assert!(shown(&model).contains("w399"), "{}", shown(&model));
    press(&mut model, "g");
    assert!(shown(&model).contains("first"));
    press(&mut model, "jj");
    let screen = shown(&model);
    assert!(
        !screen.contains("w000") && screen.contains("w012") && screen.contains("held"),
        "{screen}"
    );
    press(&mut model, "G");
    assert!(shown(&model).contains("w399"));
    press(&mut model, "k");
    assert!(!shown(&model).contains("w399"));
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
