//! The `qd` program.

use std::process::ExitCode;

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::install()?;
    quarterdeck::cli::main().map(ExitCode::from)
}
