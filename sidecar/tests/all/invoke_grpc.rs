//! Service invocation over gRPC: calls of any kind passed on, and Dapr's deprecated `InvokeService`.

use std::convert::Infallible;

use dapr::dapr::proto::common::v1::http_extension::Verb;
use dapr::dapr::proto::common::v1::{HttpExtension, InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1::InvokeServiceRequest;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use crate::app::App;
use crate::callbacks::Callbacks;
use crate::invoke_http::{pair, pair_with};
use crate::raw::{self, Raw};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Word {
    #[prost(string, tag = "1")]
    text: String,
}

pub(crate) fn word(text: &str) -> Word {
    Word { text: text.to_owned() }
}

/// An app that speaks gRPC without knowing a message: whatever comes goes back, and the trailers tell a status. Metadata
/// that came is told as `asked-…`.
async fn echo() -> Raw {
    Raw::start(|request: Request<Incoming>| async move {
        let (head, mut body) = request.into_parts();
        let (writer, answer) = raw::written();
        let status = if head.uri.path().ends_with("Fail") { "9" } else { "0" };
        tokio::spawn(async move {
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    // The caller may be gone.
                    let _ = writer.send(Frame::data(data));
                }
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(status));
            trailers.insert("grpc-message", HeaderValue::from_static("not%20now"));
            trailers.insert("x-trailer", HeaderValue::from_static("last"));
            let _ = writer.send(Frame::trailers(trailers));
        });
        let mut response = Response::builder().header("content-type", "application/grpc");
        for (name, value) in &head.headers {
            response = response.header(format!("asked-{name}"), value.clone());
        }
        response.header("asked-path", head.uri.path()).body(answer).unwrap()
    })
    .await
}

pub(crate) async fn channel(sidecar: &Sidecar) -> tonic::client::Grpc<Channel> {
    let endpoint = Endpoint::try_from(format!("http://{}", sidecar.text("grpc"))).unwrap();
    let mut client = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    client.ready().await.unwrap();
    client
}

/// Calls a method of the service `test.Echo` with one word.
pub(crate) async fn unary(
    client: &mut tonic::client::Grpc<Channel>,
    request: tonic::Request<Word>,
    method: &str,
) -> Result<tonic::Response<Word>, Status> {
    client.ready().await.unwrap();
    client.unary(request, format!("/test.Echo/{method}").parse().unwrap(), codec()).await
}

fn codec() -> ProstCodec<Word, Word> {
    ProstCodec::default()
}

pub(crate) fn to_callee<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("dapr-app-id", MetadataValue::from_static("callee"));
    metadata.insert("x-mine", MetadataValue::from_static("yes"));
    metadata.insert("dapr-caller-app-id", MetadataValue::from_static("boss"));
    metadata.insert_bin("x-mine-bin", MetadataValue::from_bytes(b"\x00\xff"));
    request
}

#[tokio::test]
async fn calls_of_any_kind_are_passed_on_as_they_are() {
    let app = echo().await;
    let (caller, callee) = pair_with(app.port, &["--app-protocol", "grpc"], &[]);
    for (sidecar, id) in [(&caller, "caller"), (&callee, "callee")] {
        let mut client = channel(sidecar).await;
        let answer = unary(&mut client, to_callee(word("one")), "Unary").await.unwrap();
        assert_eq!(answer.get_ref(), &word("one"));
        let told = |name: &str| answer.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told("asked-path").as_deref(), Some("/test.Echo/Unary"));
        assert_eq!(told("asked-x-mine").as_deref(), Some("yes"));
        assert_eq!(told("asked-dapr-caller-app-id").as_deref(), Some(id));
        assert_eq!(told("asked-dapr-callee-app-id").as_deref(), Some("callee"));
        assert_eq!(told("asked-te").as_deref(), Some("trailers"));
        assert!(answer.metadata().get_bin("asked-x-mine-bin").is_some());
        // A status of the app's.
        let status = unary(&mut client, to_callee(word("one")), "Fail").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "not now"));
        // Both ways at once.
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let request = to_callee(UnboundedReceiverStream::new(receiver));
        let calling = tokio::spawn(async move {
            client.ready().await.unwrap();
            let path = "/test.Echo/Both".parse().unwrap();
            client.streaming(request, path, codec()).await.unwrap()
        });
        sender.send(word("one")).unwrap();
        let mut answer = calling.await.unwrap().into_inner();
        for text in ["one", "two", "three"] {
            assert_eq!(answer.next().await.unwrap().unwrap(), word(text));
            let _ = sender.send(word(if text == "one" { "two" } else { "three" }));
        }
        drop(sender);
        while answer.next().await.is_some() {}
        assert_eq!(answer.trailers().await.unwrap().unwrap().get("x-trailer").unwrap(), "last");
    }
}

