//! `pillion report`: the report from a run's data.

use anyhow::Result;

use crate::arguments::ReportOptions;
use crate::exit::Exit;

pub(crate) fn report(options: &ReportOptions) -> Result<Exit> {
    if options.check {
        pillion_reports::check(&options.directory)?;
        println!("{}: the report fits its data", options.directory.display());
        return Ok(Exit::Fine);
    }
    let summary = pillion_reports::generate(&options.directory)?;
    println!("{}", options.directory.join("report.html").display());
    Ok(Exit::of_summary(&summary))
}
