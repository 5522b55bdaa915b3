//! What the console asks of the terminal beside pictures, seen from the terminal's side.

use portable_pty::CommandBuilder;

use crate::pty::{Session, demo, demo_with};

#[test]
fn a_name_is_copied_by_the_terminal() {
    let mut session = demo(80, 24);
    session.press("/web\ry");
    session.wait_for("Copied service name: web");
    // Told plainly: tmux passes it on by itself where set-clipboard is on.
    session.wait_to_hear("\x1b]52;c;d2Vi\x07");
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

/// Which reports of the mouse the terminal gives.
fn mouse(session: &Session) -> vt100::MouseProtocolMode {
    session.screen.screen().mouse_protocol_mode()
}

#[test]
fn the_mouse_is_ours_until_the_end_and_whenever_nothing_else_has_the_terminal() {
    use vt100::MouseProtocolMode as Mode;
    let mut session = demo(80, 24);
    // Buttons and the wheel, never mere moves.
    assert_eq!(mouse(&session), Mode::PressRelease);
    session.press("\x1b[<0;6;13M\x1b[<0;6;13m");
    session.wait("a click on the second pane", |screen| {
        screen
            .contents()
            .lines()
            .nth(6)
            .is_some_and(|line| line.contains("TASK"))
    });
    session.press("M");
    session.wait_for("select text");
    session.wait("the mouse left", |screen| {
        screen.mouse_protocol_mode() == Mode::None
    });
    session.press("M");
    session.wait("the mouse taken", |screen| {
        screen.mouse_protocol_mode() == Mode::PressRelease
    });
    session.press("2a!\r");
    session.wait_for("/ #");
    assert_eq!(
        mouse(&session),
        Mode::None,
        "the shell's programs ask for it themselves"
    );
    session.press("exit\r");
    session.wait("the console again", |screen| {
        screen.alternate_screen() && screen.mouse_protocol_mode() == Mode::PressRelease
    });
    // Of one that ended this soon a notice tells, which wants esc.
    session.wait_for("exit code 0");
    session.press("\u{1b}");
    session.wait("the notice gone", |screen| {
        !screen.contents().contains("exit code 0")
    });
    session.press("q");
    assert_eq!(session.end(), 0);
    assert_eq!(mouse(&session), Mode::None);
    session.assert_given_back();
}

#[test]
fn the_mouse_is_given_back_by_a_console_that_is_told_to_end() {
    let mut session = demo(80, 24);
    let pid = session.child.process_id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(session.end(), 0);
    assert_eq!(mouse(&session), vt100::MouseProtocolMode::None);
    session.assert_given_back();
}

/// The demo, with an editor that is this script.
fn editing(script: &str) -> (tempfile::TempDir, Session) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let editor = folder.path().join("editor");
    std::fs::write(&editor, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o700)).unwrap();
    let session = demo_with(120, 40, |command| {
        command.env_remove("VISUAL");
        command.env("EDITOR", &editor);
        command.env("TMPDIR", folder.path());
    });
    (folder, session)
}

/// What lies in the folder for temporary files beside the editor.
fn left(folder: &tempfile::TempDir) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let paths = entries.map(|it| it.unwrap().path());
    paths.filter(|it| !it.ends_with("editor")).collect()
}

