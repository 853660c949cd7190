//! The waSCC messages in MessagePack, borrowed from the bytes they came in.
//!
//! Structs travel as maps with camelCase field names, as `rmp-serde` writes them for waSCC's own codec. Decoding
//! allocates nothing: texts, bodies, lists and headers stay where they are. It takes any order of fields, skips
//! unknown ones, also takes the compact form (a struct as an array), and tolerates NUL bytes after the message, as
//! AssemblyScript actors send them. Whatever else is malformed is a [`DecodeError`], never a panic.
//!
//! ```
//! use pillion_codec::{GetRequest, GetResponse};
//!
//! let mut request = Vec::new();
//! GetRequest { key: "counter:one" }.encode(&mut request);
//! assert_eq!(GetRequest::decode(&request)?.key, "counter:one");
//!
//! let mut response = Vec::new();
//! GetResponse { value: b"42", exists: true }.encode(&mut response);
//! assert_eq!(GetResponse::decode(&response)?.value, b"42");
//! # Ok::<(), pillion_codec::DecodeError>(())
//! ```
#![forbid(unsafe_code)]

pub mod blobstore;
mod error;
pub mod eventstreams;
pub mod extras;
mod field;
pub mod http;
pub mod keyvalue;
mod list;
pub mod logging;
mod message;
mod messages;
pub mod messaging;
mod reader;
mod writer;

pub use blobstore::{Blob, BlobList, Container, FileChunk, StreamRequest};
pub use error::DecodeError;
pub use eventstreams::{Event, EventValues, StreamQuery, StreamResults, TimeRange, WriteResponse};
pub use extras::{GeneratorRequest, GeneratorResult};
pub use http::{Headers, Request, Response};
pub use keyvalue::*;
pub use list::List;
pub use logging::WriteLogRequest;
pub use messages::Messages;
pub use messaging::{BrokerMessage, RequestMessage};
