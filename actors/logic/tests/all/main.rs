//! The logic against the oracle, over a store in memory.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic, as tests do")]

mod apps;
mod bad_input;
mod store;

use pillion_logic::{AppError, handle};

use crate::store::{Store, ready};

/// One request with a fresh reply.
fn ask(store: &Store, operation: &str, request: &[u8]) -> Result<Vec<u8>, AppError> {
    let mut reply = Vec::new();
    ready(handle(store, operation, request, &mut reply))?.finish(&mut reply);
    Ok(reply)
}
