//! What changed on the screen, in as few bytes as say it: a [`Backend`] for ratatui.
//!
//! A frame in which nothing changed sends nothing. Styles are told by their differences, the
//! cursor is moved only over gaps, and what a resize left behind is overwritten line by line
//! instead of cleared, so that nothing flickers on a slow link.

use std::collections::BTreeSet;
use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};

use super::text;

/// Where a terminal's size comes from.
type Measure = fn() -> io::Result<Size>;

/// The begin and the end of a frame, which a terminal that knows them shows as one change.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// How the terminal writes at the moment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    underline: Color,
    modifier: Modifier,
}

impl Pen {
    const PLAIN: Self = Self {
        fg: Color::Reset,
        bg: Color::Reset,
        underline: Color::Reset,
        modifier: Modifier::empty(),
    };

    fn of(cell: &Cell) -> Self {
        Self {
            fg: cell.fg,
            bg: cell.bg,
            underline: cell.underline_color,
            modifier: cell.modifier,
        }
    }

    /// What a blank is written with: of what no ink shows, it takes what the pen has already.
    fn of_blank(cell: &Cell, now: Self) -> Self {
        let wanted = Self::of(cell);
        let shows = |pen: Self| pen.modifier.intersects(ON_BLANKS);
        if shows(wanted) || shows(now) {
            return wanted;
        }
        Self {
            bg: wanted.bg,
            ..now
        }
    }
}

/// What is seen of a modifier where there is no letter: lines, and what swaps the colours.
const ON_BLANKS: Modifier = Modifier::UNDERLINED
    .union(Modifier::CROSSED_OUT)
    .union(Modifier::REVERSED)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK)
    .union(Modifier::HIDDEN);

/// Writes frames to a terminal.
pub(super) struct Ink<W> {
    out: W,
    measure: Measure,
    /// How the terminal writes, where that is known.
    pen: Option<Pen>,
    /// The cell that the terminal writes next, where that is known.
    at: Option<(u16, u16)>,
    /// Whether what the screen shows is unknown: all of it has to be written.
    unknown: bool,
    /// Where characters of two columns stand.
    wide: BTreeSet<(u16, u16)>,
    /// The second half of one that was overwritten: what a terminal leaves there is its own affair.
    half: Option<(u16, u16)>,
    /// The frame so far; written as a whole.
    frame: Vec<u8>,
}

impl<W: Write> Ink<W> {
    /// A screen of which nothing is known yet, and whose cursor is hidden.
    pub(super) fn new(out: W, measure: Measure) -> Self {
        Self {
            out,
            measure,
            pen: None,
            at: None,
            unknown: true,
            wide: BTreeSet::new(),
            half: None,
            frame: Vec::new(),
        }
    }

    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        let (column, row) = (x + 1, y + 1);
        let moved = match self.at {
            Some((_, line)) if line == y => write!(self.frame, "\x1b[{column}G"),
            _ if x == 0 => write!(self.frame, "\x1b[{row}H"),
            _ => write!(self.frame, "\x1b[{row};{column}H"),
        };
        debug_assert!(moved.is_ok(), "a vector takes what is written");
        self.at = Some((x, y));
    }

    fn dip(&mut self, pen: Pen) {
        if self.pen == Some(pen) {
            return;
        }
        let mut codes = Vec::new();
        match self.pen {
            Some(before) if pen != Pen::PLAIN => differences(before, pen, &mut codes),
            _ => {
                codes.push(String::new());
                differences(Pen::PLAIN, pen, &mut codes);
                if codes.len() > 1 {
                    "0".clone_into(&mut codes[0]);
                }
            }
        }
        self.frame.extend_from_slice(b"\x1b[");
        self.frame.extend_from_slice(codes.join(";").as_bytes());
        self.frame.push(b'm');
        self.pen = Some(pen);
    }

    fn cell(&mut self, x: u16, y: u16, cell: &Cell, columns: u16) {
        if self.half != Some((x, y)) {
            self.blank_half(columns);
        }
        self.half = None;
        self.go(x, y);
        let symbol = cell.symbol();
        self.dip(match (symbol, self.pen) {
            (" ", Some(now)) => Pen::of_blank(cell, now),
            _ => Pen::of(cell),
        });
        self.frame.extend_from_slice(symbol.as_bytes());
        let width = u16::try_from(text::width(symbol)).unwrap_or(1).max(1);
        // Behind the last column a terminal is in two minds about where it is.
        self.at = (x + width < columns).then_some((x + width, y));
        if width > 1 {
            self.wide.insert((x, y));
        } else if self.wide.remove(&(x, y)) && x + 1 < columns {
            self.half = Some((x + 1, y));
        }
    }

    /// Blanks the half that is left of a wide character, which no change of the frame names.
    fn blank_half(&mut self, columns: u16) {
        if let Some((x, y)) = self.half.take() {
            self.cell(x, y, &Cell::EMPTY, columns);
        }
    }

    /// Overwrites what may stand from here to the end of the line.
    fn wipe_line(&mut self, x: u16, y: u16, columns: u16) {
        if x < columns {
            self.go(x, y);
            self.dip(Pen::PLAIN);
            self.frame.extend_from_slice(b"\x1b[K");
        }
    }

    /// Writes the whole screen: what is not in `content` is blank.
    fn write_all<'a>(&mut self, content: impl Iterator<Item = (u16, u16, &'a Cell)>, size: Size) {
        self.pen = None;
        self.at = None;
        let (mut x, mut y) = (0, 0);
        for (to_x, to_y, cell) in content {
            while y < to_y {
                self.wipe_line(x, y, size.width);
                (x, y) = (0, y + 1);
            }
            if x < to_x {
                self.go(x, y);
                self.dip(Pen::PLAIN);
                let blanks = usize::from(to_x - x);
                self.frame.extend(std::iter::repeat_n(b' ', blanks));
                self.at = Some((to_x, y));
            }
            self.cell(to_x, to_y, cell, size.width);
            let width = u16::try_from(text::width(cell.symbol())).unwrap_or(1);
            x = to_x + width.max(1);
        }
        while y < size.height {
            self.wipe_line(x, y, size.width);
            (x, y) = (0, y + 1);
        }
    }
}

