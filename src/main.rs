//! The process: run the command line, exit with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    faceplate::cli::run()
}
