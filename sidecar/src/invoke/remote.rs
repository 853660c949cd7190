//! Calls of other apps, by their sidecars.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tonic::Code;

use super::address::AppAddress;
use super::names::Place;
use super::{Refused, headers, spans};
use crate::Sidecar;
use crate::body::{Body, streamed};
use crate::link::LinkError;

/// As Dapr has it without any policy: so often, after so long, and only where nothing was sent yet.
const RETRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
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
        let message = Limited::new(response.into_body(), LONGEST).collect().await;
        let message = message.map(|message| message.to_bytes()).unwrap_or_default();
        return Err(Refused::from_afar(code, &String::from_utf8_lossy(&message)));
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
) -> Result<Response<Incoming>, Refused> {
    let invoker = &sidecar.invoker;
    let fields = request.headers_mut();
    headers::introduce(fields, &sidecar.app_id, &address.id, &invoker.namespace);
    invoker.forwarded.add(fields);
    let sent = spans::asked(sidecar, "CallLocal", &address.id, request, |request| patiently(place, request));
    sent.await.map_err(|error| match error {
        LinkError::Unsent { reason, .. } => Refused::new(
            Code::Unavailable,
            format!("failed to invoke target {} after {RETRIES} retries. Error: {reason}", address.id),
        ),
        LinkError::Broken(reason) => Refused::from_afar(
            Code::Unavailable,
            &format!("the connection to its sidecar broke off: {reason}"),
        ),
    })
}

/// Sends a request, and again where there was no connection.
async fn patiently(place: &Place, mut request: Request<Body>) -> Result<Response<Incoming>, LinkError> {
    let mut left = RETRIES;
    loop {
        match place.send(request).await {
            Err(LinkError::Unsent { request: again, .. }) if left > 0 => {
                left -= 1;
                request = *again;
                tokio::time::sleep(PAUSE).await;
            }
            sent => return sent,
        }
    }
}
