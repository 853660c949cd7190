//! A client for batches over HTTP that remembers why one could not be sent: the error of the exporter does not say.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use parking_lot::Mutex;

use crate::Result;
use crate::httpclient::{Connections, to_anybody};

/// The last reason, until it is taken.
pub(super) type Reason = Arc<Mutex<Option<String>>>;

#[derive(Debug)]
pub(super) struct Client {
    connections: Connections,
    /// How long a batch may take.
    timeout: Duration,
    reason: Reason,
}

/// The longest answer, in bytes: a collector says little.
const ANSWER: usize = 4 << 20;

// === impl Client ===

impl Client {
    pub(super) fn new(timeout: Duration, reason: Reason) -> Result<Self> {
        Ok(Self { connections: to_anybody(timeout)?, timeout, reason })
    }

    async fn send(&self, request: Request<Bytes>) -> std::result::Result<Response<Bytes>, HttpError> {
        let asked = async {
            let (head, body) = self.connections.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.timeout, asked).await?
    }
}

impl HttpClient for Client {
    fn send_bytes<'this, 'sent>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = std::result::Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'this: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let sent = self.send(request).await;
            if let Err(error) = &sent {
                *self.reason.lock() = Some(whole(&**error));
            }
            sent
        })
    }
}

/// An error with its causes, of which the first mostly says nothing.
fn whole(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
