//! Who sits before this process: the user of the machine and, where the environment says more,
//! where they came from. What the environment says is claimed and not proven; who may use the
//! socket at all is for its mode to say.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::digest::{SHA256, digest};

use crate::model::{Actor, Surface};
use crate::store::lock;

/// The most bytes of sshd's note on how somebody logged in.
const NOTE_MAX: u64 = 64 * 1024;
/// So many characters of a key's fingerprint tell keys apart.
const FINGERPRINT: usize = 16;

/// Who runs this process, with what sshd and sudo left in its environment.
#[must_use]
pub fn operator(surface: Surface) -> Actor {
    let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let note = variable("SSH_USER_AUTH").and_then(|path| read(Path::new(&path)));
    Actor::new(
        &described(&lock::user(), variable, note.as_deref()),
        surface,
    )
}

/// sshd's note, if it is a short text.
fn read(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).ok()?;
    let mut text = String::new();
    file.take(NOTE_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// `root (sudo by ann, ssh from 10.0.0.5, key SHA256:…)`, as far as it is known.
fn described(user: &str, variable: impl Fn(&str) -> Option<String>, note: Option<&str>) -> String {
    let mut more = Vec::new();
    if let Some(before) = variable("SUDO_USER").filter(|before| before != user) {
        more.push(format!("sudo by {before}"));
    }
    let connection = variable("SSH_CONNECTION").or_else(|| variable("SSH_CLIENT"));
    if let Some(from) = connection.as_deref().and_then(|it| it.split(' ').next()) {
        more.push(format!("ssh from {from}"));
    }
    if let Some(key) = note.and_then(fingerprint) {
        more.push(format!("key {key}"));
    }
    if more.is_empty() {
        return user.to_owned();
    }
    format!("{user} ({})", more.join(", "))
}

/// The beginning of the fingerprint of the key that sshd let in, as `ssh-keygen -l` prints it.
fn fingerprint(note: &str) -> Option<String> {
    note.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (how, kind, blob) = (words.next()?, words.next()?, words.next()?);
        if how != "publickey" || kind.contains("-cert-") {
            return None;
        }
        let blob = base64::engine::general_purpose::STANDARD
            .decode(blob)
            .ok()?;
        let sum = STANDARD_NO_PAD.encode(digest(&SHA256, &blob));
        Some(format!("SHA256:{}…", sum.get(..FINGERPRINT)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(all: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            let found = all.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn who_came_over_ssh_and_by_sudo_is_told() {
        assert_eq!(described("ann", with(&[]), None), "ann");
        let ssh = [("SSH_CONNECTION", "10.0.0.5 50022 10.0.0.1 22")];
        assert_eq!(
            described("deploy", with(&ssh), None),
            "deploy (ssh from 10.0.0.5)"
        );
        let both = [ssh[0], ("SUDO_USER", "ann")];
        let said = described("root", with(&both), None);
        assert_eq!(said, "root (sudo by ann, ssh from 10.0.0.5)");
        let itself = [("SUDO_USER", "ann")];
        assert_eq!(described("ann", with(&itself), None), "ann");
    }

    #[test]
    fn the_key_is_named_as_ssh_keygen_names_it() {
        // Made with `ssh-keygen -t ed25519`, whose -l said
        // SHA256:vL1wlavhAYuoHJM4x4g0LZHVkwLfhsOGxs80lzXPfhQ.
        let note = "publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBsDq58QEOenb0ZPZrCAdTBPNMhyTH+1v6jlTMtJ9Pcq\n";
        let said = described("deploy", with(&[]), Some(note));
        assert_eq!(said, "deploy (key SHA256:vL1wlavhAYuoHJM4…)");
        for other in ["password\n", "publickey ssh-ed25519 !\n", ""] {
            assert_eq!(described("deploy", with(&[]), Some(other)), "deploy");
        }
    }
}
