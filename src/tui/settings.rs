//! The console's table of the config file.

use std::ops::Range;

use ratatui::style::Color;

use crate::config::Reader;
use crate::document::{Kind, Node, nearest};

use super::bindings::KeyMap;
use super::view::palette::Palette;
use super::view::theme::{Colours, ROLES, Theme};

const CONSOLE: &[&str] = &[
    "read_only",
    "colours",
    "signs",
    "theme",
    "themes",
    "keys",
    "mouse",
    "restore",
];
/// Names of the two kinds of signs.
const SIGNS: [(&str, bool); 2] = [("unicode", true), ("ascii", false)];
/// What is expected as a colour.
const COLOUR: &str = "\"#rrggbb\", a number from 0 to 255, or a name such as \"light-red\"";
/// The names of colours, for the nearest one.
const COLOUR_NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "gray",
    "dark-gray",
    "light-red",
    "light-green",
    "light-yellow",
    "light-blue",
    "light-magenta",
    "light-cyan",
    "white",
];

/// What the config file says about the console.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsoleSettings {
    /// Whether nothing may be changed from consoles.
    pub read_only: bool,
    /// How many colours to use; else what the environment says.
    pub colours: Option<Colours>,
    /// Whether signs beyond ASCII are used; else what the locale says.
    pub unicode: Option<bool>,
    /// The colours; else those of the dark theme.
    pub palette: Option<Palette>,
    /// Which keys do what.
    pub keys: KeyMap,
    /// Whether the mouse is taken; else it is.
    pub mouse: Option<bool>,
    /// Whether the console looks as it did when it was left; else it does.
    pub restore: Option<bool>,
}

