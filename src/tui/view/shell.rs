//! The question in which container a shell is wanted.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::ClusterName;

use super::super::fleet::Mood;
use super::super::shell::{ShellPrompt, containers};
use super::{Screen, dialog, silent, text};

/// Said of a command with signs in it that shells read.
const NO_SHELL: &str = "No shell reads the command: each word goes to the program as it stands. \
                        For pipes, variables and patterns: sh -c '…'.";

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
    let default = ClusterName::default_cluster();
    let cli = prompt.cli(task.map_or(&default, |task| &task.cluster));
    let (cli, style) = match cli {
        Ok(cli) => (format!("$ {cli}"), dim),
        Err(why) => (why, screen.theme.mood(Mood::Warn)),
    };
    let columns = usize::from(dialog::COLUMNS) - 4;
    let mut say = |words: &str, style| {
        let pieces = text::wrap(&text::clean(words), columns).into_iter();
        lines.extend(pieces.map(|it| Line::from(Span::styled(it, style))));
    };
    say(&cli, style);
    if prompt.looks_like_shell() {
        let warn = screen.theme.mood(Mood::Warn);
        say(NO_SHELL, warn);
    }
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
