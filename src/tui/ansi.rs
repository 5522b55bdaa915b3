//! What containers write, made harmless: their colours are kept, nothing else that a terminal
//! would obey is. The console and the command line both go through here, and nothing else does
//! the like.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

use super::text;

/// Whether a character only shows itself: it controls nothing, turns no direction and hides
/// nothing.
#[must_use]
pub fn is_plain(c: char) -> bool {
    text::is_plain(c)
}

/// Columns between tab stops in what containers write.
const TAB: usize = 8;
/// The most changes of colour that are kept of one line.
pub const CHANGES_MAX: usize = 512;
/// The most characters that are kept of one text; a line of an engine's log has far fewer, unless
/// it is nearly all tabs.
pub const CHARS_MAX: usize = 64 * 1024;
/// The most marks without a width of their own that are kept on one character: scripts need three
/// or four, a flood of them draws over the lines around.
pub const MARKS_MAX: usize = 8;

/// A text without control characters, and from which byte on it has which style.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coloured {
    /// The text.
    pub text: String,
    /// In ascending order; empty where the text is plain.
    pub styles: Vec<(u32, Style)>,
}

impl Coloured {
    /// The text with its colours as a terminal takes them. Whatever it changed is ended with it:
    /// what is printed next looks as it would have without.
    #[must_use]
    pub fn painted(self) -> String {
        if self.styles.is_empty() {
            return self.text;
        }
        let mut out = String::with_capacity(self.text.len() + 16 * self.styles.len());
        let mut from = 0;
        for (at, style) in &self.styles {
            let at = usize::try_from(*at).unwrap_or(usize::MAX);
            out.push_str(self.text.get(from..at).unwrap_or_default());
            out.push_str(&sgr(*style));
            from = at;
        }
        out.push_str(self.text.get(from..).unwrap_or_default());
        out.push_str("\u{1b}[0m");
        out
    }
}

/// What begins a style, whatever was before.
fn sgr(style: Style) -> String {
    const MODIFIERS: [(Modifier, u8); 6] = [
        (Modifier::BOLD, 1),
        (Modifier::DIM, 2),
        (Modifier::ITALIC, 3),
        (Modifier::UNDERLINED, 4),
        (Modifier::REVERSED, 7),
        (Modifier::CROSSED_OUT, 9),
    ];
    let mut codes = vec!["0".to_owned()];
    let given = style.add_modifier;
    let modifiers = MODIFIERS.iter().filter(|(it, _)| given.contains(*it));
    codes.extend(modifiers.map(|(_, code)| code.to_string()));
    let colour = |colour: Option<Color>, base: u8| match colour? {
        Color::Indexed(n @ 0..=7) => Some((base + n).to_string()),
        Color::Indexed(n @ 8..=15) => Some((base + 60 + n - 8).to_string()),
        Color::Indexed(n) => Some(format!("{};5;{n}", base + 8)),
        Color::Rgb(r, g, b) => Some(format!("{};2;{r};{g};{b}", base + 8)),
        _ => None,
    };
    codes.extend(colour(style.fg, 30));
    codes.extend(colour(style.bg, 40));
    format!("\u{1b}[{}m", codes.join(";"))
}

/// A line as a terminal would show it in the end: a carriage return goes back to its beginning
/// and a backspace one place, and what follows writes over what was there; colours are kept.
#[must_use]
pub fn line(raw: &str) -> Coloured {
    if is_clean(raw) {
        return Coloured {
            text: raw.to_owned(),
            styles: Vec::new(),
        };
    }
    Pen::follow(raw, true).coloured()
}

/// The text with everything taken out that could move the cursor, colour the screen, answer to
/// the terminal or turn the reading direction. Tabs become spaces, ends of lines one each.
#[must_use]
pub fn plain(raw: &str) -> Cow<'_, str> {
    if is_clean(raw) {
        return Cow::Borrowed(raw);
    }
    let ends = ['\n', '\r', '\u{2028}', '\u{2029}'];
    Cow::Owned(
        Pen::follow(raw.trim_end_matches(ends), false)
            .coloured()
            .text,
    )
}

/// Several lines, each made as harmless as [`plain`] does it; ends of lines and tabs stay what
/// they are, for another program may read them.
#[must_use]
pub fn lines(raw: &str) -> Cow<'_, str> {
    const KEPT: [char; 2] = ['\n', '\t'];
    if raw.split(KEPT).all(is_clean) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for part in raw.split_inclusive(KEPT) {
        let end = part.chars().next_back().filter(|c| KEPT.contains(c));
        let inner = part.strip_suffix(KEPT).unwrap_or(part);
        out.push_str(&plain(inner));
        out.extend(end);
    }
    Cow::Owned(out)
}

