//! The traces that requests are of, and the spans that they leave.

use std::path::Path;
use std::process::Stdio;

use dapr::dapr::proto::runtime::v1::{GetStateRequest, SaveStateRequest};
use pillion_capabilities::testing::{CollectedSpan, Collector, RedisServer};
use pillion_capabilities::trace;
use tempfile::TempDir;
use tonic::metadata::{BinaryMetadataValue, MetadataMap};

use crate::app::Dead;
use crate::sidecar::{MEMORY, Sidecar, bare, first_line, redis, refused};
use crate::wire::{self, At};

pub(crate) const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const SPAN: &str = "b7ad6b7169203331";

/// A configuration that samples all, or that share.
pub(crate) fn configuration(folder: &Path, collector: &Collector, protocol: &str, rate: &str) -> String {
    let file = folder.join("configuration.yaml");
    let address = collector.url().replace("http://", "");
    let text = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: traces\nspec:\n  tracing:\n    \
         samplingRate: \"{rate}\"\n    otel:\n      endpointAddress: {address}\n      isSecure: false\n      \
         protocol: {protocol}\n"
    );
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn named<'a>(spans: &'a [CollectedSpan], name: &str) -> &'a CollectedSpan {
    let mut found = spans.iter().filter(|span| span.name == name);
    match (found.next(), found.next()) {
        (Some(span), None) => span,
        _ => panic!("not one span {name}: {spans:#?}"),
    }
}

fn within(inner: &CollectedSpan, outer: &CollectedSpan) {
    assert_eq!((&inner.trace, &inner.parent), (&outer.trace, &outer.span), "{inner:#?} is not in {outer:#?}");
}

/// Waits for so many spans, has it end, and answers all that came.
async fn ended(mut sidecar: Sidecar, collector: &Collector, count: usize) -> Vec<CollectedSpan> {
    collector.until(|spans| spans.len() >= count).await.unwrap();
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
    let spans = collector.spans();
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans
}

#[tokio::test]
async fn a_request_over_http_is_followed_to_its_store() {
    let redis_server = RedisServer::start_or_skip().unwrap();
    let networked = redis_server.as_ref().map(|server| redis(server.address()));
    for (kind, protocol, threads, components) in [
        ("state.in-memory", "http", "1", MEMORY.to_owned()),
        ("state.redis", "grpc", "2", networked.unwrap_or_default()),
    ] {
        if components.is_empty() {
            continue;
        }
        let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
        // None begins here: what a client has sampled is.
        let file = configuration(folder.path(), &collector, protocol, "0.000000001");
        let sidecar = Sidecar::with(&components, &["--config", &file, "--worker-threads", threads]);
        let fields = [("traceparent", PARENT), ("tracestate", "vendor=value")];
        let body = r#"[{"key": "secret", "value": 1}]"#;
        let saved = wire::call(&sidecar.http(), "POST", "/v1.0/state/store", &fields, body).await;
        saved.is_empty();
        let read = wire::call(&sidecar.http(), "GET", "/v1.0/state/store/secret", &fields, "").await;
        assert_eq!(&read.body[..], b"1");
        assert_eq!(
            wire::call(&sidecar.http(), "GET", "/v1.0/healthz", &fields, "").await.header("traceparent"),
            None
        );
        let spans = ended(sidecar, &collector, 4).await;
        assert!(
            spans.iter().all(|span| (span.trace.as_str(), span.service.as_str()) == (TRACE, "app")),
            "{spans:#?}"
        );
        assert!(!format!("{spans:?}").contains("secret"), "neither keys nor values");
        for (answer, api, operation) in
            [(&saved, "POST /v1.0/state/store", "set"), (&read, "GET /v1.0/state/store", "get")]
        {
            let requests: Vec<_> = spans.iter().filter(|span| span.attribute("dapr.api") == api).collect();
            let [request] = requests[..] else { panic!("not one {api}: {spans:#?}") };
            assert_eq!(
                (request.name.as_str(), request.kind.as_str()),
                ("/v1.0/state/store", "SPAN_KIND_SERVER")
            );
            assert_eq!((request.parent.as_str(), request.attribute("dapr.protocol")), (SPAN, "http"));
            assert_eq!(request.attribute("dapr.status_code"), answer.status.as_str());
            let told = format!("00-{TRACE}-{}-01", request.span);
            assert_eq!(answer.header("traceparent"), Some(&*told));
            assert_eq!(answer.header("tracestate"), Some("vendor=value"));
            let call = named(&spans, &format!("{kind} {operation}"));
            within(call, request);
            assert_eq!(
                (call.kind.as_str(), call.attribute("pillion.component.type")),
                ("SPAN_KIND_CLIENT", kind)
            );
            assert_eq!((call.attribute("db.system"), call.attribute("db.name")), ("state", "store"));
        }
    }
}

