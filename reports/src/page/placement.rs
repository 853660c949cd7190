//! The same cell where the processes run elsewhere.

use maud::{Markup, html};

use crate::charts::{Dot, Dots, Scale};
use crate::page::table;
use crate::results::{CellKey, CellResult, Results};
use crate::words::{self, MISSING};

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let reference = results.reference()?;
    let places: Vec<&CellKey> = results
        .service_cells()
        .into_iter()
        .filter(|cell| CellKey { placement: reference.placement, ..(*cell).clone() } == *reference)
        .collect();
    if places.len() < 2 {
        return None;
    }
    let p50 = |lane: &str, cell: &CellKey| results.cell(lane, cell).map(CellResult::p50);
    let lanes = results.contenders();
    let all = || places.iter().flat_map(|cell| lanes.iter().filter_map(|lane| p50(lane, cell)));
    let axis = Scale::decades(all());
    let panel = |cell: &CellKey| {
        let measured: Vec<(&str, f64)> =
            lanes.iter().filter_map(|lane| Some((*lane, p50(lane, cell)?))).collect();
        let rows = measured
            .iter()
            .map(|(lane, ns)| Dot {
                name: (*lane).to_owned(),
                series: results.series(lane),
                value: *ns,
                interval: None,
                hollow: false,
                note: String::new(),
            })
            .collect();
        let twin: Vec<Vec<String>> =
            measured.iter().map(|(lane, ns)| vec![(*lane).to_owned(), words::time(*ns)]).collect();
        let name = cell.placement_words();
        let chart = Dots {
            title: capital(name),
            description: measured
                .iter()
                .map(|(lane, ns)| format!("{lane}: {}", words::time(*ns)))
                .collect::<Vec<_>>()
                .join(". "),
            axis,
            unit: &words::time,
            rows,
            bands: Vec::new(),
            marks: Vec::new(),
            names: 180.0,
            width: 400.0,
        };
        let explanation = match cell.placement {
            "same-core" => "App and sidecar share one core: no idle core has to wake.",
            "other-core" => "A core each: every call waits for the other core to wake.",
            _ => "The kernel places the processes.",
        };
        chart.chart().with_table(explanation, &table(&["Lane", "Typical p50"], &twin))
    };
    let twin: Vec<Vec<String>> = lanes
        .iter()
        .map(|lane| {
            let mut row = vec![(*lane).to_owned()];
            row.extend(
                places
                    .iter()
                    .map(|cell| p50(lane, cell).map_or(format!("{MISSING} (not measured)"), words::time)),
            );
            row
        })
        .collect();
    let mut head = vec!["Lane"];
    head.extend(places.iter().map(|cell| cell.placement_words()));
    Some(html! {
        p { "The typical p50 of " (reference.subject()) " over " (reference.provider) ". Where the processes run moves a sidecar's latency more than its protocol does, so it is a factor of every cell and not noise." }
        div.panels { @for cell in &places { (panel(cell)) } }
        h3 { "Side by side" }
        div.scroll tabindex="0" { (table(&head, &twin)) }
    })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
