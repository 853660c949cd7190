//! Connections, to addresses that may be connected to.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Resolve;
use super::address::is_public;
use super::location::{origin, port};
use crate::{Error, Result};

/// Connects. A name is resolved once for each connection, and what was found is both checked and connected to, so that a
/// name that means something else a moment later leads nowhere else.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) allow_private: bool,
    pub(super) timeout: Duration,
}

type Connecting = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>>> + Send>>;

// === impl Connector ===

impl Connector {
    async fn connect(self, url: Uri) -> Result<TokioIo<TcpStream>> {
        match tokio::time::timeout(self.timeout, self.connect_anyhow(&url)).await {
            Ok(connected) => connected.map(TokioIo::new),
            Err(_) => Err(Error::Unavailable {
                provider: origin(&url),
                reason: format!("there is no connection within {:?}", self.timeout),
            }),
        }
    }

    async fn connect_anyhow(&self, url: &Uri) -> Result<TcpStream> {
        let unavailable = |reason: String| Error::Unavailable { provider: origin(url), reason };
        let mut failure = unavailable("its name has no address".to_owned());
        let addresses = self.addresses(url).await?;
        // One that does not answer leaves time for the others.
        let share = self.timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        for address in addresses {
            let connecting = TcpStream::connect(SocketAddr::new(address, port(url)));
            match tokio::time::timeout(share, connecting).await.unwrap_or_else(|late| Err(late.into())) {
                Ok(stream) => {
                    // A request is written at once, and in one piece.
                    stream.set_nodelay(true).map_err(|error| unavailable(error.to_string()))?;
                    return Ok(stream);
                }
                Err(error) => failure = unavailable(error.to_string()),
            }
        }
        Err(failure)
    }

    /// The addresses that may be connected to; [`Error::Denied`] if there are others alone.
    async fn addresses(&self, url: &Uri) -> Result<Vec<IpAddr>> {
        let host = url.host().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        let mut found = match literal {
            Ok(address) => vec![address],
            Err(_) => self.resolver.resolve(host).wait().await?,
        };
        let first = found.first().copied();
        found.retain(|address| self.allow_private || is_public(*address));
        match first {
            Some(address) if found.is_empty() => Err(Error::Denied {
                what: format!("a connection to {host}, which is at {address}, no public address,"),
                remedy: "allow private addresses if it is meant to be one's own",
            }),
            _ => Ok(found),
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Connecting {
        Box::pin(self.clone().connect(url))
    }
}
