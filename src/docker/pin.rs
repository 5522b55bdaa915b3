//! What an image reference stands for: the digest that every host then runs. Pure.

use super::image::reference;
use super::{EngineError, EngineResult};

/// What an engine made of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// This digest, `sha256:…`.
    Digest(String),
    /// An image of this engine that no registry gives: there is nothing to pin to, for the
    /// reason given.
    Local(String),
    /// No registry could be asked and the image is not here: to be asked again once it was
    /// pulled.
    AfterPull(String),
}

/// Words of an engine by which a registry has answered, and does not give the image.
const ANSWERED: [&str; 5] = [
    "not found",
    "manifest unknown",
    "denied",
    "unauthorized",
    "authentication required",
];

/// The reference without its tag, at that digest.
#[must_use]
pub fn pinned(image: &str, digest: &str) -> String {
    format!("{}@{digest}", reference(image).name)
}

/// Whether a reference names a digest itself.
#[must_use]
pub fn is_digest(image: &str) -> bool {
    image.contains('@')
}

/// The name as Docker shortens it, so that two spellings of one name are equal.
fn familiar(name: &str) -> &str {
    let name = name
        .strip_prefix("index.docker.io/")
        .or_else(|| name.strip_prefix("docker.io/"))
        .unwrap_or(name);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Which digest an engine itself knows for a reference, from the `RepoDigests` of its image.
#[must_use]
pub fn known_digest(image: &str, repo_digests: &[String]) -> Option<String> {
    let wanted = familiar(reference(image).name);
    repo_digests.iter().find_map(|known| {
        let (name, digest) = known.split_once('@')?;
        (familiar(name) == wanted).then(|| digest.to_owned())
    })
}

/// Whether the registry is worth asking: an image that is here and came from no registry was
/// built or loaded here, and a registry's image of the same name would be another.
#[must_use]
pub fn is_to_be_asked(image: &str, here: Option<&[String]>) -> bool {
    here.is_none_or(|digests| known_digest(image, digests).is_some())
}

/// What a reference stands for, from the `RepoDigests` of the image if the engine has it, and
/// from the registry's answer if it was asked.
#[must_use]
pub fn resolution(
    image: &str,
    here: Option<&[String]>,
    asked: Option<EngineResult<String>>,
) -> Resolution {
    let error = match asked {
        Some(Ok(digest)) => return Resolution::Digest(digest),
        Some(Err(error)) => error,
        None => return Resolution::Local("it was built or loaded there, not pulled".to_owned()),
    };
    let Some(digests) = here else {
        return Resolution::AfterPull(error.to_string());
    };
    match known_digest(image, digests) {
        Some(digest) if !has_answered(&error) => Resolution::Digest(digest),
        _ => Resolution::Local(format!("its registry does not give it: {error}")),
    }
}

fn has_answered(error: &EngineError) -> bool {
    match error {
        EngineError::NotFound(_) | EngineError::Refused(_) | EngineError::Conflict(_) => true,
        EngineError::Unreachable(_) => false,
        EngineError::Failed(text) => {
            let text = text.to_lowercase();
            ANSWERED.iter().any(|words| text.contains(words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_pinned_by_its_name_without_tag() {
        assert_eq!(pinned("busybox:1.36", "sha256:1"), "busybox@sha256:1");
        assert_eq!(pinned("h:5000/a/b", "sha256:1"), "h:5000/a/b@sha256:1");
        assert!(is_digest("busybox@sha256:1") && !is_digest("h:5000/busybox:1"));
    }

    #[test]
    fn the_registry_has_the_word_and_what_is_here_stands_in_while_it_is_away() {
        let here = ["other@sha256:9".to_owned(), "busybox@sha256:1".to_owned()];
        let here = Some(&here[..]);
        let image = "docker.io/library/busybox:1";
        let away = || Some(Err(EngineError::Failed("dial tcp: i/o timeout".to_owned())));
        let denied = || Some(Err(EngineError::Failed("Denied: no access".to_owned())));
        let digest = |text: &str| Resolution::Digest(text.to_owned());
        let found = Some(Ok("sha256:2".to_owned()));
        assert_eq!(resolution(image, here, found), digest("sha256:2"));
        assert_eq!(resolution(image, here, away()), digest("sha256:1"));
        let Resolution::Local(reason) = resolution(image, here, denied()) else {
            panic!("pinned to what the registry does not give");
        };
        assert!(reason.contains("no access"), "{reason}");
        let nothing = resolution(image, None, away());
        assert!(matches!(nothing, Resolution::AfterPull(_)), "{nothing:?}");
    }

    #[test]
    fn what_was_built_here_is_not_looked_for_under_another_ones_name() {
        assert!(is_to_be_asked("web:1", None));
        assert!(!is_to_be_asked("web:1", Some(&[])));
        assert!(!is_to_be_asked(
            "web:1",
            Some(&["team/web@sha256:1".to_owned()])
        ));
        assert!(is_to_be_asked("web:1", Some(&["web@sha256:1".to_owned()])));
        let built = resolution("web:1", Some(&[]), None);
        assert!(matches!(built, Resolution::Local(_)), "{built:?}");
    }
}
