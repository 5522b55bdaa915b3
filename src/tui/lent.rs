//! A terminal lent to a program in a container: bytes both ways, its size, and a way back that
//! needs nobody's help. The console and `qd exec` share it.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IsTerminal as _, Read as _, Write as _};

use bytes::Bytes;
use crossterm::terminal;
use futures_util::stream::{self, StreamExt as _};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::ClientError;
use crate::docker::{EngineError, ExecInput, ExecOutput, ExecSession, LogStream};

/// Bytes read from standard input at once.
const CHUNK: usize = 8 * 1024;
/// Chunks of a standard input that is no terminal under way; more waits.
const CHUNKS_MAX: usize = 16;
/// Turns between the thread that waits for keys and who reads them: one is with either.
const TURNS_MAX: usize = 1;
/// Inputs kept for a program that takes none. What is typed beyond is dropped, with a bell.
const WAITING_MAX: usize = 256;

/// What leads back out of every program, said before one starts.
pub const WAY_BACK: &str = "ctrl-] three times leads back, whatever happens";

/// Puts right what a program may have left the terminal in, on whatever screen: first the end of a
/// sequence that was cut off, then its own screen (the cursor is saved first, for who was on none
/// would be moved), mouse and focus reports, pastes in brackets,
/// frames held back, keys that are spelled out, a reversed screen, a link; colours and the cursor's
/// form as configured; then all that a soft reset puts right (scrolling region, cursor keys,
/// characters), lines that wrap, and the cursor.
pub const SETTLE: &str = "\x18\x1b\\\x1b7\x1b[?1049l\x1b[?1047l\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\
     \x1b[?1006l\x1b[?1015l\x1b[?1016l\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[=0u\x1b[>4m\x1b[?5l\
     \x1b]8;;\x07\x1b]104\x07\x1b]110\x07\x1b]111\x07\x1b]112\x07\x1b[0 q\x1b[!p\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b[0m";
/// Has the terminal keep its title, for [`TITLE_BACK`].
pub const TITLE_KEPT: &str = "\x1b[22;0t";
/// Has the terminal show the title again that it kept.
pub const TITLE_BACK: &str = "\x1b[23;0t";

/// The program to run where none is named: bash if the image has it, else sh.
#[must_use]
pub fn default_shell() -> Vec<String> {
    let line = "command -v bash >/dev/null 2>&1 && exec bash; exec sh";
    ["sh", "-c", line].map(str::to_owned).to_vec()
}

/// How the loan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The program ended with this code.
    Exit(i64),
    /// Ctrl-] three times: the program was left as it was.
    Left,
}

/// Why a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum LentError {
    /// It was not begun.
    #[error(transparent)]
    NotBegun(#[from] ClientError),
    /// The engine failed, or went away.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The stream ended without an exit code.
    #[error("the connection ended before the program did")]
    BrokenOff,
    /// Standard input failed.
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    /// Standard output failed.
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
}

/// Whether standard input and output are both a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// What comes in by standard input.
pub enum Keys {
    /// A terminal: read only when something is there, so that nothing typed later is taken along.
    Terminal(Watched),
    /// A file or pipe, read by a thread of its own: such a read cannot be called off, and must
    /// not hold up the end of the program.
    Piped(mpsc::Receiver<Bytes>),
}

impl Keys {
    /// Of standard input, whatever it is.
    ///
    /// # Errors
    /// When the terminal cannot be waited for.
    pub fn of_stdin() -> io::Result<Self> {
        if is_terminal() {
            return Watched::new().map(Self::Terminal);
        }
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        std::thread::spawn(move || read_on(&sender));
        Ok(Self::Piped(receiver))
    }

    /// The next bytes; `None` at the end. May be dropped while it waits: nothing is lost.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::Piped(chunks) => Ok(chunks.recv().await),
            Self::Terminal(watched) => watched.next().await,
        }
    }
}

/// Standard input with a thread that says when there is something to read, and takes nothing of
/// it itself.
pub struct Watched {
    ready: mpsc::Receiver<()>,
    again: std::sync::mpsc::SyncSender<()>,
    /// Closed with this: ends the thread.
    _stop: io::PipeWriter,
}

