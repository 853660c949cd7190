//! Calls of other apps, by their sidecars.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use tonic::Code;

use super::address::AppAddress;
use super::names::Place;
use super::{Refused, headers, spans};
use crate::Sidecar;
use crate::body::{Body, streamed};
use crate::link::LinkError;
use crate::pool::Received;
use crate::resiliency::Retry;

/// A sidecar's own failure is no longer than this, in bytes.
const LONGEST: usize = 64 << 10;

/// Calls an app over HTTP.
pub(super) async fn http(
    sidecar: &Arc<Sidecar>,
    address: &AppAddress,
    place: &Place,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    request.headers_mut().insert(headers::CALL, HeaderValue::from_static("http"));
    let mut response = send(sidecar, address, place, request).await?;
    if let Some(code) = response.headers().get(headers::ERROR) {
        let code =
            code.to_str().ok().and_then(|code| code.parse().ok()).map_or(Code::Unknown, Code::from_i32);
        let too_long = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let message = Limited::new(response.into_body(), LONGEST).collect().await;
        let message = message.map(|message| message.to_bytes()).unwrap_or_default();
        let refused = Refused::from_afar(code, &String::from_utf8_lossy(&message));
        return Err(Refused { too_long, ..refused });
    }
    headers::clean(response.headers_mut());
    Ok(response.map(streamed))
}

/// Calls an app over gRPC.
pub(super) async fn grpc(
    sidecar: &Arc<Sidecar>,
    address: &AppAddress,
    place: &Place,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    if let Ok(id) = HeaderValue::try_from(&address.id) {
        request.headers_mut().insert(headers::APP_ID, id);
    }
    let mut response = send(sidecar, address, place, request).await?;
    headers::clean(response.headers_mut());
    Ok(response.map(streamed))
}

async fn send(
    sidecar: &Arc<Sidecar>,
    address: &AppAddress,
    place: &Place,
    mut request: Request<Body>,
) -> Result<Response<Received>, Refused> {
    let invoker = &sidecar.invoker;
    let fields = request.headers_mut();
    headers::introduce(fields, &sidecar.app_id, &address.id, &invoker.namespace);
    invoker.forwarded.add(fields);
    let retry = match &sidecar.resiliency {
        None => Some(&invoker.retry),
        // What is said of an app is all that is done.
        Some(all) if all.names_app(&address.id) => None,
        Some(all) => Some(all.built_in_retries().unwrap_or(&invoker.retry)),
    };
    let mut retries = 0;
    let sent = spans::asked(sidecar, "CallLocal", &address.id, request, |request| {
        patiently(place, request, retry, &mut retries)
    });
    sent.await.map_err(|error| match error {
        LinkError::Unsent { reason, .. } => Refused::new(
            Code::Unavailable,
            format!("failed to invoke target {} after {retries} retries. Error: {reason}", address.id),
        ),
        LinkError::Broken(reason) => Refused::from_afar(
            Code::Unavailable,
            &format!("the connection to its sidecar broke off: {reason}"),
        ),
    })
}

/// Sends a request, and again where there was no connection.
async fn patiently(
    place: &Place,
    mut request: Request<Body>,
    retry: Option<&Retry>,
    retries: &mut u32,
) -> Result<Response<Received>, LinkError> {
    let mut attempts = retry.map(Retry::attempts);
    loop {
        match place.send(request).await {
            Err(LinkError::Unsent { request: again, reason }) => {
                let pause = attempts.as_mut().and_then(crate::resiliency::Attempts::pause);
                let Some(pause) = pause else { return Err(LinkError::Unsent { request: again, reason }) };
                *retries += 1;
                request = *again;
                tokio::time::sleep(pause).await;
            }
            sent => return sent,
        }
    }
}
