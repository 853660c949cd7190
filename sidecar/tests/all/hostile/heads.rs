//! Heads of HTTP/1.1 requests: too long, ambiguous, and with paths that want to be more than they are.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::raw::{others_are_served, statuses, talk};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

fn get(head: &str) -> String {
    format!("GET /v1.0/state/store/k HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n")
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let sidecar = Sidecar::memory();
    let large = |length: usize| format!("x-large: {}\r\n", "x".repeat(length));
    for (request, status) in [
        (get(&large(7_000)), 204),
        (get(&large(8_192)), 431),
        (get(&large(100_000)), 431),
        (get(&"x-many: 1\r\n".repeat(98)), 204),
        (get(&"x-many: 1\r\n".repeat(101)), 431),
        (get(&"x-many: 1\r\n".repeat(100_000)), 431),
        (format!("GET /v1.0/state/store/{} HTTP/1.1\r\nhost: x\r\n\r\n", "k".repeat(9_000)), 431),
    ] {
        let answer = talk(&sidecar, &request).await;
        assert_eq!(statuses(&answer), [status], "{:.60} of {} bytes", request, request.len());
    }
    // One that never ends is not listened to for ever either.
    let endless = format!("GET / HTTP/1.1\r\nhost: x\r\nx-endless: {}", "x".repeat(2 << 20));
    assert_eq!(statuses(&talk(&sidecar, endless).await), [431]);
    assert_eq!(sidecar.reached(None).await, 2);
    others_are_served(&sidecar).await;

    let generous = Sidecar::with(MEMORY, &["--read-buffer-size", "64Ki"]);
    assert_eq!(statuses(&talk(&generous, get(&large(60_000))).await), [204]);
    assert_eq!(statuses(&talk(&generous, get(&large(80_000))).await), [431]);
}

