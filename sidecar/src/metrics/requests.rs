//! What is counted of requests.

use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;

use super::histogram::{Bounds, Histogram};
use super::name::Name;

/// The requests over one protocol, by call and outcome.
#[derive(Debug)]
pub(super) struct Requests {
    /// A row per name, a column per outcome.
    series: Box<[OnceLock<Box<Series>>]>,
    outcomes: usize,
}

/// What is counted of requests of one name that came to the same.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// In nanoseconds.
    pub(super) latency: Histogram,
    /// Bytes of the requests' bodies.
    pub(super) received: Histogram,
    /// Bytes of the answers' bodies.
    pub(super) sent: Histogram,
}

/// The statuses that have a label of their own; of the others, which an app may invent, only the class is told.
const STATUSES: [u16; 26] = [
    200, 204, 201, 202, 206, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429,
    500, 501, 502, 503, 504,
];
const CLASSES: [&str; 6] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];
pub(super) const HTTP: usize = STATUSES.len() + CLASSES.len();

/// The codes of gRPC as Go names them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
pub(super) const GRPC: usize = CODES.len();

// === impl Requests ===

impl Requests {
    /// Nothing is counted yet of so many outcomes.
    pub(super) fn new(outcomes: usize) -> Self {
        let series = (0..Name::ALL.len() * outcomes).map(|_| OnceLock::new()).collect();
        Self { series, outcomes }
    }

    #[inline]
    pub(super) fn of(&self, name: Name, outcome: usize) -> Option<&Series> {
        let series = self.series.get(name as usize * self.outcomes + outcome)?;
        Some(series.get_or_init(Box::default))
    }

    /// What was counted.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Name, usize, &Series)> {
        let rows = Name::ALL.iter().zip(self.series.chunks(self.outcomes));
        rows.flat_map(|(name, row)| {
            let row = row.iter().enumerate();
            row.filter_map(|(outcome, series)| Some((*name, outcome, &**series.get()?)))
        })
    }
}

// === impl Series ===

impl Series {
    #[inline]
    pub(super) fn count(&self, times: &Bounds, sizes: &Bounds, received: u64, sent: u64, took: Duration) {
        self.latency.add_time(times, took);
        self.received.add(sizes, received);
        self.sent.add(sizes, sent);
    }
}

// === free functions ===

/// The place of a status among the outcomes.
#[inline]
pub(super) fn of_status(status: StatusCode) -> usize {
    let known = STATUSES.iter().position(|known| *known == status.as_u16());
    known.unwrap_or_else(|| STATUSES.len() + usize::from(status.as_u16() / 100).min(CLASSES.len() - 1))
}

pub(super) fn status(outcome: usize) -> String {
    match STATUSES.get(outcome) {
        Some(status) => status.to_string(),
        None => CLASSES.get(outcome - STATUSES.len()).copied().unwrap_or_default().to_owned(),
    }
}

pub(super) fn code(outcome: usize) -> &'static str {
    CODES.get(outcome).copied().unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_label_and_labels_are_bounded() {
        let labels: std::collections::BTreeSet<String> =
            (100..1000).map(|number| status(of_status(StatusCode::from_u16(number).unwrap()))).collect();
        assert_eq!(labels.len(), 31, "{labels:?}");
        for (number, label) in [(204, "204"), (418, "4xx"), (299, "2xx"), (100, "1xx"), (999, "5xx")] {
            assert_eq!(status(of_status(StatusCode::from_u16(number).unwrap())), label);
        }
    }
}
