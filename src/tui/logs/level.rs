//! How grave a log line is, told by the forms that programs commonly use.

use std::ops::Range;

/// Up to which byte a word in capitals is taken for the level.
const HEAD_BYTES: usize = 96;
/// Up to which byte `level=` is looked for.
const PAIRS_BYTES: usize = 512;

/// A line's level, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fatal,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    /// The level of that name, in any case, or of the number that some JSON loggers give.
    pub(crate) fn named(word: &str) -> Option<Self> {
        const NAMES: [(&str, Level); 30] = [
            ("fatal", Level::Fatal),
            ("panic", Level::Fatal),
            ("critical", Level::Fatal),
            ("crit", Level::Fatal),
            ("emerg", Level::Fatal),
            ("emergency", Level::Fatal),
            ("alert", Level::Fatal),
            ("60", Level::Fatal),
            ("error", Level::Error),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("50", Level::Error),
            ("warn", Level::Warn),
            ("warning", Level::Warn),
            ("wrn", Level::Warn),
            ("40", Level::Warn),
            ("info", Level::Info),
            ("information", Level::Info),
            ("inf", Level::Info),
            ("notice", Level::Info),
            ("log", Level::Info),
            ("30", Level::Info),
            ("debug", Level::Debug),
            ("dbg", Level::Debug),
            ("fine", Level::Debug),
            ("20", Level::Debug),
            ("trace", Level::Trace),
            ("trc", Level::Trace),
            ("finest", Level::Trace),
            ("10", Level::Trace),
        ];
        let found = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, level)| *level)
    }

    /// Its name, of five letters at most.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// The level that a plain line states, and where: `level=warn`, a word in capitals near the
/// beginning, `[info]`, `error:` at the beginning, `W0417 …`.
pub(crate) fn of_line(text: &str) -> Option<(Level, Range<usize>)> {
    if let Some(level) = of_short_form(text) {
        return Some((level, 0..1));
    }
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len().min(PAIRS_BYTES) {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let letters = bytes[at..].iter().take_while(|b| b.is_ascii_alphabetic());
        let range = at..at + letters.count();
        if let Some(level) = stated(text, &range) {
            return Some((level, range));
        }
        at = range.end;
    }
    None
}

fn stated(text: &str, range: &Range<usize>) -> Option<Level> {
    let word = text.get(range.clone())?;
    let level = Level::named(word)?;
    let (before, after) = (text.get(..range.start)?, text.get(range.end..)?);
    let next = after.chars().next();
    let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    if before.ends_with(joined) || next.is_some_and(|c| joined(c) && c != '.') {
        return None;
    }
    let key = before.strip_suffix('"').unwrap_or(before);
    if ["level=", "lvl=", "severity="]
        .iter()
        .any(|name| key.ends_with(name))
    {
        return Some(level);
    }
    let near = range.start < HEAD_BYTES;
    let capitals = word.bytes().all(|b| b.is_ascii_uppercase());
    let bracketed = before.ends_with(['[', '<', '(']) && after.starts_with([']', '>', ')']);
    let heads = before.is_empty() && next == Some(':');
    // LOG is a level only where a colon says so.
    let is_log = word.eq_ignore_ascii_case("log");
    let fits = if is_log {
        capitals && next == Some(':')
    } else {
        capitals || bracketed || heads
    };
    (near && fits).then_some(level)
}

/// A letter and the day: `E0417 12:00:00.000000`.
fn of_short_form(text: &str) -> Option<Level> {
    let (letter, rest) = text.as_bytes().split_first()?;
    let day = rest.get(..5)?;
    let is_day = day[..4].iter().all(u8::is_ascii_digit) && day[4] == b' ';
    match letter {
        _ if !is_day => None,
        b'F' => Some(Level::Fatal),
        b'E' => Some(Level::Error),
        b'W' => Some(Level::Warn),
        b'I' => Some(Level::Info),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_forms_are_read() {
        fn level(text: &str) -> Option<(Level, &str)> {
            of_line(text).map(|(level, range)| (level, &text[range]))
        }
        for (text, wanted) in [
            (
                "2026-05-04 12:00:00 ERROR pool exhausted",
                Some((Level::Error, "ERROR")),
            ),
            ("WARN  job 7 timed out", Some((Level::Warn, "WARN"))),
            (
                "time=12:00 level=warn msg=slow",
                Some((Level::Warn, "warn")),
            ),
            ("ts=1 lvl=\"dbug\" x", None),
            ("ts=1 severity=\"debug\" x", Some((Level::Debug, "debug"))),
            (
                "[info] all clusters initialized",
                Some((Level::Info, "info")),
            ),
            ("panic: pool exhausted", Some((Level::Fatal, "panic"))),
            ("2026 [77] LOG:  checkpoint", Some((Level::Info, "LOG"))),
            ("W0417 12:00:00.1 file.go:1] slow", Some((Level::Warn, "W"))),
            ("thread INFO.", Some((Level::Info, "INFO"))),
            ("no error here", None),
            ("GET /ERROR-page 200", None),
            ("ERRORS 7", None),
            ("MY_ERROR=7", None),
            ("LOG OF THE SHIP", None),
            ("", None),
        ] {
            assert_eq!(level(text), wanted, "{text}");
        }
        let late = format!("{} ERROR", "x ".repeat(60));
        assert_eq!(level(&late), None);
    }
}
