//! The contract `HttpClient`: requests to servers elsewhere.
//!
//! It serves waSCC's `wascc:http_client`. Whom an app may reach is not the app's to say: a provider is given a list of
//! hosts, and reaches no others.

mod address;
mod allow;
mod connector;
mod hop;
mod hyper;
mod location;
mod resolve;

use std::sync::Arc;

use bytes::Bytes;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Result, counters};

pub use allow::Rule;
pub(crate) use hyper::{Connections, to_anybody};
pub use hyper::{Hyper, Options};
pub use resolve::{Resolve, System};

counters::operations! {
    Request = "request",
}

/// A request to a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The method, as `GET`.
    pub method: String,
    /// The whole URL, as `https://example.com/path?query`. What follows a `#` is left out.
    pub url: String,
    /// The header fields by name. Those that belong to the connection, as `connection` and `content-length`, and
    /// `host` are left out: they follow from the rest.
    pub headers: Vec<(String, Bytes)>,
    /// The body.
    pub body: Bytes,
}

/// What a server answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code, as 200.
    pub status: u16,
    /// The header fields by name, in their order; a name may be there several times.
    pub headers: Vec<(String, Bytes)>,
    /// The body, whole.
    pub body: Bytes,
}

/// The capability contract for requests over HTTP.
pub trait HttpClient: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `hyper`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`].
    fn always_ready(&self) -> bool;

    /// Makes a request, and answers what the server said, whatever its status is. What the provider may not reach, or
    /// may not be redirected to, fails with [`Error::Denied`](crate::Error::Denied), and nobody hears of it.
    fn request(&self, request: Request) -> Answer<Response>;

    /// Makes a binding: answers what serves it, which knows no values. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn HttpClient>, binding: &Binding<'_>) -> Result<Bound<dyn HttpClient>> {
        binding.knows(self.name(), &[])?;
        Ok(Bound::by(this))
    }
}
