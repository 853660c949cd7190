//! Many events to the app in one request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::topic_event_bulk_request_entry::Event as BulkEvent;
use dapr::dapr::proto::runtime::v1::{
    TopicEventBulkRequest, TopicEventBulkRequestEntry, TopicEventBulkResponse, TopicEventCeRequest,
};
use futures_util::future::join_all;
use http::StatusCode;
use pillion_capabilities::messaging::Received;
use pillion_capabilities::trace::{self, Context, SpanContext, TraceContextExt as _};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tonic::Code;
use uuid::Uuid;

use super::http::{Answered, post};
use super::{Ready, Runner, Verdict, grpc, ready};
use crate::app::App;
use crate::pubsub::envelope::{BINARY, CLOUD_EVENT};
use crate::pubsub::event::Event;
use crate::pubsub::subscription::Subscription;
use crate::resiliency::{Judged, Policy};

/// One event of many, whose place is that among the received.
struct Entry<'a> {
    place: usize,
    id: String,
    text: &'a Bytes,
    body: &'a Bytes,
    event: Event<'a>,
}

/// Many events over HTTP.
#[derive(Serialize)]
struct Envelope<'a> {
    id: String,
    entries: Vec<EnvelopeEntry<'a>>,
    metadata: HashMap<&'static str, &'a str>,
    topic: &'a str,
    pubsubname: &'a str,
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeEntry<'a> {
    entry_id: &'a str,
    event: EnvelopeEvent<'a>,
    content_type: &'static str,
    metadata: HashMap<&'static str, &'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum EnvelopeEvent<'a> {
    Cloud(&'a RawValue),
    Raw(String),
}

/// What many events are of.
const BULK_TYPE: &str = "com.dapr.event.sent.bulk";

// === impl Runner ===

impl Runner {
    /// Delivers events in as few requests as there are paths for them.
    pub(super) async fn many(&self, received: &[&Received]) -> Vec<Verdict> {
        let start = Instant::now();
        let texts: Vec<Bytes> = received.iter().map(|received| self.text(received)).collect();
        let mut verdicts: Vec<Option<Verdict>> = vec![None; received.len()];
        let mut paths: Vec<(&str, Vec<Entry<'_>>)> = Vec::new();
        for (place, ((text, received), verdict)) in texts.iter().zip(received).zip(&mut verdicts).enumerate()
        {
            match ready(&self.subscription, text) {
                Err(known) => *verdict = Some(known),
                Ok(Ready { event, path }) => {
                    let id = Uuid::new_v4().to_string();
                    let entry = Entry { place, id, text, body: &received.message.body, event };
                    match paths.iter_mut().find(|(known, _)| *known == path) {
                        Some((_, entries)) => entries.push(entry),
                        None => paths.push((path, vec![entry])),
                    }
                }
            }
        }
        let sent = match &self.pubsub.inbound {
            None => {
                let mut sent = Vec::with_capacity(paths.len());
                for (path, entries) in &paths {
                    sent.push(self.send(path, &entries.iter().collect::<Vec<_>>()).await);
                }
                sent
            }
            // At the same time: what is tried again holds up no others.
            Some(policy) => {
                let sends = paths.iter().map(|(path, entries)| self.send_under(policy, path, entries));
                Box::pin(join_all(sends)).await
            }
        };
        for (place, said) in sent.into_iter().flatten() {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = Some(said);
            }
        }
        let silent = || Verdict::Failed("no verdict".to_owned());
        verdicts.into_iter().map(|verdict| self.measured(verdict.unwrap_or_else(silent), start)).collect()
    }

