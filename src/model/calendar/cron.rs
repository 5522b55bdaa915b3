//! The fields of `cron(…)`, and the local times that they name.

use jiff::civil::{Date, DateTime, Time};

use super::{CalendarError, Inner};
use crate::model::members::nearest;

/// EventBridge's years.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=2199;
/// The longest list in a field.
const LIST_MAX: usize = 64;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Local times, to the minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// Bit per minute.
    minutes: u64,
    /// Bit per hour.
    hours: u64,
    /// Bit per month, from bit 1.
    months: u64,
    /// Days of the month; `None` = not what decides.
    dates: Option<Vec<DayOfMonth>>,
    /// Days of the week; `None` = not what decides.
    weekdays: Option<Vec<DayOfWeek>>,
    /// Years, sorted.
    years: Vec<i16>,
}

/// Which days of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfMonth {
    /// Bit per day, from bit 1.
    Set(u64),
    /// So many days before the last (`L`, `L-3`).
    FromLast(i8),
    /// The weekday nearest to this day, in the same month (`15W`).
    Weekday(i8),
    /// The last weekday of the month (`LW`).
    LastWeekday,
}

/// Which days of a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DayOfWeek {
    /// Bit per day; bit 1 is Sunday.
    Set(u64),
    /// The last of these in the month (`6L`).
    Last(i8),
    /// The first, second, … of these in the month (`2#1`).
    Nth(i8, i8),
}

/// What a field is called, what it may hold.
struct Field {
    /// With its article.
    name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
    /// The number of the first word.
    first_word: u32,
}

const MINUTES: Field = Field::of("a minute", 0, 59);
const HOURS: Field = Field::of("an hour", 0, 23);
const DATES: Field = Field::of("a day of the month", 1, 31);
const MONTH: Field = Field {
    words: &MONTHS,
    first_word: 1,
    ..Field::of("a month", 1, 12)
};
const WEEKDAYS: Field = Field {
    words: &DAYS,
    first_word: 1,
    ..Field::of("a day of the week", 1, 7)
};
const UNIX_WEEKDAYS: Field = Field {
    words: &DAYS,
    first_word: 0,
    ..Field::of("a day of the week", 0, 7)
};
const YEAR: Field = Field::of("a year", *YEARS.start(), *YEARS.end());

/// Part of a field, with the column at which it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    column: usize,
    text: &'a str,
}

impl<'a> Part<'a> {
    fn error(self, what: impl Into<String>) -> CalendarError {
        CalendarError::at(self.column, what)
    }

    fn split(self, sign: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(sign)?;
        let second = Self {
            column: self.column + before.chars().count() + 1,
            text: after,
        };
        let first = Self {
            text: before,
            ..self
        };
        Some((first, second))
    }

    /// The parts between commas.
    fn list(self) -> Result<Vec<Part<'a>>, CalendarError> {
        let mut parts = Vec::new();
        let mut rest = self;
        while let Some((first, after)) = rest.split(',') {
            parts.push(first);
            rest = after;
        }
        parts.push(rest);
        if parts.len() > LIST_MAX {
            return Err(self.error(format!("at most {LIST_MAX} values are allowed in a list")));
        }
        Ok(parts)
    }
}

impl Field {
    const fn of(name: &'static str, least: u32, most: u32) -> Self {
        Self {
            name,
            least,
            most,
            words: &[],
            first_word: 0,
        }
    }

    /// A number in range, or one of the words.
    fn value(&self, part: Part<'_>) -> Result<u32, CalendarError> {
        let upper = part.text.to_ascii_uppercase();
        if let Some(place) = self.words.iter().position(|word| *word == upper) {
            return Ok(self.first_word + u32::try_from(place).unwrap_or(0));
        }
        let Self {
            name, least, most, ..
        } = self;
        if part.text.is_empty() {
            return Err(part.error(format!("{name} is missing here")));
        }
        if let Ok(number) = part.text.parse::<u32>() {
            if (*least..=*most).contains(&number) {
                return Ok(number);
            }
            return Err(part.error(format!(
                "{number} is out of range for {name}: {least} to {most}"
            )));
        }
        let near = nearest(&upper, self.words.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("expected {least} to {most}{}", self.or_words()),
        };
        let bare = name.split_once(' ').map_or(*name, |(_, bare)| bare);
        Err(part.error(format!("\"{}\" is no {bare}; {help}", part.text)))
    }

