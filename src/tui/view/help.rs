//! The help, made from the keymap.

use ratatui::text::{Line, Span};

use super::super::fleet::{Mood, Stage};
use super::super::keymap;
use super::super::text;
use super::Screen;
use super::page::Page;
use super::theme::{pip, sign};

/// From this width on the help shows what the config file calls each action.
const NAMES_COLUMNS: u16 = 110;

/// What a filter is made of.
const FILTER: [(&str, &str); 6] = [
    ("web lost", "every word must occur, in any case"),
    ("!web", "must not occur"),
    ("zone:1a", "in that column: its head, or how it begins"),
    ("/api|web/", "a regular expression; spaces may be in it"),
    ("^web$", "the same, where its signs give it away"),
    (
        "",
        "what cannot be read is said beside it and hides nothing",
    ),
];

pub(super) fn page(screen: &Screen<'_>, columns: u16) -> Page {
    let columns = usize::from(columns.saturating_sub(2));
    let mut lines = Vec::new();
    // What the config file calls them, where there is room.
    let named = screen.model.size.0 >= NAMES_COLUMNS;
    for (title, places) in keymap::chapters() {
        lines.push(Line::from(Span::styled(title, screen.theme.strong())));
        let options = &screen.model.options;
        let offered = options
            .keys
            .offered(places, options.read_only, screen.model.is_simulated());
        for bound in offered {
            let keys = bound.keys.join(" ");
            let mut spans = vec![Span::styled(format!("  {keys:<16}"), screen.theme.accent())];
            if named {
                let name = format!("{:<24}", bound.name());
                spans.push(Span::styled(name, screen.theme.dim()));
            }
            told(&mut lines, spans, bound.binding.help, columns);
        }
        lines.push(Line::default());
    }
    lines.push(Line::from(Span::styled(
        "In a filter",
        screen.theme.strong(),
    )));
    for (term, words) in FILTER {
        let term = Span::styled(format!("  {term:<16}"), screen.theme.accent());
        told(&mut lines, vec![term], words, columns);
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled("Signs", screen.theme.strong())));
    let moods = [
        (Mood::Calm, "as it should be"),
        (Mood::Busy, "on its way: starting, stopping, deploying"),
        (Mood::Warn, "worth a look"),
        (Mood::Bad, "wrong: failed, lost, not answering"),
        (Mood::Quiet, "over"),
    ];
    for (mood, words) in moods {
        lines.push(sign_line(screen, sign(mood), mood, words));
    }
    lines.push(Line::default());
    lines.push(Line::from(Span::styled(
        "A service's tasks, one sign each",
        screen.theme.strong(),
    )));
    let stages = [
        (Stage::Running, "running and healthy"),
        (Stage::Starting, "starting"),
        (Stage::Unhealthy, "its health check fails"),
        (
            Stage::Unreachable,
            "its instance does not answer; waited for",
        ),
        (Stage::Lost, "given up for lost with its instance"),
        (Stage::Stopping, "stopping"),
    ];
    for (stage, words) in stages {
        let (sign, mood) = pip(stage);
        lines.push(sign_line(screen, sign, mood, words));
    }
    lines.push(sign_line(screen, "○", Mood::Quiet, "wanted and not there"));
    lines.push(Line::default());
    for words in [
        "A bar ▎ at a row's left: it belongs to what is selected in the focused list.",
        "A ? after a number or a word: as it was last heard, from an instance that is silent now.",
    ] {
        told(&mut lines, Vec::new(), words, columns);
    }
    Page::new("Help".to_owned(), lines)
}

/// Words after what stands before them, in as many lines as they take.
fn told(lines: &mut Vec<Line<'static>>, before: Vec<Span<'static>>, words: &str, columns: usize) {
    let indent: usize = before.iter().map(Span::width).sum();
    let mut before = Some(before);
    for piece in text::wrap(words, columns.saturating_sub(indent)) {
        let taken = before.take();
        let mut spans = taken.unwrap_or_else(|| vec![Span::raw(" ".repeat(indent))]);
        spans.push(Span::raw(piece));
        lines.push(Line::from(spans));
    }
}

fn sign_line(
    screen: &Screen<'_>,
    sign: &'static str,
    mood: Mood,
    words: &'static str,
) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("  {sign}               "), screen.theme.mood(mood)),
        Span::raw(words),
    ])
}
