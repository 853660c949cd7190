//! The messages of `wascc:blobstore`.

use crate::message::message;
use crate::sequence::nested;
use crate::{Messages, field};

message! {
    /// `CreateContainer`, which answers the same, `RemoveContainer`, and `ListObjects`.
    pub struct Container<'a> {
        /// The container's name.
        pub id: &'a str = "id" via field::text,
    }
}

message! {
    /// `RemoveObject` and `GetObjectInfo`, which answers the same. One whose `id` is empty is that of no object.
    pub struct Blob<'a> {
        /// The object's name within the container.
        pub id: &'a str = "id" via field::text,
        /// The container's name.
        pub container: &'a str = "container" via field::text,
        /// How many bytes the object has; 0 in a request.
        pub byte_size: u64 = "byteSize" via field::unsigned,
    }
}

nested!(Blob<'a>);

message! {
    /// What `ListObjects` answers.
    pub struct BlobList<'a> {
        /// The objects.
        pub blobs: Messages<'a, Blob<'a>> = "blobs" via field::element,
    }
}

message! {
    /// `StartUpload`, which carries no bytes, `UploadChunk`, and what `ReceiveChunk` brings to an actor.
    pub struct FileChunk<'a> {
        /// Which chunk it is of those of the object.
        pub sequence_no: u64 = "sequenceNo" via field::unsigned,
        /// The container's name.
        pub container: &'a str = "container" via field::text,
        /// The object's name within the container.
        pub id: &'a str = "id" via field::text,
        /// How many bytes the object has in all.
        pub total_bytes: u64 = "totalBytes" via field::unsigned,
        /// How many bytes a chunk has; the last one may have fewer.
        pub chunk_size: u64 = "chunkSize" via field::unsigned,
        /// What the actor said when it started the download.
        pub context: Option<&'a str> = "context" via field::optional_text,
        /// The bytes.
        pub chunk_bytes: &'a [u8] = "chunkBytes" via field::body_or_none,
    }
}

message! {
    /// `StartDownload`: the chunks come by `ReceiveChunk`.
    pub struct StreamRequest<'a> {
        /// The object's name within the container.
        pub id: &'a str = "id" via field::text,
        /// The container's name.
        pub container: &'a str = "container" via field::text,
        /// How many bytes a chunk should have.
        pub chunk_size: u64 = "chunkSize" via field::unsigned,
        /// What is to stand in each chunk, to tell downloads apart.
        pub context: Option<&'a str> = "context" via field::optional_text,
    }
}
