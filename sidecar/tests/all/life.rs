//! From start to stop.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sidecar::{Sidecar, bare, errors, first_line, refusal, refused, socket};
use crate::wire;

const FREE: [&str; 6] = ["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0"];

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (what, flag) in [
        ("HTTP", "--dapr-http-port"),
        ("gRPC", "--dapr-grpc-port"),
        ("metrics", "--metrics-port"),
        ("public HTTP", "--dapr-public-port"),
    ] {
        let others = FREE.chunks(2).filter(|pair| pair[0] != flag).flatten().copied();
        let output = bare(others.chain([flag, port.as_str()])).output().unwrap();
        let said = refusal(&output);
        let wanted = format!("cannot listen for {what} on 127.0.0.1:{port}: the port is in use");
        assert!(said.contains(&wanted), "{said}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[tokio::test]
async fn only_this_machine_is_listened_to() {
    let sidecar = Sidecar::memory();
    for name in ["http", "grpc", "metrics"] {
        assert!(sidecar.text(name).starts_with("127.0.0.1:"), "{}", sidecar.ready());
    }
    let sidecar = Sidecar::with("", &["--dapr-listen-addresses", "127.0.0.2,127.0.0.1"]);
    assert!(sidecar.text("http").starts_with("127.0.0.2:"));
}

#[test]
fn metrics_can_be_switched_off() {
    let sidecar = Sidecar::with("", &["--enable-metrics=false"]);
    assert!(sidecar.ready()["metrics"].is_null(), "{}", sidecar.ready());
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let mut first = Sidecar::memory();
    let folder = first.folder().to_str().unwrap().to_owned();
    let said = refused("", &["--unix-domain-socket", &folder]);
    assert!(said.contains("another process listens there"), "{said}");
    wire::call(&first.http_socket(), "GET", "/v1.0/healthz", &[], "").await.is_empty();

    // Killed, it cannot tidy up.
    first.signal("KILL");
    first.wait().await;
    assert!(socket(first.folder(), "http").exists());
    let arguments = FREE.iter().copied().chain(["--app-id", "app", "--unix-domain-socket", &folder]);
    let (mut second, line) = first_line(&mut bare(arguments));
    assert!(line.contains("dapr-app-http.socket"), "{line}");
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn sockets_go_on_a_clean_stop() {
    let mut sidecar = Sidecar::memory();
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
    assert!(!socket(sidecar.folder(), "http").exists() && !socket(sidecar.folder(), "grpc").exists());
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = socket(folder.path(), "http");
    std::fs::write(&file, "precious").unwrap();
    let said = refused("", &["--unix-domain-socket", folder.path().to_str().unwrap()]);
    assert!(said.contains("not a socket"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    let said = refused("", &["--unix-domain-socket", "/no/such/folder"]);
    assert!(said.contains("its folder is not there"), "{said}");
    let long = folder.path().join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    assert!(
        UnixListener::bind(socket(&long, "http")).is_err(),
        "the system takes longer paths than we thought"
    );
    let said = refused("", &["--unix-domain-socket", long.to_str().unwrap()]);
    assert!(said.contains("choose a folder with a shorter path"), "{said}");
}

/// A request of which only the head and half of the body were sent.
async fn half_a_request(sidecar: &Sidecar) -> TcpStream {
    let mut stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    let head =
        "POST /v1.0/state/store HTTP/1.1\r\nhost: x\r\ncontent-length: 23\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // It asks for the rest: the request is under way.
    let mut line = [0; 25];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(&line[..], b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test]
async fn requests_under_way_are_finished() {
    for signal in ["TERM", "INT"] {
        let mut sidecar = Sidecar::with(crate::sidecar::MEMORY, &["--dapr-graceful-shutdown-seconds", "60"]);
        let mut stream = half_a_request(&sidecar).await;
        sidecar.signal(signal);
        // It takes no new ones.
        while TcpStream::connect(sidecar.text("http")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stream.write_all(br#"[{"key":"k","value":1}]"#).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
        assert!(sidecar.wait().await.success());
    }
}

#[tokio::test]
async fn patience_has_an_end() {
    let mut sidecar = Sidecar::with(crate::sidecar::MEMORY, &["--dapr-graceful-shutdown-seconds", "0"]);
    let _stream = half_a_request(&sidecar).await;
    sidecar.signal("TERM");
    // The request never ends, so that without an end of patience this would not come back.
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn a_second_signal_ends_the_patience() {
    let mut sidecar = Sidecar::with(crate::sidecar::MEMORY, &["--dapr-graceful-shutdown-seconds", "600"]);
    let _stream = half_a_request(&sidecar).await;
    sidecar.signal("TERM");
    // It has heard the first one.
    while TcpStream::connect(sidecar.text("http")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sidecar.signal("INT");
    assert_eq!(sidecar.wait().await.code(), Some(1));
}

#[tokio::test]
async fn one_thread_serves_as_well_and_without_a_word() {
    let quiet = ["--worker-threads", "1", "--log-level", "error"];
    let mut sidecar = Sidecar::with(crate::sidecar::MEMORY, &quiet);
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
    assert_eq!(sidecar.call("GET", "/v1.0/state/store/k", "").await.status, 200);
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn http2_can_be_left_out() {
    let request = || http::Request::get("http://x/v1.0/healthz").body(Empty::<Bytes>::new()).unwrap();
    for (left_out, served) in [("false", true), ("true", false)] {
        let sidecar =
            Sidecar::with_environment(crate::sidecar::MEMORY, &[], &[("DAPR_HTTP_DISABLE_H2C", left_out)]);
        let stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
        let executor = TokioExecutor::new();
        let (mut sender, connection) = http2::handshake(executor, TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let answer = sender.send_request(request()).await;
        assert_eq!(answer.is_ok_and(|answer| answer.status().is_success()), served, "{left_out}");
        sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    let mut sidecar = Sidecar::with(crate::sidecar::MEMORY, &["--dapr-graceful-shutdown-seconds", "600"]);
    let _idle = TcpStream::connect(sidecar.text("http")).await.unwrap();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    client.get_metadata(dapr::dapr::proto::runtime::v1::GetMetadataRequest {}).await.unwrap();
    sidecar.signal("TERM");
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn flags_without_effect_are_warned_of_and_requests_can_be_logged_in_json() {
    let flags = ["--app-id", "app", "--profile-port", "8080", "--log-as-json", "--enable-api-logging=true"];
    let mut command = bare(FREE.iter().copied().chain(flags));
    let (child, line) = first_line(command.stderr(Stdio::piped()));
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let http = wire::At::Tcp(ready["http"].as_str().unwrap().to_owned());
    wire::call(&http, "GET", "/v1.0/healthz", &[], "").await.is_empty();
    let mut client = wire::grpc(&wire::At::Tcp(ready["grpc"].as_str().unwrap().to_owned())).await;
    client.get_metadata(dapr::dapr::proto::runtime::v1::GetMetadataRequest {}).await.unwrap();
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").arg(id).status().unwrap().success());
    let said = errors(child);
    let lines: Vec<serde_json::Value> =
        said.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let warned = lines.iter().any(|line| {
        line["level"] == "warning"
            && line["msg"].as_str().unwrap().starts_with("--profile-port has no effect")
    });
    assert!(warned, "{said}");
    // Every line has what Dapr's lines have, and nothing within another.
    for line in &lines {
        for name in ["time", "level", "type", "msg", "scope", "instance", "app_id", "ver"] {
            assert!(line[name].is_string(), "{name} of {line}");
        }
        assert!(line["type"] == "log" && line["app_id"] == "app" && line["ver"] == "1.18.0", "{line}");
        let time = line["time"].as_str().unwrap();
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z'), "{line}");
        let flat = |value: &serde_json::Value| !value.is_object() && !value.is_array();
        assert!(line.as_object().unwrap().values().all(flat), "{line}");
    }
    let logged = |message: &str, field: &str, value: serde_json::Value| {
        lines.iter().any(|line| line["msg"] == message && line[field] == value)
    };
    assert!(logged("HTTP API Called", "path", "/v1.0/healthz".into()), "{said}");
    assert!(logged("HTTP API Called", "code", 204.into()), "{said}");
    let method = "/dapr.proto.runtime.v1.Dapr/GetMetadata";
    assert!(logged("gRPC API Called", "method", method.into()), "{said}");
}

#[test]
fn a_mistake_on_the_command_line_is_a_usage_error() {
    for wrong in [
        ["--max-body-size", "4Mb"],
        ["--dapr-http-port", "70000"],
        ["--no-such-flag", "1"],
        ["--log-level", "loud"],
    ] {
        let output = bare(wrong).output().unwrap();
        let said = refusal(&output);
        assert!(said.contains(wrong[0]), "{said}");
        assert_eq!(output.status.code(), Some(2), "{said}");
    }
}
