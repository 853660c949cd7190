//! C3: a module is usually less than 2 MB.

use pillion_records::Artifact;

use super::Finding;
use crate::results::{Part, Word};
use crate::words;

/// 2 MB as 2·10⁶ bytes.
pub(crate) const MB: u64 = 2_000_000;
/// 2 MB as 2·2²⁰ bytes.
pub(crate) const MIB: u64 = 2 << 20;
/// What the published modules of the time weigh, measured from their files.
pub(crate) const HISTORY: &str = "Of 11 published waSCC modules of the time 4 are below 2·10⁶ bytes and 10 \
    below 2·2²⁰; 86–90 % of each is debug sections.";
/// Fewer modules than this say nothing of what is usual.
const FEW: usize = 3;

/// Each module while they are few, else the smallest, and those that are not below.
fn sizes(modules: &[&Artifact]) -> String {
    let said = |module: &&Artifact| {
        let (raw, stripped) = (words::bytes(module.raw), words::bytes(module.stripped));
        if modules.len() < FEW {
            format!("{} is {raw} as built, {stripped} stripped", module.name)
        } else {
            format!("{} ({}) {raw}", module.name, module.language)
        }
    };
    if modules.len() < FEW {
        return modules.iter().map(said).collect::<Vec<_>>().join("; ");
    }
    let smallest = modules.iter().min_by_key(|module| module.raw).map(said).unwrap_or_default();
    let above: Vec<String> = modules.iter().filter(|module| module.raw >= MB).map(said).collect();
    let above =
        if above.is_empty() { "none is above".to_owned() } else { format!("above: {}", above.join("; ")) };
    format!("the smallest is {smallest}; {above}")
}

/// Judges the share of guest modules below 2 MB by both readings of it, as built and stripped.
pub(crate) fn judge(artifacts: &[Artifact], threshold: f64) -> Finding {
    let modules: Vec<&Artifact> = artifacts.iter().filter(|artifact| artifact.kind == "module").collect();
    if modules.is_empty() {
        return Finding::nothing("The run recorded no guest module.");
    }
    let reading = |name: &str, size: fn(&Artifact) -> u64, limit: u64| {
        let below = modules.iter().filter(|module| size(module) < limit).count();
        let share = below as f64 / modules.len() as f64;
        Part {
            name: name.to_owned(),
            against: format!("{below} of {}", modules.len()),
            estimate: share,
            low: None,
            high: None,
            decades: None,
            p: None,
            p_holm: None,
            word: if share >= threshold { "clears" } else { "falls-short" },
        }
    };
    let parts = vec![
        reading("as built, below 2·10⁶ bytes", |module| module.raw, MB),
        reading("as built, below 2·2²⁰ bytes", |module| module.raw, MIB),
        reading("stripped, below 2·10⁶ bytes", |module| module.stripped, MB),
        reading("stripped, below 2·2²⁰ bytes", |module| module.stripped, MIB),
    ];
    let holds: Vec<&str> =
        parts.iter().filter(|part| part.word == "clears").map(|part| part.name.as_str()).collect();
    // Stripped, a module is smaller; below the smaller limit it is below the larger: the readings are nested.
    let few = modules.len() < FEW;
    let verdict = match (parts[0].word, holds.is_empty()) {
        ("clears", _) if !few => Word::Supported,
        (_, true) if few => Word::Inconclusive,
        (_, true) => Word::Refuted,
        _ => Word::SupportedWithCondition,
    };
    let mut conditions = Vec::new();
    if parts[0].word != "clears" {
        conditions.push(format!("only {}", holds.join("; ")));
    }
    if few {
        let names: Vec<String> =
            modules.iter().map(|module| format!("{} ({})", module.name, module.language)).collect();
        conditions.push(format!(
            "only for our own {}: “usually” needs more modules than one project's own",
            names.join(" and ")
        ));
    }
    let shares = parts.iter().map(|part| part.estimate);
    Finding {
        verdict,
        without_flagged: verdict,
        hangs_on_flagged: false,
        condition: (verdict == Word::SupportedWithCondition).then(|| conditions.join("; ")),
        estimate: Some(parts[0].estimate),
        low: shares.clone().reduce(f64::min),
        high: shares.reduce(f64::max),
        finding: format!(
            "{} guest {} below 2·10⁶ bytes: {}. {HISTORY}",
            parts[0].against,
            if modules.len() == 1 { "module is" } else { "modules are" },
            sizes(&modules)
        ),
        reason: if few {
            format!(
                "A count, so without an interval; fewer than {FEW} modules refute nothing and support little."
            )
        } else {
            "A count, so without an interval.".to_owned()
        },
        parts,
    }
}
