//! Where a job's sidecar is to be reached.

use pillion_harness::job::Job;
use pillion_native::Address;

/// The address for the job's protocol and transport.
///
/// # Errors
/// The job has no sidecar, or the sidecar does not listen there.
pub fn address(job: &Job) -> Result<Address, String> {
    let sidecar = job.sidecar.as_ref().ok_or("the job has no sidecar")?;
    let (tcp, socket) = match job.protocol.as_deref() {
        Some("http" | "http2") => (&sidecar.http, &sidecar.http_socket),
        Some("grpc" | "stream") => (&sidecar.grpc, &sidecar.grpc_socket),
        other => return Err(format!("a sidecar speaks http, http2, grpc or stream, not {other:?}")),
    };
    match job.transport.as_deref() {
        Some("tcp") => tcp.parse().map_err(|error: pillion_native::InvalidAddress| error.to_string()),
        Some("uds") => {
            socket.clone().map(Address::Unix).ok_or_else(|| "the sidecar has no Unix socket".into())
        }
        other => Err(format!("a transport is tcp or uds, not {other:?}")),
    }
}
