//! URLs: what they lead to, and what a reference to another one means.

use hyper::Uri;
use hyper::http::uri::Scheme;

/// What was sent as a location, as a URL; seen from the URL that it was sent for.
pub(super) fn join(base: &Uri, location: &[u8]) -> Option<Uri> {
    let location = escaped(location);
    let location = location.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let (path, query) = (base.path(), base.query());
    let joined = if has_scheme(location) {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else {
        let (reference, asked) = match location.split_once('?') {
            Some((reference, asked)) => (reference, Some(asked)),
            None => (location, None),
        };
        let (path, query) = if reference.is_empty() {
            (path.to_owned(), asked.or(query))
        } else if reference.starts_with('/') {
            (without_dots(reference), asked)
        } else {
            let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
            (without_dots(&format!("{folder}{reference}")), asked)
        };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{scheme}://{authority}{path}{query}")
    };
    joined.parse().ok()
}

/// The port that a URL leads to.
pub(super) fn port(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 })
}

/// Scheme, host and port of a URL, for errors and to tell servers apart.
pub(super) fn origin(url: &Uri) -> String {
    let (scheme, host) = (url.scheme_str().unwrap_or_default(), url.host().unwrap_or_default());
    format!("{scheme}://{}:{}", host.to_ascii_lowercase(), port(url))
}

/// Apps and servers send bytes that belong into no URL; as browsers do, we escape them.
pub(super) fn escaped(location: &[u8]) -> String {
    let mut text = String::with_capacity(location.len());
    for &byte in location.trim_ascii() {
        if byte.is_ascii_graphic() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn has_scheme(location: &str) -> bool {
    let Some((scheme, _)) = location.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// A path without its segments `.` and `..`, as RFC 3986 takes them out.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_rfc_3986_has_it() {
        let base: Uri = "http://a/b/c/d;p?q".parse().expect("a URL");
        for (reference, expected) in [
            ("https://g:1/h", "https://g:1/h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./../g", "http://a/b/g"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("/a:b", "http://a/a:b"),
            ("x y/ü", "http://a/b/c/x%20y/%C3%BC"),
        ] {
            let joined = join(&base, reference.as_bytes()).expect(reference);
            assert_eq!(joined, expected.parse::<Uri>().expect(expected), "{reference}");
        }
        for reference in ["http://", "http:///x", "https://[x"] {
            let joined = join(&base, reference.as_bytes());
            assert!(joined.is_none_or(|url| url.host().is_none_or(str::is_empty)), "{reference}");
        }
    }
}