#[test]
fn the_editor_has_the_terminal_and_what_it_leaves_is_asked_about_and_done() {
    use vt100::MouseProtocolMode as Mode;
    // A line is read as a shell's would be: the terminal is as it was before the console.
    let (folder, mut session) = editing(
        "stat -c 'mode %a' \"$1\"; echo 'how many?'; read count\n\
         sed -i \"s/\\\"minimumHealthyPercent\\\": [0-9]*/\\\"minimumHealthyPercent\\\": $count/\" \"$1\"",
    );
    session.press("/web\re");
    session.wait_for("how many?");
    assert!(session.text().contains("mode 600"), "{}", session.text());
    assert!(!session.screen.screen().alternate_screen());
    assert!(!session.screen.screen().bracketed_paste());
    assert_eq!(mouse(&session), Mode::None);
    session.press("70\r");
    session.wait_for("Change service web");
    session.wait_for("minimumHealthyPercent:");
    assert!(session.screen.screen().alternate_screen());
    assert_eq!(mouse(&session), Mode::PressRelease);
    assert_eq!(
        left(&folder),
        Vec::<std::path::PathBuf>::new(),
        "nothing is left behind"
    );
    session.wait_for("do exactly this");
    session.press("\r");
    session.wait_for("Done: Change service web");
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn an_editor_that_cannot_be_or_fails_changes_nothing_and_ctrl_c_in_it_does_not_end_the_console() {
    let (_folder, mut session) =
        editing("trap 'exit 3' INT; echo waiting; while :; do sleep 0.1; done");
    session.press("e");
    session.wait_for("waiting");
    session.press("\u{3}");
    session.wait_for("Nothing was changed");
    session.press("?");
    session.wait_for("Everywhere in the fleet");
    session.press("qq");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_full_screen_editor_that_is_killed_leaves_the_terminal_in_order_and_its_text_is_kept() {
    let (folder, mut session) =
        editing("echo half > \"$1\"; printf '\\033[?1047h'; echo waiting; kill -KILL $$");
    session.press("e");
    session.wait_for("What was saved is kept in");
    // Off the editor's screen, then on ours.
    session.wait_to_hear("\x1b[?1047h");
    session.wait_to_hear("\x1b[?1047l");
    assert_eq!(left(&folder).len(), 1);
    session.press("q");
    assert_eq!(session.end(), 0);
    session.assert_given_back();
}

#[test]
fn a_console_that_is_told_to_end_while_something_is_edited_keeps_the_text_and_says_where() {
    let (folder, mut session) = editing("echo 'half of it' > \"$1\"; echo waiting; exec sleep 600");
    session.press("e");
    session.wait_for("waiting");
    let pid = session.child.process_id().unwrap().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
    assert_eq!(session.end(), 0);
    session.assert_given_back();
    assert!(session.text().contains("is kept in"), "{}", session.text());
    let [kept] = left(&folder).try_into().unwrap();
    let file = std::fs::read_dir(kept)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(std::fs::read_to_string(file).unwrap(), "half of it\n");
}

/// The console over an empty fleet whose state is kept in that folder, with that said about it.
fn at_home(folder: &tempfile::TempDir, console: &str) -> Session {
    let config = folder.path().join("quarterdeck.toml");
    let text = format!("[[cluster]]\nname = \"default\"\n[console]\n{console}\n");
    std::fs::write(&config, text).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_qd"));
    command.arg("--config");
    command.arg(&config);
    command.arg("--state");
    command.arg(folder.path().join("state"));
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    let mut session = Session::start(command, 120, 40);
    session.wait_for("? help");
    session
}

#[test]
fn the_console_looks_the_next_time_as_it_did_when_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/console.json");
    let mut session = at_home(&folder, "");
    session.press("2/nginx\rM");
    session.wait_for("/nginx");
    session.wait("the mouse left", |screen| {
        screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    });
    session.press("q");
    assert_eq!(session.end(), 0);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.contains("\"focus\": \"tasks\""), "{kept}");

    let mut session = at_home(&folder, "");
    session.wait_for("/nginx");
    session.wait("the mouse left", |screen| {
        screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    });
    session.press("q");
    assert_eq!(session.end(), 0);

    // Told not to, it neither looks nor writes.
    let mut session = at_home(&folder, "restore = false");
    session.press("3/other\r");
    session.wait_for("/other");
    assert!(!session.text().contains("/nginx"), "{}", session.text());
    session.press("q");
    assert_eq!(session.end(), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);

    // What cannot be read is said, begun afresh, and not written over.
    std::fs::write(&file, "{ half of").unwrap();
    let mut session = at_home(&folder, "");
    session.wait_for("cannot be read, so it");
    assert!(!session.text().contains("/nginx"), "{}", session.text());
    session.press("q");
    assert_eq!(session.end(), 0);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ half of");
    session.assert_given_back();
}
