//! `wascc:blobstore`: objects in containers, in chunks.

use crate::answered::answered;
use crate::call::{Bytes, call_with};
use crate::client::client;
use crate::message::{Blob, Container, FileChunk, Messages, StreamRequest};
use crate::{Error, Result, answered::decode};

client! {
    /// A store of objects. What is downloaded comes by `ReceiveChunk`, chunk by chunk.
    BlobStore = "wascc:blobstore"
}

answered! {
    /// The objects of a container.
    pub Blobs of BlobList, else crate::message::BlobList { blobs: Messages::new(&[]) }
}

// === impl BlobStore ===

impl BlobStore<'_> {
    /// Creates a container. One that is there stays as it is.
    ///
    /// # Errors
    /// The host's.
    pub fn create_container(&self, id: &str) -> Result<()> {
        self.call("CreateContainer", |out| Container { id }.encode(out)).map(drop)
    }

    /// Removes an empty container.
    ///
    /// # Errors
    /// The host's, among them that objects are in it.
    pub fn remove_container(&self, id: &str) -> Result<()> {
        self.call("RemoveContainer", |out| Container { id }.encode(out)).map(drop)
    }

    /// The objects of a container.
    ///
    /// # Errors
    /// The host's, among them that there are more than fit an answer.
    pub fn list(&self, container: &str) -> Result<Blobs> {
        Blobs::of("ListObjects", self.call("ListObjects", |out| Container { id: container }.encode(out))?)
    }

    /// How many bytes an object has, if it is there.
    ///
    /// # Errors
    /// The host's.
    pub fn size(&self, container: &str, id: &str) -> Result<Option<u64>> {
        let response = self.call("GetObjectInfo", |out| blob(container, id).encode(out))?;
        let known = decode("GetObjectInfo", Blob::decode(&response))?;
        Ok((!known.id.is_empty()).then_some(known.byte_size))
    }

    /// Removes an object.
    ///
    /// # Errors
    /// The host's.
    pub fn remove(&self, container: &str, id: &str) -> Result<()> {
        self.call("RemoveObject", |out| blob(container, id).encode(out)).map(drop)
    }

    /// Stores an object in a container that is there, in chunks of at most `chunk_size` bytes. What is there under its name is replaced once all of it
    /// is stored.
    ///
    /// # Errors
    /// The host's, and that `chunk_size` is 0.
    pub fn upload(&self, container: &str, id: &str, bytes: &[u8], chunk_size: usize) -> Result<()> {
        if chunk_size == 0 {
            return Err(Error::new("a chunk has one byte at least"));
        }
        let (total_bytes, chunk_size_u64) = (bytes.len() as u64, chunk_size as u64);
        let start = FileChunk {
            sequence_no: 0,
            container,
            id,
            total_bytes,
            chunk_size: chunk_size_u64,
            context: None,
            chunk_bytes: b"",
        };
        self.upload_part("StartUpload", &start)?;
        for (sequence_no, chunk_bytes) in (0..).zip(bytes.chunks(chunk_size)) {
            self.upload_part("UploadChunk", &FileChunk { sequence_no, chunk_bytes, ..start })?;
        }
        Ok(())
    }

    /// Makes one step of an upload, for bytes that are not all there at once: `StartUpload` without bytes, then
    /// `UploadChunk` until there are as many as `total_bytes` says.
    ///
    /// # Errors
    /// The host's.
    pub fn upload_part(&self, operation: &str, chunk: &FileChunk<'_>) -> Result<()> {
        self.call(operation, |out| chunk.encode(out)).map(drop)
    }

    /// Begins a download: the chunks come by `ReceiveChunk`, after this call or before it is back. `context` stands in
    /// each, to tell downloads apart.
    ///
    /// # Errors
    /// The host's, among them that there is no such object.
    pub fn download(&self, container: &str, id: &str, chunk_size: u64, context: Option<&str>) -> Result<()> {
        let request = StreamRequest { id, container, chunk_size, context };
        self.call("StartDownload", |out| request.encode(out)).map(drop)
    }

    fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes> {
        call_with(self.binding, Self::CONTRACT, operation, encode)
    }
}

// === impl Blobs ===

impl Blobs {
    /// The objects in their order.
    pub fn iter(&self) -> impl Iterator<Item = Blob<'_>> {
        self.message().blobs.iter()
    }
}

fn blob<'a>(container: &'a str, id: &'a str) -> Blob<'a> {
    Blob { id, container, byte_size: 0 }
}
