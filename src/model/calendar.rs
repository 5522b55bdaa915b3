//! When a schedule is due: EventBridge's expressions, read in a time zone. Pure.
//!
//! `rate(5 minutes)` counts real time from when the schedule was made. `cron(…)` and `at(…)` name
//! local times; where a clock is set forward or back they follow these rules:
//!
//! * A local time that does not exist (the clocks go forward over it) is due at the first moment
//!   after the gap.
//! * A local time that comes twice (the clocks go back) is due the first time only, unless the
//!   hour field is `*`: what runs through every hour goes on through both of them.
//!
//! The time zones are those built into the program, so that every machine finds the same.

mod cron;

use std::sync::LazyLock;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::members::nearest;
use super::time::TimeMs;
use cron::Cron;

/// The longest expression, in characters (EventBridge's limit).
pub const EXPRESSION_MAX: usize = 256;
/// The longest period of a rate, in minutes: ten years.
pub const RATE_MINUTES_MAX: u64 = 3_650 * 24 * 60;
/// How much earlier than the clock shows a repeated hour may have begun, in hours.
const FOLD_HOURS_MAX: i64 = 3;

const MINUTE_MS: u64 = 60_000;

/// What is wrong with an expression or a time zone, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", if *column == 0 { String::new() } else { format!("column {column}: ") })]
pub struct CalendarError {
    /// The character it is about, from 1; 0 for the whole.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl CalendarError {
    fn at(column: usize, what: impl Into<String>) -> Self {
        Self {
            column,
            what: what.into(),
        }
    }
}

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Every so many milliseconds of real time.
    Rate(u64),
    /// At the local times that a pattern names.
    Cron(Box<Pattern>),
    /// Once, at this local time.
    At(DateTime),
}

/// The local times of a `cron(…)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Cron);

/// A time zone in which expressions are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of an IANA name such as `Europe/Berlin`; UTC where nothing is said.
    ///
    /// # Errors
    /// [`CalendarError`] with the nearest right name.
    pub fn named(name: Option<&str>) -> Result<Self, CalendarError> {
        let Some(name) = name else {
            return Ok(Self::UTC);
        };
        ZONES.get(name).map(Self).map_err(|_| {
            let names: Vec<String> = ZONES.available().map(|it| it.to_string()).collect();
            let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
            let same_city = || names.iter().find(|it| last(it) == last(name));
            let near = nearest(name, names.iter().map(String::as_str))
                .or_else(|| same_city().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean {near}?"),
                None => "write an IANA name such as Europe/Berlin or UTC".to_owned(),
            };
            CalendarError::at(0, format!("there is no time zone \"{name}\"; {help}"))
        })
    }

    /// A moment in this zone: `2026-11-23 03:00`, with seconds where there are any; that it is
    /// UTC is said, for an operator's clock seldom is.
    #[must_use]
    pub fn words(&self, at: TimeMs) -> String {
        let form = if at.0.is_multiple_of(MINUTE_MS) {
            "%Y-%m-%d %H:%M"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        match stamp(at) {
            Some(stamp) => {
                let words = stamp.to_zoned(self.0.clone()).strftime(form).to_string();
                let utc = if *self == Self::UTC { " UTC" } else { "" };
                format!("{words}{utc}")
            }
            None => "never".to_owned(),
        }
    }

    /// The first moment that a local time is, and the second where it comes twice.
    fn moments(&self, local: DateTime) -> Option<(Timestamp, Option<Timestamp>)> {
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Some((ambiguous.compatible().ok()?, None)),
            AmbiguousOffset::Fold { .. } => {
                Some((ambiguous.earlier().ok()?, ambiguous.later().ok()))
            }
            AmbiguousOffset::Gap { after, .. } => {
                // Read with the offset that comes, it lies before the change: the next change is
                // the end of the gap.
                let before = after.to_timestamp(local).ok()?;
                let end = self.0.following(before).next()?;
                Some((end.timestamp(), None))
            }
        }
    }
}

fn stamp(at: TimeMs) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(at.0).ok()?).ok()
}

fn moment(stamp: Timestamp) -> Option<TimeMs> {
    u64::try_from(stamp.as_millisecond()).ok().map(TimeMs)
}

impl Expression {
    /// Reads `rate(5 minutes)`, `cron(0 3 * * ? *)` or `at(2026-11-22T03:00:00)`. Within `cron`
    /// EventBridge's six fields (minutes, hours, day of the month, month, day of the week, year)
    /// are read, or the five of Unix's crontab, in which 0 and 7 are Sunday and 1 is Monday.
    ///
    /// # Errors
    /// [`CalendarError`] with the column, and the nearest right word where one is near.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let length = text.chars().count();
        if length > EXPRESSION_MAX {
            let what = format!("is {length} characters long; at most {EXPRESSION_MAX} are allowed");
            return Err(CalendarError::at(0, what));
        }
        let start = text.len() - text.trim_start().len();
        let Some(open) = text.find('(') else {
            return Err(no_word(text, start));
        };
        let word = text[start..open].trim_end();
        if !["rate", "cron", "at"].contains(&word) {
            return Err(no_word(word, start));
        }
        let Some(inner) = text.trim_end()[open + 1..].strip_suffix(')') else {
            let end = text.trim_end().chars().count() + 1;
            return Err(CalendarError::at(end, format!("{word}(…) ends in )")));
        };
        let inner = Inner {
            column: text[..=open].chars().count() + 1,
            text: inner,
        };
        match word {
            "rate" => rate(&inner).map(Self::Rate),
            "cron" => {
                let cron = cron::parse(&inner)?;
                Ok(Self::Cron(Box::new(Pattern(cron))))
            }
            _ => at(&inner).map(Self::At),
        }
    }

    /// The first moment after `after` at which it is due; `None` = never again. A rate counts
    /// from `since`. The search ends with the year 2199, as EventBridge's does.
    #[must_use]
    pub fn next(&self, zone: &Zone, since: TimeMs, after: TimeMs) -> Option<TimeMs> {
        match self {
            Self::Rate(period) => {
                let periods = after.since_ms(since) / period + 1;
                Some(since.plus_ms(period.saturating_mul(periods)))
            }
            Self::At(local) => {
                let due = moment(zone.moments(*local)?.0)?;
                (due > after).then_some(due)
            }
            Self::Cron(pattern) => pattern.next(zone, after),
        }
    }

    /// The period of a rate, in milliseconds.
    #[must_use]
    pub fn period_ms(&self) -> Option<u64> {
        match self {
            Self::Rate(period) => Some(*period),
            Self::Cron(_) | Self::At(_) => None,
        }
    }
}