#[tokio::test]
async fn a_call_for_nobody_or_for_an_app_that_is_not_there_fails_clearly() {
    let (caller, callee) = pair_with(1, &["--app-protocol", "grpc"], &[]);
    let mut client = channel(&caller).await;
    let status = unary(&mut client, tonic::Request::new(word("x")), "Unary").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("dapr-app-id"), "{status}");
    let status = unary(&mut client, to_callee(word("x")), "Unary").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("error invoking app channel: the app at 127.0.0.1:1"), "{status}");
    let mut request = to_callee(word("x"));
    request.metadata_mut().insert("dapr-app-id", MetadataValue::from_static("nobody"));
    let status = unary(&mut client, request, "Unary").await.unwrap_err();
    assert!(status.message().contains("couldn't find service: nobody"), "{status}");
    let mut client = channel(&callee).await;
    let status = unary(&mut client, to_callee(word("x")), "Unary").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    // An app that speaks HTTP is not called over gRPC.
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let (caller, _callee) = pair(app.port);
    let status = unary(&mut channel(&caller).await, to_callee(word("x")), "Unary").await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("--app-protocol grpc"), "{status}");
    assert!(app.calls().is_empty());
}

pub(crate) fn invoke(id: &str, method: &str, verb: Verb, query: &str) -> InvokeServiceRequest {
    InvokeServiceRequest {
        id: id.to_owned(),
        message: Some(InvokeRequest {
            method: method.to_owned(),
            data: Some(prost_types::Any { type_url: String::new(), value: b"[1]".to_vec() }),
            content_type: "application/json".to_owned(),
            http_extension: Some(HttpExtension { verb: verb as i32, querystring: query.to_owned() }),
        }),
    }
}

#[tokio::test]
async fn invoke_service_reaches_apps_that_speak_http() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/lost" => (StatusCode::NOT_FOUND, "no such thing".to_owned()),
        _ => (StatusCode::CREATED, format!("{} {}", asked.method, asked.path)),
    })
    .await;
    let (caller, callee) = pair(app.port);
    for (sidecar, id) in [(&caller, "caller"), (&callee, "callee")] {
        let mut client = wire::grpc(&sidecar.grpc()).await;
        let mut request = tonic::Request::new(invoke("callee", "a/b", Verb::Put, "x=1"));
        request.metadata_mut().insert("x-mine", MetadataValue::from_static("yes"));
        request.metadata_mut().insert("dapr-caller-app-id", MetadataValue::from_static("boss"));
        let answer = client.invoke_service(request).await.unwrap();
        assert_eq!(answer.metadata().get("dapr-http-status").unwrap(), "201");
        let message = answer.into_inner();
        assert_eq!(message.data.unwrap().value, b"PUT /a/b?x=1");
        assert_eq!(message.content_type, "application/json");
        let asked = app.asked("/a/b").pop().unwrap();
        assert_eq!((&asked.body[..], asked.header("content-type")), (&b"[1]"[..], Some("application/json")));
        assert_eq!((asked.header("x-mine"), asked.header("dapr-caller-app-id")), (Some("yes"), Some(id)));
        assert_eq!(asked.header("te"), None);

        let status = client.invoke_service(invoke("callee", "lost", Verb::Get, "")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "Not Found"));
        assert_eq!(status.metadata().get("dapr-http-status").unwrap(), "404");
        let info = status.get_details_error_info().unwrap();
        assert_eq!((&*info.reason, &*info.metadata["http.code"]), ("Not Found", "404"));
        assert_eq!(info.metadata["http.error_message"], "no such thing");

        let before = app.calls().len();
        for (method, verb, said) in [
            ("a?b", Verb::Get, "invalid method"),
            ("a#b", Verb::Get, "invalid method"),
            ("a\nb", Verb::Get, "invalid method"),
            ("a", Verb::None, "invalid HTTP verb"),
            ("a", Verb::Connect, "invalid HTTP verb"),
        ] {
            let status = client.invoke_service(invoke("callee", method, verb, "")).await.unwrap_err();
            assert_eq!(status.code(), Code::Internal);
            assert!(status.message().starts_with("failed to invoke, id: callee, err: "), "{status}");
            assert!(status.message().contains(said), "{status}");
        }
        let mut without = invoke("callee", "a", Verb::Get, "");
        without.message.as_mut().unwrap().http_extension = None;
        let status = client.invoke_service(without).await.unwrap_err();
        assert!(status.message().contains("missing HTTP extension field"), "{status}");
        assert_eq!(app.calls().len(), before);
        let status = client.invoke_service(invoke("nobody", "a", Verb::Get, "")).await.unwrap_err();
        assert!(status.message().contains("couldn't find service: nobody"), "{status}");
    }
}