#[tokio::test]
async fn a_request_over_grpc_is_followed_to_its_store() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "grpc", "1");
    let sidecar = Sidecar::with(MEMORY, &["--config", &file]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let parent = trace::from_pairs(&[("traceparent".to_owned(), PARENT.to_owned())]).unwrap();
    let mut told = Vec::new();
    let binary = |metadata: &mut MetadataMap| {
        // It counts more than what else there is.
        metadata.insert("traceparent", format!("00-{}-{SPAN}-01", "1".repeat(32)).parse().unwrap());
        metadata.insert_bin("grpc-trace-bin", BinaryMetadataValue::from_bytes(&trace::to_binary(&parent)));
    };
    let text = |metadata: &mut MetadataMap| {
        metadata.insert("traceparent", PARENT.parse().unwrap());
        metadata.insert("tracestate", "vendor=value".parse().unwrap());
    };
    let wrong = |metadata: &mut MetadataMap| {
        metadata.insert_bin("grpc-trace-bin", BinaryMetadataValue::from_bytes(b"\x00\x00short"));
    };
    for set in [&binary as &dyn Fn(&mut MetadataMap), &text, &wrong] {
        let request =
            GetStateRequest { store_name: "store".to_owned(), key: "k".to_owned(), ..Default::default() };
        let mut request = tonic::Request::new(request);
        set(request.metadata_mut());
        let response = client.get_state(request).await.unwrap();
        let bytes = response.metadata().get_bin("grpc-trace-bin").expect("it is told").to_bytes().unwrap();
        told.push(trace::from_binary(&bytes).expect("it is one"));
    }
    let request = SaveStateRequest { store_name: "missing".to_owned(), ..SaveStateRequest::default() };
    let refused = client.save_state(request).await.unwrap_err();
    assert!(refused.metadata().get_bin("grpc-trace-bin").is_some(), "a failure tells it too");
    drop(client);
    let spans = ended(sidecar, &collector, 7).await;
    for (number, own) in told.iter().enumerate() {
        let span = spans.iter().find(|span| span.span == own.span_id().to_string()).expect("it is exported");
        assert_eq!(
            (span.name.as_str(), span.kind.as_str()),
            ("/dapr.proto.runtime.v1.Dapr/GetState", "SPAN_KIND_SERVER")
        );
        assert_eq!((span.attribute("rpc.service"), span.attribute("dapr.protocol")), ("Dapr", "grpc"));
        let (trace, parent) = (span.trace.as_str(), span.parent.as_str());
        match number {
            0 | 1 => assert_eq!((trace, parent), (TRACE, SPAN)),
            _ => assert!(trace != TRACE && parent.is_empty(), "a new trace: {span:?}"),
        }
        assert_eq!(span.state, if number == 1 { "vendor=value" } else { "" });
        let calls: Vec<_> = spans.iter().filter(|call| call.parent == span.span).collect();
        let [call] = calls[..] else { panic!("not one call within {span:?}") };
        within(call, span);
        assert_eq!((call.name.as_str(), call.attribute("db.name")), ("state.in-memory get", "store"));
    }
    let failed = named(&spans, "/dapr.proto.runtime.v1.Dapr/SaveState");
    assert_eq!(failed.error.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_store_that_fails_is_told_in_its_span() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "http", "1");
    let sidecar = Sidecar::with(MEMORY, &["--config", &file]);
    let fields = [("if-match", "12345")];
    let saved = sidecar.call("POST", "/v1.0/state/store", r#"[{"key": "k", "value": 1}]"#).await;
    saved.is_empty();
    wire::call(&sidecar.http(), "DELETE", "/v1.0/state/store/k", &fields, "")
        .await
        .failed(409, "ERR_STATE_DELETE");
    let spans = ended(sidecar, &collector, 4).await;
    let error = named(&spans, "state.in-memory delete").error.as_deref().expect("it failed");
    assert!(error.contains("possible etag mismatch"), "{error}");
    let new: Vec<_> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    let [first, second] = new[..] else { panic!("each request begins a trace: {spans:#?}") };
    assert_ne!(first.trace, second.trace);
}

#[tokio::test]
async fn a_hostile_traceparent_does_no_harm() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = configuration(folder.path(), &collector, "http", "1");
    for arguments in [&["--config", &file][..], &[]] {
        let sidecar = Sidecar::with(MEMORY, arguments);
        let long = "x".repeat(4_000);
        for hostile in [
            "",
            "-",
            "00",
            &long,
            "00-1-1-01",
            &PARENT.replacen("00", "ff", 1),
            &PARENT.replace(TRACE, &"0".repeat(32)),
        ] {
            let fields = [("traceparent", hostile), ("tracestate", &long), ("grpc-trace-bin", "!")];
            let answer = wire::call(&sidecar.http(), "GET", "/v1.0/state/store/k", &fields, "").await;
            answer.is_empty();
            match answer.header("traceparent") {
                Some(told) => {
                    assert!(told.len() == 55 && !arguments.is_empty() && !told.contains(TRACE), "{told}")
                }
                None => assert!(arguments.is_empty(), "a new trace is told"),
            }
        }
    }
}

