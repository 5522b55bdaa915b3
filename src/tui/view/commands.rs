//! The command palette: a box over the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::super::hit::Target;
use super::super::palette::{Found, Palette, area, note, rows};
use super::super::text;
use super::{Screen, grid};

/// Columns that a line's words keep, whatever else there is to say.
const WORDS_LEAST: u16 = 30;

pub(super) fn draw(screen: &Screen<'_>, palette: &Palette, body: Rect, buffer: &mut Buffer) {
    let area = area(body);
    Clear.render(area, buffer);
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(screen.theme.accent())
        .render(area, buffer);
    let inner = Rect::new(area.x + 2, area.y + 1, area.width - 4, area.height - 2);
    input(screen, palette, inner, buffer);
    let rule = format!("├{}┤", "─".repeat(usize::from(area.width - 2)));
    buffer.set_string(area.x, inner.y + 1, rule, screen.theme.accent());
    if palette.found.is_empty() {
        nothing(screen, inner, buffer);
    }
    let height = usize::from(rows(body));
    let shown = palette.found.iter().skip(palette.list.top).take(height);
    let keys = palette.found.iter().map(|found| text::width(&found.key));
    let keys = u16::try_from(keys.max().unwrap_or(0)).unwrap_or(0);
    for (at, found) in shown.enumerate() {
        let y = inner.y + 2 + u16::try_from(at).unwrap_or(0);
        let row = Rect::new(area.x + 1, y, area.width - 2, 1);
        let place = palette.list.top + at;
        screen.hit(row, || Target::Found(place));
        line(screen, found, keys, row, buffer);
        if palette.list.selected.as_ref() == Some(&found.offer) {
            buffer.set_string(row.x, y, "▸", screen.theme.accent());
            screen.theme.select(buffer, row, true);
        }
    }
}

/// What is typed, and how much matches.
fn input(screen: &Screen<'_>, palette: &Palette, inner: Rect, buffer: &mut Buffer) {
    let count = match palette.matches {
        0 => String::new(),
        n => text::number(n as u64),
    };
    let used = u16::try_from(count.len()).unwrap_or(0);
    let typed = Line::from(vec![
        Span::styled(": ", screen.theme.accent()),
        Span::styled(format!("{}▏", palette.typed), screen.theme.strong()),
    ]);
    grid::put(buffer, inner.x, inner.y, &typed, inner.width - used - 1);
    buffer.set_string(inner.right() - used, inner.y, count, screen.theme.dim());
}

fn nothing(screen: &Screen<'_>, inner: Rect, buffer: &mut Buffer) {
    let words = [
        "Nothing matches.",
        "Type letters of an action, of a name, or of both: drain h3, logs web.",
    ];
    for (at, words) in words.into_iter().enumerate() {
        let y = inner.y + 2 + u16::try_from(at).unwrap_or(0);
        if y < inner.bottom() {
            let line = Line::from(Span::styled(words, screen.theme.dim()));
            grid::put(buffer, inner.x, y, &line, inner.width);
        }
    }
}

/// The words with what was typed of them, what kind of thing it is, and its key.
fn line(screen: &Screen<'_>, found: &Found, keys: u16, row: Rect, buffer: &mut Buffer) {
    let mut right = row.right().saturating_sub(1);
    if keys > 0 {
        let used = u16::try_from(text::width(&found.key)).unwrap_or(0);
        buffer.set_string(right - used, row.y, &found.key, screen.theme.accent());
        right = right.saturating_sub(keys + 2);
    }
    let left = row.x + 2;
    let spans: Vec<Span<'_>> = pieces(found)
        .map(|(piece, typed)| {
            let style = if typed {
                screen.theme.accent()
            } else {
                Style::new()
            };
            Span::styled(piece, style)
        })
        .collect();
    let words = Line::from(spans);
    let all = right.saturating_sub(left);
    let needs = u16::try_from(words.width()).unwrap_or(u16::MAX);
    let needs = needs.clamp(WORDS_LEAST.min(all), all);
    let room = all.saturating_sub(needs + 2);
    let told = note(screen.model, &found.offer);
    let note = text::cut(&told, usize::from(room));
    let used = u16::try_from(text::width(&note)).unwrap_or(0);
    buffer.set_string(right - used, row.y, &*note, screen.theme.dim());
    let room = if used == 0 { all } else { all - used - 2 };
    grid::put(buffer, left, row.y, &words, room);
}

/// The words in pieces that were typed and pieces that were not.
fn pieces(found: &Found) -> impl Iterator<Item = (&str, bool)> {
    let is_typed = |at: usize| u32::try_from(at).is_ok_and(|at| found.typed.contains(&at));
    let mut ends: Vec<(usize, bool)> = Vec::new();
    for (at, (start, c)) in found.words.char_indices().enumerate() {
        let (end, typed) = (start + c.len_utf8(), is_typed(at));
        match ends.last_mut() {
            Some(last) if last.1 == typed => last.0 = end,
            _ => ends.push((end, typed)),
        }
    }
    let mut from = 0;
    ends.into_iter().map(move |(end, typed)| {
        let piece = &found.words[from..end];
        from = end;
        (piece, typed)
    })
}
