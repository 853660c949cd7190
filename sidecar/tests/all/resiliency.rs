//! Dapr's `Resiliency` on calls of apps and components.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use pillion_capabilities::testing::RedisServer;

use crate::app::App;
use crate::invoke_grpc::invoke;
use crate::invoke_http::caller_of;
use crate::raw::{self, Raw};
use crate::sidecar::{MEMORY, Sidecar, redis, refused};
use crate::wire::{self, Answer};

pub(crate) fn with(resources: &str, spec: &str) -> String {
    format!(
        "{resources}---\napiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {{name: r}}\nspec: {spec}\n"
    )
}

/// A sidecar of the app `callee` whose own calls have these policies, and one of the app `caller` that has them too.
fn pair(port: u16, spec: &str) -> (Sidecar, Sidecar) {
    let port = port.to_string();
    let resources = with(MEMORY, spec);
    let callee = Sidecar::with(&resources, &["--app-id", "callee", "--app-port", &port]);
    let address = format!("callee={}", callee.text("internal"));
    let caller = Sidecar::with(&resources, &["--app-id", "caller", "--app-address", &address]);
    (caller, callee)
}

async fn call(sidecar: &Sidecar, method: &str, body: &str) -> Answer {
    let path = format!("/v1.0/invoke/callee/method/{method}");
    wire::call(&sidecar.http(), "POST", &path, &[], body).await
}

/// An app that fails so often before it answers: the path tells the status and how often.
pub(crate) async fn failing() -> App {
    let count = AtomicUsize::new(0);
    App::start(move |asked| {
        let mut parts = asked.path.trim_start_matches('/').split('/');
        // It subscribes to nothing.
        let Ok(status) = parts.next().unwrap().parse::<u16>() else {
            return (StatusCode::NOT_FOUND, String::new());
        };
        let often: usize = parts.next().unwrap().parse().unwrap();
        if count.fetch_add(1, Ordering::SeqCst) < often {
            return (StatusCode::from_u16(status).unwrap(), format!("failure {status}"));
        }
        count.store(0, Ordering::SeqCst);
        (StatusCode::OK, format!("got {}", asked.body.len()))
    })
    .await
}

const RETRY: &str = "{
    policies: {retries: {quick: {policy: constant, duration: 1ms, maxRetries: 3,
        matching: {httpStatusCodes: '503,429', gRPCStatusCodes: '14'}}}},
    targets: {apps: {callee: {retry: quick}}}}";

#[tokio::test]
async fn a_call_is_tried_again_as_its_policy_says() {
    let app = failing().await;
    let (caller, callee) = pair(app.port, RETRY);
    let body = "x".repeat(200_000);
    for sidecar in [&callee, &caller] {
        let before = app.asked("/503/2").len();
        let answer = call(sidecar, "503/2", &body).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"got 200000"[..]));
        let asked = &app.asked("/503/2")[before..];
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|asked| asked.body == body));
        // No more often than it says: the last answer is the answer.
        let answer = call(sidecar, "429/9", "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (429, &b"failure 429"[..]));
        let so_far = app.asked("/429/9").len();
        assert_eq!(so_far % 4, 0, "{so_far}");
        // The counter of the app goes on where it was.
        while call(sidecar, "500/0", "").await.status != StatusCode::OK {}
        // Not where it is not worth it.
        let before = app.asked("/500/1").len();
        assert_eq!(call(sidecar, "500/1", "").await.status.as_u16(), 500);
        assert_eq!(app.asked("/500/1").len(), before + 1);
        while call(sidecar, "500/0", "").await.status != StatusCode::OK {}
    }
}

