//! A request on its way: to the server that was asked for, and to where that one points.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{HeaderMap, Method, StatusCode, Uri};

use super::Request;
use super::location::{escaped, join, origin};
use crate::{Error, Result};

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    method: Method,
    url: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// These belong to the connection, or follow from URL and body.
const OWN: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// These are for the server that was asked for, and for no other.
const SECRETS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// These are about a body.
const OF_THE_BODY: [&str; 4] = ["content-type", "content-encoding", "content-language", "content-location"];

// === impl Hop ===

impl Hop {
    pub(super) fn first(request: Request) -> Result<Self> {
        let Request { method, url, headers: fields, body } = request;
        let wrong = |text: String| Err(Error::InvalidArgument(text));
        let Some(url) = parse(&url) else {
            return wrong(format!(
                "{:?} is no URL of a request; write it as https://HOST/PATH, without a user's name",
                shown(&url)
            ));
        };
        let method = match Method::from_bytes(method.as_bytes()) {
            Ok(method) if method != Method::CONNECT => method,
            _ => return wrong(format!("{method:?} is no method of a request; write it as GET")),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let (Ok(known), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::from_maybe_shared(value))
            else {
                return wrong(format!(
                    "the header field {name:?} has a name or a value that HTTP does not take"
                ));
            };
            if !OWN.contains(&known.as_str()) {
                let full = || Error::TooMuch { what: "header fields of a request".to_owned(), most: 1 << 15 };
                headers.try_append(known, value).map_err(|_| full())?;
            }
        }
        Ok(Self { method, url, headers, body })
    }

    pub(super) fn url(&self) -> &Uri {
        &self.url
    }

    /// Method and URL for errors; without the query, which may hold secrets.
    pub(super) fn what(&self) -> String {
        format!("{} {}{}", self.method, origin(&self.url), self.url.path())
    }

    pub(super) fn request(&self) -> hyper::Request<Full<Bytes>> {
        let mut request = hyper::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// The request that a response asks for instead, if it does.
    pub(super) fn redirected(&self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Self>> {
        let anew = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            // As browsers have it.
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return Ok(None),
        };
        let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
        let joined = join(&self.url, location.as_bytes());
        let Some(url) = joined.filter(is_whole) else {
            return Err(Error::Failed {
                provider: origin(&self.url),
                reason: "it redirects to what is no URL of a request".to_owned(),
            });
        };
        let mut next = self.clone();
        if origin(&url) != origin(&next.url) {
            SECRETS.iter().for_each(|name| drop(next.headers.remove(*name)));
        }
        if anew {
            next.method = Method::GET;
            next.body = Bytes::new();
            OF_THE_BODY.iter().for_each(|name| drop(next.headers.remove(*name)));
        }
        next.url = url;
        Ok(Some(next))
    }
}

// === free functions ===

fn parse(url: &str) -> Option<Uri> {
    let url = escaped(url.as_bytes());
    url.split('#').next().unwrap_or_default().parse().ok().filter(is_whole)
}

/// Whether a URL has all that a request needs, and nothing that hides where it leads.
fn is_whole(url: &Uri) -> bool {
    let known = [&Scheme::HTTP, &Scheme::HTTPS].into_iter().any(|scheme| url.scheme() == Some(scheme));
    let plain = |authority: &str| !authority.contains('@');
    known
        && url.host().is_some_and(|host| !host.is_empty())
        && url.authority().is_some_and(|it| plain(it.as_str()))
}

/// A URL that is none, for an error: its beginning, without what may be a password or a query.
fn shown(url: &str) -> &str {
    let url = url.split('?').next().unwrap_or_default();
    let url = url.rsplit_once('@').map_or(url, |(_, behind)| behind);
    &url[..url.floor_char_boundary(100)]
}
