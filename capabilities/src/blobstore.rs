//! The contract `BlobStore`: objects of many bytes, by name, in containers.
//!
//! It serves waSCC's `wascc:blobstore`, whose chunks come and go one by one, and Dapr's `bindings.localstorage`,
//! which puts and gets whole files. An object is written whole or not at all: whoever reads it sees the bytes of one
//! upload from the first to the last, whatever is uploaded meanwhile.

mod files;
mod memory;
mod names;
mod prefixed;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result, counters};

pub use files::Files;
pub use memory::Memory;
pub use prefixed::prefixed;

counters::operations! {
    CreateContainer = "create_container",
    RemoveContainer = "remove_container",
    Containers = "containers",
    Container = "container",
    Put = "put",
    StartUpload = "start_upload",
    UploadChunk = "upload_chunk",
    FinishUpload = "finish_upload",
    Get = "get",
    StartDownload = "start_download",
    DownloadChunk = "download_chunk",
    Info = "info",
    List = "list",
    Remove = "remove",
}

/// What is known of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its name within the container.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// When its bytes were written, if the provider knows.
    pub changed: Option<SystemTime>,
}

/// What is known of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Its name.
    pub name: String,
    /// When an object was last added or removed, if the provider knows.
    pub changed: Option<SystemTime>,
}

/// Bytes of an object, from `start` on. What lies beyond its end is left out: an answer may be shorter, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The position of the first byte, counted from 0.
    pub start: u64,
    /// How many bytes at most.
    pub length: u64,
}

/// Which names to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Only names that begin so; empty for all.
    pub prefix: String,
    /// Only names behind this one: what the page before called `next`.
    pub after: Option<String>,
    /// How many at most, from 1 to [`LONGEST_PAGE`].
    pub limit: usize,
}

/// A page of a list, sorted by the bytes of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; may be fewer than asked for even if there are more.
    pub items: Vec<T>,
    /// Where the next page goes on, if there may be one.
    pub next: Option<String>,
}

/// The capability contract for containers of objects.
///
/// The name of a container is one segment, that of an object one or more with a `/` between. Names have 1 to
/// [`LONGEST_NAME`] bytes; no segment is empty, `.` or `..`, and none has a backslash or a control character. Other
/// names fail with [`Error::InvalidArgument`], and so does a container's that begins with a dot. An
/// object's segments are no folders: `a` and `a/b` may stand side by side.
///
/// Whatever is asked of an object whose container is not there fails with [`Error::NotFound`].
pub trait BlobStore: Send + Sync + 'static {
    /// The provider's name, for errors and metrics: `memory`, `files`.
    fn name(&self) -> &'static str;

    /// How often this provider was reached.
    fn counters(&self) -> &Counters<Operation>;

    /// Whether every call answers [`Answer::Ready`], those to its uploads and downloads included.
    fn always_ready(&self) -> bool;

    /// Makes a container; answers whether it is new.
    fn create_container(&self, container: &str) -> Answer<bool>;

    /// Removes an empty container; answers whether it was there. One with objects in it, or with uploads under way,
    /// fails with [`Error::NotEmpty`].
    fn remove_container(&self, container: &str) -> Answer<bool>;

    /// The containers.
    fn containers(&self, query: Query) -> Answer<Page<ContainerInfo>>;

    /// One container, if it is there.
    fn container(&self, container: &str) -> Answer<Option<ContainerInfo>>;

    /// Writes an object in one go, replacing the one of that name.
    fn put(&self, container: &str, object: &str, bytes: Bytes) -> Answer<BlobInfo>;

    /// Begins to write an object in chunks. Nobody sees any of them before [`Upload::finish`]; then the object
    /// replaces the one of that name. [`Error::TooMuch`] if too many uploads are under way.
    fn upload(&self, container: &str, object: &str) -> Answer<Box<dyn Upload>>;

    /// Some bytes of an object, `None` if it is not there. More than [`MOST_BYTES`] at a time fail with
    /// [`Error::TooMuch`].
    fn get(&self, container: &str, object: &str, range: Range) -> Answer<Option<Bytes>>;

    /// Begins to read an object in chunks, `None` if it is not there. All of them are of one upload, even if the
    /// object is replaced or removed meanwhile.
    fn download(&self, container: &str, object: &str) -> Answer<Option<Box<dyn Download>>>;

    /// What is known of an object, if it is there.
    fn info(&self, container: &str, object: &str) -> Answer<Option<BlobInfo>>;

    /// The objects of a container.
    fn list(&self, container: &str, query: Query) -> Answer<Page<BlobInfo>>;

    /// Removes an object; answers whether it was there.
    fn remove(&self, container: &str, object: &str) -> Answer<bool>;

    /// Makes a binding: answers what serves it, which knows the values of [`prefixed`]. See
    /// [`crate::binding`]; `this` is the provider itself.
    fn bind(&self, this: Arc<dyn BlobStore>, binding: &Binding<'_>) -> Result<Bound<dyn BlobStore>> {
        prefixed(this, binding)
    }
}

/// An object that is being written. Dropping it ends the upload without a trace.
pub trait Upload: Send {
    /// Appends a chunk, and answers how many bytes there now are. Each answer is to be awaited before the next
    /// chunk. After a chunk that failed the upload can only be dropped.
    fn append(&mut self, chunk: Bytes) -> Answer<u64>;

    /// Makes the object appear, whole.
    fn finish(self: Box<Self>) -> Answer<BlobInfo>;
}

/// An object that is being read.
pub trait Download: Send + Sync {
    /// What is known of the object as it was when the download began.
    fn info(&self) -> &BlobInfo;

    /// Some bytes of it; [`MOST_BYTES`] at a time, as for [`BlobStore::get`].
    fn read(&self, range: Range) -> Answer<Bytes>;
}

/// How many bytes a name has at most.
pub const LONGEST_NAME: usize = 255;

/// How many bytes are read at a time at most.
pub const MOST_BYTES: u64 = 16 << 20;

/// How many names are listed at a time at most.
pub const LONGEST_PAGE: usize = 1000;

/// How many uploads of a provider may be under way at a time.
pub const MOST_UPLOADS: usize = 256;

// === impl Range ===

impl Range {
    /// The whole object.
    pub const ALL: Self = Self { start: 0, length: u64::MAX };

    /// The part of it that an object of `size` bytes has, if it may be read at a time.
    fn within(self, size: u64) -> Result<std::ops::Range<u64>> {
        let start = self.start.min(size);
        let length = self.length.min(size - start);
        if length > MOST_BYTES {
            return Err(Error::TooMuch {
                what: "bytes to read at a time; ask for the object in parts".to_owned(),
                most: MOST_BYTES,
            });
        }
        Ok(start..start + length)
    }
}

impl Default for Query {
    /// The first names of all.
    fn default() -> Self {
        Self { prefix: String::new(), after: None, limit: LONGEST_PAGE }
    }
}

// === free functions ===

fn missing(container: &str) -> Error {
    Error::NotFound { what: format!("container {container}; create it first") }
}

fn too_many_uploads() -> Error {
    let what = "uploads at a time; finish or drop some".to_owned();
    Error::TooMuch { what, most: MOST_UPLOADS as u64 }
}

fn unfinished(object: &str) -> Error {
    Error::InvalidArgument(format!("a chunk of {object:?} could not be kept; upload it anew"))
}
