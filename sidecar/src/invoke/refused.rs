//! Why a call of an app was not made, or got no answer.

use http::{HeaderValue, Response, StatusCode};
use tonic::{Code, Status};

use super::headers::ERROR;
use crate::ApiError;
use crate::app::AppError;
use crate::body::{Body, whole};
use crate::http::TOO_LARGE;

/// Why, as gRPC tells it: Dapr's sidecars talk by gRPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Whether it is for a body beyond the limit, which over HTTP has a status of its own.
    pub(super) too_long: bool,
}

// === impl Refused ===

impl Refused {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), too_long: false }
    }

    /// This sidecar has no app, and was asked by the app's own id.
    pub(super) fn no_app_here() -> Self {
        Self::new(
            Code::Internal,
            "cannot invoke local endpoint: app channel not initialized; --app-port tells where the app listens",
        )
    }

    /// This sidecar has no app, and another asked for it.
    pub(super) fn no_app() -> Self {
        Self::new(Code::Internal, "app channel is not initialized")
    }

    /// The body has more than so many bytes, and cannot be passed on in parts.
    pub(super) fn too_long(limit: usize) -> Self {
        let message = format!(
            "the app speaks gRPC, and gets no more than {limit} bytes at once; --max-body-size raises it"
        );
        Self { too_long: true, ..Self::new(Code::ResourceExhausted, message) }
    }

    /// The failure of a call over HTTP, in Dapr's words.
    pub(crate) fn into_api(self, id: &str) -> ApiError {
        let message = format!("failed to invoke, id: {id}, err: {}", self.message);
        if self.too_long {
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, self.code, TOO_LARGE, message);
        }
        let status = match self.code {
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let code = match self.code {
            Code::PermissionDenied | Code::ResourceExhausted => self.code,
            _ => Code::Internal,
        };
        ApiError::new(status, code, "ERR_DIRECT_INVOKE", message)
    }

    /// What another sidecar said, as Go tells a failure of gRPC's.
    pub(super) fn from_afar(code: Code, message: &str) -> Self {
        Self::new(code, format!("rpc error: code = {code:?} desc = {message}"))
    }

    /// The answer to another sidecar that asked over HTTP.
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(whole(self.message));
        *response.status_mut() =
            if self.too_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::INTERNAL_SERVER_ERROR };
        response.headers_mut().insert(ERROR, HeaderValue::from(self.code as i32));
        response
    }

    pub(crate) fn into_status(self) -> Status {
        Status::new(self.code, self.message)
    }
}

impl From<AppError> for Refused {
    fn from(error: AppError) -> Self {
        let code = match error {
            AppError::Unreachable { .. } => Code::Unavailable,
            AppError::Unhealthy => Code::Internal,
            AppError::Busy { .. } => Code::ResourceExhausted,
        };
        Self::new(code, error.to_string())
    }
}
