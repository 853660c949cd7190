//! `chain`: as many gets as the request says, one after another. The slope over them is the cost of one call.

use crate::{AppError, Capabilities, request};

/// The value of the last get, if there was one.
///
/// # Errors
/// [`AppError`].
pub async fn handle<C: Capabilities + Sync>(
    capabilities: &C,
    request: &[u8],
) -> Result<Option<C::Value>, AppError> {
    let (calls, key) = request::number(request)?;
    let key = request::key(key)?;
    let mut last = None;
    for _ in 0..calls {
        let Some(value) = capabilities.get(key).await? else {
            return Err(AppError::MissingKey(key.to_owned()));
        };
        last = Some(value);
    }
    Ok(last)
}
