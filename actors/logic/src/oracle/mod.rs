//! What every workload must answer, computed without [`handle`](crate::handle).
//!
//! A [`Suite`] is a store's records before, requests in their order with the replies they must get, and the records
//! after. All of it follows from a seed, so that every lane is asked and checked alike.

mod failures;
mod numbers;
mod order;
mod workloads;

use std::fmt;
use std::ops::{Add, AddAssign, Mul};
use std::str::FromStr;

pub use failures::failures;
pub use workloads::{every_suite, suite};

/// What is asked of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Workload {
    /// The request comes back.
    Echo,
    /// One get.
    KvGet,
    /// One set.
    KvSet,
    /// Several gets, one after another.
    Chain,
    /// An HTTP-shaped request and an atomic add.
    Counter,
    /// JSON, two gets, an atomic add and a set.
    Order,
    /// Hashing, without a capability call.
    Compute,
}

/// A key and its value, which is ASCII text: one that every codec on the way can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: String,
    /// The value's bytes.
    pub value: Vec<u8>,
}

/// Capability calls as an app makes them. A lane may need more calls for one of them, as a sidecar for an add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after the capability it counts")]
pub struct Calls {
    pub get: u64,
    /// Of the gets, those that ride with another one where there is one call for several keys.
    pub together: u64,
    pub set: u64,
    pub add: u64,
}

/// One request and what must come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The operation.
    pub operation: &'static str,
    /// The request's bytes.
    pub request: Vec<u8>,
    /// The reply's bytes, or a text that the error must contain: lanes put their own words around it.
    pub expected: Result<Vec<u8>, String>,
    /// The capability calls it makes.
    pub calls: Calls,
}

/// Requests with all that is needed to ask and to check them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suite {
    /// What the store must hold before the first request.
    pub records: Vec<Record>,
    /// The requests, in their order.
    pub cases: Vec<Case>,
    /// What the store holds after the last request, if each ran once and in order. Only what requests change.
    pub after: Vec<Record>,
}

/// A reply that is not what the oracle says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation}, request {request}: expected {expected}, got {got}")]
pub struct Mismatch {
    operation: &'static str,
    request: String,
    expected: String,
    got: String,
}

/// No workload has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no workload is called {0:?}; there are echo, kv-get, kv-set, chain, counter, order, compute")]
pub struct UnknownWorkload(String);

// === impl Workload ===

impl Workload {
    /// Every workload.
    pub const ALL: [Self; 7] =
        [Self::Echo, Self::KvGet, Self::KvSet, Self::Chain, Self::Counter, Self::Order, Self::Compute];

    /// The name used in plans and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::KvGet => "kv-get",
            Self::KvSet => "kv-set",
            Self::Chain => "chain",
            Self::Counter => "counter",
            Self::Order => "order",
            Self::Compute => "compute",
        }
    }

    /// Whether a request gets the same reply however often and in whatever order requests are made. The others count:
    /// their replies hold for one pass in order over fresh records; later passes differ in numbers only.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        !matches!(self, Self::Counter | Self::Order)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Workload {
    type Err = UnknownWorkload;

    fn from_str(name: &str) -> Result<Self, UnknownWorkload> {
        let known = Self::ALL.into_iter().find(|workload| workload.name() == name);
        known.ok_or_else(|| UnknownWorkload(name.to_owned()))
    }
}

// === impl Calls ===

impl Calls {
    /// Calls that reach the provider where an atomic add takes `calls_per_add` of them, and where several keys are asked
    /// for in one call or one by one.
    #[must_use]
    pub const fn reaching(self, calls_per_add: u64, bulk: bool) -> u64 {
        let gets = if bulk { self.get - self.together } else { self.get };
        gets + self.set + self.add * calls_per_add
    }

    /// The same where no call is for several keys.
    #[must_use]
    pub const fn one_by_one(self) -> Self {
        Self { together: 0, ..self }
    }

    /// Calls of every kind.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.get + self.set + self.add
    }
}

impl Add for Calls {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            get: self.get + other.get,
            together: self.together + other.together,
            set: self.set + other.set,
            add: self.add + other.add,
        }
    }
}

impl Mul<u64> for Calls {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            get: self.get * times,
            together: self.together * times,
            set: self.set * times,
            add: self.add * times,
        }
    }
}

impl AddAssign for Calls {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

// === impl Case ===

impl Case {
    /// Compares a reply, or the text of an error, with what the oracle says.
    ///
    /// # Errors
    /// [`Mismatch`], with both.
    pub fn check<E: AsRef<str>>(&self, got: Result<&[u8], E>) -> Result<(), Mismatch> {
        let right = match (&self.expected, &got) {
            (Ok(expected), Ok(reply)) => expected == reply,
            (Err(expected), Err(error)) => error.as_ref().contains(expected.as_str()),
            _ => false,
        };
        if right {
            return Ok(());
        }
        Err(Mismatch {
            operation: self.operation,
            request: excerpt(&self.request),
            expected: match &self.expected {
                Ok(reply) => excerpt(reply),
                Err(error) => format!("the error {error:?}"),
            },
            got: match got {
                Ok(reply) => excerpt(reply),
                Err(error) => format!("the error {:?}", error.as_ref()),
            },
        })
    }
}

/// The start of some bytes, for messages.
fn excerpt(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let start = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("{} bytes \"{start}{more}\"", bytes.len())
}

// === impl Suite ===

impl Suite {
    /// The capability calls of all requests together.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.cases.iter().fold(Calls::default(), |sum, case| sum + case.calls)
    }
}
