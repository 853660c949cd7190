//! The list of hosts that may be reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use hyper::Uri;

use super::location::port;
use crate::{Error, Result};

/// A host, or the hosts below a name, that may be reached; at one port, or at any.
///
/// As text it is `example.com`, `*.example.com` (which is not `example.com` itself), `192.0.2.1` or `[2001:db8::1]`,
/// each with or without `:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    /// A name in lower case, without the dot at its end.
    Name(String),
    /// What ends in a dot and this name.
    Below(String),
    Address(IpAddr),
}

// === impl Rule ===

impl Rule {
    fn allows(&self, host: &Host, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
            && match (&self.host, host) {
                (Host::Below(above), Host::Name(name)) => name
                    .strip_suffix(above.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                (rule, host) => rule == host,
            }
    }
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{text:?} names no host that may be reached; write a host as example.com, *.example.com or an address, \
                 and :PORT behind it if it is to be one port alone"
            ))
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => f.write_str(name)?,
            Host::Below(name) => write!(f, "*.{name}")?,
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

// === free functions ===

/// Whether one of the rules allows to reach the host of a URL.
pub(super) fn allows(rules: &[Rule], url: &Uri) -> bool {
    let Some(host) = url.host().and_then(host) else { return false };
    rules.iter().any(|rule| rule.allows(&host, port(url)))
}

fn parse(text: &str) -> Option<Rule> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Some(Rule { host: Host::Address(IpAddr::V6(address).to_canonical()), port: None });
    }
    // A colon within brackets is not the port's.
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port)?;
            (name, Some(port))
        }
        _ => (text, None),
    };
    let host = match name.strip_prefix("*.") {
        Some(above) => match host(above)? {
            Host::Name(name) => Host::Below(name),
            _ => return None,
        },
        None => host(name)?,
    };
    Some(Rule { host, port })
}

/// The host of a URL, or of a rule without its port and star.
fn host(text: &str) -> Option<Host> {
    let address = match text.strip_prefix('[') {
        Some(rest) => Some(IpAddr::V6(rest.strip_suffix(']')?.parse().ok()?)),
        None => text.parse().ok(),
    };
    if let Some(address) = address {
        return Some(Host::Address(address.to_canonical()));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.bytes().all(plain);
    name.split('.').all(label).then_some(Host::Name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rule: &str, url: &str) -> bool {
        let rules = [rule.parse().expect(rule)];
        allows(&rules, &url.parse().expect(url))
    }

    #[test]
    fn a_rule_allows_what_it_names_and_nothing_else() {
        for (rule, url) in [
            ("example.com", "http://example.com/"),
            ("Example.COM.", "https://eXample.com/x?y"),
            ("example.com", "http://example.com.:8080/"),
            ("example.com:443", "https://example.com"),
            ("example.com:80", "http://example.com"),
            ("example.com:8080", "https://example.com:8080"),
            ("*.example.com", "http://a.example.com"),
            ("*.example.com", "http://a.b.example.com"),
            ("*.example.com:81", "http://a.example.com:81"),
            ("127.0.0.1", "http://127.0.0.1:9"),
            ("[::1]:80", "http://[0:0:0::1]"),
            ("::1", "http://[::1]:7"),
            ("192.0.2.1", "http://[::ffff:192.0.2.1]/"),
        ] {
            assert!(allowed(rule, url), "{rule} {url}");
        }
        for (rule, url) in [
            ("example.com", "http://example.com.evil.com"),
            ("example.com", "http://evilexample.com"),
            ("example.com", "http://a.example.com"),
            ("example.com", "http://example.com@evil.com"),
            ("example.com:443", "http://example.com"),
            ("example.com:80", "http://example.com:8080"),
            ("*.example.com", "http://example.com"),
            ("*.example.com", "http://evilexample.com"),
            ("*.example.com", "http://.example.com"),
            ("*.example.com:81", "http://a.example.com"),
            ("127.0.0.1", "http://127.0.0.2"),
            ("127.0.0.1", "http://2130706433"),
            ("*.0.0.1", "http://127.0.0.1"),
            ("example.com", "/path"),
        ] {
            assert!(!allowed(rule, url), "{rule} {url}");
        }
        assert!(!allows(&[], &"http://example.com".parse().expect("a URL")));
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.*",
            "a.*",
            "*a.com",
            "http://a.com",
            "a.com/",
            "a.com/x",
            "a b",
            "a@b",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:080",
            ":80",
            "*.10.0.0.1",
            "[::1",
            "::1]",
            "[a]",
            "a..b",
            "ключ",
            "[10.0.0.1]",
        ] {
            let error = text.parse::<Rule>().expect_err(text).to_string();
            assert!(error.contains("names no host that may be reached"), "{error}");
        }
        for text in ["a.com", "*.a.com:81", "10.0.0.1:8", "[::1]:80", "[2001:db8::1]", "x_y-z"] {
            assert_eq!(text.parse::<Rule>().expect(text).to_string(), text);
        }
    }
}
