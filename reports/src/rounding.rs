//! Six significant digits: more than any figure here deserves, and few enough that the last bits of another
//! machine's logarithm do not make a report differ from its data.

/// Rounds to six significant digits.
pub(crate) fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    // Through text, so that the result is the double nearest to the decimal.
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    #[test]
    fn six_digits_are_left() {
        assert_eq!(super::round(1.234_567_89), 1.234_57);
        assert_eq!(super::round(-0.000_123_456_789), -0.000_123_457);
        assert_eq!(super::round(2.0), 2.0);
    }
}
