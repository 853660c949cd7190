//! A file that is being written, out of sight until it is whole.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::folder::{Entry, Folder, failed};
use crate::blobstore::{BlobInfo, MOST_UPLOADS, Operation, Upload, too_many_uploads, unfinished};
use crate::blocking::Blocking;
use crate::{Answer, Counters, Result};

/// A file in its container's folder under a name that no object can have. It is removed when this is dropped before
/// it is whole.
#[derive(Debug)]
pub(super) struct Temporary {
    folder: Folder,
    entry: Entry,
    file: File,
    /// The object that it is to become.
    object: String,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// How many bytes were written.
    written: u64,
    /// Whether a chunk was not, so that there is a hole.
    failed: bool,
    /// Whether the object is there.
    whole: bool,
}

/// Leave for one upload. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Leave(Arc<AtomicUsize>);

pub(super) struct Uploading {
    pub(super) counters: Arc<Counters<Operation>>,
    pub(super) blocking: Blocking,
    /// Shared with the threads that write to it.
    pub(super) temporary: Arc<Temporary>,
    /// Given back when this is dropped.
    pub(super) _leave: Leave,
}

// === impl Temporary ===

impl Temporary {
    pub(super) fn begin(folder: Folder, object: String) -> Result<Self> {
        let made = folder.temporary().map_err(|error| failed("an upload cannot begin", &error));
        let (entry, file) = made?;
        Ok(Self { folder, entry, file, object, progress: Mutex::default() })
    }

    pub(super) fn append(&self, chunk: &[u8]) -> Result<u64> {
        let mut progress = self.progress.lock();
        if progress.failed {
            return Err(unfinished(&self.object));
        }
        if let Err(error) = self.file.write_all_at(chunk, progress.written) {
            progress.failed = true;
            return Err(failed(&format!("object {} cannot be written", self.object), &error));
        }
        progress.written += chunk.len() as u64;
        Ok(progress.written)
    }

    /// Makes the object appear. It is on the disk before it has its name, so that a loss of power leaves the object
    /// before or this one and never a part.
    pub(super) fn finish(&self) -> Result<BlobInfo> {
        let mut progress = self.progress.lock();
        if progress.failed {
            return Err(unfinished(&self.object));
        }
        let fail = |error| failed(&format!("object {} cannot be kept", self.object), &error);
        self.file.sync_all().map_err(fail)?;
        let changed = self.file.metadata().and_then(|meta| meta.modified()).ok();
        self.folder.rename(&self.entry, &Entry::of_object(&self.object)?).map_err(fail)?;
        progress.whole = true;
        self.folder.sync().map_err(fail)?;
        Ok(BlobInfo { name: self.object.clone(), size: progress.written, changed })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.progress.get_mut().whole {
            // What cannot be removed now is cleared away by the next process.
            let _ = self.folder.remove(&self.entry);
        }
    }
}

// === impl Leave ===

impl Leave {
    pub(super) fn take(given: &Arc<AtomicUsize>) -> Result<Self> {
        let leave = Self(Arc::clone(given));
        if given.fetch_add(1, Ordering::Relaxed) < MOST_UPLOADS { Ok(leave) } else { Err(too_many_uploads()) }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Uploading ===

impl Upload for Uploading {
    fn append(&mut self, chunk: Bytes) -> Answer<u64> {
        self.counters.count(Operation::UploadChunk);
        let temporary = Arc::clone(&self.temporary);
        self.blocking.run(move || temporary.append(&chunk))
    }

    fn finish(self: Box<Self>) -> Answer<BlobInfo> {
        self.counters.count(Operation::FinishUpload);
        // The leave is kept until then.
        self.blocking.clone().run(move || self.temporary.finish())
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        // The last to drop it removes the file. That is seldom this thread, for which it may take long.
        self.blocking.drop(Arc::clone(&self.temporary));
    }
}
