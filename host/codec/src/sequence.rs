//! Several things in a row, borrowed.

use std::fmt;

use crate::reader::Reader;
use crate::{DecodeError, writer};

/// What may stand in a row with others of its kind, or within a message.
pub trait Element<'a>: Copy {
    /// Whether it is a name and what goes by it, so that a row of them is a map.
    #[doc(hidden)]
    const PAIR: bool = false;

    /// Reads it, behind which others may follow.
    #[doc(hidden)]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Appends it to `out`.
    #[doc(hidden)]
    fn write(&self, out: &mut Vec<u8>);
}

/// A list, or a map of names: either still encoded, as it came in, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct Sequence<'a, T>(Items<'a, T>);

#[derive(Clone, Copy)]
enum Items<'a, T> {
    /// That many elements, each checked when the sequence was read.
    Encoded {
        count: usize,
        bytes: &'a [u8],
    },
    Slice(&'a [T]),
}

/// A list of values or keys.
pub type List<'a> = Sequence<'a, &'a [u8]>;

/// A list of messages.
pub type Messages<'a, M> = Sequence<'a, M>;

/// Values by name.
pub type Map<'a, V> = Sequence<'a, (&'a str, V)>;

/// Makes messages such that may stand within others.
macro_rules! nested {
    ($($name:ident $(<$life:lifetime>)?),+) => {$(
        impl<'a> $crate::sequence::Element<'a> for nested!(@type $name $($life)?) {
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

// === impl Sequence ===

impl<'a, T: Element<'a>> Sequence<'a, T> {
    /// A sequence of these elements.
    #[must_use]
    pub fn new(elements: &'a [T]) -> Self {
        Self(Items::Slice(elements))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Items::Encoded { count, .. } => count,
            Items::Slice(elements) => elements.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements in their order.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (mut reader, slice) = match self.0 {
            Items::Encoded { bytes, .. } => (Reader::new(bytes), &[][..]),
            Items::Slice(elements) => (Reader::new(&[]), elements),
        };
        // The bytes end where the last element does, which is how an iteration knows its end.
        std::iter::from_fn(move || T::read(&mut reader).ok()).chain(slice.iter().copied())
    }
}

impl<'a, T: Element<'a> + PartialEq> PartialEq for Sequence<'a, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Element<'a> + Eq> Eq for Sequence<'a, T> {}

impl<'a, T: Element<'a> + fmt::Debug> fmt::Debug for Sequence<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

// === impl Element ===

impl<'a> Element<'a> for &'a str {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.text()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        writer::text(self, out);
    }
}

impl<'a> Element<'a> for &'a [u8] {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.bytes()
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        writer::value_head(self, out);
        out.extend_from_slice(self);
    }
}

impl<'a, V: Element<'a>> Element<'a> for (&'a str, V) {
    const PAIR: bool = true;

    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok((reader.text()?, V::read(reader)?))
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        writer::text(self.0, out);
        self.1.write(out);
    }
}

impl<'a, T: Element<'a>> Element<'a> for Sequence<'a, T> {
    #[inline]
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = if T::PAIR { reader.map()? } else { reader.array()? };
        let bytes = reader.rest();
        for _ in 0..count {
            T::read(reader)?;
        }
        let bytes = &bytes[..bytes.len() - reader.rest().len()];
        Ok(Self(Items::Encoded { count, bytes }))
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        if T::PAIR {
            writer::map(self.len(), out);
        } else {
            writer::array(self.len(), out);
        }
        for element in self.iter() {
            element.write(out);
        }
    }
}
