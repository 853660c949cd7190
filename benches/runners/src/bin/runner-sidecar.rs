//! The native app beside a sidecar, over HTTP or gRPC as the job says.

use anyhow::{Context as _, Result};
use pillion_harness::runner::serve;
use pillion_runners::OpenBeside;

fn main() -> Result<()> {
    serve(&OpenBeside).context("the harness has gone")
}
