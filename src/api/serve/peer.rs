//! Who is at the other end, and in whose name it may ask.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;

use super::places::Place;
use super::wire;
use crate::controller::{CommandError, ErrorKind};
use crate::model::{AccessRole, Actor, Surface};
use crate::store::lock;

/// The user number of root.
const ROOT: u32 = 0;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// A user of this machine, as the kernel knows it: the socket's owner, or root.
    User(u32),
    /// Whoever shows a certificate that the config names.
    Bearer(Arc<Bearer>),
}

/// Whoever shows a certificate that the config names.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The name that the config gives.
    pub name: String,
    /// The role that it gives.
    pub role: AccessRole,
    /// What of the certificate it goes by: `CN=ann`.
    pub certificate: String,
    /// From where.
    pub from: IpAddr,
    /// Until when the certificate is valid.
    pub until: SystemTime,
    /// Taken as long as anything of the connection is there, a shell that it became included.
    pub(super) _place: Option<Place<String>>,
}

impl fmt::Display for Bearer {
    /// As the audit trail names them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            role,
            certificate,
            from,
            ..
        } = self;
        write!(f, "{name} ({role}, certificate {certificate}, from {from})")
    }
}

/// A certificate's end is looked for again after this time at most.
const LOOK_AGAIN: Duration = Duration::from_secs(24 * 3600);

impl Peer {
    /// Resolves when its certificate is no longer valid; never for a user of this machine.
    pub async fn expired(&self) {
        let Self::Bearer(bearer) = self else {
            return std::future::pending().await;
        };
        loop {
            match bearer.until.duration_since(SystemTime::now()) {
                Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(LOOK_AGAIN)).await,
                _ => return,
            }
        }
    }
}

/// Whether a user of this machine may use the socket of `owner`: its owner and root may. The
/// socket's mode says the same; this holds where somebody has changed that, too.
///
/// # Errors
/// [`CommandError`] with who may. A user that the kernel does not name may not.
pub(super) fn admitted(user: Option<u32>, owner: u32) -> Result<Peer, CommandError> {
    if let Some(user) = user
        && (user == owner || user == ROOT)
    {
        return Ok(Peer::User(user));
    }
    let who = user.map_or_else(|| "of unknown user".to_owned(), lock::user_of);
    let served = match owner {
        ROOT => "root alone".to_owned(),
        owner => format!("{} and root", lock::user_of(owner)),
    };
    let owner = lock::user_of(owner);
    Err(CommandError::new(
        ErrorKind::AccessDeniedException,
        format!(
            "This control plane is {owner}'s: its socket serves {served}, and you are \
             {who}. Become {owner}, or come with a certificate over TCP where [api] is configured."
        ),
    ))
}

/// In whose name a request is made. The socket's owner (and root) is trusted to say more than
/// which user it is. Who comes with a certificate is who the config says, whatever the request
/// says; only through what it comes is taken from it.
pub(crate) fn who(headers: &HeaderMap, peer: &Peer) -> Actor {
    let said = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.filter(|text| !text.is_empty())
    };
    let surface = Surface::from_wire(said(wire::SURFACE_HEADER));
    match peer {
        Peer::User(uid) => match said(wire::USER_HEADER) {
            Some(user) => Actor::new(user, surface),
            None => Actor::new(&lock::user_of(*uid), surface),
        },
        Peer::Bearer(bearer) => Actor::new(&bearer.to_string(), surface).held_to(bearer.role),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_for_its_owner_and_root_and_nobody_else() {
        for (user, owner, may) in [
            (Some(1000), 1000, true),
            (Some(0), 1000, true),
            (Some(0), 0, true),
            (Some(1001), 1000, false),
            (Some(1000), 0, false),
            (None, 1000, false),
            (None, 0, false),
        ] {
            let said = admitted(user, owner);
            assert_eq!(said.is_ok(), may, "{user:?} at {owner}'s");
            if let Err(refusal) = said {
                assert_eq!(refusal.kind, ErrorKind::AccessDeniedException);
            }
        }
        let refusal = admitted(Some(999_999), 999_998).unwrap_err().to_string();
        assert!(refusal.contains("uid 999998's"), "{refusal}");
        assert!(refusal.contains("you are uid 999999"), "{refusal}");
    }

    #[test]
    fn who_bears_a_certificate_cannot_say_to_be_somebody_else() {
        let mut headers = HeaderMap::new();
        headers.insert(wire::USER_HEADER, "root".parse().unwrap());
        headers.insert(wire::SURFACE_HEADER, "console".parse().unwrap());
        let owner = who(&headers, &Peer::User(0));
        assert_eq!(
            (owner.user.as_str(), owner.role),
            ("root", AccessRole::Owner)
        );
        let bearer = Bearer {
            name: "ann".into(),
            role: AccessRole::Viewer,
            certificate: "CN=ann".into(),
            from: [10, 0, 0, 5].into(),
            until: SystemTime::now(),
            _place: None,
        };
        let actor = who(&headers, &Peer::Bearer(Arc::new(bearer)));
        assert_eq!(
            actor.user,
            "ann (viewer, certificate CN=ann, from 10.0.0.5)"
        );
        assert_eq!(actor.role, AccessRole::Viewer);
        assert_eq!(actor.surface, Surface::Console);
    }
}
