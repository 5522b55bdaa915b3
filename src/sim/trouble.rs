//! What else can be wrong with a simulated engine that answers.

use std::collections::VecDeque;
use std::time::Duration;

use super::dice::between;
use crate::docker::{EngineError, EngineEvent, EngineResult};
use crate::model::id::IdSource;
use crate::model::observation::ObservedContainer;

/// The longest that an answer or an announcement is under way when it is late, in milliseconds.
const LATE_MS_MAX: u64 = 4_000;
/// How many earlier lists an engine may give out again.
const LISTS_KEPT: usize = 3;
/// How long a stop or a pull that hangs is silent: longer than anybody waits for it.
const SILENCE: Duration = Duration::from_secs(3_600);

/// How often what goes wrong, each in percent of the occasions. The default is an engine without
/// trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Answers that come late, so that later ones overtake them.
    pub answers_late: u64,
    /// Lists that are older than what they are given for.
    pub lists_old: u64,
    /// Announcements that are never made.
    pub events_lost: u64,
    /// Announcements that are made twice.
    pub events_doubled: u64,
    /// Announcements that come late, after later ones.
    pub events_late: u64,
    /// Creates that are refused.
    pub creates_refused: u64,
    /// Starts that fail.
    pub starts_failed: u64,
    /// Stops that are neither carried out nor answered.
    pub stops_hung: u64,
    /// Removals that begin and do not end before the trouble does.
    pub removals_stuck: u64,
    /// Pulls that bring nothing more.
    pub pulls_stalled: u64,
    /// Whether its disk is full: nothing can be made or pulled.
    pub disk_full: bool,
}

/// What is to become of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Told,
    ToldTwice,
    Late(Duration),
}

/// The trouble of one host, and what it takes to be in it.
#[derive(Debug)]
pub(super) struct Troubled {
    trouble: Trouble,
    dice: IdSource,
    lists: VecDeque<Vec<ObservedContainer>>,
}

impl Troubled {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            trouble: Trouble::default(),
            dice: IdSource::new(seed),
            lists: VecDeque::new(),
        }
    }

    pub(super) fn set(&mut self, trouble: Trouble) {
        self.trouble = trouble;
        self.lists.clear();
    }

    pub(super) fn get(&self) -> Trouble {
        self.trouble
    }

    /// Whether it happens this time. Nothing is drawn for what never happens.
    fn happens(&mut self, percent: u64) -> bool {
        percent > 0 && self.dice.next_u64() % 100 < percent
    }

    fn delay(&mut self) -> Duration {
        Duration::from_millis(between(self.dice.next_u64(), 1, LATE_MS_MAX))
    }

    /// How much later than usual this answer comes.
    pub(super) fn late(&mut self) -> Option<Duration> {
        self.happens(self.trouble.answers_late)
            .then(|| self.delay())
    }

    pub(super) fn announce(&mut self, _event: &EngineEvent) -> Fate {
        if self.happens(self.trouble.events_lost) {
            Fate::Lost
        } else if self.happens(self.trouble.events_doubled) {
            Fate::ToldTwice
        } else if self.happens(self.trouble.events_late) {
            Fate::Late(self.delay())
        } else {
            Fate::Told
        }
    }

    /// The list that is given out for the true one.
    pub(super) fn list(&mut self, truth: Vec<ObservedContainer>) -> Vec<ObservedContainer> {
        if self.trouble.lists_old == 0 {
            return truth;
        }
        let older = self.lists.front().cloned();
        self.lists.push_back(truth.clone());
        if self.lists.len() > LISTS_KEPT {
            self.lists.pop_front();
        }
        match older {
            Some(older) if self.happens(self.trouble.lists_old) => older,
            _ => truth,
        }
    }

    fn full(&self, what: &str) -> EngineResult<()> {
        match self.trouble.disk_full {
            true => Err(EngineError::Failed(format!(
                "{what}: no space left on device"
            ))),
            false => Ok(()),
        }
    }

    pub(super) fn create(&mut self) -> EngineResult<()> {
        self.full("mkdir /var/lib/docker/overlay2/new")?;
        match self.happens(self.trouble.creates_refused) {
            true => Err(EngineError::Failed(
                "devmapper: Error saving transaction metadata".to_owned(),
            )),
            false => Ok(()),
        }
    }

    pub(super) fn start(&mut self) -> EngineResult<()> {
        match self.happens(self.trouble.starts_failed) {
            true => Err(EngineError::Failed(
                "failed to create task for container: failed to create shim task: OCI runtime \
                 create failed: unable to start container process"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// How long a stop is neither carried out nor answered.
    pub(super) fn stop(&mut self) -> Option<Duration> {
        self.happens(self.trouble.stops_hung).then_some(SILENCE)
    }

    /// Whether this removal begins and does not end.
    pub(super) fn sticks(&mut self) -> bool {
        self.happens(self.trouble.removals_stuck)
    }

    pub(super) fn pull(&mut self) -> EngineResult<Option<Duration>> {
        self.full("write /var/lib/docker/tmp/GetImageBlob")?;
        Ok(self.happens(self.trouble.pulls_stalled).then_some(SILENCE))
    }
}
