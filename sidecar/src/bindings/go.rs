//! What Go's standard library does and clients of Dapr see.

/// The name of a header field as Go writes it: `Content-Type`.
pub(super) fn canonical(name: &str) -> String {
    let mut upper = true;
    name.chars()
        .map(|c| {
            let written = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
            upper = c == '-';
            written
        })
        .collect()
}

/// Reads a duration as Go writes it: `1.5s`, `2m30s`, `100ms`.
pub(crate) fn duration(text: &str) -> Option<std::time::Duration> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("μs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(std::time::Duration::ZERO);
    }
    let mut seconds = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|length| *length > 0)?;
        let (value, behind) = rest.split_at(number);
        let unit = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        let (_, scale) = UNITS.iter().find(|(known, _)| *known == unit)?;
        seconds += value.parse::<f64>().ok()? * scale;
        rest = behind;
    }
    std::time::Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn header_fields() {
        for (name, expected) in
            [("content-type", "Content-Type"), ("X-REQUEST-id", "X-Request-Id"), ("etag", "Etag"), ("", "")]
        {
            assert_eq!(canonical(name), expected);
        }
    }

    #[test]
    fn durations() {
        for (text, expected) in [
            ("30s", Duration::from_secs(30)),
            ("1.5s", Duration::from_millis(1500)),
            ("2m30s", Duration::from_secs(150)),
            ("100ms", Duration::from_millis(100)),
            ("1h", Duration::from_secs(3600)),
            ("0", Duration::ZERO),
            ("5us", Duration::from_micros(5)),
        ] {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        for text in ["", "s", "5", "5 s", "-5s", "5x", "1..2s", "99999999999999999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
