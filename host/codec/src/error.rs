//! Why bytes are not the message that was expected.

/// Why bytes are not the message that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end in the middle of the message.
    #[error("the message ends too early")]
    Truncated,
    /// A value is of another kind than the message has there.
    #[error("expected {expected}, found the MessagePack marker {marker:#04x}")]
    WrongKind {
        /// What belongs there.
        expected: &'static str,
        /// The first byte of what is there.
        marker: u8,
    },
    /// A text is not UTF-8.
    #[error("a text is not valid UTF-8")]
    NotUtf8,
    /// A number does not fit its field.
    #[error("a number is out of range")]
    OutOfRange,
    /// A field that the message must have is not there.
    #[error("the field {0} is missing")]
    MissingField(&'static str),
    /// A field is there twice.
    #[error("the field {0} is there twice")]
    DuplicateField(&'static str),
    /// An unknown field holds values nested too deep to be skipped.
    #[error("values are nested too deep")]
    TooDeep,
    /// Something other than NUL bytes follows the message.
    #[error("bytes follow the message")]
    TrailingBytes,
}
