//! JSON and TOML text in which every key and value keeps its place, so that a fault points at
//! the very line and column where it is.

mod decode;
mod fault;
mod json;
mod node;
mod path;
mod toml;

use std::ops::Range;
use std::sync::Arc;

pub use fault::{FAULTS_MAX, Fault, Faults, nearest};
pub use node::{Entry, Kind, Node};
pub use path::{Path, Step};

/// The largest file that is read, in bytes: what people write by hand is far smaller.
pub const TEXT_MAX: u64 = 4 * 1024 * 1024;

/// Which of the two languages a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, as ECS has it.
    Json,
    /// TOML with the same members.
    Toml,
}

impl Format {
    /// The format that a file's name tells, else the one that its text begins like: JSON starts
    /// with a brace, or with a bracket that does not open a TOML table.
    #[must_use]
    pub fn of(file: &str, text: &str) -> Self {
        let name = file.to_ascii_lowercase();
        if name.ends_with(".json") {
            return Self::Json;
        }
        if name.ends_with(".toml") {
            return Self::Toml;
        }
        let text = text.trim_start();
        let list = text
            .strip_prefix('[')
            .is_some_and(|rest| rest.trim_start().starts_with(['{', ']']));
        if text.starts_with('{') || list {
            Self::Json
        } else {
            Self::Toml
        }
    }
}

/// A parsed text with its places.
#[derive(Clone, Debug)]
pub struct Document {
    file: Arc<str>,
    text: Arc<str>,
    root: Node,
}

impl Document {
    /// Parses JSON or TOML, told apart by [`Format::of`].
    ///
    /// # Errors
    /// [`Faults`]: every fault of the text itself, duplicate keys among them.
    pub fn parse(file: &str, text: &str) -> Result<Self, Faults> {
        Self::parse_as(Format::of(file, text), file, text)
    }

    /// Parses a text of a known format.
    ///
    /// # Errors
    /// [`Faults`]: every fault of the text itself, duplicate keys among them.
    pub fn parse_as(format: Format, file: &str, text: &str) -> Result<Self, Faults> {
        let root = match format {
            Format::Json => json::parse(file, text)?,
            Format::Toml => toml::parse(file, text)?,
        };
        Ok(Self {
            file: file.into(),
            text: text.into(),
            root,
        })
    }

    /// Reads and parses a file.
    ///
    /// # Errors
    /// [`Faults`]: it cannot be read, is larger than [`TEXT_MAX`], or what
    /// [`Document::parse`] finds.
    pub fn read(path: &std::path::Path) -> Result<Self, Faults> {
        let file = path.display().to_string();
        let refusal = |why: String| Faults::from(Fault::of_file(&file, why));
        let about = std::fs::metadata(path).map_err(|e| refusal(format!("cannot be read: {e}")))?;
        if about.is_file() && about.len() > TEXT_MAX {
            return Err(refusal(format!(
                "is {} bytes long; at most {TEXT_MAX} are read",
                about.len()
            )));
        }
        let text =
            std::fs::read_to_string(path).map_err(|e| refusal(format!("cannot be read: {e}")))?;
        Self::parse(&file, &text)
    }

    /// The file's name, as it appears in faults.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole value.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The value as JSON, places left out.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        self.root.to_value()
    }

    /// A fault at these bytes of the text.
    #[must_use]
    pub fn fault(&self, span: Range<usize>, what: impl Into<String>) -> Fault {
        Fault::at(&self.file, &self.text, span, what)
    }

    /// A fault at a path below `node`: at the value if it is there, else at the nearest place
    /// above it that is.
    #[must_use]
    pub fn fault_at(&self, node: &Node, path: &Path, what: impl Into<String>) -> Fault {
        self.fault(node.place(path), what)
    }
}
