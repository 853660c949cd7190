//! Publishing and streams of events over gRPC.

use std::collections::HashSet;
use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::{
    BulkPublishRequest, BulkPublishResponse, BulkPublishResponseFailedEntry, PublishEventRequest,
};
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use super::unread;
use crate::component::Components;
use crate::pubsub::{self, Entry, StreamRequest, StreamResponse, Trace};
use crate::{ApiError, Sidecar};

pub(super) async fn publish(
    sidecar: &Sidecar,
    components: &Components,
    trace: &Trace,
    request: PublishEventRequest,
) -> Result<(), ApiError> {
    let PublishEventRequest { pubsub_name, topic, data, data_content_type, metadata } = request;
    let pubsub = pubsub::find(components, &pubsub_name, &topic)?;
    pubsub::publish(sidecar, pubsub, &topic, data.into(), &data_content_type, &metadata, trace).await
}

pub(super) async fn publish_bulk(
    sidecar: &Sidecar,
    components: &Components,
    trace: &Trace,
    request: BulkPublishRequest,
) -> Result<BulkPublishResponse, ApiError> {
    let BulkPublishRequest { pubsub_name, topic, entries, metadata } = request;
    let pubsub = pubsub::find(components, &pubsub_name, &topic)?;
    let mut ids = HashSet::new();
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        if entry.entry_id.is_empty() || !ids.insert(entry.entry_id.clone()) {
            return Err(pubsub::entry_without_id(&pubsub_name, &topic));
        }
        read.push(Entry {
            id: entry.entry_id,
            data: entry.event.into(),
            content_type: entry.content_type,
            metadata: entry.metadata,
        });
    }
    let failed = pubsub::publish_many(sidecar, pubsub, &topic, read, &metadata, trace).await?;
    let failed = failed.into_iter();
    let failed_entries =
        failed.map(|failed| BulkPublishResponseFailedEntry { entry_id: failed.id, error: failed.error });
    Ok(BulkPublishResponse { failed_entries: failed_entries.collect() })
}

/// A stream of events to the client, and of what became of them from it.
pub(super) async fn subscribe(sidecar: &Arc<Sidecar>, request: Request<Incoming>) -> Response<Body> {
    let limit = sidecar.max_body_size;
    let service = tower::service_fn(|request: tonic::Request<tonic::Streaming<StreamRequest>>| {
        let begun = pubsub::stream(Arc::clone(sidecar), request.into_inner());
        // Of all that keeps a stream from beginning, only its first message can be too long.
        async move { begun.await.map(tonic::Response::new).map_err(|status| unread(limit, status)) }
    });
    Grpc::new(ProstCodec::<StreamResponse, StreamRequest>::default())
        .max_decoding_message_size(limit)
        .streaming(service, request)
        .await
}
