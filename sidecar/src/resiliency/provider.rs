//! Calls of components' providers under a policy.

use pillion_capabilities::{Answer, Error};

use super::{Judged, Policy, Stopped};

/// Has a component's provider called, as a policy has it if there is one: [`Policy::call`].
///
/// # Errors
/// As [`Policy::call`].
pub(crate) async fn called<T>(
    policy: Option<&Policy>,
    what: impl FnOnce() -> String,
    mut call: impl FnMut() -> Answer<T>,
) -> Result<T, Error> {
    match policy {
        None => call().wait().await,
        // Aside, so that calls without it are not larger.
        Some(policy) => Box::pin(policy.call(what, || call().wait())).await,
    }
}

impl Policy {
    /// Makes a call of a component's provider: [`Policy::run`], for what providers say. `what` names the component for
    /// people, as `state store S`.
    ///
    /// # Errors
    /// As the provider; that it took too long, or that the circuit breaker lets nothing through.
    pub(crate) async fn call<T, F: Future<Output = Result<T, Error>>>(
        &self,
        what: impl FnOnce() -> String,
        call: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let outcome = self.run(call, |outcome| outcome.as_ref().err().map_or(Judged::Success, judged)).await;
        outcome.unwrap_or_else(|stopped| {
            let what = what();
            Err(match stopped {
                Stopped::TimedOut => Error::TimedOut { what, waited: self.timeout.unwrap_or_default() },
                Stopped::Closed(closed) => Error::Unavailable { provider: what, reason: closed.to_string() },
            })
        })
    }
}

/// What is the caller's own affair says nothing about the provider, and is no better a second time.
pub(crate) fn judged(error: &Error) -> Judged {
    match error {
        Error::Unavailable { .. }
        | Error::Failed { .. }
        | Error::TimedOut { .. }
        | Error::Overloaded { .. } => Judged::Again,
        _ => Judged::Neutral,
    }
}