impl Watched {
    fn new() -> io::Result<Self> {
        let (stopped, stop) = io::pipe()?;
        let (tell, ready) = mpsc::channel(TURNS_MAX);
        let (again, told) = std::sync::mpsc::sync_channel(TURNS_MAX);
        std::thread::spawn(move || {
            let stdin = io::stdin();
            loop {
                let mut asked = [
                    PollFd::new(&stdin, PollFlags::IN),
                    PollFd::new(&stopped, PollFlags::IN),
                ];
                let waited = poll(&mut asked, None);
                if waited == Err(Errno::INTR) {
                    continue;
                }
                let over = waited.is_err() || !asked[1].revents().is_empty();
                if over || tell.blocking_send(()).is_err() || told.recv().is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            ready,
            again,
            _stop: stop,
        })
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(()) = self.ready.recv().await else {
                return Ok(None);
            };
            // Nothing is waited for from here on, so nothing read can be dropped.
            let mut buffer = [0_u8; CHUNK];
            let read = rustix::io::read(io::stdin(), &mut buffer);
            let _ended = self.again.send(());
            match read {
                Ok(0) => return Ok(None),
                Ok(length) => return Ok(Some(Bytes::copy_from_slice(&buffer[..length]))),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads standard input to its end.
fn read_on(sender: &mpsc::Sender<Bytes>) {
    let mut stdin = io::stdin().lock();
    let mut buffer = [0_u8; CHUNK];
    loop {
        match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                let chunk = Bytes::copy_from_slice(&buffer[..length]);
                if sender.blocking_send(chunk).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
}

/// Sees ctrl-] three times in a row, as terminals send it: plainly, or spelled out for programs
/// that asked for that.
#[derive(Debug, Default)]
struct WayBack {
    recent: Vec<u8>,
}

impl WayBack {
    const SPELLINGS: [&[u8]; 3] = [b"\x1d", b"\x1b[93;5u", b"\x1b[27;5;93~"];
    const TIMES: usize = 3;
    const LONGEST: usize = 10 * Self::TIMES;

    /// Takes in what was typed; whether the way back was among it.
    fn seen(&mut self, typed: &[u8]) -> bool {
        for byte in typed {
            self.recent.push(*byte);
            let thrice = |spelling: &&[u8]| self.recent.ends_with(&spelling.repeat(Self::TIMES));
            if Self::SPELLINGS.iter().any(thrice) {
                return true;
            }
            if self.recent.len() >= Self::LONGEST {
                self.recent.remove(0);
            }
        }
        false
    }
}

/// Inputs on their way to the program.
#[derive(Debug, Default)]
struct Waiting {
    inputs: VecDeque<ExecInput>,
}

impl Waiting {
    /// Takes one more; whether there was room for it.
    fn push(&mut self, input: ExecInput) -> bool {
        if let (ExecInput::Resize(..), Some(ExecInput::Resize(..))) = (&input, self.inputs.back()) {
            self.inputs.pop_back();
        }
        let room = self.inputs.len() < WAITING_MAX;
        if room {
            self.inputs.push_back(input);
        }
        room
    }
}

/// Lends the terminal, or whatever standard input and output are, to the program that `opening`
/// begins, until it ends or is left. A terminal has to be in raw mode already.
///
/// # Errors
/// [`LentError`] when the program did not begin, or it is unknown how it ended.
pub async fn lend(
    opening: impl Future<Output = Result<ExecSession, ClientError>>,
    mut keys: Keys,
    typed_ahead: Vec<u8>,
) -> Result<Parting, LentError> {
    let on_terminal = matches!(keys, Keys::Terminal(_));
    let mut resized = signal(SignalKind::window_change()).map_err(LentError::Input)?;
    let mut way_back = WayBack::default();
    let mut waiting = Waiting::default();
    if !typed_ahead.is_empty() {
        waiting.push(ExecInput::Data(typed_ahead.into()));
    }
    let mut reading = true;
    let mut program: Option<mpsc::Sender<ExecInput>> = None;
    let mut shown = stream::pending().boxed();
    tokio::pin!(opening);
    loop {
        // A terminal is always listened to: the way back must work where nothing else does.
        let listens = reading && (on_terminal || waiting.inputs.is_empty());
        tokio::select! {
            biased;
            chunk = keys.next(), if listens => {
                let chunk = chunk.map_err(LentError::Input)?;
                reading = chunk.is_some();
                if on_terminal && chunk.as_ref().is_some_and(|chunk| way_back.seen(chunk)) {
                    return Ok(Parting::Left);
                }
                let input = chunk.map_or(ExecInput::End, ExecInput::Data);
                if !waiting.push(input) {
                    write(LogStream::Stdout, b"\x07")?;
                }
            }
            _ = resized.recv(), if on_terminal => {
                if let Ok((columns, rows)) = terminal::size() {
                    waiting.push(ExecInput::Resize(columns, rows));
                }
            }
            opened = &mut opening, if program.is_none() => {
                let session = opened?;
                (program, shown) = (Some(session.input), session.output);
            }
            taken = hand_over(program.as_ref(), &mut waiting) => {
                // A program that takes no more input may still have something to say.
                reading &= taken || on_terminal;
            }
            item = shown.next() => match item {
                Some(Ok(ExecOutput::Data(stream, data))) => write(stream, &data)?,
                Some(Ok(ExecOutput::Exit(code))) => return Ok(Parting::Exit(code)),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(LentError::BrokenOff),
            },
        }
    }
}

/// Hands the next input over when there is one and it is wanted; whether it was.
async fn hand_over(program: Option<&mpsc::Sender<ExecInput>>, waiting: &mut Waiting) -> bool {
    let Some(program) = program.filter(|_| !waiting.inputs.is_empty()) else {
        return std::future::pending().await;
    };
    let permit = program.reserve().await;
    match (permit, waiting.inputs.pop_front()) {
        (Ok(permit), Some(input)) => {
            permit.send(input);
            true
        }
        _ => {
            waiting.inputs.clear();
            false
        }
    }
}

fn write(stream: LogStream, data: &[u8]) -> Result<(), LentError> {
    super::blocking(|| match stream {
        LogStream::Stdout => {
            let mut out = io::stdout().lock();
            let written = out.write_all(data).and_then(|()| out.flush());
            written.map_err(LentError::Output)
        }
        LogStream::Stderr => {
            // Nothing can be said about a standard error that is gone.
            let _ = io::stderr().write_all(data);
            Ok(())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that says these things, and takes no more than one input.
    fn program(
        says: Vec<Result<ExecOutput, EngineError>>,
    ) -> (ExecSession, mpsc::Receiver<ExecInput>) {
        let (input, inputs) = mpsc::channel(1);
        let output = stream::iter(says).boxed();
        (ExecSession { input, output }, inputs)
    }

    fn piped(chunks: usize) -> Keys {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        for _ in 0..chunks {
            sender.try_send(Bytes::from_static(b"ls\n")).unwrap();
        }
        Keys::Piped(receiver)
    }

    #[tokio::test]
    async fn the_exit_code_comes_through_even_where_no_input_is_taken() {
        let (session, inputs) = program(vec![Ok(ExecOutput::Exit(3))]);
        let ended = lend(async { Ok(session) }, piped(CHUNKS_MAX), b"early".to_vec()).await;
        assert_eq!(ended.unwrap(), Parting::Exit(3));
        drop(inputs);
    }

    #[tokio::test]
    async fn an_instance_that_dies_and_a_stream_that_breaks_off_are_told() {
        let dead = EngineError::Unreachable("fra-c3 did not answer".to_owned());
        let (session, _inputs) = program(vec![Err(dead)]);
        let ended = lend(async { Ok(session) }, piped(0), Vec::new()).await;
        assert_eq!(ended.unwrap_err().to_string(), "fra-c3 did not answer");
        let (session, _inputs) = program(Vec::new());
        let ended = lend(async { Ok(session) }, piped(0), Vec::new()).await;
        assert!(matches!(ended, Err(LentError::BrokenOff)));
        let refused = ClientError::Engine("it does not run".to_owned());
        let ended = lend(async { Err(refused) }, piped(1), Vec::new()).await;
        assert_eq!(ended.unwrap_err().to_string(), "it does not run");
    }

    #[test]
    fn three_times_in_a_row_leads_back_however_it_is_spelled() {
        for spelling in ["\x1d", "\x1b[93;5u", "\x1b[27;5;93~"] {
            let mut way = WayBack::default();
            let once = spelling.as_bytes();
            assert!(!way.seen(b"ls\r"), "{spelling:?}");
            assert!(!way.seen(once) && !way.seen(once), "{spelling:?}");
            assert!(way.seen(once), "{spelling:?}");
            let mut way = WayBack::default();
            assert!(!way.seen(once) && !way.seen(once));
            assert!(!way.seen(b"x"), "{spelling:?}");
            assert!(!way.seen(once), "not in a row: {spelling:?}");
            assert!(WayBack::default().seen(format!("x{}", spelling.repeat(3)).as_bytes()));
        }
    }

    #[test]
    fn what_waits_is_bounded_and_only_the_last_size_counts() {
        let mut waiting = Waiting::default();
        for columns in 1..500 {
            assert!(waiting.push(ExecInput::Resize(columns, 24)));
        }
        assert_eq!(waiting.inputs, [ExecInput::Resize(499, 24)]);
        let typed = || ExecInput::Data(Bytes::from_static(b"x"));
        assert!((1..WAITING_MAX).all(|_| waiting.push(typed())));
        assert!(!waiting.push(typed()));
        assert_eq!(waiting.inputs.len(), WAITING_MAX);
    }
}
