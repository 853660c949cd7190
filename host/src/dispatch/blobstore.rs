//! The contract `wascc:blobstore` in MessagePack, over a provider.
//!
//! An actor's upload is a `StartUpload` that says how many bytes will come, and `UploadChunk` until they are there. Its
//! download is a `StartDownload`, which is answered at once, and a `ReceiveChunk` to it for each chunk, as messages are
//! delivered: on the runtime, to an instance of its own, one chunk after the other.

mod downloads;
mod uploads;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::blobstore::{BlobInfo, Query};
use pillion_capabilities::{BlobStore, Error, Result};
use pillion_codec::{Blob, BlobList, Container, DecodeError, FileChunk, Messages, StreamRequest};

use super::Contract;
use super::answer::{answer, answer_in_turns, malformed, unknown};
use super::caller::Caller;
use crate::engine::{Dispatched, Reply};
use downloads::Downloads;
use uploads::{Chunk, PATIENCE, Uploads};

/// A blob store, and what one binding has under way with it.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn BlobStore>,
    uploads: Arc<Uploads>,
    downloads: Downloads,
}

/// How many objects `ListObjects` lists: they are in one message.
const MOST_LISTED: usize = 10_000;

// === impl Blobs ===

impl Blobs {
    pub(super) fn new(store: Arc<dyn BlobStore>) -> Self {
        Self { store, uploads: Arc::new(Uploads::new(PATIENCE)), downloads: Downloads::default() }
    }

    /// The same with another patience than five minutes: so long an upload that nothing comes of keeps its place among
    /// those of its binding, and then gives way to the next one that finds none. Not for a binding that is there.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { uploads: Arc::new(Uploads::new(patience)), ..self }
    }

    /// The provider itself.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn BlobStore> {
        &self.store
    }

    /// The same for another binding, served by that store. What a binding uploads ends with it.
    pub(super) fn opened(&self, store: Arc<dyn BlobStore>) -> Self {
        let Self { uploads, downloads, .. } = self;
        Self { store, uploads: Arc::new(uploads.opened()), downloads: downloads.opened() }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blobs in {}", self.store.name())
    }
}

// === free functions ===

/// Makes one call of the contract.
pub(super) fn dispatch(
    blobs: &Blobs,
    caller: &Caller,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(blobs, caller, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::BlobStore, operation, error, reply),
    }
}

fn call(
    blobs: &Blobs,
    caller: &Caller,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    let Blobs { store, uploads, downloads } = blobs;
    Ok(match operation {
        b"CreateContainer" => {
            let Container { id } = Container::decode(payload)?;
            answer(store.create_container(id), payload, reply, |_, payload, reply| {
                // It was decoded before.
                if let Ok(container) = Container::decode(payload) {
                    container.encode(reply.respond());
                }
            })
        }
        b"RemoveContainer" => {
            let Container { id } = Container::decode(payload)?;
            answer(store.remove_container(id), payload, reply, |_, _, reply| {
                reply.respond();
            })
        }
        b"RemoveObject" => {
            let Blob { id, container, .. } = Blob::decode(payload)?;
            answer(store.remove(container, id), payload, reply, |_, _, reply| {
                reply.respond();
            })
        }
        b"GetObjectInfo" => {
            let Blob { id, container, .. } = Blob::decode(payload)?;
            answer(store.info(container, id), payload, reply, |known, payload, reply| {
                info(known.as_ref(), payload, reply);
            })
        }
        b"ListObjects" => {
            let Container { id } = Container::decode(payload)?;
            answer_in_turns(list(Arc::clone(store), id.to_owned()), reply)
        }
        b"StartUpload" => {
            let chunk = Chunk::from(&FileChunk::decode(payload)?);
            let (store, uploads) = (Arc::clone(store), Arc::clone(uploads));
            answer_in_turns(async move { uploads.start(&*store, chunk).await.map(|()| empty()) }, reply)
        }
        b"UploadChunk" => {
            let chunk = Chunk::from(&FileChunk::decode(payload)?);
            let uploads = Arc::clone(uploads);
            answer_in_turns(async move { uploads.append(chunk).await.map(|()| empty()) }, reply)
        }
        b"StartDownload" => {
            let request = StreamRequest::decode(payload)?;
            let started = downloads.start(Arc::clone(store), caller, &request);
            answer_in_turns(async move { started?.await.map(|()| empty()) }, reply)
        }
        _ => unknown(Contract::BlobStore, operation, reply),
    })
}

/// What is known of an object; of none, its name is empty.
fn info(known: Option<&BlobInfo>, payload: &[u8], reply: &mut Reply) {
    let nothing = Blob { id: "", container: "", byte_size: 0 };
    let blob = match (known, Blob::decode(payload)) {
        (Some(info), Ok(Blob { container, .. })) => Blob { id: &info.name, container, byte_size: info.size },
        _ => nothing,
    };
    blob.encode(reply.respond());
}

async fn list(store: Arc<dyn BlobStore>, container: String) -> Result<Reply> {
    let mut query = Query::default();
    let mut found = Vec::new();
    loop {
        let page = store.list(&container, query.clone()).wait().await?;
        found.extend(page.items);
        if found.len() > MOST_LISTED {
            let what = format!("objects in container {container} to list; ask for each by its name");
            return Err(Error::TooMuch { what, most: MOST_LISTED as u64 });
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let blobs: Vec<Blob<'_>> = found
        .iter()
        .map(|BlobInfo { name, size, .. }| Blob { id: name, container: &container, byte_size: *size })
        .collect();
    let mut reply = Reply::default();
    BlobList { blobs: Messages::new(&blobs) }.encode(reply.respond());
    Ok(reply)
}

fn empty() -> Reply {
    let mut reply = Reply::default();
    reply.respond();
    reply
}
