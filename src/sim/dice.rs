//! Draws that depend on what is drawn for and not on when: equal questions, equal answers.

use crate::model::id::mix;

/// Folds more words into a seed.
pub(super) fn fold(seed: u64, words: &[u64]) -> u64 {
    words.iter().fold(mix(seed), |hash, word| {
        mix(hash.rotate_left(23) ^ word.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    })
}

/// Folds a text into a seed.
pub(super) fn fold_text(seed: u64, text: &str) -> u64 {
    let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    fold(seed, &[hash])
}

/// A number from `low` to `high`, both possible.
pub(super) fn between(draw: u64, low: u64, high: u64) -> u64 {
    let span = high.saturating_sub(low).saturating_add(1);
    low + draw % span.max(1)
}

/// A number from 0 up to and without 1.
pub(super) fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

/// One of several; the empty text of none.
pub(super) fn one_of<'a>(draw: u64, among: &[&'a str]) -> &'a str {
    let index = draw % (among.len() as u64).max(1);
    usize::try_from(index)
        .ok()
        .and_then(|index| among.get(index))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_replay_and_differ_by_what_they_are_for() {
        assert_eq!(fold(1, &[2, 3]), fold(1, &[2, 3]));
        assert_ne!(fold(1, &[2, 3]), fold(1, &[3, 2]));
        assert_ne!(fold_text(1, "web"), fold_text(1, "api"));
        for draw in 0..100 {
            assert!((3..=7).contains(&between(fold(9, &[draw]), 3, 7)));
            assert!((0.0..1.0).contains(&unit(fold(9, &[draw]))));
        }
        assert_eq!(one_of(5, &["a", "b"]), "b");
    }
}
