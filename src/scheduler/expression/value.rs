//! Values as versions and as times.

use std::cmp::Ordering;

use crate::model::TimeMs;

/// A version such as `27.3.1`, `v1.29` or `28.0.0-rc.1`.
pub(super) struct Version<'a> {
    numbers: Vec<u64>,
    /// What follows a `-`: a version with it comes before the same one without.
    before: Option<&'a str>,
}

impl<'a> Version<'a> {
    /// `None` where the text is no version.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        // What follows a '+' says how it was built, and orders nothing.
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, before) = match text.split_once('-') {
            Some((numbers, before)) => (numbers, Some(before)),
            None => (text, None),
        };
        let numbers: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        Some(Self {
            numbers: numbers?,
            before,
        })
    }

    /// `1.2` and `1.2.0` are the same.
    pub(super) fn cmp(&self, other: &Self) -> Ordering {
        let length = self.numbers.len().max(other.numbers.len());
        let part = |version: &Self, at: usize| version.numbers.get(at).copied().unwrap_or(0);
        (0..length)
            .map(|at| part(self, at).cmp(&part(other, at)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| match (self.before, other.before) {
                (None, None) => Ordering::Equal,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(a), Some(b)) => a.cmp(b),
            })
    }
}

/// A date, a date and time (UTC where no zone is named), or seconds since 1970.
pub(super) fn time(text: &str) -> Option<TimeMs> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(TimeMs(text.parse::<u64>().ok()?.checked_mul(1000)?));
    }
    let utc = jiff::tz::TimeZone::UTC;
    let stamp = match text.parse::<jiff::Timestamp>() {
        Ok(stamp) => stamp,
        Err(_) => {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil.to_zoned(utc).ok()?.timestamp()
        }
    };
    Some(TimeMs(u64::try_from(stamp.as_millisecond()).ok()?))
}
