//! The smaller blocks of the API over gRPC: secrets, configuration, bindings and locks.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::common::v1::ConfigurationItem;
use dapr::dapr::proto::runtime::v1 as proto;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use pillion_capabilities::configuration::{Changes, Item};
use pillion_capabilities::lock::Unlocked;
use pillion_capabilities::secrets::{ExposeSecret, Secret};
use proto::unlock_response::Status as UnlockStatus;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use super::{Reading, status, unary, unimplemented};
use crate::component::Components;
use crate::lock::{self, TryLock};
use crate::{ApiError, Sidecar, bindings, configuration, secrets};

/// Answers a call of these blocks.
pub(super) async fn dispatch(
    sidecar: &Arc<Sidecar>,
    components: &Arc<Components>,
    request: Request<Incoming>,
    method: &str,
) -> Response<Body> {
    match method {
        "GetSecret" => unary(sidecar, request, |r| get_secret(sidecar, components, r)).await,
        "GetBulkSecret" => unary(sidecar, request, |r| get_bulk_secret(sidecar, components, r)).await,
        "GetConfiguration" | "GetConfigurationAlpha1" => {
            unary(sidecar, request, |r| get_configuration(components, r)).await
        }
        "SubscribeConfiguration" | "SubscribeConfigurationAlpha1" => {
            subscribe_configuration(sidecar, components, request).await
        }
        "UnsubscribeConfiguration" | "UnsubscribeConfigurationAlpha1" => {
            unary(sidecar, request, |r| unsubscribe_configuration(components, r)).await
        }
        "InvokeBinding" => unary(sidecar, request, |r| invoke_binding(components, r)).await,
        "TryLockAlpha1" => unary(sidecar, request, |r| try_lock(components, r)).await,
        "UnlockAlpha1" => unary(sidecar, request, |r| unlock(components, r)).await,
        _ => unimplemented(&request),
    }
}

async fn get_secret(
    sidecar: &Sidecar,
    components: &Components,
    request: proto::GetSecretRequest,
) -> Result<proto::GetSecretResponse, ApiError> {
    let secret = secrets::get(sidecar, components, &request.store_name, &request.key).await?;
    Ok(proto::GetSecretResponse { data: exposed(&secret) })
}

async fn get_bulk_secret(
    sidecar: &Sidecar,
    components: &Components,
    request: proto::GetBulkSecretRequest,
) -> Result<proto::GetBulkSecretResponse, ApiError> {
    let secrets = secrets::bulk(sidecar, components, &request.store_name).await?;
    let shown =
        |(name, secret): (String, Secret)| (name, proto::SecretResponse { secrets: exposed(&secret) });
    Ok(proto::GetBulkSecretResponse { data: secrets.into_iter().map(shown).collect() })
}

fn exposed(secret: &Secret) -> HashMap<String, String> {
    secret.iter().map(|(key, value)| (key.clone(), value.expose_secret().to_owned())).collect()
}

async fn get_configuration(
    components: &Components,
    request: proto::GetConfigurationRequest,
) -> Result<proto::GetConfigurationResponse, ApiError> {
    let items = configuration::get(components, &request.store_name, &request.keys).await?;
    let items = items.into_iter().map(|(key, item)| (key, into_message(item))).collect();
    Ok(proto::GetConfigurationResponse { items })
}

fn into_message(item: Item) -> ConfigurationItem {
    let Item { value, version, metadata } = item;
    ConfigurationItem { value, version, metadata: metadata.into_iter().collect() }
}

type Changed =
    Pin<Box<dyn Stream<Item = Result<proto::SubscribeConfigurationResponse, tonic::Status>> + Send>>;

async fn subscribe_configuration(
    sidecar: &Arc<Sidecar>,
    components: &Arc<Components>,
    request: Request<Incoming>,
) -> Response<Body> {
    let reading = Reading::default();
    let service = tower::service_fn(|request: tonic::Request<proto::SubscribeConfigurationRequest>| {
        reading.done();
        let (sidecar, components) = (Arc::clone(sidecar), Arc::clone(components));
        async move {
            let request = request.into_inner();
            let begun = configuration::subscribe(&components, &request.store_name, &request.keys).await;
            let subscription = begun.map_err(|error| {
                sidecar.count_error(&error);
                status(&error)
            })?;
            let id = subscription.id().to_owned();
            let first = proto::SubscribeConfigurationResponse { id: id.clone(), items: HashMap::new() };
            // It has no part in the components, so that a store that is removed ends it.
            let changes = stream::unfold((sidecar, subscription), |(sidecar, mut subscription)| async move {
                let changes = tokio::select! {
                    biased;
                    () = sidecar.closing() => None,
                    changes = subscription.next() => changes,
                };
                Some((changes?, (sidecar, subscription)))
            });
            let told = changes.map(move |changes: Changes| {
                let item =
                    |(key, item): (String, Option<Item>)| (key, into_message(item.unwrap_or_default()));
                let items = changes.into_iter().map(item).collect();
                Ok(proto::SubscribeConfigurationResponse { id: id.clone(), items })
            });
            let all: Changed = Box::pin(stream::once(async { Ok(first) }).chain(told));
            Ok::<_, tonic::Status>(tonic::Response::new(all))
        }
    });
    let response = Grpc::new(ProstCodec::default())
        .max_decoding_message_size(sidecar.max_body_size)
        .server_streaming(service, request)
        .await;
    reading.answer(sidecar.max_body_size, response)
}

async fn unsubscribe_configuration(
    components: &Components,
    request: proto::UnsubscribeConfigurationRequest,
) -> Result<proto::UnsubscribeConfigurationResponse, ApiError> {
    let ended = configuration::unsubscribe(components, &request.store_name, &request.id).await?;
    let (ok, message) = (ended.is_ok(), ended.err().unwrap_or_default());
    Ok(proto::UnsubscribeConfigurationResponse { ok, message })
}

async fn invoke_binding(
    components: &Components,
    request: proto::InvokeBindingRequest,
) -> Result<proto::InvokeBindingResponse, ApiError> {
    let proto::InvokeBindingRequest { name, data, metadata, operation } = request;
    let asked = bindings::Request { operation, data: Bytes::from(data), metadata };
    let bindings::Response { data, metadata } =
        bindings::invoke(components, &name, asked).await?.unwrap_or_default();
    Ok(proto::InvokeBindingResponse { data: data.into(), metadata })
}

async fn try_lock(
    components: &Components,
    request: proto::TryLockRequest,
) -> Result<proto::TryLockResponse, ApiError> {
    let asked = TryLock {
        store: &request.store_name,
        resource: &request.resource_id,
        owner: &request.lock_owner,
        expiry_in_seconds: request.expiry_in_seconds,
    };
    Ok(proto::TryLockResponse { success: lock::try_lock(components, asked).await? })
}

async fn unlock(
    components: &Components,
    request: proto::UnlockRequest,
) -> Result<proto::UnlockResponse, ApiError> {
    let proto::UnlockRequest { store_name, resource_id, lock_owner } = request;
    let status = match lock::unlock(components, &store_name, &resource_id, &lock_owner).await? {
        Unlocked::Done => UnlockStatus::Success,
        Unlocked::NotLocked => UnlockStatus::LockDoesNotExist,
        Unlocked::HeldByAnother => UnlockStatus::LockBelongsToOthers,
    };
    Ok(proto::UnlockResponse { status: status.into() })
}
