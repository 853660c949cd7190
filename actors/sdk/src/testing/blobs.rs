//! `wascc:blobstore` in memory.

use std::collections::BTreeMap;

use pillion_codec::{Blob, BlobList, Container, FileChunk, Messages, StreamRequest};

use super::Outcome;
use super::contracts::{encoded, read, unknown};

/// The containers with their objects, and what is under way.
#[derive(Default)]
pub(super) struct Blobs {
    containers: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    uploads: BTreeMap<(String, String), Vec<u8>>,
    /// What is still to be delivered.
    pub(super) downloads: Vec<Download>,
}

/// A download that was asked for.
pub(super) struct Download {
    pub(super) container: String,
    pub(super) id: String,
    pub(super) chunk_size: usize,
    pub(super) context: Option<String>,
    pub(super) bytes: Vec<u8>,
}

// === impl Blobs ===

impl Blobs {
    pub(super) fn put(&mut self, container: &str, id: &str, bytes: &[u8]) {
        self.containers.entry(container.to_owned()).or_default().insert(id.to_owned(), bytes.to_vec());
    }

    pub(super) fn get(&self, container: &str, id: &str) -> Option<Vec<u8>> {
        self.containers.get(container)?.get(id).cloned()
    }

    pub(super) fn answer(&mut self, operation: &str, payload: &[u8]) -> Outcome {
        match operation {
            "CreateContainer" => {
                let container = read(operation, Container::decode(payload))?;
                self.containers.entry(container.id.to_owned()).or_default();
                encoded(|out| container.encode(out))
            }
            "RemoveContainer" => {
                let id = read(operation, Container::decode(payload))?.id;
                if self.containers.get(id).is_some_and(|objects| !objects.is_empty()) {
                    return Err(format!("container {id} is not empty; remove its objects first"));
                }
                self.containers.remove(id);
                Ok(Vec::new())
            }
            "ListObjects" => {
                let container = read(operation, Container::decode(payload))?.id;
                let blob = |(id, bytes): (_, &Vec<u8>)| Blob { id, container, byte_size: bytes.len() as u64 };
                let objects = self.objects(container)?.iter();
                let blobs: Vec<_> = objects.map(|(id, bytes)| blob((id.as_str(), bytes))).collect();
                encoded(|out| BlobList { blobs: Messages::new(&blobs) }.encode(out))
            }
            "GetObjectInfo" => {
                let Blob { id, container, .. } = read(operation, Blob::decode(payload))?;
                let known = match self.get(container, id) {
                    Some(bytes) => Blob { id, container, byte_size: bytes.len() as u64 },
                    None => Blob { id: "", container: "", byte_size: 0 },
                };
                encoded(|out| known.encode(out))
            }
            "RemoveObject" => {
                let Blob { id, container, .. } = read(operation, Blob::decode(payload))?;
                if let Some(objects) = self.containers.get_mut(container) {
                    objects.remove(id);
                }
                Ok(Vec::new())
            }
            "StartUpload" => self.start(&read(operation, FileChunk::decode(payload))?),
            "UploadChunk" => self.append(&read(operation, FileChunk::decode(payload))?),
            "StartDownload" => self.download(&read(operation, StreamRequest::decode(payload))?),
            _ => unknown("wascc:blobstore", operation),
        }
    }

    fn objects(&self, container: &str) -> Result<&BTreeMap<String, Vec<u8>>, String> {
        self.containers.get(container).ok_or_else(|| format!("there is no container {container}"))
    }

    fn start(&mut self, chunk: &FileChunk<'_>) -> Outcome {
        self.objects(chunk.container)?;
        if !chunk.chunk_bytes.is_empty() {
            return Err("StartUpload carries no bytes; send them by UploadChunk".to_owned());
        }
        if chunk.total_bytes == 0 {
            self.put(chunk.container, chunk.id, b"");
        } else {
            self.uploads.insert((chunk.container.to_owned(), chunk.id.to_owned()), Vec::new());
        }
        Ok(Vec::new())
    }

    fn append(&mut self, chunk: &FileChunk<'_>) -> Outcome {
        let key = (chunk.container.to_owned(), chunk.id.to_owned());
        let name = format!("{}/{}", chunk.container, chunk.id);
        let Some(bytes) = self.uploads.get_mut(&key) else {
            return Err(format!("there is no upload of {name} that waits for a chunk; start it"));
        };
        bytes.extend_from_slice(chunk.chunk_bytes);
        let received = bytes.len() as u64;
        if received < chunk.total_bytes {
            return Ok(Vec::new());
        }
        let bytes = self.uploads.remove(&key).unwrap_or_default();
        if received > chunk.total_bytes {
            return Err(format!("more than {} bytes for {name}", chunk.total_bytes));
        }
        self.put(chunk.container, chunk.id, &bytes);
        Ok(Vec::new())
    }

    fn download(&mut self, request: &StreamRequest<'_>) -> Outcome {
        let StreamRequest { id, container, chunk_size, context } = *request;
        let bytes = self.get(container, id);
        let bytes = bytes.ok_or_else(|| format!("there is no object {id} in container {container}"))?;
        let chunk_size = usize::try_from(chunk_size).unwrap_or(usize::MAX);
        if chunk_size == 0 {
            return Err("0 is no size of a chunk".to_owned());
        }
        let (container, id) = (container.to_owned(), id.to_owned());
        let context = context.map(str::to_owned);
        self.downloads.push(Download { container, id, chunk_size, context, bytes });
        Ok(Vec::new())
    }
}
