//! Each lane against the host, with its interval.

use maud::{Markup, html};

use crate::charts::{Band, Dot, Dots, Mark, Scale};
use crate::page::table;
use crate::results::{CellKey, Ratio, Results};
use crate::words;

/// The lane that the others are measured against.
const AGAINST: &str = "host";

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let cells: Vec<(&CellKey, Vec<Ratio>)> = results
        .service_cells()
        .into_iter()
        .map(|cell| {
            let lanes = results.contenders().into_iter().filter(|lane| *lane != AGAINST);
            (cell, lanes.filter_map(|lane| results.ratio(lane, AGAINST, cell, "p50")).collect::<Vec<_>>())
        })
        .filter(|(_, ratios)| !ratios.is_empty())
        .collect();
    let reference = results.reference()?;
    // The reference's workload and provider in every placement comes first and open.
    let close = |cell: &CellKey| {
        cell.workload == reference.workload
            && cell.provider == reference.provider
            && cell.payload == reference.payload
    };
    let (near, far): (Vec<_>, Vec<_>) = cells.iter().partition(|(cell, _)| close(cell));
    if cells.is_empty() {
        return None;
    }
    Some(html! {
        p { "How many times the host's median each lane takes: right of 1 is slower than the host, left is faster. The whisker is the 95 % interval over rounds. "
            "The grey band is the A/A interval; the dashed lines are the margin within which two lanes count as equivalent. The solid line at 10 is one decade." }
        @for (cell, ratios) in near { (forest(results, cell, ratios)) }
        @if !far.is_empty() {
            details { summary { "All other cells (" (far.len()) ")" }
                @for (cell, ratios) in far { (forest(results, cell, ratios)) } }
        }
    })
}

fn forest(results: &Results, cell: &CellKey, ratios: &[Ratio]) -> Markup {
    let ends = ratios
        .iter()
        .flat_map(|ratio| [ratio.low, ratio.high])
        .chain([1.0 - results.margin, 1.0 + results.margin]);
    let axis = Scale::nice_log(ends);
    let highest = ratios.iter().map(|ratio| ratio.high).fold(0.0, f64::max);
    let mut marks = vec![
        Mark { at: 1.0, name: "host", dashed: false },
        Mark { at: 1.0 - results.margin, name: "", dashed: true },
        Mark { at: 1.0 + results.margin, name: "", dashed: true },
    ];
    if highest > 8.0 {
        marks.push(Mark { at: 10.0, name: "one decade", dashed: false });
    }
    let rows = ratios
        .iter()
        .map(|ratio| Dot {
            name: ratio.a.clone(),
            series: results.series(&ratio.a),
            value: ratio.ratio,
            interval: Some((ratio.low, ratio.high)),
            hollow: false,
            note: words::ratio(ratio.ratio, ratio.low, ratio.high),
        })
        .collect();
    let twin: Vec<Vec<String>> = ratios
        .iter()
        .map(|ratio| {
            vec![
                words::sentence(&ratio.a, AGAINST, ratio.ratio, ratio.low, ratio.high),
                ratio.word.to_owned(),
                ratio.word_without_flagged.unwrap_or(words::MISSING).to_owned(),
                ratio.n_rounds.to_string(),
            ]
        })
        .collect();
    let chart = Dots {
        title: format!("Median against the host: {}", cell.words()),
        description: ratios
            .iter()
            .map(|ratio| words::sentence(&ratio.a, AGAINST, ratio.ratio, ratio.low, ratio.high))
            .collect::<Vec<_>>()
            .join(". "),
        axis,
        unit: &|value| format!("{} ×", short(value)),
        rows,
        bands: results.aa.iter().map(|aa| Band { low: aa.low, high: aa.high }).collect(),
        marks,
        names: 190.0,
        width: 780.0,
    };
    chart.chart().with_table("", &table(&["Comparison", "Word", "Without flagged blocks", "Rounds"], &twin))
}

/// A tick without needless digits: `0.5`, `2`, `100`.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