    /// As [`Runner::send`], as often as a policy has it before the provider is told. What was dealt with is not sent again.
    async fn send_under(&self, policy: &Policy, path: &str, entries: &[Entry<'_>]) -> Vec<(usize, Verdict)> {
        // By their places. A try that is given up says nothing of any.
        let said: Mutex<HashMap<usize, Verdict>> = Mutex::default();
        let settled = |said: &HashMap<usize, Verdict>, entry: &Entry<'_>| {
            said.get(&entry.place).is_some_and(|verdict| !verdict.is_to_come_again())
        };
        let send = || async {
            let left: Vec<&Entry<'_>> = {
                let said = said.lock().unwrap_or_else(PoisonError::into_inner);
                entries.iter().filter(|entry| !settled(&said, entry)).collect()
            };
            let told = self.send(path, &left).await;
            let again = told.iter().any(|(_, verdict)| verdict.is_to_come_again());
            said.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
            if again { Judged::Again } else { Judged::Success }
        };
        let stopped = policy.run(send, |judged| *judged).await.err();
        let mut said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(stopped) = stopped {
            for entry in entries {
                if !settled(&said, entry) {
                    said.insert(entry.place, Verdict::Failed(stopped.to_string()));
                }
            }
        }
        said.into_iter().collect()
    }

    /// Sends events together, each within a span of its own trace if there are any. The request says the first one's: it can
    /// say but one, and each event says its own.
    async fn send(&self, path: &str, entries: &[&Entry<'_>]) -> Vec<(usize, Verdict)> {
        let Some(app) = &self.sidecar.app else {
            return all(entries, &Verdict::Unreachable("no app".to_owned()));
        };
        let contexts = entries.iter().map(|entry| self.begin(entry.event.trace().as_ref()));
        let contexts: Option<Vec<Context>> = contexts.collect();
        let trace = match contexts.as_ref().and_then(|contexts| contexts.first()) {
            Some(first) => Some(first.span().span_context().clone()).filter(SpanContext::is_valid),
            None => entries.first().and_then(|entry| entry.event.trace()),
        };
        let told = match app.protocol.is_grpc() {
            true => over_grpc(app, &self.subscription, path, entries, trace.as_ref()).await,
            false => {
                let limit = self.sidecar.max_body_size;
                over_http(app, &self.subscription, path, entries, trace.as_ref(), limit).await
            }
        };
        let said = match told {
            Ok(statuses) => each(entries, &statuses),
            Err(verdict) => all(entries, &verdict),
        };
        for (context, (_, verdict)) in contexts.iter().flatten().zip(&said) {
            trace::end(context, verdict.failure());
        }
        said
    }
}

// === free functions ===

