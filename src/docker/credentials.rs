//! Registry credentials from Docker's own config and its helpers.
//!
//! The files and programs are those that `docker login` writes and `docker pull` reads, on the
//! machine where this program runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::image::{DOCKER_HUB, reference};

/// The key under which Docker keeps credentials for its own registry.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// Longest wait for a credential helper; some unlock a key ring or ask a cloud.
const HELPER_WAIT: Duration = Duration::from_secs(15);
/// Most that is read from a helper, in bytes.
const HELPER_BYTES: u64 = 64 * 1024;
/// The user name by which a helper says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What an engine sends to a registry on our behalf.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryAuth {
    /// User name; empty with an identity token.
    pub username: String,
    /// Password; empty with an identity token.
    pub password: String,
    /// Identity token, in place of user and password.
    pub identity_token: Option<String>,
    /// The registry, as Docker names it in its config.
    pub server: String,
}

impl RegistryAuth {
    /// The header's value in which an engine takes them: JSON in the alphabet of base64 for URLs
    /// (Docker API, "Authentication"). In the other one an engine cannot read it, and asks the
    /// registry as nobody.
    #[must_use]
    pub fn header(&self) -> String {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let auth = serde_json::json!({
            "username": given(&self.username),
            "password": given(&self.password),
            "identitytoken": self.identity_token,
            "serveraddress": self.server,
        });
        URL_SAFE.encode(auth.to_string())
    }
}

impl std::fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets stay out of logs and test output.
        write!(f, "RegistryAuth({} at {})", self.username, self.server)
    }
}

/// What was found for an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Credentials; `None` = pull without.
    pub auth: Option<RegistryAuth>,
    /// Why some could not be had, to be told if the pull fails.
    pub warnings: Vec<String>,
}

impl Found {
    fn warn(warning: String) -> Self {
        Self {
            auth: None,
            warnings: vec![warning],
        }
    }
}

/// Docker's config folder.
#[derive(Clone, Debug)]
pub struct Credentials {
    folder: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct DockerConfig {
    auths: BTreeMap<String, AuthEntry>,
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "lowercase")]
struct AuthEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl Credentials {
    /// The folder that `docker` itself would use: `$DOCKER_CONFIG`, else `~/.docker`.
    #[must_use]
    pub fn from_environment() -> Self {
        let named = std::env::var_os("DOCKER_CONFIG").filter(|v| !v.is_empty());
        let home = std::env::var_os("HOME").filter(|v| !v.is_empty());
        Self {
            folder: named
                .map(PathBuf::from)
                .or_else(|| home.map(|home| PathBuf::from(home).join(".docker"))),
        }
    }

    /// A folder with a `config.json`.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self {
            folder: Some(folder),
        }
    }

    /// The credentials for an image's registry. The file is read anew each time: people log in
    /// while this program runs.
    pub async fn find(&self, image: &str) -> Found {
        let Some(path) = self.folder.as_ref().map(|f| f.join("config.json")) else {
            return Found::default();
        };
        let text = match tokio::fs::read(&path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Found::default(),
            Err(error) => {
                return Found::warn(format!(
                    "Docker's config {} cannot be read: {error}",
                    path.display()
                ));
            }
        };
        let config: DockerConfig = match serde_json::from_slice(&text) {
            Ok(config) => config,
            Err(error) => {
                return Found::warn(format!(
                    "Docker's config {} is not valid: {error}",
                    path.display()
                ));
            }
        };
        let registry = reference(image).registry;
        let key = if registry == DOCKER_HUB {
            DOCKER_HUB_KEY
        } else {
            registry
        };
        let helper = config
            .cred_helpers
            .get(key)
            .or_else(|| config.cred_helpers.get(registry))
            .filter(|name| !name.is_empty())
            .or_else(|| Some(&config.creds_store).filter(|name| !name.is_empty()));
        match helper {
            Some(helper) => ask_helper(helper, key).await,
            None => from_file(&config, key),
        }
    }
}

