//! A list of texts, borrowed.

use std::fmt;

pub(crate) use crate::field::required as missing;
use crate::reader::Reader;
use crate::{DecodeError, writer};

/// A list of values or keys: either still encoded, as it came in, or a slice to be encoded.
#[derive(Clone, Copy)]
pub struct List<'a>(Items<'a>);

#[derive(Clone, Copy)]
enum Items<'a> {
    /// That many items, each checked when the list was read.
    Encoded {
        count: usize,
        bytes: &'a [u8],
    },
    Slice(&'a [&'a [u8]]),
}

// === impl List ===

impl<'a> List<'a> {
    /// A list of these items.
    #[must_use]
    pub fn new(items: &'a [&'a [u8]]) -> Self {
        Self(Items::Slice(items))
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Items::Encoded { count, .. } => count,
            Items::Slice(items) => items.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (mut reader, slice) = match self.0 {
            Items::Encoded { bytes, .. } => (Reader::new(bytes), &[][..]),
            Items::Slice(items) => (Reader::new(&[]), items),
        };
        std::iter::from_fn(move || reader.bytes().ok()).chain(slice.iter().copied())
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for List<'_> {}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<List<'a>, DecodeError> {
    let count = reader.array()?;
    let bytes = reader.rest();
    for _ in 0..count {
        reader.bytes()?;
    }
    // The bytes end where the last item does, which is how an iteration knows its end.
    let bytes = &bytes[..bytes.len() - reader.rest().len()];
    Ok(List(Items::Encoded { count, bytes }))
}

pub(crate) fn write(list: &List<'_>, out: &mut Vec<u8>) {
    writer::array(list.len(), out);
    for item in list.iter() {
        writer::value_head(item, out);
        out.extend_from_slice(item);
    }
}
