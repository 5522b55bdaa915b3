//! What the console asks of the terminal beside pictures, seen from the terminal's side.

use crate::pty::demo;

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
