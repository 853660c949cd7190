//! The header fields of W3C's Trace Context.
//!
//! The parser of OpenTelemetry's SDK takes numbers of any length, with signs; this one takes what the recommendation
//! allows.

use hyper::HeaderMap;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The name of the field that tells trace and span.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the field with what others want passed on.
pub const TRACESTATE: &str = "tracestate";

/// Version, trace, span and flags, in hexadecimal digits, with a dash between each.
const LENGTH: usize = 55;

/// So many bytes of a `tracestate` are passed on: as many as the recommendation asks for at least.
const LONGEST_STATE: usize = 512;
/// Of one that is longer, members longer than this go first.
const LONG_MEMBER: usize = 128;

// === free functions ===

/// Whose work this is, by the fields of a request. `None` where they do not say so rightly.
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all(TRACESTATE).iter();
    parse(parent, states.map(|state| state.to_str().ok()))
}

/// As [`from_headers`], by names and values that came with a message.
#[must_use]
pub fn from_pairs(pairs: &[(String, String)]) -> Option<SpanContext> {
    let named = |name: &'static str| {
        let is = move |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        pairs.iter().filter(is).map(|(_, value)| value.as_str())
    };
    let mut parents = named(TRACEPARENT);
    let parent = parents.next()?;
    if parents.next().is_some() {
        return None;
    }
    parse(parent, named(TRACESTATE).map(Some))
}

/// Says on whose behalf a request or message goes out, in place of what it says itself.
pub fn inject<V: From<String>>(context: &SpanContext, pairs: &mut Vec<(String, V)>) {
    pairs.retain(|(name, _)| [TRACEPARENT, TRACESTATE].iter().all(|it| !name.eq_ignore_ascii_case(it)));
    pairs.push((TRACEPARENT.to_owned(), traceparent(context).into()));
    if let Some(state) = tracestate(context) {
        pairs.push((TRACESTATE.to_owned(), state.into()));
    }
}

/// The field `traceparent` for what is done within that span.
#[must_use]
pub fn traceparent(context: &SpanContext) -> String {
    let flags = context.trace_flags() & TraceFlags::SAMPLED;
    format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id())
}

/// The field `tracestate`, if there is anything to pass on.
#[must_use]
pub fn tracestate(context: &SpanContext) -> Option<String> {
    let state = context.trace_state().header();
    (!state.is_empty()).then_some(state)
}

fn parse<'a>(parent: &str, states: impl Iterator<Item = Option<&'a str>>) -> Option<SpanContext> {
    let (trace, span, flags) = parse_parent(parent)?;
    // A wrong `tracestate` says nothing against the `traceparent`.
    let states: Option<Vec<&str>> = states.collect();
    let state = states.and_then(|states| parse_state(&states.join(","))).unwrap_or_default();
    let context = SpanContext::new(trace, span, flags, true, state);
    context.is_valid().then_some(context)
}

fn parse_parent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let text = text.trim_matches([' ', '\t']).as_bytes();
    if text.len() < LENGTH || [2, 35, 52].iter().any(|&at| text[at] != b'-') {
        return None;
    }
    match hex(&text[..2])? {
        [0xff] => return None,
        [0] if text.len() > LENGTH => return None,
        // Of a version to come, this much is sure to be the same.
        _ if text.get(LENGTH).is_some_and(|&next| next != b'-') => return None,
        _ => {}
    }
    let [flags] = hex(&text[53..LENGTH])?;
    let (trace, span) = (TraceId::from_bytes(hex(&text[3..35])?), SpanId::from_bytes(hex(&text[36..52])?));
    Some((trace, span, TraceFlags::new(flags) & TraceFlags::SAMPLED))
}

/// At most 32 members, and [`LONGEST_STATE`] bytes.
fn parse_state(text: &str) -> Option<TraceState> {
    // Members may be empty, but each of them has a name and a value.
    let mut members =
        text.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|it| !it.is_empty());
    let fine =
        |member: &str| member.split('=').count() == 2 && !member.starts_with('=') && !member.ends_with('=');
    if !members.all(fine) {
        return None;
    }
    let state: TraceState = text.parse().ok()?;
    // A value may have any printable character, and is passed on in header fields.
    if state.into_iter().any(|(_, value)| !value.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
        return None;
    }
    if state.header().len() <= LONGEST_STATE {
        return Some(state);
    }
    let length = |&(key, value): &(&str, &str)| key.len() + 1 + value.len();
    let mut members: Vec<(&str, &str)> = state.into_iter().filter(|it| length(it) <= LONG_MEMBER).collect();
    while members.iter().map(|it| length(it) + 1).sum::<usize>() > LONGEST_STATE + 1 {
        members.pop();
    }
    TraceState::from_key_value(members).ok()
}

/// Lower case alone, as the recommendation has it.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
