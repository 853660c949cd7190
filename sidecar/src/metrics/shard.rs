//! Numbers that many threads count at once, without waiting for each other.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Numbers, each as often as there are threads that count: a thread that has a place of its own counts without any
/// atomic change, and the others share one.
#[derive(Debug, Default)]
pub(super) struct Sharded<const N: usize> {
    places: [OnceLock<Box<Cells<N>>>; PLACES],
}

/// One thread's numbers, on cache lines that no other thread writes.
#[derive(Debug)]
#[repr(align(128))]
struct Cells<const N: usize>([AtomicU64; N]);

/// The last one is shared. More threads than processors do not count at once.
const PLACES: usize = 16;
const SHARED: usize = PLACES - 1;

/// Who came first has the first place. A place is not given to another when its thread ends.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static PLACE: Cell<usize> = const { Cell::new(usize::MAX) };
}

// === impl Sharded ===

impl<const N: usize> Sharded<N> {
    /// Adds to some of the numbers.
    #[inline]
    pub(super) fn add(&self, changes: &[(usize, u64)]) {
        let place = PLACE.get();
        let place = if place < PLACES { place } else { take_place() };
        let Some(cells) = self.places.get(place) else { return };
        let Cells(cells) = &**cells.get_or_init(Box::default);
        for (index, number) in changes {
            let Some(cell) = cells.get(*index) else { continue };
            if place == SHARED {
                cell.fetch_add(*number, Ordering::Relaxed);
            } else {
                // Nobody else writes here.
                cell.store(cell.load(Ordering::Relaxed).wrapping_add(*number), Ordering::Relaxed);
            }
        }
    }

    /// The numbers of all threads.
    pub(super) fn sum(&self) -> [u64; N] {
        let mut sum = [0_u64; N];
        for Cells(cells) in self.places.iter().filter_map(OnceLock::get).map(|cells| &**cells) {
            for (sum, cell) in sum.iter_mut().zip(cells) {
                *sum = sum.wrapping_add(cell.load(Ordering::Relaxed));
            }
        }
        sum
    }
}

#[cold]
fn take_place() -> usize {
    let place = TAKEN.fetch_add(1, Ordering::Relaxed).min(SHARED);
    PLACE.set(place);
    place
}

// === impl Cells ===

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_is_lost_by_however_many_threads() {
        let numbers = Arc::new(Sharded::<3>::default());
        let threads: Vec<_> = (0..40)
            .map(|_| {
                let numbers = Arc::clone(&numbers);
                std::thread::spawn(move || (0..10_000).for_each(|_| numbers.add(&[(0, 1), (2, 5), (7, 1)])))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(numbers.sum(), [400_000, 0, 2_000_000]);
    }
}
