//! Failures of publish and subscribe, in Dapr's words.

use http::StatusCode;
use tonic::Code;

use crate::ApiError;
use crate::error::Detail;

/// No component has this name.
pub(crate) fn not_found(pubsub: &str) -> ApiError {
    let message = format!("pubsub {pubsub} is not found");
    ApiError::new(StatusCode::NOT_FOUND, Code::InvalidArgument, "ERR_PUBSUB_NOT_FOUND", message).about(
        pubsub,
        "DAPR_PUBSUB_NOT_FOUND",
        Vec::new(),
    )
}

/// There is no component for publish and subscribe.
pub(crate) fn not_configured(pubsub: &str) -> ApiError {
    let message = format!("pubsub {pubsub} is not configured");
    let mut error = ApiError::new(
        StatusCode::BAD_REQUEST,
        Code::FailedPrecondition,
        "ERR_PUBSUB_NOT_CONFIGURED",
        message,
    );
    error.details.push(Detail::ErrorInfo { reason: "DAPR_PUBSUB_NOT_CONFIGURED", metadata: Vec::new() });
    error
}

/// The request names no component.
pub(crate) fn name_empty() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, Code::InvalidArgument, "ERR_PUBSUB_EMPTY", "pubsub name is empty")
        .about("", "DAPR_PUBSUB_NAME_EMPTY", Vec::new())
}

/// The request names no topic.
pub(crate) fn topic_empty(pubsub: &str) -> ApiError {
    let message = format!("topic is empty in pubsub {pubsub}");
    ApiError::new(StatusCode::NOT_FOUND, Code::InvalidArgument, "ERR_TOPIC_NAME_EMPTY", message).about(
        pubsub,
        "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
        Vec::new(),
    )
}

/// The request's metadata is wrong.
pub(super) fn metadata(pubsub: &str, what: &str) -> ApiError {
    let message = format!("failed deserializing metadata: {what}");
    ApiError::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_PUBSUB_REQUEST_METADATA", message)
        .about(pubsub, "DAPR_PUBSUB_METADATA_DESERIALIZATION", Vec::new())
}

/// What claims to be a CloudEvent is none.
pub(super) fn no_cloud_event(pubsub: &str, app_id: &str, what: &str) -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Code::InvalidArgument,
        "ERR_PUBSUB_CLOUD_EVENTS_SER",
        format!("cannot create cloudevent: {what}"),
    )
    .about(pubsub, "DAPR_PUBSUB_CLOUD_EVENT_CREATION", told(app_id, what))
}

/// The body of a request with many events cannot be read.
pub(crate) fn bulk_unreadable(pubsub: &str, topic: &str, what: &str) -> ApiError {
    let message = format!("error when unmarshaling the request for topic {topic} pubsub {pubsub}: {what}");
    ApiError::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_PUBSUB_EVENTS_SER", message).about(
        pubsub,
        "DAPR_PUBSUB_UNMARSHAL_EVENTS",
        Vec::new(),
    )
}

/// An entry of a request with many events cannot be told from the others.
pub(crate) fn entry_without_id(pubsub: &str, topic: &str) -> ApiError {
    let what = "entryId is duplicated or not present for entry";
    let message =
        format!("error marshaling events to bytes for topic {topic} pubsub {pubsub}. error: {what}");
    ApiError::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_PUBSUB_EVENTS_SER", message).about(
        pubsub,
        "DAPR_PUBSUB_MARSHAL_EVENTS",
        Vec::new(),
    )
}

/// The app may not publish on this topic.
pub(crate) fn forbidden(pubsub: &str, topic: &str, app_id: &str) -> ApiError {
    let message = format!("topic {topic} is not allowed for app id {app_id}");
    let told = told(app_id, &message);
    ApiError::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "ERR_PUBSUB_FORBIDDEN", message).about(
        pubsub,
        "DAPR_PUBSUB_FORBIDDEN",
        told,
    )
}

/// As [`forbidden`], which Dapr tells of many events without details.
pub(crate) fn bulk_forbidden(error: ApiError) -> ApiError {
    ApiError { details: Vec::new(), ..error }
}

/// The app may not subscribe to this topic.
pub(super) fn not_for_app(pubsub: &str, topic: &str) -> ApiError {
    let message = format!("subscription to topic '{topic}' on pubsub '{pubsub}' is not allowed");
    ApiError::new(StatusCode::FORBIDDEN, Code::PermissionDenied, "ERR_PUBSUB_FORBIDDEN", message).about(
        pubsub,
        "DAPR_PUBSUB_FORBIDDEN",
        Vec::new(),
    )
}

/// The provider did not take it.
pub(crate) fn failed_to_publish(pubsub: &str, topic: &str, error: &pillion_capabilities::Error) -> ApiError {
    let message = format!("error when publishing to topic {topic} in pubsub {pubsub}: {error}");
    let (status, code) = match error {
        // Nothing is broken: who publishes is to slow down.
        pillion_capabilities::Error::Overloaded { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted)
        }
        _ => (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal),
    };
    ApiError::new(status, code, "ERR_PUBSUB_PUBLISH_MESSAGE", message).about(
        pubsub,
        "DAPR_PUBSUB_PUBLISH_MESSAGE",
        vec![("error", error.to_string())],
    )
}

fn told(app_id: &str, error: &str) -> Vec<(&'static str, String)> {
    vec![("appID", app_id.to_owned()), ("error", error.to_owned())]
}

// === impl ApiError ===

impl ApiError {
    fn about(mut self, pubsub: &str, reason: &'static str, metadata: Vec<(&'static str, String)>) -> Self {
        self.details.push(Detail::ErrorInfo { reason, metadata });
        self.details.push(Detail::ResourceInfo { kind: "pubsub", name: pubsub.to_owned() });
        self
    }
}
