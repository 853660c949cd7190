//! What browsers ask of servers before pages of other origins may use them.

use http::{HeaderMap, HeaderValue, Method, header};

use super::answer::{self, Answer};

/// The origins whose pages may call the sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cors(Vec<Origin>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Any,
    This(String),
    /// What begins and ends so.
    Like(String, String),
}

/// What is allowed: the methods of the API, and those that an app behind it may have.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, PATCH, HEAD, OPTIONS");

// === impl Cors ===

impl Cors {
    /// Reads origins, separated by commas; nothing if there are none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let origins: Vec<Origin> = origins.map(Origin::parse).collect();
        (!origins.is_empty()).then_some(Self(origins))
    }

    /// The answer to a browser that asks beforehand.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Answer> {
        if *method != Method::OPTIONS || !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let origin = headers.get(header::ORIGIN)?;
        let mut response = answer::json("");
        let said = response.headers_mut();
        said.remove(header::CONTENT_TYPE);
        for asked in ["origin", "access-control-request-method", "access-control-request-headers"] {
            said.append(header::VARY, HeaderValue::from_static(asked));
        }
        if let Some(allowed) = self.allowed(origin) {
            said.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            said.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                said.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
            }
        }
        Some(response)
    }

    /// Says in an answer that a page of this origin may see it.
    pub(super) fn tell(&self, origin: Option<&HeaderValue>, response: &mut Answer) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        }
    }

    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.0.iter().find_map(|allowed| match allowed {
            Origin::Any => Some(HeaderValue::from_static("*")),
            Origin::This(this) => (*this == text).then(|| origin.clone()),
            Origin::Like(begin, end) => {
                let long = text.len() >= begin.len() + end.len();
                (long && text.starts_with(begin) && text.ends_with(end)).then(|| origin.clone())
            }
        })
    }
}

// === impl Origin ===

impl Origin {
    fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.split_once('*') {
            Some(("", "")) => Self::Any,
            Some((begin, end)) => Self::Like(begin.to_owned(), end.to_owned()),
            None => Self::This(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (allowed, origin, expected) in [
            ("http://a.com", "http://a.com", Some("http://a.com")),
            ("http://b.com, http://A.com", "http://a.com", Some("http://a.com")),
            ("http://a.com", "https://a.com", None),
            ("http://a.com", "http://a.com:81", None),
            ("http://a.com", "http://a.com.evil.com", None),
            ("*", "http://a.com", Some("*")),
            ("https://*.a.com", "https://x.a.com", Some("https://x.a.com")),
            ("https://*.a.com", "https://.a.com", Some("https://.a.com")),
            ("https://*.a.com", "https://a.com", None),
            ("https://*.a.com", "https://x.a.com.evil.com", None),
            ("http://a.com", "null", None),
        ] {
            let cors = Cors::parse(allowed).unwrap();
            let origin = HeaderValue::from_static(origin);
            let said = cors.allowed(&origin);
            assert_eq!(said.as_ref().map(|said| said.to_str().unwrap()), expected, "{allowed} {origin:?}");
        }
        assert!(Cors::parse("").is_none() && Cors::parse(" , ").is_none());
    }
}
