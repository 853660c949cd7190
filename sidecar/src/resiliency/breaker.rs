//! Circuit breakers: what fails too often is not tried for a while.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cel::{Context, Value};
use tokio::time::Instant;

use crate::expression::{Expression, shown};
use crate::metrics::Kind;

/// When a circuit opens, and how it closes again.
#[derive(Clone)]
pub(super) struct Trip {
    /// How many are let through to see whether it works again.
    pub(super) max_requests: u64,
    /// After how long counting begins anew while it is closed; zero is never.
    pub(super) interval: Duration,
    /// How long it stays open.
    pub(super) timeout: Duration,
    /// An expression of the counts.
    pub(super) when: Arc<Expression>,
    pub(super) text: String,
}

/// One circuit.
pub(crate) struct Breaker {
    name: String,
    trip: Trip,
    state: Mutex<State>,
}

/// Why a circuit lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    /// It failed too often.
    #[error("circuit breaker is open")]
    Open,
    /// It is being tried whether it works again.
    #[error("too many requests")]
    TooMany,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Closed,
    HalfOpen,
    Open,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// What was begun in another round says nothing about this one.
    round: u64,
    counts: Counts,
    /// When the round is over, if it is by itself.
    until: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    requests: u64,
    total_successes: u64,
    total_failures: u64,
    consecutive_successes: u64,
    consecutive_failures: u64,
}

/// A call that was let through. Dropped without a word, it failed.
pub(crate) struct Passage<'a> {
    breaker: &'a Breaker,
    round: u64,
    told: bool,
}

// === impl Trip ===

impl Trip {
    /// As Dapr has it where nothing is said.
    pub(super) const WHEN: &str = "consecutiveFailures > 5";
    pub(super) const TIMEOUT: Duration = Duration::from_secs(60);

    /// Reads the expression.
    pub(super) fn program(text: &str) -> Result<Expression, String> {
        let program = Expression::parse(text).map_err(|error| format!("trip {:?}: {error}", shown(text)))?;
        match tripped(&program, Counts::default()) {
            Ok(_) => Ok(program),
            Err(reason) => Err(format!("trip {:?}: {}", shown(text), shown(&reason))),
        }
    }
}

impl fmt::Debug for Trip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trip")
            .field("when", &self.text)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn tripped(program: &Expression, counts: Counts) -> Result<bool, String> {
    let mut context = Context::default();
    for (name, count) in [
        ("requests", counts.requests),
        ("totalSuccesses", counts.total_successes),
        ("totalFailures", counts.total_failures),
        ("consecutiveSuccesses", counts.consecutive_successes),
        ("consecutiveFailures", counts.consecutive_failures),
    ] {
        context.add_variable_from_value(name, i64::try_from(count).unwrap_or(i64::MAX));
    }
    match program.evaluate(&context) {
        Ok(Value::Bool(tripped)) => Ok(tripped),
        Ok(other) => Err(format!("it comes to {other:?}, and not to true or false")),
        Err(error) => Err(error.to_string()),
    }
}

// === impl Breaker ===

impl Breaker {
    pub(super) fn new(name: String, trip: Trip) -> Self {
        let state = State { phase: Phase::Closed, round: 0, counts: Counts::default(), until: None };
        let breaker = Self { name, trip, state: Mutex::new(state) };
        breaker.begin(&mut breaker.lock(), Phase::Closed);
        breaker
    }

    /// Lets a call through, if it does.
    pub(crate) fn pass(&self) -> Result<Passage<'_>, Closed> {
        let mut state = self.lock();
        self.look(&mut state);
        match state.phase {
            Phase::Open => return Err(Closed::Open),
            Phase::HalfOpen if state.counts.requests >= self.trip.max_requests => {
                return Err(Closed::TooMany);
            }
            Phase::HalfOpen | Phase::Closed => {}
        }
        state.counts.requests += 1;
        Ok(Passage { breaker: self, round: state.round, told: false })
    }

    /// Its state, as it is counted.
    pub(super) fn kind(&self) -> Kind {
        let mut state = self.lock();
        self.look(&mut state);
        state.phase.kind()
    }

    /// Hears how a call ended; answers the state that this brought about, if it is another.
    fn tell(&self, round: u64, success: bool) -> Option<Kind> {
        let mut state = self.lock();
        self.look(&mut state);
        if state.round != round {
            return None;
        }
        let half_open = state.phase == Phase::HalfOpen;
        let counts = &mut state.counts;
        if success {
            counts.total_successes += 1;
            counts.consecutive_successes += 1;
            counts.consecutive_failures = 0;
            if half_open && counts.consecutive_successes >= self.trip.max_requests {
                self.begin(&mut state, Phase::Closed);
                return Some(Kind::Closed);
            }
            return None;
        }
        counts.total_failures += 1;
        counts.consecutive_failures += 1;
        counts.consecutive_successes = 0;
        // What cannot be evaluated was found when it was read; what could not then does not trip.
        if half_open || tripped(&self.trip.when, state.counts).unwrap_or(false) {
            self.begin(&mut state, Phase::Open);
            return Some(Kind::Open);
        }
        None
    }

    /// Sees whether the round is over.
    fn look(&self, state: &mut State) {
        if state.until.is_some_and(|until| until <= Instant::now()) {
            let next = if state.phase == Phase::Open { Phase::HalfOpen } else { state.phase };
            self.begin(state, next);
        }
    }

    fn begin(&self, state: &mut State, phase: Phase) {
        if state.phase != phase {
            tracing::info!("circuit breaker {}: {:?} → {phase:?}", self.name, state.phase);
        }
        state.phase = phase;
        state.round += 1;
        state.counts = Counts::default();
        let after = match phase {
            Phase::Closed => Some(self.trip.interval).filter(|interval| !interval.is_zero()),
            Phase::Open => Some(self.trip.timeout),
            Phase::HalfOpen => None,
        };
        state.until = after.and_then(|after| Instant::now().checked_add(after));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("name", &self.name).field("trip", &self.trip).finish_non_exhaustive()
    }
}

