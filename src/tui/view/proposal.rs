//! The box of a question: what is done, the plan of it, the same on the command line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::controller::core::Action;

use super::super::command_line;
use super::super::fleet::Mood;
use super::super::proposal::{Foreseen, Proposal, StepRow};
use super::super::state::{Layer, Model};
use super::super::text;
use super::super::update::{asked, names};
use super::{Screen, dialog, grid, header, places};

/// The most columns of a box with a plan: longer lines are hard to read.
const COLUMNS: u16 = 110;
/// The most command lines that are shown; the rest is counted.
const COMMANDS: usize = 2;
/// How many of somebody else's changes are told.
const MEANWHILE_MAX: usize = 8;
/// Rows of the border, and of the air within it.
const FRAME_ROWS: u16 = 4;
/// The most columns that a reason may be pushed to the right.
const BEFORE_WHY: usize = 44;

/// From how many columns on a reason has more than its first clause.
const WIDE_WHY: usize = 60;

/// The first clauses of a reason; `qd plan` tells the whole of it.
fn short(why: &str, clauses: usize) -> &str {
    let mut ends = why.match_indices("; ").map(|(at, _)| at);
    let end = ends.nth(clauses.saturating_sub(1));
    end.map_or(why, |at| &why[..at])
}

/// A question, laid out.
struct Sheet {
    /// What scrolls.
    lines: Vec<Line<'static>>,
    /// What stays at the bottom: the command line and the keys.
    foot: Vec<Line<'static>>,
    area: Rect,
}

impl Sheet {
    fn rows(&self) -> usize {
        let foot = u16::try_from(self.foot.len()).unwrap_or(u16::MAX);
        usize::from(self.area.height.saturating_sub(FRAME_ROWS + foot)).max(1)
    }

    fn last_top(&self) -> usize {
        self.lines.len().saturating_sub(self.rows())
    }
}

/// The last line that may be the first one shown of the question on top.
pub(crate) fn last_top(model: &Model) -> Option<usize> {
    let body = model.layout()?.body;
    let screen = Screen::new(model, model.now);
    match model.layers.last()? {
        Layer::Confirm(proposal) => Some(sheet(&screen, proposal, body).last_top()),
        _ => None,
    }
}

pub(super) fn draw(screen: &Screen<'_>, proposal: &Proposal, within: Rect, buffer: &mut Buffer) {
    let sheet = sheet(screen, proposal, within);
    let asked = asked(screen.model, proposal);
    let style = match asked.danger {
        true => screen.theme.mood(Mood::Bad),
        false => screen.theme.accent(),
    };
    let area = sheet.area;
    dialog::frame(screen, &asked.title, style, area, buffer);
    let (last, rows) = (sheet.last_top(), sheet.rows());
    let top = proposal.top.min(last);
    let mut marks = Vec::new();
    if proposal.changed_at.is_some() {
        marks.push("updated");
    }
    if top < last {
        marks.push("more below");
    }
    if !marks.is_empty() {
        let line = Line::from(Span::styled(
            format!(" {} ", marks.join(" · ")),
            screen.theme.mood(Mood::Warn),
        ));
        let used = u16::try_from(line.width()).unwrap_or(0);
        let x = area.right().saturating_sub(used + 2);
        grid::put(buffer, x, area.bottom() - 1, &line, used);
    }
    let width = area.width - 4;
    let mut y = area.y + 2;
    for line in sheet.lines.iter().skip(top).take(rows) {
        grid::put(buffer, area.x + 2, y, line, width);
        y += 1;
    }
    for line in &sheet.foot {
        if y + 1 < area.bottom() {
            header::hit_keys(screen, line, Rect::new(area.x + 2, y, width, 1));
            grid::put(buffer, area.x + 2, y, line, width);
        }
        y += 1;
    }
}

fn sheet(screen: &Screen<'_>, proposal: &Proposal, within: Rect) -> Sheet {
    let most = if proposal.quits() {
        dialog::COLUMNS
    } else {
        COLUMNS
    };
    let width = most.min(within.width.saturating_sub(2));
    let columns = usize::from(width.saturating_sub(4));
    let mut pen = Pen {
        screen,
        columns,
        lines: Vec::new(),
    };
    pen.proposal(proposal);
    let lines = std::mem::take(&mut pen.lines);
    pen.foot(proposal);
    let foot = pen.lines;
    let rows = u16::try_from(lines.len() + foot.len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(FRAME_ROWS).min(within.height);
    let area = Rect::new(
        within.x + (within.width - width) / 2,
        within.y + (within.height - height) / 3,
        width,
        height,
    );
    Sheet { lines, foot, area }
}

/// Lines being written.
struct Pen<'a> {
    screen: &'a Screen<'a>,
    columns: usize,
    lines: Vec<Line<'static>>,
}

