//! The provider of `HttpClient`: the promises over HTTP/1.1, HTTP/2 and TLS, and whom it does not reach.

mod server;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use hyper::Version;
use parking_lot::Mutex;
use pillion_capabilities::httpclient::{Hyper, Operation, Options, Request, Resolve, Response};
use pillion_capabilities::{Answer, Error, HttpClient, Result};

use crate::providers::{runtime, until};
use server::{Arrived, Seen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How a client and its server speak.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Http1,
    Http2,
    Tls,
}

/// A client, and a server that is found under every name.
struct Fixture {
    way: Way,
    address: SocketAddr,
    seen: Arc<Seen>,
    names: Arc<Names>,
    client: Hyper,
}

/// Every name is this machine's.
#[derive(Default)]
struct Names {
    asked: Mutex<Vec<String>>,
}

/// Longer than anything takes that comes at all.
const LONG: Duration = Duration::from_secs(60);

// === impl Names ===

impl Names {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Resolve for Names {
    fn resolve(&self, name: &str) -> Answer<Vec<IpAddr>> {
        self.asked.lock().push(name.to_owned());
        Answer::Ready(Ok(vec![Ipv4Addr::LOCALHOST.into()]))
    }
}

// === impl Fixture ===

impl Fixture {
    async fn new(way: Way) -> Self {
        Self::with(way, |_| {}).await
    }

    /// With other options than usual.
    async fn with(way: Way, change: impl FnOnce(&mut Options)) -> Self {
        let (address, seen) = server::start(way == Way::Tls).await;
        let names = Arc::<Names>::default();
        let mut options = Options::default();
        options.allow = ["api.test", "other.test", "stranger.test"].map(|rule| rule.parse().unwrap()).into();
        options.allow_private = true;
        options.timeout = LONG;
        options.response_body = 10_000;
        options.redirects = 3;
        options.http2 = way == Way::Http2;
        options.authorities = server::AUTHORITY.to_vec();
        options.resolver = Arc::<Names>::clone(&names);
        change(&mut options);
        Self { way, address, seen, names, client: Hyper::new(options).unwrap() }
    }

    fn url(&self, host: &str, path: &str) -> String {
        let scheme = if self.way == Way::Tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    async fn get(&self, host: &str, path: &str) -> Result<Response> {
        let request = Request { method: "GET".to_owned(), url: self.url(host, path), ..Request::default() };
        self.client.request(request).wait().await
    }

    fn requests(&self) -> Vec<Arrived> {
        self.seen.requests.lock().clone()
    }

    fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

macro_rules! for_each_way {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            use super::{runtime, Way};

            #[test]
            fn http_1() {
                runtime().block_on(super::$promise(Way::Http1));
            }

            #[test]
            fn http_2() {
                runtime().block_on(super::$promise(Way::Http2));
            }

            #[test]
            fn tls() {
                runtime().block_on(super::$promise(Way::Tls));
            }
        }
    )+};
}

for_each_way! {
    a_redirect_is_followed_as_browsers_do,
    a_redirect_to_a_host_that_is_not_allowed_is_not_followed,
    a_request_and_its_response_come_whole,
    a_response_that_breaks_off_is_an_error,
    a_server_that_does_not_answer_is_given_up,
    connections_are_used_again,
    an_answer_that_is_dropped_ends_its_request,
    too_large_a_body_is_refused,
    what_is_for_one_server_is_not_told_another,
}

fn field(name: &str, value: &str) -> (String, Bytes) {
    (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()))
}

async fn a_request_and_its_response_come_whole(way: Way) {
    let fixture = Fixture::new(way).await;
    let every_byte: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let headers = vec![
        field("x-twice", "one"),
        field("X-Twice", "two"),
        ("x-bytes".to_owned(), Bytes::from_static(b"\xff\xfe")),
        field("host", "elsewhere.test"),
        field("content-length", "1"),
        field("connection", "close"),
        field("transfer-encoding", "chunked"),
    ];
    let url = fixture.url("api.test", "/echo/%20?q=1&r=a/b#not-sent");
    let request = Request { method: "PUT".to_owned(), url, headers, body: every_byte.clone() };
    let response = fixture.client.request(request).wait().await.unwrap();
    assert_eq!((response.status, &response.body), (200, &every_byte));
    let cookies: Vec<_> = response.headers.iter().filter(|(name, _)| name == "set-cookie").collect();
    assert_eq!(cookies, [&field("set-cookie", "a=1"), &field("set-cookie", "b=2")]);

    let [arrived] = <[Arrived; 1]>::try_from(fixture.requests()).unwrap();
    assert_eq!((&*arrived.method, &*arrived.target), ("PUT", "/echo/%20?q=1&r=a/b"));
    assert!(arrived.host.starts_with("api.test"), "{}", arrived.host);
    assert_eq!(arrived.version, if way == Way::Http1 { Version::HTTP_11 } else { Version::HTTP_2 });
    assert_eq!(arrived.body, every_byte);
    let twice: Vec<_> = arrived.headers.get_all("x-twice").iter().collect();
    assert_eq!(twice, ["one", "two"]);
    assert_eq!(arrived.headers["x-bytes"].as_bytes(), b"\xff\xfe");

    fixture.get("api.test", "/ключ?a b").await.unwrap();
    assert_eq!(fixture.requests()[1].target, "/%D0%BA%D0%BB%D1%8E%D1%87?a%20b");
    for status in [204, 404, 500] {
        let response = fixture.get("api.test", &format!("/status/{status}")).await.unwrap();
        assert_eq!(response.status, status);
    }
    assert_eq!(fixture.client.counters().of(Operation::Request), 5);
}

