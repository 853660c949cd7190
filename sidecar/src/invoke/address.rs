//! The id of an app, with its namespace.

use tonic::Code;

use super::Refused;

/// An app: `id`, or `id.namespace`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppAddress {
    pub(crate) id: String,
    pub(crate) namespace: String,
}

// === impl AppAddress ===

impl AppAddress {
    pub(super) fn parse(text: &str, namespace: &str) -> Result<Self, Refused> {
        let (id, namespace) = match text.split_once('.') {
            None => (text, namespace),
            Some((id, namespace)) => (id, namespace),
        };
        // It becomes a part of a host's name.
        let fine = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !fine(id) || !fine(namespace) {
            return Err(Refused::new(Code::Internal, format!("invalid app id {text}")));
        }
        Ok(Self { id: id.to_owned(), namespace: namespace.to_owned() })
    }
}
