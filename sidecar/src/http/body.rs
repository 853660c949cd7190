//! Request bodies, up to a limit.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::ApiError;

/// How much of a body that is too long is read and thrown away. A client that is still writing when its
/// connection closes may never see the answer, so most are heard out.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Reads a body of at most `limit` bytes.
pub(super) async fn read(headers: &HeaderMap, mut body: Incoming, limit: usize) -> Result<Bytes, ApiError> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        // This client waits for leave to send, so the answer reaches it.
        if !headers.contains_key(header::EXPECT) {
            drain(&mut body).await;
        }
        return Err(too_large(limit));
    }
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    // Nearly every body is one frame, and that needs no copy.
    if body.is_end_stream() && first.len() <= limit {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(announced).unwrap_or_default().max(first.len()));
    whole.extend_from_slice(&first);
    drop(first);
    while whole.len() <= limit {
        match next(&mut body).await? {
            Some(data) => whole.extend_from_slice(&data),
            None => return Ok(whole.freeze()),
        }
    }
    drop(whole);
    drain(&mut body).await;
    Err(too_large(limit))
}

/// Reads a body that nobody wants, within bounds.
#[cold]
pub(super) async fn discard(mut body: Incoming) {
    if !body.is_end_stream() {
        drain(&mut body).await;
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, ApiError> {
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

async fn drain(body: &mut Incoming) {
    let reading = async {
        let mut left = DRAIN_BYTES;
        while let Ok(Some(data)) = next(body).await {
            match left.checked_sub(data.len()) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    // Either end is fine: the answer is the same.
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        tonic::Code::ResourceExhausted,
        "ERR_BODY_TOO_LARGE",
        format!("request body is too large: the limit is {limit} bytes; --max-body-size raises it"),
    )
}
