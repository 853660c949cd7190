//! Readers of the values of flags.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

/// A setting or variable that says yes, as Dapr reads it.
pub(crate) fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "t" | "yes" | "y" | "on")
}

/// Reads a boolean as Go's flags do.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

/// Reads an address to listen on: an IP address, an IPv6 one also in brackets, or a name that stands for one.
pub(super) fn listen_address(text: &str) -> Result<IpAddr, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(address);
    }
    let unknown = |reason: String| format!("this is no IP address, nor a name of one ({reason})");
    let mut found = (text, 0).to_socket_addrs().map_err(|error| unknown(error.to_string()))?;
    found.next().map(|found| found.ip()).ok_or_else(|| unknown("it has no address".to_owned()))
}

/// Reads an app's id and the address of its sidecar.
pub(super) fn app_address(text: &str) -> Result<(String, String), String> {
    let (id, address) = text.split_once('=').ok_or("write it as APP=HOST:PORT")?;
    Ok((id.to_owned(), address.to_owned()))
}

/// Reads a size as Kubernetes writes it.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "" | "B" => 1,
        "k" | "K" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        other => return Err(format!("{other:?} is no unit; use Ki, Mi, Gi, K, M or G")),
    };
    let number: usize = number.parse().map_err(|_| "a size starts with a number".to_owned())?;
    number.checked_mul(unit).ok_or_else(|| "this size is too large".to_owned())
}

/// Reads a port; daprd takes -1 for none as well as 0.
pub(super) fn app_port(text: &str) -> Result<u16, String> {
    if text == "-1" {
        return Ok(0);
    }
    text.parse().map_err(|_| "this is no port; write one from 1 to 65535, or 0 for none".to_owned())
}

/// Reads a count; 0 and what is below are none.
pub(super) fn count_or_none(text: &str) -> Result<usize, String> {
    let count: i64 = text.parse().map_err(|_| "this is not a whole number".to_owned())?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .map(Duration::from_millis)
        .map_err(|_| "this is not a whole number of milliseconds".to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).map_err(|_| "this is not a whole number of seconds".to_owned())
}
