//! The timeline: one axis over the whole width, and what happened around the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use crate::model::{Happening, Severity, TimeMs};

use super::super::hit::Target;
use super::super::layout::Layout;
use super::super::text;
use super::super::timeline::{Mark, Timeline};
use super::{Screen, empty, grid, header, page, places};
use crate::tui::fleet::Mood;

/// Rows above the list: the title, the cursor's moment, the marks, the axis, its times, the legend
/// and a rule.
const HEAD: u16 = 7;

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let area = layout.body;
    let timeline = &screen.model.timeline;
    let right = match &timeline.history {
        Some(Ok(history)) => match history.begins {
            Some(begins) if !history.more => {
                format!("the log begins at {}", screen.moment(begins))
            }
            Some(_) => format!(
                "the newest {}",
                text::number(history.happenings.len() as u64)
            ),
            None => String::new(),
        },
        _ => String::new(),
    };
    page::title(screen, &title(timeline), &right, area, buffer);
    let words = match &timeline.history {
        None => Some("Asking for what happened …".to_owned()),
        Some(Err(error)) => Some(format!("What happened is not to be had: {error}")),
        Some(Ok(_)) if timeline.shown.is_empty() => {
            Some("Nothing of that happened, or the filter hides it: esc lets go of it.".to_owned())
        }
        Some(Ok(_)) => None,
    };
    if let Some(words) = words {
        let below = Rect {
            y: area.y + 2,
            ..area
        };
        empty(screen, below, &words, buffer);
    } else {
        axis(screen, timeline, area, buffer);
        list(screen, timeline, area, buffer);
    }
    sentence(screen, timeline, layout.detail, buffer);
}

fn title(timeline: &Timeline) -> String {
    let count = text::count(timeline.shown.len() as u64, "happening");
    let cursor = if timeline.typing { "▏" } else { "" };
    let filter = match timeline.filter.as_str() {
        "" if !timeline.typing => String::new(),
        filter => format!(" · /{}{cursor}", text::clean(filter)),
    };
    let wrong = timeline.wrong.as_deref().unwrap_or_default();
    format!("Timeline · {count}{filter} {wrong}")
        .trim_end()
        .to_owned()
}

/// How a mark is drawn: what is wrong in the colour of how bad it is, the rest by its kind.
fn style(screen: &Screen<'_>, severity: Severity, mark: Mark) -> Style {
    let theme = screen.theme;
    match (severity, mark) {
        (Severity::Error, _) => theme.mood(Mood::Bad),
        (Severity::Warning, _) | (_, Mark::Refused) => theme.mood(Mood::Warn),
        (_, Mark::Operator) => theme.accent(),
        (_, Mark::Deployment) => theme.mood(Mood::Busy),
        (_, Mark::Instance | Mark::Health) => theme.mood(Mood::Calm),
        (_, Mark::Exit | Mark::Service | Mark::Task) => theme.dim(),
    }
}

fn axis(screen: &Screen<'_>, timeline: &Timeline, area: Rect, buffer: &mut Buffer) {
    let theme = screen.theme;
    let (x, width) = (area.x + 1, area.width.saturating_sub(2));
    let Some((from, to)) = timeline.window() else {
        return;
    };
    let columns = usize::from(width);
    let at = |column: usize| x + u16::try_from(column).unwrap_or(0);
    for (column, mark) in timeline.marks(columns).into_iter().enumerate() {
        let cell = mark.map(|(severity, mark)| (mark.sign().0, style(screen, severity, mark)));
        let (sign, style) = cell.unwrap_or((" ", Style::new()));
        buffer.set_string(at(column), area.y + 2, sign, style);
    }
    buffer.set_string(x, area.y + 3, "─".repeat(columns), theme.rule());
    for column in 0..columns {
        // From the cursor's moment down to the times.
        if let Some(row) = screen
            .is_asked()
            .then(|| timeline.row_at(column, columns))
            .flatten()
        {
            let there = Rect::new(at(column), area.y + 1, 1, 4);
            screen.hit(there, || Target::Moment(row));
        }
    }
    let middle = from.plus_ms(to.since_ms(from) / 2);
    let days = to.since_ms(from) >= 24 * 3_600_000;
    let words = |moment| match days {
        true => screen.moment(moment),
        false => screen.clock(moment),
    };
    let used = |words: &str| u16::try_from(text::width(words)).unwrap_or(0);
    let (first, half, last) = (words(from), words(middle), words(to));
    let y = area.y + 4;
    let half_x = x + width.saturating_sub(used(&half)) / 2;
    let last_x = (x + width).saturating_sub(used(&last));
    for (x, words) in [(x, first), (half_x, half), (last_x, last)] {
        buffer.set_string(x, y, words, theme.dim());
    }
    if let Some(it) = timeline.current()
        && let Some(column) = timeline.column(it.at, columns)
    {
        let words = screen.moment(it.at);
        let (here, used) = (at(column), used(&words));
        let start = here
            .saturating_sub(used / 2)
            .clamp(x, (x + width).saturating_sub(used).max(x));
        buffer.set_string(start, area.y + 1, &words, theme.accent());
        buffer.set_string(here, area.y + 3, "▲", theme.accent());
    }
    let legend = Mark::ALL.into_iter().flat_map(|mark| {
        let (sign, word) = mark.sign();
        [
            Span::styled(format!("{sign} "), style(screen, Severity::Info, mark)),
            Span::styled(format!("{word}  "), theme.dim()),
        ]
    });
    let legend = Line::from(legend.collect::<Vec<_>>());
    grid::put(buffer, x, area.y + 5, &legend, width);
    let rule = "─".repeat(usize::from(area.width));
    buffer.set_string(area.x, area.y + 6, rule, theme.rule());
}

