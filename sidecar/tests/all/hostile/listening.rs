//! What the process listens to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::sidecar::{MEMORY, Sidecar};

/// The addresses that the process has a listening TCP or any UDP socket on.
fn listening(sidecar: &Sidecar) -> Vec<IpAddr> {
    let process = format!("/proc/{}", sidecar.id());
    let mut sockets = BTreeSet::new();
    for file in std::fs::read_dir(format!("{process}/fd")).unwrap() {
        // One may be closed meanwhile.
        let Ok(target) = std::fs::read_link(file.unwrap().path()) else { continue };
        if let Some(inode) = target.to_str().and_then(|target| target.strip_prefix("socket:[")) {
            sockets.insert(inode.trim_end_matches(']').to_owned());
        }
    }
    let mut addresses = Vec::new();
    for (table, listens) in [("tcp", Some("0A")), ("tcp6", Some("0A")), ("udp", None), ("udp6", None)] {
        // Where there is no IPv6 there is no table of it.
        let Ok(text) = std::fs::read_to_string(format!("{process}/net/{table}")) else { continue };
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if sockets.contains(fields[9]) && listens.is_none_or(|state| state == fields[3]) {
                addresses.push(address(fields[1].split_once(':').unwrap().0));
            }
        }
    }
    addresses
}

/// An address as the kernel writes it: words of four bytes in the machine's order.
fn address(text: &str) -> IpAddr {
    let words: Vec<u8> = text
        .as_bytes()
        .chunks(8)
        .flat_map(|word| u32::from_str_radix(std::str::from_utf8(word).unwrap(), 16).unwrap().to_ne_bytes())
        .collect();
    match <[u8; 4]>::try_from(words.as_slice()) {
        Ok(four) => Ipv4Addr::from(four).into(),
        Err(_) => Ipv6Addr::from(<[u8; 16]>::try_from(words).unwrap()).into(),
    }
}

#[test]
fn nothing_listens_beyond_this_machine_unless_asked_to() {
    let local = Sidecar::with(MEMORY, &["--dapr-public-port", "0", "--app-port", "1"]);
    let found = listening(&local);
    assert!(found.len() >= 4, "HTTP, gRPC, metrics and public: {found:?}");
    assert!(found.iter().all(IpAddr::is_loopback), "{found:?}");

    let open = Sidecar::with(MEMORY, &["--dapr-listen-addresses", "0.0.0.0"]);
    let found = listening(&open);
    let beyond = found.iter().filter(|address| !address.is_loopback()).count();
    assert_eq!(beyond, 2, "HTTP and gRPC, as asked; the metrics were not: {found:?}");
}
