//! The keys in force: the table of the [keymap](super::keymap), with what the config file binds
//! otherwise.

use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::config::Reader;
use crate::document::{Entry, Kind, nearest};

use super::keymap::{Action, Binding, KEYS, Places};

/// What is expected as keys.
const KEY: &str = "a key such as \"x\", \"f5\" or \"ctrl-x\", or a list of them";
/// Keys with a name, as it is written in the config file and shown on the screen.
const NAMED: [&str; 28] = [
    "space",
    "enter",
    "esc",
    "tab",
    "backtab",
    "backspace",
    "up",
    "down",
    "left",
    "right",
    "pgup",
    "pgdn",
    "home",
    "end",
    "insert",
    "delete",
    "f1",
    "f2",
    "f3",
    "f4",
    "f5",
    "f6",
    "f7",
    "f8",
    "f9",
    "f10",
    "f11",
    "f12",
];

/// Which keys do what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMap {
    /// Keys that stand in for those of the table, by their line of it.
    own: Vec<(usize, Vec<String>)>,
}

/// A line of the keymap with the keys that it really has.
pub(crate) struct Bound<'a> {
    pub keys: Vec<&'a str>,
    pub binding: &'static Binding,
    at: usize,
}

impl Bound<'_> {
    /// What the config file calls it.
    pub(crate) fn name(&self) -> String {
        name(self.at)
    }
}

impl KeyMap {
    fn all(&self) -> impl Iterator<Item = Bound<'_>> {
        KEYS.iter().enumerate().map(|(at, binding)| {
            let own = self.own.iter().find(|(line, _)| *line == at);
            let keys = match own {
                Some((_, keys)) => keys.iter().map(String::as_str).collect(),
                None => binding.keys.to_vec(),
            };
            Bound { keys, binding, at }
        })
    }

    /// What a key asks for in a place.
    pub(crate) fn action(&self, key: &KeyEvent, place: Places) -> Option<Action> {
        let name = key_name(key);
        let mut there = self.all().filter(|bound| bound.binding.places.has(place));
        let found = there.find(|bound| bound.keys.contains(&name.as_str()));
        found.map(|bound| bound.binding.action)
    }

    /// The first key that something is on.
    pub(crate) fn first_of(&self, action: Action) -> String {
        let found = self.all().find(|bound| bound.binding.action == action);
        let key = found.and_then(|bound| bound.keys.first().copied());
        key.unwrap_or_default().to_owned()
    }

    /// What counts in a place of such a console.
    pub(crate) fn offered(
        &self,
        place: Places,
        read_only: bool,
        simulated: bool,
    ) -> impl Iterator<Item = Bound<'_>> {
        self.all().filter(move |bound| {
            let binding = bound.binding;
            binding.places.has(place)
                && !(binding.changes && read_only)
                && (simulated || !binding.simulated)
        })
    }

    /// Takes the table `[console.keys]` of a config file apart.
    pub(crate) fn read(reader: &mut Reader<'_>, entries: &[Entry]) -> Self {
        let names: Vec<String> = (0..KEYS.len()).map(name).collect();
        let mut map = Self::default();
        let mut places = Vec::new();
        for entry in entries {
            let Some(at) = names
                .iter()
                .position(|name| !name.is_empty() && *name == entry.key)
            else {
                unknown(reader, entry, &names);
                continue;
            };
            let Some(keys) = keys(reader, entry) else {
                continue;
            };
            places.extend(
                keys.iter()
                    .map(|(key, span)| (at, key.clone(), span.clone())),
            );
            let keys = keys.into_iter().map(|(key, _)| key).collect();
            map.own.push((at, keys));
        }
        for (at, key, span) in places {
            if let Some(other) = map.clash(at, &key) {
                let what = format!("\"{key}\" is bound to {} there, too", names[other]);
                let expected = format!("another key, or {} on another one", names[other]);
                let fault = reader.fault(&span, what).expected(expected);
                reader.push(fault);
            }
        }
        map
    }

    /// Another line that has the key in one of the same places.
    fn clash(&self, at: usize, key: &str) -> Option<usize> {
        let mut others = self.all().filter(|bound| {
            bound.at != at && bound.binding.places.has(KEYS[at].places) && bound.keys.contains(&key)
        });
        others.next().map(|bound| bound.at)
    }
}

/// What the config file calls a line of the keymap: its action, and where it is, if the same is
/// done elsewhere by a line of its own.
fn name(at: usize) -> String {
    let Some(binding) = KEYS.get(at) else {
        return String::new();
    };
    if is_fixed(binding) {
        return String::new();
    }
    let action = kebab(binding.action);
    let same = KEYS
        .iter()
        .filter(|other| other.action == binding.action && !is_fixed(other));
    match same.count() {
        1 => action,
        _ => format!("{}-{action}", whereabouts(binding.places)),
    }
}

