//! Header fields on the way from app to app.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::access::Caller;
use crate::sidecar::API_TOKEN;

/// Whom a request is for, as apps say it.
pub(super) const APP_ID: HeaderName = HeaderName::from_static("dapr-app-id");
/// Who calls.
pub(super) const CALLER: HeaderName = HeaderName::from_static("dapr-caller-app-id");
/// The caller's namespace.
pub(super) const CALLER_NAMESPACE: HeaderName = HeaderName::from_static("dapr-caller-namespace");
/// Who is called.
pub(super) const CALLEE: HeaderName = HeaderName::from_static("dapr-callee-app-id");

/// Ours, between sidecars: the request is one over HTTP. No browser lets a page send a field of such a name, so that none gets
/// past the port for apps, and its token, by the port for sidecars.
pub(super) const CALL: HeaderName = HeaderName::from_static("sec-pillion-call");
/// Ours, between sidecars: the answer is the sidecar's, not the app's; its value is gRPC's code.
pub(super) const ERROR: HeaderName = HeaderName::from_static("pillion-error");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// These belong to one connection. `trailer` does not: it tells of fields that are passed on.
const HOP: [HeaderName; 6] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    header::PROXY_AUTHORIZATION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is added to requests to other sidecars: that they come by this one.
#[derive(Clone, Debug)]
pub(super) struct Forwarded {
    address: HeaderValue,
    host: Option<HeaderValue>,
    forwarded: HeaderValue,
}

/// Removes what belongs to the connection that a request or answer came by, and what only sidecars may say.
pub(super) fn clean(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            // What makes a request what it is cannot be taken from it.
            .filter(|name| {
                ![header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TE].contains(name)
            })
            .collect();
        named.iter().for_each(|name| drop(headers.remove(name)));
        headers.remove(header::CONNECTION);
    }
    HOP.iter().for_each(|name| drop(headers.remove(name)));
    // Where a request came in; where it goes is put by the client. Leave to send was given here.
    headers.remove(header::HOST);
    headers.remove(header::EXPECT);
    // Whether trailers are wanted is passed on, as there is nothing in between that could not; nothing else is known.
    if let Some(te) = headers.get(header::TE) {
        let trailers = te
            .to_str()
            .is_ok_and(|te| te.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("trailers")));
        headers.remove(header::TE);
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
    headers.remove(CALL);
    headers.remove(ERROR);
}

/// Removes the sidecar's own token: the app that is called has another.
pub(super) fn take_token(headers: &mut HeaderMap) {
    headers.remove(API_TOKEN);
}

/// Says who calls whom, in place of what the caller says itself.
pub(super) fn introduce(headers: &mut HeaderMap, caller: &str, callee: &str, namespace: &str) {
    for (name, value) in [(CALLER, caller), (CALLEE, callee), (CALLER_NAMESPACE, namespace)] {
        match HeaderValue::try_from(value) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => drop(headers.remove(name)),
        }
    }
}

/// Who calls, as the caller's sidecar says.
pub(super) fn caller(headers: &HeaderMap) -> Caller {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Caller { id: text(CALLER), namespace: text(CALLER_NAMESPACE) }
}

// === impl Forwarded ===

impl Forwarded {
    /// This machine's address, as Dapr finds it, and its name.
    pub(super) fn of_this_machine() -> Self {
        let address = address().to_string();
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()
            .or_else(|| std::env::var("HOSTNAME").ok());
        let host = host.map(|host| host.trim().to_owned()).filter(|host| !host.is_empty());
        let forwarded = match &host {
            Some(host) => format!("for={address};by={address};host={host}"),
            None => format!("for={address};by={address};"),
        };
        let unknown = HeaderValue::from_static("unknown");
        Self {
            address: HeaderValue::try_from(address).unwrap_or_else(|_| unknown.clone()),
            host: host.and_then(|host| HeaderValue::try_from(host).ok()),
            forwarded: HeaderValue::try_from(forwarded).unwrap_or(unknown),
        }
    }

    /// Adds it to what a request says of its way so far.
    pub(super) fn add(&self, headers: &mut HeaderMap) {
        headers.append(FORWARDED_FOR, self.address.clone());
        if let Some(host) = &self.host {
            headers.append(FORWARDED_HOST, host.clone());
        }
        headers.append(header::FORWARDED, self.forwarded.clone());
    }
}

/// `DAPR_HOST_IP`, or the address from which others would be reached. Nothing is sent to find it.
fn address() -> IpAddr {
    if let Some(address) = std::env::var("DAPR_HOST_IP").ok().and_then(|address| address.parse().ok()) {
        return address;
    }
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect(SocketAddr::from(([8, 8, 8, 8], 80)))?;
        socket.local_addr()
    });
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_belongs_to_a_connection_is_not_passed_on() {
        let mut fields = headers(&[
            ("connection", "close, x-Mine"),
            ("connection", "content-type,host, not a name"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip, Trailers"),
            ("trailer", "x-sum"),
            ("host", "localhost"),
            ("expect", "100-continue"),
            ("content-type", "text/plain"),
            ("sec-pillion-call", "http"),
            ("pillion-error", "7"),
        ]);
        clean(&mut fields);
        let expected = headers(&[
            ("x-other", "2"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("content-type", "text/plain"),
        ]);
        assert_eq!(fields, expected);
    }

    #[test]
    fn nobody_says_for_another_who_calls() {
        let mut fields = headers(&[
            ("dapr-caller-app-id", "boss"),
            ("dapr-caller-app-id", "king"),
            ("dapr-caller-namespace", "x"),
        ]);
        introduce(&mut fields, "orders", "payments", "default");
        let expected = [
            ("dapr-caller-app-id", "orders"),
            ("dapr-caller-namespace", "default"),
            ("dapr-callee-app-id", "payments"),
        ];
        assert_eq!(fields, headers(&expected));
    }
}
