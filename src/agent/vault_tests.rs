//! What the vault fetches, and what it says when it cannot.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::agent::fixture;
use crate::config::SecretSettings;
use crate::docker::spec::container_spec;
use crate::model::Partition;
use crate::model::parameters::Secret;

const VALUE: &str = "aye-aye-captain";

fn tuning() -> Tuning {
    Tuning {
        secret_retry_wait: Duration::from_millis(1),
        secret_timeout: Duration::from_secs(10),
        ..Tuning::fast()
    }
}

fn shell(line: &str) -> SecretSource {
    SecretSource::Command(["sh", "-c", line].map(str::to_owned).to_vec())
}

/// A vault with one secret `db`, in that folder.
fn vault(folder: &Path, source: SecretSource) -> Vault {
    let mut settings = Settings::new(Some(folder.join("q.toml")), Vec::new(), Vec::new());
    settings.secrets.push(SecretSettings {
        name: "db".to_owned(),
        source,
    });
    Vault::new(&settings)
}

/// A container that asks for these secrets and files, and has `PLAIN=1`.
fn spec(secrets: &[(&str, &str)], files: &[&str]) -> ContainerSpec {
    let definition = fixture::definition(json!([{"name": "app", "image": "busybox",
        "environment": [{"name": "PLAIN", "value": "1"}]}]));
    let task = fixture::task(1, &definition);
    let container = &definition.container_definitions[0];
    ContainerSpec {
        secrets: secrets
            .iter()
            .map(|(name, value_from)| Secret {
                name: (*name).to_owned(),
                value_from: (*value_from).to_owned(),
            })
            .collect(),
        environment_files: files.iter().map(|f| (*f).to_owned()).collect(),
        ..container_spec(
            &task,
            &definition,
            container,
            fixture::PLANE,
            &Partition::default(),
        )
    }
}

async fn fetched(folder: &Path, source: SecretSource) -> Result<String, String> {
    let mut spec = spec(&[("DB", "db")], &[]);
    let filled = vault(folder, source).fill(&mut spec, &tuning()).await;
    filled.map_err(|error| error.to_string())?;
    assert!(!format!("{spec:?}").contains(VALUE), "{spec:?}");
    assert_eq!(spec.variables()[0], "PLAIN=1");
    Ok(spec.variables()[1].clone())
}

#[tokio::test]
async fn a_secret_comes_from_a_file_a_variable_or_a_program() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("db"), format!("{VALUE}\r\n")).unwrap();
    fs::write(dir.path().join("two"), "a\n\n").unwrap();
    let file = |name: &str| SecretSource::File(name.into());
    let expected = format!("DB={VALUE}");
    assert_eq!(fetched(dir.path(), file("db")).await, Ok(expected.clone()));
    assert_eq!(
        fetched(dir.path(), file("two")).await,
        Ok("DB=a\n".to_owned())
    );
    let echo = shell(&format!("cat; echo {VALUE}; echo noise >&2"));
    assert_eq!(fetched(dir.path(), echo).await, Ok(expected.clone()));
    // Programs run in the config's folder, with nothing to read.
    assert_eq!(fetched(dir.path(), shell("cat db")).await, Ok(expected));
    let path = std::env::var("PATH").unwrap();
    let variable = SecretSource::Environment("PATH".to_owned());
    assert_eq!(
        fetched(dir.path(), variable).await,
        Ok(format!("DB={path}"))
    );
}

#[tokio::test]
async fn what_cannot_be_had_is_told_by_name_and_never_by_what_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("nul", format!("{VALUE}\0").as_bytes());
    write("latin", &[b'a', 0xe9]);
    write("empty", b"\n");
    write("long", &vec![b'x'; 128 * 1024 + 2]);
    let file = |name: &str| SecretSource::File(name.into());
    for (source, what) in [
        (file("gone"), "cannot be read: No such file"),
        (file("."), "is not a file"),
        (file("nul"), "it has a NUL byte"),
        (file("latin"), "it is not UTF-8"),
        (file("empty"), "it is empty"),
        (file("long"), "is longer than 131072 bytes"),
        (
            SecretSource::Environment("QD_TEST_NO_SUCH".to_owned()),
            "has no variable QD_TEST_NO_SUCH",
        ),
        (
            SecretSource::Command(vec!["qd-no-such-program".to_owned()]),
            "cannot be run",
        ),
        (
            shell(&format!("echo {VALUE}; echo {VALUE} >&2; exit 3")),
            "sh ended with exit status: 3",
        ),
        (shell("yes"), "is longer than 131072 bytes"),
    ] {
        let error = fetched(dir.path(), source).await.unwrap_err();
        let begin = "ResourceInitializationError: unable to retrieve secret db: ";
        assert!(
            error.starts_with(begin) && error.contains(what),
            "{what}: {error}"
        );
        assert!(!error.contains(VALUE) && !error.contains("xxx"), "{error}");
    }
    let mut spec = spec(&[("DB", "other")], &[]);
    let vault = vault(dir.path(), file("db"));
    let error = vault.fill(&mut spec, &tuning()).await.unwrap_err();
    assert!(
        error.to_string().contains("has no [[secret]] of that name"),
        "{error}"
    );
}

#[tokio::test]
async fn a_program_that_does_not_end_is_ended_and_one_that_fails_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let hasty = Tuning {
        secret_timeout: Duration::from_millis(50),
        secret_retries: 0,
        ..tuning()
    };
    let mut one = spec(&[("DB", "db")], &[]);
    let hanging = vault(dir.path(), shell("exec sleep 1000"));
    let error = hanging.fill(&mut one, &hasty).await.unwrap_err();
    assert!(
        error.to_string().contains("sh did not end within 0.05 s"),
        "{error}"
    );
    // It fails the first time and leaves a mark that makes it go well the second time.
    let flaky = shell("test -e mark && echo well || { touch mark; exit 1; }");
    assert_eq!(fetched(dir.path(), flaky).await, Ok("DB=well".to_owned()));
}

#[tokio::test]
async fn files_give_way_to_the_environment_and_the_first_file_to_none_of_the_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("env")).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("db", VALUE);
    write("env/a", "# comment\n\nPLAIN=2\nDB=3\nA=\"x y\" # z\r\nE=\n");
    write("env/b", "\u{feff}A=other\nB=b=b\n");
    let mut spec = spec(&[("DB", "db")], &["env/a", "env/b"]);
    let vault = vault(dir.path(), SecretSource::File("db".into()));
    vault.fill(&mut spec, &tuning()).await.unwrap();
    let secret = format!("DB={VALUE}");
    assert_eq!(
        spec.variables(),
        ["PLAIN=1", &secret, "A=\"x y\" # z", "E=", "B=b=b"]
    );
    assert!(!format!("{spec:?}").contains("b=b"), "{spec:?}");
}

#[tokio::test]
async fn a_line_that_is_no_variable_is_told_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    for (text, what) in [
        ("A=1\nshout\n", "line 2 is not NAME=VALUE"),
        ("A B=1\n", "line 1 does not begin with a variable's name"),
        ("=1\n", "line 1 does not begin with a variable's name"),
    ] {
        fs::write(dir.path().join("a"), text).unwrap();
        let mut spec = spec(&[], &["a"]);
        let vault = vault(dir.path(), SecretSource::File("db".into()));
        let error = vault
            .fill(&mut spec, &tuning())
            .await
            .unwrap_err()
            .to_string();
        let expected =
            format!("ResourceInitializationError: unable to read environment file a: {what}");
        assert_eq!(error, expected);
    }
}