impl ConsoleSettings {
    /// Takes the table `[console]` of a config file apart; everything as it is without one.
    #[must_use]
    pub fn read(file: Option<(&mut Reader<'_>, &Node)>) -> Self {
        let Some((reader, root)) = file else {
            return Self::default();
        };
        let misplaced = misplaced(root);
        let without = Self {
            read_only: misplaced,
            ..Self::default()
        };
        let Some(console) = root.get("console") else {
            return without;
        };
        if !reader.table(console, "console", CONSOLE) {
            return without;
        }
        let themes = themes(reader, console);
        Self {
            read_only: reader.flag(console, "read_only") || misplaced,
            colours: one_of(reader, console, "colours", &Colours::NAMES),
            unicode: one_of(reader, console, "signs", &SIGNS),
            palette: one_of(reader, console, "theme", &themes),
            keys: keys(reader, console),
            mouse: console.get("mouse").map(|_| reader.flag(console, "mouse")),
            restore: console
                .get("restore")
                .map(|_| reader.flag(console, "restore")),
        }
    }

    /// What the environment says, where nothing else is said here.
    #[must_use]
    pub fn theme(&self, environment: Theme) -> Theme {
        Theme {
            colours: self.colours.unwrap_or(environment.colours),
            unicode: self.unicode.unwrap_or(environment.unicode),
            palette: self.palette.unwrap_or(environment.palette),
        }
    }
}

/// Whether `read_only` stands in another table, as when the line `[console]` above it is lost. That
/// is a fault there; who attaches all the same goes by what was meant.
fn misplaced(root: &Node) -> bool {
    // Attributes have names of one's own.
    let elsewhere = |key: &str| !matches!(key, "console" | "attributes");
    let mut left: Vec<&Node> = vec![root];
    while let Some(node) = left.pop() {
        for entry in node.entries().iter().filter(|it| elsewhere(&it.key)) {
            if entry.key == "read_only" && !matches!(entry.value.kind, Kind::Bool(false)) {
                return true;
            }
            left.push(&entry.value);
        }
        left.extend(node.items().unwrap_or_default());
    }
    false
}

/// What a name stands for, of those there are.
fn one_of<T: Copy>(
    reader: &mut Reader<'_>,
    node: &Node,
    key: &str,
    all: &[(impl AsRef<str>, T)],
) -> Option<T> {
    let value = node.get(key)?;
    let names = || all.iter().map(|(name, _)| name.as_ref());
    let list = names().collect::<Vec<_>>().join(", ");
    let text = match &value.kind {
        Kind::String(text) => text.clone(),
        // A number of colours may stand without quotes.
        Kind::Number(number) => number.to_string(),
        _ => {
            reader.wrong_kind(value, key, &format!("one of {list}"));
            return None;
        }
    };
    let found = all.iter().find(|(name, _)| name.as_ref() == text);
    if found.is_none() {
        let fault = reader
            .fault(&value.span, format!("{key} is \"{text}\""))
            .expected(format!("one of {list}"))
            .or_nearest(nearest(&text, names()));
        reader.push(fault);
    }
    found.map(|(_, value)| *value)
}

fn keys(reader: &mut Reader<'_>, console: &Node) -> KeyMap {
    match console.get("keys").map(|keys| (keys, &keys.kind)) {
        Some((_, Kind::Object(entries))) => KeyMap::read(reader, entries),
        Some((keys, _)) => {
            reader.wrong_kind(keys, "keys", "a table, begun by [console.keys]");
            KeyMap::default()
        }
        None => KeyMap::default(),
    }
}

/// The themes there are: ours, and those of the file, each of which begins as the one it names.
fn themes(reader: &mut Reader<'_>, console: &Node) -> Vec<(String, Palette)> {
    let mut all: Vec<(String, Palette)> = Palette::ALL
        .map(|(name, palette)| (name.to_owned(), palette))
        .to_vec();
    let Some(own) = console.get("themes") else {
        return all;
    };
    let Kind::Object(entries) = &own.kind else {
        reader.wrong_kind(own, "themes", "tables, each begun by [console.themes.NAME]");
        return all;
    };
    let known: Vec<&str> = ["base"].into_iter().chain(ROLES.iter().copied()).collect();
    for entry in entries {
        let name = format!("the theme \"{}\"", entry.key);
        if all.iter().any(|(taken, _)| *taken == entry.key) {
            let fault = reader
                .fault(&entry.key_span, format!("{name} is there already"))
                .expected("a name of your own");
            reader.push(fault);
            continue;
        }
        if !reader.table(&entry.value, &name, &known) {
            continue;
        }
        let base = one_of(reader, &entry.value, "base", &Palette::ALL);
        let mut palette = base.unwrap_or(Palette::DARK);
        for part in entry.value.entries() {
            role(reader, &part.key, &part.value, &mut palette);
        }
        all.push((entry.key.clone(), palette));
    }
    all
}

/// Colours one role of a theme.
fn role(reader: &mut Reader<'_>, name: &str, value: &Node, palette: &mut Palette) {
    if name == "background" {
        if value.as_str() == Some("terminal") {
            palette.background = None;
        } else if let Some(colour) = colour(reader, name, value) {
            palette.background = Some(colour);
        }
        return;
    }
    // What is no role has been told.
    if let Some(place) = palette.role(name)
        && let Some(colour) = colour(reader, name, value)
    {
        *place = colour;
    }
}

fn colour(reader: &mut Reader<'_>, role: &str, value: &Node) -> Option<Color> {
    let wrong = |reader: &mut Reader<'_>, span: &Range<usize>, text: &str| {
        let fault = reader
            .fault(span, format!("{role} is \"{text}\", which is no colour"))
            .expected(COLOUR)
            .or_nearest(nearest(text, COLOUR_NAMES));
        reader.push(fault);
        None
    };
    match &value.kind {
        Kind::Number(number) => match number.as_u64().and_then(|n| u8::try_from(n).ok()) {
            Some(n) => Some(Color::Indexed(n)),
            None => wrong(reader, &value.span, &number.to_string()),
        },
        Kind::String(text) => {
            // By its number, a named colour is the terminal's own and not the theme's.
            let named = COLOUR_NAMES.iter().position(|name| name == text);
            if let Some(number) = named.and_then(|n| u8::try_from(n).ok()) {
                return Some(Color::Indexed(number));
            }
            let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6);
            match hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                Some(rgb) => Some(Color::from_u32(rgb)),
                None => wrong(reader, &value.span, text),
            }
        }
        _ => {
            reader.wrong_kind(value, role, COLOUR);
            None
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Lookup, load_with};
    use crate::document::Faults;

    pub(in crate::tui) fn read(text: &str) -> Result<ConsoleSettings, Faults> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quarterdeck.toml");
        std::fs::write(&file, text).unwrap();
        let lookup = Lookup {
            flag: Some(file),
            ..Lookup::default()
        };
        Ok(load_with(&lookup, ConsoleSettings::read)?.1)
    }

    /// Where each fault is, and what it says.
    pub(in crate::tui) fn faults(text: &str) -> Vec<String> {
        let faults = read(text).unwrap_err().0;
        let told = faults.iter().map(|fault| {
            let nearest = fault.nearest.as_deref().unwrap_or_default();
            format!("{}:{} {} [{nearest}]", fault.line, fault.column, fault.what)
        });
        told.collect()
    }

    #[test]
    fn a_console_can_be_made_read_only() {
        assert!(!read("[console]\n").unwrap().read_only);
        assert!(read("[console]\nread_only = true\n").unwrap().read_only);
        assert_eq!(
            faults("[console]\nreadonly = true\n"),
            ["2:1 console has no member \"readonly\" [read_only]"]
        );
    }

    #[test]
    fn the_mouse_can_be_left_to_the_terminal() {
        assert_eq!(read("[console]\n").unwrap().mouse, None);
        assert_eq!(
            read("[console]\nmouse = false\n").unwrap().mouse,
            Some(false)
        );
        assert_eq!(
            faults("[console]\nmouse = \"off\"\n"),
            ["2:9 mouse is a string []"]
        );
    }

    #[test]
    fn colours_signs_and_theme_are_chosen_by_name() {
        let settings = read("[console]\ncolours = 16\nsigns = \"ascii\"\ntheme = \"light\"\n");
        let settings = settings.unwrap();
        assert_eq!(settings.colours, Some(Colours::Basic));
        assert_eq!(settings.unicode, Some(false));
        assert_eq!(settings.palette, Some(Palette::LIGHT));
        assert_eq!(
            faults("[console]\ntheme = \"lihgt\"\n"),
            ["2:9 theme is \"lihgt\" [light]"]
        );
    }

    #[test]
    fn a_theme_of_ones_own_begins_as_another_and_is_told_what_is_wrong() {
        let own = "[console]\ntheme = \"mine\"\n[console.themes.mine]\nbase = \"light\"\n";
        let good = format!("{own}accent = \"#ff8700\"\nbad = 9\nbackground = \"terminal\"\n");
        let expected = Palette {
            accent: Color::Rgb(0xff, 0x87, 0),
            bad: Color::Indexed(9),
            background: None,
            ..Palette::LIGHT
        };
        assert_eq!(read(&good).unwrap().palette, Some(expected));
        let wrong = format!("{own}acent = 1\nwarn = \"lightred\"\ncalm = 256\n");
        assert_eq!(
            faults(&wrong),
            [
                "5:1 the theme \"mine\" has no member \"acent\" [accent]",
                "6:8 warn is \"lightred\", which is no colour [light-red]",
                "7:8 calm is \"256\", which is no colour []",
            ]
        );
        assert_eq!(
            faults("[console.themes.dark]\n"),
            ["1:17 the theme \"dark\" is there already []"]
        );
    }
}
