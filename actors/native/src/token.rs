//! The token that a sidecar may ask for.

use std::str::FromStr;

use http::HeaderValue;

/// The header, and over gRPC the metadata, that carries it.
pub(crate) const API_TOKEN: &str = "dapr-api-token";

/// The token that a sidecar may ask for. It is never printed.
#[derive(Clone)]
pub struct ApiToken(pub(crate) HeaderValue);

/// The text cannot be a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token consists of visible ASCII characters")]
pub struct InvalidToken;

// === impl ApiToken ===

impl FromStr for ApiToken {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value = HeaderValue::from_str(text).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}
