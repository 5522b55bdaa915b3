//! The console's table of the config file.

use crate::config::Reader;
use crate::document::Node;

/// What the config file says about the console.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsoleSettings {
    /// Whether nothing may be changed from consoles.
    pub read_only: bool,
}

impl ConsoleSettings {
    /// Takes the table `[console]` of a config file apart; everything as it is without one.
    #[must_use]
    pub fn read(file: Option<(&mut Reader<'_>, &Node)>) -> Self {
        let mut settings = Self::default();
        let Some((reader, root)) = file else {
            return settings;
        };
        let Some(console) = root.get("console") else {
            return settings;
        };
        if reader.table(console, "console", &["read_only"]) {
            settings.read_only = reader.flag(console, "read_only");
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Lookup, load_with};
    use crate::document::Faults;

    fn read(text: &str) -> Result<ConsoleSettings, Faults> {
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
    fn faults(text: &str) -> Vec<String> {
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
}
