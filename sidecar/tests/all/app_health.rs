//! The app channel: health, how many at a time, and what it speaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use dapr::dapr::proto::runtime::v1::GetMetadataRequest;
use http::{Request, Response, StatusCode};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use tokio::sync::watch;

use crate::app::App;
use crate::invoke_http::{caller_of, pair_with};
use crate::raw::{self, Raw};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire::{self, Answer};

const CALL: &str = "/v1.0/invoke/callee/method/x";
const PROBED: [&str; 5] = [
    "--enable-app-health-check",
    "--app-health-check-path=/well",
    "--app-health-probe-interval=1",
    // An app that is slow is not sick: it says what it is.
    "--app-health-probe-timeout=600000",
    "--app-health-threshold=1",
];

async fn get(sidecar: &Sidecar, path: &str) -> Answer {
    wire::call(&sidecar.http(), "GET", path, &[], "").await
}

/// Asks until the answer is so.
async fn until(sidecar: &Sidecar, path: &str, status: u16) -> Answer {
    loop {
        let answer = get(sidecar, path).await;
        if answer.status.as_u16() == status {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_app_that_is_not_healthy_is_not_called() {
    let well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&well);
    let app = App::start(move |asked| match asked.path.as_str() {
        "/well" if !told.load(Ordering::Relaxed) => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        _ => (StatusCode::OK, "here".to_owned()),
    })
    .await;
    let (caller, callee) = pair_with(app.port, &PROBED, &[]);
    app.until_asked("/well", 1).await;
    let message = get(&callee, CALL).await.failed(500, "ERR_DIRECT_INVOKE");
    assert_eq!(message, "failed to invoke, id: callee, err: app is not in a healthy state");
    let message = get(&caller, CALL).await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.ends_with("code = Internal desc = app is not in a healthy state"), "{message}");
    assert!(app.asked("/x").is_empty());
    for healthy in [true, false, true] {
        well.store(healthy, Ordering::Relaxed);
        let status = if healthy { 200 } else { 500 };
        until(&callee, CALL, status).await;
        until(&caller, CALL, status).await;
    }
}

#[tokio::test]
async fn an_app_that_speaks_grpc_is_asked_by_its_callback() {
    let well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&well);
    let app = Raw::start(move |request: Request<Incoming>| {
        let well = told.load(Ordering::Relaxed);
        async move {
            let methods = [
                "AppCallbackHealthCheck/HealthCheck",
                "AppCallback/OnInvoke",
                "ListTopicSubscriptions",
                "ListInputBindings",
            ];
            assert!(methods.iter().any(|method| request.uri().path().ends_with(method)));
            let (writer, body) = raw::written();
            writer.send(Frame::data(vec![0; 5].into())).unwrap();
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", if well { "0" } else { "14" }.parse().unwrap());
            writer.send(Frame::trailers(trailers)).unwrap();
            Response::builder().header("content-type", "application/grpc").body(body).unwrap()
        }
    })
    .await;
    let port = app.port.to_string();
    let arguments = ["--app-id", "callee", "--app-port", &port, "--app-protocol", "grpc"];
    let arguments: Vec<_> = arguments.into_iter().chain(PROBED).collect();
    let sidecar = Sidecar::with(MEMORY, &arguments);
    let message = get(&sidecar, CALL).await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(message.ends_with("app is not in a healthy state"), "{message}");
    let metadata = get(&sidecar, "/v1.0/metadata").await.json();
    assert_eq!(metadata["appConnectionProperties"]["health"]["healthCheckPath"], json!(null));
    well.store(true, Ordering::Relaxed);
    loop {
        let message = get(&sidecar, CALL).await;
        if !message.body.ends_with(b"app is not in a healthy state\"}") {
            // The callback for calls is answered as that for health is, with a message that says nothing.
            assert_eq!(message.status, StatusCode::OK, "{message:?}");
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn metadata_tells_how_the_app_is_reached() {
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let (_caller, callee) =
        pair_with(app.port, &[&PROBED[..], &["--app-max-concurrency", "7"]].concat(), &[]);
    let expected = json!({
        "port": app.port, "protocol": "http", "channelAddress": "127.0.0.1", "maxConcurrency": 7,
        "health": {
            "healthCheckPath": "/well", "healthProbeInterval": "1s", "healthProbeTimeout": "10m0s",
            "healthThreshold": 1,
        },
    });
    assert_eq!(get(&callee, "/v1.0/metadata").await.json()["appConnectionProperties"], expected);
    let metadata = wire::grpc(&callee.grpc()).await.get_metadata(GetMetadataRequest {}).await.unwrap();
    let properties = metadata.into_inner().app_connection_properties.unwrap();
    assert_eq!((properties.port, properties.max_concurrency), (app.port.into(), 7));
    assert_eq!((&*properties.protocol, &*properties.channel_address), ("http", "127.0.0.1"));
    let health = properties.health.unwrap();
    assert_eq!((&*health.health_check_path, health.health_threshold), ("/well", 1));
    assert_eq!((&*health.health_probe_interval, &*health.health_probe_timeout), ("1s", "10m0s"));
}

/// An app whose answers end when it is told, and how many requests were with it at once.
async fn slow() -> (Raw, watch::Sender<bool>, Arc<AtomicUsize>, watch::Receiver<usize>) {
    let (go, going) = watch::channel(false);
    let most = Arc::new(AtomicUsize::new(0));
    let (count, counted) = watch::channel(0_usize);
    let (now, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most));
    let count = Arc::new(count);
    let app = Raw::start(move |request: Request<Incoming>| {
        // What it subscribes to is asked of it as well.
        let asked = request.uri().path().starts_with("/dapr/");
        let (mut going, now, most) = (going.clone(), Arc::clone(&now), Arc::clone(&seen));
        let count = Arc::clone(&count);
        async move {
            if asked {
                return Response::builder().status(404).body(raw::full("")).unwrap();
            }
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            count.send_modify(|count| *count += 1);
            let (writer, body) = raw::written();
            writer.send(Frame::data("begun".into())).unwrap();
            // The head is answered at once; the turn is over with the body.
            tokio::spawn(async move {
                let _ = going.wait_for(|go| *go).await;
                now.fetch_sub(1, Ordering::SeqCst);
                drop(writer);
            });
            Response::new(body)
        }
    })
    .await;
    (app, go, most, counted)
}

#[tokio::test]
async fn so_many_requests_are_with_the_app_as_it_wants_and_the_rest_is_refused_at_once() {
    let (app, go, most, mut counted) = slow().await;
    let (caller, callee) = pair_with(app.port, &["--app-max-concurrency", "2"], &[]);
    // Two are served and 64 wait: of 70 calls, by either way, four are answered before the app lets any go.
    let mut begun = tokio::task::JoinSet::new();
    for index in 0..70 {
        let at = if index % 2 == 0 { caller.http() } else { callee.http() };
        begun.spawn(async move { wire::call(&at, "GET", CALL, &[], "").await });
    }
    counted.wait_for(|count| *count == 2).await.unwrap();
    for _ in 0..3 {
        begun.join_next().await.unwrap().unwrap().failed(429, "ERR_DIRECT_INVOKE");
    }
    let refused = begun.join_next().await.unwrap().unwrap();
    let message = refused.failed(429, "ERR_DIRECT_INVOKE");
    assert!(message.contains("the app serves 2 requests at a time (--app-max-concurrency)"), "{message}");
    get(&caller, CALL).await.failed(429, "ERR_DIRECT_INVOKE");
    assert_eq!(*counted.borrow(), 2);
    go.send_replace(true);
    while let Some(answer) = begun.join_next().await {
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"begun"[..]));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(get(&caller, CALL).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_turn_back() {
    let (app, go, _, mut counted) = slow().await;
    let (caller, callee) = pair_with(app.port, &["--app-max-concurrency", "1"], &[]);
    for (sidecar, count) in [(&caller, 1), (&callee, 2), (&caller, 3)] {
        let at = sidecar.http();
        let call = tokio::spawn(async move { wire::call(&at, "GET", CALL, &[], "").await });
        counted.wait_for(|counted| *counted == count).await.unwrap();
        // The connection goes with its task.
        call.abort();
        let _ = call.await;
    }
    go.send_replace(true);
    assert_eq!(get(&caller, CALL).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_under_way_are_finished_when_either_sidecar_stops() {
    let (app, go, _, mut counted) = slow().await;
    let patient = ["--dapr-graceful-shutdown-seconds", "60"];
    let (mut caller, mut callee) = pair_with(app.port, &patient, &patient);
    let at = caller.http();
    let call = tokio::spawn(async move { wire::call(&at, "GET", CALL, &[], "").await });
    counted.wait_for(|counted| *counted == 1).await.unwrap();
    callee.signal("TERM");
    caller.signal("TERM");
    let refusing = || async { tokio::net::TcpStream::connect(caller.text("http")).await.is_err() };
    while !refusing().await {
        tokio::task::yield_now().await;
    }
    go.send_replace(true);
    assert_eq!(call.await.unwrap().body, "begun");
    assert!(callee.wait().await.success() && caller.wait().await.success());
}

#[tokio::test]
async fn a_sidecar_that_comes_back_is_called_again() {
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let port = app.port.to_string();
    let of_callee = ["--app-id", "callee", "--app-port", &port];
    let callee = Sidecar::with(MEMORY, &of_callee);
    let internal = callee.text("internal");
    let internal_port = internal.rsplit_once(':').unwrap().1.to_owned();
    let caller = caller_of(&callee, &[]);
    assert_eq!(get(&caller, CALL).await.status, StatusCode::OK);
    drop(callee);
    let at = caller.http();
    // Nothing is there; the call is tried again for some seconds.
    let call = tokio::spawn(async move { wire::call(&at, "GET", CALL, &[], "").await });
    let again: Vec<_> = of_callee.into_iter().chain(["--dapr-internal-grpc-port", &internal_port]).collect();
    let _callee = Sidecar::with(MEMORY, &again);
    assert_eq!(call.await.unwrap().status, StatusCode::OK);
    assert_eq!(app.asked("/x").len(), 2);
}