/// The host of a key in Docker's config, which may be a whole address.
fn host_of(key: &str) -> &str {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

fn from_file(config: &DockerConfig, key: &str) -> Found {
    let exact = config.auths.get_key_value(key);
    let by_host = || {
        config
            .auths
            .iter()
            .find(|(k, _)| host_of(k) == host_of(key))
    };
    let Some((name, entry)) = exact.or_else(by_host) else {
        return Found::default();
    };
    let mut auth = RegistryAuth {
        username: entry.username.clone(),
        password: entry.password.clone(),
        identity_token: Some(entry.identitytoken.clone()).filter(|t| !t.is_empty()),
        server: key.to_owned(),
    };
    if !entry.auth.is_empty() {
        let Some((username, password)) = decode(&entry.auth) else {
            return Found::warn(format!(
                "the entry \"{name}\" in Docker's config is damaged: log in again with docker login"
            ));
        };
        (auth.username, auth.password) = (username, password);
    }
    if auth.username.is_empty() && auth.identity_token.is_none() {
        return Found::default();
    }
    Found {
        auth: Some(auth),
        warnings: Vec::new(),
    }
}

/// `USER:PASSWORD` in base64.
fn decode(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let bytes = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (username, password) = text.split_once(':')?;
    Some((
        username.to_owned(),
        password.trim_end_matches('\0').to_owned(),
    ))
}

async fn ask_helper(name: &str, key: &str) -> Found {
    let program = format!("docker-credential-{name}");
    match timeout(HELPER_WAIT, run_helper(&program, key)).await {
        Ok(found) => found,
        Err(_) => Found::warn(format!(
            "the credential helper {program} gave no answer for {key} within {} s",
            HELPER_WAIT.as_secs()
        )),
    }
}

async fn run_helper(program: &str, key: &str) -> Found {
    let failed = |what: String| Found::warn(format!("the credential helper {program} {what}"));
    let spawned = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => return failed(format!("cannot be run: {error}")),
    };
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return failed("cannot be spoken to".to_owned());
    };
    // A helper that does not read its input ends without: its answer tells.
    let written = input.write_all(key.as_bytes()).await;
    drop(input);
    let mut text = Vec::new();
    let read = output.take(HELPER_BYTES).read_to_end(&mut text).await;
    let status = match (read, child.wait().await) {
        (Ok(_), Ok(status)) => status,
        (Err(error), _) | (_, Err(error)) => return failed(format!("failed: {error}")),
    };
    let text = String::from_utf8_lossy(&text);
    if !status.success() {
        if text.contains("credentials not found") {
            return Found::default();
        }
        let note = written.map_or_else(|error| format!(" ({error})"), |()| String::new());
        return failed(format!("failed for {key}: {}{note}", text.trim()));
    }
    match serde_json::from_str::<HelperAnswer>(&text) {
        Ok(answer) => Found {
            auth: Some(auth_of(answer, key)),
            warnings: Vec::new(),
        },
        Err(error) => failed(format!("gave no valid answer for {key}: {error}")),
    }
}

