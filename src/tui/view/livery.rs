//! Which colour and which letter stands for which service.

use std::collections::{BTreeMap, HashSet};

use ratatui::style::Color;

use crate::model::ServiceName;

use super::super::fleet::Fleet;
use super::theme::Theme;

/// Colours of services on a terminal with the sixteen of old; with more, the theme has them.
const FEW: [Color; 5] = [
    Color::Blue,
    Color::Green,
    Color::Magenta,
    Color::Cyan,
    Color::White,
];
/// What stands for a service when every letter is taken.
const NO_LETTER: char = '#';

/// What a service's blocks look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dress {
    pub colour: Color,
    pub letter: char,
}

/// Tasks run by hand, and those of a service that is gone.
pub(super) const BY_HAND: Dress = Dress {
    colour: Color::Gray,
    letter: '@',
};

/// The colours that tell things apart; never none.
pub(super) fn choice(theme: &Theme) -> &[Color] {
    match theme.is_rich() {
        true => &theme.palette.services,
        false => &FEW,
    }
}

/// What every service of a fleet looks like. Those of equal names look the same: they lie in other
/// bays.
pub(super) fn dresses(fleet: &Fleet, theme: &Theme) -> BTreeMap<ServiceName, Dress> {
    let choice = choice(theme);
    let (mut taken, mut letters) = (HashSet::new(), HashSet::new());
    let mut dresses = BTreeMap::new();
    for name in fleet.services.iter().map(|row| &row.service.name) {
        if dresses.contains_key(name) {
            continue;
        }
        // The name decides, so that a service looks the same tomorrow; another one that has
        // the colour already moves it on.
        let wanted = hash(name.as_str()) % choice.len();
        let slots = (0..choice.len()).map(|step| (wanted + step) % choice.len());
        let slot = slots.into_iter().find(|slot| !taken.contains(slot));
        let slot = slot.unwrap_or(wanted);
        taken.insert(slot);
        let letter = letter(name.as_str(), &letters);
        letters.insert(letter);
        let colour = choice[slot];
        dresses.insert(name.clone(), Dress { colour, letter });
    }
    dresses
}

/// The first letter of the name that is free, else any.
fn letter(name: &str, taken: &HashSet<char>) -> char {
    let own = name.chars().filter(char::is_ascii_alphanumeric);
    let capitals = name.chars().map(|c| c.to_ascii_uppercase());
    let capitals = capitals.filter(char::is_ascii_alphanumeric);
    let mut all = own
        .chain(capitals)
        .chain('a'..='z')
        .chain('A'..='Z')
        .chain('0'..='9');
    all.find(|c| !taken.contains(c)).unwrap_or(NO_LETTER)
}

/// FNV-1a: the same on every machine.
fn hash(text: &str) -> usize {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_from_the_name_and_are_not_shared_while_there_are_any() {
        let mut taken = HashSet::new();
        let mut next = |name: &str| {
            let letter = letter(name, &taken);
            taken.insert(letter);
            letter
        };
        assert_eq!(
            ["web", "worker", "wo", "w"].map(&mut next),
            ['w', 'o', 'W', 'a']
        );
        let rest: String = (0..58).map(|_| next("web")).collect();
        assert!(!rest.contains(NO_LETTER), "{rest}");
        assert_eq!(next("web"), NO_LETTER);
    }
}
