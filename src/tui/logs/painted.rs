//! A text whose parts look different.

use std::ops::Range;

use ratatui::style::Style;

use super::level::Level;

/// What a part of a text looks like, before a theme says how that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    /// As the container itself wished.
    Own(Style),
    /// The word that says how grave a line is.
    Level(Level),
    /// A field's name, and other furniture.
    Faint,
    /// An error output's line that says nothing of how grave it is.
    Stderr,
    /// What was searched for.
    Found,
    /// The same, in the line that the search is at.
    FoundHere,
}

/// A text, and where in it which ink begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Painted {
    pub text: String,
    /// In ascending order; the first begins at 0.
    runs: Vec<(usize, Ink)>,
}

impl Painted {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            runs: vec![(0, Ink::Plain)],
        }
    }

    /// Adds a part.
    pub(crate) fn push(&mut self, text: &str, ink: Ink) {
        if text.is_empty() {
            return;
        }
        match self.runs.last_mut() {
            Some((at, last)) if *at == self.text.len() => *last = ink,
            Some((_, last)) if *last == ink => {}
            _ => self.runs.push((self.text.len(), ink)),
        }
        self.text.push_str(text);
    }

    /// Paints a part over.
    pub(crate) fn paint(&mut self, range: Range<usize>, ink: Ink) {
        let range = range.start..range.end.min(self.text.len());
        if range.is_empty() {
            return;
        }
        let after = self.ink_at(range.end);
        let from = self.runs.partition_point(|(at, _)| *at < range.start);
        let to = self.runs.partition_point(|(at, _)| *at <= range.end);
        let rest = (range.end < self.text.len()).then_some((range.end, after));
        let new = [Some((range.start, ink)), rest];
        self.runs.splice(from..to, new.into_iter().flatten());
    }

    fn ink_at(&self, byte: usize) -> Ink {
        let next = self.runs.partition_point(|(at, _)| *at <= byte);
        let run = next.checked_sub(1).and_then(|at| self.runs.get(at));
        run.map_or(Ink::Plain, |(_, ink)| *ink)
    }

    /// The parts of a range, each with its ink.
    pub(crate) fn parts(&self, range: Range<usize>) -> Vec<(&str, Ink)> {
        let mut parts = Vec::new();
        for (index, (at, ink)) in self.runs.iter().enumerate() {
            let end = self
                .runs
                .get(index + 1)
                .map_or(self.text.len(), |(at, _)| *at);
            let part = (*at).max(range.start)..end.min(range.end);
            if !part.is_empty()
                && let Some(text) = self.text.get(part)
            {
                parts.push((text, *ink));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_painted_over_and_keep_what_is_around_them() {
        let mut painted = Painted::new();
        painted.push("one ", Ink::Stderr);
        painted.push("two ", Ink::Plain);
        painted.push("three", Ink::Stderr);
        painted.paint(2..6, Ink::Found);
        let all = painted.parts(0..painted.text.len());
        let wanted = [
            ("on", Ink::Stderr),
            ("e tw", Ink::Found),
            ("o ", Ink::Plain),
            ("three", Ink::Stderr),
        ];
        assert_eq!(all, wanted);
        assert_eq!(painted.parts(4..7), [("tw", Ink::Found), ("o", Ink::Plain)]);
        painted.paint(6..99, Ink::FoundHere);
        assert_eq!(painted.parts(6..13), [("o three", Ink::FoundHere)]);
        assert_eq!(painted.ink_at(5), Ink::Found);
    }
}
