//! Where `qd serve` listens besides its socket, who may come that way, and where others attach to.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use super::endpoint;
use super::lookup::Lookup;
use super::reader::Reader;
use super::settings::{
    ApiSettings, CertificateName, ListenSettings, OperatorSettings, RemoteSettings, TlsFiles,
};
use crate::document::{Node, nearest};
use crate::model::AccessRole;

const API: &[&str] = &["listen", "tls", "operator"];
const OPERATOR: &[&str] = &["name", "certificate", "role"];
const METRICS: &[&str] = &["listen"];
const REMOTE: &[&str] = &["server", "server_name", "tls"];
const TLS: &[&str] = &["ca", "cert", "key"];

/// The port where nothing else is said.
pub(super) const API_PORT: u16 = 7443;
/// The longest name of an operator, in characters.
const NAME_MAX: usize = 64;
/// What is expected of a certificate's name.
const NAMES: &str = "\"CN=…\", \"DNS:…\", \"URI:…\" or \"email:…\"";

/// Where the server listens besides its socket.
pub(super) fn listen<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> ListenSettings {
    let api = root
        .get("api")
        .and_then(|node| api(reader, node, file, lookup));
    let metrics = root.get("metrics").and_then(|node| metrics(reader, node));
    if let (Some(api), Some(metrics)) = (&api, metrics)
        && api.address == metrics
        && let Some(node) = root.get("metrics").and_then(|node| node.get("listen"))
    {
        refuse(reader, &node.span, "[api] listens there already");
    }
    ListenSettings { api, metrics }
}

fn api<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> Option<ApiSettings> {
    if !reader.table(node, "api", API) {
        return None;
    }
    let address = address(reader, node, "api");
    let tls = needed_tls(reader, node, "api", file, lookup);
    let operators = operators(reader, node);
    if operators.is_empty() && node.get("operator").is_none() {
        let fault = reader.fault(&node.span, "api names nobody who may use it");
        reader.push(fault.expected("[[api.operator]] with name, certificate and role"));
    }
    Some(ApiSettings {
        address: address?.0,
        tls: tls?,
        operators,
    })
}

fn operators<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Vec<OperatorSettings> {
    let mut operators: Vec<OperatorSettings> = Vec::new();
    for node in reader.tables(node, "operator") {
        if !reader.table(node, "an operator", OPERATOR) {
            continue;
        }
        let name = reader.required(node, "an operator", "name");
        let certificate = reader.required(node, "an operator", "certificate");
        let role = reader.required(node, "an operator", "role");
        let name = name.and_then(|(name, span)| {
            let readable = !name.trim().is_empty() && !name.chars().any(char::is_control);
            if readable && name.chars().count() <= NAME_MAX {
                return Some(name);
            }
            let what = format!("an operator's name has 1 to {NAME_MAX} readable characters");
            refuse(reader, &span, &what);
            None
        });
        let certificate = certificate.and_then(|(text, span)| {
            let Some(certificate) = CertificateName::read(text) else {
                let what = format!("\"{text}\" names no certificate");
                let fault = reader.fault(&span, what).expected(NAMES);
                reader.push(fault);
                return None;
            };
            if let Some(other) = operators.iter().find(|it| it.certificate == certificate) {
                let what = format!("{certificate} is {}'s already", other.name);
                refuse(reader, &span, &what);
            }
            Some(certificate)
        });
        let role = role.and_then(|(text, span)| {
            let role = AccessRole::GIVEN
                .into_iter()
                .find(|role| role.as_str() == text);
            if role.is_none() {
                let words = AccessRole::GIVEN.map(AccessRole::as_str);
                let fault = reader
                    .fault(&span, format!("there is no role \"{text}\""))
                    .expected(format!("one of {}", words.join(", ")))
                    .or_nearest(nearest(text, words));
                reader.push(fault);
            }
            role
        });
        if let (Some(name), Some(certificate), Some(role)) = (name, certificate, role) {
            operators.push(OperatorSettings {
                name: name.trim().to_owned(),
                certificate,
                role,
            });
        }
    }
    operators
}

