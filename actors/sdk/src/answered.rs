//! Answers that are more than a number: they keep the bytes that they came in, and are read where they are asked for.

use pillion_codec::DecodeError;

use crate::message::List;
use crate::{Error, Result};

/// What a message is, or that the host's answer is malformed.
#[inline]
pub(crate) fn decode<T>(operation: &str, message: std::result::Result<T, DecodeError>) -> Result<T> {
    message.map_err(|error| Error::answer(operation, error))
}

/// Defines an answer: the bytes of a message, of which it was seen once that they are one. What is read of them later
/// can thus be `$nothing` only in words.
macro_rules! answered {
    ($(#[$doc:meta])* $visibility:vis $name:ident of $message:ident, else $nothing:expr) => {
        $(#[$doc])*
        $visibility struct $name($crate::Bytes);

        impl $name {
            pub(crate) fn of(operation: &str, bytes: $crate::Bytes) -> $crate::Result<Self> {
                $crate::answered::decode(operation, $crate::message::$message::decode(&bytes))?;
                Ok(Self(bytes))
            }

            /// All of the answer, as the message that it is.
            #[must_use]
            $visibility fn message(&self) -> $crate::message::$message<'_> {
                $crate::message::$message::decode(&self.0).unwrap_or($nothing)
            }
        }

        // As the message shows itself, which shows no secret.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.message().fmt(f)
            }
        }
    };
}

pub(crate) use answered;

answered! {
    /// The items of a list, or the members of a set.
    pub Values of Values, else crate::message::Values { values: List::new(&[]) }
}

// === impl Values ===

impl Values {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.message().values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.message().values.iter()
    }
}
