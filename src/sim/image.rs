//! Simulated images: which can be had, and what pulling them looks like.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::dice::{between, fold, fold_text};
use crate::docker::{EngineError, PullStep};

/// Milliseconds between two reports of a pull.
pub(super) const STEP_MS: u64 = 120;

/// The reference with its tag written out, so that `web` and `web:latest` are one image.
pub(super) fn full_name(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// The registry that all simulated hosts pull from: how often each tag was pushed anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry(Arc<Mutex<BTreeMap<String, u64>>>);

impl Registry {
    fn pushes(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a tag to another image.
    pub(super) fn push(&self, image: &str) {
        *self.pushes().entry(full_name(image)).or_default() += 1;
    }

    /// What a reference stands for: itself if it is a digest.
    pub(super) fn digest(&self, image: &str) -> String {
        match image.split_once('@') {
            Some((_, digest)) => digest.to_owned(),
            None => {
                let pushed = self.pushes().get(&full_name(image)).copied();
                digest(image, pushed.unwrap_or_default())
            }
        }
    }
}

/// The digest of an image's tag after so many pushes.
fn digest(image: &str, pushed: u64) -> String {
    let words = (0..4).map(|word| fold(fold_text(word, &full_name(image)), &[word, pushed]));
    let hex: String = words.map(|word| format!("{word:016x}")).collect();
    format!("sha256:{hex}")
}

/// The repository of a reference, without tag and digest.
pub(super) fn repository(image: &str) -> &str {
    crate::docker::image::reference(image).name
}

/// Whether an image is nowhere to be had: everything under `missing/`, and the tag `nope`.
///
/// # Errors
/// What the engine says of it.
pub(super) fn obtainable(image: &str) -> Result<(), EngineError> {
    let full = full_name(image);
    if let Some(name) = full.strip_prefix("missing/") {
        let name = name.split([':', '@']).next().unwrap_or(name);
        return Err(EngineError::NotFound(format!(
            "pull access denied for missing/{name}, repository does not exist or may require \
             'docker login': denied: requested access to the resource is denied"
        )));
    }
    if full.ends_with(":nope") {
        return Err(EngineError::NotFound(format!(
            "manifest for {full} not found: manifest unknown: manifest unknown"
        )));
    }
    Ok(())
}

/// Every report of a pull, [`STEP_MS`] apart. The total grows while layers are found.
pub(super) fn pull_steps(image: &str, bytes_per_s: u64) -> Vec<PullStep> {
    let key = fold_text(0, &full_name(image));
    let count = between(fold(key, &[0]), 3, 6);
    let layers: Vec<u64> = (1..=count)
        .map(|layer| between(fold(key, &[layer]), 400_000, 24_000_000))
        .collect();
    let total: u64 = layers.iter().sum();
    let per_step = (bytes_per_s / (1000 / STEP_MS)).max(1);
    let mut steps = Vec::new();
    let (mut done, mut found) = (0, 1);
    while done < total {
        let known: u64 = layers.iter().take(found).sum();
        steps.push(PullStep {
            done_bytes: done,
            total_bytes: known.max(done),
        });
        done = (done + per_step).min(total);
        found += 1;
    }
    steps.push(PullStep {
        done_bytes: total,
        total_bytes: total,
    });
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_tag_are_the_latest() {
        assert_eq!(full_name("shop/web"), "shop/web:latest");
        assert_eq!(full_name("shop/web:1"), "shop/web:1");
        let registry = Registry::default();
        let one = registry.digest("shop/web:1");
        assert_eq!(
            registry.digest("shop/web"),
            registry.digest("shop/web:latest")
        );
        assert_ne!(one, registry.digest("shop/web:2"));
        registry.push("shop/web:1");
        assert_ne!(one, registry.digest("shop/web:1"));
        assert_eq!(one, registry.digest(&format!("shop/web@{one}")));
    }

    #[test]
    fn what_cannot_be_had_says_so_in_dockers_words() {
        assert!(obtainable("shop/web:1").is_ok());
        let denied = obtainable("missing/web").unwrap_err().to_string();
        assert!(
            denied.contains("pull access denied for missing/web,"),
            "{denied}"
        );
        let unknown = obtainable("shop/web:nope").unwrap_err().to_string();
        assert!(unknown.contains("manifest unknown"), "{unknown}");
    }

    #[test]
    fn a_pull_never_goes_back_and_ends_whole() {
        let steps = pull_steps("shop/web:1", 30_000_000);
        assert!(steps.len() > 2);
        assert!(steps.iter().all(|s| s.done_bytes <= s.total_bytes));
        assert!(
            steps
                .windows(2)
                .all(|w| w[0].done_bytes <= w[1].done_bytes && w[0].total_bytes <= w[1].total_bytes)
        );
        let last = steps.last().unwrap();
        assert_eq!(last.done_bytes, last.total_bytes);
    }
}
