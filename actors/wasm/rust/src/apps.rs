//! Each operation of the logic as one of an actor.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use pillion_logic::{AppError, chain, compute, counter, kv, order};
use pillion_sdk::{Error, Reply, Result};

use crate::Store;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = |$request:ident, $reply:ident| $answer:expr;)+) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// The app's text.
        #[inline]
        pub fn $name($request: &[u8], $reply: &mut Reply) -> Result<()> {
            $answer
        }
    )+};
}

operations! {
    /// `echo`
    echo = |request, reply| {
        reply.write(request);
        Ok(())
    };

    /// `kv.get`: the value goes out of the answer that it came in.
    kv_get = |request, reply| done(now(kv::get(&Store, request))).map(|value| reply.pass(value));

    /// `kv.set`
    kv_set = |request, _reply| done(now(kv::set(&Store, request)));

    /// `chain`
    chain = |request, reply| {
        let last = done(now(chain::handle(&Store, request)))?;
        last.into_iter().for_each(|value| reply.pass(value));
        Ok(())
    };

    /// `counter`
    counter = |request, reply| done(now(counter::handle(&Store, request, reply.buffer())));

    /// `compute`
    compute = |request, reply| done(compute::handle(request, reply.buffer()));

    /// `order`
    order = |request, reply| done(now(order::handle(&Store, request, reply.buffer())));
}

/// The result of a future whose every wait is a host call, which comes back with the answer.
#[inline]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("host calls do not wait"),
    }
}

#[inline]
fn done<T>(result: std::result::Result<T, AppError>) -> Result<T> {
    result.map_err(|error| Error::new(error.into_text()))
}
