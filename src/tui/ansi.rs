//! What containers write, made harmless: their colours are kept, nothing else that a terminal
//! would obey is.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

use super::text;

/// Columns between tab stops in what containers write.
const TAB: usize = 8;
/// The most changes of colour that are kept of one line.
const CHANGES_MAX: usize = 512;

/// A text without control characters, and from which byte on it has which style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coloured {
    pub text: String,
    /// In ascending order; empty where the text is plain.
    pub styles: Vec<(u32, Style)>,
}

/// A line as a terminal would show it in the end: a carriage return goes back to its beginning
/// and a backspace one place, and what follows writes over what was there; colours are kept.
pub(crate) fn line(raw: &str) -> Coloured {
    if raw.chars().all(text::is_plain) {
        return Coloured {
            text: raw.to_owned(),
            styles: Vec::new(),
        };
    }
    Pen::follow(raw, true).coloured()
}

/// The text with everything taken out that could move the cursor, colour the screen, answer to
/// the terminal or turn the reading direction. Tabs become spaces, ends of lines one each.
pub(crate) fn plain(raw: &str) -> Cow<'_, str> {
    if raw.chars().all(text::is_plain) {
        return Cow::Borrowed(raw);
    }
    let ends = ['\n', '\r', '\u{2028}', '\u{2029}'];
    Cow::Owned(
        Pen::follow(raw.trim_end_matches(ends), false)
            .coloured()
            .text,
    )
}

/// Writes what a terminal would show.
struct Pen {
    cells: Vec<(char, Style)>,
    /// Where the next character goes.
    cursor: usize,
    style: Style,
    /// Whether going back is obeyed.
    goes_back: bool,
}

impl Pen {
    fn follow(raw: &str, goes_back: bool) -> Self {
        let mut pen = Self {
            cells: Vec::with_capacity(raw.len()),
            cursor: 0,
            style: Style::new(),
            goes_back,
        };
        let mut parser = Parser::new();
        let mut from = 0;
        // The parser knows controls of one byte only after an escape.
        for (at, c) in raw.char_indices() {
            if ('\u{80}'..='\u{9f}').contains(&c) {
                let after_escape = (c as u32 - 0x40) as u8;
                parser.advance(&mut pen, &raw.as_bytes()[from..at]);
                parser.advance(&mut pen, &[0x1b, after_escape]);
                from = at + c.len_utf8();
            }
        }
        parser.advance(&mut pen, &raw.as_bytes()[from..]);
        pen
    }

    fn write(&mut self, c: char) {
        let cell = (c, self.style);
        match self.cells.get_mut(self.cursor) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.cursor += 1;
    }

    fn tab(&mut self) {
        let before = &self.cells[..self.cursor.min(self.cells.len())];
        let column: usize = before.iter().map(|(c, _)| c.width().unwrap_or(0)).sum();
        for _ in 0..TAB - column % TAB {
            self.write(' ');
        }
    }

    fn coloured(self) -> Coloured {
        let mut all = Coloured::default();
        let mut style = Style::new();
        for (c, own) in self.cells {
            if own != style && all.styles.len() < CHANGES_MAX {
                let at = u32::try_from(all.text.len()).unwrap_or(u32::MAX);
                all.styles.push((at, own));
                style = own;
            }
            all.text.push(c);
        }
        all
    }

