//! On whose behalf an event is published.

use http::HeaderMap;
use pillion_capabilities::trace::{self, SpanContext};

/// What a request says of its trace, as an event carries it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    pub(crate) parent: Option<String>,
    pub(crate) state: Option<String>,
}

/// What Dapr writes where there is no trace.
pub(super) const NONE: &str = "00-00000000000000000000000000000000-0000000000000000-00";

// === impl Trace ===

impl Trace {
    /// The span that this is done within, or else what the request's headers say.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        trace::current().or_else(|| trace::from_headers(headers)).as_ref().map(Self::from).unwrap_or_default()
    }
}

impl From<&SpanContext> for Trace {
    fn from(context: &SpanContext) -> Self {
        Self { parent: Some(trace::traceparent(context)), state: trace::tracestate(context) }
    }
}
