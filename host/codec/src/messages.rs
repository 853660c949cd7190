//! A list of messages, borrowed.

use std::fmt;

pub(crate) use crate::field::required as missing;
use crate::reader::Reader;
use crate::{DecodeError, writer};

/// A message that stands within others.
pub trait Nested<'a>: Copy {
    /// Reads it, behind which others may follow.
    #[doc(hidden)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends it to `out`.
    #[doc(hidden)]
    fn write(&self, out: &mut Vec<u8>);
}

/// A list of messages: either still encoded, as it came in, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct Messages<'a, M>(Items<'a, M>);

#[derive(Clone, Copy)]
enum Items<'a, M> {
    /// That many messages, each checked when the list was read.
    Encoded {
        count: usize,
        bytes: &'a [u8],
    },
    Slice(&'a [M]),
}

/// Makes messages such that may stand within others.
macro_rules! nested {
    ($($name:ident $(<$life:lifetime>)?),+) => {$(
        impl<'a> $crate::messages::Nested<'a> for nested!(@type $name $($life)?) {
            fn read(reader: &mut $crate::reader::Reader<'a>) -> Result<Self, $crate::DecodeError> {
                Self::read_any(reader)
            }

            fn write(&self, out: &mut Vec<u8>) {
                self.encode(out);
            }
        }
    )+};
    (@type $name:ident $life:lifetime) => { $name<$life> };
    (@type $name:ident) => { $name };
}

pub(crate) use nested;

// === impl Messages ===

impl<'a, M: Nested<'a>> Messages<'a, M> {
    /// A list of these messages.
    #[must_use]
    pub fn new(messages: &'a [M]) -> Self {
        Self(Items::Slice(messages))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Items::Encoded { count, .. } => count,
            Items::Slice(messages) => messages.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages in their order.
    pub fn iter(&self) -> impl Iterator<Item = M> + use<'a, M> {
        let (mut reader, slice) = match self.0 {
            Items::Encoded { bytes, .. } => (Reader::new(bytes), &[][..]),
            Items::Slice(messages) => (Reader::new(&[]), messages),
        };
        std::iter::from_fn(move || M::read(&mut reader).ok()).chain(slice.iter().copied())
    }
}

impl<'a, M: Nested<'a> + PartialEq> PartialEq for Messages<'a, M> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, M: Nested<'a> + Eq> Eq for Messages<'a, M> {}

impl<'a, M: Nested<'a> + fmt::Debug> fmt::Debug for Messages<'a, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

pub(crate) fn read<'a, M: Nested<'a>>(reader: &mut Reader<'a>) -> Result<Messages<'a, M>, DecodeError> {
    let count = reader.array()?;
    let bytes = reader.rest();
    for _ in 0..count {
        M::read(reader)?;
    }
    let bytes = &bytes[..bytes.len() - reader.rest().len()];
    Ok(Messages(Items::Encoded { count, bytes }))
}

pub(crate) fn write<'a, M: Nested<'a>>(messages: &Messages<'a, M>, out: &mut Vec<u8>) {
    writer::array(messages.len(), out);
    for message in messages.iter() {
        message.write(out);
    }
}
