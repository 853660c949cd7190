//! `pillion list`: lanes, workloads, providers and claims.

use anyhow::Result;
use pillion_harness::claims::claims;
use pillion_harness::lane::Registry;
use pillion_logic::oracle::Workload;

use crate::exit::Exit;
use crate::session::CLAIMS;
use crate::tools::{binaries, root};

pub(crate) fn list() -> Result<Exit> {
    println!("Lanes");
    for spec in Registry::built_in()?.lanes {
        println!("  {:<22} {}", spec.lane.name, spec.lane.description);
    }
    println!("\nWorkloads");
    println!("  noop");
    for workload in Workload::ALL {
        println!("  {workload}");
    }
    println!("\nProviders\n  memory\n  redis\n  redb");
    println!("\nClaims");
    for claim in claims(CLAIMS, &root(&binaries()?))? {
        println!("  {}  {}", claim.id, claim.words);
        println!("      {}", claim.threshold);
        let fixed = claim
            .fixed_by
            .map_or_else(|| "not committed yet".to_owned(), |commit| format!("fixed by {commit}"));
        println!("      {fixed}");
    }
    Ok(Exit::Fine)
}
