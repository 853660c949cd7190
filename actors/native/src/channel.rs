//! The HTTP/2 connection of gRPC clients.

use hyper_util::rt::TokioIo;
use pillion_logic::CallError;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::Address;

/// The longest message that is taken, in bytes.
pub(crate) const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Connects to the sidecar at `address`.
pub(crate) async fn connect(address: &Address) -> Result<Channel, CallError> {
    let failed = |error: tonic::transport::Error| {
        let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        CallError(format!("sidecar at {address}: cannot connect: {reason}; is it running?"))
    };
    match address {
        Address::Tcp(authority) => {
            let endpoint = Endpoint::from_shared(format!("http://{authority}")).map_err(failed)?;
            endpoint.tcp_nodelay(true).connect().await.map_err(failed)
        }
        Address::Unix(path) => {
            let path = path.clone();
            let connector = service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let endpoint = Endpoint::from_static("http://localhost");
            endpoint.connect_with_connector(connector).await.map_err(failed)
        }
    }
}
