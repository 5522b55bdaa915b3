//! Notices: said once, counted when said again, gone with what they are about.

use std::collections::VecDeque;
use std::mem::{Discriminant, discriminant};

use crate::model::TimeMs;

use super::state::{Layer, Model};
use super::text;

/// How many notices are shown at once.
const TOASTS_MAX: usize = 3;
/// How long a notice stays, in milliseconds.
const STAY_MS: u64 = 5_000;
/// How long a notice of something gone wrong stays, in milliseconds.
const STAY_BAD_MS: u64 = 12_000;

/// What a notice is about: it ends with that, if not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Something that has happened.
    Anyhow,
    /// The past that is looked at.
    InThePast,
    /// That layer, of that kind.
    At(usize, Discriminant<Layer>),
}

/// A notice that goes away by itself.
#[derive(Clone, Debug)]
pub(crate) struct Toast {
    pub text: String,
    pub bad: bool,
    /// How many times it was said while it was shown.
    pub times: u32,
    pub until: TimeMs,
    holds: Holds,
}

impl Toast {
    /// The text, with how many times it was said.
    pub(crate) fn words(&self) -> String {
        match self.times {
            1 => self.text.clone(),
            n => format!("{} (×{n})", self.text),
        }
    }
}

/// The notices that are shown, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Toasts(VecDeque<Toast>);

impl Toasts {
    /// Those that there are at first: something gone wrong that is known when the console opens.
    pub(crate) fn opening(notice: Option<&str>, now: TimeMs) -> Self {
        let mut toasts = Self::default();
        if let Some(notice) = notice {
            toasts.say(notice, true, Holds::Anyhow, now);
        }
        toasts
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Toast> + ExactSizeIterator {
        self.0.iter()
    }

    /// Lets go of one, by its place.
    pub(crate) fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn say(&mut self, text: &str, bad: bool, holds: Holds, now: TimeMs) {
        let text = text::clean(text).into_owned();
        let until = now.plus_ms(if bad { STAY_BAD_MS } else { STAY_MS });
        if let Some(same) = self.0.iter_mut().find(|toast| toast.text == text) {
            same.until = until;
            same.times = same.times.saturating_add(1);
            same.holds = holds;
            return;
        }
        self.0.push_back(Toast {
            text,
            bad,
            times: 1,
            until,
            holds,
        });
        while self.0.len() > TOASTS_MAX {
            self.0.pop_front();
        }
    }
}

impl Model {
    /// Shows a notice.
    pub(crate) fn toast(&mut self, text: impl Into<String>) {
        self.toasts
            .say(&text.into(), false, Holds::Anyhow, self.now);
    }

    /// Shows a notice of something gone wrong.
    pub(crate) fn toast_bad(&mut self, text: impl Into<String>) {
        self.toasts.say(&text.into(), true, Holds::Anyhow, self.now);
    }

    /// Shows a notice that is true only as long as the past is looked at.
    pub(crate) fn toast_of_past(&mut self, text: &str) {
        self.toasts.say(text, true, Holds::InThePast, self.now);
    }

    /// Shows a notice about what lies on top: it ends with that.
    pub(crate) fn toast_here(&mut self, text: impl Into<String>) {
        let top = self.layers.len().saturating_sub(1);
        let layer = self.layers.get(top);
        let holds = layer.map_or(Holds::Anyhow, |it| Holds::At(top, discriminant(it)));
        self.toasts.say(&text.into(), false, holds, self.now);
    }

    /// Lets go of notices whose time is over, or whose matter is.
    pub(crate) fn drop_toasts(&mut self) {
        let (now, past, layers) = (self.now, self.past.is_some(), &self.layers);
        self.toasts.0.retain(|toast| {
            let holds = match toast.holds {
                Holds::Anyhow => true,
                Holds::InThePast => past,
                Holds::At(at, kind) => layers.get(at).map(discriminant) == Some(kind),
            };
            holds && toast.until > now
        });
    }
}
