//! What must hold of the key map.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::tui::bindings::KeyMap;

fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, modifiers)
}

#[test]
fn multiplexer_keys_are_left_alone() {
    for c in ['a', 'b', 'd', 'k', 'q', 's', 'z'] {
        let key = press(KeyCode::Char(c), KeyModifiers::CONTROL);
        assert_eq!(
            KeyMap::default().action(&key, Places::PANES),
            None,
            "ctrl-{c}"
        );
    }
}

#[test]
fn no_key_means_two_things_in_one_place() {
    for bit in 0..u32::BITS {
        let place = Places(1 << bit);
        let mut seen = Vec::new();
        for binding in KEYS.iter().filter(|b| b.places.has(place)) {
            for key in binding.keys {
                assert!(!seen.contains(key), "{key} twice at place {bit}");
                seen.push(key);
            }
        }
    }
}

#[test]
fn shift_does_not_hide_a_capital() {
    let key = press(KeyCode::Char('G'), KeyModifiers::SHIFT);
    assert_eq!(
        KeyMap::default().action(&key, Places::TASKS),
        Some(Action::Bottom)
    );
    let key = press(KeyCode::Tab, KeyModifiers::SHIFT);
    assert_eq!(
        KeyMap::default().action(&key, Places::TASKS),
        Some(Action::PreviousPane)
    );
}
