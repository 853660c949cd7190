//! From a provider's answer to a reply.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pillion_capabilities::Answer;
use pillion_codec::DecodeError;

use super::Contract;
use crate::engine::{Dispatched, Reply};

/// Writes a provider's answer as a response. It gets the request again for the few responses that repeat a part of
/// it; keeping that part would cost an allocation in every call.
pub(super) type Encode<T> = fn(T, &[u8], &mut Reply);

/// Encodes an answer that is there, or sees to it once it is.
#[inline]
pub(super) fn answer<T: Send + 'static>(
    answer: Answer<T>,
    payload: &[u8],
    reply: &mut Reply,
    encode: Encode<T>,
) -> Dispatched {
    match answer {
        Answer::Ready(Ok(answer)) => encode(answer, payload, reply),
        Answer::Ready(Err(error)) => reply.fail(error),
        Answer::Pending(pending) => {
            let payload = payload.to_vec();
            return Dispatched::Pending(Box::pin(async move {
                let mut reply = Reply::default();
                match pending.await {
                    Ok(answer) => encode(answer, &payload, &mut reply),
                    Err(error) => reply.fail(error),
                }
                reply
            }));
        }
    }
    Dispatched::Done
}

/// As [`answer`], for what may take several calls of a provider. What answers each at once is done when this returns.
pub(super) fn answer_in_turns(
    work: impl Future<Output = pillion_capabilities::Result<Reply>> + Send + 'static,
    reply: &mut Reply,
) -> Dispatched {
    let mut work: Pin<Box<dyn Future<Output = Reply> + Send>> = Box::pin(async {
        work.await.unwrap_or_else(|error| {
            let mut reply = Reply::default();
            reply.fail(error);
            reply
        })
    });
    // Whoever awaits it later looks anew, and is woken.
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => {
            *reply = done;
            Dispatched::Done
        }
        Poll::Pending => Dispatched::Pending(work),
    }
}

#[cold]
pub(super) fn malformed(
    contract: Contract,
    operation: &[u8],
    error: DecodeError,
    reply: &mut Reply,
) -> Dispatched {
    let operation = String::from_utf8_lossy(operation);
    reply.fail(format_args!("the request of {contract} {operation} is malformed: {error}"));
    Dispatched::Done
}

#[cold]
pub(super) fn unknown(contract: Contract, operation: &[u8], reply: &mut Reply) -> Dispatched {
    let operation = String::from_utf8_lossy(operation);
    reply.fail(format_args!("{contract} has no operation {operation:?}"));
    Dispatched::Done
}
