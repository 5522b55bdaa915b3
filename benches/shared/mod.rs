//! What benches against a real engine share: an image of this machine's busybox, and its sweeping.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::{BodyExt, Either, Full};
use hyper::Request;
use quarterdeck::docker::Engine;
use quarterdeck::docker::spec::NETWORK;
use quarterdeck::docker::transport::{Dial, Route, Transport};

/// The machine's own engine.
pub const SOCKET: &str = "/var/run/docker.sock";

/// A straight way to the engine.
pub fn transport() -> Transport {
    Transport::new(Route {
        dial: Dial::Unix(PathBuf::from(SOCKET)),
        endpoint: format!("unix://{SOCKET}"),
        explain: None,
    })
}

/// Removes every container made from an image.
pub async fn sweep(engine: &dyn Engine, image: &str) {
    let ours = engine.list().await.unwrap().into_iter();
    stream::iter(ours.filter(|container| container.image == image))
        .for_each_concurrent(8, |container| async move {
            engine.remove(&container.runtime_id).await.unwrap();
        })
        .await;
}

/// Makes the image from the machine's static busybox, unless it is there.
pub async fn import_image(engine: &dyn Engine, image: &str) {
    engine.ensure_network(NETWORK).await.unwrap();
    if engine.has_image(image).await.unwrap() {
        return;
    }
    let busybox = std::fs::read("/bin/busybox").expect("busybox-static is installed");
    let mut tar = Vec::new();
    tar_entry(&mut tar, "bin/", b'5', "", &[]);
    tar_entry(&mut tar, "bin/busybox", b'0', "", &busybox);
    for link in ["bin/sh", "bin/sleep"] {
        tar_entry(&mut tar, link, b'2', "busybox", &[]);
    }
    tar.resize(tar.len() + 1024, 0);
    let (repo, tag) = image.split_once(':').unwrap();
    let uri = format!("http://docker/images/create?fromSrc=-&repo={repo}&tag={tag}");
    let request = Request::post(uri)
        .header("content-type", "application/x-tar")
        .body(Either::Left(Full::new(Bytes::from(tar))))
        .unwrap();
    let answer = transport().send(request).await.unwrap();
    let status = answer.status();
    let text = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(status.is_success(), "{}", String::from_utf8_lossy(&text));
}

fn tar_entry(tar: &mut Vec<u8>, name: &str, kind: u8, link: &str, data: &[u8]) {
    let mut head = [0u8; 512];
    let size = format!("{:011o}\0", data.len());
    for (at, text) in [
        (0, name),
        (100, "0000755\0"),
        (108, "0000000\0"),
        (116, "0000000\0"),
        (124, size.as_str()),
        (136, "00000000000\0"),
        (148, "        "),
        (157, link),
        (257, "ustar\u{0}00"),
    ] {
        head[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    head[156] = kind;
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&head);
    tar.extend_from_slice(data);
    tar.resize(tar.len().next_multiple_of(512), 0);
}
