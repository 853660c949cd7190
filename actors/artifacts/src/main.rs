//! `pillion-artifacts guest`: builds the guest if need be, and prints its path as the last line.
//! `pillion-artifacts modules`: the same for the modules of every language, one JSON value a line: language, app and path,
//! or language and why there is none.
//! `pillion-artifacts profiles`: compares the ways to build those in Rust.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "what is printed is the program's answer")]

use std::process::ExitCode;

use pillion_artifacts::{Error, Language, guest, modules, profiles};
use serde_json::json;

const USAGE: &str = "\
usage: pillion-artifacts guest                  builds the guest if need be, and prints its path
       pillion-artifacts modules [LANGUAGE...]  the same with every module of all languages, or of those named
       pillion-artifacts profiles               compares ways to build those in Rust by size and by time; takes ten minutes at first";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["guest"] => guest().map(|path| println!("{}", path.display())),
        ["profiles"] => {
            profiles::compare(|what| eprintln!("{what}")).map(|rows| print!("{}", profiles::table(&rows)))
        }
        ["modules", ref names @ ..] => {
            match names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>() {
                Ok(named) if named.is_empty() => print(&Language::ALL),
                Ok(named) => print(&named),
                Err(error) => return usage(&format!("{error}")),
            }
        }
        _ => return usage(USAGE),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pillion-artifacts: {error}");
            ExitCode::from(5)
        }
    }
}

fn usage(text: &str) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(2)
}

/// A language without its toolchain is told and left out; one whose guests do not compile is an error.
fn print(languages: &[Language]) -> Result<(), Error> {
    for &language in languages {
        match modules(language) {
            Ok(modules) => {
                for module in modules {
                    println!(
                        "{}",
                        json!({ "language": language.name(), "app": module.app, "path": module.path })
                    );
                }
            }
            Err(Error::Missing { reason, .. }) => {
                println!("{}", json!({ "language": language.name(), "missing": reason }));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
