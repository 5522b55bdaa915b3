use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use super::remote::RemoteClient;
use crate::model::Actor;

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
