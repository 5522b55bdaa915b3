//! What a service manager is told, by systemd's protocol (sd_notify(3)): one datagram of
//! `NAME=VALUE` lines to the socket that `$NOTIFY_SOCKET` names. Without one nobody is told.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Microseconds within which it wants a sign of life.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// The process that it wants it from.
const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// So many signs of life in the time in which one is wanted.
const WATCHDOG_SIGNS: u32 = 3;

/// A line to the service manager.
#[derive(Debug)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// The line that the environment names.
    ///
    /// # Errors
    /// It names one that is no socket's name.
    pub fn from_environment() -> io::Result<Self> {
        let named = std::env::var_os(SOCKET).filter(|name| !name.is_empty());
        let to = match named {
            None => None,
            Some(name) => {
                let socket = UnixDatagram::unbound()?;
                // A manager that does not read is not waited for.
                socket.set_nonblocking(true)?;
                Some((socket, address(&name)?))
            }
        };
        Ok(Self { to })
    }

    /// The control plane is up and answers.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// What there is to say in short.
    pub fn status(&self, status: &str) {
        self.tell(&format!("STATUS={}", one_line(status)));
    }

    /// The configuration is being read anew; [`Notifier::ready`] ends that.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let usec = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={usec}"));
    }

    /// It is ending.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending; containers go on running");
    }

    /// A sign of life.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, lines: &str) {
        if let Some((socket, to)) = &self.to
            && let Err(error) = socket.send_to_addr(lines.as_bytes(), to)
        {
            tracing::warn!(%error, "the service manager is not reached");
        }
    }
}

/// A path, or with `@` before it a name in Linux's abstract namespace.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(rest)
        }
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("${SOCKET} is neither a path nor an abstract name: {name:?}"),
        )),
    }
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// How often the manager wants a sign of life from this process; `None` if it wants none.
#[must_use]
pub fn watchdog_period() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    period(
        variable(WATCHDOG).as_deref(),
        variable(WATCHDOG_PID).as_deref(),
        std::process::id(),
    )
}

fn period(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    let is_ours = pid.is_none_or(|pid| pid.parse() == Ok(own));
    is_ours.then(|| Duration::from_micros(usec) / WATCHDOG_SIGNS)
}

/// Gives signs of life as long as `probe` succeeds: one that never ends brings the manager's
/// kill. Resolves when it fails.
pub async fn watch<E, F: Future<Output = Result<(), E>>>(
    period: Duration,
    probe: impl Fn() -> F,
    alive: impl Fn(),
) -> E {
    loop {
        match probe().await {
            Ok(()) => alive(),
            Err(error) => return error,
        }
        tokio::time::sleep(period).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tokio::time::timeout;

    fn told(name: &str, listener: &UnixDatagram) -> Vec<String> {
        let notifier = Notifier {
            to: Some((
                UnixDatagram::unbound().unwrap(),
                address(OsStr::new(name)).unwrap(),
            )),
        };
        notifier.ready("two\nlines");
        notifier.reloading();
        notifier.alive();
        notifier.stopping();
        listener.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        std::iter::from_fn(|| {
            let length = listener.recv(&mut bytes).ok()?;
            Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
        })
        .collect()
    }

    #[test]
    fn the_manager_is_told_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("qd-notify-test-{}", std::process::id());
        let abstract_name = {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(&name).unwrap()
        };
        for (named, listener) in [
            (
                path.to_str().unwrap().to_owned(),
                UnixDatagram::bind(&path).unwrap(),
            ),
            (
                format!("@{name}"),
                UnixDatagram::bind_addr(&abstract_name).unwrap(),
            ),
        ] {
            let told = told(&named, &listener);
            assert_eq!(told.len(), 4, "{told:?}");
            assert_eq!(told[0], "READY=1\nSTATUS=two lines");
            let usec = told[1]
                .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
                .unwrap();
            assert!(usec.parse::<u64>().unwrap() > 0);
            assert_eq!(told[2], "WATCHDOG=1");
            assert!(told[3].starts_with("STOPPING=1\n"));
        }
        assert!(address(OsStr::new("relative")).is_err());
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let second = Some("1000000");
        let third = Some(Duration::from_micros(333_333));
        let coarse = |d: Option<Duration>| d.map(|d| Duration::from_micros(d.as_micros() as u64));
        assert_eq!(coarse(period(second, None, 7)), third);
        assert_eq!(coarse(period(second, Some("7"), 7)), third);
        assert_eq!(period(second, Some("8"), 7), None);
        assert_eq!(period(None, None, 7), None);
        assert_eq!(period(Some("0"), None, 7), None);
        assert_eq!(period(Some("soon"), None, 7), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_gives_no_sign_of_life() {
        let second = Duration::from_secs(1);
        let signs = Cell::new(0);
        let alive = || signs.set(signs.get() + 1);
        let well = watch(second, || async { Ok::<(), ()>(()) }, alive);
        assert!(timeout(10 * second, well).await.is_err());
        assert!(signs.get() >= 10, "{}", signs.get());

        signs.set(0);
        let asked = Cell::new(0);
        let hangs_the_third_time = || async {
            asked.set(asked.get() + 1);
            if asked.get() == 3 {
                std::future::pending::<()>().await;
            }
            Ok::<(), ()>(())
        };
        let hung = watch(second, hangs_the_third_time, alive);
        assert!(timeout(100 * second, hung).await.is_err());
        assert_eq!((signs.get(), asked.get()), (2, 3));

        let gone = watch(second, || async { Err("gone") }, alive).await;
        assert_eq!((gone, signs.get()), ("gone", 2));
    }
}
