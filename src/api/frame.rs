//! What travels on an upgraded `/v1/exec` connection: one byte that tells the kind, four with
//! the length (big-endian), then so many bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder};

use crate::docker::{ExecInput, ExecOutput, LogStream};

/// The longest frame that is taken, in bytes.
const FRAME_MAX: usize = 1 << 20;
const HEAD: usize = 5;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// From reader to program.
    Input(ExecInput),
    /// From program to reader.
    Output(ExecOutput),
    /// The session broke; nothing follows.
    Broken(String),
}

/// Reads and writes frames.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frames;

/// Sends one frame.
///
/// # Errors
/// When the connection does not take it.
pub async fn send<W: AsyncWrite + Unpin>(to: &mut W, frame: Frame) -> std::io::Result<()> {
    let mut bytes = BytesMut::new();
    Frames.encode(frame, &mut bytes)?;
    to.write_all(&bytes).await?;
    to.flush().await
}

fn invalid(message: String) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, message)
}

impl Encoder<Frame> for Frames {
    type Error = std::io::Error;

    fn encode(&mut self, frame: Frame, to: &mut BytesMut) -> Result<(), std::io::Error> {
        let (kind, body) = match frame {
            Frame::Input(ExecInput::Data(bytes)) => (b'i', bytes),
            Frame::Input(ExecInput::Resize(columns, rows)) => {
                let mut body = BytesMut::with_capacity(4);
                body.put_u16(columns);
                body.put_u16(rows);
                (b'r', body.freeze())
            }
            Frame::Input(ExecInput::End) => (b'e', Bytes::new()),
            Frame::Output(ExecOutput::Data(LogStream::Stdout, bytes)) => (b'1', bytes),
            Frame::Output(ExecOutput::Data(LogStream::Stderr, bytes)) => (b'2', bytes),
            Frame::Output(ExecOutput::Exit(code)) => {
                (b'x', Bytes::copy_from_slice(&code.to_be_bytes()))
            }
            Frame::Broken(reason) => (b'!', Bytes::from(reason)),
        };
        // Data may be longer than a frame; everything else is short.
        let mut rest = body;
        loop {
            let part = rest.split_to(rest.len().min(FRAME_MAX));
            to.put_u8(kind);
            to.put_u32(u32::try_from(part.len()).unwrap_or(u32::MAX));
            to.extend_from_slice(&part);
            if rest.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Decoder for Frames {
    type Item = Frame;
    type Error = std::io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> Result<Option<Frame>, std::io::Error> {
        let Some(head) = from.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > FRAME_MAX {
            return Err(invalid(format!("a frame of {length} bytes")));
        }
        if from.len() < HEAD + length {
            from.reserve(HEAD + length - from.len());
            return Ok(None);
        }
        from.advance(HEAD);
        let mut body = from.split_to(length).freeze();
        let short = || invalid(format!("a frame of kind {kind} with {length} bytes"));
        let frame = match kind {
            b'i' => Frame::Input(ExecInput::Data(body)),
            b'r' => {
                let columns = body.try_get_u16().map_err(|_| short())?;
                let rows = body.try_get_u16().map_err(|_| short())?;
                Frame::Input(ExecInput::Resize(columns, rows))
            }
            b'e' => Frame::Input(ExecInput::End),
            b'1' => Frame::Output(ExecOutput::Data(LogStream::Stdout, body)),
            b'2' => Frame::Output(ExecOutput::Data(LogStream::Stderr, body)),
            b'x' => Frame::Output(ExecOutput::Exit(body.try_get_i64().map_err(|_| short())?)),
            b'!' => Frame::Broken(String::from_utf8_lossy(&body).into_owned()),
            _ => return Err(invalid(format!("a frame of unknown kind {kind}"))),
        };
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_being_cut_anywhere() {
        let frames = [
            Frame::Input(ExecInput::Data(Bytes::from_static(b"ls\n"))),
            Frame::Input(ExecInput::Resize(200, 60)),
            Frame::Input(ExecInput::End),
            Frame::Output(ExecOutput::Data(
                LogStream::Stdout,
                Bytes::from_static(b"a"),
            )),
            Frame::Output(ExecOutput::Data(LogStream::Stderr, Bytes::new())),
            Frame::Output(ExecOutput::Exit(-1)),
            Frame::Broken("gone".into()),
        ];
        let mut wire = BytesMut::new();
        for frame in &frames {
            Frames.encode(frame.clone(), &mut wire).unwrap();
        }
        let (mut received, mut read) = (BytesMut::new(), Vec::new());
        for byte in wire {
            received.put_u8(byte);
            while let Some(frame) = Frames.decode(&mut received).unwrap() {
                read.push(frame);
            }
        }
        assert_eq!(read, frames);
    }

    #[test]
    fn long_data_is_cut_and_what_is_no_frame_is_an_error() {
        let mut wire = BytesMut::new();
        let data = Bytes::from(vec![7; FRAME_MAX + 1]);
        let frame = Frame::Input(ExecInput::Data(data));
        Frames.encode(frame, &mut wire).unwrap();
        let Frame::Input(ExecInput::Data(first)) = Frames.decode(&mut wire).unwrap().unwrap()
        else {
            panic!("data");
        };
        assert_eq!(first.len(), FRAME_MAX);
        assert!(Frames.decode(&mut wire).unwrap().is_some());
        for wrong in [&b"?\0\0\0\0"[..], b"i\xff\xff\xff\xff", b"r\0\0\0\x01a"] {
            assert!(Frames.decode(&mut BytesMut::from(wrong)).is_err());
        }
    }
}