    fn or_words(&self) -> String {
        match (self.words.first(), self.words.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        }
    }

    /// `*`, `5`, `1-5`, `*/10`, `5/10`, `1-30/5`: the values in their order. A range may run over
    /// the end (`FRI-MON`), except for years.
    fn values(&self, part: Part<'_>) -> Result<Vec<u32>, CalendarError> {
        let (range, step) = match part.split('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (from, to) = if matches!(range.text, "*" | "?") {
            (self.least, self.most)
        } else if let Some((first, last)) = range.split('-') {
            (self.value(first)?, self.value(last)?)
        } else {
            let value = self.value(range)?;
            (value, if step.is_some() { self.most } else { value })
        };
        let step = match step {
            None => 1,
            Some(step) => match step.text.parse::<u32>() {
                Ok(number) if number >= 1 => number,
                _ => {
                    let what = format!("\"{}\" is no step: a whole number from 1", step.text);
                    return Err(step.error(what));
                }
            },
        };
        let all: Vec<u32> = if from <= to {
            (from..=to).collect()
        } else if self.least > 1 {
            return Err(range.error(format!("{from} comes after {to}")));
        } else {
            (from..=self.most).chain(self.least..=to).collect()
        };
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        Ok(all.into_iter().step_by(step).collect())
    }

    fn bits(&self, part: Part<'_>) -> Result<u64, CalendarError> {
        let mut bits = 0;
        for item in part.list()? {
            for value in self.values(item)? {
                bits |= 1 << value;
            }
        }
        Ok(bits)
    }
}

pub(super) fn parse(inner: &Inner<'_>) -> Result<Cron, CalendarError> {
    let words = inner.words();
    let parts: Vec<Part<'_>> = words
        .iter()
        .map(|&(column, text)| Part { column, text })
        .collect();
    let (minutes, hours, dates, months, weekdays, year) = match parts.as_slice() {
        [minutes, hours, dates, months, weekdays] => {
            (minutes, hours, dates, months, weekdays, None)
        }
        [minutes, hours, dates, months, weekdays, year] => {
            (minutes, hours, dates, months, weekdays, Some(year))
        }
        _ => {
            let what = format!(
                "cron has six fields (minutes, hours, day of the month, month, day of the week, \
                 year), or crontab's five without the year; here are {}",
                parts.len()
            );
            return Err(CalendarError::at(inner.column, what));
        }
    };
    for (part, name) in [(minutes, "minutes"), (hours, "hours"), (months, "month")] {
        not_open(*part, name)?;
    }
    let cron = Cron {
        minutes: MINUTES.bits(*minutes)?,
        hours: HOURS.bits(*hours)?,
        months: MONTH.bits(*months)?,
        dates: days_of_month(*dates)?,
        weekdays: days_of_week(*weekdays, year.is_none())?,
        years: years(year.copied())?,
    };
    match year {
        Some(_) => {
            one_of_them_open(*dates, *weekdays)?;
            Ok(cron)
        }
        None => Ok(as_crontab(cron, dates.text, weekdays.text)),
    }
}

/// `?` stands for a day only.
fn not_open(part: Part<'_>, name: &str) -> Result<(), CalendarError> {
    if part.text.contains('?') {
        let what = format!("? is for the two day fields; write * for any {name}");
        return Err(part.error(what));
    }
    Ok(())
}

/// In EventBridge one of the two day fields decides, and the other is `?`.
fn one_of_them_open(dates: Part<'_>, weekdays: Part<'_>) -> Result<(), CalendarError> {
    match (dates.text == "?", weekdays.text == "?") {
        (true, false) | (false, true) => Ok(()),
        (true, true) => Err(weekdays
            .error("only one of the two day fields can be ?; write * for every day in the other")),
        (false, false) => Err(weekdays.error(
            "the day of the month and the day of the week cannot both be given; write ? for one \
             of them",
        )),
    }
}