/// However a call is made, and whether the app's namespace is said or not.
#[tokio::test]
async fn a_policy_is_of_the_app_whatever_its_id_says_of_its_namespace() {
    let app = failing().await;
    let (caller, callee) = pair(app.port, RETRY);
    for sidecar in [&callee, &caller] {
        let mut client = wire::grpc(&sidecar.grpc()).await;
        for id in ["callee", "callee.default"] {
            let path = format!("/v1.0/invoke/{id}/method/503/2");
            assert_eq!(sidecar.call("POST", &path, "").await.status, StatusCode::OK, "{id}");
            let request = invoke(id, "503/2", Verb::Post, "");
            client.invoke_service(request).await.unwrap_or_else(|status| panic!("{id}: {status}"));
        }
    }
    // Three tries for each of them.
    assert_eq!(app.asked("/503/2").len(), 24);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_sent_once() {
    let app = failing().await;
    let port = app.port.to_string();
    let sidecar = Sidecar::with(
        &with(MEMORY, RETRY),
        &["--app-id", "callee", "--app-port", &port, "--max-body-size", "1Ki"],
    );
    // Without an announced length it streams.
    let stream = tokio::net::TcpStream::connect(sidecar.text("http")).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (writer, body) = raw::written();
    writer.send(Frame::data(vec![b'x'; 5_000].into())).unwrap();
    drop(writer);
    let request = Request::post("/v1.0/invoke/callee/method/503/1").header("host", "x").body(body).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 503);
    let [asked] = &app.asked("/503/1")[..] else { panic!("one call") };
    assert_eq!(asked.body.len(), 5_000);
    let announced = call(&sidecar, "503/1", &"x".repeat(5_000)).await;
    announced.failed(413, "ERR_BODY_TOO_LARGE");
}

#[tokio::test]
async fn a_call_over_grpc_is_tried_again_too() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let app = Raw::start(move |request: Request<Incoming>| {
        let fails = counted.fetch_add(1, Ordering::SeqCst) < 2;
        async move {
            let code = if request.uri().path().ends_with("Unavailable") { "14" } else { "13" };
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let response = Response::builder().header("content-type", "application/grpc");
            if fails {
                return response.header("grpc-status", code).body(raw::full("")).unwrap();
            }
            let (writer, answer) = raw::written();
            writer.send(Frame::data(body)).unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            writer.send(Frame::trailers(trailers)).unwrap();
            response.body(answer).unwrap()
        }
    })
    .await;
    let port = app.port.to_string();
    let of_callee = ["--app-id", "callee", "--app-port", &port, "--app-protocol", "grpc"];
    let callee = Sidecar::with(&with(MEMORY, RETRY), &of_callee);
    let address = format!("callee={}", callee.text("internal"));
    let caller = Sidecar::with(&with(MEMORY, RETRY), &["--app-id", "caller", "--app-address", &address]);
    for sidecar in [&callee, &caller] {
        for (method, code, tries) in [("Unavailable", None, 3), ("Internal", Some(tonic::Code::Internal), 1)]
        {
            count.store(0, Ordering::SeqCst);
            let channel = tonic::transport::Endpoint::try_from(format!("http://{}", sidecar.text("grpc")));
            let mut client = tonic::client::Grpc::new(channel.unwrap().connect().await.unwrap());
            client.ready().await.unwrap();
            let mut request = tonic::Request::new("hello".to_owned());
            request.metadata_mut().insert("dapr-app-id", "callee".parse().unwrap());
            let codec = tonic_prost::ProstCodec::<String, String>::default();
            let answer = client.unary(request, format!("/test.T/{method}").parse().unwrap(), codec).await;
            assert_eq!(answer.as_ref().err().map(tonic::Status::code), code);
            if let Ok(answer) = answer {
                assert_eq!(answer.into_inner(), "hello");
            }
            assert_eq!(count.load(Ordering::SeqCst), tries, "{method}");
        }
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_ends() {
    // It never answers, and counts the calls that it sees and those that are given up.
    let (count, mut counted) = tokio::sync::watch::channel((0, 0));
    let app = Raw::start(move |_| {
        struct Gone(tokio::sync::watch::Sender<(i32, i32)>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.send_modify(|(_, gone)| *gone += 1);
            }
        }
        count.send_modify(|(seen, _)| *seen += 1);
        let gone = Gone(count.clone());
        async move {
            std::future::pending::<()>().await;
            drop(gone);
            Response::new(raw::full(""))
        }
    })
    .await;
    let spec = "{policies: {timeouts: {short: 50ms}}, targets: {apps: {callee: {timeout: short}}}}";
    let (caller, callee) = pair(app.port, spec);
    for sidecar in [&callee, &caller] {
        let before = counted.borrow().0;
        // One may be given up before the app sees it.
        while counted.borrow().0 == before {
            let message = call(sidecar, "x", "").await.failed(500, "ERR_DIRECT_INVOKE");
            assert_eq!(message, "failed to invoke, id: callee, err: context deadline exceeded");
        }
    }
    counted.wait_for(|(seen, gone)| seen == gone).await.unwrap();
}

