//! The console in a terminal: what it draws, and that it gives the terminal back.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use quarterdeck::tui::TerminalGuard;

/// How long a screen may take to come; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the last words of a program that has ended may take.
const LINGER: Duration = Duration::from_secs(5);
/// How long to wait for more output before looking at the screen again.
const GLANCE: Duration = Duration::from_millis(100);

fn cells(n: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(n).unwrap()
}

/// A program in a terminal of our own.
pub struct Session {
    master: Box<dyn MasterPty>,
    keys: Box<dyn Write + Send>,
    pub child: Box<dyn Child + Send + Sync>,
    output: mpsc::Receiver<Vec<u8>>,
    pub screen: vt100::Parser,
    /// Everything that was sent so far.
    pub heard: Vec<u8>,
}

impl Session {
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Self {
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (out, output) = mpsc::sync_channel(64);
        std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(n) = reader.read(&mut bytes) {
                if n == 0 || out.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            master: pair.master,
            keys,
            child,
            output,
            screen: vt100::Parser::new(cells(rows), cells(columns), 0),
            heard: Vec::new(),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        self.screen.process(bytes);
    }

    /// Waits until the program has sent just these bytes, shown or not.
    pub fn wait_to_hear(&mut self, bytes: &str) {
        let began = Instant::now();
        let wanted = bytes.as_bytes();
        while !self.heard.windows(wanted.len()).any(|it| it == wanted) {
            assert!(began.elapsed() < PATIENCE, "{bytes:?} was not sent");
            if let Ok(bytes) = self.output.recv_timeout(GLANCE) {
                self.hear(&bytes);
            }
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen is as wanted.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        let began = Instant::now();
        while !wanted(self.screen.screen()) {
            assert!(began.elapsed() < PATIENCE, "no {what} on:\n{}", self.text());
            match self.output.recv_timeout(GLANCE) {
                Ok(bytes) => self.hear(&bytes),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    assert!(
                        wanted(self.screen.screen()),
                        "it ended with no {what} on:\n{}",
                        self.text()
                    );
                }
            }
        }
    }

    pub fn wait_for(&mut self, words: &str) {
        self.wait(words, |screen| screen.contents().contains(words));
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen
            .screen_mut()
            .set_size(cells(rows), cells(columns));
        let size = PtySize {
            rows,
            cols: columns,
            pixel_width: 0,
            pixel_height: 0,
        };
        self.master.resize(size).unwrap();
    }

    /// Takes in what is left until the program has ended, and gives its exit code.
    pub fn end(&mut self) -> u32 {
        let began = Instant::now();
        let mut ended = None;
        loop {
            match self.output.recv_timeout(GLANCE) {
                Ok(bytes) => self.hear(&bytes),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if ended.is_none() && self.child.try_wait().unwrap().is_some() {
                        ended = Some(Instant::now());
                    }
                    // Its last words may still be on their way, on a busy machine; and somebody
                    // that it left behind may hold the terminal open.
                    if ended.is_some_and(|at| at.elapsed() > LINGER) {
                        break;
                    }
                }
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end:\n{}",
                self.text()
            );
        }
        while let Ok(bytes) = self.output.try_recv() {
            self.hear(&bytes);
        }
        self.child.wait().unwrap().exit_code()
    }

    /// Keys still do what they do, again and again.
    pub fn assert_answers(&mut self) {
        for _ in 0..5 {
            self.press("?");
            self.wait_for("Everywhere in the fleet");
            self.press("q");
            self.wait("panes again", |screen| {
                !screen.contents().contains("Everywhere")
            });
        }
    }

    pub fn assert_given_back(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is still hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is still on");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
    }
}