/// A proxy before the sidecar may read one request where the sidecar reads two, or the other way round. What is not the
/// one thing for certain is refused, and what comes after it on the connection is not looked at.
#[tokio::test]
async fn no_request_is_smuggled_within_another() {
    let sidecar = Sidecar::memory();
    let inner = "POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 25\r\n\r\n[{\"key\":\"k\",\"value\":\"x\"}]";
    let outer =
        |head: &str, body: &str| format!("POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\n{head}\r\n{body}");
    let chunks = |length: &str| outer("transfer-encoding: chunked\r\n", &format!("{length}\r\n{inner}"));
    for request in [
        // Both lengths: the chunked one counts, and the connection ends.
        outer("content-length: 6\r\ntransfer-encoding: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        outer("transfer-encoding: chunked\r\ncontent-length: 6\r\n", &format!("0\r\n\r\n{inner}")),
        // Two lengths.
        outer("content-length: 0\r\ncontent-length: 4\r\n", inner),
        outer("content-length: 0, 4\r\n", inner),
        // Lengths that are none.
        outer("content-length: +0\r\n", inner),
        outer("content-length: -1\r\n", inner),
        outer("content-length: 0x0\r\n", inner),
        outer("content-length: 99999999999999999999999\r\n", inner),
        outer("content-length: \r\n", inner),
        // Codings that some take for chunked.
        outer("transfer-encoding: xchunked\r\n", inner),
        outer("transfer-encoding: chunked, identity\r\n", inner),
        outer("transfer-encoding: identity\r\n", inner),
        outer("transfer-encoding : chunked\r\n", &format!("0\r\n\r\n{inner}")),
        outer(" transfer-encoding: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        outer("x: y\r\n transfer-encoding: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        outer("transfer-encoding: \u{b}chunked\r\n", &format!("0\r\n\r\n{inner}")),
        outer("transfer-encoding\0: chunked\r\n", &format!("0\r\n\r\n{inner}")),
        // Lengths of chunks that are none.
        chunks("-1"),
        chunks("0x1"),
        chunks("ffffffffffffffffffff"),
        chunks("1 2"),
        chunks(""),
        chunks("g"),
    ] {
        let answer = talk(&sidecar, &request).await;
        assert!(!statuses(&answer).contains(&200) && statuses(&answer).len() <= 1, "{request}\n{answer}");
    }
    assert_eq!(sidecar.reached(None).await, 0);
    // The same two requests one after the other are two.
    let two = format!("{}{inner}", outer("content-length: 2\r\n", "[]"));
    assert_eq!(statuses(&talk(&sidecar, two).await), [204, 204]);
    assert_eq!(sidecar.reached(Some("set")).await, 1);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let sidecar = Sidecar::memory();
    for request in [
        "\0\0\0\0\0\0\0\0".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET /v1.0/state/store/k\r\n\r\n".to_owned(),
        "GET /v1.0/state/store/k HTTP/1.1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /v1.0/state/store/k HTTP/3.0\r\nhost: x\r\n\r\n".to_owned(),
        "G\u{7f}T /v1.0/state/store/k HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        get("no colon\r\n"),
        get("a\0b: c\r\n"),
        get("a: b\0c\r\n"),
        get("a: b\rc: d\r\n"),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_owned(),
    ] {
        assert_eq!(statuses(&talk(&sidecar, &request).await), [400], "{request:.80?}");
    }
    // Whoever sends nothing but blank lines gets no answer, and no more than his time.
    assert_eq!(talk(&sidecar, "\r\n\r\n".repeat(1_000)).await, "");
    assert_eq!(sidecar.reached(None).await, 0);
    others_are_served(&sidecar).await;
}

/// Whoever sends one request and a part of the next may wait for the first answer before going on.
#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let sidecar = Sidecar::memory();
    let one = "GET /v1.0/healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let many = one.repeat(1_000);
    for (whole, part, count) in
        [("", one, 0), (one, "GET /v1.0", 1), (&many, "GET", 1_000), (&many, one, 1_000)]
    {
        let (part, rest) = part.split_at(part.len() / 2);
        let mut stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
        stream.write_all(format!("{whole}{part}").as_bytes()).await.unwrap();
        let mut answered = String::new();
        let mut buffer = vec![0; 1 << 16];
        while statuses(&answered).len() < count {
            let length = stream.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0, "{answered}");
            answered.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        assert!(statuses(&answered).iter().all(|status| *status == 204));
        let rest = if rest.ends_with("\r\n\r\n") { rest } else { "\0\r\n\r\n" };
        stream.write_all(rest.as_bytes()).await.unwrap();
        let length = stream.read(&mut buffer).await.unwrap();
        assert_eq!(statuses(std::str::from_utf8(&buffer[..length]).unwrap()).len(), 1);
    }
}

#[tokio::test]
async fn a_uri_in_another_form_is_no_way_elsewhere() {
    let sidecar = Sidecar::memory();
    for (line, expected) in [
        // Every server must take this form; whose name it has, says nothing to a sidecar.
        ("GET http://elsewhere.example/v1.0/state/store/k", 204),
        ("GET http://elsewhere.example:1/v1.0/healthz", 204),
        ("CONNECT elsewhere.example:443", 404),
        ("OPTIONS *", 404),
        ("GET ftp://elsewhere.example/v1.0/nothing", 404),
    ] {
        let answer = talk(&sidecar, format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(statuses(&answer), [expected], "{line}\n{answer}");
    }
    assert_eq!(sidecar.reached(None).await, 1);
}

/// Only the paths of health are open; what leads there and on does not open anything else.
#[tokio::test]
async fn no_path_goes_around_the_token() {
    let sidecar =
        Sidecar::with_environment(MEMORY, &["--dapr-public-port", "0"], &[("DAPR_API_TOKEN", "secret")]);
    for path in [
        "/v1.0/healthz/../state/store/k",
        "/v1.0/healthz/%2e%2e/state/store/k",
        "/v1.0/healthz/..%2fstate/store/k",
        "/v1.0/healthz%2f../state/store/k",
        "/v1.0/healthz/..;/state/store/k",
        "/v1.0/healthz/.././/state//store/k",
        "/v1.0/state/store/k?/v1.0/healthz",
        "/v1.0/state/store/k#/v1.0/healthz",
        "/v1.0/state/store/k/../../../healthz/../state/store/k",
        "/v1.0/healthz%00/../state/store/k",
        "//v1.0/healthz/../state/store/k",
        "/v1.0\\healthz\\..\\state\\store\\k",
        "/v1.0/metadata/../healthz/../metadata",
        "/v1.0/HEALTHZ",
        "/V1.0/healthz",
        "/v1.0/health%7a",
    ] {
        let answer =
            talk(&sidecar, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        assert_eq!(statuses(&answer), [401], "{path}\n{answer}");
        // On the public port nothing but health and metadata is there.
        let public = wire::At::Tcp(sidecar.text("public"));
        if let Ok(uri) = path.parse::<http::Uri>() {
            let answer = wire::call(&public, "GET", &uri.to_string(), &[], "").await;
            assert!(matches!(answer.status.as_u16(), 200 | 404), "{path} {answer:?}");
        }
    }
    assert_eq!(sidecar.reached(None).await, 0);
    // What does lead to health is health.
    for path in ["/v1.0/healthz/", "//v1.0//healthz", "/v1.0/state/../healthz", "/../v1.0/healthz"] {
        sidecar.call("GET", path, "").await.is_empty();
    }
}

/// A key is one segment, whatever it is made of, and stays what it is.
#[tokio::test]
async fn a_key_in_a_path_is_that_key() {
    let sidecar = Sidecar::memory();
    let hard = "a/../b?c#d%e;f\\ g\u{0}\u{1F980}\"'<>\r\n";
    let body = serde_json::json!([{ "key": hard, "value": "found" }]).to_string();
    sidecar.call("POST", "/v1.0/state/store", body).await.is_empty();
    let encoded: String = hard.bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(sidecar.call("GET", &format!("/v1.0/state/store/{encoded}"), "").await.json(), "found");
    for path in ["/v1.0/state/store/%C0%AF", "/v1.0/state/store/%ff", "/v1.0/state/store/%ED%A0%80"] {
        sidecar.call("GET", path, "").await.failed(400, "ERR_MALFORMED_REQUEST");
    }
}
