//! `pillion compare`: the whole comparison, ending with the path of the report.

use anyhow::Result;

use crate::arguments::RunOptions;
use crate::exit::Exit;
use crate::out::say;
use crate::run::run;

pub(crate) fn compare(options: &RunOptions) -> Result<Exit> {
    let finished = run(options)?;
    let summary = pillion_reports::generate(&finished.directory)?;
    for verdict in &summary.verdicts {
        // The word as results.json spells it.
        let word = serde_json::to_value(verdict.verdict)?;
        say!("{} {}: {}", verdict.claim, word.as_str().unwrap_or("none"), verdict.finding);
    }
    for stamp in &summary.stamps {
        say!("{stamp}");
    }
    say!("{}", finished.directory.join("report.html").display());
    Ok(match Exit::of_summary(&summary) {
        Exit::Fine => finished.exit,
        exit => exit,
    })
}
