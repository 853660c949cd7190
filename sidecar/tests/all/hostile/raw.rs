//! Bytes as they are, over TCP.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sidecar::Sidecar;

/// Sends these bytes over a connection of HTTP and answers everything that comes back until the sidecar closes it: on
/// what it does not understand, on what asks it to, or when it has waited long enough for more.
pub(super) async fn talk(sidecar: &Sidecar, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(sidecar.text("http")).await.unwrap();
    // A sidecar that has heard enough may close before all is written.
    let _ = stream.write_all(bytes.as_ref()).await;
    everything(&mut stream).await
}

/// Reads until the sidecar closes the connection, in whatever way.
pub(super) async fn everything(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut part = vec![0; 1 << 16];
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        answer.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers in what came back over HTTP/1.1.
pub(super) fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().unwrap()).collect()
}

/// Asserts that others are served, over both protocols.
pub(super) async fn others_are_served(sidecar: &Sidecar) {
    sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();
    let mut client = crate::wire::grpc(&sidecar.grpc()).await;
    client.get_metadata(dapr::dapr::proto::runtime::v1::GetMetadataRequest {}).await.unwrap();
}

/// The memory that the sidecar has now, in bytes.
pub(super) fn memory(sidecar: &Sidecar) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
