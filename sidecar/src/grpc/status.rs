//! Failures over gRPC.

use std::collections::HashMap;

use tonic::Status;
use tonic_types::{BadRequest, ErrorDetail, ErrorInfo, ResourceInfo, StatusExt};

use crate::ApiError;
use crate::error::{DOMAIN, Detail};

/// The failure as a status with details. One that has none of its own tells what HTTP would have said.
#[must_use]
pub fn status(error: &ApiError) -> Status {
    let details = if error.details.is_empty() {
        let metadata = HashMap::from([
            ("http.code".to_owned(), error.status.as_u16().to_string()),
            ("http.error_message".to_owned(), error.message.clone()),
        ]);
        vec![ErrorInfo::new(error.error_code, DOMAIN, metadata).into()]
    } else {
        error.details.iter().map(detail).collect()
    };
    Status::with_error_details_vec(error.code, error.message.clone(), details)
}

fn detail(detail: &Detail) -> ErrorDetail {
    match detail {
        Detail::ErrorInfo { reason, metadata } => {
            let metadata: HashMap<String, String> =
                metadata.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            ErrorInfo::new(*reason, DOMAIN, metadata).into()
        }
        Detail::ResourceInfo { kind, name } => ResourceInfo::new(*kind, name.clone(), "", "").into(),
        Detail::BadRequest { field, description } => {
            BadRequest::with_violation(field.clone(), description.clone()).into()
        }
    }
}