async fn connections_are_used_again(way: Way) {
    let fixture = Fixture::new(way).await;
    // One may be on its way back to the pool when the next request wants it.
    until("one is used again", async || {
        fixture.get("api.test", "/").await.unwrap();
        fixture.requests().len() > fixture.connections()
    })
    .await;
    // A name is resolved once for each connection: what was checked is what is connected to.
    until("all are there", async || fixture.names.asked().len() == fixture.connections()).await;
}

async fn too_large_a_body_is_refused(way: Way) {
    let fixture = Fixture::new(way).await;
    assert_eq!(fixture.get("api.test", "/large?10000").await.unwrap().body.len(), 10_000);
    for path in ["/large?10001", "/endless"] {
        let error = fixture.get("api.test", path).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { most: 10_000, .. }), "{error:?}");
        assert!(error.to_string().contains(path.split('?').next().unwrap()), "{error}");
    }
    fixture.get("api.test", "/").await.expect("the next is served");
}

async fn a_server_that_does_not_answer_is_given_up(way: Way) {
    let fixture = Fixture::with(way, |options| options.timeout = Duration::from_millis(300)).await;
    for path in ["/hang", "/unfinished"] {
        let error = fixture.get("api.test", &format!("{path}?secret")).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        assert!(error.to_string().contains(path) && !error.to_string().contains("secret"), "{error}");
    }
}

async fn an_answer_that_is_dropped_ends_its_request(way: Way) {
    let fixture = Fixture::new(way).await;
    let url = fixture.url("api.test", "/hang");
    let request = Request { method: "GET".to_owned(), url, ..Request::default() };
    let answer = fixture.client.request(request);
    let waiting = tokio::spawn(async move { answer.wait().await.map(drop) });
    until("it is asked", async || fixture.requests().len() == 1).await;
    waiting.abort();
    let Fixture { client, seen, .. } = fixture;
    // HTTP/2 keeps the connection, which ends with the client.
    drop(client);
    until("the connection ends", async || seen.ended.load(Ordering::SeqCst) == 1).await;
}

async fn a_response_that_breaks_off_is_an_error(way: Way) {
    let fixture = Fixture::new(way).await;
    let error = fixture.get("api.test", "/broken").await.unwrap_err();
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
    assert!(error.to_string().contains("api.test"), "{error}");
    fixture.get("api.test", "/").await.expect("the next is served");
}

async fn a_redirect_is_followed_as_browsers_do(way: Way) {
    let fixture = Fixture::new(way).await;
    for (status, method, expected) in [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (302, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
    ] {
        fixture.seen.requests.lock().clear();
        let url = fixture.url("api.test", &format!("/status/{status}?../there"));
        let headers = vec![field("content-type", "text/plain"), field("authorization", "secret")];
        let request = Request { method: method.to_owned(), url, headers, body: Bytes::from_static(b"body") };
        let response = fixture.client.request(request).wait().await.unwrap();
        assert_eq!(response.status, 200);
        let arrived = fixture.requests();
        let ways: Vec<_> = arrived.iter().map(|it| (&*it.method, it.target.split('?').next())).collect();
        assert_eq!(ways, [(method, Some(&*format!("/status/{status}"))), (expected, Some("/there"))]);
        let kept = method == expected;
        assert_eq!(arrived[1].body.is_empty(), !kept, "{status} {method}");
        assert_eq!(arrived[1].headers.contains_key("content-type"), kept, "{status} {method}");
        assert!(arrived[1].headers.contains_key("authorization"), "it is the same server");
    }
    // Neither is a redirect.
    for path in ["/status/302", "/status/304?/there"] {
        fixture.seen.requests.lock().clear();
        fixture.get("api.test", path).await.unwrap();
        assert_eq!(fixture.requests().len(), 1, "{path}");
    }
}

async fn a_redirect_to_a_host_that_is_not_allowed_is_not_followed(way: Way) {
    let fixture = Fixture::new(way).await;
    for forbidden in ["forbidden.test", "127.0.0.1", "localhost", "[::1]", "api.test.forbidden.test"] {
        let elsewhere = fixture.url(forbidden, "/x");
        let before = fixture.requests().len();
        let error = fixture.get("api.test", &format!("/status/302?{elsewhere}")).await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error:?}");
        assert!(error.to_string().contains(forbidden), "{error}");
        assert_eq!(fixture.requests().len(), before + 1, "nobody there is asked");
        assert!(!fixture.names.asked().iter().any(|name| name == forbidden), "nor is the name resolved");
    }
    for nowhere in ["ftp://api.test/", "http://", "http://user@api.test/"] {
        let error = fixture.get("api.test", &format!("/status/302?{nowhere}")).await.unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error:?}");
    }
}

