//! Service invocation: calls of an app by its id, its own or another's, over HTTP and gRPC.
//!
//! ```text
//! app ──► sidecar ──────────────► app              its own id: no second hop
//! app ──► sidecar ──► sidecar ──► app              another's: HTTP/2 to the sidecar that its id stands for
//! app ──► sidecar ──► server                       http:// or https:// for an id
//! ```
//!
//! Nothing is decoded on the way and no body is waited for: each hop passes on what comes, in both directions, trailers
//! included. Between sidecars a request over HTTP keeps its method, path and headers, and [`headers::CALL`] tells it from
//! one over gRPC, which is passed on as it is.

mod access;
mod address;
mod binary;
mod daprd;
mod dns;
mod endpoint;
mod external;
mod headers;
mod internal;
mod local;
mod measured;
mod message;
mod names;
mod oninvoke;
mod refused;
mod remote;
mod resilient;
mod service;
mod spans;
mod target;
mod whole;

pub(crate) use access::{Access, AccessSpec};
pub(crate) use dns::Dns;
pub(crate) use endpoint::read as read_endpoints;
pub(crate) use internal::answer as answer_internal;
pub(crate) use names::Names;
pub(crate) use refused::Refused;
pub(crate) use service::invoke as invoke_service;
pub(crate) use spans::{inject, inject_binary};
pub(crate) use target::{Target, cleaned};

use std::sync::Arc;

use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::body::{Body, streamed};
use crate::resiliency::Retry;
use crate::{ApiError, Sidecar};
use address::AppAddress;
use endpoint::Endpoints;
use external::External;
use headers::Forwarded;
use names::Place;
use resilient::By;

/// What a sidecar needs to call apps, and to be called for its own.
#[derive(Debug)]
pub(crate) struct Invoker {
    pub(crate) namespace: String,
    /// Where the sidecars of other apps are.
    pub(crate) names: Names,
    /// Who may call its own app; nobody is kept out without.
    pub(crate) access: Option<Access>,
    /// What is added to requests to other sidecars.
    forwarded: Forwarded,
    /// Servers that are no apps, by their names.
    pub(crate) endpoints: Endpoints,
    /// What is done where another sidecar cannot be connected to, and nothing is said.
    retry: Retry,
    external: External,
}

/// Where a call goes.
pub(crate) enum Way {
    Local,
    Remote(AppAddress, Arc<Place>),
    External(external::Server),
}

// === impl Invoker ===

impl Invoker {
    pub(crate) fn new(namespace: Option<&str>, names: Names, access: Option<Access>) -> Self {
        let namespace = namespace.unwrap_or("default").to_owned();
        Self {
            namespace,
            names,
            access,
            forwarded: Forwarded::of_this_machine(),
            external: External::default(),
            retry: Retry::built_in(),
            endpoints: Endpoints::new(),
        }
    }
}

impl Default for Invoker {
    fn default() -> Self {
        Self::new(None, Names::default(), None)
    }
}

impl Way {
    /// Finds the way to an app.
    ///
    /// # Errors
    /// An id that is none, or that nobody knows; no app beside this sidecar.
    pub(crate) async fn find(sidecar: &Sidecar, id: &str) -> Result<Self, ApiError> {
        let found = Self::look(sidecar, id).await;
        found.map_err(|refused| refused.into_api(id))
    }

    async fn look(sidecar: &Sidecar, id: &str) -> Result<Self, Refused> {
        let invoker = &sidecar.invoker;
        if let Some(server) = invoker.endpoints.get(id) {
            return Ok(Self::External(server.clone()));
        }
        if let Some(server) = external::Server::parse(id) {
            return server.map(Self::External);
        }
        let address = AppAddress::parse(id, &invoker.namespace)?;
        if address.id == sidecar.app_id && address.namespace == invoker.namespace {
            if sidecar.app.is_none() {
                return Err(Refused::no_app_here());
            }
            return Ok(Self::Local);
        }
        let place = invoker.names.find(&address, &invoker.namespace).await?;
        Ok(Self::Remote(address, place))
    }