#[tokio::test]
async fn a_method_that_fails_too_often_is_left_alone_for_a_while() {
    let app = failing().await;
    let spec = "{policies: {circuitBreakers: {
            strict: {maxRequests: 1, timeout: 1h, trip: consecutiveFailures >= 2}}},
        targets: {apps: {callee: {circuitBreaker: strict}}}}";
    let (caller, callee) = pair(app.port, spec);
    for sidecar in [&callee, &caller] {
        let asked = || app.asked("/503/2").len();
        let before = asked();
        for _ in 0..2 {
            assert_eq!(call(sidecar, "503/2", "").await.status.as_u16(), 503);
        }
        let message = call(sidecar, "503/2", "").await.failed(500, "ERR_DIRECT_INVOKE");
        assert_eq!(message, "failed to invoke, id: callee, err: circuit breaker is open");
        assert_eq!(asked(), before + 2);
        // Another method has a breaker of its own.
        assert_eq!(call(sidecar, "503/0", "").await.status, StatusCode::OK);
        assert_eq!(call(sidecar, "500/2", "").await.status.as_u16(), 500);
        assert_eq!(call(sidecar, "503/1", "").await.status, StatusCode::OK);
    }
    // It closes by itself.
    let (caller, callee) = pair(app.port, &spec.replace("1h", "100ms"));
    for sidecar in [&callee, &caller] {
        loop {
            match call(sidecar, "503/2", "").await.status.as_u16() {
                200 => break,
                500 | 503 => tokio::time::sleep(Duration::from_millis(10)).await,
                other => panic!("{other}"),
            }
        }
    }
}

#[tokio::test]
async fn default_policies_and_those_for_what_is_built_in_are_known_by_their_names() {
    let app = failing().await;
    let spec = "{policies: {retries: {
            DefaultRetryPolicy: {duration: 1ms, maxRetries: 1},
            DefaultAppRetryPolicy: {duration: 1ms, maxRetries: '2'},
            DaprBuiltInServiceRetries: {duration: 1ms, maxRetries: 5}}}}";
    let (caller, callee) = pair(app.port, spec);
    for sidecar in [&callee, &caller] {
        assert_eq!(call(sidecar, "503/2", "").await.status, StatusCode::OK);
    }
    let gone = callee.text("internal");
    drop(callee);
    let message = call(&caller, "x", "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.contains("failed to invoke target callee after 5 retries. Error: "), "{message} {gone}");
}

#[tokio::test]
async fn what_is_wrong_about_policies_is_told() {
    for (spec, expected) in [
        ("{policies: {timeouts: {a: soon}}}", "timeout a: \"soon\" is no length of time"),
        (
            "{policies: {retries: {a: {policy: often}}}}",
            "retry a: policy \"often\" is neither constant nor exponential",
        ),
        ("{policies: {retries: {a: {maxRetries: many}}}}", "retry a: \"many\" is no whole number"),
        (
            "{policies: {retries: {a: {matching: {httpStatusCodes: '5xx'}}}}}",
            "matching: \"5xx\" is no list of codes",
        ),
        ("{policies: {circuitBreakers: {a: {trip: 'failures >'}}}}", "circuitBreaker a: trip \"failures >\""),
        ("{targets: {apps: {a: {retry: b}}}}", "app a: there is no retry \"b\" among the policies"),
        (
            "{targets: {components: {a: {inbound: {timeout: b}}}}}",
            "component a.inbound: there is no timeout \"b\"",
        ),
    ] {
        let said = refused(&with(MEMORY, spec), &[]);
        assert!(said.contains(expected) && said.contains("components.yaml: resiliency r: "), "{said}");
    }
    // One for another app has no effect.
    let other = with(MEMORY, "{targets: {apps: {a: {retry: b}}}}")
        .replace("spec: {targets", "scopes: [other]\nspec: {targets");
    Sidecar::with(&other, &[]);
    let callee = Sidecar::with(MEMORY, &["--app-id", "callee"]);
    drop(caller_of(&callee, &[]));
}