async fn what_is_for_one_server_is_not_told_another(way: Way) {
    let fixture = Fixture::new(way).await;
    let elsewhere = fixture.url("other.test", "/there");
    let headers = vec![
        field("authorization", "secret"),
        field("cookie", "secret"),
        field("proxy-authorization", "secret"),
        field("x-other", "kept"),
    ];
    let url = fixture.url("api.test", &format!("/status/307?{elsewhere}"));
    let request = Request { method: "GET".to_owned(), url, headers, ..Request::default() };
    fixture.client.request(request).wait().await.unwrap();
    let arrived = fixture.requests();
    assert_eq!(arrived.len(), 2);
    for name in ["authorization", "cookie", "proxy-authorization"] {
        assert!(arrived[0].headers.contains_key(name), "{name}");
        assert!(!arrived[1].headers.contains_key(name), "{name}");
    }
    assert_eq!(arrived[1].headers["x-other"], "kept");
    assert!(arrived[1].host.starts_with("other.test"));
}

#[test]
fn redirects_in_a_row_are_bounded() {
    runtime().block_on(async {
        // Each asks for the next, since a server sees no more than the path of the last.
        let fixture = Fixture::new(Way::Http1).await;
        let error = fixture.get("api.test", "/status/302?").await.map(|response| response.status);
        assert_eq!(error, Ok(302), "there is no location");
        let mut url = "/last".to_owned();
        for _ in 0..3 {
            url = format!("/status/302?{url}");
        }
        fixture.get("api.test", &url).await.expect("three are followed");
        assert_eq!(fixture.requests().len(), 1 + 4);
        let error = fixture.get("api.test", &format!("/status/302?{url}")).await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { most: 3, .. }), "{error:?}");
        assert_eq!(fixture.requests().len(), 1 + 4 + 4);

        let fixture = Fixture::with(Way::Http1, |options| options.redirects = 0).await;
        assert_eq!(fixture.get("api.test", "/status/302?/there").await.unwrap().status, 302);
        assert_eq!(fixture.requests().len(), 1);
    });
}

#[test]
fn nobody_is_reached_unless_allowed() {
    runtime().block_on(async {
        let fixture = Fixture::with(Way::Http1, |options| options.allow.clear()).await;
        for host in ["api.test", "127.0.0.1", "localhost"] {
            let error = fixture.get(host, "/").await.unwrap_err();
            assert!(matches!(error, Error::Denied { .. }), "{error:?}");
            assert!(error.to_string().contains(host), "{error}");
        }
        let port = fixture.address.port();
        let other = Fixture::with(Way::Http1, |options| {
            options.allow = vec![format!("api.test:{port}").parse().unwrap()];
        });
        let other = other.await;
        let error = other.get("api.test", "/").await.unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "another port: {error:?}");
        assert_eq!((fixture.connections(), other.connections()), (0, 0));
    });
}

#[test]
fn a_private_address_is_not_connected_to_whatever_its_name() {
    runtime().block_on(async {
        let hosts =
            ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "api.test", "2130706433", "localhost"];
        let fixture = Fixture::with(Way::Http1, |options| {
            options.allow = hosts.iter().map(|host| host.parse().unwrap()).collect();
            options.allow_private = false;
        });
        let fixture = fixture.await;
        for host in hosts {
            let error = fixture.get(host, "/").await.unwrap_err();
            assert!(matches!(error, Error::Denied { .. }), "{host}: {error:?}");
            assert!(error.to_string().contains("no public address"), "{error}");
        }
        assert_eq!(fixture.connections(), 0);
        assert_eq!(fixture.names.asked(), ["api.test", "2130706433", "localhost"], "once each");
    });
}

