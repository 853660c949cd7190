//! How long a module takes to load in our host, and to answer first.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use pillion_capabilities::{KeyValue, Memory};
use pillion_host::identity::TrustedIssuers;
use pillion_host::{ActorRef, Compiler, Host, HostConfig};

/// From the signed bytes to an actor that can be called, first with nothing in the cache, then from the cache; and its
/// first call, an `echo` of 16 bytes. All in ns.
///
/// # Errors
/// The module cannot be read, is not believed, does not compile, or does not echo.
pub async fn load(compiler: Compiler, issuer: &str, path: &Path) -> Result<[u64; 3]> {
    let module = std::fs::read(path).with_context(|| path.display().to_string())?;
    let cache = tempfile::tempdir()?;
    let config = || HostConfig {
        compiler,
        trust: TrustedIssuers::from([issuer.to_owned()]).into(),
        cache: Some(cache.path().join("modules")),
        ..HostConfig::default()
    };
    let load = || -> Result<(Host, ActorRef, u64)> {
        let host = Host::new(config())?;
        let begin = Instant::now();
        let actor = host.load(&module)?;
        Ok((host, actor, begin.elapsed().as_nanos() as u64))
    };
    let (_, _, compiled) = load()?;
    let (host, actor, cached) = load()?;
    let store: Arc<dyn KeyValue> = Arc::new(Memory::new());
    host.bind(&actor, "default", store)?;
    let request = [b'x'; 16];
    let begin = Instant::now();
    let reply = host.call(&actor, "echo", &request).wait().await?;
    let first = begin.elapsed().as_nanos() as u64;
    anyhow::ensure!(reply == request[..], "the module does not echo");
    Ok([compiled, cached, first])
}
