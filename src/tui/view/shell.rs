//! The question in which container a shell is wanted.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::super::fleet::Mood;
use super::super::shell::{ShellPrompt, containers};
use super::{Screen, dialog, silent, text};

/// Title and lines of the question.
pub(super) fn lines(screen: &Screen<'_>, prompt: &ShellPrompt) -> (String, Vec<Line<'static>>) {
    let (dim, accent) = (screen.theme.dim(), screen.theme.accent());
    let task = screen.model.snapshot.state.tasks.get(&prompt.task);
    let mut lines = Vec::new();
    for name in task.map(|task| containers(task)).unwrap_or_default() {
        let chosen = *name == prompt.container;
        let (mark, style) = if chosen {
            ("▸ ", accent)
        } else {
            ("  ", Style::new())
        };
        lines.push(Line::from(Span::styled(format!("{mark}{name}"), style)));
    }
    if lines.is_empty() {
        lines.push(Line::from(Span::styled(
            "Nothing of it runs any more.",
            dim,
        )));
    }
    if let Some(since) = task.and_then(|task| silent::since(screen.model, task)) {
        let host = task.map_or("its host", |task| silent::host(task));
        let words = format!(
            "{host} has not answered for {}: a shell will hardly open there.",
            screen.age_exact(since)
        );
        let warn = screen.theme.mood(Mood::Warn);
        let pieces = text::wrap(&words, usize::from(dialog::COLUMNS) - 4);
        lines.push(Line::default());
        lines.extend(
            pieces
                .into_iter()
                .map(|it| Line::from(Span::styled(it, warn))),
        );
    }
    lines.push(Line::default());
    let mut command = vec![
        Span::raw("Command: "),
        Span::styled(format!("{}▏", prompt.command), accent),
    ];
    if prompt.command.is_empty() {
        command.push(Span::styled(" bash, or else sh", dim));
    }
    lines.push(Line::from(command));
    lines.push(Line::default());
    let cli = format!("$ {}", prompt.cli());
    lines.push(Line::from(Span::styled(cli, dim)));
    lines.push(Line::default());
    lines.push(Line::from(vec![
        Span::styled("enter", accent),
        Span::raw(" begin    "),
        Span::styled("↑↓", accent),
        Span::raw(" container    "),
        Span::styled("esc", accent),
        Span::raw(" leave it"),
    ]));
    let of = task.map(|task| text::clean(task.whereabouts()).into_owned());
    let on = of.map(|of| format!(" on {of}")).unwrap_or_default();
    (format!("Shell in task {}{on}", prompt.task.short()), lines)
}
