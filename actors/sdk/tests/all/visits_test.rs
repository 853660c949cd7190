//! The example does what it says.

use pillion_sdk::testing::Host;

use crate::visits::answer;

#[test]
fn visits_are_counted_told_and_forgotten() {
    let host = Host::new();
    for count in ["1", "2"] {
        let reply = host.http(answer, "GET", "/home", b"").unwrap();
        assert_eq!((reply.status, reply.body), (200, count.as_bytes().to_vec()));
    }
    assert_eq!(host.call(answer, "visits", b"/home").unwrap(), b"2");
    let published = host.published();
    assert_eq!(published.len(), 2);
    assert_eq!((published[0].subject.as_str(), published[0].body.as_slice()), ("visited", &b"/home"[..]));
    assert_eq!(host.lines()[1].1, "visit 2 of /home");

    host.deliver(answer, "begin-anew", "", b"/home").unwrap();
    assert_eq!(host.value("/home"), None);
    assert_eq!(host.call(answer, "visits", b"/home").unwrap_err().text(), "nobody visited the page");
    assert_eq!(host.call(answer, "visits", b"\xff").unwrap_err().text(), "the page is not UTF-8");
}
