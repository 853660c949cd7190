//! One policy: what is done about a call.

use std::sync::Arc;
use std::time::Duration;

use super::breaker::{Breaker, Closed};
use super::retry::Retry;
use crate::metrics::{Kind, Tally};

/// What is done about a call.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// How long each try may take.
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) breaker: Option<Arc<Breaker>>,
    tally: Arc<Tally>,
}

/// What an outcome says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It went well.
    Success,
    /// It failed, and another try may go better.
    Again,
    /// It failed, and would again.
    Final,
    /// The caller was wrong: nothing is said about what was called.
    Neutral,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// Each try took too long.
    #[error("context deadline exceeded")]
    TimedOut,
    /// The circuit breaker lets nothing through.
    #[error("{0}")]
    Closed(Closed),
}

// === impl Policy ===

impl Policy {
    /// A policy, if it says anything.
    pub(super) fn of(
        timeout: Option<Duration>,
        retry: Option<Retry>,
        breaker: Option<Arc<Breaker>>,
        tally: impl FnOnce() -> Arc<Tally>,
    ) -> Option<Self> {
        let any = timeout.is_some() || retry.is_some() || breaker.is_some();
        any.then(|| Self { timeout, retry, breaker, tally: tally() })
    }

    /// Counts what there is for a call.
    fn applied(&self) {
        let timeout = self.timeout.map(|_| Kind::Timeout);
        let retry = self.retry.as_ref().map(|_| Kind::Retry);
        let breaker = self.breaker.as_ref().map(|breaker| breaker.kind());
        [timeout, retry, breaker].into_iter().flatten().for_each(|kind| self.tally.applied(kind));
    }

    /// Makes a call, within its time, past its circuit breaker, and again where that may help. As with Dapr, an open
    /// circuit is not waited for.
    ///
    /// # Errors
    /// None of the call's own: that is an outcome. Only that there is none.
    pub(crate) async fn run<T, F: Future<Output = T>>(
        &self,
        mut call: impl FnMut() -> F,
        judge: impl Fn(&T) -> Judged,
    ) -> Result<T, Stopped> {
        self.applied();
        let mut attempts = self.retry.as_ref().map(Retry::attempts);
        loop {
            let passage = match self.breaker.as_ref().map(|breaker| breaker.pass()).transpose() {
                Ok(passage) => passage,
                Err(closed) => return Err(Stopped::Closed(closed)),
            };
            let outcome = match self.timeout {
                None => Ok(call().await),
                Some(timeout) => tokio::time::timeout(timeout, call()).await.map_err(|_| Stopped::TimedOut),
            };
            if outcome.is_err() {
                self.tally.activated(Kind::Timeout);
            }
            let judged = outcome.as_ref().map_or(Judged::Again, &judge);
            if let Some(passage) = passage {
                let changed = match judged {
                    Judged::Success => passage.end(true),
                    Judged::Again | Judged::Final => passage.end(false),
                    Judged::Neutral => {
                        passage.leave();
                        None
                    }
                };
                changed.into_iter().for_each(|kind| self.tally.activated(kind));
            }
            let pause = match judged {
                Judged::Again => attempts.as_mut().and_then(super::retry::Attempts::pause),
                Judged::Success | Judged::Final | Judged::Neutral => None,
            };
            let Some(pause) = pause else { return outcome };
            self.tally.activated(Kind::Retry);
            drop(outcome);
            tokio::time::sleep(pause).await;
        }
    }
}
