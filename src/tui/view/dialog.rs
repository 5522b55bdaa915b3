//! Boxes over the screen: questions, prompts, lists to choose from, notices.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Widget};

use super::super::compare;
use super::super::fleet::Mood;
use super::super::hit::Target;
use super::super::layout::Layout;
use super::super::state::{Choice, Layer, Model, Notice};
use super::super::text;
use super::super::update::picker_items;
use super::super::yank;
use super::{Screen, commands, grid, header, places, proposal, shell};

/// Columns of a box.
pub(super) const COLUMNS: u16 = 66;
/// Rows of a list to choose from.
const ITEMS: usize = 10;

pub(super) fn draw(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let middle = layout.body;
    let layer = screen.model.layers.last();
    let asks = matches!(
        layer,
        Some(
            Layer::Confirm(_)
                | Layer::Number { .. }
                | Layer::Picker { .. }
                | Layer::Palette(_)
                | Layer::Shell(_)
                | Layer::Notice(_)
        )
    );
    if asks {
        // What lies under a question waits for its answer.
        screen.hit(middle, || Target::Cover);
    }
    match layer {
        Some(Layer::Confirm(it)) => proposal::draw(screen, it, middle, buffer),
        Some(Layer::Number { service, input }) => {
            let now = screen.model.snapshot.state.services.get(service);
            let desired = now.map_or(0, |s| s.desired_count);
            let lines = vec![
                Line::from(vec![
                    Span::raw("Desired count: "),
                    Span::styled(format!("{input}▏"), screen.theme.accent()),
                ]),
                Line::from(Span::styled(
                    format!("It is {desired} now."),
                    screen.theme.dim(),
                )),
            ];
            let title = format!("Scale service {}", service.1);
            boxed(screen, &title, lines, screen.theme.accent(), middle, buffer);
        }
        Some(Layer::Picker {
            choice,
            typed,
            selected,
        }) => picker(screen, choice, typed, selected, middle, buffer),
        Some(Layer::Palette(open)) => commands::draw(screen, open, middle, buffer),
        Some(Layer::Shell(prompt)) => {
            let (title, lines) = shell::lines(screen, prompt);
            boxed(screen, &title, lines, screen.theme.accent(), middle, buffer);
        }
        Some(Layer::Notice(it)) => notice(screen, it, middle, buffer),
        _ => return toasts(screen, layout, buffer),
    }
    // Nothing covers what is to be answered.
    toasts_in_line(screen, layout.detail, buffer);
}

/// Something that must be read.
fn notice(screen: &Screen<'_>, it: &Notice, within: Rect, buffer: &mut Buffer) {
    let columns = usize::from(COLUMNS.min(within.width)).saturating_sub(4);
    let mut lines = Vec::new();
    for paragraph in &it.words {
        let pieces = text::wrap(&text::clean(paragraph), columns);
        lines.extend(pieces.into_iter().map(Line::from));
        lines.push(Line::default());
    }
    lines.push(Line::from(vec![
        Span::styled("esc", screen.theme.accent()),
        Span::raw(" go on"),
    ]));
    let style = screen.theme.mood(Mood::Bad);
    boxed(screen, &it.title, lines, style, within, buffer);
}

fn picker(
    screen: &Screen<'_>,
    choice: &Choice,
    typed: &str,
    selected: &str,
    area: Rect,
    buffer: &mut Buffer,
) {
    let model = screen.model;
    let (title, current) = match choice {
        Choice::Cluster => (
            "Choose a cluster".to_owned(),
            Some(model.cluster_view.label().to_owned()),
        ),
        Choice::Since => ("Read logs from".to_owned(), None),
        Choice::Copy(_) => ("Copy".to_owned(), None),
        Choice::Columns => ("Fields with a column of their own".to_owned(), None),
        Choice::Compared(id) => (format!("Compare {id} with"), None),
        Choice::Replica(task) => (format!("Compare task {} with", task.short()), None),
        Choice::Revision(key) => {
            let service = model.snapshot.state.services.get(key);
            let primary = service.and_then(|s| s.primary());
            (
                format!("Update service {} to", key.1),
                primary.map(|d| d.task_definition.to_string()),
            )
        }
    };
    let items = picker_items(model, choice, typed);
    let clusters = places::choices(screen, choice);
    let said_of = |item: &str| clusters.as_ref().map(|all| places::choice(all, item));
    let at = items.iter().position(|i| i == selected).unwrap_or(0);
    let top = (at + 1).saturating_sub(ITEMS);
    let mut lines = vec![Line::from(vec![
        Span::styled("/", screen.theme.dim()),
        Span::styled(format!("{typed}▏"), screen.theme.accent()),
    ])];
    if items.is_empty() {
        lines.push(Line::from(Span::styled(
            "Nothing matches.",
            screen.theme.dim(),
        )));
    }
    for (row, item) in items.iter().enumerate().skip(top).take(ITEMS) {
        let chosen = row == at;
        let style = if chosen {
            screen.theme.accent()
        } else {
            Style::new()
        };
        let mark = if chosen { "▸ " } else { "  " };
        let now = match choice {
            Choice::Cluster => "  shown now",
            _ => "  runs now",
        };
        let now = (current.as_ref() == Some(item)).then_some(now);
        lines.push(Line::from(vec![
            Span::styled(format!("{mark}{}", label(model, choice, item)), style),
            Span::styled(said_of(item).unwrap_or_default(), screen.theme.dim()),
            Span::styled(now.unwrap_or_default(), screen.theme.dim()),
        ]));
    }
    let shown = items.len().saturating_sub(top).min(ITEMS);
    let inner = boxed(screen, &title, lines, screen.theme.accent(), area, buffer);
    // What was typed is above them.
    for (at, row) in inner.rows().skip(1).take(shown).enumerate() {
        screen.hit(row, || Target::Item(top + at));
    }
}

