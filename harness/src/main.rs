//! The installed program.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::main(std::env::args_os().skip(1).collect())
}
