//! Dapr's middleware for HTTP: what looks at requests before the API, or the app, does (`middleware.http.*`).
//!
//! Components are found by name when a request comes, so that one that is loaded anew takes effect. Without a pipeline
//! nothing of it is on the way of any request.

mod alias;
mod checker;
mod rate;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::{Body, whole};
use crate::component::Components;

pub(crate) use alias::Aliases;
pub(crate) use checker::Checker;
pub(crate) use rate::Rate;

/// One component.
#[derive(Debug)]
pub(crate) enum Middleware {
    /// `middleware.http.routeralias`
    Aliases(Aliases),
    /// `middleware.http.ratelimit`
    Rate(Rate),
    /// `middleware.http.routerchecker`
    Checker(Checker),
}

/// The names of components, in the order in which they look at a request.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline(Vec<Handler>);

/// A component by its name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handler {
    pub(crate) name: String,
    pub(crate) kind: String,
}

/// The types that there are.
pub(crate) const TYPES: [&str; 3] =
    ["middleware.http.routeralias", "middleware.http.ratelimit", "middleware.http.routerchecker"];

// === impl Pipeline ===

impl Pipeline {
    /// A pipeline; none if nothing is in it.
    pub(crate) fn new(handlers: Vec<Handler>) -> Option<Self> {
        (!handlers.is_empty()).then_some(Self(handlers))
    }

    /// Whether all of it is there.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) fn check(&self, components: &Components) -> Result<(), String> {
        for Handler { name, kind } in &self.0 {
            let found = components.middleware.find(name).map(|middleware| middleware.kind());
            if found != Some(kind.as_str()) {
                return Err(format!(
                    "there is no component {name} of type {kind}; define it, or take it out"
                ));
            }
        }
        Ok(())
    }

    /// Has a request's head looked at, and maybe changed; an answer is the end of it.
    pub(crate) fn look(&self, components: &Components, head: &mut Parts) -> Option<Response<Body>> {
        self.0.iter().find_map(|Handler { name, .. }| match components.middleware.find(name) {
            Some(middleware) => middleware.look(head),
            // It was there, and may have been to keep somebody out.
            None => Some(text(StatusCode::INTERNAL_SERVER_ERROR, "a middleware component is gone")),
        })
    }
}

// === impl Middleware ===

impl Middleware {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Aliases(_) => TYPES[0],
            Self::Rate(_) => TYPES[1],
            Self::Checker(_) => TYPES[2],
        }
    }

    fn look(&self, head: &mut Parts) -> Option<Response<Body>> {
        match self {
            Self::Aliases(aliases) => {
                aliases.rename(head);
                None
            }
            Self::Rate(rate) => {
                let text = || text(StatusCode::TOO_MANY_REQUESTS, "You have reached maximum request limit.");
                (!rate.admits()).then(text)
            }
            Self::Checker(checker) => {
                (!checker.admits(head.uri.path())).then(|| text(StatusCode::BAD_REQUEST, "Bad Request"))
            }
        }
    }
}

/// What may be done instead of a middleware of Dapr's that this sidecar does not have.
pub(crate) const fn remedy(kind: &str) -> &'static str {
    match kind.as_bytes() {
        b"middleware.http.bearer" | b"middleware.http.oauth2" => {
            "let the app, or a proxy before the sidecar, check tokens"
        }
        b"middleware.http.oauth2clientcredentials" => "let the app get the token",
        b"middleware.http.opa" => "spec.accessControl says who may call what",
        b"middleware.http.sentinel" => "middleware.http.ratelimit and Resiliency limit requests",
        b"middleware.http.uppercase" => "it is for tests alone",
        b"middleware.http.wasm" => "Pillion's host runs WebAssembly",
        _ => "take it out",
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