impl Pen<'_> {
    fn words(&mut self, words: &str, style: Style) {
        for piece in text::wrap(&text::clean(words), self.columns) {
            self.lines.push(Line::from(Span::styled(piece, style)));
        }
    }

    fn gap(&mut self) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
    }

    fn proposal(&mut self, proposal: &Proposal) {
        let (model, theme) = (self.screen.model, self.screen.theme);
        if !proposal.departed.is_empty() {
            self.words(
                "The fleet had moved, so nothing was done. What differs:",
                theme.mood(Mood::Warn),
            );
            for line in &proposal.departed {
                self.words(line, Style::new());
            }
            self.gap();
        }
        self.meanwhile(&proposal.meanwhile);
        let asked = asked(model, proposal);
        let names = names(model, &proposal.acts);
        for line in &names {
            self.words(line, theme.accent());
        }
        if !names.is_empty() {
            self.gap();
        }
        match &proposal.plan {
            Some(Ok(foreseen)) => {
                for sentence in &foreseen.sentences {
                    self.words(sentence, theme.strong());
                }
            }
            _ => {
                for line in &asked.estimate {
                    self.words(line, Style::new());
                }
            }
        }
        for note in &asked.notes {
            self.words(note, Style::new());
        }
        match &proposal.plan {
            _ if proposal.quits() => {}
            None => {
                self.gap();
                self.words("planning …", theme.dim());
            }
            Some(Err(reason)) => {
                self.gap();
                let words = format!("There is no plan of this: {reason}");
                self.words(&words, theme.mood(Mood::Warn));
            }
            Some(Ok(foreseen)) => self.foreseen(foreseen),
        }
    }

    /// What somebody else has changed, which the text may undo.
    fn meanwhile(&mut self, changed: &[String]) {
        if changed.is_empty() {
            return;
        }
        let warn = self.screen.theme.mood(Mood::Warn);
        let words = "It changed while you edited, and is set back where your text says otherwise:";
        self.words(words, warn);
        for line in changed.iter().take(MEANWHILE_MAX) {
            self.words(line, Style::new());
        }
        if let Some(more) = changed.len().checked_sub(MEANWHILE_MAX + 1) {
            self.words(&format!("and {} more", more + 1), Style::new());
        }
        self.gap();
    }

    fn foreseen(&mut self, foreseen: &Foreseen) {
        let (theme, report) = (self.screen.theme, &foreseen.report);
        for unplaced in &report.unplaced {
            self.words(&format!("no place: {unplaced}"), theme.mood(Mood::Warn));
        }
        for warning in &report.warnings {
            self.words(warning, theme.mood(Mood::Warn));
        }
        if !report.services.is_empty() || !report.tight.is_empty() {
            self.gap();
            for course in &report.services {
                let style = match course.falls_below_its_floor() {
                    true => theme.mood(Mood::Warn),
                    false => Style::new(),
                };
                let of = places::prefix(self.screen, &course.cluster);
                self.words(&format!("{of}{}", course.on_the_way()), style);
            }
            for tight in &report.tight {
                self.words(&tight.to_string(), theme.mood(Mood::Warn));
            }
        }
        self.rounds(foreseen);
        if !report.at_rest {
            self.words(
                "This was not followed to its end: what comes after these steps is left out.",
                theme.dim(),
            );
        }
    }

    fn rounds(&mut self, foreseen: &Foreseen) {
        let theme = self.screen.theme;
        let widest = |of: fn(&StepRow) -> &str| {
            let widths = foreseen.rows.iter().map(|row| text::width(of(row)));
            widths.max().unwrap_or(0)
        };
        let (what, place) = (widest(|row| &row.what), widest(|row| &row.place));
        let mut round = 0;
        let mut before = None;
        for row in &foreseen.rows {
            if row.round != round {
                (round, before) = (row.round, None);
                self.gap();
                let words = match round {
                    1 => "Round 1, at once".to_owned(),
                    n => format!("Round {n}, once round {} is done", n - 1),
                };
                self.words(&words, theme.accent());
            }
            // What was just said is not said again.
            let said = before.replace(row.why.as_str()) == Some(row.why.as_str());
            self.step(row, if said { "" } else { &row.why }, what, place);
        }
        if foreseen.more > 0 {
            let words = format!("And {} more.", text::count(foreseen.more as u64, "step"));
            self.words(&words, theme.dim());
        }
    }

    fn step(&mut self, row: &StepRow, why: &str, what: usize, place: usize) {
        let theme = self.screen.theme;
        let (sign, word, mood) = match row.action {
            Action::Start => ("+", "start", Mood::Calm),
            Action::Stop => ("-", "stop ", Mood::Warn),
        };
        let pad = |words: &str, columns: usize| {
            let short = columns.saturating_sub(text::width(words));
            format!("{words}{}", " ".repeat(short))
        };
        let head = vec![
            Span::styled(format!("{sign} {word} "), theme.mood(mood)),
            Span::styled(pad(&row.what, what), theme.strong()),
            Span::raw("  "),
            Span::raw(pad(&row.place, place)),
            Span::raw("  "),
        ];
        let before: usize = 8 + what + 2 + place + 2;
        let before = before.min(BEFORE_WHY);
        let room = self.columns.saturating_sub(before);
        let why = short(why, if room < WIDE_WHY { 1 } else { 2 });
        let mut pieces = text::wrap(&text::clean(why), room).into_iter();
        let mut first = head;
        first.push(Span::styled(pieces.next().unwrap_or_default(), theme.dim()));
        self.lines.push(Line::from(first));
        for piece in pieces {
            let line = format!("{}{piece}", " ".repeat(before));
            self.lines.push(Line::from(Span::styled(line, theme.dim())));
        }
    }

    /// The command line and the keys.
    fn foot(&mut self, proposal: &Proposal) {
        let (model, theme) = (self.screen.model, self.screen.theme);
        self.lines.push(Line::default());
        for act in proposal.acts.iter().take(COMMANDS) {
            let cli = command_line::line(act, &model.snapshot.state);
            for piece in text::wrap(&cli, self.columns.saturating_sub(2)) {
                self.lines
                    .push(Line::from(Span::styled(format!("$ {piece}"), theme.dim())));
            }
        }
        let more = proposal.acts.len().saturating_sub(COMMANDS);
        if more > 0 {
            let words = format!("  and {more} more such commands");
            self.lines
                .push(Line::from(Span::styled(words, theme.dim())));
        }
        self.lines.push(Line::default());
        let wanted = proposal.wanted_name(&model.snapshot.state);
        if let Some(name) = &wanted {
            self.lines.push(Line::from(vec![
                Span::styled("PROTECTED", theme.mood(Mood::Bad)),
                Span::raw(format!("  type {name} to go on: ")),
                Span::styled(format!("{}▏", proposal.typed), theme.accent()),
            ]));
            self.lines.push(Line::default());
        }
        let keys = self.keys(proposal, wanted.is_some());
        self.lines.push(Line::from(keys));
    }

    fn keys(&self, proposal: &Proposal, typing: bool) -> Vec<Span<'static>> {
        let theme = self.screen.theme;
        let mut spans = Vec::new();
        let mut key = |key: &'static str, does: &'static str| {
            spans.push(Span::styled(key, theme.accent()));
            spans.push(Span::raw(format!(" {does}    ")));
        };
        match &proposal.plan {
            _ if proposal.sent.is_some() => {
                let words = "being carried out …    ";
                return vec![
                    Span::styled(words, theme.mood(Mood::Busy)),
                    Span::styled("esc", theme.accent()),
                    Span::raw(" close this"),
                ];
            }
            _ if proposal.quits() => key("y", "quit"),
            Some(Ok(_)) => key("enter", "do exactly this"),
            Some(Err(_)) => {}
            None => spans.push(Span::styled("enter waits for the plan    ", theme.dim())),
        }
        let mut key = |key: &'static str, does: &'static str| {
            spans.push(Span::styled(key, theme.accent()));
            spans.push(Span::raw(format!(" {does}    ")));
        };
        if proposal.may_go_blind() {
            key(if typing { "ctrl-o" } else { "w" }, "do it without a plan");
        }
        if matches!(proposal.plan, Some(Ok(_))) {
            key(if typing { "tab" } else { "m" }, "on the map");
        }
        if !typing && proposal.acts.iter().any(|act| act.edited().is_some()) {
            key("e", "edit again");
        }
        key(if typing { "esc" } else { "n" }, "leave it");
        spans
    }
}
