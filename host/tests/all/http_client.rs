//! Requests from actors to servers.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use pillion_capabilities::HttpClient;
use pillion_capabilities::httpclient::{Hyper, Operation, Options};
use pillion_codec::{Headers, Request as ActorRequest, Response as ActorResponse};
use pillion_host::dispatch::Provider;
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, Host, HostConfig};
use tokio::net::TcpListener;

use crate::guests::{Author, calling, caps};

struct Fixture {
    host: Host,
    actor: ActorRef,
    client: Arc<Hyper>,
}

// === impl Fixture ===

impl Fixture {
    fn new(allow: &[&str], allow_private: bool) -> Self {
        let author = Author::new();
        let host = author.host(HostConfig::default());
        let namespace = "wascc:http_client";
        let actor = author.sign(&KeyPair::new_module(), &calling(namespace), caps(&[namespace]));
        let actor = host.load(&actor).expect("it loads");
        let mut options = Options::default();
        options.allow = allow.iter().map(|rule| rule.parse().expect("a rule")).collect();
        options.allow_private = allow_private;
        let client = Arc::new(Hyper::new(options).expect("within a runtime"));
        host.bind(&actor, "default", Provider::http_client(Arc::clone(&client))).expect("it is granted");
        Self { host, actor, client }
    }

    async fn perform(&self, request: &ActorRequest<'_>) -> Result<Bytes, String> {
        let mut payload = Vec::new();
        request.encode(&mut payload);
        self.call("PerformRequest", &payload).await
    }

    async fn call(&self, operation: &str, payload: &[u8]) -> Result<Bytes, String> {
        let answer = self.host.call(&self.actor, operation, payload).wait().await;
        answer.map_err(|failure| failure.to_string())
    }
}

/// Starts a server that answers with what it was asked; answers where.
async fn start() -> String {
    async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.expect("it comes").to_bytes();
        let field = head.headers.get("x-field").map(|value| value.to_str().expect("text"));
        let said = format!("{} {} {}", head.method, head.uri, field.unwrap_or_default());
        let body = [said.as_bytes(), b"\xff", &body].concat();
        let response = Response::builder().status(418).header("x-two", "one").header("x-two", "two");
        Ok(response.body(Full::new(body.into())).expect("a response"))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                // The client may go before.
                let _ = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
            });
        }
    });
    format!("http://{address}")
}

fn get(path: &str) -> ActorRequest<'_> {
    ActorRequest { method: "GET", path, query_string: "", header: Headers::new(&[]), body: b"" }
}

#[tokio::test]
async fn an_actors_request_reaches_its_server_whole() {
    let fixture = Fixture::new(&["127.0.0.1"], true);
    let server = start().await;
    assert!(!fixture.actor.always_ready());
    let (plain, asking) = (format!("{server}/a"), format!("{server}/a?b=1"));
    for (path, query_string, expected) in [
        (&plain, "", "/a"),
        (&plain, "q=1", "/a?q=1"),
        (&asking, "", "/a?b=1"),
        (&asking, "q=1", "/a?b=1&q=1"),
    ] {
        let header = [("X-Field", "field")];
        let request = ActorRequest {
            method: "PUT",
            path,
            query_string,
            header: Headers::new(&header),
            body: b"body\xfe",
        };
        let answer = fixture.perform(&request).await.expect("answered");
        let response = ActorResponse::decode(&answer).expect("a response");
        assert_eq!((response.status_code, response.status), (418, "I'm a teapot"));
        assert!(response.header.iter().any(|field| field == ("x-two", "one, two")), "{response:?}");
        let expected = [format!("PUT {expected} field").as_bytes(), b"\xffbody\xfe"].concat();
        assert_eq!(response.body, expected);
    }
    assert_eq!(fixture.client.counters().of(Operation::Request), 4);
}

#[tokio::test]
async fn an_actor_reaches_no_server_but_those_that_it_may() {
    let server = start().await;
    for (allow, allow_private, expected) in [
        (&[][..], true, "a request to http://127.0.0.1"),
        (&["example.com"][..], true, "a request to http://127.0.0.1"),
        (&["127.0.0.1"][..], false, "a connection to 127.0.0.1"),
    ] {
        let fixture = Fixture::new(allow, allow_private);
        let error = fixture.perform(&get(&server)).await.expect_err("it may not");
        assert!(error.contains(expected) && error.contains("is not allowed"), "{error}");
    }
    let fixture = Fixture::new(&["127.0.0.1"], true);
    let error = fixture.perform(&get("/path")).await.expect_err("no URL");
    assert!(error.contains("\"/path\" is no URL of a request"), "{error}");
    let error = fixture.call("PerformRequest", b"\xc1").await.expect_err("no request");
    assert!(error.contains("the request of wascc:http_client PerformRequest is malformed"), "{error}");
    let error = fixture.call("Listen", b"").await.expect_err("no such operation");
    assert_eq!(error, "wascc:http_client has no operation \"Listen\"");
}
