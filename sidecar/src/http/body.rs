//! Request bodies, up to a limit.

use std::fmt::Display;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::ApiError;

/// How much of a body that is too long is read and thrown away. A client that is still writing when its
/// connection closes may never see the answer, so most are heard out.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// The same for a request that was refused by its head.
const REFUSED_BYTES: usize = 4 << 20;
const REFUSED_TIME: Duration = Duration::from_secs(10);
/// A client that sends nothing for so long is not heard out.
const SILENCE: Duration = Duration::from_secs(2);

/// A client that sends nothing of a body that is wanted for so long is given up. Over HTTP/2, where a request has a task
/// of its own, hyper sees to it that the client is still there, and that is all.
const WAITING: Duration = Duration::from_secs(20);

/// Dapr's name for a body beyond the limit.
pub(crate) const TOO_LARGE: &str = "ERR_BODY_TOO_LARGE";

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(headers: &HeaderMap, mut body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        // This client waits for leave to send, so the answer reaches it.
        if !headers.contains_key(header::EXPECT) {
            drain(&mut body, DRAIN_BYTES, DRAIN_TIME).await;
        }
        return Err(too_large(limit));
    }
    let Some(first) = wait(&mut body).await? else { return Ok(Bytes::new()) };
    // Nearly every body is one frame, and that needs no copy.
    if body.is_end_stream() && first.len() <= limit {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(announced).unwrap_or_default().max(first.len()));
    whole.extend_from_slice(&first);
    drop(first);
    while whole.len() <= limit {
        match wait(&mut body).await? {
            Some(data) => whole.extend_from_slice(&data),
            None => return Ok(whole.freeze()),
        }
    }
    drop(whole);
    // Read to its end or not: the answer is the same.
    drain(&mut body, DRAIN_BYTES, DRAIN_TIME).await;
    Err(too_large(limit))
}

/// Reads the body of a refused request, if it is one that could have been taken, and answers whether it was read to its
/// end. A client without a token gets no more than that out of the sidecar; one that waits for leave to send needs none.
#[cold]
pub(super) async fn discard(headers: &HeaderMap, mut body: Incoming, limit: usize) -> bool {
    if body.is_end_stream() {
        return true;
    }
    let limit = limit.min(REFUSED_BYTES);
    if headers.contains_key(header::EXPECT) || body.size_hint().lower() > limit as u64 {
        return false;
    }
    drain(&mut body, limit, REFUSED_TIME).await
}

/// Reads on, within bounds, in a body of which too much has come already.
pub(crate) async fn hear_out<B>(body: &mut B)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    drain(body, DRAIN_BYTES, DRAIN_TIME).await;
}

/// The next part of a body that is wanted. There is no clock of its own for it: a connection looks at itself every few
/// seconds, and so at this.
async fn wait(body: &mut Incoming) -> Result<Option<Bytes>, ApiError> {
    let mut next = pin!(next(body));
    let mut since = None;
    poll_fn(|cx| match next.as_mut().poll(cx) {
        Poll::Ready(outcome) => Poll::Ready(outcome),
        Poll::Pending if since.get_or_insert_with(Instant::now).elapsed() < WAITING => Poll::Pending,
        Poll::Pending => Poll::Ready(Err(too_slow())),
    })
    .await
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| ApiError::malformed(format!("error reading the request body: {error}")))?;
        if let Ok(data) = frame.into_data()
            && !data.is_empty()
        {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads on within bounds, and answers whether the body came to its end.
async fn drain<B>(body: &mut B, most: usize, time: Duration) -> bool
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let reading = async {
        let mut left = most;
        loop {
            match tokio::time::timeout(SILENCE, next(body)).await {
                Ok(Ok(Some(data))) => match left.checked_sub(data.len()) {
                    Some(rest) => left = rest,
                    None => return false,
                },
                Ok(Ok(None)) => return true,
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    };
    tokio::time::timeout(time, reading).await.unwrap_or(false)
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        tonic::Code::DeadlineExceeded,
        "ERR_MALFORMED_REQUEST",
        format!("error reading the request body: nothing of it came for {WAITING:?}"),
    )
}

pub(super) fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        tonic::Code::ResourceExhausted,
        TOO_LARGE,
        format!("request body is too large: the limit is {limit} bytes; --max-body-size raises it"),
    )
}
