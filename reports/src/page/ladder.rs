//! The latency ladder: what was measured here among what the literature names.

use maud::Markup;

use crate::charts::{Dot, Dots, Scale};
use crate::literature::{KNOWN, SOURCE};
use crate::page::table;
use crate::results::Results;
use crate::words::{self, MISSING};

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
    rows.extend(results.rows(reference).into_iter().map(|cell| Dot {
        name: cell.lane.clone(),
        series: results.series(&cell.lane),
        value: cell.p50(),
        interval: Some(cell.p50_ends()),
        hollow: false,
        note: words::time(cell.p50()),
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
            let rounds = row.interval.map_or_else(
                || MISSING.to_owned(),
                |(smallest, largest)| format!("{}…{}", words::time(smallest), words::time(largest)),
            );
            vec![row.name.clone(), row.note.clone(), rounds, origin.to_owned()]
        })
        .collect();
    let chart = Dots {
        title: "Latency ladder".to_owned(),
        description: format!(
            "Typical p50 of {} for each lane, among latencies from the literature, on a logarithmic axis from 0.1 ns to 1 s.",
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
        "One axis step is two powers of ten. Filled: the typical p50 of {} measured here, the geometric mean over \
         rounds, with a line from the smallest round to the largest. Hollow: {SOURCE}; other machines, so \
         context only.",
        reference.words()
    );
    Some(
        chart.chart().with_table(
            &explanation,
            &table(&["What", "Latency", "Smallest…largest round", "Origin"], &twin),
        ),
    )
}