/// By the system's own resolver.
#[test]
fn a_name_of_this_machine_is_found_and_refused_or_reached() {
    runtime().block_on(async {
        for allow_private in [false, true] {
            let fixture = Fixture::with(Way::Http1, |options| {
                options.allow = vec!["localhost".parse().unwrap()];
                options.allow_private = allow_private;
                options.resolver = Options::default().resolver;
            });
            let fixture = fixture.await;
            match fixture.get("localhost", "/").await {
                Ok(response) => assert_eq!((response.status, allow_private), (200, true)),
                Err(error) => {
                    assert!(!allow_private && matches!(error, Error::Denied { .. }), "{error:?}");
                    assert_eq!(fixture.connections(), 0);
                }
            }
        }
    });
}

#[test]
fn a_server_that_is_not_there_or_not_believed_is_unavailable() {
    runtime().block_on(async {
        let mut fixture = Fixture::new(Way::Tls).await;
        let error = fixture.get("stranger.test", "/").await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "the certificate is another's: {error:?}");
        let stranger = Fixture::with(Way::Tls, |options| options.authorities.clear()).await;
        let error = stranger.get("api.test", "/").await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "nobody vouches for it: {error:?}");
        assert_eq!((fixture.requests().len(), stranger.requests().len()), (0, 0));

        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fixture.address = free;
        let error = fixture.get("api.test", "/").await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("api.test"), "{error}");

        let mut options = Options::default();
        options.authorities = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        let error = Hyper::new(options).unwrap_err();
        assert!(error.to_string().contains("are not in PEM"), "{error}");
    });
    let error = Hyper::new(Options::default()).unwrap_err();
    assert!(error.to_string().contains("needs a tokio runtime"), "{error}");
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_body_is_told_of() {
    runtime().block_on(async {
        let fixture = Fixture::new(Way::Http1).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://api.test:{}/x", listener.local_addr().unwrap().port());
        for half in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let request = Request { method: "GET".to_owned(), url: url.clone(), ..Request::default() };
            let server = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    asked.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(format!("HTTP/1.1 200 OK\r\n{half}").as_bytes()).await.unwrap();
            };
            let (answer, ()) = futures_util::join!(fixture.client.request(request).wait(), server);
            let error = answer.unwrap_err();
            assert!(matches!(error, Error::Failed { .. }), "{error:?}");
            assert!(error.to_string().contains("the response broke off"), "{error}");
        }
    });
}

#[test]
fn a_connection_that_its_server_closed_is_replaced() {
    runtime().block_on(async {
        let fixture = Fixture::new(Way::Http1).await;
        for number in 1..=5 {
            fixture.get("api.test", "/close").await.unwrap();
            assert_eq!(fixture.connections(), number);
            until("it is closed", async || fixture.seen.ended.load(Ordering::SeqCst) == number).await;
        }
    });
}

#[test]
fn what_is_no_request_is_refused() {
    runtime().block_on(async {
        let fixture = Fixture::new(Way::Http1).await;
        let good = Request {
            method: "GET".to_owned(),
            url: fixture.url("api.test", "/"),
            headers: vec![field("x", "y")],
            body: Bytes::new(),
        };
        let url = |url: &str| Request { url: url.to_owned(), ..good.clone() };
        let method = |method: &str| Request { method: method.to_owned(), ..good.clone() };
        let header = |name: &str, value: &str| Request { headers: vec![field(name, value)], ..good.clone() };
        for (request, expected) in [
            (url(""), "is no URL of a request"),
            (url("/path"), "\"/path\" is no URL"),
            (url("api.test"), "is no URL"),
            (url("ftp://api.test/"), "is no URL"),
            (url("http:///x"), "is no URL"),
            (url("http://user:password@api.test/"), "is no URL"),
            (url("http://[::1/"), "is no URL"),
            (method(""), "is no method of a request"),
            (method("GET /"), "is no method"),
            (method("CONNECT"), "is no method"),
            (header("", "y"), "has a name or a value that HTTP does not take"),
            (header("a b", "y"), "\"a b\""),
            (header("x", "y\r\nz: forged"), "has a name or a value"),
        ] {
            let error = fixture.client.request(request).wait().await.unwrap_err();
            assert!(matches!(error, Error::InvalidArgument(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("password"), "{error}");
        }
        let many = (0..40_000).map(|number| field(&format!("x-{number}"), "y")).collect();
        let error =
            fixture.client.request(Request { headers: many, ..good.clone() }).wait().await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { .. }), "{error:?}");
        assert_eq!(fixture.connections(), 0);
        fixture.client.request(good).wait().await.expect("nothing is wrong with it");
    });
}
