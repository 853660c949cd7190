//! Calls of a store's provider under a policy.

use pillion_capabilities::Error;

use super::Store;
use crate::resiliency::{Judged, Policy, Stopped};

/// Makes a call as the store's policy has it, or once where there is none.
pub(super) async fn under<T, F: Future<Output = Result<T, Error>>>(
    store: &Store,
    policy: &Policy,
    call: impl FnMut() -> F,
) -> Result<T, Error> {
    let outcome = policy.run(call, |outcome| outcome.as_ref().err().map_or(Judged::Success, judged));
    outcome.await.unwrap_or_else(|stopped| {
        let what = format!("state store {}", store.name);
        Err(match stopped {
            Stopped::TimedOut => Error::TimedOut { what, waited: policy.timeout.unwrap_or_default() },
            Stopped::Closed(closed) => Error::Unavailable { provider: what, reason: closed.to_string() },
        })
    })
}

/// What is the caller's own affair says nothing about the store, and is no better a second time.
fn judged(error: &Error) -> Judged {
    match error {
        Error::Unavailable { .. }
        | Error::Failed { .. }
        | Error::TimedOut { .. }
        | Error::Overloaded { .. } => Judged::Again,
        _ => Judged::Neutral,
    }
}
