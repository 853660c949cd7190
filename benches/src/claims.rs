//! The claims as `claims.toml` registers them.

use std::path::Path;

use pillion_records::Claim;
use serde::Deserialize;

use crate::provenance::git;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    claim: Vec<Registered>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registered {
    id: String,
    words: String,
    experiment: String,
    threshold: String,
    value: f64,
    caveat: String,
}

/// The registered claims with the commit that fixed them; `text` is what is compiled in, and the commit is given only
/// where the checkout's file says the same.
///
/// # Errors
/// The text is not what it has to be.
pub fn claims(text: &str, root: &Path) -> Result<Vec<Claim>, toml::de::Error> {
    let file: File = toml::from_str(text)?;
    let same = std::fs::read_to_string(root.join("claims.toml")).is_ok_and(|found| found == text);
    let clean =
        same && git(root, &["status", "--porcelain", "--", "claims.toml"]).is_some_and(|out| out.is_empty());
    // The last commit that touched a threshold: other words may be mended without fixing it anew.
    let thresholds = ["log", "-1", "--format=%H", "-G", "^(threshold|value) = ", "--", "claims.toml"];
    let fixed_by = if clean { git(root, &thresholds) } else { None };
    let fixed_by = fixed_by.filter(|commit| !commit.is_empty());
    let claims = file.claim.into_iter().map(|claim| {
        let Registered { id, words, experiment, threshold, value, caveat } = claim;
        Claim { id, words, experiment, threshold, value, fixed_by: fixed_by.clone(), caveat }
    });
    Ok(claims.collect())
}