fn metrics<'a>(reader: &mut Reader<'a>, node: &'a Node) -> Option<SocketAddr> {
    if !reader.table(node, "metrics", METRICS) {
        return None;
    }
    let (address, span) = address(reader, node, "metrics")?;
    if !address.ip().is_loopback() {
        let what = format!("{address} without TLS would be open to anyone who reaches it");
        let fault = reader.fault(&span, what).expected(
            "an address of this machine alone, such as \"127.0.0.1:9464\"; from elsewhere \
             /metrics is read at the address of [api], by a viewer",
        );
        reader.push(fault);
    }
    Some(address)
}

/// Another machine's control plane.
pub(super) fn remote<'a>(
    reader: &mut Reader<'a>,
    root: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> Option<RemoteSettings> {
    let node = root.get("remote")?;
    if !reader.table(node, "remote", REMOTE) {
        return None;
    }
    let server = reader.required(node, "remote", "server");
    let server = server.and_then(|(text, span)| match server_address(text) {
        Ok(address) => Some(address),
        Err(what) => {
            let fault = reader.fault(&span, what);
            reader.push(fault.expected("tcp://HOST[:PORT]"));
            None
        }
    });
    let server_name = reader.text(node, "server_name");
    let tls = needed_tls(reader, node, "remote", file, lookup);
    Some(RemoteSettings {
        address: server?,
        server_name: server_name.map(|(name, _)| name.to_owned()),
        tls: tls?,
    })
}

/// `HOST:PORT` of `tcp://HOST[:PORT]`.
///
/// # Errors
/// In words, what is wrong with it.
pub fn server_address(text: &str) -> Result<String, String> {
    let Some(rest) = text.strip_prefix("tcp://") else {
        return Err(format!("\"{text}\" is no server: it begins with tcp://"));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) =
        endpoint::host_port(rest).map_err(|wrong| format!("\"{text}\" {}", wrong.what))?;
    let port = port.unwrap_or(API_PORT);
    Ok(if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    })
}

/// An address of this machine to listen on: no name, which could come to mean another one.
fn address<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    name: &str,
) -> Option<(SocketAddr, Range<usize>)> {
    let (text, span) = reader.required(node, name, "listen")?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Some((address, span)),
        _ => {
            let fault = reader
                .fault(&span, format!("\"{text}\" is no address to listen on"))
                .expected("an IP address and a port, such as \"10.0.0.5:7443\" or \"[::]:7443\"");
            reader.push(fault);
            None
        }
    }
}

fn needed_tls<'a>(
    reader: &mut Reader<'a>,
    node: &'a Node,
    name: &str,
    file: &Path,
    lookup: &Lookup,
) -> Option<TlsFiles> {
    let Some(table) = node.get("tls") else {
        let fault = reader.fault(&node.span, format!("{name} has no \"tls\""));
        reader.push(fault.expected("tls = { ca = \"…\", cert = \"…\", key = \"…\" }"));
        return None;
    };
    tls(reader, table, file, lookup)
}

/// The three files of mutual TLS.
pub(super) fn tls<'a>(
    reader: &mut Reader<'a>,
    table: &'a Node,
    file: &Path,
    lookup: &Lookup,
) -> Option<TlsFiles> {
    if !reader.table(table, "tls", TLS) {
        return None;
    }
    let mut needed = |key: &str| {
        let (text, span) = reader.required(table, "tls", key)?;
        let path = lookup.resolve(file, text);
        if !path.is_file() {
            let what = format!("{key}: there is no file {}", path.display());
            refuse(reader, &span, &what);
        }
        Some(path)
    };
    let (ca, cert, key) = (needed("ca"), needed("cert"), needed("key"));
    Some(TlsFiles {
        ca: ca?,
        cert: cert?,
        key: key?,
    })
}

fn refuse(reader: &mut Reader<'_>, span: &Range<usize>, what: &str) {
    let fault = reader.fault(span, what);
    reader.push(fault);
}
