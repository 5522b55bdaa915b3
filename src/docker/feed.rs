//! What an engine tells line by line for as long as it lasts: events, the progress of a pull.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::transport::Transport;
use super::{EngineError, EngineResult};

/// Longest line of a feed, in bytes: an event carries all of a container's labels.
pub const LINE_BYTES: usize = 1024 * 1024;

/// A body's next bytes; `None` at its end.
///
/// # Errors
/// [`EngineError`] when the way to the engine broke.
pub async fn next_bytes(body: &mut Incoming, transport: &Transport) -> EngineResult<Option<Bytes>> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data()
                    && !bytes.is_empty()
                {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(error)) => return Err(transport.broke(&error)),
        }
    }
}

/// An answer in lines.
pub struct Feed {
    transport: Transport,
    body: Incoming,
    /// What a line is, in a message: `event`.
    what: &'static str,
    buffer: BytesMut,
    searched: usize,
}

impl Feed {
    /// The lines of an answer, each one a `what`.
    #[must_use]
    pub fn new(transport: &Transport, body: Incoming, what: &'static str) -> Self {
        Self {
            transport: transport.clone(),
            body,
            what,
            buffer: BytesMut::new(),
            searched: 0,
        }
    }

    /// The next line; `None` at the end. The last one need not end.
    ///
    /// # Errors
    /// [`EngineError`] when the way to the engine broke, or a line is longer than [`LINE_BYTES`].
    pub async fn next(&mut self) -> EngineResult<Option<BytesMut>> {
        loop {
            let fresh = &self.buffer[self.searched..];
            let end = fresh.iter().position(|b| *b == b'\n');
            let length = end.map_or(self.buffer.len(), |at| self.searched + at + 1);
            if length > LINE_BYTES {
                let what = self.what;
                return Err(self.failed(&format!("an {what} is longer than {LINE_BYTES} bytes")));
            }
            if end.is_some() {
                self.searched = 0;
                return Ok(Some(self.buffer.split_to(length)));
            }
            self.searched = length;
            match next_bytes(&mut self.body, &self.transport).await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    self.searched = 0;
                    return Ok(Some(self.buffer.split()));
                }
            }
        }
    }

    /// The failure of a line that cannot be read.
    #[must_use]
    pub fn unread(&self, error: &serde_json::Error) -> EngineError {
        self.failed(&format!("an {} is not JSON: {error}", self.what))
    }

    fn failed(&self, why: &str) -> EngineError {
        EngineError::Failed(format!("{}: {why}", self.transport.endpoint()))
    }

    /// How the engine is reached.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}
