//! Service invocation over HTTP: of the own app, and of another by its sidecar.

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::app::App;
use crate::raw::{self, Raw};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire::{self, Answer};

/// A sidecar of the app `callee` on this port, and one of the app `caller` that knows it.
pub(crate) fn pair(port: u16) -> (Sidecar, Sidecar) {
    pair_with(port, &[], &[])
}

pub(crate) fn pair_with(port: u16, of_callee: &[&str], of_caller: &[&str]) -> (Sidecar, Sidecar) {
    let port = port.to_string();
    let callee = ["--app-id", "callee", "--app-port", &port].into_iter().chain(of_callee.iter().copied());
    let callee = Sidecar::with(MEMORY, &callee.collect::<Vec<_>>());
    let caller = caller_of(&callee, of_caller);
    (caller, callee)
}

/// A sidecar of the app `caller` that knows where that of `callee` is.
pub(crate) fn caller_of(callee: &Sidecar, arguments: &[&str]) -> Sidecar {
    let address = format!("callee={}", callee.text("internal"));
    let own = ["--app-id", "caller", "--app-address", &address];
    Sidecar::with(MEMORY, &own.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
}

async fn call(sidecar: &Sidecar, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    wire::call(&sidecar.http(), method, path, headers, body).await
}

async fn echo() -> App {
    App::start(|asked| match asked.path.as_str() {
        "/teapot" => (StatusCode::IM_A_TEAPOT, "short and stout".to_owned()),
        _ => (StatusCode::OK, format!("{} {}", asked.method, asked.path)),
    })
    .await
}

#[tokio::test]
async fn a_call_reaches_the_own_app_and_that_of_another_sidecar() {
    let app = echo().await;
    let (caller, callee) = pair(app.port);
    for (sidecar, id) in [(&callee, "callee"), (&caller, "callee"), (&caller, "callee.default")] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X-OWN"] {
            let path = format!("/v1.0/invoke/{id}/method/orders/7?a=1&b=%20");
            let answer = call(sidecar, method, &path, &[("x-mine", "yes")], "body").await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            assert_eq!(answer.body, format!("{method} /orders/7?a=1&b=%20"));
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        let answer = call(sidecar, "HEAD", &format!("/v1.0/invoke/{id}/method/x"), &[], "").await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        // What the app says is passed on, whatever it is.
        let answer = call(sidecar, "POST", &format!("/v1.0/invoke/{id}/method/teapot"), &[], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (418, &b"short and stout"[..]));
    }
    let asked = app.asked("/orders/7");
    assert_eq!(asked.len(), 21);
    for asked in asked {
        assert_eq!((asked.header("x-mine"), &asked.body[..]), (Some("yes"), &b"body"[..]));
        assert_eq!(asked.header("host"), Some(&*format!("127.0.0.1:{}", app.port)));
    }
}

#[tokio::test]
async fn an_app_is_named_by_a_header_or_a_user_too() {
    let app = echo().await;
    let (caller, _callee) = pair(app.port);
    let answer = call(&caller, "GET", "/orders/7?x", &[("dapr-app-id", "callee")], "").await;
    assert_eq!(answer.body, "GET /orders/7?x");
    // dapr-app-id:callee
    let login = [("authorization", "Basic ZGFwci1hcHAtaWQ6Y2FsbGVl")];
    assert_eq!(call(&caller, "GET", "/orders/8", &login, "").await.body, "GET /orders/8");
    // What the API has itself stays its own.
    let answer = call(&caller, "GET", "/v1.0/metadata", &[("dapr-app-id", "callee")], "").await;
    assert_eq!(answer.json()["id"], "caller");
    let message = "failed getting app id either from the URL path or the header dapr-app-id";
    for path in
        ["/orders/7", "/v1.0/invoke/callee", "/v1.0/invoke/callee/method", "/v1.0/invoke//method/x", "/"]
    {
        assert_eq!(call(&caller, "GET", path, &[], "").await.failed(404, "ERR_DIRECT_INVOKE"), message);
    }
}

#[tokio::test]
async fn small_calls_go_to_other_sidecars_by_http1_and_what_it_cannot_carry_by_http2() {
    const TOGETHER: usize = 80;
    let together = std::sync::Arc::new(tokio::sync::Barrier::new(TOGETHER));
    let other = Raw::start(move |request| {
        let together = std::sync::Arc::clone(&together);
        async move {
            if request.uri().path() == "/together" {
                together.wait().await;
            }
            let version = format!("{:?}", request.version());
            // An answer is the end of what is not read.
            let _ = request.into_body().collect().await;
            Response::new(raw::full(version))
        }
    })
    .await;
    let address = format!("callee=127.0.0.1:{}", other.port);
    let caller = Sidecar::with(MEMORY, &["--app-id", "caller", "--app-address", &address]);
    let (path, small) = ("/v1.0/invoke/callee/method/x", "x".repeat(64 << 10));
    for (headers, body, version) in [
        (&[][..], "", "HTTP/1.1"),
        (&[], &small[..], "HTTP/1.1"),
        (&[], &format!("{small}x")[..], "HTTP/2.0"),
        (&[("te", "trailers")], "", "HTTP/2.0"),
        (&[("te", "gzip")], "", "HTTP/1.1"),
    ] {
        let answer = call(&caller, "POST", path, headers, body).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, version.as_bytes()), "{headers:?}");
    }
    let calls = (0..TOGETHER).map(|_| call(&caller, "GET", "/v1.0/invoke/callee/method/together", &[], ""));
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    let by_http2 = answers.iter().filter(|answer| answer.body == "HTTP/2.0").count();
    // 64 connections, of which one may be that of a call before, on its way to its end; and some that were begun at the same
    // moment.
    assert!((1..=TOGETHER - 63).contains(&by_http2), "{by_http2}");
    assert_eq!(call(&caller, "GET", path, &[], "").await.body, "HTTP/1.1");
}

