//! What is counted of calls of apps, between their sidecars.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use tonic::Code;

use super::histogram::{Bounds, Histogram};
use super::peer::{MOST, OTHER, label};
use super::requests::{self, HTTP};
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
#[derive(Debug)]
pub(super) struct Peers<T>(RwLock<Series<T>>);

#[derive(Debug)]
struct Series<T> {
    apps: BTreeMap<String, Vec<(Sort, Arc<T>)>>,
    /// How many there are.
    count: usize,
}

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
        self.sent.with(app, Sort { streaming, outcome: None }, Count::add);
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
        self.received.with(app, Sort { streaming, outcome: None }, Count::add);
    }

    /// Counts an answer that goes out.
    pub(crate) fn answer(&self, app: &str, streaming: bool, outcome: Outcome) {
        self.answers.with(app, Sort { streaming, outcome: Some(outcome) }, Count::add);
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

// === impl Peers ===

impl<T: Default> Peers<T> {
    fn with(&self, app: &str, sort: Sort, count: impl FnOnce(&T)) {
        let app = label(app);
        if let Some(found) = self.0.read().unwrap_or_else(PoisonError::into_inner).find(app, sort) {
            return count(found);
        }
        count(&self.0.write().unwrap_or_else(PoisonError::into_inner).add(app, sort));
    }

    /// What was counted.
    pub(super) fn all(&self) -> Vec<(String, Sort, Arc<T>)> {
        let series = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let all = series.apps.iter().flat_map(|(app, sorts)| {
            sorts.iter().map(move |(sort, counted)| (app.clone(), *sort, Arc::clone(counted)))
        });
        all.collect()
    }
}

impl<T> Default for Peers<T> {
    fn default() -> Self {
        Self(RwLock::new(Series { apps: BTreeMap::new(), count: 0 }))
    }
}

// === impl Series ===

impl<T: Default> Series<T> {
    fn find(&self, app: &str, sort: Sort) -> Option<&T> {
        self.apps.get(app)?.iter().find(|(known, _)| *known == sort).map(|(_, counted)| &**counted)
    }

    fn add(&mut self, app: &str, sort: Sort) -> Arc<T> {
        let app = if self.count < MOST || self.find(app, sort).is_some() { app } else { OTHER };
        let sorts = self.apps.entry(app.to_owned()).or_default();
        if let Some((_, found)) = sorts.iter().find(|(known, _)| *known == sort) {
            return Arc::clone(found);
        }
        self.count += 1;
        let counted = Arc::<T>::default();
        sorts.push((sort, Arc::clone(&counted)));
        counted
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
    fn apps_that_call_and_are_called_are_bounded() {
        let calls = Calls::default();
        for number in 0..5_000 {
            calls.received(&number.to_string(), false);
        }
        calls.received("5", false);
        let all = calls.received.all();
        assert_eq!(all.len(), MOST + 1);
        let count = |name: &str| all.iter().find(|(app, ..)| app == name).unwrap().2.get();
        assert_eq!((count("5"), count(OTHER)), (2, 4_000));
    }

    #[test]
    fn an_outcome_is_told_as_a_number() {
        for (number, text) in
            [(200, "200"), (418, "4xx"), (0, "0"), (5, "5"), (16, "16"), (77, "2"), (-1, "2")]
        {
            assert_eq!(Outcome::of_number(number).text(), text);
        }
    }
}
