//! Calls through shared memory, if it was built for that.

use std::sync::Arc;
use std::time::Duration;

use crate::{Flags, Sidecar, StartError};

/// The end of the shared memory's thread.
pub(crate) struct SharedMemory(#[cfg(feature = "shared-memory")] tokio::sync::oneshot::Receiver<()>);

// === impl SharedMemory ===

#[cfg(feature = "shared-memory")]
impl SharedMemory {
    /// Serves as the flags say, on a thread of its own.
    pub(crate) async fn start(flags: &Flags, sidecar: &Arc<Sidecar>) -> Result<Option<Self>, StartError> {
        use tokio::runtime::Builder;
        use tokio::sync::oneshot;

        let Some(name) = flags.shared_memory.clone() else { return Ok(None) };
        let failed = |reason: String| StartError::SharedMemory(reason);
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| failed(error.to_string()))?;
        let (opened, open) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let (sidecar, busy) = (Arc::clone(sidecar), flags.busy_poll);
        let serve = move || {
            runtime.block_on(async {
                let (token, most_bytes) = (sidecar.api_token.clone(), sidecar.max_body_size);
                let server = match pillion_shared_memory::Server::open(&name, token, most_bytes) {
                    Ok(server) => server,
                    Err(error) => {
                        // The one who starts it waits for this.
                        let _ = opened.send(Err(error.to_string()));
                        return;
                    }
                };
                let _ = opened.send(Ok(()));
                let closing = sidecar.closing();
                let answer = move |call| {
                    let sidecar = Arc::clone(&sidecar);
                    async move { crate::calls::answer(&sidecar, call).await }
                };
                server.run(answer, busy, closing).await;
            });
            // The server may not wait for it.
            let _ = ended.send(());
        };
        let thread = std::thread::Builder::new().name("shared-memory".to_owned()).spawn(serve);
        thread.map_err(|error| failed(error.to_string()))?;
        match open.await {
            Ok(opened) => opened.map_err(failed)?,
            Err(_) => return Err(failed("its thread ended".to_owned())),
        }
        Ok(Some(Self(end)))
    }

    /// Waits until the calls under way are answered, for as long as that may take.
    pub(crate) async fn end(self, patience: Duration) {
        if tokio::time::timeout(patience, self.0).await.is_err() {
            tracing::warn!(
                "calls through shared memory that are still under way after {patience:?} are given up"
            );
        }
    }
}

#[cfg(not(feature = "shared-memory"))]
impl SharedMemory {
    pub(crate) async fn start(flags: &Flags, _: &Arc<Sidecar>) -> Result<Option<Self>, StartError> {
        match &flags.shared_memory {
            None => Ok(None),
            Some(_) => Err(StartError::SharedMemory(
                "this sidecar was built without it; build with `--features pillion-sidecar/shared-memory`"
                    .to_owned(),
            )),
        }
    }

    pub(crate) async fn end(self, _: Duration) {}
}
