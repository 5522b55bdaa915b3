//! A pull under way: its progress, its errors, its end.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use hyper::Method;
use serde_json::Value;

use super::credentials::{Credentials, Found};
use super::feed::Feed;
use super::image::{Announcement, Layers, reference};
use super::logs::url_escape;
use super::transport::Transport;
use super::{EngineError, EngineResult, PullStep};

/// Longest wait for a pull's first word; the registry is asked before it.
const PULL_WAIT: Duration = Duration::from_secs(120);

struct Pull {
    announcements: Feed,
    image: String,
    layers: Layers,
    /// What was wrong about credentials: it may well be why a pull fails.
    warnings: Vec<String>,
}

/// Pulls an image with the credentials that are found for it. The stream ends once the image is
/// there, or with the error.
#[must_use]
pub fn pull(
    transport: Transport,
    credentials: Credentials,
    image: String,
) -> BoxStream<'static, EngineResult<PullStep>> {
    let begun = async move {
        let found = credentials.find(&image).await;
        let parts = reference(&image);
        let (name, tag) = (url_escape(parts.name), url_escape(parts.tag));
        let path = format!("/images/create?fromImage={name}&tag={tag}");
        let Found { auth, warnings } = found;
        let auth = auth.map(|auth| auth.header());
        let asked = transport.begin(PULL_WAIT, Method::POST, &path, auth.as_ref());
        match asked.await {
            Ok(answer) => steps(Pull {
                announcements: Feed::new(&transport, answer.into_body(), "announcement"),
                image,
                layers: Layers::default(),
                warnings,
            }),
            Err(error) => stream::iter([Err(explained(error, &warnings))]).boxed(),
        }
    };
    stream::once(begun).flatten().boxed()
}

fn steps(pull: Pull) -> BoxStream<'static, EngineResult<PullStep>> {
    stream::try_unfold(pull, |mut pull| async move {
        let step = pull.next().await;
        let step = step.map_err(|error| explained(error, &pull.warnings))?;
        Ok(step.map(|step| (step, pull)))
    })
    .boxed()
}

impl Pull {
    async fn next(&mut self) -> EngineResult<Option<PullStep>> {
        while let Some(line) = self.announcements.next().await? {
            let said = announcement_of(&line).map_err(|error| self.announcements.unread(&error))?;
            let Some(said) = said else { continue };
            if let Some(step) = self.layers.announce(&said.map_err(failed)?) {
                return Ok(Some(step));
            }
        }
        // The engine's last word is not always an error when something went wrong.
        let path = format!("/images/{}/json", self.image);
        let transport = self.announcements.transport();
        transport.open(Method::GET, &path, None).await?;
        Ok(None)
    }
}

/// An error with what was wrong about credentials.
fn explained(error: EngineError, warnings: &[String]) -> EngineError {
    if warnings.is_empty() {
        error
    } else {
        error.with(&warnings.join("; "))
    }
}

fn failed(message: String) -> EngineError {
    EngineError::Failed(super::transport::bounded(message))
}

/// What a line of a pull's progress announces, or the engine's words on why the pull failed;
/// `None` for an empty line.
///
/// # Errors
/// When it is not JSON.
fn announcement_of(line: &[u8]) -> Result<Option<Result<Announcement, String>>, serde_json::Error> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let said: Value = serde_json::from_slice(line)?;
    let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str);
    let bytes = |pointer: &str| said.pointer(pointer).and_then(Value::as_u64);
    if let Some(message) = text("/errorDetail/message").or(text("/error")) {
        return Ok(Some(Err(message.to_owned())));
    }
    Ok(Some(Ok(Announcement {
        layer: text("/id").unwrap_or_default().to_owned(),
        status: text("/status").unwrap_or_default().to_owned(),
        current: bytes("/progressDetail/current"),
        total: bytes("/progressDetail/total"),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_pull_is_progress_or_its_failure() {
        let of = |line: &str| announcement_of(line.as_bytes()).unwrap();
        let said =
            of(r#"{"status":"Downloading","progressDetail":{"current":5,"total":9},"id":"a"}"#);
        let expected = Announcement {
            layer: "a".to_owned(),
            status: "Downloading".to_owned(),
            current: Some(5),
            total: Some(9),
        };
        assert_eq!(said, Some(Ok(expected)));
        let detailed = of(r#"{"errorDetail":{"message":"no space left"},"error":"x"}"#);
        assert_eq!(detailed, Some(Err("no space left".to_owned())));
        assert_eq!(of(r#"{"error":"x"}"#), Some(Err("x".to_owned())));
        assert_eq!(of("\r\n"), None);
        assert!(announcement_of(b"{oops").is_err());
    }
}
