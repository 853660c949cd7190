//! A server that answers as its paths say.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Version, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

/// What a server saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    /// Connections that ended.
    pub(super) ended: AtomicUsize,
    pub(super) requests: Mutex<Vec<Arrived>>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) host: String,
    pub(super) version: Version,
    pub(super) headers: hyper::HeaderMap,
    pub(super) body: Bytes,
}

pub(super) const AUTHORITY: &[u8] = include_bytes!("authority.pem");
/// The names that this certificate is for: `api.test`, `other.test` and `forbidden.test`.
const CERTIFICATE: &[u8] = include_bytes!("server.pem");
/// The tests' own, and nobody's secret.
const KEY: &[u8] = include_bytes!("server.key");

/// Starts a server; it ends with its runtime.
pub(super) async fn start(tls: bool) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::<Seen>::default());
    let all = Arc::clone(&seen);
    let acceptor = tls.then(acceptor);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            seen.connections.fetch_add(1, Ordering::SeqCst);
            let (seen, acceptor) = (Arc::clone(&seen), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => serve(stream, &seen).await,
                    // A client that does not believe the certificate goes.
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &seen).await;
                        }
                    }
                }
                seen.ended.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (address, all)
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, seen: &Arc<Seen>) {
    let seen = Arc::clone(seen);
    let service = service_fn(move |request| {
        let seen = Arc::clone(&seen);
        async move { Ok::<_, Infallible>(answer(request, &seen).await) }
    });
    // A client that is gone is an error, too.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, seen: &Seen) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let host = head.uri.host().or_else(|| head.headers.get("host")?.to_str().ok());
    seen.requests.lock().push(Arrived {
        method: head.method.to_string(),
        target: head.uri.path_and_query().unwrap().to_string(),
        host: host.unwrap_or_default().to_owned(),
        version: head.version,
        headers: head.headers,
        body: body.clone(),
    });
    let chunk = |length: usize| Ok(Frame::data(Bytes::from(vec![b'x'; length])));
    let (first, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let mut response = Response::new(match first {
        "/large" => whole(vec![b'x'; query.parse().unwrap()]),
        "/endless" => streamed(stream::repeat_with(move || chunk(100))),
        "/unfinished" => streamed(stream::iter([chunk(100)]).chain(stream::pending())),
        "/hang" => std::future::pending().await,
        "/broken" => streamed(stream::iter([chunk(100), Err("broken".into())])),
        _ if head.method == Method::HEAD => whole(Bytes::new()),
        _ => whole(body),
    });
    if let Some(status) = first.strip_prefix("/status/") {
        *response.status_mut() = status.parse().unwrap();
        if !query.is_empty() {
            response.headers_mut().insert(header::LOCATION, query.parse().unwrap());
        }
    }
    response.headers_mut().append(header::SET_COOKIE, "a=1".parse().unwrap());
    response.headers_mut().append(header::SET_COOKIE, "b=2".parse().unwrap());
    if first == "/close" {
        response.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
    }
    response
}

fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

fn streamed(
    stream: impl futures_util::Stream<Item = Result<Frame<Bytes>, Failure>> + Send + 'static,
) -> Body {
    StreamBody::new(stream).boxed_unsync()
}
