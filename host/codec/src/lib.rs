//! The waSCC messages in MessagePack, and those of two contracts that are ours,, borrowed from the bytes they came in.
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
pub mod configuration;
mod error;
pub mod eventstreams;
pub mod extras;
mod field;
pub mod http;
pub mod keyvalue;
pub mod logging;
mod message;
pub mod messaging;
mod reader;
pub mod secrets;
mod sequence;
mod writer;

pub use blobstore::{Blob, BlobList, Container, FileChunk, StreamRequest};
pub use configuration::{
    ConfigurationChange, ConfigurationItem, ConfigurationItems, ConfigurationKeys, SubscriptionId,
    Unsubscribed,
};
pub use error::DecodeError;
pub use eventstreams::{Event, EventValues, StreamQuery, StreamResults, TimeRange, WriteResponse};
pub use extras::{GeneratorRequest, GeneratorResult};
pub use http::{Headers, Request, Response};
pub use keyvalue::*;
pub use logging::WriteLogRequest;
pub use messaging::{BrokerMessage, RequestMessage};
pub use secrets::{SecretNames, SecretRequest, SecretResponse, SecretText, SecretsResponse};
pub use sequence::{Element, List, Map, Messages, Sequence};