#[tokio::test]
async fn what_a_path_has_no_room_for_is_encoded_once() {
    let app = App::start(|asked| (StatusCode::OK, asked.path.clone())).await;
    let (caller, callee) = pair(app.port);
    for sidecar in [&caller, &callee] {
        let mut client = wire::grpc(&sidecar.grpc()).await;
        for (method, query, path) in [
            ("a b", "", "/a%20b"),
            ("a%20b/c", "x=1 2&y=%20", "/a%20b/c?x=1%202&y=%20"),
            ("\"<>\\^`{|}", "", "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
            ("ä/€", "ü", "/%C3%A4/%E2%82%AC?%C3%BC"),
            ("a:b@c!$&'()*+,;=~-._", "", "/a:b@c!$&'()*+,;=~-._"),
        ] {
            let answer = client.invoke_service(invoke("callee", method, Verb::Get, query)).await.unwrap();
            assert_eq!(answer.into_inner().data.unwrap().value, path.as_bytes(), "{method}");
        }
    }
}

/// An app that speaks gRPC and has `AppCallback.OnInvoke`: it answers what it was asked.
async fn on_invoke() -> Raw {
    Raw::start(|request: Request<Incoming>| async move {
        let service = tower::service_fn(|request: tonic::Request<InvokeRequest>| async move {
            let (metadata, _, message) = request.into_parts();
            if message.method == "lost" {
                let mut status = Status::not_found("no such thing");
                status.metadata_mut().insert("x-why", MetadataValue::from_static("gone"));
                return Err(status);
            }
            let verb = message.http_extension.as_ref().map(|it| it.verb().as_str_name());
            let query = message.http_extension.as_ref().map(|it| it.querystring.clone());
            let data = message.data.clone().unwrap_or_default().value;
            let text = format!(
                "{} {verb:?} {query:?} {} {} {:?}",
                message.method,
                message.content_type,
                String::from_utf8_lossy(&data),
                metadata.get("dapr-caller-app-id"),
            );
            let data = prost_types::Any { type_url: String::new(), value: text.into_bytes() };
            let answer = InvokeResponse { data: Some(data), content_type: "text/plain".to_owned() };
            let mut response = tonic::Response::new(answer);
            response.metadata_mut().insert("x-answered", MetadataValue::from_static("yes"));
            Ok(response)
        });
        let path = request.uri().path().to_owned();
        assert_eq!(path, "/dapr.proto.runtime.v1.AppCallback/OnInvoke");
        let mut grpc = tonic::server::Grpc::new(ProstCodec::<InvokeResponse, InvokeRequest>::default());
        let response = grpc.unary(service, request).await;
        response.map(|body| body.map_err(|status| -> Infallible { panic!("{status}") }).boxed_unsync())
    })
    .await
}

#[tokio::test]
async fn an_app_that_speaks_grpc_is_invoked_by_its_callback() {
    let app = on_invoke().await;
    let (caller, callee) = pair_with(app.port, &["--app-protocol", "grpc"], &[]);
    for (sidecar, id) in [(&caller, "caller"), (&callee, "callee")] {
        // Over HTTP.
        let headers = [("content-type", "text/x"), ("dapr-caller-app-id", "boss")];
        let path = "/v1.0/invoke/callee/method/a/b?x=1";
        let answer = wire::call(&sidecar.http(), "PATCH", path, &headers, "hello").await;
        let expected = format!("a/b Some(\"PATCH\") Some(\"x=1\") text/x hello Some(\"{id}\")");
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, expected.as_bytes()));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("x-answered"), Some("yes"));
        let answer = wire::call(&sidecar.http(), "GET", "/v1.0/invoke/callee/method/lost", &[], "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json(), serde_json::json!({ "code": 5, "message": "no such thing" }));
        // Over gRPC, with and without what is for HTTP.
        let mut client = wire::grpc(&sidecar.grpc()).await;
        let answer = client.invoke_service(invoke("callee", "/a", Verb::None, "")).await.unwrap();
        assert_eq!(answer.metadata().get("x-answered").unwrap(), "yes");
        let expected = format!("/a Some(\"NONE\") Some(\"\") application/json [1] Some(\"{id}\")");
        assert_eq!(answer.into_inner().data.unwrap().value, expected.as_bytes());
        let status = client.invoke_service(invoke("callee", "lost", Verb::Get, "")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no such thing"));
    }
}

