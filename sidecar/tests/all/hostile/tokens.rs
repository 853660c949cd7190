//! Whoever has no token, or a wrong one, on every route of every protocol: neither a provider nor the app is reached.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::raw::others_are_served;
use crate::clients::Stage;
use crate::openapi::operations;
use crate::wire;

const TOKENS: [Option<&str>; 5] = [None, Some(""), Some("wrong"), Some("secre"), Some("secret2")];

/// Every method of Dapr's service in the subset, and of services that are passed on or not there.
const METHODS: [&str; 30] = [
    "GetState",
    "GetBulkState",
    "SaveState",
    "DeleteState",
    "DeleteBulkState",
    "ExecuteStateTransaction",
    "QueryStateAlpha1",
    "PublishEvent",
    "BulkPublishEvent",
    "BulkPublishEventAlpha1",
    "SubscribeTopicEventsAlpha1",
    "InvokeService",
    "InvokeBinding",
    "GetSecret",
    "GetBulkSecret",
    "GetConfiguration",
    "GetConfigurationAlpha1",
    "SubscribeConfiguration",
    "SubscribeConfigurationAlpha1",
    "UnsubscribeConfiguration",
    "UnsubscribeConfigurationAlpha1",
    "TryLockAlpha1",
    "UnlockAlpha1",
    "GetMetadata",
    "SetMetadata",
    "Shutdown",
    "InvokeActor",
    "ScheduleJob",
    "StartWorkflowBeta1",
    "NoSuchMethod",
];

/// What the app was asked, but for what the sidecar asks itself.
fn asked(stage: &Stage) -> Vec<String> {
    let paths = stage.app().asked("/").into_iter().map(|asked| asked.path);
    paths.filter(|path| !path.starts_with("/dapr/")).collect()
}

#[tokio::test]
async fn without_the_token_nothing_is_reached_over_http() {
    let Some(stage) = Stage::whole(&[], "secret").await else { return };
    let sidecar = &stage.sidecar;
    let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    let (h2c, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut operations = operations();
    // Not among the described: any other path is an app's that the header names.
    operations.push(("POST".to_owned(), "/anything".to_owned()));
    for (method, path) in operations {
        let health = path.starts_with("/v1.0/healthz");
        for token in TOKENS {
            let mut headers = vec![("dapr-app-id", "app"), ("content-type", "application/json")];
            headers.extend(token.map(|token| ("dapr-api-token", token)));
            let body = if method == "GET" || method == "HEAD" { "" } else { r#"[{"key":"k","value":1}]"# };
            let mut statuses = Vec::new();
            for at in [sidecar.http(), sidecar.http_socket()] {
                statuses.push(wire::call(&at, &method, &path, &headers, body).await.status.as_u16());
            }
            let mut request = Request::builder().method(&*method).uri(format!("http://x{path}"));
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Full::<Bytes>::from(body)).unwrap();
            statuses.push(h2c.clone().send_request(request).await.unwrap().status().as_u16());
            assert_eq!(statuses, [if health { 204 } else { 401 }; 3], "{method} {path} {token:?}");
        }
    }
    assert_eq!(sidecar.reached(None).await, 0);
    assert_eq!(asked(&stage), Vec::<String>::new());
    let right = [("dapr-api-token", "secret")];
    let answer = wire::call(&sidecar.http(), "GET", "/v1.0/state/store/k", &right, "").await;
    assert_eq!((answer.status.as_u16(), sidecar.reached(None).await), (204, 1));
}

#[tokio::test]
async fn without_the_token_nothing_is_reached_over_grpc() {
    let Some(stage) = Stage::whole(&[], "secret").await else { return };
    let sidecar = &stage.sidecar;
    let stream = TcpStream::connect(sidecar.text("grpc")).await.unwrap();
    let (tcp, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let stream = tokio::net::UnixStream::connect(sidecar.text("grpc_socket")).await.unwrap();
    let (unix, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let dapr = METHODS.map(|method| format!("/dapr.proto.runtime.v1.Dapr/{method}"));
    for path in dapr.iter().map(String::as_str).chain([
        "/other.Service/Method",
        "/",
        "/grpc.reflection.v1.ServerReflection/X",
    ]) {
        for token in TOKENS {
            for sender in [&tcp, &unix] {
                let mut request =
                    Request::post(format!("http://x{path}")).header("content-type", "application/grpc");
                request = request.header("dapr-app-id", "app");
                if let Some(token) = token {
                    request = request.header("dapr-api-token", token);
                }
                let message = b"\0\0\0\0\x0a\x0a\x05store\x12\x01k";
                let request = request.body(Full::<Bytes>::from(&message[..])).unwrap();
                let response = sender.clone().send_request(request).await.unwrap();
                assert_eq!(response.headers()["grpc-status"], "16", "{path} {token:?}");
                response.into_body().collect().await.unwrap();
            }
        }
    }
    assert_eq!(sidecar.reached(None).await, 0);
    assert_eq!(asked(&stage), Vec::<String>::new());
}

/// What a client says of who it is, is not what the app hears.
#[tokio::test]
async fn nobody_passes_for_another_app() {
    let Some(stage) = Stage::whole(&[], "").await else { return };
    let spoofed =
        [("dapr-caller-app-id", "boss"), ("dapr-caller-namespace", "palace"), ("dapr-callee-app-id", "boss")];
    let answer = wire::call(&stage.sidecar.http(), "GET", "/v1.0/invoke/app/method/who", &spoofed, "").await;
    assert_eq!(answer.status.as_u16(), 200);
    let asked = stage.app().until_asked("/who", 1).await;
    let all = |name: &str| {
        asked[0].headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((all("dapr-caller-app-id"), all("dapr-callee-app-id")), (vec!["app"], vec!["app"]));
    assert_eq!(all("dapr-caller-namespace"), ["default"]);
    // Nor does a key lead to another app's.
    for key in ["boss%7C%7Ckey", "boss||key", "%7C%7C"] {
        let answer =
            stage.sidecar.call("GET", &format!("/v1.0/state/store/{}", key.replace('|', "%7C")), "").await;
        answer.failed(400, "ERR_MALFORMED_REQUEST");
    }
    others_are_served(&stage.sidecar).await;
}
