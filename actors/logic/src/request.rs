//! Taking requests apart.

use crate::AppError;

/// The longest name that may become part of a key.
const LONGEST_NAME: usize = 128;

/// Bytes as a key, which is text and not empty.
pub(crate) fn key(bytes: &[u8]) -> Result<&str, AppError> {
    match str::from_utf8(bytes) {
        Ok("") => Err(AppError::bad_request("the key is empty")),
        Ok(key) => Ok(key),
        Err(_) => Err(AppError::bad_request("the key is not UTF-8")),
    }
}

/// A `u32` in little-endian order and what follows it.
pub(crate) fn number(bytes: &[u8]) -> Result<(u32, &[u8]), AppError> {
    match bytes.split_first_chunk() {
        Some((number, rest)) => Ok((u32::from_le_bytes(*number), rest)),
        None => Err(AppError::bad_request("the request is shorter than the 4 bytes of its number")),
    }
}

/// Whether a name is letters, digits, `-`, `_` and `.`: safe in keys, in JSON and in URLs without escaping.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Two texts in one allocation.
pub(crate) fn join(prefix: &str, name: &str) -> String {
    let mut joined = String::with_capacity(prefix.len() + name.len());
    joined.push_str(prefix);
    joined.push_str(name);
    joined
}