#[tokio::test]
async fn an_apps_own_code_is_its_answer_whatever_it_is() {
    // tonic has this code for a message that is too long.
    let app = Callbacks::answering("11").await;
    let (caller, callee) = pair_with(app.port, &["--app-protocol", "grpc"], &[]);
    for sidecar in [&caller, &callee] {
        let mut client = wire::grpc(&sidecar.grpc()).await;
        let status = client.invoke_service(invoke("callee", "m", Verb::Get, "")).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::OutOfRange, "the app's"));
    }
}

#[tokio::test]
async fn binary_metadata_of_a_caller_over_grpc_reaches_the_app() {
    let app = Callbacks::start().await;
    let (caller, callee) = pair_with(app.port, &["--app-protocol", "grpc"], &[]);
    let mut count = 0;
    for sidecar in [&callee, &caller] {
        let mut request = tonic::Request::new(invoke("callee", "m", Verb::Get, ""));
        let metadata = request.metadata_mut();
        for value in [&b"\x00\xff"[..], b"2"] {
            metadata.append_bin("x-mine-bin", MetadataValue::from_bytes(value));
        }
        metadata.insert_bin("grpc-trace-bin", MetadataValue::from_bytes(b"\x00trace"));
        metadata.insert_bin("grpc-own-bin", MetadataValue::from_bytes(b"gRPC's own"));
        wire::grpc(&sidecar.grpc()).await.invoke_service(request).await.unwrap();
        // A caller over HTTP has no binary values: it is text by a name that means nothing there.
        let headers = [("x-mine-bin", "AA"), ("x-other", "yes")];
        wire::call(&sidecar.http(), "GET", "/v1.0/invoke/callee/method/m", &headers, "").await;
        count += 2;
        let [over_grpc, over_http] = &app.until_told("OnInvoke", count).await[count - 2..] else {
            panic!("two calls")
        };
        let told = MetadataMap::from_headers(over_grpc.headers.clone());
        let values = told.get_all_bin("x-mine-bin").iter().map(|value| value.to_bytes().unwrap());
        assert_eq!(values.collect::<Vec<_>>(), [&b"\x00\xff"[..], b"2"]);
        assert_eq!(told.get_bin("grpc-trace-bin").unwrap().to_bytes().unwrap(), &b"\x00trace"[..]);
        assert!(told.get_bin("grpc-own-bin").is_none());
        assert_eq!(over_http.headers.get("x-other").unwrap(), "yes");
        assert!(over_http.headers.keys().all(|name| !name.as_str().ends_with("-bin")), "{over_http:?}");
    }
}

