//! Messages as fields of a stream's entries.

use crate::messaging::Message;
use crate::messaging::check::{expired, expiry_ms};
use crate::redis::groups::Fields;

const BODY: &str = "data";
const REPLY_TO: &str = "reply_to";
/// Milliseconds since 1970. `bury.lua` knows it too.
const EXPIRES: &str = "expires";
/// What stands before a header's name.
const HEADER: &str = "header:";

// === free functions ===

pub(super) fn fields(message: &Message) -> Fields {
    let mut fields: Fields = vec![BODY.into(), message.body.clone()];
    if let Some(reply_to) = &message.reply_to {
        fields.extend([REPLY_TO.into(), reply_to.clone().into()]);
    }
    if let Some(expiry) = expiry_ms(message.ttl) {
        fields.extend([EXPIRES.into(), expiry.to_string().into()]);
    }
    for (name, value) in &message.headers {
        fields.extend([format!("{HEADER}{name}").into(), value.clone().into()]);
    }
    fields
}

/// A message that arrived, unless it has expired. Fields of other programs are left out.
pub(super) fn decode(fields: Fields) -> Option<Message> {
    let mut message = Message::default();
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if name == BODY {
            message.body = value;
            continue;
        }
        let (Ok(name), Ok(value)) = (std::str::from_utf8(&name), std::str::from_utf8(&value)) else {
            continue;
        };
        match (name, name.strip_prefix(HEADER)) {
            (EXPIRES, _) if value.parse().is_ok_and(expired) => return None,
            (REPLY_TO, _) => message.reply_to = Some(value.to_owned()),
            (_, Some(name)) => message.headers.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    Some(message)
}