/// Whether a line is as it is, whatever the config file says.
fn is_fixed(binding: &Binding) -> bool {
    binding.keys == ["ctrl-c"]
}

fn whereabouts(places: Places) -> &'static str {
    let words = [
        (Places::CONFIRM, "question"),
        (Places::SERVICES, "fleet"),
        (Places::DETAILS, "page"),
        (Places::MAP, "map"),
        (Places::LOGS, "logs"),
        (Places::TIMELINE, "timeline"),
        (Places::STATS, "figures"),
    ];
    let found = words.into_iter().find(|(place, _)| places.has(*place));
    found.map_or("other", |(_, word)| word)
}

/// `AllTasks` as `all-tasks`; `Pane(0)`, which is counted from 1 on the screen, as `pane-1`.
fn kebab(action: Action) -> String {
    if let Action::Pane(at) = action {
        return format!("pane-{}", at + 1);
    }
    let mut out = String::new();
    for c in format!("{action:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn unknown(reader: &mut Reader<'_>, entry: &Entry, names: &[String]) {
    let ending = format!("-{}", entry.key);
    let places: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.ends_with(&ending))
        .collect();
    let fault = reader.fault(
        &entry.key_span,
        format!("there is no action \"{}\"", entry.key),
    );
    let fault = match places.as_slice() {
        [] => match nearest(&entry.key, names.iter().map(String::as_str)) {
            Some(near) => fault.or_nearest(Some(near)),
            None => fault.expected("a name that the help (?) of a wide terminal shows"),
        },
        places => fault.expected(format!("one of {}", places.join(", "))),
    };
    reader.push(fault);
}

/// The keys of a line, with where they stand; `None` if one cannot be, which has been told.
fn keys(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<(String, Range<usize>)>> {
    let value = &entry.value;
    let items = match &value.kind {
        Kind::String(_) => std::slice::from_ref(value),
        Kind::Array(items) => items.as_slice(),
        _ => {
            reader.wrong_kind(value, &entry.key, KEY);
            return None;
        }
    };
    let mut keys = Vec::new();
    for item in items {
        let Some(text) = item.as_str() else {
            reader.wrong_kind(item, &entry.key, KEY);
            return None;
        };
        match readable(text) {
            Ok(()) => keys.push((text.to_owned(), item.span.clone())),
            Err((what, near)) => {
                let fault = reader
                    .fault(&item.span, format!("\"{text}\" {what}"))
                    .or_nearest(near);
                reader.push(fault);
                return None;
            }
        }
    }
    Some(keys)
}

/// Whether a text names a key that can be bound; else why not, and what may be meant.
fn readable(text: &str) -> Result<(), (&'static str, Option<String>)> {
    let (held, plain) = match text.split_once('-') {
        Some((held @ ("ctrl" | "alt"), plain)) if !plain.is_empty() => (held, plain),
        _ => ("", text),
    };
    match (held, plain) {
        ("ctrl", "a" | "b" | "d" | "k") => {
            return Err(("belongs to tmux, screen and the shell", None));
        }
        ("ctrl", "c") => return Err(("always quits", None)),
        ("ctrl", "i") => return Err(("is what terminals send for tab", Some("tab".into()))),
        ("ctrl", "m") => return Err(("is what terminals send for enter", Some("enter".into()))),
        ("ctrl", "[") => return Err(("is what terminals send for esc", Some("esc".into()))),
        _ => {}
    }
    let mut chars = plain.chars();
    let sign = chars
        .next()
        .filter(|c| chars.next().is_none() && !c.is_control());
    match sign {
        Some(' ') => Err(("is no key", Some("space".into()))),
        Some(c) if held == "ctrl" && c.is_uppercase() => Err((
            "is not told from the small letter",
            Some(format!("ctrl-{}", c.to_lowercase())),
        )),
        Some(_) => Ok(()),
        None if NAMED.contains(&plain) => Ok(()),
        None => {
            let near = nearest(plain, NAMED);
            let before = if held.is_empty() { "" } else { "-" };
            Err((
                "is no key",
                near.map(|near| format!("{held}{before}{near}")),
            ))
        }
    }
}

/// The name of a key, as the keymap writes it.
pub(crate) fn key_name(key: &KeyEvent) -> String {
    let plain = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => "backtab".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => "backtab".to_owned(),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::PageUp => "pgup".to_owned(),
        KeyCode::PageDown => "pgdn".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::Insert => "insert".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        KeyCode::F(n) => format!("f{n}"),
        _ => String::new(),
    };
    match key.modifiers {
        m if m.contains(KeyModifiers::CONTROL) => format!("ctrl-{plain}"),
        m if m.contains(KeyModifiers::ALT) => format!("alt-{plain}"),
        _ => plain,
    }
}

