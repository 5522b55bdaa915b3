//! The tiny shell of simulated containers. Pure: words in, text and perhaps an exit out.

/// What the shell knows of where it runs.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// Host name: the container's short id.
    pub host_name: String,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Terminal columns and rows, if there is one.
    pub size: Option<(u16, u16)>,
}

/// What came of one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// What it printed on standard output.
    pub out: String,
    /// What it printed on standard error.
    pub err: String,
    /// Its exit code.
    pub code: i64,
    /// Whether the shell itself ends.
    pub leaves: bool,
}

/// Whether this is a shell that reads its input.
pub(super) fn is_interactive(command: &[String]) -> bool {
    let shell = command.first().is_some_and(|program| is_shell(program));
    match line_of(command) {
        // One that ends by turning into a shell.
        Some(line) => {
            let last = line.rsplit(';').next().unwrap_or(line);
            let program = last.trim().strip_prefix("exec ");
            program.is_some_and(|program| is_shell(program.trim()))
        }
        None => shell && !command.iter().any(|word| word == "-c"),
    }
}

/// Whether a line runs the program that fills the screen.
pub(super) fn fills_screen(line: &str) -> bool {
    line.trim() == "top"
}

/// What that program shows on a terminal of that size.
pub(super) fn screenful(columns: u16, rows: u16) -> String {
    let width = usize::from(columns);
    let head = format!("top on {columns} columns and {rows} rows; q quits");
    let table = [
        "  PID USER     COMMAND",
        "    1 root     main",
        "   42 root     sh",
    ];
    let mut screen = format!("\x1b[2J\x1b[H\x1b[7m{head:<width$.width$}\x1b[0m");
    let body = table.iter().take(usize::from(rows.saturating_sub(1)));
    for line in body {
        screen.push_str(&format!("\r\n{line:.width$}"));
    }
    screen
}

/// The line of a `sh -c LINE`, if it is one.
pub(super) fn line_of(command: &[String]) -> Option<&str> {
    let program = command.first()?;
    let at = command.iter().position(|word| word == "-c")?;
    is_shell(program).then(|| command.get(at + 1).map(String::as_str))?
}

fn is_shell(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("sh" | "bash" | "ash"))
}

/// Runs one line in the shell: commands with `;` and `&&` between.
pub(super) fn run_line(line: &str, last: i64, around: &Surroundings) -> Done {
    let mut all = Done {
        code: last,
        ..Done::default()
    };
    for chain in line.split(';') {
        for command in chain.split("&&") {
            let words = split(command, all.code, around);
            let Some((program, rest)) = words.split_first() else {
                continue;
            };
            let done = run(program, rest, all.code, around).unwrap_or_else(|| Done {
                err: format!("sh: {program}: not found\n"),
                code: 127,
                ..Done::default()
            });
            all.out += &done.out;
            all.err += &done.err;
            all.code = done.code;
            if done.leaves {
                all.leaves = true;
                return all;
            }
            if done.code != 0 {
                break;
            }
        }
    }
    all
}

/// Words of a command, with quotes taken off and `$NAME` filled in.
fn split(command: &str, last: i64, around: &Surroundings) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut open) = (String::new(), None, false);
    for c in command.chars() {
        match (quote, c) {
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (Some(q), c) if q == c => quote = None,
            (None, c) if c.is_whitespace() => {
                if open || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            (_, c) => word.push(c),
        }
    }
    if open || !word.is_empty() {
        words.push(word);
    }
    let fill = |word: String| match word.strip_prefix('$') {
        Some("?") => last.to_string(),
        Some(name) => value(name, around).unwrap_or_default().to_owned(),
        None => word,
    };
    words.into_iter().map(fill).collect()
}

fn value<'a>(name: &str, around: &'a Surroundings) -> Option<&'a str> {
    let mut pairs = around.environment.iter().rev();
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Runs one program; `None` if there is no such program.
pub(super) fn run(
    program: &str,
    words: &[String],
    last: i64,
    around: &Surroundings,
) -> Option<Done> {
    let says = |out: String| Done {
        out,
        ..Done::default()
    };
    let ends = |code| Done {
        code,
        ..Done::default()
    };
    Some(match program.rsplit('/').next().unwrap_or(program) {
        "echo" => says(words.join(" ") + "\n"),
        "ls" => says("bin  dev  etc  home  proc  root  srv  sys  tmp  usr  var\n".to_owned()),
        "pwd" => says("/\n".to_owned()),
        "hostname" => says(around.host_name.clone() + "\n"),
        "whoami" => says("root\n".to_owned()),
        "uname" => says("Linux\n".to_owned()),
        "env" => says(lines(&around.environment)),
        "ps" => says("PID   USER     COMMAND\n    1 root     main\n   42 root     sh\n".to_owned()),
        "cat" => cat(words, around),
        "stty" => match around.size {
            Some((columns, rows)) => says(format!("{rows} {columns}\n")),
            None => Done {
                err: "stty: standard input: not a terminal\n".to_owned(),
                code: 1,
                ..Done::default()
            },
        },
        "true" | ":" => ends(0),
        "false" => ends(1),
        "exit" => Done {
            code: words.first().map_or(last, |code| code.parse().unwrap_or(2)),
            leaves: true,
            ..Done::default()
        },
        _ => return None,
    })
}

fn lines(of: &[String]) -> String {
    of.iter().map(|line| format!("{line}\n")).collect()
}

fn cat(words: &[String], around: &Surroundings) -> Done {
    let mut done = Done::default();
    for path in words {
        match path.as_str() {
            "/etc/hostname" => done.out += &format!("{}\n", around.host_name),
            "/etc/os-release" => done.out += "PRETTY_NAME=\"Simulated Linux\"\nID=simulated\n",
            other => {
                done.err += &format!("cat: can't open '{other}': No such file or directory\n");
                done.code = 1;
            }
        }
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            host_name: "abc".to_owned(),
            environment: vec!["NAME=value".to_owned()],
            size: Some((80, 24)),
        }
    }

    fn out(line: &str) -> String {
        run_line(line, 0, &around()).out
    }

    #[test]
    fn lines_do_what_they_say() {
        assert_eq!(out("echo 'a  b' c"), "a  b c\n");
        assert_eq!(out("hostname && echo $NAME"), "abc\nvalue\n");
        assert_eq!(out("false && echo no; echo $?"), "1\n");
        assert_eq!(out("stty size"), "24 80\n");
    }

    #[test]
    fn what_is_not_there_is_said_and_exit_leaves() {
        let done = run_line("make coffee", 0, &around());
        assert_eq!(
            (done.code, done.err.as_str()),
            (127, "sh: make: not found\n")
        );
        let done = run_line("echo a; exit 3; echo b", 0, &around());
        assert_eq!(
            (done.code, done.leaves, done.out.as_str()),
            (3, true, "a\n")
        );
    }

    #[test]
    fn shells_are_told_from_programs() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(is_interactive(&words("/bin/sh -i")));
        assert!(!is_interactive(&words("sh -c ls")));
        let turns = ["sh", "-c", "command -v bash && exec bash; exec sh"];
        assert!(is_interactive(&turns.map(str::to_owned)));
        assert_eq!(line_of(&words("sh -c ls")), Some("ls"));
        assert_eq!(line_of(&words("ls -c x")), None);
    }
}
