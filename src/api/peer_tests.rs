//! Who may use the socket, as the kernel sees it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::tests::Rig;
use super::wire;

/// As another user, which takes root; what curl is not there for is not shown here.
#[tokio::test]
async fn another_user_is_refused_in_plain_words_even_where_the_mode_lets_them_in() {
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let curl = Path::new("/usr/bin/curl");
    if !rustix::process::geteuid().is_root() || !curl.exists() {
        let in_ci = std::env::var_os("CI").is_some();
        assert!(
            !in_ci,
            "must not be skipped under CI: it takes root, and curl"
        );
        println!("skipped: it takes root, and curl");
        return;
    }
    let rig = Rig::new(1).await;
    let socket = rig.socket();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let ask = async |user: u32| {
        let mut asked = std::process::Command::new(curl);
        asked.args([
            "--silent",
            "--show-error",
            "--max-time",
            "30",
            "--unix-socket",
        ]);
        asked.arg(&socket).args(["-d", "{}", "-H"]);
        asked.arg(format!(
            "X-Amz-Target: {}CreateCluster",
            wire::TARGET_PREFIX
        ));
        asked.arg("-H").arg(format!("{}: root", wire::USER_HEADER));
        asked
            .arg("http://quarterdeck/")
            .uid(user)
            .gid(user)
            .current_dir("/");
        tokio::task::spawn_blocking(move || asked.output().unwrap())
            .await
            .unwrap()
    };
    // The mode alone keeps them out.
    let out = ask(NOBODY).await;
    assert!(!out.status.success() && out.stdout.is_empty(), "{out:?}");
    open(rig.dir(), 0o755);
    open(&socket, 0o666);
    let out = ask(NOBODY).await;
    let body: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(body["__type"], "AccessDeniedException");
    let words = body["message"].as_str().unwrap();
    assert!(words.contains("its socket serves root alone"), "{words}");
    let out = ask(0).await;
    let body: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(body["cluster"].is_object(), "{body}");
    rig.end().await;
}
