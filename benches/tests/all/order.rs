//! The order of rounds.

use std::collections::BTreeMap;

use pillion_harness::order::balanced;

#[test]
fn every_round_holds_every_entry_once() {
    for entries in 1..12 {
        for round in balanced(entries, 30, 5) {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..entries).collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_entry_precedes_every_other_equally_often() {
    for (entries, rounds) in [(4, 4), (10, 10), (11, 22)] {
        let mut pairs: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for round in balanced(entries, rounds, 9) {
            for pair in round.windows(2) {
                *pairs.entry((pair[0], pair[1])).or_default() += 1;
            }
        }
        assert_eq!(pairs.len() as u32, entries * (entries - 1));
        assert!(pairs.values().all(|&count| count == rounds / entries), "{pairs:?}");
    }
}

#[test]
fn the_order_follows_from_the_seed() {
    assert_eq!(balanced(11, 20, 1), balanced(11, 20, 1));
    assert_ne!(balanced(11, 20, 1), balanced(11, 20, 2));
    assert_eq!(balanced(11, 20, 1)[..5], balanced(11, 40, 1)[..5]);
}
