//! The message of `wascc:logging`.

use crate::field;
use crate::message::message;

message! {
    /// `WriteLog`.
    pub struct WriteLogRequest<'a> {
        /// From 0 (off) over 1 (error) to 5 (trace).
        pub level: u32 = "level" via field::integer,
        /// The line.
        pub body: &'a str = "body" via field::text,
    }
}
