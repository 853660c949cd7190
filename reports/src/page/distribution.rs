//! Percentile spectrum and cumulative distribution, from merged histograms: for drawing, not for inference.

use hdrhistogram::Histogram;
use maud::{Markup, html};

use crate::charts::{Lines, Scale, Series};
use crate::page::table;
use crate::results::{CellResult, Results};
use crate::words;

/// A percentile is drawn while at least this many samples lie above it.
const SAMPLES_ABOVE: f64 = 10.0;

pub(crate) fn render(results: &Results) -> Option<Markup> {
    let reference = results.reference()?;
    let lanes: Vec<(&CellResult, Histogram<u64>)> = results
        .rows(reference)
        .into_iter()
        // The text was encoded by this very crate a moment ago.
        .filter_map(|cell| Some((cell, pillion_records::histogram::decode(&cell.histogram_ps).ok()?)))
        .filter(|(_, histogram)| histogram.len() as f64 > SAMPLES_ABOVE)
        .collect();
    if lanes.is_empty() {
        return None;
    }
    let batched: Vec<&str> =
        lanes.iter().filter(|(cell, _)| cell.batch > 1).map(|(cell, _)| cell.lane.as_str()).collect();
    Some(html! {
        p { "All rounds of " (reference.words()) " merged, which is fit for drawing and not for inference. Lines end where fewer than 10 samples remain above. "
            @if !batched.is_empty() {
                "Samples of " (batched.join(", ")) " are means of batches, since one call is too short for the clock: their tails are smoothed."
            } }
        (spectrum(results, &lanes))
        (cumulative(results, &lanes))
    })
}

fn spectrum(results: &Results, lanes: &[(&CellResult, Histogram<u64>)]) -> Markup {
    let axis: Vec<f64> = (0..=60).map(|step| 10f64.powf(f64::from(step) / 10.0)).collect();
    let last = |histogram: &Histogram<u64>| histogram.len() as f64 / SAMPLES_ABOVE;
    let most = lanes.iter().map(|(_, histogram)| last(histogram)).fold(10.0, f64::max);
    let series: Vec<Series> = lanes
        .iter()
        .map(|(cell, histogram)| Series {
            index: results.series(&cell.lane),
            name: cell.lane.clone(),
            points: axis
                .iter()
                .filter(|x| **x <= last(histogram))
                .map(|x| (*x, at(histogram, 1.0 - 1.0 / x)))
                .collect(),
        })
        .collect();
    let x_ticks = [
        (1.0, "0"),
        (2.0, "50"),
        (10.0, "90"),
        (100.0, "99"),
        (1e3, "99.9"),
        (1e4, "99.99"),
        (1e5, "99.999"),
        (1e6, "99.9999"),
    ];
    let percentiles = [0.5, 0.9, 0.99, 0.999, 0.9999];
    let twin: Vec<Vec<String>> = lanes
        .iter()
        .map(|(cell, histogram)| {
            let value = |share: &f64| {
                if (1.0 - share) * histogram.len() as f64 >= SAMPLES_ABOVE {
                    words::time(at(histogram, *share))
                } else {
                    format!("{} (too few samples)", words::MISSING)
                }
            };
            let mut row = vec![cell.lane.clone()];
            row.extend(percentiles.iter().map(value));
            row.push(words::count(histogram.len()));
            row
        })
        .collect();
    let chart = Lines {
        title: "Percentile spectrum".to_owned(),
        description: "Latency by percentile for each lane. The axis stretches the tail: each step is a tenth of the samples that are left.".to_owned(),
        x: Scale::log(1.0, most),
        y: Scale::decades(series.iter().flat_map(|line| line.points.iter().map(|point| point.1)).collect::<Vec<_>>().into_iter()),
        x_ticks: x_ticks.into_iter().filter(|(x, _)| *x <= most).map(|(x, name)| (x, name.to_owned())).collect(),
        x_name: "percentile, as 1/(1 − p)".to_owned(),
        y_unit: &words::time,
        series,
        markers: false,
        width: 780.0,
        height: 400.0,
    };
    chart.chart().with_table(
        "Each step to the right is a tenth of the samples that are left; a flat line is a predictable lane.",
        &table(&["Lane", "p50", "p90", "p99", "p99.9", "p99.99", "Samples"], &twin),
    )
}

fn cumulative(results: &Results, lanes: &[(&CellResult, Histogram<u64>)]) -> Markup {
    let series: Vec<Series> = lanes
        .iter()
        .map(|(cell, histogram)| {
            let top = 1.0 - SAMPLES_ABOVE / histogram.len() as f64;
            let shares = (1..200).map(|step| f64::from(step) / 200.0).filter(|share| *share <= top);
            Series {
                index: results.series(&cell.lane),
                name: cell.lane.clone(),
                points: shares.map(|share| (at(histogram, share), share)).collect(),
            }
        })
        .collect();
    let shares = [0.05, 0.25, 0.5, 0.75, 0.95];
    let twin: Vec<Vec<String>> = lanes
        .iter()
        .map(|(cell, histogram)| {
            let mut row = vec![cell.lane.clone()];
            row.extend(shares.iter().map(|share| words::time(at(histogram, *share))));
            row
        })
        .collect();
    let x = Scale::decades(
        series
            .iter()
            .flat_map(|line| line.points.iter().map(|point| point.0))
            .collect::<Vec<_>>()
            .into_iter(),
    );
    let chart = Lines {
        title: "Cumulative distribution".to_owned(),
        description: "The share of calls that took at most a given time, for each lane.".to_owned(),
        x,
        y: Scale::linear(0.0, 1.0),
        x_ticks: x.ticks().into_iter().map(|value| (value, words::time(value))).collect(),
        x_name: "latency".to_owned(),
        y_unit: &|share| format!("{:.0} %", share * 100.0),
        series,
        markers: false,
        width: 780.0,
        height: 340.0,
    };
    chart.chart().with_table(
        "The share of calls that took at most so long; a steep line is a narrow distribution.",
        &table(&["Lane", "5 %", "25 %", "50 %", "75 %", "95 %"], &twin),
    )
}

/// A quantile in ns.
fn at(histogram: &Histogram<u64>, share: f64) -> f64 {
    histogram.value_at_quantile(share) as f64 / 1e3
}
