//! A sidecar over HTTP.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pillion_logic::{CallError, Capabilities};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Address;
use crate::connection::Pool;
use crate::multiplexed::Multiplexed;
use crate::pipelined::Pipelined;
use crate::state::{self, Condition, SaveError, State, Versioned};
use crate::token::{API_TOKEN, ApiToken};

/// What a path segment holds as it is (RFC 3986, unreserved). Not the dot: a key `..` would be a way up.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b':');

/// A Dapr sidecar over HTTP/1.1 or HTTP/2. Values are texts, and travel as JSON strings.
pub struct HttpSidecar {
    connections: Connections,
    /// What HTTP/1.1 says in a header; HTTP/2 has it in the path.
    host: Option<HeaderValue>,
    /// `/v1.0/state/<store>`, over HTTP/2 with scheme and host.
    path: String,
    bulk: bool,
    token: Option<HeaderValue>,
}

enum Connections {
    Pool(Pool),
    Multiplexed(Multiplexed),
    Pipelined(Pipelined),
}

/// A bulk get.
#[derive(Serialize)]
struct Keys<'a> {
    keys: [&'a str; 2],
}

/// What a bulk get says of one key.
#[derive(Deserialize)]
struct Found<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Item<'a> {
    key: &'a str,
    value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Options {
    concurrency: &'static str,
}

/// How a sidecar says that it failed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    #[serde(borrow)]
    error_code: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

// === impl HttpSidecar ===

impl HttpSidecar {
    /// A client of the sidecar at `address` for the state store `store`, over HTTP/1.1: a connection for each call under
    /// way, kept and used again. They are opened when needed.
    #[must_use]
    pub fn new(address: Address, store: &str) -> Self {
        let host = host(&address);
        Self::over(Connections::Pool(Pool::new(address)), Some(host), path(store))
    }

    /// The same over HTTP/1.1 on one connection, opened when needed: requests are sent without waiting for the answers to
    /// those before them. A connection that is lost fails the calls under way; a save among them may have been made.
    #[must_use]
    pub fn pipelined(address: Address, store: &str) -> Self {
        let host = host(&address);
        Self::over(Connections::Pipelined(Pipelined::new(address)), Some(host), path(store))
    }

    /// The same over HTTP/2 by prior knowledge: one connection for all calls, opened when needed.
    #[must_use]
    pub fn http2(address: Address, store: &str) -> Self {
        let host = host(&address);
        let path = format!("http://{}{}", host.to_str().unwrap_or("localhost"), path(store));
        Self::over(Connections::Multiplexed(Multiplexed::new(address)), None, path)
    }

    fn over(connections: Connections, host: Option<HeaderValue>, path: String) -> Self {
        Self { connections, host, path, token: None, bulk: false }
    }

    /// The same client that asks for several keys in one call where they are wanted together.
    #[must_use]
    pub fn with_bulk(self) -> Self {
        Self { bulk: true, ..self }
    }

    /// The same client with the token that the sidecar asks for.
    #[must_use]
    pub fn with_token(self, token: ApiToken) -> Self {
        Self { token: Some(token.0), ..self }
    }

    /// The request that reads a key: what the client does before anything is sent.
    ///
    /// # Errors
    /// The key makes no path.
    pub fn read_request(&self, key: &str) -> Result<Request<Full<Bytes>>, CallError> {
        let mut path = String::with_capacity(self.path.len() + 1 + 2 * key.len());
        path.push_str(&self.path);
        path.push('/');
        path.extend(utf8_percent_encode(key, ESCAPED));
        self.request(Method::GET, path, Bytes::new())
    }

    /// The value in the response to [`Self::read_request`], if the key is there: what the client does after all has
    /// come.
    ///
    /// # Errors
    /// The sidecar refused, or its value is not JSON.
    pub fn read_answer(&self, key: &str, response: Response<Bytes>) -> Result<Option<Bytes>, CallError> {
        Ok(versioned(key, response)?.map(|found| found.value))
    }