/// The key of a name; `None` if it is none.
pub(crate) fn key_event(name: &str) -> Option<KeyEvent> {
    let (modifiers, plain) = match name.split_once('-') {
        Some(("ctrl", plain)) if !plain.is_empty() => (KeyModifiers::CONTROL, plain),
        Some(("alt", plain)) if !plain.is_empty() => (KeyModifiers::ALT, plain),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match plain {
        "space" => KeyCode::Char(' '),
        "enter" => KeyCode::Enter,
        "esc" => KeyCode::Esc,
        "tab" => KeyCode::Tab,
        "backtab" => KeyCode::BackTab,
        "backspace" => KeyCode::Backspace,
        "up" => KeyCode::Up,
        "down" => KeyCode::Down,
        "left" => KeyCode::Left,
        "right" => KeyCode::Right,
        "pgup" => KeyCode::PageUp,
        "pgdn" => KeyCode::PageDown,
        "home" => KeyCode::Home,
        "end" => KeyCode::End,
        "insert" => KeyCode::Insert,
        "delete" => KeyCode::Delete,
        _ => {
            let mut chars = plain.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) if c.is_ascii() || c.is_alphabetic() => KeyCode::Char(c),
                (Some('f'), Some(_)) => KeyCode::F(plain[1..].parse().ok()?),
                _ => return None,
            }
        }
    };
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;
    use crate::tui::settings::tests::{faults, read};

    fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn every_key_of_the_table_is_found_by_its_name() {
        for name in KEYS.iter().flat_map(|binding| binding.keys) {
            let key = key_event(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(key_name(&key), *name);
        }
        for named in NAMED {
            assert_eq!(key_name(&key_event(named).unwrap()), named);
        }
        for words in ["↑↓", "", "5▏", "ctrl-", "foot"] {
            assert_eq!(key_event(words), None, "{words}");
        }
    }

    #[test]
    fn every_line_has_a_name_of_its_own() {
        let names: BTreeSet<String> = (0..KEYS.len()).map(name).collect();
        // The one without a name is ctrl-c.
        assert_eq!(names.len(), KEYS.len(), "{names:?}");
        assert!(names.contains("quit") && names.contains(""), "{names:?}");
        assert!(names.iter().any(|name| name == "all-tasks"));
        assert!(names.iter().any(|name| name == "pane-1"));
    }

    #[test]
    fn every_key_of_the_table_could_be_bound() {
        let lines = KEYS.iter().filter(|binding| !is_fixed(binding));
        for key in lines.flat_map(|binding| binding.keys) {
            assert_eq!(readable(key), Ok(()), "{key}");
        }
    }

    #[test]
    fn a_bound_key_counts_in_the_place_of_the_old_one() {
        let text = "[console.keys]\ndrain = [\"ctrl-x\", \"f5\"]\nfleet-map = []\n";
        let keys = read(text).unwrap().keys;
        let at = |code, modifiers| keys.action(&press(code, modifiers), Places::INSTANCES);
        let plain = KeyModifiers::NONE;
        assert_eq!(
            at(KeyCode::Char('x'), KeyModifiers::CONTROL),
            Some(Action::Drain)
        );
        assert_eq!(at(KeyCode::F(5), plain), Some(Action::Drain));
        assert_eq!(at(KeyCode::Char('d'), plain), None);
        assert_eq!(at(KeyCode::Char('m'), plain), None, "a line without a key");
        assert_eq!(at(KeyCode::Char('j'), plain), Some(Action::Down));
        let offered = keys.offered(Places::INSTANCES, false, true);
        let drain = offered
            .into_iter()
            .find(|bound| bound.binding.action == Action::Drain);
        assert_eq!(drain.unwrap().keys, ["ctrl-x", "f5"]);
    }

    #[test]
    fn what_cannot_be_bound_is_told_in_place() {
        let told = faults(
            "[console.keys]\ndrian = \"x\"\nscale = \"ctrl-b\"\nstop = \"pgupp\"\nfleet-map = 3\n\
             logs = \"ctrl-C\"\nback = \"q\"\n",
        );
        assert_eq!(
            told[..5],
            [
                "2:1 there is no action \"drian\" [drain]",
                "3:9 \"ctrl-b\" belongs to tmux, screen and the shell []",
                "4:8 \"pgupp\" is no key [pgup]",
                "5:13 fleet-map is a number []",
                "6:8 \"ctrl-C\" is not told from the small letter [ctrl-c]",
            ]
        );
        assert_eq!(told[5], "7:1 there is no action \"back\" []");
    }

    #[test]
    fn two_actions_on_one_key_in_one_place_clash() {
        assert_eq!(
            faults("[console.keys]\nscale = \"u\"\n"),
            ["2:9 \"u\" is bound to update there, too []"]
        );
        // Moved out of the way, and in places that have nothing in common.
        let moved = "[console.keys]\nscale = \"u\"\nupdate = \"U\"\nwrap = \"d\"\n";
        assert!(read(moved).is_ok());
    }
}
