//! Metadata and shutdown over gRPC.

use dapr::dapr::proto::runtime::v1::actor_runtime::ActorRuntimeStatus;
use dapr::dapr::proto::runtime::v1::{
    ActorRuntime, AppConnectionHealthProperties, AppConnectionProperties, GetMetadataRequest,
    GetMetadataResponse, PubsubSubscription, PubsubSubscriptionRule, PubsubSubscriptionRules,
    PubsubSubscriptionType, RegisteredComponents, SetMetadataRequest, ShutdownRequest,
};

use crate::app::go_duration;
use crate::pubsub::{Kind, Rule, Subscription};
use crate::sidecar::RUNTIME_VERSION;
use crate::{ApiError, Sidecar};

pub(super) async fn metadata(
    sidecar: &Sidecar,
    _: GetMetadataRequest,
) -> Result<GetMetadataResponse, ApiError> {
    let components = sidecar.components();
    let components = components.listed.iter().map(|listed| RegisteredComponents {
        name: listed.name.clone(),
        r#type: listed.kind.clone(),
        version: listed.version.clone(),
        capabilities: listed.capabilities.iter().map(|&capability| capability.to_owned()).collect(),
    });
    Ok(GetMetadataResponse {
        id: sidecar.app_id.clone(),
        subscriptions: sidecar.subscriptions.list().iter().map(|it| subscription(it)).collect(),
        registered_components: components.collect(),
        extended_metadata: sidecar.extended().into_iter().collect(),
        runtime_version: RUNTIME_VERSION.to_owned(),
        app_connection_properties: app_properties(sidecar),
        // There are none, and a client need not wait for them.
        actor_runtime: Some(ActorRuntime {
            runtime_status: ActorRuntimeStatus::Disabled.into(),
            ..ActorRuntime::default()
        }),
        ..GetMetadataResponse::default()
    })
}

fn app_properties(sidecar: &Sidecar) -> Option<AppConnectionProperties> {
    let app = sidecar.app.as_ref()?;
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    Some(AppConnectionProperties {
        port: app.authority.port_u16().unwrap_or_default().into(),
        protocol: app.protocol.name().to_owned(),
        channel_address: app.authority.host().to_owned(),
        max_concurrency: app.max_concurrency().map_or(0, count),
        health: app.health.probe.as_ref().map(|probe| AppConnectionHealthProperties {
            health_check_path: if app.protocol.is_grpc() { String::new() } else { probe.path.clone() },
            health_probe_interval: go_duration(probe.interval),
            health_probe_timeout: go_duration(probe.timeout),
            health_threshold: i32::try_from(probe.threshold).unwrap_or(i32::MAX),
        }),
    })
}

fn subscription(subscription: &Subscription) -> PubsubSubscription {
    let rule = |rule: &Rule| PubsubSubscriptionRule {
        r#match: rule.condition().to_owned(),
        path: rule.path.clone(),
    };
    let kind = match subscription.kind {
        Kind::Declarative => PubsubSubscriptionType::Declarative,
        Kind::Programmatic => PubsubSubscriptionType::Programmatic,
        Kind::Streaming => PubsubSubscriptionType::Streaming,
    };
    PubsubSubscription {
        pubsub_name: subscription.pubsub.clone(),
        topic: subscription.topic.clone(),
        metadata: subscription.metadata.clone().into_iter().collect(),
        rules: Some(PubsubSubscriptionRules { rules: subscription.rules.iter().map(rule).collect() }),
        dead_letter_topic: subscription.dead_letter.clone().unwrap_or_default(),
        r#type: kind.into(),
    }
}

pub(super) async fn set_metadata(sidecar: &Sidecar, request: SetMetadataRequest) -> Result<(), ApiError> {
    sidecar.set_extended(request.key, request.value);
    Ok(())
}

pub(super) async fn shutdown(sidecar: &Sidecar, _: ShutdownRequest) -> Result<(), ApiError> {
    tracing::info!("stopping, as a request asked for it");
    sidecar.stop();
    Ok(())
}
