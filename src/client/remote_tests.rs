use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use futures_util::StreamExt as _;

use super::remote::RemoteClient;
use super::{Client as _, ClientError, LogTarget};
use crate::api::wire::WatchLine;
use crate::docker::LogOptions;
use crate::model::{Actor, TaskId};

/// What a client says of a server that answers its first request so.
async fn told(answer: Vec<u8>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("qd.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _head = stream.read(&mut [0; 4096]);
        // A client that has heard enough hangs up.
        let _cut = stream.write_all(&answer);
    });
    let connected = RemoteClient::connect(&socket, Actor::from("ann")).await;
    // Not on this thread: the connection's own task hangs up on it.
    let ended = tokio::task::spawn_blocking(move || server.join()).await;
    ended.unwrap().unwrap();
    match connected {
        Ok(_) => panic!("attached"),
        Err(error) => error.to_string(),
    }
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_bad_server_is_refused_with_words_and_fills_no_memory() {
    let long = told(answer("500 Oops", &vec![b'x'; 5 << 20])).await;
    assert!(
        long.contains("its answer is longer than 4194304 bytes"),
        "{long}"
    );
    let strange = told(answer("500 Oops", "ü".repeat(9_000).as_bytes())).await;
    assert!(
        strange.contains("500 Internal Server Error: ü"),
        "{strange}"
    );
    assert!(strange.len() < 4_000, "{} bytes", strange.len());
    for line in ["{\"snapshot\": 7}\n", "\u{1}\n", "[[[[\n", "\"beat\"\n"] {
        let told = told(answer("200 OK", line.as_bytes())).await;
        assert!(!told.is_empty(), "{line}");
    }
    let deep = told(answer(
        "200 OK",
        format!("{}\n", "[".repeat(1 << 20)).as_bytes(),
    ))
    .await;
    assert!(deep.len() < 1_000, "{deep}");
}

#[tokio::test]
async fn a_line_of_logs_that_cannot_be_read_is_no_control_plane_that_is_gone() {
    for bad in [
        "{\"item\": 7}\n".as_bytes(),
        b"\xff\xfe\n",
        b"{\"error\": {\"__type\": \"Unheard\", \"message\": \"of\"}}\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("qd.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let picture = WatchLine::Snapshot(Box::default());
            let mut picture = serde_json::to_vec(&picture).unwrap();
            picture.push(b'\n');
            let (mut watch, _) = listener.accept().unwrap();
            let _head = watch.read(&mut [0; 4096]);
            // It goes on, and nothing more comes.
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1 << 20);
            watch.write_all(head.as_bytes()).unwrap();
            watch.write_all(&picture).unwrap();
            let (mut logs, _) = listener.accept().unwrap();
            let _head = logs.read(&mut [0; 4096]);
            logs.write_all(&answer("200 OK", bad)).unwrap();
            (watch, logs)
        });
        let client = RemoteClient::connect(&socket, Actor::from("ann")).await;
        let client = client.unwrap();
        let target = LogTarget::Task {
            task: TaskId(7),
            container: None,
        };
        let mut items = client.logs(target, LogOptions::default()).await.unwrap();
        let error = items.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ClientError::Unreadable(_)), "{error:?}");
        let ended = tokio::task::spawn_blocking(move || server.join()).await;
        drop(ended.unwrap().unwrap());
    }
}
