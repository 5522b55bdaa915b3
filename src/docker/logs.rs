//! A container's log and an engine's events, as streams that start once the engine has answered.

use futures_util::stream::{self, BoxStream, StreamExt};
use hyper::Method;
use hyper::body::Incoming;
use serde_json::Value;
use std::collections::VecDeque;

use super::feed::{Feed, next_bytes};
use super::lines::LineReader;
use super::transport::Transport;
use super::{EngineError, EngineEvent, EngineResult, LogLine, LogOptions};
use crate::model::TimeMs;

/// What of an engine's announcements can change what is known of it. Health checks run programs
/// all the time; those are left out at the engine.
const EVENT_FILTERS: &str = r#"{"type":["container","image"],"event":["create","start","restart","die","stop","kill","oom","pause","unpause","rename","update","destroy","health_status","pull","load","import","tag","untag","delete"]}"#;

/// What a container wrote.
#[must_use]
pub fn logs(
    transport: Transport,
    id: &str,
    options: &LogOptions,
) -> BoxStream<'static, EngineResult<LogLine>> {
    let id = id.to_owned();
    let path = logs_path(&id, options);
    let opened = async move {
        // Only the container knows whether its output is framed; older engines do not say so in
        // the answer's head.
        let inspect = format!("/containers/{id}/json");
        let container = transport.json(Method::GET, &inspect, None).await?;
        let tty = container.pointer("/Config/Tty").and_then(Value::as_bool);
        let response = transport.open(Method::GET, &path, None).await?;
        Ok(Log {
            transport,
            body: response.into_body(),
            reader: LineReader::new(tty == Some(true)),
            ready: VecDeque::new(),
            ended: false,
        }
        .stream())
    };
    stream::once(opened)
        .flat_map(|opened| opened.unwrap_or_else(|error| stream::iter([Err(error)]).boxed()))
        .boxed()
}

/// Docker takes seconds with a fraction for both ends.
fn seconds(at: TimeMs) -> String {
    format!("{}.{:03}", at.0 / 1000, at.0 % 1000)
}

fn logs_path(id: &str, options: &LogOptions) -> String {
    let mut path = format!(
        "/containers/{id}/logs?stdout=1&stderr=1&timestamps=1&follow={}",
        u8::from(options.follow)
    );
    if let Some(since) = options.since {
        path.push_str(&format!("&since={}", seconds(since)));
    }
    if let Some(until) = options.until {
        path.push_str(&format!("&until={}", seconds(until)));
    }
    match options.tail {
        Some(tail) => path.push_str(&format!("&tail={tail}")),
        None => path.push_str("&tail=all"),
    }
    path
}

struct Log {
    transport: Transport,
    body: Incoming,
    reader: LineReader,
    ready: VecDeque<LogLine>,
    ended: bool,
}

impl Log {
    fn stream(self) -> BoxStream<'static, EngineResult<LogLine>> {
        stream::try_unfold(self, |mut log| async move {
            Ok(log.next().await?.map(|line| (line, log)))
        })
        .boxed()
    }

    async fn next(&mut self) -> EngineResult<Option<LogLine>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            match next_bytes(&mut self.body, &self.transport).await? {
                Some(bytes) => {
                    let lines = self.reader.read(bytes);
                    let failed = |error: super::lines::UnknownStream| {
                        EngineError::Failed(format!("{}: {error}", self.transport.endpoint()))
                    };
                    self.ready.extend(lines.map_err(failed)?);
                }
                None => {
                    self.ended = true;
                    self.ready.extend(self.reader.rest());
                }
            }
        }
    }
}

/// An engine's announcements from now on. The engine has answered when this resolves, so it
/// has begun to note them.
///
/// # Errors
/// [`EngineError`], by what the engine answered.
pub async fn events(
    transport: &Transport,
) -> EngineResult<BoxStream<'static, EngineResult<EngineEvent>>> {
    let filters: String = url_escape(EVENT_FILTERS);
    let path = format!("/events?filters={filters}");
    let response = transport.open(Method::GET, &path, None).await?;
    let feed = Feed::new(transport, response.into_body(), "event");
    Ok(stream::try_unfold(feed, |mut feed| async move {
        Ok(Some((next_event(&mut feed).await?, feed)))
    })
    .boxed())
}

/// Escapes everything but letters and digits for a query.
pub(super) fn url_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

async fn next_event(feed: &mut Feed) -> EngineResult<EngineEvent> {
    while let Some(line) = feed.next().await? {
        if let Some(event) = event_of(&line).map_err(|error| feed.unread(&error))? {
            return Ok(event);
        }
    }
    // Events never end by themselves: the engine is shutting down.
    Err(EngineError::Unreachable(format!(
        "{}: the engine ended its stream of events",
        feed.transport().endpoint()
    )))
}

/// An announcement, if it is one that matters.
///
/// # Errors
/// When it is not JSON.
pub fn event_of(line: &[u8]) -> Result<Option<EngineEvent>, serde_json::Error> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let value: Value = serde_json::from_slice(line)?;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
    Ok(match text("/Type") {
        Some("container") => text("/Actor/ID").map(|id| EngineEvent::Container {
            runtime_id: id.to_owned(),
            destroyed: text("/Action") == Some("destroy"),
        }),
        Some("image") => Some(EngineEvent::Images),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_options_become_a_query() {
        let options = LogOptions {
            follow: true,
            since: Some(TimeMs(1_500)),
            until: Some(TimeMs(2_007)),
            tail: Some(10),
        };
        assert_eq!(
            logs_path("abc", &options),
            "/containers/abc/logs?stdout=1&stderr=1&timestamps=1&follow=1&since=1.500&until=2.007&tail=10"
        );
        assert!(logs_path("abc", &LogOptions::default()).ends_with("&follow=0&tail=all"));
    }

    #[test]
    fn events_say_where_to_look() {
        let event = |text: &str| event_of(text.as_bytes()).unwrap();
        assert_eq!(
            event(r#"{"Type":"container","Action":"destroy","Actor":{"ID":"a"}}"#),
            Some(EngineEvent::Container {
                runtime_id: "a".to_owned(),
                destroyed: true
            })
        );
        assert_eq!(
            event(r#"{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"b"}}"#),
            Some(EngineEvent::Container {
                runtime_id: "b".to_owned(),
                destroyed: false
            })
        );
        assert_eq!(
            event(r#"{"Type":"image","Action":"pull","Actor":{"ID":"i"}}"#),
            Some(EngineEvent::Images)
        );
        assert_eq!(event(r#"{"Type":"network","Action":"connect"}"#), None);
        assert_eq!(event("\n"), None);
        assert!(event_of(b"{oops\n").is_err());
    }
}
