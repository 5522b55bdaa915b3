//! Where in a value: `containerDefinitions[0].cpu`.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To an item of a list, from 0.
    Index(usize),
}

/// A way into a value. Shown as `containerDefinitions[0].cpu`, and read from the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Step>);

impl Path {
    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path with one more step: to the value of `key`.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    /// The path with one more step: to the item `index`.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// Whether it leads nowhere but to the value itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<Step>> for Path {
    fn from(steps: Vec<Step>) -> Self {
        Self(steps)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = Infallible;

    /// Every text is a path; brackets that hold no number are part of the key.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let mut key = part;
            let mut indexes = Vec::new();
            while let Some((before, index)) = key
                .strip_suffix(']')
                .and_then(|rest| rest.rsplit_once('['))
                .and_then(|(before, index)| Some((before, index.parse().ok()?)))
            {
                indexes.push(Step::Index(index));
                key = before;
            }
            if !key.is_empty() {
                steps.push(Step::Key(key.to_owned()));
            }
            steps.extend(indexes.into_iter().rev());
        }
        Ok(Self(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_it_is_written() {
        for text in ["", "cpu", "containerDefinitions[0].cpu", "[2].a[0][1].b"] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
        let path = Path::default().key("a").index(3);
        assert_eq!("a[3]".parse::<Path>().unwrap(), path);
    }
}
