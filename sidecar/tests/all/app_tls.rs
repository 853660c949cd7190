//! Apps that speak TLS, with a certificate that nobody could check.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::accepting::Accepting;
use crate::invoke_http::pair_with;
use crate::raw;
use crate::wire;

/// An app over TLS that answers what was asked; for gRPC, the frames that came.
async fn app() -> (Accepting, u16) {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/app.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/app.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = Accepting::start(listener, move |stream, witness| {
        let acceptor = acceptor.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let witness = witness.clone();
            async move {
                let _witness = witness;
                let (head, body) = request.into_parts();
                let said = format!("{:?} {}", head.version, head.uri.path());
                let body = body.collect().await.unwrap().to_bytes();
                if head.headers.get("content-type").is_none_or(|it| it != "application/grpc") {
                    return Ok::<_, Infallible>(Response::new(raw::full(said)));
                }
                let (writer, answer) = raw::written();
                writer.send(Frame::data(body)).unwrap();
                let mut trailers = http::HeaderMap::new();
                trailers.insert("grpc-status", "0".parse().unwrap());
                writer.send(Frame::trailers(trailers)).unwrap();
                Ok(Response::builder().header("content-type", "application/grpc").body(answer).unwrap())
            }
        });
        async move {
            // A look whether somebody listens is no handshake.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let builder = auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    });
    (accepting, port)
}

#[tokio::test]
async fn an_app_may_speak_tls_with_any_certificate() {
    let (_app, port) = app().await;
    let (caller, callee) = pair_with(port, &["--app-protocol", "https"], &[]);
    for sidecar in [&caller, &callee] {
        let answer = wire::call(&sidecar.http(), "GET", "/v1.0/invoke/callee/method/x", &[], "").await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"HTTP/1.1 /x"[..]), "{answer:?}");
    }
    let (caller, callee) = pair_with(port, &["--app-protocol", "grpcs"], &[]);
    for sidecar in [&caller, &callee] {
        let endpoint = tonic::transport::Endpoint::try_from(format!("http://{}", sidecar.text("grpc")));
        let mut client = tonic::client::Grpc::new(endpoint.unwrap().connect().await.unwrap());
        client.ready().await.unwrap();
        let mut request = tonic::Request::new("hello".to_owned());
        request.metadata_mut().insert("dapr-app-id", "callee".parse().unwrap());
        let codec = tonic_prost::ProstCodec::<String, String>::default();
        let answer = client.unary(request, "/test.T/M".parse().unwrap(), codec).await.unwrap();
        assert_eq!(answer.into_inner(), "hello");
        // By the callback, whose answer is the question here.
        let answer = wire::call(&sidecar.http(), "GET", "/v1.0/invoke/callee/method/", &[], "").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
}