/// What has to be said to get from one pen to another.
fn differences(before: Pen, after: Pen, codes: &mut Vec<String>) {
    let gone = before.modifier - after.modifier;
    let mut new = after.modifier - before.modifier;
    let heavy = Modifier::BOLD | Modifier::DIM;
    if gone.intersects(heavy) {
        // One code ends both.
        codes.push("22".to_owned());
        new |= after.modifier & heavy;
    }
    for (modifier, on, off) in MODIFIERS {
        if gone.contains(modifier) && !heavy.contains(modifier) {
            codes.push(off.to_string());
        }
        if new.contains(modifier) {
            codes.push(on.to_string());
        }
    }
    if before.fg != after.fg {
        codes.push(colour(after.fg, 30));
    }
    if before.bg != after.bg {
        codes.push(colour(after.bg, 40));
    }
    if before.underline != after.underline {
        codes.push(colour(after.underline, 50));
    }
}

/// Each modifier, with the codes that begin and end it.
const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// The code of a colour; `base` is 30 for the text, 40 behind it, 50 for the underline.
fn colour(colour: Color, base: u8) -> String {
    let dark = |n: u8| (n, false);
    let bright = |n: u8| (n, true);
    let (n, is_bright) = match colour {
        Color::Reset => return (base + 9).to_string(),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(n) => return format!("{};5;{n}", base + 8),
        Color::Black => dark(0),
        Color::Red => dark(1),
        Color::Green => dark(2),
        Color::Yellow => dark(3),
        Color::Blue => dark(4),
        Color::Magenta => dark(5),
        Color::Cyan => dark(6),
        Color::Gray => dark(7),
        Color::DarkGray => bright(0),
        Color::LightRed => bright(1),
        Color::LightGreen => bright(2),
        Color::LightYellow => bright(3),
        Color::LightBlue => bright(4),
        Color::LightMagenta => bright(5),
        Color::LightCyan => bright(6),
        Color::White => bright(7),
    };
    match (base, is_bright) {
        // Underlines know numbered colours only.
        (50, _) => format!("58;5;{}", n + 8 * u8::from(is_bright)),
        (_, true) => (base + 60 + n).to_string(),
        (_, false) => (base + n).to_string(),
    }
}

