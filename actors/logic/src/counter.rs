//! `counter`: an HTTP-shaped request, an atomic add, a JSON answer.

use crate::{AppError, Capabilities, request};

/// More headers than this are refused.
const MOST_HEADERS: usize = 32;

/// Counts the visit that an HTTP/1.1 request is, and appends what [`count`] does.
///
/// # Errors
/// [`AppError`].
pub async fn handle<C: Capabilities + Sync>(
    capabilities: &C,
    request: &[u8],
    reply: &mut Vec<u8>,
) -> Result<(), AppError> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(request) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(AppError::bad_request("the HTTP request is cut short")),
        Err(_) => return Err(AppError::bad_request("not HTTP/1.1")),
    }
    // Both are there after a complete parse.
    let (method, path) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    count(capabilities, method, path, reply).await
}

/// Counts one visit of `/counter/<name>`, by `POST` or `GET` as waSCC's counter did, and appends
/// `{"counter":"<name>","value":N}` to `reply`. A query string is ignored.
///
/// # Errors
/// [`AppError::BadRequest`] for another method or path, [`AppError::Call`] if adding fails.
pub async fn count<C: Capabilities + Sync>(
    capabilities: &C,
    method: &str,
    path: &str,
    reply: &mut Vec<u8>,
) -> Result<(), AppError> {
    if !matches!(method, "POST" | "GET") {
        return Err(AppError::bad_request("a counter takes POST or GET"));
    }
    let path = path.split_once('?').map_or(path, |(path, _query)| path);
    let name = path.strip_prefix("/counter/").filter(|name| request::is_name(name)).ok_or_else(|| {
        AppError::bad_request("the path is not /counter/<name> of letters, digits, '-', '_', '.'")
    })?;
    let value = capabilities.add(&request::join("counter:", name), 1).await?;
    reply.extend_from_slice(br#"{"counter":""#);
    reply.extend_from_slice(name.as_bytes());
    reply.extend_from_slice(br#"","value":"#);
    reply.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    reply.push(b'}');
    Ok(())
}
