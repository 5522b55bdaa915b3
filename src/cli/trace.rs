//! Where the program's own log goes: standard error for `serve`, and for commands only if asked;
//! a file in the state folder while the console has the screen.

use std::path::Path;

use tracing_subscriber::EnvFilter;

/// The console's log in the state folder.
const CONSOLE_LOG: &str = "console.log";
/// At the start of a console its log is begun anew once it is larger than this.
const CONSOLE_LOG_MAX: u64 = 8 * 1024 * 1024;
/// Says more finely what is logged, in place of `-v`: `quarterdeck=debug`.
const VARIABLE: &str = "QD_LOG";

fn filter(verbose: u8, quiet: &str) -> EnvFilter {
    let words = match verbose {
        0 => quiet,
        1 => "quarterdeck=debug",
        _ => "quarterdeck=trace,bollard=debug",
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

/// A server's log.
pub fn server(verbose: u8) {
    init(filter(verbose, "quarterdeck=info,warn"));
}

fn init(filter: EnvFilter) {
    // It fails only where a log is set up already, which then is the one that holds.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}

/// The console's log, in a file of the state folder.
///
/// # Errors
/// The file cannot be written.
pub fn to_file(state: &Path, verbose: u8) -> std::io::Result<()> {
    let path = state.join(CONSOLE_LOG);
    let large = std::fs::metadata(&path).is_ok_and(|about| about.len() > CONSOLE_LOG_MAX);
    let file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(large)
        .append(!large)
        .open(path)?;
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter(verbose, "quarterdeck=info,warn"))
        .with_writer(std::sync::Mutex::new(file))
        .with_ansi(false)
        .try_init();
    Ok(())
}
