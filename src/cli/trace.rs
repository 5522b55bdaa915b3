//! Where the program's own log goes: standard error for `serve`, and for commands only if asked;
//! a file in the state folder while the console has the screen.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::args::LogFormat;
use crate::store::folder;
use crate::tui::ansi;

/// The console's log in the state folder.
const CONSOLE_LOG: &str = "console.log";
/// The one before it.
const CONSOLE_LOG_OLD: &str = "console.log.old";
/// The log is begun anew before it grows beyond this many bytes; with the old one, twice that
/// is the most there is.
const CONSOLE_LOG_MAX: u64 = 8 * 1024 * 1024;
/// Says more finely what is logged, in place of `-v`: `quarterdeck=debug`.
const VARIABLE: &str = "QD_LOG";

fn filter(verbose: u8, quiet: &str) -> EnvFilter {
    let words = match verbose {
        0 => quiet,
        1 => "quarterdeck=debug",
        // Never bollard's: it writes out what it sends to engines, secrets included.
        _ => "quarterdeck=trace",
    };
    let set = std::env::var(VARIABLE)
        .ok()
        .filter(|words| !words.is_empty());
    let words = set.unwrap_or_else(|| words.to_owned());
    EnvFilter::try_new(&words).unwrap_or_else(|error| {
        super::out::note(format!(
            "${VARIABLE} is not understood and left out: {error}"
        ));
        EnvFilter::new(quiet)
    })
}

/// A command's log: nothing, unless `-v` or the variable asks for it.
pub fn to_stderr(verbose: u8) {
    init(filter(verbose, "off"));
}

/// A server's log. Where it goes to systemd's journal, which has times of its own, lines begin
/// with their priority instead.
pub fn server(verbose: u8, format: LogFormat) {
    let filter = filter(verbose, "quarterdeck=info,warn");
    let journal = goes_to_journal();
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Harmless(io::stderr()))
        .with_ansi(false);
    // As for `init`.
    let _ = match format {
        LogFormat::Json => {
            let json = fmt::format().json().flatten_event(true);
            let json = json.with_current_span(false).with_span_list(false);
            base.event_format(Lines { journal, to: json })
                .fmt_fields(fmt::format::JsonFields::new())
                .try_init()
        }
        LogFormat::Text if journal => {
            let to = fmt::format().with_ansi(false).without_time();
            base.event_format(Lines { journal, to }).try_init()
        }
        LogFormat::Text => base.try_init(),
    };
}

/// Whether standard error is the stream that systemd says leads to its journal.
fn goes_to_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let about = rustix::fs::fstat(io::stderr());
    about.is_ok_and(|it| named == format!("{}:{}", it.st_dev, it.st_ino))
}

/// Lines as `to` writes them, with the journal's priority before each if they go there
/// (sd-daemon(3)).
struct Lines<T> {
    journal: bool,
    to: T,
}

impl<S, N, T> FormatEvent<S, N> for Lines<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    T: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: fmt::format::Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        if self.journal {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        self.to.format_event(context, writer, event)
    }
}

/// syslog's number for a level.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn init(filter: EnvFilter) {
    // It fails only where a log is set up already, which then is the one that holds.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Harmless(io::stderr()))
        .with_ansi(false)
        .try_init();
}

/// The console's log, in a file of the state folder.
///
/// # Errors
/// The file cannot be written.
pub fn to_file(state: &Path, verbose: u8) -> io::Result<()> {
    let file = BoundedLog::open(state, CONSOLE_LOG_MAX)?;
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(verbose, "quarterdeck=info,warn"))
        .with_writer(std::sync::Mutex::new(Harmless(file)))
        .with_ansi(false)
        // It would say on standard error that it cannot write, across the console's screen.
        .log_internal_errors(false)
        .try_init();
    Ok(())
}

/// Each event in one line, and nothing in it that a terminal would obey: engines' words are in it,
/// and the log is looked at in a terminal.
struct Harmless<W>(W);

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = ansi::plain(&text);
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A log that is put aside and begun anew once it is full; one old log is kept.
struct BoundedLog {
    place: PathBuf,
    old: PathBuf,
    max: u64,
    file: File,
}

impl BoundedLog {
    fn open(state: &Path, max: u64) -> io::Result<Self> {
        let place = state.join(CONSOLE_LOG);
        let file = append_to(&place)?;
        Ok(Self {
            place,
            old: state.join(CONSOLE_LOG_OLD),
            max,
            file,
        })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        // Another console of this folder may have put it aside already.
        let still_there = std::fs::metadata(&self.place)
            .is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino()));
        if still_there {
            std::fs::rename(&self.place, &self.old)?;
        }
        self.file = append_to(&self.place)?;
        Ok(())
    }
}

impl Write for BoundedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Asked of the file, for other consoles of this folder may write to it as well.
        let so_far = self.file.metadata()?.len();
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if so_far > 0 && so_far.saturating_add(more) > self.max {
            self.begin_anew()?;
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(place: &Path) -> io::Result<File> {
    folder::keep_private(place)?;
    File::options().append(true).open(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_that_no_terminal_obeys() {
        let mut log = Harmless(Vec::new());
        log.write_all(b"WARN error=a\x1b[2J\x1b]0;t\x07b\nINFO forged\xff\n")
            .unwrap();
        log.write_all(b"INFO plain\n").unwrap();
        let kept = String::from_utf8(log.0).unwrap();
        assert_eq!(kept, "WARN error=ab INFO forged\u{fffd}\nINFO plain\n");
    }

    fn line(n: u32) -> String {
        format!("line {n:04} of the log\n")
    }

    #[test]
    fn the_log_is_begun_anew_while_it_is_written_and_one_old_one_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let max = 10 * line(0).len() as u64;
        let mut log = BoundedLog::open(dir.path(), max).unwrap();
        for n in 0..25 {
            log.write_all(line(n).as_bytes()).unwrap();
        }
        assert_eq!(read(CONSOLE_LOG), (20..25).map(line).collect::<String>());
        assert_eq!(
            read(CONSOLE_LOG_OLD),
            (10..20).map(line).collect::<String>()
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        let mode = std::fs::metadata(dir.path().join(CONSOLE_LOG)).unwrap();
        assert_eq!(mode.mode() & 0o777, 0o600);
        // The next console goes on where this one ended.
        let mut next = BoundedLog::open(dir.path(), max).unwrap();
        next.write_all(line(25).as_bytes()).unwrap();
        assert_eq!(read(CONSOLE_LOG), (20..26).map(line).collect::<String>());
    }

    #[test]
    fn two_consoles_of_one_folder_share_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name| std::fs::read_to_string(dir.path().join(name)).unwrap();
        let max = 4 * line(0).len() as u64;
        let mut one = BoundedLog::open(dir.path(), max).unwrap();
        let mut two = BoundedLog::open(dir.path(), max).unwrap();
        for n in 0..5 {
            one.write_all(line(n).as_bytes()).unwrap();
        }
        // Its file was put aside full: it goes on in the new one, and puts nothing aside.
        two.write_all(line(5).as_bytes()).unwrap();
        assert_eq!(read(CONSOLE_LOG), line(4) + &line(5));
        assert_eq!(read(CONSOLE_LOG_OLD), (0..4).map(line).collect::<String>());
    }
}
