//! Reads MessagePack values from a slice, borrowing from it.

use crate::DecodeError;

/// How deep the values of an unknown field may be nested.
const MAX_DEPTH: u8 = 32;

/// The rest of a message. It is public by way of a trait alone, and has no name outside of this crate.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// How a struct is laid out.
pub(crate) enum Shape {
    /// As a map of this many fields by name.
    Map(usize),
    /// As an array of this many fields by position.
    Array(usize),
}

type Result<T> = std::result::Result<T, DecodeError>;

// === impl Reader ===

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// What has not been read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads exactly these bytes, or nothing.
    #[inline]
    pub(crate) fn strip<const N: usize>(&mut self, prefix: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == prefix => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    fn u8(&mut self) -> Result<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    #[inline]
    fn u16(&mut self) -> Result<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    #[inline]
    fn u32(&mut self) -> Result<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    /// A str or a bin, as bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = match self.u8()? {
            marker @ 0xa0..=0xbf => usize::from(marker & 0x1f),
            0xc4 | 0xd9 => usize::from(self.u8()?),
            0xc5 | 0xda => usize::from(self.u16()?),
            0xc6 | 0xdb => self.u32()? as usize,
            marker => return Err(DecodeError::WrongKind { expected: "a text or bytes", marker }),
        };
        self.take(length)
    }

    /// A str or a bin, as text.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotUtf8)
    }

    /// An integer of any width.
    #[inline]
    pub(crate) fn integer(&mut self) -> Result<i64> {
        Ok(match self.u8()? {
            marker @ (0x00..=0x7f | 0xe0..=0xff) => i64::from(marker.cast_signed()),
            0xcc => i64::from(self.u8()?),
            0xcd => i64::from(self.u16()?),
            0xce => i64::from(self.u32()?),
            0xcf => i64::try_from(u64::from_be_bytes(self.chunk()?)).map_err(|_| DecodeError::OutOfRange)?,
            0xd0 => i64::from(self.u8()?.cast_signed()),
            0xd1 => i64::from(self.u16()?.cast_signed()),
            0xd2 => i64::from(self.u32()?.cast_signed()),
            0xd3 => i64::from_be_bytes(self.chunk()?),
            marker => return Err(DecodeError::WrongKind { expected: "an integer", marker }),
        })
    }

    /// An integer of any width that is not below 0.
    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        if self.strip(&[0xcf]) {
            return self.chunk().map(u64::from_be_bytes);
        }
        u64::try_from(self.integer()?).map_err(|_| DecodeError::OutOfRange)
    }

    /// A boolean.
    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool> {
        match self.u8()? {
            0xc2 => Ok(false),
            0xc3 => Ok(true),
            marker => Err(DecodeError::WrongKind { expected: "a boolean", marker }),
        }
    }

    /// The head of an array: how many items follow.
    pub(crate) fn array(&mut self) -> Result<usize> {
        match self.shape()? {
            Shape::Array(count) => Ok(count),
            Shape::Map(_) => Err(DecodeError::WrongKind { expected: "an array", marker: 0x80 }),
        }
    }

    /// The head of a map: how many pairs follow.
    pub(crate) fn map(&mut self) -> Result<usize> {
        match self.shape()? {
            Shape::Map(count) => Ok(count),
            Shape::Array(_) => Err(DecodeError::WrongKind { expected: "a map", marker: 0x90 }),
        }
    }

    /// The head of a struct.
    pub(crate) fn shape(&mut self) -> Result<Shape> {
        Ok(match self.u8()? {
            marker @ 0x80..=0x8f => Shape::Map(usize::from(marker & 0x0f)),
            marker @ 0x90..=0x9f => Shape::Array(usize::from(marker & 0x0f)),
            0xdc => Shape::Array(usize::from(self.u16()?)),
            0xdd => Shape::Array(self.u32()? as usize),
            0xde => Shape::Map(usize::from(self.u16()?)),
            0xdf => Shape::Map(self.u32()? as usize),
            marker => return Err(DecodeError::WrongKind { expected: "a map or an array", marker }),
        })
    }

    /// Reads past one value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.skip_within(MAX_DEPTH)
    }

    fn skip_within(&mut self, depth: u8) -> Result<()> {
        let marker = *self.rest.first().ok_or(DecodeError::Truncated)?;
        match marker {
            0x80..=0x9f | 0xdc..=0xdf => {
                let depth = depth.checked_sub(1).ok_or(DecodeError::TooDeep)?;
                let values = match self.shape()? {
                    Shape::Array(count) => count,
                    Shape::Map(count) => count.saturating_mul(2),
                };
                // Each value takes a byte at least, so that a false count ends with the bytes.
                return (0..values).try_for_each(|_| self.skip_within(depth));
            }
            0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb => return self.bytes().map(drop),
            _ => {}
        }
        self.u8()?;
        let length = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 0,
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 | 0xd4 => 2,
            0xd5 => 3,
            0xca | 0xce | 0xd2 => 4,
            0xd6 => 5,
            0xcb | 0xcf | 0xd3 => 8,
            0xd7 => 9,
            0xd8 => 17,
            0xc7 => usize::from(self.u8()?) + 1,
            0xc8 => usize::from(self.u16()?) + 1,
            0xc9 => (self.u32()? as usize).saturating_add(1),
            _ => return Err(DecodeError::WrongKind { expected: "a value", marker }),
        };
        self.take(length).map(drop)
    }

    /// Checks that nothing but NUL bytes is left.
    #[inline]
    pub(crate) fn finish(&self) -> Result<()> {
        if self.rest.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}
