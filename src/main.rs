//! The command line: one file per verb.
#![forbid(unsafe_code)]

mod arguments;
mod compare;
mod doctor;
mod exit;
mod host;
mod list;
mod module;
mod out;
mod progress;
mod report;
mod resume;
mod run;
mod session;
mod tools;

use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Verb};

use out::tell;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.verb {
        Verb::Compare(options) => compare::compare(options),
        Verb::Run(options) => run::run(options).map(|finished| finished.exit),
        Verb::Resume(options) => resume::resume(options),
        Verb::Report(options) => report::report(options),
        Verb::List => list::list(),
        Verb::Doctor(options) => doctor::doctor(options),
        Verb::Host { verb } => host::host(verb),
        Verb::Module { verb } => module::module(verb),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            tell!("pillion: {error:#}");
            exit::of(&error).into()
        }
    }
}
