//! Metrics with Dapr's names, as Prometheus text.
//!
//! Whatever a label may be is known beforehand, or bounded: no request makes a series of its own.

mod calls;
mod clients;
mod histogram;
mod meter;
mod name;
mod page;
mod pubsub;
mod requests;
mod resiliency;
mod series;
mod shard;
mod text;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tonic::Code;

pub(crate) use calls::{Calls, Outcome};
pub(crate) use clients::Clients;
pub(crate) use histogram::Bounds;
pub(crate) use meter::Meter;
pub(crate) use name::Name;
pub(crate) use pubsub::PubSub;
use requests::{GRPC, HTTP, Requests};
pub(crate) use resiliency::{Kind, Tallies, Tally};

use crate::Sidecar;
use crate::config::MetricOptions;

/// What is counted of a sidecar, beside what each component counts of itself.
#[derive(Debug)]
pub(crate) struct Metrics {
    times: Bounds,
    sizes: Bounds,
    http: Requests,
    grpc: Requests,
    /// Failures by their codes, if these are wanted.
    errors: Option<Mutex<BTreeMap<&'static str, u64>>>,
    /// How often a component of each type was opened, and how often that failed.
    opened: Mutex<BTreeMap<String, (u64, u64)>>,
    /// Messages.
    pub(crate) pubsub: PubSub,
    /// Calls of apps.
    pub(crate) calls: Calls,
    /// Requests to the app.
    pub(crate) clients: Clients,
}

// === impl Metrics ===

impl Metrics {
    /// Nothing is counted yet.
    pub(crate) fn new(options: &MetricOptions) -> Self {
        let times = options.latency.clone().unwrap_or_else(Bounds::times);
        Self {
            pubsub: PubSub::new(&times),
            calls: Calls::default(),
            clients: Clients::new(&times),
            times,
            sizes: Bounds::sizes(),
            http: Requests::new(HTTP),
            grpc: Requests::new(GRPC),
            errors: options.error_codes.then(Mutex::default),
            opened: Mutex::default(),
        }
    }

    /// The bounds of times, for what components count.
    pub(crate) fn times(&self) -> &Bounds {
        &self.times
    }

    /// Counts a request over HTTP that was answered.
    #[inline]
    pub(crate) fn count_http(
        &self,
        name: Name,
        status: StatusCode,
        received: u64,
        sent: u64,
        took: Duration,
    ) {
        if let Some(series) = self.http.of(name, requests::of_status(status)) {
            series.count(&self.times, &self.sizes, received, sent, took);
        }
    }

    /// Counts a request over gRPC that was answered.
    #[inline]
    pub(crate) fn count_grpc(&self, name: Name, code: Code, took: Duration) {
        let outcome = usize::try_from(code as i32).unwrap_or(Code::Unknown as usize);
        if let Some(series) = self.grpc.of(name, outcome) {
            series.latency.add_time(&self.times, took);
        }
    }

    /// Counts a failure by its code.
    pub(crate) fn count_error(&self, error_code: &'static str) {
        if let Some(errors) = &self.errors {
            *held(errors).entry(error_code).or_default() += 1;
        }
    }

    /// Counts a component of a type that was opened, or not.
    pub(crate) fn count_opened(&self, kind: &str, success: bool) {
        let mut opened = held(&self.opened);
        let (done, failed) = opened.entry(kind.to_owned()).or_default();
        *if success { done } else { failed } += 1;
    }
}

/// What was counted stays what it was, whoever panicked.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers a request to the port for metrics; daprd serves them at `/` too.
pub(crate) async fn answer(
    sidecar: &Sidecar,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::default();
    if matches!(request.uri().path(), "/" | "/metrics") {
        *response.body_mut() = Full::from(page::text(sidecar));
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, format);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}
