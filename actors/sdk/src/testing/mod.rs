//! A host for tests of actors: in memory, in the test's own thread, and without WebAssembly.
//!
//! ```
//! use pillion_sdk::{KeyValue, Reply, Result, operations, testing::Host};
//!
//! operations! {
//!     /// Remembers.
//!     fn answer {
//!         "remember" => remember,
//!     }
//! }
//!
//! fn remember(fact: &[u8], _: &mut Reply) -> Result<()> {
//!     KeyValue::new().push("facts", fact).map(drop)
//! }
//!
//! let host = Host::new();
//! host.call(answer, "remember", b"water is wet")?;
//! let facts = host.run(|| KeyValue::new().range("facts", 0, -1))?;
//! assert_eq!(facts.iter().next(), Some(&b"water is wet"[..]));
//!
//! host.deny("wascc:keyvalue");
//! assert!(host.call(answer, "remember", b"").unwrap_err().text().contains("do not grant"));
//! # Ok::<(), pillion_sdk::Error>(())
//! ```

mod blobs;
mod contracts;
mod deliver;
mod host;
mod keyvalue;
mod streams;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

pub use deliver::HttpReply;
pub use host::Host;

use host::State;

/// A call that an actor made, whatever came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Called {
    /// The binding.
    pub binding: String,
    /// The contract, or the other actor.
    pub namespace: String,
    /// The operation.
    pub operation: String,
    /// The message, in MessagePack where it is of a contract.
    pub payload: Vec<u8>,
}

/// A message that an actor published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The binding.
    pub binding: String,
    /// The topic.
    pub subject: String,
    /// Where answers are wanted; empty if none are.
    pub reply_to: String,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A request that an actor made to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The header fields.
    pub header: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a call comes to: bytes, or the text of an error.
type Outcome = Result<Vec<u8>, String>;

thread_local! {
    /// The host that calls go to. A stack of them, since a test may run one within another.
    static CURRENT: RefCell<Vec<Rc<State>>> = const { RefCell::new(Vec::new()) };
}

/// That a host is the current one; until this is dropped, also by a panic.
struct Entered;

// === impl Entered ===

impl Entered {
    fn new(state: &Rc<State>) -> Self {
        CURRENT.with_borrow_mut(|hosts| hosts.push(Rc::clone(state)));
        Self
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(Vec::pop);
    }
}

// === free functions ===

/// Where the clients' calls go on this target.
pub(crate) fn call(
    binding: &str,
    namespace: &str,
    operation: &str,
    payload: &[u8],
    response: &mut Vec<u8>,
) -> Result<(), String> {
    let host =
        current().ok_or("there is no host here: call actors and clients by a pillion_sdk::testing::Host")?;
    // An empty name means that, as it does to hosts.
    let binding = if binding.is_empty() { crate::DEFAULT } else { binding };
    *response = host.answer(binding, namespace, operation, payload)?;
    Ok(())
}

/// Where lines for the console go on this target.
pub(crate) fn console(line: &str) {
    if let Some(host) = current() {
        host.console.borrow_mut().push(line.to_owned());
    }
}

fn current() -> Option<Rc<State>> {
    CURRENT.with_borrow(|hosts| hosts.last().cloned())
}

// === impl Called ===

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} ({} B)", self.binding, self.namespace, self.operation, self.payload.len())
    }
}
