//! Values that only a container is to see. Pure.

use std::fmt;

use super::EngineError;

/// What stands in a text where a secret's value was.
const REDACTED: &str = "[secret]";

/// A value that is shown to nobody: it has no `Display`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

impl SecretValue {
    /// Takes a value in.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value itself: for the request that makes the container, and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// An environment variable whose value is a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HiddenVariable {
    /// Name of the variable.
    pub name: String,
    /// Its value.
    pub value: SecretValue,
}

/// An engine's error without any of these values: engines say what they were sent.
#[must_use]
pub fn redact(error: EngineError, hidden: &[HiddenVariable]) -> EngineError {
    let mut values: Vec<&str> = hidden.iter().map(|v| v.value.expose()).collect();
    values.retain(|value| !value.is_empty());
    // The longest first: one may be a part of another.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    error.map(|text| {
        values
            .iter()
            .fold(text, |text, value| text.replace(value, REDACTED))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(value: &str) -> HiddenVariable {
        HiddenVariable {
            name: "DB".to_owned(),
            value: SecretValue::new(value.to_owned()),
        }
    }

    #[test]
    fn a_value_is_in_no_debug_output_and_in_no_error_of_an_engine() {
        let variables = [hidden("aye"), hidden("aye-aye"), hidden("")];
        let shown = format!("{variables:?} {variables:#?}");
        assert!(shown.contains("DB") && !shown.contains("aye"), "{shown}");
        let said = "bad env DB=aye-aye, aye".to_owned();
        let error = redact(EngineError::Refused(said), &variables);
        assert!(matches!(error, EngineError::Refused(_)));
        assert_eq!(error.to_string(), "bad env DB=[secret], [secret]");
    }
}
