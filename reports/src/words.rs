//! How numbers read: two or three significant digits, units that fit.

/// What stands for a figure that is not there.
pub(crate) const MISSING: &str = "–";

/// Rounds to three significant digits: `12.4`, `0.0312`, `1,240`.
pub(crate) fn digits(value: f64) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor();
    let step = 10f64.powf(magnitude - 2.0);
    let rounded = (value / step).round() * step;
    // Rounding may have carried into the next power of ten.
    let magnitude = rounded.abs().log10().floor() as i32;
    let decimals = usize::try_from((2 - magnitude).max(0)).unwrap_or(0);
    thousands(&format!("{rounded:.decimals$}"))
}

/// A count with separators: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    thousands(&value.to_string())
}

/// A time given in ns: `31.2 ns`, `4.60 µs`, `1.10 ms`.
pub(crate) fn time(ns: f64) -> String {
    let (scale, unit) = match ns.abs() {
        size if size < 999.5 => (1.0, "ns"),
        size if size < 999.5e3 => (1e3, "µs"),
        size if size < 999.5e6 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", digits(ns / scale))
}

/// A time and its 95 % interval: `31.2 ns (30.1 ns–33.0 ns)`.
pub(crate) fn time_interval(ns: f64, low: f64, high: f64) -> String {
    format!("{} ({}–{})", time(ns), time(low), time(high))
}

/// A typical time with the smallest and the largest round's: `31.2 ns [30.1 ns…33.0 ns]`. The brackets tell
/// it from an interval.
pub(crate) fn time_range(ns: f64, smallest: f64, largest: f64) -> String {
    format!("{} [{}…{}]", time(ns), time(smallest), time(largest))
}

/// A p value, none smaller than is worth telling apart: `0.0213`, `below 0.0001`.
pub(crate) fn p_value(p: f64) -> String {
    if p < 1e-4 { "below 0.0001".to_owned() } else { digits(p) }
}

/// How many of something that takes an s: `1 round`, `9 rounds`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A round as people count, from 1; the records count from 0.
pub(crate) fn round(index: u32) -> String {
    count(u64::from(index) + 1)
}

/// A size in bytes, in decimal units: `16 B`, `1.02 kB`, `2.10 MB`.
pub(crate) fn bytes(value: u64) -> String {
    let size = value as f64;
    match value {
        0..1_000 => format!("{value} B"),
        1_000..1_000_000 => format!("{} kB", digits(size / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", digits(size / 1e6)),
        _ => format!("{} GB", digits(size / 1e9)),
    }
}

/// A size where powers of two are usual: `16 B`, `1 KiB`, `64 KiB`.
pub(crate) fn payload(value: u64) -> String {
    if value >= 1024 && value.is_multiple_of(1024) {
        format!("{} KiB", count(value / 1024))
    } else {
        format!("{} B", count(value))
    }
}

/// A share: `85.0 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", digits(share * 100.0))
}

/// A ratio and its interval: `12.4 × (11.9–13.0)`.
pub(crate) fn ratio(estimate: f64, low: f64, high: f64) -> String {
    format!("{} × ({}–{})", digits(estimate), digits(low), digits(high))
}

/// The lane that others are shown against, in a sentence.
pub(crate) fn the_lane(name: &str) -> String {
    if name == "host" { "the host".to_owned() } else { format!("lane {name}") }
}

/// A name that a link can lead to: `cell-kv-get-16-b-memory-same-core`.
pub(crate) fn anchor(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold("cell".to_owned(), |anchor, word| format!("{anchor}-{}", word.to_lowercase()))
}

/// A ratio of times as a sentence: `A is 12.4 × (11.9–13.0) slower than B`.
pub(crate) fn sentence(a: &str, b: &str, estimate: f64, low: f64, high: f64) -> String {
    if estimate >= 1.0 {
        format!("{a} is {} slower than {b}", ratio(estimate, low, high))
    } else {
        format!("{a} is {} faster than {b}", ratio(1.0 / estimate, 1.0 / high, 1.0 / low))
    }
}

fn thousands(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, fraction) =
        rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_at_every_magnitude() {
        for (value, text) in [
            (0.03124, "0.0312"),
            (1.0, "1.00"),
            (9.999, "10.0"),
            (12.44, "12.4"),
            (123.6, "124"),
            (999.6, "1,000"),
            (1_239_000.0, "1,240,000"),
            (-2.5, "−2.50"),
        ] {
            assert_eq!(digits(value), text);
        }
        assert_eq!(digits(f64::NAN), MISSING);
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(time(31.2), "31.2 ns");
        assert_eq!(time(999.9), "1.00 µs");
        assert_eq!(time(1_100_000.0), "1.10 ms");
        assert_eq!(time(-24_900.0), "−24.9 µs");
        assert_eq!(bytes(2_097_152), "2.10 MB");
        assert_eq!(payload(1024), "1 KiB");
        assert_eq!(payload(16), "16 B");
    }

    #[test]
    fn counts_and_small_chances_read_as_words() {
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(1_200, "round"), "1,200 rounds");
        assert_eq!(round(0), "1");
        assert_eq!((p_value(0.021_34).as_str(), p_value(1e-9).as_str()), ("0.0213", "below 0.0001"));
    }

    #[test]
    fn a_ratio_below_one_is_said_the_other_way_round() {
        assert_eq!(sentence("A", "B", 2.0, 1.9, 2.1), "A is 2.00 × (1.90–2.10) slower than B");
        assert_eq!(sentence("A", "B", 0.5, 0.4, 0.625), "A is 2.00 × (1.60–2.50) faster than B");
    }
}
