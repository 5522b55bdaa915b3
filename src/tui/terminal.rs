//! The terminal is given back as it was, on every way out: quit, error, signal, panic.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::layout::Size;
use tokio::sync::Notify;

use super::ink::Ink;

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether something panicked while it was.
static PANICKED: AtomicBool = AtomicBool::new(false);
static PANIC: Notify = Notify::const_new();

/// The terminal that frames are drawn on.
pub(super) type Screen = Terminal<Ink<io::Stdout>>;

/// Holds the terminal in raw mode on the alternate screen; gives it back when dropped, and
/// before a panic is reported.
#[derive(Debug)]
pub struct TerminalGuard(());

impl TerminalGuard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard input or output is no terminal, or does not take the mode.
    pub fn enter() -> io::Result<Self> {
        give_back_before_panics();
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let guard = Self(());
        execute!(
            io::stdout(),
            EnterAlternateScreen,
            crossterm::terminal::Clear(crossterm::terminal::ClearType::All),
            EnableBracketedPaste,
            cursor::Hide
        )?;
        Ok(guard)
    }

    /// The screen to draw on.
    pub(super) fn screen(&self) -> io::Result<Screen> {
        Terminal::new(Ink::new(io::stdout(), size))
    }
}

fn size() -> io::Result<Size> {
    let (width, height) = crossterm::terminal::size()?;
    Ok(Size { width, height })
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, once. A terminal that is gone cannot be given back and need not be.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _gone = execute!(
            out,
            crossterm::terminal::EndSynchronizedUpdate,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            cursor::Show
        );
        let _gone = disable_raw_mode();
        let _gone = out.flush();
    }
}

/// A panic, on whatever thread, is reported on the terminal as the user knows it.
fn give_back_before_panics() {
    static HOOKED: AtomicBool = AtomicBool::new(false);
    if HOOKED.swap(true, Ordering::SeqCst) {
        return;
    }
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if TAKEN.load(Ordering::SeqCst) {
            give_back();
            PANICKED.store(true, Ordering::SeqCst);
            PANIC.notify_one();
        }
        report(info);
    }));
}

/// Whether something panicked while the terminal was held: it is given back already.
pub(super) fn has_panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Waits until something panics while the terminal is held.
pub(super) async fn panicked() {
    PANIC.notified().await;
}
