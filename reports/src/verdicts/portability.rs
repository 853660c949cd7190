//! C7: a module is bound to no CPU and no system, and in time to no language.

use std::collections::{BTreeMap, BTreeSet};

use pillion_records::{Played, Portability};

use super::Finding;
use crate::results::{Part, Word};
use crate::words;

/// Every module on every engine, one part for each pair.
pub(crate) fn judge(played: &[Portability], threshold: f64) -> Finding {
    // A native app is built for one CPU and one system: it takes part in the transcripts and not in the claim.
    let mut pairs: BTreeMap<(&str, &str), Vec<&Portability>> = BTreeMap::new();
    for row in played.iter().filter(|row| is_module(row)) {
        pairs.entry((&row.language, &row.engine)).or_default().push(row);
    }
    if pairs.is_empty() {
        return Finding::nothing("No transcript was played on a module in this run.");
    }
    let parts: Vec<Part> =
        pairs.iter().map(|((language, engine), rows)| part(language, engine, rows)).collect();
    let of = |word: &str| parts.iter().filter(|part| part.word == word).collect::<Vec<_>>();
    let (same, different, open) = (of("clears"), of("falls-short"), of("straddles"));
    let tried = played.iter().filter(|row| is_module(row) && was_tried(row)).count();
    let alike = played.iter().filter(|row| is_module(row) && is_same(row)).count();
    let share = alike as f64 / tried.max(1) as f64;
    let verdict = if !different.is_empty() || tried > 0 && share < threshold && open.is_empty() {
        Word::Refuted
    } else if same.is_empty() {
        Word::Inconclusive
    } else if open.is_empty() {
        Word::Supported
    } else {
        Word::SupportedWithCondition
    };
    let names = |parts: &[&Part]| parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("; ");
    let languages: BTreeSet<&str> = pairs.keys().map(|(language, _)| *language).collect();
    let engines: BTreeSet<&str> = pairs.keys().map(|(_, engine)| *engine).collect();
    let mut finding = format!(
        "{alike} of {tried} transcripts were answered with the very bytes asked for: modules in {} ({}) on {} ({}).",
        words::counted(languages.len() as u64, "language"),
        languages.into_iter().collect::<Vec<_>>().join(", "),
        words::counted(engines.len() as u64, "engine"),
        engines.into_iter().collect::<Vec<_>>().join(", "),
    );
    if !different.is_empty() {
        finding += &format!(" Different: {}.", names(&different));
    }
    Finding {
        verdict,
        without_flagged: verdict,
        hangs_on_flagged: false,
        condition: (verdict == Word::SupportedWithCondition).then(|| format!("not shown for {}", names(&open))),
        estimate: Some(share),
        low: None,
        high: None,
        finding,
        reason: "A count, so without an interval. One transcript that differs refutes the claim; what an engine could \
                 not run, or was not tried on, leaves it open there."
            .to_owned(),
        parts,
    }
}

fn is_module(row: &Portability) -> bool {
    row.sha256.is_some() || matches!(row.outcome, Played::LeftOut { .. })
}

fn is_same(row: &Portability) -> bool {
    matches!(row.outcome, Played::Same { .. })
}

fn was_tried(row: &Portability) -> bool {
    !matches!(row.outcome, Played::LeftOut { .. })
}

fn part(language: &str, engine: &str, rows: &[&Portability]) -> Part {
    let same = rows.iter().filter(|row| is_same(row)).count();
    let differs = rows.iter().any(|row| matches!(row.outcome, Played::Different { .. }));
    Part {
        name: format!("{language} on {engine}"),
        against: format!("{same} of {} transcripts", rows.len()),
        estimate: same as f64 / rows.len().max(1) as f64,
        low: None,
        high: None,
        decades: None,
        p: None,
        p_holm: None,
        word: if differs {
            "falls-short"
        } else if same == rows.len() {
            "clears"
        } else {
            "straddles"
        },
    }
}
