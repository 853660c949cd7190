//! How an app is told of changes that it asked for over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::{HttpExtension, InvokeRequest};
use http::{HeaderValue, Method, Request, Uri, header};
use percent_encoding::utf8_percent_encode;
use pillion_capabilities::configuration::{Changes, Subscription};
use serde::Serialize;

use super::Item;
use crate::Sidecar;
use crate::app::App;
use crate::body::{PATH, whole};

/// What is sent of changes.
#[derive(Serialize)]
struct Event<'a> {
    id: &'a str,
    items: BTreeMap<String, Item>,
}

/// Tells the app of what a subscription is told of, until it ends or the sidecar does. An app that does not take a change
/// is not told of it again; the log says so. A change of which it is being told is told before the sidecar stops.
pub(super) fn begin(sidecar: Arc<Sidecar>, store: String, mut subscription: Subscription) {
    let started = sidecar.under_way.begin();
    tokio::spawn(async move {
        let _started = started;
        let Some(app) = &sidecar.app else { return };
        loop {
            let changes = tokio::select! {
                biased;
                () = sidecar.closing() => break,
                changes = subscription.next() => changes,
            };
            let Some(changes) = changes else { break };
            tell(app, &store, subscription.id(), changes).await;
        }
        tracing::debug!("the app is told of changes of configuration store {store} no longer");
    });
}

async fn tell(app: &App, store: &str, id: &str, changes: Changes) {
    let keys: Vec<String> = changes.keys().cloned().collect();
    let items = changes.into_iter().map(|(key, item)| (key, item.map(Item::from).unwrap_or_default()));
    let body = match serde_json::to_vec(&Event { id, items: items.collect() }) {
        Ok(body) => body,
        Err(error) => return tracing::error!("changes of configuration store {store} have no JSON: {error}"),
    };
    for key in keys {
        if let Err(reason) = send(app, store, &key, body.clone()).await {
            tracing::error!(
                "the app was not told that {key} of configuration store {store} changed: {reason}"
            );
        }
    }
}

async fn send(app: &App, store: &str, key: &str, body: Vec<u8>) -> Result<(), String> {
    if app.protocol.is_grpc() {
        let request = InvokeRequest {
            method: format!("configuration/{store}/{key}"),
            data: Some(prost_types::Any { type_url: String::new(), value: body }),
            content_type: "application/json".to_owned(),
            http_extension: Some(HttpExtension { verb: Verb::Post.into(), querystring: String::new() }),
        };
        let _turn = app.turn().await;
        return app.callbacks().on_invoke(request).await.map(drop).map_err(|status| status.to_string());
    }
    let path =
        format!("/configuration/{}/{}", utf8_percent_encode(store, PATH), utf8_percent_encode(key, PATH));
    let mut request = Request::new(whole(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).map_err(|error| error.to_string())?;
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    let status = app.send(request).await.map_err(|error| error.to_string())?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("it answered {status}")),
    }
}
