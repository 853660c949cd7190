//! Events to an app that speaks HTTP.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use pillion_capabilities::trace::{self, SpanContext, TRACEPARENT, TRACESTATE};
use serde_json::Value;

use super::Verdict;
use crate::app::App;
use crate::body::whole;
use crate::pubsub::envelope::CLOUD_EVENT;
use crate::pubsub::event::Event;
use crate::pubsub::subscription::{Subscription, target};

/// An answer of the app.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

// === free functions ===

/// Delivers an event to a path of the app.
pub(super) async fn deliver(
    app: &App,
    subscription: &Subscription,
    event: &Event<'_>,
    path: &str,
    text: Bytes,
    trace: Option<&SpanContext>,
    limit: usize,
) -> Verdict {
    let id = event.text("id");
    let Answered { status, body } = match post(app, subscription, path, CLOUD_EVENT, text, trace, limit).await
    {
        Ok(answered) => answered,
        Err(verdict) => return verdict,
    };
    if status.is_success() {
        return said(&body, &id);
    }
    let shown = String::from_utf8_lossy(body.get(..256).unwrap_or(&body));
    match status {
        StatusCode::NOT_FOUND => Verdict::Ignored(format!(
            "the app answered event {id} on {path}: {shown}. status code returned: 404"
        )),
        _ => Verdict::Failed(format!(
            "retriable error returned from app while processing pub/sub event {id}, topic: {}, body: {shown}. status \
             code returned: {}",
            subscription.topic,
            status.as_u16()
        )),
    }
}

/// Posts to a path of the app.
pub(super) async fn post(
    app: &App,
    subscription: &Subscription,
    path: &str,
    content_type: &'static str,
    text: Bytes,
    trace: Option<&SpanContext>,
    limit: usize,
) -> Result<Answered, Verdict> {
    let failed = |reason: String| Verdict::Failed(reason);
    let mut request = Request::new(whole(text));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target(path).map_err(|error| failed(error.to_string()))?.into();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(name) = HeaderValue::try_from(&subscription.pubsub) {
        headers.insert("pubsubname", name);
    }
    tell(headers, trace);
    let unreachable = |reason: String| {
        Verdict::Unreachable(format!(
            "error returned from app channel while sending pub/sub event to app: {reason}"
        ))
    };
    let response = app.send(request).await.map_err(|error| unreachable(error.to_string()))?;
    let (head, body) = response.into_parts();
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(Answered { status: head.status, body: body.to_bytes() }),
        // What the app says is of no use any more; that it dealt with the event is.
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Ok(Answered { status: head.status, body: Bytes::new() })
        }
        Err(error) => Err(unreachable(error.to_string())),
    }
}

/// Tells the trace that a request belongs to.
fn tell(headers: &mut HeaderMap, trace: Option<&SpanContext>) {
    let Some(trace) = trace else { return };
    for (name, value) in
        [(TRACEPARENT, Some(trace::traceparent(trace))), (TRACESTATE, trace::tracestate(trace))]
    {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
}

/// What an app says that answered with success.
fn said(body: &[u8], id: &str) -> Verdict {
    match status(body).as_deref() {
        None | Some("" | "SUCCESS") => Verdict::Success,
        Some("RETRY") => {
            Verdict::Failed(format!("RETRY status returned from app while processing pub/sub event {id}"))
        }
        Some("DROP") => {
            Verdict::Dropped(format!("DROP status returned from app while processing pub/sub event {id}"))
        }
        Some(other) => Verdict::Failed(format!(
            "unknown status returned from app while processing pub/sub event {id}, status: {other}"
        )),
    }
}

/// The status in an answer, if it is an object that has one; what comes after the object does not count.
fn status(body: &[u8]) -> Option<String> {
    let first = serde_json::Deserializer::from_slice(body).into_iter::<Value>().next()?.ok()?;
    // The last field counts, in any case of its name, as Go reads JSON.
    let mut statuses = first.as_object()?.iter().filter(|(name, _)| name.eq_ignore_ascii_case("status"));
    statuses.next_back()?.1.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_app_says_is_read_as_dapr_reads_it() {
        for (body, expected) in [
            ("", "Success"),
            ("OK", "Success"),
            ("{\"status\":\"SUCCESS\"}", "Success"),
            ("{\"Status\":\"SUCCESS\"} and more", "Success"),
            ("{\"status\":\"\"}", "Success"),
            ("{\"status\":null}", "Success"),
            ("{\"status\":1}", "Success"),
            ("{}", "Success"),
            ("[]", "Success"),
            ("null", "Success"),
            ("{\"status\":\"RETRY\"", "Success"),
            ("{\"status\":\"RETRY\"}", "Failed"),
            ("{\"STATUS\":\"RETRY\"}", "Failed"),
            ("{\"status\":\"retry\"}", "Failed"),
            ("{\"status\":\"what\"}", "Failed"),
            ("{\"status\":\"DROP\"}", "Dropped"),
        ] {
            let verdict = format!("{:?}", said(body.as_bytes(), "1"));
            assert!(verdict.starts_with(expected), "{body}: {verdict}");
        }
    }
}
