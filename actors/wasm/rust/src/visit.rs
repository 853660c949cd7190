//! waSCC's HTTP request.

use pillion_logic::{AppError, count};
use pillion_sdk::message::Request;
use pillion_sdk::{Reply, Result};

use crate::Store;
use crate::apps::now;

/// Counts a visit by HTTP, and answers with a status whatever happens.
///
/// # Errors
/// None: a failure is a status.
pub fn visit(request: Request<'_>, reply: &mut Reply) -> Result<()> {
    let mut body = Vec::new();
    match now(count(&Store, request.method, request.path, &mut body)) {
        Ok(()) => reply.http(200, "application/json", &body),
        Err(error) => {
            let status = if matches!(error, AppError::BadRequest(_)) { 400 } else { 500 };
            reply.http(status, "text/plain", error.into_text().as_bytes());
        }
    }
    Ok(())
}
