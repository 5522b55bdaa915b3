//! Which version of Docker's API to speak with an engine. Pure.

use serde_json::Value;

use super::{EngineError, EngineResult};

/// Docker 20.10's API, the oldest that is spoken.
const OLDEST: Version = Version(1, 41);
/// The newest API whose answers are known here.
const NEWEST: Version = Version(1, 53);

/// A version of Docker's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The version to speak with an engine, from its answer to `/version`.
///
/// # Errors
/// [`EngineError::Refused`] with what is too old or too new.
pub fn negotiate(endpoint: &str, answer: &Value) -> EngineResult<Version> {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let Some(newest) = text("ApiVersion").and_then(Version::parse) else {
        return Err(EngineError::Refused(format!(
            "{endpoint}: what answers does not tell an API version; is this a Docker Engine?"
        )));
    };
    let docker = text("Version").unwrap_or("of unknown version");
    if newest < OLDEST {
        return Err(EngineError::Refused(format!(
            "{endpoint}: Docker {docker} speaks API {newest}, which is too old: \
             Docker 20.10 (API {OLDEST}) or later is needed"
        )));
    }
    let oldest = text("MinAPIVersion").and_then(Version::parse);
    if let Some(oldest) = oldest.filter(|oldest| *oldest > NEWEST) {
        return Err(EngineError::Refused(format!(
            "{endpoint}: Docker {docker} speaks API {oldest} or later, and this program \
             speaks up to {NEWEST}: use a newer one"
        )));
    }
    Ok(newest.min(NEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(version: &str, newest: &str, oldest: &str) -> EngineResult<Version> {
        let answer = json!({"Version": version, "ApiVersion": newest, "MinAPIVersion": oldest});
        negotiate("unix:///x", &answer)
    }

    #[test]
    fn the_newest_version_that_both_know_is_spoken() {
        assert_eq!(with("20.10.24", "1.41", "1.12").unwrap(), Version(1, 41));
        assert_eq!(with("28.2", "1.50", "1.24").unwrap(), Version(1, 50));
        assert_eq!(with("40.0", "1.90", "1.44").unwrap(), NEWEST);
    }

    #[test]
    fn what_is_too_old_too_new_or_no_engine_is_refused_in_words() {
        let old = with("19.03.15", "1.40", "1.12").unwrap_err().to_string();
        assert!(
            old.contains("Docker 19.03.15") && old.contains("20.10"),
            "{old}"
        );
        let new = with("50.0", "2.1", "2.0").unwrap_err().to_string();
        assert!(new.contains("2.0") && new.contains("newer"), "{new}");
        let none = negotiate("tcp://x:1", &json!({"hello": 1}))
            .unwrap_err()
            .to_string();
        assert!(none.contains("is this a Docker Engine?"), "{none}");
    }
}
