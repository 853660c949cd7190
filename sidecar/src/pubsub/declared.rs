//! Subscriptions that files declare.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_norway::Value;

use super::subscription::{Kind, Said, SaidBulk, Subscription};
use crate::component::ComponentError;

/// The part of a document that tells what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    metadata: Named,
    spec: Spec,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

/// `spec` of either version: the older has `route`, the newer `routes`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    pubsubname: String,
    topic: String,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    routes: Option<Routes>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    dead_letter_topic: Option<String>,
    #[serde(default)]
    bulk_subscribe: Option<Bulk>,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct Routes {
    #[serde(default)]
    rules: Vec<RouteRule>,
    #[serde(default)]
    default: Option<String>,
}

#[derive(Deserialize)]
struct RouteRule {
    #[serde(default)]
    r#match: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    max_messages_count: i64,
    #[serde(default)]
    max_await_duration_ms: i64,
}

// === free functions ===

/// The subscriptions of a file that are for this app; other kinds of documents are passed over.
///
/// # Errors
/// A file that cannot be read, or a subscription that is not complete or has a rule that is none.
pub(crate) fn read(
    file: &Path,
    app_id: &str,
    by_path: bool,
) -> Result<Vec<Arc<Subscription>>, ComponentError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ComponentError::Read { file: file.to_owned(), source })?;
    let wrong = |line: Option<usize>, message: String| ComponentError::Syntax {
        file: file.to_owned(),
        line,
        message,
    };
    let syntax = |error: serde_norway::Error| {
        wrong(error.location().map(|location| location.line()), error.to_string())
    };
    let mut found = Vec::new();
    let documents =
        serde_norway::Deserializer::from_str(&text).zip(serde_norway::Deserializer::from_str(&text));
    for (look, document) in documents {
        let value = Value::deserialize(look).map_err(syntax)?;
        if value.is_null() {
            continue;
        }
        let head: Head = serde_norway::from_value(value).map_err(syntax)?;
        if head.kind != "Subscription" {
            continue;
        }
        if !matches!(head.api_version.as_str(), "dapr.io/v1alpha1" | "dapr.io/v2alpha1") {
            let message = format!(
                "apiVersion of a Subscription is {:?}, neither dapr.io/v1alpha1 nor dapr.io/v2alpha1",
                head.api_version
            );
            return Err(wrong(None, message));
        }
        let Document { metadata, spec, scopes } = Document::deserialize(document).map_err(syntax)?;
        if !scopes.is_empty() && !scopes.iter().any(|scope| scope == app_id) {
            tracing::debug!("subscription {} of {} is not for this app", metadata.name, file.display());
            continue;
        }
        for field in spec.rest.keys() {
            tracing::warn!("{}: subscription {}: spec.{field} has no effect", file.display(), metadata.name);
        }
        let name = metadata.name;
        let subscription = said(spec).and_then(|said| Subscription::new(Kind::Declarative, said, by_path));
        let subscription =
            subscription.map_err(|message| wrong(None, format!("subscription {name}: {message}")))?;
        found.push(Arc::new(subscription));
    }
    Ok(found)
}

fn said(spec: Spec) -> Result<Said, String> {
    let routes = spec.routes.unwrap_or_default();
    let mut metadata = BTreeMap::new();
    for (name, value) in spec.metadata.unwrap_or_default() {
        let text = match value {
            Value::String(text) => text,
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            _ => return Err(format!("metadata.{name} is not a text, number or boolean")),
        };
        metadata.insert(name, text);
    }
    Ok(Said {
        pubsub: spec.pubsubname,
        topic: spec.topic,
        metadata,
        rules: routes.rules.into_iter().map(|rule| (rule.r#match, rule.path)).collect(),
        default: routes.default.filter(|path| !path.is_empty()).or(spec.route),
        dead_letter: spec.dead_letter_topic,
        bulk: spec.bulk_subscribe.map(|bulk| SaidBulk {
            enabled: bulk.enabled,
            most: bulk.max_messages_count,
            wait_ms: bulk.max_await_duration_ms,
        }),
    })
}
