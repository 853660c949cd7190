//! What an actor is about to write, chunk by chunk.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use pillion_capabilities::blobstore::Upload;
use pillion_capabilities::{BlobStore, Error, Result};
use pillion_codec::FileChunk;

/// The uploads of one binding that are under way, by container and object. While a chunk is being written, its upload
/// is not among them: a chunk that comes meanwhile is refused, and a call that is given up takes the upload with it.
#[derive(Default)]
pub(super) struct Uploads {
    waiting: Mutex<HashMap<(String, String), Uploading>>,
}

struct Uploading {
    upload: Box<dyn Upload>,
    /// How many bytes there will be.
    total: u64,
    received: u64,
    /// The number of the last chunk. The next one has a greater: some actors count chunks, and some bytes.
    last: Option<u64>,
}

/// A chunk as it came from the actor.
pub(super) struct Chunk {
    container: String,
    object: String,
    number: u64,
    total: u64,
    bytes: Bytes,
}

/// So many a binding may have under way.
const MOST: usize = 16;

// === impl Uploads ===

impl Uploads {
    /// Begins an upload, or begins it anew.
    pub(super) async fn start(&self, store: &dyn BlobStore, chunk: Chunk) -> Result<()> {
        if !chunk.bytes.is_empty() {
            let said = "StartUpload carries no bytes; send them by UploadChunk";
            return Err(Error::InvalidArgument(said.to_owned()));
        }
        let key = chunk.key();
        // First, so that it makes room.
        let earlier = self.waiting.lock().remove(&key);
        drop(earlier);
        let upload = store.upload(&chunk.container, &chunk.object).wait().await?;
        if chunk.total == 0 {
            return upload.finish().wait().await.map(drop);
        }
        let uploading = Uploading { upload, total: chunk.total, received: 0, last: None };
        self.put_back(key, uploading)
    }

    /// Writes a chunk; with the last one the object is there.
    pub(super) async fn append(&self, chunk: Chunk) -> Result<()> {
        let key = chunk.key();
        let taken = self.waiting.lock().remove(&key);
        let name = format!("{}/{}", chunk.container, chunk.object);
        let Some(mut uploading) = taken else {
            let what = format!(
                "upload of {name} that waits for a chunk; start it, and send one chunk when the one before is answered"
            );
            return Err(Error::NotFound { what });
        };
        if let Some(last) = uploading.last.filter(|last| chunk.number <= *last) {
            self.put_back(key, uploading)?;
            return Err(Error::InvalidArgument(format!(
                "chunk {} of the upload of {name} came after chunk {last}; number chunks in their order",
                chunk.number
            )));
        }
        let length = chunk.bytes.len() as u64;
        if length > uploading.total - uploading.received {
            let what = format!("bytes for {name}, as its upload said; start it anew");
            return Err(Error::TooMuch { what, most: uploading.total });
        }
        uploading.upload.append(chunk.bytes).wait().await?;
        uploading.received += length;
        uploading.last = Some(chunk.number);
        if uploading.received == uploading.total {
            return uploading.upload.finish().wait().await.map(drop);
        }
        self.put_back(key, uploading)
    }

    fn put_back(&self, key: (String, String), uploading: Uploading) -> Result<()> {
        let mut waiting = self.waiting.lock();
        if waiting.contains_key(&key) {
            let said = format!("the upload of {}/{} was started anew meanwhile", key.0, key.1);
            return Err(Error::InvalidArgument(said));
        }
        if waiting.len() >= MOST {
            let what = "uploads of a binding at a time; send the rest of some first".to_owned();
            return Err(Error::TooMuch { what, most: MOST as u64 });
        }
        waiting.insert(key, uploading);
        Ok(())
    }
}

// === impl Chunk ===

impl Chunk {
    fn key(&self) -> (String, String) {
        (self.container.clone(), self.object.clone())
    }
}

impl From<&FileChunk<'_>> for Chunk {
    fn from(chunk: &FileChunk<'_>) -> Self {
        Self {
            container: chunk.container.to_owned(),
            object: chunk.id.to_owned(),
            number: chunk.sequence_no,
            total: chunk.total_bytes,
            bytes: Bytes::copy_from_slice(chunk.chunk_bytes),
        }
    }
}
