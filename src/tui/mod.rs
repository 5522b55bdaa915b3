//! The console: event → [`update()`] → [`view()`], with effects carried out beside it.
//!
//! Nothing here waits for anything but the next event, and nothing is drawn unless something
//! changed.

pub mod ansi;
mod bindings;
mod checks;
mod clusters;
mod command_line;
mod compare;
#[doc(hidden)]
pub mod doors;
mod edit;
mod editor;
mod effect;
mod event;
mod filter;
mod fleet;
mod ghosts;
mod hit;
mod ink;
mod kept;
mod keymap;
mod layout;
pub mod lent;
mod logs;
mod map;
mod marks;
mod narrow;
mod pace;
mod palette;
mod progress;
mod proposal;
mod runner;
mod save;
mod settings;
mod shell;
mod sort;
mod state;
mod stats;
mod terminal;
mod text;
mod timeline;
mod toast;
mod update;
mod view;
mod yank;

use std::future::poll_fn;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use color_eyre::eyre::{WrapErr, bail};
use crossterm::event::{EventStream, MouseEventKind};
use futures_util::{FutureExt, StreamExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::agent::{Clock, SystemClock};
use crate::client::{Client, Standing};
use crate::docker::ExecOptions;

pub use bindings::KeyMap;
pub use clusters::ClusterView;
pub use edit::EditAsk;
pub use effect::Effect;
pub use event::{Event, Saved, Ticket};
pub use kept::View;
pub use runner::Runner;
pub use settings::ConsoleSettings;
pub use shell::ShellAsk;
pub use state::{Model, TuiOptions};
pub use terminal::TerminalGuard;
pub use update::update;
pub use view::palette::Palette;
pub use view::theme::{Colours, Theme};
pub use view::view;

use editor::Editing;
use lent::Keys;
use pace::Pace;
use terminal::Screen;

/// The most keys handled between two looks at anything else.
const KEYS_MAX: usize = 64;

/// Runs the console until it is quit, its terminal goes away, or it is told to end (SIGTERM,
/// SIGHUP). The terminal is given back as it was.
///
/// # Errors
/// When there is no terminal, or it fails.
pub async fn run(client: Arc<dyn Client>, options: TuiOptions) -> color_eyre::Result<()> {
    let mut signals = Signals::new().wrap_err("cannot listen for signals")?;
    let guard = TerminalGuard::enter().wrap_err("the console needs a terminal")?;
    let mut screen = guard.screen().wrap_err("the terminal cannot be drawn on")?;
    let kept = options.view.clone();
    let mut console = Console::new(client, options, &screen)?;
    // What cannot be read is not ours to write over: a newer program's, perhaps.
    let kept = kept.filter(|file| console.look_as(file));
    let ended = console.events(&mut screen, &mut signals).await;
    drop(guard);
    if let (Some(file), false) = (&kept, terminal::has_panicked())
        && let Err(error) = console.model.view().write(file)
    {
        let file = file.display();
        let told = writeln!(
            io::stderr(),
            "qd: how it looked is not kept in {file}: {error}"
        );
        told.wrap_err("standard error")?;
    }
    if let Some(file) = &console.kept {
        let told = writeln!(
            io::stderr(),
            "qd: what you were editing is kept in {}",
            file.display()
        );
        told.wrap_err("standard error")?;
    }
    if terminal::has_panicked() {
        bail!("the console ended because a part of the program failed; see the report above");
    }
    ended
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The console itself is told to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }

    fn forget_interrupts(&mut self) {
        while self.interrupt.recv().now_or_never().is_some() {}
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Who the terminal is lent to.
enum Borrower {
    /// A program in a container.
    Shell(Box<ShellAsk>),
    /// The operator's editor.
    Editor(Box<EditAsk>),
}

/// What became of the terminal that was lent.
enum Loan {
    /// It is ours again.
    Over,
    /// The console is to end at once.
    ToldToEnd,
}

struct Console {
    model: Model,
    clock: SystemClock,
    runner: Runner,
    answers: tokio::sync::mpsc::Receiver<Event>,
    snapshots: tokio::sync::watch::Receiver<Arc<crate::model::Snapshot>>,
    standings: tokio::sync::watch::Receiver<Standing>,
    /// Opened when it is listened to; closed while the terminal is lent.
    keys: Option<EventStream>,
    /// What the terminal is to be lent to.
    lending: Option<Borrower>,
    /// Where a text lies whose editing was broken off.
    kept: Option<PathBuf>,
    /// Whether the terminal is to give us the mouse or to keep it, said with the next frame.
    mouse: Option<bool>,
    /// What the terminal is to copy, sent with the next frame.
    copying: Option<String>,
    /// Something on the screen is not what it should be.
    dirty: bool,
    /// There is a newer picture than the one shown.
    newer: bool,
    /// The control plane is gone: no picture will come.
    closed: bool,
    pace: Pace,
    /// A key was pressed that no frame answers yet.
    pressed: bool,
    /// When an age on the screen reads differently.
    ages_at: Option<Instant>,
}

impl Console {
    fn new(
        client: Arc<dyn Client>,
        options: TuiOptions,
        screen: &Screen,
    ) -> color_eyre::Result<Self> {
        let size = screen.size().wrap_err("the terminal has no size")?;
        let clock = SystemClock;
        let snapshots = client.snapshots();
        let mut standings = client.standings();
        standings.mark_changed();
        let (runner, answers) = Runner::new(client);
        let mouse = options.mouse;
        Ok(Self {
            model: Model::new(options, (size.width, size.height), clock.now()),
            clock,
            runner,
            answers,
            snapshots,
            standings,
            keys: None,
            lending: None,
            kept: None,
            mouse: Some(mouse),
            copying: None,
            dirty: true,
            newer: true,
            closed: false,
            pace: Pace::new(Instant::now()),
            pressed: false,
            ages_at: None,
        })
    }

    /// Looks as it did when it was left; whether that could be read.
    fn look_as(&mut self, file: &Path) -> bool {
        match View::read(file) {
            Ok(Some(view)) => self.model.restore(view),
            Ok(None) => {}
            Err(why) => {
                self.model.toast_bad(format!(
                    "How this console looked last time cannot be read, so it begins afresh, and \
                     the file is left as it is until you remove it: {why} ({})",
                    file.display()
                ));
                return false;
            }
        }
        true
    }

    /// Takes events until the end; keys first, so that a busy fleet never makes a person wait.
    async fn events(
        &mut self,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> color_eyre::Result<()> {
        while !self.model.has_quit() && !terminal::has_panicked() {
            let frame = (self.dirty || self.newer).then(|| self.pace.next(self.pressed));
            if frame.is_some_and(|at| Instant::now() >= at) {
                self.draw(screen)?;
            }
            if let Some(borrower) = self.lending.take() {
                let loan = match borrower {
                    Borrower::Shell(ask) => self.lend(ask, screen, signals).await?,
                    Borrower::Editor(ask) => self.edit(ask, screen, signals).await?,
                };
                match loan {
                    Loan::Over => continue,
                    Loan::ToldToEnd => return Ok(()),
                }
            }
            let frame = (self.dirty || self.newer).then(|| self.pace.next(self.pressed));
            let toast = self.model.wakes_at().map(|at| {
                let left = at.since_ms(self.clock.now());
                Instant::now() + Duration::from_millis(left)
            });
            let clock = [self.ages_at, toast].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = terminal::panicked() => return Ok(()),
                () = signals.any() => return Ok(()),
                key = self.keys.get_or_insert_with(EventStream::new).next() => match key {
                    Some(key) => self.pressed(key.wrap_err("the terminal failed")?).await?,
                    None => return Ok(()),
                },
                () = until(frame), if frame.is_some() => {}
                Some(event) = self.answers.recv() => self.take(event),
                changed = self.snapshots.changed(), if !self.newer && !self.closed => {
                    self.newer = true;
                    if changed.is_err() {
                        self.closed = true;
                        self.ended();
                    }
                }
                changed = self.standings.changed(), if !self.closed => {
                    if changed.is_err() {
                        self.closed = true;
                        self.ended();
                    } else {
                        let standing = self.standings.borrow_and_update().clone();
                        self.take(Event::Standing(standing));
                    }
                }
                () = until(clock), if clock.is_some() => {
                    self.ages_at = None;
                    self.take(Event::Clock);
                }
            }
        }
        Ok(())
    }

    /// The control plane is gone and says no more.
    fn ended(&mut self) {
        let lost = matches!(*self.standings.borrow(), Standing::Lost { .. });
        let standing = if lost {
            self.standings.borrow().clone()
        } else {
            Standing::Lost {
                since: self.clock.now(),
                reason: "it has ended".to_owned(),
            }
        };
        self.take(Event::Standing(standing));
    }

    /// A key, and those that wait behind it.
    ///
    /// They are asked for with this task's own waker: the stream remembers the first waker that
    /// found nothing and wakes only that one, so asking with none would leave the next key
    /// unseen until something else happens.
    async fn pressed(&mut self, first: crossterm::event::Event) -> color_eyre::Result<()> {
        self.input(first);
        for _ in 1..KEYS_MAX {
            // What is typed from here on is meant for the program that gets the terminal.
            let Some(keys) = self.keys.as_mut().filter(|_| self.lending.is_none()) else {
                break;
            };
            let waiting = poll_fn(|context| Poll::Ready(keys.poll_next_unpin(context)));
            match waiting.await {
                Poll::Ready(Some(next)) => self.input(next.wrap_err("the terminal failed")?),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Ok(())
    }

    fn input(&mut self, input: crossterm::event::Event) {
        use crossterm::event::Event as Input;
        self.pressed = true;
        match input {
            Input::Key(key) => self.take(Event::Key(key)),
            Input::Paste(text) => self.take(Event::Paste(text)),
            Input::Resize(columns, rows) => self.take(Event::Resize(columns, rows)),
            Input::Mouse(event) if is_meant(event.kind) => self.take(Event::Mouse(event)),
            Input::FocusGained | Input::FocusLost | Input::Mouse(_) => {}
        }
    }

    fn take(&mut self, event: Event) {
        let effects = update(&mut self.model, self.clock.now(), event);
        self.dirty = true;
        for effect in effects {
            match effect {
                Effect::Shell(ask) => self.lending = Some(Borrower::Shell(ask)),
                Effect::Edit(ask) => self.lending = Some(Borrower::Editor(ask)),
                Effect::Copy(text) => self.copying = Some(text),
                Effect::Mouse(taken) => self.mouse = Some(taken),
                effect => self.runner.run(effect),
            }
        }
    }

    /// Lends the terminal to a program in a container until it ends or is left, then draws the
    /// same screen again.
    async fn lend(
        &mut self,
        ask: Box<ShellAsk>,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> color_eyre::Result<Loan> {
        self.keys = None;
        let broken = "the terminal cannot be lent";
        let typed = blocking(terminal::lend).wrap_err(broken)?;
        let keys = Keys::of_stdin().wrap_err(broken)?;
        print!("{}\r\n", ask.announcement());
        io::stdout().flush().wrap_err(broken)?;
        let began = Instant::now();
        let client = self.runner.client();
        let options = ExecOptions {
            command: ask.command.clone(),
            tty: true,
            size: crossterm::terminal::size().ok(),
        };
        let opened = OnceLock::new();
        let opening = async {
            let session = client.exec(ask.task, Some(ask.container.clone()), options);
            let session = session.await;
            opened.get_or_init(Instant::now);
            session
        };
        let how = tokio::select! {
            biased;
            () = terminal::panicked() => return Ok(Loan::ToldToEnd),
            () = signals.any() => return Ok(Loan::ToldToEnd),
            how = lent::lend(opening, keys, typed) => how,
        };
        *screen = terminal::take_back().wrap_err("the terminal cannot be taken back")?;
        let since = opened.get().copied().unwrap_or(began);
        let after_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let how = how.map_err(|error| error.to_string());
        self.newer = true;
        self.take(Event::ShellEnded { ask, how, after_ms });
        Ok(Loan::Over)
    }

    /// Lends the terminal to the operator's editor until it ends, then draws the same screen again.
    async fn edit(
        &mut self,
        ask: Box<EditAsk>,
        screen: &mut Screen,
        signals: &mut Signals,
    ) -> color_eyre::Result<Loan> {
        self.keys = None;
        blocking(terminal::lend_cooked).wrap_err("the terminal cannot be lent")?;
        let outcome = match Editing::begin(&ask) {
            Ok(mut editing) => {
                let ended = tokio::select! {
                    biased;
                    () = terminal::panicked() => None,
                    () = signals.end() => None,
                    text = editing.end() => Some(text),
                };
                match ended {
                    Some(outcome) => outcome,
                    None => {
                        self.kept = Some(editing.break_off().await);
                        return Ok(Loan::ToldToEnd);
                    }
                }
            }
            Err(why) => Err(why),
        };
        // Ctrl-c was meant for the editor.
        signals.forget_interrupts();
        *screen = terminal::take_back_raw().wrap_err("the terminal cannot be taken back")?;
        // What was typed is set against the fleet as it is now, and not as it was when it began.
        self.look();
        self.take(Event::Edited { ask, outcome });
        Ok(Loan::Over)
    }

    /// Takes the newest picture.
    fn look(&mut self) {
        self.newer = false;
        let snapshot = self.snapshots.borrow_and_update().clone();
        self.take(Event::Snapshot(snapshot));
    }

    /// One frame: the newest picture, drawn as one synchronized change.
    fn draw(&mut self, screen: &mut Screen) -> color_eyre::Result<()> {
        let began = Instant::now();
        if self.newer {
            self.look();
        }
        if let Some(taken) = self.mouse.take() {
            blocking(|| terminal::mouse(taken)).wrap_err("the terminal keeps its mouse")?;
        }
        if let Some(text) = self.copying.take() {
            blocking(|| terminal::copy(&text)).wrap_err("the terminal cannot be told to copy")?;
        }
        let size = screen.size().wrap_err("the terminal has no size")?;
        if self.model.size != (size.width, size.height) {
            self.take(Event::Resize(size.width, size.height));
        }
        let now = self.clock.now();
        let mut ages = None;
        let model = &self.model;
        blocking(|| {
            screen
                .draw(|frame| ages = view(model, now, frame))
                .map(drop)
        })
        .wrap_err("the terminal cannot be drawn on")?;
        self.dirty = false;
        self.pressed = false;
        self.ages_at = ages.map(|ms| began + Duration::from_millis(ms));
        self.pace.drawn(began, began.elapsed());
        Ok(())
    }
}

/// Whether something done with the mouse may mean something: what else terminals report draws
/// nothing.
fn is_meant(kind: MouseEventKind) -> bool {
    use MouseEventKind as Kind;
    matches!(kind, Kind::Down(_) | Kind::ScrollUp | Kind::ScrollDown)
}

/// Bytes in the unit that a person would say.
pub(crate) fn amount(bytes: u64) -> String {
    text::bytes(bytes)
}

/// Writing to a terminal may block: the other tasks of this thread move elsewhere meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

async fn until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at).await;
    }
}
