//! App {native, wasm} × coupling {in process, sidecar}.

use maud::{Markup, html};

use crate::charts::{Lines, Scale, Series};
use crate::page::table;
use crate::results::{CellKey, Results};
use crate::words;

/// Panels that are drawn; the table holds every cell.
const PANELS: usize = 4;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let mut cells: Vec<&CellKey> = results.effects.iter().map(|effect| &effect.cell).collect();
    cells.dedup();
    if cells.is_empty() {
        return None;
    }
    let reference = results.reference();
    let mut drawn: Vec<&CellKey> = cells.clone();
    // The reference cell, then its neighbours in place, then the rest.
    drawn.sort_by_key(|cell| {
        (
            Some(*cell) != reference,
            cell.calls.is_some(),
            reference.is_none_or(|reference| {
                cell.placement != reference.placement || cell.provider != reference.provider
            }),
        )
    });
    drawn.truncate(PANELS);
    let corners = &results.effects[0].corners;
    Some(html! {
        p { "The article compares native beside a sidecar with wasm in process: one diagonal of four corners. Here all four are measured: "
            code { (corners[0]) } ", " code { (corners[1]) } ", " code { (corners[2]) } " and " code { (corners[3]) } ". "
            "Parallel lines mean that the two costs multiply; lines that close up mean that the hop is so dear that the sandbox no longer shows." }
        div.panels { @for cell in drawn { (panel(results, cell)) } }
        h3 { "Effects in every cell that calls a provider" }
        p { "Factors on p50: sandbox is wasm over native, hop is sidecar over in process, each averaged over the other; the interaction is the hop's factor for wasm over that for native." }
        div.scroll tabindex="0" { (table(&["Cell", "Sandbox", "Hop", "Interaction"], &effects(results, &cells))) }
    })
}

fn panel(results: &Results, cell: &CellKey) -> Markup {
    let Some(effect) = results.effects_of(cell).first().copied() else { return html! {} };
    let [direct, twin, host, fourth] = effect.corner_p50_ns;
    let line = |index, name: &str, from, to| Series {
        index,
        name: name.to_owned(),
        points: vec![(0.0, from), (1.0, to)],
    };
    let chart = Lines {
        title: cell.words(),
        description: format!(
            "Typical p50 in process and beside a sidecar. Native: {} and {}. Wasm: {} and {}.",
            words::time(direct),
            words::time(twin),
            words::time(host),
            words::time(fourth)
        ),
        x: Scale::linear(-0.25, 1.25),
        y: Scale::decades(effect.corner_p50_ns.into_iter()),
        x_ticks: vec![(0.0, "in process".to_owned()), (1.0, "sidecar".to_owned())],
        x_name: "coupling".to_owned(),
        y_unit: &words::time,
        series: vec![line(0, "native", direct, twin), line(1, "wasm", host, fourth)],
        markers: true,
        width: 380.0,
        height: 280.0,
    };
    let rows = [
        vec!["native".to_owned(), words::time(direct), words::time(twin)],
        vec!["wasm".to_owned(), words::time(host), words::time(fourth)],
    ];
    chart.chart().with_table("Typical p50.", &table(&["App", "In process", "Sidecar"], &rows))
}

fn effects(results: &Results, cells: &[&CellKey]) -> Vec<Vec<String>> {
    cells
        .iter()
        .map(|cell| {
            let found = results.effects_of(cell);
            let of = |name: &str| {
                found.iter().find(|effect| effect.effect == name).map_or_else(
                    || words::MISSING.to_owned(),
                    |effect| words::ratio(effect.ratio, effect.low, effect.high),
                )
            };
            vec![cell.words(), of("sandbox"), of("hop"), of("interaction")]
        })
        .collect()
}
