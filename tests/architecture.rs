//! The walls, read from the sources: imports point downward, pure rooms stay pure, one place
//! names each foreign engine, no file grows without end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the ground up. A room may use those below it, and those on its own floor as long
/// as they do not use it in turn.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["config", "document"],
    &["docker", "scheduler", "store"],
    &["sim"],
    &["agent"],
    &["controller"],
    &["api", "client"],
    &["apply", "demo", "storm"],
    &["cli", "tui"],
    &["main"],
];

/// Files and folders that decide and do nothing else.
const PURE: &[&str] = &[
    "src/model/",
    "src/scheduler/",
    "src/controller/core/",
    "src/controller/command.rs",
    "src/controller/command/",
    "src/controller/wire.rs",
    "src/docker/pin.rs",
    "src/docker/secret.rs",
    "src/docker/spec",
    "src/docker/holder",
    "src/docker/volume.rs",
    "src/tui/logs/",
    "src/tui/update",
    "src/agent/step.rs",
    "src/agent/order.rs",
    "src/agent/pins.rs",
    "src/agent/start.rs",
];

/// What a pure room does not name.
const IMPURE: &[&[&str]] = &[
    &["tokio"],
    &["tracing"],
    &["rand"],
    &["rustix"],
    &["crossterm", "cursor"],
    &["crossterm", "execute"],
    &["crossterm", "terminal"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "io"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["std", "time", "UNIX_EPOCH"],
];

/// Crates that one file or folder alone names, so that they could be exchanged.
const ONE_PLACE_EACH: &[(&str, &str)] = &[
    ("bollard", "src/docker/bollard/"),
    ("rusqlite", "src/store/sqlite.rs"),
];

/// No file is longer than a reader's patience.
const LINES_MAX: usize = 700;

struct Source {
    /// From the package's folder, with `/`.
    path: String,
    text: String,
    /// Every path in the code with two or more segments, groups written out; what is built for
    /// tests only is left out.
    paths: Vec<Vec<String>>,
}

fn sources() -> Vec<Source> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&package.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources are not where they should be");
    files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let path = file.strip_prefix(package).unwrap();
            Source {
                path: path.to_string_lossy().replace('\\', "/"),
                paths: paths(&without_tests(tokens(&text))),
                text,
            }
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The code in words and signs, without comments and without what is in quotes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if c.is_whitespace() {
            at += 1;
        } else if c == '/' && next == '/' {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
        } else if c == '/' && next == '*' {
            at = after_block_comment(&chars, at);
        } else if let Some(end) = after_raw_text(&chars, at) {
            at = end;
        } else if c == '"' {
            at = after_quoted(&chars, at, '"');
        } else if c == '\'' {
            // A character in quotes, else a lifetime.
            let escaped = next == '\\';
            if escaped || chars.get(at + 2) == Some(&'\'') {
                at = after_quoted(&chars, at, '\'');
            } else {
                at += 1;
            }
        } else if c.is_alphanumeric() || c == '_' {
            let start = at;
            while at < chars.len() && (chars[at].is_alphanumeric() || chars[at] == '_') {
                at += 1;
            }
            tokens.push(chars[start..at].iter().collect());
        } else if c == ':' && next == ':' {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            tokens.push(c.to_string());
            at += 1;
        }
    }
    tokens
}

fn after_block_comment(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The end of `r"…"` or `r#"…"#`, if one begins here.
fn after_raw_text(chars: &[char], start: usize) -> Option<usize> {
    let in_word = start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_');
    if chars[start] != 'r' || (in_word && chars[start - 1] != 'b') {
        return None;
    }
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return None;
    }
    let mut at = start + 2 + hashes;
    while at < chars.len() {
        let closing = chars[at] == '"'
            && chars[at + 1..]
                .iter()
                .take(hashes)
                .filter(|c| **c == '#')
                .count()
                == hashes;
        at += 1;
        if closing {
            return Some(at + hashes);
        }
    }
    Some(at)
}

fn after_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Every path of two or more segments, with `a::{b, c::d}` written out, and every `use a;`.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = is_word(&tokens[at])
            && (at == 0 || tokens[at - 1] != "::")
            && (tokens.get(at + 1).is_some_and(|t| t == "::")
                || (at > 0 && tokens[at - 1] == "use"));
        if begins {
            at = tree(tokens, at, &mut Vec::new(), &mut found);
        } else {
            at += 1;
        }
    }
    found
}

