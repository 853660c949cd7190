//! A slot under every interleaving.

use loom::cell::Cell;
use loom::model;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use crate::slot::Slot;

/// Counts its ends.
struct Kept {
    number: usize,
    ends: Arc<AtomicUsize>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

fn kept(number: usize, ends: &Arc<AtomicUsize>) -> Box<Kept> {
    Box::new(Kept { number, ends: Arc::clone(ends) })
}

#[test]
fn what_is_in_a_slot_is_had_by_one_and_ends_once() {
    model(|| {
        let (slot, ends) = (Arc::new(Slot::default()), Arc::new(AtomicUsize::new(0)));
        assert!(slot.put(kept(1, &ends)).is_none());
        // As whoever changes a guest's wiring does, and whoever makes room.
        let others: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.take().map(|kept: Box<Kept>| kept.number))
            })
            .collect();
        // As the slot's own thread does for a call.
        let own = slot.take().map(|kept| kept.number);
        let had = others.into_iter().filter_map(|other| other.join().unwrap()).chain(own);
        assert_eq!(had.collect::<Vec<_>>(), [1]);
        assert_eq!(ends.load(Ordering::Relaxed), 1);
        drop(slot);
        assert_eq!(ends.load(Ordering::Relaxed), 1);
    });
}

/// What is left in the slot is not looked at here: of a store and an exchange by two threads, loom leaves the order open
/// even where the exchange has read what was before that store, which no memory model allows.
#[test]
fn what_is_put_in_is_seen_whole_by_whoever_takes_it() {
    let taken = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = std::sync::Arc::clone(&taken);
    model(move || {
        let slot = Arc::new(Slot::default());
        let other = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || slot.take().map(|number: Box<Cell<usize>>| number.get()))
        };
        // loom sees whoever reads it without having been told of its writing.
        let own = Box::new(Cell::new(1));
        own.set(2);
        assert!(slot.put(own).is_none(), "others only ever empty it");
        seen.lock().unwrap().insert(other.join().unwrap());
    });
    assert_eq!(*taken.lock().unwrap(), [None, Some(2)].into());
}

#[test]
fn a_full_slot_gives_back_what_is_put_in_and_ends_what_it_has() {
    model(|| {
        let (slot, ends) = (Slot::default(), Arc::new(AtomicUsize::new(0)));
        assert!(slot.put(kept(1, &ends)).is_none());
        let surplus = slot.put(kept(2, &ends)).expect("it is full");
        assert_eq!((surplus.number, ends.load(Ordering::Relaxed)), (2, 0));
        drop(surplus);
        drop(slot);
        assert_eq!(ends.load(Ordering::Relaxed), 2);
    });
}
