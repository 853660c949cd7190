//! `compute`: hashing without a capability call.

use sha2::{Digest, Sha256};

use crate::{AppError, request};

/// Appends the digest to `reply`.
///
/// # Errors
/// [`AppError::BadRequest`] where there is no number of rounds.
pub fn handle(request: &[u8], reply: &mut Vec<u8>) -> Result<(), AppError> {
    let (rounds, seed) = request::number(request)?;
    let mut digest = Sha256::digest(seed);
    for _ in 0..rounds {
        digest = Sha256::digest(digest);
    }
    reply.extend_from_slice(&digest);
    Ok(())
}
