//! The messages' definition: a struct, how it is written, and how it is read.

/// A name of at most 31 bytes, as MessagePack writes it.
pub(crate) const fn encoded_name<const N: usize>(name: &str) -> [u8; N] {
    assert!(N == name.len() + 1 && N <= 32, "a field's name is short");
    let mut encoded = [0; N];
    encoded[0] = 0xa0 | name.len() as u8;
    let mut at = 1;
    while at < N {
        encoded[at] = name.as_bytes()[at - 1];
        at += 1;
    }
    encoded
}

/// Defines a message: `field: type = "nameOnTheWire" via module_of_field`.
macro_rules! message {
    ($(#[$doc:meta])* pub struct $name:ident $(<$life:lifetime>)? {
        $($(#[$field_doc:meta])* pub $field:ident: $type:ty = $wire:literal via $codec:path,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        // The elided lifetime of a borrowing message becomes that of the bytes it was decoded from.
        const _: () = {
            const FIELDS: u8 = [$($wire),+].len() as u8;
            const { assert!(FIELDS < 16, "a message has few fields") };

            impl $(<$life>)? $name $(<$life>)? {
                /// Appends the message to `out`.
                pub fn encode(&self, out: &mut Vec<u8>) {
                    out.push(0x80 | FIELDS);
                    $(
                        out.extend_from_slice(
                            const { &$crate::message::encoded_name::<{ $wire.len() + 1 }>($wire) },
                        );
                        { use $codec as codec; codec::write(&self.$field, out); }
                    )+
                }

                /// Reads the message that `bytes` hold.
                ///
                /// # Errors
                /// When they do not hold this message.
                #[inline]
                pub fn decode(bytes: message!(@bytes $($life)?)) -> Result<Self, $crate::DecodeError> {
                    match Self::decode_usual(bytes) {
                        Some(message) => Ok(message),
                        None => Self::decode_any(bytes),
                    }
                }

                /// The short way: all fields by name, in their order, and nothing else.
                #[inline]
                fn decode_usual(bytes: message!(@bytes $($life)?)) -> Option<Self> {
                    let mut reader = $crate::reader::Reader::new(bytes);
                    if !reader.strip(&[0x80 | FIELDS]) {
                        return None;
                    }
                    $(
                        let name = const { &$crate::message::encoded_name::<{ $wire.len() + 1 }>($wire) };
                        if !reader.strip(name) {
                            return None;
                        }
                        let $field = { use $codec as codec; codec::read(&mut reader).ok()? };
                    )+
                    reader.finish().ok()?;
                    Some(Self { $($field),+ })
                }

                #[cold]
                fn decode_any(bytes: message!(@bytes $($life)?)) -> Result<Self, $crate::DecodeError> {
                    let mut reader = $crate::reader::Reader::new(bytes);
                    let message = Self::read_any(&mut reader)?;
                    reader.finish()?;
                    Ok(message)
                }

                /// Reads the message, behind which others may follow.
                pub(crate) fn read_any(
                    reader: &mut message!(@reader $($life)?),
                ) -> Result<Self, $crate::DecodeError> {
                    use $crate::reader::Shape;
                    $(let mut $field: Option<$type> = None;)+
                    match reader.shape()? {
                        Shape::Map(count) => {
                            for _ in 0..count {
                                match reader.bytes()? {
                                    $(name if name == $wire.as_bytes() => {
                                        if $field.is_some() {
                                            return Err($crate::DecodeError::DuplicateField($wire));
                                        }
                                        $field = Some({ use $codec as codec; codec::read(reader)? });
                                    })+
                                    _ => reader.skip()?,
                                }
                            }
                        }
                        Shape::Array(count) => {
                            let mut left = count;
                            $(
                                left = left.checked_sub(1).ok_or($crate::DecodeError::MissingField($wire))?;
                                $field = Some({ use $codec as codec; codec::read(reader)? });
                            )+
                            for _ in 0..left {
                                reader.skip()?;
                            }
                        }
                    }
                    Ok(Self {
                        $($field: $field
                            .or_else(|| { use $codec as codec; codec::missing() })
                            .ok_or($crate::DecodeError::MissingField($wire))?),+
                    })
                }
            }
        };
    };
    (@bytes $life:lifetime) => { &$life [u8] };
    (@bytes) => { &[u8] };
    (@reader $life:lifetime) => { $crate::reader::Reader<$life> };
    (@reader) => { $crate::reader::Reader<'_> };
}

pub(crate) use message;
