//! The waSCC messages in MessagePack, borrowed from the bytes they came in
