//! A console in a terminal of its own, and what is measured of it.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

const COLUMNS: u16 = 160;
const ROWS: u16 = 45;
/// What a wait must not exceed, so that a fault does not hang the bench.
const PATIENCE: Duration = Duration::from_secs(300);
/// A screen that sent no more than [`QUIET_BYTES`] in this time has come to rest.
const SETTLE: Duration = Duration::from_secs(8);
const QUIET_BYTES: u64 = 4_096;
/// How long an idle console is watched.
const IDLE: Duration = Duration::from_secs(30);
/// Key presses measured, first down, then up again.
const KEYS: usize = 100;
/// Time between two key presses; longer than any two frames.
const KEY_GAP: Duration = Duration::from_millis(150);
/// The kernel counts processor time in these.
const TICKS_PER_SECOND: f64 = 100.0;

/// A program in a terminal.
pub struct Session {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: mpsc::Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    started: Instant,
    received: u64,
    _master: Box<dyn portable_pty::MasterPty>,
}

/// What an idle console costs.
pub struct Idle {
    bytes_per_second: f64,
    cpu_percent: f64,
}

/// What key presses cost.
pub struct Keys {
    bytes: f64,
    median: Duration,
    p95: Duration,
}

impl Session {
    /// Starts a program; `link` is how many bytes a second its terminal takes, if not all.
    pub fn start(command: CommandBuilder, link: Option<u64>) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let started = Instant::now();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (out, output) = mpsc::sync_channel(1024);
        std::thread::spawn(move || {
            let mut bytes = vec![0; link.map_or(65_536, |rate| rate as usize / 100)];
            while let Ok(n) = reader.read(&mut bytes) {
                if n == 0 || out.send((Instant::now(), bytes[..n].to_vec())).is_err() {
                    break;
                }
                if let Some(rate) = link {
                    std::thread::sleep(Duration::from_secs_f64(n as f64 / rate as f64));
                }
            }
        });
        let cells = |n| std::num::NonZero::new(n).unwrap();
        Self {
            child,
            keys,
            output,
            screen: vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0),
            started,
            received: 0,
            _master: pair.master,
        }
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Takes in what comes until then; when the first of it came.
    fn take_until(&mut self, end: Instant) -> Option<Instant> {
        let mut first = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok((at, bytes)) => {
                    first.get_or_insert(at);
                    self.received += bytes.len() as u64;
                    self.screen.process(&bytes);
                }
                Err(_) => return first,
            }
        }
    }

    pub fn take_for(&mut self, time: Duration) {
        self.take_until(Instant::now() + time);
    }

    /// Waits until hardly anything comes any more.
    pub fn settle(&mut self) {
        let began = Instant::now();
        loop {
            let before = self.received;
            self.take_for(SETTLE);
            if self.received - before <= QUIET_BYTES || began.elapsed() > PATIENCE {
                return;
            }
        }
    }

    /// Waits for words on the screen; the time from the start of the program until the bytes
    /// came that made them.
    pub fn wait_for(&mut self, words: &str) -> Duration {
        let began = Instant::now();
        loop {
            let text = self.screen.screen().contents();
            assert!(began.elapsed() < PATIENCE, "no \"{words}\" on:\n{text}");
            match self.output.recv_timeout(Duration::from_secs(1)) {
                Ok((at, bytes)) => {
                    self.received += bytes.len() as u64;
                    self.screen.process(&bytes);
                    if self.screen.screen().contents().contains(words) {
                        return at - self.started;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => panic!("it ended:\n{text}"),
            }
        }
    }

    /// Watches it while nothing is pressed.
    pub fn idle(&mut self) -> Idle {
        let (bytes, cpu) = (self.received, self.cpu_seconds());
        self.take_for(IDLE);
        let seconds = IDLE.as_secs_f64();
        Idle {
            bytes_per_second: (self.received - bytes) as f64 / seconds,
            cpu_percent: (self.cpu_seconds() - cpu) / seconds * 100.0,
        }
    }

    /// Moves the selection, one key at a time.
    pub fn keys(&mut self) -> Keys {
        let (mut waits, bytes) = (Vec::new(), self.received);
        for n in 0..KEYS {
            let key = if n < KEYS / 2 { "\u{1b}[B" } else { "\u{1b}[A" };
            let pressed = Instant::now();
            self.press(key);
            if let Some(first) = self.take_until(pressed + KEY_GAP) {
                waits.push(first - pressed);
            }
        }
        assert!(waits.len() * 10 >= KEYS * 9, "it does not answer its keys");
        waits.sort();
        Keys {
            bytes: (self.received - bytes) as f64 / KEYS as f64,
            median: waits[waits.len() / 2],
            p95: waits[waits.len() * 95 / 100],
        }
    }

    fn proc(&self, file: &str) -> String {
        let pid = self.child.process_id().unwrap();
        std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
    }

    /// Processor time so far, its own and the kernel's for it.
    fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1024.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// One row of the table.
pub struct Figures {
    first_paint: Duration,
    idle: Idle,
    keys: Keys,
    resident: f64,
}

impl Figures {
    pub const HEADS: &str = "console                 idle B/s  B/key  key→byte ms  p95  idle cpu %  \
                             RSS MiB  first paint ms";

    pub fn new(first_paint: Duration, idle: Idle, keys: Keys, resident: f64) -> Self {
        Self {
            first_paint,
            idle,
            keys,
            resident,
        }
    }

    pub fn row(&self, name: &str) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        format!(
            "{name:<22} {:>9.0} {:>6.0} {:>12.1} {:>4.1} {:>11.2} {:>8.1} {:>15.0}",
            self.idle.bytes_per_second,
            self.keys.bytes,
            ms(self.keys.median),
            ms(self.keys.p95),
            self.idle.cpu_percent,
            self.resident,
            ms(self.first_paint),
        )
    }
}
