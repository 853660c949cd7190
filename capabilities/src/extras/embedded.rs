//! The provider within this process.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::{Extras, Operation};
use crate::{Answer, Counters, Error};

/// Makes numbers in this process. Every call answers [`Answer::Ready`].
#[derive(Debug, Default)]
pub struct Embedded {
    counters: Counters<Operation>,
    next: AtomicU64,
}

// === impl Embedded ===

impl Embedded {
    /// A provider whose sequence begins with 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Extras for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn guid(&self) -> Answer<Uuid> {
        self.counters.count(Operation::Guid);
        Answer::Ready(Ok(Uuid::new_v4()))
    }

    fn random(&self, min: u64, max: u64) -> Answer<u64> {
        self.counters.count(Operation::Random);
        Answer::Ready(if min <= max {
            Ok(rand::random_range(min..=max))
        } else {
            let said = format!("there is no number from {min} to {max}; name the smaller bound first");
            Err(Error::InvalidArgument(said))
        })
    }

    fn sequence(&self) -> Answer<u64> {
        self.counters.count(Operation::Sequence);
        // No program counts to the end of 64 bits.
        Answer::Ready(Ok(self.next.fetch_add(1, Ordering::Relaxed)))
    }
}