fn tree(
    tokens: &[String],
    mut at: usize,
    before: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) -> usize {
    let depth = before.len();
    while let Some(token) = tokens.get(at).filter(|token| is_word(token)) {
        before.push(token.clone());
        at += 1;
        if tokens.get(at).is_none_or(|t| t != "::") {
            break;
        }
        at += 1;
        if tokens.get(at).is_some_and(|t| t == "{") {
            at += 1;
            while tokens.get(at).is_some_and(|t| t != "}") {
                at = match tokens[at].as_str() {
                    "as" => at + 2,
                    word if is_word(word) => tree(tokens, at, before, found),
                    _ => at + 1,
                };
            }
            before.truncate(depth);
            return at + 1;
        }
    }
    found.push(before.clone());
    before.truncate(depth);
    at
}

/// Takes out every item under `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().take(MARK.len()).eq(MARK.iter()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        while at < tokens.len() {
            let token = tokens[at].as_str();
            at += 1;
            match token {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token, "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Whether a file holds nothing but tests: by its name, or because its folder's `mod.rs` names it
/// under `#[cfg(test)]`.
fn is_for_tests(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("tests.rs") || is_declared_for_tests(path)
}

fn is_declared_for_tests(path: &str) -> bool {
    let Some((folder, file)) = path.rsplit_once('/') else {
        return false;
    };
    let parent = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join("mod.rs");
    let Ok(text) = fs::read_to_string(parent) else {
        return false;
    };
    let wanted = format!("mod {};", file.strip_suffix(".rs").unwrap_or(file));
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        match line {
            "#[cfg(test)]" => marked = true,
            _ if line.ends_with(&wanted) => return marked,
            _ if line.starts_with("#[") => {}
            _ => marked = false,
        }
    }
    false
}