#[tokio::test]
async fn calls_of_a_store_have_policies() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let spec = "{policies: {timeouts: {long: 1h},
            retries: {quick: {duration: 20ms, maxRetries: -1}},
            circuitBreakers: {strict: {timeout: 1h, trip: consecutiveFailures >= 1}}},
        targets: {components: {store: {outbound: {retry: quick}}}}}";
    let patient = Sidecar::with(&with(&redis(server.address()), spec), &[]);
    let strict =
        spec.replace("outbound: {retry: quick}", "outbound: {timeout: long, circuitBreaker: strict}");
    let strict = Sidecar::with(&with(&redis(server.address()), &strict), &[]);
    let save = r#"[{"key":"k","value":1}]"#;
    for sidecar in [&patient, &strict] {
        sidecar.call("POST", "/v1.0/state/store", save).await.is_empty();
    }
    // What is the caller's own affair opens no circuit.
    let wrong = r#"[{"key":"k","value":1,"etag":"77"}]"#;
    strict.call("POST", "/v1.0/state/store", wrong).await.failed(409, "ERR_STATE_SAVE");
    strict.call("POST", "/v1.0/state/store", save).await.is_empty();
    server.stop().unwrap();
    let at = patient.http();
    let waiting = tokio::spawn(async move { wire::call(&at, "GET", "/v1.0/state/store/k", &[], "").await });
    let message = strict.call("GET", "/v1.0/state/store/k", "").await.failed(500, "ERR_STATE_GET");
    assert!(message.starts_with("fail to get k from state store store: "), "{message}");
    let message = strict.call("GET", "/v1.0/state/store/k", "").await.failed(500, "ERR_STATE_GET");
    assert!(message.contains("circuit breaker is open"), "{message}");
    server.restart().unwrap();
    let answer = waiting.await.unwrap();
    assert!(matches!(answer.status.as_u16(), 200 | 204), "{answer:?}");
}

#[tokio::test]
async fn publishing_has_policies() {
    let Some(mut server) = RedisServer::start_or_skip().unwrap() else { return };
    let component = redis(server.address()).replace("state.redis", "pubsub.redis");
    let spec = "{policies: {circuitBreakers: {strict: {timeout: 1h, trip: consecutiveFailures >= 1}}},
        targets: {components: {store: {outbound: {circuitBreaker: strict}}}}}";
    let sidecar = Sidecar::with(&with(&component, spec), &[]);
    sidecar.call("POST", "/v1.0/publish/store/t", "1").await.is_empty();
    server.stop().unwrap();
    sidecar.call("POST", "/v1.0/publish/store/t", "1").await.failed(500, "ERR_PUBSUB_PUBLISH_MESSAGE");
    server.restart().unwrap();
    let message = sidecar.call("POST", "/v1.0/publish/store/t", "1").await;
    let message = message.failed(500, "ERR_PUBSUB_PUBLISH_MESSAGE");
    assert!(message.contains("circuit breaker is open"), "{message}");
}

#[tokio::test]
async fn deliveries_have_policies() {
    // It hears the first event and never answers.
    let (count, mut counted) = tokio::sync::watch::channel(0);
    let app = Raw::start(move |_| {
        count.send_modify(|count| *count += 1);
        let first = *count.borrow() == 1;
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Response::new(raw::full(""))
        }
    })
    .await;
    let subscription = "---\napiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\n\
                        spec: {topic: t, pubsubname: store, routes: {default: /events}}\n";
    let component = MEMORY.replace("state.in-memory", "pubsub.in-memory") + subscription;
    let spec = "{policies: {timeouts: {short: 100ms}, retries: {quick: {duration: 1ms}}},
        targets: {components: {store: {inbound: {timeout: short, retry: quick}}}}}";
    let port = app.port.to_string();
    let sidecar = Sidecar::with(&with(&component, spec), &["--app-port", &port]);
    while sidecar.call("GET", "/v1.0/metadata", "").await.json()["subscriptions"] == serde_json::json!([]) {}
    sidecar.call("POST", "/v1.0/publish/store/t", "1").await.is_empty();
    counted.wait_for(|count| *count >= 2).await.unwrap();
}
