//! What the fuzz targets were given once, given to the same bodies again: without cargo-fuzz, on
//! every machine. A body that panics or does not return fails here.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// The most files that are kept of all targets together, and the longest.
const FILES_MAX: usize = 300;
const BYTES_MAX: usize = 4 * 1024;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_replayed_without_a_panic() {
    for (target, body) in bodies::ALL {
        let inputs = files(&corpus().join(target));
        assert!(inputs.len() >= 3, "{target} has {} inputs", inputs.len());
        for input in inputs {
            let bytes = fs::read(&input).unwrap();
            let ended = std::panic::catch_unwind(|| body(&bytes));
            assert!(ended.is_ok(), "{}", input.display());
        }
    }
}

#[test]
fn the_corpus_is_small_and_every_target_is_there() {
    let targets: Vec<String> = bodies::ALL.map(|(name, _)| name.to_owned()).into();
    let names = |folder: &Path| -> Vec<String> {
        let files = files(folder);
        let stems = files
            .iter()
            .map(|it| it.file_stem().unwrap().to_string_lossy());
        stems.map(|it| it.into_owned()).collect()
    };
    assert_eq!(names(&corpus()), targets);
    assert_eq!(names(&corpus().join("../fuzz_targets")), targets);
    let all: Vec<PathBuf> = targets
        .iter()
        .flat_map(|it| files(&corpus().join(it)))
        .collect();
    assert!(all.len() <= FILES_MAX, "{} files", all.len());
    for file in all {
        let length = fs::metadata(&file).unwrap().len();
        assert!(
            length <= BYTES_MAX as u64,
            "{}: {length} bytes",
            file.display()
        );
    }
}

/// Bytes of no kind at all, and of every length up to a small one: most bodies refuse them at
/// once, and all of them return.
#[test]
fn no_body_minds_what_is_no_input() {
    for (target, body) in bodies::ALL {
        for length in 0..40 {
            for fill in [0, b' ', b'{', b'[', b'(', 0x1b, 0x80, 0x9b, 0xff] {
                let ended = std::panic::catch_unwind(|| body(&vec![fill; length]));
                assert!(ended.is_ok(), "{target}: {length} times {fill:#x}");
            }
        }
    }
}
