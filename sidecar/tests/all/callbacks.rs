//! An app that speaks gRPC: it takes every callback, answers it with an empty message, and remembers its metadata.

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Frame;
use tokio::sync::watch;

use crate::raw::{self, Raw};

/// A callback as the app got it.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The name of the callback.
    pub(crate) method: String,
    pub(crate) headers: HeaderMap,
}

/// The app; gone when dropped.
pub(crate) struct Callbacks {
    pub(crate) port: u16,
    told: watch::Receiver<Vec<Told>>,
    _raw: Raw,
}

// === impl Callbacks ===

impl Callbacks {
    /// Starts an app that answers every callback with success.
    pub(crate) async fn start() -> Self {
        Self::answering("0").await
    }

    /// Starts an app that answers every callback with this code.
    pub(crate) async fn answering(code: &'static str) -> Self {
        let (remembered, told) = watch::channel(Vec::new());
        let raw = Raw::start(move |request: Request<_>| {
            let remembered = remembered.clone();
            async move {
                let (head, body) = request.into_parts();
                // Of a request that breaks off nobody wants an answer.
                let _ = body.collect().await;
                let method = head.uri.path().rsplit('/').next().unwrap().to_owned();
                remembered.send_modify(|all| all.push(Told { method, headers: head.headers }));
                let response = Response::builder().header("content-type", "application/grpc");
                if code != "0" {
                    let response = response.header("grpc-status", code).header("grpc-message", "the%20app's");
                    return response.body(raw::full("")).unwrap();
                }
                let (writer, body) = raw::written();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", code.parse().unwrap());
                for frame in [Frame::data(vec![0; 5].into()), Frame::trailers(trailers)] {
                    writer.send(frame).unwrap();
                }
                response.body(body).unwrap()
            }
        })
        .await;
        Self { port: raw.port, told, _raw: raw }
    }

    /// Waits for so many calls of a callback, and answers them.
    pub(crate) async fn until_told(&self, method: &str, count: usize) -> Vec<Told> {
        let of = |all: &[Told]| -> Vec<Told> {
            all.iter().filter(|told| told.method == method).cloned().collect()
        };
        let mut changes = self.told.clone();
        of(&changes.wait_for(|all| of(all).len() >= count).await.expect("the app panicked"))
    }
}
