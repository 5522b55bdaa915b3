//! Lists of an engine that cannot tell everything: a scripted one on a socket.

use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::bollard::BollardEngine;
use super::credentials::Credentials;
use super::transport::{Dial, Route};
use super::*;
use crate::model::observation::ContainerState;

/// Answers every request by its path; `None` closes the connection without a word.
async fn serve(listener: UnixListener, answer: fn(&str) -> Option<(u16, &'static str)>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut stream = BufReader::new(stream);
        let (mut path, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            line.clear();
        }
        if let Some((status, body)) = answer(&path) {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _gone = stream.write_all(head.as_bytes()).await;
        }
    }
}

async fn engine(
    answer: fn(&str) -> Option<(u16, &'static str)>,
) -> (tempfile::TempDir, BollardEngine) {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("s");
    tokio::spawn(serve(UnixListener::bind(&socket).unwrap(), answer));
    let route = Route {
        endpoint: "unix://scripted".to_owned(),
        dial: Dial::Unix(socket),
        explain: None,
    };
    let credentials = Credentials::in_folder(folder.path().to_owned());
    let engine = BollardEngine::open(route, credentials).await.unwrap();
    (folder, engine)
}

const VERSION: &str = r#"{"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "25.0.0"}"#;
const LIST: &str = r#"[
    {"Id": "good", "Names": ["/good"], "State": "running", "Status": "Up 3 hours"},
    {"Id": "bad", "Names": ["/other/alias", "/bad"], "State": "running", "Status": "Up 3 hours",
     "Image": "busybox", "Labels": {},
     "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]},
    {"Id": "gone", "Names": ["/gone"], "State": "exited", "Status": "Exited (0) 1 hour ago"}]"#;
const GOOD: &str = r#"{"Id": "good", "Name": "/good", "State": {"Status": "running"}}"#;

fn well(path: &str) -> Option<(u16, &'static str)> {
    Some(match path {
        path if path.ends_with("/version") => (200, VERSION),
        path if path.ends_with("/_ping") => (200, "OK"),
        path if path.contains("/containers/json") => (200, LIST),
        path if path.contains("/containers/good/") => (200, GOOD),
        path if path.contains("/containers/bad/") => (500, r#"{"message": "layer is broken"}"#),
        _ => (404, r#"{"message": "no such container"}"#),
    })
}

/// The inspection of `bad` breaks off; the engine is there all the same.
fn breaks_off(path: &str) -> Option<(u16, &'static str)> {
    well(path).filter(|_| !path.contains("/containers/bad/"))
}

/// And then it is not.
fn ends(path: &str) -> Option<(u16, &'static str)> {
    breaks_off(path).filter(|_| !path.ends_with("/_ping"))
}

#[tokio::test]
async fn a_container_that_cannot_be_inspected_is_told_from_the_list() {
    for answer in [well, breaks_off] {
        let (_folder, engine) = engine(answer).await;
        let listed = engine.list().await.unwrap();
        let names: Vec<&str> = listed.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["good", "bad"]);
        let bad = &listed[1];
        assert_eq!(
            (bad.runtime_id.as_str(), bad.state),
            ("bad", ContainerState::Running)
        );
        assert_eq!(
            bad.host_ports.iter().map(|p| p.port).collect::<Vec<_>>(),
            [8080]
        );
    }
}

#[tokio::test]
async fn an_engine_that_goes_silent_during_a_list_is_unreachable() {
    let (_folder, engine) = engine(ends).await;
    let error = engine.list().await.unwrap_err();
    assert!(matches!(error, EngineError::Unreachable(_)), "{error:?}");
}
