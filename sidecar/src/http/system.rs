//! Health, metadata and shutdown over HTTP.

use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::path::decode;
use super::query::parameter;
use crate::app::go_duration;
use crate::pubsub::{Rule, Subscription};
use crate::sidecar::RUNTIME_VERSION;
use crate::{ApiError, Sidecar};

pub(super) fn health(sidecar: &Sidecar, query: &str, outbound: bool) -> Result<Answer, ApiError> {
    // The app may ask for what goes out before it listens itself.
    if !sidecar.is_serving() || !outbound && sidecar.app.as_ref().is_some_and(|app| !app.is_open()) {
        return Err(match outbound {
            true => ApiError::internal("ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready"),
            false => ApiError::internal("ERR_HEALTH_NOT_READY", "dapr is not ready"),
        });
    }
    match parameter(query, "appid") {
        Some(app_id) if app_id != sidecar.app_id => {
            Err(ApiError::internal("ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match"))
        }
        _ => Ok(answer::empty()),
    }
}

pub(super) fn metadata(sidecar: &Sidecar) -> Answer {
    let components = sidecar.components();
    let components: Vec<_> = components
        .listed
        .iter()
        .map(|listed| {
            json!({
                "name": listed.name,
                "type": listed.kind,
                "version": listed.version,
                "capabilities": listed.capabilities,
            })
        })
        .collect();
    let body = json!({
        "id": sidecar.app_id,
        "runtimeVersion": RUNTIME_VERSION,
        "enabledFeatures": [],
        "actors": [],
        "components": components,
        "extended": sidecar.extended(),
        "subscriptions": sidecar.subscriptions.list().iter().map(|it| subscription(it)).collect::<Vec<_>>(),
        "appConnectionProperties": app_properties(sidecar),
        "actorRuntime": { "runtimeStatus": "DISABLED", "hostReady": false, "placement": "" },
    });
    answer::json(body.to_string())
}

fn subscription(subscription: &Subscription) -> Value {
    let rule = |rule: &Rule| json!({ "match": rule.condition(), "path": rule.path });
    json!({
        "pubsubname": subscription.pubsub,
        "topic": subscription.topic,
        "metadata": subscription.metadata,
        "rules": subscription.rules.iter().map(rule).collect::<Vec<_>>(),
        "deadLetterTopic": subscription.dead_letter.as_deref().unwrap_or_default(),
        "type": subscription.kind.name(),
    })
}

fn app_properties(sidecar: &Sidecar) -> Value {
    let Some(app) = &sidecar.app else { return json!({}) };
    let mut properties = json!({
        "port": app.authority.port_u16(),
        "protocol": app.protocol.name(),
        "channelAddress": app.authority.host(),
    });
    // As with Dapr, what is not said is left out.
    if let Some(limit) = app.max_concurrency() {
        properties["maxConcurrency"] = json!(limit);
    }
    if let Some(probe) = &app.health.probe {
        properties["health"] = json!({
            "healthProbeInterval": go_duration(probe.interval),
            "healthProbeTimeout": go_duration(probe.timeout),
            "healthThreshold": probe.threshold,
        });
        if !app.protocol.is_grpc() {
            properties["health"]["healthCheckPath"] = json!(probe.path);
        }
    }
    properties
}

pub(super) fn set_metadata(sidecar: &Sidecar, key: &str, body: &[u8]) -> Result<Answer, ApiError> {
    let value = std::str::from_utf8(body).map_err(|_| ApiError::malformed("the body is not UTF-8 text"))?;
    sidecar.set_extended(decode(key)?.into_owned(), value.to_owned());
    Ok(answer::empty())
}

pub(super) fn shutdown(sidecar: &Sidecar) -> Answer {
    tracing::info!("stopping, as a request asked for it");
    sidecar.stop();
    answer::empty()
}