#[tokio::test]
async fn traces_are_off_unless_asked_for() {
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let zero = configuration(folder.path(), &collector, "http", "0");
    for arguments in [&[][..], &["--config", &zero]] {
        let mut sidecar = Sidecar::with(MEMORY, arguments);
        let answer =
            wire::call(&sidecar.http(), "GET", "/v1.0/state/store/k", &[("traceparent", PARENT)], "").await;
        answer.is_empty();
        assert_eq!(answer.header("traceparent"), None, "there is no span to tell of");
        sidecar.signal("TERM");
        assert!(sidecar.wait().await.success());
    }
    assert_eq!(collector.spans(), []);
}

#[tokio::test]
async fn the_environment_names_a_collector_too() {
    let collector = Collector::start().unwrap();
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        // None are exported before its end.
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    let mut sidecar = Sidecar::with_environment(MEMORY, &[], &environment);
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
    let spans = collector.until(|spans| spans.len() >= 2).await.unwrap();
    assert_eq!(spans.len(), 2, "{spans:#?}");
}

#[tokio::test]
async fn a_collector_that_hangs_costs_spans_alone_and_that_is_said_once() {
    // It takes connections, and answers nothing.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = Dead::new();
    let gone = dead.address();
    for endpoint in [hangs.local_addr().unwrap(), gone] {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("store.yaml"), MEMORY).unwrap();
        let resources = folder.path().display().to_string();
        let ports = ["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0"];
        let mut command = bare(ports.into_iter().chain(["--resources-path", &resources]));
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{endpoint}"))
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
            // Spans beyond that are dropped.
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "64")
            .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16")
            .stderr(Stdio::piped());
        let (mut child, line) = first_line(&mut command);
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let at = At::Tcp(ready["http"].as_str().unwrap().to_owned());
        for _ in 0..200 {
            wire::call(&at, "GET", "/v1.0/state/store/k", &[], "").await.is_empty();
        }
        // What it says, to the end; and when the first of this was said.
        let (hear, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let errors = child.stderr.take().unwrap();
        let said = tokio::task::spawn_blocking(move || {
            use std::io::BufRead as _;
            let mut said = String::new();
            for line in std::io::BufReader::new(errors).lines().map_while(Result::ok) {
                if line.contains("spans are not exported") {
                    // Nobody waits for it in the other case.
                    let _ = hear.send(());
                }
                said += &line;
                said.push('\n');
            }
            assert!(child.wait().unwrap().success(), "{said}");
            said
        });
        if endpoint == gone {
            heard.recv().await.expect("it is said before the end");
            for _ in 0..200 {
                wire::call(&at, "GET", "/v1.0/state/store/k", &[], "").await.is_empty();
            }
        }
        wire::call(&at, "POST", "/v1.0/shutdown", &[], "").await.is_empty();
        let said = said.await.unwrap();
        let times = |what: &str| said.matches(what).count();
        if endpoint == gone {
            assert_eq!(times("spans are not exported"), 1, "{said}");
            assert!(said.contains("start the collector, or correct the endpoint"), "{said}");
            assert!(said.contains("Connection refused"), "why: {said}");
        } else {
            assert_eq!(times("BatchSpanProcessor.SpanDroppingStarted"), 1, "{said}");
            assert_eq!(times("dropped_span_count"), 1, "what was dropped is counted: {said}");
            assert_eq!(times("the last spans may be lost"), 1, "{said}");
        }
    }
}

#[test]
fn a_wrong_configuration_keeps_it_from_starting() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("configuration.yaml");
    let text = "kind: Configuration\nspec:\n  tracing:\n    samplingRate: \"1\"\n    otel:\n      \
                endpointAddress: \"h:1\"\n      protocol: thrift\n";
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let said = refused(MEMORY, &["--config", &file]);
    assert!(
        said.contains(&file) && said.contains("protocol \"thrift\" is neither grpc nor http/protobuf"),
        "{said}"
    );
    std::fs::write(&file, text.replace("\"1\"", "\"1.5\"").replace("thrift", "grpc")).unwrap();
    let said = refused(MEMORY, &["--config", &file]);
    assert!(said.contains(&file) && said.contains("samplingRate 1.5 is not from 0 to 1"), "{said}");
}
