//! From a place in a text to a typed value.

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::Document;
use super::fault::{Fault, Faults, nearest};
use super::node::Node;
use super::path::{Path, Step};

impl Document {
    /// The value of `node` as a `T`.
    ///
    /// # Errors
    /// One [`Fault`], at the very member that does not fit.
    pub fn decode<T: DeserializeOwned>(&self, node: &Node) -> Result<T, Faults> {
        let value = node.to_value();
        serde_path_to_error::deserialize(&value).map_err(|error| {
            let path = path_of(error.path());
            self.explain(node, &path, &error.inner().to_string()).into()
        })
    }

    /// A fault from what serde says of the value at `path` below `node`: `invalid type: string
    /// "x", expected u16`, ``unknown field `x`, expected one of …``.
    #[must_use]
    pub fn explain(&self, node: &Node, path: &Path, message: &str) -> Fault {
        let (what, expected) = match message.split_once(", expected ") {
            Some((what, expected)) => (what, Some(expected)),
            None => (message, None),
        };
        let unknown = ["unknown field `", "unknown variant `"]
            .iter()
            .find_map(|start| what.strip_prefix(start)?.strip_suffix('`'));
        let near = unknown.and_then(|name| {
            let names: Vec<&str> = expected
                .unwrap_or_default()
                .split('`')
                .skip(1)
                .step_by(2)
                .collect();
            nearest(name, names)
        });
        let span = match unknown.and_then(|key| node.at(path)?.entry(key)) {
            Some(entry) => entry.key_span.clone(),
            None => node.place(path),
        };
        let what = match path.is_empty() {
            true => what.replace('`', "\""),
            false => format!("{path}: {}", what.replace('`', "\"")),
        };
        let fault = self.fault(span, what).or_nearest(near);
        match expected {
            Some(expected) => fault.expected(expected.replace('`', "\"")),
            None => fault,
        }
    }
}

fn path_of(path: &serde_path_to_error::Path) -> Path {
    let steps: Vec<Step> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    Path::from(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::command::RegisterTaskDefinition;

    fn fault(text: &str) -> String {
        let document = Document::parse("f.json", text).unwrap();
        document
            .decode::<RegisterTaskDefinition>(document.root())
            .unwrap_err()
            .0[0]
            .headline()
    }

    #[test]
    fn a_wrong_type_deep_in_a_file_is_pointed_at() {
        let text = r#"{"family": "web", "containerDefinitions": [
  {"name": "app", "image": "i", "portMappings": [{"containerPort": "80"}]}]}"#;
        assert_eq!(
            fault(text),
            "f.json:2:68: containerDefinitions[0].portMappings[0].containerPort: invalid type: \
             string \"80\"; expected u16"
        );
    }

    #[test]
    fn a_wrong_word_gets_the_nearest_right_one() {
        let text = r#"{"family": "web", "containerDefinitions": [], "networkMode": "brige"}"#;
        assert_eq!(
            fault(text),
            "f.json:1:62: networkMode: unknown variant \"brige\"; expected one of \"bridge\", \
             \"host\", \"none\", \"awsvpc\"; did you mean \"bridge\"?"
        );
    }
}
