//! The trace that an event carries from who publishes it to the app.

use pillion_capabilities::testing::{CollectedSpan, Collector};
use pillion_capabilities::trace;
use tempfile::TempDir;

use super::{BUS, one, subscriber, until_subscribed};
use crate::sidecar::Sidecar;
use crate::wire;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn an_event_is_followed_from_who_publishes_it_to_the_app() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = folder.path().join("configuration.yaml");
    let address = collector.url().replace("http://", "");
    let text = format!(
        "kind: Configuration\nspec:\n  tracing:\n    samplingRate: \"0.000000001\"\n    otel:\n      endpointAddress: \
         {address}\n      isSecure: false\n      protocol: http\n"
    );
    std::fs::write(&file, text).unwrap();
    let app = subscriber(one("t"), |_| (200, "{\"status\":\"SUCCESS\"}")).await;
    let arguments = ["--app-port", &app.port.to_string(), "--config", &file.display().to_string()];
    let sidecar = Sidecar::with(BUS, &arguments);
    until_subscribed(&sidecar, 1).await;
    let headers = [("traceparent", PARENT), ("tracestate", "vendor=value")];
    wire::call(&sidecar.http(), "POST", "/v1.0/publish/bus/t", &headers, "x").await.is_empty();
    let asked = app.until_asked("/on/t", 1).await.remove(0);
    let names = ["/v1.0/publish/bus", "bus publish", "pubsub/t"];
    let named = |spans: &[CollectedSpan], name: &str| {
        spans.iter().find(|span| span.name == name && span.trace == TRACE).cloned()
    };
    let spans =
        collector.until(|spans| names.into_iter().all(|name| named(spans, name).is_some())).await.unwrap();
    let [request, publish, delivery] = names.map(|name| named(&spans, name).unwrap());
    assert_eq!(publish.parent, request.span);
    assert_eq!(delivery.parent, request.span, "the event tells the span of the request");
    let headers: Vec<(String, String)> = ["traceparent", "tracestate"]
        .map(|name| (name.to_owned(), asked.header(name).unwrap_or_default().to_owned()))
        .into();
    let told = trace::from_pairs(&headers).unwrap();
    assert_eq!(
        (told.span_id().to_string(), told.trace_state().header()),
        (delivery.span, "vendor=value".to_owned())
    );
}
