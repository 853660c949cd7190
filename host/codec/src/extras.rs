//! The messages of `wascc:extras`.

use crate::field;
use crate::message::message;

message! {
    /// `RequestGuid`, `RequestSequence` and `RequestRandom`. The operation tells what is wanted; the three flags say the
    /// same again.
    pub struct GeneratorRequest {
        /// Whether an identifier is wanted.
        pub guid: bool = "guid" via field::boolean,
        /// Whether the next number of the sequence is wanted.
        pub sequence: bool = "sequence" via field::boolean,
        /// Whether a random number is wanted.
        pub random: bool = "random" via field::boolean,
        /// The least random number.
        pub min: u32 = "min" via field::integer,
        /// The greatest random number.
        pub max: u32 = "max" via field::integer,
    }
}

message! {
    /// What these operations answer: one of the fields.
    pub struct GeneratorResult<'a> {
        /// An identifier, if one was wanted.
        pub guid: Option<&'a str> = "guid" via field::optional_text,
        /// A number of the sequence; 0 if none was wanted.
        pub sequence_number: i64 = "sequenceNumber" via field::integer,
        /// A random number; 0 if none was wanted.
        pub random_number: u32 = "randomNumber" via field::integer,
    }
}
