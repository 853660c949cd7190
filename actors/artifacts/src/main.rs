//! `pillion-artifacts guest`: builds the guest if need be, and prints its path as the last line.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the path is the program's answer")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["guest"] {
        eprintln!("usage: pillion-artifacts guest: builds the guest if need be, and prints its path");
        return ExitCode::from(2);
    }
    match pillion_artifacts::guest() {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pillion-artifacts: {error}");
            ExitCode::from(5)
        }
    }
}
