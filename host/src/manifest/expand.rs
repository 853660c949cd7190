//! Environment variables in a manifest.
//!
//! They are put in where the parsed text has a scalar, not into the text: a value can say what a scalar says, but not
//! what there is beside it, and a comment asks for none. An error is raised where the scalar is, so that the parser adds
//! its key and line.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};

/// A deserializer, visitor, access or seed whose scalars are expanded.
pub(super) struct Expanding<'a, T, F> {
    inner: T,
    variable: &'a F,
    /// What becomes of a scalar that has a variable.
    scalar: Scalar,
}

#[derive(Clone, Copy)]
enum Scalar {
    /// It is text, whatever it looks like.
    Text,
    /// It is a number or a truth value if it looks like one: something else than text is wanted.
    Plain,
    /// It is the name of a variant.
    Variant,
}

/// Replaces `${NAME}` and `${NAME:DEFAULT}`; `$${` stands for `${`. What has none of these is borrowed.
fn expand<'t>(text: &'t str, variable: &impl Fn(&str) -> Option<String>) -> Result<Cow<'t, str>, String> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let (inner, after) =
            from[2..].split_once('}').ok_or("`${` has no `}` after it; write $${ for ${ itself")?;
        let (name, default) = match inner.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(letters) {
            return Err(format!("{name:?} is no name of an environment variable"));
        }
        match (variable(name), default) {
            (Some(value), _) => expanded.push_str(&value),
            (None, Some(default)) => expanded.push_str(default),
            (None, None) => {
                return Err(format!(
                    "the environment variable {name} is not set; set it, or write ${{{name}:DEFAULT}}"
                ));
            }
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

// === impl Expanding ===

impl<'a, T, F> Expanding<'a, T, F> {
    pub(super) fn new(inner: T, variable: &'a F) -> Self {
        Self { inner, variable, scalar: Scalar::Text }
    }

    fn around<U>(&self, inner: U, scalar: Scalar) -> Expanding<'a, U, F> {
        Expanding { inner, variable: self.variable, scalar }
    }
}

/// What is asked for by kind is looked at as it is, so that it may be a variable instead.
macro_rules! plain {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.deserialize_any(visitor)
        }
    )*};
}

/// What holds others, or is text.
macro_rules! pass {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.around(visitor, Scalar::Text);
            self.inner.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>, F: Fn(&str) -> Option<String>> Deserializer<'de> for Expanding<'_, D, F> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor, Scalar::Plain);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor, Scalar::Variant);
        self.inner.deserialize_any(visitor)
    }

    // The name of a field is no place for a variable.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_identifier(visitor)
    }

    plain! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64
    }

    pass! {
        deserialize_char()
        deserialize_str()
        deserialize_string()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(length: usize)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_ignored_any()
    }
}

macro_rules! as_it_is {
    ($($method:ident($kind:ty))*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, F: Fn(&str) -> Option<String>> Visitor<'de> for Expanding<'_, V, F> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    as_it_is! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128) visit_f64(f64)
        visit_bytes(&[u8])
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<V::Value, E> {
        let expanded = expand(text, self.variable).map_err(E::custom)?;
        match (self.scalar, expanded) {
            (Scalar::Variant, name) => {
                let name: StringDeserializer<E> = name.into_owned().into_deserializer();
                self.inner.visit_enum(name)
            }
            (Scalar::Plain, Cow::Owned(text)) => {
                if let Ok(number) = text.parse() {
                    self.inner.visit_u64(number)
                } else if let Ok(number) = text.parse() {
                    self.inner.visit_i64(number)
                } else if let Ok(truth) = text.parse() {
                    self.inner.visit_bool(truth)
                } else {
                    self.inner.visit_string(text)
                }
            }
            (_, Cow::Owned(text)) => self.inner.visit_string(text),
            (_, Cow::Borrowed(text)) => self.inner.visit_str(text),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.around(value, Scalar::Text);
        self.inner.visit_some(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        let value = self.around(value, Scalar::Text);
        self.inner.visit_newtype_struct(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        let items = self.around(items, Scalar::Text);
        self.inner.visit_seq(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.around(entries, Scalar::Text);
        self.inner.visit_map(entries)
    }

    // Of a YAML tag, which no manifest has.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(tagged)
    }
}

impl<'de, S: DeserializeSeed<'de>, F: Fn(&str) -> Option<String>> DeserializeSeed<'de>
    for Expanding<'_, S, F>
{
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<S::Value, D::Error> {
        let value = self.around(value, Scalar::Text);
        self.inner.deserialize(value)
    }
}

impl<'de, A: SeqAccess<'de>, F: Fn(&str) -> Option<String>> SeqAccess<'de> for Expanding<'_, A, F> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.around(seed, Scalar::Text);
        self.inner.next_element_seed(seed)
    }
}

impl<'de, A: MapAccess<'de>, F: Fn(&str) -> Option<String>> MapAccess<'de> for Expanding<'_, A, F> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.around(seed, Scalar::Text);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.around(seed, Scalar::Text);
        self.inner.next_value_seed(seed)
    }
}
