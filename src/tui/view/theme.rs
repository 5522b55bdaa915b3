//! Colours and signs: what a state looks like, with many colours, few, or none.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::super::fleet::{Mood, Stage};
use super::palette::Palette;
use super::{ascii, depth};

/// The roles that a theme of one's own can colour.
pub(crate) const ROLES: &[&str] = &[
    "background",
    "text",
    "dim",
    "rule",
    "accent",
    "calm",
    "busy",
    "warn",
    "bad",
    "selected",
    "idle",
    "ink",
];

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// None: words, signs and reverse video say everything.
    None,
    /// The sixteen of old.
    Basic,
    /// 256.
    Full,
    /// Any.
    True,
}

impl Colours {
    /// How the config file names them.
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("truecolor", Self::True),
        ("256", Self::Full),
        ("16", Self::Basic),
        ("none", Self::None),
    ];
}

/// Colours and signs of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// How many colours.
    pub colours: Colours,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
    /// Which ones.
    pub palette: Palette,
}

impl Theme {
    /// What the environment says: `NO_COLOR`, `TERM`, `COLORTERM`, and the locale's variables.
    #[must_use]
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let term = get("TERM").unwrap_or_default();
        let colours = if get("NO_COLOR").is_some() || term == "dumb" {
            Colours::None
        } else {
            match get("COLORTERM").as_deref() {
                Some("truecolor" | "24bit") => Colours::True,
                _ if term.contains("direct") => Colours::True,
                Some(_) => Colours::Full,
                None if term.contains("256") => Colours::Full,
                None => Colours::Basic,
            }
        };
        let locale = get("LC_ALL")
            .or_else(|| get("LC_CTYPE"))
            .or_else(|| get("LANG"));
        let locale = locale.unwrap_or_default().to_lowercase();
        Self {
            colours,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            palette: Palette::DARK,
        }
    }

    /// Whether the theme's own colours can be shown, not only the sixteen of old.
    pub(crate) fn is_rich(&self) -> bool {
        matches!(self.colours, Colours::Full | Colours::True)
    }

    pub(crate) fn mood(&self, mood: Mood) -> Style {
        let style = |colour| Style::new().fg(colour);
        match mood {
            Mood::Quiet => self.dim(),
            Mood::Calm => style(self.palette.calm),
            Mood::Busy => style(self.palette.busy),
            Mood::Warn => style(self.palette.warn).add_modifier(Modifier::BOLD),
            Mood::Bad => style(self.palette.bad).add_modifier(Modifier::BOLD),
        }
    }

    pub(crate) fn dim(&self) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new().fg(self.palette.dim),
        }
    }

    /// Lines and other furniture.
    pub(crate) fn rule(&self) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new().fg(self.palette.rule),
        }
    }

    pub(crate) fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn accent(&self) -> Style {
        Style::new()
            .fg(self.palette.accent)
            .add_modifier(Modifier::BOLD)
    }

    /// What is marked.
    pub(crate) fn marked(&self) -> Style {
        Style::new()
            .fg(self.palette.warn)
            .add_modifier(Modifier::BOLD)
    }

    /// A sign that must be seen, such as SIMULATED.
    pub(crate) fn badge(&self, colour: Color) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            _ => self.block(colour).add_modifier(Modifier::BOLD),
        }
    }

    /// What was searched for; `here` where the search is at.
    pub(crate) fn found(&self, here: bool) -> Style {
        match (self.colours, here) {
            (Colours::None, true) => Style::new().add_modifier(Modifier::REVERSED),
            (Colours::None, false) => Style::new().add_modifier(Modifier::UNDERLINED),
            (_, true) => self.block(Color::Yellow),
            (_, false) => Style::new()
                .fg(self.palette.warn)
                .bg(self.palette.idle)
                .add_modifier(Modifier::UNDERLINED),
        }
    }

    /// Text on a block of a colour.
    pub(crate) fn block(&self, colour: Color) -> Style {
        Style::new().fg(self.palette.ink).bg(colour)
    }

    /// What is under the cursor of the stowage map, with the theme's own colours.
    pub(crate) fn cursor(&self) -> Style {
        let ground = self.palette.background.unwrap_or(self.palette.ink);
        Style::new()
            .fg(ground)
            .bg(self.palette.text)
            .add_modifier(Modifier::BOLD)
    }

    /// Marks the selected row.
    pub(crate) fn select(&self, buffer: &mut Buffer, area: Rect, focused: bool) {
        if !self.is_rich() {
            let modifier = if focused {
                Modifier::REVERSED
            } else {
                Modifier::BOLD
            };
            buffer.set_style(area, Style::new().add_modifier(modifier));
            return;
        }
        let palette = &self.palette;
        for position in area.intersection(buffer.area).positions() {
            let cell = &mut buffer[position];
            cell.bg = match focused {
                true => palette.selected,
                false => palette.idle,
            };
            if [Color::Reset, palette.dim, palette.rule].contains(&cell.fg) {
                cell.fg = palette.text;
            }
            if focused {
                cell.modifier |= Modifier::BOLD;
            }
        }
    }

    /// A cell's colours, as the terminal can show them.
    fn shown(&self, fg: Color, bg: Color, is_block: bool) -> (Color, Color) {
        match self.colours {
            Colours::None => (Color::Reset, Color::Reset),
            Colours::Basic if is_block => depth::sixteen_as_is(&self.palette, fg, bg),
            Colours::Basic => depth::sixteen(&self.palette, fg, bg),
            Colours::Full => {
                let (fg, bg) = depth::all(&self.palette, fg, bg);
                (depth::to_256(fg), depth::to_256(bg))
            }
            Colours::True => depth::all(&self.palette, fg, bg),
        }
    }

    /// Turns what is meant in a finished frame into what the terminal can show: the one place
    /// where colours and signs come down to what there is.
    pub(crate) fn finish(&self, buffer: &mut Buffer) {
        // Cells side by side mostly have the same colours.
        let mut last = None;
        for cell in &mut buffer.content {
            let asked = (cell.fg, cell.bg, is_block(cell.symbol()));
            let shown = match last {
                Some((same, shown)) if same == asked => shown,
                _ => self.shown(asked.0, asked.1, asked.2),
            };
            last = Some((asked, shown));
            (cell.fg, cell.bg) = shown;
            cell.underline_color = Color::Reset;
            if !self.unicode && !cell.symbol().is_ascii() {
                cell.set_char(ascii::form(cell.symbol()).unwrap_or('?'));
            }
        }
    }
}

/// Whether a symbol is a piece of a surface, and nothing to be read.
fn is_block(symbol: &str) -> bool {
    symbol.starts_with(['▉', '▏', '█', '░', '▒', '▓', '╱'])
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
        let any = theme(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]);
        assert_eq!(any.colours, Colours::True);
        let some = theme(&[("TERM", "xterm"), ("COLORTERM", "yes"), ("LC_CTYPE", "C")]);
        assert_eq!((some.colours, some.unicode), (Colours::Full, false));
        let basic = theme(&[("TERM", "linux"), ("LC_ALL", "C"), ("LANG", "C.UTF-8")]);
        assert_eq!((basic.colours, basic.unicode), (Colours::Basic, false));
        assert_eq!(theme(&[("NO_COLOR", "")]).colours, Colours::Basic);
    }
}
