//! One HTTP/2 connection, on which any number of requests are under way.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::Address;
use crate::connection::{ConnectionError, connect};

/// The connection to one address, opened when it is needed, without encryption and without an upgrade.
pub(crate) struct Multiplexed {
    pub(crate) address: Address,
    current: Mutex<Option<SendRequest<Full<Bytes>>>>,
    opening: tokio::sync::Mutex<()>,
}

// === impl Multiplexed ===

impl Multiplexed {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, current: Mutex::default(), opening: tokio::sync::Mutex::default() }
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ConnectionError> {
        loop {
            let (mut sender, used) = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    return Ok(Response::from_parts(parts, body.collect().await?.to_bytes()));
                }
                Err(mut failed) => match failed.take_message() {
                    // The other side had closed the connection while nobody used it, and saw nothing of the request.
                    Some(again) if used => request = again,
                    _ => return Err(failed.into_error().into()),
                },
            }
        }
    }

    /// The connection, and whether it was there before.
    async fn sender(&self) -> Result<(SendRequest<Full<Bytes>>, bool), ConnectionError> {
        if let Some(sender) = self.current() {
            return Ok((sender, true));
        }
        // One opens it, the others wait for that.
        let _turn = self.opening.lock().await;
        if let Some(sender) = self.current() {
            return Ok((sender, true));
        }
        let stream = connect(&self.address).await.map_err(ConnectionError::Connect)?;
        let (sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // How it ends shows in the requests on it.
        tokio::spawn(driver);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        Ok((sender, false))
    }

    fn current(&self) -> Option<SendRequest<Full<Bytes>>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|sender| !sender.is_closed()).cloned()
    }
}
