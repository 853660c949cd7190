//! Bodies that are too long.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::SaveStateRequest;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tonic::Code;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;

use crate::callbacks::Callbacks;
use crate::invoke_http::pair_with;
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire::{self, At};

const HUNDRED_MEGABYTES: usize = 100_000_000;

/// Sends a body and reads the answer, each while the other goes on: a sidecar that waited too long for the rest closes
/// before all is written.
async fn answer_to(
    stream: impl AsyncRead + AsyncWrite,
    length: &str,
    body: impl Iterator<Item = Bytes>,
) -> String {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let head = format!("POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{length}\r\n\r\n");
    let write = async {
        writing.write_all(head.as_bytes()).await?;
        for piece in body {
            writing.write_all(&piece).await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let mut answer = Vec::new();
    // Either may end in a reset.
    let _ = tokio::join!(write, reading.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

fn assert_too_large(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("ERR_BODY_TOO_LARGE") && answer.contains("the limit is 4194304 bytes"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_hundred_megabytes_over_http() {
    let sidecar = Sidecar::memory();
    let length = format!("content-length: {HUNDRED_MEGABYTES}");
    let body = || std::iter::repeat_n(Bytes::from(vec![b'['; HUNDRED_MEGABYTES / 100]), 100);
    let tcp = TcpStream::connect(sidecar.text("http")).await.unwrap();
    assert_too_large(&answer_to(tcp, &length, body()).await);
    let unix = UnixStream::connect(sidecar.text("http_socket")).await.unwrap();
    assert_too_large(&answer_to(unix, &length, body()).await);
    assert_eq!(sidecar.reached(None).await, 0);
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
}

#[tokio::test]
async fn a_hundred_megabytes_in_chunks() {
    let sidecar = Sidecar::memory();
    let chunk = [&b"100000\r\n"[..], &[b'['; 1 << 20], b"\r\n"].concat();
    let body = std::iter::repeat_n(Bytes::from(chunk), 100).chain([Bytes::from_static(b"0\r\n\r\n")]);
    let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    assert_too_large(&answer_to(stream, "transfer-encoding: chunked", body).await);
}

#[tokio::test]
async fn a_hundred_megabytes_over_http2() {
    let sidecar = Sidecar::memory();
    let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = |body: Vec<u8>| {
        http::Request::post("http://x/v1.0/state/store").body(Full::<Bytes>::from(body)).unwrap()
    };
    let answer = sender.send_request(request(vec![b'['; HUNDRED_MEGABYTES])).await.unwrap();
    assert_eq!(answer.status().as_u16(), 413);
    // The connection goes on.
    let answer = sender.send_request(request(br#"[{"key":"k","value":1}]"#.to_vec())).await.unwrap();
    assert_eq!(answer.status().as_u16(), 204);
}

#[tokio::test]
async fn a_hundred_megabytes_over_grpc() {
    let sidecar = Sidecar::memory();
    let request = |size: usize| SaveStateRequest {
        store_name: "store".to_owned(),
        states: vec![StateItem { key: "k".to_owned(), value: vec![0; size], ..StateItem::default() }],
    };
    for at in [sidecar.grpc(), sidecar.grpc_socket()] {
        let mut client = wire::grpc(&at).await;
        let status = client.save_state(request(HUNDRED_MEGABYTES)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("the limit is 4194304 bytes"), "{status}");
        // The connection goes on.
        client.save_state(request(1_000_000)).await.unwrap();
    }
    assert_eq!(sidecar.reached(None).await, 2);
}

/// Whatever kind of call it is, and whoever made the code that reads its messages.
#[tokio::test]
async fn every_method_refuses_a_message_beyond_the_limit_with_the_same_code() {
    let sidecar = Sidecar::with(MEMORY, &["--max-body-size", "1Ki"]);
    let own = "/dapr.proto.runtime.v1.Dapr";
    let internal = "/dapr.proto.internals.v1.ServiceInvocation";
    for (at, path, streams) in [
        ("grpc", format!("{own}/SaveState"), false),
        ("grpc", format!("{own}/InvokeService"), false),
        ("grpc", format!("{own}/SubscribeConfiguration"), false),
        ("grpc", format!("{own}/SubscribeTopicEventsAlpha1"), true),
        ("grpc", pillion_calls::STREAM.to_owned(), true),
        ("internal", format!("{internal}/CallLocal"), false),
        ("internal", format!("{internal}/CallLocalStream"), true),
    ] {
        let mut client = Grpc::new(wire::channel(&At::Tcp(sidecar.text(at))).await);
        client.ready().await.unwrap();
        // Nobody gets to what it says.
        let message = StateItem { value: vec![0; 2_000], ..StateItem::default() };
        let codec = ProstCodec::<StateItem, StateItem>::default();
        let path_of = path.parse().unwrap();
        let answer = if streams {
            let messages = tonic::Request::new(tokio_stream::iter([message]));
            client.streaming(messages, path_of, codec).await
        } else {
            client.server_streaming(tonic::Request::new(message), path_of, codec).await
        };
        // A stream may have begun before it was read.
        let status = match answer {
            Ok(answer) => answer.into_inner().message().await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!(status.code(), Code::ResourceExhausted, "{path}: {status}");
        assert!(status.message().contains("the limit is 1024 bytes; --max-body-size raises it"), "{status}");
    }
}

/// A client that is still writing hears why it is refused.
#[tokio::test]
async fn a_refused_body_is_heard_out() {
    let token = [("DAPR_API_TOKEN", "secret")];
    let sidecar = Sidecar::with_environment(MEMORY, &[], &token);
    let right = [("dapr-api-token", "secret")];
    let body = || vec![b' '; 4_000_000];
    for _ in 0..10 {
        let at = sidecar.http();
        let answer = wire::call(&at, "POST", "/v1.0/state/store", &[], body()).await;
        assert_eq!(answer.status, 401);
        let answer = wire::call(&at, "POST", "/v1.0/nothing", &right, body()).await;
        answer.failed(404, "ERR_DIRECT_INVOKE");
        let answer = wire::call(&at, "PATCH", "/v1.0/state/store", &right, body()).await;
        assert_eq!(answer.status, 405);
        let answer = wire::call(&at, "POST", "/v1.0/state/nope", &right, body()).await;
        answer.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    }
    assert_eq!(sidecar.reached(None).await, 0);
}

/// Whoever has no token gets an answer and no ear: neither leave to send, nor a body read that is beyond the limit.
#[tokio::test]
async fn a_refused_client_cannot_make_the_sidecar_read_on() {
    let sidecar = Sidecar::with_environment(MEMORY, &[], &[("DAPR_API_TOKEN", "secret")]);
    let head = "POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\n";
    for rest in ["content-length: 100\r\nexpect: 100-continue\r\n\r\n", "content-length: 1000000000\r\n\r\n"]
    {
        let mut stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        // The connection ends, though the client has sent nothing more.
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("connection: close"), "{answer}");
    }
    // A body without an announced end.
    let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let heard = tokio::spawn(async move {
        let mut answer = Vec::new();
        // It may end in a reset, as the client was still writing.
        let _ = reading.read_to_end(&mut answer).await;
        answer
    });
    let mut sent = 0;
    let chunk = [&b"100000\r\n"[..], &[b' '; 1 << 20], b"\r\n"].concat();
    let head = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let mut outcome = writing.write_all(head.as_bytes()).await;
    // What sockets hold comes on top of what is read.
    while outcome.is_ok() && sent < 64 << 20 {
        outcome = writing.write_all(&chunk).await;
        sent += chunk.len();
    }
    assert!(outcome.is_err(), "{sent} bytes were taken");
    heard.await.unwrap();
    assert_eq!(sidecar.reached(None).await, 0);
}

/// What streams to an app that speaks gRPC has to be there as a whole, and so has the limit; here and elsewhere.
#[tokio::test]
async fn a_stream_to_an_app_over_grpc_has_the_limit_too() {
    let app = Callbacks::start().await;
    let (caller, callee) = pair_with(
        app.port,
        &["--app-protocol", "grpc", "--max-body-size", "1Ki"],
        &["--max-body-size", "1Ki"],
    );
    for sidecar in [&callee, &caller] {
        for (chunks, status) in [(1, 200), (2, 413), (100, 413)] {
            let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            let chunk = Bytes::from(vec![b'x'; 1_000]);
            let frames =
                (0..chunks).map(move |_| Ok::<_, std::convert::Infallible>(Frame::data(chunk.clone())));
            let body = StreamBody::new(futures_util::stream::iter(frames));
            let request = http::Request::post("/v1.0/invoke/callee/method/m").header("host", "x");
            let answer = sender.send_request(request.body(body).unwrap()).await.unwrap();
            assert_eq!(answer.status().as_u16(), status, "{chunks}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            if status == 413 {
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body["errorCode"], "ERR_BODY_TOO_LARGE");
                let message = body["message"].as_str().unwrap();
                assert!(message.starts_with("failed to invoke, id: callee, err: "), "{message}");
                assert!(message.contains("no more than 1024 bytes at once"), "{message}");
            }
        }
    }
    assert_eq!(app.until_told("OnInvoke", 2).await.len(), 2);
}

#[tokio::test]
async fn the_limit_can_be_moved_and_is_exact() {
    let sidecar = Sidecar::with(MEMORY, &["--max-body-size", "1Ki"]);
    let body = |length: usize| {
        let frame = r#"[{"key":"k","value":""}]"#;
        frame.replace(r#""""#, &format!("\"{}\"", "x".repeat(length - frame.len())))
    };
    sidecar.call("POST", "/v1.0/state/store", body(1024)).await.is_empty();
    sidecar.call("POST", "/v1.0/state/store", body(1025)).await.failed(413, "ERR_BODY_TOO_LARGE");
    // An answer may be longer than a request.
    let large = Sidecar::with(MEMORY, &["--max-body-size", "20Mi"]);
    large.call("POST", "/v1.0/state/store", body(10 << 20)).await.is_empty();
    let mut client = wire::grpc(&large.grpc()).await.max_decoding_message_size(usize::MAX);
    let request = dapr::dapr::proto::runtime::v1::GetStateRequest {
        store_name: "store".to_owned(),
        key: "k".to_owned(),
        ..Default::default()
    };
    assert!(client.get_state(request).await.unwrap().into_inner().data.len() > 10_000_000);
}
