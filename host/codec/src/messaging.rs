//! The messages of `wascc:messaging`.

use crate::field;
use crate::message::message;

message! {
    /// `Publish`, and what `DeliverMessage` brings to an actor.
    pub struct BrokerMessage<'a> {
        /// The topic.
        pub subject: &'a str = "subject" via field::text,
        /// The topic on which an answer is wanted; empty when none is.
        pub reply_to: &'a str = "replyTo" via field::text,
        /// The bytes.
        pub body: &'a [u8] = "body" via field::body,
    }
}

message! {
    /// `Request`: publishes a message and waits for the reply to it, which is answered as bare bytes.
    pub struct RequestMessage<'a> {
        /// The topic.
        pub subject: &'a str = "subject" via field::text,
        /// The bytes.
        pub body: &'a [u8] = "body" via field::body,
        /// How long to wait for a reply, in milliseconds.
        pub timeout: i64 = "timeout" via field::integer,
    }
}
