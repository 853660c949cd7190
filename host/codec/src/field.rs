//! How each kind of field is read and written; the messages name them by module.

use crate::reader::Reader;
use crate::sequence::{Element, Sequence};
use crate::{DecodeError, writer};

/// MessagePack's nothing.
const NIL: u8 = 0xc0;

type Result<T> = std::result::Result<T, DecodeError>;

/// What a field that is not there means: nothing, and so an error, if it must be there.
pub(crate) fn required<T>() -> Option<T> {
    None
}

/// A text.
pub(crate) mod text {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a str> {
        reader.text()
    }

    #[inline]
    pub(crate) fn write(value: &&str, out: &mut Vec<u8>) {
        writer::text(value, out);
    }
}

/// A text that may not be there.
pub(crate) mod optional_text {
    use super::*;

    pub(crate) fn missing<'a>() -> Option<Option<&'a str>> {
        Some(None)
    }

    #[inline]
    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a str>> {
        if reader.strip(&[NIL]) { Ok(None) } else { reader.text().map(Some) }
    }

    #[inline]
    pub(crate) fn write(value: &Option<&str>, out: &mut Vec<u8>) {
        match value {
            Some(value) => writer::text(value, out),
            None => out.push(NIL),
        }
    }
}

/// Bytes that actors hold as a string.
pub(crate) mod value {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
        reader.bytes()
    }

    #[inline]
    pub(crate) fn write(value: &&[u8], out: &mut Vec<u8>) {
        writer::value_head(value, out);
        out.extend_from_slice(value);
    }
}

/// Bytes that actors hold as bytes.
pub(crate) mod body {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
        reader.bytes()
    }

    #[inline]
    pub(crate) fn write(value: &&[u8], out: &mut Vec<u8>) {
        writer::binary_head(value.len(), out);
        out.extend_from_slice(value);
    }
}

/// Bytes that actors hold as bytes, and that are none where they are not there.
pub(crate) mod body_or_none {
    pub(crate) use super::body::{read, write};

    pub(crate) fn missing<'a>() -> Option<&'a [u8]> {
        Some(&[])
    }
}

/// A number.
pub(crate) mod integer {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read<T: TryFrom<i64>>(reader: &mut Reader<'_>) -> Result<T> {
        T::try_from(reader.integer()?).map_err(|_| DecodeError::OutOfRange)
    }

    #[inline]
    pub(crate) fn write<T: Copy + Into<i64>>(value: &T, out: &mut Vec<u8>) {
        writer::integer((*value).into(), out);
    }
}

/// A number that is not below 0.
pub(crate) mod unsigned {
    pub(crate) use super::required as missing;
    use super::*;

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<u64> {
        reader.unsigned()
    }

    pub(crate) fn write(value: &u64, out: &mut Vec<u8>) {
        writer::unsigned(*value, out);
    }
}

/// What may stand in a row: a list, a map, a text of another kind.
pub(crate) mod element {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read<'a, E: Element<'a>>(reader: &mut Reader<'a>) -> Result<E> {
        E::read(reader)
    }

    #[inline]
    pub(crate) fn write<'a, E: Element<'a>>(element: &E, out: &mut Vec<u8>) {
        element.write(out);
    }
}

/// A list or a map that is empty where it is not there.
pub(crate) mod sequence_or_none {
    pub(crate) use super::element::{read, write};
    use super::*;

    pub(crate) fn missing<'a, T: Element<'a>>() -> Option<Sequence<'a, T>> {
        Some(Sequence::new(&[]))
    }
}

/// A message within a message, that may not be there.
pub(crate) mod optional_message {
    use super::*;

    pub(crate) fn missing<M>() -> Option<Option<M>> {
        Some(None)
    }

    pub(crate) fn read<'a, M: Element<'a>>(reader: &mut Reader<'a>) -> Result<Option<M>> {
        if reader.strip(&[NIL]) { Ok(None) } else { M::read(reader).map(Some) }
    }

    pub(crate) fn write<'a, M: Element<'a>>(message: &Option<M>, out: &mut Vec<u8>) {
        match message {
            Some(message) => message.write(out),
            None => out.push(NIL),
        }
    }
}

/// Yes or no.
pub(crate) mod boolean {
    pub(crate) use super::required as missing;
    use super::*;

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<bool> {
        reader.boolean()
    }

    #[inline]
    pub(crate) fn write(value: &bool, out: &mut Vec<u8>) {
        out.push(if *value { 0xc3 } else { 0xc2 });
    }
}
