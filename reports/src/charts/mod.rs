//! Charts as SVG: three kinds, each with a title, a description and a table twin.
//!
//! Colours are classes, so that the style sheet can suit them to light and dark; a series is also told by its dash
//! and its marker. Widths are fixed: a chart scrolls in its own box rather than shrink its text.

mod bars;
mod dots;
mod lines;
mod scale;

use maud::{Markup, html};

pub(crate) use bars::{Bar, Bars, Segment};
pub(crate) use dots::{Band, Dot, Dots, Mark};
pub(crate) use lines::{Lines, Series};
pub(crate) use scale::Scale;

/// A drawing with what a reader who cannot see it needs.
pub(crate) struct Chart {
    /// What it shows, in a few words.
    pub(crate) title: String,
    /// What is to be seen in it.
    pub(crate) description: String,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) body: Markup,
}

// === impl Chart ===

impl Chart {
    /// The drawing in its own box, and the same figures as a table.
    pub(crate) fn with_table(&self, explanation: &str, table: &Markup) -> Markup {
        html! {
            figure {
                figcaption { strong { (self.title) "." } " " (explanation) }
                div.scroll tabindex="0" { (self.svg()) }
                details { summary { "The same as a table" } div.scroll tabindex="0" { (table) } }
            }
        }
    }

    fn svg(&self) -> Markup {
        html! {
            svg xmlns="http://www.w3.org/2000/svg" role="img" width=(px(self.width)) height=(px(self.height))
                viewBox={ "0 0 " (px(self.width)) " " (px(self.height)) } {
                title { (self.title) }
                desc { (self.description) }
                (self.body)
            }
        }
    }
}

/// A coordinate with one decimal.
pub(crate) fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// A marker whose shape tells the series apart without colour.
pub(crate) fn marker(series: usize, x: f64, y: f64, hollow: bool, tip: &str) -> Markup {
    let class = format!("mark s{}{}", series % 8, if hollow { " hollow" } else { "" });
    let polygon = |points: &[(f64, f64)]| {
        points.iter().map(|(dx, dy)| format!("{},{}", px(x + dx), px(y + dy))).collect::<Vec<_>>().join(" ")
    };
    let points = match series % 8 {
        0 => None,
        1 => Some(polygon(&[(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)])),
        2 => Some(polygon(&[(0.0, -6.5), (6.5, 0.0), (0.0, 6.5), (-6.5, 0.0)])),
        3 => Some(polygon(&[(0.0, -6.0), (6.0, 5.0), (-6.0, 5.0)])),
        4 => Some(polygon(&[(0.0, 6.0), (6.0, -5.0), (-6.0, -5.0)])),
        5 => Some(polygon(&[(-6.0, 0.0), (5.0, -6.0), (5.0, 6.0)])),
        6 => Some(polygon(&[(6.0, 0.0), (-5.0, -6.0), (-5.0, 6.0)])),
        _ => Some(polygon(&[
            (-2.0, -6.0),
            (2.0, -6.0),
            (2.0, -2.0),
            (6.0, -2.0),
            (6.0, 2.0),
            (2.0, 2.0),
            (2.0, 6.0),
            (-2.0, 6.0),
            (-2.0, 2.0),
            (-6.0, 2.0),
            (-6.0, -2.0),
            (-2.0, -2.0),
        ])),
    };
    html! {
        @if let Some(points) = points {
            polygon class=(class) points=(points) { title { (tip) } }
        } @else {
            circle class=(class) cx=(px(x)) cy=(px(y)) r="5" { title { (tip) } }
        }
    }
}

/// Text; `anchor` is `start`, `middle` or `end`.
pub(crate) fn text(x: f64, y: f64, anchor: &str, class: &str, content: &str) -> Markup {
    html! { text x=(px(x)) y=(px(y)) text-anchor=(anchor) class=(class) { (content) } }
}

/// A straight line.
pub(crate) fn line(x1: f64, y1: f64, x2: f64, y2: f64, class: &str) -> Markup {
    html! { line x1=(px(x1)) y1=(px(y1)) x2=(px(x2)) y2=(px(y2)) class=(class) {} }
}
