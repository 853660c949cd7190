//! A body that streams and may be sent again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body as _, Frame, SizeHint};

use crate::body::{Body, BoxError, streamed};

/// What was read of a body so far, and the rest of it. It is read while it is sent, so that it need not be over before
/// it is sent first.
#[derive(Clone, Debug)]
pub(crate) struct Replay(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    read: Vec<Piece>,
    /// How many bytes more may be kept.
    left: usize,
    /// More came than may be kept: there is no second time.
    overflown: bool,
    /// What has ended, or broken off, has no rest.
    rest: Option<Body>,
    broken: bool,
    /// Which sending is the one that counts.
    sending: u64,
    waker: Option<Waker>,
}

#[derive(Clone, Debug)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// One sending.
struct Sending {
    shared: Arc<Mutex<Shared>>,
    number: u64,
    at: usize,
}

// === impl Replay ===

impl Replay {
    /// A body of which so many bytes are kept.
    pub(crate) fn new(body: Body, limit: usize) -> Self {
        let rest = if body.is_end_stream() { None } else { Some(body) };
        Self(Arc::new(Mutex::new(Shared {
            read: Vec::new(),
            left: limit,
            overflown: false,
            rest,
            broken: false,
            sending: 0,
            waker: None,
        })))
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !shared.overflown && !shared.broken
    }

    /// The body from its beginning; what was sent before is cut off.
    pub(crate) fn again(&self) -> Body {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.sending += 1;
        let number = shared.sending;
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
        drop(shared);
        streamed(Sending { shared: Arc::clone(&self.0), number, at: 0 })
    }
}

// === impl Sending ===

impl hyper::body::Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let all = Arc::clone(&self.shared);
        let mut shared = all.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.sending != self.number {
            return Poll::Ready(Some(Err("it is sent anew".into())));
        }
        if let Some(piece) = shared.read.get(self.at) {
            self.at += 1;
            return Poll::Ready(Some(Ok(match piece {
                Piece::Data(data) => Frame::data(data.clone()),
                Piece::Trailers(trailers) => Frame::trailers(trailers.clone()),
            })));
        }
        let Some(rest) = &mut shared.rest else {
            return Poll::Ready(shared.broken.then(|| Err("the request broke off".into())));
        };
        let frame = match Pin::new(rest).poll_frame(context) {
            Poll::Pending => {
                shared.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(None) => {
                shared.rest = None;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => {
                shared.rest = None;
                shared.broken = true;
                return Poll::Ready(Some(Err(error.into())));
            }
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        if shared.overflown {
            return Poll::Ready(Some(Ok(frame)));
        }
        let (piece, size) = match frame.into_data() {
            Ok(data) => (Piece::Data(data.clone()), data.len()),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => (Piece::Trailers(trailers), 0),
                // There is no third kind.
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
        };
        let frame = match &piece {
            Piece::Data(data) => Frame::data(data.clone()),
            Piece::Trailers(trailers) => Frame::trailers(trailers.clone()),
        };
        match shared.left.checked_sub(size) {
            Some(left) => {
                shared.left = left;
                shared.read.push(piece);
                self.at += 1;
            }
            None => {
                shared.overflown = true;
                shared.read = Vec::new();
                self.at = 0;
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.rest.is_none() && !shared.broken && self.at >= shared.read.len()
    }

    fn size_hint(&self) -> SizeHint {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = shared
            .read
            .iter()
            .skip(self.at)
            .map(|piece| match piece {
                Piece::Data(data) => data.len(),
                Piece::Trailers(_) => 0,
            })
            .sum();
        let rest = shared.rest.as_ref().map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint);
        let mut hint = SizeHint::new();
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(kept));
        }
        hint.set_lower(rest.lower().saturating_add(kept));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::body::whole;

    #[tokio::test]
    async fn a_body_is_sent_again_from_its_beginning() {
        let frames = ["one", "two", "three"].map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
        let replay = Replay::new(streamed(StreamBody::new(futures_util::stream::iter(frames))), 100);
        let mut first = replay.again();
        for text in ["one", "two"] {
            assert_eq!(first.frame().await.unwrap().unwrap().into_data().unwrap(), text);
        }
        let second = replay.again();
        assert!(first.frame().await.unwrap().is_err());
        assert_eq!(second.collect().await.unwrap().to_bytes(), "onetwothree");
        assert!(replay.is_whole());
        assert_eq!(replay.again().size_hint().exact(), Some(11));
    }

    #[tokio::test]
    async fn one_that_is_too_long_is_sent_once() {
        let replay = Replay::new(whole("twelve bytes"), 11);
        assert_eq!(replay.again().size_hint().exact(), Some(12));
        assert_eq!(replay.again().collect().await.unwrap().to_bytes(), "twelve bytes");
        assert!(!replay.is_whole());
        let empty = Replay::new(whole(""), 0);
        assert!(empty.again().is_end_stream() && empty.is_whole());
    }
}