impl Pattern {
    fn next(&self, zone: &Zone, after: TimeMs) -> Option<TimeMs> {
        let Self(cron) = self;
        let after = stamp(after)?;
        let mut local = after.to_zoned(zone.0.clone()).datetime();
        let twice = cron.is_every_hour();
        if twice {
            let back = SignedDuration::from_hours(FOLD_HOURS_MAX);
            local = local.checked_sub(back).ok()?;
        }
        let mut best: Option<Timestamp> = None;
        let mut from = local.with().second(0).subsec_nanosecond(0).build().ok()?;
        while let Some(found) = cron.at_or_after(from) {
            // A local time at the end of time has no moment: nothing later has one.
            let Some((first, second)) = zone.moments(found) else {
                break;
            };
            let second = second.filter(|_| twice);
            let later = [Some(first), second].into_iter().flatten();
            best = best.into_iter().chain(later.filter(|it| *it > after)).min();
            if first > after {
                break;
            }
            from = found.checked_add(SignedDuration::from_mins(1)).ok()?;
        }
        best.and_then(moment)
    }
}

/// What stands between the parentheses, and the column at which it begins.
struct Inner<'a> {
    column: usize,
    text: &'a str,
}

impl<'a> Inner<'a> {
    /// The words, each with its column.
    fn words(&self) -> Vec<(usize, &'a str)> {
        let mut words = Vec::new();
        let mut start = None;
        for (place, (byte, c)) in self.text.char_indices().enumerate() {
            match (c.is_whitespace(), start) {
                (false, None) => start = Some((place, byte)),
                (true, Some((at, from))) => {
                    words.push((self.column + at, &self.text[from..byte]));
                    start = None;
                }
                _ => {}
            }
        }
        if let Some((at, from)) = start {
            words.push((self.column + at, &self.text[from..]));
        }
        words
    }
}

fn no_word(text: &str, start: usize) -> CalendarError {
    let word: String = text
        .trim()
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect();
    let what = if word.is_empty() {
        "expected rate(…), cron(…) or at(…)".to_owned()
    } else {
        match nearest(&word, ["rate", "cron", "at"]) {
            Some(near) if near == word => format!("{word} is followed by ( and ends in )"),
            Some(near) => format!("\"{word}\" is no schedule; did you mean {near}(…)?"),
            None => format!("\"{word}\" is no schedule; expected rate(…), cron(…) or at(…)"),
        }
    };
    CalendarError::at(start + 1, what)
}

fn rate(inner: &Inner<'_>) -> Result<u64, CalendarError> {
    const UNITS: [(&str, u64); 6] = [
        ("minute", 1),
        ("minutes", 1),
        ("hour", 60),
        ("hours", 60),
        ("day", 24 * 60),
        ("days", 24 * 60),
    ];
    let words = inner.words();
    let [(number_at, number), (unit_at, unit)] = words.as_slice() else {
        let what = "a rate is a number and a unit, such as rate(5 minutes)";
        return Err(CalendarError::at(inner.column, what));
    };
    let Some(count) = number.parse::<u64>().ok().filter(|count| *count > 0) else {
        let what = format!("\"{number}\" is no whole number of 1 or more");
        return Err(CalendarError::at(*number_at, what));
    };
    let Some((_, minutes)) = UNITS.iter().find(|(name, _)| name == unit) else {
        let near = nearest(unit, UNITS.iter().map(|(name, _)| *name));
        let what = match near {
            Some(near) => format!("\"{unit}\" is no unit; did you mean {near}?"),
            None => format!("\"{unit}\" is no unit; expected minutes, hours or days"),
        };
        return Err(CalendarError::at(*unit_at, what));
    };
    match count.checked_mul(*minutes) {
        Some(total) if total <= RATE_MINUTES_MAX => Ok(total * MINUTE_MS),
        _ => {
            let what = format!("at most {} days are allowed", RATE_MINUTES_MAX / (24 * 60));
            Err(CalendarError::at(*number_at, what))
        }
    }
}

fn at(inner: &Inner<'_>) -> Result<DateTime, CalendarError> {
    let text = inner.text.trim();
    // Only a date and a time of day: an offset would speak against the time zone beside it.
    let whole = text.len() == "2026-11-22T03:00:00".len() && text.contains('T');
    text.parse().ok().filter(|_| whole).ok_or_else(|| {
        let what = format!("\"{text}\" is no time; write it as 2026-11-22T03:00:00");
        CalendarError::at(inner.column, what)
    })
}

#[cfg(test)]
mod tests;
