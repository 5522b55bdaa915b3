//! A plan in a file, as `qd plan --output json` writes it and `qd apply --plan` reads it.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::api::wire::{COMMANDS_MAX, PlanCommand};
use crate::controller::Command;
use crate::controller::core::Effects;
use crate::document::TEXT_MAX;

/// What is done of a plan; the rest of the file is for people.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanFile {
    /// What it changes, line by line.
    pub differences: Vec<String>,
    /// The changes.
    pub commands: Vec<Command>,
    /// What they were planned to come to.
    pub effects: Effects,
}

#[derive(Deserialize)]
struct Kept {
    differences: Vec<String>,
    commands: Vec<PlanCommand>,
    effects: Effects,
}

/// Reads a plan of at most [`TEXT_MAX`] bytes.
///
/// # Errors
/// In words, why it is no plan.
pub fn read(file: &Path) -> Result<PlanFile, String> {
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| error.to_string())?;
    let read = opened.take(TEXT_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    of_text(&text)
}

/// A plan from its text.
///
/// # Errors
/// In words, why it is none.
pub fn of_text(text: &str) -> Result<PlanFile, String> {
    if text.len() as u64 > TEXT_MAX {
        return Err(format!("is longer than the {TEXT_MAX} bytes that are read"));
    }
    let kept: Kept = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if kept.commands.len() > COMMANDS_MAX {
        return Err(format!("holds more than {COMMANDS_MAX} changes"));
    }
    let decoded: Result<Vec<_>, _> = kept.commands.iter().map(PlanCommand::command).collect();
    Ok(PlanFile {
        differences: kept.differences,
        commands: decoded.map_err(|error| error.message)?,
        effects: kept.effects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plan_or_too_long_is_refused_with_words() {
        for (text, word) in [("", "EOF"), ("{}", "differences"), ("{\"x\": [[", "EOF")] {
            let told = of_text(text).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
        let deep = "{\"commands\": [{\"operation\": \"x\", \"request\": ";
        let told = of_text(&format!("{deep}{}", "[".repeat(1_000))).unwrap_err();
        assert!(told.contains("recursion limit"), "{told}");
        let long = " ".repeat(usize::try_from(TEXT_MAX).unwrap() + 1);
        let told = of_text(&long).unwrap_err();
        assert!(told.contains("is longer than the"), "{told}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        std::fs::write(&file, long).unwrap();
        let told = read(&file).unwrap_err();
        assert!(told.contains("is longer than the"), "{told}");
    }
}
