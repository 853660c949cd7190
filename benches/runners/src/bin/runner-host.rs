//! The guest in our host, over a provider in the same process or, where the job has a sidecar, over the sidecar.
//! `runner-host sign IN OUT` signs a module with a fresh key and prints the issuer.

use anyhow::{Context as _, Result};
use pillion_harness::runner::serve;
use pillion_runners::{OpenHost, sign};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [verb, from, to] if verb == "sign" => announce(from.as_ref(), to.as_ref()),
        _ => serve(&OpenHost).context("the harness has gone"),
    }
}

#[expect(clippy::print_stdout, reason = "the harness reads the issuer there")]
fn announce(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    println!("{}", sign(from, to)?);
    Ok(())
}
