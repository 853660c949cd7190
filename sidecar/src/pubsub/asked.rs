//! Subscriptions that the app tells of when it is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::{BulkSubscribeConfig, TopicSubscription};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use tonic::Code;

use super::subscription::{Kind, Said, SaidBulk, Subscription};
use crate::app::{App, is_unanswered};
use crate::body::whole;

/// Why there is no answer that counts.
enum NoAnswer {
    /// The app was not reached: it may have gone again.
    Unreachable(String),
    /// It answered that it failed.
    Failed(String),
}

/// Between two questions, where there is no answer.
const PAUSE: Duration = Duration::from_millis(200);
/// As often an app that answers and fails is asked again.
const ATTEMPTS: u32 = 10;

// === free functions ===

/// What the app subscribes to, which it tells in so many bytes at most. One that does not answer is asked until it does.
pub(super) async fn ask(app: &App, limit: usize) -> Vec<Arc<Subscription>> {
    let by_path = !app.protocol.is_grpc();
    let mut failures = 0;
    loop {
        let asked = match by_path {
            true => over_http(app, limit).await,
            false => over_grpc(app, limit).await,
        };
        match asked {
            Ok(said) => return said.into_iter().filter_map(|said| made(said, by_path)).collect(),
            Err(NoAnswer::Unreachable(reason)) => {
                tracing::debug!("the app cannot be asked for its subscriptions yet: {reason}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(NoAnswer::Failed(reason)) if failures < ATTEMPTS => {
                failures += 1;
                tracing::debug!("the app could not tell its subscriptions: {reason}");
                tokio::time::sleep(PAUSE).await;
            }
            Err(NoAnswer::Failed(reason)) => {
                tracing::error!(
                    "the app cannot be asked for its subscriptions, and is taken to have none: {reason}"
                );
                return Vec::new();
            }
        }
    }
}

fn made(said: Said, by_path: bool) -> Option<Arc<Subscription>> {
    let (pubsub, topic) = (said.pubsub.clone(), said.topic.clone());
    match Subscription::new(Kind::Programmatic, said, by_path) {
        Ok(subscription) => Some(Arc::new(subscription)),
        Err(reason) => {
            tracing::error!(
                "passing over a subscription that the app told of, to topic {topic:?} of {pubsub:?}: {reason}"
            );
            None
        }
    }
}

async fn over_http(app: &App, limit: usize) -> Result<Vec<Said>, NoAnswer> {
    let request = Request::builder()
        .method(Method::GET)
        .uri("/dapr/subscribe")
        .header(header::CONTENT_TYPE, "application/json")
        .body(whole(Bytes::new()))
        .map_err(|error| NoAnswer::Failed(error.to_string()))?;
    let response = app.send(request).await.map_err(|error| NoAnswer::Unreachable(error.to_string()))?;
    let (head, body) = response.into_parts();
    let body =
        Limited::new(body, limit).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
            true => NoAnswer::Failed(format!(
                "its answer is longer than {limit} bytes; have it tell less, or raise --max-body-size"
            )),
            false => NoAnswer::Unreachable(format!("its answer broke off: {error}")),
        });
    let body = body?.to_bytes();
    match head.status {
        StatusCode::OK => Ok(list(&body)),
        StatusCode::NOT_FOUND => {
            tracing::debug!("the app has no subscriptions");
            Ok(Vec::new())
        }
        status if status.is_server_error() => Err(NoAnswer::Failed(format!("it answered {status}"))),
        status => {
            tracing::error!("app returned http status code {} from subscription endpoint", status.as_u16());
            Ok(Vec::new())
        }
    }
}

/// Reads the app's answer. What is no subscription is passed over, and the others are kept.
fn list(body: &[u8]) -> Vec<Said> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(items)) => items
            .iter()
            .filter_map(|item| match item {
                Value::Object(fields) => Some(said(fields)),
                other => {
                    tracing::error!("passing over what the app tells as a subscription and is none: {other}");
                    None
                }
            })
            .collect(),
        Ok(Value::Null) => Vec::new(),
        Ok(_) => {
            tracing::error!("the app's answer for its subscriptions is not a list");
            Vec::new()
        }
        Err(error) => {
            tracing::error!("the app's answer for its subscriptions is not JSON: {error}");
            Vec::new()
        }
    }
}

fn said(fields: &Map<String, Value>) -> Said {
    let routes = object(fields, "routes");
    let rules = routes.and_then(|routes| field(routes, "rules")).and_then(Value::as_array);
    let rule = |rule: &Value| {
        let rule = rule.as_object()?;
        Some((text(rule, "match").unwrap_or_default(), text(rule, "path").unwrap_or_default()))
    };
    let metadata = object(fields, "metadata").into_iter().flatten();
    let default = routes.and_then(|routes| text(routes, "default")).filter(|path| !path.is_empty());
    Said {
        pubsub: text(fields, "pubsubname").unwrap_or_default(),
        topic: text(fields, "topic").unwrap_or_default(),
        metadata: metadata.filter_map(|(name, value)| Some((name.clone(), as_text(value)?))).collect(),
        rules: rules.into_iter().flatten().filter_map(rule).collect(),
        default: default.or_else(|| text(fields, "route")),
        dead_letter: text(fields, "deadLetterTopic"),
        bulk: object(fields, "bulkSubscribe").map(|bulk| SaidBulk {
            enabled: field(bulk, "enabled").and_then(Value::as_bool).unwrap_or_default(),
            most: field(bulk, "maxMessagesCount").and_then(Value::as_i64).unwrap_or_default(),
            wait_ms: field(bulk, "maxAwaitDurationMs").and_then(Value::as_i64).unwrap_or_default(),
        }),
    }
}

/// A field by its name, in any case, as Go reads JSON.
fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn object<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    field(fields, name)?.as_object()
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    as_text(field(fields, name)?)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

async fn over_grpc(app: &App, limit: usize) -> Result<Vec<Said>, NoAnswer> {
    let turn = app.turn().await;
    let listed = app.callbacks().max_decoding_message_size(limit).list_topic_subscriptions(()).await;
    drop(turn);
    match listed {
        Ok(response) => Ok(response.into_inner().subscriptions.into_iter().map(topic_subscription).collect()),
        Err(status) if status.code() == Code::Unimplemented => {
            tracing::debug!("the app has no subscriptions");
            Ok(Vec::new())
        }
        Err(status) => {
            let reason = format!("{:?}: {}", status.code(), status.message());
            let away = status.code() == Code::Unavailable || is_unanswered(&status);
            Err(if away { NoAnswer::Unreachable(reason) } else { NoAnswer::Failed(reason) })
        }
    }
}

fn topic_subscription(subscription: TopicSubscription) -> Said {
    let routes = subscription.routes.unwrap_or_default();
    Said {
        pubsub: subscription.pubsub_name,
        topic: subscription.topic,
        metadata: subscription.metadata.into_iter().collect::<BTreeMap<_, _>>(),
        rules: routes.rules.into_iter().map(|rule| (rule.r#match, rule.path)).collect(),
        default: Some(routes.default),
        dead_letter: Some(subscription.dead_letter_topic),
        bulk: subscription.bulk_subscribe.map(|config: BulkSubscribeConfig| SaidBulk {
            enabled: config.enabled,
            most: config.max_messages_count.into(),
            wait_ms: config.max_await_duration_ms.into(),
        }),
    }
}
