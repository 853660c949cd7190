//! The guest on the published engine, over a provider in the same process.

use pillion_harness::runner::serve;
use pillion_wapc_crate::OpenPublished;

fn main() -> anyhow::Result<()> {
    serve(&OpenPublished)?;
    Ok(())
}
