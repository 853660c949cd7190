//! What an operation answers.

use crate::Bytes;
use crate::message::{Headers, Response};

/// What an operation answers: bytes that it writes, or an answer of the host as it came, which is not copied.
#[derive(Debug, Default)]
pub struct Reply {
    written: Vec<u8>,
    passed: Option<Bytes>,
}

// === impl Reply ===

impl Reply {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { written: Vec::new(), passed: None }
    }

    /// Appends bytes.
    #[inline]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.buffer().extend_from_slice(bytes.as_ref());
    }

    /// Answers with these bytes of the host and with nothing else: what was written before does not go out.
    #[inline]
    pub fn pass(&mut self, bytes: Bytes) {
        self.passed = Some(bytes);
    }

    /// The buffer of what is written, for encoders that append. What was passed becomes what was written.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if let Some(passed) = self.passed.take() {
            self.written.clear();
            self.written.extend_from_slice(&passed);
        }
        &mut self.written
    }

    /// Answers `HandleRequest`: appends an HTTP response of this status, with `content-type` and the body.
    pub fn http(&mut self, status: u16, content_type: &str, body: &[u8]) {
        self.http_with(status, &[("content-type", content_type)], body);
    }

    /// Answers `HandleRequest`: appends an HTTP response of this status, with header fields and the body.
    pub fn http_with(&mut self, status: u16, header: &[(&str, &str)], body: &[u8]) {
        let header = Headers::new(header);
        let response = Response { status_code: status.into(), status: phrase(status), header, body };
        response.encode(self.buffer());
    }

    /// What goes out.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.passed.as_deref().unwrap_or(&self.written)
    }

    /// Empties it, and keeps its buffer.
    #[inline]
    pub fn clear(&mut self) {
        self.written.clear();
        self.passed = None;
    }

    /// An empty one with this buffer.
    #[cfg(target_family = "wasm")]
    #[inline]
    pub(crate) fn within(mut written: Vec<u8>) -> Self {
        written.clear();
        Self { written, passed: None }
    }

    /// The buffer of what was written. That of what was passed goes back to later calls.
    #[cfg(target_family = "wasm")]
    #[inline]
    pub(crate) fn into_written(self) -> Vec<u8> {
        self.written
    }
}

/// The reason of a status; none for what is rare.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "",
    }
}
