//! Operations per second and per CPU-second, and where the CPU time goes.

use maud::{Markup, html};

use crate::charts::{Bar, Bars, Segment};
use crate::page::table;
use crate::results::{CellKey, CellResult, Results};
use crate::words::{self, MISSING};

/// Charts drawn open; the rest folds away.
const OPEN: usize = 2;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let mut cells = results.throughput_cells();
    let in_flight = !cells.is_empty();
    if !in_flight {
        cells.extend(results.reference());
    }
    let cells: Vec<&CellKey> = cells.into_iter().filter(|cell| !results.rows(cell).is_empty()).collect();
    if cells.is_empty() {
        return None;
    }
    let (open, folded) = cells.split_at(cells.len().min(OPEN));
    Some(html! {
        p { "CPU time of every process for one operation: what a request costs, wherever the processes run. "
            "Load and server share the cores here, so operations per second compare little; operations per CPU-second hold."
            @if !in_flight { " Several requests in flight were not measured in this run; shown is one in flight." } }
        @for cell in open { (stack(results, cell)) }
        @if !folded.is_empty() {
            details { summary { "All other cells (" (folded.len()) ")" } @for cell in folded { (stack(results, cell)) } }
        }
    })
}

fn stack(results: &Results, cell: &CellKey) -> Markup {
    let rows = results.rows(cell);
    let bars = rows
        .iter()
        .map(|row| Bar {
            name: row.lane.clone(),
            segments: row
                .cpu
                .iter()
                .flat_map(|cpu| {
                    let part = |kind: &str, ns: u64| Segment {
                        name: format!("{}, {kind}", cpu.process),
                        value: ns as f64,
                        class: format!("p-{} {kind}", cpu.process),
                    };
                    [part("user", cpu.user_ns), part("system", cpu.system_ns)]
                })
                .collect(),
            note: row.cpu_per_op_ns.map_or(MISSING.to_owned(), |ns| words::time(ns as f64)),
        })
        .collect();
    let chart = Bars {
        title: format!("CPU per operation: {}, {}, {}", cell.subject(), cell.place(), cell.load_words()),
        description: rows
            .iter()
            .map(|row| {
                format!(
                    "{}: {}",
                    row.lane,
                    row.cpu_per_op_ns.map_or(MISSING.to_owned(), |ns| words::time(ns as f64))
                )
            })
            .collect::<Vec<_>>()
            .join(". "),
        unit: &words::time,
        bars,
        marks: Vec::new(),
        names: 190.0,
        width: 780.0,
    };
    let twin: Vec<Vec<String>> = rows.iter().map(|row| figures(row)).collect();
    chart.chart().with_table(
        "Stacked by process, user and system time; the system's part is counted in clock ticks, so it is coarse.",
        &table(&["Lane", "CPU per operation", "Operations per CPU-second", "Operations per second", "By process (user + system)"], &twin),
    )
}

fn figures(row: &CellResult) -> Vec<String> {
    let rate = |rate: Option<f64>| rate.map_or(MISSING.to_owned(), words::digits);
    let processes: Vec<String> = row
        .cpu
        .iter()
        .map(|cpu| {
            format!(
                "{} {} + {}",
                cpu.process,
                words::time(cpu.user_ns as f64),
                words::time(cpu.system_ns as f64)
            )
        })
        .collect();
    vec![
        row.lane.clone(),
        row.cpu_per_op_ns.map_or(MISSING.to_owned(), |ns| words::time(ns as f64)),
        rate(row.ops_per_cpu_second),
        rate(row.ops_per_second),
        processes.join("; "),
    ]
}
