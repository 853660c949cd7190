//! One app in several languages: transcripts on every engine, speed beside Rust's guest and native, and loading.

use maud::{Markup, html};
use pillion_records::{Played, Portability};

use crate::page::table;
use crate::results::{Results, Spread};
use crate::words::{self, MISSING};

pub(crate) fn render(results: &Results) -> Option<Markup> {
    if results.portability.is_empty() && results.loading.is_empty() {
        return None;
    }
    let speed = speed(results);
    Some(html! {
        @if !results.portability.is_empty() {
            h3 { "The same bytes on every engine" }
            p { "Each app has a transcript: requests, and the bytes of every reply, error and record that must come of them. A "
                "module is signed once, and the same bytes run on each engine; a native app is shown where it stands in for a "
                "coupling. A cell counts the apps whose transcript was answered byte by byte." }
            div.scroll tabindex="0" { (matrix(&results.portability)) }
            (engines(&results.portability))
            (notes(&results.portability))
        }
        @if !speed.is_empty() {
            h3 { "Speed by language" }
            p { "p50 of the same app in our host, as a ratio to the guest in Rust and to the native app called direct, with 95 % "
                "intervals over rounds." }
            div.scroll tabindex="0" {
                (table(&["Cell", "Language", "To Rust’s guest", "To native, direct"], &speed))
            }
        }
        @if !results.loading.is_empty() {
            h3 { "Loading" }
            p { "From a signed module’s bytes to an actor that can be called, its signature and claims checked: compiled, and from "
                "the cache of compiled modules; and the first call, its instance and start functions included. Medians over fresh "
                "processes, with the least and the most." }
            div.scroll tabindex="0" {
                (table(&["Language, compiler", "Compiled", "From the cache", "First call", "Processes"], &loading(results)))
            }
        }
    })
}

/// Rows are languages, columns engines.
pub(crate) fn rows(played: &[Portability]) -> (Vec<&str>, Vec<Vec<String>>) {
    let mut engines: Vec<&str> = Vec::new();
    let mut languages: Vec<&str> = Vec::new();
    for row in played {
        if !engines.contains(&row.engine.as_str()) {
            engines.push(&row.engine);
        }
        if !languages.contains(&row.language.as_str()) {
            languages.push(&row.language);
        }
    }
    let rows = languages
        .iter()
        .map(|language| {
            let cell = |engine: &&str| {
                let of = |row: &&Portability| row.language == **language && row.engine == **engine;
                tally(&played.iter().filter(of).collect::<Vec<_>>())
            };
            std::iter::once((*language).to_owned()).chain(engines.iter().map(cell)).collect()
        })
        .collect();
    (engines, rows)
}

fn tally(rows: &[&Portability]) -> String {
    let same = rows.iter().filter(|row| matches!(row.outcome, Played::Same { .. })).count();
    let word = if rows.iter().any(|row| matches!(row.outcome, Played::Different { .. })) {
        "different"
    } else if rows.iter().any(|row| matches!(row.outcome, Played::Failed { .. })) {
        "failed"
    } else if rows.is_empty() {
        return MISSING.to_owned();
    } else if rows.iter().any(|row| matches!(row.outcome, Played::LeftOut { .. })) {
        return "left out".to_owned();
    } else {
        "same"
    };
    format!("{word}, {same} of {}", rows.len())
}

fn matrix(played: &[Portability]) -> Markup {
    let (engines, rows) = rows(played);
    let head: Vec<&str> = std::iter::once("Language").chain(engines).collect();
    table(&head, &rows)
}

/// What engines of others say of themselves.
fn engines(played: &[Portability]) -> Markup {
    let mut versions: Vec<(&str, &str)> =
        played.iter().filter_map(|row| Some((row.engine.as_str(), row.version.as_deref()?))).collect();
    versions.dedup();
    html! {
        @if !versions.is_empty() {
            p { @for (engine, version) in versions { code { (engine) } ": " (version) ". " } }
        }
    }
}

/// Every outcome but the right one, in words.
pub(crate) fn remarks(played: &[Portability]) -> Vec<Vec<String>> {
    let mut remarks: Vec<Vec<String>> = Vec::new();
    for row in played {
        let (word, reason) = match &row.outcome {
            Played::Same { .. } => continue,
            Played::Different { difference, .. } => ("different", difference),
            Played::Failed { reason } => ("failed", reason),
            Played::LeftOut { reason } => ("left out", reason),
        };
        // One reason for all apps of a pair is told once.
        let pair = format!("{} on {}", row.language, row.engine);
        match remarks.last_mut().and_then(|last| <&mut [String; 4]>::try_from(last.as_mut_slice()).ok()) {
            Some([last, apps, said, why]) if *last == pair && said == word && why == reason => {
                apps.push_str(", ");
                apps.push_str(&row.app);
            }
            _ => remarks.push(vec![pair, row.app.clone(), word.to_owned(), reason.clone()]),
        }
    }
    remarks
}

fn notes(played: &[Portability]) -> Markup {
    let remarks = remarks(played);
    html! {
        @if !remarks.is_empty() {
            div.scroll tabindex="0" { (table(&["Where", "Apps", "Outcome", "What was seen"], &remarks)) }
        }
    }
}

/// Each cell of a lane that names its guest's language, beside Rust's guest and the native app.
pub(crate) fn speed(results: &Results) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for cell in results.service_cells() {
        for lane in results.lanes.iter().filter(|lane| lane.language.is_some()) {
            let against = |other: &str| {
                let ratio = results.ratio(&lane.name, other, cell, "p50");
                ratio.map(|ratio| words::ratio(ratio.ratio, ratio.low, ratio.high))
            };
            let (to_rust, to_native) = (against("host"), against("direct"));
            if to_rust.is_some() || to_native.is_some() {
                let or_missing = |text: Option<String>| text.unwrap_or_else(|| MISSING.to_owned());
                let language = lane.language.clone().unwrap_or_default();
                rows.push(vec![cell.words(), language, or_missing(to_rust), or_missing(to_native)]);
            }
        }
    }
    rows
}

pub(crate) fn loading(results: &Results) -> Vec<Vec<String>> {
    let spread = |spread: Spread| {
        let [median, least, most] =
            [spread.median, spread.least, spread.most].map(|ns| words::time(ns as f64));
        if spread.processes > 1 { format!("{median} ({least}–{most})") } else { median }
    };
    let row = |loaded: &crate::results::Loaded| {
        vec![
            format!("{}, {}", loaded.language, loaded.compiler),
            spread(loaded.compiled),
            spread(loaded.cached),
            spread(loaded.first_call),
            loaded.compiled.processes.to_string(),
        ]
    };
    results.loading.iter().map(row).collect()
}