/// What Dapr's own sidecar sends, byte for byte as its protos have it.
#[tokio::test]
async fn a_sidecar_of_daprs_own_can_call() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Values {
        #[prost(string, repeated, tag = "1")]
        values: Vec<String>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Call {
        #[prost(int32, tag = "1")]
        ver: i32,
        #[prost(map = "string, message", tag = "2")]
        metadata: std::collections::HashMap<String, Values>,
        #[prost(message, optional, tag = "3")]
        message: Option<InvokeRequest>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Payload {
        #[prost(bytes = "vec", tag = "1")]
        data: Vec<u8>,
        #[prost(uint64, tag = "2")]
        seq: u64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Part {
        #[prost(message, optional, tag = "1")]
        request: Option<Call>,
        #[prost(message, optional, tag = "2")]
        payload: Option<Payload>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Answered {
        #[prost(message, optional, tag = "1")]
        status: Option<tonic_types::pb::Status>,
        #[prost(map = "string, message", tag = "2")]
        headers: std::collections::HashMap<String, Values>,
        #[prost(message, optional, tag = "4")]
        message: Option<InvokeResponse>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct AnsweredPart {
        #[prost(message, optional, tag = "1")]
        response: Option<Answered>,
        #[prost(message, optional, tag = "2")]
        payload: Option<Payload>,
    }
    let app = App::start(|asked| {
        (StatusCode::ACCEPTED, format!("{} {} {}", asked.method, asked.path, asked.body.len()))
    })
    .await;
    let port = app.port.to_string();
    let callee = Sidecar::with(MEMORY, &["--app-id", "callee", "--app-port", &port]);
    let metadata = [("x-mine", "yes"), ("dapr-caller-app-id", "orders"), ("dapr-callee-app-id", "callee")];
    let metadata = metadata.map(|(name, value)| (name.to_owned(), Values { values: vec![value.to_owned()] }));
    let message = invoke("", "a/b", Verb::Post, "x=1").message;
    let call = Call { ver: 1, metadata: metadata.into(), message };
    let endpoint = Endpoint::try_from(format!("http://{}", callee.text("internal"))).unwrap();
    let mut client = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
    let service = "/dapr.proto.internals.v1.ServiceInvocation";

    client.ready().await.unwrap();
    let path = format!("{service}/CallLocal").parse().unwrap();
    let codec = ProstCodec::<Call, Answered>::default();
    let answer = client.unary(tonic::Request::new(call.clone()), path, codec).await.unwrap().into_inner();
    assert_eq!(answer.status.unwrap().code, 202);
    assert_eq!(answer.message.unwrap().data.unwrap().value, b"POST /a/b?x=1 3");
    assert_eq!(answer.headers["content-type"].values, ["application/json"]);
    assert_eq!(app.asked("/a/b")[0].header("x-mine"), Some("yes"));
    assert_eq!(app.asked("/a/b")[0].header("dapr-caller-app-id"), Some("orders"));

    client.ready().await.unwrap();
    let mut parts: Vec<Part> = (0..3)
        .map(|seq| Part { request: None, payload: Some(Payload { data: vec![b'x'; 100_000], seq }) })
        .collect();
    parts.insert(0, Part { request: Some(call.clone()), payload: None });
    let path: http::uri::PathAndQuery = format!("{service}/CallLocalStream").parse().unwrap();
    let codec = ProstCodec::<Part, AnsweredPart>::default();
    let request = tonic::Request::new(tokio_stream::iter(parts.clone()));
    let mut answer = client.streaming(request, path.clone(), codec).await.unwrap().into_inner();
    let first = answer.next().await.unwrap().unwrap().response.unwrap();
    assert_eq!(first.status.unwrap().code, 202);
    let mut body = Vec::new();
    while let Some(part) = answer.next().await {
        body.extend(part.unwrap().payload.unwrap().data);
    }
    assert_eq!(String::from_utf8(body).unwrap(), "POST /a/b?x=1 300000");

    // Parts out of their order, and none at all.
    let before = app.calls().len();
    parts.swap(1, 2);
    for parts in [parts, Vec::new()] {
        client.ready().await.unwrap();
        let codec = ProstCodec::<Part, AnsweredPart>::default();
        let request = tonic::Request::new(tokio_stream::iter(parts));
        assert!(client.streaming(request, path.clone(), codec).await.is_err());
    }
    assert_eq!(app.calls().len(), before);
    // A call for another app.
    let mut astray = call;
    astray.metadata.insert("dapr-callee-app-id".to_owned(), Values { values: vec!["other".to_owned()] });
    client.ready().await.unwrap();
    let path = format!("{service}/CallLocal").parse().unwrap();
    let codec = ProstCodec::<Call, Answered>::default();
    let status = client.unary(tonic::Request::new(astray), path, codec).await.unwrap_err();
    assert!(status.message().contains("this is the sidecar of app callee"), "{status}");
}
