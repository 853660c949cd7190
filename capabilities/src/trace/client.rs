//! A client for batches over HTTP that remembers why one could not be sent: the error of the exporter does not say.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use parking_lot::Mutex;

/// The last reason, until it is taken.
pub(super) type Reason = Arc<Mutex<Option<String>>>;

#[derive(Debug)]
pub(super) struct Client {
    pub(super) inner: HyperClient<HttpsConnector<HttpConnector>>,
    pub(super) reason: Reason,
}

impl HttpClient for Client {
    fn send_bytes<'this, 'sent>(
        &'this self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'this: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let sent = self.inner.send_bytes(request).await;
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
