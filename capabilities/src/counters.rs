//! How often a provider was reached, by operation.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::keyvalue;

/// The operations of a contract, in the order of its trait.
pub trait Operations: Copy + Debug + Send + Sync + 'static {
    /// Every operation; [`MOST`] at most.
    const ALL: &'static [Self];

    /// The name used in metrics and records.
    fn name(self) -> &'static str;

    /// Its place in [`Operations::ALL`].
    fn index(self) -> usize;
}

/// No contract has more operations than this.
pub const MOST: usize = 16;

/// Calls that reached a provider, by operation, so that "reached exactly once" and "never reached" can be asserted.
#[derive(Debug)]
pub struct Counters<O = keyvalue::Operation> {
    calls: [AtomicU64; MOST],
    operations: PhantomData<O>,
}

/// Makes the enum of a contract's operations. Each is named after the method it counts.
macro_rules! operations {
    ($($(#[$attribute:meta])* $operation:ident = $name:literal),+ $(,)?) => {
        /// One operation of the contract, in the order of the trait.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is named after the method it counts")]
        pub enum Operation {
            $($(#[$attribute])* $operation),+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$operation),+];

            /// The name used in metrics and records.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$operation => $name),+
                }
            }
        }

        impl $crate::Operations for Operation {
            const ALL: &'static [Self] = Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }

            #[inline]
            fn index(self) -> usize {
                self as usize
            }
        }

        const _: () = assert!(Operation::ALL.len() <= $crate::counters::MOST);
    };
}
pub(crate) use operations;

// === impl Counters ===

impl<O: Operations> Counters<O> {
    /// Counts one call.
    #[inline]
    pub fn count(&self, operation: O) {
        if let Some(calls) = self.calls.get(operation.index()) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The calls of one operation so far.
    #[must_use]
    pub fn of(&self, operation: O) -> u64 {
        self.calls.get(operation.index()).map_or(0, |calls| calls.load(Ordering::Relaxed))
    }

    /// The calls of all operations so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }
}

impl<O> Default for Counters<O> {
    fn default() -> Self {
        Self { calls: Default::default(), operations: PhantomData }
    }
}