#[tokio::test]
async fn an_app_is_told_who_calls_and_whence() {
    let app = echo().await;
    let (caller, callee) = pair(app.port);
    let spoofed = [
        ("dapr-caller-app-id", "boss"),
        ("dapr-callee-app-id", "nobody"),
        ("dapr-caller-namespace", "secret"),
        ("x-forwarded-for", "1.2.3.4"),
        ("sec-pillion-call", "x"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
    ];
    for (sidecar, id, forwarded) in [(&caller, "caller", 2), (&callee, "callee", 1)] {
        let path = format!("/v1.0/invoke/callee/method/from/{id}");
        assert_eq!(call(sidecar, "GET", &path, &spoofed, "").await.status, StatusCode::OK);
        let [asked] = &app.asked(&format!("/from/{id}"))[..] else { panic!("one call") };
        assert_eq!(asked.header("dapr-caller-app-id"), Some(id));
        assert_eq!(asked.header("dapr-callee-app-id"), Some("callee"));
        assert_eq!(asked.header("dapr-caller-namespace"), Some("default"));
        let all = |name| asked.headers.get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(all("dapr-caller-app-id").len(), 1);
        assert_eq!(all("x-forwarded-for").len(), forwarded);
        assert_eq!(all("forwarded").len(), forwarded - 1);
        for gone in ["sec-pillion-call", "x-hop", "keep-alive", "connection", "dapr-api-token"] {
            assert!(!asked.headers.contains_key(gone), "{gone}");
        }
        assert_eq!(asked.header("te"), Some("trailers"));
    }
}

#[tokio::test]
async fn the_app_gets_its_own_token_and_not_the_sidecars() {
    let app = echo().await;
    let port = app.port.to_string();
    let environment = [("DAPR_API_TOKEN", "ours"), ("APP_API_TOKEN", "theirs")];
    let arguments = ["--app-id", "callee", "--app-port", &port];
    let callee = Sidecar::with_environment(MEMORY, &arguments, &environment);
    let caller = caller_of(&callee, &[]);
    let path = "/v1.0/invoke/callee/method/x";
    let answer = call(&callee, "GET", path, &[("dapr-api-token", "wrong")], "").await;
    assert_eq!((answer.status.as_u16(), app.calls().len()), (401, 0));
    for (sidecar, token) in [(&callee, "ours"), (&caller, "whatever")] {
        assert_eq!(call(sidecar, "GET", path, &[("dapr-api-token", token)], "").await.status, StatusCode::OK);
    }
    let tokens: Vec<_> =
        app.asked("/x").iter().map(|it| it.header("dapr-api-token").map(str::to_owned)).collect();
    assert_eq!(tokens, [Some("theirs".to_owned()), Some("theirs".to_owned())]);
}

#[tokio::test]
async fn a_path_leads_to_the_app_it_names_and_nowhere_else() {
    let app = echo().await;
    let (caller, callee) = pair(app.port);
    for (path, expected) in [
        ("/v1.0/invoke/callee/method/../../../state/store/k", "/state/store/k"),
        ("/v1.0/invoke/callee/method/a/%2e%2e/%2E./b", "/b"),
        ("/v1.0/invoke/callee/method/a%2F..%2Fb", "/a%2F..%2Fb"),
        ("/v1.0/invoke/callee/method//evil.example/x", "/evil.example/x"),
        ("/v1.0/invoke/callee/method///evil.example/x", "//evil.example/x"),
        ("/v1.0/invoke/callee/method/http://evil.example/x", "/http://evil.example/x"),
        ("//v1.0//invoke//callee/method/x", "/x"),
        ("/v1.0/invoke/callee/method/v1.0/shutdown", "/v1.0/shutdown"),
    ] {
        for sidecar in [&caller, &callee] {
            assert_eq!(call(sidecar, "PUT", path, &[], "").await.body, format!("PUT {expected}"), "{path}");
        }
    }
    let before = app.calls().len();
    for path in [
        "/v1.0/invoke/../invoke/callee/method/x",
        "/v1.0/invoke/callee/../caller/method/x",
        "/v1.0/./invoke/callee/method/x",
        "/v1.0/invoke/callee%2Fmethod%2Fx/method/y",
        "/v1.0/invoke/%2e%2e/method/y",
        "/v1.0/invoke/callee%00/method/y",
        "/v1.0/invoke/callee:1/method/y",
        "/v1.0/invoke/callee@evil/method/y",
    ] {
        let answer = call(&caller, "GET", path, &[], "").await;
        assert!(matches!(answer.status.as_u16(), 404 | 500), "{path}: {answer:?}");
        assert_eq!(answer.json()["errorCode"], "ERR_DIRECT_INVOKE");
    }
    assert_eq!(app.calls().len(), before);
    assert_eq!(caller.reached(None).await, 0);
}

#[tokio::test]
async fn what_keeps_an_app_from_answering_is_told() {
    let (caller, callee) = pair(1);
    let message =
        call(&caller, "GET", "/v1.0/invoke/callee/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    let start =
        "failed to invoke, id: callee, err: rpc error: code = Internal desc = error invoking app channel: ";
    assert!(message.starts_with(start) && message.contains("127.0.0.1:1"), "{message}");
    let message =
        call(&callee, "GET", "/v1.0/invoke/callee/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.starts_with("failed to invoke, id: callee, err: the app at 127.0.0.1:1 "), "{message}");
    let message =
        call(&caller, "GET", "/v1.0/invoke/nobody/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(
        message.starts_with("failed to invoke, id: nobody, err: couldn't find service: nobody"),
        "{message}"
    );
    assert!(message.contains("--app-address nobody=HOST:PORT"), "{message}");
    let message =
        call(&caller, "GET", "/v1.0/invoke/caller/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.contains("cannot invoke local endpoint: app channel not initialized"), "{message}");
    let message =
        call(&caller, "GET", "/v1.0/invoke/a.b.c/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert_eq!(message, "failed to invoke, id: a.b.c, err: invalid app id a.b.c");
    // A sidecar without an app, and one of another app.
    let alone = Sidecar::with(MEMORY, &["--app-id", "alone"]);
    let addresses = ["callee", "alone"].map(|id| format!("{id}={}", alone.text("internal")));
    let arguments = ["--app-id", "caller", "--app-address", &addresses[0], "--app-address", &addresses[1]];
    let caller = Sidecar::with(MEMORY, &arguments);
    let message =
        call(&caller, "GET", "/v1.0/invoke/alone/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.ends_with("code = Internal desc = app channel is not initialized"), "{message}");
    let message =
        call(&caller, "GET", "/v1.0/invoke/callee/method/x", &[], "").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.contains("this is the sidecar of app alone"), "{message}");
}

#[tokio::test]
async fn bodies_stream_both_ways_with_trailers() {
    // Answers each piece as it comes, before the request is over.
    let app = Raw::start(|request: Request<hyper::body::Incoming>| async move {
        let (writer, body) = raw::written();
        tokio::spawn(async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                match frame.unwrap().into_data() {
                    Ok(data) => writer.send(Frame::data(data)).unwrap(),
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap();
                        trailers.insert("x-answered", HeaderValue::from_static("yes"));
                        writer.send(Frame::trailers(trailers)).unwrap();
                    }
                }
            }
        });
        Response::builder().header("trailer", "x-sum, x-answered").body(body).unwrap()
    })
    .await;
    for protocol in ["http", "h2c"] {
        let (caller, callee) = pair_with(app.port, &["--app-protocol", protocol], &[]);
        for sidecar in [&caller, &callee] {
            for http2 in [false, true] {
                let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
                let (writer, body) = raw::written();
                let request = Request::post("http://localhost/v1.0/invoke/callee/method/x");
                let request = request.header("trailer", "x-sum").header("te", "trailers").body(body).unwrap();
                let io = TokioIo::new(stream);
                let sending = if http2 {
                    let (mut sender, connection) =
                        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
                    tokio::spawn(connection);
                    tokio::spawn(async move { sender.send_request(request).await.unwrap() })
                } else {
                    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
                    tokio::spawn(connection);
                    tokio::spawn(async move { sender.send_request(request).await.unwrap() })
                };
                writer.send(Frame::data("one".into())).unwrap();
                let mut answer = sending.await.unwrap().into_body();
                assert_eq!(raw::next(&mut answer).await.as_deref(), Some(&b"one"[..]));
                writer.send(Frame::data("two".into())).unwrap();
                assert_eq!(raw::next(&mut answer).await.as_deref(), Some(&b"two"[..]));
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", HeaderValue::from_static("6"));
                writer.send(Frame::trailers(trailers)).unwrap();
                drop(writer);
                let rest = answer.collect().await.unwrap();
                let trailers = rest.trailers().expect("trailers");
                assert_eq!(trailers.get("x-sum").unwrap(), "6", "{protocol} {http2}");
                assert_eq!(trailers.get("x-answered").unwrap(), "yes");
            }
        }
    }
}
