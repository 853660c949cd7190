//! Traces on their way to the app: by callbacks over gRPC, by input bindings, and with many events at once.

use std::collections::BTreeMap;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use http::{HeaderMap, StatusCode};
use pillion_capabilities::testing::{CollectedSpan, Collector};
use pillion_capabilities::trace;
use serde_json::json;
use tempfile::TempDir;
use tonic::metadata::MetadataMap;

use crate::app::App;
use crate::callbacks::Callbacks;
use crate::invoke_grpc::invoke;
use crate::invoke_http::pair_with;
use crate::pubsub::{BUS, until_subscribed};
use crate::sidecar::{MEMORY, Sidecar};
use crate::spans::{PARENT, SPAN, TRACE, configuration};
use crate::wire;
use crate::yaml::component;

/// What the app was told, in either form: trace and span.
fn told(headers: &HeaderMap) -> Option<(String, String)> {
    let context = trace::from_headers(headers)?;
    Some((context.trace_id().to_string(), context.span_id().to_string()))
}

/// As [`told`], where both forms are due.
fn told_twice(headers: &HeaderMap) -> (String, String) {
    let binary = MetadataMap::from_headers(headers.clone());
    let binary = binary.get_bin("grpc-trace-bin").expect("the binary form is there").to_bytes().unwrap();
    let binary = trace::from_binary(&binary).unwrap();
    let told = told(headers).expect("it is told");
    assert_eq!((binary.trace_id().to_string(), binary.span_id().to_string()), told);
    told
}

/// The span that was told, and those that it is within, from the innermost on.
async fn chain(collector: &Collector, told: &(String, String)) -> Vec<CollectedSpan> {
    let find = |spans: &[CollectedSpan], id: &str| {
        spans.iter().find(|span| span.trace == told.0 && span.span == id).cloned()
    };
    let whole = |spans: &[CollectedSpan]| {
        let mut chain: Vec<CollectedSpan> = Vec::new();
        let mut next = told.1.clone();
        while !next.is_empty() && next != SPAN {
            let span = find(spans, &next)?;
            next.clone_from(&span.parent);
            chain.push(span);
        }
        Some(chain)
    };
    whole(&collector.until(|spans| whole(spans).is_some()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_app_over_grpc_is_told_the_span_of_a_call() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "http", "1");
    let app = Callbacks::start().await;
    let (caller, callee) =
        pair_with(app.port, &["--app-protocol", "grpc", "--config", &file], &["--config", &file]);
    let mut count = 0;
    let mut all = Vec::new();
    for (sidecar, depth) in [(&callee, 2), (&caller, 4)] {
        for traced in [true, false] {
            let headers = [("traceparent", PARENT)];
            let headers = if traced { &headers[..] } else { &[] };
            let path = "/v1.0/invoke/callee/method/m";
            assert_eq!(wire::call(&sidecar.http(), "GET", path, headers, "").await.status, StatusCode::OK);
            let mut request = tonic::Request::new(invoke("callee", "m", Verb::Get, ""));
            if traced {
                request.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
            }
            wire::grpc(&sidecar.grpc()).await.invoke_service(request).await.unwrap();
            count += 2;
            for call in &app.until_told("OnInvoke", count).await[count - 2..] {
                all.push((told_twice(&call.headers), traced, depth));
            }
        }
    }
    for (told, traced, depth) in all {
        let chain = chain(&collector, &told).await;
        assert_eq!(chain.len(), depth, "{chain:#?}");
        assert_eq!((&*chain[0].name, &*chain[0].kind), ("CallApp/callee/m", "SPAN_KIND_CLIENT"));
        let outermost = chain.last().unwrap();
        match traced {
            true => assert_eq!((&*outermost.trace, &*outermost.parent), (TRACE, SPAN)),
            false => assert!(outermost.trace != TRACE && outermost.parent.is_empty(), "{outermost:#?}"),
        }
    }
}

#[tokio::test]
async fn the_span_of_a_callback_tells_that_it_failed() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "http", "1");
    let app = Callbacks::answering("9").await;
    let port = app.port.to_string();
    let sidecar = Sidecar::with(
        MEMORY,
        &["--app-id", "callee", "--app-port", &port, "--app-protocol", "grpc", "--config", &file],
    );
    wire::call(&sidecar.http(), "GET", "/v1.0/invoke/callee/method/m", &[], "").await;
    let told = told_twice(&app.until_told("OnInvoke", 1).await[0].headers);
    let error = chain(&collector, &told).await[0].error.clone().expect("it failed");
    assert!(error.contains("the app's"), "{error}");
}

