//! `pillion report`: the report from a run's data.

use anyhow::Result;

use crate::arguments::ReportOptions;
use crate::exit::Exit;
use crate::out::{say, tell};

pub(crate) fn report(options: &ReportOptions) -> Result<Exit> {
    if options.check {
        pillion_reports::check(&options.directory)?;
        say!("{}: the report fits its data", options.directory.display());
        if let Some(readme) = &options.splice {
            pillion_reports::splice_check(readme, &options.directory)?;
            say!("{}: its figures are those of the run", readme.display());
        }
        return Ok(Exit::Fine);
    }
    let summary = pillion_reports::generate(&options.directory)?;
    if let Some(readme) = &options.splice {
        pillion_reports::splice(readme, &options.directory)?;
    }
    // Whatever the exit code says is in one of them.
    for stamp in &summary.stamps {
        tell!("{stamp}");
    }
    say!("{}", options.directory.join("report.html").display());
    Ok(Exit::of_summary(&summary))
}
