//! Text made harmless, made to fit, and amounts made readable.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub(crate) use super::ansi::plain as clean;

/// Whether a character only shows itself: it controls nothing, turns no direction and hides
/// nothing (spaces without a width, and the tags of which no letter is seen).
pub(crate) fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'))
}

/// Columns that the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text cut to `columns`, with an ellipsis where something is missing.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w > columns - 1 {
            break;
        }
        out.push(c);
        used += w;
    }
    out.push('…');
    Cow::Owned(out)
}

/// The text without its first `columns` columns.
pub(crate) fn skip_columns(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        if used >= columns {
            return &text[at..];
        }
        used += c.width().unwrap_or(0);
    }
    ""
}

/// The text broken into lines of at most `columns`, at spaces where it can be.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        let bare = width(word.trim_end());
        if used > 0 && used + bare > columns {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
        }
        for c in word.chars() {
            let w = c.width().unwrap_or(0);
            if used + w > columns {
                if c == ' ' {
                    continue;
                }
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += w;
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// The text broken into pieces of at most `columns` wherever that falls, as a terminal would.
pub(crate) fn fold(text: &str, columns: usize) -> Vec<&str> {
    let columns = columns.max(1);
    let (mut pieces, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        let w = c.width().unwrap_or(0);
        if used + w > columns {
            pieces.push(&text[start..at]);
            start = at;
            used = 0;
        }
        used += w;
    }
    pieces.push(&text[start..]);
    pieces
}

/// `1 task`, `3 tasks`.
pub(crate) fn count(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {one}s", number(n))
    }
}

/// `12,345`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// MiB in the unit that a person would say: `512M`, `3.5G`, `32G`.
pub(crate) fn mib(mib: u64) -> String {
    match mib {
        0..1024 => format!("{mib}M"),
        _ if mib.is_multiple_of(1024) || mib >= 10 * 1024 => format!("{}G", mib / 1024),
        _ => format!("{:.1}G", mib as f64 / 1024.0),
    }
}

/// Units of CPU as parts of a vCPU: 1024 units are one.
pub(crate) fn vcpu_used(units: f64) -> String {
    format!("{:.2}", units / 1024.0)
}

/// Bytes in the unit that a person would say.
pub(crate) fn bytes(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{:.0} KiB", bytes as f64 / KIB as f64),
        MIB..GIB => format!("{:.0} MiB", bytes as f64 / MIB as f64),
        _ => format!("{:.1} GiB", bytes as f64 / GIB as f64),
    }
}

/// CPU units as vCPUs: `0.25`, `0.125`, `4`.
pub(crate) fn vcpu(units: u64) -> String {
    if units.is_multiple_of(1024) {
        (units / 1024).to_string()
    } else if units.is_multiple_of(256) {
        format!("{:.2}", units as f64 / 1024.0)
    } else {
        format!("{:.3}", units as f64 / 1024.0)
    }
}

/// How long ago, coarsely, so that a quiet screen need not be drawn every second; and in how
/// many milliseconds the words would change.
pub(crate) fn age(ms: u64) -> (String, u64) {
    let step = |unit_ms: u64, suffix: &str, of: u64| {
        let n = ms / (unit_ms * of) * of;
        (format!("{n}{suffix}"), unit_ms * of - ms % (unit_ms * of))
    };
    match ms {
        0..5_000 => ("<5s".to_owned(), 5_000 - ms),
        5_000..60_000 => step(1_000, "s", 5),
        60_000..3_600_000 => step(60_000, "m", 1),
        3_600_000..172_800_000 => step(3_600_000, "h", 1),
        _ => step(86_400_000, "d", 1),
    }
}

/// As [`age`], to the second in the first minute: for what a person waits for.
pub(crate) fn age_exact(ms: u64) -> (String, u64) {
    match ms {
        0..60_000 => (format!("{}s", ms / 1_000), 1_000 - ms % 1_000),
        _ => age(ms),
    }
}

/// A length of time as people say it: `42 s`, `2 min 3 s`, `1 h 5 min`.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, min, s) => format!("{min} min {s} s"),
        (h, min, _) => format!("{h} h {min} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_not_by_characters() {
        assert_eq!(cut("service", 7), "service");
        assert_eq!(cut("services", 7), "servic…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(skip_columns("日本語", 2), "本語");
        assert_eq!(skip_columns("abc", 9), "");
    }

    #[test]
    fn text_wraps_at_spaces_and_folds_anywhere() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(fold("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(fold("", 3), [""]);
    }

    #[test]
    fn amounts_read_as_people_say_them() {
        assert_eq!(number(1234567), "1,234,567");
        assert_eq!(count(1, "task"), "1 task");
        assert_eq!(count(1200, "task"), "1,200 tasks");
        assert_eq!(mib(512), "512M");
        assert_eq!(mib(3584), "3.5G");
        assert_eq!(mib(32768), "32G");
        assert_eq!(vcpu(256), "0.25");
        assert_eq!(vcpu(128), "0.125");
        assert_eq!(vcpu(u64::MAX), vcpu(u64::MAX - 1), "a hostile engine's");
        assert_eq!(bytes(3 << 20), "3 MiB");
    }

    #[test]
    fn lengths_of_time_are_said_in_two_units() {
        let said = [0, 42_999, 123_000, 3_600_000, 3_959_000].map(span);
        assert_eq!(said, ["0 s", "42 s", "2 min 3 s", "1 h 0 min", "1 h 5 min"]);
    }

    #[test]
    fn ages_are_coarse_and_say_when_they_change() {
        assert_eq!(age(4_000), ("<5s".into(), 1_000));
        assert_eq!(age(12_500), ("10s".into(), 2_500));
        assert_eq!(age(61_000), ("1m".into(), 59_000));
        assert_eq!(age(7_200_000), ("2h".into(), 3_600_000));
        assert_eq!(age(3 * 86_400_000), ("3d".into(), 86_400_000));
        assert_eq!(age_exact(12_500), ("12s".into(), 500));
    }
}
