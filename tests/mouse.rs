//! The mouse: what is clicked on is what is drawn there.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use quarterdeck::client::LogItem;
use quarterdeck::docker::LogStream;
use quarterdeck::model::{ContainerName, TaskId, TimeMs};
use quarterdeck::tui::{Effect, Event, Model, update};

use crate::fleet::{NOW, console, instance_name, snapshot};
use crate::screens::{LARGE, SMALL, foresee, frame, press, text};

fn shown(model: &Model, size: (u16, u16)) -> String {
    text(&frame(model, size))
}

/// Where words stand: the column of the first letter, and the row.
fn place(model: &Model, size: (u16, u16), words: &str) -> (u16, u16) {
    let screen = shown(model, size);
    let found = screen.lines().enumerate().find_map(|(row, line)| {
        let column = line.find(words)?;
        Some((line[..column].chars().count(), row))
    });
    let (column, row) = found.unwrap_or_else(|| panic!("no {words} on\n{screen}"));
    (u16::try_from(column).unwrap(), u16::try_from(row).unwrap())
}

fn mouse(
    model: &mut Model,
    at_ms: u64,
    kind: MouseEventKind,
    (column, row): (u16, u16),
) -> Vec<Effect> {
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    update(model, TimeMs(NOW.0 + at_ms), Event::Mouse(event))
}

const LEFT: MouseEventKind = MouseEventKind::Down(MouseButton::Left);

/// One click, long after the one before.
fn click(model: &mut Model, place: (u16, u16)) -> Vec<Effect> {
    let _ = update(model, NOW, Event::Clock);
    mouse(model, 10_000, LEFT, place)
}

fn click_on(model: &mut Model, size: (u16, u16), words: &str) -> Vec<Effect> {
    let there = place(model, size, words);
    click(model, there)
}

fn selected(model: &Model, size: (u16, u16)) -> String {
    let screen = shown(model, size);
    let row = screen.lines().find(|line| line.contains('▸'));
    row.unwrap_or_else(|| panic!("nothing is selected on\n{screen}"))
        .to_owned()
}

#[test]
fn a_click_selects_a_row_and_another_one_opens_it() {
    for size in [SMALL, LARGE] {
        let mut model = console(size);
        click_on(&mut model, size, "search");
        assert!(
            selected(&model, size).contains("search"),
            "{}",
            shown(&model, size)
        );
        let there = place(&model, size, "search");
        let effects = mouse(&mut model, 20_000, LEFT, there);
        assert!(
            matches!(effects.as_slice(), [Effect::Explain { .. }]),
            "{effects:?}"
        );
        assert!(
            shown(&model, size).contains(" Service search "),
            "{}",
            shown(&model, size)
        );
    }
}

#[test]
fn a_double_click_opens_what_it_began_on_although_the_panes_have_moved() {
    let mut model = console(SMALL);
    let there = place(&model, SMALL, "ops-a3");
    mouse(&mut model, 0, LEFT, there);
    assert_ne!(
        place(&model, SMALL, "ops-a3"),
        there,
        "the pane in front has got room"
    );
    mouse(&mut model, 200, LEFT, there);
    assert!(
        shown(&model, SMALL).contains(" Instance ops-a3 "),
        "{}",
        shown(&model, SMALL)
    );
}

#[test]
fn a_click_on_a_pane_brings_it_to_the_front() {
    let mut model = console(SMALL);
    let row = |model: &Model, words: &str| place(model, SMALL, words).1;
    let before = (row(&model, "2 Tasks"), row(&model, "4 Events"));
    click_on(&mut model, SMALL, "4 Events");
    let then = (row(&model, "2 Tasks"), row(&model, "4 Events"));
    assert!(
        then.0 < before.0 && then.1 < before.1,
        "{}",
        shown(&model, SMALL)
    );
    click_on(&mut model, SMALL, "1 Services");
    assert_eq!((row(&model, "2 Tasks"), row(&model, "4 Events")), before);
}

#[test]
fn a_click_on_a_column_s_head_sorts_by_it_and_another_one_turns_that_round() {
    let mut model = console(LARGE);
    click_on(&mut model, LARGE, "RUN");
    assert!(
        shown(&model, LARGE).contains("RUN↓"),
        "{}",
        shown(&model, LARGE)
    );
    click_on(&mut model, LARGE, "RUN");
    assert!(
        shown(&model, LARGE).contains("RUN↑"),
        "{}",
        shown(&model, LARGE)
    );
    // A list that is not in front is sorted where it is.
    click_on(&mut model, LARGE, "MEMORY");
    assert!(
        shown(&model, LARGE).contains("MEMORY↓"),
        "{}",
        shown(&model, LARGE)
    );
    assert!(shown(&model, LARGE).contains("RUN↑"));
}

