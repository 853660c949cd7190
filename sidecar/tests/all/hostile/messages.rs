//! Messages of gRPC: at the limit, beyond it, and other than they say.

use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::SaveStateRequest;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::Code;

use super::raw::others_are_served;
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

/// What a call said: the status over HTTP, and the code and message of gRPC.
async fn post(
    sidecar: &Sidecar,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (StatusCode, String, String) {
    let stream = TcpStream::connect(sidecar.text("grpc")).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://x{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let of =
        |name: &str, headers: &HeaderMap| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let told = |name: &str| of(name, &head.headers).or_else(|| of(name, &trailers)).unwrap_or_default();
    (head.status, told("grpc-status"), told("grpc-message"))
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const GET: &str = "/dapr.proto.runtime.v1.Dapr/GetState";

fn message(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), bytes].concat()
}

#[tokio::test]
async fn the_limit_of_a_message_is_exact() {
    let sidecar = Sidecar::with(MEMORY, &["--max-body-size", "64Ki"]);
    let request = |length: usize| {
        let request = |size: usize| SaveStateRequest {
            store_name: "store".to_owned(),
            states: vec![StateItem { key: "k".to_owned(), value: vec![0; size], ..StateItem::default() }],
        };
        // What is around the value is as long whatever its length, near there.
        let around = request(length - 100).encoded_len() - (length - 100);
        request(length - around)
    };
    assert_eq!(request(64 << 10).encoded_len(), 64 << 10);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    client.save_state(request(64 << 10)).await.unwrap();
    let status = client.save_state(request((64 << 10) + 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(sidecar.reached(None).await, 1);
}

#[tokio::test]
async fn messages_that_are_not_what_they_say_are_refused() {
    let sidecar = Sidecar::memory();
    let good = b"\x0a\x05store\x12\x01k";
    for (name, body) in [
        ("nothing", Vec::new()),
        ("half a head", vec![0, 0, 0]),
        ("longer than it says", message(0, 3, good)),
        ("shorter than it says", message(0, 100, good)),
        ("4 GiB", message(0, u32::MAX, good)),
        ("compressed in a way that was not agreed on", message(1, 10, good)),
        ("a flag that there is not", message(7, 10, good)),
        ("no protobuf", message(0, 4, &[0xff; 4])),
        ("a length within beyond all", message(0, 11, b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
        ("a text that is none", message(0, 4, b"\x0a\x02\xff\xfe")),
        ("a group that never ends", message(0, 2_000, &[0x0b; 2_000])),
        ("two", [message(0, 10, good), message(0, 10, good)].concat()),
    ] {
        let (status, code, said) = post(&sidecar, GET, &[GRPC], body).await;
        // Two are one too many; tonic takes the first.
        let expected = if name == "two" { code == "0" } else { !["", "0"].contains(&code.as_str()) };
        assert!(status == 200 && expected, "{name}: {status} {code} {said}");
    }
    others_are_served(&sidecar).await;
}

#[tokio::test]
async fn what_is_no_call_of_grpc_is_refused() {
    let sidecar = Sidecar::memory();
    let good = message(0, 10, b"\x0a\x05store\x12\x01k");
    for path in [
        "/",
        "//",
        "/dapr.proto.runtime.v1.Dapr/",
        "/dapr.proto.runtime.v1.Dapr/getstate",
        "/a/b/c",
        "/%00/x",
    ] {
        let (status, code, said) = post(&sidecar, path, &[GRPC], good.clone()).await;
        assert_eq!((status.as_u16(), code.as_str()), (200, "12"), "{path}: {said}");
    }
    assert_eq!(sidecar.reached(None).await, 0);
    // Dapr answers 415 to another content type. Here it is not looked at, as every call would pay for that: what is in the
    // body counts.
    for (kind, body, expected) in [
        ("application/json", br#"{"storeName":"store","key":"k"}"#.to_vec(), false),
        ("text/plain", b"store".to_vec(), false),
        ("application/grpc+json", message(0, 2, b"{}"), false),
        ("application/grpc+proto", good.clone(), true),
        ("application/grpc;charset=utf-8", good.clone(), true),
        ("", good.clone(), true),
    ] {
        let (status, code, said) = post(&sidecar, GET, &[("content-type", kind)], body).await;
        assert!(status == 200 && (code == "0") == expected, "{kind}: {status} {code} {said}");
    }
    assert_eq!(sidecar.reached(None).await, 3);
    others_are_served(&sidecar).await;
}
