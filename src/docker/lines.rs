//! From the bytes of a container's output to lines. Pure, and bounded whatever comes.

use bytes::{Buf, Bytes};

use super::{LogLine, LogStream};
use crate::model::TimeMs;

/// Longest line kept in one piece, in bytes; a longer one comes in several. It is also what an
/// engine's own log drivers cut at.
pub const LINE_BYTES: usize = 16 * 1024;
/// Longest text that can be a timestamp, in bytes.
const STAMP_BYTES: usize = 64;
/// Bytes of a frame's head: stream, three zeros, length.
const HEAD_BYTES: usize = 8;

/// A text from an engine as a moment; `None` for no time, and for Docker's zero time.
#[must_use]
pub fn time_of(text: &str) -> Option<TimeMs> {
    let stamp: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(stamp.as_millisecond())
        .ok()
        .filter(|ms| *ms > 0)
        .map(TimeMs)
}

/// Bytes that are not what an engine sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine sent a frame of an unknown stream ({0}); its output cannot be read")]
pub struct UnknownStream(u8);

/// Takes apart the frames in which an engine sends two outputs over one connection. Without a
/// terminal both outputs are framed; with one there is a single unframed stream.
#[derive(Debug)]
pub struct Demux {
    framed: bool,
    head: Vec<u8>,
    stream: LogStream,
    left: usize,
    fresh: bool,
}

/// A piece of one output.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which output.
    pub stream: LogStream,
    /// Whether a frame begins here (never without frames).
    pub first: bool,
    /// What was written.
    pub bytes: Bytes,
}

impl Demux {
    /// A reader for a process with (`tty`) or without a terminal.
    #[must_use]
    pub fn new(tty: bool) -> Self {
        Self {
            framed: !tty,
            head: Vec::with_capacity(HEAD_BYTES),
            stream: LogStream::Stdout,
            left: 0,
            fresh: false,
        }
    }

    /// The next piece of what came; `None` when more must come first. Frames are passed on as
    /// they arrive, never gathered.
    ///
    /// # Errors
    /// [`UnknownStream`] when the bytes are not frames.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Option<Piece>, UnknownStream> {
        if !self.framed {
            let bytes = bytes.split_to(bytes.len());
            return Ok((!bytes.is_empty()).then_some(Piece {
                stream: LogStream::Stdout,
                first: false,
                bytes,
            }));
        }
        while self.left == 0 {
            let take = bytes.len().min(HEAD_BYTES - self.head.len());
            self.head.extend_from_slice(&bytes[..take]);
            bytes.advance(take);
            let Ok(head) = <[u8; HEAD_BYTES]>::try_from(self.head.as_slice()) else {
                return Ok(None);
            };
            self.stream = match head[0] {
                0 | 1 => LogStream::Stdout,
                2 => LogStream::Stderr,
                other => return Err(UnknownStream(other)),
            };
            self.left = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            self.fresh = true;
            self.head.clear();
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let piece = bytes.split_to(bytes.len().min(self.left));
        self.left -= piece.len();
        Ok(Some(Piece {
            stream: self.stream,
            first: std::mem::take(&mut self.fresh),
            bytes: piece,
        }))
    }
}

/// Makes lines of a log stream with timestamps.
#[derive(Debug)]
pub struct LineReader {
    demux: Demux,
    tty: bool,
    stdout: Line,
    stderr: Line,
}

impl LineReader {
    /// A reader of the logs of a container with (`tty`) or without a terminal.
    #[must_use]
    pub fn new(tty: bool) -> Self {
        Self {
            demux: Demux::new(tty),
            tty,
            stdout: Line::new(LogStream::Stdout),
            stderr: Line::new(LogStream::Stderr),
        }
    }

    /// The lines that these bytes complete.
    ///
    /// # Errors
    /// [`UnknownStream`] when the bytes are not frames.
    pub fn read(&mut self, mut bytes: Bytes) -> Result<Vec<LogLine>, UnknownStream> {
        let mut lines = Vec::new();
        while let Some(piece) = self.demux.next(&mut bytes)? {
            let line = match piece.stream {
                LogStream::Stdout => &mut self.stdout,
                LogStream::Stderr => &mut self.stderr,
            };
            if piece.first {
                line.expect_stamp();
            }
            line.read(&piece.bytes, self.tty, &mut lines);
        }
        Ok(lines)
    }

