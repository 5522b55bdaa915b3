//! Expressions against known dates.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn ms(text: &str) -> TimeMs {
    let stamp: Timestamp = text.parse().unwrap();
    TimeMs(stamp.as_millisecond().try_into().unwrap())
}

fn utc(at: TimeMs) -> String {
    stamp(at).unwrap().to_string()
}

/// The moments after `after` at which it is due, in UTC.
fn due(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let expression = Expression::parse(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
    let zone = Zone::named(Some(zone)).unwrap();
    let since = ms(after);
    let mut now = since;
    let mut found = Vec::new();
    while let Some(next) = expression.next(&zone, since, now) {
        assert!(next > now, "time goes on");
        found.push(utc(next));
        now = next;
        if found.len() == count {
            break;
        }
    }
    found
}

#[test]
fn known_dates() {
    for (expression, after, expected) in [
        // Every minute, every quarter, a range with a step, a list with names.
        (
            "cron(* * * * ? *)",
            "2026-11-22T10:00:30Z",
            "2026-11-22T10:01:00Z 2026-11-22T10:02:00Z",
        ),
        (
            "cron(0/15 * * * ? *)",
            "2026-11-22T23:50:00Z",
            "2026-11-23T00:00:00Z 2026-11-23T00:15:00Z",
        ),
        (
            "cron(*/20 8-10 * * ? *)",
            "2026-11-22T10:30:00Z",
            "2026-11-22T10:40:00Z 2026-11-23T08:00:00Z",
        ),
        (
            "cron(0 18 ? * MON-FRI *)",
            "2026-11-20T18:00:00Z",
            "2026-11-23T18:00:00Z 2026-11-24T18:00:00Z",
        ),
        (
            "cron(0 9 ? * FRI-MON *)",
            "2026-11-23T10:00:00Z",
            "2026-11-27T09:00:00Z 2026-11-28T09:00:00Z",
        ),
        (
            "cron(0 0 1 jan,JUL ? *)",
            "2026-01-01T00:00:00Z",
            "2026-07-01T00:00:00Z 2027-01-01T00:00:00Z",
        ),
        // Sunday is 1.
        (
            "cron(0 12 ? * 1 *)",
            "2026-11-22T11:00:00Z",
            "2026-11-22T12:00:00Z 2026-11-29T12:00:00Z",
        ),
        (
            "cron(0 12 ? * L *)",
            "2026-11-22T11:00:00Z",
            "2026-11-28T12:00:00Z 2026-12-05T12:00:00Z",
        ),
        // Month ends, leap years.
        (
            "cron(0 0 L * ? *)",
            "2027-12-31T12:00:00Z",
            "2028-01-31T00:00:00Z 2028-02-29T00:00:00Z",
        ),
        (
            "cron(0 0 L-2 * ? *)",
            "2027-02-01T00:00:00Z",
            "2027-02-26T00:00:00Z 2027-03-29T00:00:00Z",
        ),
        (
            "cron(0 0 31 * ? *)",
            "2026-01-31T00:00:00Z",
            "2026-03-31T00:00:00Z 2026-05-31T00:00:00Z",
        ),
        (
            "cron(0 0 29 2 ? *)",
            "2026-01-01T00:00:00Z",
            "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z",
        ),
        // 2100 is no leap year.
        (
            "cron(0 0 29 2 ? *)",
            "2096-03-01T00:00:00Z",
            "2104-02-29T00:00:00Z 2108-02-29T00:00:00Z",
        ),
        // The weekday nearest to a day stays in the month: 2026-08-01 is a Saturday, 2026-05-31
        // a Sunday.
        (
            "cron(0 0 1W * ? *)",
            "2026-07-31T00:00:00Z",
            "2026-08-03T00:00:00Z 2026-09-01T00:00:00Z",
        ),
        (
            "cron(0 0 31W * ? *)",
            "2026-05-01T00:00:00Z",
            "2026-05-29T00:00:00Z 2026-07-31T00:00:00Z",
        ),
        (
            "cron(0 0 15W * ? *)",
            "2026-08-01T00:00:00Z",
            "2026-08-14T00:00:00Z 2026-09-15T00:00:00Z",
        ),
        (
            "cron(0 0 LW * ? *)",
            "2026-01-01T00:00:00Z",
            "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z",
        ),
        // The second Tuesday, the last Friday, the fifth Monday.
        (
            "cron(0 4 ? * 3#2 *)",
            "2026-11-22T00:00:00Z",
            "2026-12-08T04:00:00Z 2027-01-12T04:00:00Z",
        ),
        (
            "cron(0 4 ? * FRIL *)",
            "2026-11-22T00:00:00Z",
            "2026-11-27T04:00:00Z 2026-12-25T04:00:00Z",
        ),
        (
            "cron(0 4 ? * MON#5 *)",
            "2026-11-22T00:00:00Z",
            "2026-11-30T04:00:00Z 2027-03-29T04:00:00Z",
        ),
        // Years.
        (
            "cron(0 0 1 1 ? 2030,2040)",
            "2026-01-01T00:00:00Z",
            "2030-01-01T00:00:00Z 2040-01-01T00:00:00Z",
        ),
        (
            "cron(0 0 1 1 ? 2027-2099/50)",
            "2026-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z 2077-01-01T00:00:00Z",
        ),
        ("cron(0 0 1 1 ? 2020)", "2026-01-01T00:00:00Z", ""),
        ("cron(0 0 30 2 ? *)", "2026-01-01T00:00:00Z", ""),
        (
            "cron(59 23 31 12 ? *)",
            "2199-12-31T23:58:00Z",
            "2199-12-31T23:59:00Z",
        ),
        // Crontab's five: Monday is 1, Sunday 0 and 7, and of two days either will do.
        (
            "cron(30 3 * * 1)",
            "2026-11-22T00:00:00Z",
            "2026-11-23T03:30:00Z 2026-11-30T03:30:00Z",
        ),
        (
            "cron(30 3 * * 7)",
            "2026-11-22T00:00:00Z",
            "2026-11-22T03:30:00Z 2026-11-29T03:30:00Z",
        ),
        (
            "cron(30 3 * * 0-7)",
            "2026-11-22T00:00:00Z",
            "2026-11-22T03:30:00Z 2026-11-23T03:30:00Z",
        ),
        (
            "cron(0 0 13 * FRI)",
            "2026-11-01T00:00:00Z",
            "2026-11-06T00:00:00Z 2026-11-13T00:00:00Z",
        ),
        (
            "cron(5 4 2 * *)",
            "2026-11-22T00:00:00Z",
            "2026-12-02T04:05:00Z 2027-01-02T04:05:00Z",
        ),
        (
            "cron(0 5 * * *)",
            "2026-11-22T00:00:00Z",
            "2026-11-22T05:00:00Z 2026-11-23T05:00:00Z",
        ),
        // Rates and single times.
        (
            "rate(5 minutes)",
            "2026-11-22T10:00:30Z",
            "2026-11-22T10:05:30Z 2026-11-22T10:10:30Z",
        ),
        (
            "rate(1 day)",
            "2026-11-22T10:00:30Z",
            "2026-11-23T10:00:30Z 2026-11-24T10:00:30Z",
        ),
        (
            "at(2026-12-24T18:00:00)",
            "2026-11-22T00:00:00Z",
            "2026-12-24T18:00:00Z",
        ),
        ("at(2026-12-24T18:00:00)", "2026-12-24T18:00:00Z", ""),
    ] {
        let found = due(expression, "UTC", after, 2).join(" ");
        assert_eq!(found, expected, "{expression} after {after}");
    }
}

/// Europe/Berlin: on 2026-03-29 02:00 becomes 03:00 (01:00Z), on 2026-10-25 03:00 becomes 02:00
/// (01:00Z). America/New_York: on 2026-03-08 02:00 becomes 03:00 (07:00Z), on 2026-11-01 02:00
/// becomes 01:00 (06:00Z).
#[test]
fn clocks_that_are_set_forward_and_back() {
    let berlin = "Europe/Berlin";
    let new_york = "America/New_York";
    for (expression, zone, after, expected) in [
        // A time that does not exist is due at the end of the gap, on that day only.
        (
            "cron(30 2 * * ? *)",
            berlin,
            "2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z",
        ),
        (
            "cron(30 2 * * ? *)",
            new_york,
            "2026-03-07T12:00:00Z",
            "2026-03-08T07:00:00Z 2026-03-09T06:30:00Z",
        ),
        (
            "at(2026-03-29T02:15:00)",
            berlin,
            "2026-03-01T00:00:00Z",
            "2026-03-29T01:00:00Z",
        ),
        // All times in the gap are one moment.
        (
            "cron(0/15 2 * * ? *)",
            berlin,
            "2026-03-29T00:59:00Z",
            "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z",
        ),
        (
            "cron(0 2-3 * * ? *)",
            berlin,
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z",
        ),
        // A time that comes twice is due the first time only.
        (
            "cron(30 2 * * ? *)",
            berlin,
            "2026-10-24T12:00:00Z",
            "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z",
        ),
        (
            "cron(30 1 * * ? *)",
            new_york,
            "2026-10-31T12:00:00Z",
            "2026-11-01T05:30:00Z 2026-11-02T06:30:00Z",
        ),
        (
            "cron(30 2 * * ? *)",
            berlin,
            "2026-10-25T01:10:00Z",
            "2026-10-26T01:30:00Z 2026-10-27T01:30:00Z",
        ),
        (
            "at(2026-10-25T02:30:00)",
            berlin,
            "2026-10-01T00:00:00Z",
            "2026-10-25T00:30:00Z",
        ),
        // What runs through every hour goes on through both.
        (
            "cron(0 * * * ? *)",
            berlin,
            "2026-10-24T23:00:00Z",
            "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z",
        ),
        (
            "cron(0/30 * * * ? *)",
            new_york,
            "2026-11-01T05:30:00Z",
            "2026-11-01T06:00:00Z 2026-11-01T06:30:00Z",
        ),
        (
            "cron(0 * * * ? *)",
            berlin,
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:00:00Z 2026-03-29T02:00:00Z",
        ),
        // The same hour in winter and in summer.
        (
            "cron(0 3 * * ? *)",
            berlin,
            "2026-03-27T12:00:00Z",
            "2026-03-28T02:00:00Z 2026-03-29T01:00:00Z",
        ),
        // A rate counts real time.
        (
            "rate(12 hours)",
            berlin,
            "2026-03-28T12:00:00Z",
            "2026-03-29T00:00:00Z 2026-03-29T12:00:00Z",
        ),
        // Zones with half hours: on 2026-04-05 Lord Howe goes back by 30 minutes at 02:00.
        (
            "cron(45 1 * * ? *)",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z",
        ),
    ] {
        let found = due(expression, zone, after, 2).join(" ");
        assert_eq!(found, expected, "{expression} in {zone} after {after}");
    }
}

/// The slow, obvious way: every minute, one after the other.
#[test]
fn a_year_of_minutes_agrees_with_the_search() {
    let zone = Zone::named(Some("Europe/Berlin")).unwrap();
    let expression = Expression::parse("cron(0/7 * ? * 2-5 *)").unwrap();
    let mut next = expression
        .next(&zone, TimeMs(0), ms("2026-01-01T00:00:00Z"))
        .unwrap();
    let mut minute = ms("2026-01-01T00:01:00Z");
    while minute < ms("2027-01-01T00:00:00Z") {
        let local = stamp(minute).unwrap().to_zoned(zone.0.clone());
        let weekday = local.weekday().to_sunday_one_offset();
        let named = local.minute() % 7 == 0 && (2..=5).contains(&weekday);
        assert_eq!(next == minute, named, "{local}");
        if next == minute {
            next = expression.next(&zone, TimeMs(0), minute).unwrap();
        }
        minute = minute.plus_ms(60_000);
    }
}

#[test]
fn what_is_wrong_is_pointed_at() {
    for (text, expected) in [
        ("", "column 1: expected rate(…), cron(…) or at(…)"),
        (
            "rat(5 minutes)",
            "column 1: \"rat\" is no schedule; did you mean rate(…)?",
        ),
        (
            "0 3 * * *",
            "column 1: \"0\" is no schedule; expected rate(…), cron(…) or at(…)",
        ),
        (
            "cron 0 3 * * ? *",
            "column 1: cron is followed by ( and ends in )",
        ),
        ("rate(5 minutes", "column 15: rate(…) ends in )"),
        (
            "rate(5)",
            "column 6: a rate is a number and a unit, such as rate(5 minutes)",
        ),
        (
            "rate(0 minutes)",
            "column 6: \"0\" is no whole number of 1 or more",
        ),
        (
            "rate(-5 minutes)",
            "column 6: \"-5\" is no whole number of 1 or more",
        ),
        (
            "rate(5 minuts)",
            "column 8: \"minuts\" is no unit; did you mean minutes?",
        ),
        (
            "rate(9999999 days)",
            "column 6: at most 3650 days are allowed",
        ),
        (
            "rate(30 seconds)",
            "column 9: \"seconds\" is no unit; expected minutes, hours or days",
        ),
        (
            "at(tomorrow)",
            "column 4: \"tomorrow\" is no time; write it as 2026-11-22T03:00:00",
        ),
        (
            "at(2026-02-30T00:00:00)",
            "column 4: \"2026-02-30T00:00:00\" is no time; write it as 2026-11-22T03:00:00",
        ),
        (
            "cron(60 3 * * ? *)",
            "column 6: 60 is out of range for a minute: 0 to 59",
        ),
        (
            "cron(0 25 * * ? *)",
            "column 8: 25 is out of range for an hour: 0 to 23",
        ),
        (
            "cron(0 3 ? * MOM *)",
            "column 14: \"MOM\" is no day of the week; did you mean MON?",
        ),
        (
            "cron(0 3 1 1,FEBR ? *)",
            "column 14: \"FEBR\" is no month; did you mean FEB?",
        ),
        (
            "cron(0 3 * * * *)",
            "column 14: the day of the month and the day of the week cannot both be given; write ? for one of them",
        ),
        (
            "cron(0 3 ? * ? *)",
            "column 14: only one of the two day fields can be ?; write * for every day in the other",
        ),
        (
            "cron(? 3 * * ? *)",
            "column 6: ? is for the two day fields; write * for any minutes",
        ),
        (
            "cron(*/0 3 * * ? *)",
            "column 8: \"0\" is no step: a whole number from 1",
        ),
        ("cron(1, 3 * * ? *)", "column 8: a minute is missing here"),
        (
            "cron(0 3 ? * MON#6 *)",
            "column 18: 6 is out of range for a number after #: 1 to 5",
        ),
        (
            "cron(0 3 32W * ? *)",
            "column 10: 32 is out of range for a day of the month: 1 to 31",
        ),
        (
            "cron(0 3 1 1 ? 2100-2099)",
            "column 16: 2100 comes after 2099",
        ),
        (
            "cron(0 3 * *)",
            "column 6: cron has six fields (minutes, hours, day of the month, month, day of the week, year), or crontab's five without the year; here are 4",
        ),
    ] {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let long = format!("cron({}0 3 * * ? *)", " ".repeat(EXPRESSION_MAX));
    assert_eq!(Expression::parse(&long).unwrap_err().column, 0);
}

#[test]
fn a_zone_that_is_not_there_has_a_neighbour() {
    for (name, near) in [
        ("Europe/Berln", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("America/NewYork", "America/New_York"),
    ] {
        let error = Zone::named(Some(name)).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean {near}?")), "{error}");
    }
    assert_eq!(Zone::named(None), Ok(Zone::UTC));
    let berlin = Zone::named(Some("Europe/Berlin")).unwrap();
    assert_eq!(berlin.words(ms("2026-11-23T02:00:00Z")), "2026-11-23 03:00");
    assert_eq!(
        berlin.words(ms("2026-11-23T02:00:07Z")),
        "2026-11-23 03:00:07"
    );
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        Just("?".to_owned()),
        "[0-9]{1,2}",
        "[0-9]{1,2}-[0-9]{1,2}",
        "[0-9*]/[0-9]{1,2}",
        "L|LW|[0-9]{1,2}W|[1-7]L|[1-7]#[1-5]|L-[0-9]|MON|JAN-MAR|20[0-9]{2}",
        "[0-9A-Z*?/#,LW-]{0,6}",
    ]
}

proptest! {
    /// Whatever is written: an answer without a panic, later than asked and in good time.
    #[test]
    fn any_text_is_read_or_refused(
        fields in proptest::collection::vec(field(), 0..8),
        zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York"), Just("Pacific/Apia")],
        after in 0_u64..8_000_000_000_000,
    ) {
        let text = format!("cron({})", fields.join(" "));
        let zone = Zone::named(Some(zone)).unwrap();
        if let Ok(expression) = Expression::parse(&text) {
            let next = expression.next(&zone, TimeMs(0), TimeMs(after));
            prop_assert!(next.is_none_or(|next| next.0 > after), "{} {:?}", text, next);
            // Nothing is due between, as seen from between.
            if let Some(next) = next {
                let between = TimeMs(after + (next.0 - after) / 2);
                prop_assert_eq!(expression.next(&zone, TimeMs(0), between), Some(next));
            }
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(text in "\\PC{0,40}", wrapped in "(rate|cron|at)\\(\\PC{0,30}\\)") {
        for text in [text, wrapped] {
            if let Err(error) = Expression::parse(&text) {
                prop_assert!(error.column <= text.chars().count() + 1, "{} {:?}", text, error);
            }
        }
    }

    #[test]
    fn any_moment_has_a_next(after in any::<u64>(), since in any::<u64>()) {
        for text in ["rate(1 minute)", "cron(* * * * ? *)", "at(2026-01-01T00:00:00)"] {
            let expression = Expression::parse(text).unwrap();
            let _ = expression.next(&Zone::UTC, TimeMs(since), TimeMs(after));
        }
    }
}