fn auth_of(answer: HelperAnswer, key: &str) -> RegistryAuth {
    let token = answer.username == TOKEN_USER;
    RegistryAuth {
        username: if token {
            String::new()
        } else {
            answer.username
        },
        password: if token {
            String::new()
        } else {
            answer.secret.clone()
        },
        identity_token: token.then_some(answer.secret),
        server: key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(config: &str) -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let credentials = Credentials::in_folder(folder.path().to_owned());
        (folder, credentials)
    }

    /// Signs that the two alphabets write differently, wherever they stand.
    #[test]
    fn credentials_go_in_the_alphabet_that_engines_read() {
        for password in ["~?>", "a~?>", "ab~?>", "ünïcödé?>~"] {
            let auth = RegistryAuth {
                username: "ann".into(),
                password: password.into(),
                identity_token: None,
                server: "registry.example".into(),
            };
            let header = auth.header();
            assert!(!header.contains(['+', '/']), "{header}");
            let bytes = URL_SAFE.decode(&header).unwrap();
            let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(read["password"], password);
        }
    }

    fn user(found: &Found) -> Option<(&str, &str)> {
        assert_eq!(found.warnings, Vec::<String>::new());
        let auth = found.auth.as_ref()?;
        Some((&auth.username, &auth.password))
    }

    #[tokio::test]
    async fn logins_in_the_file_are_found_by_registry() {
        let config = json!({"auths": {
            "https://index.docker.io/v1/": {"auth": STANDARD.encode("hub:pa:ss")},
            "https://r.example/v2/": {"auth": STANDARD.encode("me:secret")},
            "host:5000": {"identitytoken": "tok"},
        }});
        let (_folder, credentials) = folder(&config.to_string());
        let hub = credentials.find("team/app:1").await;
        assert_eq!(user(&hub), Some(("hub", "pa:ss")));
        assert_eq!(hub.auth.unwrap().server, "https://index.docker.io/v1/");
        assert_eq!(
            user(&credentials.find("r.example/app").await),
            Some(("me", "secret"))
        );
        let token = credentials.find("host:5000/app").await.auth.unwrap();
        assert_eq!(token.identity_token.as_deref(), Some("tok"));
        assert_eq!(
            credentials.find("other.example/app").await,
            Found::default()
        );
    }

    #[tokio::test]
    async fn no_file_is_no_credentials_and_a_damaged_one_is_told() {
        let empty = tempfile::tempdir().unwrap();
        let none = Credentials::in_folder(empty.path().to_owned());
        assert_eq!(none.find("busybox").await, Found::default());
        let (_folder, damaged) = folder("{\"auths\": ");
        assert!(damaged.find("busybox").await.warnings[0].contains("is not valid"));
        let config = json!({"auths": {"r.example": {"auth": "%%%"}}});
        let (_folder, damaged) = folder(&config.to_string());
        let found = damaged.find("r.example/app").await;
        assert!(found.warnings[0].contains("docker login"), "{found:?}");
    }

    /// A helper is looked for by name in PATH; an absolute path in the name's place would not be
    /// Docker's way, so these run it directly.
    async fn helper(script: &str) -> Found {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helper");
        // Written by another process: a file that this one has open for writing could be
        // inherited by a child of a neighbouring test, and would then be "busy".
        let status = std::process::Command::new("sh")
            .args([
                "-c",
                r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 700 "$0""#,
            ])
            .arg(&path)
            .arg(script)
            .status();
        assert!(status.unwrap().success());
        run_helper(path.to_str().unwrap(), "r.example").await
    }

    #[tokio::test]
    async fn helpers_are_asked_over_their_input_and_output() {
        let script =
            r#"read key; echo "{\"ServerURL\":\"$key\",\"Username\":\"u-$key\",\"Secret\":\"s\"}""#;
        assert_eq!(user(&helper(script).await), Some(("u-r.example", "s")));
        let token = helper(r#"echo '{"ServerURL":"","Username":"<token>","Secret":"t"}'"#).await;
        assert_eq!(token.auth.unwrap().identity_token.as_deref(), Some("t"));
        let unknown = helper("echo credentials not found in native keychain; exit 1").await;
        assert_eq!(unknown, Found::default());
        let broken = helper("echo the key ring is locked; exit 1").await;
        assert!(broken.warnings[0].contains("the key ring is locked"));
        assert!(helper("echo nonsense").await.warnings[0].contains("no valid answer"));
    }

    #[tokio::test]
    async fn a_missing_helper_is_told_by_name() {
        let config = json!({"credHelpers": {"r.example": "qd-absent"}});
        let (_folder, credentials) = folder(&config.to_string());
        let found = credentials.find("r.example/app").await;
        assert!(
            found.warnings[0].contains("docker-credential-qd-absent cannot be run"),
            "{found:?}"
        );
        assert_eq!(credentials.find("busybox").await, Found::default());
    }

    #[test]
    fn secrets_do_not_show() {
        let auth = RegistryAuth {
            username: "u".to_owned(),
            password: "hunter2".to_owned(),
            identity_token: None,
            server: "r".to_owned(),
        };
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
