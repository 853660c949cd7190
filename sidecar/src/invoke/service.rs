//! Dapr's deprecated call over gRPC: `InvokeService`.

use std::collections::HashMap;
use std::sync::Arc;

use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1::InvokeServiceRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use tonic::client::Grpc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetails, StatusExt};

use super::message::{InternalInvokeRequest, InternalInvokeResponse, to_fields, to_headers};
use super::whole::{self, Answered};
use super::{Refused, Way, daprd, headers, measured, oninvoke, remote};
use crate::Sidecar;
use crate::body::streamed;
use crate::error::DOMAIN;
use crate::metrics::Outcome;
use crate::resiliency::Judged;

/// The status of an app that speaks HTTP.
const HTTP_STATUS: &str = "dapr-http-status";
/// So much of an app's own text about a failure is told.
const LONGEST: usize = 256;

/// Calls a method of an app.
pub(crate) async fn invoke(
    sidecar: &Arc<Sidecar>,
    metadata: HeaderMap,
    request: InvokeServiceRequest,
) -> Result<tonic::Response<InvokeResponse>, Status> {
    let InvokeServiceRequest { id, message } = request;
    let answered = governed(sidecar, &id, metadata, message.unwrap_or_default()).await;
    let answered = answered.map_err(|refused| crate::grpc::status(&refused.into_api(&id)))?;
    let Answered { status, headers, trailers, message } = answered;
    // Codes of gRPC's end before HTTP's begin.
    let Some(http) = u16::try_from(status.code).ok().filter(|&code| code >= 100) else {
        let mut metadata = as_metadata(&headers, false);
        metadata.extend(as_metadata(&trailers, false));
        let metadata = MetadataMap::from_headers(metadata);
        let code = Code::from_i32(status.code);
        if code != Code::Ok {
            let details = tonic_types::pb::Status {
                code: status.code,
                message: status.message.clone(),
                details: status.details,
            };
            let details = prost::Message::encode_to_vec(&details);
            return Err(Status::with_details_and_metadata(code, status.message, details.into(), metadata));
        }
        let mut response = tonic::Response::new(message);
        *response.metadata_mut() = metadata;
        return Ok(response);
    };
    let status = StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut metadata = as_metadata(&headers, true);
    metadata.insert(HeaderName::from_static(HTTP_STATUS), HeaderValue::from(http));
    let metadata = MetadataMap::from_headers(metadata);
    let code = oninvoke::grpc_code(status);
    if code == Code::Ok {
        let mut response = tonic::Response::new(message);
        *response.metadata_mut() = metadata;
        return Ok(response);
    }
    let reason = status.canonical_reason().unwrap_or_default();
    let said = message.data.unwrap_or_default().value;
    let said = String::from_utf8_lossy(said.get(..LONGEST).unwrap_or(&said)).into_owned();
    let facts =
        HashMap::from([("http.code".to_owned(), http.to_string()), ("http.error_message".to_owned(), said)]);
    let details = ErrorDetails::with_error_info(reason, DOMAIN, facts);
    Err(Status::with_error_details_and_metadata(code, reason, details, metadata))
}

/// As with Dapr, what the app itself answers is a failure too.
fn judged(outcome: &Result<Answered, Refused>) -> Judged {
    match outcome {
        Err(refused) if matches!(refused.code, Code::PermissionDenied | Code::InvalidArgument) => {
            Judged::Final
        }
        Ok(Answered { status, .. }) if matches!(status.code, 0 | 200..300) => Judged::Success,
        Ok(_) | Err(_) => Judged::Again,
    }
}

/// Calls an app as its policy has it, if there is one.
async fn governed(
    sidecar: &Arc<Sidecar>,
    id: &str,
    metadata: HeaderMap,
    mut message: InvokeRequest,
) -> Result<Answered, Refused> {
    let path = whole::method_path(&message.method)?;
    let slash = usize::from(!message.method.starts_with('/'));
    message.method = path.get(slash..).unwrap_or_default().to_owned();
    let way = Way::look(sidecar, id).await?;
    let policy = sidecar.resiliency.as_ref();
    let policy = policy.and_then(|all| all.app(way.policy_name(sidecar, id), &message.method));
    let Some(policy) = policy else { return call(sidecar, &way, metadata, message).await };
    let outcome = policy.run(|| call(sidecar, &way, metadata.clone(), message.clone()), judged);
    outcome.await.unwrap_or_else(|stopped| Err(Refused::new(Code::Internal, stopped.to_string())))
}

async fn call(
    sidecar: &Arc<Sidecar>,
    way: &Way,
    mut metadata: HeaderMap,
    mut message: InvokeRequest,
) -> Result<Answered, Refused> {
    headers::clean(&mut metadata);
    headers::take_token(&mut metadata);
    match way {
        Way::Local => {
            let own = &sidecar.app_id;
            headers::introduce(&mut metadata, own, own, &sidecar.invoker.namespace);
            whole::local(sidecar, message, metadata).await
        }
        Way::External(server) => {
            let data = message.data.take().unwrap_or_default().value;
            let request = whole::request(&message, metadata, crate::body::whole(data))?;
            whole::answered(sidecar.invoker.external.send(server, request).await?, sidecar.max_body_size)
                .await
        }
        Way::Remote(address, place) => {
            headers::introduce(&mut metadata, &sidecar.app_id, &address.id, &sidecar.invoker.namespace);
            metadata.remove(header::CONTENT_TYPE);
            metadata.remove(header::CONTENT_LENGTH);
            let request =
                InternalInvokeRequest { ver: 1, metadata: to_fields(&metadata), message: Some(message) };
            let service = tower::service_fn(|request: Request<tonic::body::Body>| {
                remote::grpc(sidecar, address, place, request.map(streamed))
            });
            let origin = http::Uri::from_static("http://sidecar");
            let mut client = Grpc::with_origin(service, origin).max_decoding_message_size(usize::MAX);
            let codec = ProstCodec::<InternalInvokeRequest, InternalInvokeResponse>::default();
            let path = http::uri::PathAndQuery::from_static(daprd::CALL_LOCAL);
            let call = async {
                let answer = client.unary(tonic::Request::new(request), path, codec).await;
                let answer = answer.map_err(|status| Refused::from_afar(status.code(), status.message()));
                answer.map(tonic::Response::into_inner)
            };
            let answer = measured::sent(sidecar, &address.id, false, outcome, call).await?;
            let InternalInvokeResponse { status, headers, trailers, message } = answer;
            Ok(Answered {
                status: status.unwrap_or_default(),
                headers: to_headers(&headers),
                trailers: to_headers(&trailers),
                message: message.unwrap_or_default(),
            })
        }
    }
}

fn outcome(answer: &InternalInvokeResponse) -> Outcome {
    Outcome::of_number(answer.status.as_ref().map_or(0, |status| status.code))
}

/// Fields of an answer as metadata of gRPC's, which those of HTTP's own must not be taken for.
fn as_metadata(fields: &HeaderMap, of_http: bool) -> HeaderMap {
    let mut metadata = if of_http { oninvoke::to_metadata(fields) } else { fields.clone() };
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TE] {
        metadata.remove(name);
    }
    metadata
}
