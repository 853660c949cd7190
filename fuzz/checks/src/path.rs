//! Paths of requests to the sidecar.

use http::Method;
use pillion_sidecar::http::Route;

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH];

/// Any path leads somewhere, and slashes more or less lead to the same. What is open to everybody is told by its whole
/// path: nothing else has it as its beginning or end.
pub fn path(data: &[u8]) {
    let Some((method, path)) = data.split_first() else { return };
    let Ok(path) = std::str::from_utf8(path) else { return };
    let method = &METHODS[usize::from(*method) % METHODS.len()];
    let route = Route::find(method, path);
    assert_eq!(route, Route::find(method, &format!("/{path}")), "{path:?}");
    // Methods of apps and topics are what they are, slashes included.
    if !path.contains("invoke") && !path.contains("publish") {
        assert_eq!(route, Route::find(method, &format!("{path}/")), "{path:?}");
        assert_eq!(
            route,
            Route::find(method, &format!("/x/..{}{path}", if path.starts_with('/') { "" } else { "/" }))
        );
    }
    let segments: Vec<&str> =
        path.split('/').filter(|segment| !segment.is_empty() && *segment != ".").collect();
    if !segments.contains(&"..")
        && matches!(route, Route::Found(call) if format!("{call:?}").starts_with("Health"))
    {
        assert!(matches!(segments[..], ["v1.0", "healthz"] | ["v1.0", "healthz", "outbound"]), "{path:?}");
    }
}
