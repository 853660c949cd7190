//! Calls of other actors.

use crate::Result;
use crate::call::{Bytes, DEFAULT, call};

/// Calls an operation of another actor, by its public key or by the alias of its claims, and answers the bytes of its
/// reply. The caller's claims must grant that name.
///
/// # Errors
/// The other's own, or the host's.
pub fn call_actor(actor: &str, operation: &str, payload: &[u8]) -> Result<Bytes> {
    call(DEFAULT, actor, operation, payload)
}