async fn over_http(
    app: &App,
    subscription: &Subscription,
    path: &str,
    entries: &[&Entry<'_>],
    trace: Option<&SpanContext>,
    limit: usize,
) -> Result<HashMap<String, String>, Verdict> {
    let failed = |error: serde_json::Error| Verdict::Failed(error.to_string());
    let metadata = HashMap::from([("pubsubName", subscription.pubsub.as_str())]);
    let mut made = Vec::with_capacity(entries.len());
    for &&Entry { ref id, text, body, .. } in entries {
        let (event, content_type) = match subscription.raw {
            true => (EnvelopeEvent::Raw(STANDARD.encode(body)), BINARY),
            // It was read as an event before.
            false => (EnvelopeEvent::Cloud(serde_json::from_slice(text).map_err(failed)?), CLOUD_EVENT),
        };
        made.push(EnvelopeEntry { entry_id: id, event, content_type, metadata: metadata.clone() });
    }
    let envelope = Envelope {
        id: Uuid::new_v4().to_string(),
        entries: made,
        metadata: metadata.clone(),
        topic: &subscription.topic,
        pubsubname: &subscription.pubsub,
        r#type: BULK_TYPE,
    };
    let body = serde_json::to_vec(&envelope).map_err(failed)?;
    let answered = post(app, subscription, path, "application/json", body.into(), trace, limit).await?;
    let Answered { status, body } = answered;
    let shown = String::from_utf8_lossy(body.get(..256).unwrap_or(&body));
    if status == StatusCode::NOT_FOUND {
        return Err(Verdict::Ignored(format!(
            "the app answered many events on {path}: {shown}. status code returned: 404"
        )));
    }
    if !status.is_success() {
        return Err(Verdict::Failed(format!(
            "retriable error returned from app while processing bulk pub/sub event, topic: {}, body: {shown}. status \
             code returned: {}",
            subscription.topic,
            status.as_u16()
        )));
    }
    let unreadable = |error: String| {
        Verdict::Failed(format!("failed unmarshalling app response for bulk subscribe: {error}"))
    };
    let first = serde_json::Deserializer::from_slice(&body).into_iter::<Value>().next();
    let first = first.unwrap_or(Ok(Value::Null)).map_err(|error| unreadable(error.to_string()))?;
    let field = |value: &Value, name: &str| {
        let mut fields = value.as_object()?.iter();
        fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
    };
    if !first.is_object() {
        return Err(unreadable("it is not an object".to_owned()));
    }
    let statuses = field(&first, "statuses").unwrap_or_default();
    let text =
        |value: &Value, name: &str| field(value, name).and_then(|text| text.as_str().map(str::to_owned));
    let status = |item: &Value| Some((text(item, "entryId")?, text(item, "status").unwrap_or_default()));
    Ok(statuses.as_array().into_iter().flatten().filter_map(status).collect())
}

async fn over_grpc(
    app: &App,
    subscription: &Subscription,
    path: &str,
    entries: &[&Entry<'_>],
    trace: Option<&SpanContext>,
) -> Result<HashMap<String, String>, Verdict> {
    let metadata = HashMap::from([("pubsubName".to_owned(), subscription.pubsub.clone())]);
    let entry = |entry: &&Entry<'_>| {
        let (event, content_type) = match subscription.raw {
            true => (BulkEvent::Bytes(entry.body.to_vec()), BINARY),
            false => (BulkEvent::CloudEvent(message(&entry.event)?), CLOUD_EVENT),
        };
        Ok(TopicEventBulkRequestEntry {
            entry_id: entry.id.clone(),
            content_type: content_type.to_owned(),
            metadata: metadata.clone(),
            event: Some(event),
        })
    };
    let request = TopicEventBulkRequest {
        id: Uuid::new_v4().to_string(),
        entries: entries.iter().map(entry).collect::<Result<_, String>>().map_err(Verdict::Failed)?,
        metadata: metadata.clone(),
        topic: subscription.topic.clone(),
        pubsub_name: subscription.pubsub.clone(),
        r#type: BULK_TYPE.to_owned(),
        path: path.to_owned(),
    };
    let telling = |message: TopicEventBulkRequest| {
        let mut request = tonic::Request::new(message);
        grpc::tell(request.metadata_mut(), subscription, trace);
        request
    };
    let turn = app.turn().await;
    let answered = match app.callbacks().on_bulk_topic_event(telling(request.clone())).await {
        // An app of an older time knows it by its older name.
        Err(status) if status.code() == Code::Unimplemented =>
        {
            #[expect(deprecated, reason = "it is the name that such an app knows")]
            app.alpha_callbacks().on_bulk_topic_event_alpha1(telling(request)).await
        }
        answered => answered,
    };
    drop(turn);
    match answered {
        Ok(response) => Ok(statuses(response.into_inner())),
        Err(status) => Err(grpc::refused(&status, "bulk pub/sub event")),
    }
}

fn statuses(response: TopicEventBulkResponse) -> HashMap<String, String> {
    let named = |status: i32| match grpc::said(status, "") {
        Verdict::Success => "SUCCESS".to_owned(),
        Verdict::Dropped(_) => "DROP".to_owned(),
        Verdict::Ignored(_) | Verdict::Failed(_) | Verdict::Unreachable(_) => "RETRY".to_owned(),
    };
    response.statuses.into_iter().map(|entry| (entry.entry_id, named(entry.status))).collect()
}

fn message(event: &Event<'_>) -> Result<TopicEventCeRequest, String> {
    Ok(TopicEventCeRequest {
        id: event.text("id").into_owned(),
        source: event.text("source").into_owned(),
        r#type: event.text("type").into_owned(),
        spec_version: event.text("specversion").into_owned(),
        data_content_type: event.text("datacontenttype").into_owned(),
        data: grpc::data(event)?,
        extensions: Some(grpc::extensions(event)?),
    })
}

/// The same of all.
fn all(entries: &[&Entry<'_>], verdict: &Verdict) -> Vec<(usize, Verdict)> {
    entries.iter().map(|entry| (entry.place, verdict.clone())).collect()
}

/// What was said of each. Nothing is as good as to try again.
fn each(entries: &[&Entry<'_>], statuses: &HashMap<String, String>) -> Vec<(usize, Verdict)> {
    let verdict = |entry: &&Entry<'_>| {
        let id = entry.event.text("id");
        match statuses.get(&entry.id).map(String::as_str) {
            Some("SUCCESS") => Verdict::Success,
            Some("DROP") => {
                Verdict::Dropped(format!("DROP status returned from app while processing pub/sub event {id}"))
            }
            Some(other) => Verdict::Failed(format!(
                "status {other:?} returned from app while processing bulk pub/sub event {id}"
            )),
            None => Verdict::Failed(format!("no status returned from app for bulk pub/sub event {id}")),
        }
    };
    entries.iter().map(|entry| (entry.place, verdict(entry))).collect()
}
