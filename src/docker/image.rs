//! Image references and the progress of their pulls. Pure.

use std::collections::BTreeMap;

use super::PullStep;

/// The registry that a reference without one means, as people write it.
pub const DOCKER_HUB: &str = "docker.io";
/// Layers followed in one pull; more than any image has.
const LAYERS_MAX: usize = 1024;

/// An image reference taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The registry's host, with a port if one is named.
    pub registry: &'a str,
    /// What to ask the engine for: the reference without tag and digest.
    pub name: &'a str,
    /// Digest if there is one, else tag, else `latest`. Without it an engine would pull every
    /// tag there is.
    pub tag: &'a str,
}

/// Takes an image reference apart, as `docker pull` reads it.
#[must_use]
pub fn reference(image: &str) -> Reference<'_> {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A colon after the last slash is a tag; one before it belongs to the registry's port.
    let path = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[path..].rfind(':') {
        Some(colon) => (&rest[..path + colon], Some(&rest[path + colon + 1..])),
        None => (rest, None),
    };
    let registry = match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => match first {
            "index.docker.io" => DOCKER_HUB,
            host => host,
        },
        _ => DOCKER_HUB,
    };
    Reference {
        registry,
        name,
        tag: digest.or(tag).unwrap_or("latest"),
    }
}

/// What an engine announces of one layer during a pull.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// The layer.
    pub layer: String,
    /// `Downloading`, `Pull complete`, …
    pub status: String,
    /// Bytes received.
    pub current: Option<u64>,
    /// Bytes to come in all.
    pub total: Option<u64>,
}

/// How far the layers of one pull have come.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    layers: BTreeMap<String, (u64, u64)>,
    last: PullStep,
}

impl Layers {
    /// Takes in one announcement and gives the new sum, if it moved.
    pub fn announce(&mut self, said: &Announcement) -> Option<PullStep> {
        let Announcement {
            layer,
            status,
            current,
            total,
        } = said;
        if self.layers.len() >= LAYERS_MAX && !self.layers.contains_key(layer.as_str()) {
            return None;
        }
        let entry = self.layers.entry(layer.clone()).or_default();
        match status.as_str() {
            "Downloading" => {
                entry.1 = total.unwrap_or(0).max(entry.1);
                entry.0 = current.unwrap_or(0).max(entry.0);
                entry.1 = entry.1.max(entry.0);
            }
            // What follows the download counts no further bytes.
            "Download complete" | "Verifying Checksum" | "Extracting" | "Pull complete" => {
                entry.0 = entry.1;
            }
            _ => {}
        }
        let step = PullStep {
            done_bytes: saturating_sum(self.layers.values().map(|layer| layer.0)),
            total_bytes: saturating_sum(self.layers.values().map(|layer| layer.1)),
        };
        (step != std::mem::replace(&mut self.last, step)).then_some(step)
    }
}

/// What an engine announces is no more than its word: sums of it stop at the largest number.
pub fn saturating_sum(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_docker_reads_them() {
        for (image, registry, name, tag) in [
            ("busybox", "docker.io", "busybox", "latest"),
            ("team/app:1.2", "docker.io", "team/app", "1.2"),
            ("host:5000/app", "host:5000", "host:5000/app", "latest"),
            ("host:5000/app:v1", "host:5000", "host:5000/app", "v1"),
            ("localhost/app", "localhost", "localhost/app", "latest"),
            (
                "r.example/a/b:2@sha256:12",
                "r.example",
                "r.example/a/b",
                "sha256:12",
            ),
            (
                "index.docker.io/a/b",
                "docker.io",
                "index.docker.io/a/b",
                "latest",
            ),
        ] {
            let expected = Reference {
                registry,
                name,
                tag,
            };
            assert_eq!(reference(image), expected, "{image}");
        }
    }

    fn announce(
        layers: &mut Layers,
        layer: &str,
        status: &str,
        current: Option<u64>,
        total: Option<u64>,
    ) -> Option<PullStep> {
        layers.announce(&Announcement {
            layer: layer.to_owned(),
            status: status.to_owned(),
            current,
            total,
        })
    }

    #[test]
    fn what_an_engine_claims_does_not_overflow() {
        let mut layers = Layers::default();
        for layer in ["a", "b"] {
            announce(&mut layers, layer, "Downloading", Some(u64::MAX), None);
        }
        assert_eq!(layers.last.done_bytes, u64::MAX);
    }

    #[test]
    fn progress_is_summed_over_layers_and_never_goes_back() {
        let mut layers = Layers::default();
        let step = |done_bytes, total_bytes| {
            Some(PullStep {
                done_bytes,
                total_bytes,
            })
        };
        assert_eq!(
            announce(&mut layers, "a", "Pulling fs layer", None, None),
            None
        );
        let some = |n| Some(n);
        assert_eq!(
            announce(&mut layers, "a", "Downloading", some(10), some(100)),
            step(10, 100)
        );
        assert_eq!(
            announce(&mut layers, "b", "Downloading", some(5), some(50)),
            step(15, 150)
        );
        assert_eq!(
            announce(&mut layers, "b", "Downloading", some(5), some(50)),
            None
        );
        assert_eq!(
            announce(&mut layers, "a", "Download complete", None, None),
            step(105, 150)
        );
        assert_eq!(
            announce(&mut layers, "a", "Extracting", some(3), some(100)),
            None
        );
        assert_eq!(
            announce(&mut layers, "c", "Already exists", None, None),
            None
        );
        assert_eq!(
            announce(&mut layers, "b", "Pull complete", None, None),
            step(150, 150)
        );
    }
}
