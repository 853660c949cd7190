//! `wascc:blobstore` in memory.

use std::collections::BTreeMap;

use pillion_codec::{Blob, BlobList, Container, DecodeError, FileChunk, Messages, StreamRequest};

use super::Outcome;
use super::contracts::{self, encoded, unknown};

/// The containers with their objects, and what is under way.
#[derive(Default)]
pub(super) struct Blobs {
    containers: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    uploads: BTreeMap<(String, String), Upload>,
    /// What is still to be delivered.
    pub(super) downloads: Vec<Download>,
}

/// An upload that is under way.
struct Upload {
    total: u64,
    bytes: Vec<u8>,
    /// The number of the last chunk. The next one has a greater.
    last: Option<u64>,
}

/// A download that was asked for.
pub(super) struct Download {
    pub(super) container: String,
    pub(super) id: String,
    pub(super) chunk_size: usize,
    pub(super) context: Option<String>,
    pub(super) bytes: Vec<u8>,
}

/// The bytes of a chunk that is delivered, at most.
const LARGEST_CHUNK: u64 = 16 << 20;

/// The bytes of a name, at most.
const LONGEST_NAME: usize = 255;

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
                check_container(container.id)?;
                self.containers.entry(container.id.to_owned()).or_default();
                encoded(|out| container.encode(out))
            }
            "RemoveContainer" => {
                let id = read(operation, Container::decode(payload))?.id;
                check_container(id)?;
                let filling = self.uploads.keys().any(|(container, _)| container == id);
                if filling || self.containers.get(id).is_some_and(|objects| !objects.is_empty()) {
                    let remedy = "remove its objects and end the uploads to it first";
                    return Err(format!("container {id} is not empty; {remedy}"));
                }
                self.containers.remove(id);
                Ok(Vec::new())
            }
            "ListObjects" => {
                let container = read(operation, Container::decode(payload))?.id;
                check_container(container)?;
                let blob = |(id, bytes): (_, &Vec<u8>)| Blob { id, container, byte_size: bytes.len() as u64 };
                let objects = self.objects(container)?.iter();
                let blobs: Vec<_> = objects.map(|(id, bytes)| blob((id.as_str(), bytes))).collect();
                encoded(|out| BlobList { blobs: Messages::new(&blobs) }.encode(out))
            }
            "GetObjectInfo" => {
                let Blob { id, container, .. } = read(operation, Blob::decode(payload))?;
                let known = match self.object(container, id)? {
                    Some(bytes) => Blob { id, container, byte_size: bytes.len() as u64 },
                    None => Blob { id: "", container: "", byte_size: 0 },
                };
                encoded(|out| known.encode(out))
            }
            "RemoveObject" => {
                let Blob { id, container, .. } = read(operation, Blob::decode(payload))?;
                self.object(container, id)?;
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
        let objects = self.containers.get(container);
        objects.ok_or_else(|| format!("there is no container {container}; create it first"))
    }

    fn object(&self, container: &str, id: &str) -> Result<Option<&Vec<u8>>, String> {
        check_container(container)?;
        check("object", id)?;
        Ok(self.objects(container)?.get(id))
    }

    fn start(&mut self, chunk: &FileChunk<'_>) -> Outcome {
        if !chunk.chunk_bytes.is_empty() {
            return Err("StartUpload carries no bytes; send them by UploadChunk".to_owned());
        }
        let key = (chunk.container.to_owned(), chunk.id.to_owned());
        self.uploads.remove(&key);
        self.object(chunk.container, chunk.id)?;
        if chunk.total_bytes == 0 {
            self.put(chunk.container, chunk.id, b"");
        } else {
            self.uploads.insert(key, Upload { total: chunk.total_bytes, bytes: Vec::new(), last: None });
        }
        Ok(Vec::new())
    }

    fn append(&mut self, chunk: &FileChunk<'_>) -> Outcome {
        let key = (chunk.container.to_owned(), chunk.id.to_owned());
        let (name, number) = (format!("{}/{}", chunk.container, chunk.id), chunk.sequence_no);
        let Some(upload) = self.uploads.get_mut(&key) else {
            return Err(format!(
                "there is no upload of {name} that waits for a chunk; start it, and send one chunk when the one before \
                 is answered"
            ));
        };
        if let Some(last) = upload.last.filter(|last| number <= *last) {
            return Err(format!(
                "chunk {number} of the upload of {name} came after chunk {last}; number chunks in their order"
            ));
        }
        upload.bytes.extend_from_slice(chunk.chunk_bytes);
        upload.last = Some(number);
        let (received, total) = (upload.bytes.len() as u64, upload.total);
        if received < total {
            return Ok(Vec::new());
        }
        let bytes = self.uploads.remove(&key).map(|upload| upload.bytes).unwrap_or_default();
        if received > total {
            return Err(format!("more than {total} bytes for {name}, as its upload said; start it anew"));
        }
        self.put(chunk.container, chunk.id, &bytes);
        Ok(Vec::new())
    }

    fn download(&mut self, request: &StreamRequest<'_>) -> Outcome {
        let StreamRequest { id, container, chunk_size, context } = *request;
        if !(1..=LARGEST_CHUNK).contains(&chunk_size) {
            return Err(format!("{chunk_size} is no size of a chunk; ask for 1 to {LARGEST_CHUNK} bytes"));
        }
        let bytes = self.object(container, id)?.cloned();
        let bytes = bytes.ok_or_else(|| format!("there is no object {id} in container {container}"))?;
        let (container, id, chunk_size) = (container.to_owned(), id.to_owned(), chunk_size as usize);
        let context = context.map(str::to_owned);
        self.downloads.push(Download { container, id, chunk_size, context, bytes });
        Ok(Vec::new())
    }
}

// === free functions ===

fn check_container(name: &str) -> Result<(), String> {
    if name.contains('/') || name.starts_with('.') {
        return Err(refused("container", name, "has a / or begins with a dot"));
    }
    check("container", name)
}

fn check(what: &str, name: &str) -> Result<(), String> {
    if name.len() > LONGEST_NAME {
        let begin = name.get(..name.floor_char_boundary(LONGEST_NAME)).unwrap_or_default();
        return Err(refused(what, begin, "begins so and is too long"));
    }
    if name.contains(|character: char| character == '\\' || character.is_control()) {
        return Err(refused(what, name, "has a backslash or a control character"));
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(refused(what, name, "has a segment that is empty, . or .."));
    }
    Ok(())
}

fn refused(what: &str, name: &str, why: &str) -> String {
    let remedy = format!("name it with up to {LONGEST_NAME} bytes of plain text");
    format!("{name:?} {why}, and so is no name of a {what}; {remedy}")
}

fn read<T>(operation: &str, message: Result<T, DecodeError>) -> Result<T, String> {
    contracts::read("wascc:blobstore", operation, message)
}