    /// The name by which a policy has an app, whether its namespace was said or not.
    fn policy_name<'a>(&'a self, sidecar: &'a Sidecar, id: &'a str) -> &'a str {
        match self {
            Self::Local => &sidecar.app_id,
            Self::Remote(address, _) => &address.id,
            Self::External(_) => id,
        }
    }
}

/// Calls an app over HTTP.
///
/// # Errors
/// As the app's own answer is passed on, whatever it says: only what kept it from answering.
pub(crate) async fn http(
    sidecar: &Arc<Sidecar>,
    target: Target,
    way: Way,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    headers::clean(request.headers_mut());
    headers::take_token(request.headers_mut());
    let Target { id, path } = target;
    let policy =
        sidecar.resiliency.as_ref().and_then(|all| all.app(way.policy_name(sidecar, &id), path.path()));
    *request.uri_mut() = path.into();
    let request = request.map(streamed);
    let sent = match policy {
        None => once_http(sidecar, &way, request).await,
        Some(policy) => Box::pin(resilient::call(sidecar, &policy, &way, By::Http, request)).await,
    };
    sent.map_err(|refused| refused.into_api(&id))
}

async fn once_http(
    sidecar: &Arc<Sidecar>,
    way: &Way,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    match way {
        Way::Local => {
            introduce_own(sidecar, &mut request);
            local::http(sidecar, request).await
        }
        Way::Remote(address, place) => {
            let call = remote::http(sidecar, address, place, request);
            measured::sent(sidecar, &address.id, false, measured::of_http, call).await
        }
        Way::External(server) => sidecar.invoker.external.send(server, request).await,
    }
}

/// Calls a method of an app over gRPC, of any kind, as it comes.
pub(crate) async fn grpc(
    sidecar: &Arc<Sidecar>,
    id: &str,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let way = Way::look(sidecar, id).await?;
    let mut request = request.map(streamed);
    headers::clean(request.headers_mut());
    headers::take_token(request.headers_mut());
    // HTTP/2 forbids it but with this value, and gRPC asks for it.
    request.headers_mut().insert(::http::header::TE, HeaderValue::from_static("trailers"));
    let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let policy =
        sidecar.resiliency.as_ref().and_then(|all| all.app(way.policy_name(sidecar, id), path.path()));
    *request.uri_mut() = path.into();
    match policy {
        None => once_grpc(sidecar, &way, request).await,
        Some(policy) => Box::pin(resilient::call(sidecar, &policy, &way, By::Grpc, request)).await,
    }
}

async fn once_grpc(
    sidecar: &Arc<Sidecar>,
    way: &Way,
    mut request: Request<Body>,
) -> Result<Response<Body>, Refused> {
    match way {
        Way::Local => {
            introduce_own(sidecar, &mut request);
            local::grpc(sidecar, request).await
        }
        Way::Remote(address, place) => {
            let streaming = measured::is_streaming(request.headers());
            let call = remote::grpc(sidecar, address, place, request);
            measured::sent(sidecar, &address.id, streaming, measured::of_grpc, call).await
        }
        Way::External(_) => Err(Refused::new(
            tonic::Code::InvalidArgument,
            "gRPC is passed on to apps, by their ids; call a server that is none directly",
        )),
    }
}

/// Tells the own app that it is called by itself.
fn introduce_own(sidecar: &Sidecar, request: &mut Request<Body>) {
    let own = &sidecar.app_id;
    headers::introduce(request.headers_mut(), own, own, &sidecar.invoker.namespace);
}

/// The id of the app that a call over gRPC is for.
pub(crate) fn grpc_target(headers: &HeaderMap) -> Option<&str> {
    let named = headers.get(headers::APP_ID).or_else(|| headers.get(headers::CALLEE));
    named.and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty())
}
