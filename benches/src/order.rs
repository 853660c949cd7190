//! The order of entries in each round.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// For each round the entries in their order: a Williams design, in which every entry stands in every place and
/// before every other one equally often, with its entries and rows shuffled by the seed.
#[must_use]
pub fn balanced(entries: u32, rounds: u32, seed: u64) -> Vec<Vec<u32>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut names: Vec<u32> = (0..entries).collect();
    names.shuffle(&mut random);

    // The first row zigzags 0, 1, n − 1, 2, n − 2, …; the others follow by adding 1. An odd number of entries needs
    // the mirrored rows too.
    let zigzag: Vec<u32> = (0..entries)
        .map(|place| if place % 2 == 1 { place.div_ceil(2) } else { (entries - place / 2) % entries })
        .collect();
    let mut rows: Vec<Vec<u32>> = (0..entries)
        .map(|shift| zigzag.iter().map(|&entry| names[((entry + shift) % entries) as usize]).collect())
        .collect();
    if entries % 2 == 1 {
        rows.extend(rows.clone().into_iter().map(|row| row.into_iter().rev().collect()));
    }
    let mut order = Vec::new();
    while (order.len() as u32) < rounds && !rows.is_empty() {
        rows.shuffle(&mut random);
        order.extend(rows.iter().cloned());
    }
    order.truncate(rounds as usize);
    order
}
