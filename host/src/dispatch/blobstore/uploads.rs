//! What an actor is about to write, chunk by chunk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use pillion_capabilities::blobstore::Upload;
use pillion_capabilities::{BlobStore, Error, Result};
use pillion_codec::FileChunk;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The uploads of one binding that are under way, by container and object. While a chunk is being written, its upload
/// is not among them: a chunk that comes meanwhile is refused, and a call that is given up takes the upload with it.
pub(super) struct Uploads {
    waiting: Mutex<HashMap<(String, String), Uploading>>,
    room: Arc<Semaphore>,
    /// How long an upload keeps its place while nothing of it comes and others want one.
    patience: Duration,
}

struct Uploading {
    upload: Box<dyn Upload>,
    /// How many bytes there will be.
    total: u64,
    received: u64,
    /// The number of the last chunk. The next one has a greater: some actors count chunks, and some bytes.
    last: Option<u64>,
    touched: Instant,
    /// Its place. It has it while a chunk is being written, too, and until the upload itself is no more.
    _place: OwnedSemaphorePermit,
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

/// What is not touched for so long counts as abandoned.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

// === impl Uploads ===

impl Uploads {
    pub(super) fn new(patience: Duration) -> Self {
        Self { waiting: Mutex::default(), room: Arc::new(Semaphore::new(MOST)), patience }
    }

    /// As many for another binding.
    pub(super) fn opened(&self) -> Self {
        Self::new(self.patience)
    }

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
        if chunk.total == 0 {
            // It is there at once, and needs no place.
            let upload = store.upload(&chunk.container, &chunk.object).wait().await?;
            return upload.finish().wait().await.map(drop);
        }
        let place = self.place()?;
        let upload = store.upload(&chunk.container, &chunk.object).wait().await?;
        let touched = Instant::now();
        self.put_back(
            key,
            Uploading { upload, total: chunk.total, received: 0, last: None, touched, _place: place },
        )
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
        uploading.touched = Instant::now();
        if uploading.received == uploading.total {
            return uploading.upload.finish().wait().await.map(drop);
        }
        self.put_back(key, uploading)
    }

    /// A place for an upload. If there is none, the one that was touched longest ago gives way if it is abandoned.
    fn place(&self) -> Result<OwnedSemaphorePermit> {
        loop {
            if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
                return Ok(place);
            }
            // Outside the lock: an upload's end may take its time.
            let Some(abandoned) = self.take_abandoned() else {
                let what = "uploads of a binding at a time; send the rest of some first".to_owned();
                return Err(Error::TooMuch { what, most: MOST as u64 });
            };
            drop(abandoned);
        }
    }

    fn take_abandoned(&self) -> Option<Uploading> {
        let mut waiting = self.waiting.lock();
        let (key, oldest) = waiting.iter().min_by_key(|(_, uploading)| uploading.touched)?;
        let abandoned = oldest.touched.elapsed() >= self.patience;
        let key = abandoned.then(|| key.clone())?;
        waiting.remove(&key)
    }

    fn put_back(&self, key: (String, String), uploading: Uploading) -> Result<()> {
        let mut waiting = self.waiting.lock();
        if waiting.contains_key(&key) {
            let said = format!("the upload of {}/{} was started anew meanwhile", key.0, key.1);
            return Err(Error::InvalidArgument(said));
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
