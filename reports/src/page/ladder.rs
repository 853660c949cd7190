//! The latency ladder: what was measured here among what the literature names.

use maud::Markup;

use crate::charts::{Dot, Dots, Scale};
use crate::literature::{KNOWN, SOURCE};
use crate::page::table;
use crate::results::Results;
use crate::words;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let reference = results.reference()?;
    let mut rows: Vec<Dot> = KNOWN
        .iter()
        .map(|known| Dot {
            name: known.name.to_owned(),
            series: 0,
            value: known.ns,
            interval: None,
            hollow: true,
            note: words::time(known.ns),
        })
        .collect();
    rows.extend(results.rows(reference).into_iter().map(|cell| {
        let ns = cell.p50_ps as f64 / 1e3;
        Dot {
            name: cell.lane.clone(),
            series: results.series(&cell.lane),
            value: ns,
            interval: None,
            hollow: false,
            note: words::time(ns),
        }
    }));
    if let Some(overhead) = &results.harness_overhead {
        rows.push(Dot {
            name: "empty call (harness)".to_owned(),
            series: 0,
            value: overhead.p50_ns,
            interval: None,
            hollow: false,
            note: words::time(overhead.p50_ns),
        });
    }
    rows.sort_by(|a, b| a.value.total_cmp(&b.value));
    let twin: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let origin = if row.hollow { "literature" } else { "measured here" };
            vec![row.name.clone(), row.note.clone(), origin.to_owned()]
        })
        .collect();
    let chart = Dots {
        title: "Latency ladder".to_owned(),
        description: format!(
            "Median latency of {} for each lane, among latencies from the literature, on a logarithmic axis from 0.1 ns to 1 s.",
            reference.words()
        ),
        axis: Scale::log(0.1, 1e9),
        unit: &words::time,
        rows,
        bands: Vec::new(),
        marks: Vec::new(),
        names: 230.0,
        width: 820.0,
    };
    let explanation = format!(
        "One axis step is two powers of ten. Filled: the median of {} measured here. Hollow: {SOURCE}; other machines, so context only.",
        reference.words()
    );
    Some(chart.chart().with_table(&explanation, &table(&["What", "Latency", "Origin"], &twin)))
}
