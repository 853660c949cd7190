//! The parts of the method, each against known answers.

use std::collections::BTreeMap;

use pillion_statistics::{
    Bootstrap, Factorial, Interval, Word, effects, holm, margin, rounds_from_pilot, t_quantile, word,
    z_quantile,
};

#[test]
fn quantiles_agree_with_the_tables() {
    assert!((z_quantile(0.975) - 1.959_964).abs() < 1e-5);
    assert!((z_quantile(0.000_01) + 4.264_891).abs() < 1e-4);
    for (degrees, expected) in
        [(1.0, 12.7062), (2.0, 4.30265), (3.0, 3.18245), (4.0, 2.77645), (9.0, 2.26216), (30.0, 2.04227)]
    {
        let found = t_quantile(0.975, degrees);
        assert!((found - expected).abs() < 2e-3, "{degrees} degrees: {found}");
    }
}

#[test]
fn the_same_data_and_seed_give_the_same_interval() {
    let data = [vec![0.1, 0.2, 0.15, 0.12], vec![0.3, 0.11]];
    assert_eq!(Bootstrap::new(3).mean(&data), Bootstrap::new(3).mean(&data));
}

#[test]
fn data_without_spread_have_an_interval_without_width() {
    let estimate = Bootstrap::new(1).mean(&[vec![2.0_f64.ln(); 6]]).unwrap();
    let ratio = estimate.interval.exp();
    assert!((ratio.value - 2.0).abs() < 1e-12 && ratio.half_width() < 1e-12, "{ratio:?}");
}

#[test]
fn fewer_than_two_rounds_have_no_interval() {
    assert_eq!(Bootstrap::new(1).mean(&[vec![1.0]]), None);
    assert_eq!(Bootstrap::new(1).mean(&[]), None);
    assert_eq!(Bootstrap::new(1).mean(&[vec![], vec![]]), None);
}

#[test]
fn p_values_are_small_far_from_the_mean_and_large_near_it() {
    let estimate = Bootstrap::new(1).mean(&[vec![0.9, 1.0, 1.1, 1.05, 0.95]]).unwrap();
    assert!(estimate.p_value(0.0) < 0.001);
    assert!(estimate.p_value(1.0) > 0.5);
    // One sample of five: t is 1 over 0.0354, with 4 degrees.
    assert!((estimate.p_value(0.0) - 9.4e-6).abs() < 1e-6, "{}", estimate.p_value(0.0));
}

#[test]
fn words_follow_the_margin() {
    let ratio = |low, high| Interval { value: (low + high) / 2.0, low, high };
    assert_eq!(word(ratio(0.5, 0.9), 0.05), Word::Faster);
    assert_eq!(word(ratio(1.06, 1.2), 0.05), Word::Slower);
    assert_eq!(word(ratio(0.97, 1.04), 0.05), Word::Equivalent);
    assert_eq!(word(ratio(0.97, 1.2), 0.05), Word::Unsure);
    assert_eq!(margin(ratio(0.99, 1.01)), Some(0.05));
    assert!(margin(ratio(0.9, 1.1)).unwrap() > 0.09);
    assert_eq!(margin(ratio(1.01, 1.02)), None);
}

#[test]
fn holm_stops_at_the_first_that_is_not_rejected() {
    let corrected = holm(&[0.01, 0.04, 0.03, 0.005, 0.9]);
    for (found, expected) in corrected.iter().zip([0.04, 0.09, 0.09, 0.025, 0.9]) {
        assert!((found - expected).abs() < 1e-12, "{corrected:?}");
    }
    assert_eq!(holm(&[]), [0.0; 0]);
}

#[test]
fn costs_that_multiply_have_no_interaction() {
    let rounds = |value: f64| (0..4).map(move |round| ((0, round), value * (1.0 + f64::from(round) / 100.0)));
    let factorial = Factorial {
        native_in_process: rounds(100.0).collect::<BTreeMap<_, _>>(),
        wasm_in_process: rounds(300.0).collect(),
        native_sidecar: rounds(2_000.0).collect(),
        wasm_sidecar: rounds(6_000.0).collect(),
    };
    let effects = effects(&factorial, &Bootstrap::new(1)).unwrap();
    assert!((effects.sandbox.interval.exp().value - 3.0).abs() < 1e-9);
    assert!((effects.hop.interval.exp().value - 20.0).abs() < 1e-9);
    assert!(effects.interaction.interval.value.abs() < 1e-9);
}

#[test]
fn a_pilot_decides_the_rounds_and_the_budget_caps_them() {
    let quiet = vec![vec![0.0, 0.001, -0.001, 0.0005, 0.0]];
    let loud = vec![vec![0.0, 0.1, -0.1, 0.05, -0.05]];
    let few = rounds_from_pilot(&quiet, 0.025, 20);
    assert_eq!(few.rounds, 5, "{few:?}");
    let capped = rounds_from_pilot(&loud, 0.025, 20);
    assert_eq!(capped.rounds, 20);
    assert!(capped.reason.starts_with("capped by the budget"), "{capped:?}");
}
