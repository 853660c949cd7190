//! Each lane against the host, with its interval.

use maud::{Markup, html};

use crate::charts::{Band, Dot, Dots, Mark, Scale};
use crate::page::table;
use crate::results::{CellKey, Ratio, Results};
use crate::words;

/// The cells that have a chart here, each with the lanes against the reference lane.
pub(crate) fn cells<'a>(results: &'a Results, against: &str) -> Vec<(&'a CellKey, Vec<Ratio>)> {
    let ratios = |cell| {
        let lanes = results.contenders().into_iter().filter(|lane| *lane != against);
        lanes.filter_map(|lane| results.ratio(lane, against, cell, "p50")).collect::<Vec<_>>()
    };
    let cells = results.service_cells().into_iter().map(|cell| (cell, ratios(cell)));
    cells.filter(|(_, ratios)| !ratios.is_empty()).collect()
}

/// The section's heading.
pub(crate) fn heading(results: &Results) -> String {
    let against = results.reference_lane().map_or_else(|| "another".to_owned(), words::the_lane);
    format!("Each lane against {against}")
}

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let against = results.reference_lane()?;
    let cells = cells(results, against);
    let name = words::the_lane(against);
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
        p { @if against == "host" { "How many times the host's p50 each lane takes" }
            @else { "How many times the p50 of " (name) " each other lane takes" }
            ": right of 1 is slower than " (name) ", left is faster. The whisker is the 95 % interval over rounds. "
            "The grey band is the cell's A/A interval, or the run's where the cell has none; the dashed lines are the "
            "margin within which two lanes count as equivalent. The solid line at 10 is one decade." }
        @for (cell, ratios) in near { (forest(results, against, cell, ratios)) }
        @if !far.is_empty() {
            details { summary { "All other cells (" (far.len()) ")" }
                @for (cell, ratios) in far { (forest(results, against, cell, ratios)) } }
        }
    })
}

fn forest(results: &Results, against: &str, cell: &CellKey, ratios: &[Ratio]) -> Markup {
    let own = results.aa.as_ref().and_then(|aa| aa.of(cell));
    // Without a margin there is nothing to mark: every word is unsure.
    let margin = own.map_or(Some(results.margin), |own| own.margin);
    let margins = || margin.into_iter().flat_map(|margin| [1.0 - margin, 1.0 + margin]);
    let ends = ratios.iter().flat_map(|ratio| [ratio.low, ratio.high]).chain(margins());
    let axis = Scale::nice_log(ends);
    let highest = ratios.iter().map(|ratio| ratio.high).fold(0.0, f64::max);
    let mut marks = vec![Mark { at: 1.0, name: against, dashed: false }];
    marks.extend(margins().map(|at| Mark { at, name: "", dashed: true }));
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
                words::sentence(&ratio.a, against, ratio.ratio, ratio.low, ratio.high),
                ratio.word.to_owned(),
                ratio.word_without_flagged.unwrap_or(words::MISSING).to_owned(),
                ratio.n_rounds.to_string(),
            ]
        })
        .collect();
    let chart = Dots {
        title: format!("p50 against {}: {}", words::the_lane(against), cell.words()),
        description: ratios
            .iter()
            .map(|ratio| words::sentence(&ratio.a, against, ratio.ratio, ratio.low, ratio.high))
            .collect::<Vec<_>>()
            .join(". "),
        axis,
        unit: &|value| format!("{} ×", short(value)),
        rows,
        bands: own
            .map(|own| Band { low: own.low, high: own.high })
            .or_else(|| results.aa.as_ref().map(|aa| Band { low: aa.low, high: aa.high }))
            .into_iter()
            .collect(),
        marks,
        names: 190.0,
        width: 780.0,
    };
    let chart = chart
        .chart()
        .with_table("", &table(&["Comparison", "Word", "Without flagged blocks", "Rounds"], &twin));
    html! { div id=(words::anchor(&cell.words())) { (chart) } }
}

/// A tick without needless digits: `0.5`, `2`, `100`.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
