//! The provider over hyper.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::allow::allows;
use super::connector::Connector;
use super::hop::Hop;
use super::location::origin;
use super::{HttpClient, Operation, Request, Resolve, Response, Rule, System};
use crate::{Answer, Counters, Error, Result};

/// What a client may do. The default may reach nobody.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// Whom requests, and redirects, may reach.
    pub allow: Vec<Rule>,
    /// Whether they may reach addresses that are not public too: this machine's, its network's, link-local,
    /// multicast and unspecified ones, and those set aside.
    pub allow_private: bool,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request may take in all, redirects and the response's body included.
    pub timeout: Duration,
    /// The bytes of a response's body; a larger one fails the request.
    pub response_body: usize,
    /// How many redirects are followed. With 0 they are answered as they came.
    pub redirects: usize,
    /// Whether HTTP/2 is spoken from the first byte on, without TLS too. If not, it is spoken where TLS settles on it,
    /// and HTTP/1.1 elsewhere.
    pub http2: bool,
    /// Certificates of authorities that are believed beside those of this machine, in PEM.
    pub authorities: Vec<u8>,
    /// Who finds the addresses of hosts.
    pub resolver: Arc<dyn Resolve>,
}

/// Makes requests over HTTP/1.1 and HTTP/2, with TLS and without. Connections are kept for later requests.
///
/// Every call answers [`Answer::Pending`], and runs on the tokio runtime that the client was made within; dropping the
/// answer ends the request.
pub struct Hyper {
    counters: Counters<Operation>,
    runtime: Handle,
    inner: Arc<Inner>,
}

struct Inner {
    client: Connections,
    allow: Vec<Rule>,
    timeout: Duration,
    response_body: usize,
    redirects: usize,
}

/// Connections of a client. One type for all of this crate: each costs a tenth of a megabyte of code.
pub(crate) type Connections = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// How many idle connections are kept of each server, and how long.
const IDLE: usize = 32;
const IDLE_TIME: Duration = Duration::from_secs(60);
/// So many bytes of all answers over one connection may be there that nobody has taken yet. Each is bounded by itself, and
/// must not hold up the others. h2 bounds by it too what many short pieces cost beyond their bytes: with the usual 5 MB, a
/// server that sends 1.7 MB at a time in pieces of 100 bytes ended the connection, and every request on it.
const WINDOW: u32 = 1 << 30;

const NAME: &str = "hyper";

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_private: false,
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            response_body: 4 << 20,
            redirects: 5,
            http2: false,
            authorities: Vec::new(),
            resolver: Arc::new(System),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allow, allow_private, .. } = self;
        f.debug_struct("Options")
            .field("allow", allow)
            .field("allow_private", allow_private)
            .finish_non_exhaustive()
    }
}

// === impl Hyper ===

impl Hyper {
    /// A client that does what the options say. To be called within a tokio runtime.
    ///
    /// # Errors
    /// Outside of a runtime, or when a certificate of an authority is none.
    pub fn new(options: Options) -> Result<Self> {
        let Ok(runtime) = Handle::try_current() else {
            let said = "the provider hyper needs a tokio runtime; make it within one";
            return Err(Error::InvalidArgument(said.to_owned()));
        };
        let tls = tls(&options.authorities)?;
        let Options {
            allow, allow_private, connect_timeout, timeout, response_body, redirects, http2, ..
        } = options;
        let connector = Connector { resolver: options.resolver, allow_private, timeout: connect_timeout };
        let client = connections(connector, tls, http2);
        let inner = Inner { client, allow, timeout, response_body, redirects };
        Ok(Self { counters: Counters::default(), runtime, inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Hyper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hyper").field("allow", &self.inner.allow).finish_non_exhaustive()
    }
}

impl HttpClient for Hyper {
    fn name(&self) -> &'static str {
        NAME
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn request(&self, request: Request) -> Answer<Response> {
        self.counters.count(Operation::Request);
        let hop = match Hop::first(request).and_then(|hop| self.inner.check(&hop).map(|()| hop)) {
            Ok(hop) => hop,
            Err(error) => return Answer::Ready(Err(error)),
        };
        let (inner, runtime) = (Arc::clone(&self.inner), self.runtime.clone());
        Answer::pending(async move {
            // Dropped, it ends what runs in it.
            let mut request = JoinSet::new();
            request.spawn_on(async move { inner.run(hop).await }, &runtime);
            match request.join_next().await {
                Some(Ok(result)) => result,
                _ => Err(Error::Failed {
                    provider: NAME.to_owned(),
                    reason: "the runtime that it was made within has ended".to_owned(),
                }),
            }
        })
    }
}

// === impl Inner ===

impl Inner {
    fn check(&self, hop: &Hop) -> Result<()> {
        if allows(&self.allow, hop.url()) {
            return Ok(());
        }
        Err(Error::Denied {
            what: format!("a request to {}", origin(hop.url())),
            remedy: "add the host to those that the client may reach, if it is meant to be reached",
        })
    }

    async fn run(&self, hop: Hop) -> Result<Response> {
        let what = hop.what();
        match tokio::time::timeout(self.timeout, self.follow(hop)).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut { what, waited: self.timeout }),
        }
    }

