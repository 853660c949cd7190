//! `pillion compare`: the whole comparison, ending with the path of the report.

use anyhow::Result;

use crate::arguments::RunOptions;
use crate::exit::Exit;
use crate::run::run;

pub(crate) fn compare(options: &RunOptions) -> Result<Exit> {
    let finished = run(options)?;
    let summary = pillion_reports::generate(&finished.directory)?;
    for verdict in &summary.verdicts {
        println!("{} {}: {}", verdict.claim, verdict.verdict, verdict.words);
    }
    if summary.quick || summary.forced {
        println!(
            "Not for verdicts: {}.",
            if summary.quick { "a quick run" } else { "preflight was overruled" }
        );
    }
    println!("{}", finished.directory.join("report.html").display());
    Ok(match Exit::of_summary(&summary) {
        Exit::Fine => finished.exit,
        exit => exit,
    })
}
