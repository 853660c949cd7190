//! The context as bytes: what Dapr and OpenCensus have in gRPC's `grpc-trace-bin`.
//!
//! ```text
//! 0      version, 0
//! 1      0, then 16 bytes of the trace
//! 18     1, then 8 bytes of the span
//! 27     2, then the flags
//! ```

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const LENGTH: usize = 29;

// === free functions ===

/// Reads it. `None` if it does not name a trace and a span. Flags may be missing.
#[must_use]
pub fn from_binary(bytes: &[u8]) -> Option<SpanContext> {
    let rest = bytes.strip_prefix(&[0, 0])?;
    let (trace, rest) = rest.split_first_chunk::<16>()?;
    let (span, rest) = rest.strip_prefix(&[1])?.split_first_chunk::<8>()?;
    let flags = rest.strip_prefix(&[2]).and_then(|rest| rest.first()).copied().unwrap_or_default();
    let flags = TraceFlags::new(flags) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_bytes(*trace), SpanId::from_bytes(*span));
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some(context)
}

/// Writes it.
#[must_use]
pub fn to_binary(context: &SpanContext) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[2..18].copy_from_slice(&context.trace_id().to_bytes());
    bytes[18] = 1;
    bytes[19..27].copy_from_slice(&context.span_id().to_bytes());
    bytes[27] = 2;
    bytes[28] = (context.trace_flags() & TraceFlags::SAMPLED).to_u8();
    bytes
}
