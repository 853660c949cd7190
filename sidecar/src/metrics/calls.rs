//! What is counted of calls of apps, between their sidecars.

use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use super::histogram::{Bounds, Histogram};
use super::requests::{self, HTTP};
use super::series::Series;
use super::shard::Sharded;

/// Calls of other apps, and of this one by others.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// What went out, by the app that is called.
    pub(super) sent: Peers<Count>,
    /// What was answered of that, and how long it took.
    pub(super) answered: Peers<Histogram>,
    /// What came in, by the app that calls.
    pub(super) received: Peers<Count>,
    /// What this one answered of that.
    pub(super) answers: Peers<Count>,
}

/// One number.
#[derive(Debug, Default)]
pub(super) struct Count(Sharded<1>);

/// What a call came to: a status of HTTP's or a code of gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome(usize);

/// Numbers by the app at the other end.
pub(super) type Peers<T> = Series<Sort, T>;

/// What calls are told apart by, beside the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) streaming: bool,
    pub(super) outcome: Option<Outcome>,
}

// === impl Calls ===

impl Calls {
    /// Counts a call that goes out.
    pub(crate) fn sent(&self, app: &str, streaming: bool) {
        self.sent.with(app, Sort { streaming, outcome: None }, |count| count.add());
    }

    /// Counts an answer that came.
    pub(crate) fn answered(
        &self,
        bounds: &Bounds,
        app: &str,
        streaming: bool,
        outcome: Outcome,
        took: Duration,
    ) {
        let sort = Sort { streaming, outcome: Some(outcome) };
        self.answered.with(app, sort, |histogram| histogram.add_time(bounds, took));
    }

    /// Counts a call that came.
    pub(crate) fn received(&self, app: &str, streaming: bool) {
        self.received.with(app, Sort { streaming, outcome: None }, |count| count.add());
    }

    /// Counts an answer that goes out.
    pub(crate) fn answer(&self, app: &str, streaming: bool, outcome: Outcome) {
        self.answers.with(app, Sort { streaming, outcome: Some(outcome) }, |count| count.add());
    }
}

// === impl Outcome ===

impl Outcome {
    pub(crate) fn of_http(status: StatusCode) -> Self {
        Self(requests::of_status(status))
    }

    pub(crate) fn of_grpc(code: Code) -> Self {
        Self(HTTP + usize::try_from(code as i32).unwrap_or(Code::Unknown as usize))
    }

    /// As sidecars tell it each other: gRPC's codes end before HTTP's statuses begin.
    pub(crate) fn of_number(number: i32) -> Self {
        match u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok()) {
            Some(status) => Self::of_http(status),
            None => Self::of_grpc(Code::from_i32(number)),
        }
    }

    pub(super) fn text(self) -> String {
        match self.0.checked_sub(HTTP) {
            Some(code) => code.to_string(),
            None => requests::status(self.0),
        }
    }
}

// === impl Count ===

impl Count {
    fn add(&self) {
        self.0.add(&[(0, 1)]);
    }

    pub(super) fn get(&self) -> u64 {
        let [count] = self.0.sum();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_told_as_a_number() {
        for (number, text) in
            [(200, "200"), (418, "4xx"), (0, "0"), (5, "5"), (16, "16"), (77, "2"), (-1, "2")]
        {
            assert_eq!(Outcome::of_number(number).text(), text);
        }
    }
}
