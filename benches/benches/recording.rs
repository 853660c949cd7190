//! Recording: one sample, the merge of histograms, the bootstrap.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pillion_records::histogram::empty;
use pillion_statistics::Bootstrap;

fn recording(criterion: &mut Criterion) {
    let Ok(mut histogram) = empty() else { return };
    let mut sample = 1_u64;
    criterion.bench_function("record_one_sample", |bencher| {
        bencher.iter(|| {
            // Samples of all sizes up to a millisecond, in picoseconds.
            sample = sample.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            histogram.saturating_record(black_box(sample >> 34));
        });
    });
    let Ok(mut sum) = empty() else { return };
    criterion.bench_function("merge_histograms", |bencher| bencher.iter(|| sum.add(black_box(&histogram))));
    let rounds = [(0..12).map(|round| f64::from(round) / 100.0).collect::<Vec<_>>()];
    let bootstrap = Bootstrap::new(1);
    criterion
        .bench_function("bootstrap_12_rounds", |bencher| bencher.iter(|| bootstrap.mean(black_box(&rounds))));
}

criterion_group!(benches, recording);
criterion_main!(benches);
