//! Health, metadata and shutdown over HTTP.

use serde_json::json;

use super::answer::{self, Answer};
use super::path::decode;
use super::query::parameter;
use crate::sidecar::RUNTIME_VERSION;
use crate::{ApiError, Sidecar};

pub(super) fn health(sidecar: &Sidecar, query: &str, outbound: bool) -> Result<Answer, ApiError> {
    if !sidecar.is_serving() {
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
    let components: Vec<_> = sidecar
        .stores
        .iter()
        .map(|store| {
            json!({
                "name": store.name,
                "type": store.backend.component_type(),
                "version": store.version,
                "capabilities": store.backend.capabilities(),
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
        "subscriptions": [],
        "appConnectionProperties": {},
        "actorRuntime": { "runtimeStatus": "DISABLED", "hostReady": false, "placement": "" },
    });
    answer::json(body.to_string())
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
