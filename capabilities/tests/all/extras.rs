//! The promises of `Extras`.

use std::collections::HashSet;
use std::sync::Arc;

use pillion_capabilities::extras::{Embedded, Operation};
use pillion_capabilities::{Answer, Error, Extras, Result};
use proptest::prelude::*;

fn now<T>(answer: Answer<T>) -> Result<T> {
    match answer {
        Answer::Ready(result) => result,
        Answer::Pending(_) => panic!("it waits"),
    }
}

#[test]
fn guids_are_of_version_4_and_differ() {
    let extras = Embedded::new();
    let guids: HashSet<_> = (0..10_000).map(|_| now(extras.guid()).unwrap()).collect();
    assert_eq!(guids.len(), 10_000);
    assert!(
        guids.iter().all(|guid| guid.get_version_num() == 4 && guid.get_variant() == uuid::Variant::RFC4122)
    );
}

#[test]
fn random_numbers_are_uniform_and_reach_their_bounds() {
    let extras = Embedded::new();
    let (min, faces, throws) = (u64::MAX - 5, 6_u32, 60_000_u32);
    let mut seen = [0_u32; 6];
    for _ in 0..throws {
        let number = now(extras.random(min, u64::MAX)).unwrap();
        seen[usize::try_from(number - min).unwrap()] += 1;
    }
    // Chi squared with 5 degrees of freedom: beyond 54 once in ten thousand million times.
    let expected = f64::from(throws / faces);
    let distance: f64 = seen.iter().map(|&seen| (f64::from(seen) - expected).powi(2) / expected).sum();
    assert!(distance < 54.0, "{seen:?}");
    assert_eq!(now(extras.random(7, 7)), Ok(7));
    assert!(now(extras.random(0, u64::MAX)).is_ok());
    let Err(Error::InvalidArgument(said)) = now(extras.random(8, 7)) else { panic!("it is no range") };
    assert!(said.contains("from 8 to 7"), "{said}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_numbers_are_within_their_bounds(a: u64, b: u64) {
        let number = now(Embedded::new().random(a.min(b), a.max(b))).unwrap();
        prop_assert!((a.min(b)..=a.max(b)).contains(&number));
    }
}

#[test]
fn a_sequence_only_rises_and_gives_no_number_twice() {
    let extras = Arc::new(Embedded::new());
    let other = Embedded::new();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let extras = Arc::clone(&extras);
            std::thread::spawn(move || (0..1000).map(|_| now(extras.sequence()).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    let seen: Vec<Vec<u64>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(seen.iter().all(|numbers| numbers.is_sorted()));
    let all: HashSet<u64> = seen.into_iter().flatten().collect();
    assert_eq!(all, (0..4000).collect());
    assert_eq!(now(other.sequence()), Ok(0), "each provider counts for itself");
}

#[test]
fn calls_are_counted() {
    let extras = Embedded::new();
    assert!(extras.always_ready());
    now(extras.guid()).unwrap();
    now(extras.random(2, 1)).unwrap_err();
    now(extras.sequence()).unwrap();
    for &operation in Operation::ALL {
        assert_eq!(extras.counters().of(operation), 1, "{}", operation.name());
    }
}
