//! The contract `Extras`: numbers that a guest cannot make by itself.
//!
//! It serves waSCC's `wascc:extras`.

mod embedded;

use std::sync::Arc;

use uuid::Uuid;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Result, counters};

pub use embedded::Embedded;

counters::operations! {
    Guid = "guid",
    Random = "random",
    Sequence = "sequence",
}

/// The capability contract for numbers.
pub trait Extras: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `embedded`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// A new identifier, of version 4.
    fn guid(&self) -> Answer<Uuid>;

    /// A number from `min` to `max`, both included, each as likely as the others and none to be foreseen. If `min` is
    /// the greater, the call fails with [`Error::InvalidArgument`](crate::Error).
    fn random(&self, min: u64, max: u64) -> Answer<u64>;

    /// A number greater than every one that this provider gave before: 0, 1, 2 and so on. It begins anew with the
    /// process.
    fn sequence(&self) -> Answer<u64>;

    /// Makes a binding: answers what serves it, which knows no values. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn Extras>, binding: &Binding<'_>) -> Result<Bound<dyn Extras>> {
        binding.knows(self.name(), &[])?;
        Ok(Bound::by(this))
    }
}
