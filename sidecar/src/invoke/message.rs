//! `dapr.proto.internals.v1`, by which Dapr's own sidecars talk. The generated code of the crate `dapr` is without it.

use std::collections::HashMap;

use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse, StreamPayload};
use http::{HeaderMap, HeaderName, HeaderValue};
use prost_types::Any;

use super::binary;

/// Fields by name, each with its values.
pub(super) type Fields = HashMap<String, ListStringValue>;

/// Values of a field.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(super) struct ListStringValue {
    #[prost(string, repeated, tag = "1")]
    pub(super) values: Vec<String>,
}

/// A call of an app.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InternalInvokeRequest {
    /// 1 is what there is.
    #[prost(int32, tag = "1")]
    pub(super) ver: i32,
    #[prost(map = "string, message", tag = "2")]
    pub(super) metadata: Fields,
    #[prost(message, optional, tag = "3")]
    pub(super) message: Option<InvokeRequest>,
}

/// What an app answered.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InternalInvokeResponse {
    #[prost(message, optional, tag = "1")]
    pub(super) status: Option<Status>,
    #[prost(map = "string, message", tag = "2")]
    pub(super) headers: Fields,
    #[prost(map = "string, message", tag = "3")]
    pub(super) trailers: Fields,
    #[prost(message, optional, tag = "4")]
    pub(super) message: Option<InvokeResponse>,
}

/// A status of HTTP's, from 100 on, or of gRPC's.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// A part of a call: the call itself comes first.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InternalInvokeRequestStream {
    #[prost(message, optional, tag = "1")]
    pub(super) request: Option<InternalInvokeRequest>,
    #[prost(message, optional, tag = "2")]
    pub(super) payload: Option<StreamPayload>,
}

/// A part of an answer: the answer itself comes first.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct InternalInvokeResponseStream {
    #[prost(message, optional, tag = "1")]
    pub(super) response: Option<InternalInvokeResponse>,
    #[prost(message, optional, tag = "2")]
    pub(super) payload: Option<StreamPayload>,
}

/// Header fields as Dapr has them; what is no text is left out.
pub(super) fn to_fields(headers: &HeaderMap) -> Fields {
    let mut fields = Fields::with_capacity(headers.keys_len());
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        let values = &mut fields.entry(name.to_string()).or_default().values;
        if name.as_str().ends_with(binary::SUFFIX) {
            values.extend(binary::values(value));
        } else {
            values.push(value.to_owned());
        }
    }
    fields
}

/// Dapr's fields as header fields; what cannot be one is left out.
pub(super) fn to_headers(fields: &Fields) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, list) in fields {
        let Ok(name) = HeaderName::try_from(name) else { continue };
        let binary = name.as_str().ends_with(binary::SUFFIX);
        let values = list.values.iter().filter(|value| !binary || binary::values(value).next().is_some());
        for value in values.filter_map(|value| HeaderValue::try_from(value).ok()) {
            if headers.try_append(name.clone(), value).is_err() {
                break;
            }
        }
    }
    headers
}
