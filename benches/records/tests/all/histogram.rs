//! Histograms as text.

use pillion_records::histogram::{decode, empty, encode};

#[test]
fn a_histogram_reads_back_as_it_was_written() {
    let mut histogram = empty().unwrap();
    for value in [1, 40_000, 40_100, 7_000_000_000] {
        histogram.record(value).unwrap();
    }
    assert_eq!(decode(&encode(&histogram).unwrap()).unwrap(), histogram);
}

#[test]
fn a_merge_equals_the_histogram_of_the_concatenation() {
    let (mut left, mut right, mut both) = (empty().unwrap(), empty().unwrap(), empty().unwrap());
    for value in (1..20_000_u64).map(|n| n * n * 37) {
        let half = if value % 3 == 0 { &mut left } else { &mut right };
        half.record(value).unwrap();
        both.record(value).unwrap();
    }
    let mut merged = decode(&encode(&left).unwrap()).unwrap();
    merged.add(decode(&encode(&right).unwrap()).unwrap()).unwrap();
    assert_eq!(merged, both);
    assert_eq!(merged.value_at_quantile(0.99), both.value_at_quantile(0.99));
}

#[test]
fn text_that_is_no_histogram_is_refused() {
    assert!(decode("not base64!").is_err());
    assert!(decode("AAAA").is_err());
}
