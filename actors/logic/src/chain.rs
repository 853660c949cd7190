//! `chain`: as many gets as the request says, one after another. The slope over them is the cost of one call.

use crate::{AppError, Capabilities, request};

pub(crate) async fn handle<C: Capabilities + Sync>(
    capabilities: &C,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> Result<(), AppError> {
    let (calls, key) = request::number(request)?;
    let key = request::key(key)?;
    let mut last = None;
    for _ in 0..calls {
        let Some(value) = capabilities.get(key).await? else {
            return Err(AppError::MissingKey(key.to_owned()));
        };
        last = Some(value);
    }
    if let Some(value) = last {
        reply.extend_from_slice(value.as_ref());
    }
    Ok(())
}