/// In a crontab `*` leaves a day field open, and where both are given either will do.
fn as_crontab(mut cron: Cron, dates: &str, weekdays: &str) -> Cron {
    let open = |text: &str| matches!(text, "*" | "?");
    if open(weekdays) {
        cron.weekdays = None;
        cron.dates.get_or_insert_with(|| vec![every_date()]);
    } else if open(dates) {
        cron.dates = None;
    }
    cron
}

fn every_date() -> DayOfMonth {
    DayOfMonth::Set((1..=31).fold(0, |bits, day| bits | 1 << day))
}

fn days_of_month(part: Part<'_>) -> Result<Option<Vec<DayOfMonth>>, CalendarError> {
    if part.text == "?" {
        return Ok(None);
    }
    let mut days = Vec::new();
    for item in part.list()? {
        days.push(day_of_month(item)?);
    }
    Ok(Some(days))
}

fn small(number: u32) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

fn day_of_month(part: Part<'_>) -> Result<DayOfMonth, CalendarError> {
    const BEFORE_LAST: Field = Field::of("a number of days before the last", 0, 30);
    let upper = part.text.to_ascii_uppercase();
    if upper == "L" {
        return Ok(DayOfMonth::FromLast(0));
    }
    if upper == "LW" || upper == "WL" {
        return Ok(DayOfMonth::LastWeekday);
    }
    if upper.starts_with("L-")
        && let Some((_, days)) = part.split('-')
    {
        return Ok(DayOfMonth::FromLast(small(BEFORE_LAST.value(days)?)));
    }
    if upper.ends_with('W') {
        let day = Part {
            text: &part.text[..part.text.len() - 1],
            ..part
        };
        return Ok(DayOfMonth::Weekday(small(DATES.value(day)?)));
    }
    let bits = DATES.values(part)?.into_iter();
    Ok(DayOfMonth::Set(bits.fold(0, |bits, day| bits | 1 << day)))
}

fn days_of_week(part: Part<'_>, unix: bool) -> Result<Option<Vec<DayOfWeek>>, CalendarError> {
    if part.text == "?" {
        return Ok(None);
    }
    let field = if unix { &UNIX_WEEKDAYS } else { &WEEKDAYS };
    let mut days = Vec::new();
    for item in part.list()? {
        days.push(day_of_week(item, field)?);
    }
    Ok(Some(days))
}

/// The day's number with Sunday as 1, whichever field it was written in.
fn sunday_is_one(field: &Field, day: u32) -> u32 {
    if field.least == 0 { day % 7 + 1 } else { day }
}

fn day_of_week(part: Part<'_>, field: &Field) -> Result<DayOfWeek, CalendarError> {
    const NTH: Field = Field::of("a number after #", 1, 5);
    let number =
        |part| -> Result<i8, CalendarError> { Ok(small(sunday_is_one(field, field.value(part)?))) };
    if part.text.eq_ignore_ascii_case("L") {
        // As in EventBridge: the last day of the week.
        return Ok(DayOfWeek::Set(1 << 7));
    }
    if let Some((day, nth)) = part.split('#') {
        return Ok(DayOfWeek::Nth(number(day)?, small(NTH.value(nth)?)));
    }
    if part.text.ends_with(['L', 'l']) {
        let day = Part {
            text: &part.text[..part.text.len() - 1],
            ..part
        };
        return Ok(DayOfWeek::Last(number(day)?));
    }
    // Sunday is both 0 and 7 in a crontab: a range over the whole week names it once.
    let days = field.values(part)?.into_iter();
    let days = days.map(|day| sunday_is_one(field, day));
    Ok(DayOfWeek::Set(days.fold(0, |bits, day| bits | 1 << day)))
}

fn years(part: Option<Part<'_>>) -> Result<Vec<i16>, CalendarError> {
    let mut years = Vec::new();
    match part {
        None => years.extend(YEARS),
        Some(part) => {
            not_open(part, "year")?;
            for item in part.list()? {
                years.extend(YEAR.values(item)?);
            }
        }
    }
    years.sort_unstable();
    years.dedup();
    Ok(years
        .into_iter()
        .filter_map(|year| i16::try_from(year).ok())
        .collect())
}

