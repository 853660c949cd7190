//! The messages of `wascc:http_server` and `wascc:http_client`.

use std::fmt;

use crate::message::message;
use crate::reader::Reader;
use crate::{DecodeError, field, writer};

/// Header fields: either still encoded, as they came in, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct Headers<'a>(Pairs<'a>);

#[derive(Clone, Copy)]
enum Pairs<'a> {
    /// That many pairs, each checked when the headers were read.
    Encoded {
        count: usize,
        bytes: &'a [u8],
    },
    Slice(&'a [(&'a str, &'a str)]),
}

message! {
    /// An HTTP request to an actor. Every field is always written: actors refuse a message that lacks one.
    pub struct Request<'a> {
        /// The method, as `GET`.
        pub method: &'a str = "method" via field::text,
        /// The path, without the query.
        pub path: &'a str = "path" via field::text,
        /// The query, without the question mark; may be empty.
        pub query_string: &'a str = "queryString" via field::text,
        /// The header fields.
        pub header: Headers<'a> = "header" via crate::http::headers,
        /// The body.
        pub body: &'a [u8] = "body" via field::body,
    }
}

message! {
    /// An actor's HTTP response.
    pub struct Response<'a> {
        /// The status code, as 200.
        pub status_code: u32 = "statusCode" via field::integer,
        /// The reason, as `OK`.
        pub status: &'a str = "status" via field::text,
        /// The header fields.
        pub header: Headers<'a> = "header" via crate::http::headers,
        /// The body.
        pub body: &'a [u8] = "body" via field::body,
    }
}

// === impl Headers ===

impl<'a> Headers<'a> {
    /// These header fields.
    #[must_use]
    pub fn new(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self(Pairs::Slice(pairs))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Pairs::Encoded { count, .. } => count,
            Pairs::Slice(pairs) => pairs.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let (mut reader, slice) = match self.0 {
            Pairs::Encoded { bytes, .. } => (Reader::new(bytes), &[][..]),
            Pairs::Slice(pairs) => (Reader::new(&[]), pairs),
        };
        std::iter::from_fn(move || Some((reader.text().ok()?, reader.text().ok()?)))
            .chain(slice.iter().copied())
    }
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers<'_> {}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// How header fields are read and written.
mod headers {
    pub(crate) use field::required as missing;

    use super::*;

    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Headers<'a>, DecodeError> {
        let count = reader.map()?;
        let bytes = reader.rest();
        for _ in 0..count {
            reader.text()?;
            reader.text()?;
        }
        let bytes = &bytes[..bytes.len() - reader.rest().len()];
        Ok(Headers(Pairs::Encoded { count, bytes }))
    }

    pub(crate) fn write(headers: &Headers<'_>, out: &mut Vec<u8>) {
        writer::map(headers.len(), out);
        for (name, value) in headers.iter() {
            writer::text(name, out);
            writer::text(value, out);
        }
    }
}