#[tokio::test]
async fn an_app_is_told_the_span_of_a_bindings_event() {
    let tick = component("tick", "bindings.cron", &[("schedule", "@every 20ms"), ("direction", "input")]);
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "http", "1");
    let answer = json!({ "storeName": "store", "state": [{"key": "seen", "value": 1}] }).to_string();
    let over_http = App::start(move |asked| match asked.path.as_str() {
        "/tick" => (StatusCode::OK, answer.clone()),
        _ => (StatusCode::NOT_FOUND, String::new()),
    })
    .await;
    let over_grpc = Callbacks::start().await;
    for (port, protocol) in [(over_http.port, "http"), (over_grpc.port, "grpc")] {
        let port = port.to_string();
        let arguments = ["--app-port", &port, "--app-protocol", protocol, "--config", &file];
        let sidecar = Sidecar::with(&format!("{MEMORY}{tick}"), &arguments);
        let told: Vec<_> = match protocol {
            "grpc" => {
                let told = over_grpc.until_told("OnBindingEvent", 2).await;
                told.iter().map(|told| told_twice(&told.headers)).collect()
            }
            _ => {
                let asked = over_http.until_asked("/tick", 2).await;
                while sidecar.call("GET", "/v1.0/state/store/seen", "").await.status != StatusCode::OK {}
                asked.iter().map(|asked| told(&asked.headers).expect("it is told")).collect()
            }
        };
        assert_ne!(told[0].0, told[1].0, "each event begins a trace");
        let [event] = &chain(&collector, &told[0]).await[..] else { panic!("nothing is around an event") };
        assert_eq!((&*event.name, &*event.kind), ("bindings/tick", "SPAN_KIND_CONSUMER"));
        assert_eq!(
            (event.attribute("db.system"), event.attribute("db.name")),
            ("bindings", "tick"),
            "{event:#?}"
        );
        if protocol == "http" {
            // What the app wanted done is of the same trace.
            let of_event = |spans: &[CollectedSpan], inner: &CollectedSpan| {
                let outer = spans.iter().find(|span| span.span == inner.parent);
                inner.name == "state.in-memory set" && outer.is_some_and(|it| it.name == "bindings/tick")
            };
            collector.until(|spans| spans.iter().any(|span| of_event(spans, span))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn each_of_many_events_has_a_span_in_its_own_trace() {
    let subscription = "---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\nspec: {topic: t, \
                        pubsubname: bus, routes: {default: /many}, bulkSubscribe: {enabled: true, \
                        maxMessagesCount: 2, maxAwaitDurationMs: 60000}}\n";
    let over_http = App::start(|asked| {
        if asked.path != "/many" {
            return (StatusCode::NOT_FOUND, String::new());
        }
        let events = asked.json();
        let statuses: Vec<_> = events["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| json!({ "entryId": entry["entryId"], "status": entry["event"]["data"] }))
            .collect();
        (StatusCode::OK, json!({ "statuses": statuses }).to_string())
    })
    .await;
    let over_grpc = Callbacks::start().await;
    for (port, protocol) in [(over_http.port, "http"), (over_grpc.port, "grpc")] {
        let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
        let file = configuration(folder.path(), &collector, "http", "1");
        let port = port.to_string();
        let arguments = ["--app-port", &port, "--app-protocol", protocol, "--config", &file];
        let sidecar = Sidecar::with(&format!("{BUS}{subscription}"), &arguments);
        until_subscribed(&sidecar, 1).await;
        let parents: BTreeMap<&str, String> =
            [("SUCCESS", "1"), ("DROP", "2")].map(|(data, digit)| (data, digit.repeat(32))).into();
        for data in ["SUCCESS", "DROP"] {
            let parent = format!("00-{}-{SPAN}-01", parents[data]);
            let headers = [("traceparent", &*parent), ("content-type", "text/plain")];
            wire::call(&sidecar.http(), "POST", "/v1.0/publish/bus/t", &headers, data).await.is_empty();
        }
        let told = match protocol {
            "grpc" => told_twice(&over_grpc.until_told("OnBulkTopicEvent", 1).await[0].headers),
            _ => told(&over_http.until_asked("/many", 1).await[0].headers).expect("it is told"),
        };
        assert!(parents.values().any(|trace| *trace == told.0), "{told:?}");
        // The request says the span of one of them, and the other has one too.
        assert_eq!(chain(&collector, &told).await[0].name, "pubsub/t");
        for (data, trace) in &parents {
            let of = |span: &&CollectedSpan| span.name == "pubsub/t" && span.trace == **trace;
            let spans = collector.until(|spans| spans.iter().any(|span| of(&span))).await.unwrap();
            let span = spans.iter().find(of).unwrap();
            assert_eq!(span.kind, "SPAN_KIND_CONSUMER");
            // An empty answer over gRPC says nothing of either.
            let failed = protocol == "grpc" || *data == "DROP";
            assert_eq!(span.error.is_some(), failed, "{span:#?}");
        }
    }
}
