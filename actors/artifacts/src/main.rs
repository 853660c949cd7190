//! `pillion-artifacts guest`: builds the guest if need be, and prints its path as the last line. `pillion-artifacts
//! guests` does so with every module in Rust; `pillion-artifacts profiles` compares the ways to build them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what is printed is the program's answer")]

use std::process::ExitCode;

use pillion_artifacts::{Error, guest, profiles, rust_guests};

const USAGE: &str = "\
usage: pillion-artifacts guest      builds the guest if need be, and prints its path
       pillion-artifacts guests     the same with every module in Rust: its language, its app and its path
       pillion-artifacts profiles   compares ways to build them by size and by time; takes ten minutes at first";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let answer = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["guest"] => guest().map(|path| format!("{}\n", path.display())),
        ["guests"] => all_guests(),
        ["profiles"] => profiles::compare(|what| eprintln!("{what}")).map(|rows| profiles::table(&rows)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match answer {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("pillion-artifacts: {error}");
            ExitCode::from(5)
        }
    }
}

fn all_guests() -> Result<String, Error> {
    let line = |module: pillion_artifacts::Module| {
        format!("{} {} {}\n", module.language, module.app, module.path.display())
    };
    Ok(rust_guests()?.into_iter().map(line).collect())
}
