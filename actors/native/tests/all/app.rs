//! The app as a process beside a sidecar.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::sidecar::{Sidecar, ask, get};

#[tokio::test]
async fn the_process_serves_operations_and_counters_until_it_is_told_to_stop() {
    let sidecar = Sidecar::start();
    for (protocol, address) in [("http", sidecar.http()), ("grpc", sidecar.grpc())] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion-native-app"));
        command.args(["--app-port", "0", "--protocol", protocol, "--sidecar", &address[1].to_string()]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let app = ready["http"].as_str().unwrap();

        let path = format!("/counter/{protocol}");
        assert_eq!(get(app, "/healthz").await, (204, String::new()));
        assert_eq!(ask(app, "POST", "/echo", b"hello").await, (200, "hello".to_owned()));
        assert_eq!(get(app, &path).await, (200, format!(r#"{{"counter":"{protocol}","value":1}}"#)));
        assert_eq!(ask(app, "POST", &path, b"").await.1, format!(r#"{{"counter":"{protocol}","value":2}}"#));
        assert_eq!(ask(app, "POST", "/nothing", b"").await, (404, "bad dispatch".to_owned()));
        assert_eq!(ask(app, "POST", "/order", b"{").await.0, 400);
        assert_eq!(get(app, "/echo").await.0, 405);
        assert_eq!(ask(app, "POST", "/echo", &vec![0; 5_000_000]).await.0, 413);

        let killed = Command::new("kill").arg(process.id().to_string()).status().unwrap();
        assert!(killed.success() && process.wait().unwrap().success());
    }
}

#[test]
fn a_port_in_use_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let output =
        Command::new(env!("CARGO_BIN_EXE_pillion-native-app")).args(["--app-port", &port]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains(&port) && error.contains("--app-port"), "{error}");
}
