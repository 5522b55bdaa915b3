//! The terminal is given back as it was, on every way out: quit, error, signal, panic.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, KeyCode, KeyModifiers};
use crossterm::style::Print;
use crossterm::terminal::{
    Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::layout::Size;
use rustix::termios::{QueueSelector, tcflush};
use tokio::sync::Notify;

use super::ink::Ink;
use super::lent::{SETTLE, TITLE_BACK, TITLE_KEPT};
use super::yank;

/// Whether the terminal is ours at the moment.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it is ours and lent to another program.
static LENT: AtomicBool = AtomicBool::new(false);
/// Whether something panicked while it was.
static PANICKED: AtomicBool = AtomicBool::new(false);
/// Whether the terminal was told to report the mouse to us.
static MOUSE: AtomicBool = AtomicBool::new(false);
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
        put_on_screen()?;
        Ok(guard)
    }

    /// The screen to draw on.
    pub(super) fn screen(&self) -> io::Result<Screen> {
        screen()
    }
}

/// Buttons and wheel are reported, in the form that has no end at column 223; mere moves are not,
/// so that a mouse that lies about costs nothing.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// How long keys are waited for that were pressed before the terminal was lent.
const TYPED_AHEAD: Duration = Duration::from_millis(20);

fn put_on_screen() -> io::Result<()> {
    execute!(
        io::stdout(),
        EnterAlternateScreen,
        Clear(ClearType::All),
        EnableBracketedPaste,
        cursor::Hide
    )?;
    if MOUSE.load(Ordering::SeqCst) {
        execute!(io::stdout(), Print(MOUSE_ON))?;
    }
    Ok(())
}

/// Has the terminal report the mouse to us, or keep it for selecting text.
pub(super) fn mouse(taken: bool) -> io::Result<()> {
    if MOUSE.swap(taken, Ordering::SeqCst) == taken {
        return Ok(());
    }
    execute!(
        io::stdout(),
        Print(if taken { MOUSE_ON } else { MOUSE_OFF })
    )
}

fn leave_mouse() -> io::Result<()> {
    match MOUSE.load(Ordering::SeqCst) {
        true => execute!(io::stdout(), Print(MOUSE_OFF)),
        false => Ok(()),
    }
}

/// Lends the terminal to another program, in raw mode, on the screen that the shell before us
/// was on. What was typed and not looked at yet comes back: it was meant for that program.
/// No event stream may be open.
pub(super) fn lend() -> io::Result<Vec<u8>> {
    let mut typed = Vec::new();
    while event::poll(TYPED_AHEAD)? {
        match event::read()? {
            event::Event::Key(key) if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() => {
                match key.code {
                    KeyCode::Char(c) => typed.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                    KeyCode::Enter => typed.push(b'\r'),
                    _ => {}
                }
            }
            event::Event::Paste(text) => typed.extend(text.bytes()),
            _ => {}
        }
    }
    LENT.store(true, Ordering::SeqCst);
    leave_mouse()?;
    execute!(
        io::stdout(),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show,
        Print(TITLE_KEPT)
    )?;
    Ok(typed)
}

/// Lends the terminal to a program that expects it as the shell before us had it.
pub(super) fn lend_cooked() -> io::Result<()> {
    // What was typed ahead cannot be handed on to a program that reads for itself.
    let _typed = lend()?;
    disable_raw_mode()
}

/// Takes it back from there.
pub(super) fn take_back_raw() -> io::Result<Screen> {
    enable_raw_mode()?;
    take_back()
}

/// Has the terminal copy a text.
pub(super) fn copy(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(yank::sequence(text).as_bytes())?;
    out.flush()
}

/// Takes the terminal back after it was lent, whatever state it was left in, with a screen that
/// knows nothing of what is on it. (Clearing the old one would ask the terminal where its cursor
/// is, and the answer would have to come in between the keys.)
pub(super) fn take_back() -> io::Result<Screen> {
    // What was typed for that program and not read by it is not for us.
    tcflush(io::stdin(), QueueSelector::IFlush)?;
    execute!(io::stdout(), Print(SETTLE), Print(TITLE_BACK))?;
    LENT.store(false, Ordering::SeqCst);
    put_on_screen()?;
    screen()
}

fn screen() -> io::Result<Screen> {
    Terminal::new(Ink::new(io::stdout(), size))
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
        let _gone = execute!(out, EndSynchronizedUpdate, DisableBracketedPaste);
        let _gone = leave_mouse();
        MOUSE.store(false, Ordering::SeqCst);
        let _gone = if LENT.swap(false, Ordering::SeqCst) {
            execute!(out, Print(SETTLE), Print(TITLE_BACK), Print("\r\n"))
        } else {
            execute!(out, LeaveAlternateScreen)
        };
        let _gone = execute!(out, cursor::Show);
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
