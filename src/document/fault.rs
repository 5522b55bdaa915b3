//! What is wrong with a text, and where.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// The most faults that are told of one text: who has mended those, asks again.
pub const FAULTS_MAX: usize = 100;
/// The most bytes of a line that are shown before what is meant, and from it on.
const EXCERPT: usize = 240;
/// The longest name, in bytes, to which the nearest right one is looked for.
const NAME_MAX: usize = 64;
/// The most characters of what is wrong and of what was expected: both may quote the text.
const WORDS_MAX: usize = 1_000;

/// One fault of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Its line, from 1; 0 when the fault is the file's as a whole.
    pub line: usize,
    /// Its column in characters, from 1; 0 when the fault is the file's as a whole.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What was expected instead.
    pub expected: Option<String>,
    /// The nearest right name.
    pub nearest: Option<String>,
    /// The line itself, for showing; of a long one the part around what is meant. Empty when the
    /// fault is the file's as a whole.
    pub source: String,
    /// Characters of `source` before what is meant.
    pub before: usize,
    /// How many columns of it are meant.
    pub width: usize,
}

impl Fault {
    /// A fault of a file as a whole: it is not there, cannot be read.
    #[must_use]
    pub fn of_file(file: &str, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            what: cut(what.into()),
            expected: None,
            nearest: None,
            source: String::new(),
            before: 0,
            width: 0,
        }
    }

    /// A fault at these bytes of the text.
    #[must_use]
    pub fn at(file: &str, text: &str, span: Range<usize>, what: impl Into<String>) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let from = floor(text, start.saturating_sub(EXCERPT)).max(line_start);
        let to = floor(text, start + EXCERPT).min(line_end);
        let end = floor(text, span.end).clamp(start, to);
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            source: text[from..to].trim_end_matches('\r').to_owned(),
            before: text[from..start].chars().count(),
            width: text[start..end].chars().count().max(1),
            ..Self::of_file(file, what)
        }
    }

    /// The same, saying what was expected instead.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(cut(expected.into()));
        self
    }

    /// The same, with the nearest right name, if one is near.
    #[must_use]
    pub fn or_nearest(mut self, nearest: Option<impl Into<String>>) -> Self {
        self.nearest = nearest.map(Into::into);
        self
    }

    /// The fault in one line, without the line of the text.
    #[must_use]
    pub fn headline(&self) -> String {
        let mut line = self.file.clone();
        if self.line > 0 {
            line.push_str(&format!(":{}:{}", self.line, self.column));
        }
        line.push_str(&format!(": {}", self.what));
        if let Some(expected) = &self.expected {
            line.push_str(&format!("; expected {expected}"));
        }
        if let Some(nearest) = &self.nearest {
            line.push_str(&format!("; did you mean \"{nearest}\"?"));
        }
        line
    }
}

/// The text, or its beginning with an ellipsis.
fn cut(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(WORDS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// The start of the character that holds this byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The columns a character takes on a screen; tabs are shown as four spaces.
fn columns(c: char) -> usize {
    if c == '\t' { 4 } else { c.width().unwrap_or(0) }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        if self.source.trim().is_empty() {
            return Ok(());
        }
        let number = self.line.to_string();
        let before: usize = self.source.chars().take(self.before).map(columns).sum();
        let marked: usize = self
            .source
            .chars()
            .skip(self.before)
            .take(self.width)
            .map(columns)
            .sum();
        let shown: String = self
            .source
            .chars()
            .map(|c| match c {
                '\t' => "    ".to_owned(),
                c if c.is_control() => String::new(),
                c => c.to_string(),
            })
            .collect();
        write!(
            f,
            "\n  {number} | {shown}\n  {:gutter$} | {:before$}{}",
            "",
            "",
            "^".repeat(marked.max(1)),
            gutter = number.len(),
        )
    }
}

/// All that is wrong, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// Takes one more, if there is room.
    pub fn push(&mut self, fault: Fault) {
        if self.has_room() {
            self.0.push(fault);
        }
    }

    /// Takes some more, as far as there is room.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Fault>) {
        let room = FAULTS_MAX.saturating_sub(self.0.len());
        self.0.extend(more.into_iter().take(room));
    }

    /// Whether one more would be told.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.len() < FAULTS_MAX
    }

    /// Puts them into the order of the text and leaves repeated ones out.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0
            .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        self.0.dedup();
        self
    }

    /// `value` if there are none.
    ///
    /// # Errors
    /// The faults, in the order of the text.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self.sorted())
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The name most like `text` among these, if one is like it at all: at most a third of its
/// characters differ, or it begins with `text`.
#[must_use]
pub fn nearest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Likeness costs the product of both lengths.
    if text.len() > NAME_MAX {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], "");
    let wanted = plain(text);
    names
        .into_iter()
        .filter(|name| *name != text && name.len() <= NAME_MAX)
        .map(|name| (plain(name), name))
        .map(|(plain, name)| {
            let distance = strsim::damerau_levenshtein(&wanted, &plain);
            (distance, plain, name)
        })
        .filter(|(distance, plain, _)| {
            let longer = wanted.chars().count().max(plain.chars().count());
            *distance <= (longer / 3).max(1) || (wanted.len() >= 3 && plain.starts_with(&wanted))
        })
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_line_with_a_caret_under_it() {
        let text = "first\n\tnäme = 7\nlast";
        let start = text.find('7').unwrap();
        let fault = Fault::at("a.toml", text, start..start + 1, "name is a number")
            .expected("a string")
            .or_nearest(Some("seven"));
        assert_eq!(
            fault.to_string(),
            "a.toml:2:9: name is a number; expected a string; did you mean \"seven\"?\n  \
             2 |     näme = 7\n    |            ^"
        );
    }

    #[test]
    fn a_place_past_the_end_or_inside_a_character_is_no_panic() {
        let fault = Fault::at("a", "ä", 1..99, "wrong");
        assert_eq!((fault.line, fault.column), (1, 1));
        assert_eq!(Fault::at("a", "", 5..9, "empty").headline(), "a:1:1: empty");
    }

    #[test]
    fn what_is_told_of_a_long_text_is_short() {
        let text = format!(
            "x = \"{}\"; y = 7; {}",
            "ü".repeat(9_000),
            "z".repeat(9_000)
        );
        let at = text.find('7').unwrap();
        let fault =
            Fault::at("a", &text, at..at + 1, "w".repeat(9_000)).expected("e".repeat(9_000));
        assert_eq!((fault.line, fault.column), (1, 9_013));
        let told = fault.to_string();
        assert!(told.len() < 4 * 1024, "{}", told.len());
        let lines: Vec<&str> = told.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(caret), Some('7'), "{told}");
        let mut faults = Faults::default();
        for _ in 0..2 * FAULTS_MAX {
            faults.push(fault.clone());
        }
        faults.extend(vec![fault; FAULTS_MAX]);
        assert_eq!(faults.0.len(), FAULTS_MAX);
        assert_eq!(nearest(&"m".repeat(1 << 20), ["memory"]), None);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["memory", "memoryReservation", "cpu", "portMappings"];
        assert_eq!(nearest("memroy", names), Some("memory"));
        assert_eq!(nearest("port_mappings", names), Some("portMappings"));
        assert_eq!(nearest("portMapings", names), Some("portMappings"));
        assert_eq!(nearest("colour", names), None);
    }
}
