//! The messages of `wascc:http_server` and `wascc:http_client`.

use crate::message::message;
use crate::{Map, field};

/// Header fields.
pub type Headers<'a> = Map<'a, &'a str>;

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
        pub header: Headers<'a> = "header" via field::element,
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
        pub header: Headers<'a> = "header" via field::element,
        /// The body.
        pub body: &'a [u8] = "body" via field::body,
    }
}