#[test]
fn a_click_on_the_footer_is_its_key_and_what_changes_things_asks() {
    let mut model = console(LARGE);
    let asked = click_on(&mut model, LARGE, "D delete");
    let [Effect::Plan { .. }, ..] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert!(shown(&model, LARGE).contains("Delete service api"));
    // Enter waits for the plan, and so does its button.
    let plan = foresee(&mut model, &snapshot(), &asked);
    assert_eq!(plan, 1);
    // What lies under the question is not meant.
    assert_eq!(click_on(&mut model, LARGE, "cache"), []);
    assert!(shown(&model, LARGE).contains("Delete service api"));
    let sent = click_on(&mut model, LARGE, "enter do exactly this");
    assert!(
        matches!(sent.as_slice(), [Effect::Apply { .. }]),
        "{sent:?}"
    );
    press(&mut model, "<esc>D");
    assert_eq!(click_on(&mut model, LARGE, "n leave it"), []);
    assert!(!shown(&model, LARGE).contains("Delete service api"));
}

#[test]
fn the_second_half_of_a_double_click_never_answers_the_question_that_the_first_one_asked() {
    for size in [SMALL, (120, 40), LARGE] {
        let mut model = console(size);
        let row = size.1 - 1;
        // Wherever in the footer: nothing is sent, whatever the question offers at that place.
        for column in (0..size.0).step_by(3) {
            press(&mut model, "<esc><esc>");
            let first = mouse(&mut model, u64::from(column) * 10_000, LEFT, (column, row));
            foresee(&mut model, &snapshot(), &first);
            let at = u64::from(column) * 10_000 + 200;
            let second = mouse(&mut model, at, LEFT, (column, row));
            let sends = |it: &Effect| matches!(it, Effect::Apply { .. });
            assert!(
                !first.iter().chain(&second).any(sends),
                "{column}: {first:?} {second:?}"
            );
            if model.has_quit() {
                model = console(size);
            }
        }
    }
}

#[test]
fn the_wheel_scrolls_the_list_under_it_and_what_is_selected_stays_while_it_is_in_sight() {
    let mut model = console(SMALL);
    press(&mut model, "a2");
    let first = selected(&model, SMALL);
    let (column, row) = place(&model, SMALL, "STATE");
    let below = (column, row + 2);
    let before = shown(&model, SMALL);
    mouse(&mut model, 0, MouseEventKind::ScrollDown, below);
    assert_ne!(shown(&model, SMALL), before);
    for _ in 0..50 {
        mouse(&mut model, 0, MouseEventKind::ScrollDown, below);
    }
    let end = shown(&model, SMALL);
    assert_ne!(selected(&model, SMALL), first, "it went out of sight");
    mouse(&mut model, 0, MouseEventKind::ScrollDown, below);
    assert_eq!(shown(&model, SMALL), end, "the end is the end");
    // Over another list: that one, and it need not be in front.
    let there = place(&model, SMALL, "3 Instances");
    mouse(&mut model, 0, MouseEventKind::ScrollDown, there);
    assert_ne!(shown(&model, SMALL), end);
}

