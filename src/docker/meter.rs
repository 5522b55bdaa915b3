//! How much of an engine's answer is taken in.
//!
//! What an engine says is not ours to size: a broken one, or somebody in its place, must not fill
//! this program's memory. So each connection counts what it reads for one answer, whoever reads
//! it (bollard gathers whole answers, without a bound of its own). Streams may go on for ever;
//! whoever reads one bounds its lines (`feed`, `lines`).

use std::io::Result as IoResult;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::{Method, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const MIB: u64 = 1024 * 1024;

/// Longest list of an engine's containers, in bytes; 10,000 containers with many labels are 20 MiB.
pub const LIST_BYTES: u64 = 64 * MIB;
/// Longest inspection of one container, image or set of networks, in bytes.
pub const INSPECT_BYTES: u64 = 8 * MIB;
/// Longest other answer, in bytes: a version, an id, an error. Hyper reads ahead of what is asked
/// of it, by less than this.
pub const ANSWER_BYTES: u64 = MIB;

/// How long an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What is answered, in a message: `list of containers`.
    what: &'static str,
    /// Most bytes of it; `None` = a stream.
    most: Option<u64>,
}

impl Allowance {
    /// Any answer of which nothing else is known.
    const OTHER: Self = Self::of("answer", ANSWER_BYTES);

    const fn of(what: &'static str, most: u64) -> Self {
        let most = Some(most);
        Self { what, most }
    }

    /// How long the answer to a request may be, by what it asks for (no version before the path)
    /// and by how it was answered.
    #[must_use]
    pub fn to(method: &Method, asked: &str, status: StatusCode) -> Self {
        let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
        let mut parts = path.trim_start_matches('/').split('/');
        let (kind, last) = (parts.next(), parts.next_back());
        let read = *method == Method::GET;
        let stream = Self {
            what: "stream",
            most: None,
        };
        match (kind, last) {
            _ if status.is_client_error() || status.is_server_error() => Self::OTHER,
            (Some("events"), None) | (Some("containers"), Some("logs")) if read => stream,
            (Some("exec"), Some("start")) => stream,
            // A pull tells its progress as long as it lasts; an import tells that it is done.
            (Some("images"), Some("create")) if query.contains("fromImage=") => stream,
            (Some("containers"), Some("json")) if path == "/containers/json" => {
                Self::of("list of containers", LIST_BYTES)
            }
            (Some("containers"), Some("json")) => {
                Self::of("inspection of a container", INSPECT_BYTES)
            }
            (Some("images"), Some("json")) => Self::of("inspection of an image", INSPECT_BYTES),
            (Some("networks"), None) if read => Self::of("list of networks", INSPECT_BYTES),
            _ => Self::OTHER,
        }
    }
}

/// An answer was longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the engine's {what} is longer than {} MiB, the most that is read of one; see on its host what \
     makes it so long, or whether a Docker Engine answers there",
    .most / MIB
)]
pub struct TooLong {
    what: &'static str,
    most: u64,
}

impl TooLong {
    /// The answer that was too long, if that is what an error comes from.
    #[must_use]
    pub fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // An I/O error hides what it was made of from its chain of sources.
            let made_of = error.downcast_ref::<std::io::Error>();
            let made_of = made_of.and_then(std::io::Error::get_ref);
            if let Some(found) = made_of.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }
}

/// Counts what comes over one connection for the answer under way: there is one at a time.
/// Clones count the same connection.
#[derive(Clone, Debug)]
pub struct Meter(Arc<Mutex<Count>>);

#[derive(Debug)]
struct Count {
    read: u64,
    allowance: Allowance,
}

impl Default for Meter {
    fn default() -> Self {
        let allowance = Allowance::OTHER;
        Self(Arc::new(Mutex::new(Count { read: 0, allowance })))
    }
}

impl Meter {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was asked: what comes from now on is another answer. Its head is bounded by
    /// hyper, and until it is there nobody takes more.
    pub fn asked(&self) {
        self.count().read = 0;
    }

    /// The answer's head is there: so long may the rest be.
    pub fn allow(&self, allowance: Allowance) {
        self.count().allowance = allowance;
    }

    /// Takes note of bytes that came.
    ///
    /// # Errors
    /// [`TooLong`], once they are more than the answer may have.
    pub fn came(&self, bytes: usize) -> Result<(), TooLong> {
        let mut count = self.count();
        count.read = count.read.saturating_add(bytes as u64);
        match count.allowance {
            Allowance {
                what,
                most: Some(most),
            } if count.read > most => Err(TooLong { what, most }),
            _ => Ok(()),
        }
    }
}

/// A connection whose answers are counted.
pub struct Metered<T> {
    wire: T,
    meter: Meter,
}

impl<T> Metered<T> {
    /// Counts what comes over a connection.
    #[must_use]
    pub fn new(wire: T) -> Self {
        let meter = Meter::default();
        Self { wire, meter }
    }

    /// What counts.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buf))?;
        let came = buf.filled().len().saturating_sub(before);
        Poll::Ready(self.meter.came(came).map_err(std::io::Error::other))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        self.meter.asked();
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_not_bounded_and_everything_else_is_by_what_it_is() {
        let ok = StatusCode::OK;
        let most = |method: Method, path: &str| Allowance::to(&method, path, ok).most;
        for path in ["/events?filters=x", "/containers/a/logs?follow=1"] {
            assert_eq!(most(Method::GET, path), None, "{path}");
        }
        assert_eq!(most(Method::POST, "/images/create?fromImage=a&tag=b"), None);
        assert_eq!(most(Method::POST, "/exec/a/start"), None);
        for (path, bytes) in [
            ("/containers/json?all=true", LIST_BYTES),
            ("/containers/json/json", INSPECT_BYTES),
            ("/containers/events/json", INSPECT_BYTES),
            ("/images/team/app:1/json", INSPECT_BYTES),
            ("/networks?filters=x", INSPECT_BYTES),
            ("/containers/a/stats?stream=false", ANSWER_BYTES),
            ("/exec/a/json", ANSWER_BYTES),
            ("/distribution/logs/json", ANSWER_BYTES),
            ("/info", ANSWER_BYTES),
            ("/_ping", ANSWER_BYTES),
        ] {
            assert_eq!(most(Method::GET, path), Some(bytes), "{path}");
        }
        assert_eq!(
            most(Method::POST, "/images/create?fromSrc=-"),
            Some(ANSWER_BYTES)
        );
        let refused = Allowance::to(&Method::GET, "/events", StatusCode::BAD_REQUEST);
        assert_eq!(refused, Allowance::OTHER);
    }

    #[test]
    fn each_answer_is_counted_by_itself() {
        let meter = Meter::default();
        let all = ANSWER_BYTES as usize;
        assert!(meter.came(all).is_ok());
        assert!(meter.came(1).is_err());
        meter.asked();
        assert!(meter.came(all).is_ok());
        meter.allow(Allowance::of("list", LIST_BYTES));
        assert!(meter.came(1).is_ok());
        let error = meter.came(LIST_BYTES as usize).unwrap_err();
        assert!(error.to_string().contains("longer than 64 MiB"), "{error}");
        let wrapped = std::io::Error::other(error);
        assert_eq!(TooLong::within(&wrapped), Some(error));
    }
}
