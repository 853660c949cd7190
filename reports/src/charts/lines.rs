//! Lines over an axis.

use maud::{Markup, html};

use super::{Chart, Scale, line, marker, px, text};

/// Lines that share both axes.
pub(crate) struct Lines<'a> {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) x: Scale,
    pub(crate) y: Scale,
    /// Where the horizontal axis is marked, and how it reads.
    pub(crate) x_ticks: Vec<(f64, String)>,
    pub(crate) x_name: String,
    pub(crate) y_unit: &'a dyn Fn(f64) -> String,
    pub(crate) series: Vec<Series>,
    /// Whether points are marked singly: for a few points only.
    pub(crate) markers: bool,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// One line.
pub(crate) struct Series {
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

const LEFT: f64 = 72.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 12.0;
const LEGEND_ROW: f64 = 22.0;
const LEGEND_COLUMN: f64 = 190.0;

// === impl Lines ===

impl Lines<'_> {
    pub(crate) fn chart(self) -> Chart {
        let columns = ((self.width / LEGEND_COLUMN).floor() as usize).max(1);
        let bottom = self.height - 52.0;
        let x = self.x.over(LEFT, self.width - RIGHT);
        let y = self.y.over(bottom, TOP);
        let legend = bottom + 62.0;
        let body = html! {
            @for tick in y.ticks() {
                (line(LEFT, y.at(tick), self.width - RIGHT, y.at(tick), "grid"))
                (text(LEFT - 8.0, y.at(tick) + 4.5, "end", "tick", &(self.y_unit)(tick)))
            }
            @for (at, name) in &self.x_ticks {
                (line(x.at(*at), TOP, x.at(*at), bottom, "grid"))
                (text(x.at(*at), bottom + 18.0, "middle", "tick", name))
            }
            (text(f64::midpoint(LEFT, self.width - RIGHT), bottom + 38.0, "middle", "tick", &self.x_name))
            @for series in &self.series { (self.line(series, &x, &y)) }
            @for (index, series) in self.series.iter().enumerate() {
                (legend_entry(series, (index % columns) as f64 * LEGEND_COLUMN + 8.0, legend + (index / columns) as f64 * LEGEND_ROW))
            }
        };
        let height = legend + LEGEND_ROW * self.series.len().div_ceil(columns) as f64 - 8.0;
        Chart { title: self.title, description: self.description, width: self.width, height, body }
    }

    fn line(&self, series: &Series, x: &Scale, y: &Scale) -> Markup {
        let points: Vec<String> =
            series.points.iter().map(|(a, b)| format!("{},{}", px(x.at(*a)), px(y.at(*b)))).collect();
        // A line without markers still carries one at its end, as its name's shape.
        let marked = if self.markers {
            &series.points[..]
        } else {
            &series.points[series.points.len().saturating_sub(1)..]
        };
        html! {
            polyline class={ "line s" (series.index % 8) " d" (series.index % 8) } points=(points.join(" ")) {
                title { (series.name) }
            }
            @for (a, b) in marked {
                (marker(series.index, x.at(*a), y.at(*b), false, &format!("{}: {}", series.name, (self.y_unit)(*b))))
            }
        }
    }
}

fn legend_entry(series: &Series, x: f64, y: f64) -> Markup {
    let class = format!("line s{0} d{0}", series.index % 8);
    html! {
        (line(x, y, x + 34.0, y, &class))
        (marker(series.index, x + 17.0, y, false, &series.name))
        (text(x + 42.0, y + 4.5, "start", "name", &series.name))
    }
}