// === impl Phase ===

impl Phase {
    const fn kind(self) -> Kind {
        match self {
            Self::Closed => Kind::Closed,
            Self::HalfOpen => Kind::HalfOpen,
            Self::Open => Kind::Open,
        }
    }
}

// === impl Passage ===

impl Passage<'_> {
    /// Says how it ended; answers the circuit's state if that is another by this.
    pub(crate) fn end(mut self, success: bool) -> Option<Kind> {
        self.told = true;
        self.breaker.tell(self.round, success)
    }

    /// Says that its end says nothing: it is as if it had not been.
    pub(crate) fn leave(mut self) {
        self.told = true;
        let mut state = self.breaker.lock();
        if state.round == self.round {
            state.counts.requests -= 1;
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.breaker.tell(self.round, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(when: &str, max_requests: u64, interval: Duration) -> Breaker {
        let program = Arc::new(Trip::program(when).unwrap());
        let timeout = Duration::from_secs(10);
        let trip = Trip { max_requests, interval, timeout, when: program, text: when.to_owned() };
        Breaker::new("b".to_owned(), trip)
    }

    fn call(breaker: &Breaker, success: bool) -> Result<(), Closed> {
        breaker.pass().map(|passage| {
            passage.end(success);
        })
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_and_closes_as_it_is_said() {
        let breaker = breaker("consecutiveFailures >= 3", 2, Duration::ZERO);
        for success in [false, false, true, false, false, false] {
            call(&breaker, success).unwrap();
        }
        assert_eq!(call(&breaker, true), Err(Closed::Open));
        tokio::time::advance(Duration::from_secs(11)).await;
        // Two are let through, and no more.
        let (one, two) = (breaker.pass().unwrap(), breaker.pass().unwrap());
        assert_eq!(breaker.pass().err(), Some(Closed::TooMany));
        one.end(true);
        two.end(true);
        call(&breaker, true).unwrap();
        // One that fails while it is tried opens it again.
        for success in [false, false, false] {
            call(&breaker, success).unwrap();
        }
        tokio::time::advance(Duration::from_secs(11)).await;
        drop(breaker.pass().unwrap());
        assert_eq!(call(&breaker, true), Err(Closed::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_says_nothing_is_as_if_it_had_not_been() {
        let breaker = breaker("consecutiveFailures >= 2", 1, Duration::ZERO);
        call(&breaker, false).unwrap();
        breaker.pass().unwrap().leave();
        call(&breaker, false).unwrap();
        assert_eq!(call(&breaker, true), Err(Closed::Open));
        tokio::time::advance(Duration::from_secs(11)).await;
        // It closes nothing, and is in nobody's place.
        breaker.pass().unwrap().leave();
        assert_eq!(breaker.kind(), Kind::HalfOpen);
        call(&breaker, true).unwrap();
        assert_eq!(breaker.kind(), Kind::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_begun_before_says_nothing_about_now() {
        let breaker = breaker("totalFailures > 1 && requests < 100", 1, Duration::from_secs(5));
        let old = breaker.pass().unwrap();
        call(&breaker, false).unwrap();
        tokio::time::advance(Duration::from_secs(6)).await;
        old.end(false);
        call(&breaker, false).unwrap();
        call(&breaker, true).unwrap();
        call(&breaker, false).unwrap();
        assert_eq!(call(&breaker, true), Err(Closed::Open));
    }

    #[test]
    fn an_expression_that_is_none_is_told() {
        for wrong in ["consecutiveFailures >", "failures > 1", "consecutiveFailures"] {
            assert!(Trip::program(wrong).is_err(), "{wrong}");
        }
    }
}
