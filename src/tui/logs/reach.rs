//! How far back logs are read.

use crate::docker::LogOptions;
use crate::model::TimeMs;

/// How many lines of the past a log begins with unless more is asked for.
const NEWEST: u32 = 500;
/// What lies around a moment, in milliseconds to each side.
const AROUND_MS: u64 = 30_000;

/// From when on lines are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The newest lines, and what comes.
    Newest,
    /// So many minutes back, and what comes.
    Minutes(u64),
    /// All that the engines still have, and what comes.
    Everything,
    /// What lies around a moment; nothing that comes.
    Around(TimeMs),
}

impl Reach {
    /// Those that are offered.
    pub(crate) const OFFERED: [Self; 7] = [
        Self::Newest,
        Self::Minutes(5),
        Self::Minutes(15),
        Self::Minutes(60),
        Self::Minutes(6 * 60),
        Self::Minutes(24 * 60),
        Self::Everything,
    ];

    /// What the engines are asked at that moment.
    pub(crate) fn options(self, now: TimeMs) -> LogOptions {
        let following = LogOptions {
            follow: true,
            ..LogOptions::default()
        };
        match self {
            Self::Newest => LogOptions {
                tail: Some(NEWEST),
                ..following
            },
            Self::Minutes(minutes) => LogOptions {
                since: Some(TimeMs(now.0.saturating_sub(minutes * 60_000))),
                ..following
            },
            Self::Everything => following,
            Self::Around(at) => LogOptions {
                since: Some(TimeMs(at.0.saturating_sub(AROUND_MS))),
                until: Some(at.plus_ms(AROUND_MS)),
                ..LogOptions::default()
            },
        }
    }

    /// What asks `qd logs` for the same; of a moment, for what begins there.
    pub(crate) fn flags(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Newest => &["-f", "-n", &NEWEST.to_string()],
            Self::Minutes(minutes) => &["-f", "--since", &format!("{minutes}m")],
            Self::Everything => &["-f"],
            Self::Around(at) => {
                let from = i64::try_from(at.0.saturating_sub(AROUND_MS)).unwrap_or(i64::MAX);
                let from = jiff::Timestamp::from_millisecond(from).unwrap_or_default();
                &["--since", &from.to_string()]
            }
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// What it is called.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Newest => format!("the newest {NEWEST} lines"),
            Self::Minutes(60) => "the last hour".to_owned(),
            Self::Minutes(minutes) if minutes == 24 * 60 => "the last day".to_owned(),
            Self::Minutes(minutes) if minutes > 60 => format!("the last {} hours", minutes / 60),
            Self::Minutes(minutes) => format!("the last {minutes} minutes"),
            Self::Everything => "everything there is".to_owned(),
            Self::Around(_) => format!("{} s before and after", AROUND_MS / 1_000),
        }
    }
}
