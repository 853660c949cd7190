//! From a host's name to its addresses.

use std::net::IpAddr;

use crate::{Answer, Error};

/// Finds the addresses of hosts.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of a name, in the order in which they are to be tried. Awaited on a tokio runtime.
    fn resolve(&self, name: &str) -> Answer<Vec<IpAddr>>;
}

/// As this machine's system does.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: &str) -> Answer<Vec<IpAddr>> {
        let name = name.to_owned();
        Answer::pending(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let unavailable = |error: std::io::Error| Error::Unavailable {
                provider: name.clone(),
                reason: format!("its name is not resolved: {error}"),
            };
            Ok(found.map_err(unavailable)?.map(|address| address.ip()).collect())
        })
    }
}
