//! Appends MessagePack values in their shortest form.

#[inline]
pub(crate) fn array(count: usize, out: &mut Vec<u8>) {
    match count {
        0..16 => out.push(0x90 | count as u8),
        16..0x1_0000 => wide(0xdc, (count as u16).to_be_bytes(), out),
        _ => wide(0xdd, (count as u32).to_be_bytes(), out),
    }
}

#[inline]
pub(crate) fn map(count: usize, out: &mut Vec<u8>) {
    match count {
        0..16 => out.push(0x80 | count as u8),
        16..0x1_0000 => wide(0xde, (count as u16).to_be_bytes(), out),
        _ => wide(0xdf, (count as u32).to_be_bytes(), out),
    }
}

#[inline]
pub(crate) fn integer(value: i64, out: &mut Vec<u8>) {
    match value {
        -32..0x80 => out.push(value as u8),
        0x80..0x100 => wide(0xcc, [value as u8], out),
        0x100..0x1_0000 => wide(0xcd, (value as u16).to_be_bytes(), out),
        0x1_0000..0x1_0000_0000 => wide(0xce, (value as u32).to_be_bytes(), out),
        -0x80..-32 => wide(0xd0, [value as u8], out),
        -0x8000..-0x80 => wide(0xd1, (value as u16).to_be_bytes(), out),
        -0x8000_0000..-0x8000 => wide(0xd2, (value as u32).to_be_bytes(), out),
        _ => wide(if value < 0 { 0xd3 } else { 0xcf }, value.to_be_bytes(), out),
    }
}

pub(crate) fn unsigned(value: u64, out: &mut Vec<u8>) {
    match i64::try_from(value) {
        Ok(value) => integer(value, out),
        Err(_) => wide(0xcf, value.to_be_bytes(), out),
    }
}

/// The head of a text of `length` bytes.
#[inline]
pub(crate) fn text_head(length: usize, out: &mut Vec<u8>) {
    match length {
        0..32 => out.push(0xa0 | length as u8),
        32..0x100 => wide(0xd9, [length as u8], out),
        0x100..0x1_0000 => wide(0xda, (length as u16).to_be_bytes(), out),
        _ => wide(0xdb, (length as u32).to_be_bytes(), out),
    }
}

/// The head of a bin of `length` bytes.
#[inline]
pub(crate) fn binary_head(length: usize, out: &mut Vec<u8>) {
    match length {
        0..0x100 => wide(0xc4, [length as u8], out),
        0x100..0x1_0000 => wide(0xc5, (length as u16).to_be_bytes(), out),
        _ => wide(0xc6, (length as u32).to_be_bytes(), out),
    }
}

#[inline]
pub(crate) fn text(value: &str, out: &mut Vec<u8>) {
    text_head(value.len(), out);
    out.extend_from_slice(value.as_bytes());
}

/// The head of a value: a text where its bytes are UTF-8, since actors expect a string; a bin otherwise.
#[inline]
pub(crate) fn value_head(value: &[u8], out: &mut Vec<u8>) {
    if simdutf8::basic::from_utf8(value).is_ok() {
        text_head(value.len(), out);
    } else {
        binary_head(value.len(), out);
    }
}

#[inline]
fn wide<const N: usize>(marker: u8, bytes: [u8; N], out: &mut Vec<u8>) {
    out.push(marker);
    out.extend_from_slice(&bytes);
}
