//! Subscriptions that files declare.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_norway::Value;

use super::subscription::{Kind, Said, SaidBulk, Subscription};
use crate::component::{ComponentError, Resource, resources_of};

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
    let versions = ["dapr.io/v1alpha1", "dapr.io/v2alpha1"];
    let mut found = Vec::new();
    for Resource { name, spec, .. } in resources_of::<Spec>(file, "Subscription", &versions, app_id)? {
        for field in spec.rest.keys() {
            tracing::warn!("{}: subscription {name}: spec.{field} has no effect", file.display());
        }
        let subscription = said(spec).and_then(|said| Subscription::new(Kind::Declarative, said, by_path));
        let subscription = subscription.map_err(|message| ComponentError::Syntax {
            file: file.to_owned(),
            line: None,
            message: format!("subscription {name}: {message}"),
        })?;
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
