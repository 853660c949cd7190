//! How often each store's provider was reached, as Prometheus text.

use std::convert::Infallible;
use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use pillion_capabilities::Operation;

use crate::Sidecar;

/// Answers a request to the port for metrics; daprd serves them at `/` too.
pub(crate) async fn answer(
    sidecar: &Sidecar,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::default();
    if matches!(request.uri().path(), "/" | "/metrics") {
        *response.body_mut() = Full::from(text(sidecar));
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, format);
    } else {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

fn text(sidecar: &Sidecar) -> String {
    let mut text = "# HELP pillion_provider_calls_total Calls that reached a store's provider.\n\
                    # TYPE pillion_provider_calls_total counter\n"
        .to_owned();
    for store in sidecar.components().state.iter() {
        for &operation in Operation::ALL {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "pillion_provider_calls_total{{component=\"{}\",provider=\"{}\",operation=\"{}\"}} {}",
                escape(&store.name),
                store.provider.name(),
                operation.name(),
                store.provider.counters().of(operation),
            );
        }
    }
    text
}

/// A label's value as the text format wants it.
fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
