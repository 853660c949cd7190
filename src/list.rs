//! `pillion list`: lanes, workloads, providers and claims.

use anyhow::Result;
use pillion_harness::claims::claims;
use pillion_harness::lane::Registry;
use pillion_logic::oracle::Workload;

use crate::exit::Exit;
use crate::out::say;
use crate::session::CLAIMS;
use crate::tools::{binaries, root};

pub(crate) fn list() -> Result<Exit> {
    let registry = Registry::built_in()?;
    let (core, others): (Vec<_>, Vec<_>) = registry.lanes.iter().partition(|spec| spec.core);
    for (heading, lanes) in [
        ("Lanes that take part where none are named (core)", core),
        ("\nMore lanes, by their names or `--lanes all`", others),
    ] {
        say!("{heading}");
        for spec in lanes {
            say!("  {:<26} {}", spec.lane.name, spec.lane.description);
        }
    }
    say!("\nWorkloads");
    say!("  noop");
    for workload in Workload::ALL {
        say!("  {workload}");
    }
    say!("\nProviders\n  memory\n  redis\n  redb");
    say!("\nClaims");
    for claim in claims(CLAIMS, &root(&binaries()?))? {
        say!("  {}  {}", claim.id, claim.words);
        say!("      {}", claim.threshold);
        let fixed = claim
            .fixed_by
            .map_or_else(|| "not committed yet".to_owned(), |commit| format!("fixed by {commit}"));
        say!("      {fixed}");
    }
    Ok(Exit::Fine)
}
