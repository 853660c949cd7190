//! What an actor reads, delivered to it chunk by chunk.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pillion_capabilities::blobstore::{Download, MOST_BYTES, Range};
use pillion_capabilities::trace::FutureExt as _;
use pillion_capabilities::{BlobStore, Error, Result};
use pillion_codec::{FileChunk, StreamRequest};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dispatch::caller::Caller;
use crate::engine::Guest;
use crate::workers;

/// The downloads of one binding.
#[derive(Clone)]
pub(super) struct Downloads {
    /// Where they are delivered.
    runtime: Option<Handle>,
    room: Arc<Semaphore>,
    /// The binding, which ends with the last of the wirings and calls that have it.
    binding: Arc<()>,
}

/// A download that is under way.
struct Delivery {
    guest: Guest,
    caller: Caller,
    /// Without it no more chunks are delivered.
    binding: Weak<()>,
    container: String,
    object: String,
    chunk_size: u64,
    context: Option<String>,
    /// Ends with it.
    _room: OwnedSemaphorePermit,
}

/// The operation by which an actor gets a chunk.
const RECEIVE: &str = "ReceiveChunk";

/// So many a binding may have under way.
const MOST: usize = 16;

/// A busy actor is asked again after so long, each time after twice as long, and so often.
const PAUSE: Duration = Duration::from_millis(1);
const ATTEMPTS: u32 = 14;

// === impl Downloads ===

impl Downloads {
    pub(super) fn opened(&self) -> Self {
        Self { runtime: self.runtime.clone(), ..Self::on(None) }
    }

    fn on(runtime: Option<Handle>) -> Self {
        Self { runtime, room: Arc::new(Semaphore::new(MOST)), binding: Arc::default() }
    }

    /// Begins a download: once the object is found, its chunks are on their way.
    pub(super) fn start(
        &self,
        store: Arc<dyn BlobStore>,
        caller: &Caller,
        request: &StreamRequest<'_>,
    ) -> Result<impl Future<Output = Result<()>> + Send + 'static + use<>> {
        let StreamRequest { id, container, chunk_size, context } = *request;
        if !(1..=MOST_BYTES).contains(&chunk_size) {
            return Err(Error::InvalidArgument(format!(
                "{chunk_size} is no size of a chunk; ask for 1 to {MOST_BYTES} bytes"
            )));
        }
        let (Some(guest), Some(runtime)) = (caller.guest(), self.runtime.clone()) else {
            return Err(Error::InvalidArgument(
                "chunks cannot be delivered; make the provider within a tokio runtime, and bind it to an actor on a \
                 host"
                    .to_owned(),
            ));
        };
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            let what = "downloads of a binding at a time; wait for the chunks of some".to_owned();
            return Err(Error::TooMuch { what, most: MOST as u64 });
        };
        let delivery = Delivery {
            guest,
            caller: caller.clone(),
            binding: Arc::downgrade(&self.binding),
            container: container.to_owned(),
            object: id.to_owned(),
            chunk_size,
            context: context.map(str::to_owned),
            _room: room,
        };
        Ok(async move {
            let Delivery { container, object, .. } = &delivery;
            let Some(download) = store.download(container, object).wait().await? else {
                return Err(Error::NotFound { what: format!("object {object} in container {container}") });
            };
            // Its chunks belong to the request that asked for them.
            drop(runtime.spawn(delivery.run(download).with_current_context()));
            Ok(())
        })
    }
}

impl Default for Downloads {
    /// On the runtime that this is called within.
    fn default() -> Self {
        Self::on(Handle::try_current().ok())
    }
}

// === impl Delivery ===

impl Delivery {
    async fn run(self, download: Box<dyn Download>) {
        if let Err(reason) = self.deliver(&*download).await {
            let Self { container, object, .. } = &self;
            tracing::warn!(target: "pillion::delivery", container, object, reason, "a download was given up");
        }
    }

    /// An object without bytes is one chunk without bytes, so that its reader learns of its end.
    async fn deliver(&self, download: &dyn Download) -> Result<(), String> {
        let size = download.info().size;
        let (mut start, mut sequence_no) = (0, 0);
        loop {
            self.check()?;
            let range = Range { start, length: self.chunk_size };
            let bytes = download.read(range).wait().await.map_err(|error| error.to_string())?;
            let chunk = FileChunk {
                sequence_no,
                container: &self.container,
                id: &self.object,
                total_bytes: size,
                chunk_size: self.chunk_size,
                context: self.context.as_deref(),
                chunk_bytes: &bytes,
            };
            let mut payload = Vec::with_capacity(bytes.len() + 256);
            chunk.encode(&mut payload);
            self.hand_over(&payload).await?;
            start += bytes.len() as u64;
            sequence_no += 1;
            if start >= size || bytes.is_empty() {
                return Ok(());
            }
        }
    }

    async fn hand_over(&self, payload: &[u8]) -> Result<(), String> {
        let mut pause = PAUSE;
        let mut attempts = 0;
        loop {
            // Anything may have happened while the chunk was read, or the actor was busy.
            self.check()?;
            match workers::call(&self.guest, RECEIVE, payload).await {
                // The call that started it may still have the actor's only instance.
                Err(failure) if failure.is_busy() && attempts < ATTEMPTS => tokio::time::sleep(pause).await,
                outcome => return outcome.map(drop).map_err(|failure| failure.to_string()),
            }
            pause *= 2;
            attempts += 1;
        }
    }

    /// Whether the actor may still read of the store.
    fn check(&self) -> Result<(), String> {
        if self.binding.strong_count() == 0 {
            return Err("the actor is not bound to the store any more".to_owned());
        }
        match self.caller.expired() {
            Some(expired) => Err(format!("the actor's token expired at {expired}")),
            None => Ok(()),
        }
    }
}
