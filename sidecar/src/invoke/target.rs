//! Which app a request over HTTP is for, and which path of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;

use super::headers::APP_ID;

/// An app, and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its id, or the URL of a server.
    pub(crate) id: String,
    /// Path and query, as the app gets them.
    pub(crate) path: PathAndQuery,
}

// === impl Target ===

impl Target {
    /// Finds it, as Dapr does: by the header `dapr-app-id`, by a user of that name, or by the path.
    pub(crate) fn find(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let (path, query) = (uri.path(), uri.query());
        if let Some(id) = by_header(headers).or_else(|| by_user(headers)) {
            return Some(Self { id, path: asked(path, query)? });
        }
        let rest = after(after(path, "v1.0")?, "invoke")?.trim_start_matches('/');
        let (id, method) = rest.split_once("/method/").filter(|(id, _)| !id.is_empty())?;
        let id = percent_decode_str(id).decode_utf8().ok()?.into_owned();
        Some(Self { id, path: asked(method, query)? })
    }
}

fn by_header(headers: &HeaderMap) -> Option<String> {
    headers.get(APP_ID)?.to_str().ok().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// The password is the id: `http://dapr-app-id:orders@localhost:3500/path`.
fn by_user(headers: &HeaderMap) -> Option<String> {
    let login = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let login = String::from_utf8(STANDARD.decode(login).ok()?).ok()?;
    let (user, id) = login.split_once(':')?;
    (user == APP_ID.as_str() && !id.is_empty() && !id.contains(':')).then(|| id.to_owned())
}

/// What follows a segment at the beginning of a path.
fn after<'a>(path: &'a str, segment: &str) -> Option<&'a str> {
    let bare = path.trim_start_matches('/');
    let rest = bare.strip_prefix(segment)?;
    (bare.len() < path.len() && rest.starts_with('/')).then_some(rest)
}

/// The path and query as the app gets them.
fn asked(method: &str, query: Option<&str>) -> Option<PathAndQuery> {
    let mut text = cleaned(method);
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).ok()
}

/// A path with `.` and `..` resolved, also those that are encoded, and kept below its root; all else stays as it is.
pub(crate) fn cleaned(method: &str) -> String {
    let method = method.strip_prefix('/').unwrap_or(method);
    let mut path = String::with_capacity(method.len() + 1);
    if !method.contains('.') && !method.contains('%') {
        path.push('/');
        path.push_str(method);
        return path;
    }
    let mut open = false;
    for segment in method.split('/') {
        // A path that ends in one of these is a folder's.
        open = false;
        match dots(segment) {
            Some(1) => open = true,
            Some(_) => {
                path.truncate(path.rfind('/').unwrap_or(0));
                open = true;
            }
            None => {
                path.push('/');
                path.push_str(segment);
            }
        }
    }
    if open || path.is_empty() {
        path.push('/');
    }
    path
}

/// How many dots a segment is, if it is one or two and nothing else.
fn dots(segment: &str) -> Option<usize> {
    let mut rest = segment;
    let mut count = 0;
    while !rest.is_empty() {
        let encoded = |it: &str| it.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("%2e"));
        let length = if rest.starts_with('.') {
            1
        } else if encoded(rest) {
            3
        } else {
            return None;
        };
        rest = &rest[length..];
        count += 1;
    }
    matches!(count, 1 | 2).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, headers: &[(&'static str, &str)]) -> Option<(String, String)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Target::find(&path.parse().unwrap(), &map).map(|target| (target.id, target.path.to_string()))
    }

    #[test]
    fn an_app_is_named_by_path_header_or_user() {
        for (path, id, asked) in [
            ("/v1.0/invoke/a/method/m", "a", "/m"),
            ("/v1.0/invoke/a/method/m?x=1&y", "a", "/m?x=1&y"),
            ("/v1.0/invoke/a/method/m?", "a", "/m"),
            ("/v1.0/invoke/a/method/", "a", "/"),
            ("//v1.0///invoke//a/method/m/n/", "a", "/m/n/"),
            ("/v1.0/invoke/a.ns/method/method/x", "a.ns", "/method/x"),
            ("/v1.0/invoke/http://h:1/method/x//y", "http://h:1", "/x//y"),
            ("/v1.0/invoke/https%3A%2F%2Fh/method/x%2Fy", "https://h", "/x%2Fy"),
            ("/v1.0/invoke/a/method/a.b/.c/..d", "a", "/a.b/.c/..d"),
        ] {
            assert_eq!(find(path, &[]), Some((id.to_owned(), asked.to_owned())), "{path}");
        }
        let asked = Some(("b".to_owned(), "/v1.0/x?y".to_owned()));
        assert_eq!(find("/v1.0/x?y", &[("dapr-app-id", "b")]), asked);
        let login = format!("Basic {}", STANDARD.encode("dapr-app-id:b"));
        assert_eq!(find("/v1.0/x?y", &[("authorization", &login)]), asked);
        for (path, login) in [
            ("/v1.0/invoke/a/method", ""),
            ("/v1.0/invoke//method/x", ""),
            ("/v1.0/invokes/a/method/x", ""),
            ("/v1.0/x/../invoke/a/method/x", ""),
            ("/v2.0/invoke/a/method/x", ""),
            ("/v1.0/invoke/%ff/method/x", ""),
            ("/x", "Basic !!!"),
            ("/x", "Bearer dapr-app-id:b"),
            ("/x", &format!("Basic {}", STANDARD.encode("other:b"))),
            ("/x", &format!("Basic {}", STANDARD.encode("dapr-app-id:b:c"))),
            ("/x", &format!("Basic {}", STANDARD.encode("dapr-app-id:"))),
        ] {
            assert_eq!(find(path, &[("authorization", login)]), None, "{path} {login}");
        }
    }

    #[test]
    fn a_path_stays_below_its_root() {
        for (method, expected) in [
            ("", "/"),
            ("/", "/"),
            ("a/./b", "/a/b"),
            ("a/../b", "/b"),
            ("../../b", "/b"),
            ("a/%2e%2E/b", "/b"),
            ("a/.%2e/%2e./../b", "/b"),
            ("a/..", "/"),
            ("a/b/..", "/a/"),
            ("a/.", "/a/"),
            ("..", "/"),
            ("//evil/x", "//evil/x"),
            ("a//../b", "/a/b"),
            ("a/...", "/a/..."),
            ("a/%2f../b", "/a/%2f../b"),
            ("%", "/%"),
            ("é.", "/é."),
        ] {
            assert_eq!(cleaned(method), expected, "{method}");
        }
    }
}
