//! Calls of servers that are no apps of Dapr's: `http://` or `https://` in an id's place.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::Code;

use super::{Refused, headers};
use crate::body::{Body, streamed};
use crate::link::{WINDOW, innermost};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(90);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A server, and what is put before paths.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
    /// What is added to requests, in place of what they say.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Reaches them; made when the first is called.
#[derive(Debug, Default)]
pub(super) struct External(OnceLock<Client<HttpsConnector<HttpConnector>, Body>>);

// === impl Server ===

impl Server {
    /// Reads an id that is a URL.
    pub(super) fn parse(id: &str) -> Option<Result<Self, Refused>> {
        if !id.starts_with("http://") && !id.starts_with("https://") {
            return None;
        }
        let parsed = id.parse::<Uri>().ok().and_then(|uri| {
            let parts = uri.into_parts();
            let authority = parts.authority.filter(|authority| !authority.as_str().contains('@'))?;
            let path = parts.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
            let prefix = path.path().trim_end_matches('/').to_owned();
            path.query().is_none().then_some(Self {
                scheme: parts.scheme?,
                authority,
                prefix,
                headers: Vec::new(),
            })
        });
        Some(parsed.ok_or_else(|| {
            Refused::new(
                Code::InvalidArgument,
                format!("{id:?} is no URL of a server; write it as http://HOST:PORT"),
            )
        }))
    }
}

// === impl External ===

impl External {
    pub(super) async fn send(
        &self,
        server: &Server,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Refused> {
        let failed = |reason: String| {
            Refused::new(Code::Internal, format!("{}://{}: {reason}", server.scheme, server.authority))
        };
        let client = match self.0.get() {
            Some(client) => client,
            None => {
                let made = client().map_err(|error| failed(error.to_string()))?;
                self.0.get_or_init(|| made)
            }
        };
        // It is no app's: who calls is not its affair.
        let said = [headers::APP_ID, headers::CALLER, headers::CALLEE, headers::CALLER_NAMESPACE];
        said.iter().for_each(|name| drop(request.headers_mut().remove(name)));
        for (name, value) in &server.headers {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        if !server.prefix.is_empty() {
            let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
            let path = PathAndQuery::try_from(format!("{}{path}", server.prefix));
            parts.path_and_query = Some(path.map_err(|error| failed(error.to_string()))?);
        }
        parts.scheme = Some(server.scheme.clone());
        parts.authority = Some(server.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).map_err(|error| failed(error.to_string()))?;
        *request.version_mut() = http::Version::HTTP_11;
        let mut response = client.request(request).await.map_err(|error| failed(innermost(&error)))?;
        headers::clean(response.headers_mut());
        Ok(response.map(streamed))
    }
}

fn client() -> std::io::Result<Client<HttpsConnector<HttpConnector>, Body>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT));
    connector.enforce_http(false);
    let mut roots = rustls::RootCertStore::empty();
    // Certificates that cannot be read are as good as missing: what they would vouch for is refused.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(std::io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .enable_http2()
        .wrap_connector(connector);
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    builder.http2_initial_connection_window_size(WINDOW);
    Ok(builder.build(connector))
}