impl<W: Write> Backend for Ink<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let size = self.size()?;
        if std::mem::take(&mut self.unknown) {
            self.wide.clear();
            self.half = None;
            self.write_all(content, size);
        } else {
            for (x, y, cell) in content {
                self.cell(x, y, cell, size.width);
            }
            self.blank_half(size.width);
        }
        Ok(())
    }

    /// The cursor is hidden from the beginning to the end.
    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.at.map_or(Position::ORIGIN, Position::from))
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.at = None;
        self.go(x, y);
        Ok(())
    }

    /// Nothing is cleared: the next frame writes everything.
    fn clear(&mut self) -> io::Result<()> {
        self.unknown = true;
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        (self.measure)()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize {
            columns_rows: self.size()?,
            pixels: Size::default(),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut frame = std::mem::take(&mut self.frame);
        frame.splice(0..0, BEGIN.iter().copied());
        frame.extend_from_slice(END);
        let written = self.out.write_all(&frame).and_then(|()| self.out.flush());
        frame.clear();
        self.frame = frame;
        written
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const COLUMNS: u16 = 12;
    const ROWS: u16 = 4;

    fn measure() -> io::Result<Size> {
        Ok(Size::new(COLUMNS, ROWS))
    }

    fn parser() -> vt100::Parser {
        let cells = |n| std::num::NonZero::new(n).unwrap();
        vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0)
    }

    fn terminal() -> Terminal<Ink<Vec<u8>>> {
        Terminal::new(Ink::new(Vec::new(), measure)).unwrap()
    }

    /// What was written since the last time.
    fn written(terminal: &mut Terminal<Ink<Vec<u8>>>) -> Vec<u8> {
        std::mem::take(&mut terminal.backend_mut().out)
    }

    /// Pieces of text in their styles.
    #[derive(Clone, Debug)]
    struct Piece(u16, u16, &'static str, Style);

    fn draw(terminal: &mut Terminal<Ink<Vec<u8>>>, pieces: &[Piece]) {
        let paint = |buffer: &mut Buffer| {
            for Piece(x, y, words, style) in pieces {
                let room = usize::from(COLUMNS - x);
                buffer.set_stringn(*x, *y, words, room, *style);
            }
        };
        terminal.draw(|frame| paint(frame.buffer_mut())).unwrap();
    }

    fn shown_colour(colour: vt100::Color) -> Color {
        match colour {
            vt100::Color::Default => Color::Reset,
            vt100::Color::Idx(n) => Color::Indexed(n),
            vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
        }
    }

    /// Every cell as a terminal shows it is as the frame has it.
    fn assert_shows(parser: &vt100::Parser, pieces: &[Piece]) {
        let mut wanted = Buffer::empty(Rect::new(0, 0, COLUMNS, ROWS));
        for Piece(x, y, words, style) in pieces {
            wanted.set_stringn(*x, *y, words, usize::from(COLUMNS - x), *style);
        }
        for y in 0..ROWS {
            for x in 0..COLUMNS {
                let shown = parser.screen().cell(y, x).unwrap();
                if shown.is_wide_continuation() {
                    continue;
                }
                let cell = &wanted[(x, y)];
                let text = if shown.has_contents() {
                    shown.contents()
                } else {
                    " "
                };
                assert_eq!(text, cell.symbol(), "at {x},{y}");
                assert_eq!(shown_colour(shown.bgcolor()), cell.bg, "behind {x},{y}");
                assert_eq!(shown.inverse(), cell.modifier.contains(Modifier::REVERSED));
                if text != " " {
                    assert_eq!(shown_colour(shown.fgcolor()), cell.fg, "of {x},{y}");
                    assert_eq!(shown.bold(), cell.modifier.contains(Modifier::BOLD));
                    assert_eq!(shown.dim(), cell.modifier.contains(Modifier::DIM));
                    assert_eq!(
                        shown.underline(),
                        cell.modifier.contains(Modifier::UNDERLINED)
                    );
                }
            }
        }
    }

    fn style() -> impl Strategy<Value = Style> {
        let colour = || {
            prop_oneof![
                Just(Color::Reset),
                Just(Color::Indexed(24)),
                Just(Color::Indexed(255)),
                Just(Color::Rgb(1, 2, 3)),
            ]
        };
        // The terminal that looks at it knows only one of bold and dim at a time.
        let weight = prop_oneof![
            Just(Modifier::empty()),
            Just(Modifier::BOLD),
            Just(Modifier::DIM)
        ];
        let marks = [Modifier::UNDERLINED, Modifier::REVERSED];
        let marks = proptest::sample::subsequence(marks.to_vec(), 0..=2);
        (colour(), colour(), weight, marks).prop_map(|(fg, bg, weight, marks)| {
            let all = marks.into_iter().fold(weight, |a, b| a | b);
            let plain = Style::new().fg(fg).bg(bg).remove_modifier(Modifier::all());
            plain.add_modifier(all)
        })
    }

    fn frame() -> impl Strategy<Value = Vec<Piece>> {
        let words = prop_oneof![Just("web"), Just("a b"), Just("● ok"), Just("━━━━━━━━━━━━")];
        let piece =
            (0..COLUMNS, 0..ROWS, words, style()).prop_map(|(x, y, w, s)| Piece(x, y, w, s));
        proptest::collection::vec(piece, 0..6)
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_drawn(frames in proptest::collection::vec(frame(), 1..6), relearn in any::<bool>()) {
            let (mut terminal, mut parser) = (terminal(), parser());
            // Whatever stood there before.
            parser.process(b"\x1b[41mleft over\r\nmore of it\r\n\r\nand this");
            for frame in &frames {
                draw(&mut terminal, frame);
                parser.process(&written(&mut terminal));
                assert_shows(&parser, frame);
                if relearn {
                    parser.process(b"\x1b[2;3H\x1b[7mnoise");
                    terminal.clear().unwrap();
                }
            }
        }
    }

    #[test]
    fn a_frame_in_which_nothing_changed_sends_nothing() {
        let mut terminal = terminal();
        let frame = [Piece(1, 1, "web", Style::new())];
        draw(&mut terminal, &frame);
        assert!(!written(&mut terminal).is_empty());
        draw(&mut terminal, &frame);
        assert_eq!(written(&mut terminal), b"");
    }

    #[test]
    fn a_change_is_told_once_and_shortly() {
        let mut terminal = terminal();
        let dim = Style::new().fg(Color::Indexed(244));
        let mut show = |one, other| {
            draw(
                &mut terminal,
                &[Piece(1, 1, one, dim), Piece(8, 1, other, dim)],
            );
            String::from_utf8(written(&mut terminal)).unwrap()
        };
        show("web 1", "x");
        show("web 2", "y");
        assert_eq!(
            show("web 3", "z"),
            "\u{1b}[?2026h\u{1b}[6G3\u{1b}[9Gz\u{1b}[?2026l",
            "colour and line are those that the terminal has already"
        );
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let (mut terminal, mut parser) = (terminal(), parser());
        for x in [0, 3, 8] {
            let frame = [
                Piece(x, 2, "日本", Style::new()),
                Piece(0, 1, "web", Style::new()),
            ];
            draw(&mut terminal, &frame);
            parser.process(&written(&mut terminal));
            assert_shows(&parser, &frame);
        }
    }

    #[test]
    fn the_half_that_is_left_of_a_wide_character_is_written_over() {
        let mut terminal = terminal();
        let marked = Style::new().bg(Color::Indexed(24));
        draw(&mut terminal, &[Piece(3, 2, "日本", Style::new())]);
        written(&mut terminal);
        // The cell after it is blank as it was, so that nobody names it.
        let frame = [Piece(3, 2, "a", marked), Piece(5, 2, "本", Style::new())];
        draw(&mut terminal, &frame);
        let bytes = String::from_utf8(written(&mut terminal)).unwrap();
        assert_eq!(
            bytes,
            "\u{1b}[?2026h\u{1b}[3;4H\u{1b}[48;5;24ma\u{1b}[m \u{1b}[?2026l"
        );
        // Where the next cell is named, it is not written twice.
        draw(&mut terminal, &[Piece(3, 2, "日本", Style::new())]);
        written(&mut terminal);
        draw(
            &mut terminal,
            &[Piece(3, 2, "ab", marked), Piece(5, 2, "本", Style::new())],
        );
        let bytes = String::from_utf8(written(&mut terminal)).unwrap();
        assert!(bytes.contains("ab") && !bytes.contains(' '), "{bytes:?}");
    }

    #[test]
    fn nothing_is_cleared() {
        let mut terminal = terminal();
        terminal.clear().unwrap();
        draw(&mut terminal, &[Piece(0, 0, "web", Style::new())]);
        let bytes = String::from_utf8(written(&mut terminal)).unwrap();
        assert!(!bytes.contains("\u{1b}[2J"), "{bytes:?}");
        assert!(!bytes.contains("\u{1b}[J"), "{bytes:?}");
    }
}
