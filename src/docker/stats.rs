//! Two readings of a counter make a rate.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::StatsSample;

/// Containers whose last reading is kept.
const READINGS_MAX: usize = 1024;
/// A reading older than this says little about now.
const READING_AGE: Duration = Duration::from_secs(10);
/// Two readings must be this far apart to make a rate.
const READING_GAP: Duration = Duration::from_millis(200);

/// The engine's counters of CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Used by the container, in nanoseconds.
    pub used_ns: u64,
    /// Passed on the host, summed over its CPUs, in nanoseconds.
    pub system_ns: u64,
    /// CPUs of the host.
    pub cpus: u32,
}

impl Counters {
    /// CPU units used between an earlier reading and this one.
    #[must_use]
    pub fn units_since(self, earlier: Self) -> f64 {
        let used = self.used_ns.saturating_sub(earlier.used_ns);
        let system = self.system_ns.saturating_sub(earlier.system_ns);
        if system == 0 {
            return 0.0;
        }
        used as f64 / system as f64 * f64::from(self.cpus) * 1024.0
    }
}

/// Two samples further apart than this, in milliseconds, say nothing about now.
const RATE_GAP_MS: u64 = 30_000;

/// Bytes a second between two samples of one container; `None` where they tell none.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rates {
    /// From the network.
    pub received: Option<f64>,
    /// To the network.
    pub sent: Option<f64>,
    /// From disks.
    pub read: Option<f64>,
    /// To disks.
    pub written: Option<f64>,
}

impl Rates {
    /// By the engine's own clock. Nothing is known where that stood still, went back or leapt,
    /// nor of a counter that went back: the container was started again.
    #[must_use]
    pub fn between(before: &StatsSample, now: &StatsSample) -> Self {
        let passed = now.at.0.checked_sub(before.at.0);
        let Some(ms) = passed.filter(|ms| (1..=RATE_GAP_MS).contains(ms)) else {
            return Self::default();
        };
        let rate = |before: u64, now: u64| {
            let bytes = now.checked_sub(before)?;
            Some(bytes as f64 * 1_000.0 / ms as f64)
        };
        Self {
            received: rate(before.rx_bytes, now.rx_bytes),
            sent: rate(before.tx_bytes, now.tx_bytes),
            read: before
                .read_bytes
                .zip(now.read_bytes)
                .and_then(|(a, b)| rate(a, b)),
            written: before
                .written_bytes
                .zip(now.written_bytes)
                .and_then(|(a, b)| rate(a, b)),
        }
    }
}

/// What a container uses of memory: as `docker stats` has it, without the page cache that can be
/// dropped (named differently by cgroups v1 and v2).
#[must_use]
pub fn used_memory(usage: Option<u64>, details: Option<&HashMap<String, u64>>) -> u64 {
    let inactive = details.and_then(|d| d.get("total_inactive_file").or(d.get("inactive_file")));
    usage
        .unwrap_or(0)
        .saturating_sub(inactive.copied().unwrap_or(0))
}

/// The last reading of each container that was asked for lately.
#[derive(Debug, Default)]
pub struct Samples(Mutex<HashMap<String, (Instant, Counters)>>);

impl Samples {
    fn readings(&self) -> MutexGuard<'_, HashMap<String, (Instant, Counters)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a single further reading makes a rate.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.readings().get(id).is_some_and(|(at, _)| {
            let age = at.elapsed();
            (READING_GAP..READING_AGE).contains(&age)
        })
    }

    /// CPU units from this reading and the one before it, the engine's own or ours. The reading
    /// is kept for the next time.
    pub fn cpu_units(&self, id: &str, now: Option<Counters>, before: Option<Counters>) -> f64 {
        let Some(now) = now else {
            return 0.0;
        };
        let mut readings = self.readings();
        if readings.len() >= READINGS_MAX {
            readings.retain(|_, (at, _)| at.elapsed() < READING_AGE);
        }
        let kept = if readings.len() < READINGS_MAX || readings.contains_key(id) {
            readings.insert(id.to_owned(), (Instant::now(), now))
        } else {
            None
        };
        let before = before.or(kept.map(|(_, counters)| counters));
        before.map_or(0.0, |before| now.units_since(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(used_ns: u64, system_ns: u64) -> Counters {
        Counters {
            used_ns,
            system_ns,
            cpus: 2,
        }
    }

    #[test]
    fn half_of_one_cpu_is_512_units() {
        // Two CPUs pass 2 s of system time in one second; the container used half a second.
        let (before, now) = (counters(0, 0), counters(500_000_000, 2_000_000_000));
        assert!((now.units_since(before) - 512.0).abs() < 1e-9);
        assert_eq!(before.units_since(now).to_bits(), 0f64.to_bits());
    }

    #[test]
    fn rates_are_by_the_engines_clock_and_unknown_where_it_or_a_counter_jumped() {
        let sample = |at, rx_bytes, read_bytes| StatsSample {
            at: crate::model::TimeMs(at),
            rx_bytes,
            read_bytes,
            ..StatsSample::default()
        };
        let first = sample(1_000, 500, Some(0));
        let rates = Rates::between(&first, &sample(3_000, 2_500, Some(100)));
        assert_eq!((rates.received, rates.sent), (Some(1_000.0), Some(0.0)));
        assert_eq!((rates.read, rates.written), (Some(50.0), None));
        let restarted = Rates::between(&first, &sample(3_000, 10, Some(100)));
        assert_eq!((restarted.received, restarted.read), (None, Some(50.0)));
        for at in [0, 500, 1_000, 31_001] {
            let other = Rates::between(&first, &sample(at, 2_500, Some(100)));
            assert_eq!(other, Rates::default(), "at {at}");
        }
    }

    #[test]
    fn a_reading_is_completed_by_the_one_before_it() {
        let samples = Samples::default();
        assert!(!samples.knows("a"));
        let first = samples.cpu_units("a", Some(counters(0, 1)), None);
        assert_eq!(first.to_bits(), 0f64.to_bits());
        let second = samples.cpu_units("a", Some(counters(1_000, 2_001)), None);
        assert!((second - 1024.0).abs() < 1e-9);
        assert_eq!(samples.cpu_units("a", None, None).to_bits(), 0f64.to_bits());
    }

    #[test]
    fn readings_are_bounded() {
        let samples = Samples::default();
        for n in 0..2 * READINGS_MAX {
            samples.cpu_units(&n.to_string(), Some(counters(0, 1)), None);
        }
        assert!(samples.readings().len() <= READINGS_MAX);
    }
}
