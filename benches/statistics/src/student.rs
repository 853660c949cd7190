//! Student's distribution.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// The normal quantile of `p` in (0, 1).
#[must_use]
pub fn z_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// The quantile of Student's distribution for `p` in (0, 1) and `degrees` ≥ 1, which need not be whole.
#[must_use]
pub fn t_quantile(p: f64, degrees: f64) -> f64 {
    student(degrees).map_or(f64::INFINITY, |student| student.inverse_cdf(p))
}

/// The chance that a value of Student's distribution lies at least as far from 0 as `t`, on either side.
#[must_use]
pub fn two_tails(t: f64, degrees: f64) -> f64 {
    student(degrees).map_or(1.0, |student| 2.0 * student.cdf(-t.abs()))
}

fn student(degrees: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, degrees.max(1.0)).ok()
}
