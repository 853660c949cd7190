//! One HTTP/1.1 connection, on which any number of requests are under way: pipelining.
//!
//! Requests are written as they come, those that are there together in one write; answers come in the order of the requests
//! and are matched by it. A caller with nobody beside it writes its request itself. All else is done by a task of the
//! connection, so that a caller that is never polled again holds up no other.
//!
//! What was written when a connection is lost may have been done or not, as with any client: such a call fails and is not
//! made again. One of which nothing was written, or that stood behind an answer after which the sidecar closes, was not done,
//! and goes over the next connection.

mod answers;
mod line;
mod places;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, request};
use http_body_util::{BodyExt as _, Full};

use crate::Address;
use crate::connection::halves;
use answers::Malformed;
use line::Line;
use places::Outcome;

/// The connection to one address, opened when it is needed.
pub(crate) struct Pipelined {
    pub(crate) address: Address,
    current: Mutex<Option<Arc<Line>>>,
    opening: tokio::sync::Mutex<()>,
}

/// Why a call brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("cannot connect: {0}")]
    Connect(Arc<io::Error>),
    #[error("the connection was closed before the answer was complete")]
    Closed,
    #[error("the connection was lost before the answer was complete: {0}")]
    Broken(Arc<io::Error>),
    #[error("the connection was given up, as what came is no answer that this client reads: {0}")]
    Malformed(#[from] Malformed),
}

/// A request as it is written, as often as it takes.
struct Message {
    head: request::Parts,
    body: Bytes,
}

// === impl Pipelined ===

impl Pipelined {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, current: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// Sends a request, which is a GET or POST, and reads the whole answer. Of its head only what the client looks at is kept:
    /// the status and the ETag.
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Lost> {
        let message = Message::of(request).await;
        loop {
            let line = self.line().await?;
            match line.exchange(&message).await {
                Outcome::Answer(response) => return Ok(response),
                Outcome::Failed(reason) => return Err(reason),
                Outcome::Undone => {}
            }
        }
    }

    async fn line(&self) -> Result<Arc<Line>, Lost> {
        if let Some(line) = self.current() {
            return Ok(line);
        }
        // One opens it, the others wait for that.
        let _turn = self.opening.lock().await;
        if let Some(line) = self.current() {
            return Ok(line);
        }
        let (reading, writing) =
            halves(&self.address).await.map_err(|error| Lost::Connect(Arc::new(error)))?;
        let line = Line::start(reading, writing);
        *locked(&self.current) = Some(Arc::clone(&line));
        Ok(line)
    }

    fn current(&self) -> Option<Arc<Line>> {
        locked(&self.current).as_ref().filter(|line| line.is_open()).cloned()
    }
}

impl Drop for Pipelined {
    fn drop(&mut self) {
        if let Some(line) = locked(&self.current).take() {
            line.close();
        }
    }
}

// === impl Message ===

impl Message {
    async fn of(request: Request<Full<Bytes>>) -> Self {
        let (head, mut body) = request.into_parts();
        // All of it is there, as one frame, if there is any.
        let frame = body.frame().await.and_then(Result::ok);
        let body = frame.and_then(|frame| frame.into_data().ok()).unwrap_or_default();
        Self { head, body }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { head, body } = self;
        out.extend_from_slice(head.method.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(head.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        for (name, value) in &head.headers {
            field(out, name.as_str(), value.as_bytes());
        }
        if !body.is_empty() || head.method == Method::POST {
            field(out, CONTENT_LENGTH.as_str(), body.len().to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(body);
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