    async fn follow(&self, mut hop: Hop) -> Result<Response> {
        let first = hop.what();
        for left in (0..=self.redirects).rev() {
            self.check(&hop)?;
            let response = self.client.request(hop.request()).await.map_err(|error| failed(&hop, &error))?;
            let next = match self.redirects {
                0 => None,
                _ => hop.redirected(response.status(), response.headers())?,
            };
            match next {
                None => return self.read(&hop, response).await,
                Some(next) if left > 0 => hop = next,
                Some(_) => break,
            }
        }
        let what = format!("redirects in a row, which is what {first} comes to");
        Err(Error::TooMuch { what, most: self.redirects as u64 })
    }

    async fn read(&self, hop: &Hop, response: hyper::Response<Incoming>) -> Result<Response> {
        let (head, body) = response.into_parts();
        let too_much = || Error::TooMuch {
            what: format!("bytes in the body of the response to {}; ask for less", hop.what()),
            most: self.response_body as u64,
        };
        if body.size_hint().lower() > self.response_body as u64 {
            return Err(too_much());
        }
        let body = match Limited::new(body, self.response_body).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Err(too_much()),
            Err(error) => {
                let reason = format!("the response broke off: {}", reason(&*error));
                return Err(Error::Failed { provider: origin(hop.url()), reason });
            }
        };
        let value = |value: &hyper::header::HeaderValue| Bytes::copy_from_slice(value.as_bytes());
        let headers = head.headers.iter().map(|(name, it)| (name.as_str().to_owned(), value(it))).collect();
        Ok(Response { status: head.status.as_u16(), headers, body })
    }
}

// === free functions ===

/// The connections to any who speaks HTTP, the wholly trusted collector of traces among them.
pub(crate) fn to_anybody(timeout: Duration) -> Result<Connections> {
    let connector = Connector { resolver: Arc::new(System), allow_private: true, timeout };
    Ok(connections(connector, tls(&[])?, false))
}

fn connections(connector: Connector, tls: ClientConfig, http2: bool) -> Connections {
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let connector = if http2 {
        builder.enable_http2().wrap_connector(connector)
    } else {
        builder.enable_all_versions().wrap_connector(connector)
    };
    legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(IDLE)
        .http2_only(http2)
        .http2_initial_connection_window_size(WINDOW)
        .build(connector)
}

/// What is trusted: this machine's authorities, and these, in PEM.
fn tls(authorities: &[u8]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(target: "pillion::http", %error, "certificates of this machine cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    let wrong = |error: &dyn fmt::Display| {
        Error::InvalidArgument(format!(
            "the authorities' certificates are not in PEM as they should be: {error}"
        ))
    };
    for certificate in CertificateDer::pem_slice_iter(authorities) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    // By name: whether the process has a default one is for others to say.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder
        .map_err(|error| Error::Failed { provider: NAME.to_owned(), reason: format!("TLS: {error}") })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn failed(hop: &Hop, error: &legacy::Error) -> Error {
    // What the connector said stays as it is.
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(own) = inner.downcast_ref::<Error>() {
            return own.clone();
        }
        source = inner.source();
    }
    let (provider, reason) = (origin(hop.url()), reason(error));
    if error.is_connect() {
        Error::Unavailable { provider, reason }
    } else {
        Error::Failed { provider, reason }
    }
}

/// The errors within an error, from the outside in.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(inner) = source {
        let text = inner.to_string();
        // Some say what is within them, too.
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        source = inner.source();
    }
    texts.join(": ")
}
