//! What a seed is like: how large its fleet is, and what can happen to it. Not everything happens
//! in every seed: what never goes together otherwise would never be seen alone.

use crate::model::InstanceName;
use crate::model::id::IdSource;
use crate::sim::Trouble;

/// Something that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A host loses power.
    Power,
    /// A host cannot be reached.
    Cut,
    /// An engine takes connections and never answers.
    Hang,
    /// Calls come to nothing, half of them after they were carried out.
    LoseCalls,
    /// Answers and announcements are late, lost, doubled and in another order.
    Messages,
    /// An engine gives out lists that are old.
    OldLists,
    /// An engine refuses creates and starts, or its disk is full.
    Refusals,
    /// Stops, removals and pulls hang.
    Stuck,
    /// A container is killed or removed from outside.
    Containers,
    /// An image is taken away, or another pushed under its tag.
    Images,
    /// A service is scaled.
    Scale,
    /// A service is deployed anew.
    Deploy,
    /// An instance is drained or activated.
    Drain,
    /// Tasks are run and stopped by hand.
    Hand,
    /// A schedule is made, changed and deleted.
    Schedule,
    /// The control plane is killed at some moment.
    Kill,
    /// The control plane is killed at a call to an engine, or while a command is under way.
    KillAtCall,
    /// The store fails: nothing was kept, some of which may be on the disk in part.
    WriteFails,
    /// The store fails after all was kept: what was written last is there at the next start.
    WriteTorn,
    /// The store has no room for a while.
    WriteFull,
    /// The wall clock jumps by up to an hour.
    Clock,
}

/// All of them.
const KINDS: [Kind; 21] = [
    Kind::Power,
    Kind::Cut,
    Kind::Hang,
    Kind::LoseCalls,
    Kind::Messages,
    Kind::OldLists,
    Kind::Refusals,
    Kind::Stuck,
    Kind::Containers,
    Kind::Images,
    Kind::Scale,
    Kind::Deploy,
    Kind::Drain,
    Kind::Hand,
    Kind::Schedule,
    Kind::Kill,
    Kind::KillAtCall,
    Kind::WriteFails,
    Kind::WriteTorn,
    Kind::WriteFull,
    Kind::Clock,
];

/// One in so many seeds has none but quiet hosts, so that orders alone are seen too.
const CALM_ONE_IN: u64 = 12;

/// What a seed is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Character {
    /// Its hosts.
    pub hosts: Vec<InstanceName>,
    /// What can happen.
    pub kinds: Vec<Kind>,
    /// The longest pause between two things, in milliseconds.
    pub pause_ms_max: u64,
    /// Whether calls that were sent are carried out after whoever sent them is gone.
    pub calls_outlive: bool,
}

impl Character {
    /// That of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = IdSource::new(seed ^ 0x0005_7031_6D00);
        let mut draw = |below: u64| dice.next_u64() % below;
        let (zones, each) = match draw(4) {
            0 => (2, 2),
            1 => (3, 2),
            2 => (2, 3),
            _ => (3, 3),
        };
        let calm = draw(CALM_ONE_IN) == 0;
        let orders = |kind: &Kind| {
            matches!(
                kind,
                Kind::Scale | Kind::Deploy | Kind::Drain | Kind::Hand | Kind::Schedule
            )
        };
        let kinds = KINDS
            .into_iter()
            .filter(|kind| draw(100) < 55 && (!calm || orders(kind)))
            .collect();
        let hosts = (0..zones).flat_map(|zone| {
            (1..=each).filter_map(move |number| {
                let letter = char::from(b'a' + zone);
                InstanceName::new(format!("{letter}{number}")).ok()
            })
        });
        Self {
            hosts: hosts.collect(),
            kinds,
            pause_ms_max: [2_000, 6_000, 15_000, 40_000][usize::try_from(draw(4)).unwrap_or(0)],
            calls_outlive: draw(2) == 0,
        }
    }

    /// Whether it can happen.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }
}

/// Some trouble of the kinds that can happen.
pub(super) fn trouble(character: &Character, mut draw: impl FnMut(u64) -> u64) -> Trouble {
    let mut trouble = Trouble::default();
    let mut some = |is: bool, most: u64| match is && draw(2) == 0 {
        true => 1 + draw(most),
        false => 0,
    };
    let messages = character.has(Kind::Messages);
    trouble.answers_late = some(messages, 40);
    trouble.events_lost = some(messages, 60);
    trouble.events_doubled = some(messages, 60);
    trouble.events_late = some(messages, 60);
    trouble.lists_old = some(character.has(Kind::OldLists), 80);
    let refusals = character.has(Kind::Refusals);
    trouble.creates_refused = some(refusals, 80);
    trouble.starts_failed = some(refusals, 80);
    trouble.disk_full = some(refusals, 4) == 1;
    let stuck = character.has(Kind::Stuck);
    trouble.stops_hung = some(stuck, 60);
    trouble.removals_stuck = some(stuck, 60);
    trouble.pulls_stalled = some(stuck, 60);
    trouble
}
