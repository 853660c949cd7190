//! HTTP/2 and gRPC by the frame: floods, garbage, and streams that never end.

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::{memory, others_are_served};
use crate::sidecar::{MEMORY, Sidecar};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that is in no table.
fn header(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // A length beyond the prefix of seven bits goes on in groups of seven.
        match text.len() {
            short @ ..127 => bytes.push(u8::try_from(short).unwrap()),
            long => {
                bytes.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                    rest /= 128;
                }
                bytes.push(u8::try_from(rest).unwrap());
            }
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// The headers of a call of a method of Dapr's API.
fn call(method: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let path = format!("/dapr.proto.runtime.v1.Dapr/{method}");
    let all = [
        &[(":method", "POST"), (":scheme", "http"), (":path", &path), (":authority", "x")][..],
        &[("content-type", "application/grpc"), ("te", "trailers")],
        more,
    ];
    all.concat().into_iter().flat_map(|(name, value)| header(name, value)).collect()
}

/// A connection that has begun.
async fn connect(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

/// Reads the next frame: its kind, flags, stream and payload; none at the end, however it comes.
async fn next(stream: &mut TcpStream) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// Reads on to the end of the connection, and answers what the sidecar said of its reason.
async fn reason(stream: &mut TcpStream) -> Option<u32> {
    let mut reason = None;
    while let Some((kind, _, _, payload)) = next(stream).await {
        if kind == GOAWAY {
            reason = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    reason
}

/// Floods a connection until it ends, in whatever way, and answers how much was written.
async fn flood(address: &str, frames: impl Fn(u32) -> Vec<u8>) -> usize {
    let (mut reading, mut writing) = connect(address).await.into_split();
    // What comes back is read, so that it is not the answers that hold the flood up.
    let reader = tokio::spawn(async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(1..) = reading.read(&mut buffer).await {}
    });
    let mut written = 0;
    for round in 0..2_000 {
        let bytes: Vec<u8> = (0..100).flat_map(|number| frames(round * 100 + number)).collect();
        if writing.write_all(&bytes).await.is_err() {
            break;
        }
        written += bytes.len();
    }
    drop(writing);
    reader.await.unwrap();
    written
}

/// The frame of each number.
type Flood<'a> = Box<dyn Fn(u32) -> Vec<u8> + 'a>;

#[tokio::test]
async fn floods_of_frames_are_survived_within_bounds() {
    let sidecar = Sidecar::memory();
    others_are_served(&sidecar).await;
    let before = memory(&sidecar);
    let odd = |number: u32| 2 * number + 1;
    let opened = |number| frame(HEADERS, END_HEADERS, odd(number), &call("GetMetadata", &[]));
    let floods: [(&str, Flood); 10] = [
        // Streams that are reset as soon as they are opened.
        ("reset", Box::new(|n| [opened(n), frame(RST_STREAM, 0, odd(n), &8_u32.to_be_bytes())].concat())),
        // Streams that never end.
        ("open", Box::new(opened)),
        ("ping", Box::new(|n| frame(PING, 0, 0, &u64::from(n).to_be_bytes()))),
        ("settings", Box::new(|_| frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]))),
        ("window", Box::new(|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()))),
        ("priority", Box::new(|n| frame(PRIORITY, 0, odd(n), &[0, 0, 0, 0, 1]))),
        // Headers that never end.
        (
            "continuation",
            Box::new(|n| match n {
                0 => frame(HEADERS, 0, 1, &call("GetMetadata", &[])),
                _ => frame(CONTINUATION, 0, 1, &header("x-more", "x")),
            }),
        ),
        (
            "empty continuation",
            Box::new(|n| match n {
                0 => frame(HEADERS, 0, 1, &call("GetMetadata", &[])),
                _ => frame(CONTINUATION, 0, 1, &[]),
            }),
        ),
        // Data that is none.
        (
            "empty data",
            Box::new(|n| match n {
                0 => opened(0),
                _ => frame(DATA, 0, 1, &[]),
            }),
        ),
        ("unknown", Box::new(|n| frame(0xfe, 0xff, n, b"what is this"))),
    ];
    for port in ["grpc", "http"] {
        let address = sidecar.text(port);
        for (name, frames) in &floods {
            let written = flood(&address, frames).await;
            others_are_served(&sidecar).await;
            let grown = memory(&sidecar).saturating_sub(before);
            assert!(grown < 64 << 20, "{name} over {port}: {grown} bytes after {written}");
        }
    }
    assert_eq!(sidecar.reached(None).await, 0);
}