/// This very test program, told to run one of its tests.
fn own_test(name: &str, role: &str) -> CommandBuilder {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        name,
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command.env("QD_TEST_TERMINAL", role);
    command.env("TERM", "xterm-256color");
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Not a test of its own: the program that the tests below look at.
#[test]
#[ignore = "run by the tests of the terminal guard, in a terminal of their own"]
fn program_in_a_terminal() {
    let Ok(role) = std::env::var("QD_TEST_TERMINAL") else {
        return;
    };
    let guard = TerminalGuard::enter().unwrap();
    print!("\u{1b}[Hwe hold the terminal");
    std::io::stdout().flush().unwrap();
    let mut byte = [0];
    std::io::stdin().read_exact(&mut byte).unwrap();
    match role.as_str() {
        "panic" => panic!("a part of the program failed"),
        "panic elsewhere" => {
            let failed = std::thread::spawn(|| panic!("another thread failed")).join();
            assert!(failed.is_err());
            // The guard is still held: the hook alone gave the terminal back.
            std::mem::forget(guard);
        }
        _ => drop(guard),
    }
}

fn terminal_after(role: &str) -> Session {
    let mut session = Session::start(own_test("pty::program_in_a_terminal", role), 80, 24);
    session.wait_for("we hold the terminal");
    assert!(session.screen.screen().alternate_screen());
    assert!(session.screen.screen().hide_cursor());
    assert!(session.screen.screen().bracketed_paste());
    session.press("x");
    session.end();
    session
}

#[test]
fn the_terminal_is_given_back_at_the_end() {
    terminal_after("leave").assert_given_back();
}

#[test]
fn the_terminal_is_given_back_before_a_panic_is_reported() {
    for (role, words) in [
        ("panic", "a part of the program failed"),
        ("panic elsewhere", "another thread failed"),
    ] {
        let session = terminal_after(role);
        session.assert_given_back();
        let text = session.text();
        assert!(
            text.contains(words),
            "the report is not on the screen:\n{text}"
        );
    }
}

/// `qd demo` in a terminal of that size.
pub fn demo(columns: u16, rows: u16) -> Session {
    demo_with(columns, rows, |_| {})
}

/// The same with something more said to it.
pub fn demo_with(columns: u16, rows: u16, more: impl FnOnce(&mut CommandBuilder)) -> Session {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_qd"));
    command.arg("demo");
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env_remove("NO_COLOR");
    more(&mut command);
    let mut session = Session::start(command, columns, rows);
    session.wait_for("STEADY");
    session
}

#[test]
fn the_demo_shows_the_fleet_and_a_fail_over_and_gives_the_terminal_back() {
    let mut session = demo(80, 24);
    for words in [
        "Services",
        "Tasks",
        "Instances",
        "Events",
        "SIMULATED",
        "? help",
    ] {
        session.wait_for(words);
    }
    session.press("?");
    session.wait_for("Everywhere in the fleet");
    session.press("\u{1b}");
    session.wait("panes again", |screen| {
        !screen.contents().contains("Everywhere")
    });
    session.press("3f");
    session.wait_for("LOST");
    session.resize(200, 60);
    session.wait("the wide layout", |screen| {
        screen.contents().contains("ZONES")
    });
    session.press("f");
    session.wait("the instance back", |screen| {
        !screen.contents().contains("LOST")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_storm_of_resizes_leaves_the_screen_of_its_last_size_and_loses_no_key() {
    let mut session = demo(120, 40);
    session.press("?");
    session.wait_for("Everywhere in the fleet");
    for n in 0..200_u16 {
        // Small, wide, tall; and keys in between, which scroll there and back.
        session.resize(60 + n * 7 % 140, 16 + n * 11 % 44);
        if n % 4 == 0 {
            session.press(if n % 8 == 0 { "j" } else { "k" });
        }
    }
    session.resize(100, 30);
    let mut fresh = demo(100, 30);
    fresh.press("?");
    // The last line of the frame: all of it is there.
    fresh.wait_for("esc back");
    let wanted: Vec<String> = fresh.screen.screen().rows(0, u16::MAX).collect();
    let is_wanted = |screen: &vt100::Screen| screen.rows(0, u16::MAX).eq(wanted.iter().cloned());
    session.wait("the screen of a fresh start", is_wanted);
    session.press("q");
    session.wait("panes again", |screen| {
        !screen.contents().contains("Everywhere")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
}

#[test]
fn a_dead_host_does_not_hold_keys_up() {
    let mut session = demo(120, 40);
    session.press("3f");
    session.wait_for("LOST");
    session.assert_answers();
    session.press("q");
    assert_eq!(session.end(), 0);
}

/// Opens a shell in the task selected first, over the demo.
fn shell(columns: u16, rows: u16) -> Session {
    let mut session = demo(columns, rows);
    session.press("2a!");
    session.wait_for("Shell in task");
    // What is typed too early is for the shell, and not for the console: x would stop a task.
    session.press("\recho early x\r");
    session.wait("a prompt of the shell", |screen| {
        let text = screen.contents();
        text.contains("ctrl-] three times") && text.contains("\nearly x\n/ #")
    });
    assert!(!session.screen.screen().alternate_screen());
    assert!(!session.screen.screen().bracketed_paste());
    session
}

#[test]
fn a_shell_has_the_terminal_and_the_same_screen_is_back_after_it() {
    let mut session = shell(80, 24);
    session.press("stty size\r");
    session.wait_for("24 80");
    session.resize(100, 30);
    session.press("top\r");
    session.wait_for("top on 100 columns and 30 rows");
    assert!(session.screen.screen().alternate_screen());
    session.resize(90, 28);
    session.wait_for("top on 90 columns and 28 rows");
    session.press("q");
    session.wait_for("/ #");
    session.press("exit 3\r");
    session.wait_for("exit code 3");
    // A notice takes the keys if it ended at once; esc ends the one as the other.
    session.press("\u{1b}");
    session.wait("the words gone", |screen| {
        !screen.contents().contains("exit code 3")
    });
    session.wait("the same screen", |screen| {
        screen.contents().contains("2 Tasks") && screen.alternate_screen()
    });
    session.press("?");
    session.wait_for("Everywhere in the fleet");
    session.press("qq");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_shell_is_left_by_ctrl_bracket_and_ends_with_its_instance() {
    let mut session = shell(120, 40);
    session.press("\u{1d}\u{1d}\u{1d}");
    session.wait_for("Left the shell");
    session.press("2!\r");
    session.wait_for("/ #");
    let pid = session.child.process_id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_console_with_nothing_going_on_hears_every_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("quarterdeck.toml");
    std::fs::write(&config, "[[cluster]]\nname = \"default\"\n").unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_qd"));
    command.arg("--config");
    command.arg(&config);
    command.arg("--state");
    command.arg(dir.path().join("state"));
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let mut session = Session::start(command, 80, 24);
    session.wait_for("? help");
    session.assert_answers();
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_console_that_is_told_to_end_gives_the_terminal_back() {
    for signal in ["TERM", "HUP"] {
        let mut session = demo(80, 24);
        let pid = session.child.process_id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args([&format!("-{signal}"), &pid])
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(session.end(), 0, "after SIG{signal}");
        session.assert_given_back();
    }
}
