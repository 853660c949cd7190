//! The files of a report, and the numbers in a README.

use std::fs;
use std::path::{Path, PathBuf};

use pillion_records::Run;

use crate::assemble::assemble;
use crate::error::ReportError;
use crate::results::{Results, Verdict};
use crate::{markdown, page};

/// Where a README's numbers begin.
const BEGIN: &str = "<!-- pillion:numbers -->";
/// Where they end.
const END: &str = "<!-- /pillion:numbers -->";

/// What a caller must know of a report.
#[derive(Clone, Debug)]
pub struct Summary {
    /// One for each claim that was judged.
    pub verdicts: Vec<Verdict>,
    /// The reference lane differs from itself: no verdict is given.
    pub void: bool,
    /// Verdicts hang on flagged blocks, or most blocks are flagged.
    pub noisy: bool,
    /// A lane gave a wrong answer.
    pub wrong: bool,
    /// Blocks are missing or failed.
    pub incomplete: bool,
    /// A quick run: its estimates are shown, but not for verdicts.
    pub quick: bool,
    /// Preflight refused the machine and was overruled.
    pub forced: bool,
    /// The stamps on the report, in words.
    pub stamps: Vec<String>,
    /// `report.html`.
    pub html: PathBuf,
    /// `report.md`.
    pub markdown: PathBuf,
    /// `results.json`.
    pub json: PathBuf,
}

/// The three files, as text.
struct Rendered {
    results: Results,
    /// Name and content.
    files: [(&'static str, String); 3],
}

/// Writes `report.html`, `report.md` and `results.json` into a run directory.
///
/// # Errors
/// The run cannot be read, holds no measured block, or a file cannot be written.
pub fn generate(dir: &Path) -> Result<Summary, ReportError> {
    let rendered = render(dir)?;
    for (name, content) in &rendered.files {
        let path = dir.join(name);
        fs::write(&path, content).map_err(|error| ReportError::io(&path, error))?;
    }
    Ok(summary(dir, rendered.results))
}

/// Proves that the report in a run directory fits its data, byte by byte. Writes nothing.
///
/// # Errors
/// As [`generate`], and [`ReportError::Differs`] with the first file and line that do not fit.
pub fn check(dir: &Path) -> Result<Summary, ReportError> {
    let rendered = render(dir)?;
    for (name, content) in &rendered.files {
        same(&dir.join(name), content)?;
    }
    Ok(summary(dir, rendered.results))
}

/// Replaces what stands between the markers of a README by a table made from a run.
///
/// # Errors
/// As [`generate`], and [`ReportError::NoMarker`].
pub fn splice(readme: &Path, dir: &Path) -> Result<(), ReportError> {
    let content = spliced(readme, dir)?;
    fs::write(readme, content).map_err(|error| ReportError::io(readme, error))
}

/// Proves that what stands between the markers of a README comes from a run. Writes nothing.
///
/// # Errors
/// As [`splice`], and [`ReportError::Differs`] with the first line that does not fit.
pub fn splice_check(readme: &Path, dir: &Path) -> Result<(), ReportError> {
    same(readme, &spliced(readme, dir)?)
}

/// Everything that a report of the run directory says, without writing it.
///
/// # Errors
/// The run cannot be read or holds no measured block.
pub fn results(dir: &Path) -> Result<Results, ReportError> {
    let run = Run::read(dir)?;
    let results = assemble(&run)?;
    if results.cells.is_empty() && results.errors.is_empty() {
        return Err(ReportError::Empty { path: dir.to_owned() });
    }
    Ok(results)
}

fn render(dir: &Path) -> Result<Rendered, ReportError> {
    let results = results(dir)?;
    let mut json = serde_json::to_string_pretty(&results)?;
    json.push('\n');
    let files = [
        ("report.html", page::render(&results)),
        ("report.md", markdown::render(&results)),
        ("results.json", json),
    ];
    Ok(Rendered { results, files })
}

fn summary(dir: &Path, results: Results) -> Summary {
    let stamped = |kind: &str| results.stamps.iter().any(|stamp| stamp.kind == kind);
    Summary {
        void: stamped("void"),
        noisy: stamped("noisy"),
        wrong: stamped("wrong-answer"),
        incomplete: stamped("incomplete"),
        quick: results.run.quick,
        forced: results.run.forced,
        stamps: results.stamps.iter().map(|stamp| stamp.text.clone()).collect(),
        verdicts: results.verdicts,
        html: dir.join("report.html"),
        markdown: dir.join("report.md"),
        json: dir.join("results.json"),
    }
}

fn same(path: &Path, expected: &str) -> Result<(), ReportError> {
    let found = fs::read(path).map_err(|error| ReportError::io(path, error))?;
    if found == expected.as_bytes() {
        return Ok(());
    }
    let lines = |text: &[u8]| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (found, expected) = (lines(&found), lines(expected.as_bytes()));
    let line = found.iter().zip(&expected).take_while(|(a, b)| a == b).count() + 1;
    Err(ReportError::Differs { path: path.to_owned(), line })
}

fn spliced(readme: &Path, dir: &Path) -> Result<String, ReportError> {
    let text = fs::read_to_string(readme).map_err(|error| ReportError::io(readme, error))?;
    let missing = |marker| ReportError::NoMarker { path: readme.to_owned(), marker };
    let begin = text.find(BEGIN).ok_or_else(|| missing(BEGIN))? + BEGIN.len();
    let end = begin + text[begin..].find(END).ok_or_else(|| missing(END))?;
    Ok(format!("{}\n\n{}\n{}", &text[..begin], markdown::splice(&results(dir)?), &text[end..]))
}
