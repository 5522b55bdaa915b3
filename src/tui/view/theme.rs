//! Colours and signs: what a state looks like, with many colours, few, or none.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::super::fleet::{Mood, Stage};

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// None: words, signs and reverse video say everything.
    None,
    /// The eight of old.
    Basic,
    /// 256 and more.
    Full,
}

/// Colours and signs of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// How many colours.
    pub colours: Colours,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
}

impl Theme {
    /// What the environment says: `NO_COLOR`, `TERM`, `COLORTERM`, and the locale's variables.
    #[must_use]
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = get("TERM").unwrap_or_default();
        let colours = if get("NO_COLOR").is_some() || term == "dumb" {
            Colours::None
        } else if get("COLORTERM").is_some() || term.contains("256") || term.contains("direct") {
            Colours::Full
        } else {
            Colours::Basic
        };
        let locale = get("LC_ALL")
            .or_else(|| get("LC_CTYPE"))
            .or_else(|| get("LANG"));
        let locale = locale.unwrap_or_default().to_lowercase();
        Self {
            colours,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    pub(crate) fn mood(self, mood: Mood) -> Style {
        match mood {
            Mood::Quiet => self.dim(),
            Mood::Calm => Style::new().fg(Color::Green),
            Mood::Busy => Style::new().fg(Color::Cyan),
            Mood::Warn => Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            Mood::Bad => Style::new()
                .fg(Color::LightRed)
                .add_modifier(Modifier::BOLD),
        }
    }

    pub(crate) fn dim(self) -> Style {
        match self.colours {
            Colours::Full => Style::new().fg(Color::Indexed(244)),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// Lines and other furniture.
    pub(crate) fn rule(self) -> Style {
        match self.colours {
            Colours::Full => Style::new().fg(Color::Indexed(240)),
            _ => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn accent(self) -> Style {
        Style::new()
            .fg(Color::LightCyan)
            .add_modifier(Modifier::BOLD)
    }

    /// A sign that must be seen, such as SIMULATED.
    pub(crate) fn badge(self, colour: Color) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            _ => Style::new()
                .fg(Color::Black)
                .bg(colour)
                .add_modifier(Modifier::BOLD),
        }
    }

    /// A style that a container asked for, in the colours that there are.
    pub(crate) fn fit(self, style: Style) -> Style {
        let fit = |colour: Option<Color>| colour.map(|it| super::depth::fit(it, self.colours));
        Style {
            fg: fit(style.fg),
            bg: fit(style.bg),
            ..style
        }
    }

    /// What was searched for; `here` where the search is at.
    pub(crate) fn found(self, here: bool) -> Style {
        match (self.colours, here) {
            (Colours::None, true) => Style::new().add_modifier(Modifier::REVERSED),
            (Colours::None, false) => Style::new().add_modifier(Modifier::UNDERLINED),
            (_, true) => Style::new().fg(Color::Black).bg(Color::Yellow),
            (Colours::Full, false) => Style::new().fg(Color::Indexed(230)).bg(Color::Indexed(58)),
            (Colours::Basic, false) => Style::new()
                .fg(Color::Yellow)
                .add_modifier(Modifier::UNDERLINED),
        }
    }

    /// Marks the selected row.
    pub(crate) fn select(self, buffer: &mut Buffer, area: Rect, focused: bool) {
        if self.colours != Colours::Full {
            let modifier = if focused {
                Modifier::REVERSED
            } else {
                Modifier::BOLD
            };
            buffer.set_style(area, Style::new().add_modifier(modifier));
            return;
        }
        let background = Color::Indexed(if focused { 24 } else { 236 });
        for position in area.intersection(buffer.area).positions() {
            let cell = &mut buffer[position];
            cell.bg = background;
            match cell.fg {
                Color::Reset => cell.fg = Color::Indexed(255),
                Color::Indexed(240 | 244) => cell.fg = Color::Indexed(250),
                _ => {}
            }
            if focused {
                cell.modifier |= Modifier::BOLD;
            }
        }
    }

    /// Takes out of a finished frame what the terminal cannot show.
    pub(crate) fn finish(self, buffer: &mut Buffer) {
        if self.colours != Colours::None && self.unicode {
            return;
        }
        for cell in &mut buffer.content {
            if self.colours == Colours::None {
                cell.fg = Color::Reset;
                cell.bg = Color::Reset;
            }
            if !self.unicode && !cell.symbol().is_ascii() {
                cell.set_char(ascii(cell.symbol()));
            }
        }
    }
}

fn ascii(symbol: &str) -> char {
    match symbol.chars().next().unwrap_or(' ') {
        '─' | '╌' | '–' | '—' => '-',
        '━' => '=',
        '│' | '▎' | '┃' => '|',
        '╭' | '╮' | '╰' | '╯' | '├' | '┤' => '+',
        '╱' => '/',
        '●' => '*',
        '○' => 'o',
        '◐' => '~',
        '▲' => '!',
        '✕' | '×' => 'x',
        '◌' => '?',
        '▸' | '→' => '>',
        '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '…' => '.',
        '·' => '.',
        '⌈' | '⌊' => '[',
        '░' => ':',
        '▒' => '%',
        '▉' | '▏' => '|',
        _ => '?',
    }
}

/// The sign of a mood.
pub(crate) fn sign(mood: Mood) -> &'static str {
    match mood {
        Mood::Quiet => "○",
        Mood::Calm => "●",
        Mood::Busy => "◐",
        Mood::Warn => "▲",
        Mood::Bad => "✕",
    }
}

/// The sign of a task's stage, one a task in a service's row.
pub(crate) fn pip(stage: Stage) -> (&'static str, Mood) {
    match stage {
        Stage::Running => ("●", Mood::Calm),
        Stage::Unhealthy => ("▲", Mood::Bad),
        Stage::Starting => ("◐", Mood::Busy),
        Stage::Unreachable => ("◌", Mood::Warn),
        Stage::Lost => ("✕", Mood::Bad),
        Stage::Stopping | Stage::Stopped => ("·", Mood::Quiet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(pairs: &[(&str, &str)]) -> Theme {
        Theme::detect(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_decides() {
        let full = theme(&[("TERM", "tmux-256color"), ("LANG", "C.UTF-8")]);
        assert_eq!((full.colours, full.unicode), (Colours::Full, true));
        let none = theme(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]);
        assert_eq!((none.colours, none.unicode), (Colours::None, false));
        let basic = theme(&[("TERM", "linux"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]);
        assert_eq!((basic.colours, basic.unicode), (Colours::Basic, false));
        assert_eq!(theme(&[("NO_COLOR", "")]).colours, Colours::Basic);
    }
}
