//! Texts that many values have in common, kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// So many texts are kept; past that, all are let go. Values that have them go on having them.
const TEXTS_MAX: usize = 65_536;

/// Texts that were seen before, so that equal ones can be one. They save memory and decide nothing.
#[derive(Clone, Debug, Default)]
pub struct Texts(BTreeSet<Arc<str>>);

impl Texts {
    /// The text, the same one for all that are equal.
    #[must_use]
    pub fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.keep(new.clone());
        new
    }

    /// Puts the text that is kept in the place of an equal one.
    pub fn share(&mut self, text: &mut Arc<str>) {
        match self.0.get(&**text) {
            Some(known) => text.clone_from(known),
            None => self.keep(text.clone()),
        }
    }

    fn keep(&mut self, text: Arc<str>) {
        if self.0.len() >= TEXTS_MAX {
            self.0.clear();
        }
        self.0.insert(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_and_their_number_is_bounded() {
        let mut texts = Texts::default();
        let first = texts.shared("web");
        assert!(Arc::ptr_eq(&first, &texts.shared("web")));
        let mut other: Arc<str> = "web".into();
        texts.share(&mut other);
        assert!(Arc::ptr_eq(&first, &other));
        for number in 0..2 * TEXTS_MAX {
            let _ = texts.shared(&number.to_string());
            assert!(texts.0.len() <= TEXTS_MAX);
        }
    }
}
