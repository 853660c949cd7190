//! Does the interval cover the truth as often as it says, and does A/A stay silent?

use pillion_statistics::{Bootstrap, Word, margin, word};

use crate::synthetic::Synthetic;

const RUNS: u64 = 2_000;

/// The share of synthetic runs whose interval holds the truth. 1,000 resamples a run: enough for the ends of a 95 %
/// interval, and quick in a debug build.
fn coverage(mut synthetic: Synthetic, sessions: usize, rounds: usize) -> f64 {
    let covered = (0..RUNS).filter(|&seed| {
        let run = synthetic.run(sessions, rounds);
        let estimate = Bootstrap { resamples: 1_000, seed }.mean(&run).unwrap();
        estimate.interval.contains(synthetic.mean)
    });
    covered.count() as f64 / RUNS as f64
}

#[track_caller]
fn assert_nominal(coverage: f64) {
    assert!((0.93..=0.97).contains(&coverage), "covers {:.1} %", coverage * 100.0);
}

#[test]
fn five_rounds_cover() {
    assert_nominal(coverage(Synthetic::new(1, 0.7), 1, 5));
}

#[test]
fn ten_rounds_cover() {
    assert_nominal(coverage(Synthetic::new(2, 0.7), 1, 10));
}

#[test]
fn fifteen_rounds_with_disturbances_cover() {
    assert_nominal(coverage(Synthetic { outliers: 0.1, ..Synthetic::new(3, 0.7) }, 1, 15));
}

#[test]
fn four_sessions_that_differ_cover() {
    assert_nominal(coverage(Synthetic { sessions: 0.03, ..Synthetic::new(4, 0.7) }, 4, 6));
}

#[test]
fn two_sessions_that_do_not_differ_cover_at_least_as_much() {
    // They look different by chance in a third of the runs, and the interval is then wider than it had to be.
    let coverage = coverage(Synthetic::new(5, 0.7), 2, 6);
    assert!((0.93..=0.99).contains(&coverage), "covers {:.1} %", coverage * 100.0);
}

#[test]
fn an_a_a_comparison_is_void_in_no_more_than_5_percent() {
    let mut synthetic = Synthetic::new(6, 0.0);
    let void = (0..RUNS)
        .filter(|&seed| {
            let estimate = Bootstrap { resamples: 1_000, seed }.mean(&synthetic.run(1, 12)).unwrap();
            margin(estimate.interval.exp()).is_none()
        })
        .count() as f64;
    // 5 % and two standard errors of a binomial share over 2,000 runs.
    assert!(
        void / RUNS as f64 <= 0.05 + 2.0 * (0.05_f64 * 0.95 / RUNS as f64).sqrt(),
        "{void} of {RUNS} void"
    );
}

/// Holm's correction asks a single cell of a couple of dozen for a p-value this small: it must not come more often by
/// chance than it says.
#[test]
fn a_small_p_value_is_as_rare_as_it_says() {
    const LEVEL: f64 = 0.002;
    let runs = 40_000;
    for (seed, rounds) in [(8, 5), (9, 9)] {
        let mut synthetic = Synthetic::new(seed, 0.0);
        let found = (0..runs)
            .filter(|&seed| {
                let estimate = Bootstrap { resamples: 2, seed }.mean(&synthetic.run(1, rounds)).unwrap();
                estimate.p_value(0.0) <= LEVEL
            })
            .count() as f64;
        let share = found / runs as f64;
        // Three standard errors of a binomial share.
        let error = 3.0 * (LEVEL * (1.0 - LEVEL) / runs as f64).sqrt();
        assert!((share - LEVEL).abs() <= error, "{rounds} rounds: {share}");
    }
}

#[test]
fn an_effect_of_10_percent_is_found_with_twelve_rounds() {
    let mut synthetic = Synthetic::new(7, 1.1_f64.ln());
    let found = (0..500)
        .filter(|&seed| {
            let estimate = Bootstrap { resamples: 1_000, seed }.mean(&synthetic.run(1, 12)).unwrap();
            word(estimate.interval.exp(), 0.05) == Word::Slower
        })
        .count();
    assert!(found >= 475, "found in {found} of 500");
}
