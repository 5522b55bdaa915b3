//! What each role of the screen is coloured like, in each theme.

use ratatui::style::Color;

/// How many colours there are to tell services apart.
const SERVICES: usize = 14;

/// The colours of a theme. Text is painted on the theme's own background, so that it is readable
/// whatever the terminal's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything; `None` leaves the terminal's own.
    pub background: Option<Color>,
    /// Ordinary text.
    pub text: Color,
    /// What matters less.
    pub dim: Color,
    /// Lines and borders.
    pub rule: Color,
    /// Keys, and what has the focus.
    pub accent: Color,
    /// As it should be.
    pub calm: Color,
    /// On its way.
    pub busy: Color,
    /// Worth a look.
    pub warn: Color,
    /// Wrong.
    pub bad: Color,
    /// Behind the selected row.
    pub selected: Color,
    /// Behind a selected row whose list has not the focus.
    pub idle: Color,
    /// Text on badges and on the blocks of the stowage map.
    pub ink: Color,
    /// Tells services apart.
    pub services: [Color; SERVICES],
    /// Red, yellow, blue, magenta, light green, light blue, light magenta and white, where lines
    /// of logs and the like ask for them; the other named colours are roles.
    pub named: [Color; 8],
}

const fn indexed<const N: usize>(numbers: [u8; N]) -> [Color; N] {
    let mut colours = [Color::Reset; N];
    let mut at = 0;
    while at < N {
        colours[at] = Color::Indexed(numbers[at]);
        at += 1;
    }
    colours
}

/// Nearly all colours are of the table of 256: they are half as long on the wire as any other.
impl Palette {
    /// Light on dark.
    pub const DARK: Self = Self {
        background: Some(Color::Indexed(233)),
        text: Color::Indexed(252),
        dim: Color::Indexed(245),
        rule: Color::Indexed(239),
        accent: Color::Indexed(87),
        calm: Color::Indexed(114),
        busy: Color::Indexed(80),
        warn: Color::Indexed(221),
        bad: Color::Indexed(210),
        selected: Color::Rgb(0x22, 0x3a, 0x5c),
        idle: Color::Indexed(236),
        ink: Color::Indexed(16),
        services: indexed([
            110, 108, 180, 176, 73, 174, 143, 146, 117, 109, 175, 216, 147, 79,
        ]),
        named: indexed([203, 179, 75, 176, 120, 117, 213, 231]),
    };

    /// Dark on light.
    pub const LIGHT: Self = Self {
        background: Some(Color::Indexed(231)),
        text: Color::Indexed(235),
        dim: Color::Indexed(241),
        rule: Color::Indexed(250),
        accent: Color::Indexed(25),
        calm: Color::Indexed(22),
        busy: Color::Indexed(24),
        warn: Color::Indexed(94),
        bad: Color::Indexed(124),
        selected: Color::Rgb(0xd9, 0xec, 0xff),
        idle: Color::Indexed(254),
        ink: Color::Indexed(231),
        services: indexed([24, 22, 94, 90, 23, 124, 58, 60, 25, 53, 88, 54, 18, 240]),
        named: indexed([124, 94, 25, 90, 22, 24, 90, 232]),
    };

    /// As far apart as can be, on black.
    pub const HIGH_CONTRAST: Self = Self {
        background: Some(Color::Indexed(16)),
        text: Color::Indexed(231),
        dim: Color::Indexed(252),
        rule: Color::Indexed(250),
        accent: Color::Indexed(51),
        calm: Color::Indexed(83),
        busy: Color::Indexed(87),
        warn: Color::Indexed(226),
        bad: Color::Indexed(217),
        selected: Color::Indexed(18),
        idle: Color::Indexed(234),
        ink: Color::Indexed(16),
        services: indexed([
            117, 120, 222, 213, 123, 215, 195, 159, 157, 183, 225, 216, 229, 153,
        ]),
        named: indexed([217, 226, 117, 213, 120, 153, 219, 231]),
    };

