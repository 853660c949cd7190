//! Quantiles of the normal and of Student's distribution.

use std::f64::consts::{FRAC_PI_2, PI};

/// The normal quantile of `p` in (0, 1), by bisection over `normal_cdf`; within 1e-7.
#[must_use]
pub fn z_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-9.0_f64, 9.0_f64);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if normal_cdf(middle) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// The normal distribution function, by the continued fraction of its tail or its Taylor series (Abramowitz and
/// Stegun 26.2.11 and 26.2.14).
fn normal_cdf(x: f64) -> f64 {
    let density = (-x * x / 2.0).exp() / (2.0 * PI).sqrt();
    if x.abs() < 3.5 {
        let (mut term, mut sum, mut odd) = (x, x, 1.0);
        while term.abs() > 1e-17 {
            odd += 2.0;
            term *= x * x / odd;
            sum += term;
        }
        0.5 + density * sum
    } else {
        let tail = (1..60).rev().fold(x.abs(), |fraction, n| x.abs() + f64::from(n) / fraction);
        if x > 0.0 { 1.0 - density / tail } else { density / tail }
    }
}

/// The quantile of Student's distribution for `p` in (0.5, 1) and `degrees` ≥ 1, which need not be whole.
///
/// Hill, "Algorithm 396: Student's t-quantiles", CACM 13 (1970); exact for 1 and 2 degrees.
#[must_use]
pub fn t_quantile(p: f64, degrees: f64) -> f64 {
    let two_tails = 2.0 * (1.0 - p);
    let n = degrees.max(1.0);
    if (n - 1.0).abs() < 1e-9 {
        let angle = two_tails * FRAC_PI_2;
        return angle.cos() / angle.sin();
    }
    if (n - 2.0).abs() < 1e-9 {
        return (2.0 / (two_tails * (2.0 - two_tails)) - 2.0).sqrt();
    }
    let a = 1.0 / (n - 0.5);
    let b = (48.0 / (a * a)).max(1.0);
    let mut c = ((20_700.0 * a / b - 98.0) * a - 16.0) * a + 96.36;
    let d = ((94.5 / (b + c) - 3.0) / b + 1.0) * (a * FRAC_PI_2).sqrt() * n;
    let mut x = d * two_tails;
    let mut y = x.powf(2.0 / n);
    if y > 0.05 + a {
        x = z_quantile(two_tails * 0.5);
        y = x * x;
        if n < 5.0 {
            c += 0.3 * (n - 4.5) * (x + 0.6);
        }
        c += (((0.05 * d * x - 5.0) * x - 7.0) * x - 2.0) * x + b;
        y = (((((0.4 * y + 6.3) * y + 36.0) * y + 94.5) / c - y - 3.0) / b + 1.0) * x;
        y = (a * y * y).exp_m1();
    } else {
        y = ((1.0 / (((n + 6.0) / (n * y) - 0.089 * d - 0.822) * (n + 2.0) * 3.0) + 0.5 / (n + 4.0)) * y
            - 1.0)
            * (n + 1.0)
            / (n + 2.0)
            + 1.0 / y;
    }
    (n * y).sqrt()
}
