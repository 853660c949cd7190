//! Service invocation under load, and when things break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pillion_capabilities::testing::Collector;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::app::App;
use crate::invoke_http::{pair, pair_with};
use crate::raw::{self, Raw};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

const CALL: &str = "/v1.0/invoke/callee/method/x";

#[tokio::test(flavor = "multi_thread")]
async fn an_overload_is_answered_at_once_and_over_when_it_is_over() {
    let served = Arc::new(AtomicUsize::new(0));
    let (counted, (go, going)) = (Arc::clone(&served), watch::channel(false));
    let app = Raw::start(move |_| {
        let (served, mut going) = (Arc::clone(&counted), going.clone());
        async move {
            let _ = going.wait_for(|go| *go).await;
            served.fetch_add(1, Ordering::SeqCst);
            Response::new(raw::full("here"))
        }
    })
    .await;
    let (caller, _callee) = pair_with(app.port, &["--app-max-concurrency", "4"], &[]);
    // All on one connection, so that they are there at once.
    let stream = TcpStream::connect(caller.text("http")).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let calls: Vec<_> = (0..900)
        .map(|_| {
            let mut sender = sender.clone();
            tokio::spawn(async move {
                let request = Request::get(format!("http://x{CALL}")).body(raw::full("")).unwrap();
                sender.send_request(request).await.unwrap().status().as_u16()
            })
        })
        .collect();
    // 4 are served and 64 wait; those that are refused are answered before any is served.
    let mut finished = 0;
    while finished < 900 - 68 {
        finished = calls.iter().filter(|call| call.is_finished()).count();
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!((finished, served.load(Ordering::SeqCst)), (900 - 68, 0));
    go.send_replace(true);
    let mut answers = std::collections::BTreeMap::new();
    for call in calls {
        *answers.entry(call.await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(answers, [(200, 68), (429, 900 - 68)].into());
    assert_eq!(served.load(Ordering::SeqCst), 68);
    assert_eq!(caller.call("GET", CALL, "").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_answered_when_a_sidecar_is_killed_under_load() {
    let app = App::start(|asked| (StatusCode::OK, asked.path.clone())).await;
    let (caller, callee) = pair(app.port);
    let (done, told) = watch::channel(false);
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let (at, told) = (caller.http(), told.clone());
            tokio::spawn(async move {
                let (mut fine, mut failed) = (0, 0);
                while !*told.borrow() {
                    let answer = wire::call(&at, "GET", CALL, &[], "").await;
                    match answer.status.as_u16() {
                        200 => {
                            assert_eq!(answer.body, "/x");
                            fine += 1;
                        }
                        500 => {
                            answer.failed(500, "ERR_DIRECT_INVOKE");
                            failed += 1;
                        }
                        other => panic!("{other}"),
                    }
                }
                (fine, failed)
            })
        })
        .collect();
    app.until_asked("/x", 200).await;
    callee.signal("KILL");
    // Those under way end; new ones are tried for three seconds and end too.
    let answer = wire::call(&caller.http(), "GET", CALL, &[], "").await;
    answer.failed(500, "ERR_DIRECT_INVOKE");
    done.send_replace(true);
    let mut fine = 0;
    for caller in callers {
        fine += caller.await.unwrap().0;
    }
    assert!(fine >= 200 - 16 && fine <= app.asked("/x").len(), "{fine}");
    caller.call("GET", "/v1.0/healthz", "").await.is_empty();
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes_streams_through_in_little_memory() {
    let app = Raw::start(|request: Request<Incoming>| async move {
        let (writer, body) = raw::written();
        let mut asked = request.into_body();
        let mut length = 0_usize;
        while let Some(frame) = asked.frame().await {
            length += frame.unwrap().into_data().map_or(0, |data| data.len());
        }
        writer.send(Frame::data(length.to_string().into())).unwrap();
        Response::new(body)
    })
    .await;
    let (caller, callee) = pair(app.port);
    let before = [&caller, &callee].map(Sidecar::resident);
    let stream = TcpStream::connect(caller.text("http")).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let chunk = bytes::Bytes::from(vec![7; 1 << 20]);
    let frames = (0..100).map(move |_| Ok::<_, std::convert::Infallible>(Frame::data(chunk.clone())));
    let body = http_body_util::StreamBody::new(tokio_stream::iter(frames));
    let request = Request::post(CALL).header("host", "x").body(body).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), (100_usize << 20).to_string());
    for (sidecar, before) in [&caller, &callee].into_iter().zip(before) {
        let more = sidecar.resident().saturating_sub(before);
        assert!(more < 32 << 20, "{more} bytes more");
    }
}

#[tokio::test]
async fn a_call_is_followed_through_both_sidecars_to_the_app() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let (collector, folder) = (Collector::start().unwrap(), TempDir::new().unwrap());
    let file = folder.path().join("config.yaml");
    let address = collector.url().replace("http://", "");
    let text = format!(
        "kind: Configuration\nspec: {{tracing: {{samplingRate: \"1\", otel: {{endpointAddress: \"{address}\", \
         isSecure: false, protocol: http}}}}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (caller, _callee) = pair_with(app.port, &["--config", file], &["--config", file]);
    let answer = wire::call(&caller.http(), "GET", CALL, &[("traceparent", PARENT)], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    let spans = collector.until(|spans| spans.len() >= 4).await.unwrap();
    let named = |name: &str, kind: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name && span.kind == kind).collect();
        let [one] = found[..] else { panic!("not one {name}: {spans:#?}") };
        one
    };
    let asked = named("/v1.0/invoke/callee", "SPAN_KIND_SERVER");
    let sent = named("CallLocal/callee/x", "SPAN_KIND_CLIENT");
    let taken = named("CallLocal/callee/x", "SPAN_KIND_SERVER");
    let called = named("CallApp/callee/x", "SPAN_KIND_CLIENT");
    assert_eq!(asked.parent, "b7ad6b7169203331");
    for (inner, outer) in [(sent, asked), (taken, sent), (called, taken)] {
        assert_eq!((&inner.trace, &inner.parent), (&outer.trace, &outer.span), "{spans:#?}");
    }
    let [asked] = &app.asked("/x")[..] else { panic!("one call") };
    let expected = format!("00-{}-{}-01", called.trace, called.span);
    assert_eq!(asked.header("traceparent"), Some(&*expected));
}

#[tokio::test]
async fn without_traces_their_headers_are_passed_on_as_they_came() {
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let (caller, _callee) = pair(app.port);
    let headers = [("traceparent", PARENT), ("tracestate", "a=b"), ("baggage", "c=d")];
    wire::call(&caller.http(), "GET", CALL, &headers, "").await;
    let [asked] = &app.asked("/x")[..] else { panic!("one call") };
    for (name, value) in headers {
        assert_eq!(asked.header(name), Some(value));
    }
}

#[tokio::test]
async fn it_serves_on_for_as_long_as_it_is_told_after_a_signal() {
    let well = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let told = Arc::clone(&well);
    let app = App::start(move |_| {
        let status = if told.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        (status, String::new())
    })
    .await;
    let arguments = [
        "--dapr-block-shutdown-duration=1h",
        "--enable-app-health-check",
        "--app-health-probe-interval=1",
        "--app-health-probe-timeout=600000",
        "--app-health-threshold=1",
    ];
    let (caller, mut callee) = pair_with(app.port, &arguments, &[]);
    while caller.call("GET", CALL, "").await.status != StatusCode::OK {}
    callee.signal("TERM");
    for _ in 0..20 {
        assert_eq!(caller.call("GET", CALL, "").await.status, StatusCode::OK);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    well.store(false, Ordering::SeqCst);
    assert!(callee.wait().await.success());
}

#[tokio::test]
async fn a_server_has_a_name_of_its_own() {
    let app = App::start(|asked| (StatusCode::OK, asked.path.clone())).await;
    let endpoint = format!(
        "{MEMORY}---\napiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {{name: shop.example}}\nspec: \
         {{version: v1alpha1, baseUrl: \"http://127.0.0.1:{}/base/\", headers: [{{name: X-Key, value: k}}]}}\n",
        app.port
    );
    let sidecar = Sidecar::with(&endpoint, &[]);
    let answer = wire::call(
        &sidecar.http(),
        "GET",
        "/v1.0/invoke/shop.example/method/a?x=1",
        &[("x-key", "mine")],
        "",
    )
    .await;
    assert_eq!(answer.body, "/base/a?x=1");
    assert_eq!(app.asked("/base/a")[0].header("x-key"), Some("k"));
    for (right, wrong, expected) in [
        ("http://127", "ftp://127", "component shop.example: baseUrl \"ftp://127"),
        ("value: k", "secretKeyRef: {name: s}", "header X-Key has no value of its own"),
        ("X-Key", "X Key", "header X Key has a name or a value that HTTP does not take"),
    ] {
        let said = crate::sidecar::refused(&endpoint.replace(right, wrong), &[]);
        assert!(said.contains(expected), "{said}");
    }
}

/// Bodies that nobody reads fill their own windows, and no others'.
#[tokio::test]
async fn who_does_not_read_holds_up_nobody_else() {
    let app = Raw::start(|request: Request<Incoming>| async move {
        match request.uri().path() {
            // More than all windows of a connection would be by default.
            "/endless" => {
                let frames = (0..64).map(|_| Ok(Frame::data(vec![7; 1 << 20].into())));
                Response::new(http_body_util::StreamBody::new(tokio_stream::iter(frames)).boxed_unsync())
            }
            "/deaf" => {
                std::future::pending::<()>().await;
                Response::new(raw::full(""))
            }
            _ => {
                let length = request.into_body().collect().await.unwrap().to_bytes().len();
                Response::new(raw::full(length.to_string()))
            }
        }
    })
    .await;
    for protocol in ["http", "h2c"] {
        let (caller, callee) = pair_with(app.port, &["--app-protocol", protocol], &[]);
        for sidecar in [&caller, &callee] {
            let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let mut unread = Vec::new();
            for _ in 0..12 {
                // Each on a connection of its own, so that this test's own windows are not what is full.
                let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                let request = Request::get("/v1.0/invoke/callee/method/endless").header("host", "x");
                unread
                    .push((sender.send_request(request.body(raw::full("")).unwrap()).await.unwrap(), sender));
            }
            let mut writers = Vec::new();
            for _ in 0..12 {
                let (writer, body) = raw::written();
                for _ in 0..16 {
                    writer.send(Frame::data(vec![7; 1 << 20].into())).unwrap();
                }
                writers.push(writer);
                let mut sender = sender.clone();
                let request = Request::post("http://x/v1.0/invoke/callee/method/deaf").body(body).unwrap();
                tokio::spawn(async move { sender.send_request(request).await });
            }
            // Long enough for what is sent to be where it stays.
            for _ in 0..20 {
                let mut sender = sender.clone();
                let request = Request::post("http://x/v1.0/invoke/callee/method/other");
                let request = request.body(raw::full(vec![7; 1 << 20])).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                let answer = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(answer, (1 << 20).to_string());
            }
        }
    }
}
