//! Dots with their intervals on one axis, a row each.

use maud::{Markup, html};

use super::{Chart, Scale, line, marker, px, text};

/// Rows of dots on a shared axis.
pub(crate) struct Dots<'a> {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) axis: Scale,
    /// How a value on the axis reads.
    pub(crate) unit: &'a dyn Fn(f64) -> String,
    pub(crate) rows: Vec<Dot>,
    pub(crate) bands: Vec<Band>,
    pub(crate) marks: Vec<Mark<'a>>,
    /// Room for the rows' names.
    pub(crate) names: f64,
    /// The whole width.
    pub(crate) width: f64,
}

/// One row.
pub(crate) struct Dot {
    pub(crate) name: String,
    pub(crate) series: usize,
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    /// Not measured here.
    pub(crate) hollow: bool,
    /// What stands at the right.
    pub(crate) note: String,
}

/// A grey range.
pub(crate) struct Band {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// A line across all rows, with its name at the top.
pub(crate) struct Mark<'a> {
    pub(crate) at: f64,
    pub(crate) name: &'a str,
    pub(crate) dashed: bool,
}

const ROW: f64 = 26.0;
const NOTE: f64 = 150.0;

// === impl Dots ===

impl Dots<'_> {
    pub(crate) fn chart(self) -> Chart {
        let top = if self.marks.iter().any(|mark| !mark.name.is_empty()) { 26.0 } else { 10.0 };
        let bottom = top + ROW * self.rows.len() as f64;
        let note = if self.rows.iter().all(|row| row.note.is_empty()) { 20.0 } else { NOTE };
        let axis = self.axis.over(self.names, self.width - note);
        let row = |index: usize| top + ROW * (index as f64 + 0.5);
        let body = html! {
            @for band in &self.bands {
                rect.band x=(px(axis.at(band.low))) y=(px(top)) height=(px(bottom - top))
                    width=(px((axis.at(band.high) - axis.at(band.low)).max(1.0))) {}
            }
            @for tick in axis.ticks() {
                (line(axis.at(tick), top, axis.at(tick), bottom, "grid"))
                (text(axis.at(tick), bottom + 18.0, "middle", "tick", &(self.unit)(tick)))
            }
            @for mark in &self.marks {
                (line(axis.at(mark.at), top, axis.at(mark.at), bottom, if mark.dashed { "rule dashed" } else { "rule" }))
                (text(axis.at(mark.at), top - 8.0, "middle", "tick", mark.name))
            }
            @for (index, dot) in self.rows.iter().enumerate() { (self.row(dot, row(index), &axis)) }
        };
        Chart {
            title: self.title,
            description: self.description,
            width: self.width,
            height: bottom + 28.0,
            body,
        }
    }

    fn row(&self, dot: &Dot, y: f64, axis: &Scale) -> Markup {
        html! {
            (text(self.names - 12.0, y + 4.5, "end", if dot.hollow { "name other" } else { "name" }, &dot.name))
            @if let Some((low, high)) = dot.interval {
                (line(axis.at(low), y, axis.at(high), y, &format!("whisker s{}", dot.series % 8)))
            }
            (marker(dot.series, axis.at(dot.value), y, dot.hollow, &format!("{}: {}", dot.name, (self.unit)(dot.value))))
            (text(self.width - 4.0, y + 4.5, "end", "note", &dot.note))
        }
    }
}
