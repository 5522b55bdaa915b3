//! A config with faults beside a server that runs: nobody is locked out, and nobody may more than
//! before.

use std::fs;
use std::os::unix::net::UnixListener;

use portable_pty::CommandBuilder;
use rustix::process::Signal;

use crate::pty::Session;
use crate::serving::{CONFIG, Harbour, QD};

/// Somebody saves half an edit while the server runs: everybody must still be able to look and act.
#[test]
fn a_config_with_faults_locks_nobody_out_of_a_server_that_runs() {
    let harbour = Harbour::new();
    let faulty = format!("{CONFIG}zone = \"x\"\n");
    let refused = |words: &[&str]| {
        let output = harbour.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        said
    };
    harbour.configure(&faulty);
    // Nothing runs: it is as it always was, and no state is begun.
    let said = refused(&["status"]);
    assert!(said.contains("no member \"zone\""), "{said}");
    assert!(!said.contains("warning"), "{said}");
    assert!(!harbour.path(".local").exists());

    // The cluster is protected; the faulty configs below do not say so.
    harbour.configure(&format!(
        "{CONFIG}[[cluster]]\nname = \"default\"\nprotected = true\n"
    ));
    let mut server = harbour.serve(&[]);
    harbour.told("READY=1");
    let attaches = |words: &[&str], fault: &str| {
        let output = harbour.run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words:?}: {said}");
        assert!(said.contains("warning: the config has faults: "), "{said}");
        assert!(said.contains(fault), "{said}");
        assert!(said.contains("qd config check"), "{said}");
    };
    harbour.configure(&faulty);
    for words in [&["status"][..], &["events"], &["service", "ls"]] {
        attaches(
            words,
            "quarterdeck.toml:4:1: an instance has no member \"zone\"",
        );
    }
    // Not even TOML.
    harbour.configure("[[instance\nname =");
    attaches(&["status"], "quarterdeck.toml:1:");
    let web = r#"{"family": "web", "containerDefinitions": [{"name": "web", "image": "x", "memory": 64}]}"#;
    fs::write(harbour.path("web.json"), web).unwrap();
    // The server plans, with the config that it has.
    attaches(&["plan", "web.json"], "quarterdeck.toml:1:");
    for words in [&["config", "check"][..], &["instance", "check"]] {
        refused(words);
    }
    let said = refused(&["instance", "drain", "nowhere", "--yes"]);
    assert!(said.contains("cluster default is protected"), "{said}");
    // What leads, or may lead, to another machine's control plane is not taken for this one.
    for other in ["[remote]\nserver = \"tcp:/far\"\n", "[remote\nserver"] {
        harbour.configure(other);
        refused(&["status"]);
        let state = harbour.path(".local/state/quarterdeck");
        attaches(
            &["--state", state.to_str().unwrap(), "status"],
            "quarterdeck.toml",
        );
    }
    harbour.configure(&faulty);
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    refused(&["status"]);
}

/// A read-only console stays one when its config cannot be read any more.
#[test]
fn a_console_whose_config_cannot_be_read_is_read_only_and_writes_its_log() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&[]);
    harbour.told("READY=1");
    let log = harbour.path(".local/state/quarterdeck/console.log");
    for (config, read_only) in [
        (format!("[console]\nread_only = true\n{CONFIG}[[inst"), true),
        (format!("{CONFIG}zone = \"x\"\n"), false),
    ] {
        harbour.configure(&config);
        let _none = fs::remove_file(&log);
        let mut command = CommandBuilder::new(QD);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        command.env("HOME", harbour.path(""));
        command.cwd(harbour.path(""));
        let mut session = Session::start(command, 160, 40);
        session.wait_for("nowhere");
        // The notice is broken into lines, inside a frame.
        let told = |screen: &vt100::Screen| {
            let mut text = screen.contents();
            text.retain(|it| it.is_ascii_graphic());
            let faults = text.contains("theconfighasfaults");
            let reason = text.contains("Thisconsoleisread-only,because");
            faults && reason == read_only && text.contains("READ-ONLY") == read_only
        };
        session.wait("notice of what holds here", told);
        assert!(log.exists(), "there is a log");
        session.press("q");
        assert_eq!(session.end(), 0);
    }
    server.signal(Signal::TERM);
    assert!(server.ends().success());
}

/// Either fault may be the one that has to be mended first.
#[test]
fn what_stands_in_the_way_of_a_server_is_told_beside_the_faults_of_the_config() {
    let harbour = Harbour::new();
    let mut server = harbour.serve(&[]);
    harbour.told("READY=1");
    server.signal(Signal::TERM);
    assert!(server.ends().success());
    let faulty = format!("{CONFIG}zone = \"x\"\n");
    harbour.configure(&faulty);
    let ended = |code: i32| {
        let output = harbour.run(&["status"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("no member \"zone\""), "{said}");
        said
    };
    // Somebody listens there, and hangs up.
    let listener = UnixListener::bind(harbour.path(".local/state/quarterdeck/qd.sock")).unwrap();
    std::thread::spawn(move || {
        while let Ok(asked) = listener.accept() {
            drop(asked);
        }
    });
    let said = ended(2);
    assert!(said.contains("cannot be attached to: "), "{said}");

    for name in ["ca.pem", "cert.pem", "key.pem"] {
        fs::write(harbour.path(name), "no certificate").unwrap();
    }
    harbour.configure(&format!(
        "{faulty}[remote]\nserver = \"tcp://127.0.0.1:1\"\n\
         tls = {{ ca = \"ca.pem\", cert = \"cert.pem\", key = \"key.pem\" }}\n"
    ));
    let said = ended(1);
    assert!(said.contains("warning: the config has faults"), "{said}");
    assert!(said.contains("the control plane does not answer"), "{said}");
}