/// Whether nothing has to be taken out of a text.
fn is_clean(text: &str) -> bool {
    let mut marks = 0;
    text.len() <= CHARS_MAX
        && text.chars().all(|c| {
            if (' '..='~').contains(&c) {
                marks = 0;
                return true;
            }
            marks = if is_mark(c) { marks + 1 } else { 0 };
            text::is_plain(c) && marks <= MARKS_MAX
        })
}

/// Whether a character takes no column of its own.
fn is_mark(c: char) -> bool {
    c.width().unwrap_or(0) == 0
}

/// Writes what a terminal would show.
struct Pen {
    cells: Vec<(char, Style)>,
    /// Where the next character goes.
    cursor: usize,
    /// Columns before it.
    column: usize,
    /// Marks in a row before it.
    marks: usize,
    style: Style,
    /// Whether going back is obeyed.
    goes_back: bool,
}

impl Pen {
    fn follow(raw: &str, goes_back: bool) -> Self {
        let mut pen = Self {
            cells: Vec::with_capacity(raw.len().min(CHARS_MAX)),
            cursor: 0,
            column: 0,
            marks: 0,
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
        self.marks = if is_mark(c) { self.marks + 1 } else { 0 };
        if self.marks > MARKS_MAX || self.cursor >= CHARS_MAX {
            return;
        }
        let cell = (c, self.style);
        match self.cells.get_mut(self.cursor) {
            Some(old) => *old = cell,
            None => self.cells.push(cell),
        }
        self.cursor += 1;
        self.column += c.width().unwrap_or(0);
    }

    fn tab(&mut self) {
        for _ in 0..TAB - self.column % TAB {
            self.write(' ');
        }
    }

    fn go_to_begin(&mut self) {
        (self.cursor, self.column, self.marks) = (0, 0, 0);
    }

    fn go_back(&mut self) {
        let Some(before) = self.cursor.checked_sub(1) else {
            return;
        };
        let passed = self.cells.get(before).and_then(|(c, _)| c.width());
        self.column = self.column.saturating_sub(passed.unwrap_or(0));
        (self.cursor, self.marks) = (before, 0);
    }

    fn coloured(self) -> Coloured {
        let mut all = Coloured::default();
        let mut style = Style::new();
        let mut marks = 0;
        for (c, own) in self.cells {
            // Written over one another, marks may have come together that were apart.
            marks = if is_mark(c) { marks + 1 } else { 0 };
            if marks > MARKS_MAX {
                continue;
            }
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
            b'\r' if self.goes_back => self.go_to_begin(),
            8 if self.goes_back => self.go_back(),
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
                    (self.column, self.marks) = (written, 0);
                }
                _ => {
                    self.cells.clear();
                    self.go_to_begin();
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

    #[test]
    fn a_line_is_painted_and_leaves_no_colour_behind() {
        let painted = |raw: &str| line(raw).painted();
        assert_eq!(painted("plain"), "plain");
        assert_eq!(
            painted("a\u{1b}[1;31mred\u{1b}[0mb"),
            "a\u{1b}[0;1;31mred\u{1b}[0mb\u{1b}[0m"
        );
        assert_eq!(
            painted("\u{1b}[92;48;5;200mx\u{1b}[38;2;1;2;3my"),
            "\u{1b}[0;92;48;5;200mx\u{1b}[0;38;2;1;2;3;48;5;200my\u{1b}[0m"
        );
        // Hidden and blinking text would hide what is printed after it, too.
        assert_eq!(painted("\u{1b}[5;8msecret"), "secret");
    }

    #[test]
    fn lines_keep_their_ends_and_tabs_and_nothing_else() {
        assert!(matches!(lines("a\tb\nc\n"), Cow::Borrowed(_)));
        assert_eq!(lines("a\tb\u{1b}[2J\r\n\u{1b}]0;t\u{7}c\n"), "a\tb\nc\n");
        assert_eq!(lines("\u{1b}]0;over\nends"), "\nends");
        assert_eq!(lines("\u{9b}31mred\u{7f}"), "red?");
    }

    #[test]
    fn a_flood_of_marks_or_tabs_is_cut() {
        let zalgo = format!("a{}b", "\u{301}".repeat(1_000));
        let kept = format!("a{}b", "\u{301}".repeat(MARKS_MAX));
        assert_eq!(plain(&zalgo), kept);
        assert_eq!(line(&zalgo).text, kept);
        assert_eq!(line(&"\t".repeat(16 << 10)).text.len(), CHARS_MAX);
        // Families of emoji are joined by marks, each to a character of its own.
        let family = "👩\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(plain(family), family);
        assert_eq!(plain("a\u{200b}b\u{e0041}c"), "abc");
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
                let kept = lines(&raw);
                let is_kept = |c: char| text::is_plain(c) || c == '\n' || c == '\t';
                prop_assert!(kept.chars().all(is_kept), "{kept:?}");
                prop_assert_eq!(lines(&kept), kept.as_ref(), "once is enough");
            }
        }
    }
}
