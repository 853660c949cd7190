//! The guest in our host, over a provider in the same process or, where the job has a sidecar, over the sidecar.
//! `runner-host sign IN OUT` signs a module with a fresh key and prints the issuer.
//! `runner-host load COMPILER ISSUER MODULE` loads a signed module, from its bytes and from the cache, calls it, and prints how
//! long each took, in ns, as a list in JSON.

use anyhow::{Context as _, Result};
use pillion_harness::runner::serve;
use pillion_runners::{OpenHost, load, sign};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [verb, from, to] if verb == "sign" => announce(from.as_ref(), to.as_ref()),
        [verb, compiler, issuer, module] if verb == "load" => time(compiler, issuer, module.as_ref()),
        _ => serve(&OpenHost).context("the harness has gone"),
    }
}

#[expect(clippy::print_stdout, reason = "the harness reads the issuer there")]
fn announce(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    println!("{}", sign(from, to)?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the harness reads the figures there")]
fn time(compiler: &str, issuer: &str, module: &std::path::Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", serde_json::to_string(&runtime.block_on(load(compiler.parse()?, issuer, module))?)?);
    Ok(())
}
