//! Calls of this sidecar's own app.

use std::sync::Arc;

use http::{Request, Response};
use tonic::Code;

use super::{Refused, headers, oninvoke, spans};
use crate::Sidecar;
use crate::app::{App, Protocol};
use crate::body::{Body, streamed};

/// Has the app answer a request over HTTP, whatever it speaks.
pub(super) async fn http(sidecar: &Arc<Sidecar>, request: Request<Body>) -> Result<Response<Body>, Refused> {
    let app = app(sidecar)?;
    let request = match &sidecar.app_pipeline {
        None => request,
        Some(pipeline) => {
            let (mut head, body) = request.into_parts();
            if let Some(answer) = pipeline.look(&sidecar.components(), &mut head) {
                return Ok(answer);
            }
            Request::from_parts(head, body)
        }
    };
    if app.protocol.is_grpc() {
        return oninvoke::http(sidecar, app, request).await;
    }
    forward(sidecar, app, request).await
}

/// Has the app answer a call over gRPC.
pub(super) async fn grpc(sidecar: &Arc<Sidecar>, request: Request<Body>) -> Result<Response<Body>, Refused> {
    let app = app(sidecar)?;
    if matches!(app.protocol, Protocol::Http | Protocol::Https) {
        let protocol = app.protocol.name();
        return Err(Refused::new(
            Code::Unimplemented,
            format!(
                "app {} speaks {protocol}, and is called over gRPC; start it with --app-protocol grpc",
                sidecar.app_id
            ),
        ));
    }
    forward(sidecar, app, request).await
}

pub(super) fn app(sidecar: &Sidecar) -> Result<&App, Refused> {
    sidecar.app.as_ref().ok_or_else(Refused::no_app)
}

async fn forward(
    sidecar: &Arc<Sidecar>,
    app: &App,
    request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    let sent =
        spans::asked(sidecar, "CallApp", &sidecar.app_id, request, |request| app.forward(request)).await;
    let mut response = sent?;
    headers::clean(response.headers_mut());
    Ok(response.map(streamed))
}
