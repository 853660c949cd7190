//! Messages that are longer than is allowed.
//!
//! tonic refuses them with `OUT_OF_RANGE`, Go, and so Dapr, with `RESOURCE_EXHAUSTED`. An app may say the former itself, which
//! is its answer: what tonic refuses is known by where that happens, while a message is read.

use std::sync::atomic::{AtomicBool, Ordering};

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

/// Whether the message of a call was read, after which nothing is tonic's own refusal any more.
#[derive(Debug, Default)]
pub(crate) struct Reading(AtomicBool);

// === impl Reading ===

impl Reading {
    /// The message is there.
    #[inline]
    pub(crate) fn done(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// The answer, with Dapr's code where the message was too long.
    pub(crate) fn answer(&self, limit: usize, response: Response<Body>) -> Response<Body> {
        if super::code(&response) == Code::OutOfRange && !self.0.load(Ordering::Relaxed) {
            return too_long(limit).into_http();
        }
        response
    }
}

// === free functions ===

/// What kept a message of a stream from being read, with Dapr's code where it was too long.
pub(crate) fn unread(limit: usize, status: Status) -> Status {
    if status.code() == Code::OutOfRange { too_long(limit) } else { status }
}

fn too_long(limit: usize) -> Status {
    Status::resource_exhausted(format!(
        "received message larger than max: the limit is {limit} bytes; --max-body-size raises it"
    ))
}
