//! The three forms of an endpoint.

use std::path::PathBuf;

use super::lookup::LOCAL_SOCKET;
use super::settings::SshEndpoint;

/// What a fault expects instead.
pub(super) const FORMS: &str = "one of unix:///var/run/docker.sock, tcp://HOST:PORT (with tls), \
                                ssh://[USER@]HOST[:PORT]";
/// Docker's port with TLS.
const TLS_PORT: u16 = 2376;

/// An endpoint as it is written, without what stands beside it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Unix(PathBuf),
    Tcp(String),
    Ssh(SshEndpoint),
}

/// What is wrong with an endpoint, and what it might have meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) nearest: Option<String>,
}

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong {
        what: what.into(),
        nearest: None,
    }
}

/// Reads an endpoint.
pub(super) fn parse(text: &str) -> Result<Parsed, Wrong> {
    let Some((scheme, rest)) = text.split_once("://") else {
        let nearest = if text.starts_with('/') {
            Some(format!("unix://{text}"))
        } else {
            text.contains('@').then(|| format!("ssh://{text}"))
        };
        return Err(Wrong {
            what: "is not an endpoint".into(),
            nearest,
        });
    };
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Parsed::Unix(rest.into())),
        "unix" => Err(Wrong {
            what: "does not name an absolute path".into(),
            nearest: Some(format!("unix:///{rest}")),
        }),
        "tcp" => tcp(rest),
        "ssh" => ssh(rest),
        "http" | "https" => Err(Wrong {
            what: format!("has the unknown form {scheme}://"),
            nearest: Some(format!("tcp://{}", rest.trim_end_matches('/'))),
        }),
        _ => Err(Wrong {
            what: format!("has the unknown form {scheme}://"),
            nearest: crate::document::nearest(scheme, ["unix", "tcp", "ssh"])
                .map(|scheme| format!("{scheme}://{rest}")),
        }),
    }
}

/// The host of an endpoint as [`Endpoint`](super::Endpoint) writes it, for whoever would reach what
/// runs there: this machine for a socket, `None` for an engine that has no host.
#[must_use]
pub fn host_of(endpoint: &str) -> Option<String> {
    let address = match parse(endpoint).ok()? {
        Parsed::Unix(_) => return Some("localhost".to_owned()),
        Parsed::Ssh(ssh) => return Some(ssh.host),
        Parsed::Tcp(address) => address,
    };
    let (host, _) = host_port(&address).ok()?;
    Some(host.to_owned())
}

/// A host and its port. An IPv6 address stands in brackets.
pub(super) fn host_port(text: &str) -> Result<(&str, Option<u16>), Wrong> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| wrong("has a bracket that is not closed"))?;
            (host, after.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(wrong("has an IPv6 address that is not in brackets"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    // A leading hyphen would be taken for an option by the programs that get the name.
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    if host.is_empty() || host.starts_with('-') || !host.chars().all(valid) {
        return Err(wrong(format!("has no valid host name (\"{host}\")")));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Some(number),
            _ => return Err(wrong(format!("has the port \"{port}\", not 1 to 65535"))),
        },
    };
    Ok((host, port))
}

fn tcp(rest: &str) -> Result<Parsed, Wrong> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = host_port(rest)?;
    let port = port.unwrap_or(TLS_PORT);
    Ok(Parsed::Tcp(if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }))
}

fn ssh(rest: &str) -> Result<Parsed, Wrong> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('/') {
        return Err(wrong(
            "has a path; name the engine's socket on that host by ssh = { socket = \"…\" }",
        ));
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    let valid = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '$');
    if let Some(user) = user
        && (user.is_empty() || user.starts_with('-') || !user.chars().all(valid))
    {
        return Err(wrong(format!("has no valid user name (\"{user}\")")));
    }
    let (host, port) = host_port(rest)?;
    Ok(Parsed::Ssh(SshEndpoint {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        key: None,
        known_hosts: None,
        socket: LOCAL_SOCKET.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok(Parsed::Unix(path)) => format!("unix {}", path.display()),
            Ok(Parsed::Tcp(address)) => format!("tcp {address}"),
            Ok(Parsed::Ssh(ssh)) => format!("ssh {:?} {} {:?}", ssh.user, ssh.host, ssh.port),
            Err(wrong) => format!("{} | {:?}", wrong.what, wrong.nearest),
        }
    }

    #[test]
    fn the_three_forms() {
        assert_eq!(shown("unix:///run/d.sock"), "unix /run/d.sock");
        assert_eq!(shown("tcp://10.0.0.1"), "tcp 10.0.0.1:2376");
        assert_eq!(shown("tcp://[fd00::1]:99"), "tcp [fd00::1]:99");
        assert_eq!(
            shown("ssh://deploy@ops-1:2222"),
            "ssh Some(\"deploy\") ops-1 Some(2222)"
        );
        assert_eq!(shown("ssh://ops"), "ssh None ops None");
    }

    #[test]
    fn anything_else_is_refused_with_what_it_might_have_meant() {
        assert_eq!(
            shown("/run/d.sock"),
            "is not an endpoint | Some(\"unix:///run/d.sock\")"
        );
        assert_eq!(
            shown("shh://ops"),
            "has the unknown form shh:// | Some(\"ssh://ops\")"
        );
        assert!(shown("https://h:1/").ends_with("Some(\"tcp://h:1\")"));
        for text in [
            "ssh://-oProxyCommand=x",
            "ssh://-l@host",
            "tcp://host:0",
            "tcp://fd00::1:5",
            "ssh://h/var/run/docker.sock",
            "unix://relative",
            "ssh://",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