/// What breaks the protocol ends its own connection, with a reason, and no other.
#[tokio::test]
async fn frames_that_break_the_protocol_end_their_connection() {
    let sidecar = Sidecar::memory();
    let opened = frame(HEADERS, END_HEADERS, 1, &call("GetMetadata", &[]));
    for (name, bytes) in [
        ("data for no stream", frame(DATA, 0, 1, b"x")),
        ("data for the connection", frame(DATA, 0, 0, b"x")),
        ("a stream of the sidecar's", frame(HEADERS, END_HEADERS, 2, &call("GetMetadata", &[]))),
        ("headers for the connection", frame(HEADERS, END_HEADERS, 0, &call("GetMetadata", &[]))),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        ("something amid headers", [frame(HEADERS, 0, 1, &[]), frame(PING, 0, 0, &[0; 8])].concat()),
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("settings with a rest", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings for a stream", frame(SETTINGS, 0, 1, &[])),
        ("a short ping", frame(PING, 0, 0, &[0; 7])),
        ("a window of nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window beyond all", frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes())),
        ("a frame beyond all", [&[0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1][..], &[0; 20_000]].concat()),
        ("headers that are no HPACK", frame(HEADERS, END_HEADERS, 1, &[0xff; 40])),
        (
            "a length that overflows",
            frame(HEADERS, END_HEADERS, 1, &[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ),
        ("a reset of no stream", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("padding beyond the frame", [opened.clone(), frame(DATA, 8, 1, &[200, 0])].concat()),
        ("an elder request", b"GET /v1.0/healthz HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
    ] {
        for port in ["grpc", "http"] {
            let mut stream = connect(&sidecar.text(port)).await;
            // The sidecar may have ended it before all is written.
            let _ = stream.write_all(&bytes).await;
            let reason = reason(&mut stream).await;
            assert!(reason.is_none_or(|reason| reason != 0), "{name} over {port}: {reason:?}");
        }
        others_are_served(&sidecar).await;
    }
    // No preface at all.
    for start in [
        &b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        &[0; 64],
        &[0xff; 64],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(sidecar.text("grpc")).await.unwrap();
        stream.write_all(start).await.unwrap();
        while next(&mut stream).await.is_some() {}
    }
    others_are_served(&sidecar).await;
    assert_eq!(sidecar.reached(None).await, 0);
}

/// Random bytes in frames, from a seed that a failure tells.
#[tokio::test]
async fn garbage_in_frames_harms_nobody() {
    let sidecar = Sidecar::memory();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..300 {
        let mut bytes =
            if round % 2 == 0 { frame(HEADERS, END_HEADERS, 1, &call("GetState", &[])) } else { Vec::new() };
        for _ in 0..20 {
            let payload: Vec<u8> = (0..random() % 64).map(|_| random().to_le_bytes()[0]).collect();
            let [kind, flags, stream, ..] = random().to_le_bytes();
            bytes.extend(frame(kind % 12, flags, u32::from(stream % 8), &payload));
        }
        let port = if round % 3 == 0 { "http" } else { "grpc" };
        let mut stream = connect(&sidecar.text(port)).await;
        let _ = stream.write_all(&bytes).await;
        // Some of it may have been legal: then it is the client's to end.
        stream.shutdown().await.unwrap();
        while next(&mut stream).await.is_some() {}
    }
    others_are_served(&sidecar).await;
}

/// A thousand streams at once on one connection, all half open: others are served, and then these are.
#[tokio::test]
async fn a_thousand_streams_at_once() {
    let sidecar = Sidecar::memory();
    let message = [&[0, 0, 0, 0, 10][..], b"\x0a\x05store\x12\x01k"].concat();
    let mut stream = connect(&sidecar.text("grpc")).await;
    for number in 0..1_000 {
        stream.write_all(&frame(HEADERS, END_HEADERS, 2 * number + 1, &call("GetState", &[]))).await.unwrap();
    }
    // One more than that is refused, and may come again.
    let many = frame(HEADERS, END_HEADERS, 2_001, &call("GetState", &[]));
    stream.write_all(&many).await.unwrap();
    let refused = loop {
        let (kind, _, id, payload) = next(&mut stream).await.unwrap();
        if kind == RST_STREAM {
            break (id, u32::from_be_bytes(payload.try_into().unwrap()));
        }
    };
    assert_eq!(refused, (2_001, 7), "REFUSED_STREAM");
    others_are_served(&sidecar).await;
    assert_eq!(sidecar.reached(None).await, 0);
    for number in 0..1_000 {
        stream.write_all(&frame(DATA, END_STREAM, 2 * number + 1, &message)).await.unwrap();
    }
    let mut ended = 0;
    while ended < 1_000 {
        let (kind, flags, _, _) = next(&mut stream).await.unwrap();
        ended += usize::from(kind == HEADERS && flags & END_STREAM != 0);
    }
    assert_eq!(sidecar.reached(Some("get")).await, 1_000);
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused_and_its_connection_goes_on() {
    let sidecar = Sidecar::memory();
    let large = Sidecar::with(MEMORY, &["--read-buffer-size", "64Ki"]);
    let many = (0..400).map(|number| (format!("x-{number}"), "x".to_owned())).collect::<Vec<_>>();
    for (sidecar, expected) in [(&sidecar, 431), (&large, 200)] {
        for (port, path) in [("grpc", "/dapr.proto.runtime.v1.Dapr/GetMetadata"), ("http", "/v1.0/metadata")]
        {
            for more in [&[("x-large".to_owned(), "x".repeat(20_000))][..], &many] {
                let stream = TcpStream::connect(sidecar.text(port)).await.unwrap();
                let (mut sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
                tokio::spawn(connection);
                for (more, expected) in [(more, expected), (&[], 200)] {
                    let method = if port == "grpc" { "POST" } else { "GET" };
                    let mut request = Request::builder().method(method).uri(format!("http://x{path}"));
                    for (name, value) in more {
                        request = request.header(name, value);
                    }
                    let body = Full::<Bytes>::from(&[0, 0, 0, 0, 0][..]);
                    let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
                    assert_eq!(response.status().as_u16(), expected, "{} headers over {port}", more.len());
                }
            }
        }
    }
}

/// Calls whose time is over as soon as they are made, and clients that give up at once.
#[tokio::test]
async fn storms_of_deadlines_and_of_clients_that_give_up() {
    let sidecar = Sidecar::memory();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(crate::wire::grpc(&sidecar.grpc()).await);
    }
    let calls = (0..2_000_usize).map(|number| {
        let mut client = clients[number % 4].clone();
        async move {
            let mut request = tonic::Request::new(dapr::dapr::proto::runtime::v1::GetStateRequest {
                store_name: "store".to_owned(),
                key: "k".to_owned(),
                ..Default::default()
            });
            request.set_timeout(std::time::Duration::from_nanos(1 << (number % 30)));
            match client.get_state(request).await {
                Ok(_) => 0,
                Err(status) => status.code() as i32,
            }
        }
    });
    let codes = join_all(calls).await;
    // CANCELLED and DEADLINE_EXCEEDED are the client's own.
    assert!(codes.iter().all(|code| [0, 1, 4].contains(code)), "{codes:?}");
    others_are_served(&sidecar).await;
    crate::wire::grpc(&sidecar.grpc()).await;
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
}
