//! A fixed piece of work, to tell how fast a core is just now.

use std::hint::black_box;
use std::time::Instant;

/// Turns of the loop: some 100 µs of it.
const TURNS: u64 = 50_000;

/// How long the work took, in ns. Its eight chains of multiplications keep the core's units busy, so that a neighbour on
/// the same core shows, as do a lower frequency and time taken away.
pub(super) fn fixed_work() -> u64 {
    let start = Instant::now();
    let mut chains = black_box([1_u64, 2, 3, 4, 5, 6, 7, 8]);
    for turn in 0..TURNS {
        for chain in &mut chains {
            *chain = chain.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(turn);
        }
    }
    black_box(chains);
    start.elapsed().as_nanos() as u64
}
