//! Times as people write and read them.

use std::time::Duration;

use crate::model::TimeMs;

/// Reads `90s`, `10m`, `2h`, `1d`; a bare number is seconds.
///
/// # Errors
/// In words, when it is none of these.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    match number.parse::<u64>() {
        Ok(number) if seconds > 0 => Ok(Duration::from_secs(number.saturating_mul(seconds))),
        _ => Err("expected a time such as 90s, 10m, 2h or 1d".into()),
    }
}

/// Reads a moment: how long before `now`, a time of day, which is the last one here, or a date and
/// time as in RFC 3339, without a zone here.
///
/// # Errors
/// In words, when it is neither.
pub fn moment(text: &str, now: TimeMs) -> Result<TimeMs, String> {
    if let Ok(ago) = duration(text) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(TimeMs(now.0.saturating_sub(ago)));
    }
    if let Some(time) = time_of_day(text) {
        return last(time, now).ok_or_else(|| format!("\"{text}\" was not in the last days here"));
    }
    let stamp = dated(text).ok_or_else(|| {
        format!(
            "\"{text}\" is no time; expected 10m (ago), 08:19 (the last one here), \
             2026-05-04T12:00 (here) or 2026-05-04T12:00:00Z"
        )
    })?;
    Ok(TimeMs(u64::try_from(stamp.as_millisecond()).unwrap_or(0)))
}

/// A date and time, with the zone that it names, else here.
fn dated(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        return Some(stamp);
    }
    if text.contains('[') {
        // Never read without it: that would be another moment.
        return Some(text.parse::<jiff::Zoned>().ok()?.timestamp());
    }
    let here = text.parse::<jiff::civil::DateTime>().ok()?;
    let here = here.to_zoned(jiff::tz::TimeZone::system()).ok()?;
    Some(here.timestamp())
}

/// `H:MM` or `H:MM:SS` and nothing else: a parser of times of day takes whole dates, too, and
/// throws away all but the time.
fn time_of_day(text: &str) -> Option<jiff::civil::Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute] => (*hour, *minute, "00"),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let number = |part: &str, shortest: usize| {
        let fits = (shortest..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| part.parse::<i8>().ok()).flatten()
    };
    let (hour, minute, second) = (number(hour, 1)?, number(minute, 2)?, number(second, 2)?);
    jiff::civil::Time::new(hour, minute, second, 0).ok()
}

/// The last time it was so late here: today, or yesterday if that is still to come.
fn last(time: jiff::civil::Time, now: TimeMs) -> Option<TimeMs> {
    let now_ms = i64::try_from(now.0).ok()?;
    let zone = jiff::tz::TimeZone::system();
    let now = jiff::Timestamp::from_millisecond(now_ms).ok()?;
    let today = now.to_zoned(zone.clone()).date();
    let on = |date: jiff::civil::Date| {
        let at = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(at.timestamp().as_millisecond())
    };
    let at = match on(today)? {
        at if at <= now_ms => at,
        _ => on(today.yesterday().ok()?)?,
    };
    u64::try_from(at).ok().map(TimeMs)
}

/// A moment in the local time zone, to the second.
#[must_use]
pub fn local(at: TimeMs) -> String {
    let stamp = i64::try_from(at.0)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match stamp {
        Some(stamp) => stamp
            .to_zoned(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        None => "-".into(),
    }
}

/// How long it was from `then` to `now`, in one unit: `12s`, `5m`, `3h`, `2d`.
#[must_use]
pub fn age(then: TimeMs, now: TimeMs) -> String {
    let seconds = now.since_ms(then) / 1000;
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_moments() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for wrong in ["", "m", "10 m", "-3s", "1w"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        let now = TimeMs(1_000_000);
        assert_eq!(moment("10m", now), Ok(TimeMs(400_000)));
        assert_eq!(moment("1970-01-01T00:00:01Z", now), Ok(TimeMs(1_000)));
        assert!(moment("yesterday", now).is_err());
        assert!(moment("25:00", now).is_err());
        // Whatever the zone here is: it is that late there, and within the last day.
        let now = TimeMs(1_790_000_000_000);
        for text in ["08:19", "23:59", "00:00", "08:19:30"] {
            let at = moment(text, now).unwrap();
            assert!(at <= now && now.since_ms(at) < 26 * 3_600_000, "{text}");
            let told = local(at);
            assert!(told.contains(&format!(" {text}")), "{text}: {told}");
        }
    }

    #[test]
    fn a_date_is_never_thrown_away() {
        // 2026-11-28, so that every date below is another day.
        let now = TimeMs(1_795_860_000_000);
        let at = |text: &str| moment(text, now).map(|at| at.0);
        let day = 1_795_392_000_000;
        for (text, hours) in [
            ("2026-11-23T03:00:00Z", 3),
            ("2026-11-23T03:00Z", 3),
            ("2026-11-23T03:00+02:00", 1),
            ("2026-11-23T03:00:00+02:00", 1),
            ("2026-11-23T03:00-05:00", 8),
            ("2026-11-23T03:00[UTC]", 3),
        ] {
            assert_eq!(at(text), Ok(day + hours * 3_600_000), "{text}");
        }
        // Without a zone it is here, wherever that is.
        for (text, hour, minute, second) in [
            ("2026-11-23T03:00", 3, 0, 0),
            ("2026-11-23 03:07:09", 3, 7, 9),
            ("2026-11-23", 0, 0, 0),
        ] {
            let here = jiff::civil::date(2026, 11, 23).at(hour, minute, second, 0);
            let here = here.to_zoned(jiff::tz::TimeZone::system()).unwrap();
            let expected = u64::try_from(here.timestamp().as_millisecond()).unwrap();
            assert_eq!(at(text), Ok(expected), "{text}");
        }
        assert_eq!(at("8:19"), at("08:19"));
        assert_eq!(at("08:19"), at("08:19:00"));
        for wrong in [
            "2026-11-23T03:00[Nowhere/There]",
            "08:19+02:00",
            "08:19Z",
            "8:1",
            "08:61",
            "008:19",
            "-1:00",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_have_one_unit() {
        let at = |s: u64| age(TimeMs(0), TimeMs(s * 1000));
        assert_eq!(at(5), "5s");
        assert_eq!(at(125), "2m");
        assert_eq!(at(7_200), "2h");
        assert_eq!(at(200_000), "2d");
        assert_eq!(age(TimeMs(9), TimeMs(5)), "0s");
    }
}
