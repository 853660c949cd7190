//! Which call a path names.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use super::{Block, is_post};
use crate::ApiError;

/// The most segments that a path of this API has, and some more to be sure that a longer one is not taken for it.
const SEGMENTS: usize = 6;

/// One call of the API. Names are as in the path, percent-encoded; `decode` reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each names a call and the variable segments of its path")]
pub enum Call<'a> {
    GetState { store: &'a str, key: &'a str },
    DeleteState { store: &'a str, key: &'a str },
    SaveState { store: &'a str },
    BulkGet { store: &'a str },
    Transact { store: &'a str },
    QueryState { store: &'a str },
    Publish { pubsub: &'a str, topic: &'a str },
    PublishBulk { pubsub: &'a str, topic: &'a str },
    Health { outbound: bool },
    GetMetadata,
    SetMetadata { key: &'a str },
    Shutdown,
    Block(Block<'a>),
}

/// What a method and a path lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A call.
    Found(Call<'a>),
    /// The path is one of ours, but takes only these methods.
    OtherMethod(&'static str),
    /// Nothing of ours.
    Unknown,
}

// === impl Route ===

impl<'a> Route<'a> {
    /// Finds the call. Empty segments do not count, so that a trailing or a doubled slash is forgiven.
    #[must_use]
    pub fn find(method: &Method, path: &'a str) -> Self {
        let mut segments = [""; SEGMENTS];
        let mut count = 0_usize;
        for segment in path.split('/') {
            match segment {
                "" | "." => continue,
                // What is for an app must not become something else.
                ".." if matches!(segments.get(..count.min(SEGMENTS)), Some(["v1.0", "invoke", ..])) => {
                    return Self::Unknown;
                }
                ".." => count = count.saturating_sub(1),
                _ => {
                    if let Some(place) = segments.get_mut(count) {
                        *place = segment;
                    }
                    count += 1;
                }
            }
        }
        let post = is_post(method);
        // A path that is longer is none of those whose length is known.
        let segments = segments.get(..count.min(SEGMENTS)).unwrap_or_default();
        match segments {
            [version, rest @ ..] if *version == "v1.0" => match rest {
                ["state", store, key] if *method == Method::GET => Self::Found(Call::GetState { store, key }),
                ["state", store, key] if *method == Method::DELETE => {
                    Self::Found(Call::DeleteState { store, key })
                }
                ["state", store, "bulk"] if post => Self::Found(Call::BulkGet { store }),
                ["state", store, "transaction"] if post => Self::Found(Call::Transact { store }),
                ["state", _, _] => Self::OtherMethod("GET, DELETE"),
                ["state", store] if post => Self::Found(Call::SaveState { store }),
                ["state", _] => Self::OtherMethod("POST, PUT"),
                ["publish", "bulk", pubsub, ..] if post => {
                    Self::Found(Call::PublishBulk { pubsub, topic: from(path, segments, 4) })
                }
                ["publish", pubsub, ..] if post => {
                    Self::Found(Call::Publish { pubsub, topic: from(path, segments, 3) })
                }
                ["publish", _, ..] => Self::OtherMethod("POST, PUT"),
                ["healthz"] if *method == Method::GET => Self::Found(Call::Health { outbound: false }),
                ["healthz", "outbound"] if *method == Method::GET => {
                    Self::Found(Call::Health { outbound: true })
                }
                ["metadata"] if *method == Method::GET => Self::Found(Call::GetMetadata),
                ["healthz"] | ["healthz", "outbound"] | ["metadata"] => Self::OtherMethod("GET"),
                ["metadata", key] if *method == Method::PUT => Self::Found(Call::SetMetadata { key }),
                ["metadata", _] => Self::OtherMethod("PUT"),
                ["shutdown"] if *method == Method::POST => Self::Found(Call::Shutdown),
                ["shutdown"] => Self::OtherMethod("POST"),
                _ => Block::find(method, segments),
            },
            ["v1.0-alpha1", "state", store, "query"] if post => Self::Found(Call::QueryState { store }),
            ["v1.0-alpha1", "publish", "bulk", pubsub, ..] if post => {
                Self::Found(Call::PublishBulk { pubsub, topic: from(path, segments, 4) })
            }
            ["v1.0-alpha1", "publish", "bulk", _, ..] => Self::OtherMethod("POST, PUT"),
            ["v1.0-alpha1", "state", _, "query"] => Self::OtherMethod("POST, PUT"),
            _ => Block::find(method, segments),
        }
    }

    /// What is left of it on the public port.
    pub(super) fn public(self) -> Self {
        match self {
            Self::Found(Call::Health { .. } | Call::GetMetadata) => self,
            Self::Found(_) | Self::OtherMethod(_) | Self::Unknown => Self::Unknown,
        }
    }

    /// Whether this asks for health, which needs no token.
    pub(super) fn is_health(&self) -> bool {
        matches!(self, Self::Found(Call::Health { .. }))
    }
}

/// What a path has from one of its segments on.
fn from<'a>(path: &'a str, segments: &[&'a str], place: usize) -> &'a str {
    let Some(first) = segments.get(place) else { return "" };
    // The segment is a part of the path.
    path.get(first.as_ptr().addr() - path.as_ptr().addr()..).unwrap_or_default()
}

/// Reads a segment.
pub(super) fn decode(segment: &str) -> Result<Cow<'_, str>, ApiError> {
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| ApiError::malformed(format!("{segment:?} in the path is not percent-encoded UTF-8")))
}