/// The room of a file: its first folder or file name under `src`. The demo and the storm live beside
/// the simulated engines and are programs above the clients and the controller.
fn room(path: &str) -> &str {
    if path.starts_with("src/sim/demo/") {
        return "demo";
    }
    if path.starts_with("src/sim/storm/") {
        return "storm";
    }
    let rest = path.strip_prefix("src/").unwrap();
    let first = rest.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The rooms that a file names: `crate::room::…`, or `quarterdeck::room::…` from the program.
fn named_rooms(source: &Source) -> BTreeSet<&str> {
    let from_root = |path: &&Vec<String>| matches!(path[0].as_str(), "crate" | "quarterdeck");
    source
        .paths
        .iter()
        .filter(from_root)
        .filter_map(|path| match (path.get(1)?.as_str(), path.get(2)) {
            ("sim", Some(part)) if part == "demo" => Some("demo"),
            ("sim", Some(part)) if part == "storm" => Some("storm"),
            (room, _) => Some(room),
        })
        .collect()
}

#[test]
fn every_room_is_on_a_floor_and_imports_point_downward() {
    let mut wrong = Vec::new();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut seen = 0;
    let sources = sources();
    for source in &sources {
        let from = room(&source.path);
        if from == "lib" || is_for_tests(&source.path) {
            continue;
        }
        let Some(own) = floor(from) else {
            wrong.push(format!("{}: room {from} has no floor", source.path));
            continue;
        };
        for to in named_rooms(source) {
            // What is not a room is an item of lib.rs.
            let Some(other) = floor(to) else { continue };
            seen += 1;
            if other > own {
                wrong.push(format!(
                    "{}: {from} is below {to} and imports it",
                    source.path
                ));
            } else if to != from {
                uses.entry(from.to_owned())
                    .or_default()
                    .insert(to.to_owned());
            }
        }
    }
    for (from, others) in &uses {
        for to in others {
            if from < to && uses.get(to).is_some_and(|back| back.contains(from)) {
                wrong.push(format!("{from} and {to} import each other"));
            }
        }
    }
    assert!(seen > 50, "only {seen} imports seen: the reader is broken");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn pure_rooms_ask_no_clock_and_do_nothing() {
    let mut wrong = Vec::new();
    let sources = sources();
    for place in PURE {
        let files: Vec<&Source> = sources
            .iter()
            .filter(|source| source.path.starts_with(place) && !is_for_tests(&source.path))
            .collect();
        assert!(
            !files.is_empty(),
            "{place} is no longer there: name it anew"
        );
        for source in files {
            for path in &source.paths {
                let begins = |impure: &&&[&str]| {
                    path.len() >= impure.len() && path.iter().zip(**impure).all(|(a, b)| a == b)
                };
                if IMPURE.iter().any(|impure| begins(&impure)) {
                    wrong.push(format!("{}: {}", source.path, path.join("::")));
                }
            }
            for macro_name in ["println!", "eprintln!", "dbg!"] {
                let code: String = tokens(&source.text).concat();
                if code.contains(macro_name) {
                    wrong.push(format!("{}: {macro_name}", source.path));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn one_place_alone_names_each_foreign_engine() {
    let sources = sources();
    for (name, place) in ONE_PLACE_EACH {
        let (inside, outside): (Vec<&str>, Vec<&str>) = sources
            .iter()
            .filter(|source| source.paths.iter().any(|path| path[0] == *name))
            .map(|source| source.path.as_str())
            .partition(|path| path.starts_with(place));
        assert!(
            !inside.is_empty(),
            "{place} does not name {name}: say where it is"
        );
        assert_eq!(
            outside,
            Vec::<&str>::new(),
            "{name} is named outside {place}"
        );
    }
}

/// Folders whose steps a simulation replays.
const REPLAYED: &[&str] = &[
    "src/agent/",
    "src/controller/",
    "src/model/",
    "src/scheduler/",
    "src/sim/",
    "src/store/memory.rs",
];

/// Without `biased` tokio draws at random which branch it looks at first. What is in such a folder
/// takes them in the order in which they are written, and says why none starves.
#[test]
fn what_a_simulation_replays_leaves_nothing_to_chance() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources() {
        let replayed = REPLAYED.iter().any(|it| source.path.starts_with(it));
        if !replayed || is_for_tests(&source.path) {
            continue;
        }
        let code = without_tests(tokens(&source.text));
        for (at, word) in code.iter().enumerate() {
            let next = |ahead: usize| code.get(at + ahead).map(String::as_str);
            if word == "select" && next(1) == Some("!") {
                seen += 1;
                if next(3) != Some("biased") {
                    wrong.push(format!("{}: a select! that is not biased", source.path));
                }
            }
            // Their order differs from process to process.
            if matches!(word.as_str(), "HashMap" | "HashSet") {
                wrong.push(format!("{}: {word}", source.path));
            }
        }
        for path in &source.paths {
            let path = path.join("::");
            if matches!(path.as_str(), "std::time::Instant" | "std::thread::sleep") {
                wrong.push(format!("{}: {path}", source.path));
            }
        }
    }
    assert!(seen > 5, "only {seen} seen: the reader is broken");
    assert_eq!(wrong, Vec::<String>::new());
}

/// A queue without a bound, or a bound, a wait or a width without a name: as words of the code in a
/// row, `#` standing for a number and `*` for any word.
const UNNAMED_BOUNDS: &[&[&str]] = &[
    &["unbounded_channel"],
    &["unbounded"],
    &["UnboundedSender"],
    &["UnboundedReceiver"],
    &["mpsc", "::", "channel", "(", ")"],
    &["channel", "(", "#"],
    &["sync_channel", "(", "#"],
    &["Sender", "::", "new", "(", "#"],
    &["Semaphore", "::", "new", "(", "#"],
    &["buffer_unordered", "(", "#"],
    &["buffered", "(", "#"],
    &["for_each_concurrent", "(", "#"],
    &["try_for_each_concurrent", "(", "#"],
    &["timeout", "(", "Duration", "::", "*", "(", "#"],
    &["sleep", "(", "Duration", "::", "*", "(", "#"],
    &["interval", "(", "Duration", "::", "*", "(", "#"],
];

fn is_unnamed_bound(code: &[String], pattern: &[&str]) -> bool {
    let fits = |(token, wanted): (&String, &&str)| match *wanted {
        "*" => is_word(token),
        "#" => token.starts_with(|c: char| c.is_ascii_digit()),
        word => token == word,
    };
    code.len() >= pattern.len() && code.iter().zip(pattern).all(fits)
}

fn unnamed_bounds(text: &str) -> Vec<String> {
    let code = without_tests(tokens(text));
    let starts = 0..code.len();
    let found = starts.filter_map(|at| {
        let here = |pattern: &&&[&str]| is_unnamed_bound(&code[at..], pattern);
        let pattern = UNNAMED_BOUNDS.iter().find(here)?;
        Some(code[at..at + pattern.len()].concat())
    });
    found.collect()
}

#[test]
fn every_queue_and_every_wait_has_a_bound_with_a_name() {
    let mut wrong = Vec::new();
    for source in sources() {
        if !is_for_tests(&source.path) {
            let found = unnamed_bounds(&source.text).into_iter();
            wrong.extend(found.map(|what| format!("{}: {what}", source.path)));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "say in a constant how many");
    let text = "let a = mpsc::unbounded_channel(); let b = tokio::sync::mpsc::channel(16);
        timeout(Duration::from_secs(3), x); sleep(WAIT); channel(QUEUE_MAX); oneshot::channel();
        std::sync::mpsc::channel(); broadcast::Sender::new(4_096); watch::channel(None);";
    assert_eq!(
        unnamed_bounds(text),
        [
            "unbounded_channel",
            "channel(16",
            "timeout(Duration::from_secs(3",
            "mpsc::channel()",
            "Sender::new(4_096",
        ]
    );
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<String> = sources()
        .iter()
        .map(|source| (source.text.lines().count(), &source.path))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_eq!(
        long,
        Vec::<String>::new(),
        "split them; {LINES_MAX} are allowed"
    );
}

#[test]
fn the_reader_of_sources_reads() {
    let text = r##"
        use crate::model::{self, task::{Task as T, *}, Change};
        use tokio;
        // use crate::comment::X;
        /* use crate::block::X; /* nested */ */
        const A: &str = "crate::text::x \" crate::more::x";
        const B: &str = r#"crate::raw::"x"#;
        const C: char = '"';
        fn f<'a>(x: &'a str) { let _ = std::time::Instant::now(); crate::store::open(x) }
        #[cfg(test)]
        mod tests { use crate::test::x; fn f() { if a { b } } }
        use crate::after::X;
    "##;
    let joined: Vec<String> = paths(&without_tests(tokens(text)))
        .iter()
        .map(|p| p.join("::"))
        .collect();
    assert_eq!(
        joined,
        [
            "crate::model::self",
            "crate::model::task::Task",
            "crate::model::Change",
            "tokio",
            "std::time::Instant::now",
            "crate::store::open",
            "crate::after::X",
        ]
    );
    assert_eq!(room("src/tui/view/x.rs"), "tui");
    assert!(floor("tui") > floor("model"));
}

/// Bollard tells the crate `log` every request body, and so every secret that a container gets.
/// What would carry `log` into our own log must not come in by a side door.
#[test]
fn nothing_carries_the_logs_of_other_crates_into_ours() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    assert!(
        lock.contains("name = \"tracing-subscriber\""),
        "another lock file"
    );
    assert!(
        !lock.contains("name = \"tracing-log\""),
        "leave out its feature tracing-log"
    );
}

/// The tests in backticks in the last column of each row of a table.
fn named_tests(table: &str) -> Vec<(&str, Vec<&str>)> {
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').collect::<Vec<_>>());
    cells
        .skip(2) // The heads, and the line under them.
        .map(|cells| {
            let named = cells.last().unwrap().split('`').skip(1).step_by(2);
            (cells[0].trim(), named.collect())
        })
        .collect()
}

/// Whether there is a test of that path: of the integration tests, or of the library.
fn is_there(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once("::") else {
        return false;
    };
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = format!("{}.rs", module.replace("::", "/"));
    let places = [
        package.join("tests").join(&file),
        package.join("src").join(&file),
    ];
    let texts = places
        .iter()
        .filter_map(|place| fs::read_to_string(place).ok());
    let mut attributes = Vec::new();
    texts.into_iter().any(|text| {
        attributes.clear();
        text.lines().map(str::trim).any(|line| {
            let is_it = line
                .strip_prefix("async ")
                .unwrap_or(line)
                .starts_with(&format!("fn {name}("));
            let is_test = attributes.iter().any(|it: &String| it.contains("test"));
            match line.starts_with("#[") {
                true => attributes.push(line.to_owned()),
                false if !is_it => attributes.clear(),
                false => {}
            }
            is_it && is_test
        })
    })
}

#[test]
fn every_fault_of_the_table_has_a_test_that_is_there() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/README.md");
    let table = fs::read_to_string(table).unwrap();
    let rows = named_tests(&table);
    assert!(rows.len() >= 15, "only {} rows are read", rows.len());
    let mut wrong = Vec::new();
    for (fault, tests) in &rows {
        if tests.is_empty() {
            wrong.push(format!("{fault}: no test"));
        }
        let missing = tests.iter().filter(|path| !is_there(path));
        wrong.extend(missing.map(|path| format!("{fault}: {path} is not there")));
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(is_there("architecture::no_file_is_too_long"));
    assert!(!is_there("architecture::is_there"), "it is no test");
}