    /// The themes that are there, by name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("dark", Self::DARK),
        ("light", Self::LIGHT),
        ("high-contrast", Self::HIGH_CONTRAST),
    ];

    /// A role that a theme of one's own can colour, by its name in the config file.
    pub(crate) fn role(&mut self, name: &str) -> Option<&mut Color> {
        Some(match name {
            "text" => &mut self.text,
            "dim" => &mut self.dim,
            "rule" => &mut self.rule,
            "accent" => &mut self.accent,
            "calm" => &mut self.calm,
            "busy" => &mut self.busy,
            "warn" => &mut self.warn,
            "bad" => &mut self.bad,
            "selected" => &mut self.selected,
            "idle" => &mut self.idle,
            "ink" => &mut self.ink,
            _ => return None,
        })
    }

    /// What a named colour is in this theme; any other is itself.
    pub(crate) fn resolve(&self, colour: Color) -> Color {
        match colour {
            Color::Black => self.background.unwrap_or(Color::Black),
            Color::Red => self.named[0],
            Color::Green => self.calm,
            Color::Yellow => self.named[1],
            Color::Blue => self.named[2],
            Color::Magenta => self.named[3],
            Color::Cyan => self.busy,
            Color::Gray => self.text,
            Color::DarkGray => self.dim,
            Color::LightRed => self.bad,
            Color::LightGreen => self.named[4],
            Color::LightYellow => self.warn,
            Color::LightBlue => self.named[5],
            Color::LightMagenta => self.named[6],
            Color::LightCyan => self.accent,
            Color::White => self.named[7],
            Color::Reset | Color::Rgb(..) | Color::Indexed(_) => colour,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::depth::{contrast, to_256};
    use super::*;

    /// The pairs of text and what is behind it, with a word for each.
    fn pairs(palette: &Palette) -> Vec<(String, Color, Color)> {
        let background = palette.background.unwrap();
        let mut pairs = Vec::new();
        let roles = [
            ("text", palette.text),
            ("accent", palette.accent),
            ("calm", palette.calm),
            ("busy", palette.busy),
            ("warn", palette.warn),
            ("bad", palette.bad),
        ];
        let grounds = [
            ("background", background),
            ("selected", palette.selected),
            ("idle", palette.idle),
        ];
        for (role, colour) in roles {
            for (ground, behind) in grounds {
                pairs.push((format!("{role} on {ground}"), colour, behind));
            }
            // Badges.
            pairs.push((format!("ink on {role}"), palette.ink, colour));
        }
        pairs.push(("dim on background".into(), palette.dim, background));
        for (at, colour) in palette.named.iter().enumerate() {
            pairs.push((format!("named {at}"), *colour, background));
        }
        for (at, colour) in palette.services.iter().enumerate() {
            pairs.push((format!("ink on service {at}"), palette.ink, *colour));
            pairs.push((format!("service {at} on idle"), *colour, palette.idle));
        }
        pairs
    }

    #[test]
    fn every_text_is_readable_on_what_is_behind_it() {
        for (name, palette) in Palette::ALL {
            let floor = if name == "high-contrast" { 7.0 } else { 4.5 };
            for (what, text, behind) in pairs(&palette) {
                for (depth, of) in [
                    ("truecolor", (|colour| colour) as fn(Color) -> Color),
                    ("256", to_256),
                ] {
                    let ratio = contrast(of(text), of(behind)).unwrap();
                    assert!(ratio >= floor, "{name} at {depth}: {what} is {ratio:.2}");
                }
            }
        }
    }

    #[test]
    fn contrast_is_as_wcag_has_it() {
        let ratio = |a, b| contrast(a, b).unwrap();
        let black = Color::Rgb(0, 0, 0);
        assert!((ratio(Color::Rgb(255, 255, 255), black) - 21.0).abs() < 0.01);
        // #777777 on white is the well-known grey that just fails at 4.48.
        let grey = ratio(Color::Rgb(0x77, 0x77, 0x77), Color::Rgb(255, 255, 255));
        assert!((grey - 4.48).abs() < 0.01, "{grey}");
    }

    #[test]
    fn every_role_of_the_config_file_is_there() {
        let mut palette = Palette::DARK;
        for role in super::super::theme::ROLES {
            assert!(
                *role == "background" || palette.role(role).is_some(),
                "{role}"
            );
        }
    }
}
