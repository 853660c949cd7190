//! Stacked bars, a row each.

use maud::html;

use super::{Chart, Scale, line, px, text};

/// Stacked bars on a shared axis from 0.
pub(crate) struct Bars<'a> {
    pub(crate) title: String,
    pub(crate) description: String,
    /// How a value on the axis reads.
    pub(crate) unit: &'a dyn Fn(f64) -> String,
    pub(crate) bars: Vec<Bar>,
    /// Lines across all bars.
    pub(crate) marks: Vec<(f64, &'static str)>,
    /// Room for the bars' names.
    pub(crate) names: f64,
    pub(crate) width: f64,
}

/// One bar.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) segments: Vec<Segment>,
    /// What stands at its end.
    pub(crate) note: String,
}

/// A part of a bar.
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// The class that fills it.
    pub(crate) class: String,
}

const ROW: f64 = 30.0;
const NOTE: f64 = 90.0;
const LEGEND_COLUMN: f64 = 170.0;

// === impl Bars ===

impl Bars<'_> {
    pub(crate) fn chart(self) -> Chart {
        let sum = |bar: &Bar| bar.segments.iter().map(|segment| segment.value).sum::<f64>();
        let marks = self.marks.iter().map(|(at, _)| at * 1.05);
        let most = self.bars.iter().map(sum).chain(marks).fold(0.0, f64::max);
        let top = 10.0 + 18.0 * self.marks.len() as f64;
        let bottom = top + ROW * self.bars.len() as f64;
        let axis = Scale::linear(0.0, most).over(self.names, self.width - NOTE);

        let mut legend: Vec<(&str, &str)> = Vec::new();
        for segment in self.bars.iter().flat_map(|bar| &bar.segments) {
            if !legend.iter().any(|(name, _)| *name == segment.name) {
                legend.push((&segment.name, &segment.class));
            }
        }
        let columns = ((self.width / LEGEND_COLUMN).floor() as usize).max(1);
        let legend_top = bottom + 34.0;

        let body = html! {
            @for tick in axis.ticks() {
                (line(axis.at(tick), top, axis.at(tick), bottom, "grid"))
                (text(axis.at(tick), bottom + 18.0, "middle", "tick", &(self.unit)(tick)))
            }
            @for (index, bar) in self.bars.iter().enumerate() {
                @let y = top + ROW * index as f64 + 4.0;
                (text(self.names - 10.0, y + 15.5, "end", "name", &bar.name))
                @for (at, segment) in stacked(bar) {
                    @if segment.value > 0.0 {
                        rect class={ "bar " (segment.class) } x=(px(axis.at(at))) y=(px(y)) height="22"
                            width=(px((axis.at(at + segment.value) - axis.at(at)).max(0.5))) {
                            title { (bar.name) ", " (segment.name) ": " ((self.unit)(segment.value)) }
                        }
                    }
                }
                (text(axis.at(sum(bar)) + 8.0, y + 15.5, "start", "note halo", &bar.note))
            }
            @for (index, (at, name)) in self.marks.iter().enumerate() {
                (line(axis.at(*at), 16.0 + 18.0 * index as f64, axis.at(*at), bottom, "rule dashed"))
                (text(axis.at(*at) - 5.0, 16.0 + 18.0 * index as f64, "end", "tick halo", name))
            }
            @for (index, (name, class)) in legend.iter().enumerate() {
                @let x = (index % columns) as f64 * LEGEND_COLUMN + 8.0;
                @let y = legend_top + (index / columns) as f64 * 22.0;
                rect class={ "bar " (class) } x=(px(x)) y=(px(y)) width="14" height="14" {}
                (text(x + 20.0, y + 11.5, "start", "name", name))
            }
        };
        let height = legend_top + 22.0 * legend.len().div_ceil(columns) as f64;
        Chart { title: self.title, description: self.description, width: self.width, height, body }
    }
}

/// Each segment with where it begins.
fn stacked(bar: &Bar) -> impl Iterator<Item = (f64, &Segment)> {
    bar.segments.iter().scan(0.0, |at, segment| {
        let begin = *at;
        *at += segment.value;
        Some((begin, segment))
    })
}