/// What happened around the cursor, oldest first, the cursor in the middle where there is enough.
fn list(screen: &Screen<'_>, timeline: &Timeline, area: Rect, buffer: &mut Buffer) {
    let rows = usize::from(area.height.saturating_sub(HEAD));
    let last_top = timeline.shown.len().saturating_sub(rows);
    let top = timeline.row.saturating_sub(rows / 2).min(last_top);
    for line in 0..rows {
        let row = top + line;
        let Some(it) = timeline.at(row) else { break };
        let y = area.y + HEAD + u16::try_from(line).unwrap_or(0);
        let words = words(screen, it);
        let whole = Rect::new(area.x, y, area.width, 1);
        screen.hit(whole, || Target::Happening(row));
        grid::put(buffer, area.x + 2, y, &words, area.width.saturating_sub(3));
        if row == timeline.row {
            buffer.set_string(area.x, y, "▸", screen.theme.accent());
            screen.theme.select(buffer, whole, true);
        }
    }
}

fn words(screen: &Screen<'_>, it: &Happening) -> Line<'static> {
    let mark = Mark::of(&it.event);
    let style = style(screen, it.event.severity, mark);
    let loud = it.event.severity > Severity::Info || mark == Mark::Refused;
    let plain = if loud { style } else { Style::new() };
    let mut spans = vec![
        Span::styled(
            format!("{} ", screen.clock(it.event.at)),
            screen.theme.dim(),
        ),
        Span::styled(format!("{} ", mark.sign().0), style),
    ];
    let margin = places::margin(screen, &it.event.cluster);
    spans.push(Span::styled(margin, screen.theme.dim()));
    if let Some(audit) = &it.event.audit {
        let surface = format!("[{}] ", audit.surface.as_str());
        spans.push(Span::styled(surface, screen.theme.dim()));
    }
    let message = text::clean(&it.event.message).into_owned();
    spans.push(Span::styled(message, plain));
    Line::from(spans)
}

fn sentence(screen: &Screen<'_>, timeline: &Timeline, area: Rect, buffer: &mut Buffer) {
    if screen.model.is_stale() {
        header::detail(screen, area, buffer);
        return;
    }
    let words = match timeline.current() {
        // Here it ends, though the log does not.
        Some(it) if timeline.row == 0 && timeline.is_cut() => format!(
            "The oldest of the newest {}. For what was before: qd history --until {}",
            text::number(timeline.happenings().len() as u64),
            utc(it.at),
        ),
        Some(it) => format!(
            "{} ago. Enter shows the whole fleet as it was right after this.",
            screen.age_exact(it.at)
        ),
        None => String::new(),
    };
    header::say(screen, Mood::Calm, &words, area, buffer);
}

/// What the header says while the past is looked at.
pub(super) fn banner(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let model = screen.model;
    let Some(past) = &model.past else { return };
    let ago = model.now.since_ms(past.received);
    let ago = past.present.at.plus_ms(ago).since_ms(model.snapshot.at);
    let moment = screen.moment(model.snapshot.at);
    let ago = text::age_exact(ago).0;
    let badges = Line::from(header::badges(screen));
    let taken = u16::try_from(badges.width()).unwrap_or(0).min(area.width);
    let long = format!(" AS IT WAS at {moment}, {ago} ago — esc returns to now, < and > step ");
    let short = format!(" AS IT WAS at {moment}, {ago} ago — esc: now ");
    let room = usize::from(area.width - taken);
    let words = if text::width(&long) <= room {
        long
    } else {
        short
    };
    let words = format!("{words:<room$}");
    let style = screen.theme.badge(Color::LightMagenta);
    buffer.set_stringn(area.x, area.y, words, room, style);
    grid::put(buffer, area.right() - taken, area.y, &badges, taken);
}

/// A moment as the command line takes it, whatever the time zone there.
fn utc(at: TimeMs) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    let stamp = jiff::Timestamp::from_millisecond(ms);
    stamp.map_or_else(
        |_| "TIME".to_owned(),
        |stamp| stamp.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