    /// Select Graphic Rendition: colours and weights. What blinks or hides is not obeyed.
    fn render(&mut self, params: &Params) {
        let mut groups = params.iter();
        while let Some(group) = groups.next() {
            let code = group.first().copied().unwrap_or(0);
            let style = self.style;
            self.style = match code {
                0 => Style::new(),
                1 => style.add_modifier(Modifier::BOLD),
                2 => style.add_modifier(Modifier::DIM),
                3 => style.add_modifier(Modifier::ITALIC),
                4 if group.get(1) == Some(&0) => without(style, Modifier::UNDERLINED),
                4 | 21 => style.add_modifier(Modifier::UNDERLINED),
                7 => style.add_modifier(Modifier::REVERSED),
                9 => style.add_modifier(Modifier::CROSSED_OUT),
                22 => without(style, Modifier::BOLD | Modifier::DIM),
                23 => without(style, Modifier::ITALIC),
                24 => without(style, Modifier::UNDERLINED),
                27 => without(style, Modifier::REVERSED),
                29 => without(style, Modifier::CROSSED_OUT),
                30..=37 | 90..=97 => style.fg(named(code % 10, code >= 90)),
                40..=47 | 100..=107 => style.bg(named(code % 10, code >= 100)),
                38 | 48 => {
                    let colour = if group.len() > 1 {
                        extended(&mut group[1..].iter().copied(), true)
                    } else {
                        let mut rest = (&mut groups).map(|g| g.first().copied().unwrap_or(0));
                        extended(&mut rest, false)
                    };
                    match colour {
                        Some(colour) if code == 38 => style.fg(colour),
                        Some(colour) => style.bg(colour),
                        None => style,
                    }
                }
                39 => Style { fg: None, ..style },
                49 => Style { bg: None, ..style },
                _ => style,
            };
        }
    }
}

fn without(mut style: Style, modifier: Modifier) -> Style {
    style.add_modifier.remove(modifier);
    style
}

fn named(code: u16, light: bool) -> Color {
    Color::Indexed(u8::try_from(code).unwrap_or(7) + if light { 8 } else { 0 })
}

/// A colour by its number, or by red, green and blue; between colons a colour space may stand
/// before those.
fn extended(rest: &mut dyn Iterator<Item = u16>, colons: bool) -> Option<Color> {
    let byte = |n: u16| u8::try_from(n).ok();
    match rest.next()? {
        5 => Some(Color::Indexed(byte(rest.next()?)?)),
        2 => {
            let numbers: Vec<u16> = if colons {
                rest.collect()
            } else {
                rest.take(3).collect()
            };
            let [.., red, green, blue] = numbers[..] else {
                return None;
            };
            Some(Color::Rgb(byte(red)?, byte(green)?, byte(blue)?))
        }
        _ => None,
    }
}