impl Cron {
    /// Whether it runs through every hour of the day.
    pub(super) fn is_every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// The first local time that it names, from `from` on. Looks at each day until 2199 at most.
    pub(super) fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let (first_day, time) = (from.date(), from.time());
        if let Some(time) = self.time_from(time)
            && self.names(first_day)
        {
            return Some(first_day.to_datetime(time));
        }
        let midnight = self.time_from(Time::midnight())?;
        let tomorrow = first_day.tomorrow().ok()?;
        let day = self.day_from(tomorrow)?;
        Some(day.to_datetime(midnight))
    }

    /// The first time of day that it names, from `from` on.
    fn time_from(&self, from: Time) -> Option<Time> {
        let bit = |bits: u64, from: i8| (from..64).find(|at| bits >> at & 1 == 1);
        let this_hour = (self.hours >> from.hour() & 1 == 1)
            .then(|| bit(self.minutes, from.minute()))
            .flatten();
        let (hour, minute) = match this_hour {
            Some(minute) => (from.hour(), minute),
            None => (bit(self.hours, from.hour() + 1)?, bit(self.minutes, 0)?),
        };
        Time::new(hour, minute, 0, 0).ok()
    }

    /// The first day that it names, from `from` on.
    fn day_from(&self, from: Date) -> Option<Date> {
        let years = self.years.iter().copied();
        for year in years.filter(|year| *year >= from.year()) {
            for month in (1..=12).filter(|month| self.months >> month & 1 == 1) {
                let first = Date::new(year, month, 1).ok()?;
                let last = first.last_of_month();
                if last < from {
                    continue;
                }
                let mut day = first.max(from);
                while day <= last {
                    if self.is_day(day) {
                        return Some(day);
                    }
                    day = day.tomorrow().ok()?;
                }
            }
        }
        None
    }

    fn names(&self, day: Date) -> bool {
        self.years.binary_search(&day.year()).is_ok()
            && self.months >> day.month() & 1 == 1
            && self.is_day(day)
    }

    /// Whether the two day fields name it.
    fn is_day(&self, day: Date) -> bool {
        let dates = self.dates.iter().flatten();
        let weekdays = self.weekdays.iter().flatten();
        dates.into_iter().any(|it| it.is(day)) || weekdays.into_iter().any(|it| it.is(day))
    }
}

impl DayOfMonth {
    fn is(self, day: Date) -> bool {
        let last = day.days_in_month();
        match self {
            Self::Set(bits) => bits >> day.day() & 1 == 1,
            Self::FromLast(before) => day.day() == last - before,
            Self::Weekday(wanted) => day.day() == nearest_weekday(day, wanted.min(last), wanted),
            Self::LastWeekday => day.day() == nearest_weekday(day, last, last),
        }
    }
}

/// The weekday nearest to a day of this month, without leaving the month; 0 where the month has
/// no such day.
fn nearest_weekday(in_month: Date, day: i8, wanted: i8) -> i8 {
    if day != wanted {
        return 0;
    }
    let Ok(date) = Date::new(in_month.year(), in_month.month(), day) else {
        return 0;
    };
    match date.weekday().to_sunday_one_offset() {
        // Sunday: Monday, or the Friday before at a month's end.
        1 if day == in_month.days_in_month() => day - 2,
        1 => day + 1,
        // Saturday: Friday, or the Monday after at a month's begin.
        7 if day == 1 => day + 2,
        7 => day - 1,
        _ => day,
    }
}

impl DayOfWeek {
    fn is(self, day: Date) -> bool {
        let weekday = day.weekday().to_sunday_one_offset();
        match self {
            Self::Set(bits) => bits >> weekday & 1 == 1,
            Self::Last(wanted) => weekday == wanted && day.day() + 7 > day.days_in_month(),
            Self::Nth(wanted, nth) => weekday == wanted && (day.day() - 1) / 7 + 1 == nth,
        }
    }
}
