//! waSCC's HTTP request, and its question after an actor's health.

use pillion_sdk::testing::Host;

use crate::modules::{all, counter};

#[test]
fn visits_are_counted_with_a_status_whatever_happens() {
    let host = Host::new();
    host.set("counter:broken", b"text");
    let ask = |path: &str| {
        let reply = host.http(all::answer, "GET", path, b"").unwrap();
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    assert_eq!(ask("/counter/a"), (200, r#"{"counter":"a","value":1}"#.to_owned()));
    assert_eq!(ask("/counter/a?x=y"), (200, r#"{"counter":"a","value":2}"#.to_owned()));
    let (status, body) = ask("/nowhere");
    assert!(status == 400 && body.contains("/counter/<name>"), "{status} {body}");
    let (status, body) = ask("/counter/broken");
    assert!(status == 500 && body.contains("not an integer"), "{status} {body}");
    assert_eq!(host.http(counter::answer, "GET", "/counter/a", b"").unwrap().status, 200);
    let error = host.call(all::answer, "HandleRequest", b"\xc1").unwrap_err();
    assert!(error.text().starts_with("the payload of HandleRequest is malformed"), "{error}");
}

#[test]
fn every_module_is_healthy() {
    assert_eq!(Host::new().call(all::answer, "HealthRequest", b"\x81\xabplaceholder\xc3").unwrap(), b"");
    assert_eq!(Host::new().call(counter::answer, "HealthRequest", b"").unwrap(), b"");
}
