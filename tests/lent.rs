//! What the console asks of the terminal beside pictures, seen from the terminal's side.

use crate::pty::{Session, demo};

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
