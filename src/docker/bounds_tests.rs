//! Answers that do not end: a scripted engine on a socket that writes as long as it is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::bollard::BollardEngine;
use super::credentials::Credentials;
use super::meter::{ANSWER_BYTES, INSPECT_BYTES, LIST_BYTES};
use super::transport::{Dial, Route};
use super::*;

const VERSION: &str = r#"{"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "25.0.0"}"#;
/// What may be under way, in sockets and in what hyper reads ahead.
const UNDER_WAY: u64 = 4 * 1024 * 1024;

/// Answers what is asked for well, and what begins with `endless` with text that never ends.
async fn serve(stream: UnixStream, endless: &'static str, sent: Arc<AtomicU64>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut path, mut line) = (String::new(), String::new());
        while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            line.clear();
        }
        let path = path.trim_start_matches("/v1.44");
        let body = match path {
            "" => return,
            "/version" => VERSION,
            "/_ping" => "OK",
            path if path.starts_with("/containers/json") => {
                r#"[{"Id": "a", "Names": ["/a"], "State": "running", "Status": "Up"}]"#
            }
            _ => r#"{"Id": "a", "Name": "/a", "State": {"Status": "running"}}"#,
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
        if !path.starts_with(endless) {
            let length = body.len();
            let answer = format!("{head}content-length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            continue;
        }
        let begun = format!("{head}transfer-encoding: chunked\r\n\r\n3\r\n[{{\"\r\n");
        let _gone = stream.write_all(begun.as_bytes()).await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            sent.fetch_add(0x10000, Ordering::Relaxed);
        }
        return;
    }
}

struct Scripted {
    _folder: tempfile::TempDir,
    engine: BollardEngine,
    sent: Arc<AtomicU64>,
}

impl Scripted {
    async fn endless_at(endless: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, endless, Arc::clone(&count)));
            }
        });
        let route = Route {
            endpoint: "unix://scripted".to_owned(),
            dial: Dial::Unix(socket),
            explain: None,
        };
        let credentials = Credentials::in_folder(folder.path().to_owned());
        Self {
            engine: BollardEngine::open(route, credentials).await.unwrap(),
            _folder: folder,
            sent,
        }
    }

    /// That this is the failure of an answer longer than so many bytes, and that no more was read.
    fn failed(&self, result: EngineResult<()>, said: &str, most: u64) {
        let error = result.unwrap_err();
        assert!(matches!(error, EngineError::Failed(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with("unix://scripted: "), "{text}");
        assert!(text.contains(said), "{text}");
        let sent = self.sent.load(Ordering::Relaxed);
        assert!((most..most + UNDER_WAY).contains(&sent), "{said}: {sent}");
    }
}

#[tokio::test]
async fn a_list_that_does_not_end_is_the_engines_failure_and_never_an_empty_one() {
    let it = Scripted::endless_at("/containers/json").await;
    let listed = it.engine.list().await.map(|_| ());
    it.failed(
        listed,
        "list of containers is longer than 64 MiB",
        LIST_BYTES,
    );
    // The engine is asked on, over another connection.
    it.engine.ping().await.unwrap();
    assert_eq!(it.engine.inspect("a").await.unwrap().name, "a");
}

#[tokio::test]
async fn an_inspection_that_does_not_end_leaves_its_container_in_the_list() {
    let it = Scripted::endless_at("/containers/a/json").await;
    let inspected = it.engine.inspect("a").await.map(|_| ());
    it.failed(
        inspected,
        "inspection of a container is longer than 8 MiB",
        INSPECT_BYTES,
    );
    let listed = it.engine.list().await.unwrap();
    assert_eq!(listed.len(), 1);
}

#[tokio::test]
async fn whatever_else_is_asked_is_bounded_too() {
    let said = "answer is longer than 1 MiB";
    let it = Scripted::endless_at("/info").await;
    let info = it.engine.info().await.map(|_| ());
    it.failed(info, said, ANSWER_BYTES);
    let it = Scripted::endless_at("/containers/a/stats").await;
    let stats = it.engine.stats("a").await.map(|_| ());
    it.failed(stats, said, ANSWER_BYTES);
    let it = Scripted::endless_at("/images/x/json").await;
    let image = it.engine.has_image("x").await.map(|_| ());
    it.failed(
        image,
        "inspection of an image is longer than 8 MiB",
        INSPECT_BYTES,
    );
}

#[tokio::test]
async fn one_line_that_does_not_end_ends_a_stream() {
    let said = "is longer than 1048576 bytes";
    let it = Scripted::endless_at("/events").await;
    let mut events = it.engine.events().await.unwrap();
    let event = events.next().await.unwrap().map(|_| ());
    drop(events);
    it.failed(event, said, ANSWER_BYTES);
    let it = Scripted::endless_at("/images/create").await;
    let mut pull = it.engine.pull("x");
    let step = pull.next().await.unwrap().map(|_| ());
    drop(pull);
    it.failed(step, said, ANSWER_BYTES);
}
