//! An API failure, as both protocols tell it.

use http::StatusCode;
use tonic::Code;

/// A failure of an API call: what HTTP and gRPC need to tell it in Dapr's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error_code}: {message}")]
pub struct ApiError {
    /// The status over HTTP.
    pub status: StatusCode,
    /// The status over gRPC.
    pub code: Code,
    /// Dapr's name for the failure, as `ERR_STATE_GET`.
    pub error_code: &'static str,
    /// What went wrong, for people.
    pub message: String,
    /// What programs may read; empty for the failures that Dapr tells without.
    pub details: Vec<Detail>,
}

/// One structured detail, after the messages of `google.rpc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The reason in a domain's own words.
    ErrorInfo {
        /// As `DAPR_STATE_NOT_FOUND`.
        reason: &'static str,
        /// Further facts by name.
        metadata: Vec<(&'static str, String)>,
    },
    /// What the failure is about.
    ResourceInfo {
        /// As `state`.
        kind: &'static str,
        /// The component's name.
        name: String,
    },
    /// Which field of the request is wrong.
    BadRequest {
        /// The field.
        field: String,
        /// What is wrong with it.
        description: String,
    },
}

/// The domain of every reason.
pub(crate) const DOMAIN: &str = "dapr.io";

// === impl ApiError ===

impl ApiError {
    /// A failure without details.
    pub fn new(status: StatusCode, code: Code, error_code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, error_code, message: message.into(), details: Vec::new() }
    }

    /// A request that cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, "ERR_MALFORMED_REQUEST", message)
    }

    /// A failure of the sidecar or of what it stands on.
    pub(crate) fn internal(error_code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, error_code, message)
    }

    /// A step of a transaction that is neither `upsert` nor `delete`.
    pub(crate) fn unsupported_operation(operation: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Code::Unimplemented,
            "ERR_NOT_SUPPORTED_STATE_OPERATION",
            format!("operation type {operation} not supported"),
        )
    }

    /// The request names a store that no component defines.
    pub(crate) fn store_not_found(store: &str, app_id: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Code::InvalidArgument,
            "ERR_STATE_STORE_NOT_FOUND",
            format!("state store {store} is not found"),
        )
        .about_store(store, "DAPR_STATE_NOT_FOUND", vec![("appID", app_id.to_owned())])
    }

    /// The sidecar has no store at all.
    pub(crate) fn store_not_configured(store: &str, app_id: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::FailedPrecondition,
            "ERR_STATE_STORE_NOT_CONFIGURED",
            format!("state store {store} is not configured"),
        )
        .about_store(store, "DAPR_STATE_NOT_CONFIGURED", vec![("appID", app_id.to_owned())])
    }

    /// A key that would be taken for a prefixed one.
    pub(crate) fn illegal_key(store: &str, key: &str) -> Self {
        let message = format!("input key/keyPrefix '{key}' can't contain '||'");
        let mut error = Self::malformed(message.clone());
        error.details.push(Detail::BadRequest { field: key.to_owned(), description: message });
        error.about_store(store, "DAPR_STATE_ILLEGAL_KEY", Vec::new())
    }

    /// No provider of this sidecar can query by value.
    pub(crate) fn query_unsupported(store: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal,
            "ERR_STATE_STORE_NOT_SUPPORTED",
            "state store does not support querying",
        )
        .about_store(store, "DAPR_STATE_QUERYING_NOT_SUPPORTED", Vec::new())
    }

    fn about_store(
        mut self,
        store: &str,
        reason: &'static str,
        metadata: Vec<(&'static str, String)>,
    ) -> Self {
        self.details.push(Detail::ResourceInfo { kind: "state", name: store.to_owned() });
        self.details.push(Detail::ErrorInfo { reason, metadata });
        self
    }
}
