//! Distributions of times and sizes.

use std::sync::Arc;
use std::time::Duration;

use super::shard::Sharded;

/// The most buckets, those beyond the last bound included.
const MOST: usize = 40;
/// The number behind the buckets: the sum.
const SUM: usize = MOST;

/// A distribution. The bounds are those of whoever shows it.
#[derive(Debug, Default)]
pub(crate) struct Histogram(Sharded<{ MOST + 1 }>);

/// The upper bounds of buckets, ascending; what is above all of them has a bucket of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds(Arc<[u64]>);

/// How many there were up to each bound, how many in all, and their sum.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    pub(super) buckets: Vec<u64>,
    pub(super) count: u64,
    pub(super) sum: u64,
}

/// Dapr's bounds of times, in milliseconds.
const LATENCY: [u64; 34] = [
    1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650,
    800, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000,
];
/// Dapr's bounds of sizes, in bytes.
const SIZE: [u64; 13] = [
    1024,
    2048,
    4096,
    16_384,
    65_536,
    262_144,
    1_048_576,
    4_194_304,
    16_777_216,
    67_108_864,
    268_435_456,
    1_073_741_824,
    4_294_967_296,
];
const NANOSECONDS: u64 = 1_000_000;

// === impl Histogram ===

impl Histogram {
    #[inline]
    pub(crate) fn add(&self, bounds: &Bounds, value: u64) {
        self.0.add(&[(bounds.bucket(value), 1), (SUM, value)]);
    }

    #[inline]
    pub(crate) fn add_time(&self, bounds: &Bounds, time: Duration) {
        self.add(bounds, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn distribution(&self, bounds: &Bounds) -> Distribution {
        let numbers = self.0.sum();
        let mut count = 0;
        let mut buckets: Vec<u64> = numbers
            .iter()
            .take(bounds.0.len() + 1)
            .map(|number| {
                count += number;
                count
            })
            .collect();
        // What is above all bounds is in the count alone.
        buckets.pop();
        Distribution { buckets, count, sum: numbers[SUM] }
    }
}

// === impl Bounds ===

impl Bounds {
    /// Dapr's own of times.
    pub(crate) fn times() -> Self {
        Self(LATENCY.iter().map(|bound| bound * NANOSECONDS).collect())
    }

    /// Dapr's own of sizes.
    pub(crate) fn sizes() -> Self {
        Self(SIZE.into())
    }

    /// Bounds of times in milliseconds; nothing if they do not ascend or are too many.
    pub(crate) fn of_milliseconds(bounds: &[u64]) -> Option<Self> {
        let ascend = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let fits = !bounds.is_empty() && bounds.len() < MOST && bounds[0] > 0;
        (ascend && fits)
            .then(|| bounds.iter().map(|bound| bound.checked_mul(NANOSECONDS)).collect::<Option<_>>())?
            .map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().copied()
    }

    /// Most are small.
    #[inline]
    fn bucket(&self, value: u64) -> usize {
        match self.0.first() {
            Some(first) if value > *first => self.0.partition_point(|bound| *bound < value),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_bucket_of_the_least_bound_that_holds_it() {
        let bounds = Bounds::of_milliseconds(&[1, 2, 5]).unwrap();
        let histogram = Histogram::default();
        for (nanoseconds, bucket) in [
            (0, 0),
            (1_000_000, 0),
            (1_000_001, 1),
            (2_000_000, 1),
            (5_000_000, 2),
            (5_000_001, 3),
            (u64::MAX, 3),
        ] {
            assert_eq!(bounds.bucket(nanoseconds), bucket, "{nanoseconds}");
        }
        for milliseconds in [0, 1, 2, 3, 3, 100] {
            histogram.add_time(&bounds, Duration::from_millis(milliseconds));
        }
        let expected = Distribution { buckets: vec![2, 3, 5], count: 6, sum: 109_000_000 };
        assert_eq!(histogram.distribution(&bounds), expected);
        assert_eq!(Bounds::times().iter().count(), 34);
        for wrong in [&[][..], &[0, 1], &[2, 2], &[3, 1], &[1, u64::MAX], &(1..=40).collect::<Vec<_>>()] {
            assert!(Bounds::of_milliseconds(wrong).is_none(), "{wrong:?}");
        }
    }
}