    /// What was written after the last line end, when the stream has ended.
    pub fn rest(&mut self) -> Vec<LogLine> {
        let mut lines = Vec::new();
        for line in [&mut self.stdout, &mut self.stderr] {
            line.settle_stamp();
            if !line.text.is_empty() {
                line.emit(self.tty, &mut lines);
            }
        }
        lines
    }
}

/// The line of one output that is being gathered.
#[derive(Debug)]
struct Line {
    stream: LogStream,
    at: TimeMs,
    /// Some while a timestamp may be under way.
    stamp: Option<Vec<u8>>,
    text: Vec<u8>,
}

impl Line {
    fn new(stream: LogStream) -> Self {
        Self {
            stream,
            at: TimeMs::default(),
            stamp: Some(Vec::new()),
            text: Vec::new(),
        }
    }

    /// Every frame begins with a timestamp, also one that goes on with a long line.
    fn expect_stamp(&mut self) {
        self.settle_stamp();
        self.stamp = Some(Vec::new());
    }

    fn read(&mut self, mut bytes: &[u8], tty: bool, lines: &mut Vec<LogLine>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Some(stamp) = &mut self.stamp {
                match byte {
                    b' ' | b'\n' => {
                        let parsed = std::str::from_utf8(stamp).ok().and_then(time_of);
                        match parsed {
                            Some(at) => {
                                // A line's time is that of its beginning.
                                if self.text.is_empty() {
                                    self.at = at;
                                }
                                self.stamp = None;
                                if byte == b' ' {
                                    bytes = rest;
                                }
                            }
                            None => self.settle_stamp(),
                        }
                    }
                    _ if stamp.len() >= STAMP_BYTES => self.settle_stamp(),
                    _ => {
                        stamp.push(byte);
                        bytes = rest;
                    }
                }
                continue;
            }
            let room = LINE_BYTES.saturating_sub(self.text.len());
            let end = bytes.iter().position(|b| *b == b'\n');
            let take = end.unwrap_or(bytes.len()).min(room);
            self.text.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if end == Some(take) {
                bytes = &bytes[1..];
                self.emit(tty, lines);
                self.stamp = Some(Vec::new());
            } else if !bytes.is_empty() {
                self.cut(lines);
            }
        }
    }

    /// What looked like a timestamp was none: it is text.
    fn settle_stamp(&mut self) {
        if let Some(stamp) = self.stamp.take() {
            self.text.extend_from_slice(&stamp);
        }
    }

    fn emit(&mut self, tty: bool, lines: &mut Vec<LogLine>) {
        if tty && self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        lines.push(self.line(self.text.len()));
        self.text.clear();
    }

    /// Gives the long line's beginning away, but never half a character.
    fn cut(&mut self, lines: &mut Vec<LogLine>) {
        let length = self.text.len();
        let partial = (1..=3.min(length))
            .find(|back| self.text[length - back] & 0b1100_0000 != 0b1000_0000)
            .filter(|back| {
                let lead = self.text[length - back];
                let wanted = match lead {
                    0xC0..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF7 => 4,
                    _ => 1,
                };
                wanted > *back
            })
            .unwrap_or(0);
        lines.push(self.line(length - partial));
        self.text.drain(..length - partial);
    }

    fn line(&self, length: usize) -> LogLine {
        LogLine {
            at: self.at,
            stream: self.stream,
            text: String::from_utf8_lossy(&self.text[..length]).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: &str = "2026-11-22T17:00:00.250000000Z";
    const AT: TimeMs = TimeMs(1_795_366_800_250);

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }

    fn line(stream: LogStream, text: &str) -> LogLine {
        LogLine {
            at: AT,
            stream,
            text: text.to_owned(),
        }
    }

    #[test]
    fn times_are_milliseconds_and_dockers_zero_is_no_time() {
        assert_eq!(time_of(STAMP), Some(AT));
        assert_eq!(time_of("2026-11-22T18:00:00.25+01:00"), Some(AT));
        assert_eq!(time_of("0001-01-01T00:00:00Z"), None);
        assert_eq!(time_of("soon"), None);
    }

    #[test]
    fn two_outputs_come_apart_however_the_bytes_arrive() {
        let mut bytes = frame(1, &format!("{STAMP} one\n"));
        bytes.extend(frame(2, &format!("{STAMP} \n")));
        bytes.extend(frame(1, &format!("{STAMP} two  \n")));
        bytes.extend(frame(2, &format!("{STAMP} no end")));
        let expected = [
            line(LogStream::Stdout, "one"),
            line(LogStream::Stderr, ""),
            line(LogStream::Stdout, "two  "),
            line(LogStream::Stderr, "no end"),
        ];
        for size in [1, 3, 7, 8, 40, bytes.len()] {
            let mut reader = LineReader::new(false);
            let mut lines = Vec::new();
            for chunk in bytes.chunks(size) {
                lines.extend(reader.read(Bytes::copy_from_slice(chunk)).unwrap());
            }
            lines.extend(reader.rest());
            assert_eq!(lines, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn a_long_line_is_joined_to_the_bound_and_then_cut_between_characters() {
        let long = "ü".repeat(LINE_BYTES); // two bytes each
        let (first, second) = long.split_at(LINE_BYTES);
        let mut reader = LineReader::new(false);
        let mut lines = Vec::new();
        for text in [
            format!("{STAMP} x{first}"),
            format!("{STAMP} {second}\n"),
            format!("{STAMP} after\n"),
        ] {
            lines.extend(reader.read(Bytes::from(frame(1, &text))).unwrap());
        }
        let sizes: Vec<usize> = lines.iter().map(|l| l.text.len()).collect();
        assert_eq!(sizes, [LINE_BYTES - 1, LINE_BYTES, 2, 5]);
        let joined: String = lines[..3].iter().map(|l| l.text.as_str()).collect();
        assert_eq!(joined, format!("x{long}"));
        assert_eq!(lines[3], line(LogStream::Stdout, "after"));
    }

    #[test]
    fn a_line_of_exactly_the_bound_stays_whole() {
        let mut reader = LineReader::new(false);
        let text = "y".repeat(LINE_BYTES);
        let bytes = Bytes::from(frame(1, &format!("{STAMP} {text}\n")));
        assert_eq!(
            reader.read(bytes).unwrap(),
            [line(LogStream::Stdout, &text)]
        );
    }

    #[test]
    fn a_terminal_has_no_frames_and_its_line_ends_are_taken_off() {
        let mut reader = LineReader::new(true);
        let text = format!("{STAMP} \u{1}a\r\n{STAMP} b");
        let mut lines = reader.read(Bytes::from(text)).unwrap();
        lines.extend(reader.rest());
        assert_eq!(
            lines,
            [
                line(LogStream::Stdout, "\u{1}a"),
                line(LogStream::Stdout, "b")
            ]
        );
    }

    #[test]
    fn what_is_no_timestamp_is_text_and_what_is_no_frame_is_an_error() {
        let mut reader = LineReader::new(false);
        let lines = reader.read(Bytes::from(frame(1, "plain words\n"))).unwrap();
        assert_eq!(lines[0].text, "plain words");
        assert_eq!(
            LineReader::new(false).read(Bytes::from_static(b"hello, world")),
            Err(UnknownStream(b'h'))
        );
    }

    #[test]
    fn memory_stays_bounded_when_no_line_ever_ends() {
        let mut reader = LineReader::new(false);
        let mut head = vec![1, 0, 0, 0];
        head.extend_from_slice(&u32::MAX.to_be_bytes());
        reader.read(Bytes::from(head)).unwrap();
        let chunk = Bytes::from(vec![b'z'; 1 << 20]);
        let lines = reader.read(chunk).unwrap();
        assert_eq!(lines.len(), (1 << 20) / LINE_BYTES - 1, "one is still open");
        assert!(reader.stdout.text.len() <= LINE_BYTES);
    }
}