/// What is shown of an item.
fn label(model: &Model, choice: &Choice, item: &str) -> String {
    match (choice, item.parse()) {
        (Choice::Replica(_), Ok(task)) => compare::label(model, task),
        (Choice::Copy(source), _) => {
            let pieces = yank::pieces(model, source);
            let columns = pieces.iter().map(|it| text::width(&it.what)).max();
            let found = pieces.iter().find(|it| it.what == item);
            let text = found.map_or("", |it| it.text.lines().next().unwrap_or_default());
            format!("{item:<0$}  {text}", columns.unwrap_or(0))
        }
        _ => item.to_owned(),
    }
}

/// A box in the middle; gives where its lines are.
fn boxed(
    screen: &Screen<'_>,
    title: &str,
    lines: Vec<Line<'static>>,
    style: Style,
    within: Rect,
    buffer: &mut Buffer,
) -> Rect {
    let width = COLUMNS.min(within.width);
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(4).min(within.height);
    let area = Rect::new(
        within.x + (within.width - width) / 2,
        within.y + (within.height - height) / 3,
        width,
        height,
    );
    frame(screen, title, style, area, buffer);
    let inner = Rect::new(area.x + 2, area.y + 2, width - 4, height - 3);
    for (line, row) in lines.iter().zip(inner.rows()) {
        grid::put(buffer, row.x, row.y, line, row.width);
    }
    // Keys, where there are some, are in the last line.
    if let (Some(line), Some(row)) = (lines.last(), inner.rows().nth(lines.len() - 1)) {
        header::hit_keys(screen, line, row);
    }
    inner
}

/// A box with nothing in it but its title.
pub(super) fn frame(
    screen: &Screen<'_>,
    title: &str,
    style: Style,
    area: Rect,
    buffer: &mut Buffer,
) {
    Clear.render(area, buffer);
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(style)
        .render(area, buffer);
    let line = Line::from(Span::styled(
        format!(" {title} "),
        style.patch(screen.theme.strong()),
    ));
    grid::put(
        buffer,
        area.x + 2,
        area.y,
        &line,
        area.width.saturating_sub(4),
    );
}

/// Notices at the right, above the footer, the newest at the bottom.
fn toasts(screen: &Screen<'_>, layout: &Layout, buffer: &mut Buffer) {
    let width = 60.min(layout.body.width - 2);
    let mut bottom = layout.body.bottom();
    for (place, toast) in screen.model.toasts.iter().enumerate().rev() {
        let lines = text::wrap(&toast.words(), usize::from(width) - 4);
        let shown = lines.len().min(5);
        let height = u16::try_from(shown).unwrap_or(5) + 2;
        if bottom < layout.body.y + height {
            return;
        }
        bottom -= height;
        let area = Rect::new(layout.body.right() - width - 1, bottom, width, height);
        screen.hit(area, || Target::Toast(place));
        let mood = if toast.bad { Mood::Bad } else { Mood::Calm };
        Clear.render(area, buffer);
        Block::bordered()
            .border_type(BorderType::Rounded)
            .border_style(screen.theme.mood(mood))
            .render(area, buffer);
        for (line, row) in lines.into_iter().take(shown).zip(area.rows().skip(1)) {
            grid::put(buffer, row.x + 2, row.y, &Line::from(line), width - 4);
        }
    }
}

/// Notices while a box is open: the newest in the line under the body, the others counted.
fn toasts_in_line(screen: &Screen<'_>, area: Rect, buffer: &mut Buffer) {
    let toasts = &screen.model.toasts;
    let Some(newest) = toasts.iter().next_back() else {
        return;
    };
    let (sign, mood) = match newest.bad {
        true => ("✕", Mood::Bad),
        false => ("●", Mood::Busy),
    };
    let more = match toasts.iter().len() - 1 {
        0 => String::new(),
        n => format!(" (+{n})"),
    };
    Clear.render(area, buffer);
    let words = format!("{sign} {}{more}", newest.words());
    super::header::say(screen, mood, &words, area, buffer);
}
