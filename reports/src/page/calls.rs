//! Latency over capability calls in a request.

use maud::{Markup, html};

use crate::charts::{Lines, Scale, Series};
use crate::page::table;
use crate::results::{CellKey, Results, Slope};
use crate::words;

/// Charts drawn open; the rest folds away.
const OPEN: usize = 1;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let mut groups: Vec<Vec<&Slope>> = Vec::new();
    for slope in &results.slopes {
        match groups.last_mut() {
            Some(group) if same_place(group[0], slope) => group.push(slope),
            _ => groups.push(vec![slope]),
        }
    }
    if groups.is_empty() {
        return None;
    }
    let reference = results.reference();
    groups.sort_by_key(|group| {
        reference
            .is_none_or(|cell| cell.placement != group[0].placement || cell.provider != group[0].provider)
    });
    let (open, folded) = groups.split_at(groups.len().min(OPEN));
    Some(html! {
        p { "One request makes k capability calls, one after another. The slope is the cost of one call, fitted "
            "so that relative residuals are least; entering the app is the measured p50 of a request without "
            "calls. The line's miss is the largest, over the numbers of calls, of the rounds' mean relative residual." }
        @for group in open { (chart(results, group)) }
        @if !folded.is_empty() {
            details { summary { "Other placements and providers (" (folded.len()) ")" } @for group in folded { (chart(results, group)) } }
        }
    })
}

fn same_place(a: &Slope, b: &Slope) -> bool {
    a.payload == b.payload && a.provider == b.provider && a.placement == b.placement
}

fn chart(results: &Results, slopes: &[&Slope]) -> Markup {
    let first = slopes[0];
    let cells: Vec<&CellKey> = results
        .service_cells()
        .into_iter()
        .filter(|cell| {
            cell.calls.is_some()
                && cell.payload == first.payload
                && cell.provider == first.provider
                && cell.placement == first.placement
        })
        .collect();
    let mut counts: Vec<u32> = cells.iter().filter_map(|cell| cell.calls).collect();
    counts.sort_unstable();
    // 0 has no place on a doubling axis, so it stands one step before 1.
    let place = |calls: u32| if calls == 0 { -1.0 } else { f64::from(calls).log2() };
    let series: Vec<Series> = slopes
        .iter()
        .map(|slope| {
            let mut points: Vec<(f64, f64)> = cells
                .iter()
                .filter_map(|cell| Some((place(cell.calls?), results.cell(&slope.lane, cell)?.p50())))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Series { index: results.series(&slope.lane), name: slope.lane.clone(), points }
        })
        .collect();
    let twin: Vec<Vec<String>> = slopes
        .iter()
        .map(|slope| {
            let [call, entering, misfit] = slope.figures();
            vec![slope.lane.clone(), call, entering, misfit, slope.n_rounds.to_string()]
        })
        .collect();
    let name = cells.first().map_or_else(String::new, |cell| cell.place());
    let lines = Lines {
        title: format!("Calls per request: {} values, {name}", words::payload(first.payload)),
        description: twin
            .iter()
            .map(|row| format!("{}: {} a call", row[0], row[1]))
            .collect::<Vec<_>>()
            .join(". "),
        x: Scale::linear(-1.0, counts.last().map_or(1.0, |most| place(*most)).max(0.0)),
        y: Scale::decades(
            series
                .iter()
                .flat_map(|line| line.points.iter().map(|point| point.1))
                .collect::<Vec<_>>()
                .into_iter(),
        ),
        x_ticks: counts.iter().map(|calls| (place(*calls), calls.to_string())).collect(),
        x_name: "capability calls in a request (doubling)".to_owned(),
        y_unit: &words::time,
        series,
        markers: true,
        width: 780.0,
        height: 400.0,
    };
    let slopes = table(
        &[
            "Lane",
            "One call (slope)",
            "Entering the app (measured, no calls)",
            "The line misses by up to",
            "Rounds",
        ],
        &twin,
    );
    html! {
        (lines.chart().with_table(
            "Typical p50, both axes logarithmic.",
            &typical(results, slopes_lanes(results, &cells).as_slice(), &cells)
        ))
        div.scroll tabindex="0" { (slopes) }
    }
}

/// The lanes that measured any of the cells.
fn slopes_lanes<'a>(results: &'a Results, cells: &[&CellKey]) -> Vec<&'a str> {
    results
        .contenders()
        .into_iter()
        .filter(|lane| cells.iter().any(|cell| results.cell(lane, cell).is_some()))
        .collect()
}

fn typical(results: &Results, lanes: &[&str], cells: &[&CellKey]) -> Markup {
    let mut cells = cells.to_vec();
    cells.sort_by_key(|cell| cell.calls);
    let heads: Vec<String> =
        cells.iter().map(|cell| format!("k = {}", cell.calls.unwrap_or_default())).collect();
    let mut head = vec!["Lane"];
    head.extend(heads.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = lanes
        .iter()
        .map(|lane| {
            let mut row = vec![(*lane).to_owned()];
            row.extend(cells.iter().map(|cell| {
                results
                    .cell(lane, cell)
                    .map_or(format!("{} (not measured)", words::MISSING), |cell| words::time(cell.p50()))
            }));
            row
        })
        .collect();
    table(&head, &rows)
}