impl Perform for Pen {
    fn print(&mut self, c: char) {
        match c {
            '\u{2028}' | '\u{2029}' => self.write(' '),
            c if text::is_plain(c) => self.write(c),
            c if c.is_control() => self.write('?'),
            _ => {}
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\t' => self.tab(),
            b'\r' if self.goes_back => self.cursor = 0,
            8 if self.goes_back => self.cursor = self.cursor.saturating_sub(1),
            b'\r' | b'\n' => self.write(' '),
            7 => {}
            _ => self.write('?'),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        match action {
            'm' => self.render(params),
            // Erase in line, as progress bars do before they write anew.
            'K' if self.goes_back => match params.iter().next().and_then(|p| p.first()) {
                None | Some(0) => self.cells.truncate(self.cursor),
                Some(1) => {
                    let written = self.cursor.min(self.cells.len());
                    self.cells[..written].fill((' ', Style::new()));
                }
                _ => {
                    self.cells.clear();
                    self.cursor = 0;
                }
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn styled(raw: &str) -> Vec<(String, Style)> {
        let Coloured { text, styles } = line(raw);
        let ends = styles.iter().skip(1).map(|(at, _)| *at as usize);
        let ends: Vec<usize> = ends.chain([text.len()]).collect();
        let parts = styles.iter().zip(ends);
        parts
            .map(|((at, style), end)| (text[*at as usize..end].to_owned(), *style))
            .collect()
    }

    #[test]
    fn controls_are_taken_out() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(plain("\u{1b}]0;title\u{7}after"), "after");
        assert_eq!(plain("\u{1b}]52;c;ZXZpbA==\u{1b}\\x"), "x");
        assert_eq!(plain("\u{9d}52;c;ZXZpbA==\u{9c}x"), "x");
        assert_eq!(plain("\u{1b}(Bx\u{9b}2Jy"), "xy");
        assert_eq!(plain("\u{1b}Pq#0\u{1b}\\sixel"), "sixel");
        assert_eq!(plain("a\tb"), "a       b");
        assert_eq!(plain("a\u{8}\u{0}b"), "a??b");
        assert_eq!(plain("\u{202e}txt.exe"), "txt.exe");
        assert_eq!(plain("10%\r20%\r"), "10% 20%");
        assert_eq!(plain("\u{1b}["), "");
        assert!(matches!(plain("plain ünïcode 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn colours_are_kept() {
        let red = Style::new().fg(Color::Indexed(1));
        let parts = styled("\u{1b}[31mred\u{1b}[1m bold\u{1b}[22;39m plain");
        let wanted = [
            ("red".to_owned(), red),
            (" bold".to_owned(), red.add_modifier(Modifier::BOLD)),
            (" plain".to_owned(), Style::new()),
        ];
        assert_eq!(parts, wanted);
        let colour = |raw: &str| styled(raw)[0].1;
        assert_eq!(colour("\u{1b}[97;44mx").fg, Some(Color::Indexed(15)));
        assert_eq!(colour("\u{1b}[97;44mx").bg, Some(Color::Indexed(4)));
        let orange = Some(Color::Rgb(255, 128, 0));
        assert_eq!(colour("\u{1b}[38;2;255;128;0mx").fg, orange);
        assert_eq!(colour("\u{1b}[38:2::255:128:0mx").fg, orange);
        assert_eq!(colour("\u{1b}[48;5;200;1mx").bg, Some(Color::Indexed(200)));
        let bold = colour("\u{1b}[48;5;200;1mx").add_modifier;
        assert_eq!(bold, Modifier::BOLD, "what follows a colour still counts");
        assert_eq!(styled("\u{1b}[5;8mhidden"), [], "neither blinks nor hides");
    }

    #[test]
    fn a_line_that_is_written_over_is_as_it_ended() {
        assert_eq!(line("10%\r20%\r").text, "20%");
        assert_eq!(line("100% done\r7").text, "700% done");
        assert_eq!(line("downloading\r\u{1b}[Kdone").text, "done");
        assert_eq!(line("abc\u{8}\u{8}XY").text, "aXY");
        assert_eq!(line("long\u{1b}[2Kx").text, "x");
        assert_eq!(line("a\tb\rc").text, "c       b");
        assert_eq!(line("up\u{1b}[3A\u{1b}[Hthere").text, "upthere");
    }

    #[test]
    fn what_a_line_keeps_is_bounded() {
        let raw: String = (0..5_000).map(|n| format!("\u{1b}[3{}mx", n % 8)).collect();
        let kept = line(&raw);
        assert_eq!(kept.text.len(), 5_000);
        assert!(kept.styles.len() <= CHANGES_MAX);
    }

    proptest! {
        #[test]
        fn no_control_gets_through(
            raw in proptest::collection::vec(any::<u8>(), 0..300),
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("\u{1b}["), Just("\u{1b}]"), Just("\u{9b}"), Just("\u{1b}P"), Just("m"),
                    Just(";"), Just("38"), Just("2"), Just("\r"), Just("\u{8}"), Just("K"),
                    Just("\t"), Just("日"), Just("\u{9c}"), Just("\u{202e}"), Just("\u{7f}"),
                ],
                0..60,
            ),
        ) {
            for raw in [String::from_utf8_lossy(&raw).into_owned(), pieces.concat()] {
                let kept = line(&raw);
                prop_assert!(kept.text.chars().all(text::is_plain), "{:?}", kept.text);
                prop_assert!(kept.styles.is_sorted_by(|a, b| a.0 < b.0));
                let inside = |at: &u32| kept.text.is_char_boundary(*at as usize);
                prop_assert!(kept.styles.iter().all(|(at, _)| inside(at)));
                prop_assert!(plain(&raw).chars().all(text::is_plain));
            }
        }
    }
}
