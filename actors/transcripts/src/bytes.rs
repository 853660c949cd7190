//! Bytes in JSON: as a text where they are one that reads well, else in Base64, and the byte that they end with, if it
//! fills much of them, once.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A run of one byte at the end that is longer than this is written as `repeat` and `times`.
const RUN: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Encoded(Encoded),
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    base64: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
}

/// What follows: one ASCII character, so many times.
#[derive(Serialize, Deserialize)]
struct Run {
    repeat: char,
    times: usize,
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let readable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\r' | b'\n');
    let last = bytes.last().copied().filter(u8::is_ascii);
    let start = bytes.iter().rposition(|byte| Some(*byte) != last).map_or(0, |at| at + 1);
    let form = match (last, str::from_utf8(bytes)) {
        (Some(last), _) if bytes.len() - start > RUN => Form::Encoded(Encoded {
            base64: BASE64_STANDARD.encode(bytes.get(..start).unwrap_or_default()),
            run: Some(Run { repeat: char::from(last), times: bytes.len() - start }),
        }),
        (_, Ok(text)) if bytes.iter().all(readable) => Form::Text(text.to_owned()),
        _ => Form::Encoded(Encoded { base64: BASE64_STANDARD.encode(bytes), run: None }),
    };
    form.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let wrong = |error: &dyn std::fmt::Display| serde::de::Error::custom(error);
    let Encoded { base64, run } = match Form::deserialize(deserializer)? {
        Form::Text(text) => return Ok(text.into_bytes()),
        Form::Encoded(encoded) => encoded,
    };
    let mut bytes = BASE64_STANDARD.decode(base64).map_err(|error| wrong(&error))?;
    if let Some(Run { repeat, times }) = run {
        let byte = u8::try_from(repeat).ok().filter(u8::is_ascii);
        let byte = byte.ok_or_else(|| wrong(&"what repeats is one ASCII character"))?;
        bytes.resize(bytes.len() + times, byte);
    }
    Ok(bytes)
}
