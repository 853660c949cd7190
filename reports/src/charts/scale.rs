//! From values to places on paper.

/// A linear or logarithmic axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

// === impl Scale ===

impl Scale {
    /// Whole powers of ten around the values.
    pub(crate) fn decades(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values.filter(|value| *value > 0.0), (1.0, 10.0));
        let (low, high) = (low.log10().floor(), high.log10().ceil());
        Self::log(10f64.powf(low), 10f64.powf(if high > low { high } else { low + 1.0 }))
    }

    /// Around the values with 1, 2 and 5 as ends: for ratios, which rarely fill a decade.
    pub(crate) fn nice_log(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = range(values.filter(|value| *value > 0.0), (0.5, 2.0));
        let steps = || (-12..13).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power)));
        let below = steps().filter(|step| *step <= low / 1.02).fold(1e-12, f64::max);
        let above = steps().filter(|step| *step >= high * 1.02).fold(1e12, f64::min);
        Self::log(below, above)
    }

    /// Logarithmic between two ends.
    pub(crate) fn log(low: f64, high: f64) -> Self {
        Self { low, high, from: 0.0, to: 1.0, log: true }
    }

    /// Linear between two ends.
    pub(crate) fn linear(low: f64, high: f64) -> Self {
        Self { low, high: if high > low { high } else { low + 1.0 }, from: 0.0, to: 1.0, log: false }
    }

    /// The same axis laid between two coordinates.
    pub(crate) fn over(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// Where a value lies, held within the axis.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// Values to mark: powers of ten (with 2 and 5 where the axis is short), or round steps.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.log {
            let decades = (self.high / self.low).log10();
            let steps: &[f64] = if decades < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let every = if decades > 7.0 { 2 } else { 1 };
            let first = self.low.log10().floor() as i32;
            let last = self.high.log10().ceil() as i32;
            return (first..=last)
                .filter(|power| (power - first) % every == 0)
                .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
                .filter(|value| *value >= self.low * 0.999 && *value <= self.high * 1.001)
                .collect();
        }
        let rough = (self.high - self.low) / 4.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let mut ticks = Vec::new();
        let mut index = (self.low / step).ceil();
        while index * step <= self.high * 1.0001 {
            ticks.push(index * step);
            index += 1.0;
        }
        ticks
    }
}

fn range(values: impl Iterator<Item = f64>, fallback: (f64, f64)) -> (f64, f64) {
    values
        .filter(|value| value.is_finite())
        .fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })
        .unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_axis_spreads_decades_evenly() {
        let scale = Scale::decades([3.0, 450.0].into_iter()).over(0.0, 300.0);
        assert!((scale.at(1.0) - 0.0).abs() < 1e-9 && (scale.at(1000.0) - 300.0).abs() < 1e-9);
        assert!((scale.at(10.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.ticks().len(), 4);
    }

    #[test]
    fn a_linear_axis_has_round_ticks() {
        assert_eq!(Scale::linear(0.0, 10.0).ticks(), [0.0, 5.0, 10.0]);
    }
}