    fn request(&self, method: Method, path: String, body: Bytes) -> Result<Request<Full<Bytes>>, CallError> {
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() =
            Uri::from_maybe_shared(Bytes::from(path)).map_err(|error| self.failed(&error))?;
        if let Some(host) = &self.host {
            request.headers_mut().insert(HOST, host.clone());
        }
        if let Some(token) = &self.token {
            request.headers_mut().insert(API_TOKEN, token.clone());
        }
        if method == Method::POST {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        *request.method_mut() = method;
        Ok(request)
    }

    async fn call(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, CallError> {
        match &self.connections {
            Connections::Pool(pool) => pool.call(request).await.map_err(|error| self.failed(&error)),
            Connections::Multiplexed(connection) => {
                connection.call(request).await.map_err(|error| self.failed(&error))
            }
            Connections::Pipelined(connection) => {
                connection.call(request).await.map_err(|error| self.failed(&error))
            }
        }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> CallError {
        let address = match &self.connections {
            Connections::Pool(pool) => pool.address(),
            Connections::Multiplexed(connection) => &connection.address,
            Connections::Pipelined(connection) => &connection.address,
        };
        CallError(format!("sidecar at {address}: {reason}; is it running?"))
    }
}

impl State for HttpSidecar {
    async fn read(&self, key: &str) -> Result<Option<Versioned>, CallError> {
        versioned(key, self.call(self.read_request(key)?).await?)
    }

    async fn save(&self, key: &str, value: &[u8], condition: Condition<'_>) -> Result<(), SaveError> {
        let failed = |reason: String| SaveError::Failed(CallError(reason));
        let value = str::from_utf8(value).map_err(|_| {
            failed(format!(
                "the value for key {key} is not text, which JSON needs; bytes can be saved over gRPC"
            ))
        })?;
        let etag = condition.etag();
        let options = condition.is_first_write().then_some(Options { concurrency: "first-write" });
        let body = serde_json::to_vec(&[Item { key, value, etag, options }])
            .map_err(|error| failed(error.to_string()))?;
        let request =
            self.request(Method::POST, self.path.clone(), body.into()).map_err(SaveError::Failed)?;
        let response = self.call(request).await.map_err(SaveError::Failed)?;
        match response.status() {
            StatusCode::CONFLICT => Err(SaveError::Conflict),
            status if status.is_success() => Ok(()),
            _ => Err(SaveError::Failed(refused(&response))),
        }
    }
}

impl Capabilities for HttpSidecar {
    type Value = Bytes;

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CallError> {
        Ok(self.read(key).await?.map(|found| found.value))
    }

    async fn get_two(&self, keys: [&str; 2]) -> Result<[Option<Bytes>; 2], CallError> {
        if !self.bulk {
            return pillion_logic::one_by_one(self, keys).await;
        }
        let body = serde_json::to_vec(&Keys { keys }).map_err(|error| self.failed(&error))?;
        let response =
            self.call(self.request(Method::POST, format!("{}/bulk", self.path), body.into())?).await?;
        if response.status() != StatusCode::OK {
            return Err(refused(&response));
        }
        let found: Vec<Found<'_>> =
            serde_json::from_slice(response.body()).map_err(|error| self.failed(&error))?;
        state::in_order(
            keys,
            found,
            |found| &found.key,
            |found, key| {
                found.data.map(|data| text(Bytes::copy_from_slice(data.get().as_bytes()), key)).transpose()
            },
        )
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), CallError> {
        Ok(self.save(key, value, Condition::None).await?)
    }

    async fn add(&self, key: &str, delta: i64) -> Result<i64, CallError> {
        state::add(self, key, delta).await
    }
}

fn host(address: &Address) -> HeaderValue {
    let host = match address {
        Address::Tcp(address) => HeaderValue::from_str(address).ok(),
        Address::Unix(_) => None,
    };
    host.unwrap_or(HeaderValue::from_static("localhost"))
}

fn path(store: &str) -> String {
    format!("/v1.0/state/{}", utf8_percent_encode(store, ESCAPED))
}

/// What a response says of a key.
fn versioned(key: &str, response: Response<Bytes>) -> Result<Option<Versioned>, CallError> {
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NO_CONTENT => return Ok(None),
        _ => return Err(refused(&response)),
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).unwrap_or_default();
    let etag = etag.to_owned();
    Ok(Some(Versioned { value: text(response.into_body(), key)?, etag }))
}

/// The text of a JSON string; other JSON as it is.
fn text(json: Bytes, key: &str) -> Result<Bytes, CallError> {
    match &*json {
        // Without escapes the text is what stands between the quotes.
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => Ok(json.slice(1..json.len() - 1)),
        [b'"', ..] => serde_json::from_slice::<String>(&json)
            .map(Bytes::from)
            .map_err(|error| CallError(format!("the sidecar's value of key {key} is not JSON: {error}"))),
        _ => Ok(json),
    }
}

fn refused(response: &Response<Bytes>) -> CallError {
    let status = response.status().as_u16();
    CallError(match serde_json::from_slice::<Failure<'_>>(response.body()) {
        Ok(failure) => format!("sidecar: {} ({}, status {status})", failure.message, failure.error_code),
        Err(_) => format!("sidecar: status {status}: {}", String::from_utf8_lossy(response.body())),
    })
}
