//! `kv.get` and `kv.set`: one capability call each.

use crate::{AppError, Capabilities, request};

/// The value of the key that the request is.
///
/// # Errors
/// [`AppError`].
pub async fn get<C: Capabilities + Sync>(capabilities: &C, request: &[u8]) -> Result<C::Value, AppError> {
    let key = request::key(request)?;
    capabilities.get(key).await?.ok_or_else(|| AppError::MissingKey(key.to_owned()))
}

/// Sets the value of a key, which the request has in front of it behind its length.
///
/// # Errors
/// [`AppError`].
pub async fn set<C: Capabilities + Sync>(capabilities: &C, request: &[u8]) -> Result<(), AppError> {
    let (key, value) = request
        .split_first_chunk()
        .and_then(|(length, rest)| rest.split_at_checked(u16::from_le_bytes(*length).into()))
        .ok_or_else(|| AppError::bad_request("the request is shorter than its key"))?;
    Ok(capabilities.set(request::key(key)?, value).await?)
}
