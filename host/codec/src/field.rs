//! How each kind of field is read and written; the messages name them by module.

use crate::reader::Reader;
use crate::{DecodeError, writer};

/// MessagePack's nothing.
const NIL: u8 = 0xc0;

type Result<T> = std::result::Result<T, DecodeError>;

/// A text.
pub(crate) mod text {
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

/// A number.
pub(crate) mod integer {
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

/// Yes or no.
pub(crate) mod boolean {
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
