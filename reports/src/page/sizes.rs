//! What is deployed, in bytes.

use maud::{Markup, html};

use crate::charts::{Bar, Bars, Segment};
use crate::page::table;
use crate::results::{Results, Size};
use crate::verdicts::{HISTORY, MB, MIB};
use crate::words;

/// Sections that get a colour each; the smaller ones are drawn as one.
const NAMED: usize = 6;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    if results.sizes.is_empty() {
        return None;
    }
    let (modules, others): (Vec<&Size>, Vec<&Size>) =
        results.sizes.iter().partition(|size| size.artifact.kind == "module");
    Some(html! {
        p { "Two readings of 2 MB: 2·10⁶ bytes and 2·2²⁰ bytes. " (HISTORY) }
        @if !modules.is_empty() {
            (chart("Guest modules by section", &drawn(&modules), &[(MB as f64, "2·10⁶ bytes"), (MIB as f64, "2·2²⁰ bytes")]))
        }
        @if !others.is_empty() { (chart("Executables by section", &others, &[])) }
        h3 { "Forms" }
        div.scroll tabindex="0" { (forms(&results.sizes)) }
    })
}

/// The modules that hold every app; those of one app each are in the table.
fn drawn<'a>(modules: &[&'a Size]) -> Vec<&'a Size> {
    let whole: Vec<&Size> = modules.iter().copied().filter(|size| size.artifact.name == "guest").collect();
    if whole.is_empty() { modules.to_vec() } else { whole }
}

/// What tells a module from others: of executables there is one each.
fn label(size: &Size) -> String {
    let artifact = &size.artifact;
    if artifact.kind == "module" {
        format!("{}, {}", artifact.name, artifact.language)
    } else {
        artifact.name.clone()
    }
}

fn chart(title: &str, sizes: &[&Size], marks: &[(f64, &'static str)]) -> Markup {
    let mut totals: Vec<(&str, u64)> = Vec::new();
    for section in sizes.iter().flat_map(|size| &size.artifact.sections) {
        match totals.iter_mut().find(|(name, _)| *name == section.name) {
            Some((_, bytes)) => *bytes += section.bytes,
            None => totals.push((&section.name, section.bytes)),
        }
    }
    totals.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let named: Vec<&str> = totals.iter().take(NAMED).map(|(name, _)| *name).collect();
    let bars = sizes.iter().map(|size| bar(size, &named)).collect();
    let twin: Vec<Vec<String>> = sizes
        .iter()
        .flat_map(|size| {
            size.artifact.sections.iter().map(|section| {
                vec![
                    format!("{}: {}", label(size), section.name),
                    words::count(section.bytes),
                    words::percent(section.bytes as f64 / size.artifact.raw.max(1) as f64),
                ]
            })
        })
        .collect();
    let bars = Bars {
        title: title.to_owned(),
        description: sizes
            .iter()
            .map(|size| format!("{}: {}", label(size), words::bytes(size.artifact.raw)))
            .collect::<Vec<_>>()
            .join(". "),
        unit: &|value| words::bytes(value as u64),
        bars,
        marks: marks.to_vec(),
        names: 190.0,
        width: 780.0,
    };
    bars.chart().with_table("As built.", &table(&["Section", "Bytes", "Share"], &twin))
}

fn bar(size: &Size, named: &[&str]) -> Bar {
    let artifact = &size.artifact;
    let of = |name: &str| -> u64 {
        artifact.sections.iter().filter(|section| section.name == name).map(|section| section.bytes).sum()
    };
    let mut segments: Vec<Segment> = named
        .iter()
        .enumerate()
        .map(|(index, name)| Segment {
            name: (*name).to_owned(),
            value: of(name) as f64,
            class: format!("z{index}"),
        })
        .collect();
    let drawn: u64 = named.iter().map(|name| of(name)).sum();
    segments.push(Segment {
        name: "other".to_owned(),
        value: artifact.raw.saturating_sub(drawn) as f64,
        class: "zother".to_owned(),
    });
    Bar { name: label(size), segments, note: words::bytes(artifact.raw) }
}

/// Raw, stripped, gzip and zstd.
pub(crate) fn forms(sizes: &[Size]) -> Markup {
    let rows: Vec<Vec<String>> = sizes
        .iter()
        .map(|size| {
            let artifact = &size.artifact;
            let below = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
            vec![
                format!("{} ({}, {})", artifact.name, artifact.language, artifact.kind),
                words::count(artifact.raw),
                words::count(artifact.stripped),
                artifact.optimized.map_or_else(|| words::MISSING.to_owned(), words::count),
                words::count(artifact.gzip),
                words::count(artifact.zstd),
                below(size.raw_below_2_mb),
                below(size.raw_below_2_mib),
            ]
        })
        .collect();
    table(
        &[
            "What",
            "As built, bytes",
            "Stripped",
            "wasm-opt −Oz",
            "gzip −9",
            "zstd −19",
            "Below 2·10⁶",
            "Below 2·2²⁰",
        ],
        &rows,
    )
}