#[test]
fn the_wheel_scrolls_pages_logs_lists_to_choose_from_and_questions() {
    let mut model = console(SMALL);
    let middle = (40, 12);
    let moves = |model: &mut Model, what: &str| {
        let before = shown(model, SMALL);
        mouse(model, 0, MouseEventKind::ScrollDown, middle);
        assert_ne!(shown(model, SMALL), before, "{what}");
        mouse(model, 0, MouseEventKind::ScrollUp, middle);
        assert_eq!(shown(model, SMALL), before, "{what}, and back");
    };
    press(&mut model, "?");
    moves(&mut model, "the help");
    press(&mut model, "q:");
    moves(&mut model, "the palette");
    press(&mut model, "<esc>Y");
    moves(&mut model, "what can be copied");
    press(&mut model, "<esc>m");
    let before = shown(&model, SMALL);
    mouse(&mut model, 0, MouseEventKind::ScrollDown, middle);
    assert_ne!(shown(&model, SMALL), before, "the map");
    press(&mut model, "<esc>");
    let effects = press(&mut model, "l");
    let [Effect::OpenLogs { ticket, .. }] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    let line = |n: u64| LogItem::Line {
        at: NOW,
        task: TaskId(7),
        container: ContainerName::new("web").unwrap(),
        instance: instance_name("ops-a1"),
        stream: LogStream::Stdout,
        text: format!("line {n}"),
    };
    let items = (0..100).map(line).collect();
    let _ = update(
        &mut model,
        NOW,
        Event::Logs {
            ticket: *ticket,
            items,
        },
    );
    let end = shown(&model, SMALL);
    assert!(end.contains("line 99"), "{end}");
    mouse(&mut model, 0, MouseEventKind::ScrollUp, middle);
    assert!(
        !shown(&model, SMALL).contains("line 99"),
        "{}",
        shown(&model, SMALL)
    );
    mouse(&mut model, 0, MouseEventKind::ScrollDown, middle);
    assert_eq!(shown(&model, SMALL), end, "at the end it follows again");
}

#[test]
fn a_click_on_a_block_of_the_map_puts_the_cursor_there_and_another_one_opens_it() {
    let mut model = console(LARGE);
    press(&mut model, "m");
    let there = place(&model, LARGE, "ops-b3");
    click(&mut model, (there.0 + 2, there.1 + 2));
    assert!(
        selected(&model, LARGE).contains("ops-b3"),
        "{}",
        shown(&model, LARGE)
    );
    mouse(&mut model, 30_000, LEFT, (there.0 + 2, there.1 + 2));
    let title = shown(&model, LARGE);
    let title = title.lines().nth(1).unwrap_or_default();
    assert!(
        title.contains(" Task ") || title.contains(" Instance ops-b3"),
        "{title}"
    );
}

#[test]
fn a_click_takes_a_line_of_a_list_to_choose_from_and_a_notice_away() {
    let mut model = console(LARGE);
    press(&mut model, "Y");
    let effects = click_on(&mut model, LARGE, "ARN  ");
    let [Effect::Copy(arn), ..] = effects.as_slice() else {
        panic!("{effects:?}");
    };
    assert!(arn.ends_with("service/default/api"), "{arn}");
    click_on(&mut model, LARGE, "Copied ARN");
    assert!(!shown(&model, LARGE).contains("Copied ARN"));
    press(&mut model, ":figures web");
    click_on(&mut model, LARGE, "figures web  ");
    assert!(
        shown(&model, LARGE).contains("Figures of service web"),
        "{}",
        shown(&model, LARGE)
    );
}

#[test]
fn one_key_leaves_the_mouse_to_the_terminal_and_takes_it_back() {
    let mut model = console(LARGE);
    assert_eq!(press(&mut model, "M"), [Effect::Mouse(false)]);
    assert!(
        shown(&model, LARGE).contains("select text"),
        "{}",
        shown(&model, LARGE)
    );
    click_on(&mut model, LARGE, "search");
    assert!(
        selected(&model, LARGE).contains("api"),
        "what was under way means nothing"
    );
    assert_eq!(press(&mut model, "M"), [Effect::Mouse(true)]);
    click_on(&mut model, LARGE, "search");
    assert!(selected(&model, LARGE).contains("search"));
}

#[test]
fn every_place_of_every_size_can_be_clicked_on() {
    for size in [SMALL, (60, 16), LARGE] {
        for keys in [
            "", "m", "<enter>", "%", ":", "D", "u", "?", "H", "l", "s", "Y",
        ] {
            let mut model = console(size);
            for (at, place) in grid(size).enumerate() {
                let at = at as u64 * 1_000;
                press(&mut model, "<esc><esc><esc>");
                press(&mut model, keys);
                mouse(&mut model, at, MouseEventKind::ScrollDown, place);
                mouse(&mut model, at, LEFT, place);
                if model.has_quit() {
                    model = console(size);
                }
            }
        }
    }
}

/// Places over the whole screen, and one beyond each of its ends.
fn grid((columns, rows): (u16, u16)) -> impl Iterator<Item = (u16, u16)> {
    let across = move |row| (0..=7).map(move |part| (columns * part / 7, row));
    (0..=9).flat_map(move |part| across(rows * part / 9))
}
