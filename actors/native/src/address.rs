//! Where a sidecar listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a sidecar listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port, as `127.0.0.1:3500`.
    Tcp(String),
    /// The path of a Unix socket, written `unix:/path`.
    Unix(PathBuf),
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a sidecar; write host:port, as 127.0.0.1:3500, or unix:/path/of/the.socket")]
pub struct InvalidAddress(String);

// === impl Address ===

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(InvalidAddress(text.to_owned())),
        }
    }
}
